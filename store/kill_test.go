//go:build unix

package store_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// killAt names, in the environment of a child process, the step at which it kills itself,
// and killDir the directory of its store.
const (
	killAt  = "BELAY_KEYS_KILL_AT"
	killDir = "BELAY_KEYS_KILL_DIR"
)

const killRecords = 700 // five transactions of a sweep and a part

// dying kills the process at the nth step: one of writing the key file, or before or after
// an update.
type dying struct {
	store.Store
	left int
}

func (d *dying) step() {
	if d.left--; d.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d *dying) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.step()
	defer d.step()
	return d.Store.Update(ctx, fn)
}

// A Belay that is killed at any step of a rotation opens everything at the next start, and
// the rotation goes on.
func TestKilledDuringRotation(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		at, err := strconv.Atoi(os.Getenv(killAt))
		must(t, err)
		rotateUntilKilled(t, dir, at)
		return
	}
	if testing.Short() {
		t.Skip("starts itself anew some thirty times")
	}
	for at := 1; ; at++ {
		dir := t.TempDir()
		prepare(t, dir)
		child := exec.Command(os.Args[0], "-test.run=^TestKilledDuringRotation$")
		child.Env = append(os.Environ(), killDir+"="+dir, killAt+"="+strconv.Itoa(at))
		out, err := child.CombinedOutput()
		killed := child.ProcessState.Sys().(syscall.WaitStatus).Signaled()
		if err != nil && !killed {
			t.Fatalf("step %d: %v\n%s", at, err, out)
		}
		checkAfterKill(t, dir, at)
		if !killed {
			t.Logf("%d steps", at-1)
			if at < 20 {
				t.Error("it was not killed at every step that it has")
			}
			return
		}
	}
}

func openKilled(t *testing.T, dir string) (*bolt.Store, store.KeyFile, *store.Keyset) {
	t.Helper()
	f := store.KeyFile{Path: filepath.Join(dir, "belay.keys")}
	k := load(t, f)
	raw, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
	must(t, err)
	must(t, store.CheckKeys(t.Context(), store.Seal(raw, k)))
	return raw, f, k
}

func prepare(t *testing.T, dir string) {
	t.Helper()
	raw, _, k := openKilled(t, dir)
	must(t, store.Seal(raw, k).Update(t.Context(), func(tx store.Tx) error {
		for i := range killRecords {
			if err := tx.Put("b", fmt.Appendf(nil, "%04d", i), fmt.Append(nil, "value ", i)); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, raw.Close())
}

func rotateUntilKilled(t *testing.T, dir string, at int) {
	raw, f, _ := openKilled(t, dir)
	d := &dying{Store: raw, left: at}
	k := load(t, store.Stepping(f, func(string) error { d.step(); return nil }))
	rotate(t, k, d)
	put(t, store.Seal(d, k), "b", "between", "x")
	reseal(t, d, k)
	if n, err := k.Prune(t.Context(), d); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	must(t, raw.Close())
}

func checkAfterKill(t *testing.T, dir string, at int) {
	t.Helper()
	raw, f, k := openKilled(t, dir)
	if err := store.Verify(t.Context(), store.Seal(raw, k)); err != nil {
		t.Fatalf("killed at step %d: %v", at, err)
	}
	must(t, store.Seal(raw, k).Update(t.Context(), store.Fence))
	reseal(t, raw, k) // as the next start does
	if _, err := k.Prune(t.Context(), raw); err != nil {
		t.Fatalf("killed at step %d: %v", at, err)
	}
	if keys := load(t, f).Keys(); len(keys) != 1 {
		t.Errorf("killed at step %d: %d keys are left", at, len(keys))
	}
	fresh := store.Seal(raw, load(t, f))
	for i := range killRecords {
		wantValue(t, fresh, "b", fmt.Sprintf("%04d", i), fmt.Sprint("value ", i))
	}
	must(t, raw.Close())
}
