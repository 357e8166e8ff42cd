//go:build linux && strace

package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// TestEverySyscallFails lets a process that writes fail at the nth call to the
// disk, for every call that matters and every n that it reaches: killed there, or told EIO or
// ENOSPC once. It needs strace and the right to use it, hence the build tag:
//
//	go test -tags strace -run EverySyscall -v ./store/bolt
//
// What was acknowledged must be there afterwards, what was refused must not, and
// after an error the same process must go on.
func TestEverySyscallFails(t *testing.T) {
	if path := os.Getenv("BELAY_TEST_SYSCALLS"); path != "" {
		writeAndSay(t, path)
		return
	}
	for _, how := range []string{"signal=SIGKILL", "error=EIO", "error=ENOSPC"} {
		for _, call := range []string{"fdatasync", "pwrite64", "fsync", "ftruncate"} {
			points, uncertain := 0, 0
			for n := 1; ; n++ {
				hit, u := failAt(t, call, how, n)
				if !hit {
					break
				}
				points++
				uncertain += u
			}
			t.Logf("%-14s at %3d calls of %-9s: nothing lost, nothing torn, %d outcomes uncertain", how, points, call, uncertain)
		}
	}
}

const syscallUpdates = 40

// writeAndSay makes updates of two records, large enough for the file to grow,
// and says how each ended.
func writeAndSay(t *testing.T, path string) {
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		fmt.Println("unopened", err)
		return
	}
	fmt.Println("opened")
	for i := range syscallUpdates {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			key := fmt.Appendf(nil, "%02d", i)
			return errors.Join(tx.Put("one", key, make([]byte, 150_000)), tx.Put("two", key, key))
		})
		switch {
		case err == nil:
			fmt.Printf("kept %02d\n", i)
		case errors.Is(err, store.ErrUncertain):
			fmt.Printf("uncertain %02d\n", i)
		default:
			fmt.Printf("refused %02d\n", i)
		}
	}
	for range 100 { // strace counts per thread, so the last ones may fail too
		if s.Ping(context.Background()) == nil {
			fmt.Println("well")
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// failAt runs the writer and lets its nth call fail; it returns false when there
// was no nth call.
func failAt(t *testing.T, call, how string, n int) (hit bool, uncertain int) {
	t.Helper()
	dir := t.TempDir()
	path, trace := filepath.Join(dir, "belay.db"), filepath.Join(dir, "trace")
	cmd := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, how, n),
		os.Args[0], "-test.run=^TestEverySyscallFails$")
	cmd.Env = append(os.Environ(), "BELAY_TEST_SYSCALLS="+path)
	out, err := cmd.Output() // killed or not
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	told := map[string]string{}
	opened, well := false, false
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		word, key, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "opened":
			opened = true
		case "well":
			well = true
		case "kept", "refused", "uncertain":
			told[key] = word
		}
	}
	log := string(read(t, trace))
	hit = strings.Contains(log, "INJECTED") || strings.Contains(log, "killed by SIGKILL")
	if hit && opened && how != "signal=SIGKILL" && !well {
		t.Errorf("%s at %s %d: it did not go on: %v", how, call, n, told)
	}
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatalf("%s at %s %d: %v", how, call, n, err)
	}
	err = s.View(context.Background(), func(tx store.Tx) error {
		for i := range syscallUpdates {
			key := fmt.Sprintf("%02d", i)
			one, err1 := tx.Get("one", []byte(key))
			_, err2 := tx.Get("two", []byte(key))
			there := err1 == nil
			if there != (err2 == nil) || there && len(one) != 150_000 {
				t.Errorf("%s at %s %d: update %s is torn: %v %v", how, call, n, key, err1, err2)
			}
			switch told[key] {
			case "kept":
				if !there {
					t.Errorf("%s at %s %d: update %s was acknowledged and is not there", how, call, n, key)
				}
			case "refused":
				if there {
					t.Errorf("%s at %s %d: update %s was refused and is there", how, call, n, key)
				}
			case "uncertain":
				uncertain++
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Errorf("%s at %s %d: %v", how, call, n, err)
	}
	return hit, uncertain
}
