package arm_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// Every documented refusal becomes the error it stands for.
func TestDocumentedRefusals(t *testing.T) {
	context := `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	want := map[string]pim.Error{
		"aad-premium-license-required.json":    {Code: pim.CodeLicense, Service: "AadPremiumLicenseRequired"},
		"acrs-insufficient-claims-401.json":    {Code: pim.CodeStepUp, Service: "InvalidAuthenticationToken", Claims: context},
		"acrs-validation-failed.json":          {Code: pim.CodeStepUp, Service: "RoleAssignmentRequestAcrsValidationFailed", Claims: strings.Replace(context, ",", ", ", 1)},
		"active-duration-too-short.json":       {Code: pim.CodeTooShort, Service: "ActiveDurationTooShort"},
		"approval-conflict.json":               {Code: pim.CodeDecided, Service: "Conflict"},
		"approval-forbidden.json":              {Code: pim.CodeNotApprover, Service: "Forbidden"},
		"approval-not-found.json":              {Code: pim.CodeNotFound, Service: "NotFound"},
		"arm-authorization-failed.json":        {Code: pim.CodeForbidden, Service: "AuthorizationFailed"},
		"arm-self-approval.json":               {Code: pim.CodeNotApprover, Service: "BadRequest"},
		"arm-throttled-429.json":               {Code: pim.CodeThrottled, Service: "SubscriptionRequestsThrottled", After: 6 * time.Second},
		"invalid-role-assignment-request.json": {Code: pim.CodeInvalid, Service: "InvalidRoleAssignmentRequest"},
		"pending-role-assignment-request.json": {Code: pim.CodePending, Service: "PendingRoleAssignmentRequest"},
		"policy-MfaRule.json": {Code: pim.CodeStepUp, Service: "RoleAssignmentRequestPolicyValidationFailed",
			Claims: `{"access_token":{"amr":{"values":["mfa"]}}}`},
		"policy-TicketingRule.json":              {Code: pim.CodePolicy, Service: "RoleAssignmentRequestPolicyValidationFailed", Rules: []pim.Rule{pim.RuleTicketing}},
		"request-cannot-be-cancelled.json":       {Code: pim.CodeCannotCancel, Service: "RequestCannotBeCancelled"},
		"role-assignment-does-not-exist.json":    {Code: pim.CodeNotActive, Service: "RoleAssignmentDoesNotExist"},
		"role-assignment-exists.json":            {Code: pim.CodeExists, Service: "RoleAssignmentExists"},
		"role-assignment-request-not-found.json": {Code: pim.CodeNotFound, Service: "RoleAssignmentRequestNotFound"},
		"subject-not-found.json":                 {Code: pim.CodeNotYet, Service: "SubjectNotFound"},
	}
	files, err := filepath.Glob("testdata/errors/*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d documented refusals, %d expected: %v", len(files), len(want), err)
	}
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(file, func(t *testing.T) {
			var doc struct {
				Status  int               `json:"httpStatus"`
				Headers map[string]string `json:"headers"`
				Body    json.RawMessage   `json:"body"`
			}
			read(t, "errors/"+file, &doc)
			expected, ok := want[file]
			if !ok {
				t.Fatal("nothing is expected of this file")
			}
			op := "activate"
			if strings.HasPrefix(file, "approval-") || strings.Contains(file, "self-approval") {
				op = "approval"
			}
			s := serve(t, says(doc.Status, doc.Headers, string(doc.Body)))
			got := refused(t, operations[op](t.Context(), s.client(t)))
			expected.Op, expected.Status, expected.RequestID = op, doc.Status, got.RequestID
			if diff := cmp.Diff(expected, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var said struct{ Error struct{ Message string } }
			if err := json.Unmarshal(doc.Body, &said); err != nil || strings.Contains(got.Error(), said.Error.Message) || got.Claims != "" && strings.Contains(got.Error(), "access_token") {
				t.Errorf("the error repeats the answer: %s, %v", got, err)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests for one refusal", n)
			}
		})
	}
}

// documentedRequest is the request of Microsoft's examples.
func documentedRequest() pim.Request {
	at := time.Date(2020, 9, 9, 21, 35, 27, 910_000_000, time.UTC)
	return pim.Request{ID: requestID, Principal: alice, Status: "Provisioned", Assignment: contributor(production),
		Schedule: "c9e264ff-3133-4776-a81a-ebc7c33c8ec6", Created: at, Start: at, Duration: 8 * time.Hour,
		Who: pim.Principal{ID: alice, Name: "User Account", Mail: "user@my-tenant.com"}, RoleName: "Contributor", ScopeName: "subscription Pay-As-You-Go"}
}

func TestDocumentedRequest(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetRoleAssignmentScheduleRequestByName")
	got, err := s.client(t).Request(t.Context(), alice, requestID)
	if err != nil {
		t.Fatal(err)
	}
	want := documentedRequest()
	want.Schedule = "b1477448-2cc6-4ceb-93b4-54a202a89413"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := s.only(t); r.target != production+"/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/"+name+"?api-version=2020-10-01" || r.auth != "Bearer token-of-"+alice {
		t.Errorf("%+v", r)
	}
}

func TestDocumentedActivation(t *testing.T) {
	s, _ := documented(t, "2020-10-01-SelfActivate-201")
	got, err := s.client(t).Activate(t.Context(), alice, wish(production))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documentedRequest(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r := s.only(t)
	if r.method != http.MethodPut || r.target != production+"/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/"+name+"?api-version=2020-10-01" || r.agent != "belay" {
		t.Errorf("%+v", r)
	}
	sameJSON(t, r.body, `{"properties":{"principalId":"`+alice+`","roleDefinitionId":"`+role+`","requestType":"SelfActivate",
		"linkedRoleEligibilityScheduleId":"`+schedule+`","justification":"secret words","condition":"a condition","conditionVersion":"2.0",
		"ticketInfo":{"ticketNumber":"CHG1","ticketSystem":"Jira"},
		"scheduleInfo":{"startDateTime":"2026-11-23T12:00:00Z","expiration":{"type":"AfterDuration","duration":"PT8H"}}}}`)
}

func TestDocumentedCheck(t *testing.T) {
	s, _ := documented(t, "2020-10-01-ValidateRoleAssignmentScheduleRequestByName")
	w := wish(production)
	w.ID = ""
	if err := s.client(t).Check(t.Context(), alice, w); err != nil {
		t.Fatal(err)
	}
	if r := s.only(t); r.method != http.MethodPost || !strings.HasSuffix(r.target, "/validate?api-version=2020-10-01") || !strings.Contains(r.body, `"SelfActivate"`) {
		t.Errorf("%+v", r)
	}
}

func TestDocumentedCancel(t *testing.T) {
	s, _ := documented(t, "2020-10-01-CancelRoleAssignmentScheduleRequestByName")
	if err := s.client(t).Cancel(t.Context(), alice, requestID); err != nil {
		t.Fatal(err)
	}
	if r := s.only(t); r.method != http.MethodPost || r.target != production+"/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/"+name+"/cancel?api-version=2020-10-01" || r.body != "" {
		t.Errorf("%+v", r)
	}
}

func TestDocumentedDeactivation(t *testing.T) {
	s, _ := documented(t, "2020-10-01-SelfActivate-201") // the same object answers
	if err := operations["deactivate"](t.Context(), s.client(t)); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, s.only(t).body, `{"properties":{"principalId":"`+alice+`","roleDefinitionId":"`+role+`","requestType":"SelfDeactivate",
		"linkedRoleEligibilityScheduleId":"`+schedule+`","justification":"secret words"}}`)
}

func TestDocumentedEligibilities(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetRoleEligibilityScheduleInstancesByScope")
	got, err := s.client(t).Eligible(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	want := []pim.EligibleAssignment{{
		Assignment: pim.Assignment{Kind: pim.AzureResource, Role: production + "/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c", Scope: production},
		RoleName:   "Contributor", ScopeName: "subscription Pay-As-You-Go", Until: time.Date(2021, 9, 10, 0, 31, 41, 477_000_000, time.UTC), Schedule: schedule,
		Condition:        "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:ContainerName] StringEqualsIgnoreCase 'foo_storage_container'",
		ConditionVersion: "1.0",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := s.only(t); r.target != "/providers/Microsoft.Authorization/roleEligibilityScheduleInstances?%24filter=asTarget%28%29&api-version=2020-10-01" {
		t.Errorf("%+v", r)
	}
}

func TestDocumentedChildren(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetEligibleChildResourcesByScope")
	got, err := s.client(t).Children(t.Context(), alice, pim.EligibleAssignment{Assignment: contributor(production)})
	want := []pim.Scope{{ID: production + "/resourceGroups/RG-1", Name: "resource group RG-1"}, {ID: production + "/resourceGroups/RG-2", Name: "resource group RG-2"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if r := s.only(t); r.target != production+"/providers/Microsoft.Authorization/eligibleChildResources?%24filter=resourceType+eq+%27resourcegroup%27&api-version=2020-10-01" {
		t.Errorf("%+v", r)
	}
}

func TestDocumentedInstances(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetRoleAssignmentScheduleInstancesByScope")
	spelt := contributor(strings.ToUpper(production))
	got, err := s.client(t).Active(t.Context(), alice, spelt)
	want := []pim.Instance{{ID: production + "/providers/Microsoft.Authorization/RoleAssignmentScheduleInstances/ed9b8180-cef7-4c77-a63c-b8566ecfc412",
		Assignment: spelt, Principal: alice, Schedule: production + "/providers/Microsoft.Authorization/RoleAssignmentSchedules/c9e264ff-3133-4776-a81a-ebc7c33c8ec6",
		Start: time.Date(2020, 9, 9, 21, 35, 27, 910_000_000, time.UTC), End: time.Date(2020, 9, 10, 5, 35, 17, 910_000_000, time.UTC)}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDocumentedRequests(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetRoleAssignmentScheduleRequestByScope")
	want := documentedRequest()
	want.Schedule = "b1477448-2cc6-4ceb-93b4-54a202a89413"
	got, err := s.client(t).Mine(t.Context(), alice)
	if diff := cmp.Diff([]pim.Request{want}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := s.client(t).Mine(t.Context(), bob); err != nil || got != nil {
		t.Errorf("Bob has %+v, %v", got, err)
	}
	if got, err := s.client(t).Pending(t.Context(), bob); err != nil || got != nil { // provisioned: nothing waits
		t.Errorf("%+v wait, %v", got, err)
	}
}

func TestDocumentedPolicy(t *testing.T) {
	s, _ := documented(t, "2020-10-01-GetRoleManagementPolicyAssignmentByScope")
	d := &directory{}
	c := s.client(t, withDirectory(d))
	at := "/subscriptions/129ff972-28f8-46b8-a726-e497be039368"
	a := pim.Assignment{Kind: pim.AzureResource, Scope: at, Role: at + "/providers/Microsoft.Authorization/roleDefinitions/A1705bd2-3a8f-45a5-8683-466fcfd5cc24"}
	got, err := c.Policy(t.Context(), alice, a)
	want := pim.Policy{MaxDuration: 7 * time.Hour, Justification: true, Ticket: true, MFA: true, Approval: true,
		Approvers: []pim.Principal{{ID: bob, Name: "Bob"}}, ApproverGroups: []pim.ApproverGroup{{ID: "g", Name: "Leads", Size: 1}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"2385b0f3-5fa9-43cf-8ca4-b01dc97298cd", "2f4913c9-d15b-406a-9946-1d66a28f2690"}, d.groups); diff != "" || d.users != nil {
		t.Errorf("users %v, groups %s", d.users, diff)
	}
	r := s.only(t)
	if !strings.HasPrefix(r.target, at+"/providers/Microsoft.Authorization/roleManagementPolicyAssignments?") || !strings.Contains(r.target, "%24filter=roleDefinitionId+eq+%27%2Fsubscriptions") || r.auth != "Bearer token-of-belay" {
		t.Errorf("%+v", r)
	}
	if _, err := c.Policy(t.Context(), bob, a); err != nil || len(s.requests()) != 1 {
		t.Errorf("it was read again: %v", err)
	}
	a.Scope += "/resourceGroups/rg" // a policy of its own, not inherited
	if _, err := c.Policy(t.Context(), bob, a); err != nil || len(s.requests()) != 2 {
		t.Errorf("the policy of another scope was not read: %v", err)
	}
}

func TestDocumentedApproval(t *testing.T) {
	s, _ := documented(t, "2021-01-01-preview-GetRoleAssignmentApprovalSteps")
	got, err := s.client(t).Approval(t.Context(), bob, approvalID)
	want := pim.Approval{ID: approvalID, Stages: []pim.Stage{{ID: stageID, Status: "InProgress", AssignedToMe: true, Result: pim.NotReviewed}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if r := s.only(t); r.target != approvalID+"/stages?api-version=2021-01-01-preview" || r.auth != "Bearer token-of-"+bob {
		t.Errorf("%+v", r)
	}
}

// The documented way to decide is taken where PUT is not known.
func TestDocumentedDecision(t *testing.T) {
	var e example
	read(t, "examples/arm-2021-01-01-preview-PatchRoleAssignmentApprovalStepById.json", &e)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != e.Method {
			says(http.StatusMethodNotAllowed, nil, "")(w, r)
			return
		}
		says(e.Status, nil, string(e.Answer))(w, r)
	})
	c := s.client(t)
	for range 2 {
		if err := operations["review"](t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	list := s.requests()
	if len(list) != 3 || list[0].method != http.MethodPut || list[1].method != http.MethodPatch || list[2].method != http.MethodPatch {
		t.Fatalf("%+v", list)
	}
	sameJSON(t, list[2].body, string(e.Body))
	if !strings.HasSuffix(e.URL, list[2].target) {
		t.Errorf("%s, want %s", list[2].target, e.URL)
	}
}

// sameJSON compares texts as JSON.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
