package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// Read for the first time after the window, and not answered: that is no word yet, and the
// outcome is told when there is one. Where readings fail for long, it stays unknown.
func TestUnansweredAfterTheWindow(t *testing.T) {
	throttled := &pim.Error{Op: "request", Code: pim.CodeThrottled, After: 20 * time.Millisecond}
	gone := &pim.Error{Op: "request", Code: pim.CodeUnavailable}
	for name, c := range map[string]struct {
		fails error
		times int
		want  []string
	}{
		"asked to wait": {throttled, 1, []string{"User Administrator was not activated", "Nobody decided within 24 hours"}},
		"an outage":     {gone, 3, []string{"User Administrator was not activated", "Nobody decided within 24 hours"}},
		"for long":      {gone, 1000, []string{"outcome not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.link("alice")
			w.ask("alice", "user admin", "PT1H", "reset a password")
			w.sees(w.teams, "chat-bob", "[Approve]")
			w.stop()
			w.onlyLive("alice")
			for range c.times {
				w.ms.Fail("request", c.fails)
			}
			w.advance(24*time.Hour + 11*time.Minute)
			w.start()
			w.seesLater(30*time.Second, w.slack, "D-alice", c.want...)
		})
	}
}
