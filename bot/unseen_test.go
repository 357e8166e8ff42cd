package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// Read for the first time after the window, and asked to wait a moment: that is no
// answer yet, and the outcome is told when there is one.
func TestAskedToWaitAfterTheWindow(t *testing.T) {
	for name, c := range map[string]struct {
		late time.Duration
		want []string
	}{
		"in time":  {24*time.Hour + 11*time.Minute, []string{"User Administrator was not activated", "Nobody decided within 24 hours"}},
		"too late": {26 * time.Hour, []string{"outcome not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.link("alice")
			w.ask("alice", "user admin", "PT1H", "reset a password")
			w.sees(w.teams, "chat-bob", "[Approve]")
			w.stop()
			w.onlyLive("alice")
			w.ms.Fail("request", &pim.Error{Op: "request", Code: pim.CodeThrottled, After: 20 * time.Millisecond})
			w.advance(c.late)
			w.start()
			w.sees(w.slack, "D-alice", c.want...)
		})
	}
}
