package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

const reader = "Global Reader"

// A request is taken back while it waits; the approvers' cards say so.
func TestCancel(t *testing.T) {
	t.Parallel()
	w, id := pending(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.presses("cancel", userAdmin+" waits for approval")
	alice.reads("Canceled: "+userAdmin, "The request was taken back.")
	bob.sees("Canceled: "+userAdmin+": Alice Adams", "The requester took it back.")
	carol.reads("Canceled: "+userAdmin+": Alice Adams", "The requester took it back.")
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "not waiting for a decision any more") {
		t.Errorf("Bob, who presses the old card, is told: %s", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, canceled: {"alice": 1}})
}

// Microsoft refuses to end an activation in its first five minutes: it is ended by
// itself afterwards, unless it is kept.
func TestDeactivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")
	alice.types("stop")
	alice.reads("first five minutes", "Keep it")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	alice.presses("keep", "Reports Reader is active", "Keep it")
	alice.reads("Reports Reader stays active")
	alice.types("stop")
	w.pass("6m")
	alice.reads("Reports Reader has ended", "You deactivated it before its time.")
	w.hears("Reports Reader has ended: Alice Adams", "Deactivated by the requester")
	alice.types("stop")
	alice.reads("You have no active role through Belay to deactivate")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, deactivated: {"alice": 1}})
}

// An administrator ends an activation in Entra.
func TestRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")
	w.must(w.tenant.PortalRevoke(breakGlass, alice.OID, pimtest.Wanted{Role: roleReports, Scope: "/"}))
	alice.until("61s", "Reports Reader has ended", "It was ended before its time, in Entra.")
	w.hears("Reports Reader has ended: Alice Adams", "Ended before its time, in Entra.")
}

func TestDenyInTeams(t *testing.T) {
	t.Parallel()
	w, _ := pending(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	if form := teamstest.CardText(bob.taps("Deny", "Alice Adams asks for "+userAdmin).Card); !strings.Contains(form, "Alice Adams will read it") {
		t.Errorf("Bob is asked: %s", form)
	}
	card, err := w.teamsCard("bob", "Alice Adams asked for "+userAdmin, "Reason")
	w.must(err)
	for _, empty := range []string{"", "  "} {
		if _, err := w.teams.Press(w.ctx(), "bob", "", card.ID, "Deny", map[string]string{"reason": empty}); err != nil && !strings.Contains(err.Error(), "reason") {
			t.Error(err)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	_, err = w.teams.Press(w.ctx(), "bob", "", card.ID, "Deny", map[string]string{"reason": "Use the *help* desk's account"})
	w.must(err)
	alice.reads(userAdmin+" was denied", "Denied by Bob Brown: Use the *help* desk's account")
	carol.reads(userAdmin+" was denied: Alice Adams", "Denied by Bob Brown")
	bob.sees("You denied it.")
	w.hears(userAdmin+" was denied: Alice Adams", "Denied by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, denied: {"bob": 1}})
}

// Alice approves in Teams and in Slack, and Carol denies, all at the same moment:
// one decision counts, and every card tells the same.
func TestApprovedAndDeniedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, carol, dave := w.who("alice"), w.who("carol"), w.who("dave")
	for _, h := range []human{alice, carol, dave} {
		h.linksSlack()
	}
	decisions := 0
	for round := range 3 {
		why := fmt.Sprintf("quarter %d", round)
		dave.asks("global reader 1h " + why)
		alice.reads("Dave Davis asks for "+reader, why)
		alice.sees("Dave Davis asks for "+reader, why)
		carol.presses("deny", "Dave Davis asks for "+reader, why)
		form := carol.form("Reason")
		var wg sync.WaitGroup
		wg.Go(func() { alice.taps("Approve", "Dave Davis asks for "+reader, why) })
		wg.Go(func() { alice.presses("approve", "Dave Davis asks for "+reader, why) })
		wg.Go(func() { carol.sends(form, map[string]string{"reason": "not " + why}) })
		wg.Wait()
		w.must(w.slack.Wait(w.ctx(), func(s slacktest.State) bool {
			return slackHas(s, dave.dm(), reader+" is active", why) || slackHas(s, dave.dm(), reader+" was denied", why)
		}))
		said, by := "Approved by Alice Adams", []string{reader + " is active: Dave Davis", "You approved it."}
		if w.slackShows(dave.dm(), reader+" was denied", why) {
			said, by = "Denied by Carol Clark", []string{reader + " was denied: Dave Davis", "Denied by Carol Clark"}
		}
		dave.reads(said, why)
		alice.reads(append(by, why)...)
		alice.sees(append(by, why)...)
		w.hears(reader, "Dave Davis", said)
		if v, open := w.slack.State().Top(carol.Slack); open {
			if _, err := w.slack.Close(w.ctx(), carol.Slack, v.ID); err != nil {
				t.Error(err)
			}
		}
		w.pass("61m")
		if strings.HasPrefix(said, "Approved") {
			dave.reads(reader+" has ended", why)
		}
		decisions++
		var log []pimtest.AuditEntry
		for _, e := range w.tenant.Audit() {
			if strings.Contains(e.Activity, approved) || strings.Contains(e.Activity, denied) {
				log = append(log, e)
			}
		}
		if len(log) != decisions {
			t.Fatalf("%s: the log has %d decisions, want %d: %+v", why, len(log), decisions, log)
		}
	}
}

// In a channel the answer is for the person alone.
func TestAskedInAChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	if _, err := w.slack.Command(w.ctx(), alice.Slack, slackRoom, "/elevate", "reports 1h channel figures"); err != nil {
		t.Fatal(err)
	}
	alice.sends(alice.form("Why"), nil)
	alice.reads("Reports Reader is active", "channel figures")
	if _, err := w.slack.Command(w.ctx(), alice.Slack, slackRoom, "/elevate", "status"); err != nil {
		t.Fatal(err)
	}
	w.must(w.slackWaits(w.ctx(), slackRoom, "Reports Reader is active"))
	c, _ := w.slack.State().Conversation(slackRoom)
	for _, m := range c.Messages {
		if m.EphemeralTo != alice.Slack {
			t.Errorf("everybody reads: %s", slackText(m))
		}
	}
	_, err := w.teams.Message(w.ctx(), "alice", teamsOps, "elevate status", true)
	w.must(err)
	alice.sees("Reports Reader is active", "channel figures")
	others := slices.DeleteFunc(w.teams.State().In(teamsOps, "bob"), func(a teamstest.Activity) bool { return a.From != "" })
	for _, a := range others {
		if text := a.ReadBy("bob"); strings.Contains(text, "channel figures") && !strings.Contains(text, "is active: Alice Adams") {
			t.Errorf("Bob reads: %s", text)
		}
	}
}
