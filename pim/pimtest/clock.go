package pimtest

import (
	"slices"
	"time"
)

// The times PIM does not let anybody configure.
const (
	decisionWindow   = 24 * time.Hour
	shortestActive   = 5 * time.Minute
	keptAfterCancel  = 30 * 24 * time.Hour
	defaultMaxActive = 8 * time.Hour
)

// due is something the business clock makes happen.
type due struct {
	at time.Time
	do func()
}

// tick does, in the order of their times, everything that has become due: ends of
// activations, starts of granted ones, requests nobody decided, cancelled
// requests to be forgotten. The world is locked.
func (t *Tenant) tick() {
	now := t.now()
	for {
		next := t.nextDue(now)
		if next == nil {
			return
		}
		next.do()
		t.w.dirty = true
	}
}

func (t *Tenant) nextDue(now time.Time) *due {
	var first *due
	consider := func(at time.Time, do func()) {
		if !at.After(now) && (first == nil || at.Before(first.at)) {
			first = &due{at, do}
		}
	}
	for _, a := range t.w.Assignments {
		if !a.End.IsZero() {
			consider(a.End, func() {
				t.w.unassign(a)
				t.logEnd(a)
			})
		}
	}
	for _, r := range t.w.Requests {
		switch r.Status {
		case statusPending:
			if at := r.Created.Add(decisionWindow); !r.Lapsed {
				consider(at, func() { t.lapse(r, at) })
			}
		case statusGranted:
			if a := t.w.assigned(r.Principal, r.Kind, r.Role, r.Scope); a != nil && a.ID == r.Schedule {
				consider(a.Start, func() {
					r.Status, r.Completed = statusProvisioned, a.Start
					t.logRequest(a.Start, who{r.Creator, r.CreatorKind}, didComplete, r, r.Justification)
				})
			}
		case statusCanceled:
			consider(r.Completed.Add(keptAfterCancel), func() {
				t.w.forget(r)
			})
		}
	}
	return first
}

// lapse ends a request that nobody decided in time, as Options.Expired says.
func (t *Tenant) lapse(r *request, at time.Time) {
	t.logRequest(at, byService(), didLapse, r, "")
	switch t.opt.Expired {
	case ExpiredGone:
		t.w.forget(r)
	case ExpiredSilent:
		r.Lapsed = true
	default:
		r.Status, r.Completed = t.opt.Expired, at
	}
}

func (w *world) forget(r *request) {
	w.Requests = slices.DeleteFunc(w.Requests, func(o *request) bool { return o == r })
}
