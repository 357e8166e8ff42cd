package pimtest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	groupPath         = "/v1.0/identityGovernance/privilegedAccess/group/"
	groupRequests     = groupPath + "assignmentScheduleRequests"
	groupInstances    = groupPath + "assignmentScheduleInstances"
	groupSchedules    = groupPath + "assignmentSchedules"
	groupEligible     = groupPath + "eligibilityScheduleInstances"
	groupApprovalPath = groupPath + "assignmentApprovals"
	mine              = "/filterByCurrentUser(on='principal')"
	toDecide          = "/filterByCurrentUser(on='approver')"

	opsGroup = "90000000-0000-4000-8000-00000000000a" // alice may become a member at once, an owner with bob's approval
)

// newGroups is a harness with a group in PIM.
func newGroups(t *testing.T, change ...func(*Options)) *harness {
	t.Helper()
	h := newHarness(t, change...)
	h.must(
		h.AddGroup(Group{ID: opsGroup, Name: "Operators", RoleAssignable: true}),
		h.SetGroupPolicy(opsGroup, "owner", Policy{Approval: true, Approvers: []string{bob, approversGroup}, ApproverJustification: true}),
		h.EligibleInGroup(alice, opsGroup, "member", time.Time{}, time.Time{}),
		h.EligibleInGroup(alice, opsGroup, "owner", time.Time{}, time.Time{}),
	)
	return h
}

