package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
)

// The hard cases: what PIM does that surprises, lived by people in the chat.

// isGroupActivate and isAzureActivate are isActivate for the other two pillars.
func isGroupActivate(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/privilegedAccess/group/assignmentScheduleRequests") &&
		!strings.Contains(string(bodyOf(r)), `"isValidationOnly":true`) && strings.Contains(strings.ToLower(string(bodyOf(r))), `"selfactivate"`)
}

func isAzureActivate(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/roleAssignmentScheduleRequests/")
}

// changesRole changes what a role of the sandbox demands.
func (w *world) changesRole(id, name string, p pimtest.Policy) {
	w.t.Helper()
	w.must(w.tenant.AddRole(pimtest.Role{ID: id, Name: name, Policy: p}))
}

// Dave is an approver because a group that is in a group that the policy names has him.
func TestApproverThroughANestedGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const night = "d0770000-0000-4000-8000-0000000000aa"
	alice, dave, frank := w.who("alice"), w.who("dave"), w.who("frank")
	w.must(w.tenant.AddGroup(pimtest.Group{ID: night, Name: "Night Managers", Members: []string{dave.OID}}))
	w.must(w.tenant.AddGroup(pimtest.Group{ID: dutyGroup, Name: "Duty Managers", Members: []string{frank.OID, night}}))
	alice.linksSlack()
	alice.asks("user admin 1h reset a password")
	alice.reads(userAdmin+" waits for approval", "Dave Davis")
	dave.sees("Alice Adams asks for "+userAdmin, "You can decide this, because you are a member of Duty Managers")
	dave.taps("Approve", "Alice Adams asks for "+userAdmin)
	dave.signsIn(dave.teamsURL())
	alice.reads(userAdmin+" is active", "Approved by Dave Davis")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"dave": 1}})
}

// An administrator made Alice eligible just now: PIM lists it and does not take it yet.
func TestEligibleSinceSeconds(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{tenant: &pimtest.Unkind{FreshEligible: 90 * time.Second}})
	alice := w.who("alice")
	w.must(w.tenant.Eligible(alice.OID, roleHelpdesk, "/", w.clock.Now(), time.Time{}))
	alice.linksSlack()
	alice.asks("helpdesk 1h unlock an account")
	alice.until("15s", helpdesk+" is active", "unlock an account")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

// What is active already, by the portal, is shown with its end and can be ended here.
func TestAskedWhileActive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.portals(deed{Do: "activate", Kind: "role", Role: roleReports, Scope: "/", Duration: "2h", Reason: "figures"})
	alice.portals(deed{Do: "activate", Kind: "group", Role: "member", Scope: supportGroup, Duration: "2h", Reason: "night shift"})
	for _, c := range []struct{ text, role string }{{"reports 1h more figures", reports}, {"first-line 1h more shifts", support}} {
		alice.asks(c.text)
		alice.reads(c.role+" was not activated", "This role is active for you already", "Active until", "Deactivate")
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}})
	w.pass("6m")
	for _, role := range []string{reports, support} {
		alice.presses("stop", role, "active for you already")
		alice.reads(role+" has ended", "You deactivated it before its time.")
	}
	if held := alice.activeRoles(); len(held) != 0 {
		t.Errorf("Alice still holds %+v", held)
	}
}

// What waits already, asked for in the portal, is not asked for twice: where it is the
// same it is adopted, where it is not the person may follow it.
func TestAskedWhilePending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	alice.portals(deed{Do: "activate", Kind: "role", Role: roleUsers, Scope: "/", Duration: "1h", Reason: "reset a password"})
	alice.portals(deed{Do: "activate", Kind: "azure", Role: azureContributor, Scope: azureProduction, Duration: "1h", Reason: "roll out"})
	const production = contributor + " (subscription Production)"
	alice.asks("user admin 1h reset a password")
	alice.reads(userAdmin+" waits for approval", "reset a password")
	alice.asks("contributor 2h roll back")
	alice.reads(production+" was not activated", "Another request of yours for this role waits at Microsoft already", "Follow that one")
	alice.presses("follow", production+" was not activated")
	bob.linksTeams()
	bob.sees("Alice Adams asks for "+userAdmin, "reset a password")
	bob.untilSees("5s", "Alice Adams asks for "+production, "roll out")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.taps("Approve", "Alice Adams asks for "+production, "roll out")
	alice.until("5s", userAdmin+" is active", "Approved by Bob Brown.")
	alice.until("5s", production+" is active", "roll out")
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, approved: {"bob": 2}})
}

// Alice may be a member, and no owner any more by the time that she sends the form.
func TestEligibilityGoneMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	w.must(w.tenant.EligibleInGroup(alice.OID, supportGroup, "owner", w.clock.Now().Add(-time.Hour), time.Time{}))
	alice.linksSlack()
	alice.types("owner of first-line 1h new rota")
	form := alice.sits("Owner of First-Line Support needs no approval.")
	w.must(w.tenant.EligibleInGroup(alice.OID, supportGroup, "owner", w.clock.Now().Add(-time.Hour), w.clock.Now()))
	posts := w.counts(isGroupActivate)
	if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads("Owner of First-Line Support was not activated", "you are not eligible for it")
	if got := posts.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
	alice.types("owner of first-line 1h new rota")
	alice.sits("You are not eligible for a role that is called")
	w.auditHas(nil)
}

