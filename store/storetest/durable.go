package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belaybot/belay/store"
)

// crashDir names, in the environment of a child process, the directory of the
// store on which it is to work until it is killed.
const crashDir = "BELAY_STORETEST_CRASH"

// RunDurable holds a driver to its word: what was acknowledged is there after the
// store was opened again, and what was refused is not. open opens the store
// in dir, which keeps its content between calls, and returns how to close it. One part starts
// the test's binary anew and kills it with SIGKILL while it writes; call RunDurable
// once in a test function of its own.
func RunDurable(t *testing.T, open func(t *testing.T, dir string) (s store.Store, closeIt func())) {
	if dir := os.Getenv(crashDir); dir != "" {
		s, _ := open(t, dir)
		writeUntilKilled(t, s)
		return
	}
	t.Run("opened again", func(t *testing.T) { reopened(t, open) })
	t.Run("killed", func(t *testing.T) { killed(t, open) })
}

func reopened(t *testing.T, open func(*testing.T, string) (store.Store, func())) {
	dir := t.TempDir()
	var want []string
	for round := range 4 {
		s, closeIt := open(t, dir)
		wantAll(t, s, "a", want...)
		key := fmt.Sprint(round)
		put(t, s, "a", key, "v", "passing", "")
		update(t, s, func(tx store.Tx) error { return tx.Delete("a", []byte("passing")) })
		err := s.Update(context.Background(), func(tx store.Tx) error {
			return errors.Join(putAll(tx, "a", key, "refused", "other", "refused"), errBoom)
		})
		if !errors.Is(err, errBoom) {
			t.Error(err)
		}
		want = append(want, key, "v")
		closeIt()
	}
	s, closeIt := open(t, dir)
	defer closeIt()
	wantAll(t, s, "a", want...)
}

// writers is how many callers write at the same time in the process that is killed.
const writers = 8

// writeUntilKilled writes, from several callers, pairs of records in one update
// each, some large, and replaces a third record that all share. It prints
// the key of every pair after Update returned. It ends by itself only when the
// process that started it is gone.
func writeUntilKilled(t *testing.T, s store.Store) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent does, whatever the reason
		os.Exit(1)
	}()
	generation := 0
	update(t, s, func(tx store.Tx) error {
		n, err := number(tx, "generation", "n")
		if err != nil {
			return err
		}
		generation = n
		return add(tx, "generation", "n", 1)
	})
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", generation, w, i)
				err := s.Update(context.Background(), func(tx store.Tx) error {
					return errors.Join(putAll(tx, "one", key, pairValue(key)), putAll(tx, "two", key, pairValue(key)), add(tx, "count", "n", 1))
				})
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Printf("kept %s\n", key) // one write each: lines do not mix
			}
		})
	}
	all.Wait()
}

// pairValue is what belongs to a key: some ten to some thousands of bytes.
func pairValue(key string) string {
	n := 0
	for _, c := range key {
		n = (n*31 + int(c)) % 997
	}
	return strings.Repeat(key+"/", 2+n)
}

// killed starts the writers in a child process, kills it after a number of
// acknowledgements that differs from round to round, and looks at what is there.
func killed(t *testing.T, open func(*testing.T, string) (store.Store, func())) {
	dir := t.TempDir()
	var acknowledged []string
	for round := range 8 {
		more := untilKilled(t, dir, 1+round*round*13)
		acknowledged = append(acknowledged, more...)
		s, closeIt := open(t, dir)
		view(t, s, func(tx store.Tx) error {
			for _, key := range acknowledged {
				wantGet(t, tx, "one", key, pairValue(key))
			}
			one, err := scan(tx, "one", nil, nil)
			if err != nil {
				return err
			}
			two, err := scan(tx, "two", nil, nil)
			if err != nil {
				return err
			}
			if strings.Join(one, " ") != strings.Join(two, " ") {
				t.Errorf("round %d: half an update was kept", round)
			}
			for i := 0; i < len(one); i += 2 {
				if one[i+1] != pairValue(one[i]) {
					t.Errorf("round %d: %s holds something else", round, one[i])
				}
			}
			n, err := number(tx, "count", "n")
			if n != len(one)/2 {
				t.Errorf("round %d: %d updates counted, %d there", round, n, len(one)/2)
			}
			// Each writer has at most one update under way when it is killed.
			if extra := len(one)/2 - len(acknowledged); extra < 0 || extra > writers*(round+1) {
				t.Errorf("round %d: %d acknowledged, %d there", round, len(acknowledged), len(one)/2)
			}
			return err
		})
		closeIt()
	}
	t.Logf("killed 8 times, %d updates acknowledged, all there", len(acknowledged))
}

// untilKilled runs the child until it has acknowledged n updates, kills it, and
// returns all that it acknowledged.
func untilKilled(t *testing.T, dir string, n int) (acknowledged []string) {
	t.Helper()
	var path []string
	for part := range strings.SplitSeq(strings.TrimSuffix(t.Name(), "/killed"), "/") {
		path = append(path, "^"+regexp.QuoteMeta(part)+"$")
	}
	cmd := exec.Command(os.Args[0], "-test.run="+strings.Join(path, "/"), "-test.count=1")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close() //nolint:errcheck // the child is gone by then
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wasKilled atomic.Bool
	var other []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		key, ok := strings.CutPrefix(lines.Text(), "kept ")
		if !ok {
			other = append(other, lines.Text())
			continue
		}
		acknowledged = append(acknowledged, key)
		if len(acknowledged) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			wasKilled.Store(true)
		}
	}
	if err := cmd.Wait(); err == nil || !wasKilled.Load() {
		t.Fatalf("the child ended by itself: %v\n%s", err, strings.Join(other, "\n"))
	}
	return acknowledged
}
