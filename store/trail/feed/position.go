package feed

import (
	"context"
	"errors"
	"time"

	"github.com/belaybot/belay/store"
)

// position is how far a target has come. It moves after the target has taken what is before it.
type position struct {
	Begun bool      `json:"begun"`
	Next  uint64    `json:"next"` // index in the chain
	At    time.Time `json:"at,omitzero"`

	Parked int       `json:"parked,omitempty"` // events that the target refused
	Again  int       `json:"again,omitempty"`  // of them: to be sent again
	Lost   uint64    `json:"lost,omitempty"`   // events that the trail dropped before they were delivered
	LostAt time.Time `json:"lostAt,omitzero"`

	Since time.Time `json:"since,omitzero"` // of the first failure in a row
	Tries int       `json:"tries,omitempty"`
	Wait  time.Time `json:"wait,omitzero"` // not before
	Why   string    `json:"why,omitempty"`

	Owner string    `json:"owner,omitempty"` // whose lease it is
	Until time.Time `json:"until,omitzero"`
}

var positions = store.NewBucket[position]("trail-targets") // name of the target

// errNothing leaves a transaction without a write.
var errNothing = errors.New("feed: nothing to do")

// others says that another process has the lease. A lease that ends later than any can is of a
// clock that went wrong.
func (p position) others(owner string, now time.Time) bool {
	return p.Owner != "" && p.Owner != owner && now.Before(p.Until) && !p.Until.After(now.Add(leaseTime))
}

// waits says that it is too soon after a failure.
func (p position) waits(now time.Time) bool {
	return now.Before(p.Wait) && !p.Wait.After(now.Add(maxAsked))
}

func get(tx store.Tx, name string) (position, error) {
	p, err := positions.Get(tx, name)
	if errors.Is(err, store.ErrNotFound) {
		return position{}, nil
	}
	return p, err
}

// read gives the position, and the first parked event that is to be sent again.
func (f *Feed) read(ctx context.Context) (p position, due *Parked, err error) {
	err = f.o.Store.View(ctx, func(tx store.Tx) error {
		p, due = position{}, nil
		if p, err = get(tx, f.o.Name); err != nil || p.Again == 0 {
			return err
		}
		return parked.Prefix(tx, f.o.Name+"/", func(_ string, e Parked) error {
			if e.Again {
				due = &e
				return store.Stop
			}
			return nil
		})
	})
	return p, due, err
}

// take gets or renews the lease; a position that is new begins at next.
func (f *Feed) take(ctx context.Context, next uint64, now time.Time) (ours bool, err error) {
	err = f.o.Store.Update(ctx, func(tx store.Tx) error {
		p, err := get(tx, f.o.Name)
		switch {
		case err != nil:
			return err
		case p.others(f.o.Owner, now):
			return errNothing
		case p.Owner == f.o.Owner && p.Begun && p.Until.After(now.Add(sendTime)) && p.Next == next:
			return nil
		case !p.Begun:
			p.Begun, p.Next = true, next
		case p.Next != next:
			return errNothing // somebody was faster: read anew
		}
		p.Owner, p.Until = f.o.Owner, now.Add(leaseTime)
		return positions.Put(tx, f.o.Name, p)
	})
	if errors.Is(err, errNothing) {
		return false, nil
	}
	return err == nil, err
}

// change writes the position of whoever has the lease still.
func (f *Feed) change(ctx context.Context, fn func(tx store.Tx, p *position, now time.Time) error) error {
	now := f.o.Now().UTC()
	err := f.o.Store.Update(ctx, func(tx store.Tx) error {
		p, err := get(tx, f.o.Name)
		if err != nil {
			return err
		}
		if p.Owner != f.o.Owner { // it took too long, and another goes on from where we began
			return errNothing
		}
		if err := fn(tx, &p, now); err != nil {
			return err
		}
		return positions.Put(tx, f.o.Name, p)
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// works forgets the failures: the target took something.
func (p *position) works(now time.Time) {
	p.Since, p.Tries, p.Wait, p.Why, p.At = time.Time{}, 0, time.Time{}, "", now
}

// move says that everything before next was taken.
func (f *Feed) move(ctx context.Context, was position, next uint64) error {
	err := f.change(ctx, func(_ store.Tx, p *position, now time.Time) error {
		if p.Next != was.Next {
			return errNothing
		}
		p.Next, p.Until = next, now.Add(leaseTime)
		p.works(now)
		return nil
	})
	if err == nil && was.Tries > 0 {
		f.o.Log.InfoContext(ctx, "a target takes the audit trail again", "tries", was.Tries)
	}
	return err
}

// fail says that the target took nothing, and waits.
func (f *Feed) fail(ctx context.Context, was position, failure error) error {
	f.o.Failed()
	wait := f.pause(was.Tries, failure)
	if was.Tries == 0 {
		f.o.Log.WarnContext(ctx, "a target does not take the audit trail; it is tried again, and nothing is lost", "why", failure.Error())
	}
	return f.change(ctx, func(_ store.Tx, p *position, now time.Time) error {
		if p.Since.IsZero() {
			p.Since = now
		}
		p.Tries++
		p.Why, p.Wait, p.Until = failure.Error(), now.Add(wait), now.Add(leaseTime)
		return nil
	})
}

// lose passes over events that the trail does not have any more.
func (f *Feed) lose(ctx context.Context, from, to uint64) error {
	f.o.Log.ErrorContext(ctx, "events were dropped from the audit trail before a target took them: they are lost to it", "lost", to-from)
	return f.change(ctx, func(_ store.Tx, p *position, now time.Time) error {
		if p.Next != from {
			return errNothing
		}
		p.Next, p.Lost, p.LostAt = to, p.Lost+(to-from), now
		return nil
	})
}

// leave gives the lease back.
func (f *Feed) leave(ctx context.Context) {
	err := f.change(ctx, func(_ store.Tx, p *position, _ time.Time) error {
		p.Owner, p.Until = "", time.Time{}
		return nil
	})
	if err != nil {
		f.o.Log.WarnContext(ctx, "the lease on a target could not be given back; it ends by itself", "error", err)
	}
}
