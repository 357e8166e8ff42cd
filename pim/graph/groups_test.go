package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// What each call about a group looks like on the wire, to the byte.
func TestGroupWire(t *testing.T) {
	const (
		root     = "/v1.0/identityGovernance/privilegedAccess/group/"
		requests = root + "assignmentScheduleRequests"
	)
	made := `{"id":"` + reqID + `","status":"PendingApproval","principalId":"` + alice + `"}`
	owner := pim.Assignment{Kind: pim.Group, Role: pim.Owner, Scope: group}
	wire(t, map[string]wireCase{
		"activate": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Groups().Activate(ctx, alice, pim.Activation{Assignment: owner, Justification: `needs "quotes"`, Duration: 90 * time.Minute,
					Ticket: pim.Ticket{Number: "CHG1"}, Start: time.Date(2026, 11, 23, 14, 30, 0, 0, time.FixedZone("", 3600))})
				return err
			},
			status: 201, answer: made, method: "POST", path: requests, who: alice,
			body: `{"action":"selfActivate","justification":"needs \"quotes\"",` +
				`"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H30M"},"startDateTime":"2026-11-23T13:30:00Z"},` +
				`"ticketInfo":{"ticketNumber":"CHG1"},"accessId":"owner","groupId":"` + group + `","principalId":"` + alice + `"}`,
		},
		"check": {
			do:     groupOperations["check"],
			status: 201, answer: made, method: "POST", path: requests, who: alice,
			body: `{"action":"selfActivate","isValidationOnly":true,` +
				`"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"},"startDateTime":"2026-11-23T12:00:00Z"},` +
				`"accessId":"member","groupId":"` + group + `","principalId":"` + alice + `"}`,
		},
		"deactivate": {
			do: func(ctx context.Context, c client) error {
				return c.Groups().Deactivate(ctx, alice, pim.Deactivation{Assignment: member(), Justification: "done"})
			},
			status: 201, answer: `{"id":"` + reqID + `","status":"Revoked"}`, method: "POST", path: requests, who: alice,
			body: `{"action":"selfDeactivate","justification":"done","accessId":"member","groupId":"` + group + `","principalId":"` + alice + `"}`,
		},
		"cancel": {
			do:     groupOperations["cancel"],
			status: 204, method: "POST", path: requests + "/" + reqID + "/cancel", who: alice,
		},
		"approve": {
			do: func(ctx context.Context, c client) error {
				return c.Groups().Review(ctx, bob, pim.Decision{Approval: reqID, Stage: carol, Result: pim.Approved, Justification: "Trusted User"})
			},
			status: 204, method: "PATCH", path: root + "assignmentApprovals/" + reqID + "/stages/" + carol, who: bob,
			body: `{"justification":"Trusted User","reviewResult":"Approve"}`,
		},
		"eligible": {
			do:     groupOperations["eligible"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: root + "eligibilityScheduleInstances/filterByCurrentUser(on='principal')", who: alice,
		},
		"request": {
			do:     groupOperations["request"],
			status: 200, answer: made, method: "GET", path: requests + "/" + reqID, who: alice,
		},
		"mine": {
			do:     groupOperations["mine"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: requests + "/filterByCurrentUser(on='principal')", who: alice,
		},
		"pending": {
			do:     groupOperations["pending"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: requests + "/filterByCurrentUser(on='approver')", who: bob,
			query: "$expand=principal&$filter=status eq 'PendingApproval'",
		},
		"approval": {
			do:     groupOperations["approval"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: root + "assignmentApprovals/" + reqID + "/stages", who: bob,
		},
		"active": {
			do:     groupOperations["active"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: root + "assignmentScheduleInstances",
			query: "$filter=principalId eq '" + alice + "'", who: "belay",
		},
		"policy": {
			do: func(ctx context.Context, c client) error {
				if _, err := c.Groups().Policy(ctx, alice, owner); pim.CodeOf(err) != pim.CodeNotFound {
					return fmt.Errorf("no policy is %w", err)
				}
				return nil
			},
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/v1.0/policies/roleManagementPolicyAssignments", who: "belay",
			query: "$expand=policy($expand=rules)&$filter=scopeId eq '" + group + "' and scopeType eq 'Group' and roleDefinitionId eq 'owner'",
		},
	})
}

// What cannot be asked of a group is refused before anything is sent.
func TestBadGroupInputIsNotSent(t *testing.T) {
	s := serve(t, says(200, nil, `{}`))
	g := s.client(t).Groups()
	activate := func(a pim.Assignment) func() error {
		return func() error {
			_, err := g.Activate(t.Context(), alice, pim.Activation{Assignment: a, Duration: time.Hour})
			return err
		}
	}
	for name, do := range map[string]func() error{
		"a directory role": activate(entraRole()),
		"no part":          activate(pim.Assignment{Kind: pim.Group, Scope: group}),
		"another part":     activate(pim.Assignment{Kind: pim.Group, Role: "guest", Scope: group}),
		"a path":           activate(pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: "/" + group}),
		"no duration": func() error {
			_, err := g.Activate(t.Context(), alice, pim.Activation{Assignment: member()})
			return err
		},
		"check": func() error {
			return g.Check(t.Context(), alice, pim.Activation{Assignment: entraRole(), Duration: time.Hour})
		},
		"deactivate": func() error { return g.Deactivate(t.Context(), alice, pim.Deactivation{Assignment: entraRole()}) },
		"policy":     func() error { _, err := g.Policy(t.Context(), alice, entraRole()); return err },
		"policy, a filter": func() error {
			_, err := g.Policy(t.Context(), alice, pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: "x'"})
			return err
		},
		"request, climbing": func() error { _, err := g.Request(t.Context(), alice, "../x"); return err },
		"cancel, climbing":  func() error { return g.Cancel(t.Context(), alice, "..") },
		"approval":          func() error { _, err := g.Approval(t.Context(), bob, "a/b"); return err },
		"active, a filter":  func() error { _, err := g.Active(t.Context(), alice+"' or '1' eq '1", pim.Assignment{}); return err },
		"no decision":       func() error { return g.Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: reqID}) },
		"nobody":            func() error { _, err := g.Pending(t.Context(), ""); return err },
	} {
		if e := refused(t, do()); e.Code != pim.CodeInvalid || e.Ambiguous || e.Op == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("%d requests were sent", len(got))
	}
	if below, err := g.Children(t.Context(), alice, pim.EligibleAssignment{}); below != nil || err != nil {
		t.Errorf("below a group: %v, %v", below, err)
	}
}

