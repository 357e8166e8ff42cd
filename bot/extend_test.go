package bot_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// extend presses [Extend] and sends the form, with what is to be changed in it.
func (w *world) extend(who, id string, change map[string]string) bot.Reply {
	w.t.Helper()
	form := w.says(who, bot.Press{Verb: bot.VerbExtend, ID: id}).Form
	if form == nil {
		w.t.Fatal("no form for an extension")
	}
	values := map[string]string{}
	for _, f := range form.Fields {
		values[f.Name] = f.Value
	}
	for name, v := range change {
		values[name] = v
	}
	return w.says(who, bot.Submit{Verb: form.Verb, ID: form.ID, Values: values})
}

var twice = []string{"oid-alice activate", "oid-alice deactivate", "oid-alice activate"}

func TestExtend(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(51 * time.Minute)
	form := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}).Form
	if !strings.Contains(form.Text, "deactivates Reports Reader first and asks for it again") || form.Fields[0].Value != "now" || form.Fields[1].Value != "PT1H" || form.Fields[2].Value != "figures" {
		t.Errorf("the form is %+v", form)
	}
	if again := w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"when": "now", "duration": "PT9H", "reason": ""}}).Form; again == nil || again.Fields[2].Error == "" {
		t.Errorf("a form without a reason is taken: %+v", again)
	}
	values := map[string]string{"when": "now", "duration": "PT2H", "reason": "more figures"}
	for range 3 { // sent again and again, it is one deed
		w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values})
	}
	w.sees(w.slack, "D-alice", "Reports Reader has ended", "deactivated to be asked for again")
	w.sees(w.slack, "D-alice", "Reports Reader is active", "For: 2 hours", "Why: more figures", "Extends the one until", "[Deactivate]")
	w.sees(w.slack, "C-ops", "has ended: Alice Adams", "who asks for it again")
	if diff := cmp.Diff(twice, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	if got := w.says("bob", bot.Press{Verb: bot.VerbExtend, ID: id}).Card; !strings.Contains(got.Text, "Only the person") {
		t.Errorf("Bob sees %+v", got)
	}
}

// With approval it is missing until somebody approves, which is said before; that is
// why it is asked for after the end unless the person wants it now.
func TestExtendWithApproval(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "User Administrator is active")
	w.advance(51 * time.Minute)
	form := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}).Form
	if !strings.Contains(form.Text, "you will not have it until somebody approves") || form.Fields[0].Value != "after" {
		t.Fatalf("the form is %+v", form)
	}
	w.extend("alice", id, nil)
	w.sees(w.slack, "D-alice", "will be asked for again", "[Cancel]")
	w.restart()
	if n := len(w.ms.Writes()); n != 2 {
		t.Fatalf("before the end Microsoft heard %q", w.ms.Writes())
	}
	w.advance(9 * time.Minute)
	w.seesLater(time.Second, w.slack, "D-alice", "User Administrator has ended")
	m := w.sees(w.teams, "chat-bob", "[Approve]", "Extends the one until")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: m.Card.Actions[0].ID})
	w.sees(w.slack, "D-alice", "User Administrator is active", "Extends the one until", "Approved by Bob Brown")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review", "oid-alice activate", "oid-bob review"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// In its first five minutes the activation is extended when these are over, and the
