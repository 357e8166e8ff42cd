package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/adapters/slack"
	"github.com/belaybot/belay/adapters/teams"
	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/manifest"
)

const (
	publicURL = "https://belay.example.com"
	tenantID  = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	clientID  = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5"
)

// belay runs the command line.
func belay(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, nil, &out, &errs)
	return out.String(), errs.String(), code
}

// names lists what is in dir, with the permissions of each.
func names(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]fs.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = info.Mode().Perm()
	}
	return all
}

func contents(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "install")
	stdout, stderr, code := belay(t, "init", dir, "--public-url", publicURL, "--tenant-id", tenantID, "--client-id", clientID)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if !strings.Contains(stdout, filepath.Join(dir, "README.txt")) {
		t.Errorf("it does not say what to read next: %s", stdout)
	}
	got := names(t, dir)
	var all []string
	for name := range got {
		all = append(all, name)
	}
	slices.Sort(all)
	if diff := cmp.Diff([]string{"README.txt", "belay.yaml", "entra-app.json", "entra-app.sh", "slack-manifest.json", "teams-app-slash.zip", "teams-app.zip"}, all); diff != "" {
		t.Error(diff)
	}
	if got["entra-app.sh"] != 0o700 || got["belay.yaml"] != 0o600 {
		t.Errorf("modes are %v", got)
	}
	if !strings.Contains(contents(t, dir, "README.txt"), clientID) {
		t.Error("README.txt does not name the bot")
	}

	// Nothing is overwritten, and the refusal says what is there.
	before := contents(t, dir, "belay.yaml")
	_, stderr, code = belay(t, "init", dir, "--public-url", "https://other.example.com")
	if code != exitFailed || !strings.Contains(stderr, "already holds") || !strings.Contains(stderr, "belay.yaml") || !strings.Contains(stderr, "Nothing was written") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if contents(t, dir, "belay.yaml") != before || len(names(t, dir)) != len(got) {
		t.Error("the refusal changed something")
	}
}

// One file that is in the way keeps all from being written.
func TestInitWritesAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slack-manifest.json"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := belay(t, "init", dir, "--public-url", publicURL)
	if code != exitFailed || !strings.Contains(stderr, "already holds slack-manifest.json") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := names(t, dir); len(got) != 1 || contents(t, dir, "slack-manifest.json") != "mine" {
		t.Errorf("it left %v", got)
	}
	// A file where the directory should be.
	_, stderr, code = belay(t, "init", filepath.Join(dir, "slack-manifest.json"), "--public-url", publicURL)
	if code != exitFailed || !strings.Contains(stderr, "the directory cannot be made") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// The registration is made between two runs, because the Teams package names it.
func TestInitBeforeTheBotIsKnown(t *testing.T) {
	dir := t.TempDir()
	stdout, stderr, code := belay(t, "init", dir, "--public-url", publicURL)
	if code != exitOK || !strings.Contains(stdout, "The Teams package is not made yet") {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	if got := names(t, dir); len(got) != 5 {
		t.Errorf("it wrote %v", got)
	}
	stdout, stderr, code = belay(t, "init", dir, "--only", "teams", "--public-url", publicURL, "--bot-id", clientID, "--json")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var wrote struct {
		Dir   string
		Files []string
	}
	if err := json.Unmarshal([]byte(stdout), &wrote); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"teams-app.zip", "teams-app-slash.zip"}, wrote.Files); diff != "" {
		t.Error(diff)
	}
	if got := names(t, dir); len(got) != 7 {
		t.Errorf("there is %v", got)
	}
}

func TestInitUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no URL":        {nil, "the public URL must be"},
		"not https":     {[]string{"--public-url", "http://belay.example.com"}, "the public URL must be an https URL"},
		"a bad name":    {[]string{"--public-url", publicURL, "--name", "$(reboot)"}, "the name must be"},
		"a bad tenant":  {[]string{"--public-url", publicURL, "--tenant-id", "contoso.com"}, "--tenant-id must be a GUID"},
		"a bad bot":     {[]string{"--public-url", publicURL, "--bot-id", "28:x"}, "--bot-id must be a GUID"},
		"teams, no bot": {[]string{"--public-url", publicURL, "--only", "teams"}, "--only teams needs --bot-id"},
		"only what":     {[]string{"--public-url", publicURL, "--only", "discord"}, "must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "install")
			_, stderr, code := belay(t, append([]string{"init", dir}, test.args...)...)
			if code != exitUsage || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, want %d and %q: %s", code, exitUsage, test.want, stderr)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("it made the directory")
			}
		})
	}
}

