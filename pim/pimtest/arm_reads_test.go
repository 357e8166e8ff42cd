package pimtest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARMApproval(t *testing.T) {
	stages := func(id string) string { return approvalAt(id, "/stages") }
	stage := func(id string) string { return approvalAt(id, "/stages/"+id) }
	wrapped := obj{"properties": obj{"reviewResult": "Approve", "justification": "fine"}}
	flat := wrapped["properties"].(obj)
	const batch = "/batch?api-version=2020-06-01"
	inBatch := func(body obj) obj {
		return obj{"requests": []obj{{"name": "n1", "httpMethod": "PUT", "url": stage(request1), "content": body}}}
	}
	start := func(t *testing.T, d Decision) (h *armHarness, a, b string) {
		h = newARM(t)
		h.SetARMQuirks(ARMQuirks{Decision: d})
		a, b = h.onARM(alice), h.onARM(bob)
		p := h.put(a, production, request1, h.azureActivation(alice, azureOwnerRole, ticket()))
		if p["status"] != "PendingApproval" || p["approvalId"] != "/providers/Microsoft.Authorization/roleAssignmentApprovals/"+request1 ||
			p["scheduleInfo"].(obj)["startDateTime"] != nil {
			t.Errorf("request %v", p)
		}
		return h, a, b
	}

	t.Run("who sees what", func(t *testing.T) {
		h, a, b := start(t, DecideWrapped)
		if rows := h.rows(b, armList("", "roleAssignmentScheduleRequests", "asApprover()")); len(rows) != 1 || rows[0]["name"] != request1 {
			t.Errorf("waits for bob: %v", rows)
		}
		for _, filter := range []string{"asTarget()", "asRequestor()"} {
			if rows := h.rows(a, armList("", "roleAssignmentScheduleRequests", filter)); len(rows) != 1 {
				t.Errorf("%s: %v", filter, rows)
			}
		}
		if rows := h.rows(a, armList("", "roleAssignmentScheduleRequests", "asApprover()")); len(rows) != 0 {
			t.Errorf("alice, who asked, is offered %v", rows)
		}
		for token, want := range map[string]int{b: 1, h.onARM(carol): 1, h.onARM(erin): 0} { // carol through a nested group
			if rows := h.rows(token, "/providers/Microsoft.Authorization/roleAssignmentApprovals?api-version=2021-01-01-preview&$filter=asApprover()"); len(rows) != want {
				t.Errorf("approvals: %v, want %d", rows, want)
			}
		}
		var self struct {
			HTTPStatus int
			Body       struct {
				Error struct{ Code, Message string }
			}
		}
		h.fixture("arm-self-approval", &self)
		o := h.wantRefused(a, http.MethodGet, stages(request1), nil, self.HTTPStatus, self.Body.Error.Code)
		if o["error"].(obj)["message"] != self.Body.Error.Message {
			t.Errorf("self-approval: %v", o)
		}
		h.wantRefused(a, http.MethodPut, stage(request1), wrapped, 400, "BadRequest")
		h.wantRefused(h.onARM(erin), http.MethodGet, stages(request1), nil, 403, "Forbidden")
		h.wantRefused(h.onARM(erin), http.MethodPut, stage(request1), wrapped, 403, "Forbidden")
		h.wantRefused(b, http.MethodGet, stages(request2), nil, 404, "NotFound")
		h.wantRefused(h.appOnARM(), http.MethodPut, stage(request1), wrapped, 403, "AuthorizationFailed")
		h.wantRefused(h.onARM(erin), http.MethodGet, requestPath(production, request1), nil, 403, "AuthorizationFailed")
		if status, _ := h.get(b, requestPath(production, request1)); status != 200 {
			t.Errorf("an approver may not read the request: %d", status)
		}
		s := h.rows(b, stages(request1))
		if p := s[0]["properties"].(obj); p["assignedToMe"] != true || p["status"] != "InProgress" || p["reviewResult"] != "NotReviewed" {
			t.Errorf("stage %v", p)
		}
		h.wantRefused(b, http.MethodPut, stage(request1), obj{"properties": obj{"reviewResult": "Approve"}}, 400, "BadRequest") // needs a justification
		h.wantRefused(b, http.MethodPut, stage(request1), flat, 400, "BadRequest")
		if got := h.takeUnhandled(); len(got) != 1 {
			t.Errorf("a flat decision was reported %d times", len(got))
		}
		if status, o := h.call(b, http.MethodPut, stage(request1), wrapped); status != 204 || o != nil {
			t.Errorf("PUT: %d %v", status, o)
		}
		h.wantRefused(h.onARM(carol), http.MethodPut, stage(request1), wrapped, 409, "Conflict")
		if p := h.rows(h.onARM(carol), stages(request1))[0]["properties"].(obj); p["reviewedBy"].(obj)["principalName"] != "Bob" || p["status"] != "Completed" {
			t.Errorf("stage %v", p)
		}
		if rows := h.rows(a, armList(production, "roleAssignmentScheduleInstances", "asTarget()")); len(rows) != 1 {
			t.Errorf("instances %v", rows)
		}
	})

	t.Run("deny by patch", func(t *testing.T) {
		h, a, b := start(t, DecideWrapped)
		status, o := h.call(b, http.MethodPatch, stage(request1), obj{"properties": obj{"reviewResult": "Deny", "justification": "no"}})
		if status != 200 || o["properties"].(obj)["reviewResult"] != "Deny" {
			t.Errorf("%d %v", status, o)
		}
		if _, o := h.get(a, requestPath(production, request1)); o["properties"].(obj)["status"] != "Denied" {
			t.Errorf("request %v", o)
		}
	})

	// Each shape alone: the others are refused with what makes a client try the next.
	type attempt struct {
		method, path string
		body         obj
	}
	attempts := map[Decision]attempt{
		DecideByPut: {http.MethodPut, stage(request1), wrapped}, DecideByPatch: {http.MethodPatch, stage(request1), wrapped},
		DecideByFlatPatch: {http.MethodPatch, stage(request1), flat}, DecideByBatch: {http.MethodPost, batch, inBatch(wrapped)},
	}
	for only := range attempts {
		t.Run("only "+string(only), func(t *testing.T) {
			h, _, b := start(t, only)
			for shape, try := range attempts {
				if shape == only || only == DecideByPut && shape == DecideByBatch {
					continue // a batch puts
				}
				status, o := h.call(b, try.method, try.path, try.body)
				if shape == DecideByBatch {
					status = int(o["responses"].([]any)[0].(obj)["httpStatusCode"].(float64))
				}
				if status != 400 && status != 405 {
					t.Errorf("%s: %d %v", shape, status, o)
				}
			}
			if h.State().Requests[0].Reviewer != "" {
				t.Fatal("it is decided")
			}
			try := attempts[only]
			status, o := h.call(b, try.method, try.path, try.body)
			if only == DecideByBatch {
				inner := o["responses"].([]any)[0].(obj)
				if inner["name"] != "n1" || inner["httpStatusCode"] != 204.0 || inner["contentLength"] != 0.0 {
					t.Errorf("batch %v", inner)
				}
			}
			if status/100 != 2 || h.State().Requests[0].Reviewer != bob {
				t.Errorf("%d %v", status, o)
			}
		})
	}
}

