package signin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store/storetest"
)

func TestAppToken(t *testing.T) {
	w := newWorld(t)
	token, err := w.client.App(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c := claims(t, token); c.Type != "app" || len(c.Roles) != 1 || c.Scp != "" {
		t.Errorf("Belay's own token: %+v", c)
	}
	if again, err := w.client.App(context.Background()); err != nil || again != token || w.wire.count() != 1 {
		t.Errorf("asked %d times, %v", w.wire.count(), err)
	}
}

func TestAppRefused(t *testing.T) {
	w := newWorld(t)
	wrong := w.restart(func(o *signin.Options) { o.Credential.Secret = "canary-of-last-year" })
	_, err := wrong.App(context.Background())
	if e := w.refused(err, pim.CodeInvalidClientConfig); !strings.Contains(e.Service, "AADSTS7000215") {
		t.Errorf("Service = %q", e.Service)
	}
	before := w.wire.count()
	w.tenant.FailNext(onToken, pimtest.Fault{Status: 503, Body: "canary"})
	_, err = w.restart(nil).App(context.Background())
	w.refused(err, pim.CodeUnavailable)
	w.tenant.FailNext(onToken, pimtest.Fault{Drop: true})
	_, err = w.restart(nil).App(context.Background())
	w.refused(err, pim.CodeUnavailable)
	if n := w.wire.count() - before; n != 2 {
		t.Errorf("%d token requests for two failures: something retries", n)
	}
}

func TestAppWithCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "belay"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	var both bytes.Buffer
	for kind, b := range map[string][]byte{"CERTIFICATE": der, "PRIVATE KEY": pkcs8} {
		if err := pem.Encode(&both, &pem.Block{Type: kind, Bytes: b}); err != nil {
			t.Fatal(err)
		}
	}
	tenant, err := pimtest.New(pimtest.Options{TenantID: tenantID, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, Certificates: []*x509.Certificate{cert}, RedirectURIs: []string{redirect}, Delegated: signin.Scopes()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.AddUser(pimtest.User{ID: aliceID, Name: "Alice", UPN: "alice@contoso.example"}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	login, pages := httptest.NewTLSServer(tenant.Login()), httptest.NewServer(tenant.Browser())
	t.Cleanup(login.Close)
	t.Cleanup(pages.Close)
	tenant.SetURLs(pimtest.URLs{Login: login.URL, Browser: pages.URL})
	w.tenant = tenant
	w.client = w.restart(func(o *signin.Options) {
		o.Login, o.HTTP, o.Credential = login.URL, login.Client(), signin.Credential{Certificate: both.Bytes()}
	})
	token, err := w.client.App(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if claims(t, token).Type != "app" {
		t.Error("not an application's token")
	}
	w.signIn(w.client, aliceID, authorization()) // the same certificate redeems people's codes
}

func TestFederatedTokenFileIsReadAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var asserted []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
			asserted = append(asserted, form.Get("grant_type")+" "+form.Get("client_assertion"))
			answer = map[string]any{"error": "invalid_grant", "error_codes": []int{70008}}
			w.WriteHeader(http.StatusBadRequest)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	c, err := signin.New(signin.Options{Store: storetest.Memory(), Key: func(p string) string { return p }, Login: server.URL,
		Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{TokenFile: file}, HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"monday", "tuesday"} {
		write(token)
		if _, _, err := c.Redeem(context.Background(), "code", authorization()); pim.CodeOf(err) != pim.CodeSignIn {
			t.Error(err)
		}
	}
	if _, err := c.App(context.Background()); err == nil {
		t.Error("an app token out of nothing")
	}
	if got := strings.Join(asserted, ", "); got != "authorization_code monday, authorization_code tuesday, client_credentials tuesday" {
		t.Errorf("the token endpoint saw %s", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := signin.Options{Store: storetest.Memory(), Key: func(p string) string { return p }, Login: "https://login.microsoftonline.com/",
		Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{Secret: secret}}
	if _, err := signin.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*signin.Options){
		"no store":        func(o *signin.Options) { o.Store = nil },
		"no key":          func(o *signin.Options) { o.Key = nil },
		"no tenant":       func(o *signin.Options) { o.Tenant = "" },
		"http":            func(o *signin.Options) { o.Login = "http://login.example" },
		"a path":          func(o *signin.Options) { o.Login = "https://login.example/tenant" },
		"no credential":   func(o *signin.Options) { o.Credential = signin.Credential{} },
		"two credentials": func(o *signin.Options) { o.Credential.TokenFile = "/x" },
		"not a certificate": func(o *signin.Options) {
			o.Credential = signin.Credential{Certificate: []byte("canary")}
		},
	} {
		o := good
		spoil(&o)
		if _, err := signin.New(o); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
