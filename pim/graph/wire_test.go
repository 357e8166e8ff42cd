package graph_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// wireCase is what one call looks like on the wire.
type wireCase struct {
	do     operation
	status int
	answer string
	method string
	path   string
	query  string // decoded
	who    string
	body   string
}

// What each call looks like on the wire, to the byte.
func TestWire(t *testing.T) {
	const requestsPath = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests"
	made := `{"id":"` + reqID + `","status":"PendingApproval","principalId":"` + alice + `"}`
	wire(t, map[string]wireCase{
		"activate": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Activate(ctx, alice, pim.Activation{
					Assignment:    pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/administrativeUnits/5d107bba-d8e2-4e13-b6ae-884be90e5d1a"},
					Justification: `needs "quotes" & <tags> – ünïcode`, Duration: 24 * time.Hour,
					Ticket: pim.Ticket{Number: "CHG1", System: "ServiceNow"},
					Start:  time.Date(2026, 11, 23, 14, 30, 0, 0, time.FixedZone("", 3600)),
				})
				return err
			},
			status: 201, answer: made, method: "POST", path: requestsPath, who: alice,
			body: `{"action":"selfActivate","directoryScopeId":"/administrativeUnits/5d107bba-d8e2-4e13-b6ae-884be90e5d1a",` +
				`"justification":"needs \"quotes\" & <tags> – ünïcode","principalId":"` + alice + `","roleDefinitionId":"` + role + `",` +
				`"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT24H"},"startDateTime":"2026-11-23T13:30:00Z"},` +
				`"ticketInfo":{"ticketNumber":"CHG1","ticketSystem":"ServiceNow"}}`,
		},
		"activate now without a ticket": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Activate(ctx, alice, pim.Activation{Assignment: entraRole(), Duration: 90 * time.Minute})
				return err
			},
			status: 201, answer: made, method: "POST", path: requestsPath, who: alice,
			body: `{"action":"selfActivate","directoryScopeId":"/","principalId":"` + alice + `","roleDefinitionId":"` + role + `",` +
				`"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H30M"},"startDateTime":"2026-11-23T12:00:00Z"}}`,
		},
		"deactivate": {
			do: func(ctx context.Context, c client) error {
				return c.Deactivate(ctx, alice, pim.Deactivation{Assignment: entraRole(), Justification: "done"})
			},
			status: 201, answer: `{"id":"` + reqID + `","status":"Revoked"}`, method: "POST", path: requestsPath, who: alice,
			body: `{"action":"selfDeactivate","directoryScopeId":"/","justification":"done","principalId":"` + alice + `","roleDefinitionId":"` + role + `"}`,
		},
		"cancel": {
			do:     func(ctx context.Context, c client) error { return c.Cancel(ctx, alice, reqID) },
			status: 204, method: "POST", path: requestsPath + "/" + reqID + "/cancel", who: alice,
		},
		"approve": {
			do: func(ctx context.Context, c client) error {
				return c.Review(ctx, bob, pim.Decision{Approval: reqID, Stage: carol, Result: pim.Approved, Justification: "Trusted User"})
			},
			status: 204, method: "PATCH", path: "/beta/roleManagement/directory/roleAssignmentApprovals/" + reqID + "/steps/" + carol, who: bob,
			body: `{"justification":"Trusted User","reviewResult":"Approve"}`,
		},
		"deny": {
			do: func(ctx context.Context, c client) error {
				return c.Review(ctx, bob, pim.Decision{Approval: reqID, Stage: carol, Result: pim.Denied})
			},
			status: 204, method: "PATCH", path: "/beta/roleManagement/directory/roleAssignmentApprovals/" + reqID + "/steps/" + carol, who: bob,
			body: `{"justification":"","reviewResult":"Deny"}`,
		},
		"eligible": {
			do:     func(ctx context.Context, c client) error { _, err := c.Eligible(ctx, alice); return err },
			status: 200, answer: `{"value":[]}`, method: "GET", who: alice,
			path: "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')", query: "$expand=roleDefinition",
		},
		"request": {
			do:     func(ctx context.Context, c client) error { _, err := c.Request(ctx, alice, reqID); return err },
			status: 200, answer: made, method: "GET", path: requestsPath + "/" + reqID, who: alice,
		},
		"mine": {
			do:     func(ctx context.Context, c client) error { _, err := c.Mine(ctx, alice); return err },
			status: 200, answer: `{"value":[]}`, method: "GET", path: requestsPath + "/filterByCurrentUser(on='principal')", who: alice,
		},
		"approval": {
			do:     func(ctx context.Context, c client) error { _, err := c.Approval(ctx, bob, reqID); return err },
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/beta/roleManagement/directory/roleAssignmentApprovals/" + reqID + "/steps", who: bob,
		},
		"active": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Active(ctx, alice, pim.Assignment{})
				return err
			},
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances",
			query: "$filter=principalId eq '" + alice + "'", who: "belay",
		},
		"principal": {
			do:     func(ctx context.Context, c client) error { _, err := c.Principal(ctx, alice); return err },
			status: 200, answer: `{"id":"` + alice + `"}`, method: "GET", path: "/v1.0/users/" + alice,
			query: "$select=id,displayName,userPrincipalName,mail,accountEnabled", who: "belay",
		},
		"policy": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Policy(ctx, alice, entraRole())
				if pim.CodeOf(err) == pim.CodeNotFound {
					return nil
				}
				return err
			},
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/v1.0/policies/roleManagementPolicyAssignments", who: "belay",
			query: "$expand=policy($expand=rules)&$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '" + role + "'",
		},
		"check": {
			do:     operations["check"],
			status: 201, answer: made, method: "POST", path: requestsPath, who: alice,
			body: `{"action":"selfActivate","directoryScopeId":"/","isValidationOnly":true,"principalId":"` + alice + `","roleDefinitionId":"` + role + `",` +
				`"scheduleInfo":{"expiration":{"type":"afterDuration","duration":"PT1H"},"startDateTime":"2026-11-23T12:00:00Z"}}`,
		},
		"pending": {
			do:     operations["pending"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: requestsPath + "/filterByCurrentUser(on='approver')", who: bob,
			query: "$expand=principal,roleDefinition&$filter=status eq 'PendingApproval'",
		},
		"traces": {
			do: func(ctx context.Context, c client) error {
				_, err := c.Traces(ctx, time.Date(2026, 11, 23, 12, 30, 59, 7, time.FixedZone("", 3600)))
				return err
			},
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/v1.0/auditLogs/directoryAudits", who: "belay",
			query: "$filter=loggedByService eq 'PIM' and activityDateTime ge 2026-11-23T11:30:00Z&$orderby=activityDateTime&$top=200",
		},
		"group roles": {
			do:     operations["group roles"],
			status: 200, answer: `{"value":[]}`, method: "GET", path: "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances", who: "belay",
			query: "$expand=roleDefinition&$filter=principalId eq '" + group + "'",
		},
	})
}

