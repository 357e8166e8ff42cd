package pimtest

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// claimsOf reads a token without checking it; TestIDToken checks.
func claimsOf(t *testing.T, token any) jwt.MapClaims {
	t.Helper()
	c := jwt.MapClaims{}
	s, ok := token.(string)
	if !ok {
		t.Fatalf("no token: %v", token)
	}
	if _, _, err := jwt.NewParser().ParseUnverified(s, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignInGivesTokensOfThePerson(t *testing.T) {
	h := newHarness(t)
	to := h.redirect(alice, nil)
	if got := to.Scheme + "://" + to.Host + to.Path; got != callback || to.Query().Get("state") != "the state" {
		t.Errorf("redirected to %s", to)
	}
	o := h.signIn(alice, nil)
	id, access := claimsOf(t, o["id_token"]), claimsOf(t, o["access_token"])
	for name, want := range map[string]any{
		"oid": alice, "tid": tenantID, "preferred_username": "alice@contoso.com", "name": "Alice", "email": "alice@contoso.com",
		"nonce": "the nonce", "aud": clientID, "iss": h.login + "/" + tenantID + "/v2.0",
	} {
		if id[name] != want {
			t.Errorf("id token %s: got %v, want %v", name, id[name], want)
		}
	}
	for name, want := range map[string]any{
		"oid": alice, "tid": tenantID, "aud": "https://graph.microsoft.com", "appid": clientID, "idtyp": "user",
		"scp": "RoleAssignmentSchedule.ReadWrite.Directory RoleEligibilitySchedule.Read.Directory RoleManagementPolicy.Read.Directory",
	} {
		if access[name] != want {
			t.Errorf("access token %s: got %v, want %v", name, access[name], want)
		}
	}
	if amr, _ := access["amr"].([]any); !slices.Equal(amr, []any{"pwd", "mfa"}) {
		t.Errorf("amr %v", access["amr"])
	}
	if access["acrs"] != nil || !slices.Equal(access["xms_cc"].([]any), []any{"cp1"}) {
		t.Errorf("acrs %v xms_cc %v", access["acrs"], access["xms_cc"])
	}
	if got, want := o["scope"], strings.Replace(graphScopes, " offline_access", "", 1); got != want {
		t.Errorf("scope %q, want %q (never offline_access)", got, want)
	}
	if n := o["expires_in"].(float64); n < 3600 || n > 5400 {
		t.Errorf("expires_in %v", n)
	}
}

func TestIDTokenHoldsWhatTheScopesEntitleTo(t *testing.T) {
	h := newHarness(t)
	o := h.signIn(alice, map[string]string{"scope": "openid User.Read"})
	c := claimsOf(t, o["id_token"])
	for _, name := range []string{"oid", "preferred_username", "email"} {
		if c[name] != nil {
			t.Errorf("%s without its scope", name)
		}
	}
	if o["refresh_token"] != nil {
		t.Error("a refresh token without offline_access")
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	h := newHarness(t)
	for name, c := range map[string]struct {
		change    map[string]string
		page      string // shown to the person
		redirect  string // error told to the app
		unhandled bool
	}{
		"another client":       {change: map[string]string{"client_id": tenantID}, page: "AADSTS700016"},
		"another redirect":     {change: map[string]string{"redirect_uri": "https://evil.example/callback"}, page: "AADSTS50011"},
		"a longer redirect":    {change: map[string]string{"redirect_uri": callback + "/more"}, page: "AADSTS50011"},
		"no state":             {change: map[string]string{"state": ""}, page: "AADSTS90014"},
		"no nonce":             {change: map[string]string{"nonce": ""}, page: "AADSTS90014"},
		"no PKCE":              {change: map[string]string{"code_challenge": "", "code_challenge_method": ""}, redirect: "invalid_request"},
		"plain PKCE":           {change: map[string]string{"code_challenge_method": "plain"}, redirect: "invalid_request"},
		"implicit":             {change: map[string]string{"response_type": "token"}, redirect: "unsupported_response_type"},
		"no openid":            {change: map[string]string{"scope": "User.Read"}, redirect: "invalid_scope"},
		"silent":               {change: map[string]string{"prompt": "none"}, redirect: "login_required"},
		"no consent":           {change: map[string]string{"scope": "openid Mail.Read"}, redirect: "consent_required"},
		"two resources":        {change: map[string]string{"scope": "openid User.Read https://management.azure.com/user_impersonation"}, redirect: "invalid_request"},
		"an unknown resource":  {change: map[string]string{"scope": "openid https://vault.example/.default"}, redirect: "invalid_resource"},
		"claims that are none": {change: map[string]string{"claims": "acrs=c1"}, redirect: "invalid_request"},
		"an unknown context":   {change: map[string]string{"claims": `{"access_token":{"acrs":{"value":"c100"}}}`}, redirect: "invalid_request"},
		"an unknown claim":     {change: map[string]string{"claims": `{"access_token":{"groups":{"value":"x"}}}`}, redirect: "invalid_request", unhandled: true},
		"an unknown parameter": {change: map[string]string{"resource": "x"}, page: "does not know", unhandled: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := NewBrowser()
			h.must(err)
			to, err := b.SignIn(t.Context(), h.authorizeURL(c.change), alice)
			var page *PageError
			switch {
			case c.page != "":
				if !errors.As(err, &page) || !strings.Contains(page.Text, c.page) {
					t.Errorf("got %v, %v; want a page with %s", to, err, c.page)
				}
			case err != nil:
				t.Fatal(err)
			case to.Query().Get("error") != c.redirect || to.Query().Get("state") != "the state" || to.Query().Get("code") != "":
				t.Errorf("redirected to %s, want error %s", to, c.redirect)
			}
			if got := len(h.takeUnhandled()) > 0; got != c.unhandled {
				t.Errorf("reported as unhandled: %v", got)
			}
		})
	}
}

func TestCancelTellsTheApp(t *testing.T) {
	h := newHarness(t)
	b, err := NewBrowser()
	h.must(err)
	to, err := b.Cancel(t.Context(), h.authorizeURL(nil))
	h.must(err)
	if q := to.Query(); q.Get("error") != "access_denied" || q.Get("state") != "the state" || q.Get("code") != "" {
		t.Errorf("redirected to %s", to)
	}
}

func TestSignInBelongsToOneBrowser(t *testing.T) {
	h := newHarness(t)
	mine, err := NewBrowser()
	h.must(err)
	page := h.page(mine.Client, h.authorizeURL(nil))
	flow := regexp.MustCompile(`name="flow" value="([^"]+)"`).FindStringSubmatch(page)[1]

	jar, err := cookiejar.New(nil)
	h.must(err)
	other := &http.Client{Jar: jar}
	h.page(other, h.authorizeURL(nil)) // it has a cookie of its own
	res, err := other.PostForm(h.browser+"/"+tenantID+"/signin/user", url.Values{"flow": {flow}, "user": {bob}})
	h.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("another browser went on with the sign-in: %d", res.StatusCode)
	}
	h.wallClock.advance(flowLife)
	res, err = mine.Client.PostForm(h.browser+"/"+tenantID+"/signin/user", url.Values{"flow": {flow}, "user": {alice}})
	h.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a sign-in given up 15 minutes ago goes on: %d", res.StatusCode)
	}
}

