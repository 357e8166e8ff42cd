package app

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/belaybot/belay/store/trail"
)

const targets = `
siem:
  texts: true
  file: {path: /var/log/belay/audit.jsonl}
  syslog: {address: "syslog.example.com:6514"}
  splunk: {url: "https://splunk.example.com:8088", token: canary-hec, acknowledge: true}
  azure: {endpoint: "https://belay-a1b2.westeurope-1.ingest.monitor.azure.com", rule: dcr-00000000000000000000000000000000}
  webhook: {url: "https://hooks.example.com/belay", secret_file: SECRET}
  otlp: {url: "http://127.0.0.1:4318/v1/logs", header: "Authorization: Bearer canary-otlp"}
`

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func withTargets(t *testing.T, changes ...string) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return write(t, good+strings.NewReplacer(append(changes, "SECRET", secret)...).Replace(targets))
}

// Every target can be configured, in the file or in the environment; each goes to its own host and to
// no other, and the file that is rendered of it loads as the same.
func TestTargetsAreConfigured(t *testing.T) {
	c, err := Load(withTargets(t), []string{"BELAY_SIEM_SPLUNK_INDEX=pim"})
	if err != nil {
		t.Fatal(err)
	}
	if !c.SIEM.Texts || !c.SIEM.History || c.SIEM.Splunk.Index != "pim" || c.SIEM.Azure.Stream != "Custom-Belay_CL" || string(c.SIEM.Webhook.Secret) != hookSecret {
		t.Errorf("%+v", c.SIEM)
	}
	client, err := c.Outside()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Destinations(client, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	if got := strings.Join(names, " "); got != "file syslog splunk azure webhook otlp" {
		t.Errorf("%s", got)
	}
	origins := c.origins()
	for _, at := range []string{"https://splunk.example.com:8088", "https://belay-a1b2.westeurope-1.ingest.monitor.azure.com:443", "https://hooks.example.com:443",
		"http://127.0.0.1:4318", "tls://syslog.example.com:6514"} {
		if origins[at] == "" {
			t.Errorf("%s is not among %v", at, origins)
		}
	}
	var refused *EgressError
	if _, err := dialer(client)(t.Context(), "tcp", "elsewhere.example.com:6514"); !errors.As(err, &refused) {
		t.Errorf("syslog goes elsewhere: %v", err)
	}
	text, err := Render(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(write(t, string(text)), nil)
	if err != nil || again.SIEM != c.SIEM {
		t.Errorf("%v: %+v", err, again.SIEM)
	}
	none, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := none.Destinations(client, io.Discard); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

// What makes no sense is named, and no secret with it.
func TestTargetsAreValidated(t *testing.T) {
	_, err := Load(withTargets(t, "/var/log/belay/audit.jsonl", "audit.jsonl", "syslog.example.com:6514", "syslog.example.com", "https://splunk.example.com:8088", "http://splunk.example.com:8088",
		"token: canary-hec, ", "", "dcr-00000000000000000000000000000000", "my-rule", "https://hooks.example.com/belay", "https://hooks.example.com/belay?sig=canary",
		"Authorization: Bearer canary-otlp", "canary-otlp"), []string{"BELAY_SIEM_WEBHOOK_NEXT_SECRET=whsec_canary", "BELAY_SIEM_SYSLOG_CA_FILE=/nowhere"})
	got := faults(t, err)
	for _, want := range []string{"siem.file.path: must be an absolute path", "siem.syslog.address: must be an address", "siem.syslog.ca_file: cannot be read", "siem.splunk.url: must be https",
		"siem.splunk.token: is required", "siem.azure.rule: must be the immutable id", "siem.webhook.url: must be a URL", "siem.webhook.next_secret: must be whsec_", "siem.otlp.header: must be a header"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") {
		t.Errorf("a secret is in the faults:\n%s", got)
	}
}

// What is no file is refused before anything is written there, and with it what to do.
func TestAFileOfTheTrailIsAFile(t *testing.T) {
	dir := t.TempDir()
	for at, is := range map[string]string{dir: "a directory", "/dev/null": "a device"} {
		if info, err := os.Stat(at); err != nil || info.Mode().IsRegular() {
			continue // this system has none
		}
		_, err := Load(withTargets(t, "/var/log/belay/audit.jsonl", at), nil)
		if got := faults(t, err); !strings.Contains(got, "siem.file.path: it is "+is+", and must be a file: name one, or - for the standard output") {
			t.Errorf("%s: %s", is, got)
		}
	}
}

// Where a target stands is in the metrics, whoever delivers to it.
func TestTargetsAreMeasured(t *testing.T) {
	cfg, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data, cfg.SIEM.File.Path = t.TempDir(), "-"
	a, err := openStore(t.Context(), cfg, Options{Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	happens := func() {
		t.Helper()
		err := operations["/keys/note"](t.Context(), a, operator{"root@host"}, json.RawMessage(`{"command":"keys wrap"}`), func(any) error { return nil })
		if err == nil {
			err = a.trail.Settle(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	happens()
	refuse(t, a, "file")
	happens()
	var parked, begin uint64
	err = a.trail.Read(t.Context(), 0, func(trail.Record) error { begin++; return nil })
	if err != nil || begin < 2 {
		t.Fatal(begin, err)
	}
	parked = begin - 1
	values := map[string]float64{}
	all, err := a.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if strings.HasPrefix(f.GetName(), "belay_siem_") {
			m := f.GetMetric()[0]
			values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if values["belay_siem_waiting"] != 1 || values["belay_siem_parked"] != float64(parked) || values["belay_siem_oldest_seconds"] <= 0 || values["belay_siem_lost"] != 0 || values["belay_siem_down_seconds"] != 0 {
		t.Errorf("%v", values)
	}
	if _, err := a.feeds[0].Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../docs/siem.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range values {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/siem.md does not tell of %s", name)
		}
	}
	if n, err := testutil.GatherAndCount(a.metrics, "belay_siem_delivered_total"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}
