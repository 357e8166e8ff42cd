package bot

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// callTime bounds one call to Microsoft.
const callTime = 15 * time.Second

// run makes the call of one intent, as its person, and records the outcome. An
// intent that Microsoft may have heard of already is looked up first.
func (b *Bot) run(i Intent) step {
	return func(ctx context.Context, r Request) (Request, error) {
		p, err := b.pillar(r.Role.Kind)
		if err != nil {
			return r, err
		}
		ctx, span := begin(continued(ctx, i.Trace), b.o.Tracer, "intent "+string(i.Kind), attribute.String("belay.request", r.ID), attribute.String("belay.pillar", string(r.Role.Kind)))
		defer span.End()
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		next, err := b.call(ctx, p, r, i)
		if now, ok := next.Intent(i.ID); ok {
			span.SetAttributes(attribute.String("belay.intent.state", string(now.State)), attribute.String("belay.intent.outcome", string(now.Outcome)))
			if now.Refusal != nil {
				span.SetStatus(codes.Error, string(now.Refusal.Code))
			}
		}
		return next, err
	}
}

func (b *Bot) call(ctx context.Context, p Pillar, r Request, i Intent) (Request, error) {
	switch i.Kind {
	case ToActivate:
		return b.activate(ctx, p, r, i)
	case ToApprove, ToDeny:
		return b.review(ctx, p, r, i)
	case ToCancel:
		return b.relay(ctx, p, r, i, func() error { return p.Cancel(ctx, i.By.ID, r.Held.ID) })
	default:
		return b.relay(ctx, p, r, i, func() error { return p.Deactivate(ctx, i.By.ID, b.deactivation(ctx, p, r, i)) })
	}
}

// activate asks Microsoft for the role as the requester.
func (b *Bot) activate(ctx context.Context, p Pillar, r Request, i Intent) (Request, error) {
	if i.State == IntentSent { // the answer was lost: adopt what is there
		if next, found, err := b.adopt(ctx, p, r, i, false); err != nil || found {
			return next, err
		}
	}
	r, err := b.change(ctx, r.ID, Sending{Intent: i.ID})
	if err != nil || !r.sending(i.ID) {
		return r, err
	}
	ask := r.activation()
	if !ask.Start.After(b.o.Now()) {
		ask.Start = time.Time{} // its time has come meanwhile
	}
	m, err := p.Activate(ctx, i.By.ID, ask)
	if err == nil {
		b.o.Metrics.settled.WithLabelValues(string(i.Kind), "accepted").Inc()
		return b.change(ctx, r.ID, Accept{Intent: i.ID}, Observed{Request: &m}, soon{})
	}
	switch pim.CodeOf(err) {
	case pim.CodePending:
		if next, found, aerr := b.adopt(ctx, p, r, i, true); aerr != nil || found {
			return next, aerr
		}
		return b.pending(ctx, p, r, i, err)
	case pim.CodeExists:
		return b.exists(ctx, p, r, i, err)
	case pim.CodePolicy:
		err = b.tooNew(ctx, p, r, i, err)
	}
	return b.failed(ctx, r, i, err)
}

// activation is what is asked of Microsoft. Its ID is the request's own, so that
// where Microsoft takes it a repeated call is the same request.
func (r Request) activation() pim.Activation {
	return pim.Activation{Assignment: r.Role.Assignment, ID: r.ID, Justification: r.Ask.Justification, Ticket: r.Ask.Ticket,
		Start: r.Ask.Start, Duration: r.Ask.Duration, Schedule: r.Role.Schedule, Condition: r.Role.Condition, ConditionVersion: r.Role.ConditionVersion}
}

func (r Request) deactivation(i Intent) pim.Deactivation {
	return pim.Deactivation{Assignment: r.Role.Assignment, ID: i.ID, Justification: i.Reason, Schedule: r.Role.Schedule}
}

// adopt looks for the request that Microsoft holds already. pendingToo: also one
// that was there before, because Microsoft allows one pending request for a role.
func (b *Bot) adopt(ctx context.Context, p Pillar, r Request, i Intent, pendingToo bool) (Request, bool, error) {
	mine, err := p.Mine(ctx, i.By.ID)
	if err != nil {
		next, err := b.unsure(ctx, r, i, err)
		return next, true, err
	}
	for _, m := range mine {
		// What was asked elsewhere for another time or another reason is not this
		// request: approvers would decide on something else than their card says.
		if !r.says(m) {
			continue
		}
		ours := !i.SentAt.IsZero() && !m.Created.Before(i.SentAt.Add(-time.Minute))
		pending := m.Status.Phase() == pim.PhasePending
		if !ours && !(pendingToo && pending) {
			continue
		}
		next, err := b.change(ctx, r.ID, Accept{Intent: i.ID}, Observed{Request: &m}, soon{})
		if other := (*heldError)(nil); errors.As(err, &other) {
			continue // made elsewhere, and followed as a request of its own
		}
		return next, true, err
	}
	return r, false, nil
}

