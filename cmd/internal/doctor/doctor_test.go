package doctor

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// A sound world has nothing to mend but the client secret, and what cannot be looked
// at is said.
func TestSound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	found := w.examine()
	for check, f := range found {
		want := OK
		switch check {
		case "credential.kind":
			want = Warning
		case "arm.read", "slack.signing", "serving":
			want = Unknown
		}
		if f.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", check, f.Verdict, f.Found, want)
		}
	}
	for _, c := range checks() {
		if _, there := found[c.id]; !there && c.applies == nil {
			t.Errorf("%s is silent", c.id)
		}
	}
	// It reads, and nothing else.
	for _, call := range w.calls {
		if name, rest, _ := strings.Cut(call, " "); !strings.HasPrefix(rest, "GET ") && !strings.HasPrefix(rest, "HEAD ") &&
			!strings.HasSuffix(rest, "/oauth2/v2.0/token") && rest != "POST /api/auth.test" && rest != "POST /api/openid.connect.token" {
			t.Errorf("it calls %s: %s", name, rest)
		}
	}
}

// The registration is shown to the operator alone, and their token goes nowhere but to
// their own tenant.
func TestTheRegistrationIsReadAsTheOperator(t *testing.T) {
	t.Parallel()
	found := newWorld(t, func(w *world) { w.asOperator = false }).examine()
	hidden := 0
	for check, f := range found {
		if strings.HasPrefix(check, "registration.") || check == "entra.consent" {
			hidden++
			if f.Verdict != Unknown || !strings.Contains(f.Mend, "az rest --method get") || !strings.Contains(f.Mend, clientID) {
				t.Errorf("%s: %+v", check, f)
			}
		}
	}
	if hidden != 7 {
		t.Errorf("%d checks are about it", hidden)
	}
	foreign, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"tid": "00000000-0000-4000-8000-000000000000"}).SignedString([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(w *world) { w.opts.Operator = foreign })
	if f := w.examine()["registration.secrets"]; f.Verdict != Unknown || !strings.Contains(f.Mend, "az login --tenant "+tenantID) {
		t.Errorf("the token of another tenant: %+v", f)
	}
	for _, call := range w.calls {
		if strings.Contains(call, "/applications") {
			t.Error("the token of another tenant was sent")
		}
	}
}

// remove takes one out of a list.
func remove(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}

func ending(in time.Duration) func(*world) {
	return func(w *world) { w.tenant.App.Registration.SecretUntil = time.Now().Add(in) }
}

// withCertificate makes Belay prove itself by a certificate, and the bot as before.
func withCertificate(in time.Duration) func(*world) {
	return func(w *world) {
		text, cert := certified(w.t, time.Now().Add(-48*time.Hour), time.Now().Add(in), 2048)
		file := filepath.Join(w.t.TempDir(), "belay.pem")
		w.must(os.WriteFile(file, text, 0o600))
		w.cfg.Entra.ClientSecret, w.cfg.Entra.CertificateFile, w.cfg.Teams.ClientSecret = "", file, secret
		w.tenant.App.ClientSecret = ""
		w.tenant.App.Certificates = append(w.tenant.App.Certificates, cert.Leaf)
	}
}

func withFederation(in time.Duration) func(*world) {
	return func(w *world) {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": time.Now().Add(in).Unix()}).SignedString([]byte("k"))
		w.must(err)
		file := filepath.Join(w.t.TempDir(), "token")
		w.must(os.WriteFile(file, []byte(text+"\n"), 0o600))
		w.cfg.Entra.ClientSecret, w.cfg.Entra.FederatedTokenFile, w.cfg.Teams.ClientSecret = "", file, secret
	}
}

func withAddress(in time.Duration) func(*world) {
	return func(w *world) {
		_, cert := certified(w.t, time.Now().Add(-48*time.Hour), time.Now().Add(in), 0)
		w.certs["public"] = cert
		w.trust = append(w.trust, cert)
	}
}

// answers makes a service say something else.
func answers(name, path string, status int, body string) func(*world) {
	return func(w *world) {
		w.around[name] = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, path) {
					next.ServeHTTP(rw, r)
					return
				}
				rw.Header().Set("Content-Type", "application/json")
				rw.WriteHeader(status)
				if _, err := io.WriteString(rw, body); err != nil {
					return // the other side is gone
				}
			})
		}
	}
}

func clockOff(by time.Duration) func(*world) {
	return func(w *world) { w.opts.Now = func() time.Time { return time.Now().Add(by) } }
}

func mode(path func(*world) string, m os.FileMode) func(*world) {
	return func(w *world) { w.must(os.Chmod(path(w), m)) }
}

// written puts something else into a file.
func written(path func(*world) string, text string) func(*world) {
	return func(w *world) { w.must(os.WriteFile(path(w), []byte(text), 0o600)) }
}

// calendar gives the world a calendar with one holiday.
func calendar(day string) func(*world) {
	return func(w *world) {
		w.cfg.Alerts.Enabled, w.cfg.Alerts.Holidays = true, filepath.Join(w.t.TempDir(), "holidays.ics")
		w.must(os.WriteFile(w.cfg.Alerts.Holidays, []byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:"+day+"\r\nSUMMARY:A day\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), 0o600))
	}
}

