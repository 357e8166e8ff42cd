package pimtest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPolicy(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{} })
	path := "/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '" +
		roleApproved + "'&$expand=policy($expand=rules)"
	for name, token := range map[string]string{"person": h.as(alice), "application": h.asApp()} {
		rows := h.rows(token, path)
		if len(rows) != 1 || rows[0]["roleDefinitionId"] != roleApproved {
			t.Fatalf("%s: %v", name, rows)
		}
		rules := map[string]obj{}
		for _, r := range rows[0]["policy"].(obj)["rules"].([]any) {
			rules[r.(obj)["id"].(string)] = r.(obj)
		}
		if len(rules) != 17 {
			t.Errorf("%d rules, want 17", len(rules))
		}
		if got := rules["Expiration_EndUser_Assignment"]["maximumDuration"]; got != "PT8H" {
			t.Errorf("maximum %v", got)
		}
		if got := rules["Enablement_EndUser_Assignment"]["enabledRules"]; !cmp.Equal(got, []any{"Justification"}) {
			t.Errorf("enabled rules %v", got)
		}
		setting := rules["Approval_EndUser_Assignment"]["setting"].(obj)
		approvers := setting["approvalStages"].([]any)[0].(obj)["primaryApprovers"]
		want := []any{
			obj{"@odata.type": "#microsoft.graph.singleUser", "userId": bob, "description": "Bob"},
			obj{"@odata.type": "#microsoft.graph.groupMembers", "groupId": approversGroup, "description": "Approvers"},
		}
		if d := cmp.Diff(any(want), approvers); d != "" || setting["isApprovalRequired"] != true {
			t.Errorf("approvers %s", d)
		}
	}
	h.wantRefused(h.as(alice), http.MethodGet, "/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/'", nil, 400, "BadRequest")
}

func TestDirectoryReads(t *testing.T) {
	h := newHarness(t)
	app := h.asApp()
	members := h.rows(app, "/v1.0/groups/"+approversGroup+"/transitiveMembers/microsoft.graph.user?$select=id,displayName,accountEnabled&$top=999&$count=true")
	if d := cmp.Diff([]obj{
		{"id": alice, "displayName": "Alice", "accountEnabled": true}, {"id": carol, "displayName": "Carol", "accountEnabled": true},
	}, members); d != "" {
		t.Error(d)
	}
	if _, o := h.get(app, "/v1.0/users/"+bob+"?$select=id,displayName,mail,accountEnabled"); o["mail"] != "bob@contoso.com" || o["accountEnabled"] != true {
		t.Errorf("user %v", o)
	}
	if _, o := h.get(app, "/v1.0/users/"+bob); o["accountEnabled"] != nil {
		t.Errorf("accountEnabled without $select: %v", o)
	}
	if _, o := h.get(app, "/v1.0/groups/"+approversGroup+"?$select=displayName"); o["displayName"] != "Approvers" {
		t.Errorf("group %v", o)
	}
	h.wantRefused(app, http.MethodGet, "/v1.0/users/"+unit, nil, 404, "Request_ResourceNotFound")
	h.wantRefused(app, http.MethodGet, "/v1.0/groups/"+unit, nil, 404, "Request_ResourceNotFound")
	_, o := h.call(app, http.MethodPost, "/v1.0/directoryObjects/getByIds", obj{"ids": []string{alice, approversGroup, unit}, "types": []string{"user", "administrativeUnit"}})
	if list := o["value"].([]any); len(list) != 2 || list[0].(obj)["displayName"] != "Alice" || list[1].(obj)["displayName"] != "Berlin" {
		t.Errorf("getByIds %v", o)
	}
	roles := h.rows(app, "/v1.0/roleManagement/directory/roleDefinitions?$select=id,displayName,templateId,isBuiltIn,isEnabled")
	if len(roles) != 7 {
		t.Errorf("%d roles", len(roles))
	}
	if _, o := h.get(app, "/v1.0/roleManagement/directory/roleDefinitions/"+roleOpen); o["displayName"] != "Reports Reader" {
		t.Errorf("role %v", o)
	}
	held := h.rows(app, "/v1.0/roleManagement/directory/roleAssignments?$filter=roleDefinitionId eq '"+rolePrivilegedAdmin+"'&$expand=principal")
	if len(held) != 1 || held[0]["principal"].(obj)["displayName"] != "Erin" {
		t.Errorf("role assignments %v", held)
	}
	h.wantRefused(app, http.MethodGet, "/v1.0/roleManagement/directory/roleAssignments", nil, 400, "BadRequest")
}

