package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Microsoft did not answer, and its person asked in the portal before the call was made
// again: what is active now was asked for in other words, and is not this request. Found by
// a random history.
func TestAskedInThePortalWhileTheAnswerWasLost(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.Fail("activate", &pim.Error{Op: "activate", Code: pim.CodeUnavailable, Ambiguous: true, After: time.Minute})
	id := w.asks("alice", reports, bot.Ask{Duration: 2 * time.Hour, Justification: "canary of the chat"})
	w.until(id, func(r bot.Request) bool { return r.Intents[0].Tries == 1 })
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: time.Hour, Justification: "from the portal"}); err != nil {
		t.Fatal(err)
	}
	w.ms.SetLive("oid-alice", true)
	r := w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() || r.State == bot.Active })
	if r.State != bot.Failed || r.Trouble == nil || r.Trouble.Code != pim.CodeExists || r.Intents[0].Outcome != bot.Refused {
		t.Errorf("it is %s, %+v: %+v", r.State, r.Trouble, r.Intents)
	}
	w.sees(w.slack, "D-alice", "Reports Reader is active", "from the portal")
}
