package pimtest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const auditsPath = "/v1.0/auditLogs/directoryAudits?$filter=loggedByService eq 'PIM' and activityDateTime ge 2026-11-23T12:00:00Z&$orderby=activityDateTime"

// auditDetail is a value among the additional details of an entry.
func auditDetail(entry obj, key string) any {
	for _, d := range entry["additionalDetails"].([]any) {
		if d.(obj)["key"] == key {
			return d.(obj)["value"]
		}
	}
	return nil
}

// auditTarget is the first target of a type.
func auditTarget(entry obj, typ string) obj {
	for _, r := range entry["targetResources"].([]any) {
		if r.(obj)["type"] == typ {
			return r.(obj)
		}
	}
	return nil
}

// TestAuditTellsWhoWhatAndWhy reads the entries of an approved ownership and of
// its end.
func TestAuditTellsWhoWhatAndWhy(t *testing.T) {
	h := newGroups(t)
	a := h.inGroups(alice)
	id := h.join(a, joining("owner"))["id"].(string)
	h.must(h.PortalDecide(bob, id, true, "fine"))
	h.business.advance(5 * time.Minute)
	removal := h.join(a, leaving("owner"))["id"].(string)

	type line struct{ activity, by, reason, request, activation string }
	var got []line
	correlations := map[any]bool{}
	for _, e := range h.rows(h.asApp(), auditsPath) {
		if e["category"] != "GroupManagement" || auditTarget(e, "Role")["displayName"] != "Owner" || auditTarget(e, "Group")["id"] != opsGroup ||
			auditTarget(e, "User")["id"] != alice {
			t.Errorf("entry %v", e)
		}
		correlations[e["correlationId"]] = true
		got = append(got, line{
			e["activityDisplayName"].(string), e["initiatedBy"].(obj)["user"].(obj)["id"].(string), e["resultReason"].(string),
			auditTarget(e, "Request")["id"].(string), auditDetail(e, "RoleAssignmentRequestId").(string),
		})
	}
	want := []line{
		{"Add member to role requested (PIM activation)", alice, "because", id, id},
		{"Add member to role approval requested (PIM activation)", alice, "because", id, id},
		{"Add member to role request approved (PIM activation)", bob, "fine", id, id},
		{"Add member to role completed (PIM activation)", alice, "because", id, id},
		{"Remove member from role requested (PIM deactivate)", alice, "done", removal, id},
		{"Remove member from role completed (PIM deactivate)", alice, "done", removal, id},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if len(correlations) != len(want) {
		t.Errorf("%d correlation ids for %d steps", len(correlations), len(want))
	}
}

// TestAuditExample compares the entry of an expired activation with one that was
// read from a live tenant: the same members, and the same values where they do
// not depend on the case.
func TestAuditExample(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "examples", "graph-v1.0-directoryaudit-pim-activation-expired.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		ResponseBody struct{ Value []obj }
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	want := doc.ResponseBody.Value[0]

	h := newHarness(t)
	id := h.activate(h.as(alice), activation(alice, roleOpen))["id"].(string)
	h.business.advance(time.Hour)
	rows := h.rows(h.asApp(), auditsPath)
	got := rows[len(rows)-1]
	for m := range want {
		if _, ok := got[m]; !ok {
			t.Errorf("no %s", m)
		}
	}
	for _, m := range []string{"category", "result", "resultReason", "activityDisplayName", "loggedByService", "operationType"} {
		if got[m] != want[m] {
			t.Errorf("%s is %v, want %v", m, got[m], want[m])
		}
	}
	for _, key := range []string{"AuditType", "ActionType"} {
		if auditDetail(got, key) != auditDetail(want, key) {
			t.Errorf("%s is %v", key, auditDetail(got, key))
		}
	}
	if by := got["initiatedBy"].(obj)["user"].(obj); by["displayName"] != "Azure AD PIM" || by["userPrincipalName"] != nil || by["id"] == "" {
		t.Errorf("initiated by %v", by)
	}
	if auditDetail(got, "RoleAssignmentRequestId") != id || auditTarget(got, "Role")["displayName"] != "Reports Reader" || auditTarget(got, "User")["id"] != alice {
		t.Errorf("entry %v", got)
	}
	origin := auditTarget(got, "Role")["modifiedProperties"].([]any)[0].(obj)
	if origin["displayName"] != "RoleDefinitionOriginId" || origin["newValue"] != `"`+roleOpen+`"` {
		t.Errorf("origin %v", origin)
	}
}

func TestAuditFilters(t *testing.T) {
	h := newHarness(t)
	h.activate(h.as(alice), activation(alice, roleOpen))
	h.business.advance(time.Hour)
	app := h.asApp()
	const list = "/v1.0/auditLogs/directoryAudits"
	for filter, want := range map[string]int{
		"loggedByService eq 'PIM'":                 3,
		"loggedByService eq 'Core Directory'":      0,
		"category eq 'RoleManagement'":             3,
		"category eq 'GroupManagement'":            0,
		"activityDateTime ge 2026-11-23T12:30:00Z": 1,
		"activityDateTime ge 2026-11-23T12:00:00Z and activityDateTime lt 2026-11-23T13:00:00Z": 2,
	} {
		if rows := h.rows(app, list+"?$filter="+filter); len(rows) != want {
			t.Errorf("%s: %d entries, want %d", filter, len(rows), want)
		}
	}
	rows := h.rows(app, list+"?$orderby=activityDateTime desc&$top=1")
	if len(rows) != 1 || rows[0]["activityDisplayName"] != "Remove member from role (PIM activation expired)" {
		t.Errorf("newest: %v", rows)
	}
	h.wantRefused(h.as(bob), http.MethodGet, list, nil, 403, "Authorization_RequestDenied")
}
