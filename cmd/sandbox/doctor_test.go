package main

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/doctor"
	"github.com/belaybot/belay/store"
)

// clinic is a sandbox whose Belay serves, and what an operator asks belay doctor about it with.
type clinic struct {
	*world
	program, token string
	healthy        app.Config
}

// patient is a configuration that is examined, and with what.
type patient struct {
	cfg     app.Config
	text    string // put behind the rendered configuration
	environ []string
	mode    os.FileMode // 0: 0600
}

// newClinic runs a sandbox as an operator should set one up: with a certificate, and no secret in Entra.
func newClinic(t *testing.T) *clinic {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") // short, for the socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file, cert, _ := certified(t)
	c := &clinic{program: program(t)}
	c.world = runPrepared(t, dir, manners{certificate: file, registered: []*x509.Certificate{cert}}, func(w *world) {
		w.reopen(func(cfg *app.Config) { cfg.Teams.ClientSecret = "" })
	})
	c.healthy = c.config()
	c.healthy.Teams.ClientSecret, c.healthy.PrivateListen = "", strings.TrimPrefix(c.urls[atPrivate], "http://")
	token, err := c.tenant.CLIToken(c.who("frank").OID)
	c.must(err)
	c.token = filepath.Join(t.TempDir(), "token")
	c.must(os.WriteFile(c.token, []byte(token), 0o600))
	return c
}

// report is what belay doctor --json prints.
type report struct {
	Schema                    int
	Findings                  []doctor.Finding
	Unknown, Warnings, Faults int
}

// examine runs belay doctor --json, and holds what is true of every report.
func (c *clinic) examine(t *testing.T, p patient) (r report, code int) {
	t.Helper()
	text, err := app.Render(p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "belay.yaml")
	if err := os.WriteFile(file, append(text, p.text...), cmp.Or(p.mode, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), c.program, "doctor", "--config", file, "--json", "--within", "2m", "--graph-token-file", c.token)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, p.environ...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), said.String())
	}
	for _, secret := range []string{c.kept.EntraSecret, c.kept.SlackToken, c.kept.SlackSigning, c.kept.SlackClient, "canary", "eyJ", "PRIVATE"} {
		if strings.Contains(out.String()+said.String(), secret) {
			t.Errorf("it tells a secret: %s%s", out.String(), said.String())
		}
	}
	for _, f := range r.Findings {
		if (f.Verdict == doctor.Fault || f.Verdict == doctor.Warning) && f.Mend == "" {
			t.Errorf("%s says nothing of how it is mended", f.Check)
		}
	}
	return r, code
}

// in front of a service stands something that changes its answers.
func (c *clinic) inFront(t *testing.T, of string, change func(*http.Response)) string {
	t.Helper()
	to, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error { change(r); return nil }})
	t.Cleanup(server.Close)
	return server.URL
}

