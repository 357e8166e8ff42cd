package feed_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// receiver is a target that remembers what it took.
type receiver struct {
	got     []string // requests, in the order in which they came
	sent    int      // calls
	down    error    // nil: it takes
	poison  map[string]bool
	most    int // takes at the most so many at once; 0: any number
	exact   bool
	between func()
}

func (r *receiver) Send(_ context.Context, events []trail.Record) (int, error) {
	if r.sent++; r.between != nil {
		r.between()
	}
	if r.down != nil {
		return 0, r.down
	}
	if r.most > 0 {
		events = events[:min(r.most, len(events))]
	}
	for n, e := range events {
		if r.poison[e.Request] {
			if r.exact {
				return n, &feed.RefusedError{Of: 1, Why: "HTTP 400"}
			}
			r.got = r.got[:len(r.got)-n]
			return 0, &feed.RefusedError{Of: len(events), Why: "HTTP 400"}
		}
		r.got = append(r.got, e.Request)
	}
	return len(events), nil
}

type world struct {
	t     *testing.T
	raw   store.Store
	trail *trail.Trail
	now   time.Time
	log   *bytes.Buffer
	made  int
	parks int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, raw: trail.Recording(storetest.Memory()), now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), log: &bytes.Buffer{}}
	var err error
	w.trail, err = trail.New(trail.Options{Store: w.raw, Signer: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)),
		Now: func() time.Time { return w.now }, Keep: 720 * time.Hour})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// happens appends n events and chains them.
func (w *world) happens(n int) {
	w.t.Helper()
	for range n {
		e := trail.Event{At: w.now, Kind: trail.Asked, Outcome: trail.OK, Request: fmt.Sprint("r", w.made)}
		w.made++
		w.must(w.raw.Update(w.t.Context(), func(tx store.Tx) error { return w.trail.Append(tx, e) }))
	}
	w.must(w.trail.Settle(w.t.Context()))
}

func (w *world) feed(owner string, r feed.Target, change func(*feed.Options)) *feed.Feed {
	w.t.Helper()
	o := feed.Options{Name: "siem", Target: r, Store: w.raw, Trail: w.trail, Owner: owner, Now: func() time.Time { return w.now },
		Jitter: func(d time.Duration) time.Duration { return d }, Log: slog.New(slog.NewTextHandler(w.log, nil)), Parked: func() { w.parks++ }}
	if change != nil {
		change(&o)
	}
	f, err := feed.New(o)
	w.must(err)
	return f
}

// runs steps until there is nothing to do.
func (w *world) runs(f *feed.Feed) {
	w.t.Helper()
	for n := 0; ; n++ {
		again, err := f.Step(w.t.Context())
		w.must(err)
		if !again {
			return
		}
		if n > 5000 {
			w.t.Fatal("it never comes to an end")
		}
	}
}

func (w *world) stands() feed.Standing {
	w.t.Helper()
	s, err := feed.Stand(w.t.Context(), w.raw, w.trail, "siem", true)
	w.must(err)
	return s
}

// want is that everything came once and in its order, but for what is left out.
func (w *world) want(r *receiver, without ...string) {
	w.t.Helper()
	n := 0
	for i := range w.made {
		name := fmt.Sprint("r", i)
		if strings.Contains(" "+strings.Join(without, " ")+" ", " "+name+" ") {
			continue
		}
		if n >= len(r.got) || r.got[n] != name {
			w.t.Fatalf("%d came, and %s is not the %dth: %.200v", len(r.got), name, n, r.got)
		}
		n++
	}
	if n != len(r.got) {
		w.t.Errorf("%d came, want %d", len(r.got), n)
	}
}

func TestEverythingComesInOrder(t *testing.T) {
	w, r := newWorld(t), &receiver{most: 100}
	f := w.feed("one", r, nil)
	w.runs(f)
	w.happens(feed.Batch + 50)
	if s := w.stands(); s.Waiting != feed.Batch+50 || !s.Oldest.Equal(w.now) {
		t.Errorf("before: %+v", s)
	}
	w.runs(f)
	w.happens(3)
	w.runs(f)
	w.want(r)
	if s := w.stands(); s.Waiting != 0 || !s.Oldest.IsZero() || s.Why != "" || !s.Begun {
		t.Errorf("after: %+v", s)
	}
}

