package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Belay takes the settings that deploy/azure gives it, and has the paths that are probed there.
func TestBelayTakesTheSettingsOfAzure(t *testing.T) {
	belay := os.Getenv("TEST_BELAY")
	if belay == "" {
		t.Fatal("TEST_BELAY names no Belay: run deploy/check")
	}
	app, err := os.ReadFile("../../azure/modules/app.bicep")
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile("../../azure/main.bicep")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret, config := filepath.Join(dir, "secret"), filepath.Join(dir, "belay.yaml")
	if err := os.WriteFile(secret, content(t, "secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("public_url: https://belay.example.com\n"+
		"entra: {tenant_id: 00000000-0000-0000-0000-000000000001, client_id: 00000000-0000-0000-0000-000000000002}\n"+
		"slack: {app_id: A0123456789, team_id: T0123456789, client_id: '1.2'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	params := map[string]string{
		"identityClient": "00000000-0000-0000-0000-000000000003",
		"database":       "postgres://belay@belay-db.postgres.database.azure.com:5432/belay",
		"vaultKey":       "https://belay.vault.azure.net/keys/belay",
	}
	var environ []string
	for _, m := range regexp.MustCompile(`\{ name: '(BELAY_[A-Z_]+)', value: ('[^']*'|\w+) \}`).FindAllStringSubmatch(string(app), -1) {
		value := strings.Trim(m[2], "'")
		if m[2] == value {
			if value = params[m[2]]; value == "" {
				t.Fatalf("%s is %s, of which nothing is known here", m[1], m[2])
			}
		}
		environ = append(environ, m[1]+"="+value)
	}
	for _, m := range regexp.MustCompile(`(BELAY_[A-Z_]+_FILE): '`).FindAllStringSubmatch(string(main), -1) {
		environ = append(environ, m[1]+"="+secret)
	}
	if len(environ) != 10+3 {
		t.Errorf("%d settings were seen: %v", len(environ), environ)
	}
	check := func(environ ...string) (string, error) {
		c := exec.Command(belay, "serve", "--check", "--config", config)
		c.Env = environ
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := check(environ...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := check(append(environ, "BELAY_NO_SUCH_SETTING=x")...); err == nil {
		t.Error("a setting that does not exist is taken")
	}
	for _, m := range regexp.MustCompile(`httpGet: \{ path: '([^']+)'`).FindAllStringSubmatch(string(app), -1) {
		if m[1] != "/livez" && m[1] != "/readyz" { // those of the chart: TestWhatIsProbedIsThere
			t.Errorf("Belay has no %s", m[1])
		}
	}
}
