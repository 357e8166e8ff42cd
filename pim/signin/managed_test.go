package signin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store/storetest"
)

// identity is the endpoint that Container Apps and App Service give their managed
// identities, and a token endpoint that says what it was shown.
type identity struct {
	status   int
	answer   string
	asked    []string
	asserted []string
	login    *httptest.Server
}

func newIdentity(t *testing.T) *identity {
	t.Helper()
	i := &identity{}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Header.Get("X-IDENTITY-HEADER") != "canary-header" || q.Get("api-version") != "2019-08-01" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		i.asked = append(i.asked, q.Get("resource")+" "+q.Get("client_id"))
		w.Header().Set("Content-Type", "application/json")
		if i.status != 0 {
			w.WriteHeader(i.status)
			_, _ = io.WriteString(w, i.answer)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": "canary-identity-" + q.Get("client_id"), "token_type": "Bearer",
			"resource": q.Get("resource"), "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)})
	}))
	t.Cleanup(endpoint.Close)
	t.Setenv("IDENTITY_ENDPOINT", endpoint.URL)
	t.Setenv("IDENTITY_HEADER", "canary-header")
	i.login = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		if r.Method == http.MethodGet {
			base := "https://" + r.Host + "/" + tenantID
			answer = map[string]string{"issuer": base + "/v2.0", "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token"}
		} else {
			body, err := io.ReadAll(r.Body)
			form, perr := url.ParseQuery(string(body))
			if err != nil || perr != nil {
				t.Error(err, perr)
			}
			i.asserted = append(i.asserted, form.Get("grant_type")+" "+form.Get("client_assertion"))
			answer = map[string]any{"error": "invalid_grant", "error_codes": []int{70008}}
			if form.Get("grant_type") == "client_credentials" {
				answer = map[string]any{"access_token": "canary-app", "token_type": "Bearer", "expires_in": 3600}
			} else {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(i.login.Close)
	return i
}

func (i *identity) client(t *testing.T, managed string) *signin.Client {
	t.Helper()
	c, err := signin.New(signin.Options{Store: storetest.Memory(), Key: func(p string) string { return p }, Login: i.login.URL,
		Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{ManagedIdentity: managed}, HTTP: i.login.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A managed identity is Belay's credential, for people's codes and for its own tokens.
func TestManagedIdentityIsTheCredential(t *testing.T) {
	i := newIdentity(t)
	c := i.client(t, "managed-one")
	if _, _, err := c.Redeem(context.Background(), "code", authorization()); pim.CodeOf(err) != pim.CodeSignIn {
		t.Error(err)
	}
	if _, err := c.App(context.Background()); err != nil {
		t.Error(err)
	}
	if got := strings.Join(i.asserted, ", "); got != "authorization_code canary-identity-managed-one, client_credentials canary-identity-managed-one" {
		t.Errorf("the token endpoint saw %s", got)
	}
	for _, asked := range i.asked {
		if asked != "api://AzureADTokenExchange managed-one" {
			t.Errorf("the machine was asked for %s", asked)
		}
	}
	if len(i.asked) == 0 {
		t.Error("the machine was not asked")
	}
}

// What the machine answers is not Entra's word about a person: their sign-in stays.
func TestManagedIdentityRefusalEndsNoSignIn(t *testing.T) {
	for n, c := range []struct {
		status int
		answer string
		want   pim.Code
	}{
		{400, `{"error":"invalid_grant","error_description":"canary"}`, pim.CodeInvalidClientConfig},
		{400, `{"error":"invalid_request","error_description":"Identity not found canary"}`, pim.CodeInvalidClientConfig},
		{503, "canary", pim.CodeUnavailable},
		{429, "canary", pim.CodeUnavailable},
		{200, "canary, not JSON", pim.CodeUnavailable},
		{302, "", pim.CodeUnavailable},
	} {
		i := newIdentity(t)
		i.status, i.answer = c.status, c.answer
		client := i.client(t, "managed-refused-"+strconv.Itoa(n))
		_, _, err := client.Redeem(context.Background(), "code", authorization())
		if pim.CodeOf(err) != c.want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %s: %v", c.status, c.answer, err)
		}
		if _, err := client.App(context.Background()); pim.CodeOf(err) == pim.CodeSignIn || err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %s: %v", c.status, c.answer, err)
		}
		if len(i.asserted) > 0 {
			t.Errorf("asserted %q", i.asserted)
		}
	}
}

// Each of Microsoft's clouds has its own audience for such tokens.
func TestManagedIdentityInOtherClouds(t *testing.T) {
	for login, audience := range map[string]string{
		"https://login.microsoftonline.com":        "api://AzureADTokenExchange",
		"https://login.microsoftonline.us":         "api://AzureADTokenExchangeUSGov",
		"https://login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
	} {
		i := newIdentity(t)
		server := i.login.Listener.Addr().String()
		c, err := signin.New(signin.Options{Store: storetest.Memory(), Key: func(p string) string { return p }, Login: login, Tenant: tenantID, ClientID: clientID,
			Credential: signin.Credential{ManagedIdentity: "managed at " + login}, HTTP: &http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a simulated login host under its real name
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					var d net.Dialer
					return d.DialContext(ctx, "tcp", server)
				}}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.App(context.Background()); err != nil {
			t.Errorf("%s: %v", login, err)
		}
		if len(i.asked) != 1 || i.asked[0] != audience+" managed at "+login {
			t.Errorf("%s: asked for %q", login, i.asked)
		}
	}
}
