package teamstest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadCard(t *testing.T) {
	got := ReadCard([]byte(approval))
	want := Screen{
		Lines:   []string{"Approval needed", "Alice asks for Global Reader", "Duration: 1 hour", "Note", "Approve", "Deny…", "Reason", "Deny", "Open in Entra"},
		Buttons: []Button{{Title: "Approve", Verb: "approve"}, {Title: "Deny…"}, {Title: "Deny", Verb: "deny"}, {Title: "Open in Entra", URL: "https://entra.microsoft.com/"}},
		Inputs: []Input{
			{ID: "note", Kind: "Input.Text", Label: "Note", Max: 10},
			{ID: "reason", Kind: "Input.Text", Label: "Reason", Required: true, Error: "Say why"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Input{})); diff != "" {
		t.Error(diff)
	}
	for _, nothing := range []string{"", "{", "[]", "7"} {
		if got := ReadCard([]byte(nothing)); got.Lines != nil || got.Buttons != nil || CardText([]byte(nothing)) != "" {
			t.Errorf("%q reads %+v", nothing, got)
		}
	}
}

func TestReadingOfTexts(t *testing.T) {
	block := func(text string) string { return `{"type":"TextBlock","text":"` + text + `"}` }
	run := func(text string) string { return `{"type":"RichTextBlock","inlines":["` + text + `"]}` }
	for _, c := range []struct {
		element, want string
		links         []string
	}{
		{block(`plain, 2 * 3 * 4 <b>`), "plain, 2 * 3 * 4 <b>", nil},
		{block("**bold** _it_ `code` snake_case"), "bold it code snake_case", nil},
		{block(`[here](https://evil.example/a(b))`), "here", []string{"https://evil.example/a(b)"}},
		{block(`[x](javascript:alert(1))`), "x", []string{"javascript:alert(1)"}},
		{block(`<https://evil.example|click>`), "https://evil.example|click", []string{"https://evil.example|click"}},
		{block(`\\[here\\](https://evil.example) \\*x\\* &lt;`), "[here](https://evil.example) *x* <", nil},
		{block(`{{DATE(2026-11-23T09:00:00Z, SHORT)}} {{TIME(2026-11-23T09:00:00+01:00)}}`), "Mon, Nov 23, 2026 8:00 AM", nil},
		{block(`{{DATE(2026-13-23T09:00:00Z)}} {{ DATE(2026-11-23T09:00:00Z)}}`), "{{DATE(2026-13-23T09:00:00Z)}} {{ DATE(2026-11-23T09:00:00Z)}}", nil},
		{run(`**x** [a](b) \\* &lt;`), `**x** [a](b) \* &lt;`, nil},
		{run(`{{DATE(2026-11-23T09:00:00Z)}}`), "11/23/2026", nil},
		{`{"type":"FactSet","facts":[{"title":"*A*","value":"[b](c)"}]}`, "A: b", []string{"c"}},
		{`{"type":"Input.Toggle","id":"t","title":"[a](b)"}`, "a", []string{"b"}},
		{`{"type":"Input.Text","id":"t","label":"[a](b)"}`, "[a](b)", nil},
		{`{"type":"Input.ChoiceSet","id":"c","style":"expanded","choices":[{"title":"[a](b)","value":"v"}]}`, "a", []string{"b"}},
		{`{"type":"Input.ChoiceSet","id":"c","choices":[{"title":"[a](b)","value":"v"}]}`, "[a](b)", nil},
	} {
		got := ReadCard([]byte(`{"type":"AdaptiveCard","version":"1.5","body":[` + c.element + `]}`))
		if diff := cmp.Diff([]string{c.want}, got.Lines); diff != "" {
			t.Errorf("%s: %s", c.element, diff)
		}
		if diff := cmp.Diff(c.links, got.Links); diff != "" {
			t.Errorf("%s: %s", c.element, diff)
		}
	}
}

func TestRemoveAndThrottleNext(t *testing.T) {
	r := newRig(t, nil)
	id := r.post(channelID, approval)
	if err := r.Remove(channelID, id); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove(channelID, "1"); err == nil {
		t.Error("nothing is removed")
	}
	if seen := r.State().In(channelID, "Alice"); len(seen) != 0 {
		t.Errorf("Alice sees %+v", seen)
	}
	r.must(r.call("PUT", activities(channelID)+"/"+id, withCard(approval)), 404, "ActivityNotFoundInConversation")
	r.ThrottleNext(7e9)
	if got := r.must(r.call("PUT", activities(channelID)+"/"+id, withCard(approval)), 429, "Throttled"); got.header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
	}
	r.must(r.call("PUT", activities(channelID)+"/"+id, withCard(approval)), 404, "ActivityNotFoundInConversation")
}
