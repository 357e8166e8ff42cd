package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// begunReview is a review's document, made where there was none.
func (b *Bot) begunReview(before accessReview, who pim.Principal, round pim.AccessReviewRound, now time.Time) accessReview {
	r := before.clone()
	if r.ID == "" {
		r.ID, r.Made, r.Reviewer = b.reviewID(who.ID, round.AccessReviewRef), now, who
		for _, d := range b.o.RemindReviews { // those of before it began to wait are not owed
			if !round.End.Add(-d).After(now) {
				r.Reminded = append(r.Reminded, d)
			}
		}
	}
	round.Reviewers, round.Open = nil, false
	r.Round = round
	return r
}

// updateReview changes a review that nobody needs to hold the lease of.
func (b *Bot) updateReview(ctx context.Context, id string, change func(r *accessReview)) error {
	now := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if err != nil {
			return ignoreMissing(err)
		}
		r := before.clone()
		change(&r)
		return b.putReview(tx, before, r, now)
	})
	if err == nil {
		b.kick(id, true)
	}
	return err
}

// remindDue says whether the reviewer is to be reminded now, or else when.
func (b *Bot) remindDue(r accessReview, now time.Time) (due bool, at time.Time) {
	if r.Over || r.Done {
		return false, time.Time{}
	}
	for _, d := range b.o.RemindReviews {
		if !slices.Contains(r.Reminded, d) {
			at = soonest(at, r.Round.End.Add(-d))
		}
	}
	if at.IsZero() || now.Before(at) {
		return false, at
	}
	if end, quiet := b.o.Quiet.Until(now); quiet && end.Before(r.Round.End) {
		return false, end
	}
	return true, at
}

// remindReview reminds a reviewer, once for each time and, of several that were missed, once.
// What is left is read anew before, where it can be.
func (b *Bot) remindReview(ctx context.Context, r accessReview) (accessReview, error) {
	items, read := b.lookNow(ctx, r)
	return b.changeReview(ctx, r.ID, func(r *accessReview, now time.Time) error {
		if read {
			r.saw(items, now)
		}
		for _, d := range b.o.RemindReviews {
			if !slices.Contains(r.Reminded, d) && !now.Before(r.Round.End.Add(-d)) {
				r.Reminded = append(r.Reminded, d)
			}
		}
		return nil
	})
}

// lookReview reads what is left to decide, so that the card is true when it was decided in
// the portal. It is no act of the reviewer's: where their sign-in has ended it is left alone.
func (b *Bot) lookReview(ctx context.Context, r accessReview) (accessReview, error) {
	items, read := b.lookNow(ctx, r)
	return b.changeReview(ctx, r.ID, func(r *accessReview, now time.Time) error {
		if r.Look = (time.Time{}); read {
			r.saw(items, now)
		} else if r.Done && r.Read.Before(r.Seen) { // Belay itself saw that somebody is open
			r.Done, r.Unsure = false, true
		}
		return nil
	})
}

func (b *Bot) lookNow(ctx context.Context, r accessReview) ([]pim.AccessReviewItem, bool) {
	live, err := b.o.Grants.Live(ctx, r.Reviewer.ID)
	if err != nil || !live || b.o.EachTime { // a sign-in for each act is for acts
		return nil, false
	}
	items, err := b.reviewItems(ctx, r.Reviewer.ID, r)
	if err != nil {
		b.o.Log.InfoContext(ctx, "an access review could not be read", "principal", r.Reviewer.ID, "error", err)
	}
	return items, err == nil
}

// closeReview ends what waits of a review whose time is over.
func (b *Bot) closeReview(ctx context.Context, r accessReview) (accessReview, error) {
	return b.changeReview(ctx, r.ID, func(r *accessReview, _ time.Time) error {
		r.Over, r.Look = true, time.Time{}
		return nil
	})
}

// forgetReview drops a review that ended long ago.
func (b *Bot) forgetReview(ctx context.Context, r accessReview) (accessReview, error) {
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		now, err := getReview(tx, r.ID)
		if err != nil {
			return err
		}
		return errors.Join(dueIndex.Delete(tx, dueKey(now.Wake, r.ID)), accessReviewsOf.Delete(tx, b.reviewsKey(now.Reviewer.ID)+r.ID), accessReviews.Delete(tx, r.ID))
	})
	if err == nil {
		err = store.ErrNotFound // there is no lease to give back
	}
	return r, err
}

// reviewOfThis says that an id of the due index is a review, or the look for them.
func reviewOfThis(id string) bool { return strings.HasPrefix(id, reviewMark) }

// checkReview is for Check.
func checkReview(tx store.Tx, id string) (Lease, error) {
	if id == reviewScanID {
		s, err := reviewScans.Get(tx, scanKey)
		return s.Lease, err
	}
	r, err := getReview(tx, id)
	return r.Lease, err
}
