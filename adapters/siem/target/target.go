// Package target has the places that the audit trail is delivered to: a file, syslog over
// TLS, Splunk's HTTP Event Collector, Azure Monitor's Logs Ingestion, a signed webhook and an
// OpenTelemetry collector. Each takes the same events of OCSF; none retries by itself.
//
// What a place answers is never repeated in an error: it may quote the event that it refused.
package target

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// Checked is what a look at a target found.
type Checked struct {
	Found string    // in a few words
	Until time.Time // when its certificate ends; zero: it has none
}

// Format is how events are written, the same for every target.
type Format struct {
	Source siem.Source
	Texts  bool // with what people wrote and are called
}

// event is a record as an event of OCSF, and that as JSON.
func (f Format) event(r trail.Record) (siem.Event, []byte) {
	e := f.Source.OCSF(siem.NewLine(r, f.Texts))
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(e); err != nil {
		return e, []byte("{}") // texts and numbers only: it cannot fail
	}
	return e, bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// CallError is a call that brought no answer, in fixed words: the errors of the network
// repeat addresses.
type CallError struct {
	Words string
	Err   error
}

// Error is in fixed words.
func (e *CallError) Error() string { return e.Words }

// Unwrap gives the reason to errors.Is and errors.As.
func (e *CallError) Unwrap() error { return e.Err }

func unreached(err error) error {
	var timeout interface{ Timeout() bool }
	words := "it cannot be reached"
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(x509.UnknownAuthorityError)):
		words = "its certificate is not trusted on this machine"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		words = "it did not answer in time"
	}
	return &CallError{words, err}
}

// StatusError is an answer that is none of the expected ones.
type StatusError struct{ Status, Code int }

// Error names the status, and the number that the service gives besides.
func (e *StatusError) Error() string {
	if e.Code != 0 {
		return fmt.Sprintf("HTTP %d, code %d", e.Status, e.Code)
	}
	return fmt.Sprintf("HTTP %d", e.Status)
}

// maxAnswer is more than any answer that is read here.
const maxAnswer = 1 << 20

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	until  time.Time // end of the certificate
}

// call sends a body and reads the answer.
func call(ctx context.Context, client *http.Client, method, address string, header map[string]string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, &CallError{"its address cannot be used", err}
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, unreached(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		a.until = resp.TLS.PeerCertificates[0].NotAfter
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return a, unreached(err)
	}
	return a, nil
}

func (a answer) good() bool { return a.status >= 200 && a.status < 300 }

// trouble is what a bad answer means for so many events: whether they are refused, or the
// target wants to be asked later, or is not as it should be.
func (a answer) trouble(of, code int) error {
	err := &StatusError{a.status, code}
	switch a.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return &feed.RefusedError{Of: of, Why: err.Error()}
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &feed.WaitError{After: after(a.header, time.Now()), Err: err}
	}
	return err
}

// after reads Retry-After: seconds, or a time.
func after(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(n), 86400) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// tooLarge refuses one event that no batch can hold.
func tooLarge(limit int) error {
	return &feed.RefusedError{Of: 1, Why: fmt.Sprintf("it is longer than %d bytes, which is more than the target takes", limit)}
}
