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

const tenant = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"

func entra() Entra {
	return Entra{App: belay(), TenantID: tenant,
		Delegated:   []string{"RoleEligibilitySchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory"},
		Azure:       []string{"user_impersonation"},
		Application: []string{"GroupMember.Read.All", "User.Read.All"}}
}

func TestEntraJSON(t *testing.T) {
	got, err := EntraJSON(entra())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "entra-app.json", got)
	e := entra()
	e.Delegated = append(e.Delegated, "Mail.Send")
	e.Azure = append(e.Azure, "everything")
	e.Application = append(e.Application, "RoleAssignmentSchedule.ReadWrite.Directory")
	_, err = EntraJSON(e)
	for _, want := range []string{"the delegated permission Mail.Send", "the delegated permission everything", "the application permission RoleAssignmentSchedule.ReadWrite.Directory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The ids are Microsoft's.
func TestPermissionIDs(t *testing.T) {
	var known struct {
		Delegated, Application []struct{ ID, Value string }
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(read(t, "graph-permissions.json"), &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file["delegatedScopesList"], &known.Delegated); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file["applicationScopesList"], &known.Application); err != nil {
		t.Fatal(err)
	}
	table := func(list []struct{ ID, Value string }) map[string]string {
		ids := map[string]string{}
		for _, e := range list {
			ids[e.Value] = e.ID
		}
		return ids
	}
	if diff := cmp.Diff(table(known.Delegated), delegatedIDs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(table(known.Application), applicationIDs()); diff != "" {
		t.Error(diff)
	}
	for name := range applicationIDs() {
		if !strings.Contains(name, ".Read.") {
			t.Errorf("%s does more than read", name)
		}
	}
}

// fakeAz stands in for the Azure CLI: it notes how it is called and answers as
// told by the environment. Consent fails as often as CONSENT_FAILS says.
const fakeAz = `#!/usr/bin/env bash
printf '%s\n' "$*" >> "$CALLS"
case "$*" in
"account show "*) echo "$SIGNED_IN" ;;
"ad app list "*) [ -z "${SAME:-}" ] || echo "$SAME" ;;
"rest --method post "*) echo made-app-id ;;
"ad sp show "*) exit 3 ;;
"ad app federated-credential show "*) exit 3 ;;
"ad app permission admin-consent "*)
  n=$(grep -c admin-consent "$CALLS")
  [ "$n" -gt "${CONSENT_FAILS:-0}" ] || exit 1 ;;
esac
`

// runScript runs the rendered script with stand-ins for az and sleep.
func runScript(t *testing.T, args []string, env ...string) (output string, calls []string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	script, err := EntraScript(entra())
	if err != nil {
		t.Fatal(err)
	}
	registration, err := EntraJSON(entra())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"entra-app.sh": string(script), "entra-app.json": string(registration),
		"bin/az": fakeAz, "bin/sleep": "#!/usr/bin/env bash\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "calls")
	cmd := exec.Command("bash", append([]string{filepath.Join(dir, "entra-app.sh")}, args...)...)
	cmd.Env = append(os.Environ(), append([]string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "CALLS=" + log, "SIGNED_IN=" + tenant}, env...)...)
	out, err := cmd.CombinedOutput()
	text, readErr := os.ReadFile(log)
	if readErr != nil {
		t.Fatalf("az was not called: %v\n%s", readErr, out)
	}
	return string(out), strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), dir, "DIR")), "\n"), err == nil
}

func TestEntraScriptMakesTheRegistration(t *testing.T) {
	out, calls, ok := runScript(t, nil, "CONSENT_FAILS=2", "FEDERATION_ISSUER=https://issuer.example", "FEDERATION_SUBJECT=system:serviceaccount:belay:belay")
	if !ok {
		t.Fatal(out)
	}
	want := []string{
		"account show --query tenantId --output tsv",
		"ad app list --display-name Belay --query [?displayName=='Belay'].appId --output tsv",
		"rest --method post --url https://graph.microsoft.com/v1.0/applications --headers Content-Type=application/json --body @DIR/entra-app.json --query appId --output tsv",
		"ad sp show --id made-app-id --output none",
		"ad sp create --id made-app-id --output none",
		"ad app permission admin-consent --id made-app-id",
		"ad app permission admin-consent --id made-app-id",
		"ad app permission admin-consent --id made-app-id",
		"ad app federated-credential show --id made-app-id --federated-credential-id belay --output none",
		`ad app federated-credential create --id made-app-id --parameters {"name":"belay","issuer":"https://issuer.example","subject":"system:serviceaccount:belay:belay","audiences":["api://AzureADTokenExchange"]} --output none`,
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{"entra.tenant_id: " + tenant, "entra.client_id: made-app-id"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is missing in:\n%s", line, out)
		}
	}
}

func TestEntraScriptUpdatesTheOneThatIsNamed(t *testing.T) {
	out, calls, ok := runScript(t, []string{"old-app-id"}, "CERTIFICATE=cert.pem")
	if !ok {
		t.Fatal(out)
	}
	all := strings.Join(calls, "\n")
	for _, want := range []string{"rest --method patch --url https://graph.microsoft.com/v1.0/applications(appId='old-app-id')", "ad app credential reset --id old-app-id --cert @cert.pem --append"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in:\n%s", want, all)
		}
	}
	if strings.Contains(all, "--method post") {
		t.Error("it made another registration")
	}
}

func TestEntraScriptRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		env       []string
		want      string
		lastCall  string
		forbidden string
	}{
		"another tenant": {[]string{"SIGNED_IN=another"}, "You are signed in to the tenant another, and this is for " + tenant, "account show", "rest"},
		"a namesake":     {[]string{"SAME=first\nsecond"}, "There is a registration called Belay already", "ad app list", "rest"},
		"no consent":     {[]string{"CONSENT_FAILS=9"}, "nobody consented to its permissions", "ad app permission admin-consent", "credential"},
	} {
		t.Run(name, func(t *testing.T) {
			out, calls, ok := runScript(t, nil, test.env...)
			if ok || !strings.Contains(out, test.want) {
				t.Errorf("succeeded: %t, want %q in:\n%s", ok, test.want, out)
			}
			if last := calls[len(calls)-1]; !strings.HasPrefix(last, test.lastCall) {
				t.Errorf("it went on to %q", last)
			}
			for _, call := range calls {
				if strings.HasPrefix(call, test.forbidden) {
					t.Errorf("it called %q", call)
				}
			}
		})
	}
}

func TestEntraScriptText(t *testing.T) {
	got, err := EntraScript(entra())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "entra-app.sh", got)
	if path, err := exec.LookPath("shellcheck"); err == nil {
		cmd := exec.Command(path, "-")
		cmd.Stdin = strings.NewReader(string(got))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("shellcheck: %s", out)
		}
	}
	e := entra()
	e.TenantID = "contoso"
	if _, err := EntraScript(e); err == nil {
		t.Error("it takes a tenant id that is none")
	}
}
