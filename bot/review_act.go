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
		if slices.ContainsFunc(a.Decisions, reviewDecision.unsent) {
			return b.sendDecisions(ctx, r, id) // the next step reads what Microsoft holds
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

// sendDecisions sends some decisions of an act, and is the only place that does. That they
// are sent is recorded before the first, and what was answered after the last.
func (b *Bot) sendDecisions(ctx context.Context, r accessReview, act string) (accessReview, error) {
	before, _ := r.act(act)
	if err := b.presentFor(r, before); err != nil {
		return b.reviewSignIn(ctx, r, act, err)
	}
	var batch []reviewDecision
	r, err := b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, now time.Time) {
		batch = nil
		for n := range a.Decisions {
			if d := &a.Decisions[n]; a.State == IntentReady && d.unsent() && len(batch) < actsAtOnce {
				d.SentAt = now
				batch = append(batch, *d)
			}
		}
	})
	if err != nil || len(batch) == 0 {
		return r, err
	}
	a, _ := r.act(act)
	answers := map[string]error{} // nil: Microsoft took it
	var stop error
	for _, d := range batch {
		if stop = b.presentFor(r, a); stop != nil || r.Lease.Until.Sub(b.o.Now()) < callTime {
			break // what is not in answers was not sent
		}
		stop = b.decideAccess(ctx, r, a, d)
		no, failed := errors.AsType[*pim.Error](stop)
		if !failed || refusesDecision(no) || no.Ambiguous {
			answers[d.Item] = stop
		}
		if failed && !refusesDecision(no) { // if it is ambiguous, what became of it is read first
			break
		}
		stop = nil
	}
	r, err = b.changeAct(ctx, r.ID, act, func(_ *accessReview, a *reviewAct, _ time.Time) { a.answered(batch, answers) })
	if err != nil || stop == nil {
		return r, err
	}
	if no, ok := errors.AsType[*pim.Error](stop); ok && no.Ambiguous {
		return b.delayAct(ctx, r, act, no)
	}
	return b.actFailed(ctx, r, act, stop)
}

// answered records what Microsoft said to the decisions of a batch.
func (a *reviewAct) answered(batch []reviewDecision, answers map[string]error) {
	ours := map[string]bool{}
	for _, d := range batch {
		ours[d.Item] = true
	}
	for n := range a.Decisions {
		d := &a.Decisions[n]
		if !ours[d.Item] || d.Outcome != "" {
			continue
		}
		err, heard := answers[d.Item]
		no, failed := errors.AsType[*pim.Error](err)
		switch {
		case !heard:
			d.SentAt = time.Time{}
		case !failed:
			d.Taken = true
		case !no.Ambiguous:
			why := refusal(no)
			d.end(reviewRefused, &why)
		}
	}
}

// decideAccess makes one call. Its error is a *pim.Error.
func (b *Bot) decideAccess(ctx context.Context, r accessReview, a reviewAct, d reviewDecision) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := b.o.AccessReviews.Decide(ctx, a.By.ID, pim.AccessReviewDecision{AccessReviewRef: r.Round.AccessReviewRef, Item: d.Item, Verdict: d.Verdict, Why: d.Why})
	if err == nil {
		return nil
	}
	no, ok := errors.AsType[*pim.Error](err)
	if !ok {
		no = &pim.Error{Op: "decide access", Code: pim.CodeUnavailable, Ambiguous: true, Err: err}
	}
	if refusesDecision(no) {
		b.o.Log.WarnContext(ctx, "a decision of an access review was refused", "principal", a.By.ID, "code", no.Code, "graph_request_id", no.RequestID)
	}
	return no
}

// refusesDecision says that an answer is a no to this decision, and to no other.
func refusesDecision(no *pim.Error) bool {
	return !no.Ambiguous && !no.Temporary() && no.Code != pim.CodeSignIn && no.Code != pim.CodeStepUp
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
