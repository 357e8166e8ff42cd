package graph_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/pimtest"
)

// The people, groups and roles of the simulated tenant.
const (
	tenantID = "11111111-0000-4000-8000-000000000000"
	clientID = "22222222-0000-4000-8000-000000000000"
	callback = "http://localhost:8080/signin/entra/callback"

	simAlice = "a0000000-0000-4000-8000-000000000001"
	simBob   = "b0000000-0000-4000-8000-000000000002"
	simCarol = "c0000000-0000-4000-8000-000000000003"
	simErin  = "e0000000-0000-4000-8000-000000000005"

	leadsGroup  = "90000000-0000-4000-8000-000000000001"
	nestedGroup = "90000000-0000-4000-8000-000000000002"
	opsGroup    = "90000000-0000-4000-8000-00000000000a"
	unit        = "80000000-0000-4000-8000-000000000001"

	roleOpen     = "f0000000-0000-4000-8000-000000000001"
	roleApproved = "f0000000-0000-4000-8000-000000000002"
	roleStrict   = "f0000000-0000-4000-8000-000000000003"
	roleStepUp   = "f0000000-0000-4000-8000-000000000004"
	roleDefault  = "f0000000-0000-4000-8000-000000000005"
	rolePRA      = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	roleGA       = "62e90394-69f5-4237-9190-012177145e10"
)

// delegated are the permissions that people's calls need, and no more.
var delegated = []string{
	"RoleEligibilitySchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.Read.Directory",
	"PrivilegedEligibilitySchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", "AccessReview.ReadWrite.All",
}

// tenant is a simulated Entra tenant on ports of its own, with a client that
// speaks to it as people who sign in through its pages.
type tenant struct {
	*pimtest.Tenant
	*graph.Client
	t      *testing.T
	http   *http.Client
	urls   pimtest.URLs
	mu     sync.Mutex
	clock  time.Time
	claims map[string]string // what the next sign-in of a person asks for
	signed map[string]string // access tokens by person; "" is Belay
}

