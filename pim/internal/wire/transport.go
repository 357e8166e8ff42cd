// Package wire is what calls to Microsoft Graph and to Azure Resource Manager
// have in common: an exchange that is made once and is bounded both ways, the
// reading of a refusal, and a memory for what may be a few minutes old. It knows
// no address and holds no token.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/belaybot/belay/pim"
)

// BodyLimit is what one body may take, either way.
const BodyLimit = 2 << 20 // bytes

// Transport stands below Microsoft's kits. It limits bodies both ways, reads an
// answer to its end so that a half one is noticed, and turns everything that is
// not 2xx into a *Refusal, which still has status, headers and body. So a kit
// never sees a challenge (which it would answer by sending the request again),
// a redirect, or a body it cannot read. What brings no readable answer is a *Lost.
type Transport struct{ Next http.RoundTripper }

// Refusal is an answer that is not 2xx.
type Refusal struct {
	Status int
	Header http.Header
	Body   []byte // nil when it was too long or broke off
}

// Error tells the status only; the body may repeat a person's words.
func (r *Refusal) Error() string { return fmt.Sprintf("HTTP %d", r.Status) }

// Lost is an exchange without a readable answer.
type Lost struct {
	Sent bool // the request may have reached the service
	Err  error
}

// Error gives the reason.
func (l *Lost) Error() string { return "no readable answer: " + l.Err.Error() }

// Unwrap gives the reason to errors.Is and errors.As.
func (l *Lost) Unwrap() error { return l.Err }

// ErrTooLong says that a body is longer than BodyLimit.
var ErrTooLong = errors.New("longer than allowed")

// RoundTrip sends req once.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var asked, connected atomic.Bool
	req = req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	if err := boundRequest(req); err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "belay")
	resp, err := t.Next.RoundTrip(req)
	if err != nil {
		// A transport that asked for a connection and got none has sent nothing.
		// One that does not report either may have.
		return nil, &Lost{Sent: !asked.Load() || connected.Load(), Err: err}
	}
	body, err := readBounded(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		if err != nil {
			body = nil
		}
		return nil, &Refusal{Status: resp.StatusCode, Header: resp.Header, Body: body}
	}
	if err != nil {
		return nil, &Lost{Sent: true, Err: err}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// boundRequest gives req a body of known length: the kit sets none, so that the
// request would go out in chunks.
func boundRequest(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody {
		return nil
	}
	body, err := readBounded(req.Body)
	if errors.Is(err, ErrTooLong) {
		return &pim.Error{Code: pim.CodeInvalid, Err: fmt.Errorf("the request is %w", err)}
	}
	if err != nil {
		return &Lost{Err: err}
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
	return nil
}

func readBounded(r io.ReadCloser) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, BodyLimit+1))
	closeErr := r.Close()
	switch {
	case err != nil:
		return nil, err
	case len(body) > BodyLimit:
		return nil, ErrTooLong
	case closeErr != nil:
		return nil, closeErr
	}
	return body, nil
}
