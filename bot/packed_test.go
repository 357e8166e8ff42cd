package bot_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// stands is the document of a request as it is kept, its seal taken off.
func (w *world) stands(id string) (raw string) {
	w.t.Helper()
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) error {
		b, err := tx.Get("requests", []byte(id))
		raw = string(b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return raw
}

// A request is packed when nothing is left to do for it, and not before: presses rewrite what
// is open. What is packed is read, and changed, as everything else.
func TestARequestThatRestsIsPacked(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.seesLater(time.Second, w.slack, "D-alice", "User Administrator is active", "Approved by Bob Brown")
	active := w.stands(id)
	if active[0] != '{' {
		t.Errorf("an active request is kept as %.20q", active)
	}
	w.advance(time.Hour)
	w.seesLater(time.Second, w.slack, "D-alice", "User Administrator has ended", "Its time is over")
	w.untilLater(time.Second, id, func(r bot.Request) bool { return r.State.Final() && r.Wake.IsZero() })
	if raw := w.stands(id); raw[0] == '{' || len(raw)*2 > len(active) {
		t.Errorf("a request that rests is kept in %d bytes, as %.20q", len(raw), raw)
	}
	w.stop()
	w.start()
	if r := w.until(id, func(bot.Request) bool { return true }); r.State != bot.Ended || r.Ask.Justification != "reset a password" {
		t.Errorf("after a start it is %s, with %q", r.State, r.Ask.Justification)
	}
	w.verify(1)
}