// An eligibility with a condition is activated with that condition, byte for byte.
func TestConditionIsCopied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	const condition = "((!(ActionMatches{'Microsoft.Storage/*'})) OR (@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'contosodata'))"
	w.must(w.tenant.EligibleAzure(alice.OID, azureContributor, azureProduction, w.clock.Now().Add(-time.Hour), time.Time{}, condition))
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("contributor 1h roll out")
	const production = contributor + " (subscription Production)"
	bob.sees("Alice Adams asks for " + production)
	bob.taps("Approve", "Alice Adams asks for "+production)
	alice.reads(production + " is active")
	if held := alice.activeRoles(); len(held) != 1 {
		t.Errorf("Alice holds %+v", held)
	}
}

// The role's policy is changed while Alice fills in the form: Microsoft refuses, she is
// told why, and the next form asks for what is wanted now.
func TestPolicyChangesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.types("reports 2h figures")
	form := alice.sits(reports+" needs no approval.", "Why")
	w.changesRole(roleReports, reports, pimtest.Policy{MaxDuration: time.Hour, Justification: true, Ticketing: true})
	if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(reports+" was not activated", "it wants a ticket number", "the time you asked for is longer than it allows")
	alice.types("reports 1h figures")
	form = alice.sits(reports+" needs no approval.", "Ticket number")
	if _, times := slackOptions(form, "duration"); times["2 hours"] != "" {
		t.Errorf("the form offers %v, which is more than the role allows now", times)
	}
	if out := alice.sends(form, map[string]string{"ticket": "CHG1"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(reports + " is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

// The role wants approval since a moment: Microsoft lets the request wait, and who is to
// decide gets a card.
func TestApprovalWantedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	approval := func(by ...string) pimtest.Policy {
		return pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: by, ApproverJustification: true}
	}
	alice.linksSlack()
	for _, c := range []struct {
		text, role string
		change     func() error
	}{
		{"reports 1h figures", reports, func() error {
			return w.tenant.AddRole(pimtest.Role{ID: roleReports, Name: reports, Policy: approval(bob.OID)})
		}},
		{"first-line 1h night shift", support, func() error { return w.tenant.SetGroupPolicy(supportGroup, "member", approval(bob.OID)) }},
	} {
		alice.types(c.text)
		form := alice.sits(c.role+" needs no approval.", "Why")
		w.must(c.change())
		if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
			t.Fatalf("the form was not taken: %+v", out)
		}
		alice.reads(c.role+" waits for approval", "Bob Brown")
		bob.sees("Alice Adams asks for " + c.role)
		bob.taps("Approve", "Alice Adams asks for "+c.role)
		if c.role == reports {
			bob.signsIn(bob.teamsURL())
		}
		alice.reads(c.role+" is active", "Approved by Bob Brown")
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, approved: {"bob": 2}})
}

// Bob ceases to be an approver while his card is there: his click decides nothing.
func TestApproverRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams asks for " + userAdmin)
	w.changesRole(roleUsers, userAdmin, pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true, MFA: true, Approval: true,
		Approvers: []string{carol.OID}, ApproverJustification: true})
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.sees("Microsoft does not accept you as an approver of this request.", "ask one of the current approvers")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Carol Clark")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"carol": 1}})
}

// Microsoft answers with a status that nobody knows: nothing is concluded, the operator
// hears of it, and the request goes on when the word is plain again.
func TestStatusNobodyKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logs.allow("a status that is not known")
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams asks for " + userAdmin)
	id := w.tenant.State().Requests[0].ID
	w.must(w.tenant.SetStatus(id, "PendingTheMoon"))
	ctx := w.ctx()
	for ctx.Err() == nil && !strings.Contains(w.logs.String(), "PendingTheMoon") {
		w.pass("21s")
		time.Sleep(20 * time.Millisecond)
	}
	if !w.slackShows(alice.dm(), userAdmin+" waits for approval") {
		t.Errorf("the state was not kept: %s", strings.Join(alice.slackTexts(), "\n---\n"))
	}
	w.must(w.tenant.SetStatus(id, "PendingApproval"))
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

