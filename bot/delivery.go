package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/belaybot/belay/store"
)

// Deliveries that did something, by the SHA-256 of what identifies them → when they
// may be forgotten.
var deliveries = store.NewBucket[time.Time]("deliveries")

// deliveryMemory is longer than the signature of a delivery can be valid.
const deliveryMemory = 10 * time.Minute

// A delivery is remembered in the transaction that records what it does, so that one whose
// process was killed before that is as good as new when its platform sends it again. A
// deed is known by what it is about; this is for the replay of one that was taken back since,
// such as the press on Deactivate after Keep it. What only reads is not remembered: it may
// come again.
type delivery struct {
	key string

	mu    sync.Mutex
	known bool // it was taken before
	done  bool // it is on record now, or an update failed, and whoever acted is told so
}

var errKnown = errors.New("this delivery was taken before")

type taking struct{}

// taken handles what is said, unless its delivery was taken before, by whichever process and
// whatever was restarted meanwhile.
func (b *Bot) taken(ctx context.Context, in Inbound) (Reply, Later) {
	if in.Delivery == "" || !lasting(in.Said) {
		return b.handle(ctx, in)
	}
	d := &delivery{key: hashed(in.Delivery)}
	known := false
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		_, err := deliveries.Get(tx, d.key)
		if known = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return b.trouble(in, err), nil
	case known:
		return Reply{}, nil
	}
	ctx = context.WithValue(ctx, taking{}, d)
	reply, later := b.handle(ctx, in)
	if _, done := d.is(); !done { // it changed nothing
		err = b.o.Store.Update(ctx, func(store.Tx) error { return nil })
	}
	switch known, _ := d.is(); {
	case known: // another process was at it at the same moment
		return Reply{}, nil
	case err != nil:
		return b.trouble(in, err), nil
	}
	return reply, later
}

func (d *delivery) is() (known, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known, d.known || d.done
}

// remembering is the store as the handler writes to it: the first update of a delivery
// remembers it.
type remembering struct{ store.Store }

// Update implements store.Store. It refuses what a delivery does that was taken before.
func (s remembering) Update(ctx context.Context, fn func(store.Tx) error) error {
	d, ok := ctx.Value(taking{}).(*delivery)
	if !ok {
		return s.Store.Update(ctx, fn)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.known:
		return errKnown
	case d.done:
		return s.Store.Update(ctx, fn)
	}
	now := time.Now().UTC() // of the wall, like signatures
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		switch _, err := deliveries.Get(tx, d.key); {
		case err == nil:
			return errKnown
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		return deliveries.Put(tx, d.key, now.Add(deliveryMemory))
	})
	var no *Error
	d.known = errors.Is(err, errKnown)
	d.done = !d.known && !errors.As(err, &no)
	return err
}

// lasting says whether something that is said may change anything durable.
func lasting(s Said) bool {
	switch s := s.(type) {
	case Submit:
		return true
	case Press:
		switch s.Verb {
		case VerbElevate, VerbAgain, VerbSaved, VerbExtend, VerbLink, VerbDeny, VerbShow, VerbMute, VerbAlert, VerbReviews, VerbAcceptAll, VerbSeveral:
			return false
		}
		return true
	case Command:
		switch ParseCommand(s.Text).Sub {
		case SubUnlink, SubStop, SubSave, SubForget:
			return true
		}
	}
	return false
}

// sweepDeliveries drops what may be forgotten.
func (b *Bot) sweepDeliveries(ctx context.Context) error {
	now := time.Now()
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		var old []string
		err := deliveries.Scan(tx, "", "", func(key string, until time.Time) error {
			if until.Before(now) {
				old = append(old, key)
			}
			return nil
		})
		for _, key := range old {
			err = errors.Join(err, deliveries.Delete(tx, key))
		}
		return err
	})
}
