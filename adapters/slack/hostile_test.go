package slack

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	slackgo "github.com/slack-go/slack"
)

// Every attack in every text of every card and form: Slack reads markup in none of
// them, nothing invisible is left, and all limits are kept.
func TestTextsAreInert(t *testing.T) {
	for _, attack := range bottest.Attacks {
		t.Run(attack.Name, func(t *testing.T) {
			for i, s := range bottest.Specimens() {
				if len(attack.Text) > 5000 && i%8 != 0 {
					continue // fitting takes its time, and is the same everywhere
				}
				s = s.With(attack.Text)
				if s.Form != nil {
					inert(t, s.Name, formView(*s.Form, memo{}, nil))
					continue
				}
				inert(t, s.Name, map[string]any{"text": notice(*s.Card), "blocks": slackgo.Blocks{BlockSet: blocks(cardsOf(s.Reply())...)}})
				inert(t, s.Name+" in a modal", cardView(memo{}, cardsOf(s.Reply())...))
			}
		})
	}
}

var ownDate = regexp.MustCompile(`^<!date\^[0-9]+\^\{date_short_pretty\} \{time\}\|[0-9A-Za-z ,:]+>$`)

// inert looks at what is rendered as Slack does, element by element.
func inert(t *testing.T, where string, rendered any) {
	t.Helper()
	raw, err := json.Marshal(rendered)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if hidden := bottest.Hidden(v); hidden != "" {
				t.Errorf("%s: %s shows %q", where, key, hidden)
			}
		case []any:
			for _, e := range v {
				walk(key, e)
			}
		case map[string]any:
			text, _ := v["text"].(string)
			switch v["type"] {
			case "mrkdwn":
				inner := strings.TrimSuffix(strings.TrimPrefix(text, "*"), "*")
				if !ownDate.MatchString(text) && strings.ContainsAny(inner, "*_~`<>&:\n") {
					t.Errorf("%s: Slack reads markup in %q", where, text)
				}
				if v["verbatim"] != true {
					t.Errorf("%s: Slack makes links in %q", where, text)
				}
			case "plain_text":
				if v["emoji"] == true {
					t.Errorf("%s: Slack makes pictures of words in %q", where, text)
				}
			case "markdown", "rich_text":
				t.Errorf("%s: a block that reads markup", where)
			}
			for key, e := range v {
				walk(key, e)
			}
		}
	}
	walk("", root)
	top := root.(map[string]any)
	if text, ok := top["text"].(string); ok && strings.ContainsAny(text, "<>") {
		t.Errorf("%s: Slack reads markup in the notification %q", where, text)
	}
	checkLimits(t, raw)
}

// What can be read is what was written.
func TestTextsAreLiteral(t *testing.T) {
	for _, attack := range bottest.Attacks {
		want := bot.Clean(attack.Text)
		if width(want) > maxShort || strings.Contains(want, "\n") {
			continue // cut, or on lines of its own
		}
		raw, err := json.Marshal(blocks(bot.Card{Title: "Title", Text: attack.Text, Facts: []bot.Fact{{Name: attack.Text, Value: attack.Text}}, Note: attack.Text}))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), string(shown)); n < 3 {
			t.Errorf("%s: it can be read as it was written in %d places only: %s", attack.Name, n, raw)
		}
	}
}