// broken are set-ups with one thing wrong, and some with one thing that is unusual.
// No other check may be at fault or warn; what is unknown because of it is not
// listed. says must stand in what the first check found or in how it is mended.
var broken = map[string]struct {
	change func(*world)
	first  string
	want   map[string]Verdict
	says   []string
}{
	"somebody granted what writes": {func(w *world) {
		w.tenant.App.Application = append(w.tenant.App.Application, "RoleManagement.ReadWrite.Directory", "Mail.Send", "Sites.FullControl.All")
	}, "entra.write", map[string]Verdict{"entra.write": Fault}, []string{"RoleManagement.ReadWrite.Directory", "Mail.Send", "Sites.FullControl.All"}},
	"somebody granted more reading": {func(w *world) {
		w.tenant.App.Application = append(w.tenant.App.Application, "Sites.Read.All")
	}, "entra.more", map[string]Verdict{"entra.more": Warning}, []string{"Sites.Read.All"}},
	"somebody gave it a directory role": {func(w *world) {
		w.tenant.App.Registration.Roles = []string{"62e90394-69f5-4237-9190-012177145e10"}
	}, "entra.roles", map[string]Verdict{"entra.roles": Fault}, []string{"62e90394-69f5-4237-9190-012177145e10"}},
	"somebody gave it a role that reads": {func(w *world) {
		w.tenant.App.Registration.Roles = []string{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}
	}, "entra.roles", map[string]Verdict{"entra.roles": Warning}, nil},
	"a permission is missing": {func(w *world) {
		w.tenant.App.Application = remove(w.tenant.App.Application, "User.Read.All")
	}, "entra.missing", map[string]Verdict{"entra.missing": Fault},
		[]string{"User.Read.All", "az ad app permission add --id " + clientID, "df021288-bdef-4463-88db-98f22de89214=Role", "admin-consent"}},
	"the permission of an optional part is missing": {func(w *world) {
		w.tenant.App.Application = remove(w.tenant.App.Application, "AuditLog.Read.All")
	}, "entra.missing", map[string]Verdict{"entra.missing": Warning}, []string{"AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da=Role"}},
	"no permission at all": {func(w *world) { w.tenant.App.Application = nil },
		"entra.missing", map[string]Verdict{"entra.missing": Fault, "graph.read": Fault}, pim.ApplicationPermissions()},
	"nobody consented": {func(w *world) {
		w.tenant.App.Delegated = remove(w.tenant.App.Delegated, "RoleManagement.Read.Directory")
	}, "entra.consent", map[string]Verdict{"entra.consent": Fault}, []string{"RoleManagement.Read.Directory", "admin-consent --id " + clientID}},
	"nobody consented to Azure": {func(w *world) {
		w.tenant.App.Delegated = remove(w.tenant.App.Delegated, "https://management.azure.com/user_impersonation")
	}, "entra.consent", map[string]Verdict{"entra.consent": Warning}, []string{"user_impersonation"}},
	"somebody consented for themselves": {func(w *world) { w.tenant.App.Registration.Personal = true }, "entra.consent", map[string]Verdict{"entra.consent": Fault}, nil},
	"consented to more": {func(w *world) {
		w.tenant.App.Delegated = append(w.tenant.App.Delegated, "Directory.ReadWrite.All")
	}, "entra.consent", map[string]Verdict{"entra.consent": Warning}, []string{"Directory.ReadWrite.All"}},
	"no licence": {func(w *world) {
		w.ready = func(w *world) { w.must(w.entra.SetLicensed(false)) }
	}, "graph.read", map[string]Verdict{"graph.read": Fault}, []string{"P2"}},
	"Azure is somewhere else": {answers("arm", "/roleAssignmentScheduleInstances", http.StatusNotFound, `{"error":{"code":"NotFound"}}`),
		"arm.read", map[string]Verdict{"arm.read": Fault}, []string{"404"}},

	"the clock is ten minutes ahead": {clockOff(10 * time.Minute), "login.clock",
		map[string]Verdict{"login.clock": Fault, "graph.clock": Fault, "slack.clock": Fault, "bot.clock": Fault}, []string{"ahead", "NTP"}},
	"the clock is ten minutes behind": {clockOff(-10 * time.Minute), "login.clock",
		map[string]Verdict{"login.clock": Fault, "graph.clock": Fault, "slack.clock": Fault, "bot.clock": Fault}, []string{"behind", "NTP"}},
	"the clock is three and a half minutes ahead": {clockOff(210 * time.Second), "login.clock",
		map[string]Verdict{"login.clock": Warning, "graph.clock": Warning, "slack.clock": Warning, "bot.clock": Warning}, []string{"ahead"}},

	"the secret has ended": {ending(-time.Hour), "entra.token", map[string]Verdict{"entra.token": Fault, "registration.secrets": Fault}, []string{"AADSTS7000222", "make a new one"}},
	"the secret ends soon": {ending(10 * 24 * time.Hour), "registration.secrets", map[string]Verdict{"registration.secrets": Warning}, nil},
	"the secret is a wrong one": {func(w *world) { w.cfg.Entra.ClientSecret, w.cfg.Teams.ClientSecret = "another", secret },
		"entra.token", map[string]Verdict{"entra.token": Fault}, []string{"AADSTS7000215", "the secret's value"}},
	"the bot's secret is a wrong one": {func(w *world) { w.cfg.Teams.ClientSecret = "another" }, "bot.token", map[string]Verdict{"bot.token": Fault}, []string{"AADSTS7000215"}},
	"a certificate":                   {withCertificate(365 * 24 * time.Hour), "credential.certificate", map[string]Verdict{"credential.certificate": OK, "entra.token": OK}, nil},
	"the certificate ended": {withCertificate(-time.Hour), "credential.certificate",
		map[string]Verdict{"credential.certificate": Fault, "entra.token": Fault, "registration.secrets": Fault}, nil},
	"the certificate ends soon": {withCertificate(10 * 24 * time.Hour), "credential.certificate",
		map[string]Verdict{"credential.certificate": Warning, "registration.secrets": Warning}, nil},
	"the federated token has ended": {withFederation(-time.Hour), "credential.federated", map[string]Verdict{"credential.federated": Fault, "entra.token": Fault}, nil},

	"people are sent elsewhere": {func(w *world) { w.tenant.App.RedirectURIs = []string{"https://other.example/signin/entra/callback"} },
		"registration.redirects", map[string]Verdict{"registration.redirects": Fault}, []string{"/signin/entra/callback", "./entra-app.sh"}},
	"people may be sent anywhere": {func(w *world) {
		w.tenant.App.RedirectURIs = append(w.tenant.App.RedirectURIs, "https://*.contoso.example/", "http://localhost/", "https://127.0.0.1/")
	}, "registration.redirects", map[string]Verdict{"registration.redirects": Fault}, []string{"https://*.contoso.example/", "http://localhost/", "https://127.0.0.1/"}},
	"people may be sent to one more place": {func(w *world) {
		w.tenant.App.RedirectURIs = append(w.tenant.App.RedirectURIs, "https://old.contoso.example/\x1b[2J")
	}, "registration.redirects", map[string]Verdict{"registration.redirects": Fault}, []string{"https://old.contoso.example/[2J"}},
	"a second address": {func(w *world) {
		w.tenant.App.RedirectURIs = append(w.tenant.App.RedirectURIs, "https://old.contoso.example/")
	}, "registration.redirects", map[string]Verdict{"registration.redirects": Warning}, []string{"https://old.contoso.example/"}},
	"for every tenant":   {func(w *world) { w.tenant.App.Registration.Audience = "AzureADMultipleOrgs" }, "registration.audience", map[string]Verdict{"registration.audience": Fault}, nil},
	"the implicit grant": {func(w *world) { w.tenant.App.Registration.Implicit = true }, "registration.flows", map[string]Verdict{"registration.flows": Fault}, nil},
	"a public client":    {func(w *world) { w.tenant.App.Registration.Public = true }, "registration.flows", map[string]Verdict{"registration.flows": Fault}, nil},
	"no auth_time": {func(w *world) {
		w.tenant.App.Registration.IDClaims = nil
		w.cfg.Approval = app.Approval{Presence: "session", EveryTime: []string{}}
	}, "registration.claims", map[string]Verdict{"registration.claims": Warning}, []string{"auth_time"}},
	"no auth_time, and every decision needs it": {func(w *world) {
		w.tenant.App.Registration.IDClaims = nil
		w.cfg.Approval = app.Approval{Presence: "every-time"}
	}, "registration.claims", map[string]Verdict{"registration.claims": Fault}, []string{"auth_time", "nobody can decide", "./entra-app.sh"}},
	"no auth_time, and some decisions need it": {func(w *world) {
		w.tenant.App.Registration.IDClaims = nil
		w.cfg.Approval = app.Approval{Presence: "session", EveryTime: []string{"most-privileged"}}
	}, "registration.claims", map[string]Verdict{"registration.claims": Fault}, []string{"auth_time"}},
	"tokens of version 1": {func(w *world) { w.tenant.App.Registration.URIs = []string{"api://belay"} }, "registration.version", map[string]Verdict{"registration.version": Fault}, nil},
	"tokens of version two": {func(w *world) {
		w.tenant.App.Registration.URIs, w.tenant.App.Registration.TokenVersion = []string{"api://belay"}, 2
	}, "registration.version", map[string]Verdict{"registration.version": OK}, nil},

	"single sign-on, and a registration that is not ready": {func(w *world) {
		w.cfg.Teams.SingleSignOn = true
		w.tenant.App.Registration.Packages = []string{"1.2.0"}
	}, "registration.sign_on", map[string]Verdict{"registration.sign_on": Fault}, []string{manifest.AppURI(clientID), "access_as_user", "entra-single-sign-on.sh"}},
	"single sign-on, and a client that is not authorized": {func(w *world) {
		w.cfg.Teams.SingleSignOn = true
		w.tenant.App.URI, w.tenant.App.Clients = manifest.AppURI(clientID), signin.TeamsClients()[:1]
		w.tenant.App.Registration.Packages = []string{"1.2.0"}
	}, "registration.sign_on", map[string]Verdict{"registration.sign_on": Fault}, []string{signin.TeamsClients()[1]}},
	"single sign-on": {func(w *world) {
		w.cfg.Teams.SingleSignOn = true
		w.tenant.App.URI, w.tenant.App.Clients = manifest.AppURI(clientID), signin.TeamsClients()
		w.tenant.App.Registration.Packages = []string{"1.2.0"}
	}, "registration.sign_on", map[string]Verdict{"registration.sign_on": OK, "teams.package": OK, "registration.version": OK}, nil},

	"Slack: a scope is missing":  {func(w *world) { w.slack.Scopes = remove(w.slack.Scopes, "users:read.email") }, "slack.scopes", map[string]Verdict{"slack.scopes": Fault}, []string{"users:read.email"}},
	"Slack: a scope too many":    {func(w *world) { w.slack.Scopes = append(w.slack.Scopes, "channels:history") }, "slack.scopes", map[string]Verdict{"slack.scopes": Warning}, []string{"channels:history"}},
	"Slack: another workspace":   {func(w *world) { w.slack.TeamID = "T0FABRIKAM" }, "slack.workspace", map[string]Verdict{"slack.workspace": Fault}, []string{"T0FABRIKAM", "T0CONTOSO"}},
	"Slack: another app":         {func(w *world) { w.slack.AppID = "A0OTHER" }, "slack.app", map[string]Verdict{"slack.app": Fault}, []string{"A0OTHER", "A0BELAY"}},
	"Slack: a token of nobody's": {func(w *world) { w.cfg.Slack.BotToken = "xoxb-another" }, "slack.token", map[string]Verdict{"slack.token": Fault}, []string{"invalid_auth"}},
	"Slack: a person's token": {func(w *world) { w.cfg.Slack.BotToken, w.slack.BotToken = "xoxp-a-person", "xoxp-a-person" },
		"slack.token", map[string]Verdict{"slack.token": Fault}, nil},

	"Teams: another issuer": {func(w *world) { w.cfg.Teams.Issuer = "https://api.botframework.us" }, "bot.metadata", map[string]Verdict{"bot.metadata": Fault},
		[]string{"https://api.botframework.com", "https://api.botframework.us"}},
	"Teams: keys that speak for others": {answers("openid", "/keys", http.StatusOK, `{"keys":[{"kty":"RSA","kid":"1","endorsements":["webchat"]}]}`),
		"bot.keys", map[string]Verdict{"bot.keys": Fault}, nil},
	"Teams: keys elsewhere": {answers("openid", "/openidconfiguration", http.StatusOK, `{"issuer":"https://api.botframework.com","jwks_uri":"https://keys.example/"}`),
		"bot.keys", map[string]Verdict{"bot.keys": Unknown}, nil},

	"the sign-in service is down": {func(w *world) { w.down = []string{"login"} }, "login.reach", map[string]Verdict{"login.reach": Fault}, []string{"endpoints"}},
	"Slack is down":               {func(w *world) { w.down = []string{"slack"} }, "slack.token", map[string]Verdict{"slack.token": Fault}, nil},
	"the bot's sign-in is down":   {func(w *world) { w.down = []string{"bot-login"} }, "bot.reach", map[string]Verdict{"bot.reach": Fault}, nil},
	"the wrong authority": {func(w *world) {
		text, _ := certified(w.t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 0)
		w.must(os.WriteFile(w.cfg.Endpoints.CAFile, text, 0o600))
	}, "login.reach", map[string]Verdict{"login.reach": Fault, "bot.reach": Fault, "address": Fault}, []string{"endpoints.ca_file"}},
	"the address's certificate has ended": {withAddress(-time.Hour), "address", map[string]Verdict{"address": Fault}, nil},
	"the address's certificate ends soon": {withAddress(5 * 24 * time.Hour), "address", map[string]Verdict{"address": Warning}, nil},
	"the address is not reached":          {func(w *world) { w.down = []string{"public"} }, "address", map[string]Verdict{"address": Unknown}, nil},

	"no security channel": {func(w *world) { w.cfg.Security.Channels, w.cfg.Notices.Default = nil, []string{"slack:C0ALL"} },
		"security.channels", map[string]Verdict{"security.channels": Warning}, []string{"security.channels", "invite"}},
	"no channel at all": {func(w *world) { w.cfg.Security.Channels, w.cfg.Notices.Default = nil, nil }, "security.channels", map[string]Verdict{"security.channels": Fault}, []string{"security.channels"}},

	"rules that are there": {ruled(app.NoticeRule{Name: "support", Roles: []string{"reports reader"}, Groups: []string{leads}, People: []string{operator}, To: []string{"slack:C0ALL"}}),
		"notices.rules", map[string]Verdict{"notices.rules": OK, "notices.named": OK}, []string{"support: slack:C0ALL", operator}},
	"a rule that is never reached": {ruled(app.NoticeRule{Name: "all", To: []string{"slack:C0ALL"}}, app.NoticeRule{Name: "denied", Events: []string{"denied"}, Silent: true}),
		"notices.rules", map[string]Verdict{"notices.rules": Warning}, []string{"denied is never reached", "all above it"}},
	"a rule that forgot its channel": {ruled(app.NoticeRule{Events: []string{"denied"}}), "notices.rules", map[string]Verdict{"notices.rules": Warning}, []string{"notices.rules[0]", "silent: true"}},
	"a rule for a role that is not there": {ruled(app.NoticeRule{Name: "r", Pillars: []string{"entra"}, Roles: []string{"Reports Raeder"}, Silent: true}),
		"notices.named", map[string]Verdict{"notices.named": Warning}, []string{`no role "Reports Raeder"`}},
	"a rule for a role of which there is no list": {ruled(app.NoticeRule{Name: "r", Roles: []string{"Contributor"}, Silent: true}),
		"notices.named", map[string]Verdict{"notices.named": Unknown}, []string{`"Contributor"`}},
	"a rule for a role, and nobody to list them": {func(w *world) {
		w.asOperator = false
		ruled(app.NoticeRule{Name: "r", Pillars: []string{"entra"}, Roles: []string{"Reports Reader"}, Silent: true})(w)
	}, "notices.named", map[string]Verdict{"notices.named": Unknown}, []string{"--graph-token-file"}},
	"a rule for a group that is not there": {ruled(app.NoticeRule{Name: "r", Groups: []string{"00000000-0000-4000-8000-00000000dead"}, Silent: true}),
		"notices.named", map[string]Verdict{"notices.named": Warning}, []string{"r: there is no group 00000000-0000-4000-8000-00000000dead"}},
	"the collector is down":            {func(w *world) { w.cfg.Telemetry.Endpoint = "https://127.0.0.1:1/v1/traces" }, "telemetry.collector", map[string]Verdict{"telemetry.collector": Warning}, []string{"telemetry.endpoint"}},
	"the collector is at another path": {func(w *world) { w.cfg.Telemetry.Endpoint = w.urls["public"] + "/v1/trace" }, "telemetry.collector", map[string]Verdict{"telemetry.collector": Warning}, []string{"/v1/traces"}},
	"the collector takes no reads": {func(w *world) {
		w.cfg.Telemetry.Endpoint = w.urls["public"] + "/v1/traces"
		answers("public", "/v1/traces", http.StatusMethodNotAllowed, "")(w)
	}, "telemetry.collector", map[string]Verdict{"telemetry.collector": OK}, nil},
	"a target of the audit trail is down": {func(w *world) { w.cfg.SIEM.OTLP.URL = "http://127.0.0.1:1/v1/logs" }, "siem.targets", map[string]Verdict{"siem.targets": Fault},
		[]string{"otlp: at 127.0.0.1:1, it cannot be reached", "firewall", "docs/siem.md"}},

	"others may enter the data directory": {mode(func(w *world) string { return w.cfg.Data }, 0o755), "data.directory", map[string]Verdict{"data.directory": Fault}, []string{"0755", "chmod 700"}},
	"others may read the keys":            {mode(func(w *world) string { return w.cfg.KeyFile() }, 0o644), "data.keys", map[string]Verdict{"data.keys": Fault}, []string{"0644", "chmod 600"}},
	"the keys are damaged":                {written(func(w *world) string { return w.cfg.KeyFile() }, "{}"), "data.keys", map[string]Verdict{"data.keys": Fault}, []string{"garbage", "backup"}},
	"the keys are not wrapped": {func(w *world) { w.cfg.Keys.VaultKey = "https://127.0.0.1:1/keys/belay" },
		"data.keys", map[string]Verdict{"data.keys": Fault}, []string{"belay keys wrap"}},
	"the database is cut short":      {written(func(w *world) string { return w.cfg.Database() }, ""), "data.file", map[string]Verdict{"data.file": Fault}, []string{"empty", "belay store restore"}},
	"the database is another file":   {written(func(w *world) string { return w.cfg.Database() }, "a letter"), "data.file", map[string]Verdict{"data.file": Fault}, []string{"foreign"}},
	"the database cannot be written": {mode(func(w *world) string { return w.cfg.Database() }, 0o400), "data.file", map[string]Verdict{"data.file": Fault}, []string{"chmod"}},
	"somebody else owns the keys": {func(w *world) {
		if os.Geteuid() != 0 {
			w.t.Skip("only root gives files away")
		}
		w.must(os.Chown(w.cfg.KeyFile(), 4711, -1))
	}, "data.owner", map[string]Verdict{"data.owner": Fault}, []string{"chown 0"}},
	"others may read the certificate's key": {func(w *world) {
		withCertificate(365 * 24 * time.Hour)(w)
		w.must(os.Chmod(w.cfg.Entra.CertificateFile, 0o644))
	}, "configuration.readers", map[string]Verdict{"configuration.readers": Warning}, []string{"entra.certificate_file", "chmod 600"}},
	"a viewer who is not there": {func(w *world) { w.cfg.Security.Viewers = []string{operator, "00000000-0000-4000-8000-00000000dead"} },
		"settings.named", map[string]Verdict{"settings.named": Warning}, []string{"security.viewers: there is no 00000000-0000-4000-8000-00000000dead"}},
	"one viewer, where a weaker change takes two": {func(w *world) { w.cfg.Drift.Enabled, w.cfg.Security.Viewers = true, []string{operator} },
		"settings.named", map[string]Verdict{"settings.named": Warning}, []string{"security.viewers names one person only", "a second person"}},
	"nothing answers": {func(w *world) {
		w.down = []string{"login", "graph", "arm", "public", "bot-login", "slack", "openid", "connector"}
	},
		"network", map[string]Verdict{"network": Fault}, []string{"none of 127.0.0.1:", "HTTPS_PROXY"}},
	"a place of Azure that is closed": {func(w *world) {
		w.cfg.Posture.AzureScopes = []string{"/subscriptions/5ab5c1de-0000-4000-8000-000000000001"}
	}, "posture.scopes", map[string]Verdict{"posture.scopes": Warning}, []string{"/subscriptions/5ab5c1de", "Reader"}},
	"Slack: the manifest of another address": {func(w *world) {
		w.slack.Manifest = strings.ReplaceAll(w.slack.Manifest, w.cfg.PublicURL, "https://old.contoso.example")
	},
		"slack.manifest", map[string]Verdict{"slack.manifest": Fault}, []string{"/elevate goes to https://old.contoso.example/slack/commands", "events goes to", "redirect URLs lack"}},
	"Slack: an old manifest": {func(w *world) {
		w.slack.Manifest = strings.NewReplacer(`"tokens_revoked",`, "", manifest.Command, "/raise", `"socket_mode_enabled": false`, `"socket_mode_enabled": true`).Replace(w.slack.Manifest)
	}, "slack.manifest", map[string]Verdict{"slack.manifest": Fault}, []string{"event tokens_revoked is missing", "/elevate goes to nothing", "Socket Mode"}},
	"Slack: no token for the manifest":      {func(w *world) { w.opts.SlackManifest = "" }, "slack.manifest", map[string]Verdict{"slack.manifest": Unknown}, []string{"--slack-token-file"}},
	"Slack: a token for another's manifest": {func(w *world) { w.slack.ConfigToken = "another" }, "slack.manifest", map[string]Verdict{"slack.manifest": Unknown}, []string{"invalid_auth"}},
	"Slack: another client secret":          {func(w *world) { w.slack.ClientSecret = "another" }, "slack.sign_in", map[string]Verdict{"slack.sign_in": Fault}, []string{"slack.client_secret"}},
	"Slack: another client":                 {func(w *world) { w.slack.ClientID = "another" }, "slack.sign_in", map[string]Verdict{"slack.sign_in": Fault}, []string{"slack.client_id"}},
	"Slack: a channel that is not there": {func(w *world) { w.cfg.Security.Channels = append(w.cfg.Security.Channels, "slack:C0GONE") },
		"slack.channels", map[string]Verdict{"slack.channels": Fault}, []string{"C0GONE", "/invite"}},
	"Teams: a channel without the bot": {func(w *world) { w.cfg.Security.Channels = append(w.cfg.Security.Channels, "teams:"+teamsOther) },
		"teams.channels", map[string]Verdict{"teams.channels": Fault}, []string{teamsOther, "add the Belay app"}},
	"Teams: a channel that is not there": {func(w *world) {
		w.cfg.Security.Channels = append(w.cfg.Security.Channels, "teams:19:gone@thread.tacv2")
	},
		"teams.channels", map[string]Verdict{"teams.channels": Fault}, []string{"19:gone@thread.tacv2"}},
	"Teams: another 404": {answers("connector", "/members/28:"+clientID, http.StatusNotFound, `{"error":{"code":"ServiceNotFound"}}`),
		"teams.channels", map[string]Verdict{"teams.channels": Unknown}, []string{teamsRoom}},
	"Teams: a page instead of the connector": {answers("connector", "/members/28:"+clientID, http.StatusNotFound, "<html>"),
		"teams.channels", map[string]Verdict{"teams.channels": Unknown}, []string{teamsRoom}},
	"Teams: a question that is not taken": {answers("connector", "/members/28:"+clientID, http.StatusBadRequest, `{"error":{"code":"BadSyntax"}}`),
		"teams.channels", map[string]Verdict{"teams.channels": Unknown}, []string{teamsRoom}},
	"Teams: no package": {func(w *world) { w.tenant.App.Registration.Packages = nil }, "teams.package", map[string]Verdict{"teams.package": Fault}, []string{clientID, "Upload"}},
	"Teams: a package that is too old": {func(w *world) {
		w.cfg.Teams.SingleSignOn = true
		w.tenant.App.URI, w.tenant.App.Clients = manifest.AppURI(clientID), signin.TeamsClients()
	}, "teams.package", map[string]Verdict{"teams.package": Fault}, []string{"1.1.0", "1.2.0"}},
	"Teams: a catalogue that may not be read": {func(w *world) { w.tenant.App.Registration.Catalogue = false }, "teams.package", map[string]Verdict{"teams.package": Unknown}, []string{"AppCatalog.Read.All"}},
	"the holidays are over":                   {calendar("20200101"), "alerts.holidays", map[string]Verdict{"alerts.holidays": Warning}, []string{"2020-01-01"}},
	"holidays to come":                        {calendar(time.Now().AddDate(1, 0, 0).Format("20060102")), "alerts.holidays", map[string]Verdict{"alerts.holidays": OK}, nil},
	"the address's certificate is for another name": {func(w *world) {
		_, cert := certified(w.t, time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0), 0)
		w.certs["public"], w.trust = cert, append(w.trust, cert)
		w.cfg.PublicURL = strings.Replace(w.cfg.PublicURL, "127.0.0.1", "localhost", 1)
		w.tenant.App.RedirectURIs = []string{w.cfg.PublicURL + manifest.EntraCallback}
		w.opts.SlackManifest = ""
	}, "address", map[string]Verdict{"address": Fault}, []string{"another name", "public_url"}},
	"something else answers, and nobody serves": {answers("public", manifest.SlackOptions, http.StatusNotFound, ""), "address.belay", map[string]Verdict{"address.belay": Unknown}, []string{"/slack/options answers HTTP 404", "belay serve"}},

	"a newer Belay changed the database": {func(w *world) {
		keys, err := store.LoadKeyFile(w.cfg.KeyFile())
		w.must(err)
		s, err := bolt.Open(w.cfg.Database(), bolt.Options{})
		w.must(err)
		_, err = store.Migrate(w.t.Context(), store.Seal(s, keys), append(slices.Clip(bot.Migrations()), func(store.Tx) error { return nil })...)
		w.must(errors.Join(err, s.Close()))
	}, "data.file", map[string]Verdict{"data.file": Fault}, []string{"a newer Belay", "Start that version"}},
	"another Belay answers, and nobody serves": {func(w *world) {
		keys, err := store.NewKeyset()
		w.must(err)
		w.keys = keys
	}, "address.belay", map[string]Verdict{"address.belay": Unknown}, []string{"another Belay", "belay serve"}},
	"a Belay answers that does not say which": {func(w *world) {
		w.around["public"] = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, app.ProofPath) {
					http.NotFound(rw, r)
					return
				}
				next.ServeHTTP(rw, r)
			})
		}
	}, "address.belay", map[string]Verdict{"address.belay": Unknown}, []string{"does not say which one", "HTTP 404"}},
	"the keys are those of another store": {func(w *world) {
		w.must(os.Remove(w.cfg.KeyFile()))
		_, err := store.LoadOrCreateKeyFile(w.cfg.KeyFile())
		w.must(err)
	}, "data.file", map[string]Verdict{"data.file": Fault}, []string{"belay.keys do not open it", "Put back", "belay store restore"}},
	"the keys are gone":           {func(w *world) { w.must(os.Remove(w.cfg.KeyFile())) }, "data.keys", map[string]Verdict{"data.keys": Fault}, []string{"backup"}},
	"the database is not reached": {func(w *world) { w.cfg.Store.PostgresURL = "postgres://belay:canary@127.0.0.1:1/belay" }, "data.database", map[string]Verdict{"data.database": Fault}, []string{"at 127.0.0.1:1 cannot be reached", "connect to it (connect: connection refused)"}},
	"nothing is there yet":        {func(w *world) { w.must(os.RemoveAll(w.cfg.Data)) }, "data.directory", map[string]Verdict{"data.directory": OK, "data.keys": OK}, nil},
	"a file where the directory is to be": {func(w *world) {
		w.must(os.RemoveAll(w.cfg.Data))
		w.must(os.WriteFile(w.cfg.Data, nil, 0o600))
	}, "data.directory", map[string]Verdict{"data.directory": Fault}, nil},
}

