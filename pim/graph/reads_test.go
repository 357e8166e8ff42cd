package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

func TestEligible(t *testing.T) {
	const au = "/administrativeUnits/5d107bba-d8e2-4e13-b6ae-884be90e5d1a"
	item := func(who, scope, name, end, member string) string {
		return `{"principalId":"` + who + `","roleDefinitionId":"` + role + `","directoryScopeId":"` + scope + `","endDateTime":` + end +
			`,"memberType":"` + member + `","roleDefinition":{"displayName":"` + name + `"}}`
	}
	s := serve(t, says(200, nil, `{"value":[`+strings.Join([]string{
		item(alice, "/", "User Administrator", `"2027-01-01T00:00:00Z"`, "Direct"),
		item(alice, "/", "User Administrator", `null`, "group"),
		item(alice, "/", "User Administrator", `"2028-01-01T00:00:00.0000000Z"`, "Direct"),
		item(strings.ToUpper(alice), au, "User Administrator", `"2027-01-01T00:00:00Z"`, "GROUP"),
		item(alice, "/"+bob, "User Administrator", `"0001-01-01T08:00:00Z"`, "Direct"),
		item(carol, "/"+carol, "held by a group: activates everybody", `null`, "Group"),
		item(alice, "", "within one application", `null`, "Direct"),
	}, ",")+`]}`))
	got, err := s.client(t).Eligible(t.Context(), alice)
	if err == nil || !strings.Contains(err.Error(), "person's groups") { // this server knows of no groups
		t.Fatal(err)
	}
	at := func(scope, name string, until time.Time) pim.EligibleAssignment {
		return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: scope}, RoleName: "User Administrator", ScopeName: name, Until: until}
	}
	want := []pim.EligibleAssignment{
		at("/", "Directory", time.Time{}),
		at("/"+bob, "Directory object "+bob, time.Time{}),
		at(au, "Administrative unit 5d107bba-d8e2-4e13-b6ae-884be90e5d1a", day(2027, 1, 1, 0, 0, 0, 0)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An eligibility is not hidden when its role's name cannot be read.
func TestEligibleWithoutAName(t *testing.T) {
	w := newWorld(t)
	w.answers["/v1.0/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')"] =
		`{"value":[{"principalId":"` + alice + `","roleDefinitionId":"` + role + `","directoryScopeId":"/","roleDefinition":null}]}`
	w.answers[groupsOf(alice)] = `{"value":[]}`
	w.refuse["/v1.0/roleManagement/directory/roleDefinitions/"+role] = 403
	got, err := w.client(t).Eligible(t.Context(), alice)
	if err != nil || len(got) != 1 || got[0].RoleName != role {
		t.Errorf("%+v, %v", got, err)
	}
}

// Letter case means nothing, in enums as in ids.
func TestLetterCase(t *testing.T) {
	for _, fold := range []func(string) string{strings.ToLower, strings.ToUpper, func(s string) string { return s }} {
		s := serve(t, says(200, nil, `{"value":[
			{"id":"i1","principalId":"`+fold(alice)+`","roleDefinitionId":"`+role+`","directoryScopeId":"/","assignmentType":"`+fold("Activated")+`",
			 "memberType":"`+fold("Direct")+`","roleAssignmentScheduleId":"s1","startDateTime":"2026-11-23T11:00:00.1234567Z","endDateTime":"2026-11-23T13:00:00Z"},
			{"id":"i2","principalId":"`+alice+`","roleDefinitionId":"`+role+`","directoryScopeId":"/","assignmentType":"`+fold("Assigned")+`"},
			{"id":"i3","principalId":"`+bob+`","roleDefinitionId":"`+role+`","directoryScopeId":"/","assignmentType":"Activated"}]}`))
		active, err := s.client(t).Active(t.Context(), alice, pim.Assignment{})
		if err != nil {
			t.Fatal(err)
		}
		want := []pim.Instance{
			{ID: "i1", Assignment: entraRole(), Principal: fold(alice), Schedule: "s1", Activated: true,
				Start: day(2026, 11, 23, 11, 0, 0, 123_456_700), End: day(2026, 11, 23, 13, 0, 0, 0)},
			{ID: "i2", Assignment: entraRole(), Principal: alice},
		}
		if diff := cmp.Diff(want, active); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		s = serve(t, says(200, nil, `{"value":[
			{"id":"r1","status":"`+fold("Provisioned")+`","action":"`+fold("SelfActivate")+`","principalId":"`+alice+`","createdDateTime":"2026-11-23T10:00:00Z",
			 "scheduleInfo":{"startDateTime":"2026-11-23T10:00:00Z","expiration":{"type":"`+fold("AfterDateTime")+`","endDateTime":"2026-11-23T12:30:00Z"}}},
			{"id":"r2","status":"`+fold("PendingApproval")+`","action":"`+fold("selfActivate")+`","principalId":"`+alice+`","createdDateTIme":"2026-11-23T11:00:00Z",
			 "scheduleInfo":{"startDateTime":null,"expiration":{"type":"`+fold("AfterDuration")+`","duration":"PT2H"}}},
			{"id":"r3","status":"Revoked","action":"`+fold("SelfDeactivate")+`","principalId":"`+alice+`","scheduleInfo":null},
			{"id":"r4","status":"Granted","action":"selfActivate","principalId":"`+alice+`","isValidationOnly":true},
			{"id":"r5","status":"SomethingNew","action":"selfActivate","principalId":"`+alice+`","scheduleInfo":{"expiration":{"duration":"P1Y"}}}]}`))
		mine, err := s.client(t).Mine(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		kind := pim.Assignment{Kind: pim.EntraRole}
		requests := []pim.Request{
			{ID: "r2", Principal: alice, Status: "PendingApproval", Assignment: kind, Created: day(2026, 11, 23, 11, 0, 0, 0), Duration: 2 * time.Hour},
			{ID: "r1", Principal: alice, Status: "Provisioned", Assignment: kind, Created: day(2026, 11, 23, 10, 0, 0, 0),
				Start: day(2026, 11, 23, 10, 0, 0, 0), Duration: 150 * time.Minute},
			{ID: "r5", Principal: alice, Status: "SomethingNew", Assignment: kind}, // a duration nobody can read, a status nobody knows
		}
		if diff := cmp.Diff(requests, mine); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		s = serve(t, says(200, nil, `{"value":[{"id":"s","status":"`+fold("Completed")+`","reviewResult":"`+fold("Approve")+`","assignedToMe":false,
			"reviewedDateTime":"2026-11-23T11:00:00Z","justification":"fine","reviewedBy":{"id":"`+bob+`","displayName":"Bob","userPrincipalName":"bob@contoso.com","mail":null}}]}`))
		approval, err := s.client(t).Approval(t.Context(), bob, reqID)
		if err != nil {
			t.Fatal(err)
		}
		stages := []pim.Stage{{ID: "s", Status: fold("Completed"), Result: pim.Approved, Justification: "fine",
			Reviewed: day(2026, 11, 23, 11, 0, 0, 0), Reviewer: pim.Principal{ID: bob, Name: "Bob", UPN: "bob@contoso.com"}}}
		if diff := cmp.Diff(pim.Approval{ID: reqID, Stages: stages}, approval); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestPrincipal(t *testing.T) {
	s := serve(t, says(200, nil, `{"id":"`+alice+`","displayName":"Alice","userPrincipalName":"alice@contoso.com","mail":"a.liddell@contoso.com","accountEnabled":false}`))
	c := s.client(t)
	for range 2 { // the second time from memory
		got, err := c.Principal(t.Context(), alice)
		want := pim.Principal{ID: alice, Name: "Alice", UPN: "alice@contoso.com", Mail: "a.liddell@contoso.com"}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	s.only(t)
}

// A deactivation that Microsoft took and then could not do is not a success.
func TestDeactivationThatFailed(t *testing.T) {
	for status, ok := range map[string]bool{"Revoked": true, "PendingRevocation": true, "Provisioned": true, "SomethingNew": true, "failed": false, "Invalid": false} {
		s := serve(t, says(201, nil, `{"id":"x","status":"`+status+`"}`))
		err := s.client(t).Deactivate(t.Context(), alice, pim.Deactivation{Assignment: entraRole(), Justification: ""})
		if (err == nil) != ok || !ok && (!strings.EqualFold(refused(t, err).Service, status) || refused(t, err).Code != pim.CodeInvalid) {
			t.Errorf("%s: %v", status, err)
		}
	}
}

// The rest of the challenges and of the lists of failed rules.
func TestChallenges(t *testing.T) {
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	const encoded = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19"
	body := func(code, message string) string {
		return `{"error":{"code":"` + code + `","message":"` + strings.ReplaceAll(message, `"`, `\"`) + `"}}`
	}
	const acrs, policy = "RoleAssignmentRequestAcrsValidationFailed", "RoleAssignmentRequestPolicyValidationFailed"
	mfa := `{"access_token":{"amr":{"values":["mfa"]}}}`
	for name, tc := range map[string]struct {
		status int
		header string
		body   string
		want   pim.Error
	}{
		"a group's code":           {400, "", body("GroupAcrsValidationFailed", "&claims=%7B%22a%22%3A1%7D"), pim.Error{Code: pim.CodeStepUp, Claims: `{"a":1}`}},
		"as 401":                   {401, "", body(acrs, "&claims=%7B%22a%22%3A1%7D&more=1"), pim.Error{Code: pim.CodeStepUp, Claims: `{"a":1}`}},
		"as 403":                   {403, "", body(acrs, "claims=%7B%22a%22%3A1%7D"), pim.Error{Code: pim.CodeStepUp, Claims: `{"a":1}`}},
		"no claims":                {400, "", body(acrs, "no"), pim.Error{Code: pim.CodeInvalid}},
		"claims of garbage":        {400, "", body(acrs, "&claims=%zz"), pim.Error{Code: pim.CodeInvalid}},
		"claims of a list":         {400, "", body(acrs, "&claims=%5B1%5D"), pim.Error{Code: pim.CodeInvalid}},
		"claims too long":          {400, "", body(acrs, "&claims=%7B%22"+repeat("a", 9000)+"%22%3A1%7D"), pim.Error{Code: pim.CodeInvalid}},
		"header":                   {401, `Bearer realm="", error="insufficient_claims", claims="` + encoded + `"`, "", pim.Error{Code: pim.CodeStepUp, Claims: claims}},
		"header, html body":        {401, `Bearer error="insufficient_claims",claims="` + encoded + `"`, "<html>", pim.Error{Code: pim.CodeStepUp, Claims: claims}},
		"header, padded":           {401, `Bearer claims="eyJhIjoxfQ=="`, "", pim.Error{Code: pim.CodeStepUp, Claims: `{"a":1}`}},
		"header without claims":    {401, `Bearer error="insufficient_claims"`, "", pim.Error{Code: pim.CodeInvalid}},
		"header of garbage":        {401, `Bearer error="insufficient_claims", claims="?"`, "", pim.Error{Code: pim.CodeInvalid}},
		"header without quotes":    {401, `Bearer error=insufficient_claims, claims=x`, "", pim.Error{Code: pim.CodeInvalid}},
		"an old token":             {401, `Bearer error="invalid_token"`, body("InvalidAuthenticationToken", "expired"), pim.Error{Code: pim.CodeSignIn}},
		"MFA in another case":      {400, "", body(policy, `rules failed: ["mfarule"]`), pim.Error{Code: pim.CodeStepUp, Claims: mfa}},
		"MFA and more":             {400, "", body(policy, `rules failed: ["MfaRule","JustificationRule"]`), pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{"MfaRule", "JustificationRule"}}},
		"a new rule":               {400, "", body(policy, `rules failed: ["NewRule"].`), pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{"NewRule"}}},
		"a rule that is a text":    {400, "", body(policy, `rules failed: ["a secret sentence","TicketingRule"]`), pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{"TicketingRule"}}},
		"rules of no form":         {400, "", body(policy, `rules failed: ]MfaRule[`), pim.Error{Code: pim.CodePolicy}},
		"rules of another form":    {400, "", body(policy, `rules failed: [1]`), pim.Error{Code: pim.CodePolicy}},
		"a code in another case":   {400, "", body("roleassignmentEXISTS", ""), pim.Error{Code: pim.CodeExists}},
		"decided, the old way":     {400, "", body("RoleAssignmentRequestAlreadyApproved", ""), pim.Error{Code: pim.CodeDecided}},
		"a code that is a text":    {400, "", body("secret words and more", ""), pim.Error{Code: pim.CodeInvalid}},
		"schedule":                 {400, "", body("InvalidRoleAssignmentRequestSchedule", ""), pim.Error{Code: pim.CodeInvalid}},
		"an unknown 403":           {403, "", body("UnknownError", ""), pim.Error{Code: pim.CodeForbidden}},
		"a message that is absent": {400, "", `{"error":{"code":"RoleNotFound"}}`, pim.Error{Code: pim.CodeInvalid}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, says(tc.status, map[string]string{"WWW-Authenticate": tc.header}, tc.body))
			e := refused(t, operations["activate"](t.Context(), s.client(t)))
			if e.Code != tc.want.Code || e.Claims != tc.want.Claims || !cmp.Equal(e.Rules, tc.want.Rules) || e.Ambiguous {
				t.Errorf("got %+v, want %+v", *e, tc.want)
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "access_token") {
				t.Errorf("the error repeats the answer: %s", e)
			}
			s.only(t)
		})
	}
}
