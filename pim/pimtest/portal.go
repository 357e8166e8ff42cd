package pimtest

import (
	"fmt"
	"strings"
	"time"
)

// The portal: what people do in Microsoft's own pages, without the product. The
// rules are the same as through Graph, with MFA and any step-up done. Refusals
// are *GraphError.

// Wanted is what somebody asks for in the portal.
type Wanted struct {
	Kind  string // "role", "group" or "azure"; empty: role
	Role  string // role definition id; of a group: "member" or "owner"; of Azure: the full ARM id
	Scope string // directory scope id ("/" for the whole directory), group id, or ARM id

	Justification string
	Ticket        string        // its number
	Duration      time.Duration // of an activation
	Start         time.Time     // business time; zero: now
}

// wish is what the portal sends for w.
func (t *Tenant) wish(w Wanted, action, principal string) (wish, *GraphError) {
	in := wish{
		kind: w.Kind, action: action, principal: principal, role: strings.ToLower(w.Role), scope: w.Scope,
		justification: w.Justification, ticketNumber: w.Ticket, start: w.Start, duration: w.Duration,
	}
	switch w.Kind {
	case "":
		in.kind = kindRole
	case kindGroup:
		in.scope = strings.ToLower(w.Scope)
	case kindAzure:
		if t.w.azureRole(w.Role) == nil {
			return in, refusal("RoleNotFound")
		}
		var e *GraphError
		if in.scope, e = t.w.readScope(w.Scope); e != nil {
			return in, e
		}
		in.role = rolePath + strings.ToLower(lastPart(w.Role))
		if held := t.w.eligible(principal, kindAzure, in.role, in.scope, "", t.now()); held != nil && action == "selfActivate" {
			in.linked, in.condition, in.conditionVersion = armID(held.Scope, "RoleEligibilitySchedules", held.ID), held.Condition, held.ConditionVersion
		}
	}
	return in, nil
}

// PortalActivate activates what the user is eligible for and returns the
// request's id.
func (t *Tenant) PortalActivate(user string, w Wanted) (requestID string, err error) {
	err = t.portal(user, func(a asker) *GraphError {
		in, e := t.wish(w, "selfActivate", a.id)
		if e != nil {
			return e
		}
		r, e := t.activate(a, in)
		if r != nil {
			requestID = r.ID
		}
		return e
	})
	return requestID, err
}

// PortalDeactivate ends the user's own activation.
func (t *Tenant) PortalDeactivate(user string, w Wanted) error {
	return t.portal(user, func(a asker) *GraphError {
		in, e := t.wish(w, "selfDeactivate", a.id)
		if e == nil {
			_, e = t.deactivate(a, in)
		}
		return e
	})
}

// PortalDecide approves or denies a request as an approver.
func (t *Tenant) PortalDecide(approver, requestID string, approve bool, justification string) error {
	return t.portal(approver, func(a asker) *GraphError {
		result := "Deny"
		if approve {
			result = "Approve"
		}
		return t.decide(a.who, t.kindOf(requestID), requestID, result, justification)
	})
}

// PortalCancel takes a request back, as its requester or as an administrator of
// what was asked for.
func (t *Tenant) PortalCancel(user, requestID string) error {
	return t.portal(user, func(a asker) *GraphError { return t.cancel(a.who, t.kindOf(requestID), requestID) })
}

// PortalRevoke ends another person's active assignment, as an administrator of
// it.
func (t *Tenant) PortalRevoke(admin, user string, w Wanted) error {
	return t.portal(admin, func(a asker) *GraphError {
		in, e := t.wish(w, "adminRemove", strings.ToLower(user))
		if e != nil {
			return e
		}
		if !t.w.administers(a.id, in.kind, in.role, in.scope, t.now()) {
			return refusal("Authorization_RequestDenied")
		}
		_, e = t.deactivate(a, in)
		return e
	})
}

// kindOf is the kind of a request; the portal shows all of them alike.
func (t *Tenant) kindOf(requestID string) string {
	if r := t.w.request(requestID); r != nil {
		return r.Kind
	}
	return ""
}

func (t *Tenant) portal(user string, deed func(asker) *GraphError) error {
	return t.change(func() error {
		user = strings.ToLower(user)
		if u := t.w.Users[user]; u == nil || u.Disabled {
			return fmt.Errorf("pimtest: no enabled user %s", user)
		}
		a := asker{who: who{user, ByUser}, mfa: true, acrs: func(string) bool { return true }}
		if e := deed(a); e != nil {
			return e
		}
		return nil
	})
}
