package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

const good = `
public_url: https://belay.example.com
entra:
  tenant_id: 7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70
  client_id: b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5
  client_secret: canary-entra
slack:
  app_id: A0BELAY
  team_id: T0CONTOSO
  bot_token: xoxb-canary
  signing_secret: canary-signing-secret
  client_id: "1.2"
  client_secret: canary-slack
notices:
  default: ["slack:C0ALL"]
  rules:
    - {roles: [User Administrator], events: [activated], to: ["slack:C0USERS"]}
    - {events: [denied], to: []}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "belay.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func faults(t *testing.T, err error) string {
	t.Helper()
	var e *ConfigError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *ConfigError", err)
	}
	return strings.Join(e.Faults, "\n")
}

func TestLoad(t *testing.T) {
	c, err := Load(write(t, good), []string{"BELAY_ENTRA_SESSION_MAX_AGE=8h", "BELAY_TEAMS_SERVICE_HOSTS=a.example, b.example", "HOME=/nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Entra.SessionMaxAge != 8*time.Hour || c.Endpoints.Graph != "https://graph.microsoft.com" || string(c.Slack.BotToken) != "xoxb-canary" {
		t.Errorf("got %+v", c)
	}
	if diff := cmp.Diff([]string{"a.example", "b.example"}, c.Teams.ServiceHosts); diff != "" {
		t.Error(diff)
	}
}

func TestLoadNamesEveryFault(t *testing.T) {
	bad := strings.NewReplacer("https://belay.example.com", "http://belay.example.com", "canary-signing-secret", "short",
		"app_id: A0BELAY", "app_id: A0BELAY\n  colour: red").Replace(good) + "\nstop_timeout: soon\nlog_level: [a]\n"
	_, err := Load(write(t, bad), []string{"BELAY_COLOUR=red", "BELAY_ENTRA_READS_PER_MINUTE=many"})
	got := faults(t, err)
	for _, want := range []string{"slack.colour: unknown key", "stop_timeout: must be a duration", "log_level: must be text",
		"BELAY_COLOUR: unknown variable", "BELAY_ENTRA_READS_PER_MINUTE: must be a whole number"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") {
		t.Error("a secret is in the faults")
	}
	_, err = Load(write(t, strings.NewReplacer("https://belay.example.com", "http://belay.example.com", "canary-signing-secret", "short",
		"7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70", "contoso").Replace(good)), nil)
	got = faults(t, err)
	for _, want := range []string{"public_url: must be https", "slack.signing_secret: is too short", "entra.tenant_id:"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
}

func TestWithoutASigningSecret(t *testing.T) {
	_, err := Load(write(t, strings.Replace(good, "  signing_secret: canary-signing-secret\n", "", 1)), nil)
	if got := faults(t, err); !strings.Contains(got, "slack.signing_secret: is required") || strings.Contains(got, "short") {
		t.Error(got)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(write(t, strings.Replace(good, "client_secret: canary-entra", "client_secret_file: "+secret, 1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(c.Entra.ClientSecret) != "from-a-file" {
		t.Errorf("got %q", string(c.Entra.ClientSecret))
	}
	_, err = Load(write(t, good), []string{"BELAY_ENTRA_CLIENT_SECRET_FILE=" + secret})
	if got := faults(t, err); !strings.Contains(got, "entra.client_secret: is given both directly and as a file") {
		t.Error(got)
	}
	_, err = Load(write(t, strings.Replace(good, "bot_token: xoxb-canary", `bot_token: ""`, 1)), nil)
	if got := faults(t, err); !strings.Contains(got, "slack.bot_token: is empty") {
		t.Error(got)
	}
}

func TestRoute(t *testing.T) {
	c, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	to := func(n bot.Notice, role string) string {
		var ids []string
		for _, at := range c.Routing().Targets(bot.Happening{Event: n, Role: pim.EligibleAssignment{RoleName: role}}) {
			ids = append(ids, string(at.At.Platform)+"/"+at.At.ID)
		}
		return strings.Join(ids, ",")
	}
	for _, test := range []struct {
		event bot.Notice
		role  string
		want  string
	}{
		{bot.NoticeActive, "user administrator", "slack/C0USERS"},
		{bot.NoticeEnded, "User Administrator", "slack/C0ALL"},
		{bot.NoticeDenied, "Global Reader", ""},
		{bot.NoticeNotMe, "User Administrator", "slack/C0ALL"},
	} {
		if got := to(test.event, test.role); got != test.want {
			t.Errorf("%s of %s goes to %q, want %q", test.event, test.role, got, test.want)
		}
	}
}

// An alarm goes to the security channels, and is silenced by no rule.
func TestRouteOfAnAlarm(t *testing.T) {
	const quiet = "\nnotices:\n  default: [\"slack:C0ALL\"]\n  rules: [{to: []}]\n"
	head, _, _ := strings.Cut(good, "\nnotices:")
	for text, want := range map[string]string{
		head + quiet: "C0ALL",
		head + quiet + "security: {channels: [\"slack:C0SECURITY\", \"slack:C0SECURITY\"]}\n": "C0SECURITY",
		head: "",
	} {
		c, err := Load(write(t, text), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, at := range c.Routing().Targets(bot.Happening{Event: bot.NoticeNotMe, Role: pim.EligibleAssignment{RoleName: "User Administrator"}}) {
			got = append(got, at.At.ID)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("an alarm goes to %q, want %q", got, want)
		}
	}
	_, err := Load(write(t, head+"\nsecurity: {channels: [\"#security\", \"teams:19:x\"]}\n"), nil)
	if got := faults(t, err); got != "security.channels[0]: must be slack:C… or teams:19:…\nsecurity.channels[1]: names a platform that is not configured" {
		t.Error(got)
	}
	c, err := Load(write(t, head), []string{"BELAY_SECURITY_CHANNELS=slack:C0SECURITY"})
	if err != nil || len(c.Security.Channels) != 1 {
		t.Errorf("from the environment: %v, %v", c.Security.Channels, err)
	}
}

// What Render writes is what Load reads.
func TestRenderLoads(t *testing.T) {
	want, err := Load(write(t, good+`
security:
  channels: ["slack:C0SECURITY"]
requests:
  quiet: 22:00-07:00 UTC
  acknowledge:
    - roles: [Finance Vault]
      text: I know.
    - text: For all others.
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Render(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(write(t, string(text)), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
