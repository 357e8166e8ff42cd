package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
)

// tap listens on the wires of a sandbox and keeps every secret that crosses them, so
// that a test can look for each where it must not be.
type tap struct {
	mu      sync.Mutex
	secrets map[string]string // the secret → what it is
	belay   string            // where Belay's own pages are
	pages   strings.Builder   // and what they showed
}

// tapped are the names under which secrets travel: in forms, queries and answers.
var tapped = []string{"code", "state", "nonce", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "id_token", "assertion", "token"}

func (p *tap) keep(what, secret string) {
	if len(secret) < 12 {
		return // a word of a protocol
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets[secret] = what
}

func (p *tap) values(v url.Values) {
	for _, name := range tapped {
		for _, secret := range v[name] {
			p.keep(name, secret)
		}
	}
}

func (p *tap) headers(h http.Header) {
	if _, token, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		p.keep("authorization", token)
	}
	if to, err := url.Parse(h.Get("Location")); err == nil {
		p.values(to.Query())
	}
}

func (p *tap) body(b []byte) {
	if v, err := url.ParseQuery(string(b)); err == nil {
		p.values(v)
		if r := v.Get("response_url"); r != "" {
			p.keep("response_url", r)
		}
	}
	var answer map[string]any
	if json.Unmarshal(b, &answer) != nil {
		return
	}
	for _, name := range tapped {
		if secret, ok := answer[name].(string); ok {
			p.keep(name, secret)
		}
	}
}

// on listens to what a simulated service is asked and answers.
func (p *tap) on(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the caller is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(asked))
		p.headers(r.Header)
		p.values(r.URL.Query())
		p.body(asked)
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		p.headers(answer.Header())
		p.body(answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		if _, err := w.Write(answer.Body.Bytes()); err != nil {
			return // as above
		}
	})
}

// RoundTrip listens to a person's browser.
func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, c := range r.Cookies() {
		p.keep("cookie", c.Value)
	}
	p.values(r.URL.Query())
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range resp.Cookies() {
		p.keep("cookie", c.Value)
	}
	p.headers(resp.Header)
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if r.URL.Scheme+"://"+r.URL.Host == p.belay && resp.StatusCode/100 != 3 { // nobody reads what a redirect says beside its Location
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pages.Write(body)
	}
	return resp, nil
}