// groupsNamed answers the list of groups with names, and everything else with rest.
func groupsNamed(names map[string]string, rest http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/groups" {
			rest(w, r)
			return
		}
		var rows []string
		for id, name := range names {
			if strings.Contains(r.URL.Query().Get("$filter"), "'"+id+"'") {
				rows = append(rows, fmt.Sprintf(`{"id":%q,"displayName":%q}`, strings.ToUpper(id), name))
			}
		}
		says(200, nil, `{"value":[`+strings.Join(rows, ",")+`]}`)(w, r)
	}
}

func TestGroupEligible(t *testing.T) {
	item := func(who, group, access, end string) string {
		return `{"principalId":"` + who + `","groupId":"` + group + `","accessId":"` + access + `","endDateTime":` + end + `,"memberType":"Direct"}`
	}
	s := serve(t, groupsNamed(map[string]string{group: "Break glass", bob: "auditors"}, says(200, nil, `{"value":[`+strings.Join([]string{
		item(alice, group, "member", `"2027-01-01T00:00:00Z"`),
		item(strings.ToUpper(alice), group, "Member", `null`),
		item(alice, group, "OWNER", `"2027-01-01T00:00:00Z"`),
		item(alice, bob, "member", `null`),
		item(alice, carol, "member", `null`), // of a name nobody can read
		item(carol, group, "member", `null`), // held by another group: activates everybody in there
		item(alice, group, "unknownFutureValue", `null`),
		item(alice, "", "member", `null`),
	}, ",")+`]}`)))
	c := s.client(t)
	at := func(group, name, role, roleName string, until time.Time) pim.EligibleAssignment {
		return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: role, Scope: group}, RoleName: roleName, ScopeName: name, Until: until}
	}
	want := []pim.EligibleAssignment{
		at(carol, carol, "member", "Member", time.Time{}),
		at(bob, "auditors", "member", "Member", time.Time{}),
		at(group, "Break glass", "member", "Member", time.Time{}),
		at(group, "Break glass", "owner", "Owner", day(2027, 1, 1, 0, 0, 0, 0)),
	}
	for range 2 { // the second time with names from memory
		got, err := c.Groups().Eligible(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	names := 0
	for _, r := range s.requests() {
		u, err := url.Parse(r.target)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path == "/v1.0/groups" {
			names++
			if r.auth != "Bearer token-of-belay" || u.Query().Get("$select") != "id,displayName" {
				t.Errorf("names are asked for by %+v", r)
			}
		}
	}
	if names != 2 { // the one without a name is asked for again
		t.Errorf("names were asked for %d times", names)
	}
}

// A group is not hidden when its name cannot be read.
func TestGroupEligibleWithoutNames(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1.0/groups" {
			says(403, nil, `{"error":{"code":"Authorization_RequestDenied"}}`)(w, r)
			return
		}
		says(200, nil, `{"value":[{"principalId":"`+alice+`","groupId":"`+group+`","accessId":"member"}]}`)(w, r)
	})
	got, err := s.client(t).Groups().Eligible(t.Context(), alice)
	if err != nil || len(got) != 1 || got[0].ScopeName != group {
		t.Errorf("%+v, %v", got, err)
	}
}

