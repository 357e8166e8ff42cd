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
		switch {
		case err == nil || quiet || ctx.Err() != nil:
		case errors.Is(err, ErrBroken):
			t.o.Log.Error("the audit trail is not as Belay wrote it; belay audit verify says where", "error", err)
		default:
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
func (t *Trail) step(ctx context.Context) error { return t.forward(ctx, false) }

// Settle chains everything that is loose and signs a checkpoint of it.
func (t *Trail) Settle(ctx context.Context) error { return t.forward(ctx, true) }

func (t *Trail) forward(ctx context.Context, wanted bool) error {
	for {
		n, damaged, err := t.chain(ctx)
		if err != nil {
			return err
		}
		if n < batch {
			return errors.Join(t.checkpoint(ctx, wanted), damaged)
		}
	}
}

// ErrBroken says that what is stored is not what Belay wrote. Nothing is signed that does
// not follow from the last checkpoint, and nothing is dropped.
var ErrBroken = errors.New("trail: what is stored is not what was written")

// errNothing leaves a transaction without a write.
var errNothing = errors.New("trail: nothing to do")

// chain takes one batch of loose events into the chain. damaged names a loose record
// whose seal does not hold: it stays where it is, and holds up nothing else.
func (t *Trail) chain(ctx context.Context) (n int, damaged, err error) {
	any := false
	err = t.o.Store.View(ctx, func(tx store.Tx) error {
		any = false
		damaged, err = scanLoose(tx, func(_, _ []byte) error {
			any = true
			return store.Stop
		})
		return err
	})
	if err != nil || !any {
		return 0, damaged, err
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
		damaged, err = scanLoose(tx, func(key, raw []byte) error {
			events = append(events, event{key, raw}) // theirs until the transaction ends
			if len(events) >= batch {
				return store.Stop
			}
			return nil
		})
		if err != nil {
			return err
		}
		var linked []byte
		for _, e := range events {
			h.Hash = h.Hash.follow(e.raw)
			linked = link(linked[:0], h.Hash, e.raw)
			if err := tx.Put(chainBucket, indexKey(h.Size), linked); err != nil {
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
		return 0, damaged, nil
	}
	return n, damaged, err
}

// scanLoose visits the loose events, and passes over records whose seal does not hold:
// damaged is the first of them.
func scanLoose(tx store.Tx, fn func(key, raw []byte) error) (damaged, err error) {
	for from := []byte(nil); ; {
		err := tx.Scan(looseBucket, from, nil, fn)
		var c *store.CorruptError
		if !errors.As(err, &c) || c.Bucket != looseBucket || len(c.Key) == 0 {
			return damaged, err
		}
		if damaged == nil {
			damaged = errors.Join(ErrBroken, err)
		}
		from = append(bytes.Clone(c.Key), 0)
	}
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
// was chained since the last time. What is signed was read from the disk, and followed
// from the checkpoint before it: nobody gets another history signed by putting it there.
func (t *Trail) checkpoint(ctx context.Context, wanted bool) error {
	now := t.o.Now().UTC()
	var c Checkpoint
	var last string
	err := t.o.Store.View(ctx, func(tx store.Tx) error {
		c, last = Checkpoint{}, ""
		h, err := readHead(tx)
		if err != nil || h.Size == 0 {
			return err
		}
		due := wanted || h.Size-h.Signed >= checkpointEvery || h.SignedAt.IsZero() ||
			!now.Before(h.SignedAt.Add(checkpointTime)) || now.Before(h.SignedAt) // the clock was set back
		switch untold := h.Signed > 0 && h.Signed != t.told(); {
		case h.Size != h.Signed && due:
			c, last, err = t.followed(tx, h)
			c.At = now
		case untold:
			last, err = checkpoints.Get(tx, string(indexKey(h.Signed)))
		}
		return err
	})
	if err != nil {
		return err
	}
	if last != "" { // of an earlier process that may not have come to log it
		t.tell(ctx, last)
	}
	if c.Size == 0 {
		return nil
	}
	signed, err := t.sign.note(ofCheckpoint, c)
	if err != nil {
		return err
	}
	err = t.o.Store.Update(ctx, func(tx store.Tx) error {
		h, err := t.take(tx, now)
		if err != nil {
			return err
		}
		if h.Signed >= c.Size {
			return errNothing // another process was first
		}
		h.Signed, h.SignedAt = c.Size, now
		if err := checkpoints.Put(tx, string(indexKey(c.Size)), signed); err != nil {
			return err
		}
		return state.Put(tx, headKey, h)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	if err == nil {
		t.tell(ctx, signed)
	}
	return err
}

// followed is the end of the chain, which it follows from the last checkpoint on; last
// is that checkpoint.
func (t *Trail) followed(tx store.Tx, h head) (end Checkpoint, last string, err error) {
	var from Checkpoint
	if h.Signed > 0 {
		if last, err = checkpoints.Get(tx, string(indexKey(h.Signed))); err == nil {
			from, err = t.ParseCheckpoint(last)
		}
		if err != nil || from.Size != h.Signed {
			return end, "", errors.Join(ErrBroken, fmt.Errorf("the checkpoint at %d does not hold", h.Signed), err)
		}
	}
	next, at := from.Size, from.Hash
	err = scanChain(tx, next, -1, func(i uint64, raw []byte) error {
		if i != next {
			return store.Stop
		}
		next, at = i+1, at.follow(raw)
		return nil
	})
	if err != nil || next != h.Size || at != h.Hash || next < t.told() {
		return end, "", errors.Join(ErrBroken, fmt.Errorf("the events from %d to %d do not follow from the checkpoint before them", from.Size, h.Size), err)
	}
	return Checkpoint{Size: next, Hash: at}, last, nil
}

// told is the size at the newest checkpoint that this process logged.
func (t *Trail) told() uint64 { return t.logged.Load() }

// tell logs a checkpoint, once. The log is the anchor outside of the store.
func (t *Trail) tell(ctx context.Context, signed string) {
	c, err := t.ParseCheckpoint(signed)
	if err != nil || c.Size <= t.told() {
		return
	}
	t.logged.Store(c.Size)
	t.o.Log.InfoContext(ctx, "audit checkpoint", "size", c.Size, "checkpoint", signed)
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
