package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// refused starts a sandbox that cannot start: it says why in one sentence.
func refused(t *testing.T, says string, args ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := run(ctx, args, &stdout, &stderr)
	text := strings.TrimSuffix(stderr.String(), "\n")
	if code != 1 || stdout.Len() > 0 || !strings.HasPrefix(text, "sandbox: ") || strings.Contains(text, "\n") || !strings.Contains(text, says) {
		t.Errorf("%v exits %d and says %s%s\nwant 1 and one sentence with %q", args, code, &stdout, &stderr, says)
	}
}

func TestPageIsServedOnLoopbackOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "world")
	for _, address := range []string{"nonsense", "", ":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "belay.example:0", "127.0.0.1", "127.0.0.1.nip.example:0"} {
		refused(t, "one of loopback, such as 127.0.0.1:8080", "--data", dir, "--listen="+address)
	}
	refused(t, "choose another address with --listen", "--data", dir, "--listen", "127.0.0.1:many")
	s, err := open(dir, "localhost:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
}

// Whatever file of a world is damaged, however: a sentence, and nothing is made
// anew over it.
func TestDamagedWorldIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "world")
	s, err := open(dir, "127.0.0.1:0", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	for _, name := range []string{"sandbox.json", "tenant.json", "slack.json", "teams.json", "tls.pem", "tls.key", "belay/belay.keys", "belay/belay.db"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		sound, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damages := []string{"", "garbage", "[]", string(sound[:min(len(sound)/2, 16<<10)])} // much of the store is room to grow
		if name != "slack.json" {                                                           // an empty workspace is a workspace
			damages = append(damages, "null", "{}")
		}
		for _, damage := range damages {
			if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, "", "--data", dir, "--listen", "127.0.0.1:0")
			if left, err := os.ReadFile(path); err != nil || string(left) != damage {
				t.Errorf("the damaged %s was changed: %v", name, err)
			}
		}
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = open(dir, "127.0.0.1:0", io.Discard); err != nil {
		t.Fatalf("the world does not open again: %v", err)
	}
	s.close()
}

func TestSecondSandboxHarmsNothing(t *testing.T) {
	w := runWorld(t, filepath.Join(t.TempDir(), "world"), manners{})
	files := func() map[string]string {
		all := map[string]string{}
		for _, name := range []string{"sandbox.json", "tls.pem", "ca.pem", "belay.yaml", "belay/belay.keys", "tenant.json", "slack.json", "teams.json"} {
			text, err := os.ReadFile(filepath.Join(w.dir, filepath.FromSlash(name)))
			w.must(err)
			all[name] = string(text)
		}
		return all
	}
	before := files()
	refused(t, "of this sandbox is taken", "--data", w.dir, "--listen", "127.0.0.1:0")
	for name, text := range files() {
		if text != before[name] {
			t.Errorf("%s was changed", name)
		}
	}
	alice := w.who("alice")
	alice.linksSlack() // the first goes on
}

func TestWorldIsKeptWhereNobodyElseWrites(t *testing.T) {
	home := t.TempDir()
	names := []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"}
	for _, name := range names {
		t.Setenv(name, home)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := defaultData(); err != nil || got != filepath.Join(cache, "belay-sandbox") {
		t.Errorf("the world is kept in %s: %v", got, err)
	}
	for _, name := range names {
		t.Setenv(name, "")
	}
	refused(t, "name one with --data")

	if runtime.GOOS == "windows" { // which has no such permissions
		return
	}
	dir := filepath.Join(home, "shared")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := private(dir); err != nil {
		t.Error(err)
	}
	for _, mode := range []os.FileMode{0o770, 0o702, 0o777 | os.ModeSticky} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		refused(t, "others can write to the directory "+dir, "--data", dir, "--listen", "127.0.0.1:0")
	}
	foreign := "/"
	if os.Geteuid() == 0 {
		foreign = dir
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "is somebody else's", "--data", foreign, "--listen", "127.0.0.1:0")
}

func TestStoryIsNotJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--story", "--json"}, &stdout, &stderr); code != 2 || stdout.Len() > 0 || !holds(stderr.String(), "--story", "--json") {
		t.Errorf("exits %d: %s%s", code, &stdout, &stderr)
	}
	stdout.Reset()
	run(t.Context(), []string{"--help"}, &stdout, &stderr)
	if help := strings.Join(strings.Fields(stdout.String()), " "); !holds(help, "Not with --json", "Not with --story", "loopback only", `{"advance":"1h"}`) {
		t.Errorf("the help says only:\n%s", &stdout)
	}
}

// ending does something once the sandbox has said where it is.
type ending struct {
	bytes.Buffer
	then func()
}

func (e *ending) Write(b []byte) (int, error) {
	defer e.then()
	return e.Buffer.Write(b)
}

func TestWarningsAreShownWithoutLogs(t *testing.T) {
	for _, all := range []bool{false, true} {
		ctx, stop := context.WithCancel(t.Context())
		out := &ending{}
		out.then = func() {
			defer stop()
			warned(t, out.String())
		}
		args := []string{"--json", "--data", filepath.Join(t.TempDir(), "world"), "--listen", "127.0.0.1:0"}
		if all {
			args = append(args, "--logs")
		}
		var log bytes.Buffer
		if code := run(ctx, args, out, &log); code != 0 {
			t.Errorf("exits %d: %s", code, &log)
		}
		if text := log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, "level=INFO") != all {
			t.Errorf("with --logs %v, the log is:\n%s", all, text)
		}
	}
}

// warned sends Belay something that it warns of.
func warned(t *testing.T, surfaces string) {
	t.Helper()
	_, rest, _ := strings.Cut(surfaces, `"bot":"`)
	bot, _, _ := strings.Cut(rest, `"`)
	resp, err := http.Post(bot+"/api/messages", asJSON, strings.NewReader("{}"))
	if err != nil {
		t.Error(err)
		return
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a delivery without a token is answered %d: %v", resp.StatusCode, err)
	}
}
