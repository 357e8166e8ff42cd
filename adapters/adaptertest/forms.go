package adaptertest

import (
	"maps"
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/google/go-cmp/cmp"
)

// open has Alice see form: she types the command and it is the answer.
func open(t *testing.T, h Harness, s *script, form *bot.Form) Shown {
	t.Helper()
	s.answers(bot.Reply{Form: form}, nil)
	h.Command(h.Alice(), h.Private(h.Alice()), "")
	one[bot.Command](t, s, h.Alice())
	s.answers(bot.Reply{}, nil)
	return shownTo(t, h, h.Alice())
}

func specimensAreShown(t *testing.T, h Harness, s *script) {
	for _, sp := range bottest.Specimens() {
		if sp.Form == nil {
			continue
		}
		t.Run(sp.Name, func(t *testing.T) {
			got := open(t, h, s, sp.Form)
			reads(t, got, sp.Form.Title, sp.Form.Text, sp.Form.Note)
			inert(t, got)
			for _, f := range sp.Form.Fields {
				shows := field(t, got, f.Name)
				reads(t, got, f.Label)
				if typed := f.Kind == bot.Text || f.Kind == bot.Paragraph; !typed && sorted(shows.Value) != sorted(f.Value) {
					t.Errorf("field %s is filled in with %q, want %q", f.Name, shows.Value, f.Value)
				}
			}
		})
	}
}

func submitGivesValues(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "ask").Form)
	h.Submit(h.Alice(), map[string]string{"duration": "PT2H", "reason": "Zeile 1\nline <2> & \"3\"", "ticket": "CHG-1"})
	in, said := one[bot.Submit](t, s, h.Alice())
	if said.Verb != bot.VerbAsk || said.ID != "01JFORM" {
		t.Errorf("the form gave verb %q and id %q", said.Verb, said.ID)
	}
	want := map[string]string{"role": role(t, "User Administrator"), "duration": "PT2H", "reason": "Zeile 1\nline <2> & \"3\"", "ticket": "CHG-1"}
	maps.DeleteFunc(said.Values, func(_, value string) bool { return value == "" }) // not answered and answered with nothing are one
	if diff := cmp.Diff(want, said.Values); diff != "" {
		t.Errorf("the values (-want +got):\n%s", diff)
	}
	if in.User.ID != h.Alice().ID {
		t.Errorf("sent by %s", in.User.ID)
	}
}

// role is the value of the option with that label in the specimen of the form.
func role(t *testing.T, label string) string {
	t.Helper()
	for _, o := range specimen(t, "choose").Form.Fields[0].Options {
		if o.Label == label {
			return o.Value
		}
	}
	t.Fatalf("the form offers no %s", label)
	return ""
}

func changeRenders(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "choose").Form)
	s.answers(bot.Reply{Form: specimen(t, "ask").Form}, nil)
	first, second := role(t, "User Administrator"), role(t, "Reports Reader")
	h.Choose(h.Alice(), "role", first)
	_, said := one[bot.Change](t, s, h.Alice())
	if said.Verb != bot.VerbAsk || said.ID != "01JFORM" || said.Values["role"] != first {
		t.Errorf("the choice gave %+v", said)
	}
	got := shownTo(t, h, h.Alice())
	reads(t, got, "needs approval by")
	if f := field(t, got, "duration"); f.Value != "PT1H" {
		t.Errorf("the duration is filled in with %q, want PT1H", f.Value)
	}
	if f := field(t, got, "role"); f.Value != first {
		t.Errorf("the role is %q, want %q", f.Value, first)
	}
	field(t, got, "reason")
	field(t, got, "ticket")

	// Another choice sets other fields anew, even ones that the client has seen before.
	again := specimen(t, "ask").Form
	for n := range again.Fields {
		switch f := &again.Fields[n]; f.Name {
		case "role":
			f.Value = second
		case "duration":
			f.Value = "PT30M"
		}
	}
	s.answers(bot.Reply{Form: again}, nil)
	h.Choose(h.Alice(), "role", second)
	if f := field(t, shownTo(t, h, h.Alice()), "duration"); f.Value != "PT30M" {
		t.Errorf("the duration is filled in with %q, want PT30M", f.Value)
	}
}

