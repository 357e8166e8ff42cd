package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/trail"
)

const (
	alice = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
	asked = "0197b1f2-0000-7000-8000-00000000000a"
)

// evil is what somebody is called who attacks whoever reads the output.
const evil = "=cmd|' /C calc'!A0\x1b[2J\u009b31m\u202e\u200b\U000e0041\x7f\nforged,line\r"

// data is a data directory with an audit trail of 40 events.
type data struct {
	t          *testing.T
	dir, file  string
	checkpoint string
}

func newData(t *testing.T) data {
	t.Helper()
	d := data{t: t, dir: filepath.Join(t.TempDir(), "data")}
	d.file = filepath.Join(filepath.Dir(d.dir), "belay.yaml")
	if err := os.WriteFile(d.file, fmt.Appendf(nil, config, free(t), free(t), d.dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	d.open(func(s store.Store, keys *store.Keyset) error {
		tr, err := trail.New(trail.Options{Store: s, Signer: keys.Signer("audit checkpoints"), Log: logTo(&log)})
		if err != nil {
			return err
		}
		err = s.Update(t.Context(), func(tx store.Tx) error {
			for n := range 40 {
				e := trail.Event{At: time.Now().Add(time.Duration(n-60) * time.Minute), Kind: trail.Asked, Outcome: trail.OK, Actor: trail.Actor{Principal: alice, Platform: "slack"},
					Subject: alice, Request: asked, Role: &trail.Role{Kind: "entra-role", ID: "r", Name: evil}, Texts: trail.Texts{"actor": evil, "justification": fmt.Sprintf("canary-%d", n)}}
				if n%2 == 1 {
					e.Kind, e.Actor.Principal, e.Request, e.Subject = trail.Decided, bob, "", bob
				}
				if err := tr.Append(tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return tr.Settle(t.Context())
	})
	d.checkpoint = filepath.Join(filepath.Dir(d.dir), "belay.log")
	if err := os.WriteFile(d.checkpoint, []byte("{\"msg\":\"Belay serves\"}\nnot JSON at all\n"+log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// open lets do work on the store as somebody who has its keys can.
func (d data) open(do func(s store.Store, keys *store.Keyset) error) {
	d.t.Helper()
	keys, err := store.LoadOrCreateKeyFile(filepath.Join(d.dir, "belay.keys"))
	if err != nil {
		d.t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(d.dir, "belay.db"), bolt.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	s := trail.Recording(store.Seal(db, keys))
	if err := store.CheckKeys(d.t.Context(), s); err != nil {
		d.t.Fatal(err)
	}
	if err := do(s, keys); err != nil {
		d.t.Error(err)
	}
	if err := db.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// tamper changes the trail as somebody who has the store and its keys can.
func (d data) tamper(do func(tx store.Tx) error) {
	d.t.Helper()
	d.open(func(s store.Store, _ *store.Keyset) error { return s.Update(d.t.Context(), do) })
}

// audit runs a command on the trail.
func (d data) audit(want int, args ...string) (out, said string) {
	d.t.Helper()
	var o, e bytes.Buffer
	if got := run(d.t.Context(), append(append([]string{"audit"}, args...), "--config", d.file), nil, &o, &e); got != want {
		d.t.Fatalf("audit %s exits %d, want %d: %s%s", strings.Join(args, " "), got, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

func key(i int) []byte { return fmt.Appendf(nil, "%016x", i) }

// Whoever changes the trail below the seal is found, and the place is named.
func TestAuditVerify(t *testing.T) {
	d := newData(t)
	if out, _ := d.audit(exitOK, "verify", "--checkpoint", d.checkpoint); !strings.Contains(out, "whole: events 0 to 40, 2 checkpoints hold") {
		t.Errorf("says %s", out)
	}
	if out, _ := d.audit(exitOK, "key"); !strings.HasPrefix(out, "belay-audit+") {
		t.Errorf("the key is %s", out)
	}
	other := newData(t)
	if _, said := d.audit(exitRefused, "verify", "--checkpoint", other.checkpoint); !strings.Contains(said, "another Belay's") {
		t.Errorf("another's checkpoint: %s", said)
	}
	d.audit(exitRefused, "verify", "--checkpoint", d.checkpoint+"x")
	plain := filepath.Join(filepath.Dir(d.dir), "note")
	var line struct{ Checkpoint string }
	log, err := os.ReadFile(d.checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(log[bytes.LastIndexByte(log[:len(log)-1], '\n')+1:], &line); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plain, []byte(line.Checkpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	d.audit(exitOK, "verify", "--checkpoint", plain)

	var old []byte
	d.tamper(func(tx store.Tx) error {
		v, err := tx.Get("trail", key(17))
		if err != nil {
			return err
		}
		old = bytes.Clone(v)
		return tx.Put("trail", key(17), bytes.Replace(v, []byte("request.decided"), []byte("request.refused"), 1))
	})
	if out, said := d.audit(exitDiffers, "verify"); !strings.Contains(said, "from index 17 on") || out != "" {
		t.Errorf("says %s%s", out, said)
	}
	out, _ := d.audit(exitDiffers, "verify", "--json")
	var report struct {
		Size uint64
		Bad  struct {
			Index uint64
			What  string
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Bad.Index != 17 || report.Bad.What == "" {
		t.Errorf("%v: %s", err, out)
	}
	d.tamper(func(tx store.Tx) error {
		return tx.Put("trail", key(17), old)
	})
	d.audit(exitOK, "verify")
	// The end cut off together with every trace of it in the store: only what was kept elsewhere tells.
	d.tamper(func(tx store.Tx) error {
		for _, bucket := range []string{"trail", "trail-state", "trail-checkpoints", "trail-texts"} {
			var keys [][]byte
			if err := tx.Scan(bucket, nil, nil, func(k, _ []byte) error { keys = append(keys, bytes.Clone(k)); return nil }); err != nil {
				return err
			}
			for _, k := range keys {
				if err := tx.Delete(bucket, k); err != nil {
					return err
				}
			}
		}
		return nil
	})
	d.audit(exitOK, "verify")
	if _, said := d.audit(exitDiffers, "verify", "--checkpoint", plain); !strings.Contains(said, "from index 0 on") {
		t.Errorf("says %s", said)
	}
}

// What is exported is what was asked for, and no name or text in it does anything to a
// terminal or to a spreadsheet.
func TestAuditExport(t *testing.T) {
	d := newData(t)
	lines := func(out string) int { return strings.Count(out, "\n") }
	for _, test := range []struct {
		lines int
		args  []string
	}{
		{41, nil}, // the export itself is the last
		{20, []string{"--kind", "request.decided"}},
		{40, []string{"--kind", "request"}},
		{20, []string{"--person", strings.ToUpper(alice)}},
		{20, []string{"--request", asked}},
		{0, []string{"--request", asked, "--person", bob}},
		{20, []string{"--person", alice, "--until", time.Now().UTC().Format(time.RFC3339)}},
		{0, []string{"--kind", "request", "--until", "2020-01-01"}},
		{40, []string{"--kind", "request", "--since", "2020-01-01"}},
		{0, []string{"--kind", "request", "--since", "1m"}},
	} {
		if out, _ := d.audit(exitOK, append([]string{"export"}, test.args...)...); test.args == nil && lines(out) != test.lines || test.args != nil && lines(out) < test.lines || lines(out) > test.lines+1 {
			t.Errorf("%v: %d lines, want %d", test.args, lines(out), test.lines)
		}
	}
	for _, format := range []string{"jsonl", "csv", "ocsf"} {
		out, _ := d.audit(exitOK, "export", "--format", format, "--kind", "request")
		for _, r := range out {
			if hidden(r) && r != '\n' {
				t.Errorf("%s holds %U", format, r)
			}
		}
		if !strings.Contains(out, "canary-39") || lines(out) > 41 {
			t.Errorf("%s: %d lines", format, lines(out))
		}
		if out, _ := d.audit(exitOK, "export", "--format", format, "--without-texts"); strings.Contains(out, "canary") || lines(out) < 40 {
			t.Errorf("%s without texts: %d lines\n%s", format, lines(out), out)
		}
		if format == "csv" {
			rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil || len(rows) != 41 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for _, row := range rows[1:] {
				for n, cell := range row {
					if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
						t.Errorf("%s is a formula: %q", rows[0][n], cell)
					}
				}
			}
			continue
		}
		for line := range strings.Lines(out) { // JSON that was made printable means what it meant
			var e struct {
				Texts map[string]string
				Actor struct{ User struct{ Name string } }
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Texts["actor"] != evil && e.Actor.User.Name != evil {
				t.Errorf("%v: %q", err, line)
			}
		}
	}

	file := filepath.Join(filepath.Dir(d.dir), "out.csv")
	if out, _ := d.audit(exitOK, "export", "--format", "csv", "--out", file); out != "" {
		t.Errorf("says %s", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() < 4000 {
		t.Errorf("%v, %v", info, err)
	}
	d.audit(exitRefused, "export", "--out", file)
	d.audit(exitRefused, "export", "--since", "yesterday", "--out", file+"2")
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*export*")); err != nil || len(left) != 0 {
		t.Errorf("a refused export leaves %v", left)
	}
	for _, bad := range [][]string{{"--person", "alice"}, {"--kind", "requests"}, {"--since", "2026-11-23", "--until", "2026-11-22"}, {"--until=-1h"}} {
		if _, said := d.audit(exitRefused, append([]string{"export"}, bad...)...); !strings.Contains(said, "--") {
			t.Errorf("%v: %s", bad, said)
		}
	}
	d.audit(exitUsage, "export", "--format", "xml")
}

// What was erased is in no export and in no record of the store, the trail stays whole,
// and who erased it is on record.
func TestAuditErase(t *testing.T) {
	d := newData(t)
	held := func() (n int) {
		d.open(func(s store.Store, _ *store.Keyset) error {
			return s.View(t.Context(), func(tx store.Tx) error {
				n = 0
				buckets, err := tx.(store.BucketLister).Buckets()
				if err != nil {
					return err
				}
				for _, b := range buckets {
					if err := tx.Scan(b, nil, nil, func(_, v []byte) error { n += bytes.Count(v, []byte("canary-")); return nil }); err != nil {
						return err
					}
				}
				return nil
			})
		})
		return n
	}
	if n := held(); n != 40 {
		t.Fatalf("the store holds %d texts", n)
	}
	if _, said := d.audit(exitRefused, "erase", "--person", alice); !strings.Contains(said, "--yes") || held() != 40 {
		t.Errorf("without --yes: %s", said)
	}
	d.audit(exitRefused, "erase", "--yes")
	d.audit(exitRefused, "erase", "--yes", "--person", "alice")
	d.audit(exitRefused, "erase", "--yes", "--request", "1")
	d.audit(exitUsage, "erase", "--yes", "--person", alice, "--request", asked)
	if out, _ := d.audit(exitOK, "erase", "--yes", "--person", alice); !strings.Contains(out, "of 20 events") || held() != 20 {
		t.Errorf("says %s, and %d texts are held", out, held())
	}
	if out, _ := d.audit(exitOK, "erase", "--yes", "--request", asked); !strings.Contains(out, "of 0 events") {
		t.Errorf("again: %s", out)
	}
	out, _ := d.audit(exitOK, "export")
	if strings.Count(out, "canary-") != 20 || strings.Contains(out, "canary-38") || !strings.Contains(out, `"erased":["actor","justification"]`) {
		t.Errorf("the export holds %d texts", strings.Count(out, "canary-"))
	}
	if n := strings.Count(out, `"verb":"audit erase"`); n != 1 {
		t.Errorf("%d erasures are on record:\n%s", n, out)
	}
	if out, _ := d.audit(exitOK, "verify", "--checkpoint", d.checkpoint); !strings.Contains(out, "of 20 events were erased") {
		t.Errorf("says %s", out)
	}
}

// Nothing that a person is called does anything to a terminal.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"Zoë Müller 山田 👩": "Zoë Müller 山田 👩", "a\x1b[2Jb": `a\u001b[2Jb`, "\u009b31m": `\u009b31m`, "a\tb\nc\r": `a\u0009b\u000ac\u000d`, "\u202eevil": `\u202eevil`,
		"\x7f": `\u007f`, "\u2028": `\u2028`, "\U000e0041": `\udb40\udc41`, "a\u00a0b": `a\u00a0b`, "": "", "\x9b31m": "\ufffd31m",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	var out bytes.Buffer
	if err := printJSON(&out, map[string]string{"a<b>": evil}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["a<b>"] != evil || strings.ContainsAny(out.String(), "\x1b\u009b\u202e\r") {
		t.Errorf("%v: %q", err, out.String())
	}
	if err := printJSON(io.Discard, make(chan int)); err == nil {
		t.Error("a channel is JSON")
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

// The list of links is as careful, in both of its forms.
func TestLinksArePrintable(t *testing.T) {
	d := newData(t)
	d.tamper(func(tx store.Tx) error {
		return store.NewBucket[bot.Link]("links").Put(tx, "key", bot.Link{User: bot.User{Platform: bot.Slack, Tenant: evil, ID: evil}, Principal: pim.Principal{ID: alice, UPN: evil}})
	})
	for _, args := range [][]string{{"links", "list"}, {"links", "list", "--json"}} {
		var out, said bytes.Buffer
		if code := run(t.Context(), append(args, "--config", d.file), nil, &out, &said); code != exitOK {
			t.Fatalf("%v exits %d: %s", args, code, said.String())
		}
		if n := strings.Count(out.String(), "\n"); n > 2 || !strings.Contains(out.String(), `\u001b[2J`) || strings.ContainsFunc(strings.ReplaceAll(out.String(), "\n", ""), hidden) {
			t.Errorf("%v: %q", args, out.String())
		}
	}
}
