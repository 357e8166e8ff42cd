package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// reviewSignIn lets an act wait, and offers the one-time link that ends the waiting.
func (b *Bot) reviewSignIn(ctx context.Context, r accessReview, act string, why error) (accessReview, error) {
	ticket := b.newTicket()
	return b.changeReviewIn(ctx, r.ID, func(tx store.Tx, r *accessReview, now time.Time) error {
		for n := range r.Acts {
			if a := &r.Acts[n]; a.ID == act && !a.settled() {
				return b.waitForReviewer(tx, *r, a, ticket, why, now)
			}
		}
		return nil
	})
}

// waitForReviewer has an act wait for its reviewer's sign-in.
func (b *Bot) waitForReviewer(tx store.Tx, r accessReview, a *reviewAct, ticket string, why error, now time.Time) error {
	t := Ticket{User: a.By.User, Direct: a.By.Direct, Expect: a.By.ID, Request: r.ID, Intent: a.ID, What: sayReviewWhat(r, *a), Fresh: b.reviewFresh(r)}
	var e *pim.Error
	if errors.As(why, &e) && e.Claims != "" {
		t.Claims, t.Kind = e.Claims, pim.EntraRole
	}
	a.State, a.Ticket, a.Deadline, a.Fresh, a.Proof = IntentWaiting, ticket, now.Add(SignInTime), t.Fresh, Proof{}
	return b.o.Links.Offer(tx, ticket, t)
}

func (b *Bot) lapseAct(id string) reviewStep {
	return func(ctx context.Context, r accessReview) (accessReview, error) {
		return b.changeAct(ctx, r.ID, id, func(_ *accessReview, a *reviewAct, _ time.Time) { a.giveUp(reviewLapsed, nil) })
	}
}

// reviewersSignedIn lets go on what waited for a person's sign-in, and has what they could
// not read before be read now.
func (b *Bot) reviewersSignedIn(tx store.Tx, person string, t Ticket, at time.Time) (ids []string, err error) {
	if b.o.AccessReviews == nil {
		return nil, nil
	}
	all, err := b.reviewsOf(tx, person)
	for _, before := range all {
		r := before.clone()
		changed := !r.Over && r.Read.IsZero()
		if changed {
			r.Look = at
		}
		for n := range r.Acts {
			a := &r.Acts[n]
			mine := t.Request == r.ID && t.Intent == a.ID && !t.AuthTime.IsZero()
			if a.State != IntentWaiting || a.Fresh && !mine || !a.By.User.is(t.User) {
				continue
			}
			if mine {
				a.Proof = Proof{AuthTime: t.AuthTime.UTC(), At: at}
			}
			a.State, a.NotBefore, changed = IntentReady, time.Time{}, true
		}
		if changed {
			err = errors.Join(err, b.putReview(tx, before, r, at))
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

// is says that both are one chat user.
func (u User) is(o User) bool {
	return u.Platform == o.Platform && u.Tenant == o.Tenant && strings.EqualFold(u.ID, o.ID)
}

// withdrawReviews takes back the decisions of a person that Microsoft has not heard of; from,
// when not zero, says from which chat account.
func (b *Bot) withdrawReviews(tx store.Tx, person string, from User, at time.Time) (ids []string, err error) {
	all, err := b.reviewsOf(tx, person)
	for _, before := range all {
		r, changed := before.clone(), false
		for n := range r.Acts {
			for m := range r.Acts[n].Decisions {
				if d := &r.Acts[n].Decisions[m]; d.Outcome == "" && d.SentAt.IsZero() && (from == User{} || r.Acts[n].By.User.is(from)) {
					d.end(reviewWithdrawn, nil)
					changed = true
				}
			}
		}
		if changed {
			err = errors.Join(err, b.putReview(tx, before, r, at))
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

// spendReview drops the sign-in that served an act, where each act asks for its own.
func (b *Bot) spendReview(tx store.Tx, r accessReview) error {
	if !b.o.EachTime {
		return nil
	}
	for _, a := range r.Acts {
		if !a.settled() {
			continue
		}
		if more, err := b.underWay(tx, a.By.ID, r); err != nil || more {
			return err
		}
		if err := b.o.Grants.ForgetIn(tx, a.By.ID, forgetUsed); err != nil {
			return err
		}
	}
	return nil
}
