package adaptertest

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/belaybot/belay/bot"
)

func commandIsHeard(t *testing.T, h Harness, s *script) {
	card := specimen(t, "refusal").Card
	s.answers(bot.Reply{Card: card}, nil)

	h.Command(h.Alice(), h.Private(h.Alice()), "  reader 1h because  ")
	in, said := one[bot.Command](t, s, h.Alice())
	if said.Text != "reader 1h because" {
		t.Errorf("heard %q", said.Text)
	}
	if !in.At.Private {
		t.Errorf("said at %+v, which is a private conversation", in.At)
	}
	reads(t, shownTo(t, h, h.Alice()), card.Title, card.Text)

	h.Command(h.Bob(), h.Channel(), "")
	in, said = one[bot.Command](t, s, h.Bob())
	if said.Text != "" {
		t.Errorf("heard %q, want nothing", said.Text)
	}
	if in.At.Private || in.At.ID != h.Channel().ID {
		t.Errorf("said at %+v, want the channel %s", in.At, h.Channel().ID)
	}
	reads(t, shownTo(t, h, h.Bob()), card.Title)
}

func pressIsHeard(t *testing.T, h Harness, s *script) {
	for _, to := range []bot.Conversation{h.Channel(), h.Private(h.Bob())} {
		m := post(t, h, to, "key-"+to.ID, *specimen(t, "approval").Card)
		for label, verb := range map[string]bot.Verb{"Approve": bot.VerbApprove, "Deny": bot.VerbDeny} {
			h.Press(h.Bob(), m, label)
			in, said := one[bot.Press](t, s, h.Bob())
			if said.Verb != verb || said.ID != "01JREQUEST" {
				t.Errorf("%s gave verb %q and id %q", label, said.Verb, said.ID)
			}
			if said.Copy.ID != m.ID || said.Copy.Conversation.ID != m.Conversation.ID || said.Copy.Conversation.Private != to.Private {
				t.Errorf("the copy is %+v, want %+v", said.Copy, m)
			}
			if in.At.ID != m.Conversation.ID || in.At.Private != to.Private {
				t.Errorf("pressed at %+v, want %+v", in.At, m.Conversation)
			}
			// The copy is good for an update: a press adopts a card that is not on record.
			if err := h.Chat().Update(context.Background(), said.Copy, *specimen(t, "approval").Card); err != nil {
				t.Errorf("update of the copy that was pressed: %v", err)
			}
		}
	}

	// Two buttons of one verb are told apart by their ids.
	m := post(t, h, h.Channel(), "two", bot.Card{Title: "Two requests", Actions: []bot.Action{
		{Label: "First", Verb: bot.VerbShow, ID: "01JFIRST"}, {Label: "Second", Verb: bot.VerbShow, ID: "01JSECOND"}}})
	h.Press(h.Alice(), m, "Second")
	if _, said := one[bot.Press](t, s, h.Alice()); said.Verb != bot.VerbShow || said.ID != "01JSECOND" {
		t.Errorf("the second button gave %+v", said)
	}
}

func replyIsPrivate(t *testing.T, h Harness, s *script) {
	m := post(t, h, h.Channel(), "key", *specimen(t, "approval").Card)
	card := specimen(t, "refusal").Card
	s.answers(bot.Reply{Card: card}, nil)
	h.Press(h.Alice(), m, "Approve")
	reads(t, shownTo(t, h, h.Alice()), card.Title, card.Text)
	if seen, ok := h.ShownTo(h.Bob()); ok {
		t.Errorf("Bob sees it too: %+v", seen)
	}
	got := shown(t, h, m)
	reads(t, got, "Alice Adams asks for User Administrator")
	action(t, got, "Approve")
}

func replaceIsShown(t *testing.T, h Harness, s *script) {
	m := post(t, h, h.Private(h.Bob()), "key", *specimen(t, "approval").Card)
	card := specimen(t, "denied").Card
	s.answers(bot.Reply{Card: card, Replace: true}, nil)
	h.Press(h.Bob(), m, "Approve")
	reads(t, shownTo(t, h, h.Bob()), card.Title, card.Text)
}

func laterReplaces(t *testing.T, h Harness, s *script) {
	loading := &bot.Card{Title: "One moment", Tone: bot.Waiting, Text: "Reading what you may activate."}
	form := specimen(t, "choose").Form
	s.answers(bot.Reply{Card: loading, Replace: true}, func(context.Context) bot.Reply { return bot.Reply{Form: form} })
	h.Command(h.Alice(), h.Private(h.Alice()), "")
	one[bot.Command](t, s, h.Alice())
	got := shownTo(t, h, h.Alice())
	reads(t, got, form.Text)
	lacks(t, got, loading.Text)
	if f := field(t, got, "role"); !slices.Contains(f.Options, "Reports Reader") {
		t.Errorf("the roles are %q", f.Options)
	}

	card := specimen(t, "refusal").Card
	s.answers(bot.Reply{Card: loading, Replace: true}, func(context.Context) bot.Reply { return bot.Reply{Card: card} })
	h.Command(h.Bob(), h.Private(h.Bob()), "")
	got = shownTo(t, h, h.Bob())
	reads(t, got, card.Title, card.Text)
	lacks(t, got, loading.Text)

	// An empty first reply and a card later: the card is simply shown.
	s.answers(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Card: specimen(t, "active").Card} })
	h.Command(h.Bob(), h.Private(h.Bob()), "status")
	reads(t, shownTo(t, h, h.Bob()), "User Administrator is active")
}

func laterForm(t *testing.T, h Harness, s *script) {
	m := post(t, h, h.Private(h.Bob()), "key", *specimen(t, "approval").Card)
	form := specimen(t, "deny-reason").Form
	s.answers(bot.Reply{Form: form}, nil)
	h.Press(h.Bob(), m, "Deny")
	one[bot.Press](t, s, h.Bob())
	got := shownTo(t, h, h.Bob())
	reads(t, got, "Reason", "Alice Adams will read it.")
	field(t, got, "reason")

	done := specimen(t, "denied").Card
	s.answers(bot.Reply{Card: &bot.Card{Title: "Sending", Tone: bot.Waiting, Text: "Your decision is on its way."}},
		func(context.Context) bot.Reply { return bot.Reply{Card: done} })
	h.Submit(h.Bob(), map[string]string{"reason": "not during the freeze"})
	_, said := one[bot.Submit](t, s, h.Bob())
	if said.Verb != bot.VerbReason || said.ID != "01JREQUEST" || said.Values["reason"] != "not during the freeze" {
		t.Errorf("the form gave %+v", said)
	}
	got = shownTo(t, h, h.Bob())
	reads(t, got, done.Title, done.Text)
	lacks(t, got, "Your decision is on its way.")
}

func refused(t *testing.T, h Harness, s *script, how How) {
	m := post(t, h, h.Channel(), "key", *specimen(t, "approval").Card)
	status := h.Deliver(h.Bob(), m, "Approve", how)
	if len(status) != 1 || status[0] != http.StatusUnauthorized && status[0] != http.StatusForbidden {
		t.Errorf("it was answered %v, want 401 or 403", status)
	}
	none(t, s)
}

func replayedOnce(t *testing.T, h Harness, s *script) {
	m := post(t, h, h.Channel(), "key", *specimen(t, "approval").Card)
	status := h.Deliver(h.Bob(), m, "Approve", Twice)
	if !slices.Equal(status, []int{http.StatusOK, http.StatusOK}) {
		t.Errorf("they were answered %v, want 200 twice", status)
	}
	one[bot.Press](t, s, h.Bob())
}
