package arm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

// The lists below a management group, as Belay itself: without Reader there it is
// refused, with it everything at and below is told, page by page.
func TestLists(t *testing.T) {
	w := newTenant(t, &pimtest.Unkind{Seed: 3, EnumCase: true, PageSize: 2})
	lists, ctx := w.Lists(), t.Context()
	if _, _, err := lists.Holdings(ctx, platform, true, ""); pim.CodeOf(err) != pim.CodeForbidden {
		t.Fatalf("without Reader: %v", err)
	}
	const robot = "40000000-0000-4000-8000-000000000001"
	w.must(w.GrantReader(platform), w.AddServicePrincipal(robot, "Robot"), w.AssignAzure(robot, roleApproved, rgData))
	whole := func(eligible bool) (all []pim.Holding) {
		for page, n := "", 0; n < 20; n++ {
			list, next, err := lists.Holdings(ctx, platform, eligible, page)
			w.must(err)
			if all = append(all, list...); next == "" {
				return all
			}
			page = next
		}
		t.Fatal("the list does not end")
		return nil
	}
	role := func(scope, id string) pim.Assignment {
		at := ""
		if scope != platform {
			at = prod
		}
		return pim.Assignment{Kind: pim.AzureResource, Role: at + "/providers/Microsoft.Authorization/roleDefinitions/" + id, Scope: scope}
	}
	alice := pim.Principal{ID: simAlice, Name: "Alice"}
	want := []pim.Holding{
		{Assignment: role(prod, roleOpen), Holder: alice, Type: pim.User, Eligible: true, RoleName: "Contributor", ScopeName: "subscription Production"},
		{Assignment: role(prod, roleApproved), Holder: alice, Type: pim.User, Eligible: true, RoleName: "Owner", ScopeName: "subscription Production", End: noon.Add(90 * 24 * time.Hour)},
		{Assignment: role(ledger, roleStepUp), Holder: alice, Type: pim.User, Eligible: true, RoleName: "Storage Blob Data Reader", ScopeName: "resource ledger (Microsoft.Storage/storageAccounts)"},
		{Assignment: role(platform, roleGroup), Holder: pim.Principal{ID: leads, Name: "Leads"}, Type: pim.GroupOfPeople, Eligible: true, RoleName: "Operator", ScopeName: "management group Platform"},
	}
	if d := cmp.Diff(want, whole(true), cmpopts.IgnoreFields(pim.Holding{}, "Start")); d != "" {
		t.Errorf("eligible (-want +got):\n%s", d)
	}
	standing := whole(false)
	if len(standing) != 2 || standing[1].Type != pim.ServicePrincipal || standing[1].Holder.Name != "Robot" || !standing[1].Standing() || standing[1].Scope != rgData {
		t.Errorf("standing %+v", standing)
	}
	s, err := lists.Settings(ctx, role(prod, roleApproved))
	w.must(err)
	if s.MaxDuration != 4*time.Hour || !s.Approval || s.Approvers != 2 || !s.Ticket || !s.PermanentEligible || !s.Mailed || len(s.Missing) != 0 {
		t.Errorf("%+v", s)
	}
	if _, _, err := lists.Holdings(ctx, "/subscriptions/../x", true, ""); pim.CodeOf(err) != pim.CodeInvalid {
		t.Errorf("a climbing scope: %v", err)
	}
	if _, _, err := lists.Holdings(ctx, platform, true, "https://management.example.com/next"); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("a foreign page: %v", err)
	}
}
