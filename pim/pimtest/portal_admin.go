package pimtest

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// What administrators do in the portal. Source of the activities: "Microsoft Entra audit log
// activity reference".
const (
	didChangeSettings = "Update role setting in PIM"
	didMakeEligible   = "Add eligible member to role in PIM completed (permanent)"
	didRemoveEligible = "Remove eligible member from role in PIM completed (permanent)"
	didAssign         = "Add member to role in PIM completed (permanent)"
)

// PortalSettings changes the settings of a directory role, as an administrator of roles.
func (t *Tenant) PortalSettings(admin, role string, edit func(*Policy)) error {
	role = strings.ToLower(role)
	return t.administrator(admin, role, func(by who) error {
		r := t.w.Roles[role]
		if r == nil {
			return fmt.Errorf("pimtest: no role %s", role)
		}
		changed := *r
		edit(&changed.Policy)
		t.w.Roles[role] = &changed
		t.log(AuditEntry{Time: t.now(), Actor: by.id, ActorKind: by.kind, Activity: didChangeSettings, Kind: kindRole, Role: role, Scope: "/"})
		return nil
	})
}

// PortalEligible makes somebody eligible for a directory role without an end, as an
// administrator of roles.
func (t *Tenant) PortalEligible(admin, principal, role string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.administrator(admin, role, func(by who) error {
		if err := t.known(principal, role, "/"); err != nil {
			return err
		}
		t.addEligible(eligibility{ID: uuid.NewString(), Kind: kindRole, Principal: principal, Role: role, Scope: "/"})
		t.log(AuditEntry{Time: t.now(), Actor: by.id, ActorKind: by.kind, Activity: didMakeEligible, Target: principal, Kind: kindRole, Role: role, Scope: "/"})
		return nil
	})
}

// PortalNotEligible takes that back.
func (t *Tenant) PortalNotEligible(admin, principal, role string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.administrator(admin, role, func(by who) error {
		kept := t.w.Eligibilities[:0]
		for _, e := range t.w.Eligibilities {
			if e.Kind != kindRole || e.Principal != principal || e.Role != role || e.Scope != "/" {
				kept = append(kept, e)
			}
		}
		t.w.Eligibilities = kept
		t.log(AuditEntry{Time: t.now(), Actor: by.id, ActorKind: by.kind, Activity: didRemoveEligible, Target: principal, Kind: kindRole, Role: role, Scope: "/"})
		return nil
	})
}

// PortalAssign gives somebody a directory role for good, as an administrator of roles.
func (t *Tenant) PortalAssign(admin, principal, role string) error {
	principal, role = strings.ToLower(principal), strings.ToLower(role)
	return t.administrator(admin, role, func(by who) error {
		if err := t.known(principal, role, "/"); err != nil {
			return err
		}
		if t.w.assigned(principal, kindRole, role, "/") == nil {
			t.w.Assignments = append(t.w.Assignments, &assignment{ID: packedID(role, principal, "/"), Kind: kindRole, Principal: principal, Role: role, Scope: "/", Start: t.now()})
		}
		t.log(AuditEntry{Time: t.now(), Actor: by.id, ActorKind: by.kind, Activity: didAssign, Target: principal, Kind: kindRole, Role: role, Scope: "/"})
		return nil
	})
}

// administrator lets somebody do what takes an administrator of roles.
func (t *Tenant) administrator(admin, role string, deed func(by who) error) error {
	return t.change(func() error {
		admin = strings.ToLower(admin)
		if u := t.w.Users[admin]; u == nil || u.Disabled {
			return fmt.Errorf("pimtest: no enabled user %s", admin)
		}
		if !t.w.administers(admin, kindRole, role, "/", t.now()) {
			return refusal("Authorization_RequestDenied")
		}
		return deed(who{admin, ByUser})
	})
}
