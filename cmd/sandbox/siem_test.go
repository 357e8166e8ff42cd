package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	audit "github.com/belaybot/belay/store/trail"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// siems are what a security team may have: every receiver that there is.
type siems struct {
	splunk    *siemtest.Splunk
	ingestion *siemtest.Ingestion
	webhook   *siemtest.Webhook
	collector *siemtest.Collector
	rsyslog   *siemtest.Rsyslog
	file      string
}

// receivers starts them, with certificates of the sandbox's authority; rsyslogd has its own.
func receivers(t *testing.T, rsyslog bool) *siems {
	s := &siems{splunk: &siemtest.Splunk{Token: "hec-token", Acks: true, Late: 1}, webhook: &siemtest.Webhook{Secret: hookSecret},
		ingestion: &siemtest.Ingestion{Rule: "dcr-0123456789abcdef", Stream: "Custom-Belay_CL", Token: ofBelay},
		collector: &siemtest.Collector{Header: "Authorization", Value: "Bearer otlp-token"}, file: filepath.Join(t.TempDir(), "audit.jsonl")}
	if rsyslog {
		driver := ""
		if all := siemtest.Drivers(); len(all) > 0 {
			driver = slices.Max(all)
		}
		s.rsyslog = siemtest.StartRsyslog(t, driver)
	}
	return s
}

// ofBelay says what is wrong with a token of Entra for Azure Monitor.
func ofBelay(bearer string) string {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 {
		return "it is no JWT"
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Audience string `json:"aud"`
		Type     string `json:"idtyp"`
		App      string `json:"azp"`
		AppV1    string `json:"appid"`
	}
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return "its claims cannot be read"
	}
	if strings.TrimRight(c.Audience, "/") != "https://monitor.azure.com" || c.App != belayApp && c.AppV1 != belayApp {
		return fmt.Sprintf("it is for %s, of %s%s", c.Audience, c.App, c.AppV1)
	}
	return ""
}

// serves starts the receivers' servers and gives the configuration with which Belay delivers to them.
func (s *siems) serves(w *world) func(*app.Config) {
	at := func(h http.Handler) string {
		server := httptest.NewUnstartedServer(h)
		server.TLS = w.ca.config()
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		w.t.Cleanup(server.Close)
		return server.URL
	}
	conf := app.SIEM{Texts: true, History: true, File: app.File{Path: s.file},
		Splunk:  app.Splunk{URL: at(s.splunk), Token: "hec-token", Acknowledge: true},
		Azure:   app.Monitor{Endpoint: at(s.ingestion), Rule: s.ingestion.Rule, Stream: s.ingestion.Stream, Scope: "https://monitor.azure.com/.default"},
		Webhook: app.Webhook{URL: at(s.webhook) + "/belay", Secret: hookSecret},
		OTLP:    app.OTLP{URL: at(s.collector) + "/v1/logs", Header: "Authorization: Bearer otlp-token"}}
	if s.rsyslog != nil {
		conf.Syslog = app.Syslog{Address: s.rsyslog.Address(), CAFile: s.rsyslog.CAFile, CertificateFile: s.rsyslog.ClientFile}
	}
	return func(c *app.Config) { c.SIEM = conf }
}

// answer has every receiver that is reached by HTTP answer with a status; 0: they work.
func (s *siems) answer(status int) {
	s.splunk.Answer(status, "")
	s.ingestion.Answer(status, "")
	s.webhook.Answer(status, "")
	s.collector.Answer(status, "")
}

// arrived holds what every receiver has against the trail of a Belay that does not run: each event
// once, by its id, in the order of the chain, and as OCSF's schema wants it.
func (s *siems) arrived(w *world) {
	w.t.Helper()
	want := w.chained()
	got := map[string][]json.RawMessage{"splunk": s.splunk.Events(), "azure": s.ingestion.Events(), "webhook": s.webhook.Events(), "otlp": s.collector.Events()}
	faults := slices.Concat(s.splunk.Faults(), s.ingestion.Faults(), s.webhook.Faults(), s.collector.Faults())
	if s.rsyslog != nil {
		events, more := s.rsyslog.Events()
		got["syslog"], faults = events, append(faults, more...)
	}
	text, err := os.ReadFile(s.file)
	w.must(err)
	for line := range strings.Lines(string(text)) {
		got["file"] = append(got["file"], json.RawMessage(line))
		faults = append(faults, siemtest.OCSF().Faults([]byte(line))...)
	}
	for _, f := range faults {
		w.t.Error(f)
	}
	for name, events := range got {
		var ids []string
		seen := map[string]bool{}
		for _, raw := range events {
			var e struct{ Metadata struct{ UID string } }
			w.must(json.Unmarshal(raw, &e))
			if !seen[e.Metadata.UID] {
				ids = append(ids, e.Metadata.UID)
			}
			seen[e.Metadata.UID] = true
		}
		if !slices.Equal(ids, want) {
			w.t.Errorf("%s has %d events, the trail %d; or their order is another", name, len(ids), len(want))
		}
		w.t.Logf("%s: %d events, %d of them twice", name, len(ids), len(events)-len(ids))
	}
}

// chained are the ids of the trail's events, in its order.
func (w *world) chained() (ids []string) {
	w.t.Helper()
	at := filepath.Join(w.dir, "belay")
	keys, err := store.LoadKeyFile(filepath.Join(at, "belay.keys"))
	w.must(err)
	raw, err := bolt.Open(filepath.Join(at, "belay.db"), bolt.Options{})
	w.must(err)
	tr, err := audit.New(audit.Options{Store: audit.Recording(store.Seal(raw, keys)), Signer: keys.Signer("audit checkpoints")})
	w.must(err)
	w.must(tr.Read(w.t.Context(), 0, func(r audit.Record) error { ids = append(ids, r.ID); return nil }))
	w.must(raw.Close())
	return ids
}

