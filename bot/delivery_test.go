package bot_test

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
)

// A press that was taken back is delivered again, bytes by bytes, to a second
// process over the same store: it has no effect there, and none after a restart.
func TestReplayedToAnotherProcess(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "look")
	w.sees(w.slack, "D-alice", "is active")
	one := w.bot
	stop := w.stop
	w.start() // a second process
	two := w.bot
	t.Cleanup(stop)
	in := func(said bot.Said, delivery string) bot.Inbound {
		in := w.in("alice", said)
		in.Delivery = delivery
		return in
	}
	planned := func() bool {
		r, err := one.Request(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range r.Intents {
			if i.Kind == bot.ToDeactivate && i.State == bot.IntentReady {
				return true
			}
		}
		return false
	}
	press := in(bot.Press{Verb: bot.VerbStop, ID: id}, "v0=one")
	if got, _ := one.Handle(t.Context(), press); got.Card == nil || !planned() {
		t.Fatalf("the press is answered with %+v", got.Card)
	}
	if got, _ := one.Handle(t.Context(), in(bot.Press{Verb: bot.VerbKeep, ID: id}, "v0=two")); got.Card == nil || planned() {
		t.Fatalf("keeping it is answered with %+v", got.Card)
	}
	for name, b := range map[string]*bot.Bot{"the same process": one, "another process": two} {
		reply, later := b.Handle(t.Context(), press)
		if reply.Card != nil || reply.Form != nil || later != nil || planned() {
			t.Errorf("%s takes it again: %+v", name, reply.Card)
		}
	}
	// The same act in another delivery is another act, and reading may be repeated.
	for range 2 {
		if got, _ := two.Handle(t.Context(), in(bot.Command{Text: "status"}, "v0=three")); got.Card == nil {
			t.Error("a list that is asked for twice is not shown twice")
		}
	}
	if got, _ := two.Handle(t.Context(), in(bot.Press{Verb: bot.VerbStop, ID: id}, "v0=four")); got.Card == nil || !strings.Contains(words(*got.Card), "first five minutes") || !planned() {
		t.Errorf("a new press is answered with %+v", got.Card)
	}
}
