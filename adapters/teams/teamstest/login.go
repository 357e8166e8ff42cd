package teamstest

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Scope and audience of the connector's tokens in the public cloud.
const (
	connectorScope    = "https://api.botframework.com/.default"
	connectorAudience = "https://api.botframework.com"
)

// Login serves the tenant's token endpoint, for client credentials with a secret,
// and the discovery document that Microsoft's libraries read first. Those
// libraries accept it under TLS only, and with instance discovery switched off.
func (t *Teams) Login() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", t.discovery)
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		key := t.world.Keys.Login.jwk()
		t.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]any{"keys": []jwk{key}})
	})
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", t.token)
	mux.HandleFunc("/", t.unknownRoute("Login"))
	return mux
}

func (t *Teams) discovery(w http.ResponseWriter, r *http.Request) {
	tenant := r.PathValue("tenant")
	if !strings.EqualFold(tenant, t.options.TenantID) {
		t.tokenError(w, http.StatusBadRequest, "invalid_tenant", 90002, "Tenant '"+tenant+"' not found.")
		return
	}
	t.mu.Lock()
	base := t.urls.Login + "/" + tenant
	t.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
	})
}

// token answers a request by client credentials as Entra does, with the AADSTS
// numbers that Microsoft documents.
func (t *Teams) token(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	t.counts.Tokens++
	key := t.world.Keys.Login
	t.mu.Unlock()
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		t.tokenError(w, http.StatusBadRequest, "invalid_request", 900144, "The request body must be a form.")
		return
	}
	form := r.PostForm
	for name := range form {
		if !slices.Contains([]string{"client_id", "client_secret", "grant_type", "scope", "claims", "client_info", "client_assertion", "client_assertion_type"}, name) {
			t.report("Login knows no token parameter %q", name)
		}
	}
	switch tenant := r.PathValue("tenant"); {
	case !strings.EqualFold(tenant, t.options.TenantID):
		t.tokenError(w, http.StatusBadRequest, "invalid_request", 90002, "Tenant '"+tenant+"' not found.")
	case form.Get("grant_type") != "client_credentials":
		t.report("Login knows no grant type %q", form.Get("grant_type"))
		t.tokenError(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
	case !strings.EqualFold(form.Get("client_id"), t.options.AppID):
		t.tokenError(w, http.StatusBadRequest, "unauthorized_client", 700016, "Application was not found in the directory.")
	case form.Get("client_assertion") != "":
		if !t.proven(form.Get("client_assertion")) {
			t.tokenError(w, http.StatusUnauthorized, "invalid_client", 700027, "Client assertion failed signature validation.")
			return
		}
		t.grant(w, form, key)
	case subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(t.options.AppSecret)) != 1:
		t.tokenError(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
	default:
		t.grant(w, form, key)
	}
}

// grant gives a token to a bot that has proven itself.
func (t *Teams) grant(w http.ResponseWriter, form url.Values, key signer) {
	if !isConnectorScope(form) {
		t.tokenError(w, http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.")
		return
	}
	now := t.options.Now()
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
		"access_token": signed(jwt.SigningMethodRS256, jwt.MapClaims{
			"aud": connectorAudience, "iss": t.stsIssuer(), "tid": t.options.TenantID, "appid": t.options.AppID,
			"appidacr": "1", "ver": "1.0", "uti": uuid.NewString(),
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(3599 * time.Second).Unix(),
		}, key.KID, key.key),
	})
}

// proven says whether one of the bot's certificates signed an assertion of it, which is still good.
func (t *Teams) proven(assertion string) bool {
	for _, cert := range t.options.Certificates {
		_, err := jwt.Parse(assertion, func(*jwt.Token) (any, error) { return cert.PublicKey, nil }, jwt.WithValidMethods([]string{"RS256", "PS256"}),
			jwt.WithIssuer(t.options.AppID), jwt.WithSubject(t.options.AppID), jwt.WithExpirationRequired(), jwt.WithTimeFunc(t.options.Now))
		if err == nil && t.options.Now().Before(cert.NotAfter) {
			return true
		}
	}
	return false
}

// isConnectorScope allows the scopes that Microsoft's libraries always add.
func isConnectorScope(form url.Values) bool {
	scopes := strings.Fields(form.Get("scope"))
	scopes = slices.DeleteFunc(scopes, func(s string) bool {
		return s == "openid" || s == "profile" || s == "offline_access"
	})
	return len(scopes) == 1 && scopes[0] == connectorScope
}

func (t *Teams) stsIssuer() string { return "https://sts.windows.net/" + t.options.TenantID + "/" }

func (t *Teams) tokenError(w http.ResponseWriter, status int, code string, number int, text string) {
	now := t.options.Now().UTC().Format("2006-01-02 15:04:05Z")
	trace, correlation := uuid.NewString(), uuid.NewString()
	writeJSON(w, status, map[string]any{
		"error": code, "error_codes": []int{number}, "timestamp": now, "trace_id": trace, "correlation_id": correlation,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", number, text, trace, correlation, now),
	})
}

// authorized checks the bearer token of a connector call: signature, audience,
// issuer, times, tenant and app.
func (t *Teams) authorized(r *http.Request) error {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(text) > 8<<10 {
		return errors.New("no bearer token")
	}
	t.mu.Lock()
	key := t.world.Keys.Login
	t.mu.Unlock()
	var claims struct {
		jwt.RegisteredClaims
		TenantID string `json:"tid"`
		AppID    string `json:"appid"`
	}
	_, err := jwt.ParseWithClaims(text, &claims, func(token *jwt.Token) (any, error) {
		if token.Header["kid"] != key.KID {
			return nil, errors.New("the key is not known")
		}
		return &key.key.PublicKey, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(connectorAudience), jwt.WithIssuer(t.stsIssuer()),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(t.options.Now))
	if err != nil {
		return err
	}
	if claims.TenantID != t.options.TenantID || claims.AppID != t.options.AppID {
		return errors.New("the token is another app's")
	}
	return nil
}