func TestTheCastIsAnAdvancedQuery(t *testing.T) {
	h := newHarness(t)
	path := "/v1.0/groups/" + approversGroup + "/transitiveMembers/microsoft.graph.user"
	h.wantRefused(h.asApp(), http.MethodGet, path, nil, 400, "Request_UnsupportedQuery")
	req := h.request(h.asApp(), http.MethodGet, path+"?$count=true", nil)
	req.Header.Del("ConsistencyLevel")
	res, err := h.client.Do(req)
	h.must(err)
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("without the header: %d", res.StatusCode)
	}
}

func TestAnAppSeesOnlyWhatItMay(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.App.Application = []string{"GroupMember.Read.All", "RoleAssignmentSchedule.Read.Directory"}
	})
	app := h.asApp()
	for _, m := range h.rows(app, "/v1.0/groups/"+approversGroup+"/transitiveMembers/microsoft.graph.user?$count=true") {
		if m["displayName"] != nil || m["id"] == nil {
			t.Errorf("a name without a permission on users: %v", m)
		}
	}
	for _, m := range h.rows(app, instancesPath+"?$expand=principal") {
		if p := m["principal"].(obj); p["displayName"] != nil || p["id"] != erin {
			t.Errorf("principal %v", p)
		}
	}
	for path, code := range map[string]string{
		"/v1.0/users/" + bob:              "Authorization_RequestDenied",
		"/v1.0/auditLogs/directoryAudits": "Authorization_RequestDenied",
		eligiblePath:                      "PermissionScopeNotGranted",
		requestsPath:                      "PermissionScopeNotGranted",
		"/v1.0/roleManagement/directory/roleDefinitions": "Authorization_RequestDenied",
	} {
		h.wantRefused(app, http.MethodGet, path, nil, 403, code)
	}
}

func TestReadingRequestsNeedsAWritePermission(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.App.Delegated = []string{"RoleAssignmentSchedule.Read.Directory"} })
	a := h.signIn(alice, map[string]string{"scope": "openid RoleAssignmentSchedule.Read.Directory"})["access_token"].(string)
	h.rows(a, instancesPath+"/filterByCurrentUser(on='principal')")
	h.wantRefused(a, http.MethodGet, requestsPath+"/filterByCurrentUser(on='principal')", nil, 403, "PermissionScopeNotGranted")
	h.wantRefused(a, http.MethodPatch, step(alice), obj{"reviewResult": "Approve"}, 403, "PermissionScopeNotGranted")
}

func TestPeopleSeeOnlyTheirOwnUnlessTheyAreReaders(t *testing.T) {
	h := newHarness(t)
	id := h.activate(h.as(alice), activation(alice, roleApproved))["id"].(string)
	for _, path := range []string{requestsPath, instancesPath, schedulesPath, eligiblePath, requestsPath + "/" + id} {
		h.wantRefused(h.as(bob), http.MethodGet, path, nil, 403, "Authorization_RequestDenied")
	}
	e := h.as(erin)
	if rows := h.rows(e, requestsPath+"?$filter=principalId eq '"+alice+"' and roleDefinitionId eq '"+roleApproved+"'"); len(rows) != 1 || rows[0]["id"] != id {
		t.Errorf("an administrator reads %v", rows)
	}
	if rows := h.rows(h.as(alice), requestsPath+"/filterByCurrentUser(on='principal')"); len(rows) != 1 {
		t.Errorf("her own requests: %v", rows)
	}
	standing := h.rows(h.asApp(), instancesPath+"?$filter=assignmentType eq 'Assigned' and endDateTime eq null")
	if len(standing) != 1 || standing[0]["principalId"] != erin || standing[0]["startDateTime"] != nil {
		t.Errorf("standing access: %v", standing)
	}
	one := standing[0]["id"].(string)
	if _, o := h.get(h.asApp(), instancesPath+"/"+one); o["id"] != one {
		t.Errorf("by id: %v", o)
	}
	h.wantRefused(h.asApp(), http.MethodGet, schedulesPath+"/"+alice, nil, 404, "Request_ResourceNotFound")
}

