package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
)

// says runs a command of belay on the data and gives what it printed.
func (d data) says(want int, args ...string) (out, said string) {
	d.t.Helper()
	var o, e bytes.Buffer
	if got := run(d.t.Context(), args, nil, &o, &e); got != want {
		d.t.Fatalf("%s exits %d, want %d: %s%s", strings.Join(args, " "), got, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

// backedUp is a backup of the data, and the file of its identity.
func (d data) backedUp() (file, identity, recipient string) {
	d.t.Helper()
	dir := d.t.TempDir()
	identity, file = filepath.Join(dir, "key.txt"), filepath.Join(dir, "belay.backup")
	out, _ := d.says(exitOK, "store", "backup-key", identity)
	recipient = strings.TrimSpace(out)
	d.says(exitOK, "store", "backup", "--config", d.file, "--to", file, "--recipient", recipient)
	return file, identity, recipient
}

// moveAway takes the store away, as an operator does before a restore.
func (d data) moveAway(names ...string) {
	d.t.Helper()
	for _, name := range names {
		if err := os.Rename(filepath.Join(d.dir, name), filepath.Join(d.dir, name+".old")); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d data) verified() app.StoreReport {
	d.t.Helper()
	out, _ := d.says(exitOK, "store", "verify", "--config", d.file, "--json")
	var r app.StoreReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

func TestStoreBackupAndRestore(t *testing.T) {
	d := newData(t)
	file, identity, recipient := d.backedUp()
	for _, name := range []string{file, identity} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "backup-*")); err != nil || len(left) != 0 {
		t.Errorf("left in the data directory: %q, %v", left, err)
	}
	// What happens after the backup is not in it.
	d.says(exitOK, "audit", "export", "--config", d.file)
	was := d.verified()

	// It replaces nothing: not a database, nor keys of another store.
	_, said := d.says(exitRefused, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)
	if !strings.Contains(said, "move it away first") {
		t.Error(said)
	}
	d.moveAway("belay.db", "belay.keys")
	if err := os.WriteFile(filepath.Join(d.dir, "belay.keys"), []byte("other keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, said = d.says(exitRefused, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)
	if !strings.Contains(said, "holds other keys") {
		t.Error(said)
	}
	if err := os.Remove(filepath.Join(d.dir, "belay.keys")); err != nil {
		t.Fatal(err)
	}
	out, _ := d.says(exitOK, "store", "restore", "--config", d.file, "--from", file, "--identity", identity, "--json")
	var done app.Restored
	if err := json.Unmarshal([]byte(out), &done); err != nil || done.Records == 0 {
		t.Fatalf("%s: %v", out, err)
	}
	if r := d.verified(); r.Trail.Bad != nil || r.Records >= was.Records+3 || r.Records < done.Records {
		t.Errorf("restored: %+v, before %+v", r, was)
	}
	out, _ = d.audit(exitOK, "export", "--kind", "operator", "--format", "jsonl")
	if !strings.Contains(out, "store backup") || !strings.Contains(out, "store restore") || strings.Count(out, "audit export") != 1 {
		t.Errorf("the trail tells\n%s", out)
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "restoring-*")); err != nil || len(left) != 0 {
		t.Errorf("left in the data directory: %q, %v", left, err)
	}
	// The same keys may be there already.
	d.moveAway("belay.db")
	d.says(exitOK, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)

	for name, args := range map[string][]string{
		"a backup over another file": {"backup", "--config", d.file, "--to", file, "--recipient", recipient},
		"no directory":               {"backup", "--config", d.file, "--to", filepath.Join(d.dir, "nowhere", "x"), "--recipient", recipient},
		"no recipient":               {"backup", "--config", d.file, "--to", file + "2", "--recipient", "alice@contoso.example"},
		"JSON in the backup":         {"backup", "--config", d.file, "--to", "-", "--json", "--recipient", recipient},
		"a key over another":         {"backup-key", identity},
	} {
		d.says(exitRefused, append([]string{"store"}, args...)...)
		if name != "a backup over another file" && name != "a key over another" {
			if _, err := os.Stat(file + "2"); err == nil {
				t.Errorf("%s left a file", name)
			}
		}
	}
	secret, err := os.ReadFile(identity)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(secret)), "\n")
	_, said = d.says(exitRefused, "store", "backup", "--config", d.file, "--to", file+"3", "--recipient", lines[len(lines)-1])
	if strings.Contains(said, lines[len(lines)-1]) {
		t.Error("the identity, given by mistake, is printed")
	}
}

// A Belay that still runs goes on with the data that was moved away under it: nothing is restored
// beside it.
func TestStoreRestoreRefusesBesideABelayThatRuns(t *testing.T) {
	d := newData(t)
	file, identity, _ := d.backedUp()
	d.moveAway("belay.db", "belay.keys")
	cfg, err := app.Load(d.file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for network, at := range map[string]string{"tcp": cfg.PrivateListen, "unix": filepath.Join(d.dir, "belay.sock")} {
		l, err := net.Listen(network, at)
		if err != nil {
			t.Fatal(err)
		}
		_, said := d.says(exitRefused, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)
		if !strings.Contains(said, at+": stop Belay first") {
			t.Error(said)
		}
		if _, err := os.Stat(filepath.Join(d.dir, "belay.db")); err == nil {
			t.Error("a store was made beside it")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d.says(exitOK, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)
}

// A backup that is damaged, cut, or for somebody else restores nothing.
func TestStoreRestoreRefuses(t *testing.T) {
	d := newData(t)
	file, identity, _ := d.backedUp()
	_, other, _ := newData(t).backedUp()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d.moveAway("belay.db", "belay.keys")
	bad := filepath.Join(t.TempDir(), "bad")
	middle := bytes.Clone(whole)
	middle[len(middle)/2] ^= 1
	for name, c := range map[string]struct {
		raw            []byte
		identity, said string
	}{
		"cut":              {whole[:len(whole)-1], identity, "damaged or its end is missing"},
		"cut in half":      {whole[:len(whole)/2], identity, "damaged or its end is missing"},
		"changed":          {middle, identity, "damaged or its end is missing"},
		"of another key":   {whole, other, "made for another recipient"},
		"another file":     {[]byte("%PDF-1.7"), identity, "is no backup"},
		"no identity file": {whole, file, "is no identity of age"},
	} {
		if err := os.WriteFile(bad, c.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, said := d.says(exitRefused, "store", "restore", "--config", d.file, "--from", bad, "--identity", c.identity)
		if !strings.Contains(said, c.said) {
			t.Errorf("%s: %s", name, said)
		}
		left, err := os.ReadDir(d.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left {
			if !strings.HasSuffix(f.Name(), ".old") {
				t.Errorf("%s left %s", name, f.Name())
			}
		}
	}
}

func TestStoreVerify(t *testing.T) {
	d := newData(t)
	if r := d.verified(); r.Records < 40 || r.Trail.Size != 40 {
		t.Errorf("%+v", r)
	}
	// An index that names nothing.
	d.tamper(func(tx store.Tx) error { return tx.Put("latest", []byte("somebody"), []byte(`"nothing"`)) })
	_, said := d.says(exitDiffers, "store", "verify", "--config", d.file)
	if !strings.Contains(said, "latest entry somebody") {
		t.Error(said)
	}
	// The trail.
	d = newData(t)
	d.tamper(func(tx store.Tx) error { return tx.Delete("trail", key(7)) })
	_, said = d.says(exitDiffers, "store", "verify", "--config", d.file)
	if !strings.Contains(said, "index 7") {
		t.Error(said)
	}
}

// A damaged database is refused, left as it is, and the way out that the sentence names leads
// out. (fault 50)
func TestADamagedStoreNamesTheWayOut(t *testing.T) {
	d := newData(t)
	file, identity, _ := d.backedUp()
	database := filepath.Join(d.dir, "belay.db")
	sound, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	zeroed := bytes.Clone(sound)
	clear(zeroed[:os.Getpagesize()])
	for name, raw := range map[string][]byte{"cut off": sound[:3*os.Getpagesize()], "its head is gone": zeroed, "empty": nil, "another file": []byte("%PDF-1.7")} {
		if err := os.WriteFile(database, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, said := d.says(exitRefused, "serve", "--config", d.file)
		if !strings.Contains(said, database) || !strings.Contains(said, "belay store restore") {
			t.Errorf("%s: %s", name, said)
		}
		if is, err := os.ReadFile(database); err != nil || !bytes.Equal(is, raw) {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	d.moveAway("belay.db")
	d.says(exitOK, "store", "restore", "--config", d.file, "--from", file, "--identity", identity)
	if r := d.verified(); r.Trail.Bad != nil || r.Trail.Size < 40 {
		t.Errorf("%+v", r)
	}
}
