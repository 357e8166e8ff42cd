package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestACommandItself is a command of Belay in a process of its own, for tests that
// kill it or let its calls to the disk fail.
func TestACommandItself(t *testing.T) {
	args := os.Getenv("TEST_BELAY_ARGS")
	if args == "" {
		t.Skip("only for tests that start it")
	}
	os.Exit(run(context.Background(), strings.Split(args, "\n"), nil, os.Stdout, os.Stderr))
}

// itself is such a process, run by wrapper.
func itself(t *testing.T, wrapper []string, args ...string) *exec.Cmd {
	t.Helper()
	all := append(wrapper, os.Args[0], "-test.run=^TestACommandItself$")
	cmd := exec.CommandContext(t.Context(), all[0], all[1:]...)
	cmd.Env = append(os.Environ(), "TEST_BELAY_ARGS="+strings.Join(args, "\n"))
	return cmd
}

// traceable skips a test, and says so, where strace cannot change what calls answer.
func traceable(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: strace is Linux's")
	}
	if out, err := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: strace is not there, or may not trace: %v %s", err, out)
	}
}

// killedAt runs a command that is killed at its nth call of a kind, before that has an
// effect; false: it made fewer, and ended.
func killedAt(t *testing.T, call string, n int, args ...string) bool {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := itself(t, []string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n)}, args...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	log, rerr := os.ReadFile(trace)
	if rerr != nil {
		t.Fatal(rerr)
	}
	killed := bytes.Contains(log, []byte("killed by SIGKILL"))
	if !killed && err != nil {
		t.Fatalf("%v, killed by nobody, ends with %v: %s", args, err, out)
	}
	return killed
}

// killedEverywhere kills a command at each of its calls to the disk. prepare gives the
// command for each life.
func killedEverywhere(t *testing.T, prepare func() []string, look func(where string)) {
	t.Helper()
	deaths := 0
	for _, call := range []string{"write", "pwrite64", "fsync", "fdatasync", "ftruncate", "linkat", "unlinkat"} {
		for n := 1; killedAt(t, call, n, prepare()...); n++ {
			deaths++
			look(fmt.Sprintf("killed at %s %d", call, n))
		}
	}
	t.Logf("%d deaths", deaths)
	if deaths == 0 {
		t.Error("nothing was killed")
	}
}

// elsewhere is a configuration with a data directory that holds nothing yet.
func (d data) elsewhere() data {
	d.t.Helper()
	other := data{t: d.t, dir: filepath.Join(d.t.TempDir(), "data")}
	other.file = filepath.Join(filepath.Dir(other.dir), "belay.yaml")
	if err := os.WriteFile(other.file, fmt.Appendf(nil, config, free(d.t), free(d.t), other.dir), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return other
}

// Whenever a backup is killed, what has its name is whole. (fault 7)
func TestKilledDuringABackup(t *testing.T) {
	traceable(t)
	d := newData(t)
	_, identity, recipient := d.backedUp()
	file, whole := "", 0
	kill := func() []string {
		file = filepath.Join(t.TempDir(), "belay.backup")
		return []string{"store", "backup", "--config", d.file, "--to", file, "--recipient", recipient}
	}
	look := func(where string) {
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			return
		}
		whole++
		other := d.elsewhere()
		if out, code := other.restores(file, identity); code != exitOK {
			t.Errorf("%s: a part of a backup has its name: %s", where, out)
		}
	}
	// strace counts the calls of each thread for itself, so that not every round meets the last ones.
	for round := 0; whole == 0 && round < 5; round++ {
		killedEverywhere(t, kill, look)
	}
	if whole == 0 {
		t.Error("no kill came after the backup had its name")
	}
	d.verified()
}

// restores restores a backup.
func (d data) restores(file, identity string) (string, int) {
	d.t.Helper()
	var out bytes.Buffer
	code := run(d.t.Context(), []string{"store", "restore", "--config", d.file, "--from", file, "--identity", identity}, nil, &out, &out)
	return out.String(), code
}

// Whenever a restore is killed, there is no database, or the whole of it; and the same
// command restores it then. (fault 7)
func TestKilledDuringARestore(t *testing.T) {
	traceable(t)
	d := newData(t)
	file, identity, _ := d.backedUp()
	var to data
	whole := 0
	killedEverywhere(t, func() []string {
		to = d.elsewhere()
		return []string{"store", "restore", "--config", to.file, "--from", file, "--identity", identity}
	}, func(where string) {
		if _, err := os.Lstat(filepath.Join(to.dir, "belay.db")); err == nil {
			whole++
		} else if out, code := to.restores(file, identity); code != exitOK {
			t.Errorf("%s: it cannot be restored any more: %s", where, out)
			return
		}
		if r := to.verified(); len(r.Faults) > 0 || r.Trail.Bad != nil || r.Trail.Size < 40 {
			t.Errorf("%s: %+v", where, r)
		}
	})
	if whole == 0 {
		t.Error("no kill came after the database had its place")
	}
}
