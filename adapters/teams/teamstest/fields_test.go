package teamstest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fieldCard has an input for several choices, a date, a time and a box.
const fieldCard = `{"type":"AdaptiveCard","version":"1.5","body":[
	{"type":"Input.ChoiceSet","id":"roles","isMultiSelect":true,"value":"b","choices":[{"title":"A","value":"a"},{"title":"*B* [x](https://x.example)","value":"b"},{"title":"C","value":"c"}]},
	{"type":"Input.Date","id":"day"},{"type":"Input.Time","id":"hour","value":"08:30"},
	{"type":"Input.Toggle","id":"agree","label":"Agreed?","title":"Yes","valueOn":"yes","valueOff":"no","isRequired":true}],
	"actions":[{"type":"Action.Execute","title":"Send","verb":"send"}]}`

func TestFields(t *testing.T) {
	r := newRig(t, nil)
	r.answers(func(heard) (int, string) {
		return 200, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"Thanks."}`
	})
	id := r.post(r.alice().Personal, fieldCard)
	if err := r.Move("Alice", "America/New_York"); err != nil {
		t.Fatal(err)
	}
	for name, inputs := range map[string]map[string]string{
		"no tick":           {},
		"another tick":      {"agree": "maybe"},
		"another choice":    {"agree": "yes", "roles": "a,z"},
		"a choice twice":    {"agree": "yes", "roles": "a,a"},
		"no such day":       {"agree": "yes", "day": "2026-02-30"},
		"a day as spoken":   {"agree": "yes", "day": "1 Dec"},
		"no such hour":      {"agree": "yes", "hour": "24:30"},
		"an hour as spoken": {"agree": "yes", "hour": "8:30"},
	} {
		var refused *Refused
		if _, err := r.Press(ctx(t), "Alice", "", id, "Send", inputs); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Press(ctx(t), "Alice", "", id, "Send", map[string]string{"agree": "yes", "roles": "c,a", "day": "2026-12-01"}); err != nil {
		t.Fatal(err)
	}
	got := r.took(1)[0]
	action := got.activity["value"].(map[string]any)["action"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"roles": "a,c", "day": "2026-12-01", "hour": "08:30", "agree": "yes"}, action["data"]); diff != "" {
		t.Error(diff)
	}
	if got.text("localTimezone") != "America/New_York" || !strings.HasSuffix(got.text("localTimestamp"), "00") || strings.HasSuffix(got.text("localTimestamp"), "Z") {
		t.Errorf("said at %s in %s", got.text("localTimestamp"), got.text("localTimezone"))
	}
	if s := ReadCard([]byte(fieldCard)); len(s.Links) != 1 || s.Inputs[3].Label != "Agreed?" || !s.Inputs[0].Many {
		t.Errorf("a choice of several is read as %+v", s)
	}
	for _, zone := range []string{"", "Local", "Nowhere/Else"} {
		if err := r.Move("Alice", zone); err == nil {
			t.Errorf("Alice is in %q", zone)
		}
	}
	if err := r.Move("Nobody", "UTC"); err == nil {
		t.Error("nobody moved")
	}
}

func TestFieldCardsRefused(t *testing.T) {
	checker, err := newCardChecker()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, element, want string }{
		{"several, searched", `{"type":"Input.ChoiceSet","id":"a","isMultiSelect":true,"choices.data":{"type":"Data.Query","dataset":"x"}}`, "not documented"},
		{"a choice that is none", `{"type":"Input.ChoiceSet","id":"a","isMultiSelect":true,"value":"a,b","choices":[{"title":"A","value":"a"}]}`, "cannot hold"},
		{"a day", `{"type":"Input.Date","id":"a","value":"2026-12-01T08:30:00Z"}`, "cannot hold"},
		{"an hour", `{"type":"Input.Time","id":"a","value":"8.30"}`, "cannot hold"},
		{"a box without a title", `{"type":"Input.Toggle","id":"a"}`, "title"},
		{"a box of its own value", `{"type":"Input.Toggle","id":"a","title":"Yes","value":"maybe"}`, "cannot hold"},
		{"a placeholder of a box", `{"type":"Input.Toggle","id":"a","title":"Yes","placeholder":"x"}`, "body"},
	} {
		if _, err := checker.check([]byte(`{"type":"AdaptiveCard","version":"1.5","body":[` + c.element + `]}`)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: err = %v, want one that names %q", c.name, err, c.want)
		}
	}
}

func TestClientTellsWhereAPersonIs(t *testing.T) {
	r := newRig(t, nil)
	page := newPage(t, r)
	r.order(page, "/message", `{"user":"Alice","text":"home","timezone":"Asia/Tokyo"}`, nil)
	if got := r.took(1)[0]; got.text("localTimezone") != "Asia/Tokyo" {
		t.Errorf("said in %s", got.text("localTimezone"))
	}
	if status, o := r.order(page, "/message", `{"user":"Alice","text":"home","timezone":"Nowhere/Else"}`, nil); status != 409 || o.Error == "" {
		t.Errorf("answered %d %+v", status, o)
	}
}
