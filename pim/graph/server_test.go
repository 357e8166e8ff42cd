package graph_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

const (
	alice = "071cc716-8147-4397-a5ba-b2105951cc0b"
	bob   = "3fbd929d-8c56-4462-851e-0eb9a7b3a2a5"
	carol = "6be4b305-b75e-4efc-bfcc-31bd3b53a5f8"
	role  = "8424c6f0-a189-499e-bbd0-26c1753c96d4"
	reqID = "911bab8a-6912-4de2-9dc0-2648ede7dd6d"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func entraRole() pim.Assignment {
	return pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"}
}

// tokens gives everybody a token that names them.
// client is short for what the tables call.
type client = *graph.Client

// tokens gives everybody a token that names them.
type tokens struct{ err error }

func (f tokens) Person(_ context.Context, who string) (string, error) {
	return "token-of-" + who, f.err
}
func (f tokens) App(context.Context) (string, error) { return "token-of-belay", f.err }

// seen is a request as it arrived.
type seen struct {
	method, target, auth, body string
	header                     http.Header
	length                     int64
	chunked                    bool
}

// service is Graph on a TLS port of its own, and what arrived there.
type service struct {
	*httptest.Server
	mu   sync.Mutex
	list []seen
}

func serve(t testing.TB, h http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		s.mu.Lock()
		s.list = append(s.list, seen{r.Method, r.RequestURI, r.Header.Get("Authorization"), string(body),
			r.Header.Clone(), r.ContentLength, len(r.TransferEncoding) > 0})
		s.mu.Unlock()
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // some tests break connections on purpose
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// says answers everything in the same way.
func says(status int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client may have gone away, which is what some tests are about
		}
	}
}

func (s *service) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.list...)
}

func (s *service) only(t *testing.T) seen {
	t.Helper()
	list := s.requests()
	if len(list) != 1 {
		t.Fatalf("%d requests arrived, want 1: %+v", len(list), list)
	}
	return list[0]
}

func (s *service) client(t testing.TB, change ...func(*graph.Options)) *graph.Client {
	t.Helper()
	o := graph.Options{BaseURL: s.URL, HTTP: &http.Client{Transport: recording{s.Client().Transport}}, Tokens: tokens{}, Now: func() time.Time { return noon }}
	for _, c := range change {
		c(&o)
	}
	c, err := graph.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused is the *pim.Error in err, which must be there.
func refused(t *testing.T, err error) *pim.Error {
	t.Helper()
	var e *pim.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is no *pim.Error", err, err)
	}
	return e
}