// A target that is down is asked less and less often, by itself or at its word; nothing is
// lost, and what happens meanwhile comes after it.
func TestATargetThatIsDown(t *testing.T) {
	w, r := newWorld(t), &receiver{}
	f := w.feed("one", r, nil)
	w.happens(2)
	w.runs(f)
	r.down = errors.New("HTTP 503")
	w.happens(2)
	before := r.sent
	for range 600 { // ten minutes
		w.runs(f)
		w.now = w.now.Add(time.Second)
	}
	if calls := r.sent - before; calls < 8 || calls > 14 {
		t.Errorf("it was asked %d times in ten minutes", calls)
	}
	if s := w.stands(); s.Waiting != 2 || s.Why != "HTTP 503" || s.Tries < 8 || w.now.Sub(s.Since) < 9*time.Minute {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(w.log.String(), "does not take the audit trail"); n != 1 {
		t.Errorf("that it is down was told %d times", n)
	}
	r.down = &feed.WaitError{After: 30 * time.Minute, Err: errors.New("HTTP 429")}
	w.now = w.now.Add(3 * time.Minute)
	w.runs(f)
	before = r.sent
	w.now = w.now.Add(29 * time.Minute)
	w.runs(f)
	if r.sent != before {
		t.Error("it was asked before the time that it named")
	}
	r.down = nil
	w.now = w.now.Add(2 * time.Minute)
	w.happens(1)
	w.runs(f)
	w.want(r)
	if s := w.stands(); s.Tries != 0 || !s.Since.IsZero() || s.Why != "" {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(w.log.String(), "takes the audit trail again") {
		t.Error("that it works again is not told")
	}
}

// An event that is refused is found in its batch, parked and told; everything else comes.
func TestARefusedEventIsParked(t *testing.T) {
	for _, exact := range []bool{true, false} {
		w, r := newWorld(t), &receiver{poison: map[string]bool{"r0": true, "r37": true, "r38": true, "r299": true}, exact: exact}
		f := w.feed("one", r, nil)
		w.happens(300)
		w.runs(f)
		w.want(r, "r0", "r37", "r38", "r299")
		s := w.stands()
		if len(s.Parked) != 4 || s.Refused != 4 || s.Parked[1].Request != "r37" || s.Parked[1].Why != "HTTP 400" || s.Parked[1].Index != 37 || s.Waiting != 0 || s.Why != "" || w.parks != 4 {
			t.Fatalf("%+v", s)
		}
		if n := strings.Count(w.log.String(), "it is parked"); n != 4 {
			t.Errorf("told %d times", n)
		}
		// Sent again, they are refused again or taken.
		delete(r.poison, "r37")
		r.got = nil
		n := 0
		w.must(w.raw.Update(t.Context(), func(tx store.Tx) (err error) { n, err = feed.Retry(tx, "siem", ""); return err }))
		w.runs(f)
		if s := w.stands(); n != 4 || len(r.got) != 1 || r.got[0] != "r37" || s.Refused != 3 || len(s.Parked) != 3 || s.Parked[0].Again {
			t.Errorf("%d: %v, %+v", n, r.got, s)
		}
		// Given up, they are forgotten by the feed and stay in the trail.
		w.must(w.raw.Update(t.Context(), func(tx store.Tx) (err error) {
			n, err = feed.Discard(tx, "siem", w.stands().Parked[0].ID)
			return err
		}))
		if s := w.stands(); n != 1 || s.Refused != 2 || len(s.Parked) != 2 {
			t.Errorf("%d: %+v", n, s)
		}
		w.must(w.raw.Update(t.Context(), func(tx store.Tx) (err error) { n, err = feed.Retry(tx, "siem", "no such id"); return err }))
		if n != 0 {
			t.Errorf("%d events of an unknown id", n)
		}
	}
}

// A target that refuses everything is not fed to the last event: what is parked is bounded.
func TestATargetThatRefusesEverything(t *testing.T) {
	w, r := newWorld(t), &receiver{poison: map[string]bool{}, exact: true}
	for i := range 150 {
		r.poison[fmt.Sprint("r", i)] = true
	}
	f := w.feed("one", r, nil)
	f.ParkAtMost(70)
	w.happens(120)
	w.runs(f)
	s := w.stands()
	if s.Refused != 70 || s.Waiting != 50 || !strings.Contains(s.Why, "refuses one event after another") {
		t.Fatalf("%d parked, %d wait: %s", s.Refused, s.Waiting, s.Why)
	}
	r.poison = nil
	w.now = w.now.Add(time.Hour)
	w.runs(f)
	if s := w.stands(); s.Waiting != 0 || len(r.got) != 50 {
		t.Errorf("%+v", s)
	}
}

// Where the trail drops what was not delivered, it is counted and shouted, and the rest comes.
func TestRetentionPassesATarget(t *testing.T) {
	w, r := newWorld(t), &receiver{down: errors.New("HTTP 503"), poison: map[string]bool{"r1": true}}
	f := w.feed("one", r, nil)
	w.happens(40)
	w.runs(f)
	w.now = w.now.Add(800 * time.Hour)
	w.happens(2)
	w.must(w.trail.Sweep(t.Context()))
	r.down = nil
	w.runs(f)
	if len(r.got) != 2 || r.got[0] != "r40" {
		t.Fatalf("%v", r.got)
	}
	if s := w.stands(); s.Lost != 40 || !s.LostAt.Equal(w.now) || s.Waiting != 0 || !strings.Contains(w.log.String(), "they are lost to it") {
		t.Errorf("%+v\n%s", s, w.log)
	}
}

// A parked event that the trail dropped cannot be sent again, and counts as lost.
func TestRetentionPassesAParkedEvent(t *testing.T) {
	w, r := newWorld(t), &receiver{poison: map[string]bool{"r1": true}, exact: true}
	f := w.feed("one", r, nil)
	w.happens(3)
	w.runs(f)
	w.now = w.now.Add(800 * time.Hour)
	w.happens(1)
	w.must(w.trail.Sweep(t.Context()))
	w.must(w.raw.Update(t.Context(), func(tx store.Tx) error { _, err := feed.Retry(tx, "siem", ""); return err }))
	w.runs(f)
	if s := w.stands(); s.Lost != 1 || s.Refused != 0 || len(s.Parked) != 0 {
		t.Errorf("%+v", s)
	}
	w.want(r, "r1")
}

// Of two processes one delivers. The other goes on when that one is gone, or gave its lease back.
func TestTwoReplicas(t *testing.T) {
	w, r := newWorld(t), &receiver{}
	one, two := w.feed("one", r, nil), w.feed("two", r, nil)
	w.happens(3)
	w.runs(one)
	w.happens(3)
	w.runs(two)
	if len(r.got) != 3 {
		t.Fatalf("both deliver: %v", r.got)
	}
	w.now = w.now.Add(feed.LeaseTime) // the first was killed
	w.runs(two)
	w.want(r)
	w.happens(1)
	two.Leave(t.Context())
	w.runs(one)
	w.want(r)
}

// A process that lost its lease while it sent does not move the position: what it sent may come
// twice, and nothing is passed over.
func TestALostLeaseMovesNothing(t *testing.T) {
	w, r := newWorld(t), &receiver{}
	slow := &receiver{}
	one, two := w.feed("one", slow, nil), w.feed("two", r, nil)
	w.happens(2)
	slow.between = func() {
		slow.between = nil
		w.now = w.now.Add(2 * feed.LeaseTime)
		r.most = 1
		again, err := two.Step(t.Context())
		if err != nil || !again {
			t.Error(again, err)
		}
	}
	w.runs(one)
	if len(slow.got) != 2 || w.stands().Waiting != 1 {
		t.Fatalf("%v, %+v", slow.got, w.stands())
	}
	w.runs(two)
	w.want(r)
}

// A target that is new gets what is kept, or what comes from now on.
func TestANewTarget(t *testing.T) {
	w, all, fresh := newWorld(t), &receiver{}, &receiver{}
	w.happens(5)
	w.runs(w.feed("one", all, func(o *feed.Options) { o.Name = "all" }))
	f := w.feed("one", fresh, func(o *feed.Options) { o.FromNow = true })
	w.runs(f)
	w.happens(1)
	w.runs(f)
	if len(all.got) != 5 || len(fresh.got) != 1 || fresh.got[0] != "r5" {
		t.Errorf("%v, %v", all.got, fresh.got)
	}
}

// A damaged record holds up nothing.
func TestADamagedRecordIsParked(t *testing.T) {
	w, r := newWorld(t), &receiver{}
	w.happens(5)
	w.must(w.raw.Update(t.Context(), func(tx store.Tx) error { return tx.Put("trail", fmt.Appendf(nil, "%016x", 2), []byte("short")) }))
	w.runs(w.feed("one", r, nil))
	w.want(r, "r2")
	if s := w.stands(); len(s.Parked) != 1 || s.Parked[0].Index != 2 || !strings.Contains(s.Parked[0].Why, "damaged") {
		t.Errorf("%+v", s)
	}
}

// Whatever happens in whichever order, each event comes at the least once and the first time
// in its order, but for those that are refused.
func TestDeliveryHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, r := newWorld(t), &receiver{poison: map[string]bool{}, most: rapid.IntRange(0, 5).Draw(rt, "most"), exact: rapid.Bool().Draw(rt, "exact")}
		feeds := []*feed.Feed{w.feed("one", r, nil), w.feed("two", r, nil)}
		for range rapid.IntRange(1, 30).Draw(rt, "acts") {
			w.counted()
			switch rapid.IntRange(0, 5).Draw(rt, "act") {
			case 0:
				w.happens(rapid.IntRange(1, 9).Draw(rt, "events"))
			case 1:
				r.poison[fmt.Sprint("r", w.made)] = true
				w.happens(1)
			case 2:
				r.down = errors.New("HTTP 503")
			case 3:
				r.down = nil
			case 4:
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "seconds")) * time.Second)
			case 5: // a step, by a process that is new now and then
				n := rapid.IntRange(0, 1).Draw(rt, "which")
				if rapid.Bool().Draw(rt, "restarted") {
					feeds[n] = w.feed([]string{"one", "two"}[n], r, nil)
				}
				_, err := feeds[n].Step(t.Context())
				w.must(err)
			}
		}
		r.down = nil
		w.now = w.now.Add(time.Hour)
		w.runs(feeds[0])
		refused := make([]string, 0, len(r.poison))
		for name := range r.poison {
			refused = append(refused, name)
		}
		w.want(r, refused...)
		if s := w.stands(); s.Refused != len(r.poison) || s.Waiting != 0 {
			rt.Fatalf("%+v", s)
		}
	})
}
