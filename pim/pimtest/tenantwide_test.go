package pimtest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The lists of the whole tenant, which the contract is checked against as they are read.
func TestTenantWideLists(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Unkind = &Unkind{EnumCase: true}
		o.App.Application = append(o.App.Application, "LicenseAssignment.Read.All", "AccessReview.Read.All", "GroupMember.Read.All")
	})
	const robot = "40000000-0000-4000-8000-000000000001"
	h.must(h.AddServicePrincipal(robot, "Robot"), h.Assign(robot, rolePrivilegedAdmin, "/"),
		h.AddReview(Review{ID: unit, Name: "Quarterly", Role: rolePrivilegedAdmin, Months: 3, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}),
		h.AddReview(Review{ID: nestedGroup, Name: "Once", Role: rolePrivilegedAdmin}),
		h.AddGroup(Group{ID: unit, Name: "Admins", RoleAssignable: true}))
	app := h.asApp()
	skus := h.rows(app, "/v1.0/subscribedSkus")
	if len(skus) != 1 || skus[0]["capabilityStatus"] != "Enabled" {
		t.Errorf("%v", skus)
	}
	if reviews := h.rows(app, "/v1.0/identityGovernance/accessReviews/definitions"); len(reviews) != 2 {
		t.Errorf("%v", reviews)
	}
	if groups := h.rows(app, "/v1.0/groups?$filter=isAssignableToRole eq true&$select=id,displayName"); len(groups) != 1 || groups[0]["displayName"] != "Admins" {
		t.Errorf("%v", groups)
	}
	h.must(h.SetLicensed(false))
	if skus := h.rows(app, "/v1.0/subscribedSkus"); skus[0]["capabilityStatus"] != "Suspended" {
		t.Errorf("%v", skus)
	}
	h.must(h.SetLicensed(true))
	// Who an application is takes a permission on applications.
	for _, row := range h.rows(app, "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?$expand=principal") {
		if row["principalId"] == robot && row["principal"].(obj)["@odata.type"] != "#microsoft.graph.servicePrincipal" {
			t.Errorf("%v", row)
		}
	}
	h.wantRefused(h.as(alice), http.MethodGet, "/v1.0/subscribedSkus", nil, 403, "Authorization_RequestDenied")
}

// A list without a filter makes only the entities of its page, and is the same list.
func TestALongListInPages(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{PageSize: 100} })
	for i := range 250 {
		id := derivedID(tenantID, "user "+string(rune('a'+i%26))+time.Duration(i).String())
		h.must(h.AddUser(User{ID: id, Name: "U", UPN: id}), h.Assign(id, roleOpen, "/"))
	}
	seen := map[any]bool{}
	app := h.asApp()
	for path, pages := "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances", 0; path != "" && pages < 5; pages++ {
		_, o := h.get(app, path)
		for _, row := range o["value"].([]any) {
			seen[row.(obj)["principalId"]] = true
		}
		next, _ := o["@odata.nextLink"].(string)
		path = strings.TrimPrefix(next, h.graph)
	}
	if len(seen) < 250 {
		t.Errorf("%d principals", len(seen))
	}
}

// An access review, as the contract describes its parts: who is asked sees their own, nobody
// else decides, and Belay itself reads and cannot write.
func TestAccessReviewsOfTheTenant(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Unkind = &Unkind{EnumCase: true}
		o.App.Application = append(o.App.Application, "AccessReview.Read.All")
		o.App.Delegated = append(o.App.Delegated, "AccessReview.ReadWrite.All")
	})
	const base = "/v1.0/identityGovernance/accessReviews/definitions"
	at := base + "/" + unit + "/instances"
	h.must(h.AddReview(Review{ID: unit, Name: "Quarterly", Role: roleOpen, Months: 3}),
		h.AddRound(Round{ID: nestedGroup, Review: unit, Reviewers: []string{bob}, Start: h.Tenant.now().Add(-time.Hour), End: h.Tenant.now().Add(time.Hour),
			Items: []ReviewItem{{ID: approversGroup, Principal: alice, Recommend: "Deny", LastSignIn: h.Tenant.now().Add(-time.Hour)}}}))
	app := h.asApp()
	for path, want := range map[string]int{base: 1, at: 1, at + "?$filter=status eq 'InProgress'": 1, at + "?$filter=status eq 'Completed'": 0,
		at + "/" + nestedGroup + "/contactedReviewers": 1, at + "/" + nestedGroup + "/decisions?$filter=decision eq 'NotReviewed'": 1} {
		if rows := h.rows(app, path); len(rows) != want {
			t.Errorf("%s: %v", path, rows)
		}
	}
	reviewer := func(who string) string {
		return h.signIn(who, map[string]string{"scope": "openid offline_access profile https://graph.microsoft.com/AccessReview.ReadWrite.All"})["access_token"].(string)
	}
	const mine = "/filterByCurrentUser(on='reviewer')"
	for _, path := range []string{base + mine, at + mine, at + "/" + nestedGroup + "/decisions" + mine} {
		if rows := h.rows(reviewer(bob), path); len(rows) != 1 {
			t.Errorf("%s: %v", path, rows)
		}
	}
	if rows := h.rows(reviewer(alice), at+mine); len(rows) != 0 {
		t.Errorf("Alice reviews %v", rows)
	}
	decision := at + "/" + nestedGroup + "/decisions/" + approversGroup
	body := obj{"decision": "Deny"}
	h.wantRefused(app, http.MethodPatch, decision, body, 403, "Authorization_RequestDenied")
	h.wantRefused(reviewer(alice), http.MethodPatch, decision, body, 403, "Forbidden")
	h.wantRefused(reviewer(bob), http.MethodPatch, decision, obj{"decision": "Approve"}, 400, "BadRequest")
}
