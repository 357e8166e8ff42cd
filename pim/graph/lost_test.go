package graph_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

// lostWant checks every operation: no answer is CodeUnavailable, and ambiguous
// exactly where a write may have arrived.
func lostWant(t *testing.T, c *graph.Client, arrived bool) {
	t.Helper()
	for op, do := range each {
		e := refused(t, do(t.Context(), c))
		if e.Code != pim.CodeUnavailable || !e.Temporary() || e.Op != op || e.Ambiguous != (arrived && writes[op]) {
			t.Errorf("%s: %+v", op, e)
		}
		if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "token-of") || strings.Contains(e.Error(), alice) {
			t.Errorf("%s: the error tells too much: %s", op, e)
		}
	}
}

func TestTheConnectionBreaks(t *testing.T) {
	hijack := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Errorf("hijack: %v", err)
				return
			}
			if _, err := conn.Write([]byte(answer)); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}
	for name, answer := range map[string]string{
		"before an answer": "",
		"in the headers":   "HTTP/1.1 201 Created\r\nContent-Le",
		"in the body":      "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\":",
		"in a chunk":       "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"id\":",
		"not HTTP":         "hello\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) { lostWant(t, serve(t, hijack(answer)).client(t), true) })
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		s := serve(t, says(200, nil, ""))
		c := s.client(t)
		s.Close()
		lostWant(t, c, false)
	})
	t.Run("an unknown certificate", func(t *testing.T) {
		s := serve(t, says(200, nil, ""))
		c := s.client(t, func(o *graph.Options) { o.HTTP = nil })
		lostWant(t, c, false)
		var unknown x509.UnknownAuthorityError
		if _, err := c.Mine(t.Context(), alice); !errors.As(err, &unknown) {
			t.Errorf("the cause is lost: %v", err)
		}
		if len(s.requests()) != 0 {
			t.Error("a request arrived")
		}
	})
	t.Run("no such host", func(t *testing.T) {
		c, err := graph.New(graph.Options{BaseURL: "https://graph.invalid", Tokens: tokens{}, HTTP: &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		lostWant(t, c, false)
	})
}

// roundTripper is a transport that reports nothing of its connections.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A transport that does not say whether it sent anything may have.
func TestATransportThatDoesNotTell(t *testing.T) {
	c, err := graph.New(graph.Options{BaseURL: "https://graph.example", Tokens: tokens{}, HTTP: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	lostWant(t, c, true)
}

// A call ends when its caller gives up, and a write is then ambiguous.
func TestTheCallerGivesUp(t *testing.T) {
	for op, do := range each {
		ctx, cancel := context.WithCancel(t.Context())
		free := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			cancel() // the request has arrived; now the caller gives up
			<-free
		})
		e := refused(t, do(ctx, s.client(t)))
		close(free)
		if e.Code != pim.CodeUnavailable || e.Ambiguous != writes[op] || !errors.Is(e, context.Canceled) {
			t.Errorf("%s: %+v", op, e)
		}
		s.Close()
	}
}

// Every call has a deadline of its own, ten seconds at the most.
func TestCallsHaveADeadline(t *testing.T) {
	var seen int
	c, err := graph.New(graph.Options{BaseURL: "https://graph.example", Tokens: tokens{}, HTTP: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if _, ok := r.Context().Deadline(); ok {
				seen++
			}
			return nil, context.DeadlineExceeded
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for op, do := range each {
		if e := refused(t, do(context.Background(), c)); e.Code != pim.CodeUnavailable || e.Ambiguous != writes[op] {
			t.Errorf("%s: %+v", op, e)
		}
	}
	if seen != calls() {
		t.Errorf("%d of %d calls had a deadline", seen, calls())
	}
}

// What the source of tokens says is passed on, and nothing is sent.
func TestNoToken(t *testing.T) {
	s := serve(t, says(200, nil, `{"value":[]}`))
	for name, tc := range map[string]struct {
		err  error
		want pim.Error
	}{
		"sign in":  {&pim.Error{Op: "token", Code: pim.CodeSignIn}, pim.Error{Code: pim.CodeSignIn}},
		"step up":  {&pim.Error{Code: pim.CodeStepUp, Claims: "{}"}, pim.Error{Code: pim.CodeStepUp, Claims: "{}"}},
		"client":   {&pim.Error{Code: pim.CodeInvalidClientConfig}, pim.Error{Code: pim.CodeInvalidClientConfig}},
		"anything": {errors.New("the disk is full"), pim.Error{Code: pim.CodeUnavailable}},
	} {
		c := s.client(t, func(o *graph.Options) { o.Tokens = tokens{tc.err} })
		for op, do := range each {
			err := do(t.Context(), c)
			e := refused(t, err)
			if e.Code != tc.want.Code || e.Claims != tc.want.Claims || e.Op != op || e.Ambiguous {
				t.Errorf("%s, %s: %+v", name, op, e)
			}
		}
	}
	c := s.client(t, func(o *graph.Options) { o.Tokens = emptyTokens{} })
	for op, do := range each {
		if e := refused(t, do(t.Context(), c)); e.Code != pim.CodeUnavailable {
			t.Errorf("%s with an empty token: %+v", op, e)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

type emptyTokens struct{}

func (emptyTokens) Person(context.Context, string) (string, error) { return "", nil }
func (emptyTokens) App(context.Context) (string, error)            { return "", nil }

func TestNew(t *testing.T) {
	for _, base := range []string{"https://graph.microsoft.com", "https://graph.microsoft.com/", "https://127.0.0.1:8443", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"} {
		if _, err := graph.New(graph.Options{BaseURL: base, Tokens: tokens{}}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, base := range []string{"", "graph.microsoft.com", "http://graph.microsoft.com", "ftp://localhost", "https://", "https://u:p@graph.microsoft.com", "https://graph.microsoft.com?x=1", "https://graph.microsoft.com#x", "https://%zz"} {
		if _, err := graph.New(graph.Options{BaseURL: base, Tokens: tokens{}}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := graph.New(graph.Options{BaseURL: "https://graph.microsoft.com"}); err == nil {
		t.Error("no tokens: no error")
	}
}
