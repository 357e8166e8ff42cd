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

	// A look goes in parts; nothing is taken for ended before all of them have been read.
	From   string    `json:"from,omitempty"` // where the next part begins
	Began  time.Time `json:"began,omitzero"`
	Missed int       `json:"missed,omitempty"` // reviews that could not be read in it
}

const scanKey = "scan"

// reviewFirst is how long after a start it is looked first, scanTime bounds one part of a
// look, and scanPause is between two of them: Microsoft counts the calls.
const (
	reviewFirst = time.Minute
	scanTime    = 5 * time.Minute
	scanPause   = 20 * time.Second
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
		next := s
		next.Next = soonest(s.Next, now.Add(reviewFirst))
		return putScan(tx, s, next, now)
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

// scanReviews reads a part of the reviews that are held now and has their linked reviewers
// told. After the last part it closes those that are held no more.
func (b *Bot) scanReviews(ctx context.Context) {
	var s reviewScan
	mine, err := b.changeScan(ctx, func(next *reviewScan, now time.Time) {
		if next.Lease = (Lease{Owner: b.owner, Until: now.Add(scanTime + leaseTime)}); next.From == "" {
			next.Began, next.Missed = now, 0
		}
		s = *next
	})
	if err != nil || !mine {
		if err != nil {
			b.stumble(reviewScanID)
		}
		return
	}
	ctx = context.WithoutCancel(ctx)
	var look pim.AccessReviewLook
	wait, blind := b.reads.take(pim.EntraRole, routine), ""
	if wait == 0 {
		look, err = b.lookForReviews(ctx, s)
		if pim.CodeOf(err) == pim.CodeForbidden {
			blind, err = reviewsRead, nil
		}
	}
	if err != nil {
		b.o.Log.WarnContext(ctx, "access reviews could not be looked for; that is tried again", "error", err)
	}
	_, kept := b.changeScan(ctx, func(next *reviewScan, now time.Time) {
		next.Lease = Lease{}
		switch {
		case wait > 0: // the budget of looks is spent
			next.Next = now.Add(wait)
		case err != nil:
			pause := backoff(next.Tries + 2)
			if after, ok := retryAfter(err); ok {
				pause = maxDuration(pause, after)
			}
			next.Next, next.Tries = now.Add(pause), next.Tries+1
		default:
			next.From, next.Missed, next.Tries, next.Blind = look.Next, next.Missed+look.Missed, 0, blind
			if next.Next = now.Add(reviewEvery); look.Next != "" {
				next.Next = now.Add(scanPause)
			}
		}
	})
	if kept != nil {
		b.stumble(reviewScanID)
		return
	}
	b.recovered(reviewScanID)
	if blind != "" && s.Blind == "" {
		b.o.Log.WarnContext(ctx, "access reviews cannot be seen, because a permission is missing", "permission", blind)
	}
}

// lookForReviews reads one part of a look, and keeps what it finds.
func (b *Bot) lookForReviews(ctx context.Context, s reviewScan) (look pim.AccessReviewLook, err error) {
	sctx, cancel := context.WithTimeout(ctx, scanTime)
	look, err = b.o.AccessReviews.Running(sctx, s.From)
	cancel()
	if err == nil {
		err = b.foundReviews(ctx, look.Rounds)
	}
	switch {
	case err != nil || look.Next != "":
	case s.Missed+look.Missed > 0:
		b.o.Log.WarnContext(ctx, "some access reviews could not be read, so none is taken for ended")
	default:
		err = b.closeUnheld(ctx, s.Began)
	}
	return look, err
}

// foundReviews keeps a document for each linked reviewer of each review.
func (b *Bot) foundReviews(ctx context.Context, rounds []pim.AccessReviewRound) error {
	for _, round := range rounds {
		for _, who := range round.Reviewers {
			linked, err := b.isLinked(ctx, who.ID)
			if err == nil {
				err = b.foundReview(ctx, b.reviewID(who.ID, round.AccessReviewRef), who, round, linked)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// closeUnheld closes the reviews that a look did not find: they were stopped, or the reviewer
// is no reviewer any more.
func (b *Bot) closeUnheld(ctx context.Context, began time.Time) error {
	var gone []string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		gone = nil
		return accessReviews.Scan(tx, "", "", func(id string, r accessReview) error {
			if !r.Over && r.Told && r.Seen.Before(began) {
				gone = append(gone, id)
			}
			return nil
		})
	})
	for _, id := range gone {
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

// foundReview keeps what Belay itself read of a review; of a reviewer who is not linked any
// more, only that it is held.
func (b *Bot) foundReview(ctx context.Context, id string, who pim.Principal, round pim.AccessReviewRound, linked bool) error {
	now := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getReview(tx, id)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		if before.ID == "" && !linked {
			return nil
		}
		if !linked {
			r := before.clone()
			r.Seen = now
			return b.putReview(tx, before, r, now)
		}
		r := b.begunReview(before, who, round, now)
		r.Told, r.Over, r.Seen = true, false, now
		r.Done = !round.Open || r.Done && !r.Read.IsZero()
		if r.Unsure = r.Unsure && round.Open; round.Open {
			r.Look = now // with the reviewer's own sign-in, if there is one
		}
		return b.putReview(tx, before, r, now)
	})
	if err == nil {
		b.kick(id, true)
	}
	return err
}
