package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Parked is an event that a target refused.
type Parked struct {
	Index   uint64    `json:"index"` // in the chain
	ID      string    `json:"id,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	Request string    `json:"request,omitempty"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`              // when it was refused last
	Again   bool      `json:"again,omitempty"` // somebody wants it sent again
}

var parked = store.NewBucket[Parked]("trail-parked") // name of the target, a slash, index as 16 hexadecimal digits

func parkedKey(name string, index uint64) string { return fmt.Sprintf("%s/%016x", name, index) }

// park puts the event at the position aside and goes on behind it.
func (f *Feed) park(ctx context.Context, index uint64, e Parked) error {
	f.o.Parked()
	f.o.Log.ErrorContext(ctx, "a target refuses an event of the audit trail; it is parked: belay siem list", "id", e.ID, "kind", e.Kind, "why", e.Why)
	e.Index = index
	return f.change(ctx, func(tx store.Tx, p *position, now time.Time) error {
		if p.Next > index {
			return errNothing
		}
		e.At = now
		if err := parked.Put(tx, parkedKey(f.o.Name, index), e); err != nil {
			return err
		}
		p.works(now)
		p.Next, p.Until = index+1, now.Add(leaseTime)
		p.Parked++
		return nil
	})
}

// sendParked sends again what somebody wants sent again.
func (f *Feed) sendParked(ctx context.Context, e Parked) (again bool, err error) {
	part, err := f.o.Trail.Page(ctx, e.Index, 1)
	if err != nil {
		return false, err
	}
	settled := context.WithoutCancel(ctx)
	if len(part.Records) == 0 || part.Records[0].Index != e.Index {
		if part.Unreadable != nil {
			return true, f.parkedStays(settled, e.Index, e.Why)
		}
		f.o.Log.ErrorContext(ctx, "events were dropped from the audit trail before a target took them: they are lost to it", "lost", 1)
		return true, f.unpark(settled, e.Index, true)
	}
	taken, failure := f.give(ctx, part.Records)
	var refused *RefusedError
	switch {
	case taken == 1:
		f.o.Delivered(1)
		return true, f.unpark(settled, e.Index, false)
	case ctx.Err() != nil:
		return false, nil //nolint:nilerr // it was broken off, which says nothing of the target
	case errors.As(failure, &refused):
		return true, f.parkedStays(settled, e.Index, refused.Why)
	}
	p, _, err := f.read(settled)
	if err != nil {
		return false, err
	}
	return false, f.fail(settled, p, failure)
}

// parkedStays says that it was sent again and refused again.
func (f *Feed) parkedStays(ctx context.Context, index uint64, why string) error {
	return f.change(ctx, func(tx store.Tx, p *position, now time.Time) error {
		e, err := p.settle(tx, f.o.Name, index)
		if err != nil {
			return err
		}
		e.Again, e.Why, e.At = false, why, now
		return parked.Put(tx, parkedKey(f.o.Name, index), e)
	})
}

// unpark says that it was sent again and taken, or is lost.
func (f *Feed) unpark(ctx context.Context, index uint64, lost bool) error {
	return f.change(ctx, func(tx store.Tx, p *position, now time.Time) error {
		p.Until = now.Add(leaseTime)
		if !lost { // whatever became of it meanwhile
			p.works(now)
		}
		_, err := p.settle(tx, f.o.Name, index)
		switch {
		case errors.Is(err, errNothing):
			return nil
		case err != nil:
			return err
		case lost:
			p.Lost, p.LostAt = p.Lost+1, now
		}
		p.Parked = max(0, p.Parked-1)
		return parked.Delete(tx, parkedKey(f.o.Name, index))
	})
}

// settle takes a parked event off those that are to be sent again. It goes by how the event
// stands in this transaction: while it was sent somebody may have given it up, and then
// that was counted, and it does not come back.
func (p *position) settle(tx store.Tx, name string, index uint64) (Parked, error) {
	e, err := parked.Get(tx, parkedKey(name, index))
	if errors.Is(err, store.ErrNotFound) {
		return e, errNothing
	}
	if e.Again {
		p.Again = max(0, p.Again-1)
	}
	return e, err
}

// Retry has parked events sent again: the one with this id, or all. It says how many.
func Retry(tx store.Tx, name, id string) (n int, err error) {
	return each(tx, name, id, func(p *position, e Parked) error {
		if e.Again {
			return nil
		}
		e.Again = true
		p.Again++
		p.Wait = time.Time{} // somebody who mended the target does not want to wait
		return parked.Put(tx, parkedKey(name, e.Index), e)
	})
}

// Discard gives up parked events: the one with this id, or all, and with all what was lost. The trail
// keeps them. It says how many.
func Discard(tx store.Tx, name, id string) (n int, err error) {
	if id == "" {
		p, err := get(tx, name)
		if err != nil {
			return 0, err
		}
		if lost := int(p.Lost); lost > 0 {
			p.Lost, p.LostAt = 0, time.Time{}
			n = lost
			if err := positions.Put(tx, name, p); err != nil {
				return 0, err
			}
		}
	}
	given, err := each(tx, name, id, func(p *position, e Parked) error {
		p.Parked = max(0, p.Parked-1)
		if e.Again {
			p.Again = max(0, p.Again-1)
		}
		return parked.Delete(tx, parkedKey(name, e.Index))
	})
	return n + given, err
}

// each changes parked events and with them the position.
func each(tx store.Tx, name, id string, fn func(*position, Parked) error) (n int, err error) {
	all, err := parkedOf(tx, name, id)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	p, err := get(tx, name)
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		if err := fn(&p, e); err != nil {
			return 0, err
		}
	}
	return len(all), positions.Put(tx, name, p)
}

func parkedOf(tx store.Tx, name, id string) (all []Parked, err error) {
	err = parked.Prefix(tx, name+"/", func(_ string, e Parked) error {
		if id == "" || e.ID == id {
			all = append(all, e)
		}
		return nil
	})
	return all, err
}

// Standing is where a target stands.
type Standing struct {
	Name    string
	Waiting uint64    // events that are not delivered yet
	Oldest  time.Time // when the first of them happened; zero: none waits, or it is not chained yet
	Taken   time.Time // when the target took something last
	Lost    uint64    // events that the trail dropped before they were delivered
	LostAt  time.Time
	Since   time.Time // since when the target takes nothing; zero: it works, as far as is known
	Tries   int
	Why     string
	Refused int      // events that are parked
	Parked  []Parked // these, where details are asked for
	Begun   bool     // false: nobody has delivered to it yet
}

// Stand reads where a target stands.
func Stand(ctx context.Context, s store.Store, t *trail.Trail, name string, details bool) (st Standing, err error) {
	var p position
	err = s.View(ctx, func(tx store.Tx) error {
		if p, err = get(tx, name); err != nil {
			return err
		}
		st = Standing{Name: name, Taken: p.At, Lost: p.Lost, LostAt: p.LostAt, Since: p.Since, Tries: p.Tries, Why: p.Why, Refused: p.Parked, Begun: p.Begun}
		if details {
			st.Parked, err = parkedOf(tx, name, "")
		}
		return err
	})
	if err != nil {
		return st, err
	}
	part, err := t.Page(ctx, p.Next, 1)
	if err != nil {
		return st, err
	}
	whole, err := t.Standing(ctx)
	if err != nil {
		return st, err
	}
	if whole.Size > p.Next {
		st.Waiting = whole.Size - max(p.Next, part.Begin)
	}
	st.Waiting += uint64(whole.Loose)
	if len(part.Records) > 0 {
		st.Oldest = part.Records[0].At
	}
	return st, nil
}
