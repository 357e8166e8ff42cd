package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
)

func number(tx store.Tx, bucket, key string) (int, error) {
	raw, err := tx.Get(bucket, []byte(key))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(raw))
}

func add(tx store.Tx, bucket, key string, n int) error {
	old, err := number(tx, bucket, key)
	if err != nil {
		return err
	}
	return putAll(tx, bucket, key, strconv.Itoa(old+n))
}

// noLostUpdate: many callers add one to the same number, and each of its own to another.
func noLostUpdate(t *testing.T, s store.Store) {
	const callers, rounds = 32, 20
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for range rounds {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					return errors.Join(add(tx, "a", "all", 1), add(tx, "a", fmt.Sprint("caller ", i), 1))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	view(t, s, func(tx store.Tx) error {
		if n, err := number(tx, "a", "all"); err != nil || n != callers*rounds {
			t.Errorf("%d updates counted to %d, %v", callers*rounds, n, err)
		}
		for i := range callers {
			if n, err := number(tx, "a", fmt.Sprint("caller ", i)); err != nil || n != rounds {
				t.Errorf("caller %d counted to %d, %v", i, n, err)
			}
		}
		return nil
	})
}

// noWriteSkew: of two on call one may leave, and only if the other stays. Each
// reads both and writes only itself, which snapshot isolation would let pass twice.
// A second form reads by scanning, so that the contradiction is about keys that are not
// there yet.
func noWriteSkew(t *testing.T, s store.Store) {
	for round := range 25 {
		rota := fmt.Sprint("rota", round)
		put(t, s, rota, "alice", "on", "bob", "on")
		var both sync.WaitGroup
		for i, who := range []string{"alice", "bob"} {
			both.Go(func() {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					on := 0
					err := tx.Scan(rota, nil, nil, func(_, v []byte) error {
						if string(v) == "on" {
							on++
						}
						return nil
					})
					if err != nil || on < 2 {
						return err
					}
					return putAll(tx, rota, who, "off")
				})
				if err != nil {
					t.Error(err)
				}
				err = s.Update(context.Background(), func(tx store.Tx) error { // the first to come takes the room
					taken := false
					err := tx.Scan(rota+"/room", nil, nil, func(_, _ []byte) error { taken = true; return store.Stop })
					if err != nil || taken {
						return err
					}
					return putAll(tx, rota+"/room", fmt.Sprint(i), who)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		view(t, s, func(tx store.Tx) error {
			got, err := scan(tx, rota, nil, nil)
			if (got[1] == "on") == (got[3] == "on") {
				t.Errorf("round %d: %q", round, got)
			}
			if got, err := scan(tx, rota+"/room", nil, nil); len(got) != 2 || err != nil {
				t.Errorf("round %d: the room is taken by %q, %v", round, got, err)
			}
			return err
		})
	}
}

// noPartialView moves money between accounts while views and updates add it up.
func noPartialView(t *testing.T, s store.Store) {
	const accounts, total = 8, 800
	account := func(i int) string { return fmt.Sprintf("%02d", i) }
	update(t, s, func(tx store.Tx) error {
		for i := range accounts {
			if err := add(tx, "money", account(i), total/accounts); err != nil {
				return err
			}
		}
		return nil
	})
	sum := func(tx store.Tx) (n int, err error) {
		err = tx.Scan("money", nil, nil, func(_, v []byte) error {
			i, err := strconv.Atoi(string(v))
			n += i
			return err
		})
		return n, err
	}
	var movers, watchers sync.WaitGroup
	stop := make(chan struct{})
	for m := range 6 {
		movers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(m), 1))
			for range 40 {
				from, to, n := rng.IntN(accounts), rng.IntN(accounts), rng.IntN(20)
				fail := rng.IntN(4) == 0
				err := s.Update(context.Background(), func(tx store.Tx) error {
					if err := add(tx, "money", account(from), -n); err != nil {
						return err
					}
					if fail {
						return errBoom
					}
					return add(tx, "money", account(to), n)
				})
				if fail != errors.Is(err, errBoom) || !fail && err != nil {
					t.Errorf("moving: %v", err)
				}
			}
		})
	}
	for range 2 {
		watchers.Go(func() {
			for {
				err := s.View(context.Background(), func(tx store.Tx) error {
					n, err := sum(tx)
					if n != total {
						t.Errorf("a view added up %d", n)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	movers.Wait()
	close(stop)
	watchers.Wait()
	view(t, s, func(tx store.Tx) error {
		n, err := sum(tx)
		if n != total {
			t.Errorf("in the end %d", n)
		}
		return err
	})
}

// failuresApart lets callers at the same time succeed, fail before writing, fail
// after writing, and panic. Each gets its own outcome and nobody else's.
func failuresApart(t *testing.T, s store.Store) {
	const callers = 60
	own := make([]error, callers)
	got := make([]any, callers)
	var all sync.WaitGroup
	for i := range callers {
		own[i] = fmt.Errorf("failure of %d", i)
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					got[i] = p
				}
			}()
			err := s.Update(context.Background(), func(tx store.Tx) error {
				if i%4 == 1 {
					return own[i]
				}
				if err := errors.Join(add(tx, "a", "count", 1), putAll(tx, "a", fmt.Sprint(i), "v")); err != nil {
					return err
				}
				switch i % 4 {
				case 2:
					return own[i]
				case 3:
					panic(own[i])
				}
				return nil
			})
			if err != nil {
				got[i] = err
			}
		})
	}
	all.Wait()
	view(t, s, func(tx store.Tx) error {
		for i := range callers {
			if i%4 == 0 {
				wantGet(t, tx, "a", fmt.Sprint(i), "v")
				if got[i] != nil {
					t.Errorf("caller %d: %v", i, got[i])
				}
				continue
			}
			wantNone(t, tx, "a", fmt.Sprint(i))
			if err, ok := got[i].(error); !ok || !errors.Is(err, own[i]) {
				t.Errorf("caller %d: %v", i, got[i])
			}
		}
		wantGet(t, tx, "a", "count", strconv.Itoa(callers/4))
		return nil
	})
}
