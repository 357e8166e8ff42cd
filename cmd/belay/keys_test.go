package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/keyvault/vaulttest"
)

// installed is a Belay that can be started and stopped, and commands on it.
type installed struct {
	*testing.T
	dir, file, private string
	log                *lockedBuffer
	stop               func() int
}

func install(t *testing.T, more string) *installed {
	t.Helper()
	d := &installed{T: t, dir: t.TempDir(), private: free(t), log: &lockedBuffer{}}
	d.file = filepath.Join(d.dir, "belay.yaml")
	d.configure(more)
	return d
}

func (d *installed) configure(more string) {
	d.Helper()
	if err := os.WriteFile(d.file, []byte(fmt.Sprintf(config, free(d.T), d.private, filepath.Join(d.dir, "data"))+more), 0o600); err != nil {
		d.Fatal(err)
	}
}

func (d *installed) serve() {
	d.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"serve", "--config", d.file}, nil, io.Discard, d.log) }()
	d.stop = func() int { cancel(); return <-code }
	d.Cleanup(cancel)
	for deadline := time.Now().Add(time.Minute); ; {
		if status, _ := get(d.T, "http://"+d.private+"/readyz"); status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			d.Fatalf("not ready; log:\n%s", d.log.String())
		}
	}
}

// does runs a command.
func (d *installed) does(want int, args ...string) string {
	d.Helper()
	var out, said bytes.Buffer
	if got := run(d.Context(), append(args, "--config", d.file), nil, &out, &said); got != want {
		d.Fatalf("%v exits %d and says %s", args, got, said.String())
	}
	return out.String() + said.String()
}

