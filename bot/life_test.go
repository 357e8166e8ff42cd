package bot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
)

// at is the time a card's fact tells.
func at(c bot.Card, fact string) time.Time {
	for _, f := range c.Facts {
		if f.Name == fact {
			return f.At
		}
	}
	return time.Time{}
}

// buttons are the verbs on a card, in order.
func buttons(c bot.Card) []bot.Verb {
	var all []bot.Verb
	for _, a := range c.Actions {
		all = append(all, a.Verb)
	}
	return all
}

// In the first five minutes the deactivation is recorded, told and done by itself.
func TestDeactivatedTooEarly(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	r, err := w.bot.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	reply := w.says("alice", bot.Command{Text: "stop"}).Card
	if got, want := at(*reply, "Deactivated at"), r.Held.From.Add(5*time.Minute+5*time.Second); !got.Equal(want) || !strings.Contains(words(*reply), "first five minutes") {
		t.Errorf("told %v, want %v: %+v", got, want, reply)
	}
	w.sees(w.slack, "D-alice", "first five minutes", "Deactivated at", "[Keep it]")
	if again := w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id}).Card; !strings.Contains(again.Text, "going to be deactivated already") {
		t.Errorf("the second press shows %+v", again)
	}
	if other := w.says("dave", bot.Press{Verb: bot.VerbKeep, ID: id}).Card; !strings.Contains(other.Text, "Only the person") {
		t.Errorf("Dave sees %+v", other)
	}

	// Kept, and thought better of: nothing reached Microsoft.
	if kept := w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id}).Card; !strings.Contains(kept.Title, "stays active") {
		t.Errorf("kept: %+v", kept)
	}
	w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")
	if none := w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id}).Card; !strings.Contains(none.Text, "No deactivation waits") {
		t.Errorf("kept twice: %+v", none)
	}
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.restart()
	w.advance(5 * time.Minute)
	w.seesLater(time.Second, w.slack, "D-alice", "has ended", "You deactivated it")
	if late := w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id}).Card; !strings.Contains(late.Text, "No deactivation waits") {
		t.Errorf("kept after the end: %+v", late)
	}
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice deactivate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	for _, m := range w.slack.In("D-alice") {
		if strings.Contains(words(m.Card), "Nothing was changed") {
			t.Errorf("a no that is none is told: %+v", m.Card)
		}
	}
}

// Whoever has to sign in first for an early deactivation waits out the same time, and
// can take it back before.
func TestDeactivatedTooEarlyAndNotSignedIn(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.ms.SetLive("oid-alice", false)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.sees(w.slack, "D-alice", "Sign in to finish", "[Sign in]")
	w.sees(w.slack, "D-alice", "as soon as you have signed in", "[Keep it]")
	w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id})
	w.sees(w.slack, "D-alice", "No sign-in is needed any more")
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	r := w.until(id, func(r bot.Request) bool { return r.Intents[len(r.Intents)-1].State == bot.IntentWaiting })
	w.ms.SetLive("oid-alice", true)
	if err := w.bot.SignedIn(t.Context(), "oid-alice", bot.Ticket{User: w.in("alice", nil).User, Request: id, Intent: r.Intents[len(r.Intents)-1].ID}); err != nil {
		t.Fatal(err)
	}
	w.sees(w.slack, "D-alice", "first five minutes", "Deactivated at", "[Keep it]")
	w.advance(5 * time.Minute)
	w.seesLater(time.Second, w.slack, "D-alice", "has ended", "You deactivated it")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice deactivate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// Microsoft's own "too early", and its not knowing yet what it holds, are waited out.
