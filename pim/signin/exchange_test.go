package signin_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

const appURI = "api://botid-" + clientID

// newTeamsWorld is a world whose registration is ready for single sign-on.
func newTeamsWorld(t *testing.T, change func(*pimtest.Options)) (*world, *signin.Client) {
	t.Helper()
	w := newWorld(t)
	o := pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect}, URI: appURI, Clients: signin.TeamsClients(),
			Delegated: append(signin.Scopes(), "https://management.azure.com/user_impersonation")}}
	if change != nil {
		change(&o)
	}
	w.move(o)
	return w, w.restart(func(o *signin.Options) { o.AppURI = appURI })
}

// brought is the token that Teams brings for a person.
func (w *world) brought(user string, edit func(map[string]any)) string {
	w.t.Helper()
	token, err := w.tenant.ClientToken(user, signin.TeamsClients()[0], []string{"pwd", "mfa"}, edit)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func TestExchangeIsASignInLikeAnyOther(t *testing.T) {
	w, c := newTeamsWorld(t, nil)
	brought := w.brought(aliceID, nil)
	who, keep, err := c.Exchange(context.Background(), aliceID, brought)
	if err != nil {
		t.Fatal(err)
	}
	if who.ID != aliceID || who.Tenant != tenantID || who.UPN != "alice@contoso.example" {
		t.Errorf("proven is %+v", who)
	}
	if ok, err := c.Live(context.Background(), aliceID); ok || err != nil {
		t.Fatalf("kept unasked: %t, %v", ok, err)
	}
	if err := keep(context.Background()); err != nil {
		t.Fatal(err)
	}
	first := w.person(c, aliceID)
	if got := claims(t, first); got.Aud != "https://graph.microsoft.com" || got.OID != aliceID || got.Type != "user" {
		t.Errorf("the token is %+v", got)
	}
	// What is kept is a refresh token, never what Teams brought nor an access token.
	text := w.grantText()
	for _, bad := range []string{brought, strings.Split(brought, ".")[2], first, "eyJ", "AccessToken", "IdToken", "ssertion"} {
		if strings.Contains(text, bad) {
			t.Errorf("%.12q… is in the stored grant", bad)
		}
	}
	if !strings.Contains(text, "0.A") {
		t.Error("no refresh token is in the stored grant")
	}
	// It serves the next process, for Graph and, silently, for Azure; and the one after.
	next := w.restart(nil)
	if got := claims(t, w.person(next, aliceID)); got.OID != aliceID || len(got.CC) == 0 {
		t.Errorf("after a restart: %+v", got)
	}
	azure, err := w.restart(nil).Resource(pim.AzureResource).Person(context.Background(), aliceID)
	if err != nil || !strings.Contains(claims(t, azure).Aud, "management") {
		t.Errorf("Azure: %v", err)
	}
	w.wait(13 * time.Hour)
	if w.live(aliceID) {
		t.Error("the sign-in outlives its greatest age")
	}
}

func TestForgedTokensOfSingleSignOn(t *testing.T) {
	w, c := newTeamsWorld(t, nil)
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	drop := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	good := w.brought(aliceID, nil)
	parts := strings.Split(good, ".")
	payload := func(token string) jwt.MapClaims {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		c := jwt.MapClaims{}
		if err == nil {
			err = json.Unmarshal(raw, &c)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	header := func(token string) (h struct{ Kid string }) {
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if err == nil {
			err = json.Unmarshal(raw, &h)
		}
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	signed := func(m jwt.SigningMethod, key any, kid string) string {
		j := jwt.NewWithClaims(m, payload(good))
		if kid != "" {
			j.Header["kid"] = kid
		}
		s, err := j.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	strange, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	kid := header(good).Kid
	modulus := w.modulus()
	for name, token := range map[string]string{
		"alg none":                        signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid),
		"HS256 with the modulus":          signed(jwt.SigningMethodHS256, modulus, kid),
		"HS256 with its text":             signed(jwt.SigningMethodHS256, []byte(base64.RawURLEncoding.EncodeToString(modulus)), kid),
		"known kid, another key":          signed(jwt.SigningMethodRS256, strange, kid),
		"unknown kid":                     signed(jwt.SigningMethodRS256, strange, "elsewhere"),
		"no kid":                          signed(jwt.SigningMethodRS256, strange, ""),
		"RS512":                           signed(jwt.SigningMethodRS512, strange, kid),
		"altered claims":                  parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2],
		"no signature":                    parts[0] + "." + parts[1] + ".",
		"garbage":                         "a.b.c",
		"empty":                           "",
		"dots only":                       strings.Repeat(".", 7000),
		"a hundred kilobytes":             parts[0] + "." + parts[1] + strings.Repeat("A", 100<<10) + "." + parts[2],
		"five parts":                      good + ".x.y",
		"another person":                  w.brought(bobID, nil),
		"another person's object id":      w.brought(aliceID, set("oid", bobID)),
		"no object id":                    w.brought(aliceID, drop("oid")),
		"the object id is a list":         w.brought(aliceID, set("oid", []string{aliceID})),
		"another tenant":                  w.brought(aliceID, set("tid", "22222222-0000-4000-8000-000000000002")),
		"no tenant":                       w.brought(aliceID, drop("tid")),
		"another issuer":                  w.brought(aliceID, set("iss", "https://sts.windows.net/"+tenantID+"/")),
		"no issuer":                       w.brought(aliceID, drop("iss")),
		"another audience":                w.brought(aliceID, set("aud", "00000003-0000-0000-c000-000000000000")),
		"several audiences":               w.brought(aliceID, set("aud", []string{clientID, "other"})),
		"no audience":                     w.brought(aliceID, drop("aud")),
		"another client":                  w.brought(aliceID, set("azp", "04b07795-8ddb-461a-bbee-02f9e1bf7b46")),
		"Belay itself is the client":      w.brought(aliceID, set("azp", clientID)),
		"no client":                       w.brought(aliceID, drop("azp")),
		"an id token: no scope":           w.brought(aliceID, drop("scp")),
		"another scope":                   w.brought(aliceID, set("scp", "access_as_user.not User.Read")),
		"expired":                         w.brought(aliceID, set("exp", w.now().Add(-time.Minute).Unix())),
		"no expiry":                       w.brought(aliceID, drop("exp")),
		"not valid yet":                   w.brought(aliceID, set("nbf", w.now().Add(time.Hour).Unix())),
		"an access token for Graph":       w.graphToken(c),
		"a JSON serialisation, two heads": `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}..`,
	} {
		before := w.wire.count()
		_, keep, err := c.Exchange(context.Background(), aliceID, token)
		if pim.CodeOf(err) != pim.CodeInvalid || keep != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w.noCanary(err.Error())
		if w.wire.count() != before {
			t.Errorf("%s: the sign-in service was asked to redeem it", name)
		}
	}
	for name, token := range map[string]string{
		"as it is": good, "for the URI": w.brought(aliceID, set("aud", appURI)), "more scopes": w.brought(aliceID, set("scp", "openid access_as_user")),
		"Teams on the web": w.brought(aliceID, set("azp", signin.TeamsClients()[1])),
	} {
		if _, _, err := c.Exchange(context.Background(), aliceID, token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := w.client.Exchange(context.Background(), aliceID, good); pim.CodeOf(err) != pim.CodeInvalid {
		t.Errorf("without single sign-on in the configuration: %v", err)
	}
}

// graphToken is an access token of Alice for Graph, by way of the browser.
func (w *world) graphToken(c *signin.Client) string {
	w.t.Helper()
	w.signIn(c, aliceID, authorization())
	return w.person(c, aliceID)
}

// modulus is that of the tenant's signing key, as it is published.
func (w *world) modulus() []byte {
	w.t.Helper()
	resp, err := w.login.Client().Get(w.login.URL + "/" + tenantID + "/discovery/v2.0/keys")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var set struct{ Keys []struct{ N string } }
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		w.t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestUnknownKeysAreAskedForSeldom(t *testing.T) {
	w, _ := newTeamsWorld(t, nil)
	fetched := 0
	c := w.restart(func(o *signin.Options) {
		o.AppURI = appURI
		o.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/keys") {
				fetched++
			}
			return w.wire.RoundTrip(r)
		})}
	})
	strange, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	try := func(kid string) error {
		j := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"exp": w.now().Add(time.Hour).Unix()})
		j.Header["kid"] = kid
		raw, err := j.SignedString(strange)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Exchange(context.Background(), aliceID, raw)
		return err
	}
	for _, kid := range strings.Split("abcdefghijklmnop", "") {
		w.refused(try(kid), pim.CodeInvalid)
	}
	if fetched != 1 {
		t.Errorf("a storm of unknown keys had Belay ask %d times", fetched)
	}
	if _, _, err := c.Exchange(context.Background(), aliceID, w.brought(aliceID, nil)); err != nil {
		t.Errorf("in the storm an honest token is refused: %v", err)
	}
	w.wait(2 * time.Minute)
	w.refused(try("q"), pim.CodeInvalid)
	if fetched != 2 {
		t.Errorf("later it asked %d times in all, want 2", fetched)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestExchangeThatMicrosoftRefuses(t *testing.T) {
	w, c := newTeamsWorld(t, nil)
	refused := func(code pim.Code, user string, amr ...string) *pim.Error {
		t.Helper()
		token, err := w.tenant.ClientToken(user, signin.TeamsClients()[0], amr, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, keep, err := c.Exchange(context.Background(), user, token)
		if keep != nil {
			t.Error("there is something to keep")
		}
		return w.refused(err, code)
	}
	w.tenant.SetMFAPolicy(true)
	if e := refused(pim.CodeStepUp, aliceID, "pwd"); !strings.Contains(e.Claims, "capolids") {
		t.Errorf("the claims are %q", e.Claims)
	}
	w.tenant.SetMFAPolicy(false)
	for _, f := range []struct {
		name string
		body string
		code pim.Code
	}{
		{"blocked by a policy", `{"error":"invalid_grant","error_codes":[53003]}`, pim.CodeSignIn},
		{"revoked", `{"error":"invalid_grant","suberror":"bad_token","error_codes":[50173]}`, pim.CodeSignIn},
		{"enrolment for MFA", `{"error":"interaction_required","error_codes":[50079]}`, pim.CodeStepUp},
		{"the secret is wrong", `{"error":"invalid_client","error_codes":[7000215]}`, pim.CodeInvalidClientConfig},
		{"an answer without a refresh token", `{"access_token":"eyJ","token_type":"Bearer","expires_in":3600,"client_info":"eyJ1aWQiOiJhIiwidXRpZCI6ImIifQ"}`, pim.CodeUnavailable},
	} {
		status := http.StatusBadRequest
		if strings.Contains(f.body, "access_token") {
			status = http.StatusOK
		}
		w.tenant.FailNext(onToken, pimtest.Fault{Status: status, Body: f.body})
		t.Log(f.name)
		refused(f.code, aliceID, "pwd")
	}
	w.tenant.FailNext(onToken, pimtest.Fault{Status: http.StatusServiceUnavailable})
	refused(pim.CodeUnavailable, aliceID, "pwd")

	w, c = newTeamsWorld(t, func(o *pimtest.Options) { o.App.Delegated = []string{"User.Read"} })
	refused(pim.CodeForbidden, aliceID, "pwd", "mfa")
}

// FuzzAssertion brings what is no token of single sign-on. Nothing of it is redeemed.
func FuzzAssertion(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	claims := jwt.MapClaims{"iss": "https://login.example/" + tenantID + "/v2.0", "aud": clientID, "tid": tenantID, "oid": aliceID,
		"azp": signin.TeamsClients()[0], "scp": signin.AccessAsUser, "exp": 4e9}
	j := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	j.Header["kid"] = "k"
	good, err := j.SignedString(key)
	if err != nil {
		f.Fatal(err)
	}
	answers := roundTrip(func(r *http.Request) (*http.Response, error) {
		body := `{"issuer":"https://login.example/` + tenantID + `/v2.0","jwks_uri":"https://login.example/keys","token_endpoint":"https://login.example/token","authorization_endpoint":"https://login.example/authorize"}`
		switch {
		case r.Method == http.MethodPost:
			return nil, errors.New("redeemed")
		case strings.HasSuffix(r.URL.Path, "/keys"):
			body = `{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"` + b64(key.N.Bytes()) + `","e":"AQAB"}]}`
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"application/json"}}, Request: r}, nil
	})
	keys, err := store.NewKeyset()
	if err != nil {
		f.Fatal(err)
	}
	c, err := signin.New(signin.Options{Store: store.Seal(storetest.Memory(), keys), Key: func(p string) string { return p }, Login: "https://login.example",
		Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{Secret: "s"}, AppURI: appURI, HTTP: &http.Client{Transport: answers}})
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := c.Exchange(context.Background(), aliceID, good); pim.CodeOf(err) != pim.CodeUnavailable {
		f.Fatalf("the good token is not redeemed, so this target sees nothing: %v", err)
	}
	parts := strings.Split(good, ".")
	f.Add(good[:len(good)-2])
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".")
	f.Add(b64([]byte(`{"alg":"HS256","kid":"k"}`)) + "." + parts[1] + "." + parts[2])
	f.Add(`{"payload":"e30","signatures":[]}..`)
	f.Fuzz(func(t *testing.T, raw string) {
		_, keep, err := c.Exchange(context.Background(), aliceID, raw)
		p := strings.Split(raw, ".")
		same := len(p) == 3 && p[0] == parts[0] && p[1] == parts[1] // a signature's last character has bits that say nothing
		if code := pim.CodeOf(err); keep != nil || code != pim.CodeInvalid && !same {
			t.Errorf("%q: %v", raw, err)
		}
	})
}
