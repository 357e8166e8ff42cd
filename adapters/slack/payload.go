package slack

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
)

// What Slack delivers, reduced to the members that are used: an odd block in a
// card cannot make a click undecodable.

const maxDepth = 64 // of JSON; the deepest payload Slack documents has about 15

// origin says who did something, and where Slack says it happened.
type origin struct {
	app        string
	team       string
	enterprise string
	user       string
	userTeam   string
	name       string
	channel    string
	shared     bool // with another organisation
}

// command is a slash command.
type command struct {
	origin
	text        string
	trigger     string
	responseURL string
	sslCheck    bool
}

// interaction is block_actions, view_submission, view_closed or block_suggestion.
type interaction struct {
	Type        string `json:"type"`
	AppID       string `json:"api_app_id"`
	TriggerID   string `json:"trigger_id"`
	ResponseURL string `json:"response_url"`
	Shared      bool   `json:"is_ext_shared_channel"`
	User        struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Name     string `json:"name"`
		TeamID   string `json:"team_id"`
	} `json:"user"`
	Team struct { // null where the app is installed for a whole organisation
		ID           string `json:"id"`
		EnterpriseID string `json:"enterprise_id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Type      string `json:"type"`
		MessageTS string `json:"message_ts"`
		ChannelID string `json:"channel_id"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Actions []struct {
		Type     string `json:"type"`
		ActionID string `json:"action_id"`
		Value    string `json:"value"`
	} `json:"actions"`
	View struct {
		ID         string `json:"id"`
		Type       string `json:"type"`
		CallbackID string `json:"callback_id"`
		Memo       string `json:"private_metadata"`
		Hash       string `json:"hash"`
		State      struct {
			Values map[string]map[string]entered `json:"values"` // block id, then action id
		} `json:"state"`
	} `json:"view"`
	ActionID string `json:"action_id"` // of a block_suggestion
	Value    string `json:"value"`     // what was typed there
}

// entered is what stands in one input.
type entered struct {
	Value    *string  `json:"value"`
	Selected *chosen  `json:"selected_option"`
	Several  []chosen `json:"selected_options"`
	Seconds  *int64   `json:"selected_date_time"`
}

type chosen struct {
	Value string `json:"value"`
}

// String is the value of a bot.Field.
func (e entered) String() string {
	switch {
	case e.Selected != nil:
		return e.Selected.Value
	case e.Several != nil:
		var all []string
		for _, c := range e.Several {
			all = append(all, c.Value)
		}
		return strings.Join(all, ",")
	case e.Seconds != nil:
		return time.Unix(*e.Seconds, 0).UTC().Truncate(time.Minute).Format(time.RFC3339)
	case e.Value != nil:
		return *e.Value
	}
	return ""
}

// event is a delivery of the Events API.
type event struct {
	Type         string `json:"type"`
	Challenge    string `json:"challenge"`
	AppID        string `json:"api_app_id"`
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id"`
	ID           string `json:"event_id"`
	Event        struct {
		Type    string          `json:"type"`
		User    json.RawMessage `json:"user"` // an id; in other events an object
		Channel json.RawMessage `json:"channel"`
		Tab     string          `json:"tab"`
	} `json:"event"`
}

const formType = "application/x-www-form-urlencoded"

