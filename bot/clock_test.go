package bot_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
)

// The clock jumps by ten minutes, forth and back, at every stage, and over a restart: nothing
// is asked for twice, decided twice, or over before Microsoft says so. What was planned by the
// wrong clock may come as much later as that was ahead. (fault 48)
func TestTheClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"forth and back": 10 * time.Minute, "back and forth": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			jump := func() {
				w.advance(by)
				w.restart()
				w.advance(-by)
			}
			w.link("alice")
			id := w.ask("alice", "user admin", "PT4H", "reset a password")
			jump()
			w.seesLater(30*time.Second, w.teams, "chat-bob", "[Approve]")
			jump()
			w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
			jump()
			w.seesLater(30*time.Second, w.slack, "D-alice", "User Administrator is active")
			jump()
			if r := w.untilLater(30*time.Second, id, func(r bot.Request) bool { return r.Lease.Owner == "" }); r.State != bot.Active {
				t.Errorf("long before its end it is %s", r.State)
			}
			w.advance(4 * time.Hour)
			w.seesLater(30*time.Second, w.slack, "D-alice", "has ended")
			if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review"}, w.ms.Writes()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
