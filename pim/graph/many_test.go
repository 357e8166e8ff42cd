package graph_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

// Somebody is eligible for a role in ten thousand administrative units: the simulated
// tenant gives them a hundred at a time, and all of them are read.
func TestTenantWithTenThousandEligibilities(t *testing.T) {
	t.Parallel() // the tenant is slow at it
	w := newTenant(t, pimtest.Kind())
	const many = 10_000
	for i := range many {
		w.must(w.Tenant.Eligible(simCarol, roleOpen, fmt.Sprintf("/administrativeUnits/7c0ffee0-0000-4000-8000-%012x", i), time.Time{}, time.Time{}))
	}
	begun := time.Now()
	got, err := w.Client.Eligible(t.Context(), simCarol)
	w.must(err)
	t.Logf("read in %v", time.Since(begun))
	scopes := map[string]bool{}
	for _, e := range got {
		scopes[e.Scope] = e.Role == roleOpen && e.RoleName == "Reports Reader"
	}
	if len(got) != many || len(scopes) != many || !scopes["/administrativeUnits/7c0ffee0-0000-4000-8000-00000000270f"] {
		t.Errorf("%d eligibilities in %d places, want %d", len(got), len(scopes), many)
	}
}
