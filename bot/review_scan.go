package bot

import (
	"context"
	"errors"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Who is asked to review is read as Belay itself: a reviewer whose sign-in has ended is the
// one who has to be told. What is left for them to decide is read with their own sign-in,
// whenever there is one; until then Belay says that a review waits, and not how much of it.

// reviewScan is the look for reviews: one process does it at a time, and after a restart it
// goes on when it would have.
type reviewScan struct {
	Next  time.Time `json:"next"`
	Lease Lease     `json:"lease"`
	Tries int       `json:"tries,omitempty"` // that failed, in a row
	Blind string    `json:"blind,omitempty"` // the permission that is missing, as was logged
}

const scanKey = "scan"

// reviewFirst is how long after a start it is looked first, and scanTime bounds one look.
const (
	reviewFirst = time.Minute
	scanTime    = 5 * time.Minute
)

// planReviews has reviews looked for from now on.
func (b *Bot) planReviews(ctx context.Context) error {
	if b.o.AccessReviews == nil {
		return nil
	}
	now := b.o.Now().UTC()
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		s, err := reviewScans.Get(tx, scanKey)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		return putScan(tx, s, reviewScan{Next: soonest(s.Next, now.Add(reviewFirst)), Lease: s.Lease, Tries: s.Tries, Blind: s.Blind}, now)
	})
}

func (s reviewScan) wake() time.Time {
	if s.Lease.Owner != "" {
		return s.Lease.Until
	}
	return s.Next
}

func putScan(tx store.Tx, before, next reviewScan, now time.Time) error {
	if next.Next.IsZero() {
		next.Next = now
	}
	if at := before.wake(); !at.IsZero() {
		if err := dueIndex.Delete(tx, dueKey(at, reviewScanID)); err != nil {
			return err
		}
	}
	return errors.Join(dueIndex.Put(tx, dueKey(next.wake(), reviewScanID), struct{}{}), reviewScans.Put(tx, scanKey, next))
}

// changeScan changes the look, as who holds its lease or takes it.
func (b *Bot) changeScan(ctx context.Context, change func(s *reviewScan, now time.Time)) (mine bool, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := reviewScans.Get(tx, scanKey)
		if errors.Is(err, store.ErrNotFound) {
			mine = false
			return b.docs.dropDue(tx, reviewScanID)
		}
		if err != nil {
			return err
		}
		if mine = before.Lease.Owner == "" || before.Lease.Owner == b.owner || !now.Before(before.Lease.Until); !mine {
			return nil
		}
		next := before
		change(&next, now)
		return putScan(tx, before, next, now)
	})
	return mine, err
}

// scanReviews looks for reviews that are held now, has their linked reviewers told, and
// closes those that are held no more.
func (b *Bot) scanReviews(ctx context.Context) {
	mine, err := b.changeScan(ctx, func(s *reviewScan, now time.Time) {
		s.Lease = Lease{Owner: b.owner, Until: now.Add(scanTime + leaseTime)}
	})
	if err != nil || !mine {
		if err != nil {
			b.stumble(reviewScanID)
		}
		return
	}
	ctx = context.WithoutCancel(ctx)
	sctx, cancel := context.WithTimeout(ctx, scanTime)
	rounds, err := b.o.AccessReviews.Running(sctx)
	cancel()
	blind := ""
	switch {
	case pim.CodeOf(err) == pim.CodeForbidden:
		blind, err = reviewsRead, nil
	case err == nil:
		err = b.foundReviews(ctx, rounds)
	}
	if err != nil {
		b.o.Log.WarnContext(ctx, "access reviews could not be looked for; that is tried again", "error", err)
	}
	was := ""
	_, kept := b.changeScan(ctx, func(s *reviewScan, now time.Time) {
		was = s.Blind
		if err == nil {
			*s = reviewScan{Next: now.Add(reviewEvery), Blind: blind}
			return
		}
		wait := backoff(s.Tries + 2)
		if after, ok := retryAfter(err); ok {
			wait = maxDuration(wait, after)
		}
		*s = reviewScan{Next: now.Add(wait), Tries: s.Tries + 1, Blind: s.Blind}
	})
	if kept != nil {
		b.stumble(reviewScanID)
		return
	}
	b.recovered(reviewScanID)
	if blind != "" && was == "" {
		b.o.Log.WarnContext(ctx, sayCannotSeeReviews, "permission", blind)
	}
}

// foundReviews keeps a document for each linked reviewer of each review.
func (b *Bot) foundReviews(ctx context.Context, rounds []pim.AccessReviewRound) error {
	held := map[string]bool{}
	for _, round := range rounds {
		for _, who := range round.Reviewers {
			id := b.reviewID(who.ID, round.AccessReviewRef)
			held[id] = true
			linked, err := b.isLinked(ctx, who.ID)
			if err == nil && linked {
				err = b.foundReview(ctx, id, who, round)
			}
			if err != nil {
				return err
			}
		}
	}
	var gone []string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		gone = nil
		return accessReviews.Scan(tx, "", "", func(id string, r accessReview) error {
			if !r.Over && r.Told && !held[id] {
				gone = append(gone, id)
			}
			return nil
		})
	})
	for _, id := range gone { // stopped, or the reviewer is no reviewer any more
		err = errors.Join(err, b.updateReview(ctx, id, func(r *accessReview) { r.Over = true }))
	}
	return err
}

func (b *Bot) isLinked(ctx context.Context, person string) (linked bool, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := b.o.Links.At(tx, person)
		linked = len(all) > 0
		return err
	})
	return linked, err
}

// foundReview keeps what Belay itself read of a review.
func (b *Bot) foundReview(ctx context.Context, id string, who pim.Principal, round pim.AccessReviewRound) error {
	now := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		r := b.begunReview(before, who, round, now)
		r.Told, r.Over = true, false
		r.Done = round.Open == 0 || r.Done && !r.Read.IsZero()
		if round.Open > 0 {
			r.Look = now // with the reviewer's own sign-in, if there is one
		}
		return b.putReview(tx, before, r, now)
	})
	if err == nil {
		b.kick(id, true)
	}
	return err
}
