package bot_test

import (
	"testing"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store/storetest"
)

// Whoever acts while nobody can say what the disk kept is not told that nothing was done. Here
// it was kept: the request goes on, and the same form again asks for nothing twice.
func TestNobodyKnowsWhatWasRecorded(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	w.stop()
	disk := storetest.Faulty(w.disk)
	w.disk = disk
	w.start()
	f := w.says("alice", bot.Command{Text: "reports"}).Form
	values := valuesOf(f)
	values["duration"], values["reason"] = "PT1H", "figures"
	disk.Every(1, storetest.Keep)
	c := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: values}).Card
	disk.Every(0, storetest.Keep)
	if c == nil || c.Title != "It is not certain what was done" {
		t.Fatalf("the answer is %+v\n%s", c, w.logs.String())
	}
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: values})
	if all := w.ms.Writes(); len(all) != 1 {
		t.Errorf("Microsoft was written to: %q", all)
	}
}
