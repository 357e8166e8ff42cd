package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// traces writes a line of the audit log, some minutes late. Of a directory role it tells
// no scope, as pim/graph reads it.
func (w *world) traces(id string, what pim.TraceKind, m pim.Request, by string, reason string) {
	a := m.Assignment
	if a.Kind == pim.EntraRole {
		a.Scope = ""
	}
	w.ms.AddTrace(pim.Trace{ID: id, At: w.now(), What: what, Request: m.ID, Assignment: a, Principal: m.Principal, By: people[by], Reason: reason, RoleName: "User Administrator"})
	w.advance(6 * time.Minute)
}

// Nobody who may decide is signed in: the log tells, and the card says so.
func TestFoundInTheLog(t *testing.T) {
	w := newWorld(t)
	w.onlyLive()
	m := w.asksInThePortal()
	w.traces("t1", pim.TraceAsked, m, "alice", "from the portal")
	w.traces("t1", pim.TraceAsked, m, "alice", "from the portal") // again
	card := w.sees(w.teams, "chat-bob", "Alice Adams asks for User Administrator", "from the portal", "in the audit log, which is some minutes late", "[Approve]")
	w.sees(w.slack, "D-carol", "[Approve]")
	if !strings.Contains(words(card.Card), "not told in the audit log") {
		t.Errorf("the card makes up a time: %s", words(card.Card))
	}
	// Decided by somebody whom nobody could watch; the lines come in the wrong order.
	if err := w.ms.Decide("oid-carol", pim.Denied); err != nil {
		t.Fatal(err)
	}
	w.traces("t3", pim.TraceDenied, m, "carol", "not today")
	w.sees(w.teams, "chat-bob", "was denied", "Denied by Carol Clark, in Entra: not today")
	w.traces("t2", pim.TraceAsked, m, "alice", "from the portal")
	w.sees(w.slack, "C-ops", "was denied: Alice Adams")
	w.looksInTheLog()
	w.verify(1)
}

// looksInTheLog lets time go on until the log was read once more.
func (w *world) looksInTheLog() {
	w.t.Helper()
	before := w.looks.read()
	limit := time.After(20 * time.Second)
	for w.looks.read() < before+2 {
		w.advance(3 * time.Minute)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limit:
			w.t.Fatal("nobody reads the log")
		}
	}
}

// An approver who signs in decides what was found in the log.
func TestFoundInTheLogAndDecidedInChat(t *testing.T) {
	w := newWorld(t)
	w.onlyLive()
	m := w.asksInThePortal()
	w.traces("t1", pim.TraceAsked, m, "alice", "from the portal")
	w.sees(w.slack, "D-carol", "[Approve]")
	w.link("carol")
	w.seesLater(5*time.Second, w.slack, "D-carol", "Alice Adams asks for", "2 hours") // her list tells the rest
	card := w.sees(w.slack, "D-carol", "[Approve]")
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID})
	w.seesLater(2*time.Second, w.teams, "chat-bob", "is active", "Approved by Carol Clark")
	w.verify(1)
}

// Activated elsewhere without approval: the channel hears of it, and of its end.
func TestActivatedElsewhere(t *testing.T) {
	w := newWorld(t)
	w.onlyLive()
	w.slack.Reachable("oid-alice", bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-alice", Private: true})
	m, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: time.Hour, Justification: "figures"})
	if err != nil {
		t.Fatal(err)
	}
	w.traces("t1", pim.TraceAsked, m, "alice", "figures")
	w.traces("t2", pim.TraceActivated, m, "", "")
	w.sees(w.slack, "C-ops", "is active: Alice Adams", "Activated elsewhere", "figures")
	w.sees(w.slack, "D-alice", "is active", "You asked for it elsewhere", "[Deactivate]")
	w.advance(time.Hour)
	w.traces("t3", pim.TraceEnded, pim.Request{ID: "its own", Assignment: reports.Assignment, Principal: "oid-alice"}, "", "")
	w.seesLater(time.Minute, w.slack, "C-ops", "has ended: Alice Adams", "Its time is over")
	w.traces("t2 again", pim.TraceActivated, m, "", "") // over: nothing begins anew
	w.looksInTheLog()
	w.verify(1)
}

// What Belay follows already is not begun by the log, and the log decides what nobody
// can read.
func TestTheLogOfOwnRequests(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	r, err := w.bot.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	w.onlyLive() // her sign-in is over, and no approver has one
	m := pim.Request{ID: r.Held.ID, Assignment: users.Assignment, Principal: "oid-alice"}
	w.traces("t1", pim.TraceAsked, m, "alice", "reset a password")
	if err := w.ms.Decide("oid-bob", pim.Approved); err != nil {
		t.Fatal(err)
	}
	w.traces("t2", pim.TraceApproved, m, "bob", "fine")
	w.traces("t1 again", pim.TraceAsked, m, "alice", "reset a password")
	w.seesLater(10*time.Second, w.slack, "D-alice", "is active", "Approved by Bob Brown, in Entra")
	w.verify(1)
}

// A log that may not be read costs no more than its use, and the operator is told once.
func TestTheLogIsForbidden(t *testing.T) {
	w := newWorld(t)
	w.ms.Fail("traces", &pim.Error{Op: "traces", Code: pim.CodeForbidden}, &pim.Error{Op: "traces", Code: pim.CodeForbidden})
	w.logs.wait(t, "found in approvers' lists only")
	w.link("carol")
	w.onlyLive("carol")
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	if n := strings.Count(w.logs.String(), "found in approvers' lists only"); n != 1 {
		t.Errorf("the operator is told %d times", n)
	}
}

// Two activations after each other are told of at once: the instance is the second's.
func TestTwoActivationsInOneReading(t *testing.T) {
	w := newWorld(t)
	w.onlyLive()
	var lines []pim.Trace
	for n, why := range []string{"first", "second"} {
		m, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: time.Hour, Justification: why})
		if err != nil {
			t.Fatal(err)
		}
		a := m.Assignment
		a.Scope = ""
		for _, what := range []pim.TraceKind{pim.TraceAsked, pim.TraceActivated} {
			lines = append(lines, pim.Trace{ID: why + string(what), At: w.now(), What: what, Request: m.ID, Assignment: a, Principal: m.Principal, Reason: why})
		}
		if n == 0 {
			w.advance(10 * time.Minute)
			w.ms.SetLive("oid-alice", true)
			if err := w.ms.Deactivate(t.Context(), "oid-alice", pim.Deactivation{Assignment: reports.Assignment}); err != nil {
				t.Fatal(err)
			}
			w.ms.SetLive("oid-alice", false)
		}
	}
	for _, line := range lines {
		w.ms.AddTrace(line)
	}
	w.advance(6 * time.Minute)
	w.sees(w.slack, "C-ops", "is active: Alice Adams", "second")
	w.looksInTheLog()
	w.verify(1)
}