func TestMicrosoftSaysTooEarly(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(6 * time.Minute)
	w.ms.Fail("deactivate", &pim.Error{Op: "deactivate", Code: pim.CodeTooShort, Status: 400}, &pim.Error{Op: "deactivate", Code: pim.CodeNotActive, Status: 400})
	w.says("alice", bot.Command{Text: "stop"})
	w.sees(w.slack, "D-alice", "Deactivated at", "[Keep it]")
	w.seesLater(5*time.Second, w.slack, "D-alice", "has ended", "You deactivated it")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice deactivate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestWarnedBeforeTheEnd(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(49 * time.Minute)
	if c := w.says("alice", bot.Command{Text: "status"}).Card; !strings.Contains(words(*c), "Left: 10 minutes") {
		t.Errorf("with eleven minutes left: %+v", c)
	}
	for _, m := range w.slack.In("D-alice") {
		if strings.Contains(m.Card.Title, "ends soon") {
			t.Error("warned too early")
		}
	}
	w.restart()
	w.advance(time.Minute)
	w.sees(w.slack, "D-alice", "Reports Reader ends soon", "[Extend]", "[Deactivate]")
	c := w.says("alice", bot.Command{Text: "status"}).Card
	if !strings.Contains(words(*c), "Left: 9 minutes") || !slices.Contains(buttons(*c), bot.VerbExtend) {
		t.Errorf("near the end: %+v", c)
	}
	w.advance(10 * time.Minute)
	w.sees(w.slack, "D-alice", "Reports Reader has ended", "Its time is over")
	w.sees(w.slack, "C-ops", "has ended")
	w.until(id, func(bot.Request) bool { // no card is left as it was
		return !slices.ContainsFunc(w.slack.In("D-alice"), func(m bottest.Message) bool {
			return strings.Contains(words(m.Card), "ends soon") || slices.Contains(buttons(m.Card), bot.VerbStop)
		})
	})
	if got := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}).Card; !strings.Contains(got.Text, "nothing to extend") {
		t.Errorf("extended after the end: %+v", got)
	}
}

// What is shorter than twice the warning ends soon from its beginning.
func TestShortOnesAreNotWarnedOf(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "reports", "PT15M", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(12 * time.Minute)
	w.says("alice", bot.Command{Text: "status"})
	w.advance(4 * time.Minute)
	w.sees(w.slack, "D-alice", "Reports Reader has ended")
	for _, m := range w.slack.In("D-alice") {
		if strings.Contains(words(m.Card), "ends soon") {
			t.Errorf("warned: %+v", m.Card)
		}
	}
}

func TestStatusCountsDown(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "reports", "PT2H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	id := w.ask("alice", "user admin", "PT30M", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "User Administrator is active")
	w.advance(25 * time.Minute)
	c := w.says("alice", bot.Command{Text: "status"}).Card
	if text := words(*c); !strings.Contains(text, "User Administrator: active, 4 minutes left") || !strings.Contains(text, "Reports Reader: active, 1 hour 34 minutes left") {
		t.Errorf("the list says:\n%s", text)
	}
	if diff := cmp.Diff([]bot.Verb{bot.VerbStop, bot.VerbExtend, bot.VerbStop}, buttons(*c)); diff != "" {
		t.Error(diff)
	}
}

// Of a start that lies ahead Microsoft is asked nothing before it has come.
func TestScheduledStart(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	start := w.now().Add(3 * time.Hour).UTC().Truncate(time.Minute)
	id := w.asks("alice", reports, bot.Ask{Start: start, Duration: time.Hour, Justification: "the night shift"})
	card := w.sees(w.slack, "D-alice", "Reports Reader is agreed and starts later", "active when its start has come", "[Cancel]")
	if got := at(card.Card, "Starts"); !got.Equal(start) {
		t.Errorf("it begins at %v, want %v", got, start)
	}
	w.until(id, func(r bot.Request) bool { return r.State == bot.Scheduled && !r.Wake.Before(start) })
	w.restart()
	w.advance(2 * time.Hour)
	if c := w.says("alice", bot.Command{Text: "status"}).Card; !strings.Contains(words(*c), "starts later") || strings.Contains(words(*c), "Last word") {
		t.Errorf("an hour before: %+v", c)
	}
	w.advance(time.Hour)
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active", "[Deactivate]")
	w.advance(time.Hour)
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader has ended", "Its time is over")
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestScheduledAndTakenBack(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	id := w.asks("alice", users, bot.Ask{Start: w.now().Add(5 * time.Hour), Duration: time.Hour, Justification: "the night shift"})
	w.sees(w.teams, "chat-bob", "Starts", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "starts later", "Approved by Bob Brown")
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: id})
	w.sees(w.slack, "D-alice", "Canceled: User Administrator")
	w.sees(w.teams, "chat-bob", "Canceled: User Administrator")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review", "oid-alice cancel"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// Nobody decides: every card says so, on both platforms.
