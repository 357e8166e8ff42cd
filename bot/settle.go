package bot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/belaybot/belay/store"
)

// leaseTime is how long a settler may work on a request before another one may
// think it dead. Every single call is far shorter.
const leaseTime = time.Minute

// settle is the only place of durable outward effects, and the recovery after a
// crash is the same as the normal way: take the lease, make the calls that are
// owed, observe if that is due, bring the cards up to date, set the wake time.
// Each outcome is recorded before the next effect begins.
func (b *Bot) settle(ctx context.Context, id string) {
	if strings.HasPrefix(id, greeting) {
		b.greet(ctx, id)
		return
	}
	if strings.HasPrefix(id, bulletinMark) {
		b.deliver(ctx, id)
		return
	}
	if strings.HasPrefix(id, digestMark) {
		b.publish(ctx, id)
		return
	}
	if reviewOfThis(id) {
		b.settleReview(ctx, id)
		return
	}
	log := b.o.Log.With("request", id)
	r, mine, err := b.lease(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		log.ErrorContext(ctx, "the due index names a request that is not there; the entry is dropped")
		err = b.drop(ctx, id)
	}
	if err != nil {
		if ctx.Err() == nil {
			log.ErrorContext(ctx, "settling could not begin; it is tried again", "error", err)
		}
		b.stumble(id)
		b.holds(id) // perhaps: the store may have kept what it did not confirm
		return
	}
	if !mine {
		return
	}
	if r.State == PendingApproval {
		b.watch.learnOf(r, b.o.Now())
	}
	failed := false
	// Bounded: what still is to be done then is due, and comes up again.
	for range 20 {
		if ctx.Err() != nil {
			break
		}
		step := b.next(r, b.o.Now().UTC())
		if step == nil {
			break
		}
		// A step that has begun is not cut off by a stop: its outcome would be unknown.
		// Each call in it has its own time limit.
		sctx, span := begin(continued(context.WithoutCancel(ctx), r.act(b.o.Now())), b.o.Tracer, "settle", attribute.String("belay.request", id))
		r, err = safely(holding(sctx, id), step, r)
		span.End()
		if lost, ok := errors.AsType[*LeaseLostError](err); ok {
			b.o.Metrics.leasesLost.Inc()
			log.WarnContext(sctx, "another process has taken over; what this one did is left to it", "owner", lost.Owner)
			return
		}
		if failed = err != nil; failed {
			log.ErrorContext(sctx, "settling was cut short; it is tried again", "state", r.State, "error", err)
			break
		}
	}
	pause := time.Duration(0)
	if failed {
		pause = b.stumble(id)
	} else {
		b.recovered(id)
	}
	// A stop must not leave the lease behind for its whole time.
	if err := b.release(context.WithoutCancel(ctx), id, pause); err != nil {
		log.ErrorContext(ctx, "the lease could not be given back; that is tried again, and it runs out by itself", "error", err)
		if !failed {
			b.stumble(id)
		}
		b.holds(id)
	}
}

// safely makes a panic in a step an error: one bad request stops nobody else's. The
// panic's value may hold a person's words; only its type is told.
func safely(ctx context.Context, s step, r Request) (next Request, err error) {
	next = r
	err = guarded(func() error {
		var err error
		next, err = s(ctx, r)
		return err
	})
	return next, err
}

func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic with a %T\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// step does one thing in the world and records its outcome.
type step func(ctx context.Context, r Request) (Request, error)

// next is what is owed now; nil when nothing is. Calls come before readings and
// readings before cards, so that cards are written once.
func (b *Bot) next(r Request, now time.Time) step {
	for _, i := range r.Intents {
		switch {
		case i.State == IntentWaiting && !now.Before(i.Deadline):
			return b.lapse(i)
		case r.runnable(i) && !now.Before(i.NotBefore):
			if tell := b.untold(r, i, now); len(tell) > 0 {
				return func(ctx context.Context, r Request) (Request, error) { return b.show(ctx, r, tell) }
			}
			return b.run(i)
		}
	}
	if !r.ObserveAt.IsZero() && !now.Before(r.ObserveAt) {
		return b.observe
	}
	if !r.MeetAt.IsZero() && !r.State.Final() && !now.Before(r.MeetAt) {
		return b.meet
	}
	if r.State == PendingApproval && !r.Routed && !now.Before(r.RouteAt) {
		return b.route
	}
	if at := b.unansweredAt(r); !at.IsZero() && !now.Before(at) {
		return func(ctx context.Context, r Request) (Request, error) { return b.change(ctx, r.ID, Unanswered{}) }
	}
	switch { // before the cards, which tell of it
	case r.owesGroupRoles():
		return b.secondStep
	case r.owesWord():
		return b.giveWord
	}
	if show, _ := due(b.project.Wanted(r, now), r.Shown, now); len(show) > 0 {
		return func(ctx context.Context, r Request) (Request, error) { return b.show(ctx, r, show) }
	}
	if b.owesHearers(r) && !now.Before(r.HearAt) { // after the cards of those who ask and decide
		return b.hear
	}
	return nil
}

