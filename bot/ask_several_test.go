package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// One form, one card for each role, one answer to the requester.
func TestSeveralRolesInOneGo(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 4h fix the load balancer")
	also := fieldOf(f, "also")
	if also.Kind != bot.Many || also.Max != 10 || also.Required {
		t.Fatalf("the field is %+v", also)
	}
	for _, o := range also.Options {
		if o.Label == "Reports Reader" {
			t.Error("the role itself is offered once more")
		}
	}
	more := option(t, also, "Member of Duty Managers") + "," + option(t, also, "Contributor (subscription Production)")
	f = w.choose(f, map[string]string{"also": more})
	if got := fieldOf(f, "also"); got.Value != more || got.Options[0].Label != "Member of Duty Managers" || got.Options[1].Label != "Contributor (subscription Production)" {
		t.Errorf("what is chosen does not stand first: %+v", got)
	}
	if fieldOf(f, "ticket").Name == "" || !strings.Contains(fieldOf(f, "duration").Error, "2 hours at the most") ||
		!strings.Contains(f.Text, "Reports Reader needs no approval.\nMember of Duty Managers needs no approval.\nContributor (subscription Production) needs approval by Bob Brown") {
		t.Errorf("the form does not ask what all of them demand: %+v", f)
	}
	w.refused(f, "ticket", map[string]string{"duration": "PT2H"})
	card := w.send(f, map[string]string{"duration": "PT2H", "ticket": "CHG-1"})
	if all := words(card); card.Title != "Sent: 3 requests" || !strings.Contains(all, "Reports Reader: ") || !strings.Contains(all, "Member of Duty Managers: ") || !strings.Contains(all, "Contributor (subscription Production): ") {
		t.Errorf("the answer is %+v", card)
	}
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
	w.sees(w.slack, "D-alice", "Contributor (subscription Production) waits for approval")
	w.sees(w.teams, "chat-bob", "asks for Contributor (subscription Production)", "Ticket: CHG-1", "For: 2 hours", "Why: fix the load balancer")
	w.sees(w.slack, "D-alice", "Your 3 requests", "Reports Reader: active", "Member of Duty Managers: active", "Contributor (subscription Production): waiting for approval")
	w.advance(3 * time.Hour)
	w.sees(w.slack, "D-alice", "Your 3 requests", "Reports Reader: over", "Member of Duty Managers: over", "Contributor (subscription Production): waiting for approval")
	for _, m := range w.slack.In("D-alice") {
		if strings.HasPrefix(m.Card.Title, "Your") && m.Card.Title != "Your 3 requests" {
			t.Errorf("a second summary: %+v", m.Card)
		}
	}
	if a := w.pillars[pim.Group].activated(t); a.Duration != 2*time.Hour || a.Ticket.Number != "CHG-1" || a.Justification != "fix the load balancer" {
		t.Errorf("Microsoft is asked for %+v", a)
	}
}

// A form for several roles that is sent again, at once and later, does nothing
// twice, and gets the same answer.
func TestSeveralRolesAreSentTwice(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers")})
	submit := bot.Submit{Verb: f.Verb, ID: f.ID, Values: valuesOf(f)}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { w.bot.Handle(t.Context(), w.in("alice", submit)) })
	}
	all.Wait()
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
	if c := w.says("alice", submit).Card; c == nil || c.Title != "Sent: 2 requests" || !strings.Contains(words(*c), "Reports Reader: active") {
		t.Errorf("the second time: %+v", c)
	}
	w.restart()
	w.advance(2 * time.Hour)
	w.sees(w.slack, "D-alice", "Member of Duty Managers has ended")
	w.sees(w.slack, "D-alice", "Reports Reader has ended")
	w.says("alice", submit)
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	if c := w.says("dave", bot.Submit{Verb: f.Verb, ID: f.ID, Values: submit.Values}).Card; c == nil || c.Title != "Nothing was done" {
		t.Errorf("somebody else's form is answered with %+v", c)
	}
}