func isForm(contentType string) bool {
	if contentType == formType {
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == formType
}

// form decodes an urlencoded body: no name twice, UTF-8, no NUL.
func form(contentType string, body []byte) (url.Values, error) {
	if !isForm(contentType) {
		return nil, fmt.Errorf("the content type %q is not a form's", contentType)
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the form cannot be decoded")
	}
	for name, all := range values {
		if len(all) != 1 {
			return nil, errors.New("a form field is there twice")
		}
		if !wellFormed(name) || !wellFormed(all[0]) {
			return nil, errors.New("a form field is not text")
		}
	}
	return values, nil
}

func wellFormed(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// payload is the JSON of an interaction, which is the only field of its form. As Slack
// sends it, it is decoded without the copies that a form of many fields needs.
func payload(contentType string, body []byte) ([]byte, error) {
	if escaped, ok := bytes.CutPrefix(body, []byte("payload=")); ok && isForm(contentType) && !bytes.ContainsAny(escaped, "&;") {
		return unescape(escaped)
	}
	v, err := form(contentType, body)
	return []byte(v.Get("payload")), err
}

// unescape decodes one value of a form.
func unescape(escaped []byte) ([]byte, error) {
	text := make([]byte, 0, max(0, len(escaped)-2*bytes.Count(escaped, []byte("%"))))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			var b [1]byte
			if i+2 >= len(escaped) {
				return nil, errors.New("the form cannot be decoded")
			}
			if _, err := hex.Decode(b[:], escaped[i+1:i+3]); err != nil {
				return nil, errors.New("the form cannot be decoded")
			}
			c, i = b[0], i+2
		}
		if c == 0 {
			return nil, errors.New("a form field is not text")
		}
		text = append(text, c)
	}
	return text, nil
}

// decode decodes JSON that is text throughout and not absurdly deep. A message in it, which
// is longer than all the rest and of which nothing is used, is left out.
func decode(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("the JSON is not UTF-8")
	}
	from, to, err := walk(data)
	if err != nil {
		return err
	}
	if to > from {
		data = slices.Concat(data[:from], []byte("null"), data[to:])
	}
	if err := json.Unmarshal(data, into); err != nil {
		return errors.New("the JSON is not what Slack sends")
	}
	return nil
}

// walk looks at JSON before it is decoded, in one pass and without a copy: how deep it
// is, whether a string would hold a NUL, and from where to where the value of the first member
// "message" of the outermost object goes (0, 0: there is none). Whether it is JSON at all,
// decoding tells.
func walk(data []byte) (from, to int, err error) {
	depth, named := 0, 0 // named: where the name "message" has just ended
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			begun := i
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] != '\\' {
					continue
				}
				if i++; bytes.HasPrefix(data[min(i, len(data)):], []byte("u0000")) { // what is escaped ends no string
					return 0, 0, errors.New("a JSON string is not text")
				}
			}
			if depth == 1 && from == 0 && string(data[begun:min(i+1, len(data))]) == `"message"` {
				named = i + 1
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return 0, 0, errors.New("the JSON is too deep")
			}
		case '}', ']':
			if depth--; depth == 0 && from > 0 && to == 0 {
				to = i
			}
		case ':':
			if depth == 1 && named > 0 && from == 0 && len(bytes.TrimSpace(data[named:i])) == 0 {
				from = i + 1
			}
		case ',':
			if depth == 1 && from > 0 && to == 0 {
				to = i
			}
		}
	}
	return from, to, nil
}

// parseCommand decodes the body of /slack/commands.
func parseCommand(contentType string, body []byte) (command, error) {
	v, err := form(contentType, body)
	if err != nil {
		return command{}, err
	}
	c := command{
		origin: origin{
			app: v.Get("api_app_id"), team: v.Get("team_id"), enterprise: v.Get("enterprise_id"),
			user: v.Get("user_id"), name: v.Get("user_name"), channel: v.Get("channel_id"),
			shared: v.Get("is_ext_shared_channel") == "true" || v.Get("is_ext_shared_channel") == "1",
		},
		text: strings.TrimSpace(v.Get("text")), trigger: v.Get("trigger_id"), responseURL: v.Get("response_url"),
		sslCheck: v.Get("ssl_check") == "1",
	}
	if !c.sslCheck && (c.user == "" || c.team == "" || c.channel == "" || v.Get("command") == "") {
		return command{}, errors.New("the command does not say who typed it where")
	}
	return c, nil
}

