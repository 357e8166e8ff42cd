package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

func TestDecisionWaitsForAFreshSignIn(t *testing.T) {
	for verb, decide := range map[string]func(*world, string) bot.Reply{
		"approved": func(w *world, id string) bot.Reply { return w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id}) },
		"denied":   func(w *world, id string) bot.Reply { return w.denies("bob", id) },
	} {
		t.Run(verb, func(t *testing.T) {
			w := newPresenceWorld(t)
			w.link("alice")
			id := w.pending()
			w.sees(w.teams, "chat-bob", "[Approve]", "Deciding this asks you to sign in again.")
			told := decide(w, id)
			if told.Card == nil || told.Card.Tone != bot.Waiting || told.Card.SignIn != nil || !strings.Contains(told.Card.Text, "sign in again for every decision") {
				t.Fatalf("Bob, who is signed in, is told %+v", told.Card)
			}
			i := w.waits(id, "bob")
			card := w.sees(w.teams, "chat-bob", "Sign in to finish", "Nothing was sent yet", "[Sign in]")
			if button(card.Card) != i.Ticket || !i.Fresh {
				t.Errorf("the card leads to %q, the intent is %+v", button(card.Card), i)
			}
			w.nothingOf(id, "bob")
			if kept, err := w.signs(i.Ticket, people["bob"], time.Now()); !kept || err != nil {
				t.Fatalf("kept %t, %v", kept, err)
			}
			w.sees(w.teams, "19:ops", verb2word(verb))
			r := w.until(id, func(r bot.Request) bool { i, _ := intentOf(r, "bob"); return i.State == bot.IntentDone })
			if i, _ := intentOf(r, "bob"); i.Outcome != bot.Accepted || i.Proof.AuthTime.IsZero() || reviews(w.ms, "bob") != 1 {
				t.Errorf("%+v, decided %d times", i, reviews(w.ms, "bob"))
			}
		})
	}
}

func verb2word(verb string) string {
	if verb == "denied" {
		return "was denied"
	}
	return "is active"
}

// Whoever forges an approver's press, with their id and all, gets further than a question
// only where the approver is signed in and no presence is asked for: that is what
// approval.presence is for.
func TestForgedDecisionUnderBothRules(t *testing.T) {
	for name, c := range map[string]struct {
		rule    func(*bot.Options)
		live    bool
		relayed bool
	}{
		"every time, signed in":     {everyTime, true, false},
		"every time, not signed in": {everyTime, false, false},
		"session, signed in":        {nil, true, true},
		"session, not signed in":    {nil, false, false},
	} {
		for _, verb := range []string{"approve", "deny"} {
			t.Run(name+", "+verb, func(t *testing.T) {
				w := newPresenceWorld(t)
				w.stop()
				w.change = c.rule
				w.start()
				w.link("alice")
				id := w.pending()
				w.ms.SetLive("oid-bob", c.live)
				for range 3 {
					if verb == "approve" {
						w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
					} else {
						w.denies("bob", id)
					}
				}
				if c.relayed {
					w.until(id, func(r bot.Request) bool { i, _ := intentOf(r, "bob"); return i.Outcome == bot.Accepted })
					if reviews(w.ms, "bob") != 1 {
						t.Errorf("decided %d times", reviews(w.ms, "bob"))
					}
					return
				}
				i := w.waits(id, "bob")
				w.restart()
				w.advance(9 * time.Minute)
				w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id}) // still nobody in front of a browser
				w.bot.Idle()
				w.nothingOf(id, "bob")
				w.advance(2 * time.Minute)
				w.until(id, func(r bot.Request) bool { i, _ := r.Intent(i.ID); return i.Outcome == bot.Lapsed })
				w.nothingOf(id, "bob")
				if live, err := w.ms.Live(t.Context(), "oid-bob"); live != c.live || err != nil {
					t.Errorf("Bob is signed in: %t, %v", live, err)
				}
			})
		}
	}
}

