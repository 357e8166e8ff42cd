package arm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
)

func withDirectory(d *directory) func(*arm.Options) { return func(o *arm.Options) { o.Approvers = d } }

func withTokens(f tokens) func(*arm.Options) { return func(o *arm.Options) { o.Tokens = f } }

func TestOptionsAreChecked(t *testing.T) {
	good := arm.Options{BaseURL: "https://management.azure.com/", Tokens: tokens{}, Approvers: &directory{}}
	if _, err := arm.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*arm.Options){
		"http":         func(o *arm.Options) { o.BaseURL = "http://management.azure.com" },
		"a path":       func(o *arm.Options) { o.BaseURL = "https://management.azure.com/x" },
		"a password":   func(o *arm.Options) { o.BaseURL = "https://a:canary@management.azure.com" },
		"no host":      func(o *arm.Options) { o.BaseURL = "https://" },
		"no tokens":    func(o *arm.Options) { o.Tokens = nil },
		"no approvers": func(o *arm.Options) { o.Approvers = nil },
	} {
		o := good
		spoil(&o)
		if _, err := arm.New(o); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A challenge reaches the caller as a sign-in that is needed; nobody answers it by
// sending the request again.
func TestAChallengeIsNotAnsweredHere(t *testing.T) {
	// {"access_token":{"acrs":{"essential":true,"value":"c1"}}} in base64
	header := map[string]string{"WWW-Authenticate": `Bearer authorization_uri="https://login.example", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19"`}
	for op, do := range operations {
		if op == "policy" || op == "active" { // these go on with another identity
			continue
		}
		s := serve(t, says(http.StatusUnauthorized, header, `{"error":{"code":"AuthenticationFailed","message":"x"}}`))
		e := refused(t, do(t.Context(), s.client(t)))
		if e.Code != pim.CodeStepUp || e.Claims != `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}` || e.Op != op || len(s.requests()) != 1 {
			t.Errorf("%s: %+v after %d requests", op, e, len(s.requests()))
		}
	}
}

// Nothing is tried twice, and a write without an answer is ambiguous.
func TestNothingIsRetried(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a gateway": says(http.StatusGatewayTimeout, map[string]string{"Retry-After": "0"}, "<html>"),
		"an error":  says(http.StatusInternalServerError, nil, `{"error":{"code":"InternalServerError","message":"x"}}`),
		"half of one": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
		},
		"none":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"not JSON":   says(http.StatusOK, nil, "<html>"),
		"another":    says(http.StatusOK, nil, `[]`),
		"a redirect": says(http.StatusTemporaryRedirect, map[string]string{"Location": "https://elsewhere.example/"}, ""),
	} {
		for op, do := range operations {
			s := serve(t, answer)
			err := do(t.Context(), s.client(t))
			if op == "cancel" && (name == "not JSON" || name == "another") {
				continue // its answer has no content, and the kit reads none
			}
			e := refused(t, err)
			if e.Code != pim.CodeUnavailable || e.Op != op || e.Ambiguous != (writes[op] && name != "a redirect") || len(s.requests()) != 1 {
				t.Errorf("%s, %s: %+v after %d requests", op, name, e, len(s.requests()))
			}
			if strings.Contains(e.Error(), "secret words") || strings.Contains(e.Error(), "token-of") {
				t.Errorf("%s tells %s", op, e)
			}
		}
	}
}

// Throttling is told with its wait.
func TestThrottled(t *testing.T) {
	for op, do := range operations {
		s := serve(t, says(http.StatusTooManyRequests, map[string]string{"Retry-After": "120", "x-ms-request-id": "r-1"}, `{"error":{"code":"TooManyRequests","message":"x"}}`))
		if e := refused(t, do(t.Context(), s.client(t))); e.Code != pim.CodeThrottled || e.After != 2*time.Minute || e.RequestID != "r-1" || len(s.requests()) != 1 {
			t.Errorf("%s: %+v", op, e)
		}
	}
}

