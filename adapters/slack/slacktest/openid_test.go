package slacktest

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// browser keeps redirects to itself.
func browser() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// wanted is a correct authorization request, changed by pairs; an empty value removes.
func (w *world) wanted(pairs ...string) url.Values {
	v := url.Values{
		"response_type": {"code"}, "scope": {"openid profile email"}, "client_id": {"12.34"}, "state": {"st&te"},
		"nonce": {"n-1"}, "team": {"T0SIMULATED"}, "redirect_uri": {w.Options().App + "/signin/slack/callback"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		} else {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// choose submits the page's form and returns where the browser is sent.
func (w *world) choose(v url.Values, choice, user string) (*http.Response, *url.URL) {
	w.t.Helper()
	v.Set("choice", choice)
	v.Set("user", user)
	res, err := browser().PostForm(w.api.URL+"/openid/connect/authorize", v)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		return res, nil
	}
	return res, back
}

// code goes through the page as alice.
func (w *world) code(pairs ...string) string {
	w.t.Helper()
	_, back := w.choose(w.wanted(pairs...), "allow", alice)
	if back == nil {
		w.t.Fatal("no redirect")
	}
	return back.Query().Get("code")
}

func (w *world) token(pairs ...string) map[string]any {
	w.t.Helper()
	v := url.Values{"client_id": {"12.34"}, "client_secret": {"client"}, "redirect_uri": {w.Options().App + "/signin/slack/callback"}, "grant_type": {"authorization_code"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	res, m := w.post("openid.connect.token", "application/x-www-form-urlencoded", v.Encode(), "")
	if res.StatusCode != 200 {
		w.t.Errorf("status %d", res.StatusCode)
	}
	return m
}

// verify checks an id token against the published key.
func (w *world) verify(idToken string) jwt.MapClaims {
	w.t.Helper()
	var keys struct {
		Keys []struct{ Kty, Kid, Alg, Use, N, E string }
	}
	w.get("/openid/connect/keys", &keys)
	claims := make(jwt.MapClaims)
	_, err := jwt.ParseWithClaims(idToken, claims, func(tok *jwt.Token) (any, error) {
		k := keys.Keys[0]
		if tok.Header["kid"] != k.Kid || k.Alg != "RS256" || k.Use != "sig" || k.Kty != "RSA" {
			w.t.Errorf("key %v for token %v", k, tok.Header)
		}
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		if err != nil {
			return nil, err
		}
		e, err := base64.RawURLEncoding.DecodeString(k.E)
		if err != nil {
			return nil, err
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(w.clock.now), jwt.WithIssuer(w.api.URL), jwt.WithAudience("12.34"))
	if err != nil {
		w.t.Fatal(err)
	}
	return claims
}

func (w *world) get(path string, into any) *http.Response {
	w.t.Helper()
	res, err := http.Get(w.api.URL + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		w.t.Fatal(err)
	}
	return res
}

func TestSignIn(t *testing.T) {
	w := start(t)
	w.AddUser(User{ID: "U0GONE", Name: "gone", RealName: "Gone", Deleted: true})
	w.AddUser(User{ID: "U0MARK", Name: "mark", RealName: `<b>Mark "x"</b>`})
	var conf map[string]any
	w.get("/.well-known/openid-configuration", &conf)
	if conf["issuer"] != w.api.URL || conf["token_endpoint"] != w.api.URL+"/api/openid.connect.token" || conf["jwks_uri"] != w.api.URL+"/openid/connect/keys" {
		t.Errorf("discovery %v", conf)
	}
	res, err := browser().Get(w.api.URL + "/openid/connect/authorize?" + w.wanted().Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<html lang="en">`, "<legend>", `value="U0ALICE"`, "Alice Archer", `value="st&amp;te"`, "Cancel", "&lt;b&gt;Mark"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"U0GONE", "U0SIMULATEDBOT", "<script", "<b>"} {
		if strings.Contains(string(page), not) {
			t.Errorf("the page has %q", not)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}

	_, back := w.choose(w.wanted(), "allow", alice)
	if back.Path != "/signin/slack/callback" || back.Query().Get("state") != "st&te" {
		t.Errorf("sent to %s", back)
	}
	m := w.ok(w.token("code", back.Query().Get("code")))
	claims := w.verify(m["id_token"].(string))
	for k, want := range map[string]any{
		"sub": alice, "https://slack.com/user_id": alice, "https://slack.com/team_id": "T0SIMULATED", "nonce": "n-1",
		"email": "alice@example.com", "email_verified": true, "name": "Alice Archer", "given_name": "Alice", "family_name": "Archer",
	} {
		if claims[k] != want {
			t.Errorf("claim %s is %v, want %v", k, claims[k], want)
		}
	}
	sum := sha256.Sum256([]byte(m["access_token"].(string)))
	if claims["at_hash"] != base64.RawURLEncoding.EncodeToString(sum[:16]) {
		t.Errorf("at_hash %v", claims["at_hash"])
	}
	_, info := w.post("openid.connect.userInfo", "", "", "Bearer "+m["access_token"].(string))
	if w.ok(info); info["https://slack.com/user_id"] != alice || info["email"] != "alice@example.com" {
		t.Errorf("userInfo %v", info)
	}
	w.refused(w.token("code", back.Query().Get("code")), "code_already_used")
	for auth, want := range map[string]string{"": "not_authed", "Bearer xoxp-none": "invalid_auth", "Bearer " + token: "missing_scope"} {
		_, info := w.post("openid.connect.userInfo", "", "", auth)
		w.refused(info, want)
	}
	w.refused(w.form("auth.test", "token", m["access_token"].(string)), "invalid_auth")
}

func TestSignInBasicCredentialsAndLessScope(t *testing.T) {
	w := start(t)
	v := url.Values{"code": {w.code("scope", "openid", "nonce", "", "state", "")}, "redirect_uri": {w.Options().App + "/signin/slack/callback"}}
	req, err := http.NewRequest(http.MethodPost, w.api.URL+"/api/openid.connect.token", strings.NewReader(v.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("12.34", "client")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	claims := w.verify(w.ok(m)["id_token"].(string))
	for _, k := range []string{"email", "name", "nonce"} {
		if _, has := claims[k]; has {
			t.Errorf("the claim %s was not asked for", k)
		}
	}
}

func TestSignInCanceled(t *testing.T) {
	w := start(t)
	_, back := w.choose(w.wanted(), "cancel", "")
	if q := back.Query(); q.Get("error") != "access_denied" || q.Get("state") != "st&te" || q.Has("code") {
		t.Errorf("sent to %s", back)
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	w := start(t)
	for _, pairs := range [][]string{
		{"client_id", "56.78"}, {"client_id", ""},
		{"redirect_uri", "https://evil.example/cb"}, {"redirect_uri", ""}, {"redirect_uri", w.Options().App + ".evil.example/"},
		{"redirect_uri", "javascript:alert(1)"}, {"redirect_uri", w.Options().App + "/signin#x"},
		{"response_type", "token"}, {"scope", "profile"}, {"scope", "openid identity.basic"}, {"team", "T0OTHER"},
		{"code_challenge", "short", "code_challenge_method", "S256"},
		{"code_challenge", strings.Repeat("x", 43), "code_challenge_method", "plain"},
	} {
		res, err := browser().Get(w.api.URL + "/openid/connect/authorize?" + w.wanted(pairs...).Encode())
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		posted, back := w.choose(w.wanted(pairs...), "allow", alice)
		if res.StatusCode != 400 || posted.StatusCode != 400 || back != nil {
			t.Errorf("%q: page %d, form %d, sent to %v", pairs, res.StatusCode, posted.StatusCode, back)
		}
	}
	for _, user := range []string{"", "U0NONE", w.Options().BotUserID} {
		if res, back := w.choose(w.wanted(), "allow", user); res.StatusCode != 400 || back != nil {
			t.Errorf("user %q: %d, sent to %v", user, res.StatusCode, back)
		}
	}
	if res, _ := w.choose(w.wanted("response_mode", "form_post"), "allow", alice); res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
	w.complained("response_mode")
	w.choose(w.wanted("display", "popup"), "allow", alice)
	w.complained("display")

	req, err := http.NewRequest(http.MethodPost, w.api.URL+"/openid/connect/authorize", strings.NewReader(w.wanted("choice", "allow", "user", alice).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	res, err := browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
}

func TestTokenRefusals(t *testing.T) {
	w := start(t)
	code := w.code()
	for _, c := range []struct {
		want  string
		pairs []string
	}{
		{"invalid_client_id", []string{"code", code, "client_id", "56.78"}},
		{"bad_client_secret", []string{"code", code, "client_secret", "guess"}},
		{"invalid_grant_type", []string{"code", code, "grant_type", "password"}},
		{"invalid_code", []string{"code", "1.2.3"}},
		{"invalid_code", nil},
		{"bad_redirect_uri", []string{"code", code, "redirect_uri", w.Options().App + "/signin/other"}},
		{"invalid_code_verifier", []string{"code", code, "code_verifier", "nobody asked"}},
	} {
		w.refused(w.token(c.pairs...), c.want)
	}
	w.ok(w.token("code", code)) // a refusal does not use the code up

	verifier := strings.Repeat("v", 50)
	sum := sha256.Sum256([]byte(verifier))
	code = w.code("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256")
	w.refused(w.token("code", code), "invalid_code_verifier")
	w.refused(w.token("code", code, "code_verifier", verifier+"x"), "invalid_code_verifier")
	w.ok(w.token("code", code, "code_verifier", verifier))

	code = w.code()
	w.clock.advance(codeLife + time.Second)
	w.refused(w.token("code", code), "invalid_code")

	w.refused(w.token("code", code, "refresh_token", "x"), "invalid_code")
	w.complained("refresh_token")

	none := start(t, func(o *Options) { o.ClientID, o.ClientSecret = "", "" })
	none.refused(none.token("client_id", "", "client_secret", ""), "invalid_client_id")
}

func TestRegisteredRedirectURLs(t *testing.T) {
	w := start(t, func(o *Options) { o.RedirectURLs = []string{"https://bot.example/signin"} })
	for link, want := range map[string]int{
		"https://bot.example/signin": 303, "https://bot.example/signin/slack/callback": 303,
		"https://bot.example/signins": 400, "https://bot.example.evil.example/signin": 400, "http://bot.example/signin": 400,
	} {
		if res, _ := w.choose(w.wanted("redirect_uri", link), "allow", alice); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", link, res.StatusCode, want)
		}
	}
}
