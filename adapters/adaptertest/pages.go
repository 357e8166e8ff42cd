package adaptertest

import (
	"context"
	"fmt"
	"testing"

	"github.com/belaybot/belay/bot"
)

func threadIsPosted(t *testing.T, h Harness, s *script) {
	reminder := bot.Card{Title: "Still waiting", Tone: bot.Waiting, Actions: []bot.Action{{Label: "Approve", Verb: bot.VerbApprove, ID: "01JREQUEST"}}}
	for _, to := range []bot.Conversation{h.Channel(), h.Private(h.Bob())} {
		root := post(t, h, to, "root-"+to.ID, *specimen(t, "approval").Card)
		to.Thread = root.ID
		m := post(t, h, to, "reminder-"+to.ID, reminder)
		got := shown(t, h, m)
		reads(t, got, reminder.Title)
		if !to.Private && got.Below != root.ID { // a platform may have no threads in a conversation of two
			t.Errorf("it stands below %q, want %q", got.Below, root.ID)
		}
		h.Press(h.Bob(), m, "Approve")
		if _, said := one[bot.Press](t, s, h.Bob()); said.Copy.ID != m.ID || said.Copy.Conversation.ID != m.Conversation.ID {
			t.Errorf("the copy is %+v, want %+v", said.Copy, m)
		}
		done := bot.Card{Title: "Decided"}
		if err := h.Chat().Update(context.Background(), m, done); err != nil {
			t.Errorf("update: %v", err)
		}
		reads(t, shown(t, h, m), done.Title)
		reads(t, shown(t, h, root), "Alice Adams asks for")
	}

	// Who deleted the card is still reminded.
	root := post(t, h, h.Channel(), "root", *specimen(t, "approval").Card)
	h.Delete(root)
	to := h.Channel()
	to.Thread = root.ID
	reads(t, shown(t, h, post(t, h, to, "reminder", reminder)), reminder.Title)
}

func manyButtons(t *testing.T, h Harness, s *script) {
	card := bot.Card{Title: "A dozen"}
	for n := range 12 {
		card.Actions = append(card.Actions, bot.Action{Label: fmt.Sprintf("Role %d", n), Verb: bot.VerbShow, ID: fmt.Sprint(n)})
	}
	m := post(t, h, h.Channel(), "key", card)
	for _, a := range card.Actions {
		h.Press(h.Alice(), m, a.Label)
		if _, said := one[bot.Press](t, s, h.Alice()); said.ID != a.ID || said.Verb != a.Verb {
			t.Errorf("%s gave %+v", a.Label, said)
		}
	}
}

func pageIsShown(t *testing.T, h Harness, s *script) {
	page := specimen(t, "page")
	s.answers(page.Reply(), nil)
	h.Command(h.Alice(), h.Private(h.Alice()), "home")
	one[bot.Command](t, s, h.Alice())
	got := shownTo(t, h, h.Alice())
	inert(t, got)
	for _, c := range append([]bot.Card{*page.Card}, page.More...) {
		reads(t, got, c.Title, c.Text, c.Note)
		for _, a := range c.Actions {
			action(t, got, a.Label)
		}
	}
	s.answers(bot.Reply{}, nil)
	h.Use(h.Alice(), "Activate role 12")
	if _, said := one[bot.Press](t, s, h.Alice()); said.Verb != bot.VerbElevate || said.ID != "role-12" || said.Copy != (bot.Message{}) {
		t.Errorf("the last button gave %+v", said)
	}

	// Of more than there is room for, the beginning and the end are shown.
	long := specimen(t, "page-long")
	s.answers(long.Reply(), nil)
	h.Command(h.Alice(), h.Private(h.Alice()), "home")
	got = shownTo(t, h, h.Alice())
	reads(t, got, "1. Alice Adams asks for User Administrator", "What you can activate", " more, for which there is no room here")
	action(t, got, "Activate role 12")
}

func laterPage(t *testing.T, h Harness, s *script) {
	page := specimen(t, "page")
	first := bot.Reply{Card: page.Card, More: []bot.Card{{Title: "What you can activate", Tone: bot.Waiting, Text: "One moment."}}, Replace: true}
	whole := page.Reply()
	whole.Replace = true
	s.answers(first, func(context.Context) bot.Reply { return whole })
	h.Command(h.Alice(), h.Private(h.Alice()), "home")
	got := shownTo(t, h, h.Alice())
	reads(t, got, page.Card.Title, "12 roles.")
	lacks(t, got, "One moment.")
}
