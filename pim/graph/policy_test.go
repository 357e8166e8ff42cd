package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// world is a directory of a few people and one role that needs approval.
type world struct {
	*service
	approvers string            // the policy's primaryApprovers
	answers   map[string]string // by path
	refuse    map[string]int    // status by path
}

func newWorld(t *testing.T) *world {
	w := &world{answers: map[string]string{}, refuse: map[string]int{}}
	w.service = serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if status, bad := w.refuse[r.URL.Path]; bad {
			says(status, nil, `{"error":{"code":"Request_ResourceNotFound","message":"no"}}`)(rw, r)
			return
		}
		key := r.URL.Path
		if f := r.URL.Query().Get("$filter"); f != "" && !strings.Contains(key, "policies") {
			key += "?" + f
		}
		if r.URL.Path == "/v1.0/users" {
			says(200, nil, list(w.usersIn(r.URL.Query().Get("$filter"))...))(rw, r)
			return
		}
		answer, ok := w.answers[key]
		if strings.HasSuffix(r.URL.Path, "/roleManagementPolicyAssignments") {
			answer, ok = policyOf(w.approvers), true
		}
		if !ok {
			t.Errorf("asked for %s, of which the test knows nothing", key)
			says(501, nil, "")(rw, r)
			return
		}
		says(200, nil, answer)(rw, r)
	})
	return w
}

// groupsOf is where Graph lists the groups of a person that can hold a role.
func groupsOf(id string) string {
	return "/v1.0/users/" + id + "/transitiveMemberOf/microsoft.graph.group?isAssignableToRole eq true"
}

// usersIn are the users that a filter on the id names, except those that are
// refused: these are asked for by themselves.
func (w *world) usersIn(filter string) []string {
	var found []string
	for path, answer := range w.answers {
		if id, ok := strings.CutPrefix(path, "/v1.0/users/"); ok && strings.Contains(filter, "'"+strings.ToLower(id)+"'") && w.refuse[path] == 0 {
			found = append(found, answer)
		}
	}
	return found
}

func (w *world) user(id, name, more string) {
	w.answers["/v1.0/users/"+id] = user(id, name, more)
}

func user(id, name, more string) string {
	return fmt.Sprintf(`{"id":%q,"displayName":%q%s}`, id, name, more)
}

func (w *world) group(id, name string, members ...string) {
	w.answers["/v1.0/groups/"+id] = fmt.Sprintf(`{"id":%q,"displayName":%q}`, id, name)
	w.answers["/v1.0/groups/"+id+"/transitiveMembers/microsoft.graph.user"] = `{"@odata.count":9,"value":[` + strings.Join(members, ",") + `]}`
}

// policyOf is a policy as Microsoft prints one, shortened to what speaks of
// activation, with a rule of a type nobody knows.
func policyOf(approvers string) string {
	return `{"value":[{"roleDefinitionId":"` + role + `","policy":{"rules":[
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_Admin_Eligibility","maximumDuration":"P365D"},
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT1H45M"},
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_EndUser_Assignment","enabledRules":["justification","TICKETING"]},
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_Admin_Assignment","enabledRules":["MultiFactorAuthentication"]},
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule","id":"AuthenticationContext_EndUser_Assignment","isEnabled":true,"claimValue":"c1"},
	 {"@odata.type":"#microsoft.graph.customExtensionRule","id":"CustomExtension_PreApproval_EndUser_Assignment","setting":{"anything":[1]}},
	 {"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyApprovalRule","id":"Approval_EndUser_Assignment","setting":{"isApprovalRequired":true,
	  "approvalMode":"SingleStage","approvalStages":[{"approvalStageTimeOutInDays":1,"primaryApprovers":[` + approvers + `],"escalationApprovers":[]}]}}
	]}}]}`
}

