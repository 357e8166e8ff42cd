package pimtest

import (
	"errors"
	"testing"
	"time"
)

// What an administrator does outside of PIM is done by who may, and is in the audit log
// under their name.
func TestAdministratorsActOutsideOfPIM(t *testing.T) {
	h := newHarness(t)
	refused := func(err error, code string) {
		t.Helper()
		var e *GraphError
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	refused(h.PortalAssign(bob, alice, roleStrict, "/"), "Authorization_RequestDenied")
	refused(h.PortalSetting(bob, roleStrict, func(*Policy) {}), "Authorization_RequestDenied")
	h.must(h.Assign(bob, rolePrivilegedAdminOf(t, h), "/"))
	refused(h.PortalUnassign(bob, alice, roleStrict, "/"), "RoleAssignmentDoesNotExist")
	h.must(h.PortalAssign(bob, alice, roleStrict, "/"))
	refused(h.PortalAssign(bob, alice, roleStrict, "/"), "RoleAssignmentExists")
	rows := h.rows(h.asApp(), "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances?$filter=principalId eq '"+alice+"'")
	if len(rows) != 1 || rows[0]["roleDefinitionId"] != roleStrict || rows[0]["assignmentType"] != "Assigned" || rows[0]["endDateTime"] != nil {
		t.Errorf("alice has %v", rows)
	}
	h.must(h.PortalSetting(bob, roleStrict, func(p *Policy) { p.MaxDuration, p.MFA = 24*time.Hour, false }))
	h.must(h.PortalUnassign(bob, alice, roleStrict, "/"))
	h.business.advance(10 * time.Minute)
	want := []string{"Add member to role outside of PIM (permanent)", "Update role setting in PIM", "Remove member from role in PIM completed (permanent)"}
	logged := h.rows(h.asApp(), auditsPath)
	if len(logged) != len(want) {
		t.Fatalf("%d entries", len(logged))
	}
	for i, e := range logged {
		if e["activityDisplayName"] != want[i] || e["initiatedBy"].(obj)["user"].(obj)["id"] != bob || e["category"] != "RoleManagement" ||
			auditTarget(e, "Role")["modifiedProperties"].([]any)[0].(obj)["newValue"] != `"`+roleStrict+`"` {
			t.Errorf("entry %d is %v", i, e)
		}
	}
}

// rolePrivilegedAdminOf makes the role whose holders administer roles.
func rolePrivilegedAdminOf(t *testing.T, h *harness) string {
	t.Helper()
	h.must(h.AddRole(Role{ID: rolePrivilegedAdmin, Name: "Privileged Role Administrator"}))
	return rolePrivilegedAdmin
}
