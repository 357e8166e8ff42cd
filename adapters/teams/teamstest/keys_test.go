package teamstest

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/golang-jwt/jwt/v5"
)

// fetch reads JSON as a bot does.
func (r *rig) fetch(from string, v any) {
	r.t.Helper()
	response, err := http.Get(from)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: HTTP %d", from, response.StatusCode)
	}
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		r.t.Fatal(err)
	}
}

// published gives the keys by kid, and what each is endorsed for.
func (r *rig) published() (map[string]*rsa.PublicKey, map[string]string) {
	r.t.Helper()
	var metadata struct {
		Issuer     string   `json:"issuer"`
		JWKSURI    string   `json:"jwks_uri"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	r.fetch(r.urls.OpenID+"/v1/.well-known/openidconfiguration", &metadata)
	if metadata.Issuer != "https://api.botframework.com" || len(metadata.Algorithms) != 1 || metadata.Algorithms[0] != "RS256" {
		r.t.Errorf("metadata: %+v", metadata)
	}
	var set struct {
		Keys []struct {
			KID          string   `json:"kid"`
			N            string   `json:"n"`
			E            string   `json:"e"`
			Endorsements []string `json:"endorsements"`
		} `json:"keys"`
	}
	r.fetch(metadata.JWKSURI, &set)
	keys, endorsed := map[string]*rsa.PublicKey{}, map[string]string{}
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil || k.E != "AQAB" {
			r.t.Fatalf("key %+v: %v", k, err)
		}
		keys[k.KID] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		endorsed[k.KID] = strings.Join(k.Endorsements, " ")
	}
	return keys, endorsed
}

// validate checks a token as a careful bot does.
func (r *rig) validate(token string) error {
	keys, endorsed := r.published()
	claims := jwt.MapClaims{}
	parsed, err := jwt.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		key, ok := keys[fmt.Sprint(t.Header["kid"])]
		if !ok {
			return nil, errors.New("unknown key")
		}
		return key, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("https://api.botframework.com"), jwt.WithAudience(appID),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(r.clock))
	if err != nil {
		return err
	}
	if !strings.Contains(endorsed[fmt.Sprint(parsed.Header["kid"])], "msteams") {
		return errors.New("not endorsed")
	}
	if claims["serviceurl"] != r.urls.Service {
		return errors.New("another service URL")
	}
	return nil
}

func TestTokensOfDeliveries(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.Message(ctx(t), "Alice", "", "hi", false); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimPrefix(r.took(1)[0].header.Get("Authorization"), "Bearer ")
	if err := r.validate(token); err != nil {
		t.Error(err)
	}
	r.advance(time.Hour)
	if err := r.validate(token); !errors.Is(err, jwt.ErrTokenExpired) {
		t.Errorf("after an hour: %v", err)
	}
}

func TestForgedTokens(t *testing.T) {
	r := newRig(t, nil)
	set := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	for name, c := range map[string]struct {
		edit func(jwt.MapClaims)
		key  KeyChoice
		want string
	}{
		"good":         {nil, KeyCurrent, ""},
		"webchat":      {nil, KeyWebchat, "not endorsed"},
		"unknown key":  {nil, KeyUnknown, "unknown key"},
		"imposter":     {nil, KeyImposter, "verification error"},
		"hmac":         {nil, KeyHMAC, "signing method"},
		"none":         {nil, KeyNone, "signing method"},
		"audience":     {set("aud", tenantID), KeyCurrent, "audience"},
		"issuer":       {set("iss", "https://sts.windows.net/"), KeyCurrent, "issuer"},
		"service":      {set("serviceurl", "https://evil.example/"), KeyCurrent, "service URL"},
		"no expiry":    {func(c jwt.MapClaims) { delete(c, "exp") }, KeyCurrent, "exp"},
		"not yet good": {set("nbf", r.clock().Add(time.Hour).Unix()), KeyCurrent, "not valid yet"},
	} {
		err := r.validate(r.Token(c.edit, c.key))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if r.Token(nil, KeyPrevious) != "" || r.Token(nil, KeyRetired) != "" {
		t.Error("a key from before the first rotation")
	}
}

func TestRotation(t *testing.T) {
	r := newRig(t, nil)
	first := r.Token(nil, KeyCurrent)
	for range 2 {
		if err := r.RotateKey(); err != nil {
			t.Fatal(err)
		}
		if err := r.validate(r.Token(nil, KeyCurrent)); err != nil {
			t.Error(err)
		}
		if err := r.validate(r.Token(nil, KeyPrevious)); err != nil {
			t.Error(err)
		}
	}
	for name, token := range map[string]string{"first": first, "retired": r.Token(nil, KeyRetired)} {
		if err := r.validate(token); err == nil || !strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c := r.Counts(); c.Metadata != c.Keys || c.Keys == 0 {
		t.Errorf("counts: %+v", c)
	}
}

func TestLoginRefuses(t *testing.T) {
	r := newRig(t, nil)
	for name, c := range map[string]struct {
		form   url.Values
		status int
		want   string
	}{
		"wrong secret": {url.Values{"client_secret": {"x"}}, 401, "AADSTS7000215"},
		"unknown app":  {url.Values{"client_id": {tenantID}}, 400, "AADSTS700016"},
		"other scope":  {url.Values{"scope": {"https://graph.microsoft.com/.default"}}, 400, "AADSTS1002012"},
		"no scope":     {url.Values{"scope": {"openid"}}, 400, "AADSTS1002012"},
	} {
		if got := r.fetchToken(c.status, c.form); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := r.fetchToken(400, url.Values{"grant_type": {"password"}}); !strings.HasPrefix(got, "AADSTS70003") {
		t.Errorf("grant: %q", got)
	}
	r.complained("grant type")
	response, err := r.login.Client().Get(r.login.URL + "/" + appID + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != 400 {
		t.Errorf("another tenant: HTTP %d, %v", response.StatusCode, err)
	}
}

// onlyTo refuses requests to any other host, so that the test sees what
// azidentity asks for.
type onlyTo struct {
	t    *testing.T
	host string
	next *http.Client
}

func (o onlyTo) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Host != o.host {
		o.t.Errorf("azidentity asks %s", r.URL)
		return nil, errors.New("no such host")
	}
	return o.next.Do(r)
}

func TestLoginServesAzidentity(t *testing.T) {
	r := newRig(t, nil)
	r.mu.Lock()
	r.now = time.Now() // azidentity has no clock of its own
	r.mu.Unlock()
	login, err := url.Parse(r.login.URL)
	if err != nil {
		t.Fatal(err)
	}
	credential := func(secret string) azcore.TokenCredential {
		c, err := azidentity.NewClientSecretCredential(tenantID, appID, secret, &azidentity.ClientSecretCredentialOptions{
			DisableInstanceDiscovery: true,
			ClientOptions: azcore.ClientOptions{
				Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: r.login.URL + "/"},
				Transport: onlyTo{t, login.Host, r.login.Client()},
				Retry:     policy.RetryOptions{MaxRetries: -1},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	scopes := policy.TokenRequestOptions{Scopes: []string{"https://api.botframework.com/.default"}}
	token, err := credential(secret).GetToken(ctx(t), scopes)
	if err != nil {
		t.Fatal(err)
	}
	r.token = token.Token
	r.must(r.call("POST", "/v3/conversations", create(bobOID)), 201, "")
	var failed *azidentity.AuthenticationFailedError
	if _, err := credential("wrong").GetToken(ctx(t), scopes); !errors.As(err, &failed) || failed.RawResponse.StatusCode != 401 {
		t.Errorf("a wrong secret: %v", err)
	}
}
