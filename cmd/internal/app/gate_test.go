package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// gated serves next as the public listener does; change may shorten its patience.
func gated(t *testing.T, concurrent int, next http.HandlerFunc, change func(*http.Server)) (*gate, string) {
	t.Helper()
	g := newGate(guarded(next, slog.New(slog.DiscardHandler)), Config{PublicURL: "https://belay.example", Limits: Limits{Concurrent: concurrent}}, prometheus.NewRegistry())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server(g, slog.New(slog.DiscardHandler))
	if change != nil {
		change(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return g, "http://" + l.Addr().String()
}

// readAll is an endpoint that reads its body.
func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
	}
}

func send(t *testing.T, method, to string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, to, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp
}

// What is answered before anybody looked at it, and what every answer has.
func TestGate(t *testing.T) {
	var sawWhole bool
	g, at := gated(t, 4, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("canary")
		case "/body":
			n, err := io.Copy(io.Discard, r.Body)
			sawWhole = n > maxBody || n == maxBody && err == nil
			w.WriteHeader(http.StatusNoContent)
		default:
			http.NotFound(w, r)
		}
	}, nil)
	for _, c := range []struct {
		name    string
		body    io.Reader
		path    string
		headers []string
		status  int
	}{
		{"a small body", strings.NewReader("x"), "/body", nil, 204},
		{"10 MB", bytes.NewReader(make([]byte, 10<<20)), "/body", []string{"Expect", "100-continue"}, 413},
		{"too much of unknown length", io.MultiReader(bytes.NewReader(make([]byte, maxBody+1000))), "/body", nil, 204}, // cut off, below
		{"gzip", strings.NewReader("\x1f\x8b"), "/body", []string{"Content-Encoding", "gzip"}, 415},
		{"identity by name", strings.NewReader("x"), "/body", []string{"Content-Encoding", "identity"}, 415},
		{"no such page", nil, "/", nil, 404},
		{"a panic", nil, "/panic", nil, 500},
	} {
		sawWhole = false
		resp := send(t, http.MethodPost, at+c.path, c.body, c.headers...)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.status)
		}
		if c.name == "too much of unknown length" && sawWhole {
			t.Error("a body of unknown length is not cut off")
		}
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
	}
	for reason, want := range map[string]float64{"encoded": 2, "large": 1, "busy": 0} {
		if n := testutil.ToFloat64(g.refused.WithLabelValues(reason)); n != want {
			t.Errorf("%s: %v refusals are counted, want %v", reason, n, want)
		}
	}
	resp := send(t, http.MethodGet, at+"/", nil, "Cookie", strings.Repeat("x", 64<<10))
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers: %d", resp.StatusCode)
	}
}

// More at once than there is room for is refused at once, and only that.
func TestGateIsFull(t *testing.T) {
	hold, there := make(chan struct{}), make(chan struct{}, 16)
	g, at := gated(t, 2, func(w http.ResponseWriter, _ *http.Request) { there <- struct{}{}; <-hold }, nil)
	answers := make(chan int, 2)
	for range 2 {
		go func() { answers <- send(t, http.MethodGet, at, nil).StatusCode }()
		<-there
	}
	for range 3 {
		if resp := send(t, http.MethodGet, at, nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	}
	close(hold)
	for range 2 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("who was let in gets %d", status)
		}
	}
	// A place is given back a moment after the answer.
	for send(t, http.MethodGet, at, nil).StatusCode == http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	if n := testutil.ToFloat64(g.refused.WithLabelValues("busy")); n < 3 {
		t.Errorf("%v refusals are counted", n)
	}
}

// Whoever sends slowly is cut off, chunk by chunk or not, and gives the place back.
func TestSlowBodies(t *testing.T) {
	s := server(nil, slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.ReadTimeout > 15*time.Second || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("the listener waits for ever, or takes anything: %+v", s)
	}
	g, at := gated(t, 1, readAll, func(s *http.Server) { s.ReadTimeout, s.ReadHeaderTimeout = 300*time.Millisecond, 300*time.Millisecond })
	host := strings.TrimPrefix(at, "http://")
	for name, head := range map[string]string{
		"a length that does not come": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
		"chunks that do not end":      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		"headers that do not end":     "POST / HTTP/1.1\r\nHost: x\r\nX-A: ",
	} {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(c, head); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c) // ends when the server hangs up
		if err != nil {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
		if strings.Contains(string(answer), " 200 ") {
			t.Errorf("%s: answered %q", name, answer)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for send(t, http.MethodGet, at, nil).StatusCode == http.StatusServiceUnavailable { // until its place is given back
		time.Sleep(time.Millisecond)
	}
	if len(g.slots) > 1 {
		t.Errorf("%d places are taken", len(g.slots))
	}
}