func TestARMPolicies(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)
	policy := func(scope, role string) obj {
		t.Helper()
		rows := h.rows(a, armList(scope, "roleManagementPolicyAssignments", "roleDefinitionId eq '"+roleAt(scope, role)+"'"))
		if len(rows) != 1 {
			t.Fatalf("policies %v", rows)
		}
		rules := obj{}
		for _, r := range rows[0]["properties"].(obj)["effectiveRules"].([]any) {
			rules[r.(obj)["id"].(string)] = r
		}
		return rules
	}
	own := policy(production, azureOwnerRole)
	setting := own["Approval_EndUser_Assignment"].(obj)["setting"].(obj)
	approvers := setting["approvalStages"].([]any)[0].(obj)["primaryApprovers"].([]any)
	if len(own) != 17 || setting["isApprovalRequired"] != true || approvers[0].(obj)["userType"] != "User" || approvers[1].(obj)["id"] != approversGroup ||
		own["Expiration_EndUser_Assignment"].(obj)["maximumDuration"] != "PT4H" {
		t.Errorf("rules %v", own)
	}
	if below := policy(appGroup, azureOwnerRole); below["Approval_EndUser_Assignment"].(obj)["setting"].(obj)["isApprovalRequired"] != false ||
		below["Expiration_EndUser_Assignment"].(obj)["maximumDuration"] != "PT8H" {
		t.Errorf("the child scope took over %v", below)
	}
	// An approval nobody can give: Azure has no default approvers.
	h.must(h.SetAzurePolicy(production, azureContributor, Policy{Approval: true}))
	h.put(a, production, request1, h.azureActivation(alice, azureContributor))
	h.must(h.AssignAzure(erin, azureOwnerRole, production))
	if rows := h.rows(h.onARM(erin), armList("", "roleAssignmentScheduleRequests", "asApprover()")); len(rows) != 0 {
		t.Errorf("offered to an owner: %v", rows)
	}
	h.wantRefused(h.onARM(bob), http.MethodGet, armList(production, "roleManagementPolicyAssignments", ""), nil, 403, "AuthorizationFailed")
	if rows := h.rows(h.onARM(erin), armList(production, "roleManagementPolicyAssignments", "")); len(rows) != 4 {
		t.Errorf("%d policies", len(rows))
	}
}

