package bot_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Teams' own sign-in never stands in for a fresh one, whatever the client brings.
func TestSilentSignInIsNoPresence(t *testing.T) {
	w, x := newSilentWorld(t)
	w.stop()
	w.change = everyTime
	w.start()
	w.ms.SetLive("oid-alice", true)
	w.link("alice")
	id := w.pending()
	for _, live := range []bool{false, true} {
		w.ms.SetLive("oid-bob", live)
		if c := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id}).Card; c == nil || c.SignIn != nil {
			t.Fatalf("signed in %t, Bob's client is asked: %+v", live, c)
		}
	}
	i := w.waits(id, "bob")
	card := w.sees(w.teams, "chat-bob", "Sign in to finish")
	if strings.Contains(words(card.Card), "Use my browser") || button(card.Card) != i.Ticket {
		t.Errorf("offered: %s", words(card.Card))
	}
	if c := w.says("bob", bot.Press{Verb: bot.VerbSignIn, ID: i.Ticket}).Card; c == nil || c.SignIn != nil {
		t.Errorf("pressed it gives %+v", c)
	}
	reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: i.Ticket, Token: "canary"}))
	if reply.Card == nil || reply.Card.Tone != bot.Bad || later != nil || x.asked() != 0 {
		t.Errorf("the client's token: %+v, asked %d times", reply.Card, x.asked())
	}
	w.bot.Idle()
	w.nothingOf(id, "bob")
	if kept, err := w.signs(i.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("in the browser: %t, %v", kept, err)
	}
	w.sees(w.teams, "19:ops", "is active")
}

// After a restart with another rule, the rule of today counts.
func TestRuleOfTodayCounts(t *testing.T) {
	t.Run("stricter", func(t *testing.T) {
		w := newPresenceWorld(t)
		w.stop()
		w.change = nil
		w.start()
		w.link("alice")
		id := w.pending()
		w.ms.SetLive("oid-bob", false)
		w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		before := w.waits(id, "bob")
		if before.Fresh {
			t.Fatal("the old rule asked for it already")
		}
		w.stop()
		w.change = everyTime
		w.start()
		if kept, err := w.signs(before.Ticket, people["bob"], time.Now()); !kept || err != nil {
			t.Fatalf("the old link: %t, %v", kept, err)
		}
		w.until(id, func(r bot.Request) bool { i, _ := intentOf(r, "bob"); return i.State == bot.IntentWaiting && i.Fresh })
		w.nothingOf(id, "bob")
		w.sees(w.teams, "chat-bob", "Sign in to finish", "Nothing was sent yet")
		if kept, err := w.signs(w.waits(id, "bob").Ticket, people["bob"], time.Now()); !kept || err != nil {
			t.Fatalf("the new link: %t, %v", kept, err)
		}
		w.sees(w.teams, "19:ops", "is active")
	})
	t.Run("milder", func(t *testing.T) {
		w := newPresenceWorld(t)
		w.link("alice")
		id := w.pending()
		w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		w.waits(id, "bob")
		w.stop()
		w.change = nil
		w.start()
		w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		w.sees(w.teams, "19:ops", "is active")
		if reviews(w.ms, "bob") != 1 {
			t.Errorf("decided %d times", reviews(w.ms, "bob"))
		}
	})
}

