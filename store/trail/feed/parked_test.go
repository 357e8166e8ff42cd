package feed_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail/feed"
)

// counted is that the counters say what is parked, and that all that is parked waits to be sent
// again or to be given up.
func (w *world) counted() {
	w.t.Helper()
	again := 0
	s := w.stands()
	for _, e := range s.Parked {
		if e.Again {
			again++
		}
	}
	if parked, due := w.counters(); parked != len(s.Parked) || due != again {
		w.t.Fatalf("%d are parked and %d due, and the counters say %d and %d", len(s.Parked), again, parked, due)
	}
}

func (w *world) counters() (parked, again int) {
	w.t.Helper()
	w.must(w.raw.View(w.t.Context(), func(tx store.Tx) (err error) { parked, again, err = feed.Counters(tx, "siem"); return err }))
	return parked, again
}

// What is given up, or asked for again, while it is being sent again is decided once: what is given
// up stays so, whatever the target says, and the counters are those of what is there.
func TestAParkedEventIsGivenUpWhileItIsSent(t *testing.T) {
	discard := func(w *world, id string) {
		w.must(w.raw.Update(t.Context(), func(tx store.Tx) error { _, err := feed.Discard(tx, "siem", id); return err }))
	}
	retry := func(w *world, id string) {
		w.must(w.raw.Update(t.Context(), func(tx store.Tx) error { _, err := feed.Retry(tx, "siem", id); return err }))
	}
	type act struct {
		name string
		do   func(w *world, one string)
		left int // of three, where the target refuses again; one fewer where it takes and the one is left
		gone bool
	}
	for _, a := range []act{
		{"nothing", func(*world, string) {}, 3, false},
		{"that one is given up", discard, 2, true},
		{"all are given up", func(w *world, _ string) { discard(w, "") }, 0, true},
		{"it is asked for once more", retry, 3, false},
		{"another is given up", func(w *world, _ string) { discard(w, w.stands().Parked[2].ID) }, 2, false},
		{"it is given up, and the others are asked for", func(w *world, one string) { discard(w, one); retry(w, "") }, 2, true},
	} {
		for _, answer := range []string{"taken", "refused", "down", "dropped from the trail"} {
			t.Run(a.name+", "+answer, func(t *testing.T) {
				w, r := newWorld(t), &receiver{poison: map[string]bool{"r0": true, "r1": true, "r2": true}, exact: true}
				f := w.feed("one", r, nil)
				w.happens(4)
				w.runs(f)
				one := w.stands().Parked[0].ID
				retry(w, one)
				r.got = nil
				acted := false
				act := func() {
					if r.between = nil; acted {
						return
					}
					acted = true
					a.do(w, one)
					w.counted()
				}
				left, lost := a.left, uint64(0)
				switch answer {
				case "taken":
					delete(r.poison, "r0")
					if r.between = act; !a.gone {
						left--
					}
				case "down":
					r.down, r.between = errors.New("HTTP 503"), act
				case "refused":
					r.between = act
				case "dropped from the trail":
					w.now = w.now.Add(800 * time.Hour)
					w.happens(1)
					w.must(w.trail.Sweep(t.Context()))
					f = w.feed("one", r, func(o *feed.Options) { o.Log = slog.New(slog.NewTextHandler(hook(act), nil)) })
					if !a.gone {
						left, lost = left-1, 1
					}
				}
				_, err := f.Step(t.Context())
				w.must(err)
				w.counted()
				s := w.stands()
				if !acted && a.name != "nothing" {
					t.Fatal("nothing was done in between")
				}
				if len(s.Parked) != left || s.Lost != lost {
					t.Errorf("%d parked, want %d; %d lost, want %d", len(s.Parked), left, s.Lost, lost)
				}
				if a.gone && len(s.Parked) > 0 && s.Parked[0].ID == one {
					t.Error("what was given up is back")
				}
			})
		}
	}
}

// hook does something whenever a log is written.
type hook func()

func (h hook) Write(p []byte) (int, error) { h(); return len(p), nil }
