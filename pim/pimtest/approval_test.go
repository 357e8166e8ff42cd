package pimtest

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"
)

func step(id string) string { return approvalPath + "/" + id + "/steps/" + id }

func TestApprove(t *testing.T) {
	h := newHarness(t)
	a, b := h.as(alice), h.as(bob)
	o := h.activate(a, activation(alice, roleApproved, set("ticketInfo", obj{"ticketNumber": "CHG1", "ticketSystem": nil})))
	id := o["id"].(string)
	if o["status"] != "PendingApproval" || o["approvalId"] != id || o["scheduleInfo"].(obj)["startDateTime"] != nil ||
		!(o["completedDateTime"].(string) < o["createdDateTime"].(string)) {
		t.Errorf("request %v", o)
	}

	waiting := requestsPath + "/filterByCurrentUser(on='approver')?$filter=status eq 'PendingApproval'&$expand=principal,roleDefinition"
	if rows := h.rows(b, waiting); len(rows) != 1 || rows[0]["id"] != id || rows[0]["roleDefinition"].(obj)["displayName"] != "Security Administrator" {
		t.Errorf("waits for bob: %v", rows)
	}
	if rows := h.rows(h.as(carol), waiting); len(rows) != 1 {
		t.Errorf("waits for carol, who is in a nested group: %v", rows)
	}
	for name, token := range map[string]string{"the requester, though in the group": a, "erin": h.as(erin)} {
		if rows := h.rows(token, waiting); len(rows) != 0 {
			t.Errorf("waits for %s: %v", name, rows)
		}
	}

	steps := h.rows(b, approvalPath+"/"+id+"/steps")
	if len(steps) != 1 || steps[0]["assignedToMe"] != true || steps[0]["reviewResult"] != "NotReviewed" || steps[0]["status"] != "InProgress" {
		t.Errorf("steps %v", steps)
	}
	if _, got := h.get(b, approvalPath+"/"+id); len(got["steps"].([]any)) != 1 {
		t.Errorf("approval %v", got)
	}
	if rows := h.rows(b, approvalPath+"/filterByCurrentUser(on='approver')"); len(rows) != 1 {
		t.Errorf("approvals %v", rows)
	}

	h.business.advance(10 * time.Minute)
	if status, got := h.call(b, http.MethodPatch, step(id), obj{"reviewResult": "Approve", "justification": "fine"}); status != http.StatusNoContent || got != nil {
		t.Fatalf("approve: %d %v", status, got)
	}
	if _, got := h.get(a, requestsPath+"/"+id); got["status"] != "Provisioned" {
		t.Errorf("request %v", got)
	}
	rows := h.rows(a, instancesPath+"/filterByCurrentUser(on='principal')")
	if len(rows) != 1 || rows[0]["startDateTime"] != "2026-11-23T12:10:00Z" || rows[0]["endDateTime"] != "2026-11-23T13:10:00Z" {
		t.Errorf("the hour starts with the approval: %v", rows)
	}
	_, got := h.get(h.as(carol), step(id))
	if by, _ := got["reviewedBy"].(obj); by["id"] != bob || got["status"] != "Completed" || got["reviewResult"] != "Approve" {
		t.Errorf("who decided: %v", got)
	}
	if rows := h.rows(b, waiting); len(rows) != 0 {
		t.Errorf("still waits: %v", rows)
	}
	var log []string
	for _, e := range h.Audit() {
		if e.RequestID != id || e.ActorKind != ByUser || e.Target != alice {
			t.Errorf("audit %v", e)
		}
		log = append(log, e.Actor[:1]+" "+e.Activity)
	}
	want := []string{
		"a Add member to role requested (PIM activation)", "a Add member to role approval requested (PIM activation)",
		"b Add member to role request approved (PIM activation)", "a Add member to role completed (PIM activation)",
	}
	if len(log) != len(want) {
		t.Fatalf("audit %v", log)
	}
	for i := range want {
		if log[i] != want[i] {
			t.Errorf("audit %d: %s, want %s", i, log[i], want[i])
		}
	}
}

func TestDeny(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	id := h.activate(a, activation(alice, roleApproved))["id"].(string)
	h.call(h.as(bob), http.MethodPatch, step(id), obj{"reviewResult": "Deny", "justification": "no"})
	if _, o := h.get(a, requestsPath+"/"+id); o["status"] != "Denied" {
		t.Errorf("request %v", o)
	}
	if s := h.State(); len(s.Active) != 1 || s.Active[0].Principal != erin {
		t.Errorf("active %v", s.Active)
	}
	h.activate(a, activation(alice, roleApproved)) // she may ask again
}

