package main

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/doctor"
)

// installation writes a configuration whose services are all at one address.
func installation(t *testing.T, at string) (file string, cfg app.Config) {
	t.Helper()
	dir := t.TempDir()
	cfg = app.Config{PublicURL: "http://127.0.0.1:1", Data: filepath.Join(dir, "data"),
		Entra: app.Entra{KeepSignIns: true, TenantID: tenantID, ClientID: clientID, ClientSecret: "s", AzureResources: true},
		Teams: app.Teams{AppID: clientID}, Security: app.Security{Channels: []string{"teams:19:security"}},
		Endpoints: app.Endpoints{Login: "https://" + at, Graph: "https://" + at, ARM: "https://" + at, BotLogin: "https://" + at,
			BotOpenID: "https://" + at + "/keys", Slack: "https://" + at}}
	text, err := app.Render(cfg)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "belay.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, cfg
}

// closed is an address at which nobody answers.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func reported(t *testing.T, stdout string) (r report, verdicts map[string]doctor.Verdict) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	verdicts = map[string]doctor.Verdict{}
	for _, f := range r.Findings {
		verdicts[f.Check] = f.Verdict
	}
	return r, verdicts
}

func TestDoctor(t *testing.T) {
	file, cfg := installation(t, closed(t))
	stdout, stderr, code := belay(t, "doctor", "--config", file, "--json")
	r, verdicts := reported(t, stdout)
	if code != exitFailed || r.Faults == 0 || verdicts["login.reach"] != doctor.Fault || !strings.Contains(stderr, "must be mended") {
		t.Errorf("exit code %d, %v, %s", code, verdicts, stderr)
	}
	// For people: the same, the faults last.
	stdout, _, code = belay(t, "doctor", "--config", file)
	if _, mends, found := strings.Cut(stdout, "Must be mended\n"); code != exitFailed || !found || !strings.Contains(mends, "login.reach") || strings.ContainsRune(stdout, 0x1b) {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	// Offline there is no fault, and a warning is none.
	stdout, stderr, code = belay(t, "doctor", "--config", file, "--json", "--offline")
	r, verdicts = reported(t, stdout)
	if code != exitOK || r.Faults != 0 || r.Warnings != 1 || verdicts["credential.kind"] != doctor.Warning || verdicts["entra.write"] != doctor.Unknown {
		t.Errorf("exit code %d, %v, %s", code, verdicts, stderr)
	}
	if _, err := os.Stat(cfg.Data); err == nil {
		t.Error("it made the data directory")
	}
}

// The report for programs keeps its names. Whoever changes them raises reportSchema.
func TestDoctorReport(t *testing.T) {
	file, _ := installation(t, closed(t))
	for _, args := range [][]string{{"--offline"}, {}} {
		stdout, _, _ := belay(t, append([]string{"doctor", "--config", file, "--json"}, args...)...)
		var members map[string]json.RawMessage
		var findings struct{ Findings []map[string]string }
		if err := errors.Join(json.Unmarshal([]byte(stdout), &members), json.Unmarshal([]byte(stdout), &findings)); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
		if got := slices.Sorted(maps.Keys(members)); !slices.Equal(got, []string{"faults", "findings", "schema", "unknown", "warnings"}) || string(members["schema"]) != "1" {
			t.Errorf("%v, schema %s", got, members["schema"])
		}
		if strings.Count(stdout, "\n") != 1 || len(findings.Findings) == 0 {
			t.Errorf("%d findings in %d lines", len(findings.Findings), strings.Count(stdout, "\n"))
		}
		for _, f := range findings.Findings {
			for name := range f {
				if !slices.Contains([]string{"check", "group", "looked_at", "verdict", "found", "mend"}, name) {
					t.Errorf("a finding has %q", name)
				}
			}
		}
	}
}

func TestDoctorRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "belay.yaml")
	if err := os.WriteFile(file, []byte("public_url: nowhere\nentra: {tenant_id: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := belay(t, "doctor", "--config", file, "--json")
	r, verdicts := reported(t, stdout)
	if code != exitRefused || verdicts["configuration"] != doctor.Fault || len(verdicts) != 1 || r.Faults < 3 || !strings.Contains(stderr, "public_url") {
		t.Errorf("exit code %d, %v, %s", code, r, stderr)
	}
	if _, stderr, code = belay(t, "doctor", "--config", file); code != exitRefused || !strings.Contains(stderr, "entra.tenant_id") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, _, code = belay(t, "doctor"); code != exitUsage {
		t.Errorf("without a configuration: exit code %d", code)
	}
}

func TestDoctorTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"HOME=/", "GRAPH_TOKEN=from-the-environment"}
	for want, c := range map[string]struct {
		file    string
		environ []string
	}{"": {}, "from-the-file": {file, environ}, "from-the-environment": {"", environ}} {
		if got, err := lent(c.file, operatorToken, c.environ); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if _, err := lent(file+".missing", operatorToken, nil); err == nil {
		t.Error("a missing file is nothing to it")
	}
}
