package bot

import (
	"cmp"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Observed is Microsoft's word: the only event that moves authority.
type Observed struct {
	Request   *pim.Request  // as the requester may read it
	Stage     *pim.Stage    // as an approver may read it
	Read      bool          // the active instances were read …
	Instance  *pim.Instance // … and this is the one; nil: it is not there
	Forgotten bool          // Microsoft no longer knows the request
	ObserveAt time.Time     // when to read again
	Listed    pim.Principal // the approver in whose list Request stands; empty: read otherwise
	Gone      bool          // an approver's list, which showed it before, does not any more
}

func (e Observed) apply(r *Request, at time.Time) error {
	if r.State.Final() {
		return nil
	}
	before := r.State
	r.ObserveAt = e.ObserveAt
	r.Held.Seen, r.Held.UnreadSince = at, time.Time{}
	if e.Request != nil {
		r.hear(*e.Request, at)
	}
	if e.Stage != nil {
		r.hearStage(*e.Stage, at)
	}
	if e.Read {
		r.hearInstance(e.Instance, at)
		if before == Scheduled { // not what was agreed just now, after waiting for hours
			r.overdue(at)
		}
	}
	if e.Forgotten && r.State == PendingApproval && r.outOfTime(at) {
		r.Trouble = &Refusal{Code: codeUndecided}
		r.move(Failed)
	}
	r.hearList(e, at)
	if r.State != before {
		r.note(at, "observed", "", string(r.Held.Status))
	}
	if r.State.Final() {
		r.close()
	}
	return nil
}

// hear takes in the request as Microsoft holds it.
func (r *Request) hear(m pim.Request, at time.Time) {
	if r.Held.ID == "" {
		r.Held.ID = m.ID
		if m.Duration > 0 && m.Justification != "" { // the cards say what Microsoft holds
			r.Ask.Duration, r.Ask.Justification = m.Duration, m.Justification
		}
		if m.Start.After(at.Add(time.Minute)) {
			r.Ask.Start = m.Start
		}
	}
	if !strings.EqualFold(m.ID, r.Held.ID) {
		return // another request's word is not ours
	}
	r.placed(m.Assignment.Scope, m.ScopeName)
	if m.Approval != "" {
		r.Held.Approval = m.Approval
	}
	if m.Schedule != "" {
		r.Held.Schedule = m.Schedule
	}
	status := m.Status
	var to State
	switch status.Phase() {
	case pim.PhaseUnknown:
		if status != r.Held.Unknown {
			r.Held.Unknown = status
			r.note(at, "unknown status, nothing concluded", "", string(status))
		}
		return
	case pim.PhasePending:
		to = PendingApproval
	case pim.PhaseGranted, pim.PhaseInForce:
		to = Scheduled // usable only when the active instance has been seen
		r.decide(pim.Approved, nil, at)
	case pim.PhaseDenied:
		to = Denied
		r.decide(pim.Denied, nil, at)
	case pim.PhaseCanceled:
		to = Canceled
		if r.State == PendingApproval && r.outOfTime(at) && !r.tookBack() { // one of the ways in which Microsoft closes it
			to, r.Trouble = Failed, &Refusal{Code: codeUndecided}
		}
	case pim.PhaseFailed:
		to = Failed
		if r.State == PendingApproval && r.outOfTime(at) || status == "TimedOut" {
			r.Trouble = &Refusal{Code: codeUndecided}
		} else {
			r.Trouble = &Refusal{Code: pim.CodeInvalid}
		}
	case pim.PhaseRevoked:
		to, r.End = Ended, r.ended(EndRevoked)
	}
	r.Held.Status = status
	r.move(to)
}

// codeUndecided is Belay's own word for a request that nobody decided in time.
const codeUndecided pim.Code = "undecided"

// hearStage takes in the decision as an approver's approval shows it. It also
// tells, where the requester's word cannot be had, what became of the request.
func (r *Request) hearStage(s pim.Stage, at time.Time) {
	if s.Result == pim.NotReviewed {
		return
	}
	r.decide(s.Result, &s, at)
	if s.Result == pim.Denied {
		r.move(Denied)
	} else {
		r.move(Scheduled)
	}
}

// decide records who decided. A decision that Belay relayed names its approver
// even when the approval cannot be read.
func (r *Request) decide(result pim.Result, s *pim.Stage, at time.Time) {
	if !r.Approval {
		return
	}
	if s != nil && s.Reviewer.ID != "" {
		r.adopt(result, s.Reviewer.ID, at)
		ours := r.relayed(result)
		r.Decided = &Decided{Result: result, By: s.Reviewer, Reason: s.Justification, At: at,
			Elsewhere: ours == nil || !strings.EqualFold(ours.By.ID, s.Reviewer.ID)}
		return
	}
	if r.Decided != nil {
		return
	}
	r.Decided = &Decided{Result: result, At: at, Elsewhere: true}
	if ours := r.relayed(result); ours != nil {
		by := ours.By.Principal
		if named, ok := r.approver(by.ID); ok { // as the directory calls them, not the chat
			by = named
		}
		r.Decided = &Decided{Result: result, By: by, Reason: ours.Reason, At: at}
	}
}

// adopt takes for the effect of a call whose answer was lost what its person decided.
func (r *Request) adopt(result pim.Result, reviewer string, at time.Time) {
	for n := range r.Intents {
		i := &r.Intents[n]
		if i.open() && !i.SentAt.IsZero() && i.Kind == reviewKind(result) && strings.EqualFold(i.By.ID, reviewer) {
			r.finish(i, Accepted, nil)
			r.note(at, "Microsoft accepted: "+string(i.Kind), i.By.ID, "")
		}
	}
}

func reviewKind(result pim.Result) IntentKind {
	if result == pim.Denied {
		return ToDeny
	}
	return ToApprove
}

// relayed is the decision that Microsoft accepted from Belay, if there is one.
func (r *Request) relayed(result pim.Result) *Intent {
	for n := range r.Intents {
		if i := &r.Intents[n]; i.Kind == reviewKind(result) && i.Outcome == Accepted {
			return i
		}
	}
	return nil
}

// hearInstance takes in whether the active instance is there.
func (r *Request) hearInstance(i *pim.Instance, at time.Time) {
	if i != nil {
		r.Held.Missing, r.Held.MissingSince = 0, time.Time{}
		r.Held.From, r.Held.Until = i.Start, i.End
		r.placed(i.Assignment.Scope, "")
		if r.Ask.Duration == 0 { // found at Microsoft, and nothing else is known of it
			r.Ask.Duration = i.End.Sub(i.Start)
		}
		if i.Schedule != "" {
			r.Held.Schedule = i.Schedule
		}
		if r.State == PendingApproval {
			r.decide(pim.Approved, nil, at)
		}
		r.move(Active)
		return
	}
	if r.State != Active {
		return // not seen yet: reads are eventually consistent
	}
	if r.Held.Missing++; r.Held.Missing == 1 {
		r.Held.MissingSince = at
	}
	over := !r.Held.Until.IsZero() && !at.Before(r.Held.Until)
	stopped := r.stopped()
	gone := r.Held.Missing >= 3 && at.Sub(r.Held.MissingSince) >= missingFor // Microsoft's reads are only eventually consistent
	if over || stopped || gone {
		reason := EndRevoked
		if over {
			reason = EndExpired
		}
		r.End = r.ended(reason)
		r.move(Ended)
	}
}

// missingFor is how long an active instance must not be seen before its time until
// it counts as revoked.
const missingFor = 30 * time.Second

// overdue ends what was agreed but never seen until its whole time was over.
func (r *Request) overdue(at time.Time) {
	if r.State == Scheduled && at.After(maxTime(r.since(), r.Ask.Start).Add(r.Ask.Duration+windowSlack)) {
		r.End = EndNotVisible
		r.move(Ended)
	}
}

// stopped says that Microsoft accepted a deactivation.
func (r Request) stopped() bool {
	for _, i := range r.Intents {
		if i.Kind == ToDeactivate && i.Outcome == Accepted {
			return true
		}
	}
	return false
}

func (r *Request) ended(reason EndReason) EndReason {
	if stop, ok := r.stopping(); r.stopped() || ok && !stop.SentAt.IsZero() && reason != EndExpired {
		return EndDeactivated
	}
	return reason
}

// close drops what is still owed for a request that is over.
func (r *Request) close() {
	r.ObserveAt = time.Time{}
	for n := range r.Intents {
		i := &r.Intents[n]
		if !i.open() {
			continue
		}
		if i.Kind == ToActivate {
			r.finish(i, Accepted, nil)
			continue
		}
		r.finish(i, Dropped, nil)
	}
}

// Unobserved records a reading that failed: the state is kept, unless readings have
// failed for windowSlack after the window. Belay may have been away until then, and one
// answer that was lost says nothing.
type Unobserved struct{ ObserveAt time.Time }

func (e Unobserved) apply(r *Request, at time.Time) error {
	r.ObserveAt = e.ObserveAt
	waits := r.State == PendingApproval || r.State == Submitting && r.Held.ID != ""
	switch {
	case !waits || !at.After(r.opened().Add(Window+windowSlack)):
	case r.Held.UnreadSince.IsZero():
		r.Held.UnreadSince = at
	case at.Sub(r.Held.UnreadSince) >= windowSlack:
		r.End = EndNotVisible
		r.move(Ended)
		r.note(at, "no word within the window", "", "")
		r.close()
	}
	return nil
}

// mayBeSame is sameAssignment where the scope of one may not be known: of a directory
// role the audit log does not tell it.
func mayBeSame(a, b pim.Assignment) bool {
	if a.Kind == pim.EntraRole && (a.Scope == "" || b.Scope == "") {
		a.Scope, b.Scope = "", ""
	}
	return sameAssignment(a, b)
}

// placed takes over where the role counts, if only the audit log told of it until now.
func (r *Request) placed(scope, name string) {
	if r.Role.Scope != "" || scope == "" {
		return
	}
	if name == "" && scope != "/" {
		name = scope
	}
	r.Role.Scope, r.Role.ScopeName = scope, cmp.Or(name, sayDirectory)
}

// sameAssignment compares what Microsoft compares without regard to case.
func sameAssignment(a, b pim.Assignment) bool {
	return a.Kind == b.Kind && strings.EqualFold(a.Role, b.Role) && strings.EqualFold(a.Scope, b.Scope)
}
