package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belaybot/belay/store"
)

const (
	// batch is how many events one transaction chains or drops.
	batch = 256
	// pace is how often loose events are looked for: one read of a first key.
	pace = 500 * time.Millisecond
	// leaseTime is how long the step belongs to the process that took it. It keeps
	// replicas from doing the same work; what keeps them from doing harm is that the
	// head is read and written in the transaction that chains.
	leaseTime = 15 * time.Second
	// A checkpoint is signed after so many events, or so long after the last one.
	checkpointEvery = 1000
	checkpointTime  = 5 * time.Minute
	// sweepTime is how often old events are dropped.
	sweepTime = time.Hour
)

// Run chains what is appended, signs checkpoints and drops what is old, until ctx
// ends; then it chains and signs what is left.
func (t *Trail) Run(ctx context.Context) error {
	tick, sweep := time.NewTicker(pace), time.NewTicker(sweepTime)
	defer tick.Stop()
	defer sweep.Stop()
	quiet := false // a fault is told once, not twice a second
	say := func(err error) {
		if err != nil && !quiet && ctx.Err() == nil {
			t.o.Log.Error("the audit trail could not be chained; it is tried again, and nothing is lost", "error", err)
		}
		quiet = err != nil
	}
	say(t.Sweep(ctx))
	for {
		say(t.step(ctx))
		select {
		case <-ctx.Done():
			last := context.WithoutCancel(ctx)
			if err := t.Settle(last); err != nil {
				return fmt.Errorf("the end of the audit trail is chained at the next start: %w", err)
			}
			return nil
		case <-tick.C:
		case <-sweep.C:
			say(t.Sweep(ctx))
		}
	}
}

// step chains everything that is loose, and signs a checkpoint where one is due.
func (t *Trail) step(ctx context.Context) error {
	for {
		n, err := t.chain(ctx)
		if err != nil {
			return err
		}
		if n < batch {
			return t.checkpoint(ctx, false)
		}
	}
}

// Settle chains everything that is loose and signs a checkpoint of it.
func (t *Trail) Settle(ctx context.Context) error {
	for {
		n, err := t.chain(ctx)
		if err != nil {
			return err
		}
		if n < batch {
			return t.checkpoint(ctx, true)
		}
	}
}

// errNothing leaves a transaction without a write.
var errNothing = errors.New("trail: nothing to do")

// chain takes one batch of loose events into the chain.
func (t *Trail) chain(ctx context.Context) (n int, err error) {
	any := false
	err = t.o.Store.View(ctx, func(tx store.Tx) error {
		any = false
		return tx.Scan(looseBucket, nil, nil, func(_, _ []byte) error {
			any = true
			return store.Stop
		})
	})
	if err != nil || !any {
		return 0, err
	}
	now := t.o.Now().UTC()
	err = t.o.Store.Update(ctx, func(tx store.Tx) error {
		n = 0
		h, err := t.take(tx, now)
		if err != nil {
			return err
		}
		type event struct{ key, raw []byte }
		var events []event
		err = tx.Scan(looseBucket, nil, nil, func(key, raw []byte) error {
			events = append(events, event{bytes.Clone(key), bytes.Clone(raw)})
			if len(events) >= batch {
				return store.Stop
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range events {
			h.Hash = h.Hash.follow(e.raw)
			if err := tx.Put(chainBucket, indexKey(h.Size), link(h.Hash, e.raw)); err != nil {
				return err
			}
			h.Size++
			if err := tx.Delete(looseBucket, e.key); err != nil {
				return err
			}
		}
		n = len(events)
		return state.Put(tx, headKey, h)
	})
	if errors.Is(err, errNothing) {
		return 0, nil
	}
	return n, err
}

// take reads the head for a change, as whoever has or gets the lease.
func (t *Trail) take(tx store.Tx, now time.Time) (head, error) {
	h, err := readHead(tx)
	if err != nil {
		return h, err
	}
	if h.Owner != "" && h.Owner != t.o.Owner && now.Before(h.Until) && !now.Before(h.Until.Add(-leaseTime)) {
		return h, errNothing
	}
	h.Owner, h.Until = t.o.Owner, now.Add(leaseTime)
	return h, nil
}

// checkpoint signs where the chain stands, if that is due or wanted and something
// was chained since the last time.
func (t *Trail) checkpoint(ctx context.Context, wanted bool) error {
	now := t.o.Now().UTC()
	var h head
	err := t.o.Store.View(ctx, func(tx store.Tx) (err error) {
		h, err = readHead(tx)
		return err
	})
	more := h.Size - h.Signed
	if err != nil || more == 0 || !wanted && more < checkpointEvery && !h.SignedAt.IsZero() && now.Before(h.SignedAt.Add(checkpointTime)) {
		return err
	}
	var signed string
	var size uint64
	err = t.o.Store.Update(ctx, func(tx store.Tx) error {
		h, err := t.take(tx, now)
		if err != nil {
			return err
		}
		if h.Size == h.Signed {
			return errNothing
		}
		if signed, err = t.sign.note(Checkpoint{Size: h.Size, Hash: h.Hash, At: now}); err != nil {
			return err
		}
		size, h.Signed, h.SignedAt = h.Size, h.Size, now
		if err := checkpoints.Put(tx, string(indexKey(h.Size)), signed); err != nil {
			return err
		}
		return state.Put(tx, headKey, h)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	if err == nil {
		t.o.Log.InfoContext(ctx, "audit checkpoint", "size", size, "checkpoint", signed)
	}
	return err
}

// Standing is where the trail stands, for metrics.
type Standing struct {
	Size     uint64    // events ever chained
	Loose    int       // not chained yet; counted up to a thousand
	SignedAt time.Time // of the last checkpoint; zero: none yet
}

// Standing reads where the trail stands.
func (t *Trail) Standing(ctx context.Context) (s Standing, err error) {
	err = t.o.Store.View(ctx, func(tx store.Tx) error {
		h, err := readHead(tx)
		s = Standing{Size: h.Size, SignedAt: h.SignedAt}
		if err != nil {
			return err
		}
		return tx.Scan(looseBucket, nil, nil, func(_, _ []byte) error {
			if s.Loose++; s.Loose >= 1000 {
				return store.Stop
			}
			return nil
		})
	})
	return s, err
}
