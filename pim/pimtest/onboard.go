package pimtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// SetGroupPolicy sets what one must do to become a member or an owner ("member",
// "owner") of a group, and onboards the group to PIM. Of a group without a policy
// of its own anybody eligible gets in for up to 8 h with a justification.
func (t *Tenant) SetGroupPolicy(group, access string, p Policy) error {
	group = strings.ToLower(group)
	if err := p.check(); err != nil {
		return err
	}
	return t.change(func() error {
		if err := t.knownInGroup(group, access); err != nil {
			return err
		}
		t.onboard(group)
		t.w.GroupPolicies[group+"/"+access] = &p
		return nil
	})
}

// EligibleInGroup makes a user or group eligible for membership or ownership of a
// group, as Eligible does for a role, and onboards the group to PIM.
func (t *Tenant) EligibleInGroup(principal, group, access string, from, until time.Time) error {
	principal, group = strings.ToLower(principal), strings.ToLower(group)
	return t.change(func() error {
		if err := t.knownInGroup(group, access, principal); err != nil {
			return err
		}
		t.onboard(group)
		t.addEligible(eligibility{
			ID: group + "_" + access + "_" + uuid.NewString(), Kind: kindGroup, Principal: principal, Role: access, Scope: group, From: from, Until: until,
		})
		return nil
	})
}

// AssignInGroup makes a user or group a member or owner of a group for good
// through PIM. It does nothing when they are one.
func (t *Tenant) AssignInGroup(principal, group, access string) error {
	principal, group = strings.ToLower(principal), strings.ToLower(group)
	return t.change(func() error {
		if err := t.knownInGroup(group, access, principal); err != nil {
			return err
		}
		t.onboard(group)
		if t.w.assigned(principal, kindGroup, access, group) == nil {
			t.w.Assignments = append(t.w.Assignments, &assignment{
				ID: group + "_" + access + "_" + uuid.NewString(), Kind: kindGroup, Principal: principal, Role: access, Scope: group,
			})
		}
		return nil
	})
}

func (t *Tenant) onboard(group string) {
	for _, access := range []string{accessMember, accessOwner} {
		if t.w.GroupPolicies[group+"/"+access] == nil {
			t.w.GroupPolicies[group+"/"+access] = unedited()
		}
	}
}

func (t *Tenant) knownInGroup(group, access string, principals ...string) error {
	if t.w.Groups[group] == nil {
		return fmt.Errorf("pimtest: no group %s", group)
	}
	if !slices.Contains([]string{accessMember, accessOwner}, access) {
		return fmt.Errorf("pimtest: %q is neither member nor owner", access)
	}
	for _, p := range principals {
		if t.w.Users[p] == nil && t.w.Groups[p] == nil {
			return fmt.Errorf("pimtest: no user or group %s", p)
		}
	}
	return nil
}

// check refuses a policy that cannot be, and fills in what it leaves open.
func (p *Policy) check() error {
	if err := guids("approver", p.Approvers...); err != nil {
		return err
	}
	if p.AuthContext != "" && !authContext.MatchString(p.AuthContext) {
		return fmt.Errorf("pimtest: %q is not an authentication context (c1 to c99)", p.AuthContext)
	}
	if p.MaxDuration == 0 {
		p.MaxDuration = defaultMaxActive
	}
	p.Approvers = lower(p.Approvers)
	return nil
}