// Without a token nothing is sent.
func TestNoTokenNoRequest(t *testing.T) {
	for op, do := range operations {
		s := serve(t, says(http.StatusOK, nil, listOfNone))
		e, _ := do(t.Context(), s.client(t, withTokens(tokens{alice: pim.CodeUnavailable, bob: pim.CodeUnavailable}))).(*pim.Error)
		if op == "policy" { // Belay's own
			continue
		}
		if e == nil || e.Code != pim.CodeUnavailable || e.Op != op || e.Ambiguous || len(s.requests()) != 0 {
			t.Errorf("%s: %+v after %d requests", op, e, len(s.requests()))
		}
	}
}

// A token goes to the configured host only.
func TestPagesElsewhereGetNoToken(t *testing.T) {
	other := serve(t, says(http.StatusOK, nil, listOfNone))
	for _, op := range []string{"eligible", "policy", "children", "mine", "pending", "active"} {
		s := serve(t, says(http.StatusOK, nil, `{"value":[],"nextLink":"`+other.URL+`/next"}`))
		if e := refused(t, operations[op](t.Context(), s.client(t))); e.Code != pim.CodeUnavailable || len(other.requests()) != 0 {
			t.Errorf("%s: %+v, %v", op, e, other.requests())
		}
	}
}

func TestPaging(t *testing.T) {
	n := 0
	var s *service
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		id := production + "/resourceGroups/rg-" + fmt.Sprint(n)
		body := fmt.Sprintf(`{"value":[{"id":%q,"name":"rg-%d","type":"resourcegroup"}],"nextLink":%q}`, id, n, s.URL+r.URL.Path+"?$skiptoken="+fmt.Sprint(n))
		if n == 3 {
			body = `{"value":[]}`
		}
		says(http.StatusOK, nil, body)(w, r)
	})
	got, err := s.client(t).Children(t.Context(), alice, pim.EligibleAssignment{Assignment: contributor(production)})
	if err != nil || len(got) != 2 || len(s.requests()) != 3 || s.requests()[2].auth != "Bearer token-of-"+alice {
		t.Errorf("%+v, %v after %+v", got, err, s.requests())
	}
	// A list without an end is an error, and not half a list.
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		says(http.StatusOK, nil, `{"value":[],"nextLink":"`+s.URL+r.URL.Path+`"}`)(w, r)
	})
	if _, err := s.client(t).Eligible(t.Context(), alice); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestEligibilities(t *testing.T) {
	instance := func(principal, member, scope, typ, scopeName, end, schedule string) string {
		return fmt.Sprintf(`{"id":"x","properties":{"principalId":%q,"memberType":%q,"roleDefinitionId":%q,"scope":%q,"endDateTime":%s,"roleEligibilityScheduleId":%q,
			"expandedProperties":{"principal":{"displayName":"Leads"},"roleDefinition":{"displayName":"Contributor"},"scope":{"displayName":%q,"type":%q}}}}`,
			principal, member, role, scope, end, schedule, scopeName, typ)
	}
	group, storage := "90000000-0000-4000-8000-000000000001", production+"/resourceGroups/rg-prod/providers/Microsoft.Storage/storageAccounts/logs"
	s := serve(t, says(http.StatusOK, nil, `{"value":[`+strings.Join([]string{
		instance(group, "group", production, "subscription", "Production", "null", "s-group"),
		instance(alice, "direct", production, "subscription", "Production", `"2027-01-01T00:00:00Z"`, "/full/s-own"),
		instance(alice, "Direct", production, "subscription", "Production", `"2026-12-01T00:00:00Z"`, "/full/s-shorter"),
		instance(strings.ToUpper(alice), "Inherited", "/providers/Microsoft.Management/managementGroups/mg-1", "managementgroup", "Platform", `"0001-01-01T08:00:00Z"`, "s-mg"),
		instance(group, "Group", production+"/resourceGroups/rg-prod", "resourcegroup", "rg-prod", "null", "/full/s-rg"),
		instance(alice, "Direct", storage, "Microsoft.Storage/storageAccounts", "", "null", "/full/s-st"),
		instance(bob, "Direct", production, "subscription", "Production", "null", "/full/not-hers"),
		instance(alice, "Direct", "/subscriptions/../x", "subscription", "Production", "null", "/full/strange"),
		instance(alice, "Direct", "/subscriptions/x", "subscription", "Production", "null", ""),
	}, ",")+`]}`))
	got, err := s.client(t).Eligible(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	want := []pim.EligibleAssignment{
		{Assignment: contributor("/providers/Microsoft.Management/managementGroups/mg-1"), RoleName: "Contributor", ScopeName: "management group Platform",
			Schedule: "/providers/Microsoft.Management/managementGroups/mg-1/providers/Microsoft.Authorization/roleEligibilitySchedules/s-mg"},
		{Assignment: contributor(production + "/resourceGroups/rg-prod"), RoleName: "Contributor", ScopeName: "resource group rg-prod", Schedule: "/full/s-rg",
			Through: pim.Principal{ID: group, Name: "Leads"}},
		{Assignment: contributor(storage), RoleName: "Contributor", ScopeName: "resource logs (Microsoft.Storage/storageAccounts)", Schedule: "/full/s-st"},
		{Assignment: contributor(production), RoleName: "Contributor", ScopeName: "subscription Production", Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Schedule: "/full/s-own"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What Belay itself may not read it reads as the person, and the other way round
// for what is active.
func TestWhoReads(t *testing.T) {
	denied := `{"error":{"code":"AuthorizationFailed","message":"The client …"}}`
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-of-belay" {
			says(http.StatusForbidden, nil, denied)(w, r)
			return
		}
		says(http.StatusOK, nil, listOfNone)(w, r)
	})
	if _, err := s.client(t).Policy(t.Context(), alice, contributor(production)); pim.CodeOf(err) != pim.CodeNotFound {
		t.Errorf("%v", err)
	}
	if list := s.requests(); len(list) != 2 || list[1].auth != "Bearer token-of-"+alice {
		t.Errorf("%+v", list)
	}
	for _, code := range []pim.Code{pim.CodeSignIn, pim.CodeStepUp, pim.CodeForbidden} {
		s := serve(t, says(http.StatusOK, nil, listOfNone))
		if _, err := s.client(t, withTokens(tokens{alice: code})).Active(t.Context(), alice, contributor(production)); err != nil {
			t.Error(err)
		}
		if r := s.only(t); r.auth != "Bearer token-of-belay" || !strings.Contains(r.target, "principalId+eq+%27"+alice+"%27") {
			t.Errorf("%+v", r)
		}
	}
	s = serve(t, says(http.StatusOK, nil, listOfNone))
	if _, err := s.client(t).Active(t.Context(), alice, contributor(production)); err != nil {
		t.Error(err)
	}
	if r := s.only(t); r.auth != "Bearer token-of-"+alice || !strings.Contains(r.target, "asTarget") {
		t.Errorf("%+v", r)
	}
}

// Nobody is named: nobody can decide. A list that cannot be read is an error.
func TestApprovers(t *testing.T) {
	policy := func(approvers string) *service {
		return serve(t, says(http.StatusOK, nil, `{"value":[{"properties":{"roleDefinitionId":"`+strings.ToUpper(role)+`","effectiveRules":[
			{"id":"Expiration_EndUser_Assignment","maximumDuration":"PT8H"},
			{"id":"AuthenticationContext_EndUser_Assignment","isEnabled":true,"claimValue":"c1"},
			{"id":"Approval_EndUser_Assignment","setting":{"isApprovalRequired":true,"approvalStages":[{"primaryApprovers":`+approvers+`}]}}]}}]}`))
	}
	got, err := policy("[]").client(t).Policy(t.Context(), alice, contributor(production))
	if diff := cmp.Diff(pim.Policy{MaxDuration: 8 * time.Hour, AuthContext: "c1", Approval: true}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	d := &directory{}
	both := `[{"id":"u","userType":"user"},{"id":"g","userType":"Group"},{"id":"s","userType":"Something"}]`
	if _, err := policy(both).client(t, withDirectory(d)).Policy(t.Context(), alice, contributor(production)); err != nil || !cmp.Equal(d.users, []string{"u"}) || !cmp.Equal(d.groups, []string{"g"}) {
		t.Errorf("%v: users %v, groups %v", err, d.users, d.groups)
	}
	if _, err := policy(`[{"id":"s","userType":"Something"}]`).client(t).Policy(t.Context(), alice, contributor(production)); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("%v", err)
	}
	d.err = &pim.Error{Op: "approvers", Code: pim.CodeThrottled, After: time.Second}
	_, err = policy(both).client(t, withDirectory(d)).Policy(t.Context(), alice, contributor(production))
	if e := refused(t, err); e.Code != pim.CodeThrottled || e.Op != "policy" || e.After != time.Second {
		t.Errorf("%+v", e)
	}
	d.err = errors.New("canary")
	if _, err = policy(both).client(t, withDirectory(d)).Policy(t.Context(), alice, contributor(production)); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

// A request that is there already is the same request.
func TestARepeatedActivationIsNoNews(t *testing.T) {
	var e example
	read(t, "examples/arm-2020-10-01-SelfActivate-201.json", &e)
	s := serve(t, says(http.StatusOK, nil, string(e.Answer)))
	narrow := contributor(production)
	narrow.Scope = strings.ToUpper(production)
	w := wish(production)
	w.Assignment = narrow
	got, err := s.client(t).Activate(t.Context(), alice, w)
	if err != nil || got.ID != requestID || got.Assignment != narrow {
		t.Errorf("%+v, %v", got, err)
	}
}

// A conflict means that the name is taken, unless Microsoft's own code says more.
func TestAConflictMeansWhatItsCodeSays(t *testing.T) {
	for code, want := range map[string]pim.Code{"Conflict": pim.CodeExists, "PendingRoleAssignmentRequest": pim.CodePending, "RoleAssignmentExists": pim.CodeExists} {
		s := serve(t, says(http.StatusConflict, nil, `{"error":{"code":"`+code+`","message":"m"}}`))
		if _, err := s.client(t).Activate(t.Context(), alice, wish(production)); pim.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", code, err, want)
		}
	}
	s := serve(t, says(http.StatusConflict, nil, `{"error":{"code":"RequestCannotBeCancelled","message":"m"}}`))
	if err := s.client(t).Cancel(t.Context(), alice, requestID); pim.CodeOf(err) != pim.CodeCannotCancel {
		t.Errorf("a cancel: %v", err)
	}
}

// What cannot be asked is refused before anybody is asked.
func TestWhatIsNotSent(t *testing.T) {
	s := serve(t, says(http.StatusOK, nil, listOfNone))
	c := s.client(t)
	at := func(change func(*pim.Activation)) pim.Activation { w := wish(production); change(&w); return w }
	for name, w := range map[string]pim.Activation{
		"a directory role": at(func(w *pim.Activation) { w.Kind = pim.EntraRole }),
		"no scope":         at(func(w *pim.Activation) { w.Scope = "" }),
		"a way out":        at(func(w *pim.Activation) { w.Scope = "/subscriptions/x/../y" }),
		"a query":          at(func(w *pim.Activation) { w.Scope = "/subscriptions/x?y=z" }),
		"a hidden way out": at(func(w *pim.Activation) { w.Scope = "/subscriptions/x/%2e%2e/y" }),
		"another host":     at(func(w *pim.Activation) { w.Scope = "//elsewhere.example/x" }),
		"a fragment":       at(func(w *pim.Activation) { w.Scope = "/subscriptions/x#y" }),
		"a backslash":      at(func(w *pim.Activation) { w.Scope = `/subscriptions/x\..\y` }),
		"a line":           at(func(w *pim.Activation) { w.Scope = "/subscriptions/x\ny" }),
		"an end":           at(func(w *pim.Activation) { w.Scope = "/subscriptions/x/" }),
		"too long":         at(func(w *pim.Activation) { w.Scope = "/subscriptions/" + strings.Repeat("x", 2048) }),
		"another role":     at(func(w *pim.Activation) { w.Role = "c8d4ff99-41c3-41a8-9f60-21dfdad59608" }),
		"a quote":          at(func(w *pim.Activation) { w.Role += "' or 'a' eq 'a" }),
		"no duration":      at(func(w *pim.Activation) { w.Duration = 0 }),
		"no name":          at(func(w *pim.Activation) { w.ID = "" }),
		"no GUID":          at(func(w *pim.Activation) { w.ID = "the-first" }),
	} {
		if _, err := c.Activate(t.Context(), alice, w); pim.CodeOf(err) != pim.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"somebody":        func() error { _, err := c.Eligible(t.Context(), "a/b"); return err }(),
		"a bare request":  c.Cancel(t.Context(), alice, name),
		"another thing":   c.Cancel(t.Context(), alice, schedule),
		"a bare approval": c.Review(t.Context(), bob, pim.Decision{Approval: name, Stage: stageID, Result: pim.Approved}),
		"a strange stage": c.Review(t.Context(), bob, pim.Decision{Approval: approvalID, Stage: "a/b", Result: pim.Approved}),
		"no decision":     c.Review(t.Context(), bob, pim.Decision{Approval: approvalID, Stage: stageID, Result: pim.NotReviewed}),
		"active everywhere": func() error {
			_, err := c.Active(t.Context(), alice, pim.Assignment{Kind: pim.AzureResource, Role: role})
			return err
		}(),
		"a nameless end": c.Deactivate(t.Context(), alice, pim.Deactivation{Assignment: contributor(production)}),
		"another's approval": func() error {
			_, err := c.Approval(t.Context(), bob, "/subscriptions/x/providers/Microsoft.Authorization/roleAssignmentApprovals/y")
			return err
		}(),
	} {
		if pim.CodeOf(err) != pim.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A resource may be called almost anything: its name reaches Azure as it is.
func TestStrangeNamesArriveAsTheyAre(t *testing.T) {
	var e example
	read(t, "examples/arm-2020-10-01-SelfActivate-201.json", &e)
	s := serve(t, says(http.StatusCreated, nil, string(e.Answer)))
	w := wish(production)
	w.Scope = production + "/resourceGroups/ä (1);@:+&=,$!~*\u202e…\uff0f"
	if _, err := s.client(t).Activate(t.Context(), alice, w); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(s.requests()[0].target)
	if err != nil || !strings.HasPrefix(at.Path, w.Scope+"/providers/Microsoft.Authorization/") || at.Query().Get("api-version") == "" {
		t.Errorf("it was sent to %q, %v", s.requests()[0].target, err)
	}
}

// Where the service takes only a batch, that is found, logged and kept.
func TestADecisionFindsItsShape(t *testing.T) {
	var logs bytes.Buffer
	inner := `{"httpStatusCode":204,"contentLength":0}`
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/batch" {
			says(http.StatusBadRequest, nil, `{"error":{"code":"BadRequest","message":"The request body is not valid."}}`)(w, r)
			return
		}
		says(http.StatusOK, nil, `{"responses":[`+inner+`]}`)(w, r)
	})
	c := s.client(t, func(o *arm.Options) { o.Log = slog.New(slog.NewTextHandler(&logs, nil)) })
	review := func() error { return operations["review"](context.Background(), c) }
	if err := review(); err != nil {
		t.Fatal(err)
	}
	list := s.requests()
	var tried []string
	for _, r := range list {
		tried = append(tried, r.method+" "+r.body[:min(len(r.body), 16)])
	}
	if diff := cmp.Diff([]string{`PUT {"properties":{"`, `PATCH {"properties":{"`, `PATCH {"reviewResult":`, `POST {"requests":[{"n`}, tried); diff != "" {
		t.Error(diff)
	}
	if b := list[3]; b.target != "/batch?api-version=2020-06-01" || !strings.Contains(b.body, `"httpMethod":"PUT","url":"`+approvalID+`/stages/`+stageID+`?api-version=2021-01-01-preview","content":{"properties":{"reviewResult":"Approve"`) {
		t.Errorf("%+v", b)
	}
	if !strings.Contains(logs.String(), "PUT in a batch") || strings.Contains(logs.String(), "trust") {
		t.Errorf("logged: %s", &logs)
	}
	for refusal, want := range map[string]pim.Code{
		`{"httpStatusCode":409,"content":{"error":{"code":"Conflict","message":"x"}}}`:                                        pim.CodeDecided,
		`{"httpStatusCode":403,"content":{"error":{"code":"AuthorizationFailed","message":"x"}}}`:                             pim.CodeNotApprover,
		`{"httpStatusCode":400,"content":{"error":{"code":"BadRequest","message":"Request doesn't allow Self-Approval"}}}`:    pim.CodeNotApprover,
		`{"httpStatusCode":400,"content":{"error":{"code":"BadRequest","message":"The request has already been approved."}}}`: pim.CodeDecided,
		`{"httpStatusCode":400,"content":{"error":{"code":"RoleAssignmentRequestAlreadyApproved","message":"x"}}}`:            pim.CodeDecided,
		`{"httpStatusCode":404,"content":{"error":{"code":"NotFound","message":"x"}}}`:                                        pim.CodeNotFound,
		`{"httpStatusCode":429,"headers":{"Retry-After":"3"},"content":{"error":{"code":"TooManyRequests","message":"x"}}}`:   pim.CodeThrottled,
		`{"httpStatusCode":202}`: pim.CodeUnavailable,
		`{"httpStatusCode":200,"content":{"properties":{"reviewResult":"Deny"}}}`: pim.CodeUnavailable,
		`{}`: pim.CodeUnavailable,
	} {
		inner = refusal
		before := len(s.requests())
		if err := review(); pim.CodeOf(err) != want || len(s.requests()) != before+1 {
			t.Errorf("%s: %v after %d requests", refusal, err, len(s.requests())-before)
		}
	}
}

