package trail_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

// deeds are state that events belong to: number → whether it was done.
var deeds = store.NewBucket[bool]("deeds")

// A store that fails at whatever update, losing it or keeping it, and at whatever write
// within one, and a process that dies of it: whatever state is there has its event once, an event
// has its state, the trail is whole, and no checkpoint that ever reached the log says otherwise.
func TestKilledAnywhere(t *testing.T) {
	t.Run("update", func(t *testing.T) {
		for _, how := range []storetest.Fault{storetest.Lose, storetest.Keep} {
			for n := 1; killedOnce(t, fmt.Sprintf("fault %d at update %d", how, n), func(raw store.Store) store.Store {
				f := storetest.Faulty(raw)
				f.At(n, how)
				return f
			}); n++ {
			}
		}
	})
	t.Run("write", func(t *testing.T) {
		for n := 0; killedOnce(t, fmt.Sprintf("write %d", n), func(raw store.Store) store.Store { return &once{Store: raw, left: n} }); n++ {
		}
	})
}

// killedOnce tells the story with a store that fails at one place; the process is killed there,
// and another one goes on. False: it failed nowhere any more.
func killedOnce(t *testing.T, where string, faulty func(store.Store) store.Store) (failed bool) {
	t.Helper()
	raw := storetest.Memory()
	now := start
	log := &strings.Builder{}
	done := 0
	// process does what is left to do, and returns at the first failure.
	process := func(s store.Store) error {
		w := open(t, s, func(o *trail.Options) { o.Keep, o.KeepTexts = 6*time.Hour, 3*time.Hour })
		defer func() { log.WriteString(w.log.String()) }()
		ctx := context.Background()
		for done < 20 {
			w.clock.t = now
			err := w.raw.Update(ctx, func(tx store.Tx) error {
				e := trail.Event{At: now, Kind: trail.Asked, Outcome: trail.OK, Request: fmt.Sprint(done), Texts: trail.Texts{"reason": "because"}}
				return errors.Join(deeds.Put(tx, fmt.Sprint(done), true), w.trail.Append(tx, e))
			})
			switch {
			case err == nil && done%4 == 3:
				err = w.trail.Settle(ctx)
			case err == nil && done%7 == 6:
				err = w.trail.Sweep(ctx)
			}
			if done++; err != nil {
				return err
			}
			now = now.Add(25 * time.Minute)
		}
		return w.trail.Settle(ctx)
	}
	failed = process(faulty(raw)) != nil
	now = now.Add(time.Minute) // a lease of the dead has run out
	if err := process(raw); err != nil {
		t.Fatalf("%s: the next process: %v", where, err)
	}
	w := open(t, raw, func(o *trail.Options) { o.Keep = 6 * time.Hour })
	w.clock.t = now
	events := map[string]int{}
	for _, r := range w.records() {
		events[r.Request]++
	}
	kept := 0
	w.must(raw.View(t.Context(), func(tx store.Tx) error {
		return deeds.Scan(tx, "", "", func(n string, _ bool) error {
			kept++
			if events[n] > 1 {
				t.Errorf("%s: deed %s has %d events", where, n, events[n])
			}
			delete(events, n)
			return nil
		})
	}))
	if len(events) > 0 {
		t.Errorf("%s: events %v without a deed", where, events)
	}
	r := w.verify(w.logged(log.String())...)
	if r.Bad != nil || r.Unsigned != 0 || r.Loose != 0 || r.Size != uint64(kept) || kept < 19 {
		t.Errorf("%s: %d deeds; %+v %+v", where, kept, r, r.Bad)
	}
	return failed
}

// logged are the checkpoints in a log.
func (w *world) logged(log string) (all []trail.Checkpoint) {
	for line := range strings.Lines(log) {
		_, quoted, ok := strings.Cut(line, "checkpoint=\"")
		if !ok {
			continue
		}
		c, err := w.trail.ParseCheckpoint(strings.NewReplacer(`\n`, "\n", `"`, "").Replace(strings.TrimSpace(quoted)))
		w.must(err)
		all = append(all, c)
	}
	if len(all) == 0 || !slices.IsSortedFunc(all, func(a, b trail.Checkpoint) int { return int(a.Size) - int(b.Size) }) {
		w.t.Fatal("the log holds the checkpoints ", all)
	}
	return all
}

// once fails one update, at one of its writes.
type once struct {
	store.Store
	left int
	over bool
}

func (o *once) Update(ctx context.Context, fn func(store.Tx) error) error {
	if o.over {
		return o.Store.Update(ctx, fn)
	}
	left := 0
	err := o.Store.Update(ctx, func(tx store.Tx) error {
		left = o.left
		return fn(killingTx{tx, &left})
	})
	o.left, o.over = left, left < 0
	return err
}

type killingTx struct {
	store.Tx
	left *int
}

func (k killingTx) write() error {
	if *k.left--; *k.left < 0 {
		return errDisk
	}
	return nil
}

func (k killingTx) Put(bucket string, key, value []byte) error {
	if err := k.write(); err != nil {
		return err
	}
	return k.Tx.Put(bucket, key, value)
}

func (k killingTx) Delete(bucket string, key []byte) error {
	if err := k.write(); err != nil {
		return err
	}
	return k.Tx.Delete(bucket, key)
}
