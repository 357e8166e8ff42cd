package pimtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/coreos/go-oidc/v3/oidc"
)

// These tests let Microsoft's own library, and an OpenID Connect library, use the
// sign-in service: what they ask for, the simulator answers.

const rasw = "https://graph.microsoft.com/RoleAssignmentSchedule.ReadWrite.Directory"

// real gives a harness on the wall clock, which the libraries read themselves.
func real(o *Options) { o.WallNow = nil }

func (h *harness) msal(cred confidential.Credential, more ...confidential.Option) confidential.Client {
	h.t.Helper()
	more = append(more, confidential.WithHTTPClient(h.client), confidential.WithInstanceDiscovery(false), confidential.WithClientCapabilities([]string{"cp1"}))
	c, err := confidential.New(h.login+"/"+tenantID, clientID, cred, more...)
	h.must(err)
	return c
}

func TestMSALSignsPeopleIn(t *testing.T) {
	h := newHarness(t, real)
	cred, err := confidential.NewCredFromSecret(secret)
	h.must(err)
	c := h.msal(cred)
	ctx := t.Context()

	raw, err := c.AuthCodeURL(ctx, clientID, callback, []string{rasw}, confidential.WithClaims(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`))
	h.must(err)
	u, err := url.Parse(raw)
	h.must(err)
	want, err := url.Parse(h.authorizeURL(map[string]string{"scope": rasw + " openid profile offline_access"}))
	h.must(err)
	q := u.Query()
	for k, v := range want.Query() { // what MSAL leaves to the app: state, nonce, PKCE, the OpenID scopes
		q[k] = v
	}
	u.RawQuery = q.Encode()
	b, err := NewBrowser()
	h.must(err)
	to, err := b.SignIn(ctx, u.String(), alice)
	h.must(err)

	res, err := c.AcquireTokenByAuthCode(ctx, to.Query().Get("code"), callback, []string{rasw}, confidential.WithChallenge(verifier),
		confidential.WithClaims(`{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`))
	h.must(err)
	if res.Account.HomeAccountID != alice+"."+tenantID || res.IDToken.Oid != alice {
		t.Errorf("account %+v", res.Account)
	}
	h.activate(res.AccessToken, activation(alice, roleStepUp))

	silent, err := c.AcquireTokenSilent(ctx, []string{"https://management.azure.com/user_impersonation"}, confidential.WithSilentAccount(res.Account))
	h.must(err)
	if got := claimsOf(t, silent.AccessToken)["aud"]; got != "https://management.azure.com" {
		t.Errorf("silent audience %v", got)
	}

	// The id token verifies with the published keys.
	ctx = oidc.ClientContext(ctx, h.client)
	p, err := oidc.NewProvider(ctx, h.Issuer())
	h.must(err)
	id, err := p.Verifier(&oidc.Config{ClientID: clientID}).Verify(ctx, res.IDToken.RawToken)
	h.must(err)
	if id.Nonce != "the nonce" {
		t.Errorf("nonce %q", id.Nonce)
	}
	if p.Endpoint().AuthURL != h.browser+"/"+tenantID+"/oauth2/v2.0/authorize" {
		t.Errorf("authorization endpoint %s", p.Endpoint().AuthURL)
	}
}

func TestMSALAppToken(t *testing.T) {
	h := newHarness(t, real)
	cred, err := confidential.NewCredFromSecret(secret)
	h.must(err)
	res, err := h.msal(cred).AcquireTokenByCredential(t.Context(), []string{"https://graph.microsoft.com/.default"})
	h.must(err)
	h.rows(res.AccessToken, instancesPath)
}

func TestMSALCertificate(t *testing.T) {
	key, cert := certificate(t)
	_, stranger := certificate(t)
	for name, registered := range map[string]*x509.Certificate{"registered": cert, "another": stranger} {
		h := newHarness(t, real, func(o *Options) { o.App.ClientSecret, o.App.Certificates = "", []*x509.Certificate{registered} })
		cred, err := confidential.NewCredFromCert([]*x509.Certificate{cert}, key)
		h.must(err)
		res, err := h.msal(cred).AcquireTokenByCredential(context.Background(), []string{"https://graph.microsoft.com/.default"})
		if (err == nil) != (registered == cert) {
			t.Errorf("%s certificate: %v", name, err)
		}
		if err == nil {
			if status, _ := h.get(res.AccessToken, instancesPath); status != http.StatusOK {
				t.Errorf("the token is refused: %d", status)
			}
		}
	}
}

func certificate(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "belay"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}
