package pimtest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// asker is who wants something of PIM and how strongly they signed in.
type asker struct {
	who
	mfa  bool
	acrs func(context string) bool // has this authentication context, and the client can be challenged (cp1)
}

// wish is what a schedule request asks for.
type wish struct {
	id             string // of the request, when the caller chooses it; empty: a new one
	kind           string
	action         string
	principal      string
	role           string
	scope          string
	justification  string
	ticketNumber   string
	ticketSystem   string
	start          time.Time     // zero: now
	duration       time.Duration // zero: none given
	until          time.Time     // set when the end was given instead of the duration
	noExpiration   bool
	validationOnly bool

	// Azure only.
	linked           string // as written: an id, or the ARM id that ends in it
	condition        string
	conditionVersion string
}

// activate checks a selfActivate in the order the real service does (as far as
// it is known) and, unless it is a validation only, makes the request.
func (t *Tenant) activate(a asker, in wish) (*request, *GraphError) {
	now := t.now()
	p := t.w.policy(in.kind, in.role, in.scope)
	switch {
	case t.w.Unlicensed:
		return nil, refusal("AadPremiumLicenseRequired")
	case p == nil:
		return nil, refusal("RoleNotFound")
	case in.kind == kindRole && !scopeShape.MatchString(in.scope):
		return nil, refusal("InvalidScope")
	}
	if u := t.w.Users[in.principal]; u == nil || now.Before(u.PIMKnows) {
		return nil, refusal("SubjectNotFound")
	}
	tooLong := in.noExpiration || in.duration > p.MaxDuration
	e := t.w.eligible(in.principal, in.kind, in.role, in.scope, in.linked[strings.LastIndex(in.linked, "/")+1:], now)
	if e == nil {
		failed := []string{"EligibilityRule"}
		if tooLong {
			failed = append(failed, "ExpirationRule")
		}
		return nil, rulesFailed(failed...)
	}
	if age := now.Sub(e.Created); age < t.unkind.FreshEligible/2 {
		return nil, refusal("SubjectNotFound")
	} else if age < t.unkind.FreshEligible {
		return nil, rulesFailed("EligibilityRule")
	}
	if t.w.assigned(in.principal, in.kind, in.role, in.scope) != nil {
		return nil, refusal("RoleAssignmentExists")
	}
	if slices.ContainsFunc(t.w.Requests, func(r *request) bool {
		return r.Status == statusPending && r.Principal == in.principal && r.Kind == in.kind && same(r.Kind, r.Role, in.role) && same(r.Kind, r.Scope, in.scope)
	}) {
		return nil, refusal("PendingRoleAssignmentRequest")
	}
	if !in.noExpiration && in.duration < shortestActive {
		return nil, refusal("ActiveDurationTooShort")
	}
	if failed := p.failed(a, in, tooLong); len(failed) > 0 {
		return nil, rulesFailed(failed...)
	}
	if p.AuthContext != "" && !a.acrs(p.AuthContext) {
		return nil, stepUp(p.AuthContext)
	}

	r := &request{
		ID: in.newID(), Kind: in.kind, Action: "selfActivate", Principal: in.principal, Role: in.role, Scope: in.scope,
		Linked: in.linked, Condition: in.condition, ConditionVersion: in.conditionVersion,
		Justification: in.justification, TicketNumber: in.ticketNumber, TicketSystem: in.ticketSystem,
		Created: now, Creator: a.id, CreatorKind: a.kind,
		Start: in.start, Duration: in.duration, Until: in.until, Eligibility: e.ID, Approval: p.Approval, Result: "NotReviewed",
	}
	r.Schedule = scheduleID(r)
	if !r.Start.After(now) {
		r.Start = time.Time{}
	}
	if in.validationOnly {
		r.Schedule, r.Status = "", statusGranted
		if p.Approval {
			r.Status = statusPending
		}
		return r, nil
	}
	t.w.Requests = append(t.w.Requests, r)
	t.logRequest(now, a.who, didRequest, r, r.Justification)
	if p.Approval {
		// The service stamps the completion of a waiting request before its
		// creation; nobody should read it.
		r.Status, r.Completed = statusPending, now.Add(-223*time.Millisecond)
		t.logRequest(now, a.who, didAskApproval, r, r.Justification)
		return r, nil
	}
	t.grant(r)
	return r, nil
}

// newID is the id of the request that the wish makes.
func (in wish) newID() string {
	if in.id != "" {
		return in.id
	}
	return uuid.NewString()
}

// failed are the rules of the policy that the wish breaks, in the order in which
// the service lists them.
func (p Policy) failed(a asker, in wish, tooLong bool) []string {
	var failed []string
	if p.MFA && p.AuthContext == "" && !a.mfa {
		failed = append(failed, "MfaRule")
	}
	if p.Justification && strings.TrimSpace(in.justification) == "" {
		failed = append(failed, "JustificationRule")
	}
	if p.Ticketing && strings.TrimSpace(in.ticketNumber) == "" {
		failed = append(failed, "TicketingRule")
	}
	if tooLong {
		failed = append(failed, "ExpirationRule")
	}
	return failed
}

