package bot

import (
	"cmp"
	"context"
	"slices"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// moreReviews begins the name of the button for the reviews that one answer has no room for.
const moreReviews = "more"

// reviews answers /elevate reviews: those that wait for the person, as their own sign-in
// reads them.
func (b *Bot) reviews(ctx context.Context, in Inbound, a actor) (Reply, Later) {
	return b.reviewsFrom(ctx, in, a, 0)
}

// reviewsFrom lists the reviews of a person from one of them on.
func (b *Bot) reviewsFrom(ctx context.Context, in Inbound, a actor, from int) (Reply, Later) {
	if b.o.AccessReviews == nil {
		return Reply{Card: plain(Neutral, titleReviews, sayReviewsOff)}, nil
	}
	if !a.live {
		return b.offer(ctx, in, a, Ticket{})
	}
	return Reply{}, func(ctx context.Context) Reply {
		look, err := b.o.AccessReviews.Waiting(ctx, a.ID)
		rounds, done := look.Rounds, map[string]bool{}
		if err == nil {
			done, err = b.inOrder(ctx, a, rounds)
		}
		if err != nil {
			return b.reviewTrouble(in, err)
		}
		from = max(0, min(from, len(rounds)))
		var open, decided []accessReview
		unread, why := 0, look.Why
		for _, round := range rounds[from:] {
			id := b.reviewID(a.ID, round.AccessReviewRef)
			if len(open) == mostReviews || len(open)+len(decided) >= mostReviews && done[id] {
				break
			}
			r, err := b.readReview(ctx, a, id, round)
			switch {
			case isUnread(err):
				unread, why = unread+1, err
			case err != nil:
				return b.reviewTrouble(in, err)
			case r.Done:
				decided = append(decided, r)
			default:
				open = append(open, r)
			}
		}
		slices.SortStableFunc(decided, func(a, b accessReview) int { return a.Round.End.Compare(b.Round.End) })
		all := slices.Concat(open, decided)
		if len(all) == 0 && why != nil {
			return b.reviewTrouble(in, why)
		}
		all = all[:min(len(all), mostReviews)]
		list := reviewList(all, len(rounds), from+len(all)+unread)
		if why != nil {
			b.o.Log.WarnContext(ctx, "a reviewer does not see all of their access reviews", "principal", a.ID, "error", why)
			list.Card.Note = sayReviewsMissing(why)
		}
		return list
	}
}

// isUnread says that one review could not be read at Microsoft, and another may be.
func isUnread(err error) bool {
	code := pim.CodeOf(err)
	return code != "" && code != pim.CodeSignIn && code != pim.CodeStepUp
}

// inOrder puts those that are known to be decided last, and what ends first before the others.
func (b *Bot) inOrder(ctx context.Context, a actor, rounds []pim.AccessReviewRound) (done map[string]bool, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		done = map[string]bool{}
		known, err := b.reviewsOf(tx, a.ID)
		for _, r := range known {
			done[r.ID] = r.Done && !r.Read.IsZero()
		}
		return err
	})
	later := func(r pim.AccessReviewRound) int {
		if done[b.reviewID(a.ID, r.AccessReviewRef)] {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(rounds, func(a, b pim.AccessReviewRound) int {
		return cmp.Or(later(a)-later(b), a.End.Compare(b.End))
	})
	return done, err
}
