package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// Who links while the platform asks to wait is told a moment later; that is no fault
// for the operator to mend.
func TestToldOfALinkLater(t *testing.T) {
	w := newWorld(t)
	w.slack.Fail(&bot.ChatError{Platform: bot.Slack, Op: "post", Code: bot.ChatThrottled, After: 10 * time.Millisecond})
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked", "Alice Adams")
	if logs := w.logs.String(); !strings.Contains(logs, "could not be told yet") || strings.Contains(logs, "level=ERROR") {
		t.Errorf("the operator is told:\n%s", logs)
	}
}