// Names are read fifteen at a time, which is what Graph takes.
func TestManyGroupNames(t *testing.T) {
	var items []string
	names := map[string]string{}
	for i := range 40 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		items, names[id] = append(items, `{"principalId":"`+alice+`","groupId":"`+id+`","accessId":"member"}`), fmt.Sprintf("Group %02d", i)
	}
	s := serve(t, groupsNamed(names, says(200, nil, `{"value":[`+strings.Join(items, ",")+`]}`)))
	got, err := s.client(t).Groups().Eligible(t.Context(), alice)
	if err != nil || len(got) != 40 || got[0].ScopeName != "Group 00" || got[39].ScopeName != "Group 39" {
		t.Fatalf("%d, %v", len(got), err)
	}
	if n := len(s.requests()); n != 1+3 {
		t.Errorf("%d calls", n)
	}
}

// Nobody approves by default for a group, and what one group demands is not what
// another does.
func TestGroupPolicy(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		filter := r.URL.Query().Get("$filter")
		scope, rest, _ := strings.Cut(strings.TrimPrefix(filter, "scopeId eq '"), "'")
		part := rest[strings.LastIndex(rest, " '")+2 : len(rest)-1]
		body := strings.Replace(policyOf(""), `"roleDefinitionId":"`+role+`"`, `"roleDefinitionId":"`+strings.ToUpper(part)+`","scopeId":"`+scope+`"`, 1)
		body = strings.Replace(body, "PT1H45M", map[string]string{"member": "PT1H", "owner": "PT2H"}[part], 1)
		says(200, nil, body)(w, r)
	})
	g := s.client(t).Groups()
	for range 2 {
		for part, longest := range map[string]time.Duration{pim.Member: time.Hour, pim.Owner: 2 * time.Hour} {
			got, err := g.Policy(t.Context(), alice, pim.Assignment{Kind: pim.Group, Role: part, Scope: group})
			if err != nil {
				t.Fatal(err)
			}
			if !got.Approval || got.DefaultApprovers || len(got.Approvers) != 0 || got.MaxDuration != longest {
				t.Errorf("%s: %+v", part, got)
			}
		}
	}
	if n := len(s.requests()); n != 2 {
		t.Errorf("%d reads of two policies", n)
	}
	// The policy of another group is not an answer.
	s = serve(t, says(200, nil, strings.Replace(policyOf(""), `"roleDefinitionId":"`+role+`"`, `"roleDefinitionId":"member","scopeId":"`+carol+`"`, 1)))
	if _, err := s.client(t).Groups().Policy(t.Context(), alice, member()); pim.CodeOf(err) != pim.CodeNotFound {
		t.Errorf("another group's policy: %v", err)
	}
}

// The challenge of a group's authentication context is understood whatever its
// code is called. Its exact name is not documented.
func TestGroupChallenge(t *testing.T) {
	for _, code := range []string{"RoleAssignmentRequestAcrsValidationFailed", "PrivilegedAccessGroupAcrsValidationFailed"} {
		s := serve(t, says(400, nil, `{"error":{"code":"`+code+`","message":"&claims=%7B%22access_token%22%3A%7B%7D%7D"}}`))
		for _, op := range []string{"activate", "check"} {
			e := refused(t, groupOperations[op](t.Context(), s.client(t)))
			if e.Code != pim.CodeStepUp || e.Claims != `{"access_token":{}}` {
				t.Errorf("%s, %s: %+v", op, code, e)
			}
		}
	}
}

// Groups waiting for a decision are named.
func TestGroupPending(t *testing.T) {
	s := serve(t, groupsNamed(map[string]string{group: "Break glass"}, says(200, nil, `{"value":[
		{"id":"`+reqID+`","status":"pendingapproval","action":"SelfActivate","principalId":"`+alice+`","groupId":"`+group+`","accessId":"Member","approvalId":"`+reqID+`",
		 "justification":"why","ticketInfo":{"ticketNumber":"CHG1","ticketSystem":null},"principal":{"id":"`+alice+`","displayName":"Alice","userPrincipalName":"alice@contoso.com","mail":null}},
		{"id":"r2","status":"PendingApproval","action":"selfExtend","principalId":"`+alice+`","groupId":"`+group+`","accessId":"member"},
		{"id":"r3","status":"Provisioned","action":"selfActivate","principalId":"`+alice+`","groupId":"`+group+`","accessId":"member"}]}`)))
	got, err := s.client(t).Groups().Pending(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	want := []pim.Request{{ID: reqID, Approval: reqID, Principal: alice, Status: "PendingApproval", Justification: "why", Ticket: pim.Ticket{Number: "CHG1"},
		Assignment: member(), Who: pim.Principal{ID: alice, Name: "Alice", UPN: "alice@contoso.com"}, RoleName: "Member", ScopeName: "Break glass"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
