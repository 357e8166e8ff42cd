package pimtest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestARMEligibilities(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)

	// Tenant-wide, nothing but a sign-in is needed; what a group holds is in it.
	seen := map[string]string{}
	for _, o := range h.rows(a, armList("", "roleEligibilityScheduleInstances", "asTarget()")) {
		p := o["properties"].(obj)
		x := p["expandedProperties"].(obj)
		seen[x["roleDefinition"].(obj)["displayName"].(string)] = p["scope"].(string) + " " + p["memberType"].(string) + " " + x["scope"].(obj)["type"].(string) + " " +
			x["scope"].(obj)["displayName"].(string)
	}
	for role, want := range map[string]string{
		"Contributor":              production + " Direct subscription Production",
		"Owner":                    production + " Direct subscription Production",
		"Storage Blob Data Reader": storage + " Direct Microsoft.Storage/storageAccounts ledger",
		"Operator":                 companyGroup + " Group managementgroup Contoso",
	} {
		if seen[role] != want {
			t.Errorf("%s: %q, want %q", role, seen[role], want)
		}
	}

	// At a scope: what is at, above and below it; atScope() leaves out what is below.
	names := func(token, scope, filter string) string {
		var names []string
		for _, o := range h.rows(token, armList(scope, "roleEligibilityScheduleInstances", filter)) {
			p := o["properties"].(obj)
			names = append(names, p["expandedProperties"].(obj)["roleDefinition"].(obj)["displayName"].(string)+" "+p["memberType"].(string))
		}
		slices.Sort(names)
		return strings.Join(names, ", ")
	}
	if got, want := names(a, appGroup, "asTarget()"), "Contributor Inherited, Operator Group, Owner Inherited"; got != want {
		t.Errorf("at the resource group: %s", got)
	}
	if got, want := names(a, production, "asTarget() and atScope()"), "Contributor Direct, Operator Group, Owner Direct"; got != want {
		t.Errorf("atScope: %s", got)
	}
	if got := names(a, elsewhere, "asTarget()"); got != "" {
		t.Errorf("elsewhere: %s", got)
	}

	// Everything else is for readers; the app is one only where it was made one.
	app := h.appOnARM()
	for _, filter := range []string{"", "atScope()", "principalId eq '" + alice + "'", "assignedTo('" + alice + "')"} {
		for _, token := range []string{a, app} {
			h.wantRefused(token, http.MethodGet, armList(production, "roleEligibilityScheduleInstances", filter), nil, 403, "AuthorizationFailed")
		}
	}
	h.wantRefused(app, http.MethodGet, armList(production, "roleEligibilityScheduleInstances", "asTarget()"), nil, 400, "BadRequest")
	h.must(h.GrantReader(companyGroup))
	if got, want := names(app, dataGroup, ""), "Contributor Inherited, Operator Inherited, Owner Inherited, Storage Blob Data Reader Direct"; got != want {
		t.Errorf("the reader sees %s", got)
	}
	if got, want := names(app, production, "principalId eq '"+strings.ToUpper(alice)+"'"), "Contributor Direct, Owner Direct, Storage Blob Data Reader Direct"; got != want {
		t.Errorf("principalId: %s", got)
	}
	if got, want := names(app, production, "assignedTo('"+alice+"')"), "Contributor Direct, Operator Group, Owner Direct, Storage Blob Data Reader Direct"; got != want {
		t.Errorf("assignedTo: %s", got)
	}
	h.wantRefused(app, http.MethodGet, armList(elsewhere, "roleEligibilityScheduleInstances", ""), nil, 403, "AuthorizationFailed")
	h.wantRefused(app, http.MethodGet, armList("", "roleEligibilityScheduleInstances", ""), nil, 403, "AuthorizationFailed")
}

