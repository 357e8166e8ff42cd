package bot_test

import (
	"context"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// stopShown has Alice's role active, and a deactivation planned and shown through chat, whose
// update reached the platform and is not on record.
func stopShown(t *testing.T, chat func(bot.Chat) bot.Chat, lose func()) (w *world, id string) {
	t.Helper()
	w = newWorld(t)
	w.link("alice")
	w.change = func(o *bot.Options) { o.Chats[bot.Slack] = chat(o.Chats[bot.Slack]) }
	w.restart()
	id = w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")
	w.until(id, func(r bot.Request) bool { return r.Lease.Owner == "" })
	lose()
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.sees(w.slack, "D-alice", "first five minutes", "[Keep it]")
	return w, id
}

// What a card shows is not what is on record when the answer to its update was lost. It is
// written again, also when just that is wanted once more which is on record.
func TestACardWhoseUpdateWasLostIsWrittenAgain(t *testing.T) {
	lost := &flaky{}
	w, id := stopShown(t, func(c bot.Chat) bot.Chat { return flakyChat{c, lost} }, func() { lost.set(0, 1) })
	w.until(id, func(r bot.Request) bool { return r.Shown["requester"].Tries == 1 && r.Lease.Owner == "" })
	w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id})
	w.advance(time.Minute)
	w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")
}

// halting is a chat after whose next update, once it is armed, a process stops.
type halting struct {
	bot.Chat
	armed, resume chan struct{}
}

func (c *halting) Update(ctx context.Context, m bot.Message, card bot.Card) error {
	err := c.Chat.Update(ctx, m, card)
	select {
	case <-c.armed:
		<-c.resume
	default:
	}
	return err
}

// The same where its process came to no end: whoever takes over writes the card again.
func TestACardWhoseProcessStoppedIsWrittenAgain(t *testing.T) {
	armed, resume := make(chan struct{}), make(chan struct{})
	w, id := stopShown(t, func(c bot.Chat) bot.Chat { return &halting{c, armed, resume} }, func() { close(armed) })
	firstStop := w.stop
	w.change = nil
	w.start() // the second process, over the same disk
	secondStop := w.stop
	w.stop = func() { firstStop(); secondStop() }
	defer close(resume)
	w.says("alice", bot.Press{Verb: bot.VerbKeep, ID: id})
	w.advance(2 * time.Minute) // the lease of the first runs out
	w.sees(w.slack, "D-alice", "You can use it now", "[Deactivate]")
}
