package manifest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const clientID = "C0FFEE00-4F52-4A7E-8D7C-90F1E2D3C4B5"

func signOn() SignOn {
	return SignOn{App: belay(), ClientID: clientID, BotID: botID, Scope: "access_as_user",
		Clients: []string{"1fec8e78-bce4-4aaf-ab1b-5451cc387264", "5e3ce6c0-2b1f-4285-8d4b-75ee78787346"}}
}

// The package, the script and the setting have to name the same resource, or Teams
// shows nothing at all.
func TestSingleSignOnNamesOneResource(t *testing.T) {
	uri := "api://botid-" + strings.ToLower(botID)
	for _, slash := range []bool{false, true} {
		files := unpack(t, Teams{App: belay(), BotID: botID, SignOnID: clientID}, slash)
		version := map[bool]string{false: "1.19", true: "1.29"}[slash]
		if err := teamsSchema(t, version).Validate(value(t, files["manifest.json"])); err != nil {
			t.Error(err)
		}
		var m teamsManifest
		if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
			t.Fatal(err)
		}
		if m.Web == nil || m.Web.ID != strings.ToLower(clientID) || m.Web.Resource != uri {
			t.Errorf("webApplicationInfo is %+v", m.Web)
		}
		if diff := cmp.Diff([]string{"belay.example.com"}, m.Domains); diff != "" {
			t.Error(diff)
		}
	}
	var e exposed
	text, err := signOn().json(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil || len(e.URIs) != 1 || e.URIs[0] != uri || e.API.Version != 2 || len(e.API.Clients) != 0 {
		t.Errorf("first sent is %s, %v", text, err)
	}
}

// Each package is an update of those that have less.
func TestTeamsVersionsGrow(t *testing.T) {
	last := ""
	for _, p := range []struct {
		id    string
		slash bool
	}{{"", false}, {"", true}, {clientID, false}, {clientID, true}} {
		v := Teams{SignOnID: p.id}.Version(p.slash)
		if v <= last {
			t.Errorf("%s follows %s", v, last)
		}
		last = v
	}
}

func TestSignOnScript(t *testing.T) {
	script, err := SignOnScript(signOn())
	if err != nil {
		t.Fatal(err)
	}
	for _, fails := range []string{"0", "2", "9"} {
		dir := t.TempDir()
		for name, text := range map[string]string{"run.sh": string(script), "bin/sleep": "#!/usr/bin/env bash\n",
			"bin/az": "#!/usr/bin/env bash\nprintf '%s\\n' \"$*\" >> \"$CALLS\"\ncase \"$*\" in *preAuthorized*) [ \"$(grep -c preAuthorized \"$CALLS\")\" -gt \"$FAILS\" ] ;; esac\n"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("bash", filepath.Join(dir, "run.sh"))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "CALLS="+filepath.Join(dir, "calls"), "FAILS="+fails)
		out, err := cmd.CombinedOutput()
		calls, readErr := os.ReadFile(filepath.Join(dir, "calls"))
		if readErr != nil {
			t.Fatalf("az was not called: %v\n%s", readErr, out)
		}
		if ok := err == nil; ok != (fails != "9") {
			t.Errorf("with %s refusals it ended with %v:\n%s", fails, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
		for n, line := range lines {
			_, body, _ := strings.Cut(line, "--body ")
			body, _, _ = strings.Cut(body, " --output")
			var e exposed
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if !strings.Contains(line, "applications(appId='"+strings.ToLower(clientID)+"')") || (n == 0) != (len(e.API.Clients) == 0) || len(e.API.Scopes) != 1 {
				t.Errorf("call %d: %s", n, line)
			}
			for _, c := range e.API.Clients {
				if len(c.Scopes) != 1 || c.Scopes[0] != e.API.Scopes[0].ID {
					t.Errorf("a client is authorized for %v", c.Scopes)
				}
			}
		}
	}
	for name, edit := range map[string]func(*SignOn){
		"no client": func(s *SignOn) { s.ClientID = "" }, "no bot": func(s *SignOn) { s.BotID = "'; rm -rf /" }, "no name": func(s *SignOn) { s.Name = "$(x)" },
	} {
		s := signOn()
		edit(&s)
		if _, err := SignOnScript(s); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}