// What is no proof that Bob himself decided on this request, now.
func TestSignInThatProvesNothing(t *testing.T) {
	ticketFor := func(w *world, in bot.Inbound, mine bot.Ticket) string {
		id := "a-ticket-of-" + mine.Request
		mine.User, mine.Direct, mine.Expect = in.User, in.At, "oid-bob"
		err := store.Seal(w.disk, w.keys).Update(w.t.Context(), func(tx store.Tx) error { return w.links.Offer(tx, id, mine) })
		if err != nil {
			w.t.Fatal(err)
		}
		return id
	}
	for name, c := range map[string]struct {
		sign func(w *world, id string, i bot.Intent) (bool, error)
		kept bool // the sign-in is one, only not for this
	}{
		"an hour old": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(i.Ticket, people["bob"], time.Now().Add(-time.Hour))
		}, false},
		"from before the press": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(i.Ticket, people["bob"], time.Now().Add(-2*time.Minute))
		}, false},
		"it does not say when": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(i.Ticket, people["bob"], time.Time{})
		}, false},
		"in the future": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(i.Ticket, people["bob"], time.Now().Add(time.Hour))
		}, false},
		"another person's": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(i.Ticket, people["dave"], time.Now())
		}, false},
		"for linking": {func(w *world, _ string, _ bot.Intent) (bool, error) {
			return w.signs(ticketFor(w, w.in("bob", nil), bot.Ticket{}), people["bob"], time.Now())
		}, true},
		"a ticket for it that asks for no fresh one": {func(w *world, id string, i bot.Intent) (bool, error) {
			return w.signs(ticketFor(w, w.in("bob", nil), bot.Ticket{Request: id, Intent: i.ID}), people["bob"], time.Now())
		}, true},
		"a fresh one for another request": {func(w *world, _ string, i bot.Intent) (bool, error) {
			return w.signs(ticketFor(w, w.in("bob", nil), bot.Ticket{Request: "another", Intent: i.ID, Fresh: true}), people["bob"], time.Now())
		}, true},
		"a fresh one for another decision": {func(w *world, id string, _ bot.Intent) (bool, error) {
			return w.signs(ticketFor(w, w.in("bob", nil), bot.Ticket{Request: id, Intent: "another", Fresh: true}), people["bob"], time.Now())
		}, true},
		"after the deadline": {func(w *world, _ string, i bot.Intent) (bool, error) {
			w.advance(bot.SignInTime)
			return w.signs(i.Ticket, people["bob"], time.Now())
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPresenceWorld(t)
			w.link("alice")
			id := w.pending()
			w.ms.SetLive("oid-bob", true)
			w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
			i := w.waits(id, "bob")
			kept, err := c.sign(w, id, i)
			if kept != c.kept || (err == nil) != c.kept {
				t.Errorf("kept %t, %v", kept, err)
			}
			if sentence, ok := bot.ErrorMessage(err); !c.kept && (!ok || sentence == "") {
				t.Errorf("Bob is told nothing: %v", err)
			}
			w.bot.Idle()
			w.nothingOf(id, "bob")
			r, err := w.bot.Request(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if i, _ := r.Intent(i.ID); !i.Proof.AuthTime.IsZero() {
				t.Errorf("taken for a proof: %+v", i.Proof)
			}
			if name == "after the deadline" {
				return
			}
			// The ticket is not used up by what was refused: the right sign-in still works.
			if kept, err := w.signs(i.Ticket, people["bob"], time.Now()); !kept || err != nil {
				t.Fatalf("afterwards: %t, %v", kept, err)
			}
			w.sees(w.teams, "19:ops", "is active")
			if reviews(w.ms, "bob") != 1 {
				t.Errorf("decided %d times", reviews(w.ms, "bob"))
			}
		})
	}
}

// One proof is for one decision: the next one asks again.
func TestProofIsNotUsedAgain(t *testing.T) {
	w := newPresenceWorld(t)
	w.link("alice")
	mine := w.pending()
	daves := w.asks("dave", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(daves, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: mine})
	w.denies("bob", daves)
	first, second := w.waits(mine, "bob"), w.waits(daves, "bob")
	if kept, err := w.signs(first.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.sees(w.teams, "19:ops", "is active")
	w.bot.Idle()
	if i := w.waits(daves, "bob"); i.ID != second.ID || i.Ticket != second.Ticket || reviews(w.ms, "bob") != 1 {
		t.Errorf("the other decision: %+v, Bob decided %d times", i, reviews(w.ms, "bob"))
	}
	// Nor is the same ticket.
	if _, err := w.links.Begin(t.Context(), first.Ticket, "browser"); err == nil || !strings.Contains(err.Error(), "used already") {
		t.Errorf("the link again: %v", err)
	}
	if kept, err := w.signs(second.Ticket, people["bob"], time.Now()); !kept || err != nil {
		t.Fatalf("kept %t, %v", kept, err)
	}
	w.sees(w.teams, "19:ops", "was denied")
}
