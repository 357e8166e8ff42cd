package pimtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	tenantID = "11111111-0000-4000-8000-000000000000"
	clientID = "22222222-0000-4000-8000-000000000000"
	secret   = "a client secret"
	callback = "http://localhost:8080/signin/entra/callback"

	alice = "a0000000-0000-4000-8000-000000000001"
	bob   = "b0000000-0000-4000-8000-000000000002"
	carol = "c0000000-0000-4000-8000-000000000003"
	dan   = "d0000000-0000-4000-8000-000000000004"
	erin  = "e0000000-0000-4000-8000-000000000005"

	approversGroup = "90000000-0000-4000-8000-000000000001"
	nestedGroup    = "90000000-0000-4000-8000-000000000002"
	unit           = "80000000-0000-4000-8000-000000000001"

	roleOpen     = "f0000000-0000-4000-8000-000000000001" // nothing demanded
	roleApproved = "f0000000-0000-4000-8000-000000000002" // approval by bob and the group of carol
	roleStrict   = "f0000000-0000-4000-8000-000000000003" // MFA, justification, ticket, 2 h
	roleStepUp   = "f0000000-0000-4000-8000-000000000004" // authentication context c1
	roleDefault  = "f0000000-0000-4000-8000-000000000005" // approval, nobody named
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// harness is a tenant with people and roles, behind real servers.
type harness struct {
	*Tenant
	t         *testing.T
	business  *clock
	wallClock *clock
	login     string
	browser   string
	graph     string
	client    *http.Client // trusts the servers
	unhandled []string     // what was reported; checked at the end unless taken
}

func newHarness(t *testing.T, change ...func(*Options)) *harness {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	h := &harness{t: t, business: &clock{t: start}, wallClock: &clock{t: start}}
	opt := Options{
		TenantID: tenantID, Key: key, Now: h.business.now, WallNow: h.wallClock.now, Unkind: Kind(),
		Unhandled: func(s string) { h.unhandled = append(h.unhandled, s) },
		App: App{
			ClientID: clientID, ClientSecret: secret, Name: "Belay", RedirectURIs: []string{callback},
			Delegated: []string{"RoleEligibilitySchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory",
				"PrivilegedEligibilitySchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", "RoleManagementPolicy.Read.AzureADGroup",
				"RoleManagementPolicy.Read.Directory", "RoleManagement.Read.Directory", "User.Read", "https://management.azure.com/user_impersonation"},
			Application: []string{"RoleEligibilitySchedule.Read.Directory", "RoleAssignmentSchedule.Read.Directory", "RoleManagementPolicy.Read.Directory",
				"PrivilegedEligibilitySchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.Read.AzureADGroup", "RoleManagementPolicy.Read.AzureADGroup",
				"RoleManagement.Read.Directory", "GroupMember.Read.All", "User.Read.All", "AuditLog.Read.All", "Directory.Read.All"},
		},
	}
	for _, c := range change {
		c(&opt)
	}
	h.Tenant, err = New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range h.unhandled {
			t.Errorf("unhandled: %s", s)
		}
	})
	h.serve()
	if !h.Loaded() {
		h.seed()
	}
	return h
}

func (h *harness) serve() {
	login, graph := httptest.NewTLSServer(h.Login()), httptest.NewTLSServer(h.Graph())
	browser := httptest.NewServer(h.Browser())
	h.t.Cleanup(login.Close)
	h.t.Cleanup(graph.Close)
	h.t.Cleanup(browser.Close)
	h.login, h.graph, h.browser = login.URL, graph.URL, browser.URL
	h.SetURLs(URLs{Login: login.URL, Graph: graph.URL, Browser: browser.URL})
	h.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	h.t.Cleanup(h.client.CloseIdleConnections)
}