// What was asked for before is not asked for again; the rest is.
func TestOneOfSeveralIsThereAlready(t *testing.T) {
	w := newWide(t, nil)
	w.ask("alice", "user admin", "PT1H", "figures")
	w.sees(w.teams, "chat-bob", "[Approve]")
	f := w.form("user admin 1h figures")
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Reports Reader")})
	c := w.send(f, nil)
	if all := words(c); c.Title != "Sent: 1 request" || !strings.Contains(all, "User Administrator: waiting for approval; you asked for it before") {
		t.Errorf("the answer is %+v", c)
	}
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if c := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: valuesOf(f)}).Card; c == nil || c.Title != "You asked for these already" {
		t.Errorf("the second time: %+v", c)
	}
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestTooManyRoles(t *testing.T) {
	w := newWide(t, nil)
	for n := range 12 {
		w.ms.AddRole("oid-alice", pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: fmt.Sprintf("extra-%02d", n), Scope: "/"},
			RoleName: fmt.Sprintf("Extra %02d", n)}, pim.Policy{MaxDuration: time.Hour})
	}
	f := w.form("reports 1h figures")
	var keys []string
	for n := range 12 {
		keys = append(keys, option(t, fieldOf(f, "also"), fmt.Sprintf("Extra %02d", n)))
	}
	if problem := w.refused(f, "also", map[string]string{"also": strings.Join(keys, ",")}); !strings.Contains(problem, "10 further roles at the most") {
		t.Errorf("twelve: %q", problem)
	}
	// The same role again and again is one.
	f = w.choose(f, map[string]string{"also": strings.Repeat(keys[0]+",", 20) + fieldOf(f, "role").Value})
	if got := fieldOf(f, "also").Value; got != keys[0] {
		t.Errorf("chosen are %q", got)
	}
}

// Where a platform does not tell of a new choice, the form is shown once more
// before anything is sent: who decides on the new role was not said yet.
func TestRolesThatTheFormDidNotShow(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	values := answered(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers")})
	again := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: values}).Form
	if again == nil || !strings.Contains(again.Text, "Member of Duty Managers needs no approval") || !strings.Contains(again.Note, "Nothing was sent yet") {
		t.Fatalf("got %+v", again)
	}
	w.send(again, nil)
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
}

// Either all of a form is recorded or nothing: the transaction fails at its end.
func TestSeveralRolesAreOneTransaction(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers")})
	w.stop()
	real := w.disk
	w.disk = failing{real}
	w.start()
	w.form("reports") // the menu is read anew
	f = w.choose(f, nil)
	if c := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: valuesOf(f)}).Card; c == nil || c.Title != "Nothing was done" {
		t.Fatalf("got %+v", c)
	}
	w.stop()
	w.disk = real
	w.start()
	if c := w.says("alice", bot.Command{Text: "status"}).Card; c == nil || c.Title != "Nothing open" {
		t.Errorf("something was recorded: %+v", c)
	}
	if len(w.ms.Writes()) != 0 {
		t.Errorf("something was sent: %q", w.ms.Writes())
	}
}

// failing is a store that cannot write who asked last, which is the last write of a
// form's transaction.
type failing struct{ store.Store }

func (s failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(failingTx{tx}) })
}

type failingTx struct{ store.Tx }

func (t failingTx) Put(bucket string, key, value []byte) error {
	if bucket == "latest" {
		return errors.New("the disk is full")
	}
	return t.Tx.Put(bucket, key, value)
}

// Who is not signed in any more signs in once for all of them.
func TestSeveralRolesWaitForOneSignIn(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers")})
	w.ms.SetLive("oid-alice", false)
	c := w.send(f, nil)
	if len(c.Actions) != 1 || c.Actions[0].URL == "" || !strings.Contains(words(c), "Reports Reader: waiting for your sign-in") {
		t.Fatalf("the answer is %+v", c)
	}
	w.ms.SetLive("oid-alice", true)
	if err := w.bot.SignedIn(t.Context(), "oid-alice", bot.Ticket{User: w.in("alice", nil).User, Request: f.ID}); err != nil {
		t.Fatal(err)
	}
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
}