// wire makes each call and compares what arrives first.
func wire(t *testing.T, cases map[string]wireCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, says(tc.status, nil, tc.answer))
			if err := tc.do(t.Context(), s.client(t)); err != nil {
				t.Fatal(err)
			}
			got := s.requests()[0]
			if name != "eligible" { // which asks for the person's groups besides
				s.only(t)
			}
			u, err := url.Parse(got.target)
			if err != nil {
				t.Fatal(err)
			}
			query, err := url.QueryUnescape(u.RawQuery)
			if err != nil {
				t.Fatal(err)
			}
			if got.method != tc.method || u.Path != tc.path || query != tc.query {
				t.Errorf("asked %s %s ? %s\nwant  %s %s ? %s", got.method, u.Path, query, tc.method, tc.path, tc.query)
			}
			if want := "Bearer token-of-" + tc.who; got.auth != want {
				t.Errorf("Authorization is %q, want %q", got.auth, want)
			}
			if diff := cmp.Diff(tc.body, got.body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if tc.body != "" && (got.header.Get("Content-Type") != "application/json" || got.chunked || got.length != int64(len(tc.body))) {
				t.Errorf("the body is announced as %q, %d bytes, chunked %v", got.header.Get("Content-Type"), got.length, got.chunked)
			}
			if got.header.Get("Content-Encoding") != "" || got.header.Get("Accept") != "application/json" {
				t.Errorf("headers: %v", got.header)
			}
		})
	}
}

