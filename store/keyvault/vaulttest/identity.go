package vaulttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Identity is an http.Handler that gives tokens to managed identities, as App Service and
// Container Apps do: its address is IDENTITY_ENDPOINT, Header is IDENTITY_HEADER.
type Identity struct {
	Header    string
	Unhandled func(what string)
	// Token makes the token for a resource and a client id ("": the identity of the machine);
	// "": there is no such identity.
	Token func(resource, clientID string) string

	mu     sync.Mutex
	asked  int
	status int
}

// FailWith lets every call fail with that status; 0 ends it.
func (i *Identity) FailWith(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

// Asked is how often a token was given.
func (i *Identity) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// ServeHTTP implements http.Handler.
func (i *Identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := r.URL.Query()
	known := r.Method == http.MethodGet && q.Get("api-version") == "2019-08-01" && q.Get("resource") != ""
	for name := range q {
		known = known && (name == "api-version" || name == "resource" || name == "client_id")
	}
	if !known {
		i.Unhandled(fmt.Sprintf("vaulttest: identity: %s %s", r.Method, r.URL))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.Header.Get("X-IDENTITY-HEADER") != i.Header {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if i.status != 0 {
		w.WriteHeader(i.status)
		return
	}
	token := i.Token(q.Get("resource"), q.Get("client_id"))
	w.Header().Set("Content-Type", "application/json")
	if token == "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": "Unable to load requested managed identity. canary-identity"})
		return
	}
	i.asked++
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token, "token_type": "Bearer", "resource": q.Get("resource"),
		"client_id": q.Get("client_id"), "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)})
}
