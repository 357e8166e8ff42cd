package bot_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// kept is all that some buckets of the store hold, as one text.
func (w *world) kept(buckets ...string) string {
	w.t.Helper()
	var all []string
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) error {
		all = nil
		for _, name := range buckets {
			err := store.NewBucket[json.RawMessage](name).Scan(tx, "", "", func(_ string, v json.RawMessage) error {
				all = append(all, string(v))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func TestAnErasureDropsWhatAlertsTellOfSignIns(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertPlace)
	l.from("DE", 5*24*time.Hour)
	l.from("FR", time.Minute)
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.inChannel("carol", w.sees(w.slack, "C-ops", strange, "203.0.113.7"), "Ask the person")
	w.sees(w.slack, "D-alice", "Was this you?", "203.0.113.7")
	w.rests()
	if got := w.kept("alerts", "bulletins"); !strings.Contains(got, "203.0.113.7") {
		t.Fatalf("kept is %s", got)
	}
	before := w.alertsIn("unusual place")
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "OID-ALICE"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"203.0.113.7", "Somewhere", "came from FR"} {
		if got := w.kept("alerts", "bulletins"); strings.Contains(got, gone) {
			t.Errorf("%s is kept: %s", gone, got)
		}
	}
	for at, text := range map[string]string{"C-ops": strange, "D-alice": "Was this you?"} {
		if got := words(w.sees(w.slack, at, text, "was erased").Card); strings.Contains(got, "203.0.113.7") {
			t.Errorf("%s shows %q", at, got)
		}
	}
	if n := w.alertsIn("unusual place"); n != before {
		t.Errorf("%d alerts, and before the erasure %d", n, before)
	}
}

// Looks that are still to come name people.
func TestLooksThatNobodyMakesAreForgotten(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertPlace)
	l.from("DE", 5*24*time.Hour)
	w.activates(30 * time.Minute)
	if got := w.kept("place-checks"); !strings.Contains(got, "oid-alice") {
		t.Fatalf("to come is %q", got)
	}
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "OID-ALICE"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.kept("place-checks"); got != "" {
		t.Errorf("erased, and to come is %q", got)
	}
	w.advance(2 * time.Hour)
	w.activates(30 * time.Minute)
	if err := w.bot.Sweep(t.Context()); err != nil || w.kept("place-checks") == "" {
		t.Errorf("%v: a look that is to come is forgotten", err)
	}
	w.stop()
	before := w.change
	w.change = func(o *bot.Options) {
		before(o)
		rules := *o.Alerts
		rules.Off, o.Alerts = append(rules.Off, bot.AlertPlace), &rules
	}
	w.start()
	if err := w.bot.Sweep(t.Context()); err != nil || w.kept("place-checks") != "" {
		t.Errorf("%v: the detector is off, and to come is %q", err, w.kept("place-checks"))
	}
}