func (h *harness) seed() {
	h.must(
		h.AddUser(User{ID: alice, Name: "Alice", UPN: "alice@contoso.com", Mail: "alice@contoso.com"}),
		h.AddUser(User{ID: bob, Name: "Bob", UPN: "bob@contoso.com", Mail: "bob@contoso.com"}),
		h.AddUser(User{ID: carol, Name: "Carol", UPN: "carol@contoso.com"}),
		h.AddUser(User{ID: dan, Name: "Dan", UPN: "dan_fabrikam.com#EXT#@contoso.com", Guest: true}),
		h.AddUser(User{ID: erin, Name: "Erin", UPN: "erin@contoso.com"}),
		h.AddGroup(Group{ID: nestedGroup, Name: "Nested", Members: []string{carol}}),
		h.AddGroup(Group{ID: approversGroup, Name: "Approvers", Members: []string{nestedGroup, alice}}),
		h.AddUnit(unit, "Berlin"),
		h.AddRole(Role{ID: roleOpen, Name: "Reports Reader"}),
		h.AddRole(Role{ID: roleApproved, Name: "Security Administrator", Policy: Policy{
			Justification: true, Approval: true, Approvers: []string{bob, approversGroup}, ApproverJustification: true,
		}}),
		h.AddRole(Role{ID: roleStrict, Name: "Exchange Administrator", Policy: Policy{
			MFA: true, Justification: true, Ticketing: true, MaxDuration: 2 * time.Hour,
		}}),
		h.AddRole(Role{ID: roleStepUp, Name: "Conditional Access Administrator", Policy: Policy{AuthContext: "c1"}}),
		h.AddRole(Role{ID: roleDefault, Name: "Billing Administrator", Policy: Policy{Approval: true}}),
		h.AddRole(Role{ID: rolePrivilegedAdmin, Name: "Privileged Role Administrator"}),
		h.AddRole(Role{ID: roleGlobalAdmin, Name: "Global Administrator"}),
		h.Assign(erin, rolePrivilegedAdmin, "/"),
	)
	for _, r := range []string{roleOpen, roleApproved, roleStrict, roleStepUp, roleDefault} {
		h.must(h.Eligible(alice, r, "/", time.Time{}, time.Time{}))
	}
}

func (h *harness) must(errs ...error) {
	h.t.Helper()
	for _, err := range errs {
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// takeUnhandled gives what was reported as unhandled and forgets it.
func (h *harness) takeUnhandled() []string {
	list := h.unhandled
	h.unhandled = nil
	return list
}

const (
	verifier    = "a-verifier-of-at-least-forty-three-characters-0123456789"
	graphScopes = "openid profile email offline_access https://graph.microsoft.com/RoleAssignmentSchedule.ReadWrite.Directory" +
		" https://graph.microsoft.com/RoleEligibilitySchedule.Read.Directory https://graph.microsoft.com/RoleManagementPolicy.Read.Directory"
	groupScopes = graphScopes + " https://graph.microsoft.com/PrivilegedEligibilitySchedule.Read.AzureADGroup" +
		" https://graph.microsoft.com/PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup https://graph.microsoft.com/RoleManagementPolicy.Read.AzureADGroup"
	cp1   = `{"access_token":{"xms_cc":{"values":["cp1"]}}}`
	cp1c1 = `{"access_token":{"xms_cc":{"values":["cp1"]},"acrs":{"essential":true,"value":"c1"}}}`
)

// authorizeURL is an authorization URL; change replaces parameters, an empty
// value takes one away.
func (h *harness) authorizeURL(change map[string]string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {graphScopes}, "state": {"the state"},
		"nonce": {"the nonce"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for k, v := range change {
		q.Set(k, v)
		if v == "" {
			q.Del(k)
		}
	}
	return h.browser + "/" + tenantID + "/oauth2/v2.0/authorize?" + q.Encode()
}

// code signs a user in through the pages.
func (h *harness) code(user string, change map[string]string) string {
	h.t.Helper()
	to := h.redirect(user, change)
	if to.Query().Get("code") == "" {
		h.t.Fatalf("no code in %s", to)
	}
	return to.Query().Get("code")
}

func (h *harness) redirect(user string, change map[string]string) *url.URL {
	h.t.Helper()
	b, err := NewBrowser()
	h.must(err)
	to, err := b.SignIn(context.Background(), h.authorizeURL(change), user)
	h.must(err)
	return to
}

// token posts to the token endpoint.
func (h *harness) post(form url.Values) (int, obj) {
	h.t.Helper()
	res, err := h.client.PostForm(h.login+"/"+tenantID+"/oauth2/v2.0/token", form)
	h.must(err)
	return res.StatusCode, h.read(res)
}

func (h *harness) read(res *http.Response) obj {
	h.t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	h.must(err)
	var o obj
	if len(b) > 0 {
		if err := json.Unmarshal(b, &o); err != nil {
			h.t.Fatalf("not JSON: %s", b)
		}
	}
	return o
}

func codeForm(code string, change map[string]string) url.Values {
	f := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "client_secret": {secret}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier}, "scope": {graphScopes}, "client_info": {"1"}, "claims": {cp1},
	}
	for k, v := range change {
		f.Set(k, v)
		if v == "" {
			f.Del(k)
		}
	}
	return f
}

// signIn is a person's whole sign-in; it gives the token answer.
func (h *harness) signIn(user string, change map[string]string) obj {
	h.t.Helper()
	again := map[string]string{}
	for _, name := range []string{"scope", "claims"} {
		if v, ok := change[name]; ok {
			again[name] = v
		}
	}
	status, o := h.post(codeForm(h.code(user, change), again))
	if status != http.StatusOK {
		h.t.Fatalf("token endpoint: %d %v", status, o)
	}
	return o
}

// as is a delegated access token of a user.
func (h *harness) as(user string) string { return h.signIn(user, nil)["access_token"].(string) }

// inGroups is a delegated access token with the permissions of PIM for Groups too.
func (h *harness) inGroups(user string) string {
	return h.signIn(user, map[string]string{"scope": groupScopes})["access_token"].(string)
}

func (h *harness) asApp() string {
	h.t.Helper()
	status, o := h.post(url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret},
		"scope": {"https://graph.microsoft.com/.default openid offline_access profile"},
	})
	if status != http.StatusOK {
		h.t.Fatalf("token endpoint: %d %v", status, o)
	}
	return o["access_token"].(string)
}