func TestPaging(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{PageSize: 2} })
	next := eligiblePath + "?$filter=principalId eq '" + alice + "'&$expand=roleDefinition&$count=true"
	var seen []string
	pages := 0
	for next != "" {
		status, o := h.get(h.asApp(), next)
		if status != http.StatusOK || o["@odata.count"] != 5.0 {
			t.Fatalf("%d %v", status, o)
		}
		for _, v := range o["value"].([]any) {
			seen = append(seen, v.(obj)["roleDefinition"].(obj)["displayName"].(string))
		}
		next, _ = o["@odata.nextLink"].(string)
		if next != "" && !strings.HasPrefix(next, h.graph+eligiblePath+"?") {
			t.Fatalf("next link %s", next)
		}
		pages++
	}
	slices.Sort(seen)
	if pages != 3 || len(slices.Compact(seen)) != 5 {
		t.Errorf("%d pages with %v", pages, seen)
	}
	if rows := h.rows(h.asApp(), eligiblePath+"?$top=1"); len(rows) != 1 {
		t.Errorf("$top: %v", rows)
	}
	h.wantRefused(h.asApp(), http.MethodGet, eligiblePath+"?$skiptoken=abc", nil, 400, "BadRequest")
}

func TestQueriesTheServiceDoesNotKnowAreLoud(t *testing.T) {
	h := newHarness(t)
	app := h.asApp()
	for _, path := range []string{
		eligiblePath + "?$skip=1",
		eligiblePath + "?$select=name",
		eligiblePath + "?$expand=group",
		eligiblePath + "?$expand=principal($select=id)",
		eligiblePath + "?$filter=name eq 'x'",
		eligiblePath + "?$filter=principalId ne 'x'",
		eligiblePath + "?$filter=principalId eq 'x' or roleDefinitionId eq 'y'",
		eligiblePath + "?$filter=principalId eq",
		eligiblePath + "?$orderby=principalId",
		eligiblePath + "?filter=x",
		"/v1.0/roleManagement/directory/roleDefinitions?$select=isPrivileged",
		"/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '" + unit + "' and scopeType eq 'AdministrativeUnit'",
		"/v1.0/me",
		"/v1.0/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on='createdBy')",
		"/v1.0/" + strings.ToLower(strings.TrimPrefix(eligiblePath, "/v1.0/")),
	} {
		status, o := h.get(app, path)
		if status < 400 || status == 403 {
			t.Errorf("GET %s: %d %v", path, status, o)
		}
		if got := h.takeUnhandled(); len(got) != 1 {
			t.Errorf("GET %s: reported %v", path, got)
		}
	}
	for _, path := range []string{eligiblePath + "?$filter=principalId eq 'x", eligiblePath + "?$top=0", eligiblePath + "?$filter=principalId eq x"} {
		h.wantRefused(app, http.MethodGet, path, nil, 400, "BadRequest")
	}
	h.call(app, http.MethodDelete, requestsPath+"/"+alice, nil)
	if got := h.takeUnhandled(); len(got) != 1 {
		t.Errorf("DELETE: reported %v", got)
	}
}

func TestDirectoryAudits(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{AuditDelay: 2} })
	o := h.activate(h.as(alice), activation(alice, roleOpen))
	path := "/v1.0/auditLogs/directoryAudits?$filter=loggedByService eq 'PIM' and activityDateTime ge 2026-11-23T12:00:00Z&$orderby=activityDateTime"
	if rows := h.rows(h.asApp(), path); len(rows) != 0 {
		t.Errorf("at once: %v", rows)
	}
	h.business.advance(2 * time.Minute)
	rows := h.rows(h.asApp(), path)
	if len(rows) != 2 || rows[0]["activityDisplayName"] != "Add member to role requested (PIM activation)" || rows[0]["resultReason"] != "because" {
		t.Fatalf("two minutes later: %v", rows)
	}
	who := rows[0]["initiatedBy"].(obj)["user"].(obj)
	if who["id"] != alice || auditDetail(rows[0], "RequestId") != o["id"] {
		t.Errorf("who %v details %v", who, rows[0]["additionalDetails"])
	}
	h.business.advance(2 * time.Hour)
	newest := h.rows(h.asApp(), "/v1.0/auditLogs/directoryAudits?$top=1")
	if len(newest) != 1 || newest[0]["initiatedBy"].(obj)["user"].(obj)["displayName"] != "Azure AD PIM" {
		t.Errorf("newest first: %v", newest)
	}
	h.wantRefused(h.as(alice), http.MethodGet, path, nil, 403, "Authorization_RequestDenied")
}
