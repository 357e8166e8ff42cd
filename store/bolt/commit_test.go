package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
)

// rig is a store whose commits are counted and can be held up.
type rig struct {
	*Store
	t       *testing.T
	path    string
	commits []int // the committer's; read it when nothing runs
}

func newRig(t *testing.T, opt Options) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "belay.db")}
	opt.OnCommit = func(n int, d time.Duration) {
		if d < 0 {
			t.Errorf("a commit took %v", d)
		}
		r.commits = append(r.commits, n)
	}
	var err error
	if r.Store, err = Open(r.path, opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func put(key string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.Put("a", []byte(key), []byte("v")) }
}

func (r *rig) has(key string) bool {
	r.t.Helper()
	err := r.View(context.Background(), func(tx store.Tx) error { _, err := tx.Get("a", []byte(key)); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.t.Fatal(err)
	}
	return err == nil
}

// hold starts an update that keeps the committer busy until release is called,
// which returns that update's outcome.
func (r *rig) hold() (release func() error) {
	r.t.Helper()
	inside, gate, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		var once sync.Once
		ended <- r.Update(context.Background(), func(tx store.Tx) error {
			once.Do(func() { close(inside) })
			<-gate
			return put("held")(tx)
		})
	}()
	<-inside
	return func() error {
		close(gate)
		return <-ended
	}
}

// start runs an update in the background and returns when it waits for its turn.
func (r *rig) start(ctx context.Context, fn func(store.Tx) error) (outcome <-chan any) {
	r.t.Helper()
	before := r.queued()
	out := make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				out <- p
			}
		}()
		out <- r.Update(ctx, fn)
	}()
	for r.queued() == before {
		runtime.Gosched()
	}
	return out
}

func (r *rig) queued() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

func TestUpdatesThatWaitShareOneCommit(t *testing.T) {
	r := newRig(t, Options{})
	release := r.hold()
	var outcomes []<-chan any
	for i := range 50 {
		outcomes = append(outcomes, r.start(context.Background(), put(fmt.Sprint(i))))
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	for i, out := range outcomes {
		if err := <-out; err != nil {
			t.Error(err)
		}
		if !r.has(fmt.Sprint(i)) {
			t.Errorf("update %d was acknowledged and is not there", i)
		}
	}
	if !slices.Equal(r.commits, []int{1, 50}) {
		t.Errorf("updates per commit: %v", r.commits)
	}
}

func TestFailuresCostTheOthersNothing(t *testing.T) {
	boom := errors.New("boom")
	dirty := func(key string, end func() error) func(store.Tx) error {
		return func(tx store.Tx) error { return errors.Join(put(key)(tx), end()) }
	}
	fails, panics := func() error { return boom }, func() error { panic(boom) }
	clean := func(store.Tx) error { return boom }
	for _, c := range []struct {
		name    string
		fns     []func(store.Tx) error
		good    int      // how many succeed
		keys    []string // what they write
		commits []int
	}{
		{"failing before it writes", []func(store.Tx) error{put("1"), clean, put("2"), clean}, 2, []string{"1", "2"}, []int{1, 4}},
		{"failing after it wrote", []func(store.Tx) error{put("1"), put("2"), dirty("x", fails), put("3"), put("4")}, 4, []string{"1", "2", "3", "4"}, []int{1, 2, 2}},
		{"failing first and last", []func(store.Tx) error{dirty("x", fails), put("1"), put("2"), dirty("y", fails)}, 2, []string{"1", "2"}, []int{1, 2}},
		{"panicking", []func(store.Tx) error{put("1"), dirty("x", panics), put("2")}, 2, []string{"1", "2"}, []int{1, 1, 1}},
		{"panicking before it writes, then another failing", []func(store.Tx) error{
			put("1"), func(store.Tx) error { panic(boom) }, put("2"), dirty("x", fails), put("3"),
		}, 3, []string{"1", "2", "3"}, []int{1, 3, 1}},
		{"all failing", []func(store.Tx) error{dirty("x", fails), dirty("y", panics), clean}, 0, nil, []int{1}},
		{"only reading", []func(store.Tx) error{
			func(tx store.Tx) error { return tx.Delete("a", []byte("none")) },
			func(store.Tx) error { return nil },
		}, 2, nil, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Options{})
			release := r.hold()
			var outcomes []<-chan any
			for _, fn := range c.fns {
				outcomes = append(outcomes, r.start(context.Background(), fn))
			}
			if err := release(); err != nil {
				t.Error(err)
			}
			good := 0
			for i, out := range outcomes {
				switch got := <-out; got {
				case nil:
					good++
				default:
					if err, ok := got.(error); !ok || !errors.Is(err, boom) {
						t.Errorf("update %d: %v", i, got)
					}
				}
			}
			if good != c.good || !slices.Equal(r.commits, c.commits) {
				t.Errorf("%d succeeded in commits of %v; want %d in %v", good, r.commits, c.good, c.commits)
			}
			for _, key := range []string{"x", "y"} {
				if r.has(key) {
					t.Errorf("%s of a failed update was kept", key)
				}
			}
			for _, key := range c.keys {
				if !r.has(key) {
					t.Errorf("%s was acknowledged and is not there", key)
				}
			}
		})
	}
}