// grant gives what r asked for: now, or at the start it asked for.
func (t *Tenant) grant(r *request) {
	now := t.now()
	start := r.Start
	if start.Before(now) {
		start = now
	}
	if t.unkind.StuckGranted && !start.After(now) {
		r.Status, r.Completed = statusGranted, start
		return
	}
	end := start.Add(r.Duration)
	if r.Until.After(start) {
		end = r.Until
	}
	t.w.Assignments = append(t.w.Assignments, &assignment{
		ID: r.Schedule, Request: r.ID, Kind: r.Kind, Principal: r.Principal, Role: r.Role, Scope: r.Scope, Created: now,
		Start: start, End: end, Activated: true, Eligibility: r.Eligibility,
		Hidden: t.unkind.upTo(t.unkind.LateInstance, "instance", r.ID),
	})
	r.Status, r.Completed = statusProvisioned, now.Add(50*time.Millisecond)
	if start.After(now) {
		r.Status, r.Completed = statusGranted, start
	} else {
		t.logRequest(now, who{r.Creator, r.CreatorKind}, didComplete, r, r.Justification)
	}
	t.w.dirty = true
}

// deactivate ends an activation (selfDeactivate), or any active assignment when
// an administrator does it (adminRemove).
func (t *Tenant) deactivate(a asker, in wish) (*request, *GraphError) {
	now := t.now()
	if t.w.Unlicensed {
		return nil, refusal("AadPremiumLicenseRequired")
	}
	self := in.action == "selfDeactivate"
	act := t.w.assigned(in.principal, in.kind, in.role, in.scope)
	if act == nil || !act.in(now) || (self && !act.Activated) {
		return nil, refusal("RoleAssignmentDoesNotExist")
	}
	if self && now.Sub(act.Start) < shortestActive {
		return nil, refusal("ActiveDurationTooShort")
	}
	r := &request{
		ID: in.newID(), Kind: in.kind, Action: in.action, Principal: in.principal, Role: in.role, Scope: in.scope, Status: statusRevoked,
		Linked: in.linked, Justification: in.justification, Created: now, Completed: now.Add(50 * time.Millisecond),
		Creator: a.id, CreatorKind: a.kind, Schedule: act.ID, Result: "NotReviewed",
	}
	if in.validationOnly {
		return r, nil
	}
	t.w.Requests = append(t.w.Requests, r)
	t.w.unassign(act)
	switch {
	case self:
		t.logRemoval(now, a.who, didAskDeactivate, r, act)
		t.logRemoval(now, a.who, didDeactivate, r, act)
	case act.Activated:
		t.logRemoval(now, a.who, didRemove, r, act)
	default:
		t.logRemoval(now, a.who, didRemovePermanent, r, act)
	}
	return r, nil
}

// cancel takes a request back. Only the requester and who administers what was
// asked for may, and only before it is in force.
func (t *Tenant) cancel(by who, kind, id string) *GraphError {
	now := t.now()
	r := t.w.request(id)
	if r == nil || r.Kind != kind {
		return refusal("RoleAssignmentRequestNotFound")
	}
	if by.kind == ByUser && by.id != r.Principal && !t.w.administers(by.id, r.Kind, r.Role, r.Scope, now) {
		return refusal("Authorization_RequestDenied")
	}
	if r.Status != statusPending && r.Status != statusGranted {
		return refusal("RequestCannotBeCancelled")
	}
	if a := t.w.assigned(r.Principal, r.Kind, r.Role, r.Scope); a != nil && a.ID == r.Schedule {
		t.w.unassign(a)
	}
	r.Status, r.Completed = statusCanceled, now
	t.logRequest(now, by, didCancel, r, "")
	return nil
}

// decide is an approver's answer. The first one counts.
func (t *Tenant) decide(by who, kind, id, result, reason string) *GraphError {
	now := t.now()
	r, e := t.approval(by, kind, id)
	if e != nil {
		return e
	}
	if r.Result != "NotReviewed" {
		return refusal("Conflict")
	}
	if t.w.policy(r.Kind, r.Role, r.Scope).ApproverJustification && strings.TrimSpace(reason) == "" {
		return badRequest("A justification is required to review this request.")
	}
	r.Result, r.Reviewer, r.Reviewed, r.Reason = result, by.id, now, reason
	if result == "Deny" {
		r.Status, r.Completed = statusDenied, now
		t.logRequest(now, by, didDeny, r, reason)
		return nil
	}
	t.logRequest(now, by, didApprove, r, reason)
	t.grant(r)
	if r.Status == statusProvisioned {
		r.LateReads = t.unkind.upTo(t.unkind.LateStatus, "status", r.ID)
	}
	return nil
}

// approval finds the request whose approval has this id, for somebody who may
// see it: an approver, while it waits or after it was decided.
func (t *Tenant) approval(by who, kind, id string) (*request, *GraphError) {
	if by.kind != ByUser {
		return nil, refusal("Authorization_RequestDenied")
	}
	r := t.w.request(id)
	if r == nil || r.Kind != kind || !r.Approval {
		return nil, refusal("NotFound")
	}
	if !t.w.mayDecide(r, by.id, t.now()) {
		return nil, refusal("Forbidden")
	}
	if r.Result == "NotReviewed" && !r.waits() {
		return nil, refusal("NotFound") // lapsed or taken back
	}
	return r, nil
}