func TestARMActivationAtAChildScope(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)
	full := h.schedule(alice, azureContributor)
	body := func(linked string) obj {
		return h.azureActivation(alice, azureContributor, set("linkedRoleEligibilityScheduleId", linked))
	}

	// A child scope wants the full id; the eligibility's own takes the GUID alone.
	h.wantRefused(a, http.MethodPut, requestPath(appGroup, request1), body(lastPart(full)), 400, "InvalidRoleAssignmentRequest")
	h.wantRefused(a, http.MethodPut, requestPath(appGroup, request1), body(elsewhere+strings.TrimPrefix(full, production)), 400, "InvalidRoleAssignmentRequest")
	h.wantRefused(a, http.MethodPut, requestPath(elsewhere, request1), body(full), 400, "RoleNotFound") // the role definition is production's
	p := h.put(a, appGroup, request1, body(full))
	if p["scope"] != appGroup || p["status"] != "Provisioned" || p["approvalId"] != nil || p["requestorId"] != alice || p["linkedRoleEligibilityScheduleId"] != full {
		t.Errorf("request %v", p)
	}
	h.put(a, production, request2, body(lastPart(full)))

	// The tenant-wide list of active assignments is empty, as has been seen.
	if rows := h.rows(a, armList("", "roleAssignmentScheduleInstances", "asTarget()")); len(rows) != 0 {
		t.Errorf("tenant-wide: %v", rows)
	}
	rows := h.rows(a, armList(appGroup, "roleAssignmentScheduleInstances", "asTarget()"))
	if len(rows) != 2 {
		t.Fatalf("instances %v", rows)
	}
	i := rows[0]["properties"].(obj)
	if i["scope"] != appGroup || i["assignmentType"] != "Activated" || i["endDateTime"] != "2026-11-23T13:00:00Z" || i["memberType"] != "Direct" ||
		lastPart(i["roleAssignmentScheduleId"].(string)) != p["targetRoleAssignmentScheduleId"] {
		t.Errorf("instance %v", i)
	}
	if rows[1]["properties"].(obj)["memberType"] != "Inherited" {
		t.Errorf("instance of the subscription %v", rows[1])
	}
	schedules := h.rows(a, armList(appGroup, "roleAssignmentSchedules", "asTarget()"))
	if len(schedules) != 2 || lastPart(schedules[0]["properties"].(obj)["roleAssignmentScheduleRequestId"].(string)) != request1 {
		t.Errorf("schedules %v", schedules)
	}

	// Through a group and a management group, down to a resource.
	operator := h.azureActivation(alice, azureOperator)
	if got := h.put(a, storage, request3, operator); got["principalId"] != alice || got["expandedProperties"].(obj)["scope"].(obj)["id"] != storage {
		t.Errorf("request %v", got)
	}
	if len(h.Audit()) == 0 || h.Audit()[len(h.Audit())-1].Actor != alice {
		t.Error("the audit log does not say that alice did it")
	}

	h.SetARMQuirks(ARMQuirks{NoGroupWrite: true})
	h.wantRefused(a, http.MethodPut, requestPath(dataGroup, tenantID), body(full), 403, "AuthorizationFailed")
}

func TestARMPutIsIdempotent(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)
	body := h.azureActivation(alice, azureContributor)
	first := h.put(a, production, request1, body)
	status, again := h.call(a, http.MethodPut, requestPath(production, strings.ToUpper(request1)), body)
	if status != http.StatusOK || again["properties"].(obj)["targetRoleAssignmentScheduleId"] != first["targetRoleAssignmentScheduleId"] {
		t.Errorf("again: %d %v", status, again)
	}
	if n := len(h.State().Requests); n != 1 {
		t.Errorf("%d requests", n)
	}
	other := h.azureActivation(alice, azureContributor, set("justification", "another"))
	h.wantRefused(a, http.MethodPut, requestPath(production, request1), other, 409, "Conflict")
	h.wantRefused(a, http.MethodPut, requestPath(appGroup, request1), body, 409, "Conflict")
	h.wantRefused(a, http.MethodPut, requestPath(production, request2), body, 400, "RoleAssignmentExists")
	h.wantRefused(a, http.MethodPut, requestPath(production, "not-a-guid"), body, 400, "InvalidRoleAssignmentRequest")

	// An answer that was lost can be had again under the same id.
	h.FailNext(func(r *http.Request) bool { return r.Method == http.MethodPut }, Fault{Status: 504, AfterWrite: true})
	body = h.azureActivation(alice, azureOperator)
	if res := h.send(a, http.MethodPut, requestPath(appGroup, request3), body); res.StatusCode != 504 {
		t.Fatalf("%d", res.StatusCode)
	}
	if status, o := h.call(a, http.MethodPut, requestPath(appGroup, request3), body); status != http.StatusOK {
		t.Errorf("%d %v", status, o)
	}
}

