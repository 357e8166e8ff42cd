package teamstest

import (
	"strings"
	"testing"
)

func chartCard(members string) string {
	return `{"type":"AdaptiveCard","version":"1.5","body":[{"type":"Chart.Line",` + members + `}]}`
}

func TestCardsAccepted(t *testing.T) {
	checker, err := newCardChecker()
	if err != nil {
		t.Fatal(err)
	}
	for name, card := range map[string]string{
		"approval": approval,
		"text":     textCard("hi"),
		"search":   `{"type":"AdaptiveCard","version":"1.5","body":[{"type":"Input.ChoiceSet","id":"a","style":"filtered","choices.data":{"type":"Data.Query","dataset":"roles"}}]}`,
		"chart":    chartCard(`"title":"t","fallback":"drop","data":[{"legend":"a","values":[{"x":"2026-11-26","y":3}]}]`),
		"data":     `{"type":"AdaptiveCard","version":"1.5","actions":[{"type":"Action.Execute","title":"x","data":{"type":"Input.Text","id":"not an input"}}]}`,
	} {
		if _, err := checker.check([]byte(card)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCardsRefused(t *testing.T) {
	checker, err := newCardChecker()
	if err != nil {
		t.Fatal(err)
	}
	card := func(rest string) string { return `{"type":"AdaptiveCard","version":"1.5",` + rest + `}` }
	body := func(elements string) string { return card(`"body":[` + elements + `]`) }
	button := `{"type":"Action.Execute","title":"x"}`
	for _, c := range []struct{ name, card, want string }{
		{"no JSON", `{`, "no JSON"},
		{"empty", ``, "no JSON"},
		{"an array", `[]`, "type"},
		{"another type", `{"type":"HeroCard","version":"1.5"}`, "type"},
		{"an older version", `{"type":"AdaptiveCard","version":"1.4"}`, "version"},
		{"no version", `{"type":"AdaptiveCard"}`, "version"},
		{"refresh", card(`"refresh":{"action":` + button + `}`), "not simulated"},
		{"unknown member", card(`"colour":"red"`), "colour"},
		{"TextBlock without text", body(`{"type":"TextBlock"}`), "text"},
		{"unknown element", body(`{"type":"Marquee","text":"x"}`), "body"},
		{"unknown member of an element", body(`{"type":"TextBlock","text":"x","blink":true}`), "body"},
		{"number for a string", body(`{"type":"TextBlock","text":7}`), "body"},
		{"input without id", body(`{"type":"Input.Text"}`), "id"},
		{"empty id", body(`{"type":"Input.Text","id":""}`), "empty"},
		{"same id twice", body(`{"type":"Input.Text","id":"a"},{"type":"Input.Toggle","id":"a","title":"x"}`), "twice"},
		{"same id in an inner card", card(`"body":[{"type":"Input.Text","id":"a"}],"actions":[{"type":"Action.ShowCard","title":"x","card":{"type":"AdaptiveCard","body":[{"type":"Input.Text","id":"a"}]}}]`), "twice"},
		{"no title", card(`"actions":[{"type":"Action.Execute","verb":"x"}]`), "title"},
		{"seven buttons", card(`"actions":[` + strings.Repeat(button+",", 6) + button + `]`), "7 buttons"},
		{"msteams member", card(`"msteams":{"entities":[]}`), "entities"},
		{"msteams width", card(`"msteams":{"width":"full"}`), "width"},
		{"msteams elsewhere", body(`{"type":"TextBlock","text":"x","msteams":{}}`), "msteams"},
		{"query without dataset", body(`{"type":"Input.ChoiceSet","id":"a","choices.data":{"type":"Data.Query"}}`), "dataset"},
		{"query of a text", body(`{"type":"Input.Text","id":"a","choices.data":{"type":"Data.Query","dataset":"x"}}`), "Input.ChoiceSet"},
		{"query with more", body(`{"type":"Input.ChoiceSet","id":"a","choices.data":{"type":"Data.Query","dataset":"x","limit":3}}`), "limit"},
		{"filtered text", body(`{"type":"Input.Text","id":"a","style":"filtered"}`), "body"},
		{"a chart without a fallback", chartCard(`"title":"t","data":[{"legend":"a","values":[{"x":"2026-11-26","y":3}]}]`), "fallback"},
		{"a chart without data", chartCard(`"fallback":"drop","data":[]`), "no data"},
		{"a line without values", chartCard(`"fallback":"drop","data":[{"legend":"a","values":[]}]`), "no values"},
		{"a line without a legend", chartCard(`"fallback":"drop","data":[{"values":[{"x":"2026-11-26","y":3}]}]`), "legend"},
		{"a text for a number", chartCard(`"fallback":"drop","data":[{"legend":"a","values":[{"x":"2026-11-26","y":"3"}]}]`), "y of a point"},
		{"no day", chartCard(`"fallback":"drop","data":[{"legend":"a","values":[{"x":"26 Nov","y":3}]}]`), "x of a point"},
		{"unknown member of a chart", chartCard(`"fallback":"drop","colour":"red","data":[{"legend":"a","values":[{"x":"2026-11-26","y":3}]}]`), "colour"},
		{"too long", textCard(strings.Repeat("x", 25<<10)), "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := checker.check([]byte(c.card)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want one that names %q", err, c.want)
			}
		})
	}
}
