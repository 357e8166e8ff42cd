package pimtest

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOrderOfChecks takes away one fault after the other from a request that has
// all of them, and sees the refusals in the order of the real service.
func TestOrderOfChecks(t *testing.T) {
	h := newHarness(t)
	h.must(h.AddRole(Role{ID: roleStrict, Name: "Everything", Policy: Policy{
		Justification: true, Ticketing: true, MaxDuration: 2 * time.Hour, AuthContext: "c1",
	}}))
	h.must(h.SetLicensed(false))
	a := h.as(alice)
	body := activation(bob, "f0000000-0000-4000-8000-00000000ffff", set("justification", ""), lasting("PT1M"), set("directoryScopeId", "everywhere"))
	refused := func(status int, code, message string) {
		t.Helper()
		o := h.wantRefused(a, http.MethodPost, requestsPath, body, status, code)
		if e, _ := o["error"].(obj); !strings.Contains(e["message"].(string), message) {
			t.Errorf("message %q lacks %q", e["message"], message)
		}
	}
	refused(403, "Authorization_RequestDenied", "")
	body["principalId"] = alice
	refused(400, "AadPremiumLicenseRequired", "")
	h.must(h.SetLicensed(true))
	refused(400, "RoleNotFound", "")
	body["roleDefinitionId"] = roleStrict
	refused(400, "InvalidScope", "")
	body["directoryScopeId"] = "/administrativeUnits/" + unit
	refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["EligibilityRule"]`)
	body["directoryScopeId"] = "/"
	h.must(h.Assign(alice, roleStrict, "/"))
	refused(400, "RoleAssignmentExists", "")
	h.must(h.PortalRevoke(erin, alice, Wanted{Role: roleStrict, Scope: "/"}))
	refused(400, "ActiveDurationTooShort", "")
	lasting("PT3H")(body)
	refused(400, "RoleAssignmentRequestPolicyValidationFailed", `["JustificationRule","TicketingRule","ExpirationRule"]`)
	body["justification"], body["ticketInfo"] = "because", obj{"ticketNumber": "CHG1"}
	lasting("PT2H")(body)
	refused(400, "RoleAssignmentRequestAcrsValidationFailed", "&claims=%7B%22access_token%22")

	// An acrs without the client capability is not enough.
	form := codeForm(h.code(alice, map[string]string{"claims": `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`}), map[string]string{"claims": ""})
	_, o := h.post(form)
	a = o["access_token"].(string)
	refused(400, "RoleAssignmentRequestAcrsValidationFailed", "")
	a = h.signIn(alice, map[string]string{"claims": cp1c1})["access_token"].(string)
	h.activate(a, body)
}

func TestActivateNow(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	o := h.activate(a, activation(alice, roleOpen))
	if o["status"] != "Provisioned" || o["approvalId"] != nil || o["targetScheduleId"] != o["id"] {
		t.Errorf("request %v", o)
	}
	mine := h.rows(a, instancesPath+"/filterByCurrentUser(on='principal')?$expand=roleDefinition,activatedUsing")
	if len(mine) != 1 {
		t.Fatalf("instances %v", mine)
	}
	i := mine[0]
	if i["roleAssignmentScheduleId"] != o["targetScheduleId"] || i["endDateTime"] != "2026-11-23T13:00:00Z" || i["assignmentType"] != "Activated" ||
		i["roleDefinition"].(obj)["displayName"] != "Reports Reader" || i["activatedUsing"].(obj)["principalId"] != alice {
		t.Errorf("instance %v", i)
	}
	by := h.rows(h.asApp(), schedulesPath+"?$filter=createdUsing eq '"+o["id"].(string)+"'&$expand=activatedUsing")
	if len(by) != 1 || by[0]["id"] != o["targetScheduleId"] || by[0]["activatedUsing"] == nil {
		t.Errorf("schedules %v", by)
	}
}

func TestScheduleForms(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	expiration := func(start any, e obj) func(obj) {
		return set("scheduleInfo", obj{"startDateTime": start, "recurrence": nil, "expiration": e})
	}
	for name, c := range map[string]struct {
		change func(obj)
		code   string // "" accepted
	}{
		"hours and minutes":    {lasting("PT1H30M"), ""},
		"a day that is hours":  {lasting("P0DT2H"), ""},
		"minutes":              {lasting("PT5M"), ""},
		"an end":               {expiration(nil, obj{"type": "AfterDateTime", "endDateTime": "2026-11-23T13:30:00Z", "duration": nil}), ""},
		"a past start":         {expiration("2026-11-23T11:59:00.123Z", obj{"type": "afterDuration", "duration": "PT1H"}), ""},
		"too short":            {lasting("PT4M59S"), "ActiveDurationTooShort"},
		"months":               {lasting("P1M"), "InvalidRoleAssignmentRequest"},
		"weeks":                {lasting("P1W"), "InvalidRoleAssignmentRequest"},
		"a fraction":           {lasting("PT0.5H"), "InvalidRoleAssignmentRequest"},
		"an empty duration":    {lasting("P"), "InvalidRoleAssignmentRequest"},
		"a negative duration":  {lasting("-PT1H"), "InvalidRoleAssignmentRequest"},
		"no schedule":          {set("scheduleInfo", nil), "InvalidRoleAssignmentRequest"},
		"a start that is none": {expiration("now", obj{"type": "afterDuration", "duration": "PT1H"}), "InvalidRoleAssignmentRequestSchedule"},
		"both ends":            {expiration(nil, obj{"type": "afterDuration", "duration": "PT1H", "endDateTime": "2026-11-23T13:30:00Z"}), "InvalidRoleAssignmentRequestSchedule"},
		"no end":               {expiration(nil, obj{"type": "noExpiration"}), "RoleAssignmentRequestPolicyValidationFailed"},
		"no scope":             {set("directoryScopeId", ""), "InvalidScope"},
		"no role":              {set("roleDefinitionId", ""), "InvalidRoleAssignmentRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			body := activation(alice, roleOpen, set("isValidationOnly", true), c.change)
			status, o := h.call(a, http.MethodPost, requestsPath, body)
			if errorCode(o) != c.code || (status == http.StatusCreated) != (c.code == "") {
				t.Errorf("got %d %v, want %q", status, o, c.code)
			}
		})
	}
	if got := h.State(); len(got.Requests) != 0 || len(got.Audit) != 0 {
		t.Errorf("a validation left something: %v", got.Requests)
	}
}

func TestFutureStartIsGranted(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	o := h.activate(a, activation(alice, roleOpen, set("scheduleInfo", obj{
		"startDateTime": "2026-11-23T14:00:00Z", "expiration": obj{"type": "afterDuration", "duration": "PT1H"},
	})))
	if o["status"] != "Granted" || o["completedDateTime"] != "2026-11-23T14:00:00Z" {
		t.Errorf("request %v", o)
	}
	mine := instancesPath + "/filterByCurrentUser(on='principal')"
	if rows := h.rows(a, mine); len(rows) != 0 {
		t.Errorf("active before its start: %v", rows)
	}
	h.wantRefused(a, http.MethodPost, requestsPath, activation(alice, roleOpen), 400, "RoleAssignmentExists")
	h.business.advance(2 * time.Hour)
	if rows := h.rows(a, mine); len(rows) != 1 {
		t.Errorf("not active at its start: %v", rows)
	}
	if _, got := h.get(a, requestsPath+"/"+o["id"].(string)); got["status"] != "Provisioned" {
		t.Errorf("request %v", got)
	}
}

func TestDeactivate(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	active := h.activate(a, activation(alice, roleOpen))
	body := obj{"action": "SelfDeactivate", "principalId": alice, "roleDefinitionId": roleOpen, "directoryScopeId": "/", "justification": "done"}
	h.wantRefused(a, http.MethodPost, requestsPath, body, 400, "ActiveDurationTooShort")
	h.business.advance(5 * time.Minute)
	h.wantRefused(h.as(bob), http.MethodPost, requestsPath, body, 403, "Authorization_RequestDenied")
	o := h.activate(a, body)
	if o["status"] != "Revoked" || o["id"] == active["id"] {
		t.Errorf("request %v", o)
	}
	if rows := h.rows(a, instancesPath+"/filterByCurrentUser(on='principal')"); len(rows) != 0 {
		t.Errorf("still active: %v", rows)
	}
	h.wantRefused(a, http.MethodPost, requestsPath, body, 400, "RoleAssignmentDoesNotExist")
	h.activate(a, activation(alice, roleOpen))
}

func TestStandingAssignmentIsNotDeactivated(t *testing.T) {
	h := newHarness(t)
	h.wantRefused(h.as(erin), http.MethodPost, requestsPath,
		obj{"action": "selfDeactivate", "principalId": erin, "roleDefinitionId": rolePrivilegedAdmin, "directoryScopeId": "/"}, 400, "RoleAssignmentDoesNotExist")
}

func TestCancel(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	id := h.activate(a, activation(alice, roleApproved))["id"].(string)
	cancel := requestsPath + "/" + id + "/cancel"
	h.wantRefused(h.as(bob), http.MethodPost, cancel, nil, 403, "Authorization_RequestDenied")
	if status, o := h.call(a, http.MethodPost, cancel, nil); status != http.StatusNoContent || o != nil {
		t.Errorf("cancel: %d %v", status, o)
	}
	if _, o := h.get(a, requestsPath+"/"+id); o["status"] != "Canceled" {
		t.Errorf("request %v", o)
	}
	h.wantRefused(a, http.MethodPost, cancel, nil, 400, "RequestCannotBeCancelled")
	h.wantRefused(h.as(bob), http.MethodGet, approvalPath+"/"+id, nil, 404, "NotFound")

	second := h.activate(a, activation(alice, roleApproved))["id"].(string)
	h.must(h.PortalCancel(erin, second)) // an administrator may
	h.business.advance(30*24*time.Hour + time.Minute)
	h.wantRefused(a, http.MethodGet, requestsPath+"/"+second, nil, 404, "RoleAssignmentRequestNotFound")
}

func TestApplicationNeverActsForAPerson(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.App.Application = append(o.App.Application, "RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory")
	})
	app := h.asApp()
	id := h.activate(h.as(alice), activation(alice, roleApproved))["id"].(string)
	h.wantRefused(app, http.MethodPost, requestsPath, activation(alice, roleOpen), 403, "Authorization_RequestDenied")
	h.wantRefused(app, http.MethodPost, requestsPath, obj{"action": "selfDeactivate", "principalId": alice, "roleDefinitionId": roleOpen, "directoryScopeId": "/"}, 403, "Authorization_RequestDenied")
	h.wantRefused(app, http.MethodGet, requestsPath+"/filterByCurrentUser(on='approver')", nil, 403, "Authorization_RequestDenied")
	for _, path := range []string{"/" + id, "/" + id + "/steps", "/" + id + "/steps/" + id, "/filterByCurrentUser(on='approver')"} {
		h.wantRefused(app, http.MethodGet, approvalPath+path, nil, 403, "Authorization_RequestDenied")
	}
	h.wantRefused(app, http.MethodPatch, approvalPath+"/"+id+"/steps/"+id, obj{"reviewResult": "Approve"}, 403, "Authorization_RequestDenied")
	for _, e := range h.Audit() {
		if e.ActorKind != ByUser {
			t.Errorf("written by %s: %v", e.ActorKind, e)
		}
	}
	h.must(h.portalActivate(alice))
	h.business.advance(5 * time.Minute)
	h.activate(app, obj{"action": "adminRemove", "principalId": alice, "roleDefinitionId": roleOpen, "directoryScopeId": "/"})
	if log := h.Audit(); log[len(log)-1].ActorKind != ByApplication || log[len(log)-1].Actor != h.opt.App.PrincipalID {
		t.Errorf("audit %v", log[len(log)-1])
	}
}

// portalActivate activates the open role in the portal.
func (h *harness) portalActivate(user string) error {
	_, err := h.PortalActivate(user, Wanted{Role: roleOpen, Scope: "/", Justification: "in the portal", Duration: time.Hour})
	return err
}

func TestEligibilityHeldThroughAGroup(t *testing.T) {
	h := newHarness(t)
	h.must(h.Eligible(approversGroup, roleOpen, "/administrativeUnits/"+unit, time.Time{}, time.Time{}))
	c := h.as(carol)
	if rows := h.rows(c, eligiblePath+"/filterByCurrentUser(on='principal')"); len(rows) != 0 {
		t.Errorf("what the group holds is listed: %v", rows)
	}
	scope := set("directoryScopeId", "/administrativeUnits/"+unit)
	h.wantRefused(c, http.MethodPost, requestsPath, activation(approversGroup, roleOpen, scope), 403, "Authorization_RequestDenied")
	h.activate(c, activation(carol, roleOpen, scope))
	rows := h.rows(c, instancesPath+"/filterByCurrentUser(on='principal')?$expand=directoryScope")
	if len(rows) != 1 || rows[0]["directoryScopeId"] != "/administrativeUnits/"+unit || rows[0]["directoryScope"].(obj)["displayName"] != "Berlin" {
		t.Errorf("instances %v", rows)
	}
}

func TestEligibilityHasItsTime(t *testing.T) {
	h := newHarness(t)
	now := h.business.now()
	h.must(h.Eligible(bob, roleOpen, "/", now.Add(time.Hour), now.Add(2*time.Hour)))
	b := h.as(bob)
	refused := func() {
		t.Helper()
		h.wantRefused(b, http.MethodPost, requestsPath, activation(bob, roleOpen), 400, "RoleAssignmentRequestPolicyValidationFailed")
	}
	refused()
	h.business.advance(2 * time.Hour)
	refused()
	h.business.advance(-time.Minute)
	h.activate(b, activation(bob, roleOpen))
}

func TestBodiesTheServiceDoesNotKnowAreLoud(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	for name, body := range map[string]obj{
		"an unknown member":     activation(alice, roleOpen, set("duration", "PT1H")),
		"a wrong letter case":   activation(alice, roleOpen, set("Justification", "x")),
		"an unknown nested one": activation(alice, roleOpen, set("ticketInfo", obj{"number": "1"})),
		"a wrong type":          activation(alice, roleOpen, set("justification", 7)),
		"adminAssign":           activation(alice, roleOpen, set("action", "adminAssign")),
		"an app scope":          activation(alice, roleOpen, set("appScopeId", "/")),
	} {
		if status, o := h.call(a, http.MethodPost, requestsPath, body); status < 400 {
			t.Errorf("%s: %d %v", name, status, o)
		}
		if len(h.takeUnhandled()) != 1 {
			t.Errorf("%s was not reported", name)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"content type": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"encoding":     func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
	} {
		req := h.request(a, http.MethodPost, requestsPath, activation(alice, roleOpen))
		change(req)
		res, err := h.client.Do(req)
		h.must(err)
		res.Body.Close()
		if res.StatusCode != http.StatusUnsupportedMediaType || len(h.takeUnhandled()) != 1 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if s := h.State(); len(s.Requests) != 0 {
		t.Errorf("requests were made: %v", s.Requests)
	}
}
