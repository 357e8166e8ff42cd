package bot_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// A press that reaches two processes over one store at the same moment is relayed once:
// what tells deeds apart is in the store, not in anybody's memory.
func TestAPressThatReachesTwoProcesses(t *testing.T) {
	w := newWorld(t)
	pressedTwice(t, w, w.disk)
}

// The same with two replicas, each with its own connections to one database.
func TestAPressThatReachesTwoReplicas(t *testing.T) {
	srv := postgrestest.Start(t)
	replica := func() store.Store {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.Admin()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	one, two := replica(), replica()
	w := newWorld(t)
	w.stop()
	w.disk = one
	w.start()
	pressedTwice(t, w, two)
}

func pressedTwice(t *testing.T, w *world, other store.Store) {
	first, firstStop := w.bot, w.stop
	w.disk = other
	w.start() // the second; w.stop is now its own
	secondStop := w.stop
	w.stop = func() { firstStop(); secondStop() }
	second := w.bot
	w.link("alice")
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.sees(w.teams, "chat-bob", "Alice Adams", "[Approve]")
	var all sync.WaitGroup
	for range 8 {
		for _, b := range []*bot.Bot{first, second} {
			all.Go(func() {
				if _, later := b.Handle(t.Context(), w.in("bob", bot.Press{Verb: bot.VerbApprove, ID: id})); later != nil {
					later(context.Background())
				}
			})
		}
	}
	all.Wait()
	w.sees(w.teams, "19:ops", "User Administrator is active")
	writes := w.ms.Writes()
	if n := len(slices.DeleteFunc(slices.Clone(writes), func(s string) bool { return s != "oid-bob review" })); n != 1 {
		t.Errorf("relayed %d times: %q", n, writes)
	}
}