// says tells whether what Microsoft holds was asked for in the words of this request.
func (r Request) says(m pim.Request) bool {
	return sameAssignment(m.Assignment, r.Role.Assignment) && m.Duration == r.Ask.Duration && m.Justification == r.Ask.Justification && r.sameStart(m)
}

// tooNew makes a refusal that comes of an eligibility's first minutes one that passes:
// Microsoft lists the eligibility, and yet says that there is none. Users have seen
// that for five seconds to two minutes.
func (b *Bot) tooNew(ctx context.Context, p Pillar, r Request, i Intent, cause error) error {
	if rules := refusal(cause).Rules; len(rules) != 1 || rules[0] != pim.RuleEligibility || i.Tries > 6 {
		return cause
	}
	listed, err := p.Eligible(ctx, i.By.ID)
	if err != nil && len(listed) == 0 {
		return cause
	}
	for _, e := range listed {
		if sameAssignment(e.Assignment, r.Role.Assignment) || sameSchedule(e.Schedule, r.Role.Schedule) {
			return &pim.Error{Op: string(i.Kind), Code: pim.CodeNotYet, RequestID: refusal(cause).Ref, Err: cause}
		}
	}
	return cause
}

// exists tells an activation that is ours, its answer lost, from an older one.
func (b *Bot) exists(ctx context.Context, p Pillar, r Request, i Intent, cause error) (Request, error) {
	if next, found, err := b.adopt(ctx, p, r, i, false); err != nil || found {
		return next, err
	}
	return b.already(ctx, p, r, i, cause)
}

// review relays a decision as the approver, after reading with that approver's
// own sign-in whether it is still theirs to make.
func (b *Bot) review(ctx context.Context, p Pillar, r Request, i Intent) (Request, error) {
	result := pim.Approved
	if i.Kind == ToDeny {
		result = pim.Denied
	}
	if err := b.present(r, i); err != nil && i.SentAt.IsZero() {
		return b.failed(ctx, r, i, err)
	}
	r, err := b.withApproval(ctx, r, i)
	if err != nil {
		return b.failed(ctx, r, i, err)
	}
	approval, err := p.Approval(ctx, i.By.ID, r.Held.Approval)
	if err != nil && !i.SentAt.IsZero() {
		return b.unsure(ctx, r, i, err)
	}
	if err != nil {
		return b.failed(ctx, r, i, err)
	}
	if len(approval.Stages) == 0 {
		return b.refused(ctx, r, i, Refusal{Code: pim.CodeNotApprover})
	}
	reviewed := func(s pim.Stage) (Request, error) {
		if s.Reviewer.ID == i.By.ID && s.Result == result && !i.SentAt.IsZero() { // ours, and its answer was lost
			return b.change(ctx, r.ID, Accept{Intent: i.ID}, Observed{Stage: &s}, soon{})
		}
		return b.change(ctx, r.ID, Refuse{Intent: i.ID, Why: Refusal{Code: pim.CodeDecided, By: personName(s.Reviewer)}}, Observed{Stage: &s}, soon{})
	}
	stage := approval.Stages[0]
	if stage.Result != pim.NotReviewed {
		return reviewed(stage)
	}
	if !stage.AssignedToMe {
		return b.refused(ctx, r, i, Refusal{Code: pim.CodeNotApprover})
	}
	if i.Disowned { // it was sent once, its answer was lost, and Microsoft does not have it
		return b.change(ctx, r.ID, Retract{Intent: i.ID})
	}
	if err := b.present(r, i); err != nil {
		return b.failed(ctx, r, i, err)
	}
	r, err = b.change(ctx, r.ID, Sending{Intent: i.ID})
	if err != nil || !r.sending(i.ID) {
		return r, err
	}
	err = b.decide(ctx, p, r, i.ID, pim.Decision{Approval: r.Held.Approval, Stage: stage.ID, Result: result, Justification: i.Reason})
	if err == nil {
		b.o.Metrics.settled.WithLabelValues(string(i.Kind), "accepted").Inc()
		return b.change(ctx, r.ID, Accept{Intent: i.ID})
	}
	if pim.CodeOf(err) == pim.CodeDecided {
		again, rerr := p.Approval(ctx, i.By.ID, r.Held.Approval)
		if rerr == nil && len(again.Stages) > 0 && again.Stages[0].Result != pim.NotReviewed {
			return reviewed(again.Stages[0])
		}
	}
	return b.failed(ctx, r, i, err)
}

