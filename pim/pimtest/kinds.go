package pimtest

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// The three kinds of assignment. What Role and Scope hold depends on the kind:
//
//	role   role definition id                     directoryScopeId, byte for byte
//	group  accessMember or accessOwner            group id
//	azure  the role definition's full ARM id      ARM id, in any letter case
const (
	kindRole  = "role"
	kindGroup = "group"
	kindAzure = "azure"
)

// What one can be in a group.
const (
	accessMember = "member"
	accessOwner  = "owner"
)

// same compares roles or scopes of a kind: ARM ids without regard to letter case.
func same(kind, a, b string) bool {
	return a == b || kind == kindAzure && strings.EqualFold(a, b)
}

// policy is what governs the activation of role at scope; nil: there is no such
// role. Every group and every Azure scope has a policy before anybody edits it,
// and no Azure scope takes over that of its parent.
func (w *world) policy(kind, role, scope string) *Policy {
	switch kind {
	case kindGroup:
		if p := w.GroupPolicies[scope+"/"+role]; p != nil {
			return p
		}
		if w.Groups[scope] == nil || role != accessMember && role != accessOwner {
			return nil
		}
		return unedited()
	case kindAzure:
		if p := w.AzurePolicies[azureKey(scope, role)]; p != nil {
			return p
		}
		return unedited()
	}
	if r := w.Roles[role]; r != nil {
		return &r.Policy
	}
	return nil
}

// roleName is how people call a role; empty when nobody told.
func (w *world) roleName(kind, role string) string {
	switch kind {
	case kindGroup:
		return strings.ToUpper(role[:1]) + role[1:]
	case kindRole:
		if r := w.Roles[role]; r != nil {
			return r.Name
		}
	case kindAzure:
		if r := w.azureRole(role); r != nil {
			return r.Name
		}
	}
	return ""
}

// unedited is the policy that nobody has changed.
func unedited() *Policy { return &Policy{MaxDuration: defaultMaxActive, Justification: true} }

func azureKey(scope, role string) string { return strings.ToLower(scope + "|" + role) }

// covers says whether e is an eligibility for scope: its own, and in Azure every
// scope below it.
func (w *world) covers(e *eligibility, scope string) bool {
	return same(e.Kind, e.Scope, scope) || e.Kind == kindAzure && w.below(scope, e.Scope)
}

// scheduleID is the id of the schedule that r will make. A directory role's is
// that of the request, and a group's ends in it, as has been seen; nobody should
// count on it.
func scheduleID(r *request) string {
	switch r.Kind {
	case kindGroup:
		return r.Scope + "_" + r.Role + "_" + r.ID
	case kindAzure:
		return uuid.NewString()
	}
	return r.ID
}

// administers says whether user may take away what others have or asked for.
// Sources: the permission tables of the Graph reference ("PIM for Groups: write
// assignment schedule requests"); in Azure, Owner and User Access Administrator.
func (w *world) administers(user, kind, role, scope string, now time.Time) bool {
	switch kind {
	case kindAzure:
		for _, a := range w.Assignments {
			if a.Kind == kindAzure && a.in(now) && (same(kindAzure, a.Scope, scope) || w.below(scope, a.Scope)) &&
				(hasSuffixFold(a.Role, azureOwner) || hasSuffixFold(a.Role, azureAccessAdmin)) &&
				(a.Principal == user || w.isMember(a.Principal, user, now)) {
				return true
			}
		}
		return false
	case kindGroup:
		if o := w.assigned(user, kindGroup, accessOwner, scope); o != nil && o.in(now) {
			return true
		}
		if g := w.Groups[scope]; g != nil && !g.RoleAssignable &&
			w.holds(user, now, roleDirectoryWriter, roleGroupsAdmin, roleGovernanceAdmin, roleUserAdmin) {
			return true
		}
	}
	return w.holds(user, now, roleGlobalAdmin, rolePrivilegedAdmin)
}

// The Azure roles that may assign roles, by the last part of their ids.
const (
	azureOwner       = "/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	azureAccessAdmin = "/18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
)

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