// A refusal that is about the decision ends it: no other form is tried.
func TestARefusedDecisionIsNotSentAgain(t *testing.T) {
	for _, body := range []string{
		`{"error":{"code":"BadRequest","message":"Request doesn't allow Self-Approval"}}`,
		`{"error":{"code":"RoleAssignmentRequestAlreadyApproved","message":"x"}}`,
		`{"error":{"code":"RoleAssignmentRequestAcrsValidationFailed","message":"&claims=%7B%22access_token%22%3A%7B%7D%7D"}}`,
	} {
		s := serve(t, says(http.StatusBadRequest, nil, body))
		if err := operations["review"](t.Context(), s.client(t)); err == nil || len(s.requests()) != 1 {
			t.Errorf("%s: %v after %d requests", body, err, len(s.requests()))
		}
	}
	// Refused in every form, the first refusal is told.
	s := serve(t, says(http.StatusNotFound, nil, `{"error":{"code":"NotFound","message":"x"}}`))
	if e := refused(t, operations["review"](t.Context(), s.client(t))); e.Code != pim.CodeNotFound || len(s.requests()) != 4 {
		t.Errorf("%+v after %d requests", e, len(s.requests()))
	}
}

// A caller who goes away gets a typed error, and a write that may be done says so.
func TestTimeIsUp(t *testing.T) {
	for op, do := range operations {
		if op == "policy" { // read for all who wait, however many of them go away
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		e := refused(t, do(ctx, s.client(t)))
		cancel()
		if e.Code != pim.CodeUnavailable || e.Ambiguous != writes[op] {
			t.Errorf("%s: %+v", op, e)
		}
	}
}
