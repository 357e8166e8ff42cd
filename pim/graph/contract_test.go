package graph_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// read decodes a file of testdata.
func read(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// Every documented refusal becomes the error it stands for.
func TestDocumentedRefusals(t *testing.T) {
	want := map[string]pim.Error{
		"aad-premium-license-required.json": {Code: pim.CodeLicense, Service: "AadPremiumLicenseRequired"},
		"acrs-insufficient-claims-401.json": {Code: pim.CodeStepUp, Service: "InvalidAuthenticationToken",
			Claims: `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`},
		"acrs-validation-failed.json": {Code: pim.CodeStepUp, Service: "RoleAssignmentRequestAcrsValidationFailed",
			Claims: `{"access_token":{"acrs":{"essential":true, "value":"c1"}}}`},
		"active-duration-too-short.json":       {Code: pim.CodeTooShort, Service: "ActiveDurationTooShort"},
		"approval-conflict.json":               {Code: pim.CodeDecided, Service: "Conflict"},
		"approval-forbidden.json":              {Code: pim.CodeNotApprover, Service: "Forbidden"},
		"approval-not-found.json":              {Code: pim.CodeNotFound, Service: "NotFound"},
		"authorization-request-denied.json":    {Code: pim.CodeForbidden, Service: "Authorization_RequestDenied"},
		"graph-throttled-429.json":             {Code: pim.CodeThrottled, Service: "TooManyRequests", After: 10 * time.Second, RequestID: "94fb3b52-452a-4535-a601-69e0a90e3aa2"},
		"invalid-role-assignment-request.json": {Code: pim.CodeInvalid, Service: "InvalidRoleAssignmentRequest"},
		"pending-role-assignment-request.json": {Code: pim.CodePending, Service: "PendingRoleAssignmentRequest"},
		"permission-scope-not-granted.json":    {Code: pim.CodeForbidden, Service: "PermissionScopeNotGranted"},
		"policy-EligibilityRule-and-ExpirationRule.json": {Code: pim.CodePolicy, Service: "RoleAssignmentRequestPolicyValidationFailed",
			Rules: []pim.Rule{pim.RuleEligibility, pim.RuleExpiration}},
		"policy-ExpirationRule.json":    {Code: pim.CodePolicy, Service: "RoleAssignmentRequestPolicyValidationFailed", Rules: []pim.Rule{pim.RuleExpiration}},
		"policy-JustificationRule.json": {Code: pim.CodePolicy, Service: "RoleAssignmentRequestPolicyValidationFailed", Rules: []pim.Rule{pim.RuleJustification}},
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
				Body    struct {
					Error struct{ Message string } `json:"error"`
				} `json:"body"`
				Raw json.RawMessage `json:"-"`
			}
			var raw struct{ Body json.RawMessage }
			read(t, "errors/"+file, &doc)
			read(t, "errors/"+file, &raw)
			expected, ok := want[file]
			if !ok {
				t.Fatal("nothing is expected of this file")
			}
			op := "activate"
			if strings.HasPrefix(file, "approval-") {
				op = "review"
			}
			expected.Op, expected.Status = op, doc.Status
			for _, pillar := range []map[string]operation{operations, groupOperations} {
				s := serve(t, says(doc.Status, doc.Headers, string(raw.Body)))
				got := refused(t, pillar[op](t.Context(), s.client(t)))
				if diff := cmp.Diff(expected, *got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if strings.Contains(got.Error(), doc.Body.Error.Message) || got.Claims != "" && strings.Contains(got.Error(), "access_token") {
					t.Errorf("the error repeats the answer: %s", got)
				}
			}
		})
	}
}

// example is a documented call.
type example struct {
	Method, URL string
	Body        json.RawMessage `json:"requestBody"`
	Status      int             `json:"responseStatus"`
	Answer      json.RawMessage `json:"responseBody"`
}

func (e example) serve(t *testing.T) *service { return serve(t, says(e.Status, nil, string(e.Answer))) }

func day(y int, m time.Month, d, hh, mm, ss, ns int) time.Time {
	return time.Date(y, m, d, hh, mm, ss, ns, time.UTC)
}