// Microsoft's front doors speak HTTP/2.
func TestHTTP2(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked by %s", r.Proto)
		}
		says(503, nil, "{}")(w, r)
	})
	front := httptest.NewUnstartedServer(s.Config.Handler)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	for op, do := range each {
		e := refused(t, do(t.Context(), s.client(t, func(o *graph.Options) { o.BaseURL, o.HTTP = front.URL, front.Client() })))
		if e.Status != 503 || e.Ambiguous != writes[op] {
			t.Errorf("%s: %+v", op, e)
		}
	}
	for _, r := range s.requests() {
		if r.length != int64(len(r.body)) {
			t.Errorf("%s announces %d bytes and has %d", r.target, r.length, len(r.body))
		}
	}
	if n := len(s.requests()); n != calls() {
		t.Errorf("%d requests for %d calls", n, calls())
	}
}

// Every call is made once, whatever the answer.
func TestNothingIsTriedTwice(t *testing.T) {
	challenge := `Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`
	for op, do := range each {
		for _, status := range []int{301, 302, 307, 308, 401, 408, 425, 429, 500, 502, 503, 504} {
			s := serve(t, says(status, map[string]string{"Retry-After": "0", "Location": "/elsewhere", "WWW-Authenticate": challenge}, "{}"))
			if do(t.Context(), s.client(t)) == nil {
				t.Errorf("%s: no error for %d", op, status)
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%s: %d requests for one call answered %d", op, n, status)
			}
			s.Close()
		}
	}
}

// The token goes to the configured host only: no redirect, no next page
// elsewhere, not even on another port.
func TestTokensStayHome(t *testing.T) {
	stranger := serve(t, says(200, nil, `{"value":[]}`))
	for name, next := range map[string]string{
		"another port":   stranger.URL + "/v1.0/next",
		"another host":   "https://graph.microsoft.com.evil.example/v1.0/next",
		"plain http":     "http://127.0.0.1/v1.0/next",
		"user info":      "https://graph@127.0.0.1/v1.0/next",
		"relative":       "/v1.0/next",
		"not an address": "https://%zz",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				says(200, nil, `{"value":[],"@odata.nextLink":"`+next+`"}`)(w, r)
			})
			_, err := s.client(t).Mine(t.Context(), alice)
			if e := refused(t, err); e.Code != pim.CodeUnavailable {
				t.Errorf("code %s", e.Code)
			}
			s.only(t)
		})
	}
	s := serve(t, says(307, map[string]string{"Location": stranger.URL + "/v1.0/x"}, ""))
	for op, do := range each {
		if do(t.Context(), s.client(t)) == nil {
			t.Errorf("%s followed a redirect", op)
		}
	}
	if got := stranger.requests(); len(got) != 0 {
		t.Errorf("a stranger was sent %+v", got)
	}
}

// Lists are read to their last page, with the same identity and headers.
func TestPages(t *testing.T) {
	var s *service
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("$skiptoken")
		next := map[string]string{"": "2", "2": "3"}[page]
		if next != "" {
			next = `,"@odata.nextLink":"` + s.URL + r.URL.Path + `?$skiptoken=` + next + `"`
		}
		says(200, nil, `{"value":[{"id":"r`+page+`","status":"Provisioned","action":"SelfActivate","principalId":"`+alice+`"}]`+next+`}`)(w, r)
	})
	mine, err := s.client(t).Mine(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if len(mine) != 3 || len(s.requests()) != 3 {
		t.Fatalf("%d requests read from %d pages", len(mine), len(s.requests()))
	}
	for _, r := range s.requests() {
		if r.auth != "Bearer token-of-"+alice {
			t.Errorf("page asked with %q", r.auth)
		}
	}
}