// parseInteraction decodes the body of /slack/interactions and /slack/options.
func parseInteraction(contentType string, body []byte) (interaction, error) {
	data, err := payload(contentType, body)
	if err != nil {
		return interaction{}, err
	}
	var in interaction
	if err := decode(data, &in); err != nil {
		return interaction{}, err
	}
	switch in.Type {
	case "block_actions":
		if len(in.Actions) != 1 || in.Actions[0].ActionID == "" {
			return interaction{}, errors.New("the action does not say what was used")
		}
		if in.View.ID == "" && (in.at() == "" || in.Container.MessageTS == "") {
			return interaction{}, errors.New("the action does not say where it was")
		}
	case "view_submission", "view_closed":
		if in.View.ID == "" {
			return interaction{}, errors.New("the view has no id")
		}
	case "block_suggestion":
		if in.ActionID == "" || in.View.ID == "" {
			return interaction{}, errors.New("the search does not say what it is for")
		}
	default:
		return interaction{}, errors.New("this kind of interaction is not in use")
	}
	if in.View.ID != "" && in.View.Type != "modal" && !in.home() {
		return interaction{}, errors.New("the view is neither a modal nor a press in the Home tab, and Belay opens no others")
	}
	if o := in.origin(); o.user == "" || o.team == "" {
		return interaction{}, errors.New("the interaction does not say who it is from")
	}
	return in, nil
}

// home tells whether something in the Home tab was used. It has no forms.
func (in interaction) home() bool { return in.View.Type == "home" && in.Type == "block_actions" }

// at is the channel of a message that was used.
func (in interaction) at() string { return or(in.Container.ChannelID, in.Channel.ID) }

func (in interaction) origin() origin {
	return origin{
		app: in.AppID, team: or(in.Team.ID, in.User.TeamID), enterprise: or(in.Team.EnterpriseID, in.Enterprise.ID),
		user: in.User.ID, userTeam: in.User.TeamID, name: or(in.User.Name, in.User.Username),
		channel: in.at(), shared: in.Shared,
	}
}

// memo is what the modal carried. One that is not ours has nothing in it.
func (in interaction) memo() memo {
	var m memo
	if err := json.Unmarshal([]byte(in.View.Memo), &m); err != nil {
		return memo{}
	}
	return m
}

// standing is what stands in the modal's inputs.
func (in interaction) standing() standing {
	s := make(standing)
	for block, inputs := range in.View.State.Values {
		for name, e := range inputs {
			s[name] = struct{ block, value string }{block, e.String()}
		}
	}
	return s
}

// opensHome tells whether a person opened the Home tab. Slack tells of the tab with
// the direct messages by the same event.
func (e event) opensHome() bool {
	return e.Type == "event_callback" && e.Event.Type == "app_home_opened" && e.Event.Tab == "home"
}

// member is the user of a user_change event, as far as Belay reads it.
type member struct {
	ID              string `json:"id"`
	Deleted         bool   `json:"deleted"`
	Restricted      bool   `json:"is_restricted"`
	UltraRestricted bool   `json:"is_ultra_restricted"`
}

// changed is the user of a user_change event; empty when there is none.
func (e event) changed() (m member) {
	if json.Unmarshal(e.Event.User, &m) != nil {
		return member{}
	}
	return m
}

// left says whether somebody is no full member any more, and why.
func (m member) left() (why string, left bool) {
	switch {
	case m.ID == "":
		return "", false
	case m.Deleted:
		return bot.EndedAsLeft, true
	case m.Restricted || m.UltraRestricted:
		return bot.EndedAsGuest, true
	}
	return "", false
}

func (e event) user() string { return str(e.Event.User) }

// str is a JSON string, or nothing when it is something else.
func str(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func (e event) origin() origin {
	return origin{app: e.AppID, team: e.TeamID, enterprise: e.EnterpriseID, user: e.user(), channel: str(e.Event.Channel)}
}

// parseEvent decodes the body of /slack/events.
func parseEvent(body []byte) (event, error) {
	var e event
	if err := decode(body, &e); err != nil {
		return event{}, err
	}
	switch e.Type {
	case "url_verification":
		if e.Challenge == "" {
			return event{}, errors.New("the verification has no challenge")
		}
	case "event_callback", "app_rate_limited":
		if e.opensHome() && (e.user() == "" || e.TeamID == "") {
			return event{}, errors.New("the event does not say who opened the Home tab")
		}
		if e.Event.Type == "user_change" && (e.changed().ID == "" || e.TeamID == "") {
			return event{}, errors.New("the event does not say who was changed")
		}
	default:
		return event{}, errors.New("this kind of event is not in use")
	}
	return e, nil
}