func TestBroken(t *testing.T) {
	t.Parallel()
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && strings.HasPrefix(name, "others may") {
				t.Skip("modes say nothing there")
			}
			found := newWorld(t, c.change).examine()
			for check, f := range found {
				want, named := c.want[check]
				usual := check == "credential.kind" && f.Verdict == Warning
				if named && f.Verdict != want || !named && !usual && (f.Verdict == Fault || f.Verdict == Warning) {
					t.Errorf("%s: %s (%s), want %q", check, f.Verdict, f.Found, want)
				}
			}
			first, there := found[c.first]
			if !there || c.want[c.first] == "" || (first.Mend == "") != (first.Verdict == OK) {
				t.Errorf("%s: %+v", c.first, first)
			}
			for _, text := range c.says {
				if !strings.Contains(first.Found+" "+first.Mend, text) {
					t.Errorf("%s does not say %q: %+v", c.first, text, first)
				}
			}
		})
	}
}

// Each check that can fail is seen to fail.
func TestEveryCheckIsBroken(t *testing.T) {
	seen := map[string]bool{
		configuration:     true, // TestDoctorRefused of cmd/belay
		"slack.signing":   true, // nobody can tell
		"credential.kind": true, // TestSound
		"siem.spool":      true, // TestSpoolIsLookedAt
		"data.space":      true, // the disk of the machine that tests
		"data.disk":       true, // TestFileSystems
		"data.vault":      true, // TestVaultIsAsked
		"data.key_age":    true, // TestKeyAge
		"network.proxy":   true, // TestProxy
		"address.belay":   true, // TestSomethingElseAnswers
		"data.opens":      true, // TestWhichBelayAnswers
		"serving":         true, // TestServing
	}
	for _, c := range broken {
		for check, verdict := range c.want {
			seen[check] = seen[check] || verdict == Fault || verdict == Warning
		}
	}
	for _, c := range checks() {
		if !seen[c.id] {
			t.Errorf("%s is never at fault", c.id)
		}
	}
}