// person can still keep it as it is.
func TestExtendTooEarly(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if c := w.extend("alice", id, nil).Card; !strings.Contains(words(*c), "first five minutes") || at(*c, "Deactivated at").IsZero() || !slices.Contains(buttons(*c), bot.VerbKeep) {
		t.Errorf("told %+v", c)
	}
	w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id})
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "You kept the running activation")
	w.extend("alice", id, nil)
	w.advance(5 * time.Minute)
	w.seesLater(2*time.Second, w.slack, "D-alice", "Reports Reader is active", "Extends the one until")
	if diff := cmp.Diff(twice, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// The one that follows is taken back: the running one stays, or ends by itself.
func TestAnExtensionIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.extend("alice", id, nil)
	old := w.until(id, func(r bot.Request) bool { return r.FollowedBy != "" })
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: old.FollowedBy})
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader")
	w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")

	// Deactivated for good, nothing follows.
	w.extend("alice", id, map[string]string{"when": "after"})
	w.advance(6 * time.Minute)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.sees(w.slack, "D-alice", "has ended", "You deactivated it before its time")
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "for good")
	if diff := cmp.Diff(twice[:2], w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// What would be refused, and what cannot be ended, leaves the activation as it is.
func TestAnExtensionIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		op   string
		err  error
		want string
	}{
		"the next would be refused": {"check", &pim.Error{Op: "check", Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleTicketing}}, "it wants a ticket number"},
		"it cannot be ended":        {"deactivate", &pim.Error{Op: "deactivate", Code: pim.CodeForbidden, Status: 403}, "permission or consent"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.link("alice")
			id := w.ask("alice", "reports", "PT1H", "figures")
			w.sees(w.slack, "D-alice", "Reports Reader is active")
			w.advance(30 * time.Minute)
			w.ms.Fail(test.op, test.err)
			w.extend("alice", id, nil)
			w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "goes on", test.want)
			w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")
			if diff := cmp.Diff(twice[:1], w.ms.Writes()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A step-up is asked for before anything is given up; who does not come back keeps
// what they have.
func TestAnExtensionWantsAStepUp(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(20 * time.Minute)
	stepUp := &pim.Error{Op: "check", Code: pim.CodeStepUp, Claims: `{"access_token":{}}`}
	w.ms.Fail("check", stepUp)
	w.extend("alice", id, nil)
	w.sees(w.slack, "D-alice", "Sign in to finish", "[Sign in]")
	w.advance(11 * time.Minute)
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "did not sign in within 10 minutes")
	w.ms.Fail("check", stepUp)
	w.extend("alice", id, nil)
	r := w.until(id, func(r bot.Request) bool {
		i := r.Intents[len(r.Intents)-1]
		return i.State == bot.IntentWaiting && i.Then != ""
	})
	if err := w.bot.SignedIn(t.Context(), "oid-alice", bot.Ticket{User: w.in("alice", nil).User, Request: id, Intent: r.Intents[len(r.Intents)-1].ID}); err != nil {
		t.Fatal(err)
	}
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active", "Extends the one until")
	if diff := cmp.Diff(twice, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// Ended in Entra by somebody else, it is not asked for again behind their back.
func TestAnExtensionOfWhatWasRevoked(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.extend("alice", id, map[string]string{"when": "after"})
	w.ms.Revoke()
	w.advance(20 * time.Minute)
	w.seesLater(5*time.Second, w.slack, "D-alice", "Canceled: Reports Reader", "did not ask for it again", "[Ask again]")
	if diff := cmp.Diff(twice[:1], w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// Microsoft may say for some seconds that what is over is there.
func TestTheEndIsSlowToBeKnown(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(20 * time.Minute)
	w.ms.Fail("activate", &pim.Error{Op: "activate", Code: pim.CodeExists, Status: 400}, &pim.Error{Op: "activate", Code: pim.CodeExists, Status: 400})
	w.extend("alice", id, nil)
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active", "Extends the one until")
	if diff := cmp.Diff(twice, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// Not eligible any more: what could not be activated again is not given up.
func TestNoExtensionWithoutEligibility(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.asks("alice", pim.EligibleAssignment{Assignment: users.Assignment, RoleName: "User Administrator"}, bot.Ask{Duration: time.Hour, Justification: "because"})
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
	w.ms.DropRole("oid-alice", users.Assignment)
	w.advance(6 * time.Minute)
	if got := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}); got.Form != nil || !strings.Contains(got.Card.Text, "not eligible for this role any more") {
		t.Errorf("Alice sees %+v", got)
	}
}

// dying is a store that, after some updates, takes no more: what a crash leaves.
type dying struct {
	store.Store
	left *atomic.Int64
}

var errDead = errors.New("the machine is gone")

func (d dying) Update(ctx context.Context, fn func(store.Tx) error) error {
	if d.left.Add(-1) < 0 {
		return errDead
	}
	return d.Store.Update(ctx, fn)
}

// A crash at any place of an extension, also between the two calls: nothing is sent
// twice, nothing out of order, and in the end the role is active again.
func TestACrashWithinAnExtension(t *testing.T) {
	for n := range int64(24) {
		w := newWorld(t)
		w.link("alice")
		w.sees(w.slack, "D-alice", "You are linked")
		id := w.ask("alice", "reports", "PT1H", "figures")
		w.sees(w.slack, "D-alice", "Reports Reader is active")
		w.sees(w.teams, "19:ops", "Reports Reader is active")
		w.advance(20 * time.Minute)
		form := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}).Form
		w.stop()
		disk, left := w.disk, &atomic.Int64{}
		left.Store(1 << 40)
		w.disk = dying{disk, left}
		w.start()
		w.says("alice", bot.Command{}) // the menu is read anew
		left.Store(n + 1)
		submit := bot.Submit{Verb: bot.VerbExtend, ID: form.ID, Values: map[string]string{"when": "now", "duration": "PT2H", "reason": "more"}}
		w.says("alice", submit)
		for deadline := time.Now().Add(2 * time.Second); left.Load() >= 0 && time.Now().Before(deadline) && len(w.ms.Writes()) < 3; {
			w.bot.Handle(t.Context(), w.in("alice", bot.Command{Text: "status"}))
		}
		w.stop()
		w.disk = disk
		w.start()
		w.says("alice", bot.Command{})
		w.says("alice", submit) // by somebody who was not told that it was taken, or does not trust it
		w.seesLater(15*time.Second, w.slack, "D-alice", "Reports Reader has ended", "deactivated to be asked for again")
		old := w.until(id, func(r bot.Request) bool { return r.State == bot.Ended && r.FollowedBy != "" })
		w.untilLater(5*time.Second, old.FollowedBy, func(r bot.Request) bool { return r.State == bot.Active && len(r.Intents) == 1 })
		if diff := cmp.Diff(twice, w.ms.Writes()); diff != "" {
			t.Errorf("crash after update %d:\n%s", n+1, diff)
		}
	}
}

// An Azure activation that was made elsewhere is asked for again with what Azure wants
// to be told of the eligibility, also where that is of a scope above.
func TestExtendAnAzureActivationMadeElsewhere(t *testing.T) {
	for name, scope := range map[string]pim.Scope{"0198d1a4-0000-7000-8000-000000000002": {ID: azure.Scope, Name: azure.ScopeName}, "0198d1a4-0000-7000-8000-000000000003": rgTest} {
		w := newWide(t, nil)
		w.ms.AddScope(azure.Assignment, rgTest)
		at := azure.Assignment
		at.Scope = scope.ID
		there := pim.Instance{Activated: true, Assignment: at, Start: w.now().Add(-10 * time.Minute), End: w.now().Add(time.Hour)}
		m := pim.Request{ID: "arm-1", Assignment: at, Principal: "oid-alice", Status: "Provisioned", RoleName: azure.RoleName, ScopeName: scope.Name,
			Created: there.Start, Duration: time.Hour, Justification: "in the portal"}
		for _, e := range []bot.Event{bot.Found{ID: name, Request: m, ObserveAt: w.now().Add(time.Hour)}, bot.Observed{Read: true, Instance: &there, ObserveAt: w.now().Add(time.Hour)}} {
			if err := w.bot.Apply(t.Context(), name, e); err != nil {
				t.Fatal(err)
			}
		}
		w.extend("alice", name, map[string]string{"when": "after", "ticket": "CHG-1"})
		r, err := w.bot.Request(t.Context(), name)
		if err != nil || r.FollowedBy == "" {
			t.Fatalf("%s: nothing follows: %v", scope.Name, err)
		}
		next, err := w.bot.Request(t.Context(), r.FollowedBy)
		if got := next.Role; err != nil || got.Scope != scope.ID || got.Schedule != azure.Schedule || got.Condition != azure.Condition || got.ConditionVersion != azure.ConditionVersion {
			t.Errorf("%s: %+v follows, %v", scope.Name, got, err)
		}
	}
}
