package bot_test

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
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

// While a decision is on its way, whoever presses the same again is told the same; who
// presses the other button is not.
func TestAPressAgainWhileItIsOnItsWay(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.sees(w.teams, "chat-bob", "Alice Adams", "[Approve]")
	w.ms.Fail("review", &pim.Error{Op: "review", Code: pim.CodeThrottled, After: time.Hour})
	first := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	again := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	if first.Card == nil || first.Card.Title != "On its way" || !reflect.DeepEqual(first, again) {
		t.Errorf("told %+v, and then %+v", first.Card, again.Card)
	}
	other := w.says("bob", bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}})
	if other.Card == nil || other.Card.Title != "Nothing was done" {
		t.Errorf("who denies what they approved is told %+v", other.Card)
	}
}
