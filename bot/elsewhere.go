package bot

import (
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Found creates a request that was made elsewhere. Like Observed it is Microsoft's
// word: it waits for approval in an approver's list, or the audit log tells of it.
type Found struct {
	ID       string
	Request  pim.Request   // as the list or the log holds it
	Approval bool          // it waits, or waited, for approval
	By       pim.Principal // the approver in whose list it stands; empty: the log tells of it
	// ObserveAt is when to read it next.
	ObserveAt time.Time
}

func (e Found) apply(r *Request, at time.Time) error {
	if r.ID != "" {
		return nil // found before
	}
	m := e.Request
	*r = Request{ID: e.ID, Elsewhere: true, Traced: e.By.ID == "", MeetAt: at, Approval: e.Approval, ObserveAt: e.ObserveAt,
		Requester: Person{Principal: m.Who},
		Role:      pim.EligibleAssignment{Assignment: m.Assignment, RoleName: m.RoleName, ScopeName: m.ScopeName},
		Made:      m.Created.UTC(),
		Held:      Held{ID: m.ID, Approval: m.Approval, Schedule: m.Schedule, Status: m.Status, Seen: at, Listed: e.By.ID}}
	r.Requester.ID = m.Principal
	if m.Created.IsZero() {
		r.Made = at
	}
	if r.Traced {
		r.Held.Seen = r.Made
	}
	r.asFound(m)
	to := PendingApproval // a status that is not known says that nobody agreed
	switch m.Status.Phase() {
	case pim.PhaseGranted, pim.PhaseInForce:
		to = Scheduled // in force when the active instance has been seen
	default:
		r.mayDecide(e.By)
	}
	r.move(to)
	r.note(at, "found: made elsewhere", r.Requester.ID, string(m.Status))
	return nil
}

// asFound takes over what was asked for.
func (r *Request) asFound(m pim.Request) {
	r.Ask = Ask{Duration: m.Duration, Justification: m.Justification, Ticket: m.Ticket}
	if m.Start.After(r.Made.Add(time.Minute)) { // else it was asked for at once
		r.Ask.Start = m.Start.UTC()
	}
}

// mayDecide adds an approver, who is not reached yet: that a request stands in
// somebody's list says that they may decide.
func (r *Request) mayDecide(who pim.Principal) {
	if _, known := r.approver(who.ID); known || who.ID == "" || strings.EqualFold(who.ID, r.Requester.ID) {
		return
	}
	r.Approval = true
	r.Approvers = append(slices.Clone(r.Approvers), who)
	slices.SortStableFunc(r.Approvers, func(a, b pim.Principal) int { return strings.Compare(personName(a), personName(b)) })
	r.Routed, r.RouteAt = false, time.Time{}
}

// hearList takes in whether an approver's list shows the request. Absence says only
// that it does not wait any more: the approval tells who decided, and where it says
// that nobody did, and nothing is active, the request was taken back or ran out.
func (r *Request) hearList(e Observed, at time.Time) {
	if e.Listed.ID != "" {
		r.Held.Listed, r.Held.Gone = e.Listed.ID, time.Time{}
		if r.State == PendingApproval {
			r.mayDecide(e.Listed)
			if r.Traced && e.Request != nil {
				r.Traced = false
				r.asFound(*e.Request)
			}
		}
		return
	}
	if e.Gone && r.Held.Gone.IsZero() {
		r.Held.Gone = at
	}
	if s := e.Stage; r.State == PendingApproval && e.Request == nil && s != nil && s.Result == pim.NotReviewed {
		over := strings.EqualFold(s.Status, "Completed") || strings.EqualFold(s.Status, "Expired")
		gone := !r.Held.Gone.IsZero() && at.Sub(r.Held.Gone) >= goneFor && s.AssignedToMe && e.Read && e.Instance == nil
		if over || gone {
			r.withdrawn(at)
		}
	}
}

// goneFor is how long a request must not be in the list of somebody who may decide
// it, undecided, until it counts as taken back: reads are only eventually consistent.
const goneFor = 2 * time.Minute

// withdrawn ends what nobody decided.
func (r *Request) withdrawn(at time.Time) {
	if at.Sub(r.opened()) >= Window && !r.tookBack() {
		r.Trouble = &Refusal{Code: codeUndecided}
		r.move(Failed)
		return
	}
	r.move(Canceled)
}

// tellsMore says that besides an approver's view the active instances are worth
// reading: it was decided, or it is not in the approvers' lists any more.
func (r Request) tellsMore(s *pim.Stage) bool {
	return s != nil && (s.Result != pim.NotReviewed || !r.Held.Gone.IsZero())
}

// Met records what was found out about a request that was made elsewhere.
type Met struct {
	Requester           Person
	RoleName, ScopeName string
	Approvers           []pim.Principal // whom the policy names; nil: it could not be read
	Groups              []pim.ApproverGroup
	Default             bool      // it names nobody
	Again               time.Time // something could not be found out: try again then; zero: this is all
}

func (e Met) apply(r *Request, _ time.Time) error {
	if !r.Elsewhere || !strings.EqualFold(e.Requester.ID, r.Requester.ID) {
		return nil
	}
	r.MeetAt = e.Again
	id := r.Requester.ID
	r.Requester = e.Requester
	r.Requester.ID = id
	r.Role.RoleName, r.Role.ScopeName = e.RoleName, e.ScopeName
	if e.Approvers != nil {
		r.ApproverGroups, r.DefaultApprovers = e.Groups, e.Default
	}
	for _, a := range e.Approvers {
		r.mayDecide(a)
	}
	return nil
}

// Reached records that somebody who may decide can be reached from now on, so that
// they get the card of what waits already.
type Reached struct {
	Principal string
	At        Conversation
}

func (e Reached) apply(r *Request, _ time.Time) error {
	who, ok := r.approver(e.Principal)
	if !ok || r.State != PendingApproval || e.At.ID == "" {
		return nil
	}
	n := slices.IndexFunc(r.Reach, func(reach Reach) bool { return strings.EqualFold(reach.Principal, e.Principal) })
	switch {
	case n < 0:
		r.Reach = append(r.Reach, Reach{Principal: who.ID, At: []Conversation{e.At}})
	case slices.ContainsFunc(r.Reach[n].At, func(c Conversation) bool { return c.Platform == e.At.Platform }):
		return nil // they have their card there
	default:
		r.Reach[n].At = append(slices.Clone(r.Reach[n].At), e.At)
	}
	r.Unreached = slices.DeleteFunc(slices.Clone(r.Unreached), func(name string) bool { return name == personName(who) })
	return nil
}

// Traced takes in a line of the audit log. Like Observed it is Microsoft's word, only
// later; lines may come in any order and more than once.
type Traced struct{ Trace pim.Trace }

func (e Traced) apply(r *Request, at time.Time) error {
	t := e.Trace
	if r.ID == "" || t.What != pim.TraceEnded && !strings.EqualFold(t.Request, r.Held.ID) {
		return nil
	}
	before := r.State
	switch t.What {
	case pim.TraceApproved:
		r.decideTraced(pim.Approved, t)
		r.move(Scheduled)
	case pim.TraceDenied:
		r.decideTraced(pim.Denied, t)
		r.move(Denied)
	case pim.TraceActivated:
		if r.State == PendingApproval {
			r.decide(pim.Approved, nil, t.At)
		}
		r.move(Scheduled)
	case pim.TraceCanceled:
		r.move(Canceled)
	case pim.TraceExpired:
		if r.move(Failed) {
			r.Trouble = &Refusal{Code: codeUndecided}
		}
	case pim.TraceEnded: // of whichever request of this role: the instances tell
		if r.State != Active || t.At.Before(r.Held.From) {
			return nil
		}
	default:
		return nil
	}
	if r.State.Final() {
		if before != r.State {
			r.note(at, "traced", t.By.ID, string(t.What))
			r.close()
		}
		return nil
	}
	r.Held.Seen = maxTime(r.Held.Seen, t.At)
	if before != r.State || r.State == Active {
		r.ObserveAt = at
	}
	if before != r.State {
		r.note(at, "traced", t.By.ID, string(t.What))
	}
	return nil
}

// decideTraced records who decided, where that could not be read otherwise.
func (r *Request) decideTraced(result pim.Result, t pim.Trace) {
	open := r.State == PendingApproval || r.State == Submitting || result == pim.Approved && (r.State == Scheduled || r.State == Active)
	if d := r.Decided; t.By.ID == "" || d == nil && !open || d != nil && (d.By.ID != "" || d.Result != result) {
		return
	}
	r.Approval = true
	r.decide(result, &pim.Stage{Result: result, Reviewer: t.By, Justification: t.Reason}, t.At)
}

// haste says how soon a reading of r matters.
func (b *Bot) haste(r Request) haste {
	now := b.o.Now()
	if b.pace(r, now) < 5*time.Second || !r.Held.Gone.IsZero() && now.Sub(r.Held.Gone) < 2*goneFor {
		return urgent
	}
	return routine
}