func newTenant(t *testing.T, unkind *pimtest.Unkind) *tenant {
	t.Helper()
	w := &tenant{t: t, clock: noon, claims: map[string]string{}, signed: map[string]string{}}
	var err error
	w.Tenant, err = pimtest.New(pimtest.Options{
		TenantID: tenantID, Now: w.now, WallNow: w.now, Unkind: unkind, MFAOptional: true,
		Unhandled: func(s string) { t.Errorf("the tenant does not know %s", s) },
		App: pimtest.App{
			ClientID: clientID, ClientSecret: "a client secret", RedirectURIs: []string{callback},
			Delegated:   delegated,
			Application: pim.ApplicationPermissions(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	login, g, pages := httptest.NewTLSServer(w.Login()), httptest.NewTLSServer(w.Tenant.Graph()), httptest.NewServer(w.Tenant.Browser())
	for _, s := range []*httptest.Server{login, g, pages} {
		t.Cleanup(s.Close)
	}
	w.urls = pimtest.URLs{Login: login.URL, Graph: g.URL, Browser: pages.URL}
	w.SetURLs(w.urls)
	roots := x509.NewCertPool()
	roots.AddCert(login.Certificate())
	roots.AddCert(g.Certificate())
	w.http = &http.Client{Transport: recording{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
	t.Cleanup(w.http.CloseIdleConnections)
	w.Client, err = graph.New(graph.Options{BaseURL: g.URL, HTTP: w.http, Tokens: w, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	w.seed()
	return w
}

func (w *tenant) seed() {
	w.must(
		w.AddUser(pimtest.User{ID: simAlice, Name: "Alice", UPN: "alice@contoso.com", Mail: "alice@contoso.com"}),
		w.AddUser(pimtest.User{ID: simBob, Name: "Bob", UPN: "bob@contoso.com", Mail: "bob@contoso.com"}),
		w.AddUser(pimtest.User{ID: simCarol, Name: "Carol", UPN: "carol@contoso.com"}),
		w.AddUser(pimtest.User{ID: simErin, Name: "Erin", UPN: "erin@contoso.com"}),
		w.AddGroup(pimtest.Group{ID: nestedGroup, Name: "Nested", Members: []string{simCarol}}),
		w.AddGroup(pimtest.Group{ID: leadsGroup, Name: "Leads", Members: []string{nestedGroup, simAlice}}),
		w.AddGroup(pimtest.Group{ID: opsGroup, Name: "Operators", RoleAssignable: true}),
		w.AddUnit(unit, "Berlin"),
		w.AddRole(pimtest.Role{ID: roleOpen, Name: "Reports Reader"}),
		w.AddRole(pimtest.Role{ID: roleApproved, Name: "Security Administrator", Policy: pimtest.Policy{
			Justification: true, Approval: true, Approvers: []string{simBob, leadsGroup}, ApproverJustification: true, MaxDuration: 4 * time.Hour}}),
		w.AddRole(pimtest.Role{ID: roleStrict, Name: "Exchange Administrator", Policy: pimtest.Policy{
			MFA: true, Justification: true, Ticketing: true, MaxDuration: 2 * time.Hour}}),
		w.AddRole(pimtest.Role{ID: roleStepUp, Name: "Conditional Access Administrator", Policy: pimtest.Policy{AuthContext: "c1"}}),
		w.AddRole(pimtest.Role{ID: roleDefault, Name: "Billing Administrator", Policy: pimtest.Policy{Approval: true}}),
		w.AddRole(pimtest.Role{ID: rolePRA, Name: "Privileged Role Administrator"}),
		w.AddRole(pimtest.Role{ID: roleGA, Name: "Global Administrator"}),
		w.Assign(simErin, rolePRA, "/"),
		w.entitle(simBob, roleGA, "/"),
		w.entitle(simAlice, roleOpen, "/administrativeUnits/"+unit),
	)
	w.must(
		w.SetGroupPolicy(opsGroup, pim.Owner, pimtest.Policy{Approval: true, Approvers: []string{simBob, leadsGroup}, ApproverJustification: true, MaxDuration: 2 * time.Hour}),
		w.EligibleInGroup(simAlice, opsGroup, pim.Member, time.Time{}, time.Time{}),
		w.EligibleInGroup(simAlice, opsGroup, pim.Owner, time.Time{}, noon.Add(90*24*time.Hour)),
		w.entitle(opsGroup, roleStrict, "/administrativeUnits/"+unit),
	)
	for _, r := range []string{roleOpen, roleApproved, roleStrict, roleStepUp, roleDefault} {
		w.must(w.entitle(simAlice, r, "/"))
	}
}

// entitle makes who eligible for good.
func (w *tenant) entitle(who, role, scope string) error {
	return w.Tenant.Eligible(who, role, scope, time.Time{}, time.Time{})
}

func (w *tenant) must(errs ...error) {
	w.t.Helper()
	for _, err := range errs {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *tenant) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *tenant) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
	clear(w.signed) // access tokens live an hour
}

// signIn makes the next token of who come from a sign-in that asks for claims.
func (w *tenant) signIn(who, claims string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claims[who] = claims
	delete(w.signed, who)
}

func (w *tenant) remembered(who string) (token, claims string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signed[who], w.claims[who]
}

// Person signs who in through the tenant's pages, and remembers the token.
func (w *tenant) Person(ctx context.Context, who string) (string, error) {
	token, claims := w.remembered(who)
	if token != "" {
		return token, nil
	}
	merged := map[string]any{}
	if claims != "" {
		if err := json.Unmarshal([]byte(claims), &merged); err != nil {
			return "", err
		}
	}
	inner, _ := merged["access_token"].(map[string]any)
	if inner == nil {
		inner = map[string]any{}
	}
	inner["xms_cc"] = map[string]any{"values": []string{"cp1"}}
	merged["access_token"] = inner
	asked, err := json.Marshal(merged)
	if err != nil {
		return "", err
	}
	const verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"
	scope := "openid profile offline_access https://graph.microsoft.com/" + strings.Join(delegated, " https://graph.microsoft.com/")
	sum := sha256.Sum256([]byte(verifier))
	b, err := pimtest.NewBrowser()
	if err != nil {
		return "", err
	}
	b.PasswordOnly = claims == ""
	back, err := b.SignIn(ctx, w.urls.Browser+"/"+tenantID+"/oauth2/v2.0/authorize?"+url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {scope}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "claims": {string(asked)},
	}.Encode(), who)
	if err != nil {
		return "", err
	}
	return w.token(who, url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback},
		"code_verifier": {verifier}, "scope": {scope}, "claims": {string(asked)}})
}

// App is Belay's own token, by client credentials.
func (w *tenant) App(context.Context) (string, error) {
	if token, _ := w.remembered(""); token != "" {
		return token, nil
	}
	return w.token("", url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}})
}

func (w *tenant) token(who string, form url.Values) (string, error) {
	form.Set("client_id", clientID)
	form.Set("client_secret", "a client secret")
	resp, err := w.http.PostForm(w.urls.Login+"/"+tenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", fmt.Errorf("no token: %d %s", resp.StatusCode, answer.Error)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signed[who] = answer.Token
	return answer.Token, nil
}