// A service that hangs is named, and holds nothing up beyond the limit.
func TestHanging(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release) // before the servers are closed, which waits for their answers
	w := newWorld(t, func(w *world) {
		w.opts.Limit = 5 * time.Second
		w.around["login"] = func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
		}
	})
	found := w.examine()
	if f := found["login.reach"]; f.Verdict != Fault || !strings.Contains(f.Found, "5s") {
		t.Errorf("%+v", f)
	}
	for _, check := range []string{"login.clock", "entra.token", "entra.write", "entra.missing"} {
		if f := found[check]; f.Verdict != Unknown {
			t.Errorf("%+v", f)
		}
	}
}

// A check that listens to nobody is left behind.
func TestLate(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	w := newWorld(t, func(w *world) {
		w.opts.Limit = time.Millisecond
		w.opts.Now = func() time.Time { <-release; return time.Now() }
	})
	if f := w.examine()["login.reach"]; f.Verdict != Unknown {
		t.Errorf("%+v", f)
	}
}

// Offline, nothing is called, and what is on this machine is still looked at.
func TestOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.opts.Offline = true
		w.must(os.Chmod(w.cfg.KeyFile(), 0o644))
	})
	for check, f := range w.examine() {
		if check == "data.key_age" || check == "data.opens" || check == "data.disk" || check == "serving" {
			continue // of a file that everybody may read nothing is read; and where the tests run is no matter
		}
		local := strings.HasPrefix(check, "data.") || strings.HasPrefix(check, "credential.") || strings.HasPrefix(check, configuration) || check == "security.channels"
		if local == (f.Verdict == Unknown) {
			t.Errorf("%+v", f)
		}
	}
	if len(w.calls) > 0 {
		t.Errorf("it called %v", w.calls)
	}
}

