package slacktest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Sign in with Slack: OpenID Connect with Slack's own paths, claims and its
// habit of answering errors of the token endpoint with HTTP 200 and "ok":false.

const (
	codeLife    = 10 * time.Minute
	idTokenLife = 5 * time.Minute
)

// grant is what a person agreed to: behind a code first, then behind an access token.
type grant struct {
	User      string    `json:"user"`
	Scopes    []string  `json:"scopes"`
	Redirect  string    `json:"redirect"`
	Nonce     string    `json:"nonce,omitempty"`
	Challenge string    `json:"challenge,omitempty"` // PKCE, S256
	At        time.Time `json:"at"`
	Used      bool      `json:"used,omitempty"`
}

func (w *Workspace) serveDiscovery(rw http.ResponseWriter, _ *http.Request) {
	var base string
	w.read(func() { base = w.base })
	writeJSON(rw, http.StatusOK, map[string]any{
		"issuer":                                base,
		"authorization_endpoint":                base + "/openid/connect/authorize",
		"token_endpoint":                        base + "/api/openid.connect.token",
		"userinfo_endpoint":                     base + "/api/openid.connect.userInfo",
		"jwks_uri":                              base + "/openid/connect/keys",
		"scopes_supported":                      []string{"openid", "profile", "email"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"form_post"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"sub", "auth_time", "iss"},
		"claims_parameter_supported":            false,
		"request_parameter_supported":           false,
		"request_uri_parameter_supported":       true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
	})
}

func (w *Workspace) serveKeys(rw http.ResponseWriter, _ *http.Request) {
	var (
		keys map[string]any
		err  error
	)
	w.change(func() { // the first call makes the key
		key, kerr := w.signingKey()
		if kerr != nil {
			err = kerr
			return
		}
		e := binary.BigEndian.AppendUint32(nil, uint32(key.E))
		keys = map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": w.keyID(),
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(e[1:]),
		}}}
	})
	if err != nil {
		http.Error(rw, "no key", http.StatusInternalServerError)
		return
	}
	writeJSON(rw, http.StatusOK, keys)
}

// keyID names the signing key. Under the lock.
func (w *Workspace) keyID() string {
	sum := sha256.Sum256(w.kept.Key)
	return hex.EncodeToString(sum[:10])
}

// serveToken exchanges a code. Errors are Slack's: HTTP 200 and {"ok":false}.
func (w *Workspace) serveToken(rw http.ResponseWriter, r *http.Request) {
	a, p := readArgs(rw, r)
	var answer map[string]any
	w.change(func() {
		if p == nil {
			answer, p = w.exchangeCode(a, r)
		}
	})
	if p != nil {
		answer = p.answer()
	}
	writeJSON(rw, http.StatusOK, answer)
}

// exchangeCode checks the client, then the code and what it was made for. Under the lock.
func (w *Workspace) exchangeCode(a args, r *http.Request) (map[string]any, *problem) {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if !slices.Contains([]string{"client_id", "client_secret", "code", "redirect_uri", "grant_type", "code_verifier"}, k) {
			w.shout("openid.connect.token was called with the argument %q, which is unknown or not simulated", k)
		}
	}
	id, pass := a["client_id"], a["client_secret"]
	if user, password, ok := r.BasicAuth(); ok {
		id, pass = formDecoded(user), formDecoded(password)
	}
	g := w.kept.Codes[a["code"]]
	switch {
	case w.opts.ClientID == "" || id != w.opts.ClientID:
		return nil, fail("invalid_client_id")
	case w.opts.ClientSecret == "" || subtle.ConstantTimeCompare([]byte(pass), []byte(w.opts.ClientSecret)) != 1:
		return nil, fail("bad_client_secret")
	case a["grant_type"] != "" && a["grant_type"] != "authorization_code":
		return nil, fail("invalid_grant_type")
	case g == nil || w.opts.Now().Sub(g.At) > codeLife:
		return nil, fail("invalid_code")
	case g.Used:
		return nil, fail("code_already_used")
	case a["redirect_uri"] != g.Redirect:
		return nil, fail("bad_redirect_uri")
	case !g.proves(a["code_verifier"]):
		return nil, fail("invalid_code_verifier")
	}
	access := "xoxp-" + secret(24)
	idToken, err := w.idToken(g, access)
	if err != nil {
		w.shout("no id token: %v", err)
		return nil, fail("internal_error")
	}
	g.Used = true
	w.kept.Sessions[access] = *g
	return map[string]any{"ok": true, "access_token": access, "token_type": "Bearer", "id_token": idToken}, nil
}

// formDecoded undoes the form encoding that OAuth wants in basic credentials.
func formDecoded(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

// proves checks PKCE: a code that was asked for with a challenge needs its verifier.
func (g *grant) proves(verifier string) bool {
	if g.Challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.Challenge)) == 1
}

// idToken signs the claims that Slack documents. Under the lock.
func (w *Workspace) idToken(g *grant, access string) (string, error) {
	key, err := w.signingKey()
	if err != nil {
		return "", err
	}
	now := w.opts.Now().Unix()
	sum := sha256.Sum256([]byte(access))
	claims := jwt.MapClaims{
		"iss": w.base, "aud": w.opts.ClientID, "exp": now + int64(idTokenLife.Seconds()), "iat": now,
		"auth_time": g.At.Unix(), "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	maps.Copy(claims, w.claims(*g))
	if g.Nonce != "" {
		claims["nonce"] = g.Nonce
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = w.keyID()
	return t.SignedString(key)
}

// claims are what id token and userInfo say of a person. Under the lock.
func (w *Workspace) claims(g grant) map[string]any {
	u := w.kept.Users[g.User]
	c := map[string]any{
		"sub": u.ID, "https://slack.com/user_id": u.ID, "https://slack.com/team_id": u.TeamID,
	}
	if slices.Contains(g.Scopes, "email") && u.Email != "" {
		c["email"], c["email_verified"], c["date_email_verified"] = u.Email, true, 1600000000
	}
	if slices.Contains(g.Scopes, "profile") {
		given, family, _ := strings.Cut(u.RealName, " ")
		c["name"], c["given_name"], c["family_name"], c["locale"] = u.RealName, given, family, "en-US"
		c["https://slack.com/team_name"], c["https://slack.com/team_domain"] = w.opts.TeamName, w.opts.TeamDomain
	}
	return c
}

// serveUserInfo answers what the holder of an access token agreed to show.
func (w *Workspace) serveUserInfo(rw http.ResponseWriter, r *http.Request) {
	a, p := readArgs(rw, r)
	var answer map[string]any
	w.read(func() {
		var token string
		if p == nil {
			token, p = bearer(r, a)
		}
		g, ok := w.kept.Sessions[token]
		switch {
		case p != nil:
		case token == w.opts.BotToken:
			p = &problem{code: "missing_scope", extra: map[string]any{"needed": "openid"}}
		case !ok || w.kept.Users[g.User].Deleted:
			p = fail("invalid_auth")
		default:
			answer = w.claims(g)
			answer["ok"] = true
		}
	})
	if p != nil {
		answer = p.answer()
	}
	writeJSON(rw, http.StatusOK, answer)
}