// Every documented answer that holds a schedule request.
func TestDocumentedRequests(t *testing.T) {
	assigned := pim.Request{ID: "95c690fb-3eb3-4942-a03f-4524aed6f31e", Principal: alice, Status: "Provisioned",
		Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "fdd7a751-b60b-444a-984c-02652fe8fa1c", Scope: "/"},
		ScopeName:  "Directory",
		Schedule:   "95c690fb-3eb3-4942-a03f-4524aed6f31e", Justification: "Assign Groups Admin to IT Helpdesk group",
		Created: day(2022, 4, 11, 11, 50, 5, 950_000_000), Start: day(2022, 4, 11, 11, 50, 5, 999_934_300)}
	posted := assigned
	posted.Created = day(2022, 4, 11, 11, 50, 3, 901_434_700)
	want := map[string]pim.Request{
		"graph-v1.0-unifiedroleassignmentschedulerequest-get-ex1":            assigned,
		"graph-v1.0-rbacapplication-post-roleassignmentschedulerequests-ex1": posted,
		"graph-v1.0-rbacapplication-post-roleassignmentschedulerequests-ex2": {
			ID: reqID, Principal: alice, Status: "Granted", Assignment: entraRole(), ScopeName: "Directory", Schedule: reqID,
			Ticket:        pim.Ticket{Number: "CONTOSO:Normal-67890", System: "MS Project"},
			Justification: "I need access to the Attribute Administrator role to manage attributes to be assigned to restricted AUs",
			Created:       day(2022, 4, 13, 8, 52, 32, 648_585_100), Start: day(2022, 4, 14, 0, 0, 0, 0), Duration: 5 * time.Hour},
		"graph-v1.0-directory-assignmentrequest-selfActivate-future-start-granted": {
			ID: "295edd40-4646-40ca-89b8-ab0b46b6f60e", Principal: "7146daa8-1b4b-4a66-b2f7-cf593d03c8d2", Status: "Granted",
			Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "fe930be7-5e62-47db-91af-98c3a49a38b1", Scope: "/"},
			ScopeName:  "Directory", Ticket: pim.Ticket{Number: "CONTOSO:Security-012345", System: "Contoso ICM"},
			Schedule: "295edd40-4646-40ca-89b8-ab0b46b6f60e", Justification: "Need to invalidate all app refresh tokens for Contoso users.",
			Created: day(2021, 9, 3, 21, 10, 49, 667_047_900), Start: day(2021, 9, 4, 15, 13, 0, 0), Duration: 5 * time.Hour},
	}
	for file, expected := range want {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		got, err := doc.serve(t).client(t).Request(t.Context(), alice, reqID)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	// A projection without id and status is not an answer to what we ask.
	var doc example
	read(t, "examples/graph-v1.0-unifiedroleassignmentschedulerequest-get-ex2.json", &doc)
	if _, err := doc.serve(t).client(t).Request(t.Context(), alice, reqID); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("a projection: %v", err)
	}
}