// Without Slack, Teams or Azure nothing is said of them.
func TestOnlyWhatIsConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.cfg.Teams.AppID, w.cfg.Entra.AzureResources, w.cfg.Notices.Default = "", false, nil
	})
	for check := range w.examine() {
		if strings.HasPrefix(check, "bot.") || strings.HasPrefix(check, "teams.") || check == "arm.read" {
			t.Errorf("it speaks of %s", check)
		}
	}
}

func TestOnlyReads(t *testing.T) {
	for permission, reads := range map[string]bool{
		"User.Read.All": true, "User.ReadBasic.All": true, "Mail.Read": true, "Member.Read.Hidden": true,
		"User.ReadWrite.All": false, "Mail.Send": false, "Directory.AccessAsUser.All": false, "RoleManagement.ReadWrite.Directory": false,
		"AppRoleAssignment.ReadWrite.All": false, "Sites.FullControl.All": false, "RoleAssignmentSchedule.Remove.Directory": false,
		"User.Invite.All": false, "Mail.ReadWrite": false, "Application.ReadWrite.OwnedBy": false, "full_access_as_app": false, "": false, "x": false, "X.readwrite.All": false,
	} {
		if onlyReads(permission) != reads {
			t.Errorf("%s: %v", permission, !reads)
		}
	}
}