func TestARMRules(t *testing.T) {
	h := newARM(t)
	a, b := h.onARM(alice), h.onARM(bob)
	h.must(h.SetAzurePolicy(companyGroup, azureOperator, Policy{AuthContext: "c1", MaxDuration: 2 * time.Hour, Ticketing: true}))
	refused := func(token, scope string, body obj, status int, code, message string) {
		t.Helper()
		o := h.wantRefused(token, http.MethodPut, requestPath(scope, request1), body, status, code)
		if m := o["error"].(obj)["message"].(string); !strings.Contains(m, message) {
			t.Errorf("message %q lacks %q", m, message)
		}
	}
	const policy = "RoleAssignmentRequestPolicyValidationFailed"
	refused(b, production, h.azureActivation(alice, azureContributor), 403, "AuthorizationFailed", "'bob@contoso.com'")
	// What a group holds is never activated in the group's name.
	refused(a, production, h.azureActivation(alice, azureOperator, set("principalId", approversGroup)), 403, "AuthorizationFailed", "")
	refused(b, production, h.azureActivation(alice, azureContributor, set("principalId", bob)), 400, policy, `["EligibilityRule"]`)
	refused(a, production, h.azureActivation(alice, azureOwnerRole, lasting("PT5H"), set("justification", "")), 400, policy,
		`["JustificationRule","TicketingRule","ExpirationRule"]`)
	refused(a, production, h.azureActivation(alice, azureContributor, lasting("PT1M")), 400, "ActiveDurationTooShort", "")
	refused(a, production, h.azureActivation(alice, azureContributor, lasting("P1M")), 400, "InvalidRoleAssignmentRequest", "")
	refused(a, production, h.azureActivation(alice, azureContributor, set("roleDefinitionId", azureContributor)), 400, "RoleNotFound", "")
	root := func(o obj) { o["roleDefinitionId"] = rolePath + azureOperator }
	refused(a, companyGroup, h.azureActivation(alice, azureOperator, root), 400, policy, `["TicketingRule"]`)
	refused(a, companyGroup, h.azureActivation(alice, azureOperator, root, ticket()), 400, "RoleAssignmentRequestAcrsValidationFailed", "&claims=%7B%22access_token%22")

	// A condition is the eligibility's own, or it is refused.
	onStorage := func(change ...func(obj)) obj { return h.azureActivation(alice, azureBlobReader, change...) }
	refused(a, storage, onStorage(), 400, "InvalidRoleAssignmentRequest", "condition")
	refused(a, storage, onStorage(set("condition", "true"), set("conditionVersion", "2.0")), 400, "InvalidRoleAssignmentRequest", "condition")
	refused(a, production, h.azureActivation(alice, azureContributor, set("condition", "true"), set("conditionVersion", "2.0")), 400, "InvalidRoleAssignmentRequest", "condition")
	if p := h.put(a, storage, request1, onStorage(set("condition", ledgerOnly), set("conditionVersion", "2.0"))); p["condition"] != ledgerOnly {
		t.Errorf("request %v", p)
	}

	// A policy is not handed down: below, the one nobody edited holds.
	h.put(a, appGroup, request2, h.azureActivation(alice, azureOwnerRole))
	if r := h.State().Requests[0]; r.Status != statusProvisioned {
		t.Errorf("request %+v", r)
	}

	// Both ways of asking for a step-up, and what satisfies them.
	h.SetARMQuirks(ARMQuirks{StepUpHeader: true})
	res := h.send(a, http.MethodPut, requestPath(companyGroup, request3), h.azureActivation(alice, azureOperator, root, ticket()))
	var want struct{ Headers map[string]string }
	h.fixture("acrs-insufficient-claims-401", &want)
	if res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") != want.Headers["WWW-Authenticate"] {
		t.Errorf("%d %s", res.StatusCode, res.Header)
	}
	strong := h.signIn(alice, map[string]string{"scope": armScopes, "claims": cp1c1})["access_token"].(string)
	h.put(strong, companyGroup, request3, h.azureActivation(alice, azureOperator, root, ticket()))
}

