package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// certified makes a certificate with its key, as an operator keeps them in one file.
func certified(t *testing.T) (file string, cert *x509.Certificate, key *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Belay"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	file = filepath.Join(t.TempDir(), "belay.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, cert, key
}

// sealingKeys are the secrets in the key file.
func (w *world) sealingKeys(keep func(what, secret string)) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "belay", "belay.keys"))
	w.must(err)
	found := regexp.MustCompile(`"[A-Za-z0-9+/_=-]{40,}"`).FindAllString(string(text), -1)
	if len(found) == 0 {
		w.t.Fatal("the key file holds nothing that looks like a key: this test looks for nothing")
	}
	for _, secret := range found {
		keep("sealing key", strings.Trim(secret, `"`))
	}
}

// The same where Belay proves itself with a certificate and Teams signs people in: neither the
// certificate's key, nor what was signed with it, nor a person's token from Teams, nor a sealing key is in
// the log, the pages, the metrics, the store, or in what any command prints or exports.
func TestCanariesOfCommands(t *testing.T) {
	t.Parallel()
	file, cert, key := certified(t)
	wires := &tap{secrets: map[string]string{}}
	w := runPrepared(t, t.TempDir(), manners{signOn: []string{"pwd", "mfa"}, certificate: file, registered: []*x509.Certificate{cert}}, func(w *world) {
		for i, v := range w.servers {
			switch v.name {
			case atLogin, atSlack, atBotLogin, atConnector, atGraph, atARM:
				w.servers[i].pages = wires.on(v.pages)
			}
		}
	})
	w.tap, wires.belay = wires, w.urls[atBot]
	belay := program(t)
	alice, bob, dave := w.who("alice"), w.who("bob"), w.who("dave")
	dave.writes("/elevate link")
	dave.taps("Sign in", "Sign in with Microsoft")
	dave.sees("You are linked", dave.upn())
	alice.types("link")
	alice.signsIn(alice.slackURL())
	alice.reads("You are linked")
	alice.asks("user admin 1h canary-justification")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	w.pass("30m")

	keep := func(what, secret string) { wires.keep(what, secret) }
	w.sealingKeys(keep)
	pemText, err := os.ReadFile(file)
	w.must(err)
	for line := range strings.Lines(string(pemText[:bytes.Index(pemText, []byte("-----END PRIVATE"))])) {
		if !strings.HasPrefix(line, "---") {
			keep("certificate's key", strings.TrimSpace(line))
		}
	}
	keep("certificate's key", fmt.Sprintf("%x", key.D))
	keep("certificate's key", key.D.String())
	keep("certificate's key", base64.RawURLEncoding.EncodeToString(key.D.Bytes()))

	var outputs strings.Builder
	commands := 0
	config := filepath.Join(w.dir, "belay.yaml")
	does := func(args ...string) string {
		t.Helper()
		if args[0] != "version" {
			args = append(args, "--config", config)
		}
		cmd := exec.CommandContext(t.Context(), belay, args...)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if out.Len()+said.Len() == 0 && !slices.Contains(args, "--out") {
			t.Errorf("%q says nothing", args)
		}
		commands++
		outputs.WriteString(out.String() + said.String())
		return out.String() + said.String()
	}
	table := filepath.Join(t.TempDir(), "export.csv")
	texts := does("audit", "export") + does("audit", "export", "--format", "ocsf")
	does("audit", "export", "--format", "csv", "--out", table)
	exported, err := os.ReadFile(table)
	w.must(err)
	for name, export := range map[string]string{"jsonl and ocsf": texts, "csv": string(exported)} {
		if !strings.Contains(export, "canary-justification") {
			t.Errorf("the export as %s holds nothing of what happened", name)
		}
	}
	outputs.Write(exported)
	bare := does("audit", "export", "--without-texts") + does("audit", "export", "--without-texts", "--format", "csv") + does("audit", "export", "--without-texts", "--format", "ocsf") +
		does("audit", "verify") + does("audit", "verify", "--json") + does("audit", "key") + does("audit", "reconcile") + does("audit", "erase", "--person", alice.OID) +
		does("keys", "list") + does("keys", "list", "--json") + does("keys", "rotate") + does("keys", "prune", "--json") + does("version", "--json")
	w.permitted()
	bare += does("doctor") + does("doctor", "--json")
	w.calls.mu.Lock()
	w.calls.ever = nil // the registration was read by the operator, and not by Belay
	w.calls.mu.Unlock()
	for _, text := range []string{"canary", "Alice Adams", alice.upn()} {
		if strings.Contains(bare, text) {
			t.Errorf("a command that has no business with it prints %q", text)
		}
	}
	does("links", "list")
	does("audit", "erase", "--person", alice.OID, "--yes")
	w.sealingKeys(keep) // those of after the rotation, too
	resp, err := http.Get("http://" + w.app.PrivateAddr().String() + "/metrics")
	w.must(err)
	var metrics strings.Builder
	w.must(resp.Write(&metrics))
	w.must(resp.Body.Close())
	w.end()

	kinds := map[string]int{}
	places := map[string]string{"the output of a command": outputs.String(), "the log": w.logs.String(), "the metrics": metrics.String(), "a page": wires.pages.String()}
	database, err := os.ReadFile(filepath.Join(w.dir, "belay", "belay.db"))
	w.must(err)
	places["the database"] = string(database)
	found := 0
	for secret, kind := range wires.secrets {
		kinds[kind]++
		for where, what := range places {
			if strings.Contains(what, secret) {
				found++
				t.Errorf("%s holds a secret: %s", where, kind)
			}
		}
	}
	for where, what := range places {
		if at := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10}`).FindStringIndex(what); at != nil && where != "the database" {
			t.Errorf("%s holds a token: %q", where, what[max(0, at[0]-80):min(len(what), at[1]+20)])
		}
		if strings.Contains(what, "PRIVATE KEY") {
			t.Errorf("%s holds a private key", where)
		}
	}
	for _, kind := range []string{"client_assertion", "assertion", "access_token", "refresh_token", "certificate's key", "sealing key"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s was there: this test looks for nothing", kind)
		}
	}
	t.Logf("%d secrets of %d kinds; %d were found in the output of %d commands, the log, the pages, the metrics and the database", len(wires.secrets), len(kinds), found, commands)
}
