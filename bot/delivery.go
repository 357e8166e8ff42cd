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

	mu     sync.Mutex
	looked bool // it was not known when the store was read first
	known  bool // it was taken before
	done   bool // it is on record now, or an update failed, and whoever acted is told so
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
	ctx = context.WithValue(ctx, taking{}, d)
	reply, later := b.handle(ctx, in)
	var err error
	if _, done := d.is(); !done { // it changed nothing
		err = b.o.Store.Update(ctx, func(store.Tx) error { return nil })
	}
	switch known, _ := d.is(); {
	case known: // whatever was said to errKnown
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

// remembering is the store as the handler uses it: the first view of a delivery sees whether
// it is known, and the first update remembers it.
type remembering struct{ store.Store }

// View implements store.Store. It refuses what a delivery wants to see that was taken before:
// so nothing is done about it at all.
func (s remembering) View(ctx context.Context, fn func(store.Tx) error) error {
	d, ok := ctx.Value(taking{}).(*delivery)
	if !ok || d.wasLookedAt() {
		return s.Store.View(ctx, fn)
	}
	return s.Store.View(ctx, func(tx store.Tx) error {
		_, err := deliveries.Get(tx, d.key)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			err = d.found(err == nil)
		}
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

func (d *delivery) wasLookedAt() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return (d.looked || d.done) && !d.known
}

// found notes what a look brought, and is errKnown for what was taken before.
func (d *delivery) found(known bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.looked = true; {
	case d.done: // meanwhile, by the act itself
	case known || d.known:
		d.known = true
		return errKnown
	}
	return nil
}

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
