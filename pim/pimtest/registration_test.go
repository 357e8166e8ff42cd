package pimtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	regTenant = "11111111-0000-4000-8000-000000000000"
	regClient = "22222222-0000-4000-8000-000000000000"
	regUser   = "a0000000-0000-4000-8000-000000000001"
)

func registered(t *testing.T, app App) *Tenant {
	t.Helper()
	app.ClientID, app.ClientSecret = regClient, "a client secret"
	tenant, err := New(Options{TenantID: regTenant, App: app, Unkind: Kind(), Unhandled: func(s string) { t.Error(s) }})
	if err != nil {
		t.Fatal(err)
	}
	tenant.SetURLs(URLs{Login: "https://login.example", Graph: "https://graph.example"})
	if err := tenant.AddUser(User{ID: regUser, Name: "Olga Operator", UPN: "olga@contoso.example"}); err != nil {
		t.Fatal(err)
	}
	return tenant
}

// own is the application's token, or Entra's refusal.
func own(t *testing.T, tenant *Tenant) (token, refusal string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {regClient}, "client_secret": {"a client secret"}, "scope": {"https://graph.microsoft.com/.default"}}
	r := httptest.NewRequest(http.MethodPost, "/"+regTenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	tenant.Login().ServeHTTP(w, r)
	var answer struct {
		Token   string `json:"access_token"`
		Refusal string `json:"error_description"`
	}
	if err := json.NewDecoder(w.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Token, answer.Refusal
}

func get(t *testing.T, tenant *Tenant, path, token string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/v1.0"+path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	tenant.Graph().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

// The registration is shown to whoever may read it, with its secrets' ends and
// without its secrets.
func TestRegistrationIsRead(t *testing.T) {
	tenant := registered(t, App{RedirectURIs: []string{"https://belay.example/signin"}, Delegated: []string{"RoleManagement.Read.Directory"},
		Application: []string{"User.Read.All"}, Registration: Registration{IDClaims: []string{"auth_time"}, TokenVersion: 2, URIs: []string{"api://x"}}})
	cli, err := tenant.CLIToken(regUser)
	if err != nil {
		t.Fatal(err)
	}
	app, _ := own(t, tenant)
	application := "/applications(appId='" + regClient + "')"
	for path, want := range map[string][]string{
		application: {`"signInAudience":"AzureADMyOrg"`, `"https://belay.example/signin"`, `"requestedAccessTokenVersion":2`, `"name":"auth_time"`, `"endDateTime":"2`},
		"/servicePrincipals(appId='" + regClient + "')/oauth2PermissionGrants": {`"consentType":"AllPrincipals"`, "RoleManagement.Read.Directory"},
		"/servicePrincipals(appId='" + graphAppID + "')?$select=id":            {`"id":"`},
	} {
		status, body := get(t, tenant, path, cli)
		if status != http.StatusOK || strings.Contains(body, "a client secret") {
			t.Errorf("%s: HTTP %d %s", path, status, body)
		}
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: %q is missing in %s", path, text, body)
			}
		}
		if status, _ := get(t, tenant, path, app); status != http.StatusForbidden {
			t.Errorf("%s: an application with User.Read.All is answered HTTP %d", path, status)
		}
	}
}

func TestSecretEnds(t *testing.T) {
	if token, refusal := own(t, registered(t, App{Registration: Registration{SecretUntil: time.Now().Add(time.Hour)}})); token == "" {
		t.Error(refusal)
	}
	token, refusal := own(t, registered(t, App{Registration: Registration{SecretUntil: time.Now().Add(-time.Hour)}}))
	if token != "" || !strings.HasPrefix(refusal, "AADSTS7000222:") {
		t.Errorf("a token %q, or %q", token, refusal)
	}
}
