package pimtest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// How long codes and refresh tokens live (wall time), and for how long after a
// sign-in with an authentication context silent requests still get it.
const (
	codeLife  = 10 * time.Minute
	grantLife = 90 * 24 * time.Hour
	acrsGrace = 10 * time.Minute
)

// code is an authorization code.
type code struct {
	SignIn    signIn
	Redirect  string
	Challenge string
	Nonce     string
	Scope     string
	CC        []string
	Issued    time.Time
	Redeemed  bool
	Revoked   time.Time // zero: not revoked
}

// grant is a refresh token.
type grant struct {
	SignIn  signIn
	OIDC    []string
	Issued  time.Time
	Revoked time.Time // zero: not revoked
}

// tokenParams are the parameters of the token endpoint that the tenant knows.
const tokenParams = " grant_type client_id client_secret client_assertion client_assertion_type scope code" +
	" redirect_uri code_verifier refresh_token claims client_info assertion requested_token_use "

func (t *Tenant) token(r *http.Request) (obj, *signInError) {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(ct), "application/x-www-form-urlencoded") {
		return nil, fault("invalid_request", 900144, "The request body must be a form; its content type is %q.", ct)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, fault("invalid_request", 9002313, "The request body cannot be read.")
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, fault("invalid_request", 9002313, "Invalid request. Request is malformed or invalid.")
	}
	for name, values := range form {
		if !strings.Contains(tokenParams, " "+name+" ") {
			e := fault("invalid_request", 9002313, "The simulator does not know the parameter %q.", name)
			e.status, e.unknown = http.StatusNotImplemented, "the parameter "+name
			return nil, e
		}
		if len(values) != 1 {
			return nil, fault("invalid_request", 9000411, "The request is not properly formatted. The parameter '%s' is duplicated.", name)
		}
	}
	if e := t.authenticateClient(r, form); e != nil {
		return nil, e
	}
	claims, e := parseClaims(form.Get("claims"))
	if e != nil {
		return nil, e
	}
	asked, e := parseScopes(form.Get("scope"))
	if e != nil {
		return nil, e
	}
	switch g := form.Get("grant_type"); g {
	case "authorization_code":
		return t.redeemCode(form, asked, claims)
	case "refresh_token":
		return t.redeemRefresh(form, asked, claims)
	case jwtBearer:
		return t.onBehalfOf(form, asked, claims)
	case "client_credentials":
		return t.appToken(form.Get("scope"), asked)
	case "":
		return nil, fault("invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'.")
	default:
		e := fault("unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", g)
		e.unknown = "the grant type " + g
		return nil, e
	}
}