func TestDecisionsAreRefused(t *testing.T) {
	h := newHarness(t)
	a, b := h.as(alice), h.as(bob)
	id := h.activate(a, activation(alice, roleApproved))["id"].(string)
	good := obj{"reviewResult": "Approve", "justification": "fine"}
	h.wantRefused(a, http.MethodPatch, step(id), good, 403, "Forbidden")
	h.wantRefused(a, http.MethodGet, approvalPath+"/"+id+"/steps", nil, 403, "Forbidden")
	h.wantRefused(h.as(erin), http.MethodPatch, step(id), good, 403, "Forbidden")
	h.wantRefused(b, http.MethodPatch, approvalPath+"/"+id+"/steps/"+alice, good, 404, "NotFound")
	h.wantRefused(b, http.MethodPatch, step(id), obj{"reviewResult": "approved"}, 400, "BadRequest")
	h.wantRefused(b, http.MethodPatch, step(id), obj{"reviewResult": "Approve"}, 400, "BadRequest")
	h.wantRefused(b, http.MethodGet, "/v1.0/roleManagement/directory/roleAssignmentApprovals/"+id, nil, 501, "NotImplemented")
	if len(h.takeUnhandled()) != 1 {
		t.Error("approvals on v1.0 were not reported")
	}
	if s := h.State(); s.Requests[0].Status != "PendingApproval" {
		t.Errorf("request %v", s.Requests[0])
	}
}

func TestOneDecisionWins(t *testing.T) {
	h := newHarness(t)
	tokens := []string{h.as(bob), h.as(carol)}
	for range 20 {
		id := h.activate(h.as(alice), activation(alice, roleApproved))["id"].(string)
		statuses := make([]int, len(tokens))
		var wg sync.WaitGroup
		for i, token := range tokens {
			req := h.request(token, http.MethodPatch, step(id), obj{"reviewResult": "Deny", "justification": "no"})
			wg.Go(func() {
				res, err := h.client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				statuses[i] = res.StatusCode
			})
		}
		wg.Wait()
		if !(statuses[0] == 204 && statuses[1] == 409) && !(statuses[0] == 409 && statuses[1] == 204) {
			t.Fatalf("two decisions: %v", statuses)
		}
	}
}

func TestDefaultApprovers(t *testing.T) {
	h := newHarness(t)
	id := h.activate(h.as(alice), activation(alice, roleDefault))["id"].(string)
	h.wantRefused(h.as(bob), http.MethodPatch, step(id), obj{"reviewResult": "Approve"}, 403, "Forbidden")
	h.must(h.Eligible(bob, roleGlobalAdmin, "/", time.Time{}, time.Time{}))
	h.wantRefused(h.as(bob), http.MethodPatch, step(id), obj{"reviewResult": "Approve"}, 403, "Forbidden") // eligible is not active
	if status, _ := h.call(h.as(erin), http.MethodPatch, step(id), obj{"reviewResult": "Approve"}); status != http.StatusNoContent {
		t.Errorf("a Privileged Role Administrator was refused: %d", status)
	}
}

func TestNobodyDecides(t *testing.T) {
	for expired, want := range map[string]string{"": "Failed", "TimedOut": "TimedOut"} {
		h := newHarness(t, func(o *Options) { o.Expired = expired })
		a := h.as(alice)
		id := h.activate(a, activation(alice, roleApproved))["id"].(string)
		h.business.advance(24*time.Hour - time.Second)
		if _, o := h.get(a, requestsPath+"/"+id); o["status"] != "PendingApproval" {
			t.Errorf("request %v", o)
		}
		h.business.advance(time.Second)
		if _, o := h.get(a, requestsPath+"/"+id); o["status"] != want {
			t.Errorf("request %v, want %s", o["status"], want)
		}
		h.wantRefused(h.as(bob), http.MethodPatch, step(id), obj{"reviewResult": "Approve", "justification": "late"}, 404, "NotFound")
		log := h.Audit()
		if last := log[len(log)-1]; last.Activity != "PIM activation request expired" || last.ActorKind != ByService {
			t.Errorf("audit %v", last)
		}
	}
}

func TestPortal(t *testing.T) {
	h := newHarness(t)
	id, err := h.PortalActivate(alice, Wanted{Role: roleApproved, Scope: "/", Justification: "from the portal", Duration: time.Hour})
	h.must(err)
	if err := h.PortalDecide(alice, id, true, "me"); err == nil {
		t.Error("the requester decided")
	}
	h.must(h.PortalDecide(carol, id, true, "fine"))
	var refused *GraphError
	if err := h.PortalDecide(bob, id, false, "no"); !errors.As(err, &refused) || refused.Status != 409 {
		t.Errorf("a second decision: %v", err)
	}
	if err := h.PortalRevoke(bob, alice, Wanted{Role: roleApproved, Scope: "/"}); err == nil {
		t.Error("somebody without the role revoked")
	}
	h.must(h.PortalRevoke(erin, alice, Wanted{Role: roleApproved, Scope: "/"}))
	s := h.State()
	if s.Requests[0].Action != "adminRemove" || s.Requests[0].Status != "Revoked" || len(s.Active) != 1 {
		t.Errorf("state %v %v", s.Requests, s.Active)
	}
	if _, err := h.PortalActivate(alice, Wanted{Role: roleStrict, Scope: "/", Duration: time.Hour}); err == nil {
		t.Error("the portal forgot the policy")
	}
	h.must(h.portalActivate(alice))
	h.business.advance(5 * time.Minute)
	h.must(h.PortalDeactivate(alice, Wanted{Role: roleOpen, Scope: "/"}))
}
