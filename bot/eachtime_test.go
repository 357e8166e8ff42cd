package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// A sign-in serves until the last act that is under way is settled, and no longer; a decision
// wants one of its own, whatever else its person has signed in for.
func TestSignInServesForItsActs(t *testing.T) {
	w := newWorld(t)
	w.change = func(o *bot.Options) { o.EachTime = true }
	w.restart()
	live := func(who string) bool {
		ok, err := w.ms.Live(t.Context(), people[who].ID)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	w.link("alice")
	w.busy("activate")
	first := w.ask("alice", "Reports Reader", "1h", "canary")
	w.until(first, func(r bot.Request) bool { return r.Intents[0].Tries > 0 })
	second := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(second, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	if !live("alice") {
		t.Error("the sign-in is gone while something is under way")
	}
	w.untilLater(20*time.Minute, first, func(r bot.Request) bool { return r.Intents[0].Outcome == bot.Accepted })
	if live("alice") {
		t.Error("the sign-in is there when everything is settled")
	}
	w.until(first, func(r bot.Request) bool { return r.State == bot.Active }) // seen without it

	w.link("carol")
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: second})
	r := w.until(second, func(r bot.Request) bool { return len(r.Intents) == 2 })
	if i := r.Intents[1]; i.State != bot.IntentWaiting || !live("carol") {
		t.Errorf("the decision is %s; live %t", i.State, live("carol"))
	}
	w.sees(w.slack, "D-carol", "Sign in to finish", "it asks each time")
}

// The page says why somebody is asked each time, and says nothing of it elsewhere.
func TestPageSaysWhyItAsksEachTime(t *testing.T) {
	for _, each := range []bool{false, true} {
		keys, err := store.NewKeyset()
		if err != nil {
			t.Fatal(err)
		}
		s := store.Seal(storetest.Memory(), keys)
		l := bot.NewLinks(bot.LinkOptions{Store: s, Pseudonym: keys.Pseudonym, EachTime: each})
		if err := s.Update(t.Context(), func(tx store.Tx) error {
			return l.Offer(tx, "id", bot.Ticket{User: alice, Expect: aliceID, Made: time.Now()})
		}); err != nil {
			t.Fatal(err)
		}
		ticket, err := l.Open(t.Context(), "id")
		if err != nil {
			t.Fatal(err)
		}
		if text := bot.LinkPage(ticket).Text; strings.Contains(text, "it asks each time") != each {
			t.Errorf("each time %t: the page says %s", each, text)
		}
	}
}
