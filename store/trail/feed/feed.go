// Package feed gives the audit trail to places elsewhere: every event at the least once, in
// the order of the chain, and going on where it stopped.
//
// The trail is an ordered log on the disk already, so what is not delivered yet needs no second
// place: a feed keeps a position in the store, moved after its target has taken what is
// before it. What a target refuses for good is parked with the reason, and holds up nothing. Where the
// trail's retention passes the position, the events are lost to the target, and that is counted
// and told. One process at a time delivers to a target.
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Target is a place that takes events.
type Target interface {
	// Send hands over events in their order, and says how many of the first were taken; it may
	// take fewer than all without an error. A *RefusedError is about the event after those. After any other error
	// the rest is sent again later.
	Send(ctx context.Context, events []trail.Record) (taken int, err error)
}

// RefusedError says that a target will never take something that it was sent.
type RefusedError struct {
	Of  int    // it is among so many events after those that were taken; 1: that one
	Why string // in fixed words: nothing of what the target answered, which may quote the event
}

// Error is the reason.
func (e *RefusedError) Error() string { return e.Why }

// WaitError says when a target wants to be asked again.
type WaitError struct {
	After time.Duration
	Err   error
}

// Error is the reason.
func (e *WaitError) Error() string { return e.Err.Error() }

// Unwrap gives the reason to errors.Is and errors.As.
func (e *WaitError) Unwrap() error { return e.Err }

// Options are what a Feed is made of. Name, Target, Store and Trail are needed.
type Options struct {
	Name    string
	Target  Target
	Store   store.Store
	Trail   *trail.Trail
	Owner   string           // names this process in leases; empty: a new name
	Now     func() time.Time // business clock; nil: time.Now
	FromNow bool             // a feed that is new begins with what happens from now on
	Jitter  func(time.Duration) time.Duration
	Log     *slog.Logger
	// Delivered, Parked and Failed count for metrics; nil: nobody counts.
	Delivered      func(events int)
	Parked, Failed func()
}

const (
	// batch is how many events a target is given at once.
	batch = 256
	// pace is how often a feed that has nothing to do looks for something: one read.
	pace = 500 * time.Millisecond
	// sendTime is how long one delivery may take; leaseTime, how long the feed belongs to the
	// process that took it, is longer.
	sendTime  = 45 * time.Second
	leaseTime = 2 * time.Minute
	// After a failure the feed waits, twice as long each time, up to maxWait. A target that
	// names a time itself is taken at its word up to maxAsked.
	minWait, maxWait, maxAsked = time.Second, 2 * time.Minute, time.Hour
	// MostParked is how many events are parked for one target. With more than that, it is not
	// the events that are wrong: the target counts as down, and nothing is passed over any more.
	MostParked = 1000
)

// Feed delivers to one target.
type Feed struct {
	o     Options
	limit int // events in the next delivery: fewer while a refused one is looked for
	most  int // events that may be parked: MostParked
}