// What Activate sends is what the documentation sends, but for letter case and
// the milliseconds of a time.
func TestDocumentedActivation(t *testing.T) {
	var doc example
	read(t, "examples/graph-v1.0-rbacapplication-post-roleassignmentschedulerequests-ex2.json", &doc)
	s := doc.serve(t)
	got, err := s.client(t).Activate(t.Context(), alice, pim.Activation{Assignment: entraRole(),
		Justification: "I need access to the Attribute Administrator role to manage attributes to be assigned to restricted AUs",
		Ticket:        pim.Ticket{Number: "CONTOSO:Normal-67890", System: "MS Project"},
		Start:         day(2022, 4, 14, 0, 0, 0, 0), Duration: 5 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != reqID || got.Status.Phase() != pim.PhaseGranted {
		t.Errorf("got %+v", got)
	}
	var want, sent any
	documented := strings.NewReplacer("AfterDuration", "afterDuration", "00.000Z", "00Z").Replace(string(doc.Body))
	for text, v := range map[string]*any{documented: &want, s.only(t).body: &sent} {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("body (-documented +sent):\n%s", diff)
	}
}

// Lists of requests: activations of the person only.
func TestDocumentedLists(t *testing.T) {
	for file, tc := range map[string]struct {
		who  string
		want int
	}{
		"graph-v1.0-unifiedroleassignmentschedulerequest-filterbycurrentuser":          {alice, 0}, // an administrator's assignment
		"graph-v1.0-rbacapplication-list-roleassignmentschedulerequests-ex1":           {alice, 0},
		"graph-v1.0-rbacapplication-list-roleassignmentschedulerequests-ex2":           {alice, 0},
		"graph-v1.0-directory-assignmentrequests-filterbycurrentuser-approver-pending": {"d96ea738-3b95-4ae7-9e19-78a083066d5b", 1},
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		got, err := doc.serve(t).client(t).Mine(t.Context(), tc.who)
		if err != nil || len(got) != tc.want {
			t.Errorf("%s: %d activations, error %v", file, len(got), err)
			continue
		}
		if tc.want == 1 {
			want := pim.Request{ID: "9f2b5ddb-a50e-44a1-a6f4-f616322262ea", Principal: tc.who, Status: "PendingApproval",
				Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", Scope: "/"},
				ScopeName:  "Directory",
				Approval:   "9f2b5ddb-a50e-44a1-a6f4-f616322262ea", Schedule: "9f2b5ddb-a50e-44a1-a6f4-f616322262ea", Justification: "test",
				Created: day(2021, 7, 15, 19, 57, 17, 760_000_000), Duration: 5*time.Hour + 30*time.Minute}
			if diff := cmp.Diff(want, got[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
}

func TestDocumentedInstances(t *testing.T) {
	admin := pim.Assignment{Kind: pim.EntraRole, Role: "62e90394-69f5-4237-9190-012177145e10", Scope: "/"}
	for file, who := range map[string]string{
		"graph-v1.0-rbacapplication-list-roleassignmentscheduleinstances":      carol,
		"graph-v1.0-unifiedroleassignmentscheduleinstance-filterbycurrentuser": bob,
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		got, err := doc.serve(t).client(t).Active(t.Context(), who, pim.Assignment{})
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %d instances, error %v", file, len(got), err)
			continue
		}
		want := pim.Instance{ID: got[0].ID, Assignment: admin, Principal: who, Schedule: got[0].ID}
		if diff := cmp.Diff(want, got[0]); diff != "" || got[0].ID == "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	for _, file := range []string{
		"graph-v1.0-rbacapplication-list-roleeligibilityscheduleinstances",
		"graph-v1.0-unifiedroleeligibilityscheduleinstance-filterbycurrentuser",
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		var name example
		read(t, "examples/graph-v1.0-unifiedroledefinition-get-ex2.json", &name)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(r.URL.Path, "/roleDefinitions/"): // the example is not expanded, so that the name is asked for
				says(200, nil, string(name.Answer))(w, r)
			case strings.Contains(r.URL.Path, "/transitiveMemberOf/"):
				says(200, nil, `{"value":[]}`)(w, r)
			default:
				says(200, nil, string(doc.Answer))(w, r)
			}
		})
		got, err := s.client(t).Eligible(t.Context(), alice)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		want := []pim.EligibleAssignment{{Assignment: entraRole(), RoleName: "Groups Administrator", ScopeName: "Directory", Until: day(2024, 4, 10, 0, 0, 0, 0)}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if list := s.requests(); len(list) != 3 || list[2].auth != "Bearer token-of-"+alice {
			t.Errorf("asked %+v", list)
		}
	}
}

func TestDocumentedApprovals(t *testing.T) {
	stage := pim.Stage{ID: "d4fa4045-4716-436d-aec5-57b0a713f095", Status: "InProgress", AssignedToMe: true, Result: pim.NotReviewed}
	for file, inner := range map[string]string{
		"graph-beta-approval-list-steps":                  "",
		"graph-beta-approval-get":                         "steps",
		"graph-beta-directory-roleassignmentapproval-get": "steps",
		"graph-beta-approvalstep-get":                     "itself",
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		answer := doc.Answer
		switch inner { // Belay reads the steps, which the other documents hold
		case "steps":
			var approval struct{ Steps json.RawMessage }
			if err := json.Unmarshal(answer, &approval); err != nil {
				t.Fatal(err)
			}
			answer = json.RawMessage(`{"value":` + string(approval.Steps) + `}`)
		case "itself":
			answer = json.RawMessage(`{"value":[` + string(answer) + `]}`)
		}
		s := serve(t, says(200, nil, string(answer)))
		got, err := s.client(t).Approval(t.Context(), bob, reqID)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if strings.Contains(file, "directory") {
			stage.ID = "<approval-step-ID-GUID>"
		} else {
			stage.ID = "d4fa4045-4716-436d-aec5-57b0a713f095"
		}
		if diff := cmp.Diff(pim.Approval{ID: reqID, Stages: []pim.Stage{stage}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	var doc example
	read(t, "examples/graph-beta-directory-roleassignmentapproval-step-approve.json", &doc)
	s := doc.serve(t)
	if err := s.client(t).Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: alice, Result: pim.Approved, Justification: "Trusted User"}); err != nil {
		t.Fatal(err)
	}
	var want, sent map[string]any
	if err := json.Unmarshal(doc.Body, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(s.only(t).body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("body (-documented +sent):\n%s", diff)
	}
}

func TestDocumentedPolicies(t *testing.T) {
	const admin = "62e90394-69f5-4237-9190-012177145e10"
	want := pim.Policy{MaxDuration: 8 * time.Hour, Justification: true, MFA: true}
	var list, one, rules, bare example
	read(t, "examples/graph-v1.0-policyroot-list-rolemanagementpolicyassignments-ex2.json", &list)
	read(t, "examples/graph-v1.0-unifiedrolemanagementpolicyassignment-get-ex2.json", &one)
	read(t, "examples/graph-v1.0-unifiedrolemanagementpolicy-list-rules.json", &rules)
	read(t, "examples/graph-v1.0-policyroot-list-rolemanagementpolicyassignments-ex1.json", &bare)
	var inner struct{ Value json.RawMessage }
	if err := json.Unmarshal(rules.Answer, &inner); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]string{
		"a list":     string(list.Answer),
		"one":        `{"value":[` + string(one.Answer) + `]}`,
		"only rules": `{"value":[{"roleDefinitionId":"` + admin + `","policy":{"rules":` + string(inner.Value) + `}}]}`,
	} {
		s := serve(t, says(200, nil, answer))
		got, err := s.client(t).Policy(t.Context(), alice, pim.Assignment{Kind: pim.EntraRole, Role: admin, Scope: "/"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Without $expand there are no rules: that is not a policy without demands.
	s := serve(t, says(200, nil, string(bare.Answer)))
	if _, err := s.client(t).Policy(t.Context(), alice, pim.Assignment{Kind: pim.EntraRole, Role: admin, Scope: "/"}); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("no rules: %v", err)
	}
}

// The documented lists of transitive members, as the expansion of an approver group.
func TestDocumentedMembers(t *testing.T) {
	member := func(id, name, mail string) []pim.Principal { return []pim.Principal{{ID: id, Name: name, Mail: mail}} }
	const someone = "11111111-2222-3333-4444-555555555555"
	for file, want := range map[string][]pim.Principal{
		"graph-v1.0-group-list-transitivemembers-ex1": member(someone, "", "group1@contoso.com"),
		"graph-v1.0-group-list-transitivemembers-ex3": member(someone, "Joseph Price", ""),
		"graph-v1.0-group-list-transitivemembers-ex4": nil, // printed without ids: nobody can be told apart
	} {
		var doc example
		read(t, "examples/"+file+".json", &doc)
		w := newWorld(t)
		w.approvers = `{"@odata.type":"#microsoft.graph.groupMembers","groupId":"` + carol + `"}`
		w.answers["/v1.0/groups/"+carol] = `{"id":"` + carol + `","displayName":"Leads"}`
		w.answers["/v1.0/groups/"+carol+"/transitiveMembers/microsoft.graph.user"] = string(doc.Answer)
		got, err := w.client(t).Policy(context.Background(), alice, entraRole())
		if want == nil {
			if pim.CodeOf(err) != pim.CodeUnavailable {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if diff := cmp.Diff(want, got.Approvers); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}