func TestWhoGivesUpWaitingHasNoEffect(t *testing.T) {
	r := newRig(t, Options{})
	release := r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	out := r.start(ctx, put("given up"))
	other := r.start(context.Background(), put("other"))
	cancel()
	if err := <-out; err != context.Canceled { // although the committer is still busy
		t.Errorf("told %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Error(err)
	}
	if r.has("given up") || !r.has("other") {
		t.Error("the one who gave up was served, or the other was not")
	}
}

func TestWhoGivesUpBeforeTheTurnHasNoEffect(t *testing.T) {
	r := newRig(t, Options{})
	release := r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	first := r.start(context.Background(), func(tx store.Tx) error { cancel(); return put("first")(tx) })
	second := r.start(ctx, put("second")) // in the same commit, and taken by then
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-second; err != context.Canceled || r.has("second") {
		t.Errorf("told %v, kept: %v", err, r.has("second"))
	}
}

func TestWhoGivesUpTooLateGetsTheOutcome(t *testing.T) {
	r := newRig(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	err := r.Update(ctx, func(tx store.Tx) error { cancel(); return put("late")(tx) })
	if err != nil || !r.has("late") {
		t.Errorf("told %v, kept: %v", err, r.has("late"))
	}
}

func TestQueueIsBounded(t *testing.T) {
	r := newRig(t, Options{MaxWaiting: 2})
	release := r.hold()
	one, two := r.start(context.Background(), put("1")), r.start(context.Background(), put("2"))
	if err := r.Update(context.Background(), put("3")); !errors.Is(err, store.ErrBusy) {
		t.Errorf("the third: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err1, err2 := <-one, <-two; err1 != nil || err2 != nil || r.has("3") {
		t.Errorf("%v, %v, third kept: %v", err1, err2, r.has("3"))
	}
}

func TestCloseDrains(t *testing.T) {
	r := newRig(t, Options{})
	release := r.hold()
	var outcomes []<-chan any
	for i := range 5 {
		outcomes = append(outcomes, r.start(context.Background(), put(fmt.Sprint(i))))
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	for {
		r.mu.Lock()
		done := r.closed
		r.mu.Unlock()
		if done {
			break
		}
		runtime.Gosched()
	}
	if err := r.Update(context.Background(), put("late")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("an update after Close: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	for _, out := range outcomes {
		if err := <-out; err != nil {
			t.Error(err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := r.View(context.Background(), func(store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a view after Close: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	again, err := Open(r.path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r2 := &rig{Store: again, t: t}
	for i := range 5 {
		if !r2.has(fmt.Sprint(i)) {
			t.Errorf("update %d was acknowledged and is not there", i)
		}
	}
	if r2.has("late") {
		t.Error("an update that was refused is there")
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// The three ways a disk can fail a commit.

func TestDiskFailsBeforeTheCommit(t *testing.T) {
	r := newRig(t, Options{})
	sound := r.commit
	r.commit = func(tx *bbolt.Tx) error { return errors.Join(tx.Rollback(), syscall.ENOSPC) }
	release := r.hold()
	one, two := r.start(context.Background(), put("1")), r.start(context.Background(), put("2"))
	for _, told := range []any{release(), <-one, <-two} {
		if err, ok := told.(error); !ok || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, store.ErrUncertain) {
			t.Errorf("told %v", told)
		}
	}
	if err := r.Ping(context.Background()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Ping: %v", err)
	}
	if r.has("1") || r.has("2") || len(r.commits) != 0 {
		t.Error("something was kept")
	}
	r.commit = sound
	if err := errors.Join(r.Ping(context.Background()), r.Update(context.Background(), put("3"))); err != nil || !r.has("3") {
		t.Errorf("with space again: %v", err)
	}
}

func TestDiskFailsAtTheEndOfTheCommit(t *testing.T) {
	r := newRig(t, Options{})
	sound, sync := r.commit, r.sync
	r.commit = func(tx *bbolt.Tx) error { return errors.Join(tx.Commit(), syscall.EIO) }
	if err := r.Update(context.Background(), put("healed")); err != nil || !r.has("healed") {
		t.Errorf("the head could be written again, but: %v", err)
	}
	r.sync = func() error { return syscall.EIO }
	if err := r.Update(context.Background(), put("uncertain")); !errors.Is(err, store.ErrUncertain) || !errors.Is(err, syscall.EIO) {
		t.Errorf("told %v", err)
	}
	r.commit = sound
	ran := false
	err := r.Update(context.Background(), func(tx store.Tx) error { ran = true; return put("refused")(tx) })
	if !errors.Is(err, syscall.EIO) || errors.Is(err, store.ErrUncertain) || ran || r.has("refused") {
		t.Errorf("while the head is not safe: %v, ran: %v", err, ran)
	}
	r.sync = sync
	if err := r.Update(context.Background(), put("after")); err != nil || !r.has("after") || !r.has("uncertain") {
		t.Errorf("when the disk works again: %v", err)
	}
}

func TestBoltPanicsInTheCommit(t *testing.T) {
	r := newRig(t, Options{})
	sound := r.commit
	r.commit = func(*bbolt.Tx) error { panic("page 7 already freed") }
	var corrupt *store.CorruptError
	if err := r.Update(context.Background(), put("1")); !errors.As(err, &corrupt) || r.has("1") {
		t.Errorf("told %v", err)
	}
	r.commit = sound
	if err := r.Update(context.Background(), put("2")); err != nil || !r.has("2") {
		t.Errorf("afterwards: %v", err)
	}
}
