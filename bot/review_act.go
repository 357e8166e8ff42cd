package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/belaybot/belay/pim"
)

// actsAtOnce is how many decisions are sent before what Microsoft holds is read again.
const actsAtOnce = 20

// runAct relays the decisions of one act, each as its reviewer. What Microsoft holds is read
// before anything is sent, and again after it: only that settles a decision.
func (b *Bot) runAct(id string) reviewStep {
	return func(ctx context.Context, r accessReview) (accessReview, error) {
		a, _ := r.act(id)
		ctx, span := begin(continued(ctx, a.Trace), b.o.Tracer, "access review", attribute.String("belay.review", r.ID))
		defer span.End()
		heard := slices.ContainsFunc(a.Decisions, func(d reviewDecision) bool { return !d.SentAt.IsZero() })
		if err := b.presentFor(r, a); err != nil && !heard {
			return b.reviewSignIn(ctx, r, id, err)
		}
		items, err := b.reviewItems(ctx, a.By.ID, r)
		if err != nil {
			return b.actFailed(ctx, r, id, err)
		}
		if r, err = b.changeAct(ctx, r.ID, id, func(r *accessReview, a *reviewAct, now time.Time) {
			r.saw(items, now)
			a.compare(*r, now)
		}); err != nil {
			return r, err
		}
		if a, _ = r.act(id); a.State != IntentReady || a.settled() {
			return r, nil
		}
		sent := 0
		for _, d := range a.Decisions {
			if d.Outcome != "" || d.Taken || sent == actsAtOnce {
				continue
			}
			sent++
			if r, err = b.sendDecision(ctx, r, id, d.Item); err != nil {
				return r, err
			}
			if now, _ := r.act(id); now.State != IntentReady || b.o.Now().Before(now.NotBefore) {
				return r, nil
			}
		}
		if sent > 0 {
			return r, nil // the next step reads what Microsoft holds
		}
		return b.changeAct(ctx, r.ID, id, func(_ *accessReview, a *reviewAct, now time.Time) { a.unseen(now) })
	}
}

// unseen waits for what Microsoft took and does not show yet.
func (a *reviewAct) unseen(now time.Time) {
	if a.Tries++; a.Tries <= 8 {
		a.NotBefore = now.Add(backoff(a.Tries - 1))
		return
	}
	for n := range a.Decisions {
		if d := &a.Decisions[n]; d.Outcome == "" {
			d.end(reviewLost, nil)
		}
	}
}

// presentFor refuses what its reviewer has not proven to be there for.
func (b *Bot) presentFor(r accessReview, a reviewAct) error {
	if !b.reviewFresh(r) || a.Proof.present(b.o.Now().UTC()) {
		return nil
	}
	return &pim.Error{Op: "decide access", Code: pim.CodeNotFresh}
}

// sendDecision sends one decision, and is the only place that does.
func (b *Bot) sendDecision(ctx context.Context, r accessReview, act, item string) (accessReview, error) {
	a, _ := r.act(act)
	if err := b.presentFor(r, a); err != nil {
		return b.reviewSignIn(ctx, r, act, err)
	}
	find := func(a *reviewAct) *reviewDecision {
		n := slices.IndexFunc(a.Decisions, func(d reviewDecision) bool { return d.Item == item })
		return &a.Decisions[n]
	}
	var d reviewDecision
	r, err := b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, now time.Time) {
		if d = *find(a); d.Outcome == "" {
			find(a).SentAt = now
			d = *find(a)
		}
	})
	if err != nil || d.Outcome != "" || d.SentAt.IsZero() {
		return r, err
	}
	cctx, cancel := context.WithTimeout(ctx, callTime)
	err = b.o.AccessReviews.Decide(cctx, a.By.ID, pim.AccessReviewDecision{AccessReviewRef: r.Round.AccessReviewRef, Item: item, Verdict: d.Verdict, Why: d.Why})
	cancel()
	var no *pim.Error
	if err != nil && !errors.As(err, &no) {
		no = &pim.Error{Op: "decide access", Code: pim.CodeUnavailable, Ambiguous: true, Err: err}
	}
	switch {
	case err == nil:
		return b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, _ time.Time) { find(a).Taken = true })
	case no.Ambiguous: // what became of it is read, and nothing is sent before that
		return b.delayAct(ctx, r, act, no)
	case no.Temporary(), no.Code == pim.CodeSignIn, no.Code == pim.CodeStepUp:
		r, err = b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, _ time.Time) { find(a).SentAt = time.Time{} })
		if err != nil {
			return r, err
		}
		return b.actFailed(ctx, r, act, no)
	}
	b.o.Log.WarnContext(ctx, "a decision of an access review was refused", "principal", a.By.ID, "code", no.Code, "graph_request_id", no.RequestID)
	return b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, _ time.Time) {
		why := refusal(no)
		find(a).end(reviewRefused, &why)
	})
}

func (b *Bot) reviewItems(ctx context.Context, person string, r accessReview) ([]pim.AccessReviewItem, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTime) // a long list comes in pages
	defer cancel()
	return b.o.AccessReviews.Items(ctx, person, r.Round.AccessReviewRef)
}

// actFailed sorts an error: sign in, try later, or a no.
func (b *Bot) actFailed(ctx context.Context, r accessReview, act string, err error) (accessReview, error) {
	var e *pim.Error
	if !errors.As(err, &e) {
		e = &pim.Error{Op: "access review", Code: pim.CodeUnavailable, Err: err}
	}
	switch a, _ := r.act(act); {
	case e.Code == pim.CodeSignIn, e.Code == pim.CodeStepUp, e.Code == pim.CodeNotFresh:
		return b.reviewSignIn(ctx, r, act, e)
	case (e.Temporary() || e.Ambiguous) && b.o.Now().Sub(a.Made) < giveUpAfter:
		return b.delayAct(ctx, r, act, e)
	}
	why := refusal(e)
	return b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, _ time.Time) { a.giveUp(reviewRefused, &why) })
}

// giveUp settles what is left of an act. What Microsoft may have heard is lost, not refused.
func (a *reviewAct) giveUp(as reviewOutcome, why *Refusal) {
	for n := range a.Decisions {
		switch d := &a.Decisions[n]; {
		case d.Outcome != "":
		case !d.SentAt.IsZero():
			d.end(reviewLost, why)
		default:
			d.end(as, why)
		}
	}
}

func (b *Bot) delayAct(ctx context.Context, r accessReview, act string, e *pim.Error) (accessReview, error) {
	b.o.Log.WarnContext(ctx, "Microsoft did not answer about an access review; it is looked at again", "code", e.Code, "graph_request_id", e.RequestID)
	return b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, now time.Time) {
		wait := backoff(a.Tries)
		if after, ok := e.RetryAfter(); ok {
			wait = maxDuration(wait, after)
		}
		a.Tries, a.NotBefore = a.Tries+1, now.Add(wait)
	})
}
