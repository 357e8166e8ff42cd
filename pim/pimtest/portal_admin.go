package pimtest

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The activities of who makes somebody eligible, as Microsoft's audit log activity
// reference spells them.
const (
	didMakeEligible   = "Add eligible member to role in PIM completed (permanent)"
	didRemoveEligible = "Remove eligible member from role in PIM completed (permanent)"
)

// PortalEligible makes a user or group eligible for a directory role without an end.
func (t *Tenant) PortalEligible(admin, principal, role, scope string) error {
	return t.eligibility(admin, principal, role, scope, didMakeEligible, func(e eligibility) { t.addEligible(e) })
}

// PortalNotEligible takes that back.
func (t *Tenant) PortalNotEligible(admin, principal, role, scope string) error {
	return t.eligibility(admin, principal, role, scope, didRemoveEligible, func(e eligibility) {
		t.w.Eligibilities = slices.DeleteFunc(t.w.Eligibilities, func(o *eligibility) bool {
			return o.Kind == e.Kind && o.Principal == e.Principal && o.Role == e.Role && o.Scope == e.Scope
		})
	})
}

func (t *Tenant) eligibility(admin, principal, role, scope, activity string, do func(eligibility)) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.portal(admin, func(a asker) *GraphError {
		switch {
		case t.known(principal, role, scope) != nil:
			return refusal("RoleNotFound")
		case !t.w.administers(a.id, kindRole, role, scope, t.now()):
			return refusal("Authorization_RequestDenied")
		}
		do(eligibility{ID: uuid.NewString(), Kind: kindRole, Principal: principal, Role: role, Scope: scope})
		t.log(AuditEntry{Time: t.now(), Actor: a.id, ActorKind: a.kind, Activity: activity, Target: principal, Kind: kindRole, Role: role, Scope: scope})
		return nil
	})
}