func (d *installed) keys() (all []app.KeyLine) {
	d.Helper()
	for dec := json.NewDecoder(strings.NewReader(d.does(exitOK, "keys", "list", "--json"))); dec.More(); {
		var k app.KeyLine
		if err := dec.Decode(&k); err != nil {
			d.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func (d *installed) swept() {
	d.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		keys := d.keys()
		if last := keys[len(keys)-1]; last.Primary && len(keys) == 2 && keys[0].Records == 0 && last.Records > 0 {
			return
		}
		if time.Now().After(deadline) {
			d.Fatalf("the sweep does not end: %+v", keys)
		}
	}
}

// Keys are rotated and pruned while Belay serves, and where nobody serves.
func TestKeysRotateAndPrune(t *testing.T) {
	d := install(t, "")
	d.does(exitRefused, "keys", "list") // nothing is made by asking
	d.serve()
	first := d.keys()
	if len(first) != 1 || !first[0].Primary || first[0].Records == 0 || first[0].Made.IsZero() || first[0].Kept != "file" {
		t.Fatalf("at first: %+v", first)
	}
	if out := d.does(exitOK, "keys", "rotate"); !strings.Contains(out, "The Belay that serves") {
		t.Errorf("says %s", out)
	}
	d.swept()
	d.does(exitOK, "keys", "prune")
	now := d.keys()
	if len(now) != 1 || now[0].ID == first[0].ID {
		t.Errorf("after pruning: %+v", now)
	}
	if got := d.stop(); got != exitOK {
		t.Errorf("the stop exits %d; log:\n%s", got, d.log.String())
	}
	if out := d.does(exitOK, "keys", "rotate"); !strings.Contains(out, "records were sealed anew") {
		t.Errorf("says %s", out)
	}
	if out := d.does(exitOK, "keys", "prune"); !strings.Contains(out, "1 older keys were removed") {
		t.Errorf("says %s", out)
	}
	d.serve()
	d.stop()
	if !strings.Contains(d.log.String(), "entra.client_secret") {
		t.Errorf("no warning of the client secret:\n%s", d.log.String())
	}
	if got := d.audited(); got != "keys rotate, keys prune, keys rotate, keys prune" {
		t.Errorf("the audit trail holds %s", got)
	}
}

// audited are the commands in the audit trail, in their order.
func (d *installed) audited() string {
	d.Helper()
	var verbs []string
	keys, err := store.LoadKeyFile(filepath.Join(d.dir, "data", "belay.keys"))
	if err != nil {
		d.Fatal(err)
	}
	raw, err := bolt.Open(filepath.Join(d.dir, "data", "belay.db"), bolt.Options{})
	if err != nil {
		d.Fatal(err)
	}
	defer raw.Close()
	err = store.Seal(raw, keys).View(d.Context(), func(tx store.Tx) error {
		take := func(_, value []byte) error {
			var e struct {
				Kind, Verb string
				Actor      struct{ Platform, User string }
			}
			at := bytes.IndexByte(value, '{')
			for ; at >= 0 && json.Unmarshal(value[at:], &e) != nil; at++ { // the hash before the event may hold a brace
			}
			if e.Kind == "operator.command" && (e.Actor.Platform != "operator" || !strings.Contains(e.Actor.User, "@")) {
				d.Errorf("%s is on record as of %+v", e.Verb, e.Actor)
			}
			if e.Verb != "" || e.Kind == "keys.changed" {
				verbs = append(verbs, strings.TrimSpace(e.Verb+" "+strings.TrimPrefix(e.Kind, "operator.command")))
			}
			return nil
		}
		if err := tx.Scan("trail", nil, nil, take); err != nil {
			return err
		}
		return tx.Scan("trail-loose", nil, nil, take)
	})
	if err != nil {
		d.Fatal(err)
	}
	return strings.Join(verbs, ", ")
}

// A kill after the key file was written, and before anything else: the next start takes
// the new key, seals everything with it, and says so in the audit trail.
func TestKilledAfterTheKeyFile(t *testing.T) {
	d := install(t, "")
	d.serve()
	d.stop()
	keys, err := store.LoadKeyFile(filepath.Join(d.dir, "data", "belay.keys"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.serve()
	d.swept()
	d.does(exitOK, "keys", "prune")
	d.stop()
	if got := d.audited(); got != "keys.changed, keys prune" {
		t.Errorf("the audit trail holds %s", got)
	}
}

// Azure Key Vault: from the file into it and back, and every way in which it stops a
// start but not a Belay that runs.
func TestKeysInTheVault(t *testing.T) {
	vault := vaulttest.New(vaulttest.Options{Tenant: "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70", Unhandled: func(what string) { t.Error(what) }})
	vault.NewVersion("belay")
	const token = "canary-vault-token"
	vault.Grant(token, "wrapkey", "unwrapkey")
	server := httptest.NewTLSServer(vault)
	t.Cleanup(server.Close)
	identity := &vaulttest.Identity{Header: "canary-header", Unhandled: func(what string) { t.Error(what) }, Token: func(resource, client string) string {
		if resource != "https://vault.azure.net" || client != "11111111-2222-4333-8444-555555555555" {
			return ""
		}
		return token
	}}
	machine := httptest.NewServer(identity)
	t.Cleanup(machine.Close)
	t.Setenv("IDENTITY_ENDPOINT", machine.URL)
	t.Setenv("IDENTITY_HEADER", "canary-header")

	d := install(t, "")
	ca := filepath.Join(d.dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	inVault := fmt.Sprintf("  ca_file: %s\nkeys:\n  vault_key: %s/keys/belay\n  identity_client_id: 11111111-2222-4333-8444-555555555555\n", ca, server.URL)
	d.serve() // with the plain file
	d.stop()
	if out := d.does(exitRefused, "keys", "wrap"); !strings.Contains(out, "keys.vault_key is not set") {
		t.Errorf("says %s", out)
	}
	d.configure(inVault)
	if out := d.does(exitRefused, "serve"); !strings.Contains(out, "belay keys wrap") {
		t.Errorf("not wrapped yet: %s", out)
	}
	d.does(exitOK, "keys", "wrap")
	d.serve()
	unwraps := vault.Calls("unwrapkey")

	// The vault is gone, and Belay goes on; what changes the key file is refused.
	vault.Disable("belay", true)
	if keys := d.keys(); len(keys) != 1 || keys[0].Kept != server.URL+"/keys/belay" {
		t.Errorf("%+v", keys)
	}
	if status, _ := get(t, "http://"+d.private+"/readyz"); status != http.StatusOK || vault.Calls("unwrapkey") != unwraps {
		t.Errorf("HTTP %d; %d calls", status, vault.Calls("unwrapkey")-unwraps)
	}
	if out := d.does(exitRefused, "keys", "rotate"); !strings.Contains(out, "disabled") {
		t.Errorf("says %s", out)
	}
	vault.Disable("belay", false)
	d.does(exitOK, "keys", "rotate")
	d.swept()
	d.does(exitOK, "keys", "prune")
	d.stop()

	for _, c := range []struct {
		name        string
		spoil, mend func()
		says        string
	}{
		{"permission", func() { vault.Grant(token) }, func() { vault.Grant(token, "wrapkey", "unwrapkey") }, "Key Vault Crypto Service Encryption User"},
		{"disabled", func() { vault.Disable("belay", true) }, func() { vault.Disable("belay", false) }, "disabled"},
		{"deleted", func() { vault.Delete("belay") }, func() { vault.Recover("belay") }, "recover"},
		{"throttled", func() { vault.FailNext(vaulttest.Fault{Status: 429}) }, func() {}, "asks to wait"},
		{"failing", func() { vault.FailNext(vaulttest.Fault{Status: 503}) }, func() {}, "HTTP 503"},
		{"no answer", func() { vault.FailNext(vaulttest.Fault{Drop: true}) }, func() {}, "does not answer"},
		{"not in the configuration", func() { d.configure("  ca_file: " + ca + "\n") }, func() { d.configure(inVault) }, "is wrapped (" + server.URL + "/keys/belay/"},
		{"another key", func() { d.configure(strings.Replace(inVault, "/keys/belay", "/keys/other", 1)) }, func() { d.configure(inVault) }, "another key than keys.vault_key"},
	} {
		c.spoil()
		if out := d.does(exitRefused, "serve"); !strings.Contains(out, c.says) || strings.Contains(out, "canary") {
			t.Errorf("%s: says %s", c.name, out)
		}
		c.mend()
	}
	d.does(exitOK, "keys", "unwrap")
	if out := d.does(exitRefused, "serve"); !strings.Contains(out, "leave keys.vault_key out") {
		t.Errorf("unwrapped: %s", out)
	}
	d.configure("")
	d.serve()
	d.stop()
	server.Close()
	d.configure(inVault)
	if out := d.does(exitRefused, "keys", "wrap"); !strings.Contains(out, "does not answer") {
		t.Errorf("vault down: %s", out)
	}
	d.configure("")
	d.serve()
	d.stop()
	if got := d.audited(); got != "keys.changed, keys wrap, keys rotate, keys prune, keys unwrap, keys.changed" {
		t.Errorf("the audit trail holds %s", got)
	}
	if strings.Contains(d.log.String(), "canary") {
		t.Errorf("a secret is in the log:\n%s", d.log.String())
	}
}
