package main

import (
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/teams/teamstest"
)

const reports = "Reports Reader"

// Deactivated in its first five minutes, in Teams and in the other two pillars: it is
// done by itself once Microsoft takes it, unless it is kept.
func TestDeactivatedTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksTeams()
	dave.linksTeams()
	alice.writes("/elevate first-line 1h night shift")
	alice.fillsIn("Send", nil, support+" needs no approval", "Why")
	dave.writes("/elevate reader (resource group rg-data) 1h look at the data")
	const reader = "Reader (resource group rg-data)"
	dave.fillsIn("Send", nil, reader+" needs no approval", "Why")
	for _, c := range []struct {
		who  human
		role string
	}{{alice, support}, {dave, reader}} {
		c.who.finds("Deactivate", c.role+" is active")
		c.who.taps("Deactivate", c.role+" is active")
		c.who.sees(c.role, "first five minutes", "Deactivated at", "Keep it")
		c.who.finds("Keep it", c.role)
		if kept := teamstest.CardText(c.who.taps("Keep it", c.role, "Deactivated at").Card); !holds(kept, c.role+" stays active", "Active until", "Back") {
			t.Errorf("%s, who keeps it, is told %s", c.who.Name, kept)
		}
		c.who.writes("/elevate status") // the card itself may lie under the answer
		c.who.finds("Deactivate", c.role+" is active")
		c.who.taps("Deactivate", c.role+" is active")
		c.who.writes("/elevate status")
		c.who.sees(c.role+" is active", "first five minutes", "Deactivated at", "Keep it")
		if n := len(c.who.activeRoles()); n != 1 {
			t.Errorf("%s holds %d roles, want 1", c.who.Name, n)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "dave": 1}})
	w.pass("5m10s")
	for _, c := range []struct {
		who  human
		role string
	}{{alice, support}, {dave, reader}} {
		c.who.sees(c.role+" has ended", "You deactivated it before its time.")
		w.hears(c.role+" has ended: "+c.who.Name, "Deactivated by the requester before its time.")
		if n := len(c.who.activeRoles()); n != 0 {
			t.Errorf("%s still holds %d roles", c.who.Name, n)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "dave": 1}, deactivated: {"alice": 1, "dave": 1}})
}

// Ten minutes before its end the requester is told, and extends it: it is deactivated
// and asked for again, which they were told beforehand.
func TestExtended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("reports 1h figures")
	alice.reads(reports + " is active")
	w.pass("49m")
	alice.types("status")
	alice.reads(reports+" is active", "Left", "10 minutes")
	if w.slackShows(alice.dm(), reports+" ends soon") {
		t.Error("Alice is told eleven minutes before the end")
	}
	w.pass("90s")
	alice.reads(reports+" ends soon", "Extend")
	until := alice.activeRoles()[0].End
	alice.presses("extend", reports+" ends soon")
	form := alice.sits("Microsoft cannot make a running activation longer.", "for some seconds you will not have it", "Counted from when it is active again.")
	if out := alice.sends(form, map[string]string{"reason": "more figures"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(reports+" has ended", "It was deactivated to be asked for again; that request has a card of its own.", "figures")
	alice.until("2s", reports+" is active", "more figures", "Extends the one until")
	held := alice.activeRoles()
	if len(held) != 1 || !held[0].End.After(until.Add(30*time.Minute)) {
		t.Errorf("Alice holds %+v, the first one ended at %v", held, until)
	}
	w.hears(reports+" has ended: Alice Adams", "who asks for it again")
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, deactivated: {"alice": 1}})
	w.pass("62m")
	alice.reads(reports+" has ended", "Its time is over.", "more figures")
	if n := len(alice.activeRoles()); n != 0 {
		t.Errorf("Alice still holds %d roles", n)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, deactivated: {"alice": 1}})
}

// Asked for now, for later: agreed at once, and usable from its start, not before.
func TestStartsLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	start := w.clock.Now().Add(3 * time.Hour).Truncate(time.Minute)
	alice.types("reports 1h figures")
	alice.sendsAt(start)
	alice.reads(reports+" is agreed and starts later", "Starts")
	alice.types("user admin 1h reset a password")
	alice.sendsAt(start.Add(time.Hour))
	bob.sees("Alice Adams asks for "+userAdmin, "Starts")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is agreed and starts later", "Approved by Bob Brown.")
	bob.sees(userAdmin+" is agreed and starts later: Alice Adams", "You approved it.")
	w.pass("2h50m")
	alice.types("status")
	alice.reads("Your requests", reports+"   agreed, and starts later", userAdmin+"   agreed, and starts later", "Starts")
	if held := alice.activeRoles(); len(held) != 0 {
		t.Errorf("before its start Alice holds %+v", held)
	}
	for _, role := range []string{reports, userAdmin} {
		if w.slackShows(alice.dm(), role+" is active") || w.slackShows(slackOps, role+" is active") {
			t.Errorf("%s is said to be active before its start", role)
		}
	}
	w.pass("11m")
	alice.reads(reports+" is active", "figures")
	w.hears(reports + " is active: Alice Adams")
	if held := alice.activeRoles(); len(held) != 1 || held[0].Role != roleReports || held[0].Start.Before(start) {
		t.Errorf("Alice holds %+v, want the role from %v", held, start)
	}
	// What starts later still can be taken back until then.
	alice.presses("cancel", userAdmin+" is agreed and starts later")
	alice.reads("Canceled: " + userAdmin)
	w.pass("62m")
	alice.reads(reports + " has ended")
	if held := alice.activeRoles(); len(held) != 0 {
		t.Errorf("in the end Alice holds %+v", held)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, approved: {"bob": 1}, canceled: {"alice": 1}})
}

// sendsAt waits for the form and sends it with a start.
func (h human) sendsAt(start time.Time) {
	h.w.t.Helper()
	out := h.sends(h.form("Why"), map[string]string{"start": seconds(start)})
	if !out.Delivered || len(out.Errors) > 0 || out.Notice != "" {
		h.w.t.Fatalf("the form was not taken: %+v", out)
	}
}
