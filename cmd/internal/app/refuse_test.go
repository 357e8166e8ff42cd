package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
)

func TestServiceLinksOfKubernetesAreNoSettings(t *testing.T) {
	c, err := Load(write(t, good), []string{"BELAY_SERVICE_HOST=10.0.0.1", "BELAY_SERVICE_PORT=8080", "BELAY_SERVICE_PORT_HTTP=8080",
		"BELAY_PORT=tcp://10.0.0.1:8080", "BELAY_PORT_8080_TCP=tcp://10.0.0.1:8080", "BELAY_PORT_8080_TCP_ADDR=10.0.0.1",
		"BELAY_TEAMS_SERVICE_HOSTS=a.example"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.example"}, c.Teams.ServiceHosts); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"BELAY_SERVICE_HOSTS", "BELAY_SERVICE", "BELAY_PORTAL", "BELAY_TEAMS_SERVICE_HOST", "BELAY_SERVICE_HOST_X"} {
		_, err := Load(write(t, good), []string{name + "=x"})
		if got := faults(t, err); got != name+": unknown variable" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What is found while the file is read hides nothing of what makes no sense, and
// no path is faulted twice.
func TestLoadNamesFaultsOfEveryKindAtOnce(t *testing.T) {
	bad := strings.NewReplacer("https://belay.example.com", "http://belay.example.com", "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70", "contoso",
		"bot_token: xoxb-canary", `bot_token: ""`, "client_secret: canary-slack", "client_secret_file: /nonexistent/secret",
		`default: ["slack:C0ALL"]`, `default: "slack:C0ALL"`,
		`{roles: [User Administrator], events: [activated], to: ["slack:C0USERS"]}`, `{roles: [7], events: [activated], to: "slack:C0USERS"}`,
		"{events: [denied], to: []}", "{event: [denied], to: [[x]]}").Replace(good) + "    - canary\ncolour: red\nlisten: [1]\nteams: off\nendpoints: {}\n"
	_, err := Load(write(t, bad), []string{"BELAY_ENTRA_READS_PER_MINUTE=many"})
	want := []string{
		"BELAY_ENTRA_READS_PER_MINUTE: must be a whole number",
		"colour: unknown key",
		"entra.tenant_id: must be the directory's id (a GUID)",
		"listen: must be text",
		"notices.default: must be a list",
		"notices.rules[0].roles[0]: must be text",
		"notices.rules[0].to: must be a list",
		"notices.rules[1].event: unknown key",
		"notices.rules[1].to[0]: must be text",
		"notices.rules[2]: must be a mapping",
		"public_url: must be https (plain http is accepted for loopback only)",
		"slack.bot_token: is empty; leave the key out or give the secret",
		"slack.client_secret_file: cannot be read: no such file or directory",
		"teams: must be a section with keys of its own",
	}
	if diff := cmp.Diff(want, strings.Split(faults(t, err), "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestNotYAMLIsTheOnlyFault(t *testing.T) {
	path := write(t, "a: [\nb: canary\n")
	_, err := Load(path, nil)
	if got := faults(t, err); !strings.HasPrefix(got, path+": not YAML:") || strings.Contains(got, "\n") {
		t.Error(got)
	}
}

// certificate makes a self-signed one with key, and what a file with both holds.
func certificate(t *testing.T, key any, public any) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// A file that would stop the start is a fault of the key that names it.
func TestFilesAreChecked(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both, ec := put("both.pem", certificate(t, key, key.Public())), put("ec.pem", certificate(t, curve, curve.Public()))
	garbage, empty, missing := put("garbage", []byte("canary")), put("empty", []byte(" \n")), filepath.Join(dir, "missing")
	entra := func(line string) string { return strings.Replace(good, "client_secret: canary-entra", line, 1) }
	bots := func(line string) string {
		return good + "teams:\n  app_id: c0f1d2e3-4455-4677-8899-aabbccddeeff\n  " + line + "\n"
	}
	const noPair = "must hold a certificate and its unencrypted RSA private key, in PEM"
	for name, c := range map[string]struct{ text, want string }{
		"authorities":             {good + "endpoints: {ca_file: " + both + "}\n", ""},
		"no authorities":          {good + "endpoints: {ca_file: " + garbage + "}\n", "endpoints.ca_file: holds no certificate in PEM"},
		"missing authorities":     {good + "endpoints: {ca_file: " + missing + "}\n", "endpoints.ca_file: cannot be read: no such file or directory"},
		"certificate":             {entra("certificate_file: " + both), ""},
		"certificate is garbage":  {entra("certificate_file: " + garbage), "entra.certificate_file: " + noPair},
		"certificate is empty":    {entra("certificate_file: " + empty), "entra.certificate_file: " + noPair},
		"certificate without RSA": {entra("certificate_file: " + ec), "entra.certificate_file: " + noPair},
		"missing certificate":     {entra("certificate_file: " + missing), "entra.certificate_file: cannot be read: no such file or directory"},
		"token":                   {entra("federated_token_file: " + garbage), ""},
		"token is empty":          {entra("federated_token_file: " + empty), "entra.federated_token_file: the file is empty"},
		"token is a directory":    {entra("federated_token_file: " + dir), "entra.federated_token_file: cannot be read: is a directory"},
		"bot's certificate":       {bots("certificate_file: " + garbage), "teams.certificate_file: " + noPair},
		"bot's token":             {bots("federated_token_file: " + missing), "teams.federated_token_file: cannot be read: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, c.text), nil)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if got := faults(t, err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRouteNamesAChannelOnce(t *testing.T) {
	c, err := Load(write(t, strings.Replace(good, `["slack:C0ALL"]`, `["slack:C0ALL", "slack:C0OPS", "slack:C0ALL"]`, 1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, at := range c.Routing().Targets(bot.Happening{Event: bot.NoticeEnded}) {
		got = append(got, at.At.ID)
	}
	if diff := cmp.Diff([]string{"C0ALL", "C0OPS"}, got); diff != "" {
		t.Error(diff)
	}
}

// What a panic throws can be what somebody wrote.
func TestPanicIsLoggedWithoutItsValue(t *testing.T) {
	var log bytes.Buffer
	h := guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("because of canary") }), slog.New(slog.NewTextHandler(&log, nil)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/slack/commands", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "canary") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if said := log.String(); strings.Contains(said, "canary") || !strings.Contains(said, "type=string") || !strings.Contains(said, "refuse_test.go") {
		t.Errorf("the log says %s", said)
	}
}
