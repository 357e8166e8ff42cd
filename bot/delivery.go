package bot

import (
	"context"
	"errors"
	"time"

	"github.com/belaybot/belay/store"
)

// Deliveries that did something, by the SHA-256 of what identifies them → when they
// may be forgotten.
var deliveries = store.NewBucket[time.Time]("deliveries")

// deliveryMemory is longer than the signature of a delivery can be valid.
const deliveryMemory = 10 * time.Minute

// first says whether a delivery comes for the first time, to whichever process and
// whatever was restarted meanwhile, and remembers it. A deed is known by what it is
// about; this is for the replay of one that was taken back since, such as the press
// on Deactivate after Keep it. What only reads is not remembered: it may come again.
func (b *Bot) first(ctx context.Context, in Inbound) (first bool, err error) {
	if in.Delivery == "" || !lasting(in.Said) {
		return true, nil
	}
	key, now := hashed(in.Delivery), time.Now().UTC() // of the wall, like signatures
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		_, err := deliveries.Get(tx, key)
		if first = errors.Is(err, store.ErrNotFound); !first {
			return err
		}
		return deliveries.Put(tx, key, now.Add(deliveryMemory))
	})
	return first, err
}

// lasting says whether something that is said may change anything durable.
func lasting(s Said) bool {
	switch s := s.(type) {
	case Submit:
		return true
	case Press:
		switch s.Verb {
		case VerbElevate, VerbAgain, VerbSaved, VerbExtend, VerbLink, VerbDeny, VerbShow, VerbMute, VerbAlert:
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
