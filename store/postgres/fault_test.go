package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

func put(tx store.Tx, key, value string) error { return tx.Put("a", []byte(key), []byte(value)) }

func get(t *testing.T, s store.Store, key string) (value string) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		raw, err := tx.Get("a", []byte(key))
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		value = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// add adds one to a number.
func add(tx store.Tx, key string) error {
	n := 0
	raw, err := tx.Get("a", []byte(key))
	if err == nil {
		_, err = fmt.Sscan(string(raw), &n)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return put(tx, key, fmt.Sprint(n+1))
}

func wantReason(t *testing.T, err error, want postgres.Reason) {
	t.Helper()
	var e *postgres.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("%v; want the reason %q", err, want)
	}
}

func TestTwoReplicasLoseNoUpdate(t *testing.T) {
	srv, name := server(t), schema()
	const callers, rounds = 6, 15
	var all sync.WaitGroup
	var replicas []*postgres.Store
	for range 2 {
		replicas = append(replicas, open(t, postgres.Options{URL: srv.Admin(), Schema: name}))
	}
	for c := range callers {
		for r, s := range replicas {
			all.Go(func() {
				for n := range rounds {
					err := s.Update(t.Context(), func(tx store.Tx) error {
						return errors.Join(add(tx, "all"), put(tx, fmt.Sprint("of ", c, r, n), "v"))
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if got := get(t, replicas[0], "all"); got != fmt.Sprint(2*callers*rounds) {
		t.Errorf("%d updates counted to %s", 2*callers*rounds, got)
	}
}

// TestALostRaceIsRunAgain lets another process change what an update has read, before it
// writes: twice, and then every time.
func TestALostRaceIsRunAgain(t *testing.T) {
	srv, name := server(t), schema()
	s, other := open(t, postgres.Options{URL: srv.Admin(), Schema: name}), open(t, postgres.Options{URL: srv.Admin(), Schema: name})
	race := func(times int) (runs int, err error) {
		err = s.Update(t.Context(), func(tx store.Tx) error {
			runs++
			if err := add(tx, "n"); err != nil || runs > times {
				return err
			}
			return other.Update(t.Context(), func(tx store.Tx) error { return add(tx, "n") })
		})
		return runs, err
	}
	if runs, err := race(2); err != nil || runs != 3 {
		t.Errorf("it ran %d times: %v", runs, err)
	}
	if got := get(t, s, "n"); got != "3" {
		t.Errorf("three updates counted to %s", got)
	}
	runs, err := race(1000)
	wantReason(t, err, postgres.Contended)
	if !errors.Is(err, store.ErrBusy) || runs != postgres.Attempts {
		t.Errorf("it ran %d times: %v", runs, err)
	}
	if got := get(t, s, "n"); got != fmt.Sprint(3+runs) {
		t.Errorf("the losing update left something: %s after %d", got, 3+runs)
	}
}

// underLoad lets writers write until disturb returns, to whom await says that so many
// updates more were acknowledged; and holds what is there then against what each was told.
func underLoad(t *testing.T, replicas []*postgres.Store, disturb func(await func(int))) {
	t.Helper()
	const writers = 8
	told := make([]map[string]error, writers)
	kept, stop := make(chan struct{}, 1000), make(chan struct{})
	var all sync.WaitGroup
	for w := range writers {
		told[w] = map[string]error{}
		all.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprint(w, "/", n)
				err := replicas[w%2].Update(context.Background(), func(tx store.Tx) error {
					return errors.Join(put(tx, key, "v"), tx.Put("b", []byte(key), []byte("v")), add(tx, fmt.Sprint("count ", w%2)))
				})
				if told[w][key] = err; err == nil {
					select {
					case kept <- struct{}{}:
					default: // nobody waits: there is no holding up
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	disturb(func(n int) {
		for len(kept) > 0 {
			<-kept
		}
		for range n {
			<-kept
		}
	})
	close(stop)
	all.Wait()
	acknowledged, refused, unknown := 0, 0, 0
	there := [2]int{}
	for w := range told {
		for key, err := range told[w] {
			is := get(t, replicas[0], key) == "v"
			if is {
				there[w%2]++
			}
			switch {
			case err == nil && !is:
				t.Errorf("%s was acknowledged and is lost", key)
			case err == nil:
				acknowledged++
			case errors.Is(err, store.ErrUncertain):
				unknown++
			case is:
				t.Errorf("%s is there, and its caller was told %v", key, err)
			default:
				refused++
			}
		}
	}
	for r := range there {
		if got := get(t, replicas[1], fmt.Sprint("count ", r)); got != fmt.Sprint(there[r]) {
			t.Errorf("%d updates are there, and counted %s times", there[r], got)
		}
	}
	t.Logf("%d acknowledged and there, %d refused and not there, %d of which nobody could say", acknowledged, refused, unknown)
}

// TestAKilledServerLosesNothing kills the server with SIGKILL under load, and starts it
// again, several times. Nobody opens the stores anew.
func TestAKilledServerLosesNothing(t *testing.T) {
	srv := postgrestest.Start(t)
	replicas := []*postgres.Store{open(t, postgres.Options{URL: srv.Admin()}), open(t, postgres.Options{URL: srv.Admin()})}
	underLoad(t, replicas, func(await func(int)) {
		for range 3 {
			await(40)
			srv.Kill()
			if err := srv.Up(); err != nil {
				t.Error(err)
				return
			}
		}
		await(40)
	})
}

// TestAPromotedStandbyHasWhatWasAcknowledged kills the primary of a synchronous pair under
// load and promotes the other, whose address the stores know too.
func TestAPromotedStandbyHasWhatWasAcknowledged(t *testing.T) {
	first := postgrestest.Start(t, "synchronous_standby_names=second")
	second, err := first.Standby("second")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	both := postgres.Options{URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", first.Port, second.Port)}
	underLoad(t, []*postgres.Store{open(t, both), open(t, both)}, func(await func(int)) {
		await(100)
		first.Kill()
		if err := second.Promote(); err != nil {
			t.Error(err)
			return
		}
		await(100)
	})
}

func TestItIsReadyAgainWhenTheDatabaseIsBack(t *testing.T) {
	srv := postgrestest.Start(t)
	s := open(t, postgres.Options{URL: srv.Admin()})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	wantReason(t, s.Ping(t.Context()), postgres.Unreachable)
	wantReason(t, s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "lost") }), postgres.Unreachable)
	wantReason(t, s.View(t.Context(), func(store.Tx) error { t.Error("the view ran"); return nil }), postgres.Unreachable)
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Error(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := get(t, s, "k"); got != "v" {
		t.Errorf("it holds %q", got)
	}
}

// TestAStandbyThatDoesNotConfirm has a primary that must wait for a standby which is not
// there. Its COMMIT succeeds with a warning when the wait is cut off.
func TestAStandbyThatDoesNotConfirm(t *testing.T) {
	srv := postgrestest.Start(t)
	s := open(t, postgres.Hasty(postgres.Options{URL: srv.Admin()}))
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "before") }); err != nil {
		t.Fatal(err)
	}
	with := func(setting string) {
		srv.Kill()
		srv.Set(setting)
		if err := srv.Up(); err != nil {
			t.Fatal(err)
		}
	}
	with("synchronous_standby_names=nobody")
	err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") })
	if !errors.Is(err, store.ErrUncertain) {
		t.Errorf("an update that no standby has: %v", err)
	}
	with("synchronous_standby_names=")
	if err := s.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "after") }); err != nil {
		t.Error(err)
	}
}

func TestHintsReachOtherProcesses(t *testing.T) {
	srv, name := server(t), schema()
	opt := postgres.Options{URL: srv.Admin(), Schema: name, Hint: []string{"a"}}
	one, two := open(t, opt), open(t, opt)
	<-one.Hints() // each gets one when it begins to listen
	<-two.Hints()
	if err := one.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Fatal(err)
	}
	<-two.Hints()
	select {
	case <-one.Hints():
		t.Error("a process hinted to itself")
	default:
	}
	err := srv.Exec("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %'")
	if err != nil {
		t.Fatal(err)
	}
	<-one.Hints() // both listen again, and look once
	<-two.Hints()
	if err := two.Update(t.Context(), func(tx store.Tx) error { return put(tx, "k", "v") }); err != nil {
		t.Fatal(err)
	}
	<-one.Hints()
}
