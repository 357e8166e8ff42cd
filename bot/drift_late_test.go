package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// checks looks whether the tenant is still compared.
func (w *drifted) checks() {
	w.t.Helper()
	if err := w.bot.CheckDrift(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.rests()
}

// Readings that fail, from the first on too, are told once, and no answer says that the
// tenant is as it was accepted.
func TestReadingsThatFailAreNotTakenForAsItWas(t *testing.T) {
	w := newDrifted(t)
	w.checks()
	w.advance(2 * time.Hour)
	w.checks()
	const title, again = "does not compare the tenant", "compares the tenant with what was accepted again"
	w.sees(w.slack, "C-ops", title, "Tried since")
	w.begins()
	w.sees(w.slack, "C-ops", again)
	w.advance(50 * time.Minute)
	w.checks()
	if n := len(w.cards(title)); n != 0 {
		t.Fatalf("%d cards of an outage that has ended or is short", n)
	}
	if got := w.says("carol", bot.Command{Text: "drift"}).Card; got.Tone != bot.Good {
		t.Errorf("%+v", got)
	}
	w.advance(30 * time.Minute)
	w.checks()
	w.checks()
	w.sees(w.teams, "19:ops", title, "Read last", "Its log says why")
	if n := len(w.cards(title)); n != 1 {
		t.Errorf("%d cards", n)
	}
	if got := w.says("carol", bot.Command{Text: "drift"}).Card; got.Tone != bot.Bad || !strings.Contains(words(*got), "is not known") || strings.Contains(words(*got), "is as it was accepted.") {
		t.Errorf("Carol reads %q, %v", words(*got), got.Tone)
	}
	if state, _, err := w.bot.Drifts(t.Context()); err != nil || !state.Late {
		t.Errorf("%+v %v", state, err)
	}
	w.reads()
	if n := len(w.cards(again)); n != 2 {
		t.Errorf("%d cards say that it is compared again", n)
	}
}

// Drift that was switched off is told, and is not as it was accepted.
func TestDriftThatWasSwitchedOffIsTold(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	on := w.change
	w.change = func(o *bot.Options) { on(o); o.Drift = nil }
	w.restart()
	w.checks()
	w.sees(w.slack, "C-ops", "does not compare the tenant", "drift.enabled is not set")
	if got := w.says("carol", bot.Command{Text: "drift"}).Card; got.Tone != bot.Bad || !strings.Contains(words(*got), "drift.enabled is not set") {
		t.Errorf("Carol reads %q", words(*got))
	}
}

// Where drift does not see the settings any more, the alert of a weakened policy is made
// again, against what was accepted by drift.
func TestADriftThatIsBlindLeavesTheAlertOn(t *testing.T) {
	for name, blinds := range map[string]func(w *drifted){
		"no reading for hours": func(w *drifted) { w.advance(3 * time.Hour) },
		"settings are not seen": func(w *drifted) {
			w.tenant.Unseen = []posture.Unseen{{Part: posture.RoleSettings, Permission: "RoleManagementPolicy.Read.Directory"}}
			w.tenant.Settings = nil
			w.reads()
		},
	} {
		w := newDrifted(t)
		on := w.change
		w.change = func(o *bot.Options) { on(o); o.Alerts = &bot.AlertRules{} }
		w.restart()
		w.tenant.Settings = append(w.tenant.Settings, pim.Settings{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: reports.Role, Scope: "/"}, MaxDuration: time.Hour, MFA: true, Justification: true})
		w.begins()
		weak := pim.Policy{MaxDuration: 8 * time.Hour, Justification: true}
		w.ms.AddRole("oid-nobody", reports, weak)
		asks := func() {
			id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
			w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
			w.advance(2 * time.Hour)
			w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() })
			w.reads()
		}
		const title = "The settings of Reports Reader became weaker"
		asks()
		if n := w.alertsIn(title); n != 0 {
			t.Fatalf("%s: %d alerts while drift sees", name, n)
		}
		blinds(w)
		id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
		w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
		if n := w.alertsIn(title); n != 1 {
			t.Errorf("%s: %d alerts", name, n)
		}
	}
}

// A second permission that is lost is told on a card of its own, and the first card does not
// stay red for ever.
func TestASecondPermissionThatIsLostEndsTheFirstCard(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	lost := []posture.Unseen{{Part: posture.RolesEligible, Permission: "RoleEligibilitySchedule.Read.Directory"}, {Part: posture.RolesActive, Permission: "RoleAssignmentSchedule.Read.Directory"}}
	for n := range lost {
		w.tenant.Unseen = lost[:n+1]
		w.reads()
	}
	w.tenant.Unseen = nil
	w.reads()
	w.sees(w.slack, "C-ops", "Belay can compare even less", "RoleEligibilitySchedule.Read.Directory")
	w.sees(w.slack, "C-ops", "Belay compares everything again")
	if n := len(w.cards("cannot compare everything")); n != 0 {
		t.Errorf("%d cards are still red", n)
	}
}

// An assignment that was taken away early is not as it was once it would have ended anyway.
func TestAnAssignmentRemovedEarlyStaysAChange(t *testing.T) {
	w := newDrifted(t)
	h := eligibleFor("role-reports", "dave")
	h.End = w.now().UTC().Add(24 * time.Hour)
	w.tenant.Holdings = append(w.tenant.Holdings, h)
	w.begins()
	w.tenant.Holdings = w.tenant.Holdings[:1]
	w.reads()
	w.advance(30 * time.Hour)
	w.reads()
	w.reads()
	m := w.sees(w.slack, "C-ops", "Dave Davis is not eligible", "[Accept]")
	w.inChannel("carol", m, "Accept")
	w.rests()
	w.reads()
	if n := len(w.open()); n != 0 || len(w.history()) != 2 {
		t.Errorf("%d open, %d accepted", n, len(w.history()))
	}
}

// A card of which the approvers change again names the new ones too.
func TestApproversOfACardThatChangedAgainAreNamed(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].Deciders = []string{"oid-bob", "oid-carol"}
	w.reads()
	w.sees(w.slack, "C-ops", "User Administrator became weaker", "Carol Clark")
	w.tenant.Settings[0].Deciders = []string{"oid-bob", "oid-carol", "oid-dave"}
	w.reads()
	if m := w.sees(w.slack, "C-ops", "User Administrator became weaker", "Carol Clark", "Dave Davis"); strings.Contains(words(m.Card), "oid-") {
		t.Errorf("%q", words(m.Card))
	}
}
