package bot_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

// lateChat takes nearly all the time that a call may have, and lets another replica look at
// what is due before it answers.
type lateChat struct {
	*bottest.Chat
	w     *world
	other *bot.Bot
	looks atomic.Bool

	mu    sync.Mutex
	posts map[string]int
}

func (c *lateChat) Post(ctx context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	c.mu.Lock()
	c.posts[to.ID]++
	c.mu.Unlock()
	c.w.advance(14 * time.Second)
	if c.looks.CompareAndSwap(false, true) {
		defer c.looks.Store(false)
		if err := c.other.Rest(context.WithoutCancel(ctx)); err != nil {
			c.w.t.Error(err)
		}
	}
	return c.Chat.Post(ctx, to, key, card)
}

func TestABulletinIsPostedByOneReplicaHoweverSlowTheChat(t *testing.T) {
	w := newWorld(t)
	slow := &lateChat{Chat: w.slack, w: w, posts: map[string]int{}}
	channels := make([]bot.Conversation, 9)
	for n := range channels {
		channels[n] = bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: fmt.Sprintf("C-%d", n)}
	}
	var options bot.Options
	w.change = func(o *bot.Options) {
		o.Notices.Default, o.Owner = channels, "this"
		o.Chats = map[bot.Platform]bot.Chat{bot.Slack: slow}
		options = *o
	}
	w.stop()
	w.start()
	options.Owner, options.Metrics = "other", nil
	other, err := bot.New(options)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := other.ByHand(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	slow.other = other
	w.posts(alert("alert/1", "Outside hours"))
	slow.mu.Lock()
	defer slow.mu.Unlock()
	for _, at := range channels {
		if n := slow.posts[at.ID]; n != 1 {
			t.Errorf("%d posts in %s", n, at.ID)
		}
	}
}
