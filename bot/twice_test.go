package bot_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// A press that reaches two processes over one store at the same moment is relayed once:
// what tells deeds apart is in the store, not in anybody's memory.
func TestAPressThatReachesTwoProcesses(t *testing.T) {
	w := newWorld(t)
	first := w.bot
	firstStop := w.stop
	w.start() // the second, over the same disk; w.stop is now its own
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