func (t *Tenant) redeemCode(form url.Values, asked scopes, claims claimsRequest) (obj, *signInError) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if form.Get(name) == "" {
			return nil, fault("invalid_request", 900144, "The request body must contain the following parameter: '%s'.", name)
		}
	}
	c := t.w.Codes[form.Get("code")]
	switch {
	case c == nil:
		return nil, fault("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
	case c.Redeemed:
		return nil, fault("invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	case !t.wall().Before(c.Issued.Add(codeLife)):
		return nil, fault("invalid_grant", 70008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case form.Get("redirect_uri") != c.Redirect:
		return nil, fault("invalid_client", 500112, "The reply address '%s' does not match the reply address '%s' provided when requesting Authorization code.", form.Get("redirect_uri"), c.Redirect)
	case !verifies(form.Get("code_verifier"), c.Challenge):
		return nil, fault("invalid_grant", 501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	first, e := parseScopes(c.Scope)
	if e != nil {
		return nil, e
	}
	if form.Get("scope") == "" {
		asked = first
	}
	// The OpenID scopes are those of the authorization request; the permissions
	// may not be more than it asked for.
	asked.OIDC = first.OIDC
	if asked.Resource != first.Resource || !(first.Default || subset(asked.Names, first.Names)) {
		return nil, fault("invalid_grant", 70000, "The provided value for the 'scope' parameter is not valid because it was not part of the authorization request.")
	}
	if e := t.stillGood(c.SignIn.User, c.Issued, c.Revoked); e != nil {
		return nil, e
	}
	acrs := c.SignIn.ACRS
	if missing := without(claims.ACRS, acrs); len(missing) > 0 {
		return nil, t.interactionNeeded(missing)
	}
	out, e := t.userTokens(c.SignIn, asked, acrs, union(c.CC, claims.CC), c.Nonce, form.Get("client_info") != "")
	if e == nil {
		c.Redeemed, t.w.dirty = true, true
	}
	return out, e
}

func (t *Tenant) redeemRefresh(form url.Values, asked scopes, claims claimsRequest) (obj, *signInError) {
	g := t.w.Grants[form.Get("refresh_token")]
	switch {
	case g == nil:
		return nil, fault("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
	case !t.wall().Before(g.Issued.Add(grantLife)):
		return nil, fault("invalid_grant", 700082, "The refresh token has expired due to inactivity. The token was issued on %s and was inactive for 90.00:00:00.", g.Issued.Format(time.RFC3339))
	}
	if e := t.stillGood(g.SignIn.User, g.Issued, g.Revoked); e != nil {
		return nil, e
	}
	// A silent request gets an authentication context only while the sign-in that
	// satisfied it is fresh, and only when it asks.
	fresh := t.wall().Before(g.SignIn.At.Add(acrsGrace))
	if missing := without(claims.ACRS, g.SignIn.ACRS); len(missing) > 0 || (len(claims.ACRS) > 0 && !fresh) {
		return nil, t.interactionNeeded(claims.ACRS)
	}
	if claims.MFA && !slices.Contains(g.SignIn.AMR, "mfa") {
		return nil, t.interactionNeeded(nil)
	}
	asked.OIDC = g.OIDC
	return t.userTokens(g.SignIn, asked, claims.ACRS, claims.CC, "", form.Get("client_info") != "")
}

// stillGood refuses what was revoked, and users who are no more.
func (t *Tenant) stillGood(user string, issued, revoked time.Time) *signInError {
	u := t.w.Users[user]
	if u == nil || u.Disabled {
		return fault("invalid_grant", 50057, "The user account is disabled.")
	}
	if !revoked.IsZero() {
		return fault("invalid_grant", 50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '%s' and the TokensValidFrom date (before which tokens are not valid) for this user is '%s'.",
			issued.Format(time.RFC3339), revoked.Format(time.RFC3339))
	}
	return nil
}

func (t *Tenant) interactionNeeded(acrs []string) *signInError {
	e := fault("invalid_grant", 50076, "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.")
	e.suberror = "basic_action"
	if len(acrs) > 0 {
		b, err := json.Marshal(obj{"access_token": obj{"acrs": obj{"essential": true, "value": acrs[0]}}})
		if err == nil {
			e.claims = string(b)
		}
	}
	return e
}

// userTokens makes the answer for a person. acrs are the authentication contexts
// this token is to carry.
func (t *Tenant) userTokens(s signIn, asked scopes, acrs, cc []string, nonce string, clientInfo bool) (obj, *signInError) {
	names, e := t.granted(asked)
	if e != nil {
		return nil, e
	}
	life := t.lifetime()
	access, err := t.userAccessToken(s, asked.Resource, names, acrs, cc, life)
	if err != nil {
		return nil, fault("server_error", 90033, "%v", err)
	}
	out := obj{
		"token_type": "Bearer", "scope": asked.answerScope(names), "access_token": access,
		"expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()),
	}
	if slices.Contains(asked.OIDC, "openid") {
		if out["id_token"], err = t.idToken(s, asked.OIDC, nonce); err != nil {
			return nil, fault("server_error", 90033, "%v", err)
		}
	}
	if slices.Contains(asked.OIDC, "offline_access") {
		secret := "0.A" + randomText() + randomText()
		t.w.Grants[secret] = &grant{SignIn: s, OIDC: asked.OIDC, Issued: t.wall()}
		t.w.dirty = true
		out["refresh_token"] = secret
	}
	if clientInfo {
		b, err := json.Marshal(map[string]string{"uid": s.User, "utid": t.opt.TenantID})
		if err != nil {
			return nil, fault("server_error", 90033, "%v", err)
		}
		out["client_info"] = base64.RawURLEncoding.EncodeToString(b)
	}
	return out, nil
}

func (t *Tenant) appToken(scope string, asked scopes) (obj, *signInError) {
	if !asked.Default {
		return nil, fault("invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)
	}
	if !t.hasResource(asked.Resource) {
		return nil, fault("invalid_resource", 500011, "The resource principal named %s was not found in the tenant.", asked.Resource)
	}
	life := t.lifetime()
	access, err := t.appAccessToken(asked.Resource, life)
	if err != nil {
		return nil, fault("server_error", 90033, "%v", err)
	}
	return obj{
		"token_type": "Bearer", "access_token": access, "expires_in": int(life.Seconds()), "ext_expires_in": int(life.Seconds()),
	}, nil
}

func verifies(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// randomText is 256 bits of chance, fit for a URL.
func randomText() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func subset(part, whole []string) bool { return len(without(part, whole)) == 0 }

func without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(gone, s) })
}

func union(a, b []string) []string { return append(slices.Clone(a), without(b, a)...) }
