package pimtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// differs are members of documented answers that this tenant leaves out, and why.
var differs = map[string]string{
	"inheritsPermissionsFrom": "every role is listed with what it inherits from; here none inherits, and PIM has no use for it",
}

// TestRoleExamples plays every documented example of directory roles that the simulator
// answers, each with the documented method and query, and wants every documented member
// in the answer, of the documented type. Status and description are checked for each.
func TestRoleExamples(t *testing.T) {
	h := newHarness(t)
	a, b, app := h.as(alice), h.as(bob), h.asApp()
	h.must(h.Eligible(carol, roleApproved, "/", time.Time{}, h.business.now().Add(24*time.Hour)))
	h.activate(a, activation(alice, roleOpen))
	waits := h.activate(a, activation(alice, roleApproved, set("ticketInfo", obj{"ticketNumber": "1", "ticketSystem": "x"})))["id"].(string)
	later := h.activate(a, activation(alice, roleDefault))["id"].(string)
	first := func(path string) string { return path + "/" + h.rows(a, path+mine)[0]["id"].(string) }
	const eligibleSchedules, roles = "/v1.0/roleManagement/directory/roleEligibilitySchedules", "/v1.0/roleManagement/directory/roleDefinitions"

	played := map[string]bool{}
	play := func(name, token, path string, change ...func(example) any) {
		t.Helper()
		version := "v1.0-"
		if rest, ok := strings.CutPrefix(name, "beta-"); ok {
			name, version = rest, "beta-"
		}
		file := "graph-" + version + name + ".json"
		played[file] = true
		text, err := os.ReadFile(filepath.Join("testdata", "examples", file))
		h.must(err)
		var e example
		h.must(json.Unmarshal(text, &e))
		if _, query, ok := strings.Cut(e.URL, "?"); ok {
			path += "?" + query
		}
		body := e.RequestBody
		for _, c := range change {
			body = c(e)
		}
		status, got := h.call(token, e.Method, path, body)
		if status != e.ResponseStatus && !(status == http.StatusCreated && e.ResponseStatus == http.StatusOK) { // the tutorial prints 200 where the reference says 201
			t.Errorf("%s: %d %v, want %d", name, status, got, e.ResponseStatus)
			return
		}
		want, have := []any{map[string]any(e.ResponseBody)}, []any{map[string]any(got)}
		if list, ok := e.ResponseBody["value"].([]any); ok {
			want, have = list, got["value"].([]any)
			if len(have) == 0 {
				t.Errorf("%s: an empty list", name)
				return
			}
		}
		sameMembers(t, name, want[0], have[len(have)-1])
	}
	mineNow := func(e example) any { // the documented body for a person, a role and a day of this tenant
		o := e.RequestBody.(obj)
		o["principalId"], o["roleDefinitionId"] = alice, roleStepUp
		o["scheduleInfo"].(obj)["startDateTime"] = h.business.now().Add(12 * time.Hour).Format(time.RFC3339)
		return o
	}
	h.must(h.AddRole(Role{ID: roleStepUp, Name: "Attribute Administrator"}))

	play("rbacapplication-list-roleeligibilityscheduleinstances", app, eligiblePath)
	play("rbacapplication-list-roleeligibilityschedules", app, eligibleSchedules)
	play("rbacapplication-list-roleassignmentscheduleinstances", app, instancesPath)
	play("rbacapplication-list-roleassignmentschedules", app, schedulesPath)
	play("rbacapplication-list-roleassignmentschedulerequests-ex1", a, requestsPath+mine)
	play("rbacapplication-list-roleassignmentschedulerequests-ex2", a, requestsPath+mine)
	play("rbacapplication-list-roledefinitions-ex1", app, roles)
	play("unifiedroledefinition-get-ex1", app, roles+"/"+roleOpen)
	play("unifiedroledefinition-get-ex2", app, roles+"/"+roleApproved)
	play("unifiedroleeligibilityscheduleinstance-filterbycurrentuser", a, eligiblePath+mine)
	play("unifiedroleeligibilityscheduleinstance-get", a, first(eligiblePath))
	play("unifiedroleeligibilityschedule-filterbycurrentuser", a, eligibleSchedules+mine)
	play("unifiedroleeligibilityschedule-get", a, first(eligibleSchedules))
	play("unifiedroleassignmentscheduleinstance-filterbycurrentuser", a, instancesPath+mine)
	play("unifiedroleassignmentscheduleinstance-get", a, first(instancesPath))
	play("unifiedroleassignmentschedule-filterbycurrentuser", a, schedulesPath+mine)
	play("unifiedroleassignmentschedule-get", a, first(schedulesPath))
	play("unifiedroleassignmentschedulerequest-filterbycurrentuser", a, requestsPath+mine)
	play("unifiedroleassignmentschedulerequest-get-ex1", a, requestsPath+"/"+waits)
	play("unifiedroleassignmentschedulerequest-get-ex2", a, requestsPath+"/"+waits)
	play("directory-assignmentrequests-filterbycurrentuser-approver-pending", b, requestsPath+"/filterByCurrentUser(on='approver')")
	play("beta-directory-roleassignmentapproval-get", b, approvalPath+"/"+waits)
	play("beta-directory-roleassignmentapproval-step-approve", b, step(waits))
	play("unifiedroleassignmentschedulerequest-cancel", a, requestsPath+"/"+later+"/cancel")
	play("rbacapplication-post-roleassignmentschedulerequests-ex2", a, requestsPath, mineNow)
	h.must(h.PortalCancel(alice, h.State().Requests[0].ID))
	play("directory-assignmentrequest-selfActivate-future-start-granted", a, requestsPath, mineNow)
	play("policyroot-list-rolemanagementpolicyassignments-ex2", app, "/v1.0/policies/roleManagementPolicyAssignments",
		func(example) any {
			h.must(h.AddRole(Role{ID: roleGlobalAdmin, Name: "Global Administrator"}))
			return nil
		})

	// What an administrator does to others is refused, and loudly: Belay never asks for it.
	ex := "rbacapplication-post-roleassignmentschedulerequests-ex1"
	played["graph-v1.0-"+ex+".json"] = true
	h.wantRefused(a, http.MethodPost, requestsPath, readExample(t, ex).RequestBody, http.StatusNotImplemented, "NotImplemented")
	if len(h.takeUnhandled()) != 1 {
		t.Error("adminAssign was not reported")
	}

	files, err := filepath.Glob(filepath.Join("testdata", "examples", "*.json"))
	h.must(err)
	for _, f := range files {
		if name := filepath.Base(f); !played[name] && !strings.HasPrefix(name, "graph-v1.0-group-") && name != "graph-v1.0-directoryaudit-pim-activation-expired.json" && name != "graph-v1.0-signin-list-ex1.json" {
			t.Errorf("%s was not played", name)
		}
	}
}

// sameMembers wants every member of a documented value, and values of the same type
// where both have one.
func sameMembers(t *testing.T, at string, want, have any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, ok := have.(map[string]any)
		if !ok {
			if have != nil {
				t.Errorf("%s is %v, want an object", at, have)
			}
			return
		}
		for _, m := range slices.Sorted(maps.Keys(want)) {
			if strings.Contains(m, "@odata") || differs[m] != "" {
				continue
			}
			v, ok := got[m]
			if !ok {
				t.Errorf("%s has no %s", at, m)
				continue
			}
			sameMembers(t, at+"."+m, want[m], v)
		}
	case []any:
		got, ok := have.([]any)
		if !ok {
			t.Errorf("%s is %v, want a list", at, have)
		} else if len(want) > 0 && len(got) > 0 {
			sameMembers(t, at+"[]", want[0], got[0])
		}
	default:
		if want != nil && have != nil && fmt.Sprintf("%T", want) != fmt.Sprintf("%T", have) {
			t.Errorf("%s is %v, want something like %v", at, have, want)
		}
	}
}
