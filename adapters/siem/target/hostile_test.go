package target_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem/target"
)

// A receiver that sends elsewhere, answers without an end, or not at all, gets no more of Belay than one
// delivery, and takes nothing. What it answers is repeated nowhere: it may quote the event.
func TestAHostileReceiver(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody else was called") }))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"quotes": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.Copy(w, r.Body)
		},
		"quotes, and refuses": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.Copy(w, r.Body)
		},
		"never ends": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"says nothing": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"is no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = c.Write([]byte("SSH-2.0\r\n"))
				_ = c.Close()
			}
		},
	} {
		for kind, p := range pairs() {
			server := httptest.NewServer(answer)
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			if name == "says nothing" {
				client.Timeout = 50 * time.Millisecond
			}
			w := newWorld(t)
			w.lives(1)
			f := w.feed("one", p.open(server.URL, client))
			w.runs(f)
			s := w.stands()
			why := s.Why
			for _, e := range s.Parked {
				why += e.Why
			}
			if why == "" || s.Waiting == 0 && len(s.Parked) == 0 || len(why) > 3000 || strings.Contains(why, "rger") || strings.Contains(why, "activity_id") || strings.Contains(why, "127.0.0.1") || strings.Contains(why, hecToken) {
				t.Errorf("%s, %s: %+v", kind, name, s)
			}
			server.CloseClientConnections()
			server.Close()
		}
	}
}

// A receiver of syslog that does not say that it has read to the end has taken nothing.
func TestSyslogThatDoesNotClose(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // for its certificate
	defer server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server.TLS)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	var kept net.Conn
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		kept = c
		all, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		heard <- string(all)
	}()
	w := newWorld(t)
	w.lives(1)
	p, err := w.trail.Page(t.Context(), 0, 1)
	w.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	conf := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	conf.ServerName = "example.com"
	s := &target.Syslog{Format: format, Address: l.Addr().String(), TLS: conf, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	done := make(chan error, 1)
	go func() {
		_, err := s.Send(ctx, p.Records)
		done <- err
	}()
	text := <-heard // it has read everything, and keeps the connection
	cancel()
	if err := <-done; err == nil { // whichever step it was at
		t.Error("it counts as taken")
	}
	if !strings.Contains(text, " belay - ") {
		t.Errorf("%.200q", text)
	}
	w.must(kept.Close())
	w.must(l.Close())
}