// serve --check names all that init could not know, and once that is given it is
// content.
func TestInitConfiguration(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := belay(t, "init", dir, "--public-url", publicURL+"/"); code != exitOK {
		t.Fatal(stderr)
	}
	path := filepath.Join(dir, "belay.yaml")
	_, stderr, code := belay(t, "serve", "--check", "--config", path)
	if code != exitRefused {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	var missing []string
	for _, line := range strings.Split(strings.TrimSpace(stderr), "\n")[1:] {
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		missing = append(missing, key)
	}
	if diff := cmp.Diff([]string{"entra.client_id", "entra.client_secret", "entra.tenant_id", "slack.app_id", "slack.bot_token",
		"slack.client_id", "slack.client_secret", "slack.signing_secret", "slack.team_id", "teams.app_id"}, missing); diff != "" {
		t.Errorf("%s\n%s", diff, stderr)
	}

	text := contents(t, path)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("e30.e30.x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`tenant_id: "FILL-IN"`, "tenant_id: " + tenantID},
		{`client_id: "FILL-IN"`, "client_id: " + clientID},
		{`# federated_token_file: ""`, "federated_token_file: " + token},
		{`# client_id: ""`, `client_id: "1.2"`},
		{`# bot_token: ""`, `bot_token: xoxb-1`},
		{`# signing_secret: ""`, `signing_secret: 0123456789abcdef`},
		{"[BELAY_SLACK_CLIENT_SECRET]\n  # client_secret: \"\"", "\n  client_secret: s"},
		{"[BELAY_SLACK_APP_ID]\n  app_id: \"FILL-IN\"", "\n  app_id: A0BELAY"},
		{`team_id: "FILL-IN"`, "team_id: T0CONTOSO"},
		{`app_id: "FILL-IN"`, "app_id: " + clientID},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("belay.yaml has no %q:\n%s", change[0], text)
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	if strings.Contains(text, fillIn) {
		t.Error("something is still to be filled in")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := belay(t, "serve", "--check", "--config", path); code != exitOK {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// noToken is a credential that is never asked.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	panic("nobody signs in here")
}

type deaf struct{}

func (deaf) Handle(context.Context, bot.Inbound) (bot.Reply, bot.Later) { return bot.Reply{}, nil }

// Every address that the platforms are told is one that is served.
func TestInitNamesTheRoutesThatAreServed(t *testing.T) {
	if web.SlackCallback != manifest.SlackCallback || web.EntraCallback != manifest.EntraCallback {
		t.Error("the callbacks are served elsewhere")
	}
	s, err := slack.New(slack.Options{SigningSecrets: []string{"0123456789abcdef"}, BotToken: "xoxb-1", AppID: "A0BELAY", Teams: []string{"T0CONTOSO"}, Handler: deaf{}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := teams.New(teams.Options{AppID: clientID, TenantID: tenantID, Credential: noToken{}, Handler: deaf{}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.Register(mux)
	m.Register(mux)

	dir := t.TempDir()
	if _, stderr, code := belay(t, "init", dir, "--public-url", publicURL, "--bot-id", clientID); code != exitOK {
		t.Fatal(stderr)
	}
	var told []string
	for _, name := range []string{"slack-manifest.json", "entra-app.json"} {
		var v any
		if err := json.Unmarshal([]byte(contents(t, dir, name)), &v); err != nil {
			t.Fatal(err)
		}
		told = append(told, urls(v)...)
	}
	told = append(told, publicURL+manifest.TeamsMessages)
	if readme := contents(t, dir, "README.txt"); !strings.Contains(readme, publicURL+manifest.TeamsMessages+"\n") {
		t.Error("README.txt does not tell the bot's messaging endpoint")
	}
	if len(told) != 7 {
		t.Errorf("the platforms are told %v, want 4 addresses for Slack, 2 redirects and the bot's", told)
	}
	for _, address := range told {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path == web.SlackCallback || u.Path == web.EntraCallback {
			continue
		}
		if _, pattern := mux.Handler(httptest.NewRequest(http.MethodPost, address, nil)); pattern != "POST "+u.Path {
			t.Errorf("%s is not served: it would meet %q", address, pattern)
		}
	}
}

// urls finds every text below v that begins with the public URL.
func urls(v any) []string {
	var all []string
	switch x := v.(type) {
	case string:
		if strings.HasPrefix(x, publicURL) {
			all = append(all, x)
		}
	case []any:
		for _, e := range x {
			all = append(all, urls(e)...)
		}
	case map[string]any:
		for _, e := range x {
			all = append(all, urls(e)...)
		}
	}
	return all
}

// The package that is uploaded is for the bot that was named.
func TestInitTeamsPackage(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := belay(t, "init", dir, "--only", "teams", "--public-url", publicURL, "--bot-id", clientID); code != exitOK {
		t.Fatal(stderr)
	}
	for _, name := range []string{"teams-app.zip", "teams-app-slash.zip"} {
		z, err := zip.OpenReader(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := z.Open("manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Bots []struct {
				ID string `json:"botId"`
			} `json:"bots"`
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &m); err != nil || len(m.Bots) != 1 || m.Bots[0].ID != clientID {
			t.Errorf("%s: %v, bots %v", name, err, m.Bots)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInitSingleSignOn(t *testing.T) {
	dir := t.TempDir()
	args := []string{"init", dir, "--public-url", publicURL, "--client-id", clientID, "--tenant-id", tenantID, "--single-sign-on"}
	if _, stderr, code := belay(t, args...); code != exitOK {
		t.Fatal(stderr)
	}
	if script := contents(t, dir, "entra-single-sign-on.sh"); !strings.Contains(script, "api://botid-"+clientID) || !strings.Contains(script, `"access_as_user"`) {
		t.Errorf("the script is %s", script)
	}
	if config := contents(t, dir, "belay.yaml"); !strings.Contains(config, "single_sign_on: true") {
		t.Error("the configuration does not switch it on")
	}
	_, stderr, code := belay(t, "init", t.TempDir(), "--public-url", publicURL, "--bot-id", clientID, "--single-sign-on")
	if code == exitOK || !strings.Contains(stderr, "--single-sign-on needs --client-id") {
		t.Errorf("without the registration: %d %s", code, stderr)
	}
}
