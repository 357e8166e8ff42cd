package pim

import (
	"net/http"
	"strings"
	"testing"
)

// What writes is made as a person, with their token. Belay itself has nothing to
// write with.
func TestOnlyPeopleWrite(t *testing.T) {
	for _, o := range Operations() {
		if o.Method != http.MethodGet && len(o.Application) > 0 {
			t.Errorf("Belay itself makes %s %s", o.Method, o.Path)
		}
		if len(o.Delegated)+len(o.Application) == 0 || o.Why == "" || !strings.HasPrefix(o.Path, "/") {
			t.Errorf("%s %s is not explained", o.Method, o.Path)
		}
		for _, p := range o.Application {
			if p != Reader && (strings.Split(p, ".")[1] != "Read" || strings.Contains(p, "Write")) {
				t.Errorf("%s %s asks for %s, which does more than read", o.Method, o.Path, p)
			}
		}
	}
}

func TestWithout(t *testing.T) {
	for permission, optional := range map[string]bool{
		"AuditLog.Read.All": true, "RoleManagementPolicy.Read.AzureADGroup": true, "PrivilegedAssignmentSchedule.Read.AzureADGroup": true, Reader: true,
		"User.Read.All": false, "GroupMember.Read.All": false, "RoleManagementPolicy.Read.Directory": false,
	} {
		if got := Without(permission); (got != "") != optional {
			t.Errorf("%s: %q", permission, got)
		}
	}
}

func TestCovers(t *testing.T) {
	const id, azure = "911bab8a-6912-4de2-9dc0-2648ede7dd6d", "/providers/Microsoft.Authorization/roleAssignmentScheduleRequests"
	requests := Operation{Service: Graph, Method: http.MethodGet, Path: "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/{request}"}
	list := Operation{Service: ARM, Method: http.MethodGet, Path: "/{scope}" + azure}
	for _, c := range []struct {
		of           Operation
		service      Service
		method, path string
		covered      bool
	}{
		{requests, Graph, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/" + id, true},
		{requests, Graph, "GET", "/v1.0/ROLEMANAGEMENT/directory/roleAssignmentScheduleRequests/" + id, true},
		{requests, Graph, "POST", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/" + id, false},
		{requests, ARM, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/" + id, false},
		{requests, Graph, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", false},
		{requests, Graph, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/", false},
		{requests, Graph, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/" + id + "/cancel", false},
		{requests, Graph, "GET", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='principal')", false},
		{requests, Graph, "GET", "/beta/roleManagement/directory/roleAssignmentScheduleRequests/" + id, false},
		{list, ARM, "GET", azure, true},
		{list, ARM, "GET", "/subscriptions/s/resourceGroups/g" + azure, true},
		{list, ARM, "GET", "/subscriptions/s" + azure + "/" + id, false},
		{list, ARM, "GET", "/subscriptions/s/roleAssignmentScheduleRequests", false},
		{list, ARM, "GET", "/", false},
	} {
		if got := c.of.Covers(c.service, c.method, c.path); got != c.covered {
			t.Errorf("%s %s %s: %v", c.service, c.method, c.path, got)
		}
	}
}