func TestARMChildrenAndRoles(t *testing.T) {
	h := newARM(t, func(o *Options) { o.Unkind = &Unkind{PageSize: 1} })
	a := h.onARM(alice)
	children := func(scope, filter, more string) string {
		var ids []string
		for _, o := range h.rows(a, armList(scope, "eligibleChildResources", filter)+more) {
			ids = append(ids, o["type"].(string)+" "+o["name"].(string))
		}
		return strings.Join(ids, ", ")
	}
	for got, want := range map[string]string{
		children(production, "", ""): "resourcegroup rg-App, resourcegroup rg-data",
		children(production, "resourceType eq 'resourcegroup'", "&getAllChildren=true"):                    "resourcegroup rg-App, resourcegroup rg-data",
		children(companyGroup, "resourceType eq 'Subscription' or resourceType eq 'resourcegroup'", ""):    "subscription Production",
		children(companyGroup, "", "&getAllChildren=true"):                                                 "subscription Production, resourcegroup rg-App, resourcegroup rg-data, microsoft.storage/storageaccounts ledger",
		children("/providers/Microsoft.Subscription"+production, "resourceType eq 'resourcegroup'", ""):    "resourcegroup rg-App, resourcegroup rg-data",
		children(strings.ToUpper(production), "", ""):                                                      "resourcegroup rg-App, resourcegroup rg-data",
		children(dataGroup, "resourceType eq 'Microsoft.Storage/storageAccounts'", "&getAllChildren=true"): "microsoft.storage/storageaccounts ledger",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	h.wantRefused(h.onARM(bob), http.MethodGet, armList(production, "eligibleChildResources", ""), nil, 403, "AuthorizationFailed")
	roles := h.rows(a, production+"/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter=roleName eq 'Operator'")
	if len(roles) != 1 || roles[0]["id"] != production+rolePath+azureOperator || roles[0]["properties"].(obj)["type"] != "CustomRole" {
		t.Errorf("roles %v", roles)
	}
	if status, _ := h.get(a, production+rolePath+azureOperator+"?api-version=2022-04-01"); status != 200 {
		t.Errorf("role by id: %d", status)
	}
	h.wantRefused(a, http.MethodGet, production+rolePath+tenantID+"?api-version=2022-04-01", nil, 404, "RoleDefinitionDoesNotExist")
}

func TestARMTokens(t *testing.T) {
	h := newARM(t)
	mine := armList("", "roleEligibilityScheduleInstances", "asTarget()")
	graph, arm := h.as(alice), h.onARM(alice)
	h.wantRefused(graph, http.MethodGet, mine, nil, 401, "InvalidAuthenticationTokenAudience")
	if status, o := h.harness.get(arm, eligiblePath+"/filterByCurrentUser(on='principal')"); status != 401 || errorCode(o) != "InvalidAuthenticationToken" {
		t.Errorf("a token of ARM at Graph: %d %v", status, o)
	}
	h.wantRefused("", http.MethodGet, mine, nil, 401, "AuthenticationFailed")
	h.wantRefused("nonsense", http.MethodGet, mine, nil, 401, "InvalidAuthenticationToken")
	if res := h.send(graph, http.MethodGet, mine, nil); !strings.Contains(res.Header.Get("WWW-Authenticate"), "authorization_uri=") {
		t.Errorf("headers %v", res.Header)
	}
	// Microsoft's kit asks for the other name of the same API, with a slash too many.
	kit := h.signIn(alice, map[string]string{"scope": "openid offline_access https://management.core.windows.net//.default"})
	if got := claimsOf(t, kit["access_token"]); got["aud"] != "https://management.core.windows.net/" || got["scp"] != "user_impersonation" {
		t.Errorf("claims %v", got)
	}
	if rows := h.rows(kit["access_token"].(string), mine); len(rows) != 4 {
		t.Errorf("%d rows", len(rows))
	}
	strong := h.signIn(alice, map[string]string{"scope": armScopes, "claims": cp1c1})
	if got := claimsOf(t, strong["access_token"]); got["acrs"] == nil || got["amr"] == nil {
		t.Errorf("claims %v", got)
	}
	if got := claimsOf(t, h.appOnARM()); got["roles"] != nil || got["idtyp"] != "app" {
		t.Errorf("the app's token carries permissions of Graph: %v", got)
	}
	h.wallClock.advance(2 * time.Hour)
	h.wantRefused(arm, http.MethodGet, mine, nil, 401, "ExpiredAuthenticationToken")

	// Without consent a person's token is not to be had, the app's own is.
	none := newARM(t, func(o *Options) { o.App.Delegated = []string{"User.Read"} })
	to := none.redirect(alice, map[string]string{"scope": armScopes})
	if to.Query().Get("error") != "consent_required" {
		t.Errorf("without consent: %s", to)
	}
	none.appOnARM()
}

func TestARMIsStrict(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)
	mine := armList("", "roleEligibilityScheduleInstances", "asTarget()")
	h.wantRefused(a, http.MethodGet, strings.Replace(mine, "2020-10-01", "2020-10-01-preview", 1), nil, 400, "InvalidApiVersionParameter")
	h.wantRefused(a, http.MethodGet, strings.Replace(mine, "api-version=2020-10-01&", "", 1), nil, 400, "MissingApiVersionParameter")
	h.wantRefused(a, http.MethodGet, strings.Replace(approvalAt(request1, "/stages"), "2021-01-01-preview", "2020-10-01", 1), nil, 400, "InvalidApiVersionParameter")
	h.wantRefused(a, http.MethodGet, armList("/subscriptions/"+tenantID, "roleEligibilityScheduleInstances", "asTarget()"), nil, 404, "SubscriptionNotFound")
	h.wantRefused(a, http.MethodGet, armList(production+"/resourceGroups/nowhere", "roleEligibilityScheduleInstances", "asTarget()"), nil, 404, "ResourceGroupNotFound")
	if got := h.takeUnhandled(); len(got) != 0 {
		t.Errorf("reported: %v", got)
	}
	activation := h.azureActivation(alice, azureContributor)
	properties := func(change ...func(obj)) obj { return h.azureActivation(alice, azureContributor, change...) }
	for name, try := range map[string]func() (int, obj){
		"a route":          func() (int, obj) { return h.get(a, "/subscriptions?api-version=2022-12-01") },
		"a method":         func() (int, obj) { return h.call(a, http.MethodDelete, requestPath(production, request1), nil) },
		"an option":        func() (int, obj) { return h.get(a, mine+"&$top=5") },
		"a filter":         func() (int, obj) { return h.get(a, armList("", "roleEligibilityScheduleInstances", "asOwner()")) },
		"a filter's place": func() (int, obj) { return h.get(a, armList("", "roleEligibilityScheduleInstances", "asApprover()")) },
		"a member": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), properties(set("directoryScopeId", "/")))
		},
		"a flat body": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), activation["properties"])
		},
		"a request type in camel case": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), properties(set("requestType", "selfActivate")))
		},
		"an administrator's request": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), properties(set("requestType", "AdminAssign")))
		},
		"an expiration in camel case": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), properties(set("scheduleInfo", obj{"expiration": obj{"type": "afterDuration", "duration": "PT1H"}})))
		},
		"no eligibility named": func() (int, obj) {
			return h.call(a, http.MethodPut, requestPath(production, request1), properties(set("linkedRoleEligibilityScheduleId", "")))
		},
		"a call in a batch": func() (int, obj) {
			return h.call(a, http.MethodPost, "/batch?api-version=2020-06-01", obj{"requests": []obj{{"name": "n", "httpMethod": "GET", "url": mine}}})
		},
	} {
		if status, o := try(); status < 400 || errorCode(o) == "" {
			t.Errorf("%s: %d %v", name, status, o)
		}
		if got := h.takeUnhandled(); len(got) != 1 {
			t.Errorf("%s was reported as %v", name, got)
		}
	}
	for _, r := range []Resource{
		{ID: "/subscriptions/x"}, {ID: production + "/resourceGroups/rg/extra"}, {ID: "/subscriptions/" + tenantID + "/resourceGroups/rg"},
		{ID: appGroup, Parent: production}, {ID: companyGroup, Parent: companyGroup}, {ID: elsewhere, Parent: production},
	} {
		if h.AddResource(r) == nil {
			t.Errorf("%+v was added", r)
		}
	}
}

