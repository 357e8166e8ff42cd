package arm_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/arm"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store/storetest"
)

// The people, roles and places of the simulated tenant.
const (
	tenantID = "11111111-0000-4000-8000-000000000000"
	clientID = "22222222-0000-4000-8000-000000000000"
	callback = "http://localhost:8080/signin/entra/callback"

	simAlice = "a0000000-0000-4000-8000-000000000001"
	simBob   = "b0000000-0000-4000-8000-000000000002"
	simCarol = "c0000000-0000-4000-8000-000000000003"
	simErin  = "e0000000-0000-4000-8000-000000000005"
	leads    = "90000000-0000-4000-8000-000000000001"

	platform = "/providers/Microsoft.Management/managementGroups/platform"
	prod     = "/subscriptions/50000000-0000-4000-8000-000000000001"
	rgProd   = prod + "/resourceGroups/rg-Prod"
	rgData   = prod + "/resourceGroups/rg-data"
	ledger   = rgData + "/providers/Microsoft.Storage/storageAccounts/ledger"

	roleOpen     = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	roleApproved = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	roleStepUp   = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
	roleGroup    = "c0ffee00-0000-4000-8000-000000000001"
)

// tenant is a simulated tenant on ports of its own, with the client under test and
// the product's own sign-in.
type tenant struct {
	*pimtest.Tenant
	*arm.Client
	t      *testing.T
	signin *signin.Client
	mu     sync.Mutex
	clock  time.Time
}

