package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzLoad: a configuration file is refused with faults of one line each, every one
// with its path, or it is one that Render writes and Load reads again.
func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	f.Add(good)
	for _, s := range []string{"", "{}", "[]", "slack: off", "a: &a [*a]", "listen: 7", "public_url: \"\x00\"", "notices: {rules: [{to: [[]]}]}", "limits: {acts_per_minute: 0}",
		"slack: {users: {U1: [x]}}", "entra: {session_max_age: 1ns}", "? {a: b}\n: c", "<<: {listen: x}", "1: 2", "stop_timeout: 9999999h", "? !0"} {
		f.Add(s)
		f.Add(good + s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") || strings.Contains(text, "/dev") {
			t.Skip("names files of this machine")
		}
		path := filepath.Join(dir, "belay.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if err != nil {
			var e *ConfigError
			if !errors.As(err, &e) || len(e.Faults) == 0 {
				t.Fatalf("refused with %v", err)
			}
			for _, fault := range e.Faults {
				if at, what, ok := strings.Cut(fault, ": "); !ok || at == "" || what == "" {
					t.Errorf("a fault without a path: %q", fault)
				}
			}
			return
		}
		rendered, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, rendered, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Load(path, nil)
		if err != nil {
			t.Fatalf("what was rendered cannot be read: %v\n%s", err, rendered)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Error(diff)
		}
	})
}