// relay makes a call whose repetition Microsoft itself refuses plainly: a cancel
// of what is canceled, a deactivation of what is not active.
func (b *Bot) relay(ctx context.Context, p Pillar, r Request, i Intent, call func() error) (Request, error) {
	sent := !i.SentAt.IsZero()
	again := sent || i.Restored
	if again && i.Kind == ToDeactivate {
		if next, done, err := b.overAlready(ctx, p, r, i); err != nil || done {
			return next, err
		}
	}
	if i.Then != "" && !sent {
		if next, done, err := b.checkFirst(ctx, p, r, i); err != nil || done {
			return next, err
		}
	}
	r, err := b.change(ctx, r.ID, Sending{Intent: i.ID})
	if err != nil || !r.sending(i.ID) {
		return r, err
	}
	err = call()
	code := pim.CodeOf(err)
	there := i.Kind == ToDeactivate && code == pim.CodeExists // a request of the name that this call gives it
	if err == nil || again && (there || code == pim.CodeNotActive || code == pim.CodeCannotCancel || code == pim.CodeNotFound) {
		b.o.Metrics.settled.WithLabelValues(string(i.Kind), "accepted").Inc()
		return b.change(ctx, r.ID, Accept{Intent: i.ID})
	}
	if until, early := r.tooEarly(i, code, b.o.Now().UTC()); early {
		b.o.Log.InfoContext(ctx, "too early; the call is made again", "request", r.ID, "intent", i.Kind, "code", code, "at", until)
		return b.change(ctx, r.ID, Delay{Intent: i.ID, Until: until, Why: refusal(err), Unheard: true})
	}
	return b.failed(ctx, r, i, err)
}

// overAlready looks, for a deactivation that Microsoft may have heard of, whether the
// activation that was to end is still there: the person may have activated the role
// anew since.
func (b *Bot) overAlready(ctx context.Context, p Pillar, r Request, i Intent) (next Request, done bool, err error) {
	all, err := p.Active(ctx, r.Requester.ID, r.Role.Assignment)
	if err != nil {
		next, err = b.unsure(ctx, r, i, err)
		return next, true, err
	}
	if r.instance(all) != nil {
		return r, false, nil
	}
	// Gone before its time, and the call was sent: its effect, as far as anybody can see.
	if !i.SentAt.IsZero() && b.o.Now().Before(r.Held.Until) {
		next, err = b.change(ctx, r.ID, Accept{Intent: i.ID}, soon{})
	} else {
		next, err = b.change(ctx, r.ID, Moot{Intent: i.ID}, soon{})
	}
	return next, true, err
}

// failed sorts an error of a call: sign in, try later, or a no.
func (b *Bot) failed(ctx context.Context, r Request, i Intent, err error) (Request, error) {
	ctx = context.WithoutCancel(ctx) // the outcome is recorded even when time is up
	now := b.o.Now().UTC()
	var e *pim.Error
	if !errors.As(err, &e) {
		e = &pim.Error{Op: string(i.Kind), Code: pim.CodeUnavailable, Ambiguous: true, Err: err}
	}
	log := b.o.Log.With("request", r.ID, "intent", i.Kind, "principal", i.By.ID, "code", e.Code, "graph_request_id", e.RequestID)
	switch {
	case e.Code == pim.CodeSignIn || e.Code == pim.CodeStepUp || e.Code == pim.CodeNotFresh:
		log.InfoContext(ctx, "a sign-in is needed")
		return b.needSignIn(ctx, r, i, e)
	case e.Code == pim.CodeNotYet && i.Tries > 6, e.Temporary() && now.Sub(i.Made) > giveUpAfter:
		log.ErrorContext(ctx, "given up")
		if e.Ambiguous || !i.SentAt.IsZero() { // it may have been done: that is no refusal
			return b.change(ctx, r.ID, Lost{Intent: i.ID})
		}
		return b.refused(ctx, r, i, refusal(e))
	case e.Temporary() || e.Ambiguous:
		wait := backoff(i.Tries)
		if after, ok := e.RetryAfter(); ok {
			wait = maxDuration(wait, after)
		}
		log.WarnContext(ctx, "Microsoft did not take the call; it is made again", "in", wait, "error", e)
		b.o.Metrics.settled.WithLabelValues(string(i.Kind), "delayed").Inc()
		return b.change(ctx, r.ID, Delay{Intent: i.ID, Until: now.Add(wait), Why: refusal(e), Unheard: !e.Ambiguous && i.SentAt.IsZero()})
	}
	log.WarnContext(ctx, "refused", "error", e)
	return b.refused(ctx, r, i, refusal(e))
}

