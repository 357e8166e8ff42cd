package pimtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// obj is a JSON object in the making.
type obj = map[string]any

// signInError is a refusal of the sign-in service, in its form.
type signInError struct {
	status   int
	code     string // OAuth's error
	aadsts   int    // the number behind AADSTS
	text     string
	suberror string
	claims   string
	unknown  string // what the simulator does not know
}

func fault(code string, aadsts int, format string, args ...any) *signInError {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	return &signInError{status: status, code: code, aadsts: aadsts, text: fmt.Sprintf(format, args...)}
}

func (e *signInError) sentence() string { return fmt.Sprintf("AADSTS%d: %s", e.aadsts, e.text) }

// Login is the TLS side of the sign-in service: discovery, keys and the token
// endpoint.
func (t *Tenant) Login() http.Handler {
	return t.serve(func(r *http.Request) (a answer) {
		err := t.do(func() { a = t.login(r) })
		if err != nil {
			return t.signInFailure(r, fault("temporarily_unavailable", 90033, "%v", err))
		}
		return a
	})
}

func (t *Tenant) login(r *http.Request) answer {
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	routes := map[string]struct {
		method string
		answer func(*http.Request) (obj, *signInError)
	}{
		"v2.0/.well-known/openid-configuration": {http.MethodGet, t.metadata},
		"discovery/v2.0/keys":                   {http.MethodGet, t.keys},
		"oauth2/v2.0/token":                     {http.MethodPost, t.token},
	}
	route, ok := routes[path]
	if !ok {
		t.unhandled(r, "no such route of the sign-in service")
		e := fault("invalid_request", 90023, "The simulator has no such route.")
		e.status = http.StatusNotImplemented
		return t.signInFailure(r, e)
	}
	if !strings.EqualFold(tenant, t.opt.TenantID) {
		return t.signInFailure(r, fault("invalid_request", 90002, "Tenant '%s' not found. Check to make sure you have the correct tenant ID.", tenant))
	}
	if r.Method != route.method {
		e := fault("invalid_request", 900561, "The endpoint only accepts %s requests. Received a %s request.", route.method, r.Method)
		e.status = http.StatusMethodNotAllowed
		return t.signInFailure(r, e)
	}
	body, e := route.answer(r)
	if e != nil {
		return t.signInFailure(r, e)
	}
	return jsonAnswer(http.StatusOK, body)
}

func (t *Tenant) metadata(*http.Request) (obj, *signInError) {
	base := t.urls.Login + "/" + t.opt.TenantID
	told := obj{
		"issuer":                                t.issuer(),
		"authorization_endpoint":                t.urls.Browser + "/" + t.opt.TenantID + "/oauth2/v2.0/authorize",
		"token_endpoint":                        t.tokenEndpoint(),
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "oid", "email"},
		"request_uri_parameter_supported":       false,
		"tenant_region_scope":                   "EU",
		"cloud_instance_name":                   "microsoftonline.com",
		"msgraph_host":                          "graph.microsoft.com",
	}
	if t.opt.TellIssuer {
		told["authorization_response_iss_parameter_supported"] = true
	}
	return told, nil
}

func (t *Tenant) keys(*http.Request) (obj, *signInError) {
	set, err := t.jwks()
	if err != nil {
		return nil, fault("server_error", 90033, "%v", err)
	}
	return set, nil
}

// signInFailure writes a refusal as the token endpoint does.
func (t *Tenant) signInFailure(r *http.Request, e *signInError) answer {
	if e.unknown != "" {
		t.unhandled(r, "%s", e.unknown)
	}
	trace, correlation := uuid.NewString(), r.Header.Get("client-request-id")
	if correlation == "" {
		correlation = uuid.NewString()
	}
	stamp := t.wall().Format("2006-01-02 15:04:05Z")
	body := obj{
		"error": e.code,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.sentence(), trace, correlation, stamp),
		"error_codes": []int{e.aadsts}, "timestamp": stamp, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://login.microsoftonline.com/error?code=%d", e.aadsts),
	}
	if e.suberror != "" {
		body["suberror"] = e.suberror
	}
	if e.claims != "" {
		body["claims"] = e.claims
	}
	return jsonAnswer(e.status, body)
}

func jsonAnswer(status int, body obj) answer {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte("{}") // only strings, numbers and lists: cannot happen
	}
	return answer{status: status, body: b, header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store, no-cache"}, "Pragma": {"no-cache"},
	}}
}
