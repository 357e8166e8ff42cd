package teams

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/belaybot/belay/bot"
)

// bareWords begin a command in the personal chat without "/elevate".
var bareWords = []string{"help", "home", "again", "save", "saved", "forget", "status", "stop", "approvals", "posture", "checklist", "link", "unlink"}

// command is the command that a message gives, without "/elevate", and whether
// it is meant for the bot at all: in the personal chat everything is, elsewhere
// only a mention or a targeted message.
func command(d *delivery) (string, bool) {
	text, mentioned := d.withoutMention()
	if !d.personal() && !mentioned && !d.targeted {
		return "", false
	}
	first, rest := firstWord(text)
	switch strings.ToLower(first) {
	case "/elevate", "elevate":
		return rest, true
	}
	if slices.Contains(bareWords, strings.ToLower(first)) {
		return text, true
	}
	return "help", true
}

// withoutMention is the text without the mentions of the bot, exactly as their
// entities quote them, and whether there was one.
func (d *delivery) withoutMention() (string, bool) {
	text, found := d.Text, false
	for _, m := range d.mentions {
		if m.id == d.Recipient.ID && strings.Contains(text, m.text) {
			text, found = strings.Replace(text, m.text, " ", 1), true
		}
	}
	text = blanks.Replace(text)
	return strings.TrimSpace(text), found
}

// blanks are how Teams writes spaces, and what no text may hold.
var blanks = strings.NewReplacer("\u00a0", " ", "&nbsp;", " ", "\x00", "")

func firstWord(text string) (first, rest string) {
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return text, ""
}

// shown tells how a card came to stand where it is. It travels in the data of
// its buttons. It is a hint for where to show the answer, and no authority: it is
// believed only where such a card can stand at all.
type shown string

const (
	onRecord   shown = ""         // posted by bot, which keeps its id
	inChat     shown = "chat"     // an answer, in the personal chat
	asTargeted shown = "targeted" // an answer, in a channel, seen by one person
)

// data is what a button brings back, beside the values of the inputs. No input
// of a form may have one of these names.
type data struct {
	ID    string            `json:"id"`
	Verb  bot.Verb          `json:"verb"`
	Form  bool              `json:"form,omitempty"`
	Live  map[string]string `json:"live,omitempty"` // what the form was laid out for, by Live field
	Most  map[string]int    `json:"most,omitempty"` // how many options may be chosen, by field
	Zone  string            `json:"zone,omitempty"` // the time zone of which the form says that its times are
	Shown shown             `json:"shown,omitempty"`
}

var dataNames = []string{"id", "verb", "form", "live", "most", "zone", "shown"}

// press is a button that was pressed or a form that was sent.
type press struct {
	said  bot.Said
	verb  bot.Verb
	id    string
	shown shown
	wrong map[string]mistake // by field: what a client let through and is no answer
}

// pressed reads the data of a button; verb is what the action itself says,
// if it does. Anything that Belay did not write becomes a Press with no verb, which
// bot answers like any card that is outdated.
func pressed(d *delivery, raw json.RawMessage, verb string) press {
	var b data
	var values map[string]any
	if json.Unmarshal(raw, &b) != nil || json.Unmarshal(raw, &values) != nil || len(b.Verb) > 64 || len(b.ID) > 512 ||
		verb != "" && verb != string(b.Verb) {
		return press{said: bot.Press{}}
	}
	if !d.possible(b.Shown) {
		b.Shown = onRecord
	}
	p := press{verb: b.Verb, id: b.ID, shown: b.Shown}
	var at bot.Message
	if b.Shown == onRecord && !d.targeted {
		at = d.copyAt()
	}
	if !b.Form {
		p.said = bot.Press{Verb: b.Verb, ID: b.ID, Copy: at}
		return p
	}
	entered := map[string]string{}
	for name, value := range values {
		if text, ok := value.(string); ok && !slices.Contains(dataNames, name) {
			entered[name] = text
		}
	}
	answers, wrong := answersOf(entered, b.Most, or(b.Zone, d.zone))
	if p.wrong = wrong; len(wrong) > 0 {
		p.said = bot.Change{Verb: b.Verb, ID: b.ID, Values: answers}
		return p
	}
	// Teams tells nobody that a choice was changed. So a form that is sent with
	// another choice than it was laid out for is not sent yet: the person is shown
	// what that choice asks for first.
	for name, value := range b.Live {
		if answers[name] != value {
			p.said = bot.Change{Verb: b.Verb, ID: b.ID, Values: answers}
			return p
		}
	}
	p.said = bot.Submit{Verb: b.Verb, ID: b.ID, Values: answers, Copy: at}
	return p
}

// possible reports whether an answer that was shown that way can stand in the
// conversation of d. A card can be forwarded and data can be made up: a card in a
// channel that calls itself an answer in a personal chat would bring what is for
// one person before everybody.
func (d *delivery) possible(how shown) bool {
	return how == inChat && d.personal() || how == asTargeted && !d.personal()
}

// dataset names what a Choice is searched for: the form and the field.
func dataset(f bot.Form, field string) string {
	return url.Values{"verb": {string(f.Verb)}, "id": {f.ID}, "field": {field}}.Encode()
}

// searched reads the value of an application/search invoke, and how many
// options are wanted.
func searched(raw json.RawMessage) (bot.Search, int, bool) {
	var v struct {
		QueryText    string `json:"queryText"`
		Dataset      string `json:"dataset"`
		QueryOptions struct {
			Top int `json:"top"`
		} `json:"queryOptions"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return bot.Search{}, 0, false
	}
	about, err := url.ParseQuery(v.Dataset)
	if err != nil || about.Get("field") == "" {
		return bot.Search{}, 0, false
	}
	if v.QueryOptions.Top <= 0 || v.QueryOptions.Top > maxFound {
		v.QueryOptions.Top = maxFound
	}
	s := bot.Search{Verb: bot.Verb(about.Get("verb")), ID: about.Get("id"), Field: about.Get("field"), Text: plain(v.QueryText, maxQuery)}
	return s, v.QueryOptions.Top, true
}
