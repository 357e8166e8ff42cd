package bot

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"github.com/belaybot/belay/pim"
)

// observe reads what Microsoft holds: first with the requester's sign-in, then
// with that of an approver who has one, then as Belay itself, which may read
// active instances only.
func (b *Bot) observe(ctx context.Context, r Request) (Request, error) {
	if wait := b.reads.take(r.Role.Kind, b.haste(r)); wait > 0 { // the budget is spent: staleness grows, calls do not
		return b.change(ctx, r.ID, postpone{b.o.Now().Add(wait)})
	}
	p, err := b.pillar(r.Role.Kind)
	if err != nil {
		return r, err
	}
	counted := &reader{Pillar: p, kind: r.Role.Kind, budget: b.reads}
	defer counted.done()
	p = counted
	now := b.o.Now().UTC()
	if r.justApproved(now) { // the instance says all there is to know, and is there within seconds
		all, err := p.Active(ctx, r.Requester.ID, r.Role.Assignment)
		if there := r.instance(all); err == nil && there != nil {
			b.o.Metrics.observed.WithLabelValues("ok").Inc()
			return b.change(ctx, r.ID, Observed{Read: true, Instance: there}, paced{b})
		}
		if err == nil {
			return b.change(ctx, r.ID, postpone{now.Add(b.pace(r, now))})
		}
	}
	var seen Observed
	var trouble error
	if r.State != Active && r.Held.ID != "" {
		seen, trouble = b.read(ctx, p, r)
	}
	phase := pim.PhaseUnknown
	if seen.Request != nil {
		if phase = seen.Request.Status.Phase(); phase == pim.PhaseUnknown {
			b.o.Log.ErrorContext(ctx, "Microsoft answers with a status that is not known; the state is kept", "request", r.ID, "state", r.State, "status", seen.Request.Status)
		}
	}
	ahead := phase == pim.PhaseGranted && now.Before(r.Ask.Start) // agreed for later: there is nothing to see yet
	if r.State == Active || (r.State == Scheduled || phase == pim.PhaseGranted) && !ahead || phase == pim.PhaseInForce || r.tellsMore(seen.Stage) || trouble != nil {
		all, err := p.Active(ctx, r.Requester.ID, r.Role.Assignment)
		if err == nil {
			seen.Read, seen.Instance = true, r.instance(all)
		} else {
			trouble = errors.Join(trouble, err)
		}
	}
	seen.Forgotten = r.State == PendingApproval && r.outOfTime(now) && pim.CodeOf(trouble) == pim.CodeNotFound
	useful := seen.Forgotten || seen.Request != nil || seen.Stage != nil || seen.Instance != nil || seen.Read && r.State == Active
	if !useful {
		b.o.Metrics.observed.WithLabelValues("failed").Inc()
		wait := b.pace(r, now)
		if after, told := retryAfter(trouble); told {
			wait = maxDuration(wait, after)
		}
		if trouble != nil {
			b.o.Log.WarnContext(ctx, "Microsoft could not be read", "request", r.ID, "state", r.State, "error", trouble)
		}
		return b.change(ctx, r.ID, Unobserved{ObserveAt: now.Add(wait)})
	}
	b.o.Metrics.observed.WithLabelValues("ok").Inc()
	return b.change(ctx, r.ID, seen, paced{b})
}

// read reads the request as somebody who may.
func (b *Bot) read(ctx context.Context, p Pillar, r Request) (Observed, error) {
	var seen Observed
	m, err := p.Request(ctx, r.Requester.ID, r.Held.ID)
	if err == nil {
		seen.Request = &m
	}
	decided := err == nil && r.Approval && r.Decided == nil && r.decidedElsewhere(m.Status.Phase())
	if (err != nil || decided) && r.Held.Approval != "" {
		for _, a := range r.signedInApprovers() { // they can tell who decided
			live, lerr := b.o.Grants.Live(ctx, a)
			if lerr == nil && !live {
				continue
			}
			approval := pim.Approval{}
			if lerr == nil {
				lerr = patiently(ctx, func() (err error) { // asked once only: later it is not read any more
					approval, err = p.Approval(ctx, a, r.Held.Approval)
					return err
				})
			}
			if lerr != nil { // the next one may be able to
				b.o.Log.WarnContext(ctx, "an approver's view of the decision could not be read", "request", r.ID, "principal", a, "error", lerr)
				continue
			}
			if len(approval.Stages) > 0 {
				seen.Stage = &approval.Stages[0]
				break
			}
		}
	}
	if err != nil && seen.Stage == nil {
		return seen, err
	}
	return seen, nil
}

