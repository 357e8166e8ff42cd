package pimtest

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestPortalHasGroups(t *testing.T) {
	h := newGroups(t)
	member := Wanted{Kind: "group", Role: "member", Scope: opsGroup, Justification: "in the portal", Duration: time.Hour}
	owner := member
	owner.Role = "owner"

	later := member
	later.Start = h.business.now().Add(time.Hour)
	id, err := h.PortalActivate(alice, later)
	h.must(err)
	if r := h.State().Requests[0]; r.ID != id || r.Status != "Granted" || r.Kind != "group" {
		t.Errorf("request %v", r)
	}
	h.must(h.PortalCancel(alice, id))

	asked, err := h.PortalActivate(alice, owner)
	h.must(err)
	if rows := h.rows(h.inGroups(bob), groupRequests+toDecide); len(rows) != 1 || rows[0]["id"] != asked {
		t.Errorf("waits for bob: %v", rows)
	}
	h.must(h.PortalDecide(bob, asked, false, "no"))
	if _, o := h.get(h.inGroups(alice), groupRequests+"/"+asked); o["status"] != "Denied" {
		t.Errorf("request %v", o)
	}

	_, err = h.PortalActivate(alice, member)
	h.must(err)
	if err := h.PortalDeactivate(alice, member); err == nil {
		t.Error("left in the first five minutes")
	}
	h.business.advance(5 * time.Minute)
	h.must(h.PortalDeactivate(alice, member))
	_, err = h.PortalActivate(alice, member)
	h.must(err)
	if err := h.PortalRevoke(bob, alice, member); err == nil {
		t.Error("somebody who does not administer the group revoked")
	}
	h.must(h.AssignInGroup(bob, opsGroup, "owner"), h.PortalRevoke(bob, alice, member))
	if rows := h.rows(h.asApp(), groupInstances+"?$filter=groupId eq '"+opsGroup+"'"); len(rows) != 1 || rows[0]["principalId"] != bob {
		t.Errorf("active %v", rows)
	}
}

func TestPortalAsksForTheTicket(t *testing.T) {
	h := newHarness(t)
	w := Wanted{Role: roleStrict, Scope: "/", Justification: "because", Duration: time.Hour}
	if _, err := h.PortalActivate(alice, w); err == nil {
		t.Error("no ticket was needed")
	}
	w.Ticket = "CHG1"
	_, err := h.PortalActivate(alice, w)
	h.must(err)
}

func TestFreshEligibility(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{FreshEligible: 20 * time.Second} })
	b := h.as(bob)
	h.must(h.Eligible(bob, roleOpen, "/", time.Time{}, time.Time{}))
	if rows := h.rows(b, eligiblePath+mine); len(rows) != 1 {
		t.Errorf("not listed: %v", rows)
	}
	h.wantRefused(b, http.MethodPost, requestsPath, activation(bob, roleOpen), 400, "SubjectNotFound")
	h.business.advance(10 * time.Second)
	h.wantRefused(b, http.MethodPost, requestsPath, activation(bob, roleOpen), 400, "RoleAssignmentRequestPolicyValidationFailed")
	h.business.advance(10 * time.Second)
	h.activate(b, activation(bob, roleOpen))
}

func TestStuckAtGranted(t *testing.T) {
	h := newGroups(t, func(o *Options) { o.Unkind = &Unkind{StuckGranted: true} })
	a := h.inGroups(alice)
	id := h.join(a, joining("member"))["id"].(string)
	for range 3 {
		if _, o := h.get(a, groupRequests+"/"+id); o["status"] != "Granted" {
			t.Errorf("request %v", o)
		}
		h.business.advance(time.Hour)
	}
	if rows := h.rows(a, groupInstances+mine); len(rows) != 0 {
		t.Errorf("active: %v", rows)
	}
}

func TestStatusesNobodyKnows(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	id := h.activate(a, activation(alice, roleApproved))["id"].(string)
	h.must(h.SetStatus(id, "PendingTheMoon"))
	h.business.advance(25 * time.Hour)
	if _, o := h.get(a, requestsPath+"/"+id); o["status"] != "PendingTheMoon" {
		t.Errorf("request %v", o)
	}
	h.wantRefused(h.as(bob), http.MethodGet, approvalPath+"/"+id, nil, 404, "NotFound")
	if h.SetStatus(unit, "Failed") == nil {
		t.Error("a request that is not there got a status")
	}
}

func TestWhatBecomesOfAnOldRequest(t *testing.T) {
	for expired, status := range map[string]string{ExpiredGone: "", ExpiredSilent: "PendingApproval"} {
		h := newHarness(t, func(o *Options) { o.Expired = expired })
		a := h.as(alice)
		id := h.activate(a, activation(alice, roleApproved))["id"].(string)
		h.business.advance(24 * time.Hour)
		if _, o := h.get(a, requestsPath+"/"+id); o["status"] != status && !(status == "" && errorCode(o) == "RoleAssignmentRequestNotFound") {
			t.Errorf("%s: %v", expired, o)
		}
		b := h.as(bob)
		if rows := h.rows(b, requestsPath+toDecide); len(rows) != 0 {
			t.Errorf("%s: waits for bob: %v", expired, rows)
		}
		h.wantRefused(b, http.MethodPatch, step(id), obj{"reviewResult": "Approve", "justification": "late"}, 404, "NotFound")
		if log := h.Audit(); log[len(log)-1].Activity != "PIM activation request expired" {
			t.Errorf("%s: audit %v", expired, log[len(log)-1])
		}
	}
}

// TestManyEligibilities reads some thousands of them by their pages.
func TestManyEligibilities(t *testing.T) {
	h := newHarness(t)
	const many = 3_000
	h.must(h.change(func() error {
		for i := range many {
			id := derivedID(tenantID, fmt.Sprint(i))
			h.w.Groups[id] = &Group{ID: id, Name: fmt.Sprint("Group ", i)}
			h.w.Eligibilities = append(h.w.Eligibilities, &eligibility{
				ID: id + "_member_" + id, Kind: kindGroup, Principal: carol, Role: accessMember, Scope: id, From: h.business.now(),
			})
		}
		return nil
	}))
	c := h.inGroups(carol)
	next, seen := groupEligible+mine+"?$top=999", map[any]bool{}
	for next != "" {
		o := h.read(h.do(c, http.MethodGet, next, nil)) // without the contract, which would take most of the time
		for _, v := range o["value"].([]any) {
			seen[v.(obj)["groupId"]] = true
		}
		next, _ = o["@odata.nextLink"].(string)
	}
	if len(seen) != many {
		t.Errorf("%d of %d", len(seen), many)
	}
}