// call calls Graph and checks a successful answer against Microsoft's OpenAPI.
// The path's query may be written plainly.
func (h *harness) call(token, method, path string, body any) (int, obj) {
	h.t.Helper()
	res := h.do(token, method, path, body)
	status := res.StatusCode
	o := h.read(res)
	checkContract(h.t, method, path, status, o)
	return status, o
}

func (h *harness) do(token, method, path string, body any) *http.Response {
	h.t.Helper()
	res, err := h.client.Do(h.request(token, method, path, body))
	h.must(err)
	return res
}

func (h *harness) request(token, method, path string, body any) *http.Request {
	h.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		h.must(err)
		r = bytes.NewReader(b)
	}
	path, query, _ := strings.Cut(path, "?")
	if query != "" {
		q, err := url.ParseQuery(query)
		h.must(err)
		path += "?" + q.Encode()
	}
	if !strings.HasPrefix(path, "https:") {
		path = h.graph + path
	}
	req, err := http.NewRequest(method, path, r)
	h.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("ConsistencyLevel", "eventual")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

func (h *harness) get(token, path string) (int, obj) {
	h.t.Helper()
	return h.call(token, http.MethodGet, path, nil)
}

// rows are the entities of a list that has to be there.
func (h *harness) rows(token, path string) []obj {
	h.t.Helper()
	status, o := h.get(token, path)
	if status != http.StatusOK {
		h.t.Fatalf("GET %s: %d %v", path, status, o)
	}
	var rows []obj
	for _, v := range o["value"].([]any) {
		rows = append(rows, v.(obj))
	}
	return rows
}

const (
	requestsPath  = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests"
	instancesPath = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances"
	schedulesPath = "/v1.0/roleManagement/directory/roleAssignmentSchedules"
	eligiblePath  = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances"
	approvalPath  = "/beta/roleManagement/directory/roleAssignmentApprovals"
)

// activation is the body of a selfActivate for an hour.
func activation(principal, role string, change ...func(obj)) obj {
	o := obj{
		"action": "selfActivate", "principalId": principal, "roleDefinitionId": role, "directoryScopeId": "/", "justification": "because",
		"scheduleInfo": obj{"expiration": obj{"type": "afterDuration", "duration": "PT1H"}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func set(name string, v any) func(obj) { return func(o obj) { o[name] = v } }

func lasting(d string) func(obj) {
	return set("scheduleInfo", obj{"expiration": obj{"type": "AfterDuration", "duration": d}})
}

// activate posts a request that has to be accepted.
func (h *harness) activate(token string, body obj) obj {
	h.t.Helper()
	status, o := h.call(token, http.MethodPost, requestsPath, body)
	if status != http.StatusCreated {
		h.t.Fatalf("activate: %d %v", status, o)
	}
	return o
}

// code of a refusal.
func errorCode(o obj) string {
	e, _ := o["error"].(obj)
	c, _ := e["code"].(string)
	return c
}

func (h *harness) wantRefused(token, method, path string, body any, status int, code string) obj {
	h.t.Helper()
	got, o := h.call(token, method, path, body)
	if got != status || errorCode(o) != code {
		h.t.Errorf("%s %s: got %d %v, want %d %s", method, path, got, o, status, code)
	}
	return o
}
