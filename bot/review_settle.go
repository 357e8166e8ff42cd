package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// reviewStep does one thing in the world about a review and records its outcome.
type reviewStep func(ctx context.Context, r accessReview) (accessReview, error)

// settleReview is settle for an access review.
func (b *Bot) settleReview(ctx context.Context, id string) {
	if b.o.AccessReviews == nil { // it was turned off
		if err := b.restReview(ctx, id); err != nil {
			b.stumble(id)
		}
		return
	}
	if id == reviewScanID {
		b.scanReviews(ctx)
		return
	}
	r, mine, err := b.takeReview(ctx, id)
	if err == nil && !mine {
		return
	}
	for range 20 { // bounded: what still is to be done then is due, and comes up again
		if err != nil || ctx.Err() != nil {
			break
		}
		step := b.nextReview(r, b.o.Now().UTC())
		if step == nil {
			break
		}
		err = guarded(func() (err error) {
			r, err = step(context.WithoutCancel(ctx), r)
			return err
		})
	}
	if !errors.Is(err, store.ErrNotFound) {
		_, rerr := b.changeReview(context.WithoutCancel(ctx), id, func(r *accessReview, _ time.Time) error { r.Lease = Lease{}; return nil })
		err = errors.Join(err, rerr)
	}
	_, lost := errors.AsType[*LeaseLostError](err)
	switch {
	case err == nil, lost, errors.Is(err, store.ErrNotFound): // taken over, or forgotten
		b.recovered(id)
	default:
		if ctx.Err() == nil {
			b.o.Log.ErrorContext(ctx, "an access review could not be settled yet; it is tried again", "error", err)
		}
		b.stumble(id)
		b.holds(id)
	}
}

// restReview takes back what is not sent where reviews were turned off, and forgets what ended
// long ago. Nothing else is done with a review, until they are turned on again.
func (b *Bot) restReview(ctx context.Context, id string) error {
	if id == reviewScanID {
		return b.drop(ctx, id)
	}
	now := b.o.Now().UTC()
	var r accessReview
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			return b.docs.dropDue(tx, id)
		}
		if err != nil {
			return err
		}
		r = before.clone()
		for n := range r.Acts {
			r.Acts[n].giveUp(reviewTurnedOff, nil)
		}
		r.Lease, r.Look, r.Over = Lease{}, time.Time{}, r.Over || !now.Before(r.Round.End)
		return b.putReview(tx, before, r, now)
	})
	if err == nil && r.ID != "" && !now.Before(r.Round.End.Add(keepReview)) {
		if _, err = b.forgetReview(ctx, r); errors.Is(err, store.ErrNotFound) {
			err = nil
		}
	}
	return err
}

// takeReview takes the lease.
func (b *Bot) takeReview(ctx context.Context, id string) (r accessReview, mine bool, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			mine = false
			return b.docs.dropDue(tx, id)
		}
		if err != nil {
			return err
		}
		r, mine = before.clone(), false
		if r.Lease.Owner != "" && r.Lease.Owner != b.owner && now.Before(r.Lease.Until) {
			return nil
		}
		mine = true
		r.Lease = Lease{Owner: b.owner, Until: now.Add(leaseTime)}
		return b.putReview(tx, before, r, now)
	})
	return r, mine, err
}

// changeReview records something of a review while its lease is held, and holds it longer.
// The error is a *LeaseLostError when it is not held any more.
func (b *Bot) changeReview(ctx context.Context, id string, change func(r *accessReview, now time.Time) error) (accessReview, error) {
	return b.changeReviewIn(ctx, id, func(_ store.Tx, r *accessReview, now time.Time) error { return change(r, now) })
}

func (b *Bot) changeReviewIn(ctx context.Context, id string, change func(tx store.Tx, r *accessReview, now time.Time) error) (r accessReview, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if err != nil {
			return err
		}
		if before.Lease.Owner != b.owner {
			return &LeaseLostError{Request: id, Owner: before.Lease.Owner}
		}
		r = before.clone()
		r.Lease.Until = now.Add(leaseTime)
		if err := change(tx, &r, now); err != nil {
			return err
		}
		return b.putReview(tx, before, r, now)
	})
	r.Acts = slices.DeleteFunc(r.Acts, reviewAct.settled)
	return r, err
}

// changeAct is changeReview for one act; one that is settled is left as it is.
func (b *Bot) changeAct(ctx context.Context, id, act string, change func(r *accessReview, a *reviewAct, now time.Time)) (accessReview, error) {
	return b.changeReview(ctx, id, func(r *accessReview, now time.Time) error {
		for n := range r.Acts {
			if a := &r.Acts[n]; a.ID == act {
				change(r, a, now)
			}
		}
		return nil
	})
}

// nextReview is what is owed now; nil when nothing is.
func (b *Bot) nextReview(r accessReview, now time.Time) reviewStep {
	for _, a := range r.Acts {
		switch {
		case a.State == IntentWaiting && !now.Before(a.Deadline):
			return b.lapseAct(a.ID)
		case a.State == IntentReady && !now.Before(a.NotBefore):
			return b.runAct(a.ID)
		}
	}
	switch remind, _ := b.remindDue(r, now); {
	case !r.Over && !now.Before(r.Round.End):
		return b.closeReview
	case remind:
		return b.remindReview
	case !r.Look.IsZero() && !now.Before(r.Look):
		return b.lookReview
	case !now.Before(r.Round.End.Add(keepReview)):
		return b.forgetReview
	}
	return nil
}

// reviewWake is when nextReview will have something to do.
func (b *Bot) reviewWake(r accessReview, now time.Time) time.Time {
	if r.Lease.Owner != "" {
		return r.Lease.Until
	}
	at := r.Round.End.Add(keepReview)
	if b.o.AccessReviews == nil && !r.Over {
		return r.Round.End
	}
	if b.o.AccessReviews == nil {
		return at
	}
	for _, a := range r.Acts {
		if a.State == IntentWaiting {
			at = soonest(at, a.Deadline)
		} else {
			at = soonest(at, maxTime(now, a.NotBefore))
		}
	}
	if !r.Over {
		at = soonest(at, r.Round.End)
	}
	if !r.Look.IsZero() {
		at = soonest(at, maxTime(now, r.Look))
	}
	if _, later := b.remindDue(r, now); !later.IsZero() {
		at = soonest(at, maxTime(now, later))
	}
	return at
}

// reviewFresh says whether decisions in a review need a fresh sign-in: one that keeps
// somebody in such a role gives as much as one that lets them in.
func (b *Bot) reviewFresh(r accessReview) bool {
	if len(r.Round.Of) == 0 {
		return b.project.presence(pim.EligibleAssignment{})
	}
	return slices.ContainsFunc(r.Round.Of, func(a pim.Assignment) bool { return b.project.presence(pim.EligibleAssignment{Assignment: a}) })
}
