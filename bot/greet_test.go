package bot_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store/storetest"
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

// slowChat holds up the first post until it is let go.
type slowChat struct {
	bot.Chat
	once       sync.Once
	held, free chan struct{}
}

func (c *slowChat) Post(ctx context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	c.once.Do(func() {
		close(c.held)
		<-c.free
	})
	return c.Chat.Post(ctx, to, key, card)
}

// Whose link ends while they are being told of it are told of its end all the same.
func TestRevokedWhileBeingTold(t *testing.T) {
	w := newWorld(t)
	slow := &slowChat{Chat: w.slack, held: make(chan struct{}), free: make(chan struct{})}
	w.change = func(o *bot.Options) { o.Chats = map[bot.Platform]bot.Chat{bot.Slack: slow, bot.Teams: w.teams} }
	w.restart()
	w.link("alice")
	<-slow.held
	w.revokes("alice")
	close(slow.free)
	w.sees(w.slack, "D-alice", "You are not linked any more")
}

// While the store takes nothing, a message whose outcome cannot be recorded is not posted
// again at every look at what is due. Found by a random history.
func TestAGreetingWhileTheStoreTakesNothing(t *testing.T) {
	w := newWorld(t)
	w.stop()
	disk := storetest.Faulty(w.disk)
	w.disk = disk
	w.start()
	w.slack.Fail(&bot.ChatError{Platform: bot.Slack, Code: bot.ChatUnavailable, Err: errors.New("no answer")})
	w.link("alice")
	if err := w.bot.Quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk.Every(1, storetest.Lose)
	w.advance(11 * time.Second)
	if err := w.bot.Quiet(t.Context()); err != nil { // it rests, and does not go on for ever
		t.Fatal(err)
	}
	w.sees(w.slack, "D-alice", "You are linked")
	disk.Every(0, storetest.Lose)
}