// The tenant has no licence for PIM: who opens the form is told, and so is whoever sends
// one that was open.
func TestTenantWithoutLicence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logs.allow("an act could not be done")
	alice := w.who("alice")
	alice.linksSlack()
	alice.types("reports 1h figures")
	form := alice.sits(reports + " needs no approval.")
	w.must(w.tenant.SetLicensed(false))
	if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	const none = "This tenant has no licence for Privileged Identity Management (Entra ID P2 or Governance). Ask your administrator."
	alice.reads(reports+" was not activated", none)
	w.pass("6m")
	alice.types("")
	form = alice.sits("Entra roles are missing here: this tenant has no licence for them (Entra ID P2 or Governance). Ask your administrator.", "Groups are missing here")
	if _, err := w.slack.Close(w.ctx(), alice.Slack, form.ID); err != nil {
		t.Error(err)
	}
	w.must(w.tenant.SetLicensed(true))
	w.pass("6m")
	alice.asks("reports 1h figures")
	alice.reads(reports + " is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

// Nobody consented to Belay's permissions: the sign-in says so, and so does a form when
// consent was taken back later.
func TestNoConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logs.allow("an act could not be done")
	alice := w.who("alice")
	alice.types("link")
	url := alice.slackURL()
	w.fails(1, isCode, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required",` +
		`"error_description":"AADSTS65001: The user or administrator has not consented to use the application."}`})
	alice.stopped(url, 403, "Your organisation has not agreed to the permissions that Belay needs.", "Ask an administrator to grant admin consent")
	alice.signsIn(url)
	alice.reads("You are linked")
	w.fails(1, isRoleMenu, pimtest.Refusal("PermissionScopeNotGranted"))
	alice.types("")
	alice.sits("Entra roles are missing here: Belay lacks a permission or consent. Ask your administrator", support)
	w.pass("6m")
	w.fails(1, isActivate, pimtest.Refusal("Authorization_RequestDenied"))
	alice.types("reports 1h figures")
	form := alice.sits(reports + " needs no approval.")
	if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(reports+" was not activated", "Microsoft refused for want of a permission or consent.", "Ask your administrator")
	w.auditHas(nil)
}

// Microsoft asks to be left alone for two minutes: it is, in every pillar, and then the
// call is made once more.
func TestRetryAfterTwoMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksSlack()
	dave.linksSlack()
	slow := pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"120"}}, Body: `{"error":{"code":"TooManyRequests","message":"x"}}`}
	const reader = "Reader (resource group rg-data)"
	for _, c := range []struct {
		who        human
		text, role string
		call       func(*http.Request) bool
	}{
		{alice, "reports 1h figures", reports, isActivate},
		{alice, "first-line 1h night shift", support, isGroupActivate},
		{dave, "reader (resource group rg-data) 1h look at the data", reader, isAzureActivate},
	} {
		w.fails(1, c.call, slow)
		c.who.asks(c.text)
		c.who.reads("Asking Microsoft for "+c.role, busy)
		calls := w.counts(c.call)
		w.pass("100s")
		if got := calls.Load(); got != 0 {
			t.Errorf("%s: %d calls before the two minutes were over", c.role, got)
		}
		w.pass("25s")
		c.who.reads(c.role + " is active")
		if got := calls.Load(); got != 1 {
			t.Errorf("%s: %d calls after it, want 1", c.role, got)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 2, "dave": 1}})
}

// The answer to an activation is lost after the work was done, in the other two pillars:
// it is read and adopted, and nothing is asked for twice.
func TestLostAnswersOfGroupsAndAzure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksSlack()
	dave.linksSlack()
	const reader = "Reader (resource group rg-data)"
	for round, fault := range []pimtest.Fault{{Drop: true, AfterWrite: true}, {Status: 504, Body: "<html>", AfterWrite: true}} {
		why := fmt.Sprintf("round %d", round+1)
		for _, c := range []struct {
			who        human
			text, role string
			call       func(*http.Request) bool
		}{
			{alice, "first-line 1h ", support, isGroupActivate},
			{dave, "reader (resource group rg-data) 1h ", reader, isAzureActivate},
		} {
			calls := w.counts(c.call)
			w.fails(1, c.call, fault)
			c.who.asks(c.text + why)
			c.who.until("5s", c.role+" is active", why)
			if got := calls.Load(); got != 1 {
				t.Errorf("%s: %d calls, want 1", c.role, got)
			}
		}
		w.pass("62m")
		alice.until("5s", support+" has ended", why)
		dave.until("5s", reader+" has ended", why)
		w.auditHas(map[string]map[string]int{requested: {"alice": round + 1, "dave": round + 1}})
	}
}

// A day passes and nobody decides, whatever then becomes of the request at Microsoft,
// in the other two pillars too.
func TestADayOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol, dave := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave")
	alice.linksSlack()
	dave.linksSlack()
	alice.asks("contributor 1h roll out")
	dave.types("vault 1h quarter's end")
	dave.sendsTicked(dave.sits(vault + " needs approval by Carol Clark."))
	const production = contributor + " (subscription Production)"
	bob.sees("Alice Adams asks for " + production)
	carol.reads("Dave Davis asks for " + vault)
	w.pass("23h")
	for _, r := range w.tenant.State().Requests {
		if r.Status != "PendingApproval" {
			t.Errorf("after 23 hours: %+v", r)
		}
	}
	w.pass("71m")
	const nobody = "Nobody decided within 24 hours, so Microsoft closed the request. Ask again"
	alice.reads(production+" was not activated", nobody)
	dave.reads(vault+" was not activated", nobody)
	bob.sees(production + " was not activated: Alice Adams")
	carol.reads(vault + " was not activated: Dave Davis")
	carol.untouched("approve", vault)
	if slices.ContainsFunc(w.tenant.State().Active, func(a pimtest.ActiveState) bool { return a.Activated }) {
		t.Error("something is active")
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "dave": 1}})
}
