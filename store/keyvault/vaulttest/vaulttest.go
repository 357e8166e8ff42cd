// Package vaulttest simulates Azure Key Vault as far as wrapping goes, and the endpoint
// that gives managed identities their tokens. It has its own wire types, refuses what the
// real ones refuse, and tells Options.Unhandled of everything it does not know.
package vaulttest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Options are what a Vault is made of.
type Options struct {
	Tenant    string            // in the challenge
	Resource  string            // in the challenge; https://vault.azure.net when empty
	Host      string            // what ids of keys name, such as name.vault.azure.net; empty: the request's
	Unhandled func(what string) // everything that a client of a vault does not send
}

// Fault is an answer that a vault gives instead of the right one.
type Fault struct {
	Status    int
	Body      string
	Challenge string // WWW-Authenticate
	Drop      bool   // no answer at all
}

// Vault is an http.Handler that stands for a vault.
type Vault struct {
	o Options

	mu     sync.Mutex
	keys   map[string]*key
	grants map[string]map[string]bool // token → operations
	faults []Fault
	calls  map[string]int
}

type key struct {
	versions []version // the newest is the last
	deleted  bool
}

type version struct {
	id       string
	private  *rsa.PrivateKey
	disabled bool
}

// New makes a vault without keys.
func New(o Options) *Vault {
	if o.Resource == "" {
		o.Resource = "https://vault.azure.net"
	}
	return &Vault{o: o, keys: map[string]*key{}, grants: map[string]map[string]bool{}, calls: map[string]int{}}
}

// NewVersion makes a key, or a new version of it, and returns the version.
func (v *Vault) NewVersion(name string) string {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[name]
	if k == nil {
		k = &key{}
		v.keys[name] = k
	}
	k.deleted = false
	k.versions = append(k.versions, version{id: hex.EncodeToString(id), private: private})
	return hex.EncodeToString(id)
}

// Disable disables every version of a key, or enables them.
func (v *Vault) Disable(name string, disabled bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.keys[name].versions {
		v.keys[name].versions[i].disabled = disabled
	}
}

// Delete deletes a key; Recover undoes it.
func (v *Vault) Delete(name string) { v.setDeleted(name, true) }

// Recover undoes Delete.
func (v *Vault) Recover(name string) { v.setDeleted(name, false) }

func (v *Vault) setDeleted(name string, deleted bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].deleted = deleted
}

// Grant lets whoever shows the token do the operations: wrapkey, unwrapkey. None: the token
// is good and may do nothing.
func (v *Vault) Grant(token string, operations ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.grants[token] = map[string]bool{}
	for _, o := range operations {
		v.grants[token][o] = true
	}
}

// FailNext lets the next calls with a token fail so, one after the other.
func (v *Vault) FailNext(faults ...Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, faults...)
}

// Calls is how often an operation was done: wrapkey, unwrapkey; challenge.
func (v *Vault) Calls(operation string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[operation]
}

// apiVersion is what the current client sends.
const apiVersion = "2025-07-01"

// ServeHTTP implements http.Handler.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) == 3 { // the newest version
		parts = []string{parts[0], parts[1], "", parts[2]}
	}
	if r.Method != http.MethodPost || len(parts) != 4 || parts[0] != "keys" || parts[3] != "wrapkey" && parts[3] != "unwrapkey" {
		v.unhandled(w, "%s %s", r.Method, r.URL.Path)
		return
	}
	if q := r.URL.Query(); q.Get("api-version") != apiVersion || len(q) != 1 {
		v.unhandled(w, "query %s", r.URL.RawQuery)
		return
	}
	if r.TLS == nil {
		v.unhandled(w, "plain http")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil {
		v.unhandled(w, "body: %v", err)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		if len(body) > 0 {
			v.unhandled(w, "a body without a token")
			return
		}
		v.challenge(w)
		return
	}
	if len(v.faults) > 0 {
		f := v.faults[0]
		v.faults = v.faults[1:]
		fail(w, f)
		return
	}
	may, known := v.grants[token]
	if !known {
		v.challenge(w)
		return
	}
	v.operate(w, r, parts[1], parts[2], parts[3], may, body)
}

func fail(w http.ResponseWriter, f Fault) {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.Challenge != "" {
		w.Header().Set("WWW-Authenticate", f.Challenge)
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body) // the client may be gone
}

// challenge says where to get a token, and for what.
func (v *Vault) challenge(w http.ResponseWriter) {
	v.calls["challenge"]++
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="https://login.microsoftonline.com/%s", resource="%s"`, v.o.Tenant, v.o.Resource))
	refuse(w, http.StatusUnauthorized, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token.")
}

type parameters struct {
	Algorithm string `json:"alg"`
	Value     string `json:"value"`
}

type result struct {
	KID   string `json:"kid"`
	Value string `json:"value"`
}

func (v *Vault) operate(w http.ResponseWriter, r *http.Request, name, wanted, operation string, may map[string]bool, body []byte) {
	var p parameters
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil || p.Algorithm != "RSA-OAEP-256" || r.Header.Get("Content-Type") != "application/json" {
		v.unhandled(w, "parameters %s: %v", p.Algorithm, err)
		return
	}
	value, err := base64.RawURLEncoding.DecodeString(p.Value)
	if err != nil || len(value) == 0 {
		v.unhandled(w, "value: %v", err)
		return
	}
	if !may[operation] {
		refuse(w, http.StatusForbidden, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource. canary-caller")
		return
	}
	k := v.keys[name]
	if k == nil || k.deleted {
		refuse(w, http.StatusNotFound, "KeyNotFound", "", "A key with (name/id) "+name+" was not found in this key vault.")
		return
	}
	at := k.versions[len(k.versions)-1]
	if wanted != "" {
		found := false
		for _, one := range k.versions {
			if one.id == wanted {
				at, found = one, true
			}
		}
		if !found {
			refuse(w, http.StatusNotFound, "KeyNotFound", "", "A key with (name/id) "+name+"/"+wanted+" was not found in this key vault.")
			return
		}
	}
	v.calls[operation]++
	var out []byte
	if operation == "wrapkey" { // also with a disabled key: Key Vault refuses to unwrap only
		out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &at.private.PublicKey, value, nil)
	} else {
		if at.disabled {
			refuse(w, http.StatusForbidden, "Forbidden", "KeyDisabled", "Operation unwrapKey is not allowed on a disabled key.")
			return
		}
		out, err = rsa.DecryptOAEP(sha256.New(), nil, at.private, value, nil)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadParameter", "", "The parameter is incorrect.")
		return
	}
	host := v.o.Host
	if host == "" {
		host = r.Host
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(result{KID: "https://" + host + "/keys/" + name + "/" + at.id, Value: base64.RawURLEncoding.EncodeToString(out)})
}

func refuse(w http.ResponseWriter, status int, code, inner, message string) {
	e := map[string]any{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = map[string]string{"code": inner}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": e})
}

func (v *Vault) unhandled(w http.ResponseWriter, format string, args ...any) {
	if v.o.Unhandled != nil {
		v.o.Unhandled(fmt.Sprintf("vaulttest: "+format, args...))
	}
	refuse(w, http.StatusBadRequest, "BadParameter", "", "not simulated")
}