func TestARMIsUnkind(t *testing.T) {
	h := newARM(t, func(o *Options) {
		o.Unkind = &Unkind{Seed: 3, Throttle: 3, LateInstance: 2, EnumCase: true, PageSize: 2}
	})
	a := h.onARM(alice)
	throttled := 0
	rows := func(path string) []obj {
		var all []obj
		for path != "" {
			status, o := h.get(a, path)
			if status == http.StatusTooManyRequests {
				if errorCode(o) != "SubscriptionRequestsThrottled" {
					t.Errorf("throttled: %v", o)
				}
				throttled++
				continue
			}
			for _, v := range o["value"].([]any) {
				all = append(all, v.(obj))
			}
			path, _ = o["nextLink"].(string)
		}
		return all
	}
	if got := rows(armList("", "roleEligibilityScheduleInstances", "asTarget()")); len(got) != 4 {
		t.Errorf("%d eligibilities", len(got))
	}
	for {
		if status, _ := h.call(a, http.MethodPut, requestPath(production, request1), h.azureActivation(alice, azureContributor)); status != http.StatusTooManyRequests {
			break
		}
	}
	instances := armList(production, "roleAssignmentScheduleInstances", "asTarget()")
	late := 0
	for len(rows(instances)) == 0 {
		if late++; late > 2 {
			t.Fatal("the instance does not appear")
		}
	}
	if late == 0 || throttled == 0 {
		t.Errorf("late %d, throttled %d", late, throttled)
	}
	res := func() *http.Response {
		for {
			if r := h.send(a, http.MethodGet, instances, nil); r.StatusCode == http.StatusTooManyRequests {
				return r
			}
		}
	}()
	if res.Header.Get("Retry-After") != "1" {
		t.Errorf("headers %v", res.Header)
	}

	// Every status there is, and how an end is told.
	h.SetUnkind(nil)
	for _, status := range AzureStatuses() {
		h.must(h.ShowAzureStatus(request1, status))
		if _, o := h.get(a, requestPath(production, request1)); o["properties"].(obj)["status"] != status {
			t.Errorf("%s: %v", status, o)
		}
	}
	h.business.advance(time.Hour)
	if got := rows(instances); len(got) != 0 {
		t.Errorf("after the end: %v", got)
	}
	if log := h.Audit(); log[len(log)-1].Activity != didEnd || log[len(log)-1].Kind != kindAzure {
		t.Errorf("audit %+v", log[len(log)-1])
	}
}

