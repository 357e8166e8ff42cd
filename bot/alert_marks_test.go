package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// counts are the marks that counters hold, by their request.
func (w *world) counts() map[string]int {
	w.t.Helper()
	w.rests()
	all := map[string]int{}
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) error {
		clear(all)
		return store.NewBucket[[]bot.Mark]("alert-marks").Scan(tx, "", "", func(_ string, marks []bot.Mark) error {
			for _, m := range marks {
				all[m.Request]++
			}
			return nil
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestWhatIsTooOldToCountIsForgotten(t *testing.T) {
	w := watched(t, bot.AlertRules{PersonBurst: bot.Often{Times: 9, Within: time.Hour}, RoleBurst: bot.Often{Times: 9, Within: 24 * time.Hour}}, bot.AlertPerson, bot.AlertRole)
	first := w.activates(30 * time.Minute)
	w.advance(20 * time.Hour)
	second := w.activates(30 * time.Minute)
	if got := w.counts(); got[first] != 1 || got[second] != 2 { // the person's own counter forgets as it counts
		t.Fatalf("counted are %v", got)
	}
	w.advance(5 * time.Hour)
	if err := w.bot.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.counts(); got[first] != 0 || got[second] != 2 {
		t.Errorf("a day after the first, counted are %v", got)
	}
	w.advance(24 * time.Hour)
	if err := w.bot.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.counts(); len(got) != 0 {
		t.Errorf("in the end, counted are %v", got)
	}
}

// Whoever is erased is in no counter any more: neither in their own, nor by name in that of a
// role or of an approver.
func TestAnErasureDropsWhatIsCountedOfAPerson(t *testing.T) {
	often := bot.Often{Times: 9, Within: 24 * time.Hour}
	w := watched(t, bot.AlertRules{PersonBurst: often, RoleBurst: often, Hasty: often, HastyWithin: time.Minute}, bot.AlertPerson, bot.AlertRole, bot.AlertHasty)
	w.ms.AddRole("oid-bob", reports, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true})
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.untilLater(5*time.Second, id, func(r bot.Request) bool { return r.State == bot.Active })
	bobs := w.asks("bob", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(bobs, func(r bot.Request) bool { return r.State == bot.Active })
	if got := w.counts(); got[id] != 3 || got[bobs] != 2 {
		t.Fatalf("counted are %v", got)
	}
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "oid-carol"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.counts(); got[id] != 2 {
		t.Errorf("after Carol, who decided, counted are %v", got)
	}
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "OID-ALICE"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.counts(); got[id] != 0 || got[bobs] != 2 {
		t.Errorf("after Alice, who asked, counted are %v", got)
	}
}
