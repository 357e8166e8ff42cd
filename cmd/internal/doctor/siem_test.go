package doctor

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store/trail/feed"
)

const hecToken = "the-hec-token-of-belay"

// Each target is asked in the way of its kind, and takes no event by it; what is wrong with one is told
// with its name, and no secret.
func TestTargetsAreLookedAt(t *testing.T) {
	splunk, collector := &siemtest.Splunk{Token: hecToken}, &siemtest.Collector{}
	hec, otlp := httptest.NewServer(splunk), httptest.NewServer(collector)
	defer hec.Close()
	defer otlp.Close()
	configured := func(w *world) {
		w.cfg.SIEM = app.SIEM{File: app.File{Path: filepath.Join(t.TempDir(), "audit.jsonl")}, Splunk: app.Splunk{URL: hec.URL, Token: hecToken}, OTLP: app.OTLP{URL: otlp.URL + "/v1/logs"}}
	}
	f := newWorld(t, configured).examine()
	if got := f["siem.targets"]; got.Verdict != OK || !strings.Contains(got.Found, "splunk: it is healthy") || !strings.Contains(got.Found, "otlp: it takes") || !strings.Contains(got.Found, "file: it is not there yet") {
		t.Errorf("%+v", got)
	}
	if got := f["siem.spool"]; got.Verdict != Unknown || got.Mend == "" {
		t.Errorf("%+v", got)
	}
	f = newWorld(t, func(w *world) {
		configured(w)
		w.cfg.SIEM.Splunk.Token = "the-bot-token"
		w.cfg.SIEM.File.Path = filepath.Join(t.TempDir(), "missing", "audit.jsonl")
	}).examine()
	if got := f["siem.targets"]; got.Verdict != Fault || !strings.Contains(got.Found, "splunk: it does not take the token: HTTP 403, code 4") || !strings.Contains(got.Found, "file: its directory is not there") {
		t.Errorf("%+v", got)
	}
	_, cert := certified(t, time.Now().Add(-time.Hour), time.Now().Add(5*24*time.Hour), 0)
	f = newWorld(t, func(w *world) {
		server := httptest.NewUnstartedServer(&siemtest.Webhook{})
		server.TLS = tlsOf(cert)
		server.StartTLS()
		t.Cleanup(server.Close)
		w.trust = append(w.trust, cert)
		w.cfg.SIEM = app.SIEM{Webhook: app.Webhook{URL: server.URL, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	}).examine()
	if got := f["siem.targets"]; got.Verdict != Warning || !strings.Contains(got.Found, "webhook: its certificate ends on") {
		t.Errorf("%+v", got)
	}
	if n := len(splunk.Events()) + len(collector.Events()); n > 0 {
		t.Errorf("%d events were sent", n)
	}
}

// What the serving Belay says of its targets becomes a verdict.
func TestSpoolIsLookedAt(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		line    app.SIEMLine
		verdict Verdict
		words   string
	}{
		"works":          {app.SIEMLine{Waiting: 1, Begun: true}, OK, "nothing was refused or lost; 1 of 1"},
		"down for short": {app.SIEMLine{Waiting: 3, Since: now.Add(-time.Minute), Why: "HTTP 503"}, Warning, "3 events wait: HTTP 503"},
		"down for long":  {app.SIEMLine{Waiting: 3, Since: now.Add(-time.Hour), Why: "HTTP 503"}, Fault, "has taken nothing for 1h"},
		"refused":        {app.SIEMLine{Parked: []feed.Parked{{Why: "HTTP 400"}}}, Warning, "splunk refused 1 events, which are parked: HTTP 400"},
		"lost":           {app.SIEMLine{Lost: 9, LostAt: now, Parked: []feed.Parked{{Why: "HTTP 400"}}}, Fault, "9 events were dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "d") // short, for the socket in it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			l, err := net.Listen("unix", filepath.Join(dir, "belay.sock"))
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", "Belay-Error")
				c.line.Target = "splunk"
				if r.URL.Path != "/siem/list" || json.NewEncoder(w).Encode(c.line) != nil {
					t.Error(r.URL.Path)
				}
				w.Header().Set("Belay-Error", "none")
			})}
			go server.Serve(l)
			t.Cleanup(func() { server.Close() })
			v := &visit{cfg: app.Config{Data: dir}, now: time.Now}
			v.siem(t.Context())
			if got := v.siemSpool(); got.verdict != c.verdict || !strings.Contains(got.found, c.words) || (got.mend == "") != (got.verdict == OK) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func tlsOf(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}