func newTenant(t *testing.T, unkind *pimtest.Unkind) *tenant {
	t.Helper()
	w := &tenant{t: t, clock: noon}
	var err error
	w.Tenant, err = pimtest.New(pimtest.Options{
		TenantID: tenantID, Now: w.now, WallNow: w.now, Unkind: unkind,
		Unhandled: func(s string) { t.Errorf("the tenant does not know %s", s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: "a client secret", RedirectURIs: []string{callback},
			Delegated: append(signin.Scopes(), "https://management.azure.com/user_impersonation"), Application: pim.ApplicationPermissions()},
	})
	w.must(err)
	login, g, azure, pages := httptest.NewTLSServer(w.Login()), httptest.NewTLSServer(w.Graph()), httptest.NewTLSServer(w.ARM()), httptest.NewServer(w.Browser())
	roots := x509.NewCertPool()
	for _, s := range []*httptest.Server{login, g, azure, pages} {
		t.Cleanup(s.Close)
		if c := s.Certificate(); c != nil {
			roots.AddCert(c)
		}
	}
	w.SetURLs(pimtest.URLs{Login: login.URL, Graph: g.URL, ARM: azure.URL, Browser: pages.URL})
	client := &http.Client{Transport: recording{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
	t.Cleanup(client.CloseIdleConnections)
	w.signin, err = signin.New(signin.Options{Store: storetest.Memory(), Key: func(p string) string { return p }, Login: login.URL, Tenant: tenantID,
		ClientID: clientID, Credential: signin.Credential{Secret: "a client secret"}, HTTP: client, Now: w.now, MaxAge: 24 * time.Hour})
	w.must(err)
	directory, err := graph.New(graph.Options{BaseURL: g.URL, HTTP: client, Tokens: w.signin, Now: w.now})
	w.must(err)
	w.Client, err = arm.New(arm.Options{BaseURL: azure.URL, HTTP: client, Tokens: w.signin.Resource(pim.AzureResource), Approvers: directory, Now: w.now, PolicyAge: time.Minute})
	w.must(err)
	w.seed()
	return w
}

func (w *tenant) seed() {
	w.t.Helper()
	var always time.Time
	for id, name := range map[string]string{simAlice: "Alice", simBob: "Bob", simCarol: "Carol", simErin: "Erin"} {
		w.must(w.AddUser(pimtest.User{ID: id, Name: name, UPN: strings.ToLower(name) + "@contoso.com"}))
	}
	w.must(
		w.AddGroup(pimtest.Group{ID: leads, Name: "Leads", Members: []string{simCarol, simAlice}}),
		w.AddResource(pimtest.Resource{ID: platform, Name: "Platform"}),
		w.AddResource(pimtest.Resource{ID: prod, Name: "Production", Parent: platform}),
		w.AddResource(pimtest.Resource{ID: rgProd}), w.AddResource(pimtest.Resource{ID: rgData}), w.AddResource(pimtest.Resource{ID: ledger}),
		w.AddAzureRole(pimtest.AzureRole{ID: roleOpen, Name: "Contributor", Actions: []string{"Microsoft.Compute/*"}}),
		w.AddAzureRole(pimtest.AzureRole{ID: roleApproved, Name: "Owner", Actions: []string{"*"}}),
		w.AddAzureRole(pimtest.AzureRole{ID: roleStepUp, Name: "Storage Blob Data Reader", Actions: []string{"Microsoft.Storage/*/read"}}),
		w.AddAzureRole(pimtest.AzureRole{ID: roleGroup, Name: "Operator", Custom: true}),
		w.SetAzurePolicy(prod, roleApproved, pimtest.Policy{Justification: true, Ticketing: true, MaxDuration: 4 * time.Hour, Approval: true, Approvers: []string{simBob, leads}}),
		w.SetAzurePolicy(rgProd, roleOpen, pimtest.Policy{MaxDuration: 2 * time.Hour, Approval: true}),
		w.SetAzurePolicy(ledger, roleStepUp, pimtest.Policy{AuthContext: "c1"}),
		w.EligibleAzure(simAlice, roleOpen, prod, always, always, ""),
		w.EligibleAzure(simAlice, roleApproved, prod, always, noon.Add(90*24*time.Hour), ""),
		w.EligibleAzure(simAlice, roleStepUp, ledger, always, always, "@Resource[x] StringEqualsIgnoreCase 'ledger'"),
		w.EligibleAzure(leads, roleGroup, platform, always, always, ""),
	)
	for _, person := range []string{simAlice, simBob, simCarol, simErin} {
		w.signIn(person, "")
	}
}

func (w *tenant) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *tenant) pass(d time.Duration) {
	w.mu.Lock()
	w.clock = w.clock.Add(d)
	w.mu.Unlock()
	w.must(w.Tick())
}

// must ends the test on an error.
func (w *tenant) must(errs ...error) {
	w.t.Helper()
	for _, err := range errs {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// signIn walks person through the pages; claims are a challenge of ARM.
func (w *tenant) signIn(person, claims string) {
	w.t.Helper()
	a := pim.Authorization{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43), Redirect: callback, Claims: claims}
	if claims != "" {
		a.Kind = pim.AzureResource
	}
	page, err := w.signin.AuthURL(w.t.Context(), a)
	w.must(err)
	browser, err := pimtest.NewBrowser()
	w.must(err)
	back, err := browser.SignIn(w.t.Context(), page, person)
	w.must(err)
	_, keep, err := w.signin.Redeem(w.t.Context(), back.Query().Get("code"), a)
	w.must(err)
	w.must(keep(w.t.Context()))
}

func (w *tenant) wants(what string, err error, code pim.Code) *pim.Error {
	w.t.Helper()
	if pim.CodeOf(err) != code {
		w.t.Fatalf("%s: %v, want %s", what, err, code)
	}
	return refused(w.t, err)
}

// eligible is Alice's eligibility for a role.
func (w *tenant) eligible(role string) pim.EligibleAssignment {
	w.t.Helper()
	all, err := w.Client.Eligible(w.t.Context(), simAlice)
	w.must(err)
	for _, e := range all {
		if strings.HasSuffix(e.Role, role) {
			return e
		}
	}
	w.t.Fatalf("no eligibility for %s in %+v", role, all)
	return pim.EligibleAssignment{}
}

// asks is an activation of e, at a scope below it if one is given.
func asks(e pim.EligibleAssignment, at string) pim.Activation {
	if at != "" {
		e.Scope = at
	}
	return pim.Activation{Assignment: e.Assignment, ID: uuid.NewString(), Justification: "INC-42", Ticket: pim.Ticket{Number: "CHG1", System: "Jira"},
		Duration: 90 * time.Minute, Schedule: e.Schedule, Condition: e.Condition, ConditionVersion: e.ConditionVersion}
}
