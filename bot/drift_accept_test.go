package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

// One of many changes that is about who accepts does not hold up the others, nor does one
// that was closed so long ago that it is forgotten.
func TestOfManyChangesTheOwnOneStaysOpen(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	for n := range 12 {
		h := eligibleFor("role-reports", "dave")
		h.Holder = pim.Principal{ID: fmt.Sprintf("oid-%02d", n), Name: "Person"}
		w.tenant.Holdings = append(w.tenant.Holdings, h)
	}
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-reports", "carol"))
	w.reads()
	w.tenant.Holdings = slices.Delete(w.tenant.Holdings, 1, 2)
	w.reads()
	w.advance(100 * 24 * time.Hour)
	if err := w.bot.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reads()
	m := w.sees(w.slack, "C-ops", "13 changes in the tenant at once", "[Accept]")
	if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "stays open") {
		t.Errorf("Carol is told %q", got)
	}
	w.rests()
	m = w.sees(w.slack, "C-ops", "1 changes in the tenant at once", "Carol Clark became eligible", "[Accept]")
	if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "about you") {
		t.Errorf("Carol is told %q", got)
	}
	w.inChannel("alice", m, "Accept")
	w.reads()
	if len(w.open()) != 0 || len(w.history()) != 13 {
		t.Errorf("%d open, %d accepted", len(w.open()), len(w.history()))
	}
}

// The log is minutes late: that who accepted a change made it is told when it is known.
func TestAChangeAcceptedByWhoMadeItIsTold(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MFA = false
	made := w.now().UTC()
	w.reads()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "became weaker", "[Accept]"), "Accept")
	w.rests()
	w.inChannel("alice", w.sees(w.slack, "C-ops", "became weaker", "[Confirm]"), "Confirm")
	w.rests()
	w.tells("carol", made)
	w.reads()
	w.reads()
	w.sees(w.teams, "19:ops", "A change was accepted by who made it", "Carol Clark", "The settings of User Administrator became weaker")
	if n := len(w.cards("accepted by who made it")); n != 1 {
		t.Errorf("%d cards", n)
	}
	n := 0
	for _, e := range heard(t, w.trail, trail.DriftFound) {
		if e.Reason == "accepted-by-maker" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the audit trail heard it %d times", n)
	}
}
