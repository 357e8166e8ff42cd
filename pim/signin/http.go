package signin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Limits of one call to the sign-in service.
const (
	callTime = 10 * time.Second
	callSize = 1 << 20
)

// httpDoer is what MSAL wants of an HTTP client.
type httpDoer interface {
	Do(*http.Request) (*http.Response, error)
	CloseIdleConnections()
}

// limited is base with redirects off, ten seconds per call and 1 MiB per
// answer. Only base's Transport is used.
func limited(base *http.Client) *http.Client {
	next := http.DefaultTransport
	if base != nil && base.Transport != nil {
		next = base.Transport
	}
	return &http.Client{
		Transport:     capped{next},
		Timeout:       callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// capped makes reading more than callSize of an answer an *http.MaxBytesError.
type capped struct{ next http.RoundTripper }

// RoundTrip passes the request on.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, callSize)
	}
	return resp, err
}

// witness remembers which scopes the last token answer granted, because MSAL
// tells a declined scope only by the text of an error, and its refresh token, which MSAL
// does not give back after an exchange.
type witness struct {
	*http.Client
	answered bool
	granted  string
	refresh  string // the refresh token of that answer
}

// Do passes the request on and reads along.
func (w *witness) Do(r *http.Request) (*http.Response, error) {
	w.answered = false
	resp, err := w.Client.Do(r)
	if err != nil || r.Method != http.MethodPost || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Token   string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Scope   string `json:"scope"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Token != "" {
		w.answered, w.granted, w.refresh = true, answer.Scope, answer.Refresh
	}
	return resp, nil
}
