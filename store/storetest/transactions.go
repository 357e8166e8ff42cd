package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
)

func readYourWrites(t *testing.T, s store.Store) {
	put(t, s, "a", "b", "1", "c", "2")
	update(t, s, func(tx store.Tx) error {
		if err := errors.Join(putAll(tx, "a", "a", "0", "b", "new"), tx.Delete("a", []byte("c")), putAll(tx, "z", "k", "v")); err != nil {
			return err
		}
		wantGet(t, tx, "a", "a", "0")
		wantGet(t, tx, "a", "b", "new")
		wantNone(t, tx, "a", "c")
		wantGet(t, tx, "z", "k", "v")
		got, err := scan(tx, "a", nil, nil)
		if fmt.Sprint(got) != "[a 0 b new]" {
			t.Errorf("scan of own writes: %q", got)
		}
		if err := tx.Put("a", []byte("c"), []byte("back")); err != nil {
			return err
		}
		wantGet(t, tx, "a", "c", "back")
		return err
	})
	wantAll(t, s, "a", "a", "0", "b", "new", "c", "back")
}

func atomicOnError(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1", "l", "1")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(putAll(tx, "a", "k", "2"), putAll(tx, "new", "k", "2"), tx.Delete("a", []byte("l")), errBoom)
	})
	if !errors.Is(err, errBoom) {
		t.Errorf("Update returned %v", err)
	}
	wantAll(t, s, "a", "k", "1", "l", "1")
	wantAll(t, s, "new")
	if err := s.View(context.Background(), func(store.Tx) error { return errBoom }); !errors.Is(err, errBoom) {
		t.Errorf("View returned %v", err)
	}
}

func atomicOnPanic(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1")
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"Update": s.Update, "View": s.View} {
		func() {
			defer func() {
				if p := recover(); p != errBoom {
					t.Errorf("the caller of %s recovered %v", name, p)
				}
			}()
			err := run(context.Background(), func(tx store.Tx) error {
				if name == "Update" {
					if err := putAll(tx, "a", "k", "2"); err != nil {
						return err
					}
				}
				panic(errBoom)
			})
			t.Errorf("%s returned %v", name, err)
		}()
	}
	wantAll(t, s, "a", "k", "1")
	put(t, s, "a", "k", "3") // and the store lives on
	wantAll(t, s, "a", "k", "3")
}

// atomicOnGoexit is what a t.Fatal inside an update does.
func atomicOnGoexit(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := s.Update(context.Background(), func(tx store.Tx) error {
			if err := putAll(tx, "a", "k", "2"); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
		t.Errorf("Update returned %v", err)
	}()
	<-ended
	wantAll(t, s, "a", "k", "1")
	put(t, s, "a", "k", "3")
	wantAll(t, s, "a", "k", "3")
}

func viewReadOnly(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1")
	view(t, s, func(tx store.Tx) error {
		if err := tx.Put("a", []byte("k"), []byte("2")); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("Put: %v", err)
		}
		if err := tx.Delete("a", []byte("k")); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("Delete: %v", err)
		}
		return nil
	})
	wantAll(t, s, "a", "k", "1")
}

func txEnds(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1")
	var leaked []store.Tx
	keep := func(tx store.Tx) error { leaked = append(leaked, tx); return nil }
	view(t, s, keep)
	update(t, s, keep)
	if err := s.Update(context.Background(), func(tx store.Tx) error { leaked = append(leaked, tx); return errBoom }); !errors.Is(err, errBoom) {
		t.Fatal(err)
	}
	put(t, s, "a", "k", "2") // another transaction may be using what the first one used
	for _, tx := range leaked {
		_, err := tx.Get("a", []byte("k"))
		_, scanErr := scan(tx, "a", nil, nil)
		for what, err := range map[string]error{
			"Get":    err,
			"Put":    tx.Put("a", []byte("k"), []byte("late")),
			"Delete": tx.Delete("a", []byte("k")),
			"Scan":   scanErr,
		} {
			if !errors.Is(err, store.ErrTxDone) {
				t.Errorf("%s after the end: %v", what, err)
			}
		}
	}
	wantAll(t, s, "a", "k", "2")
}

func snapshot(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1", "l", "1")
	view(t, s, func(tx store.Tx) error {
		wantGet(t, tx, "a", "k", "1")
		written := make(chan struct{})
		go func() { // not from inside: an update is another caller's affair
			defer close(written)
			err := s.Update(context.Background(), func(tx store.Tx) error {
				return errors.Join(putAll(tx, "a", "k", "2", "m", "2"), tx.Delete("a", []byte("l")), putAll(tx, "new", "k", "2"))
			})
			if err != nil {
				t.Error(err)
			}
		}()
		<-written
		wantGet(t, tx, "a", "k", "1")
		wantNone(t, tx, "new", "k")
		got, err := scan(tx, "a", nil, nil)
		if fmt.Sprint(got) != "[k 1 l 1]" {
			t.Errorf("the snapshot became %q", got)
		}
		return err
	})
	wantAll(t, s, "a", "k", "2", "m", "2")
}

func runAgain(t *testing.T, s store.Store) {
	put(t, s, "a", "n", "0")
	for range 20 {
		runs, seen := 0, ""
		update(t, s, func(tx store.Tx) error {
			runs++
			raw, err := tx.Get("a", []byte("n"))
			if err != nil {
				return err
			}
			seen = string(raw) // assigned, not added to
			return tx.Put("a", []byte("n"), append([]byte(seen), '+'))
		})
		if runs == 0 {
			t.Fatal("Update returned nil and never ran the function")
		}
		wantAll(t, s, "a", "n", seen+"+") // once, however often it ran
	}
}

func cancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.View(ctx, func(store.Tx) error { t.Error("the view ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
	if err := s.Update(ctx, func(tx store.Tx) error { return putAll(tx, "a", "k", "v") }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	wantAll(t, s, "a")
}

// givesUp cancels callers while another update holds everything up. Whatever each is told
// must be what happened.
func givesUp(t *testing.T, s store.Store) {
	inside, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	all.Go(func() {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			once.Do(func() { close(inside) })
			<-release
			return putAll(tx, "slow", "k", "v")
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithCancel(context.Background())
	told := make([]error, 20)
	for i := range told {
		all.Go(func() {
			told[i] = s.Update(ctx, func(tx store.Tx) error { return putAll(tx, "a", fmt.Sprint(i), "v") })
		})
	}
	cancel()
	close(release)
	all.Wait()
	view(t, s, func(tx store.Tx) error {
		for i, err := range told {
			if err == nil {
				wantGet(t, tx, "a", fmt.Sprint(i), "v")
				continue
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("caller %d: %v", i, err)
			}
			wantNone(t, tx, "a", fmt.Sprint(i))
		}
		return nil
	})
}
