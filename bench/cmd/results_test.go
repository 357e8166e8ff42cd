package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each part's table says when that part began and how busy the machine was then, and has its own
// goals.
func TestEachPartHasItsOwnHead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := os.WriteFile(file, []byte("<!-- bench a -->\n<!-- /bench a -->\n<!-- bench b -->\n<!-- /bench b -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, load := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC), ", load average 1 when it began"
	r := &results{file: file, run: "commit 1234567", note: "alone", flags: "-full ", now: func() time.Time { return at }, load: func() string { return load }}
	r.begin()
	at, load = at.Add(time.Hour), ", load average 9 when it began" // while it is measured
	r.goal("quick", false, "slow")
	if err := r.write("a", "A."); err != nil {
		t.Fatal(err)
	}
	r.begin()
	if err := r.write("b", "B."); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a, b, _ := strings.Cut(string(text), "<!-- bench b -->")
	for part, want := range map[string]string{
		a: "`go run ./bench/cmd -full a`: 27 November 2026, 01:00, commit 1234567, load average 1 when it began; **alone**.\n\nA.\n\n- Goal: quick: **missed**, slow.\n",
		b: "`go run ./bench/cmd -full b`: 27 November 2026, 02:00, commit 1234567, load average 9 when it began; **alone**.\n\nB.\n",
	} {
		if !strings.Contains(part, want) {
			t.Errorf("%q is not in\n%s", want, part)
		}
	}
	if strings.Contains(b, "Goal") {
		t.Error("the goals of the part before stand below this one")
	}
}
