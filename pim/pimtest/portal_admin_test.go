package pimtest

import (
	"slices"
	"testing"
)

// Who administers roles makes somebody eligible and takes that back; nobody else does, and
// the log names who it was.
func TestAnAdministratorMakesSomebodyEligible(t *testing.T) {
	h := newHarness(t)
	count := func() (n int) {
		for _, e := range h.State().Eligible {
			if e.Principal == erin && e.Role == roleOpen {
				n++
			}
		}
		return n
	}
	if err := h.PortalEligible(bob, erin, roleOpen, "/"); err == nil || count() != 0 {
		t.Fatalf("somebody who administers nothing does it: %v", err)
	}
	if err := h.Assign(carol, rolePrivilegedAdmin, "/"); err != nil {
		t.Fatal(err)
	}
	if err := h.PortalEligible(carol, erin, roleOpen, "/"); err != nil || count() != 1 {
		t.Fatalf("%v", err)
	}
	if err := h.PortalNotEligible(carol, erin, roleOpen, "/"); err != nil || count() != 0 {
		t.Fatalf("%v", err)
	}
	var told []string
	for _, e := range h.Audit() {
		if e.Actor == carol && e.ActorKind == ByUser && e.Target == erin {
			told = append(told, e.Activity)
		}
	}
	if !slices.Equal(told, []string{"Add eligible member to role in PIM completed (permanent)", "Remove eligible member from role in PIM completed (permanent)"}) {
		t.Errorf("the log says %q", told)
	}
}
