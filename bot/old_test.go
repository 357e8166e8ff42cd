package bot_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// What the version before wrote has none of these.
var newer = map[string][]string{
	"":     {"approverGroups", "defaultApprovers", "follows", "followsUntil", "freed", "followedBy", "elsewhere", "traced", "meetAt", "with", "wordGiven", "groupRead", "groupRoles"},
	"ask":  {"start"},
	"held": {"listed", "gone"},
}

// age makes of a request, and of what stands beside it, what the version before wrote.
func (w *world) age(id string) {
	w.t.Helper()
	requests, held := store.NewBucket[map[string]json.RawMessage]("requests"), store.NewBucket[string]("held")
	err := store.Seal(w.disk, w.keys).Update(w.t.Context(), func(tx store.Tx) error {
		r, err := requests.Get(tx, id)
		if err != nil {
			return err
		}
		for part, names := range newer {
			inner := r
			if part != "" {
				inner = map[string]json.RawMessage{}
				if err := json.Unmarshal(r[part], &inner); err != nil {
					return err
				}
			}
			for _, name := range names {
				delete(inner, name)
			}
			if part != "" {
				if r[part], err = json.Marshal(inner); err != nil {
					return err
				}
			}
		}
		if err := requests.Put(tx, id, r); err != nil {
			return err
		}
		return held.Scan(tx, "", "", func(key, _ string) error { return held.Delete(tx, key) })
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Requests of the version before go on: one that waits is found in an approver's list
// without being taken for another one, is decided, and ends.
func TestRequestsOfTheVersionBefore(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.stop()
	w.age(id)
	w.start()
	w.looksAgain(2)
	if n := askers(w.slack, "D-carol"); n != 1 {
		t.Errorf("Carol has %d cards", n)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.seesLater(time.Second, w.slack, "D-alice", "User Administrator is active", "Approved by Bob Brown")
	w.stop()
	w.age(id)
	w.start()
	w.advance(time.Hour)
	w.seesLater(time.Second, w.slack, "D-alice", "User Administrator has ended", "Its time is over")
	w.verify(1)
}