// A next page that Microsoft is too busy for is waited for, and the list is not begun anew; a
// first page, and a wish to wait for long, are the caller's.
func TestANextPageIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		busy, after string
		calls, read int
	}{{"2", "1", 3, 2}, {"2", "30", 2, 0}, {"", "1", 1, 0}} {
		var s *service
		refusals := 0
		s = serve(t, func(w http.ResponseWriter, r *http.Request) {
			page := r.URL.Query().Get("$skiptoken")
			if page == c.busy && refusals == 0 {
				refusals++
				says(429, map[string]string{"Retry-After": c.after}, `{"error":{"code":"TooManyRequests","message":"busy"}}`)(w, r)
				return
			}
			next := ""
			if page == "" {
				next = `,"@odata.nextLink":"` + s.URL + r.URL.Path + `?$skiptoken=2"`
			}
			says(200, nil, `{"value":[{"id":"r`+page+`","status":"Provisioned","action":"SelfActivate","principalId":"`+alice+`"}]`+next+`}`)(w, r)
		})
		mine, err := s.client(t).Mine(t.Context(), alice)
		if len(mine) != c.read || (err == nil) != (c.read > 0) || len(s.requests()) != c.calls {
			t.Errorf("%+v: %d read by %d calls: %v", c, len(mine), len(s.requests()), err)
		}
	}
}

func TestAListWithoutEnd(t *testing.T) {
	var s *service
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		says(200, nil, `{"value":[],"@odata.nextLink":"`+s.URL+r.URL.Path+`"}`)(w, r)
	})
	_, err := s.client(t).Mine(t.Context(), alice)
	if e := refused(t, err); e.Code != pim.CodeUnavailable {
		t.Errorf("code %s", e.Code)
	}
	if n := len(s.requests()); n != 500 {
		t.Errorf("%d pages were read", n)
	}
}

// What cannot be asked is refused before anything is sent.
func TestBadInputIsNotSent(t *testing.T) {
	s := serve(t, says(200, nil, `{}`))
	c := s.client(t)
	activate := func(a pim.Activation) func() error {
		return func() error { _, err := c.Activate(t.Context(), alice, a); return err }
	}
	for name, do := range map[string]func() error{
		"no person":   func() error { _, err := c.Eligible(t.Context(), ""); return err },
		"climbing":    func() error { _, err := c.Request(t.Context(), alice, "../users"); return err },
		"dots":        func() error { return c.Cancel(t.Context(), alice, "..") },
		"a filter":    func() error { _, err := c.Active(t.Context(), alice+"' or '1' eq '1", pim.Assignment{}); return err },
		"an approval": func() error { _, err := c.Approval(t.Context(), bob, "a/b"); return err },
		"a stage": func() error {
			return c.Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: "?", Result: pim.Denied})
		},
		"no decision": func() error { return c.Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: reqID}) },
		"not a decision": func() error {
			return c.Review(t.Context(), bob, pim.Decision{Approval: reqID, Stage: reqID, Result: pim.NotReviewed})
		},
		"another pillar":    activate(pim.Activation{Assignment: pim.Assignment{Kind: "group", Role: role, Scope: "/"}, Duration: time.Hour}),
		"no scope":          activate(pim.Activation{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role}, Duration: time.Hour}),
		"no duration":       activate(pim.Activation{Assignment: entraRole()}),
		"too long a reason": activate(pim.Activation{Assignment: entraRole(), Duration: time.Hour, Justification: string(make([]byte, 3<<20))}),
		"policy of a filter": func() error {
			_, err := c.Policy(t.Context(), alice, pim.Assignment{Kind: pim.EntraRole, Role: "x'", Scope: "/"})
			return err
		},
		"principal": func() error { _, err := c.Principal(t.Context(), "me/../x"); return err },
	} {
		err := do()
		if e := refused(t, err); e.Code != pim.CodeInvalid || e.Ambiguous || e.Temporary() || e.Op == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if got := s.requests(); len(got) != 0 {
		t.Errorf("%d requests were sent", len(got))
	}
}