func (h *armHarness) fixture(name string, into any) {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "arm", "errors", name+".json"))
	h.must(err)
	h.must(json.Unmarshal(b, into))
}

func TestARMValidateMakesNothing(t *testing.T) {
	h := newARM(t)
	a := h.onARM(alice)
	validate := strings.Replace(requestPath(production, request1), "?", "/validate?", 1)
	for role, want := range map[string]string{azureContributor: "Granted", azureOwnerRole: "PendingApproval"} {
		status, o := h.call(a, http.MethodPost, validate, h.azureActivation(alice, role, ticket()))
		if p, _ := o["properties"].(obj); status != 200 || p["status"] != want || o["name"] != request1 || p["requestType"] != "SelfActivate" {
			t.Errorf("%d %v", status, o)
		}
	}
	h.wantRefused(a, http.MethodPost, validate, h.azureActivation(alice, azureOwnerRole), 400, "RoleAssignmentRequestPolicyValidationFailed")
	if n := len(h.State().Requests); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestARMDeactivateAndCancel(t *testing.T) {
	h := newARM(t)
	a, b := h.onARM(alice), h.onARM(bob)
	deactivation := obj{"properties": obj{"principalId": alice, "roleDefinitionId": production + rolePath + azureContributor, "requestType": "SelfDeactivate"}}
	h.wantRefused(a, http.MethodPut, requestPath(production, request2), deactivation, 400, "RoleAssignmentDoesNotExist")
	h.put(a, production, request1, h.azureActivation(alice, azureContributor))
	h.wantRefused(a, http.MethodPut, requestPath(production, request2), deactivation, 400, "ActiveDurationTooShort")
	h.business.advance(5 * time.Minute)
	if p := h.put(a, production, request2, deactivation); p["status"] != "Revoked" || p["requestType"] != "SelfDeactivate" {
		t.Errorf("deactivation %v", p)
	}
	if rows := h.rows(a, armList(production, "roleAssignmentScheduleInstances", "asTarget()")); len(rows) != 0 {
		t.Errorf("still active: %v", rows)
	}

	cancel := strings.Replace(requestPath(production, request3), "?", "/cancel?", 1)
	h.wantRefused(a, http.MethodPost, cancel, nil, 404, "RoleAssignmentRequestNotFound")
	h.put(a, production, request3, h.azureActivation(alice, azureOwnerRole, ticket()))
	h.wantRefused(b, http.MethodPost, cancel, nil, 403, "AuthorizationFailed")
	h.wantRefused(h.appOnARM(), http.MethodPost, cancel, nil, 403, "AuthorizationFailed")
	h.wantRefused(a, http.MethodPut, requestPath(production, tenantID), h.azureActivation(alice, azureOwnerRole, ticket()), 400, "PendingRoleAssignmentRequest")
	if status, o := h.call(a, http.MethodPost, cancel, nil); status != 200 || o != nil {
		t.Errorf("cancel: %d %v", status, o)
	}
	h.wantRefused(a, http.MethodPost, cancel, nil, 400, "RequestCannotBeCancelled")
	if _, o := h.get(a, requestPath(production, request3)); o["properties"].(obj)["status"] != "Canceled" {
		t.Errorf("request %v", o)
	}
}