func TestNobodyDecides(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.sees(w.slack, "D-carol", "[Approve]")
	w.advance(24*time.Hour + 2*time.Minute)
	w.seesLater(20*time.Second, w.slack, "D-alice", "was not activated", "Nobody decided within 24 hours")
	w.sees(w.teams, "chat-bob", "was not activated: Alice Adams", "Nobody decided within 24 hours")
	w.sees(w.slack, "D-carol", "was not activated: Alice Adams", "Nobody decided within 24 hours")
	w.sees(w.slack, "C-ops", "Nobody decided within 24 hours")
	for _, m := range append(w.slack.In("D-carol"), w.teams.In("chat-bob")...) {
		if slices.Contains(buttons(m.Card), bot.VerbApprove) {
			t.Errorf("a button is left on %q", m.Card.Title)
		}
	}
}

// The one who presses second, on the other platform, reads who was first.
func TestTheSecondIsToldWhoWasFirst(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.sees(w.slack, "D-carol", "[Deny]")
	if err := w.ms.Decide("oid-bob", pim.Approved); err != nil { // in the portal: Belay has not seen it
		t.Fatal(err)
	}
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-carol", "Nothing was changed", "Bob Brown decided first")
	w.sees(w.slack, "D-carol", "is active: Alice Adams", "Approved by Bob Brown, in Entra")
	w.sees(w.teams, "chat-bob", "You approved it")
	if got := w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id}).Card; !strings.Contains(got.Text, "Bob Brown already approved") {
		t.Errorf("Carol's second press shows %+v", got)
	}
}

// The role is active already, by an activation that was made elsewhere: that one gets
// a card of its own, from which it can be ended.
func TestActiveElsewhere(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: 2 * time.Hour, Justification: "in the portal"}); err != nil {
		t.Fatal(err)
	}
	w.ms.SetLive("oid-alice", true)
	w.ask("alice", "reports", "PT1H", "figures")
	card := w.sees(w.slack, "D-alice", "was not activated", "active for you already", "[Extend]", "[Deactivate]")
	w.sees(w.slack, "D-alice", "Reports Reader is active", "Why: in the portal", "For: 2 hours")
	w.advance(6 * time.Minute)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: card.Card.Actions[1].ID, Copy: card.Message})
	w.seesLater(time.Second, w.slack, "D-alice", "has ended", "You deactivated it")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice deactivate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	// Gone, it stands in nobody's way.
	w.ask("alice", "reports", "PT1H", "figures again")
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active", "Why: figures again")
}

func TestWhyThisPerson(t *testing.T) {
	w := newWorld(t)
	groups := []pim.ApproverGroup{{ID: "g1", Name: "Duty Managers", Size: 1, Members: []string{"OID-CAROL"}}}
	both := []pim.Principal{people["bob"], people["carol"], people["alice"]}
	for scope, policy := range map[string]pim.Policy{
		"/1": {ApproverGroups: groups}, "/2": {DefaultApprovers: true}, "/3": {ApproverGroups: []pim.ApproverGroup{{ID: "g2", Size: 4}}},
	} {
		role := users
		role.Scope, role.ScopeName, role.RoleName = scope, "Unit", "Role "+scope
		policy.Approval, policy.Approvers, policy.MaxDuration = true, both, time.Hour
		w.ms.AddRole("oid-alice", role, policy)
	}
	w.link("alice")
	for scope, want := range map[string][2]string{
		"/1": {"names you as an approver. So can Carol Clark.", "a member of Duty Managers, which the role's policy names as approver. So can Bob Brown."},
		"/2": {"Privileged Role Administrator or Global Administrator", "Privileged Role Administrator or Global Administrator"},
		"/3": {"names you, or a group that you are in", "names you, or a group that you are in"},
	} {
		w.ask("alice", "Role "+scope, "PT1H", "because")
		w.sees(w.teams, "chat-bob", "Role "+scope, want[0])
		w.sees(w.slack, "D-carol", "Role "+scope, want[1])
	}
}