// Whatever the events were, the last step before Microsoft asks for the proof.
func TestNoDecisionLeavesWithoutProof(t *testing.T) {
	byBob := func(w *world) bot.Person {
		in := w.in("bob", nil)
		return bot.Person{Principal: people["bob"], User: in.User, Direct: in.At}
	}
	for name, events := range map[string]func(by bot.Person) []bot.Event{
		"recorded as if no rule held": func(by bot.Person) []bot.Event {
			return []bot.Event{bot.Intended{ID: "x", Kind: bot.ToApprove, By: by, SignedIn: true}}
		},
		"its waiting was waived": func(by bot.Person) []bot.Event {
			return []bot.Event{bot.Intended{ID: "x", Kind: bot.ToApprove, By: by, Ticket: "t", Fresh: true},
				bot.SignedIn{Principal: by.ID, User: by.User, Intent: "x", Waived: true}}
		},
		"it is said to have been sent": func(by bot.Person) []bot.Event {
			return []bot.Event{bot.Intended{ID: "x", Kind: bot.ToApprove, By: by, SignedIn: true}, bot.Sending{Intent: "x"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPresenceWorld(t)
			w.link("alice")
			id := w.pending()
			w.stop() // nobody settles in between
			w.start()
			for _, e := range events(byBob(w)) {
				if err := w.bot.Apply(t.Context(), id, e); err != nil {
					t.Fatal(err)
				}
			}
			w.until(id, func(r bot.Request) bool { i, _ := r.Intent("x"); return i.State == bot.IntentWaiting && i.Fresh })
			if reviews(w.ms, "bob") != 0 {
				t.Errorf("Microsoft heard %q", w.ms.Writes())
			}
		})
	}
}

// A proof is as old as the sign-in may take: a decision that Microsoft did not take in
// that time asks again.
func TestProofRunsOut(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	id := w.pending()
	for range 40 {
		w.ms.Fail("review", &pim.Error{Op: "review", Code: pim.CodeUnavailable})
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	i := w.waits(id, "bob")
	if kept, err := w.signs(i.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.until(id, func(r bot.Request) bool { i, _ := r.Intent(i.ID); return i.Tries > 0 })
	w.advance(bot.SignInTime)
	again := w.waits(id, "bob")
	if again.ID != i.ID || again.Ticket == i.Ticket || !again.Fresh || !again.Proof.AuthTime.IsZero() {
		t.Errorf("asked again: %+v", again)
	}
	if reviews(w.ms, "bob") != 0 {
		t.Errorf("Microsoft heard %q", w.ms.Writes())
	}
}

// Where Microsoft wants more than the fresh sign-in gave, the next one is fresh as well.
func TestChallengeUnderPresence(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	id := w.pending()
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	w.ms.Fail("review", &pim.Error{Op: "review", Code: pim.CodeStepUp, Claims: claims})
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	first := w.waits(id, "bob")
	if kept, err := w.signs(first.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.until(id, func(r bot.Request) bool { i, _ := r.Intent(first.ID); return i.SignIns == 2 })
	second := w.waits(id, "bob")
	hop, err := w.links.Begin(t.Context(), second.Ticket, "another browser")
	if err != nil || !hop.Fresh || hop.Claims != claims || !second.Fresh || !second.Challenge {
		t.Fatalf("the hop is %+v, %v", hop, err)
	}
	if _, err := w.signs(second.Ticket, people["bob"], time.Now().Add(-time.Hour)); err == nil {
		t.Error("an old sign-in met the challenge")
	}
	if kept, err := w.signs(second.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.sees(w.teams, "19:ops", "is active")
}

// Two approvers prove themselves at the same moment: one decision counts, the other one
// is told who was first. Each pressed before, and twice.
func TestTwoApproversProveThemselves(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.pending()
	for range 2 {
		w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		w.denies("carol", id)
	}
	bobs, carols := w.waits(id, "bob"), w.waits(id, "carol")
	if c := w.denies("bob", id).Card; c == nil || !strings.Contains(c.Text, "waits for your sign-in") {
		t.Errorf("Bob changes his mind, and is told %+v", c)
	}
	var both sync.WaitGroup
	for _, x := range []struct{ who, ticket string }{{"bob", bobs.Ticket}, {"carol", carols.Ticket}} {
		both.Go(func() {
			if kept, err := w.signs(x.ticket, people[x.who], time.Now()); !kept || err != nil {
				t.Errorf("%s: %t, %v", x.who, kept, err)
			}
		})
	}
	both.Wait()
	r := w.until(id, func(r bot.Request) bool {
		b, _ := intentOf(r, "bob")
		c, _ := intentOf(r, "carol")
		return b.State == bot.IntentDone && c.State == bot.IntentDone
	})
	if n := reviews(w.ms, "bob") + reviews(w.ms, "carol"); n != 1 {
		t.Errorf("decided %d times: %+v", n, r.Intents)
	}
	reviewing := 0
	for _, i := range r.Intents {
		if i.Kind == bot.ToApprove || i.Kind == bot.ToDeny {
			reviewing++
		}
	}
	if reviewing != 2 {
		t.Errorf("%d decisions are recorded: %+v", reviewing, r.Intents)
	}
}

// A request that was made in the portal asks for the same.
func TestPresenceForWhatWasAskedElsewhere(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	w.link("carol")
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: users.Assignment, Duration: time.Hour, Justification: "in the portal"}); err != nil {
		t.Fatal(err)
	}
	w.seesLater(5*time.Second, w.slack, "D-carol", "Alice Adams asks for", "Deciding this asks you to sign in again.", "[Approve]")
	id := w.sees(w.slack, "D-carol", "[Approve]").Card.Actions[0].ID
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	i := w.waits(id, "carol")
	w.bot.Idle()
	w.nothingOf(id, "carol")
	if kept, err := w.signs(i.Ticket, people["carol"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.seesLater(5*time.Second, w.teams, "19:ops", "is active")
}

// Other roles, and what people do with their own requests, ask for nothing new.
func TestPresenceOfOtherActs(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	id := w.pending()
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: id})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Canceled })
	other := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(other, func(r bot.Request) bool { return r.State == bot.Active })
	for _, m := range append(w.slack.In("D-alice"), w.teams.In("chat-bob")...) {
		if strings.Contains(words(m.Card), "Sign in to finish") {
			t.Errorf("asked to sign in: %s", words(m.Card))
		}
	}
}

// Whoever links their chat account by pressing Approve has signed in a moment ago, but not
// for a decision that anybody had shown them: they are asked once more.
func TestFirstLinkIsNoPresence(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	id := w.pending()
	reply := w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	if reply.Card == nil || button(*reply.Card) == "" {
		t.Fatalf("Carol is told %+v", reply.Card)
	}
	ctx := t.Context()
	hop, err := w.links.Begin(ctx, button(*reply.Card), "browser")
	for _, step := range []func() error{
		func() error { hop, _, err = w.links.Take(ctx, bot.StepSlack, hop.State, "browser"); return err },
		func() error { hop, err = w.links.Vouch(ctx, hop, "browser", "T1", "U-carol"); return err },
		func() error { hop, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, "browser"); return err },
		func() error {
			_, err = w.links.Complete(ctx, hop, pim.Identity{Tenant: tenant, Principal: people["carol"], SignedIn: time.Now()}, func(context.Context) error { return nil })
			return err
		},
	} {
		if err != nil {
			break
		}
		err = step()
	}
	if err != nil {
		t.Fatal(err)
	}
	i := w.waits(id, "carol")
	w.bot.Idle()
	w.nothingOf(id, "carol")
	if kept, err := w.signs(i.Ticket, people["carol"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.sees(w.teams, "19:ops", "is active")
}