func TestPolicy(t *testing.T) {
	const leads, empty, gone = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002", "aaaaaaaa-0000-0000-0000-000000000003"
	const dora, eve, zoe = "dddddddd-0000-0000-0000-000000000001", "eeeeeeee-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-00000000000f"
	w := newWorld(t)
	w.approvers = strings.Join([]string{
		`{"@odata.type":"#microsoft.graph.singleUser","userId":"` + bob + `","description":"Bob"}`,
		`{"@odata.type":"#Microsoft.Graph.SingleUser","id":"` + zoe + `"}`,
		`{"@odata.type":"microsoft.graph.groupmembers","id":"` + leads + `","description":"Leads"}`,
		`{"groupId":"` + empty + `"}`,
		`{"userId":"` + dora + `"}`,
		`{"@odata.type":"#microsoft.graph.singleUser","userId":"` + eve + `"}`,
		`{"@odata.type":"#microsoft.graph.groupMembers","groupId":"` + gone + `"}`,
		`{"@odata.type":"#microsoft.graph.requestorManager","managerLevel":1}`,
	}, ",")
	w.user(bob, "Bob", `,"userPrincipalName":"bob@contoso.com","mail":"bob.builder@contoso.com","accountEnabled":true`)
	w.user(zoe, "anna", `,"accountEnabled":null`)
	w.user(dora, "Dora", `,"accountEnabled":false`)
	w.refuse["/v1.0/users/"+eve] = 404
	w.refuse["/v1.0/groups/"+gone] = 404
	w.group(leads, "Leads", user(strings.ToUpper(bob), "Bob", `,"userPrincipalName":"bob@contoso.com","mail":"bob.builder@contoso.com","accountEnabled":true`),
		user(carol, "Carol", `,"userPrincipalName":"carol_ext#EXT#@contoso.com","accountEnabled":true`), user(dora, "Dora", `,"accountEnabled":false`))
	w.group(empty, "Empty")
	c := w.client(t)
	untold := entraRole()
	untold.Scope = "" // as the audit log has it
	if _, err := c.Policy(t.Context(), alice, untold); err != nil {
		t.Errorf("without a scope: %v", err)
	}
	got, err := c.Policy(t.Context(), alice, entraRole())
	if err != nil {
		t.Fatal(err)
	}
	want := pim.Policy{
		MaxDuration: 105 * time.Minute, Justification: true, Ticket: true, AuthContext: "c1", Approval: true,
		Approvers: []pim.Principal{
			{ID: zoe, Name: "anna"},
			{ID: strings.ToUpper(bob), Name: "Bob", UPN: "bob@contoso.com", Mail: "bob.builder@contoso.com"},
			{ID: carol, Name: "Carol", UPN: "carol_ext#EXT#@contoso.com"},
		},
		ApproverGroups: []pim.ApproverGroup{{ID: empty, Name: "Empty"}, {ID: leads, Name: "Leads", Size: 2, Members: []string{strings.ToUpper(bob), carol}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, r := range w.requests() {
		if r.auth != "Bearer token-of-belay" || r.method != "GET" {
			t.Errorf("%s %s was asked with %q", r.method, r.target, r.auth)
		}
		if strings.Contains(r.target, "transitiveMembers") {
			u, err := url.Parse(r.target)
			if err != nil {
				t.Fatal(err)
			}
			if q := u.Query(); r.header.Get("ConsistencyLevel") != "eventual" || q.Get("$count") != "true" || q.Get("$top") != "999" ||
				q.Get("$select") != "id,displayName,userPrincipalName,mail,accountEnabled" {
				t.Errorf("members were asked for with %s", r.target)
			}
		}
	}
	// The caller owns what it got: the next one is not affected.
	got.Approvers[0].Name, got.ApproverGroups[0].Name = "changed", "changed"
	again, err := c.Policy(t.Context(), alice, pim.Assignment{Kind: pim.EntraRole, Role: strings.ToUpper(role), Scope: "/administrativeUnits/x"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the second time (-want +got):\n%s", diff)
	}
}

// A list of approvers that cannot be read is an error, whichever part fails.
func TestApproversThatCannotBeRead(t *testing.T) {
	const leads = "aaaaaaaa-0000-0000-0000-000000000001"
	named := `{"@odata.type":"#microsoft.graph.singleUser","userId":"` + bob + `"},{"@odata.type":"#microsoft.graph.groupMembers","groupId":"` + leads + `"}`
	members := "/v1.0/groups/" + leads + "/transitiveMembers/microsoft.graph.user"
	for name, tc := range map[string]struct {
		change func(*world)
		want   pim.Code
	}{
		"the user is forbidden":      {func(w *world) { w.refuse["/v1.0/users/"+bob] = 403 }, pim.CodeForbidden},
		"the user is down":           {func(w *world) { w.refuse["/v1.0/users/"+bob] = 503 }, pim.CodeUnavailable},
		"another user":               {func(w *world) { w.answers["/v1.0/users/"+bob] = user(carol, "Carol", "") }, pim.CodeUnavailable},
		"no user":                    {func(w *world) { w.answers["/v1.0/users/"+bob] = `{}` }, pim.CodeUnavailable},
		"the group is forbidden":     {func(w *world) { w.refuse["/v1.0/groups/"+leads] = 403 }, pim.CodeForbidden},
		"another group":              {func(w *world) { w.answers["/v1.0/groups/"+leads] = `{"id":"x"}` }, pim.CodeUnavailable},
		"the members are throttled":  {func(w *world) { w.refuse[members] = 429 }, pim.CodeThrottled},
		"the members are not found":  {func(w *world) { w.refuse[members] = 404 }, pim.CodeNotFound},
		"the members are no list":    {func(w *world) { w.answers[members] = `{}` }, pim.CodeUnavailable},
		"a member without id":        {func(w *world) { w.answers[members] = `{"value":[{"displayName":"?"}]}` }, pim.CodeUnavailable},
		"the list goes elsewhere":    {func(w *world) { w.answers[members] = `{"value":[],"@odata.nextLink":"https://evil.example/"}` }, pim.CodeUnavailable},
		"only kinds nobody knows":    {func(w *world) { w.approvers = `{"@odata.type":"#microsoft.graph.internalSponsors"}` }, pim.CodeUnavailable},
		"a user without id":          {func(w *world) { w.approvers = `{"@odata.type":"#microsoft.graph.singleUser"}` }, pim.CodeUnavailable},
		"a group id that is a route": {func(w *world) { w.approvers = `{"@odata.type":"#microsoft.graph.groupMembers","groupId":"../me"}` }, pim.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.approvers = named
			w.user(bob, "Bob", "")
			w.group(leads, "Leads")
			tc.change(w)
			p, err := w.client(t).Policy(t.Context(), alice, entraRole())
			if pim.CodeOf(err) != tc.want || p.Approvers != nil {
				t.Errorf("policy %+v, error %v, want %s", p, err, tc.want)
			}
		})
	}
}

// A policy that names nobody: Microsoft's default, active and eligible, groups
// opened, applications left out, and only for the whole directory.
func TestDefaultApprovers(t *testing.T) {
	const pra, ga, team = "e8611ab8-c189-46e8-94e1-60213ab1f814", "62e90394-69f5-4237-9190-012177145e10", "aaaaaaaa-0000-0000-0000-000000000001"
	holder := func(role, who, kind, scope string) string {
		return `{"principalId":"` + who + `","roleDefinitionId":"` + role + `","directoryScopeId":"` + scope + `","principal":{"@odata.type":"#microsoft.graph.` + kind + `"}}`
	}
	list := func(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }
	const active, eligible = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?", "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances?"
	fill := func(t *testing.T) *world {
		w := newWorld(t)
		w.user(alice, "Alice", "")
		w.user(bob, "Bob", "")
		w.group(team, "Break glass", user(carol, "Carol", ""))
		w.answers[active+"roleDefinitionId eq '"+pra+"'"] = list(holder(pra, alice, "user", "/"), holder(pra, reqID, "servicePrincipal", "/"))
		w.answers[eligible+"roleDefinitionId eq '"+pra+"'"] = list(holder(pra, reqID, "user", "/administrativeUnits/x"))
		w.answers[active+"roleDefinitionId eq '"+ga+"'"] = list(holder(ga, team, "group", "/"), holder(ga, alice, "user", "/"))
		w.answers[eligible+"roleDefinitionId eq '"+ga+"'"] = list(holder(ga, bob, "User", "/"))
		return w
	}
	w := fill(t)
	got, err := w.client(t).Policy(t.Context(), alice, entraRole())
	if err != nil {
		t.Fatal(err)
	}
	want := []pim.Principal{{ID: alice, Name: "Alice"}, {ID: bob, Name: "Bob"}, {ID: carol, Name: "Carol"}}
	if diff := cmp.Diff(want, got.Approvers); diff != "" || !got.DefaultApprovers || got.ApproverGroups != nil {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
	for _, broken := range []string{active, eligible} {
		w := fill(t)
		w.refuse[strings.TrimSuffix(broken, "?")] = 403
		if p, err := w.client(t).Policy(t.Context(), alice, entraRole()); pim.CodeOf(err) != pim.CodeForbidden || p.Approvers != nil {
			t.Errorf("%s refused: %+v, %v", broken, p, err)
		}
	}
	// Where the kind of a holder is not told, it is looked for; who is not found is left out.
	w = fill(t)
	untyped := func(who string) string {
		return `{"principalId":"` + who + `","roleDefinitionId":"` + ga + `","directoryScopeId":"/","principal":null}`
	}
	w.answers[active+"roleDefinitionId eq '"+ga+"'"] = list(untyped(bob), untyped(team), untyped(reqID))
	for _, missing := range []string{"users/" + team, "users/" + reqID, "groups/" + reqID} {
		w.refuse["/v1.0/"+missing] = 404
	}
	if got, err = w.client(t).Policy(t.Context(), alice, entraRole()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Approvers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.refuse["/v1.0/groups/"+reqID] = 403
	if p, err := w.client(t).Policy(t.Context(), alice, entraRole()); pim.CodeOf(err) != pim.CodeForbidden || p.Approvers != nil {
		t.Errorf("a holder who may not be read: %+v, %v", p, err)
	}
}

// What was read as Belay is read again only when it has become old, and once
// for everybody who asks at the same time.
func TestPoliciesAreRemembered(t *testing.T) {
	now := noon
	var mu sync.Mutex
	w := newWorld(t)
	w.approvers = `{"@odata.type":"#microsoft.graph.singleUser","userId":"` + bob + `"}`
	w.user(bob, "Bob", "")
	c := w.client(t, func(o *graph.Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		o.PolicyAge = 10 * time.Minute
	})
	ask := func(want int) {
		t.Helper()
		if _, err := c.Policy(t.Context(), alice, entraRole()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.requests()); n != want {
			t.Errorf("%d requests so far, want %d", n, want)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Policy(t.Context(), alice, entraRole()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ask(2)
	mu.Lock()
	now = now.Add(10*time.Minute - time.Second)
	mu.Unlock()
	ask(2)
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	ask(4)
	mu.Lock()
	now = now.Add(-time.Hour) // the clock was set back
	mu.Unlock()
	ask(6)
}

// A failure is not remembered, and one who gives up does not spoil it for others.
func TestFailuresAreNotRemembered(t *testing.T) {
	w := newWorld(t)
	w.approvers = `{"@odata.type":"#microsoft.graph.singleUser","userId":"` + bob + `"}`
	w.user(bob, "Bob", "")
	w.refuse["/v1.0/users/"+bob] = 503
	c := w.client(t)
	if _, err := c.Policy(t.Context(), alice, entraRole()); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	delete(w.refuse, "/v1.0/users/"+bob)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Policy(gone, alice, entraRole()); err != nil && pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("error %v", err)
	}
	if _, err := c.Policy(t.Context(), alice, entraRole()); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}

func TestPoliciesThatCannotBeRead(t *testing.T) {
	good := policyOf("")
	for name, answer := range map[string]string{
		"no longest duration":  strings.Replace(good, "PT1H45M", "", 1),
		"an odd duration":      strings.Replace(good, "PT1H45M", "P1Y", 1),
		"no duration at all":   strings.Replace(good, "Expiration_EndUser", "Expiration_Somebody", 1),
		"no word of approval":  strings.Replace(good, `"Approval_EndUser`, `"Approval_Somebody`, 1),
		"no rules":             `{"value":[{"roleDefinitionId":"` + role + `"}]}`,
		"approvers of no form": policyOf("7"),
	} {
		s := serve(t, says(200, nil, answer))
		if _, err := s.client(t).Policy(t.Context(), alice, entraRole()); pim.CodeOf(err) != pim.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := serve(t, says(200, nil, strings.ReplaceAll(good, role, reqID)))
	if _, err := s.client(t).Policy(t.Context(), alice, entraRole()); pim.CodeOf(err) != pim.CodeNotFound {
		t.Errorf("another role's policy: %v", err)
	}
}
