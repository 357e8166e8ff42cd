package bot_test

import (
	"testing"

	"github.com/belaybot/belay/bot"
)

// What one process recorded and left is found by another that nobody hints to: looking is
// enough. (fault 60)
func TestWhatAnotherProcessLeftIsFound(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	one, stopOne := w.bot, w.stop
	w.start() // a second process over the same store, without hints
	two := w.bot
	stopOne() // its listeners outlive its work for a moment
	w.bot = one
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.bot = two
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if all := w.ms.Writes(); len(all) != 1 {
		t.Errorf("Microsoft was written to: %q", all)
	}
}