// joining is the body of a selfActivate in the group for an hour.
func joining(access string, change ...func(obj)) obj {
	o := obj{
		"action": "selfActivate", "principalId": alice, "groupId": opsGroup, "accessId": access, "justification": "because",
		"scheduleInfo": obj{"expiration": obj{"type": "afterDuration", "duration": "PT1H"}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func leaving(access string) obj {
	return obj{"action": "selfDeactivate", "principalId": alice, "groupId": opsGroup, "accessId": access, "justification": "done"}
}

func (h *harness) join(token string, body obj) obj {
	h.t.Helper()
	status, o := h.call(token, http.MethodPost, groupRequests, body)
	if status != http.StatusCreated {
		h.t.Fatalf("activate: %d %v", status, o)
	}
	return o
}

func TestActivateMembership(t *testing.T) {
	h := newGroups(t)
	a, app := h.inGroups(alice), h.asApp()
	h.must(h.Assign(opsGroup, roleGlobalAdmin, "/"))

	o := h.join(a, joining("member"))
	id := o["id"].(string)
	if o["status"] != "Provisioned" || o["approvalId"] != nil || !strings.HasPrefix(o["targetScheduleId"].(string), opsGroup+"_member_") {
		t.Errorf("request %v", o)
	}
	rows := h.rows(a, groupInstances+mine+"?$expand=activatedUsing")
	if len(rows) != 1 || rows[0]["assignmentScheduleId"] != o["targetScheduleId"] || rows[0]["id"] != opsGroup+"_member_"+alice ||
		rows[0]["endDateTime"] != "2026-11-23T13:00:00Z" || rows[0]["activatedUsing"].(obj)["principalId"] != alice {
		t.Errorf("instances %v", rows)
	}
	schedules := h.rows(app, groupSchedules+"?$filter=groupId eq '"+opsGroup+"' and createdUsing eq '"+id+"'")
	if len(schedules) != 1 || schedules[0]["id"] != o["targetScheduleId"] {
		t.Errorf("schedules %v", schedules)
	}

	// She is in the group, and has what the group has.
	members := "/v1.0/groups/" + opsGroup + "/transitiveMembers/microsoft.graph.user?$count=true"
	if rows := h.rows(app, members); len(rows) != 1 || rows[0]["id"] != alice {
		t.Errorf("members %v", rows)
	}
	if got := claimsOf(t, h.as(alice))["wids"].([]any); !slices.Equal(got, []any{roleGlobalAdmin}) {
		t.Errorf("wids %v", got)
	}

	h.wantRefused(a, http.MethodPost, groupRequests, joining("member"), 400, "RoleAssignmentExists")
	h.wantRefused(a, http.MethodPost, groupRequests, leaving("member"), 400, "ActiveDurationTooShort")
	h.business.advance(time.Hour)
	if rows := h.rows(app, members); len(rows) != 0 {
		t.Errorf("members after the end: %v", rows)
	}
	log := h.Audit()
	last := log[len(log)-1]
	if last.Kind != "group" || last.Role != "member" || last.Scope != opsGroup || last.RequestID != id || last.ActorKind != ByService {
		t.Errorf("audit %v", last)
	}
}

func TestLeaveAGroup(t *testing.T) {
	h := newGroups(t)
	a := h.inGroups(alice)
	h.join(a, joining("Member")) // any letter case
	h.business.advance(5 * time.Minute)
	h.wantRefused(a, http.MethodPost, groupRequests, leaving("owner"), 400, "RoleAssignmentDoesNotExist")
	if o := h.join(a, leaving("member")); o["status"] != "Revoked" {
		t.Errorf("request %v", o)
	}
	if rows := h.rows(a, groupInstances+mine); len(rows) != 0 {
		t.Errorf("still in: %v", rows)
	}
}

func TestApproveOwnership(t *testing.T) {
	h := newGroups(t)
	a, b := h.inGroups(alice), h.inGroups(bob)
	o := h.join(a, joining("owner"))
	id := o["id"].(string)
	stage := groupApprovalPath + "/" + id + "/stages/" + id
	if o["status"] != "PendingApproval" || o["approvalId"] != id || o["scheduleInfo"].(obj)["startDateTime"] != nil {
		t.Errorf("request %v", o)
	}
	h.wantRefused(a, http.MethodPost, groupRequests, joining("owner"), 400, "PendingRoleAssignmentRequest")

	waiting := groupRequests + toDecide + "?$filter=status eq 'PendingApproval'&$expand=principal"
	for name, want := range map[string]int{bob: 1, carol: 1, alice: 0, erin: 0} {
		if rows := h.rows(h.inGroups(name), waiting); len(rows) != want {
			t.Errorf("waits for %s: %v", name, rows)
		}
	}
	if rows := h.rows(b, groupApprovalPath+toDecide); len(rows) != 1 {
		t.Errorf("approvals %v", rows)
	}
	stages := h.rows(b, groupApprovalPath+"/"+id+"/stages")
	if len(stages) != 1 || stages[0]["assignedToMe"] != true || stages[0]["reviewResult"] != "NotReviewed" {
		t.Errorf("stages %v", stages)
	}
	if _, got := h.get(b, groupApprovalPath+"/"+id); len(got["stages"].([]any)) != 1 {
		t.Errorf("approval %v", got)
	}

	good := obj{"reviewResult": "Approve", "justification": "fine"}
	h.wantRefused(a, http.MethodPatch, stage, good, 403, "Forbidden")
	h.wantRefused(h.inGroups(erin), http.MethodPatch, stage, good, 403, "Forbidden")
	h.wantRefused(h.asApp(), http.MethodPatch, stage, good, 403, "Authorization_RequestDenied")
	h.wantRefused(h.asApp(), http.MethodGet, groupApprovalPath+"/"+id, nil, 403, "Authorization_RequestDenied")
	h.wantRefused(b, http.MethodPatch, groupApprovalPath+"/"+id+"/stages/"+alice, good, 404, "NotFound")
	h.wantRefused(b, http.MethodGet, approvalPath+"/"+id, nil, 404, "NotFound") // no approval of a directory role
	h.wantRefused(b, http.MethodPatch, stage, obj{"reviewResult": "Approve"}, 400, "BadRequest")
	h.call(b, http.MethodPatch, groupApprovalPath+"/"+id+"/steps/"+id, good) // steps are beta's word
	if len(h.takeUnhandled()) != 1 {
		t.Error("steps were not reported")
	}

	if status, got := h.call(b, http.MethodPatch, stage, good); status != http.StatusNoContent || got != nil {
		t.Fatalf("approve: %d %v", status, got)
	}
	h.wantRefused(h.inGroups(carol), http.MethodPatch, stage, good, 409, "Conflict")
	if _, got := h.get(a, groupRequests+"/"+id); got["status"] != "Provisioned" {
		t.Errorf("request %v", got)
	}
	// An owner may cancel what others asked of the group.
	h.must(h.EligibleInGroup(bob, opsGroup, "owner", time.Time{}, time.Time{}))
	second := h.join(b, joining("owner", set("principalId", bob)))["id"].(string)
	h.wantRefused(h.inGroups(carol), http.MethodPost, groupRequests+"/"+second+"/cancel", nil, 403, "Authorization_RequestDenied")
	if status, o := h.call(a, http.MethodPost, groupRequests+"/"+second+"/cancel", nil); status != http.StatusNoContent {
		t.Errorf("an owner cancels: %d %v", status, o)
	}
}

func TestGroupsHaveNoDefaultApprovers(t *testing.T) {
	h := newGroups(t)
	h.must(h.SetGroupPolicy(opsGroup, "owner", Policy{Approval: true}))
	id := h.join(h.inGroups(alice), joining("owner"))["id"].(string)
	h.wantRefused(h.inGroups(erin), http.MethodGet, groupApprovalPath+"/"+id, nil, 403, "Forbidden")
}

func TestGroupListsNeedAFilter(t *testing.T) {
	h := newGroups(t)
	h.join(h.inGroups(alice), joining("member"))
	app := h.asApp()
	for _, path := range []string{groupRequests, groupInstances, groupSchedules, groupEligible, groupPath + "eligibilitySchedules"} {
		h.wantRefused(app, http.MethodGet, path, nil, 400, "BadRequest")
		h.wantRefused(app, http.MethodGet, path+"?$filter=accessId eq 'member'", nil, 400, "BadRequest")
		for _, filter := range []string{"groupId eq '" + opsGroup + "'", "principalId eq '" + alice + "'"} {
			if rows := h.rows(app, path+"?$filter="+filter); len(rows) == 0 {
				t.Errorf("GET %s by %s: nothing", path, filter)
			}
		}
	}
	b := h.inGroups(bob)
	h.wantRefused(b, http.MethodGet, groupInstances+"?$filter=groupId eq '"+opsGroup+"'", nil, 403, "Authorization_RequestDenied")
	h.must(h.AssignInGroup(bob, opsGroup, "owner"))
	if rows := h.rows(b, groupInstances+"?$filter=groupId eq '"+opsGroup+"'&$expand=principal,group"); len(rows) != 2 || rows[0]["group"].(obj)["id"] != opsGroup {
		t.Errorf("an owner reads %v", rows)
	}
	h.SetUnkind(&Unkind{NoGroupNames: true})
	if rows := h.rows(app, groupEligible+"?$filter=groupId eq '"+opsGroup+"'&$expand=group"); rows[0]["group"] != nil {
		t.Errorf("the unreliable expansion gave %v", rows[0]["group"])
	}
}

func TestAccessHasToFit(t *testing.T) {
	h := newGroups(t)
	h.must(h.EligibleInGroup(carol, opsGroup, "member", time.Time{}, time.Time{}))
	c := h.inGroups(carol)
	as := set("principalId", carol)
	h.wantRefused(c, http.MethodPost, groupRequests, joining("owner", as), 400, "RoleAssignmentRequestPolicyValidationFailed")
	h.wantRefused(c, http.MethodPost, groupRequests, joining("guest", as), 400, "InvalidRoleAssignmentRequest")
	h.wantRefused(c, http.MethodPost, groupRequests, joining("member", as, set("groupId", unit)), 400, "RoleNotFound")
	h.wantRefused(c, http.MethodPost, groupRequests, joining("member"), 403, "Authorization_RequestDenied")
	h.wantRefused(c, http.MethodPost, groupRequests, joining("member", as, set("justification", "")), 400, "RoleAssignmentRequestPolicyValidationFailed")
	h.call(c, http.MethodPost, groupRequests, joining("member", as, set("action", "adminAssign")))
	h.call(c, http.MethodPost, groupRequests, joining("member", as, set("roleDefinitionId", roleOpen)))
	if got := h.takeUnhandled(); len(got) != 2 {
		t.Errorf("reported %v", got)
	}
	h.join(c, joining("member", as))
}

func TestGroupPolicies(t *testing.T) {
	h := newGroups(t)
	path := func(group, access string) string {
		return "/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '" + group + "' and scopeType eq 'Group' and roleDefinitionId eq '" +
			access + "'&$expand=policy($expand=rules)"
	}
	for name, token := range map[string]string{"person": h.inGroups(alice), "application": h.asApp()} {
		rows := h.rows(token, path(opsGroup, "owner"))
		if len(rows) != 1 || rows[0]["roleDefinitionId"] != "owner" || rows[0]["scopeId"] != opsGroup {
			t.Fatalf("%s: %v", name, rows)
		}
		rules := rows[0]["policy"].(obj)["rules"].([]any)
		i := slices.IndexFunc(rules, func(r any) bool { return r.(obj)["id"] == "Approval_EndUser_Assignment" })
		if len(rules) != 17 || rules[i].(obj)["setting"].(obj)["isApprovalRequired"] != true {
			t.Errorf("%s: %d rules, approval %v", name, len(rules), rules[i])
		}
	}
	h.wantRefused(h.as(alice), http.MethodGet, path(opsGroup, "owner"), nil, 403, "UnknownError")
	h.wantRefused(h.asApp(), http.MethodGet, path(unit, "owner"), nil, 404, "Request_ResourceNotFound")

	before := h.rows(h.asApp(), path(nestedGroup, "member"))[0]["policyId"]
	h.must(h.EligibleInGroup(alice, nestedGroup, "member", time.Time{}, time.Time{}))
	if after := h.rows(h.asApp(), path(nestedGroup, "member"))[0]["policyId"]; after == before {
		t.Error("onboarding kept the policy's id")
	}
}

func TestGroupPermissions(t *testing.T) {
	h := newGroups(t, func(o *Options) {
		o.App.Delegated = append(o.App.Delegated, "PrivilegedAssignmentSchedule.Read.AzureADGroup")
	})
	id := h.join(h.inGroups(alice), joining("owner"))["id"].(string)
	reader := h.signIn(alice, map[string]string{"scope": "openid PrivilegedAssignmentSchedule.Read.AzureADGroup"})["access_token"].(string)
	if rows := h.rows(reader, groupRequests+mine+"?$filter=status eq 'PendingApproval' and groupId eq '"+opsGroup+"'"); len(rows) != 1 || rows[0]["id"] != id {
		t.Errorf("her requests: %v", rows)
	}
	o := h.wantRefused(reader, http.MethodPost, groupRequests, joining("member"), 403, "UnknownError")
	if m := o["error"].(obj)["message"].(string); !strings.Contains(m, `"errorCode":"PermissionScopeNotGranted"`) || !strings.Contains(m, "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup") {
		t.Errorf("message %s", m)
	}
	h.wantRefused(reader, http.MethodGet, groupEligible+mine, nil, 403, "UnknownError")
	h.wantRefused(h.asApp(), http.MethodGet, groupEligible+mine, nil, 403, "Authorization_RequestDenied")
	h.wantRefused(h.asApp(), http.MethodPost, groupRequests, joining("member"), 403, "UnknownError") // it may only read
	h.must(h.SetLicensed(false))
	h.wantRefused(h.inGroups(alice), http.MethodGet, groupEligible+mine, nil, 400, "AadPremiumLicenseRequired")
}

// TestRoleOfAGroupIsASecondStep activates a membership and then, with her own
// principal id, the role that the group is eligible for.
func TestRoleOfAGroupIsASecondStep(t *testing.T) {
	h := newGroups(t)
	h.must(h.Eligible(opsGroup, roleGlobalAdmin, "/", time.Time{}, time.Time{}))
	a, app := h.inGroups(alice), h.asApp()
	memberOf := "/v1.0/users/" + alice + "/transitiveMemberOf/microsoft.graph.group?$filter=isAssignableToRole eq true&$count=true&$select=id,displayName"

	h.wantRefused(a, http.MethodPost, requestsPath, activation(alice, roleGlobalAdmin), 400, "RoleAssignmentRequestPolicyValidationFailed")
	if rows := h.rows(app, memberOf); len(rows) != 0 {
		t.Errorf("member of %v", rows)
	}
	h.join(a, joining("member"))
	rows := h.rows(app, memberOf)
	if len(rows) != 1 || rows[0]["id"] != opsGroup || rows[0]["displayName"] != "Operators" {
		t.Fatalf("member of %v", rows)
	}
	held := h.rows(app, eligiblePath+"?$filter=principalId eq '"+opsGroup+"'&$expand=roleDefinition")
	if len(held) != 1 || held[0]["roleDefinitionId"] != roleGlobalAdmin {
		t.Errorf("the group is eligible for %v", held)
	}
	if rows := h.rows(a, instancesPath+mine); len(rows) != 0 {
		t.Errorf("the role is active without the second step: %v", rows)
	}
	h.wantRefused(a, http.MethodPost, requestsPath, activation(opsGroup, roleGlobalAdmin), 403, "Authorization_RequestDenied")
	h.activate(a, activation(alice, roleGlobalAdmin))
}

func TestMemberOf(t *testing.T) {
	h := newGroups(t)
	app := h.asApp()
	path := "/v1.0/users/" + carol + "/transitiveMemberOf/microsoft.graph.group"
	if rows := h.rows(app, path+"?$count=true"); len(rows) != 2 { // directly, and by the nested group
		t.Errorf("carol is in %v", rows)
	}
	h.wantRefused(app, http.MethodGet, path, nil, 400, "Request_UnsupportedQuery")
	h.wantRefused(app, http.MethodGet, "/v1.0/users/"+unit+"/transitiveMemberOf/microsoft.graph.group?$count=true", nil, 404, "Request_ResourceNotFound")
	self := h.signIn(carol, map[string]string{"scope": "openid User.Read"})["access_token"].(string)
	if rows := h.rows(self, path+"?$count=true&$filter=isAssignableToRole eq false"); len(rows) != 2 || rows[0]["displayName"] != nil || rows[0]["id"] == nil {
		t.Errorf("without a permission on groups: %v", rows)
	}
	h.wantRefused(self, http.MethodGet, strings.Replace(path, carol, alice, 1)+"?$count=true", nil, 403, "Authorization_RequestDenied")
}

// TestGroupRefusals brings about the refusals that the project's contracts know
// of groups too, and compares status, code and message.
func TestGroupRefusals(t *testing.T) {
	h := newGroups(t)
	a, b := h.inGroups(alice), h.inGroups(bob)
	stage := func(id string) string { return groupApprovalPath + "/" + id + "/stages/" + id }
	approve := obj{"reviewResult": "Approve", "justification": "fine"}
	decided := h.join(a, joining("owner"))["id"].(string)
	h.must(h.PortalDecide(carol, decided, true, "ok"))
	h.join(a, joining("member"))
	h.must(h.EligibleInGroup(bob, opsGroup, "owner", time.Time{}, time.Time{}), h.EligibleInGroup(bob, opsGroup, "member", time.Time{}, time.Time{}))
	pending := h.join(b, joining("owner", set("principalId", bob)))["id"].(string)
	h.must(h.SetGroupPolicy(opsGroup, "member", Policy{Justification: true, Ticketing: true, MaxDuration: 2 * time.Hour}))
	ticket := set("ticketInfo", obj{"ticketNumber": "CHG1"})
	asBob := set("principalId", bob)
	ask := func(token string, body obj) func() (int, obj) {
		return func() (int, obj) { return h.call(token, http.MethodPost, groupRequests, body) }
	}
	for name, try := range map[string]func() (int, obj){
		"active-duration-too-short":         ask(a, leaving("member")),
		"approval-conflict":                 func() (int, obj) { return h.call(b, http.MethodPatch, stage(decided), approve) },
		"approval-forbidden":                func() (int, obj) { return h.call(b, http.MethodPatch, stage(pending), approve) },
		"approval-not-found":                func() (int, obj) { return h.call(b, http.MethodPatch, stage(unit), approve) },
		"pending-role-assignment-request":   ask(b, joining("owner", asBob)),
		"policy-ExpirationRule":             ask(b, joining("member", asBob, ticket, lasting("PT3H"))),
		"policy-JustificationRule":          ask(b, joining("member", asBob, ticket, set("justification", ""))),
		"policy-TicketingRule":              ask(b, joining("member", asBob)),
		"request-cannot-be-cancelled":       func() (int, obj) { return h.call(a, http.MethodPost, groupRequests+"/"+decided+"/cancel", nil) },
		"role-assignment-does-not-exist":    ask(b, obj{"action": "selfDeactivate", "principalId": bob, "groupId": opsGroup, "accessId": "member"}),
		"role-assignment-exists":            ask(a, joining("member", ticket)),
		"role-assignment-request-not-found": func() (int, obj) { return h.get(a, groupRequests+"/"+unit) },
	} {
		t.Run(name, func(t *testing.T) {
			want := readRefusal(t, name)
			status, got := try()
			e, _ := got["error"].(obj)
			if status != want.HTTPStatus || e["code"] != want.Body.Error.Code || e["message"] != want.Body.Error.Message {
				t.Errorf("got %d %v, want %+v", status, got, want)
			}
		})
	}
}
