package bot_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
	"github.com/belaybot/belay/store/storetest"
)

// Random histories: several people ask, decide, cancel, deactivate and extend, here and in
// the portal; presses come twice, and to another process; Microsoft and the chats fail and lose
// answers; sign-ins end; clocks jump; processes are restarted and killed. What Belay did
// is held against books that were kept outside of it (docs/histories.md).
//
// A history that fails is shrunk, and printed with the command that plays it again.

// histories says how many are played, how long they are and which, where the command does
// not: with every change the same ones, so that a change is judged by what it changes.
func histories(t *testing.T, usual int, play func(t *testing.T)) {
	t.Helper()
	given := fromCommand()
	for name, value := range map[string]int{"rapid.checks": usual, "rapid.steps": 12, "rapid.seed": 20261126} {
		if given[name] {
			continue
		}
		was := flag.Lookup(name).Value.String()
		if err := flag.Set(name, strconv.Itoa(value)); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := flag.Set(name, was); err != nil {
				t.Error(err)
			}
		}()
	}
	play(t)
}

// fromCommand are the flags that the command has set: looked at once, since what a test sets
// looks the same from then on.
var fromCommand = sync.OnceValue(func() map[string]bool {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
})

// play plays random histories in a fleet.
func play(t *testing.T, replicas int, opens func(rt *rapid.T) (open func(int) (store.Store, func()), end func())) {
	t.Helper()
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		open, end := opens(rt)
		defer end()
		f := newFleet(rt, replicas, open)
		defer f.stop()
		h := &history{fleet: f, rt: rt, acked: map[string]int{}, seen: seen}
		act := func(do func()) func(*rapid.T) {
			return func(*rapid.T) {
				for _, r := range f.all { // who died is started anew, sooner or later
					if r.m.isDead() {
						seen["deaths"]++
						if h.number("stays dead", 0, 2) == 0 {
							r.restart()
						}
					}
				}
				do()
				if h.number("goes on at once", 0, 3) > 0 {
					f.quiet()
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"ask": act(h.ask), "ask too": act(h.ask), "decide": act(h.decide), "decide too": act(h.decide), "requester": act(h.requester),
			"requester too": act(h.requester), "elsewhere": act(h.elsewhere), "fails": act(h.fails), "fails too": act(h.fails), "links": act(h.links),
			"signs in": act(h.comes), "time": act(h.time), "dies": act(h.dies), "looks": act(h.looks),
			"": func(*rapid.T) { h.holds() },
		})
		h.ends()
		for _, r := range h.documents() {
			seen["ended "+string(r.State)]++
		}
		seen["histories"]++
	})
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%7d %s", seen[key], key)
	}
	for _, key := range []string{"asked", "decided", "deaths", "restarts", "lost", "signed in", "asked elsewhere", "decided elsewhere", string(bot.VerbCancel), string(bot.VerbStop), string(bot.VerbExtend)} {
		if seen[key] == 0 && !t.Failed() && seen["histories"] >= 100 {
			t.Errorf("no history holds %q: they test nothing of it", key)
		}
	}
}

// memory is a store that outlives the processes over it.
func memory(*rapid.T) (func(int) (store.Store, func()), func()) {
	disk := storetest.Memory()
	return func(int) (store.Store, func()) { return disk, func() {} }, func() {}
}

// file is a bbolt file that each process opens anew.
func file(rt *rapid.T) (func(int) (store.Store, func()), func()) {
	dir, err := os.MkdirTemp("", "belay-history-")
	if err != nil {
		rt.Fatal(err)
	}
	return func(int) (store.Store, func()) {
			s, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
			if err != nil {
				rt.Fatal(err)
			}
			return s, func() {
				if err := s.Close(); err != nil {
					rt.Error(err)
				}
			}
		}, func() {
			_ = os.RemoveAll(dir)
		}
}

// One process, restarted and killed, over a store in memory: the most histories.
func TestHistories(t *testing.T) {
	usual := 200
	if raceDetector { // which makes each ten times as long
		usual = 50
	}
	histories(t, usual, func(t *testing.T) { play(t, 1, memory) })
}

// One process over its bbolt file.
func TestHistoriesOnBolt(t *testing.T) {
	histories(t, 10, func(t *testing.T) { play(t, 1, file) })
}

// Three replicas over one PostgreSQL, each with its own connections. A replica that is
// killed or restarted goes on with those of its last life, and a history with those of the
// one before it, in a database that was emptied: new ones would take longer than the
// history. How a lost connection is treated is for the tests of store/postgres.
func TestHistoriesOnPostgreSQL(t *testing.T) {
	if raceDetector {
		t.Skip("NOT TESTED under the race detector: there a history takes a minute; TestHistories is played")
	}
	srv := postgrestest.Start(t)
	var stores [3]*postgres.Store
	for n := range stores {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.Admin(), Connections: 6})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		stores[n] = s
	}
	histories(t, 12, func(t *testing.T) {
		play(t, len(stores), func(rt *rapid.T) (func(int) (store.Store, func()), func()) {
			if err := stores[0].Update(t.Context(), empty); err != nil {
				rt.Fatal(err)
			}
			return func(replica int) (store.Store, func()) { return stores[replica], func() {} }, func() {}
		})
	})
}

// empty drops everything that a store holds.
func empty(tx store.Tx) error {
	buckets, err := tx.(store.BucketLister).Buckets()
	for _, bucket := range buckets {
		err = errors.Join(err, tx.Scan(bucket, nil, nil, func(key, _ []byte) error { return tx.Delete(bucket, key) }))
	}
	return err
}