func searchGivesOptions(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "choose-many").Form)
	s.answersWith(func(in bot.Inbound) (bot.Reply, bot.Later) {
		if _, ok := in.Said.(bot.Search); ok {
			return bot.Reply{Options: []bot.Option{{Value: "a1", Label: "User Administrator", Hint: "Directory"}, {Value: "a2", Label: bottest.Hostile}}}, nil
		}
		return bot.Reply{}, nil
	})
	labels := h.Search(h.Alice(), "role", "admin")
	_, said := one[bot.Search](t, s, h.Alice())
	if want := (bot.Search{Verb: bot.VerbAsk, ID: "01JFORM", Field: "role", Text: "admin"}); said != want {
		t.Errorf("searched %+v, want %+v", said, want)
	}
	if len(labels) != 2 || labels[0] != "User Administrator" {
		t.Errorf("offered %q", labels)
	}

	s.answers(bot.Reply{}, nil)
	if labels := h.Search(h.Alice(), "role", "zzz"); len(labels) != 0 {
		t.Errorf("offered %q, want nothing", labels)
	}
}

func errorsAreShown(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "ask").Form)

	// The field stands in the form that was sent.
	wrong := specimen(t, "ask-error").Form
	s.answers(bot.Reply{Form: wrong}, nil)
	h.Submit(h.Alice(), map[string]string{"reason": bottest.Hostile, "ticket": "?"})
	one[bot.Submit](t, s, h.Alice())
	got := shownTo(t, h, h.Alice())
	if f := field(t, got, "ticket"); f.Error != "This role wants a ticket number." {
		t.Errorf("the ticket's error is %q", f.Error)
	}
	if f := field(t, got, "reason"); f.Error != "" || f.Value == "" {
		t.Errorf("the reason is %+v, want what was typed and no error", f)
	}

	// A field that did not stand there comes with its error.
	missing := specimen(t, "ask").Form
	missing.Fields = append(missing.Fields, bot.Field{Name: "extra", Label: "One more question", Kind: bot.Text, Error: "Please answer this too."})
	s.answers(bot.Reply{Form: missing}, nil)
	h.Submit(h.Alice(), map[string]string{"reason": "because", "ticket": "CHG-1"})
	one[bot.Submit](t, s, h.Alice())
	if f := field(t, shownTo(t, h, h.Alice()), "extra"); f.Error != "Please answer this too." {
		t.Errorf("the new field's error is %q", f.Error)
	}
}

func submitAnsweredByCard(t *testing.T, h Harness, s *script) {
	open(t, h, s, specimen(t, "ask").Form)
	card := &bot.Card{Title: "Sent to Microsoft", Tone: bot.Waiting, Text: "Bob Brown was asked.", Actions: []bot.Action{{Label: "Cancel it", Verb: bot.VerbCancel, ID: "01JREQUEST"}}}
	s.answers(bot.Reply{Card: card}, nil)
	h.Submit(h.Alice(), map[string]string{"reason": "because", "ticket": "CHG-1"})
	one[bot.Submit](t, s, h.Alice())
	got := shownTo(t, h, h.Alice())
	reads(t, got, card.Title, card.Text)
	action(t, got, "Cancel it")
	if len(got.Fields) != 0 {
		t.Errorf("the form still has fields: %+v", got.Fields)
	}
}

func hostileFormIsInert(t *testing.T, h Harness, s *script) {
	form := &bot.Form{ID: "01JFORM", Verb: bot.VerbAsk, Title: "Activate a role", Submit: "Send", Text: bottest.Hostile, Note: bottest.Hostile,
		Fields: []bot.Field{
			{Name: "role", Label: bottest.Hostile, Hint: bottest.Hostile, Kind: bot.Choice, Options: []bot.Option{{Value: "r1", Label: bottest.Hostile, Hint: bottest.Hostile}}},
			{Name: "reason", Label: "Why", Hint: bottest.Hostile, Kind: bot.Paragraph, Value: bottest.Hostile, Error: bottest.Hostile}}}
	got := open(t, h, s, form)
	inert(t, got)
	h.Submit(h.Alice(), map[string]string{"role": "r1"})
	if _, said := one[bot.Submit](t, s, h.Alice()); said.Values["role"] != "r1" {
		t.Errorf("the form gave %+v", said.Values)
	}
}