var gauge = regexp.MustCompile(`(?m)^(belay_siem_[a-z_]+)\{target="([a-z]+)"\} ([0-9.e+-]+)$`)

// measured are Belay's metrics of its targets.
func (w *world) measured() map[string]float64 {
	w.t.Helper()
	_, text := w.call(http.MethodGet, "http://"+w.app.PrivateAddr().String()+"/metrics", "")
	all := map[string]float64{}
	for _, m := range gauge.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		w.must(err)
		all[m[1]+" "+m[2]] = v
	}
	return all
}

// untilMeasured waits until the metrics of each target are so.
func (w *world) untilMeasured(targets int, what string, so func(float64) bool) {
	w.t.Helper()
	ctx := w.ctx()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		n, all := 0, w.measured()
		for name, v := range all {
			if strings.HasPrefix(name, what+" ") && so(v) {
				n++
			}
		}
		if n == targets {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%d of %d: %v", n, targets, all)
		case <-tick.C:
		}
	}
}

// The events of a whole story arrive everywhere once, after an outage of everything in its middle and a
// restart of Belay. Nobody in the story has to wait for it.
func TestStoryReachesEverySIEM(t *testing.T) {
	t.Parallel()
	rsyslog := len(siemtest.Drivers()) > 0
	if !rsyslog {
		t.Log("NOT TESTED with rsyslogd, which is not installed here; adapters/siem/target demands it")
	}
	s, targets := receivers(t, rsyslog), 5
	if rsyslog {
		targets++
	}
	var deliver func(*app.Config)
	prepare := func(w *world) {
		if deliver == nil {
			deliver = s.serves(w)
		}
		w.reopen(deliver)
	}
	w := runPrepared(t, t.TempDir(), manners{}, prepare)
	steps := w.story(false)
	for n, step := range steps {
		if n == len(steps)/2 {
			s.answer(http.StatusServiceUnavailable)
			if rsyslog {
				s.rsyslog.Kill()
			}
		}
		w.must(step.do(w.ctx()))
	}
	// All but the file are down, and it shows.
	w.untilMeasured(targets-1, "belay_siem_down_seconds", func(v float64) bool { return v > 0 })
	if all := w.measured(); all["belay_siem_waiting splunk"] < 10 || all["belay_siem_oldest_seconds splunk"] <= 0 || all["belay_siem_parked splunk"] != 0 {
		t.Errorf("%v", all)
	}
	w = w.again(nil, prepare)
	s.answer(0)
	if rsyslog {
		s.rsyslog.Start()
	}
	w.pass("10m") // of the longest wait
	w.untilMeasured(targets, "belay_siem_waiting", func(v float64) bool { return v == 0 })
	w.untilMeasured(targets, "belay_siem_down_seconds", func(v float64) bool { return v == 0 })
	w.end()
	delivered := len(s.splunk.Events())
	// What was written at the very end is delivered at the next start.
	w = w.again(nil, prepare)
	w.untilMeasured(targets, "belay_siem_waiting", func(v float64) bool { return v == 0 })
	w.end()
	s.arrived(w)
	for _, secret := range []string{"hec-token", "otlp-token", hookSecret[6:]} {
		if strings.Contains(w.logs.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	if delivered < 100 {
		t.Errorf("the story has %d events only", delivered)
	}
}

// One event that Splunk refuses is parked, shouted and counted, the others arrive; the operator sees it, mends
// Splunk, and has it sent again.
func TestSIEMRefusesAnEvent(t *testing.T) {
	t.Parallel()
	s := receivers(t, false)
	s.splunk.Acks = false
	w := runPrepared(t, t.TempDir(), manners{}, func(w *world) {
		deliver := s.serves(w)
		w.reopen(func(c *app.Config) { deliver(c); c.SIEM.Splunk.Acknowledge = false })
	})
	w.logs.allow("it is parked")
	s.splunk.Refuse(func(e []byte) bool { return strings.Contains(string(e), `"event_code":"person.linked"`) })
	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("user admin 1h figures")
	w.untilMeasured(1, "belay_siem_parked", func(v float64) bool { return v == 1 })
	w.untilMeasured(5, "belay_siem_waiting", func(v float64) bool { return v == 0 })
	if n := strings.Count(w.logs.String(), "it is parked: belay siem list"); n != 1 {
		t.Errorf("told %d times", n)
	}
	lines := func(path string, in any) (all []json.RawMessage) {
		t.Helper()
		served, err := app.Ask(w.ctx(), w.config(), path, in, func(l json.RawMessage) error { all = append(all, slices.Clone(l)); return nil })
		if err != nil || !served {
			t.Fatal(served, err)
		}
		return all
	}
	var line app.SIEMLine
	for _, raw := range lines("/siem/list", struct{}{}) {
		w.must(json.Unmarshal(raw, &line))
		if line.Target == "splunk" {
			break
		}
	}
	if len(line.Parked) != 1 || line.Parked[0].Kind != string(audit.Linked) || line.Parked[0].Why != "HTTP 400, code 6" || line.Why != "" {
		t.Fatalf("%+v", line)
	}
	s.splunk.Refuse(nil)
	lines("/siem/retry", app.SIEMParked{Target: "splunk", Event: line.Parked[0].ID})
	w.untilMeasured(5, "belay_siem_parked", func(v float64) bool { return v == 0 })
	w.untilMeasured(5, "belay_siem_waiting", func(v float64) bool { return v == 0 })
	n := 0
	for _, e := range s.splunk.Events() {
		if strings.Contains(string(e), line.Parked[0].ID) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("it came %d times", n)
	}
}
