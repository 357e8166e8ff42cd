package bot_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
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

// An erasure leaves of a person no more than the object id, in the baseline, its history and
// what is closed, and nothing of anybody else.
func TestAnErasureReachesDrift(t *testing.T) {
	w := newDrifted(t)
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-users", "dave"))
	w.begins()
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-reports", "alice"))
	w.reads()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "Alice Adams became eligible"), "Accept")
	w.rests()
	w.tenant.Settings[1].MaxDuration = time.Hour
	w.reads()
	w.inChannel("alice", w.sees(w.slack, "C-ops", "The settings of Reports Reader changed"), "Accept")
	w.rests()
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "OID-ALICE"}, nil); err != nil {
		t.Fatal(err)
	}
	base, err := w.bot.DriftBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int{}
	for _, e := range base {
		if held[e.Holder.ID]++; e.Holder.ID == "oid-alice" && e.Holder.Name+e.Holder.UPN != "" {
			t.Errorf("the baseline has %+v", e.Holder)
		}
		if e.Holder.ID == "oid-dave" && e.Holder.Name == "" {
			t.Error("Dave was erased")
		}
	}
	if held["oid-alice"] != 2 || held["oid-dave"] != 1 {
		t.Errorf("the baseline has %v", held)
	}
	for _, a := range w.history() {
		for _, p := range []pim.Principal{a.By, a.With, holderOf(a)} {
			if p.ID == "oid-alice" && p != (pim.Principal{ID: "oid-alice"}) {
				t.Errorf("the history has %+v", p)
			}
		}
		if a.By.ID == "oid-carol" && a.By.Name == "" {
			t.Error("Carol was erased")
		}
	}
	w.reads()
	if n := len(w.open()); n != 0 {
		t.Errorf("%d changes of what was erased", n)
	}
}

// An erasure reaches what is open too, the card included, and what is open stays so.
func TestAnErasureReachesOpenChanges(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	made := w.now().UTC()
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-users", "dave"))
	w.tenant.Settings[0].MFA = false
	w.reads()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "The settings of User Administrator became weaker", "[Accept]"), "Accept")
	w.sees(w.slack, "C-ops", "Dave Davis became eligible for User Administrator", "[Accept]")
	w.rests()
	w.tells("dave", made)
	w.reads()
	w.sees(w.slack, "C-ops", "became weaker", "Dave Davis", "Accepted by Carol Clark")
	named := func(name string, buckets ...string) (n int) {
		t.Helper()
		if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) (err error) {
			n = 0
			for _, bucket := range buckets {
				err = errors.Join(err, tx.Scan(bucket, nil, nil, func(_, v []byte) error { n += strings.Count(string(v), name); return nil }))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if named("Dave Davis", "drifts") == 0 || named("Dave Davis", "bulletins") == 0 || named("Carol Clark", "drifts") == 0 {
		t.Fatal("nobody is named")
	}
	for _, who := range []string{"OID-DAVE", "oid-carol"} {
		if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: who}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if d, c := named("Dave Davis", "drifts", "drift-baseline", "bulletins"), named("Carol Clark", "drifts", "drift-history"); d+c != 0 {
		t.Errorf("Dave is named %d times, Carol %d", d, c)
	}
	w.sees(w.slack, "C-ops", "oid-dave became eligible for User Administrator", "[Accept]")
	w.rests()
	w.inChannel("alice", w.sees(w.slack, "C-ops", "became weaker", "Accepted by oid-carol", "[Confirm]"), "Confirm")
	w.sees(w.slack, "C-ops", "became weaker", "Confirmed by Alice Adams")
	w.inChannel("alice", w.sees(w.slack, "C-ops", "oid-dave became eligible", "[Accept]"), "Accept")
	w.rests()
	w.reads()
	if n := len(w.open()); n != 0 {
		t.Errorf("%d changes are open", n)
	}
}

// A card that stands for many names some of them: an erasure drops the names there too.
func TestAnErasureReachesWhatStandsForMany(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	for n := range 11 {
		h := eligibleFor("role-users", "dave")
		h.Role, h.RoleName = fmt.Sprintf("role-%d", n), fmt.Sprintf("Role %d", n)
		if n == 1 {
			h.Holder = people["bob"]
		}
		w.tenant.Holdings = append(w.tenant.Holdings, h)
	}
	w.reads()
	azure := eligibleFor("role-azure", "dave")
	azure.Kind, azure.Scope = pim.AzureResource, "/subscriptions/one"
	w.tenant.Holdings = append(w.tenant.Holdings, azure)
	w.reads(pim.EntraRole, pim.AzureResource)
	w.sees(w.slack, "C-ops", "Seen for the first time: 1 assignment", "Dave Davis, eligible for")
	w.sees(w.slack, "C-ops", "11 changes in the tenant at once", "Dave Davis", "Bob Brown")
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "oid-dave"}, nil); err != nil {
		t.Fatal(err)
	}
	w.sees(w.slack, "C-ops", "11 changes in the tenant at once", "[Accept]", "Bob Brown")
	w.rests()
	many := w.sees(w.slack, "C-ops", "11 changes in the tenant at once", "[Accept]")
	if strings.Contains(words(many.Card), "Dave") {
		t.Errorf("the card says %s", words(many.Card))
	}
	first := w.sees(w.slack, "C-ops", "Seen for the first time: 1 assignment", "[Accept]")
	if strings.Contains(words(first.Card), "Dave") {
		t.Errorf("the card says %s", words(first.Card))
	}
	w.inChannel("carol", many, "Accept")
	w.inChannel("carol", first, "Accept")
	w.rests()
	if n := len(w.open()); n != 0 {
		t.Errorf("%d changes are open", n)
	}
}

func holderOf(a bot.Acceptance) pim.Principal {
	if a.First != nil {
		return pim.Principal{}
	}
	return a.Change.Entry().Holder
}
