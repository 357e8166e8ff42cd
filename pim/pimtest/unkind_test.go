package pimtest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

const minePath = instancesPath + "/filterByCurrentUser(on='principal')"

func TestThrottle(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{Throttle: 3} })
	a := h.as(alice)
	for i := 1; i <= 9; i++ {
		res := h.do(a, http.MethodGet, minePath, nil)
		res.Body.Close()
		if throttled := res.StatusCode == 429; throttled != (i%3 == 0) || (throttled && res.Header.Get("Retry-After") != "1") {
			t.Errorf("call %d: %d, Retry-After %q", i, res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
}

func TestLostAnswers(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{LoseAnswer: 1} })
	a := h.as(alice)
	status, _ := h.call(a, http.MethodPost, requestsPath, activation(alice, roleOpen))
	if status != http.StatusGatewayTimeout {
		t.Errorf("the first write: %d", status)
	}
	if res, err := h.client.Do(h.request(a, http.MethodPost, requestsPath, activation(alice, roleApproved))); err == nil {
		res.Body.Close()
		t.Errorf("the second write was answered: %d", res.StatusCode)
	}
	if s := h.State(); len(s.Requests) != 2 {
		t.Errorf("not done: %v", s.Requests)
	}
	h.wantRefused(a, http.MethodPost, requestsPath, activation(alice, roleOpen), 400, "RoleAssignmentExists") // a refusal is not a write
}

func TestLateness(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{LateInstance: 1, LateStatus: 1} })
	a := h.as(alice)
	id := h.activate(a, activation(alice, roleApproved))["id"].(string)
	h.must(h.PortalDecide(bob, id, true, "fine"))
	if rows := h.rows(h.as(bob), minePath); len(rows) != 0 {
		t.Errorf("bob: %v", rows)
	}
	for i, want := range []string{"PendingProvisioning", "Provisioned"} {
		if _, o := h.get(a, requestsPath+"/"+id); o["status"] != want {
			t.Errorf("read %d of the request: %v, want %s", i, o["status"], want)
		}
		if rows := h.rows(a, minePath); len(rows) != i {
			t.Errorf("read %d of the instances: %v", i, rows)
		}
	}
}

func TestEnumCaseVariesAndRepeats(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{EnumCase: true} })
		for range 30 {
			o := h.activate(h.as(alice), activation(alice, roleApproved))
			seen[o["action"].(string)] = true
			seen[o["scheduleInfo"].(obj)["expiration"].(obj)["type"].(string)] = true
			h.must(h.PortalCancel(alice, o["id"].(string)))
		}
	}
	for _, s := range []string{"selfActivate", "SelfActivate", "afterDuration", "AfterDuration"} {
		if !seen[s] {
			t.Errorf("%s was never seen", s)
		}
	}
	u := Unkind{EnumCase: true, Seed: 7}
	for _, id := range []string{alice, bob, carol} {
		if first, again := u.enum("Direct", id), u.enum("Direct", id); first != again {
			t.Error("the same member of the same thing is spelt in two ways")
		}
	}
}

// TestDefaultIsUnkind sees that a tenant without knobs misbehaves in each way.
func TestDefaultIsUnkind(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = nil })
	a := h.as(alice)
	found := map[string]bool{}
	for range 40 {
		res, err := h.client.Do(h.request(a, http.MethodPost, requestsPath, activation(alice, roleApproved)))
		if err != nil {
			found["closed connection"] = true
		} else {
			found[res.Status] = true
			res.Body.Close()
		}
		for _, r := range h.State().Requests {
			if r.Status == "PendingApproval" {
				h.must(h.PortalCancel(alice, r.ID))
			}
		}
	}
	for _, want := range []string{"201 Created", "429 Too Many Requests", "504 Gateway Timeout", "closed connection"} {
		if !found[want] {
			t.Errorf("never: %s (%v)", want, found)
		}
	}
	h.SetUnkind(nil)
	for range 40 {
		if status, o := h.get(a, minePath); status != http.StatusOK {
			t.Errorf("kind, but %d %v", status, o)
		}
	}
}

func TestFaults(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	posts := func(r *http.Request) bool { return r.Method == http.MethodPost }

	h.FailNext(posts, Refusal("RoleAssignmentRequestAlreadyApproved"))
	h.rows(a, minePath) // not a POST
	h.wantRefused(a, http.MethodPost, requestsPath, activation(alice, roleOpen), 400, "RoleAssignmentRequestAlreadyApproved")
	if s := h.State(); len(s.Requests) != 0 {
		t.Errorf("done in spite of the fault: %v", s.Requests)
	}

	h.FailNext(nil, Fault{Status: 200, Body: "<html>garbage"})
	res := h.do(a, http.MethodGet, minePath, nil)
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("garbage: %d", res.StatusCode)
	}

	h.FailNext(nil, Fault{Drop: true, AfterWrite: true})
	if res, err := h.client.Do(h.request(a, http.MethodPost, requestsPath, activation(alice, roleOpen))); err == nil {
		res.Body.Close()
		t.Error("answered")
	}
	if s := h.State(); len(s.Requests) != 1 {
		t.Errorf("not done: %v", s.Requests)
	}

	arrived := make(chan struct{})
	h.FailNext(func(*http.Request) bool { close(arrived); return true }, Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	req := h.request(a, http.MethodPost, requestsPath, activation(alice, roleStrict)).WithContext(ctx)
	done := make(chan error)
	go func() {
		res, err := h.client.Do(req)
		if err == nil {
			err = errors.Join(errors.New("answered"), res.Body.Close())
		}
		done <- err
	}()
	<-arrived
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a hanging call: %v", err)
	}

	h.FailNext(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }, Fault{Status: 503})
	if status, _ := h.post(refreshForm("x", nil)); status != 503 {
		t.Errorf("the token endpoint: %d", status)
	}
	if status, _ := h.get(a, minePath); status != 200 {
		t.Errorf("a fault befell twice: %d", status)
	}
}

func TestRefusalsForFailNext(t *testing.T) {
	for code, status := range map[string]int{"TooManyRequests": 429, "Conflict": 409, "RoleAssignmentExists": 400, "SomethingNew": 400} {
		f := Refusal(code)
		if f.Status != status || !strings.Contains(f.Body, code) {
			t.Errorf("%s: %d %s", code, f.Status, f.Body)
		}
	}
	if Refusal("TooManyRequests").Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
}

func TestStandingAndActiveRolesGoIntoNewTokens(t *testing.T) {
	h := newHarness(t)
	before := h.as(alice)
	h.must(h.portalActivate(alice))
	if got := claimsOf(t, before)["wids"].([]any); len(got) != 0 {
		t.Errorf("wids %v", got)
	}
	if got := claimsOf(t, h.as(alice))["wids"].([]any); len(got) != 1 || got[0] != roleOpen {
		t.Errorf("wids %v", got)
	}
	h.business.advance(time.Hour)
	if got := claimsOf(t, h.as(alice))["wids"].([]any); len(got) != 0 {
		t.Errorf("wids %v", got)
	}
}
