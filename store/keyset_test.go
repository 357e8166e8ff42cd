package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func TestPseudonymKeepsBordersAndIsStable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.key")
	k, err := store.LoadOrCreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.LoadOrCreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a", "bc"}, {"ab", "c"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"}} {
		name := k.Pseudonym(parts...)
		if !regexp.MustCompile(`^[a-z2-7]{32}$`).MatchString(name) {
			t.Errorf("Pseudonym(%q) = %q", parts, name)
		}
		if was, ok := seen[name]; ok {
			t.Errorf("%q and %s have the same pseudonym", parts, was)
		}
		seen[name] = fmt.Sprintf("%q", parts)
		if got := again.Pseudonym(parts...); got != name {
			t.Errorf("the same key file gives %q and %q for %q", name, got, parts)
		}
		if other.Pseudonym(parts...) == name {
			t.Errorf("other keys give the same pseudonym for %q", parts)
		}
	}
}

func TestKeyFileIsMadeOnceAndForTheOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "belay.key")
	names := make([]string, 8)
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			k, err := store.LoadOrCreateKeyFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			names[i] = k.Pseudonym("x")
		})
	}
	all.Wait()
	for _, n := range names {
		if n != names[0] {
			t.Fatalf("several first runs at once got different keys: %q", names)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestKeyFileRefusals(t *testing.T) {
	good := func(t *testing.T) []byte {
		path := filepath.Join(t.TempDir(), "k")
		if _, err := store.LoadOrCreateKeyFile(path); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	edit := func(member string, value any) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			var f map[string]any
			if err := json.Unmarshal(good(t), &f); err != nil {
				t.Fatal(err)
			}
			f[member] = value
			raw, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
	}
	fixed := func(s string) func(*testing.T) []byte { return func(*testing.T) []byte { return []byte(s) } }
	cases := []struct {
		name    string
		content func(*testing.T) []byte
		mode    os.FileMode
		want    store.KeyReason
	}{
		{"readable by the group", good, 0o640, store.KeyExposed},
		{"readable by the owner and the group alone", good, 0o440, store.KeyExposed},
		{"readable by the world", good, 0o604, store.KeyExposed},
		{"writable by the world", good, 0o602, store.KeyExposed},
		{"empty", fixed(""), 0o600, store.KeyTruncated},
		{"first half", func(t *testing.T) []byte { b := good(t); return b[:len(b)/2] }, 0o600, store.KeyTruncated},
		{"without its last brace", func(t *testing.T) []byte { return bytes.TrimSuffix(good(t), []byte("}\n")) }, 0o600, store.KeyTruncated},
		{"text", fixed("hello, world"), 0o600, store.KeyGarbage},
		{"zeros", fixed(strings.Repeat("\x00", 700)), 0o600, store.KeyGarbage},
		{"other JSON", fixed(`{"kty":"RSA"}`), 0o600, store.KeyGarbage},
		{"something after it", func(t *testing.T) []byte { return append(good(t), "{}"...) }, 0o600, store.KeyGarbage},
		{"other pseudonym key", edit("pseudonym", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), 0o600, store.KeyDamaged},
		{"no sealing keys", edit("sealing", map[string]any{}), 0o600, store.KeyDamaged},
		{"later format", edit("format", 3), 0o600, store.KeyVersion},
		{"wrapped format, but not wrapped", edit("format", 2), 0o600, store.KeyGarbage},
	}
	sentences := map[store.KeyReason]string{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "belay.key")
			raw := c.content(t)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			wantKeyRefusal(t, path, path, c.want, sentences)
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, raw) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		dir := t.TempDir()
		wantKeyRefusal(t, dir, dir, store.KeyDirectory, sentences)
	})
	t.Run("missing parent", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "nowhere")
		wantKeyRefusal(t, filepath.Join(dir, "k"), dir, store.KeyNoParent, sentences)
	})
	t.Run("parent is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantKeyRefusal(t, filepath.Join(file, "k"), file, store.KeyNoParent, sentences)
	})
}

func wantKeyRefusal(t *testing.T, path, named string, want store.KeyReason, seen map[store.KeyReason]string) {
	t.Helper()
	_, err := store.LoadOrCreateKeyFile(path)
	var kerr *store.KeyFileError
	if !errors.As(err, &kerr) || kerr.Reason != want || kerr.Path != path {
		t.Fatalf("got %v (%#v), want reason %s", err, kerr, want)
	}
	if !strings.Contains(err.Error(), named) {
		t.Errorf("%q does not name %s", err, named)
	}
	sentence := strings.ReplaceAll(err.Error(), named, "F")
	for reason, s := range seen {
		if reason != want && s == sentence {
			t.Errorf("reasons %s and %s have the same sentence: %s", reason, want, s)
		}
	}
	seen[want] = sentence
}

func TestKeysAreNeverPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.key")
	k, err := store.LoadOrCreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "keys", k)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "keys", k)
	fmt.Fprintf(&out, "%v %+v %#v %s", k, k, k, k)
	if n := strings.Count(out.String(), "REDACTED"); n != 6 {
		t.Errorf("printed as %s", &out)
	}
}

func TestOtherKeysDoNotOpenTheStore(t *testing.T) {
	ctx := t.Context()
	for _, used := range []bool{false, true} { // before its keys were first checked
		mem := storetest.Memory()
		one, two := sealWithNewKeys(t, mem), sealWithNewKeys(t, mem)
		if used {
			put(t, one, "b", "k", "v")
			if err := store.CheckKeys(ctx, two); !errors.Is(err, store.ErrWrongKeys) {
				t.Errorf("other keys come first: %v", err)
			}
		}
		for range 2 {
			if err := store.CheckKeys(ctx, one); err != nil {
				t.Errorf("its own keys: %v", err)
			}
		}
		if err := store.CheckKeys(ctx, two); !errors.Is(err, store.ErrWrongKeys) {
			t.Errorf("other keys: %v", err)
		}
	}
	broken := storetest.Faulty(storetest.Memory())
	broken.Every(1, storetest.Lose)
	if err := store.CheckKeys(ctx, sealWithNewKeys(t, broken)); !errors.Is(err, storetest.ErrInjected) || errors.Is(err, store.ErrWrongKeys) {
		t.Errorf("a broken store: %v", err)
	}
}

func TestLoadKeyFileMakesNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.keys")
	_, err := store.LoadKeyFile(path)
	var e *store.KeyFileError
	if !errors.As(err, &e) || e.Reason != store.KeyMissing || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "put back") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key file was made: %v", err)
	}
	want, err := store.LoadOrCreateKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.LoadKeyFile(path)
	if err != nil || got.Pseudonym("a") != want.Pseudonym("a") {
		t.Errorf("other keys were read: %v", err)
	}
}

// A signing key belongs to its keyset and its purpose, and comes back with the file.
func TestSigner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "belay.keys")
	a, err := store.LoadOrCreateKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := store.LoadKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	if !a.Signer("x").Equal(again.Signer("x")) {
		t.Error("the key is another one after a restart")
	}
	if a.Signer("x").Equal(a.Signer("y")) || a.Signer("x").Equal(b.Signer("x")) {
		t.Error("two purposes, or two keysets, have one key")
	}
}
