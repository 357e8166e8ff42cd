package pimtest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flow is a person's way through the sign-in pages, from the authorization
// request to the redirect back to the app. It belongs to one browser.
type flow struct {
	Browser string // hash of the browser's cookie
	Ask     authorization
	User    string // once chosen
	Started time.Time
}

// authorization is a checked authorization request.
type authorization struct {
	Redirect  string
	State     string
	Nonce     string
	Challenge string
	Scope     string
	Hint      string
	Claims    claimsRequest
	Anew      bool // whoever is signed in already proves it anew
}

// flowLife is how long a person may take, in wall time.
const flowLife = 15 * time.Minute

// authorizeParams are the parameters of an authorization request that the tenant
// knows.
const authorizeParams = " client_id response_type redirect_uri scope state nonce code_challenge code_challenge_method" +
	" claims login_hint domain_hint prompt max_age response_mode client_info "

var challengeShape = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorize checks an authorization request. back is the redirect that tells the
// app of a refusal; it is nil while the redirect URI itself is not trusted, and
// the refusal is then shown to the person only.
func (t *Tenant) authorize(q url.Values) (ask authorization, back *url.URL, e *signInError) {
	for name, values := range q {
		if !strings.Contains(authorizeParams, " "+name+" ") {
			e := fault("invalid_request", 90023, "The simulator does not know the parameter %q.", name)
			e.status, e.unknown = http.StatusNotImplemented, "the parameter "+name
			return ask, nil, e
		}
		if len(values) != 1 {
			return ask, nil, fault("invalid_request", 9000411, "The request is not properly formatted. The parameter '%s' is duplicated.", name)
		}
	}
	app := t.opt.App
	if id := q.Get("client_id"); app.ClientID == "" || !strings.EqualFold(id, app.ClientID) {
		return ask, nil, fault("unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory.", id)
	}
	redirect := q.Get("redirect_uri")
	if !slices.Contains(app.RedirectURIs, redirect) {
		return ask, nil, fault("invalid_request", 50011, "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'.", redirect, app.ClientID)
	}
	back, err := url.Parse(redirect)
	if err != nil {
		return ask, nil, fault("invalid_request", 50011, "The redirect URI is not a URL.")
	}
	for _, name := range []string{"scope", "state", "nonce"} {
		if q.Get(name) == "" {
			return ask, back, fault("invalid_request", 90014, "The required field '%s' is missing from the request.", name)
		}
	}
	switch {
	case q.Get("response_type") != "code":
		return ask, back, fault("unsupported_response_type", 700054, "response_type '%s' is not enabled for the application.", q.Get("response_type"))
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		e := fault("invalid_request", 90023, "response_mode '%s' is not simulated.", q.Get("response_mode"))
		e.unknown = e.text
		return ask, back, e
	case q.Get("code_challenge_method") != "S256" || !challengeShape.MatchString(q.Get("code_challenge")):
		return ask, back, fault("invalid_request", 9002325, "Proof Key for Code Exchange is required: a code_challenge with code_challenge_method S256.")
	case q.Get("prompt") == "none":
		return ask, back, fault("login_required", 50058, "A silent sign-in request was sent but no user is signed in.")
	case !slices.Contains([]string{"", "login", "select_account", "consent"}, q.Get("prompt")):
		return ask, back, fault("invalid_request", 90023, "The prompt value '%s' is not supported.", q.Get("prompt"))
	}
	if age := q.Get("max_age"); age != "" {
		if n, err := strconv.Atoi(age); err != nil || n < 0 {
			return ask, back, fault("invalid_request", 90023, "The max_age value '%s' is not supported.", age)
		}
	}
	asked, e := parseScopes(q.Get("scope"))
	if e != nil {
		return ask, back, e
	}
	if !slices.Contains(asked.OIDC, "openid") {
		return ask, back, fault("invalid_scope", 70011, "The scope has to contain openid.")
	}
	if _, e := t.granted(asked); e != nil {
		if e.aadsts == 65001 {
			e.code = "consent_required"
		}
		return ask, back, e
	}
	claims, e := parseClaims(q.Get("claims"))
	if e != nil {
		return ask, back, e
	}
	return authorization{
		Redirect: redirect, State: q.Get("state"), Nonce: q.Get("nonce"), Challenge: q.Get("code_challenge"),
		Scope: q.Get("scope"), Hint: q.Get("login_hint"), Claims: claims,
		Anew: q.Get("prompt") == "login" || q.Get("max_age") == "0",
	}, back, nil
}

// begin keeps a new flow and forgets the ones that were given up.
func (t *Tenant) begin(browser string, ask authorization) (id string) {
	now := t.wall()
	for id, f := range t.w.Flows {
		if !now.Before(f.Started.Add(flowLife)) {
			delete(t.w.Flows, id)
		}
	}
	for id, c := range t.w.Codes {
		if !now.Before(c.Issued.Add(24 * time.Hour)) {
			delete(t.w.Codes, id)
		}
	}
	id = randomText()
	t.w.Flows[id] = &flow{Browser: hashed(browser), Ask: ask, Started: now}
	t.w.dirty = true
	return id
}

// flow finds a sign-in of this browser that is still going on.
func (t *Tenant) flow(id, browser string) (*flow, *signInError) {
	f := t.w.Flows[id]
	if f == nil || !t.wall().Before(f.Started.Add(flowLife)) {
		return nil, fault("invalid_request", 50196, "This sign-in is over. Go back to where you came from and start again.")
	}
	if f.Browser != hashed(browser) {
		return nil, fault("invalid_request", 165000, "This sign-in was started in another browser.")
	}
	return f, nil
}

// needsMFA says whether the person must confirm on the phone.
func (t *Tenant) needsMFA(a authorization) bool {
	return !t.opt.MFAOptional || t.wantsMFA || a.Claims.MFA || len(a.Claims.ACRS) > 0
}

// finish ends a flow with a code and gives the redirect to the app.
func (t *Tenant) finish(id string, f *flow, amr []string) string {
	now := t.wall()
	s := signIn{User: f.User, AMR: amr, At: now.Add(-t.manners.Old)}
	if slices.Contains(amr, "mfa") {
		s.ACRS = f.Ask.Claims.ACRS
	}
	secret := "1." + randomText()
	t.w.Codes[secret] = &code{
		SignIn: s, Redirect: f.Ask.Redirect, Challenge: f.Ask.Challenge, Nonce: f.Ask.Nonce,
		Scope: f.Ask.Scope, CC: f.Ask.Claims.CC, Issued: now,
	}
	delete(t.w.Flows, id)
	t.w.dirty = true
	return t.back(f.Ask.Redirect, url.Values{"code": {secret}, "state": {f.Ask.State}, "session_state": {hashed(id)[:32]}})
}

// giveUp ends a flow because the person does not want it.
func (t *Tenant) giveUp(id string, f *flow) string {
	delete(t.w.Flows, id)
	t.w.dirty = true
	return t.back(f.Ask.Redirect, url.Values{
		"error": {"access_denied"}, "error_subcode": {"cancel"}, "state": {f.Ask.State},
		"error_description": {"AADSTS65004: User declined to consent to access the app."},
	})
}

// back is the way back to the app.
func (t *Tenant) back(redirect string, more url.Values) string {
	if t.opt.TellIssuer {
		more.Set("iss", t.issuer())
	}
	return withQuery(redirect, more)
}

func withQuery(redirect string, more url.Values) string {
	u, err := url.Parse(redirect)
	if err != nil {
		return redirect // it was parsed when the request was checked: cannot happen
	}
	q := u.Query()
	for k, v := range more {
		q[k] = v
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
