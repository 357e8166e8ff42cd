package adaptertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
)

// Run runs the whole suite. open makes a fresh adapter that hands what people do
// to h; it closes everything with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, h bot.Handler) Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Harness, *script)
	}{
		{"a post is visible", postIsVisible},
		{"an update replaces", updateReplaces},
		{"every specimen can be posted", specimensArePosted},
		{"a whisper reaches one person only", whisperIsPrivate},
		{"reach finds a person by principal", reachFinds},
		{"a deleted message is gone", deletedIsGone},
		{"nowhere is unreachable", nowhereIsUnreachable},
		{"throttling carries Retry-After", throttlingIsTyped},
		{"a hostile justification is inert", hostileIsInert},
		{"a long justification is cut on a rune", longIsCut},
		{"a card is posted below another", threadIsPosted},
		{"a dozen buttons can be pressed", manyButtons},

		{"a command is heard", commandIsHeard},
		{"a press tells verb, id, actor and copy", pressIsHeard},
		{"a reply is shown to the presser only", replyIsPrivate},
		{"a reply that replaces is shown", replaceIsShown},
		{"a later reply takes the first one's place", laterReplaces},
		{"a later form follows a press", laterForm},
		{"an answer of several cards is shown whole", pageIsShown},
		{"a page that a later one replaces is seen once", laterPage},
		{"a forged press is refused", func(t *testing.T, h Harness, s *script) { refused(t, h, s, Forged) }},
		{"an altered press is refused", func(t *testing.T, h Harness, s *script) { refused(t, h, s, Altered) }},
		{"an expired press is refused", func(t *testing.T, h Harness, s *script) { refused(t, h, s, Expired) }},
		{"a replayed press has no second effect", replayedOnce},

		{"every specimen form can be shown", specimensAreShown},
		{"a form gives its values", submitGivesValues},
		{"a choice gives the form anew", changeRenders},
		{"fields of every kind give their values", fieldsGiveValues},
		{"a choice of several gives the form anew", changeOfMany},
		{"errors stand at fields of every kind", fieldErrorsAreShown},
		{"a search gives options", searchGivesOptions},
		{"a field's error is shown and what was typed stays", errorsAreShown},
		{"a submitted form is answered with a card", submitAnsweredByCard},
		{"a hostile value is inert in a form", hostileFormIsInert},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{}
			c.run(t, open(t, s), s)
		})
	}
}

// shown is what everybody sees of m, which has to be there.
func shown(t *testing.T, h Harness, m bot.Message) Shown {
	t.Helper()
	s, ok := h.Shown(m)
	if !ok {
		t.Fatalf("nothing is shown at %+v", m)
	}
	return s
}

// shownTo is what u alone sees, which has to be there.
func shownTo(t *testing.T, h Harness, u bot.User) Shown {
	t.Helper()
	s, ok := h.ShownTo(u)
	if !ok {
		t.Fatalf("nothing is shown to %s", u.ID)
	}
	return s
}

// reads fails unless every text can be read in s.
func reads(t *testing.T, s Shown, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.Text, text) {
			t.Errorf("%q cannot be read in:\n%s", text, s.Text)
		}
	}
}

// lacks fails if text can be read in s.
func lacks(t *testing.T, s Shown, text string) {
	t.Helper()
	if strings.Contains(s.Text, text) {
		t.Errorf("%q can still be read in:\n%s", text, s.Text)
	}
}

// action is the button of s with that label.
func action(t *testing.T, s Shown, label string) Action {
	t.Helper()
	i := slices.IndexFunc(s.Actions, func(a Action) bool { return a.Label == label })
	if i < 0 {
		t.Fatalf("there is no button %q among %+v", label, s.Actions)
	}
	return s.Actions[i]
}

// field is the field of s with that name.
func field(t *testing.T, s Shown, name string) Field {
	t.Helper()
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no field %q among %+v", name, s.Fields)
	}
	return s.Fields[i]
}

// inert fails if a client made anything of a text.
func inert(t *testing.T, s Shown) {
	t.Helper()
	if len(s.Alive) > 0 {
		t.Errorf("the client made these alive: %q", s.Alive)
	}
}
