package pimtest

import (
	"fmt"
	"strings"
)

// What administrators do without asking PIM, and to its settings.

// The activities of an administrator, as Microsoft's audit log activity reference
// spells them.
const (
	didAssignOutside = "Add member to role outside of PIM (permanent)"
	didChangeSetting = "Update role setting in PIM"
)

// PortalAssign gives a user or group a directory role for good, on the directory's own
// page of roles and not in PIM, which sees it and logs it. It is refused when they have
// the role.
func (t *Tenant) PortalAssign(admin, principal, role, scope string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.portal(admin, func(a asker) *GraphError {
		switch {
		case t.known(principal, role, scope) != nil:
			return refusal("RoleNotFound")
		case !t.w.administers(a.id, kindRole, role, scope, t.now()):
			return refusal("Authorization_RequestDenied")
		case t.w.assigned(principal, kindRole, role, scope) != nil:
			return refusal("RoleAssignmentExists")
		}
		now := t.now()
		t.w.Assignments = append(t.w.Assignments, &assignment{
			ID: packedID(role, principal, scope), Kind: kindRole, Principal: principal, Role: role, Scope: scope, Created: now, Start: now,
		})
		t.log(AuditEntry{Time: now, Actor: a.id, ActorKind: a.kind, Activity: didAssignOutside, Target: principal, Kind: kindRole, Role: role, Scope: scope})
		return nil
	})
}

// PortalUnassign takes a role away that somebody has for good.
func (t *Tenant) PortalUnassign(admin, principal, role, scope string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.portal(admin, func(a asker) *GraphError {
		held := t.w.assigned(principal, kindRole, role, scope)
		switch {
		case !t.w.administers(a.id, kindRole, role, scope, t.now()):
			return refusal("Authorization_RequestDenied")
		case held == nil || held.Activated:
			return refusal("RoleAssignmentDoesNotExist")
		}
		t.w.unassign(held)
		t.log(AuditEntry{Time: t.now(), Actor: a.id, ActorKind: a.kind, Activity: didRemovePermanent, Target: principal, Kind: kindRole, Role: role, Scope: scope})
		return nil
	})
}

// PortalSetting changes what a directory role demands of who activates it.
func (t *Tenant) PortalSetting(admin, role string, change func(*Policy)) error {
	role = strings.ToLower(role)
	return t.portal(admin, func(a asker) *GraphError {
		r := t.w.Roles[role]
		switch {
		case r == nil:
			return refusal("RoleNotFound")
		case !t.w.administers(a.id, kindRole, role, "/", t.now()):
			return refusal("Authorization_RequestDenied")
		}
		p := r.Policy
		change(&p)
		if err := p.check(); err != nil {
			panic(fmt.Sprintf("pimtest: a setting that cannot be: %v", err)) // the caller's own words
		}
		r.Policy = p
		t.log(AuditEntry{Time: t.now(), Actor: a.id, ActorKind: a.kind, Activity: didChangeSetting, Kind: kindRole, Role: role, Scope: "/"})
		return nil
	})
}