// justApproved says that Microsoft took an approval from Belay a moment ago, of a
// request that begins at once.
func (r Request) justApproved(now time.Time) bool {
	i := r.relayed(pim.Approved)
	return i != nil && r.State == PendingApproval && r.Ask.Start.IsZero() && now.Sub(i.SentAt) < 30*time.Second
}

// decidedElsewhere says that a status is what a decision leads to that Belay did not
// relay, so that an approver has to be asked who decided.
func (r Request) decidedElsewhere(p pim.Phase) bool {
	switch p {
	case pim.PhaseGranted, pim.PhaseInForce:
		return r.relayed(pim.Approved) == nil
	case pim.PhaseDenied:
		return r.relayed(pim.Denied) == nil
	}
	return false
}

// signedInApprovers are those worth asking, whoever decided through Belay first.
func (r Request) signedInApprovers() []string {
	var all []string
	if r.Held.Listed != "" {
		all = append(all, r.Held.Listed)
	}
	for _, i := range r.Intents {
		if i.Kind.review() {
			all = append(all, i.By.ID)
		}
	}
	for n, a := range r.Approvers {
		if n < 20 { // a large group: somebody among the first will do
			all = append(all, a.ID)
		}
	}
	return all
}

// instance finds the activation of this request among a person's active instances.
func (r Request) instance(all []pim.Instance) *pim.Instance {
	for _, i := range all {
		if !i.Activated || !mayBeSame(i.Assignment, r.Role.Assignment) || r.older(i) {
			continue
		}
		if i.Schedule != "" && r.Held.Schedule != "" && !sameSchedule(i.Schedule, r.Held.Schedule) {
			continue
		}
		return &i
	}
	return nil
}

// pace is how long to wait until the next reading.
func (b *Bot) pace(r Request, now time.Time) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.ID)) // a hash never fails
	jitter := time.Duration(h.Sum32()%1000) * time.Millisecond
	age := now.Sub(r.Made)
	switch r.State {
	case Submitting, PendingApproval:
		if i := r.relayed(pim.Approved); i != nil && now.Sub(i.SentAt) < time.Minute {
			return time.Second + jitter // decided through Belay: Microsoft is about to say so
		}
		if i := r.relayed(pim.Denied); i != nil && now.Sub(i.SentAt) < time.Minute {
			return time.Second + jitter
		}
		if over := now.Sub(r.opened()) - Window; r.State == PendingApproval && over >= 0 && over < 15*time.Minute {
			return 10*time.Second + jitter // nobody can decide any more: Microsoft is about to say so
		}
		if age < 5*time.Minute {
			return 20*time.Second + jitter
		}
		return time.Minute + jitter
	case Scheduled:
		begun := maxTime(r.since(), r.Ask.Start)
		if i := r.canceled(); i != nil {
			begun = i.SentAt
		} else if left := r.Ask.Start.Sub(now); left > 0 {
			return left + jitter // nothing happens before
		}
		since := now.Sub(begun)
		switch {
		case since < time.Minute:
			return time.Second + jitter
		case since < 10*time.Minute:
			return 15*time.Second + jitter
		}
		return time.Minute + jitter
	case Active:
		if r.stopped() {
			return 2*time.Second + jitter
		}
		if left := r.Held.Until.Sub(now); left > 0 && left < 5*time.Minute {
			return left + 100*time.Millisecond
		} else if left > 0 { // an early end is seen the sooner the nearer the end is
			return min(max(left/2, 5*time.Minute), 15*time.Minute) + jitter
		}
		return 5*time.Second + jitter
	}
	return time.Minute + jitter
}

// since is when the request came into its present state.
func (r Request) since() time.Time {
	for n := len(r.History) - 1; n >= 0; n-- {
		if n == 0 || r.History[n-1].State != r.State {
			return r.History[n].At
		}
	}
	return r.Made
}

// paced sets the time of the next reading after what was just read.
type paced struct{ b *Bot }

func (e paced) apply(r *Request, at time.Time) error {
	if r.State.Final() {
		r.ObserveAt = time.Time{}
		return nil
	}
	r.ObserveAt = at.Add(e.b.pace(*r, at))
	if r.State == Active && r.Held.Missing > 0 { // gone before its time? look again soon
		r.ObserveAt = at.Add(missingFor / 2)
	}
	return nil
}

// postpone moves a reading for which the budget was spent.
type postpone struct{ until time.Time }

func (e postpone) apply(r *Request, _ time.Time) error {
	r.ObserveAt = e.until
	return nil
}

func maxDuration(a, b time.Duration) time.Duration {
	if a > b {
		return a
	}
	return b
}

// retryAfter is how long the other side asked to wait.
func retryAfter(err error) (time.Duration, bool) {
	var told interface{ RetryAfter() (time.Duration, bool) }
	if errors.As(err, &told) {
		return told.RetryAfter()
	}
	return 0, false
}
