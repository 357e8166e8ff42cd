package bottest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Message is a card that a Chat shows.
type Message struct {
	bot.Message
	Key     string
	Card    bot.Card
	Updates int
}

// Chat is an in-memory platform behind bot's port, for tests of the core.
type Chat struct {
	Platform bot.Platform

	mu       sync.Mutex
	messages []*Message
	direct   map[string]bot.Conversation // by principal: who can be reached
	profiles map[string]bot.Profile      // by user id
	fails    []error
	posted   int
	changed  chan struct{}
}

// NewChat is an empty platform.
func NewChat(p bot.Platform) *Chat {
	return &Chat{Platform: p, direct: map[string]bot.Conversation{}, profiles: map[string]bot.Profile{}, changed: make(chan struct{})}
}

// Reachable lets Reach find a person.
func (c *Chat) Reachable(principal string, at bot.Conversation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.direct[principal] = at
}

// SetProfile says what the platform tells of a user.
func (c *Chat) SetProfile(user string, p bot.Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.profiles[user] = p
}

// Fail lets the next calls fail, in order.
func (c *Chat) Fail(errs ...error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = append(c.fails, errs...)
}

// Delete removes a message, as a person may.
func (c *Chat) Delete(m bot.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = slices.DeleteFunc(c.messages, func(x *Message) bool { return x.Message == m })
	c.tell()
}

// In lists the messages of a conversation, oldest first.
func (c *Chat) In(conversation string) []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in(conversation)
}

func (c *Chat) in(conversation string) []Message {
	var all []Message
	for _, m := range c.messages {
		if m.Conversation.ID == conversation {
			all = append(all, *m)
		}
	}
	return all
}

// Wait returns when a message of the conversation satisfies ok.
func (c *Chat) Wait(ctx context.Context, conversation string, ok func(Message) bool) (Message, error) {
	for {
		c.mu.Lock()
		all, changed := c.in(conversation), c.changed
		c.mu.Unlock()
		for _, m := range all {
			if ok(m) {
				return m, nil
			}
		}
		select {
		case <-ctx.Done():
			var titles []string
			for _, m := range all {
				titles = append(titles, m.Card.Title)
			}
			return Message{}, fmt.Errorf("%w; %s shows %q", ctx.Err(), conversation, titles)
		case <-changed:
		}
	}
}

func (c *Chat) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Chat) enter(op string) error {
	if len(c.fails) == 0 {
		return nil
	}
	err := c.fails[0]
	c.fails = c.fails[1:]
	var e *bot.ChatError
	if errors.As(err, &e) {
		e.Op = op
	}
	return err
}

// Post implements bot.Chat. A second post under one key shows nothing new.
func (c *Chat) Post(_ context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("post"); err != nil {
		return bot.Message{}, err
	}
	for _, m := range c.messages {
		if m.Key == key {
			return m.Message, nil
		}
	}
	c.posted++
	m := &Message{Message: bot.Message{Conversation: to, ID: fmt.Sprintf("m%d", c.posted)}, Key: key, Card: card}
	c.messages = append(c.messages, m)
	c.tell()
	return m.Message, nil
}

// Update implements bot.Chat.
func (c *Chat) Update(_ context.Context, at bot.Message, card bot.Card) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("update"); err != nil {
		return err
	}
	for _, m := range c.messages {
		if m.ID == at.ID && m.Conversation.ID == at.Conversation.ID {
			m.Card, m.Updates = card, m.Updates+1
			c.tell()
			return nil
		}
	}
	return &bot.ChatError{Platform: c.Platform, Op: "update", Code: bot.ChatGone, Err: errors.New("no such message")}
}

// Whisper implements bot.Chat.
func (c *Chat) Whisper(ctx context.Context, at bot.Conversation, to bot.User, card bot.Card) error {
	_, err := c.Post(ctx, at, "whisper/"+to.ID+"/"+card.Title, card)
	return err
}

// Reach implements bot.Chat.
func (c *Chat) Reach(_ context.Context, p pim.Principal) (bot.Conversation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter("reach"); err != nil {
		return bot.Conversation{}, err
	}
	at, ok := c.direct[p.ID]
	if !ok {
		return at, &bot.ChatError{Platform: c.Platform, Op: "reach", Code: bot.ChatUnreachable, Err: errors.New("not here")}
	}
	return at, nil
}

// Profile implements bot.Profiles.
func (c *Chat) Profile(_ context.Context, u bot.User) (bot.Profile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.profiles[u.ID]
	if !ok {
		return p, &bot.ChatError{Platform: c.Platform, Op: "profile", Code: bot.ChatUnreachable, Err: errors.New("no such user")}
	}
	return p, nil
}
