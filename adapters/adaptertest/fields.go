package adaptertest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/google/go-cmp/cmp"
)

// sorted are values joined by commas, in one order: a client has its own.
func sorted(values string) string {
	all := strings.Split(values, ",")
	slices.Sort(all)
	return strings.Join(all, ",")
}

// sent is what a form gave, without what was answered with nothing.
func sent(t *testing.T, s *script, u bot.User) map[string]string {
	t.Helper()
	_, said := one[bot.Submit](t, s, u)
	values := maps.Clone(said.Values)
	if many, ok := values["roles"]; ok {
		values["roles"] = sorted(many)
	}
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	return values
}

func fieldsGiveValues(t *testing.T, h Harness, s *script) {
	// Not live, so that it is sent where only sending tells of a choice.
	form := func(name string) *bot.Form {
		f := specimen(t, name).Form
		f.Fields[0].Live = false
		return f
	}
	for _, c := range []struct {
		form  string
		given map[string]string
		want  map[string]string
	}{
		{"fields", map[string]string{"roles": "r4,r1", "start": "2026-07-01T06:45:00Z", "agree": "yes"},
			map[string]string{"roles": "r1,r4", "start": "2026-07-01T06:45:00Z", "agree": "yes"}},
		{"fields", map[string]string{"roles": "r3", "agree": "yes"}, map[string]string{"roles": "r3", "agree": "yes"}},
		{"fields-filled", nil, map[string]string{"roles": "r2,r4", "start": "2026-11-24T08:30:00Z", "agree": "yes"}},
		{"fields-filled", map[string]string{"roles": "r1,r2,r3", "start": ""}, map[string]string{"roles": "r1,r2,r3", "agree": "yes"}},
	} {
		open(t, h, s, form(c.form))
		h.Submit(h.Alice(), c.given)
		if diff := cmp.Diff(c.want, sent(t, s, h.Alice())); diff != "" {
			t.Errorf("%s, filled in with %v, gave (-want +got):\n%s", c.form, c.given, diff)
		}
	}
	// What need not be ticked can be left.
	optional := form("fields")
	optional.Fields[2].Required = false
	open(t, h, s, optional)
	h.Submit(h.Alice(), map[string]string{"roles": "r1"})
	if diff := cmp.Diff(map[string]string{"roles": "r1"}, sent(t, s, h.Alice())); diff != "" {
		t.Errorf("the values (-want +got):\n%s", diff)
	}
}

func changeOfMany(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "fields").Form)
	again := specimen(t, "fields-filled").Form
	again.Text = "Two roles."
	s.answers(bot.Reply{Form: again}, nil)
	h.Choose(h.Alice(), "roles", "r2,r4")
	_, said := one[bot.Change](t, s, h.Alice())
	if said.Verb != bot.VerbAsk || said.ID != "01JFORM" || sorted(said.Values["roles"]) != "r2,r4" {
		t.Errorf("the choice gave %+v", said)
	}
	got := shownTo(t, h, h.Alice())
	reads(t, got, "Two roles.")
	if f := field(t, got, "roles"); sorted(f.Value) != "r2,r4" {
		t.Errorf("the roles are %q", f.Value)
	}
	// Sent as it stands now, it is no change any more.
	s.answers(bot.Reply{}, nil)
	h.Submit(h.Alice(), nil)
	if got := sent(t, s, h.Alice()); got["roles"] != "r2,r4" || got["start"] != "2026-11-24T08:30:00Z" {
		t.Errorf("the form gave %v", got)
	}
}

func fieldErrorsAreShown(t *testing.T, h Harness, s *script) {
	wrong := specimen(t, "fields-error").Form
	open(t, h, s, specimen(t, "fields-filled").Form)
	s.answers(bot.Reply{Form: wrong}, nil)
	h.Submit(h.Alice(), nil)
	one[bot.Submit](t, s, h.Alice())
	got := shownTo(t, h, h.Alice())
	for _, f := range wrong.Fields {
		if shows := field(t, got, f.Name); shows.Error != f.Error {
			t.Errorf("the error of %s is %q, want %q", f.Name, shows.Error, f.Error)
		}
	}
}
