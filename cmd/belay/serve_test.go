package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
)

const config = `
public_url: http://127.0.0.1:1
listen: %s
private_listen: %s
data: %s
entra:
  tenant_id: 7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70
  client_id: b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5
  client_secret: canary-entra-secret
slack:
  app_id: A0BELAY
  team_id: T0CONTOSO
  bot_token: xoxb-canary
  signing_secret: canary-signing-secret
  client_id: "1.2"
  client_secret: canary-slack-secret
endpoints:
  slack: http://127.0.0.1:1
`

// free gives an address that was free a moment ago.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// signature is Slack's, made by our own few lines and not by the code under test.
func signature(secret, at, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", at, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

func TestServe(t *testing.T) {
	dir, public, private := t.TempDir(), free(t), free(t)
	file := filepath.Join(dir, "belay.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, public, private, filepath.Join(dir, "data")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var log lockedBuffer
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"serve", "--config", file}, nil, io.Discard, &log) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if status, _ := get(t, "http://"+private+"/readyz"); status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready; log:\n%s", log.String())
		}
	}
	if status, body := get(t, "http://"+private+"/livez"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/livez answers %d %q", status, body)
	}
	if _, body := get(t, "http://"+private+"/metrics"); !strings.Contains(body, "belay_commit_seconds_count") {
		t.Errorf("/metrics shows no commits:\n%s", body)
	}
	if status, _ := get(t, "http://"+public+"/metrics"); status != http.StatusNotFound {
		t.Errorf("the public listener answers /metrics with %d", status)
	}

	body := url.Values{"command": {"/elevate"}, "text": {"help"}, "team_id": {"T0CONTOSO"}, "api_app_id": {"A0BELAY"}, "user_id": {"U0ALICE"},
		"user_name": {"alice"}, "channel_id": {"C0GENERAL"}, "trigger_id": {"1.2.x"}, "response_url": {"https://hooks.slack.com/commands/x"}}.Encode()
	say := func(secret string) (int, string) {
		at := fmt.Sprint(time.Now().Unix())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+public+"/slack/commands", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Slack-Request-Timestamp", at)
		req.Header.Set("X-Slack-Signature", signature(secret, at, body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if status, text := say("canary-signing-secret"); status != http.StatusOK || !strings.Contains(text, "/elevate approvals") {
		t.Errorf("/elevate help answers %d %s", status, text)
	}
	if status, text := say("another-signing-secret"); status != http.StatusUnauthorized && status != http.StatusForbidden {
		t.Errorf("a forged command is answered %d %s", status, text)
	}

	// A second process on the same data is refused and harms nothing.
	other := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(other, fmt.Appendf(nil, config, free(t), free(t), filepath.Join(dir, "data")), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if got := run(t.Context(), []string{"serve", "--config", other}, nil, io.Discard, &said); got != exitRefused || !strings.Contains(said.String(), "another Belay holds this file") {
		t.Errorf("the second process exits %d and says %s", got, said.String())
	}
	// A command is done by the process that serves, and afterwards by the command itself.
	links := func(when string) {
		var out, said bytes.Buffer
		if got := run(t.Context(), []string{"links", "list", "--config", file}, nil, &out, &said); got != exitOK || !strings.HasPrefix(out.String(), "CHAT") {
			t.Errorf("links list %s exits %d with %q and says %s", when, got, out.String(), said.String())
		}
	}
	links("while it serves")
	if info, err := os.Stat(filepath.Join(dir, "data", "belay.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want mode 0600", info, err)
	}
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("the stop exits %d; log:\n%s", got, log.String())
	}
	links("after the stop")
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a secret is in the log:\n%s", log.String())
	}

	// A key file that was lost is not made anew: the new one could read nothing.
	keys, database := filepath.Join(dir, "data", "belay.keys"), filepath.Join(dir, "data", "belay.db")
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	got := run(t.Context(), []string{"serve", "--config", other}, nil, io.Discard, &said)
	if got != exitRefused || !strings.Contains(said.String(), keys) || !strings.Contains(said.String(), database) {
		t.Errorf("without keys it exits %d and says %s", got, said.String())
	}
	if _, err := os.Stat(keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused start left a key file: %v", err)
	}

	// The key file of another store is noticed at the start.
	if _, err := store.LoadOrCreateKeyFile(keys); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	if got := run(t.Context(), []string{"serve", "--config", other}, nil, io.Discard, &said); got != exitRefused || !strings.Contains(said.String(), "do not open this store; put back the key file") {
		t.Errorf("with other keys it exits %d and says %s", got, said.String())
	}
}

func TestRefusals(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("colour: red\nentra: {client_secret: canary}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	authorities := filepath.Join(t.TempDir(), "belay.yaml")
	sound := fmt.Sprintf(config, ":8080", ":9090", t.TempDir())
	if err := os.WriteFile(authorities, []byte(sound+"  ca_file: "+bad+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command":  {[]string{"fly"}, exitUsage, "fly"},
		"no configuration": {[]string{"serve"}, exitUsage, "--config"},
		"no such file":     {[]string{"serve", "--config", bad + "x"}, exitRefused, "cannot be read"},
		"bad file":         {[]string{"serve", "--check", "--config", authorities}, exitRefused, "endpoints.ca_file: holds no certificate"},
		"faults":           {[]string{"serve", "--check", "--config", bad}, exitRefused, "colour: unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			code := run(t.Context(), test.args, nil, io.Discard, &said)
			if code != test.code || !strings.Contains(said.String(), test.says) || strings.Contains(said.String(), "canary") {
				t.Errorf("exits %d and says %s", code, said.String())
			}
		})
	}
}

func TestVersion(t *testing.T) {
	var said bytes.Buffer
	if code := run(t.Context(), []string{"version", "--json"}, nil, &said, io.Discard); code != exitOK {
		t.Fatalf("exits %d", code)
	}
	var v struct{ Version, Go string }
	if err := json.Unmarshal(said.Bytes(), &v); err != nil || v.Version == "" || v.Go == "" {
		t.Errorf("%v: %s", err, said.String())
	}
}