// What Azure holds survives a restart, and the portal works without the product.
func TestARMPortalAndFile(t *testing.T) {
	file := t.TempDir() + "/world.json"
	h := newARM(t, func(o *Options) { o.File = file })
	id, err := h.PortalActivate(alice, Wanted{Kind: kindAzure, Role: azureBlobReader, Scope: storage, Justification: "from the portal", Ticket: "PORTAL", Duration: time.Hour})
	h.must(err)
	pending, err := h.PortalActivate(alice, Wanted{Kind: kindAzure, Role: azureOwnerRole, Scope: production, Justification: "from the portal", Ticket: "PORTAL", Duration: time.Hour})
	h.must(err)
	h.must(h.PortalDecide(bob, pending, true, "fine"))
	if _, err := h.PortalActivate(bob, Wanted{Kind: kindAzure, Role: azureOwnerRole, Scope: production, Justification: "x", Ticket: "PORTAL", Duration: time.Hour}); err == nil {
		t.Error("bob is not eligible")
	}
	again := newARM(t, func(o *Options) { o.File = file })
	again.business.advance(10 * time.Minute)
	if _, o := again.get(again.onARM(alice), requestPath(storage, id)); o["properties"].(obj)["condition"] != ledgerOnly {
		t.Errorf("request %v", o)
	}
	again.must(again.PortalDeactivate(alice, Wanted{Kind: kindAzure, Role: azureBlobReader, Scope: storage}))
	s := again.State()
	if len(s.Active) != 2 || s.Active[1].Kind != kindAzure || len(s.Resources) != 6 || len(s.AzureRoles) != 4 {
		t.Errorf("active %+v, %d resources, %d roles", s.Active, len(s.Resources), len(s.AzureRoles))
	}
}