// elsewhere is a data directory that nobody serves from, as Belay leaves it behind.
func (c *clinic) elsewhere(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "belay")
	cfg := c.healthy
	cfg.Data, cfg.PrivateListen = dir, "127.0.0.1:0"
	a, err := app.Open(cfg, app.Options{Now: c.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

const nobody = "00000000-0000-4000-8000-00000000dead"

// ailments are configurations with one thing wrong. first is the check that names it, says what must
// stand in its finding or its mend, and also are the others that see the same. Everything else stays
// as it was, or is unknown.
var ailments = map[string]struct {
	spoil func(*testing.T, *clinic, *patient)
	code  int
	first string
	want  doctor.Verdict
	says  string
	also  []string
}{
	"an unknown key":            {func(_ *testing.T, _ *clinic, p *patient) { p.text = "\nslak:\n  app_id: A1\n" }, 3, "configuration", doctor.Fault, "slak", nil},
	"a key that makes no sense": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.PublicURL = "belay.example.com" }, 3, "configuration", doctor.Fault, "public_url", nil},
	"a client secret":           {func(_ *testing.T, c *clinic, p *patient) { p.cfg.Teams.ClientSecret = app.Secret(c.kept.EntraSecret) }, 0, "credential.kind", doctor.Warning, "workload identity federation", nil},
	"another bot's secret":      {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Teams.ClientSecret = "canary-secret" }, 1, "bot.token", doctor.Fault, "the secret's value", []string{"credential.kind"}},
	"a certificate that Entra does not know": {func(t *testing.T, _ *clinic, p *patient) {
		p.cfg.Entra.CertificateFile, _, _ = certified(t)
	}, 1, "entra.token", doctor.Fault, "Add the certificate to the registration", []string{"bot.token"}},
	"a certificate that everybody may read": {func(t *testing.T, _ *clinic, p *patient) {
		text, err := os.ReadFile(p.cfg.Entra.CertificateFile)
		if err != nil {
			t.Fatal(err)
		}
		p.cfg.Entra.CertificateFile = filepath.Join(t.TempDir(), "belay.pem")
		if err := os.WriteFile(p.cfg.Entra.CertificateFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}, 0, "configuration.readers", doctor.Warning, "chmod 600", nil},
	"a secret's file that everybody may read": {func(t *testing.T, c *clinic, p *patient) {
		file := filepath.Join(t.TempDir(), "signing")
		if err := os.WriteFile(file, []byte(c.kept.SlackSigning), 0o644); err != nil {
			t.Fatal(err)
		}
		p.cfg.Slack.SigningSecret, p.environ = "", []string{"BELAY_SLACK_SIGNING_SECRET_FILE=" + file}
	}, 0, "configuration.readers", doctor.Warning, "slack.signing_secret_file", nil},
	"a configuration that everybody may read": {func(_ *testing.T, _ *clinic, p *patient) { p.mode = 0o644 }, 0, "configuration.readers", doctor.Warning, "a secret in it", nil},
	"no network": {func(_ *testing.T, _ *clinic, p *patient) {
		e := &p.cfg.Endpoints
		e.Login, e.BotLogin, e.Slack, e.BotOpenID, e.Graph, e.ARM = "https://127.0.0.1:1", "https://127.0.0.1:2", "https://127.0.0.1:3", "https://127.0.0.1:4/keys", "https://127.0.0.1:5", "https://127.0.0.1:6"
	}, 1, "network", doctor.Fault, "HTTPS_PROXY", nil},
	"a proxy that is not there": {func(_ *testing.T, _ *clinic, p *patient) {
		p.environ = []string{"HTTPS_PROXY=http://belay:canary@127.0.0.1:1"}
	}, 1, "network.proxy", doctor.Fault, "HTTPS_PROXY", nil},
	"an authority that signed nothing": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Endpoints.CAFile = p.cfg.Entra.CertificateFile },
		1, "login.reach", doctor.Fault, "endpoints.ca_file", []string{"bot.reach"}},
	"Graph is down": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Endpoints.Graph = "https://127.0.0.1:1" }, 1, "graph.read", doctor.Fault, "firewall", nil},
	"Azure is down": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Endpoints.ARM = "https://127.0.0.1:1" }, 1, "arm.read", doctor.Fault, "firewall", nil},
	"a clock that is off": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Endpoints.Slack = c.inFront(t, p.cfg.Endpoints.Slack, func(r *http.Response) {
			r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		})
	}, 1, "slack.clock", doctor.Fault, "NTP", nil},
	"a Slack app without a scope": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Endpoints.Slack = c.inFront(t, p.cfg.Endpoints.Slack, func(r *http.Response) {
			if scopes := r.Header.Get("X-Oauth-Scopes"); scopes != "" {
				r.Header.Set("X-Oauth-Scopes", strings.Replace(scopes, "users:read.email", "users.profile:read", 1))
			}
		})
	}, 1, "slack.scopes", doctor.Fault, "users:read.email", nil},
	"another workspace":       {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Slack.TeamID = "T0OTHER" }, 1, "slack.workspace", doctor.Fault, "T0OTHER", nil},
	"another Slack app":       {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Slack.AppID = "A0OTHER" }, 1, "slack.app", doctor.Fault, "A0OTHER", nil},
	"another bot token":       {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Slack.BotToken = "xoxb-canary" }, 1, "slack.token", doctor.Fault, "invalid_auth", nil},
	"another client of Slack": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Slack.ClientSecret = "canary" }, 1, "slack.sign_in", doctor.Fault, "slack.client_secret", nil},
	"a channel of Slack that is not there": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Notices.Default = append(p.cfg.Notices.Default, "slack:C0GONE")
	},
		1, "slack.channels", doctor.Fault, "C0GONE", nil},
	"a channel of Teams that is not there": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Security.Channels = append(p.cfg.Security.Channels, "teams:19:gone@thread.tacv2")
	}, 1, "teams.channels", doctor.Fault, "19:gone@thread.tacv2", nil},
	"a cloud's other issuer": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Teams.Issuer = "https://api.botframework.us" }, 1, "bot.metadata", doctor.Fault, "teams.issuer", nil},
	"nobody to alarm": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Security.Channels, p.cfg.Notices.Default = nil, nil },
		1, "security.channels", doctor.Fault, "security.channels", nil},
	"a rule that is never reached": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Notices.Rules = append([]app.NoticeRule{{Name: "all", To: p.cfg.Notices.Default}}, p.cfg.Notices.Rules...)
	}, 0, "notices.rules", doctor.Warning, "never reached", nil},
	"a rule for a group that is not there": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Notices.Rules = append([]app.NoticeRule{{Name: "g", Groups: []string{nobody}, Silent: true}}, p.cfg.Notices.Rules...)
	}, 0, "notices.named", doctor.Warning, nobody, nil},
	"a viewer who is not there": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Security.Viewers = append(p.cfg.Security.Viewers, nobody)
	}, 0, "settings.named", doctor.Warning, nobody, nil},
	"holidays that are over": {func(t *testing.T, _ *clinic, p *patient) {
		p.cfg.Alerts = enabled(p.cfg.Alerts)
		p.cfg.Alerts.Holidays = filepath.Join(t.TempDir(), "holidays.ics")
		if err := os.WriteFile(p.cfg.Alerts.Holidays, []byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200101\r\nSUMMARY:A day\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}, 0, "alerts.holidays", doctor.Warning, "2020-01-01", nil},
	"a collector that is down": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.Telemetry.Endpoint = "https://127.0.0.1:1/v1/traces" }, 0, "telemetry.collector", doctor.Warning, "telemetry.endpoint", nil},
	"a SIEM that is down":      {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.SIEM.OTLP.URL = "https://127.0.0.1:1/v1/logs" }, 1, "siem.targets", doctor.Fault, "docs/siem.md", nil},
	"a database that is down": {func(_ *testing.T, _ *clinic, p *patient) {
		p.cfg.Store.PostgresURL = "postgres://belay:canary@127.0.0.1:1/belay"
	}, 1, "data.database", doctor.Fault, "docs/postgres.md", nil},
	"an address that is another server's": {func(t *testing.T, _ *clinic, p *patient) {
		other := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(other.Close)
		p.cfg.PublicURL = other.URL
	}, 1, "address.belay", doctor.Fault, "listen", []string{"registration.redirects"}},
	"an address that is another Belay's": {func(t *testing.T, c *clinic, p *patient) {
		other, err := store.NewKeyset()
		if err != nil {
			t.Fatal(err)
		}
		p.cfg.PublicURL = c.inFront(t, p.cfg.PublicURL, func(r *http.Response) {
			if asked, proof := strings.CutPrefix(r.Request.URL.Path, app.ProofPath); proof {
				said := other.Proof(app.ProofOfAddress, asked)
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(said)), int64(len(said))
				r.Header.Del("Content-Length")
			}
		})
	}, 1, "address.belay", doctor.Fault, "another Belay", []string{"registration.redirects"}},
	"an address that passes not all": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.PublicURL = c.inFront(t, p.cfg.PublicURL, func(r *http.Response) {
			if strings.HasPrefix(r.Request.URL.Path, app.ProofPath) {
				r.StatusCode = http.StatusForbidden
			}
		})
	}, 1, "address.belay", doctor.Warning, app.ProofPath, []string{"registration.redirects"}},
	"a private page that is elsewhere": {func(_ *testing.T, _ *clinic, p *patient) { p.cfg.PrivateListen = "127.0.0.1:1" }, 0, "serving", doctor.Warning, "private_listen", nil},
	"a data directory that others may enter": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Data = c.elsewhere(t)
		if err := os.Chmod(p.cfg.Data, 0o755); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.directory", doctor.Fault, "chmod 700", nil},
	"keys that others may read": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Data = c.elsewhere(t)
		if err := os.Chmod(p.cfg.KeyFile(), 0o644); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.keys", doctor.Fault, "chmod 600", nil},
	"keys that are gone": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Data = c.elsewhere(t)
		if err := os.Remove(p.cfg.KeyFile()); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.keys", doctor.Fault, "backup", nil},
	"keys that are not those of the Belay which serves": {func(t *testing.T, _ *clinic, p *patient) {
		p.cfg.Keys.File = filepath.Join(t.TempDir(), "belay.keys")
		if _, err := store.LoadOrCreateKeyFile(p.cfg.Keys.File); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.opens", doctor.Fault, "started anew", nil},
	"keys of another store": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Data = c.elsewhere(t)
		if err := os.Rename(filepath.Join(c.elsewhere(t), "belay.keys"), p.cfg.KeyFile()); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.file", doctor.Fault, "Put back the key file", nil},
	"a database that is cut short": {func(t *testing.T, c *clinic, p *patient) {
		p.cfg.Data = c.elsewhere(t)
		if err := os.Truncate(p.cfg.Database(), 4096); err != nil {
			t.Fatal(err)
		}
	}, 1, "data.file", doctor.Fault, "belay store restore", nil},
}

// enabled are alerts as they are by default, which a rendered zero value would switch off.
func enabled(app.Alerts) app.Alerts {
	return app.Alerts{Enabled: true, Zone: "UTC", Days: []string{"mon"}, Hours: "07:00-20:00", PersonBurst: 5, PersonBurstWithin: time.Hour, RoleBurst: 5, RoleBurstWithin: time.Hour,
		Denied: 1, DeniedWithin: time.Hour, HastyDecision: 10 * time.Second, Hasty: 3, HastyWithin: time.Hour, UnansweredAfter: time.Hour}
}

// The command of the product, on a sandbox whose Belay serves: sound, it finds nothing to mend; with one
// thing wrong it finds that and nothing else, says how it is mended, and exits as its documentation says.
func TestDoctorOnTheSandbox(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	r, code := c.examine(t, patient{cfg: c.healthy})
	for _, f := range r.Findings {
		if f.Verdict == doctor.Fault || f.Verdict == doctor.Warning {
			t.Errorf("%s: %s", f.Check, f.Found)
		}
	}
	if code != 0 || r.Schema != 1 || r.Warnings+r.Faults > 0 || len(r.Findings) < 45 {
		t.Fatalf("sound: it exits %d, schema %d, %d warnings, %d faults, %d checks", code, r.Schema, r.Warnings, r.Faults, len(r.Findings))
	}
	t.Run("ailments", func(t *testing.T) {
		for name, a := range ailments {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := patient{cfg: c.healthy}
				a.spoil(t, c, &p)
				r, code := c.examine(t, p)
				if code != a.code {
					t.Errorf("it exits %d, want %d", code, a.code)
				}
				found := false
				for _, f := range r.Findings {
					bad := f.Verdict == doctor.Fault || f.Verdict == doctor.Warning
					switch {
					case f.Check == a.first:
						found = f.Verdict == a.want && strings.Contains(f.Found+" "+f.Mend, a.says)
						if !found {
							t.Errorf("%+v, want %s and %q", f, a.want, a.says)
						}
					case bad && !slices.Contains(a.also, f.Check):
						t.Errorf("%s: %s (%s)", f.Check, f.Verdict, f.Found)
					case f.Verdict == doctor.Unknown && f.Found == "":
						t.Errorf("%s does not say why it could not be looked at", f.Check)
					}
				}
				if !found {
					t.Errorf("%s is not named", a.first)
				}
			})
		}
	})
	c.calls.mu.Lock()
	c.calls.ever = nil // the registration was read by the operator, and not by Belay
	c.calls.mu.Unlock()
	if n := len(c.tenant.Audit()); n > 0 {
		t.Errorf("%d entries in the tenant's audit log", n)
	}
	for _, channel := range c.slack.State().Channels {
		if n := len(channel.Messages); n > 0 {
			t.Errorf("%d messages in %s", n, channel.Name)
		}
	}
}