// New fills in what is optional.
func New(o Options) (*Feed, error) {
	if o.Name == "" || o.Target == nil || o.Store == nil || o.Trail == nil {
		return nil, errors.New("feed: Name, Target, Store and Trail are needed")
	}
	if o.Owner == "" {
		o.Owner = uuid.NewString()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil { // from half to all of it
		o.Jitter = func(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) } //nolint:gosec // it protects nothing
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Delivered == nil {
		o.Delivered = func(int) {}
	}
	if o.Parked == nil {
		o.Parked = func() {}
	}
	if o.Failed == nil {
		o.Failed = func() {}
	}
	o.Log = o.Log.With("target", o.Name)
	return &Feed{o: o, limit: batch, most: MostParked}, nil
}

// Run delivers until ctx ends, and then lets another process go on at once.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	quiet := false // a fault is told once, not twice a second
	for {
		again, err := f.Step(ctx)
		if err != nil && !quiet && ctx.Err() == nil {
			f.o.Log.Error("the delivery of the audit trail is held up by the store; it is tried again, and nothing is lost", "error", err)
		}
		quiet = err != nil
		if again && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			f.leave(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
	}
}

// Step delivers once; again says that there may be more.
func (f *Feed) Step(ctx context.Context) (again bool, err error) {
	now := f.o.Now().UTC()
	p, due, err := f.read(ctx)
	if err != nil || p.others(f.o.Owner, now) || p.waits(now) {
		return false, err
	}
	part, err := f.o.Trail.Page(ctx, p.Next, f.limit)
	if err != nil {
		return false, err
	}
	first := part.Size // what is to come next, and is there
	switch {
	case len(part.Records) > 0:
		first = part.Records[0].Index
	case part.Unreadable != nil:
		first = max(p.Next, part.Begin)
	}
	begun := p.Begun
	if !begun {
		p.Next = part.Begin
		if f.o.FromNow {
			p.Next = part.Size
		}
	}
	missing := first > p.Next && first <= part.Size && begun
	if begun && !missing && len(part.Records) == 0 && part.Unreadable == nil && due == nil {
		return false, nil
	}
	ours, err := f.take(ctx, p.Next, now)
	switch {
	case err != nil || !ours:
		return false, err
	case !begun:
		return true, nil
	case due != nil:
		return f.sendParked(ctx, *due)
	case missing:
		return true, f.lose(ctx, p.Next, first)
	case len(part.Records) == 0:
		return true, f.park(ctx, p.Next, Parked{Why: "it is damaged in the store; belay audit verify says more"})
	}
	return f.send(ctx, p, part.Records)
}

// send delivers what comes next, and settles what came of it.
func (f *Feed) send(ctx context.Context, p position, events []trail.Record) (again bool, err error) {
	for n := range events { // a gap in the chain is told before what is after it is sent
		if events[n].Index != p.Next+uint64(n) {
			events = events[:n]
			break
		}
	}
	taken, failure := f.give(ctx, events)
	settled := context.WithoutCancel(ctx)
	if taken > 0 {
		if err := f.move(settled, p, p.Next+uint64(taken)); err != nil {
			return false, err
		}
		f.o.Delivered(taken)
		p.Next, p.Tries = p.Next+uint64(taken), 0
	}
	var refused *RefusedError
	switch {
	case failure == nil:
		f.limit = min(batch, f.limit*2)
		return taken > 0, nil
	case ctx.Err() != nil:
		return false, nil //nolint:nilerr // it was broken off, which says nothing of the target
	case errors.As(failure, &refused) && refused.Of > 1 && len(events)-taken > 1:
		f.limit = min(refused.Of, len(events)-taken) / 2
		return true, nil
	case errors.As(failure, &refused) && p.Parked >= f.most:
		return false, f.fail(settled, p, fmt.Errorf("it refuses one event after another, and %d are parked: %s", p.Parked, refused.Why))
	case errors.As(failure, &refused):
		f.limit = min(batch, f.limit*2)
		e := events[taken]
		return true, f.park(settled, e.Index, Parked{ID: e.ID, Kind: string(e.Kind), Request: e.Request, Why: refused.Why})
	}
	return false, f.fail(settled, p, failure)
}

// give calls the target, which is held to its word.
func (f *Feed) give(ctx context.Context, events []trail.Record) (int, error) {
	ctx, stop := context.WithTimeout(ctx, sendTime)
	defer stop()
	taken, err := f.o.Target.Send(ctx, events)
	if taken < 0 || taken > len(events) || taken == 0 && err == nil {
		return 0, fmt.Errorf("it says that it took %d of %d", taken, len(events))
	}
	if taken == len(events) {
		return taken, nil
	}
	return taken, err
}

// pause is how long to wait after so many failures in a row.
func (f *Feed) pause(tries int, failure error) time.Duration {
	var asked *WaitError
	d := min(maxWait, minWait<<min(tries, 16))
	d = f.o.Jitter(d)
	if errors.As(failure, &asked) {
		d = max(d, min(asked.After, maxAsked))
	}
	return d
}
