package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// What waits for an approver comes with names, tickets and scopes byte for byte;
// what Microsoft takes no decision on by API is left out.
func TestPending(t *testing.T) {
	const unit, object = "/administrativeUnits/5D107bba-d8e2-4e13-b6ae-884be90e5d1A", "/" + bob
	item := func(id, action, status, scope, more string) string {
		return fmt.Sprintf(`{"id":%q,"action":%q,"status":%q,"directoryScopeId":%q,"principalId":%q,"roleDefinitionId":%q,"approvalId":%q,"justification":"why"%s}`,
			id, action, status, scope, alice, role, id, more)
	}
	named := `,"principal":{"@odata.type":"#microsoft.graph.user","id":"` + alice + `","displayName":"Alice","userPrincipalName":"alice@contoso.com","mail":"a@contoso.com"},` +
		`"roleDefinition":{"id":"` + role + `","displayName":"User Administrator"},"ticketInfo":{"ticketNumber":"CHG1","ticketSystem":"ServiceNow"}`
	s := serve(t, says(200, nil, list(
		item("r1", "SelfActivate", "PendingApproval", unit, named),
		item("r2", "selfActivate", "pendingAPPROVAL", object, `,"principal":null,"roleDefinition":null,"ticketInfo":null`),
		item("r3", "selfExtend", "PendingApproval", "/", named),
		item("r4", "selfRenew", "PendingApproval", "/", named),
		item("r5", "selfActivate", "Provisioned", "/", named),
		item("r6", "selfActivate", "PendingApproval", "/", `,"isValidationOnly":true`),
	)))
	got, err := s.client(t).Pending(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	request := func(id, scope, scopeName string) pim.Request {
		return pim.Request{ID: id, Approval: id, Principal: alice, Status: "PendingApproval", Justification: "why",
			Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: scope}, ScopeName: scopeName}
	}
	first := request("r1", unit, "Administrative unit 5D107bba-d8e2-4e13-b6ae-884be90e5d1A")
	first.Who = pim.Principal{ID: alice, Name: "Alice", UPN: "alice@contoso.com", Mail: "a@contoso.com"}
	first.RoleName, first.Ticket = "User Administrator", pim.Ticket{Number: "CHG1", System: "ServiceNow"}
	if diff := cmp.Diff([]pim.Request{first, request("r2", object, "Directory object "+bob)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The scopes of administrative units and of objects go out as they came in.
func TestScopesByteForByte(t *testing.T) {
	for _, scope := range []string{"/", "/administrativeUnits/5D107bba-d8e2-4e13-b6ae-884be90e5d1A", "/" + strings.ToUpper(bob)} {
		a := pim.Assignment{Kind: pim.EntraRole, Role: strings.ToUpper(role), Scope: scope}
		s := serve(t, says(201, nil, `{"id":"`+reqID+`","status":"Provisioned","directoryScopeId":"`+scope+`","roleDefinitionId":"`+a.Role+`"}`))
		c := s.client(t)
		made, err := c.Activate(t.Context(), alice, pim.Activation{Assignment: a, Duration: time.Hour})
		if err != nil || made.Assignment != a {
			t.Errorf("%+v, %v", made, err)
		}
		if err := c.Deactivate(t.Context(), alice, pim.Deactivation{Assignment: a}); err != nil {
			t.Error(err)
		}
		for _, r := range s.requests() {
			var sent struct {
				Scope string `json:"directoryScopeId"`
				Role  string `json:"roleDefinitionId"`
			}
			if err := json.Unmarshal([]byte(r.body), &sent); err != nil || sent.Scope != scope || sent.Role != a.Role {
				t.Errorf("sent %s", r.body)
			}
		}
	}
}

// logged is an entry of PIM in the audit log.
func logged(id, category, activity, result, at, more string) string {
	return fmt.Sprintf(`{"id":%q,"category":%q,"activityDisplayName":%q,"result":%q,"activityDateTime":%q,"loggedByService":"PIM"%s}`, id, category, activity, result, at, more)
}

// Every activity of an activation, in both pillars, from one read.
func TestTraces(t *testing.T) {
	byBob := `,"initiatedBy":{"app":null,"user":{"id":"` + bob + `","displayName":"Bob","userPrincipalName":"bob@contoso.com"}},"resultReason":"because"`
	byPIM := `,"initiatedBy":{"user":{"id":"9dfd627f-0000-0000-0000-000000000000","displayName":"Azure AD PIM","userPrincipalName":null}},"resultReason":""`
	ofRole := `,"targetResources":[{"id":"x","displayName":"User Administrator","type":"Role","modifiedProperties":[{"displayName":"RoleDefinitionOriginId","newValue":"\"` + role + `\""}]},` +
		`{"id":"` + reqID + `","type":"Request"},{"id":"` + alice + `","type":"User"},{"id":"` + carol + `","type":"User"}]`
	ofGroup := `,"targetResources":[{"id":"x","displayName":"Member","type":"Role","modifiedProperties":[]},{"id":"` + alice + `","type":"User"},{"id":"` + group + `","displayName":"Break glass","type":"Group"}]`
	details := `,"additionalDetails":[{"key":"RequestId","value":"` + reqID + `"},{"key":"Justification","value":"in the details"}]`
	const r, g = "RoleManagement", "GroupManagement"
	s := serve(t, says(200, nil, list(
		logged("e9", r, "Remove member from role completed (PIM deactivate)", "success", "2026-11-23T12:08:00Z", byBob+ofRole),
		logged("e1", r, "Add member to role requested (PIM activation)", "success", "2026-11-23T12:00:00.1234567Z", byBob+ofRole),
		logged("e2", r, "Add member to role approval requested (PIM activation)", "success", "2026-11-23T12:01:00Z", byPIM+ofRole+details),
		logged("e3", r, "ADD MEMBER TO ROLE request approved (PIM activation)", "", "2026-11-23T12:02:00Z", byBob+ofRole),
		logged("e4", r, "Add member to role request denied (PIM activation)", "failure", "2026-11-23T12:03:00Z", byBob+ofRole),
		logged("e5", r, "Add member to role completed (PIM activation)", "success", "2026-11-23T12:04:00Z", byPIM+ofRole),
		logged("e6", r, "Add member to role canceled (PIM activation)", "success", "2026-11-23T12:05:00Z", byBob+ofRole),
		logged("e7", r, "PIM activation request expired", "failure", "2026-11-23T12:06:00Z", byPIM+ofRole),
		logged("e8", r, "Remove member from role (PIM activation expired)", "success", "2026-11-23T12:07:00Z", byPIM+ofRole),
		logged("g1", g, "Add member to role completed (PIM activation)", "success", "2026-11-23T12:00:00Z", byBob+ofGroup+details),
		logged("n1", r, "Add member to role requested (PIM activation)", "failure", "2026-11-23T12:00:00Z", byBob+ofRole), // nothing came of it
		logged("n2", r, "Update role setting in PIM", "success", "2026-11-23T12:00:00Z", byBob+ofRole),
		logged("n3", "ResourceManagement", "Add member to role completed (PIM activation)", "success", "2026-11-23T12:00:00Z", byBob+ofRole),
		logged("n4", r, "Add member to role requested (PIM activation)", "success", "2026-11-23T11:59:30Z", byBob+ofRole), // before
		logged("n5", r, "Remove member from role requested (PIM deactivate)", "success", "2026-11-23T12:00:00Z", byBob+ofRole),
	)))
	now := noon
	c := s.client(t, func(o *graph.Options) { o.Now = func() time.Time { return now } })
	got, err := c.Traces(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	person := pim.Principal{ID: bob, Name: "Bob", UPN: "bob@contoso.com"}
	want := []pim.Trace{
		{ID: "e1", What: pim.TraceAsked, By: person, Reason: "because"}, {ID: "e2", What: pim.TraceAsked, Reason: "in the details"},
		{ID: "e3", What: pim.TraceApproved, By: person, Reason: "because"}, {ID: "e4", What: pim.TraceDenied, By: person, Reason: "because"},
		{ID: "e5", What: pim.TraceActivated}, {ID: "e6", What: pim.TraceCanceled, By: person, Reason: "because"},
		{ID: "e7", What: pim.TraceExpired}, {ID: "e8", What: pim.TraceEnded}, {ID: "e9", What: pim.TraceEnded, By: person, Reason: "because"},
	}
	for i := range want {
		want[i].At = noon.Add(time.Duration(i) * time.Minute)
		want[i].Principal, want[i].Request = alice, reqID
		want[i].Assignment, want[i].RoleName = pim.Assignment{Kind: pim.EntraRole, Role: role}, "User Administrator"
	}
	want[0].At = noon.Add(123_456_700)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now = now.Add(9 * time.Second)
	ofGroups, err := c.Groups().Traces(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]pim.Trace{{ID: "g1", At: noon, What: pim.TraceActivated, By: person, Reason: "because", Principal: alice, Request: reqID, Assignment: member(),
		RoleName: "Member", ScopeName: "Break glass"}}, ofGroups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	s.only(t)
	now = now.Add(time.Second)
	if _, err := c.Groups().Traces(t.Context(), noon); err != nil || len(s.requests()) != 2 {
		t.Errorf("%d reads, %v", len(s.requests()), err)
	}
}

// An entry that tells nothing is no trace, and one that tells little is.
func TestPoorTraces(t *testing.T) {
	s := serve(t, says(200, nil, list(
		logged("", "RoleManagement", "Add member to role requested (PIM activation)", "success", "2026-11-23T12:00:00Z", ""),
		logged("e1", "rolemanagement", "Add member to role requested (PIM activation)", "success", "2026-11-23T12:00:00Z",
			`,"initiatedBy":null,"targetResources":null,"additionalDetails":null`),
	)))
	got, err := s.client(t).Traces(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]pim.Trace{{ID: "e1", At: noon, What: pim.TraceAsked, Assignment: pim.Assignment{Kind: pim.EntraRole}}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