// untold are the messages by which an approver hears of their decision, before
// Microsoft does. Each is tried once here; what fails holds nothing up.
func (b *Bot) untold(r Request, i Intent, now time.Time) (tell []Want) {
	if !i.Kind.review() || !i.SentAt.IsZero() {
		return nil
	}
	show, _ := due(b.project.Wanted(r, now), r.Shown, now)
	for _, w := range show {
		if _, tried := r.Shown[w.Slot]; !tried && strings.HasPrefix(string(w.Slot), string(decisionSlot(i))) {
			tell = append(tell, w)
		}
	}
	return tell
}

// wake is when next will have something to do for r; zero: never. It is stored
// with r, so that a crash forgets nothing.
func (b *Bot) wake(r Request, now time.Time) time.Time {
	if r.Lease.Owner != "" {
		return r.Lease.Until // whoever works on it sets the time anew; this is for when they died
	}
	var at time.Time
	for _, i := range r.Intents {
		switch {
		case i.State == IntentWaiting:
			at = soonest(at, i.Deadline)
		case r.runnable(i):
			at = soonest(at, maxTime(now, i.NotBefore))
		}
	}
	at = soonest(at, r.ObserveAt)
	if !r.MeetAt.IsZero() && !r.State.Final() {
		at = soonest(at, maxTime(now, r.MeetAt))
	}
	if r.State == PendingApproval && !r.Routed {
		at = soonest(at, maxTime(now, r.RouteAt))
	}
	if r.owesGroupRoles() || r.owesWord() {
		at = soonest(at, now)
	}
	at = soonest(at, b.unansweredAt(r))
	if !at.IsZero() && !at.After(now) {
		return at // now: what else is due makes no difference, and every card would be drawn to know it
	}
	show, later := due(b.project.Wanted(r, now), r.Shown, now)
	if len(show) > 0 {
		at = soonest(at, now)
	}
	at = soonest(at, later)
	at = soonest(at, b.project.nextTimely(r, now))
	if b.owesHearers(r) {
		at = soonest(at, maxTime(now, r.HearAt))
	}
	if open := r.State == PendingApproval || r.State == Scheduled && !r.ahead(); open && !r.Held.Seen.IsZero() && now.Before(r.Held.Seen.Add(staleAfter)) {
		at = soonest(at, r.Held.Seen.Add(staleAfter+time.Second)) // then the cards say how old the word is
	}
	return at
}

// runnable says that the call of an intent can be made: a cancel only once
// Microsoft's id of what is to be canceled is known, an activation only once the one
// that it follows is over.
func (r Request) runnable(i Intent) bool {
	switch {
	case i.State != IntentReady && i.State != IntentSent:
		return false
	case i.Kind == ToCancel:
		return r.Held.ID != ""
	case i.Kind == ToActivate:
		return r.Follows == "" || !r.Freed.IsZero()
	}
	return true
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// lease takes the lease, unless another settler holds it.
func (b *Bot) lease(ctx context.Context, id string) (r Request, mine bool, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := b.docs.get(tx, id)
		if err != nil {
			return err
		}
		r, mine = before, false
		if r.Lease.Owner != "" && r.Lease.Owner != b.owner && now.Before(r.Lease.Until) {
			return nil
		}
		mine = true
		if r.Lease.Owner != "" { // whoever had it did not get to its end
			r = b.doubtShown(before, now)
		}
		r.Lease = Lease{Owner: b.owner, Until: now.Add(leaseTime)}
		r.Wake = r.Lease.Until
		return b.docs.put(tx, before, r)
	})
	return r, mine, err
}

// release gives the lease back and sets the wake time for what is left.
func (b *Bot) release(ctx context.Context, id string, pause time.Duration) error {
	now := b.o.Now().UTC()
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := b.docs.get(tx, id)
		if err != nil {
			return err
		}
		if before.Lease.Owner != b.owner {
			return nil
		}
		r := before
		r.Lease = Lease{}
		r.Wake = b.wake(r, now)
		if pause > 0 { // after a fault of our own: not again and again
			r.Wake = now.Add(pause)
			r = b.doubtShown(r, now)
		}
		return b.docs.put(tx, before, r)
	})
}

// drop removes due entries of what is not there.
func (b *Bot) drop(ctx context.Context, id string) error {
	return b.o.Store.Update(ctx, func(tx store.Tx) error { return b.docs.dropDue(tx, id) })
}

// stumble counts a fault of settling, and says how long to leave the request alone.
func (b *Bot) stumble(id string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stumbles[id]
	pause := backoff(s.times)
	b.stumbles[id] = stumble{times: s.times + 1, until: time.Now().Add(pause)}
	return pause
}

// holds notes that this process may hold a lease without working on the request.
func (b *Bot) holds(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held[id] = true
}

func (b *Bot) recovered(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.stumbles, id)
}

// stumble is how often settling one request failed in a row here.
type stumble struct {
	times int
	until time.Time // wall time: a moved business clock hurries nothing
}
