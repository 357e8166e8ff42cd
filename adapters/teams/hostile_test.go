package teams

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

// Every attack in every text of every card and form: nothing that reads Markdown or
// templates holds any of it, nothing invisible is left, and all limits are kept.
func TestTextsAreInert(t *testing.T) {
	schema := cardSchema(t)
	for _, attack := range bottest.Attacks {
		t.Run(attack.Name, func(t *testing.T) {
			for i, s := range bottest.Specimens() {
				if len(attack.Text) > 5000 && i%8 != 0 {
					continue // fitting takes its time, and is the same everywhere
				}
				sent, err := marshal(rendered(s.With(attack.Text)))
				if err != nil {
					t.Fatal(err)
				}
				checkCard(t, schema, sent)
				inert(t, s.Name, sent)
				if links := teamstest.ReadCard(sent).Links; len(links) > 0 {
					t.Errorf("%s: a client makes links of %q", s.Name, links)
				}
			}
		})
	}
}

// inert holds the places that checkCard does not look into: names of inputs, of
// choices and of buttons.
func inert(t *testing.T, where string, sent []byte) {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	eachElement(parsed, func(e map[string]any) {
		for key, v := range e {
			text, ok := v.(string)
			if !ok {
				continue
			}
			if hidden := bottest.Hidden(text); hidden != "" {
				t.Errorf("%s: %s shows %q", where, key, hidden)
			}
			switch {
			case key == "text" || key == "value" || key == "url":
			case strings.Contains(text, "{{"):
				t.Errorf("%s: %s could be taken for a template: %q", where, key, text)
			case (key == "title" || key == "label") && strings.Contains(text, "\n"):
				t.Errorf("%s: %s has several lines: %q", where, key, text)
			}
		}
		if many, _ := e["isMultiSelect"].(bool); many || e["type"] == "Input.Toggle" { // their titles are read as Markdown
			choices, _ := e["choices"].([]any)
			for _, c := range append(choices, any(map[string]any{"title": e["title"]})) {
				if title, _ := c.(map[string]any)["title"].(string); strings.Contains(title, "](") || strings.Contains(title, "<h") {
					t.Errorf("%s: a client makes a link of %q", where, title)
				}
			}
		}
	})
}

// What can be read is what was written.
func TestTextsAreLiteral(t *testing.T) {
	for _, attack := range bottest.Attacks {
		want := plain(attack.Text, maxFact)
		if strings.HasSuffix(want, "…") {
			continue
		}
		c := bot.Card{Title: "Title", Text: attack.Text, Facts: []bot.Fact{{Name: attack.Text, Value: attack.Text}}, Note: attack.Text}
		if n := strings.Count(literal(t, renderCard(onRecord, c)), want); n < 4 {
			t.Errorf("%s: it can be read as it was written in %d of 4 places", attack.Name, n)
		}
	}
}
