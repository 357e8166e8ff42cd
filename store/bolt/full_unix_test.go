//go:build darwin || linux

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// TestDiskFull runs in a process of its own, because the limit on the size of
// files, which stands in for a full disk, holds for the whole process.
func TestDiskFull(t *testing.T) {
	if os.Getenv("BELAY_TEST_FULL") != "" {
		fillTheDisk(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), "BELAY_TEST_FULL=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func fillTheDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // a write beyond the limit gives EFBIG instead
	path := filepath.Join(t.TempDir(), "belay.db")
	s := open(t, path, bolt.Options{})
	key := func(i int) []byte { return fmt.Appendf(nil, "%04d", i) }
	write := func(i int) error {
		return s.Update(context.Background(), func(tx store.Tx) error { return tx.Put("a", key(i), make([]byte, 3000)) })
	}
	count := func() (n int) {
		err := s.View(context.Background(), func(tx store.Tx) error {
			return tx.Scan("a", nil, nil, func(k, _ []byte) error {
				if string(k) != string(key(n)) {
					t.Errorf("%q follows %d others", k, n)
				}
				n++
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for _, space := range []uint64{64 << 10, 200 << 10, 5 << 20, 9<<20 + 12345} {
		small := limit
		small.Cur = space
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
			t.Fatal(err)
		}
		var full error
		for full == nil {
			if full = write(acknowledged); full == nil {
				acknowledged++
			}
		}
		if errors.Is(full, store.ErrUncertain) {
			t.Errorf("full at %d: %v", acknowledged, full)
		}
		for range 3 { // it stays full, and says so each time
			if err := write(acknowledged); err == nil {
				t.Fatal("acknowledged on a full disk")
			}
		}
		if n := count(); n != acknowledged {
			t.Fatalf("%d acknowledged, %d there", acknowledged, n)
		}
		t.Logf("full after %d updates: %v", acknowledged, full)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := write(acknowledged); err != nil {
		t.Fatalf("with space again, without a restart: %v", err)
	}
	acknowledged++
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, bolt.Options{})
	if n := count(); n != acknowledged {
		t.Errorf("%d acknowledged, %d there after opening again", acknowledged, n)
	}
}
