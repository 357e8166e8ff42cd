package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// A card that comes with the outcome is itself the message by which the requester
// notices it. One that came before, and changed without a sound, has another one.
func TestToldOnce(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	said := func(title string) (n int) {
		for _, m := range w.slack.In("D-alice") {
			if m.Card.Title == title {
				n++
			}
		}
		return n
	}
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active", "Why: figures", "[Deactivate]")
	w.restart()
	w.advance(time.Minute)
	id := w.ask("alice", "user admin", "PT30M", "reset a password")
	w.sees(w.slack, "D-alice", "User Administrator waits for approval")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.untilLater(time.Second, id, func(bot.Request) bool { return said("User Administrator is active") == 2 })
	if n := said("Reports Reader is active"); n != 1 {
		t.Errorf("%d messages say what was active at once", n)
	}
	w.advance(time.Hour)
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader has ended")
	w.untilLater(time.Second, id, func(bot.Request) bool {
		return said("Reports Reader has ended") >= 2 && said("User Administrator has ended") >= 2
	})
}