// unsure sorts an error of looking up what became of a call whose answer was lost.
// Nothing but finding out ends the doubt, so a refusal to look is no refusal of
// the call.
func (b *Bot) unsure(ctx context.Context, r Request, i Intent, err error) (Request, error) {
	ctx = context.WithoutCancel(ctx)
	if code := pim.CodeOf(err); code == pim.CodeSignIn || code == pim.CodeStepUp {
		return b.failed(ctx, r, i, err)
	}
	now := b.o.Now().UTC()
	if now.Sub(i.Made) > giveUpAfter {
		return b.change(ctx, r.ID, Lost{Intent: i.ID})
	}
	wait := backoff(i.Tries)
	if after, ok := retryAfter(err); ok {
		wait = maxDuration(wait, after)
	}
	b.o.Log.WarnContext(ctx, "what became of a call cannot be seen; it is looked up again", "request", r.ID, "intent", i.Kind, "in", wait, "error", err)
	return b.change(ctx, r.ID, Delay{Intent: i.ID, Until: now.Add(wait), Why: refusal(err)})
}

// lapse ends an intent that nobody signed in for. Where Microsoft may have heard of
// it, Belay looks with its own eyes first.
func (b *Bot) lapse(i Intent) step {
	return func(ctx context.Context, r Request) (Request, error) {
		if i.Kind == ToActivate && !i.SentAt.IsZero() {
			p, err := b.pillar(r.Role.Kind)
			if err != nil {
				return r, err
			}
			all, err := p.Active(ctx, i.By.ID, r.Role.Assignment)
			if err != nil {
				b.o.Log.WarnContext(ctx, "what became of a call cannot be seen", "request", r.ID, "intent", i.Kind, "error", err)
			} else if there := r.instance(all); there != nil && begunBy(i, *there) {
				return b.change(ctx, r.ID, Accept{Intent: i.ID}, Observed{Read: true, Instance: there}, soon{})
			}
		}
		return b.change(ctx, r.ID, Lapse{Intent: i.ID})
	}
}

// sending says that the intent is still to be sent: it may have been taken back
// between the plan and its record.
func (r Request) sending(intent string) bool {
	i, ok := r.Intent(intent)
	return ok && i.State == IntentSent && !i.Disowned
}

// giveUpAfter is how long a call is tried again. It is longer than any approval
// window, in which a decision can still count.
const giveUpAfter = Window + windowSlack

// backoff grows from one second to a minute.
func backoff(tries int) time.Duration {
	if tries > 6 {
		return time.Minute
	}
	return time.Second << tries
}

func refusal(err error) Refusal {
	var e *pim.Error
	if errors.As(err, &e) {
		return Refusal{Code: e.Code, Rules: e.Rules, Ref: e.RequestID}
	}
	return Refusal{Code: pim.CodeUnavailable}
}

func (b *Bot) refused(ctx context.Context, r Request, i Intent, why Refusal) (Request, error) {
	b.o.Metrics.settled.WithLabelValues(string(i.Kind), "refused").Inc()
	if i.Kind == ToActivate {
		b.menu.drop(i.By.ID) // what the form rested on may have changed: the next one is made anew
	}
	return b.change(ctx, r.ID, Refuse{Intent: i.ID, Why: why})
}

// needSignIn lets the intent wait, and offers the one-time link that ends the
// waiting, in one transaction.
func (b *Bot) needSignIn(ctx context.Context, r Request, i Intent, why *pim.Error) (Request, error) {
	b.o.Metrics.settled.WithLabelValues(string(i.Kind), "sign-in").Inc()
	ticket, at := b.newTicket(), b.o.Now().UTC()
	t := Ticket{User: i.By.User, Direct: i.By.Direct, Expect: i.By.ID, Request: r.ID, Intent: i.ID, What: sayWhat(r, i.Kind), Fresh: b.fresh(r.Role, i.Kind)}
	challenge := why.Code != pim.CodeNotFresh
	if challenge {
		t.Claims, t.Kind = why.Claims, r.Role.Kind
	}
	var next Request
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		next, err = b.changeIn(tx, r.ID, at, NeedSignIn{Intent: i.ID, Ticket: ticket, Challenge: challenge, Unheard: i.SentAt.IsZero(), Fresh: t.Fresh})
		if err != nil {
			return err
		}
		if now, ok := next.Intent(i.ID); !ok || now.State != IntentWaiting {
			return nil
		}
		return b.o.Links.Offer(tx, ticket, t)
	})
	return next, err
}

// soon makes a reading due at once, for a request that is still open.
type soon struct{}

func (soon) apply(r *Request, at time.Time) error {
	if !r.State.Final() {
		r.ObserveAt = at
		if r.State == PendingApproval {
			r.ObserveAt = at.Add(20 * time.Second)
		}
	}
	return nil
}
