package bot_test

import (
	"testing"

	"github.com/belaybot/belay/bot"
)

// A process is killed at any point of an act, and its platform, which heard nothing,
// delivers the same to the next one. However far the first came, the act is done, and once.
func TestADeliveryWhoseProcessWasKilledIsTakenByTheNext(t *testing.T) {
	for point := 1; ; point++ {
		w := newWorld(t)
		w.link("alice")
		id := w.ask("alice", "reports", "PT1H", "look")
		w.until(id, func(r bot.Request) bool { return r.State == bot.Active && r.Lease.Owner == "" })
		m := &mortal{left: -1}
		w.change = func(o *bot.Options) { o.Store = mortalStore{o.Store, m} }
		w.restart()
		w.stop() // from here on nothing but the press touches the store
		m.left = point
		in := w.in("alice", bot.Press{Verb: bot.VerbStop, ID: id})
		in.Delivery = "v0=one"
		w.bot.Handle(t.Context(), in)
		if !m.isDead() {
			if point < 3 {
				t.Error("nothing is recorded: this tests nothing")
			}
			return
		}
		w.change = nil
		w.start()
		for range 2 {
			w.bot.Handle(t.Context(), in)
		}
		var stops int
		r, err := w.bot.Request(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range r.Intents {
			if i.Kind == bot.ToDeactivate {
				stops++
			}
		}
		if stops != 1 {
			t.Errorf("killed at point %d (%s): the deactivation is recorded %d times", point, m.where, stops)
		}
	}
}