func (h *harness) page(c *http.Client, address string) string {
	h.t.Helper()
	res, err := c.Get(address)
	h.must(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	h.must(err)
	return string(b)
}

func TestPagesAreStrictAndAskEverybody(t *testing.T) {
	h := newHarness(t)
	h.must(h.AddUser(User{ID: dan, Name: "Dan", UPN: "dan@contoso.com", Disabled: true}))
	b, err := NewBrowser()
	h.must(err)
	if _, err := b.SignIn(t.Context(), h.authorizeURL(nil), alice); err != nil {
		t.Fatal(err)
	}
	res, err := b.Client.Get(h.authorizeURL(map[string]string{"login_hint": "bob@contoso.com", "claims": cp1c1}))
	h.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	h.must(err)
	page := string(raw)
	for _, want := range []string{"simulated", "step-up: c1", "Alice", `value="` + bob + `" required="required" checked="checked"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, dan) {
		t.Error("a disabled user can be chosen")
	}
	if strings.Contains(page, "<script") {
		t.Error("the page has a script")
	}
	csp := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self' http://localhost:8080"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %q", csp, want)
		}
	}
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	if sum := sha256.Sum256([]byte(style)); !strings.Contains(csp, base64.StdEncoding.EncodeToString(sum[:])) {
		t.Error("browsers will not apply the page's style: its hash is not the one in the policy")
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", res.Header)
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	h := newHarness(t)
	code := h.code(alice, nil)
	if status, o := h.post(codeForm(code, nil)); status != http.StatusOK {
		t.Fatalf("%d %v", status, o)
	}
	status, o := h.post(codeForm(code, nil))
	if status != http.StatusBadRequest || o["error"] != "invalid_grant" || o["error_codes"].([]any)[0] != 54005.0 {
		t.Errorf("a code was good twice: %d %v", status, o)
	}
	for _, member := range []string{"error_description", "timestamp", "trace_id", "correlation_id"} {
		if o[member] == nil {
			t.Errorf("the refusal lacks %s", member)
		}
	}
}

func TestCodeIsBound(t *testing.T) {
	h := newHarness(t)
	for name, c := range map[string]struct {
		change map[string]string
		number float64
	}{
		"wrong verifier":       {map[string]string{"code_verifier": strings.Repeat("x", 43)}, 501481},
		"no verifier":          {map[string]string{"code_verifier": ""}, 900144},
		"wrong redirect":       {map[string]string{"redirect_uri": "http://localhost:8080/"}, 500112},
		"wrong code":           {map[string]string{"code": "1.x"}, 9002313},
		"wrong secret":         {map[string]string{"client_secret": "guess"}, 7000215},
		"no secret":            {map[string]string{"client_secret": ""}, 7000218},
		"another client":       {map[string]string{"client_id": tenantID}, 700016},
		"another resource":     {map[string]string{"scope": "https://management.azure.com/user_impersonation"}, 70000},
		"more permissions":     {map[string]string{"scope": "User.Read"}, 70000},
		"a step-up never done": {map[string]string{"claims": cp1c1}, 50076},
		"no grant type":        {map[string]string{"grant_type": ""}, 900144},
	} {
		t.Run(name, func(t *testing.T) {
			code := h.code(alice, nil)
			status, o := h.post(codeForm(code, c.change))
			if codes, _ := o["error_codes"].([]any); status < 400 || len(codes) == 0 || codes[0] != c.number {
				t.Errorf("got %d %v, want AADSTS%v", status, o, c.number)
			}
			if o["access_token"] != nil {
				t.Error("a token was given")
			}
		})
	}
	code := h.code(alice, nil)
	h.wallClock.advance(codeLife)
	if _, o := h.post(codeForm(code, nil)); o["error"] != "invalid_grant" {
		t.Errorf("a code of ten minutes ago: %v", o)
	}
}

func TestTokenEndpointIsLoudAboutWhatItDoesNotKnow(t *testing.T) {
	h := newHarness(t)
	for name, change := range map[string]map[string]string{
		"a parameter": {"resource": "x"}, "a grant type": {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"},
	} {
		if status, o := h.post(codeForm("x", change)); status < 400 {
			t.Errorf("%s: %v", name, o)
		}
		if len(h.takeUnhandled()) != 1 {
			t.Errorf("%s was not reported", name)
		}
	}
	res, err := h.client.Get(h.login + "/common/discovery/instance")
	h.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusNotImplemented || len(h.takeUnhandled()) != 1 {
		t.Errorf("an unknown route: %d", res.StatusCode)
	}
}

func refreshForm(token any, change map[string]string) url.Values {
	f := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "client_secret": {secret}, "refresh_token": {token.(string)}, "scope": {graphScopes},
	}
	for k, v := range change {
		f.Set(k, v)
	}
	return f
}

func TestRefreshRotatesAndOldTokensStayGood(t *testing.T) {
	h := newHarness(t)
	first := h.signIn(alice, nil)["refresh_token"]
	_, o := h.post(refreshForm(first, nil))
	second := o["refresh_token"]
	if second == nil || second == first {
		t.Fatalf("no new refresh token: %v", o)
	}
	for _, token := range []any{first, second} {
		if status, o := h.post(refreshForm(token, nil)); status != http.StatusOK || claimsOf(t, o["access_token"])["oid"] != alice {
			t.Errorf("refresh: %d %v", status, o)
		}
	}
	if _, o := h.post(refreshForm(first, map[string]string{"scope": "https://management.azure.com/user_impersonation"})); claimsOf(t, o["access_token"])["aud"] != "https://management.azure.com" {
		t.Errorf("another resource cannot be had silently: %v", o)
	}

	h.must(h.RevokeSessions(alice))
	for _, token := range []any{first, second} {
		if status, o := h.post(refreshForm(token, nil)); status != http.StatusBadRequest || o["error_codes"].([]any)[0] != 50173.0 {
			t.Errorf("a revoked refresh token: %d %v", status, o)
		}
	}
	again := h.signIn(alice, nil)["refresh_token"]
	if status, _ := h.post(refreshForm(again, nil)); status != http.StatusOK {
		t.Error("a sign-in after the revocation is refused")
	}
	h.must(h.AddUser(User{ID: alice, Name: "Alice", UPN: "alice@contoso.com", Disabled: true}))
	if _, o := h.post(refreshForm(again, nil)); o["error"] != "invalid_grant" {
		t.Errorf("a disabled user: %v", o)
	}
}

func TestStepUpLastsTenMinutesAndHasToBeAskedFor(t *testing.T) {
	h := newHarness(t)
	o := h.signIn(alice, map[string]string{"claims": cp1c1})
	if got := claimsOf(t, o["access_token"])["acrs"]; !slices.Equal(got.([]any), []any{"c1"}) {
		t.Errorf("acrs %v", got)
	}
	_, silent := h.post(refreshForm(o["refresh_token"], map[string]string{"claims": cp1}))
	if got := claimsOf(t, silent["access_token"])["acrs"]; got != nil {
		t.Errorf("acrs %v without asking", got)
	}
	_, asked := h.post(refreshForm(o["refresh_token"], map[string]string{"claims": cp1c1}))
	if claimsOf(t, asked["access_token"])["acrs"] == nil {
		t.Error("no acrs within ten minutes")
	}
	h.wallClock.advance(acrsGrace)
	status, late := h.post(refreshForm(o["refresh_token"], map[string]string{"claims": cp1c1}))
	if status != http.StatusBadRequest || late["suberror"] != "basic_action" || !strings.Contains(late["claims"].(string), `"c1"`) {
		t.Errorf("after ten minutes: %d %v", status, late)
	}
}

func TestPasswordOnlyWhereNothingDemandsMore(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.MFAOptional = true })
	amr := func(claims string) any {
		b, err := NewBrowser()
		h.must(err)
		b.PasswordOnly = true
		to, err := b.SignIn(t.Context(), h.authorizeURL(map[string]string{"claims": claims}), alice)
		h.must(err)
		_, o := h.post(codeForm(to.Query().Get("code"), nil))
		return claimsOf(t, o["access_token"])["amr"]
	}
	if got := amr(""); !slices.Equal(got.([]any), []any{"pwd"}) {
		t.Errorf("amr %v", got)
	}
	for _, claims := range []string{cp1c1, `{"access_token":{"amr":{"values":["mfa"]}}}`} {
		if got := amr(claims); !slices.Equal(got.([]any), []any{"pwd", "mfa"}) {
			t.Errorf("amr %v for %s", got, claims)
		}
	}
}

func TestAppTokens(t *testing.T) {
	h := newHarness(t)
	c := claimsOf(t, h.asApp())
	if c["idtyp"] != "app" || c["scp"] != nil || len(c["roles"].([]any)) != len(h.opt.App.Application) {
		t.Errorf("claims %v", c)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/User.Read"}, "client_id": {clientID}, "client_secret": {secret}}
	if _, o := h.post(form); o["error"] != "invalid_scope" {
		t.Errorf("an app-only scope without .default: %v", o)
	}
	req, err := http.NewRequest(http.MethodPost, h.login+"/"+tenantID+"/oauth2/v2.0/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {"https://graph.microsoft.com/.default"}}.Encode()))
	h.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, url.QueryEscape(secret))
	res, err := h.client.Do(req)
	h.must(err)
	if o := h.read(res); o["access_token"] == nil {
		t.Errorf("client_secret_basic: %v", o)
	}
}

func TestExtraScopes(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Unkind = &Unkind{ExtraScopes: true} })
	o := h.signIn(alice, nil)
	if scp := claimsOf(t, o["access_token"])["scp"].(string); len(strings.Fields(scp)) != len(h.opt.App.consented(graphResource)) || strings.Contains(scp, "user_impersonation") {
		t.Errorf("scp %q: want every permission of Graph with consent", scp)
	}
}

func TestTokensExpire(t *testing.T) {
	h := newHarness(t)
	a := h.as(alice)
	h.wallClock.advance(91 * time.Minute)
	h.wantRefused(a, http.MethodGet, eligiblePath+"/filterByCurrentUser(on='principal')", nil, http.StatusUnauthorized, "InvalidAuthenticationToken")
	h.wantRefused("", http.MethodGet, eligiblePath+"/filterByCurrentUser(on='principal')", nil, http.StatusUnauthorized, "InvalidAuthenticationToken")
	id := h.signIn(alice, nil)["id_token"].(string)
	h.wantRefused(id, http.MethodGet, eligiblePath+"/filterByCurrentUser(on='principal')", nil, http.StatusUnauthorized, "InvalidAuthenticationToken")
}