// What the travel can explain is not the clock's fault.
func TestAhead(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		sent, back time.Duration
		date       time.Duration
		want       time.Duration
	}{
		{"at once", 0, 0, 0, 0},
		{"a fraction of a second is cut off", 900 * time.Millisecond, 900 * time.Millisecond, 0, 0},
		{"a long travel", 0, 9 * time.Minute, 4 * time.Minute, 0},
		{"ahead", 10 * time.Minute, 10*time.Minute + time.Second, 0, 10*time.Minute - time.Second},
		{"behind", 0, time.Second, 10 * time.Minute, -(10*time.Minute - time.Second)},
	} {
		if got := ahead(at.Add(c.sent), at.Add(c.back), at.Add(c.date)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// docs/doctor.md has a row for each check, with what it looks at.
func TestChecksAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	var order []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		id := strings.Trim(cells[1], " `")
		order = append(order, id)
		if rows[id] = cells; len(cells) != 6 {
			t.Errorf("%s: %d columns", id, len(cells)-2)
		}
		for _, cell := range cells[1 : len(cells)-1] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: a cell is empty", id)
			}
		}
	}
	var want []string
	for _, c := range checks() {
		want = append(want, c.id)
		if row := rows[c.id]; len(row) > 2 && strings.TrimSpace(row[2]) != c.looked {
			t.Errorf("%s looks at %q, by the documentation at %q", c.id, c.looked, strings.TrimSpace(row[2]))
		}
	}
	if !slices.Equal(want, order) {
		t.Errorf("in the code %v\nin docs/doctor.md %v", want, order)
	}
}

// The report for programs keeps its names.
func TestJSON(t *testing.T) {
	text, err := json.Marshal(Finding{"entra.write", "Entra", "that …", Fault, "Mail.Send", "Revoke it."})
	if err != nil || string(text) != `{"check":"entra.write","group":"Entra","looked_at":"that …","verdict":"fault","found":"Mail.Send","mend":"Revoke it."}` {
		t.Errorf("%s, %v", text, err)
	}
}
