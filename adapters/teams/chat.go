package teams

import (
	"context"
	"errors"

	"github.com/infracloudio/msbotbuilder-go/core/activity"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Post posts c as a new message; in a channel it begins a thread, or stands in that
// of to.Thread. Teams takes no key and cannot refuse a second post, so an error that is Ambiguous may have
// left a message behind.
func (a *Adapter) Post(ctx context.Context, to bot.Conversation, _ string, c bot.Card) (bot.Message, error) {
	at := &call{a: a, ctx: ctx, op: "post"}
	in := to
	if to.Thread != "" && !to.Private { // a chat of two has no threads
		in.ID += threadMark + to.Thread
	}
	act, err := at.message(in, renderCard(onRecord, c), c.Title)
	if err != nil {
		return bot.Message{}, err
	}
	id, err := at.post(act)
	if err != nil {
		return bot.Message{}, a.noted(to, err)
	}
	return bot.Message{Conversation: to, ID: id}, nil
}

// Update puts c in the place of the card of m, for everybody who sees it.
func (a *Adapter) Update(ctx context.Context, m bot.Message, c bot.Card) error {
	at := &call{a: a, ctx: ctx, op: "update"}
	act, err := at.message(m.Conversation, renderCard(onRecord, c), c.Title)
	if err != nil {
		return err
	}
	if !safeID(m.ID) {
		return at.fail(bot.ChatGone, false, errors.New("that is no id of a Teams message"))
	}
	act.ID = m.ID
	return a.noted(m.Conversation, at.update(act))
}

// Whisper shows c in the personal chat with to: in `at` itself where that is it.
func (a *Adapter) Whisper(ctx context.Context, at bot.Conversation, to bot.User, c bot.Card) error {
	chat := at
	if !at.Private || decodeRef(at.Ref).User.AadObjectID != to.ID {
		var err error
		if chat, err = a.reach(ctx, "whisper", to.ID); err != nil {
			return err
		}
	}
	w := &call{a: a, ctx: ctx, op: "whisper"}
	act, err := w.message(chat, renderCard(inChat, c), c.Title)
	if err != nil {
		return err
	}
	_, err = w.post(act)
	return a.noted(chat, err)
}

// Reach finds the personal chat with p by its Entra object id, opening it where
// the app is installed for that person. ChatUnreachable: it is not.
func (a *Adapter) Reach(ctx context.Context, p pim.Principal) (bot.Conversation, error) {
	return a.reach(ctx, "reach", p.ID)
}

func (a *Adapter) reach(ctx context.Context, op, person string) (bot.Conversation, error) {
	c := &call{a: a, ctx: ctx, op: op}
	if !safeID(person) {
		return bot.Conversation{}, c.fail(bot.ChatRefused, false, errors.New("that is no Entra object id"))
	}
	if known, ok := a.places.chatWith(person); ok {
		return known, nil
	}
	tenant := a.opts.TenantID
	serviceURL := a.places.serviceURL("", schema.ConversationReference{})
	made, err := c.create(serviceURL, schema.ConversationParameters{
		Bot:         schema.ChannelAccount{ID: a.botID()},
		Members:     []schema.ChannelAccount{{ID: person}},
		TenantID:    tenant,
		ChannelData: map[string]any{"tenant": map[string]any{"id": tenant}},
	})
	if err != nil {
		return bot.Conversation{}, err
	}
	if _, err := a.hosts.check(made.ServiceURL); err == nil {
		serviceURL = made.ServiceURL
	}
	chat := bot.Conversation{
		Platform: bot.Teams, Tenant: tenant, ID: made.ID, Private: true,
		Ref: encodeRef(schema.ConversationReference{
			User:         schema.ChannelAccount{AadObjectID: person},
			Bot:          schema.ChannelAccount{ID: a.botID()},
			Conversation: schema.ConversationAccount{ID: made.ID, ConversationType: "personal", TenantID: tenant},
			ChannelID:    channel,
			ServiceURL:   serviceURL,
		}),
	}
	a.places.keepChat(person, chat)
	return chat, nil
}

// message is an activity that shows a card in a conversation.
func (c *call) message(to bot.Conversation, shows card, summary string) (schema.Activity, error) {
	act, err := c.addressed(to)
	act.Summary = line(summary, maxTitle)
	act.Attachments = []schema.Attachment{{ContentType: cardType, Content: shows}}
	return act, err
}

// addressed is an empty message for a conversation. The error says that it is
// none of ours, or that its address is not one that Teams gives.
func (c *call) addressed(to bot.Conversation) (schema.Activity, error) {
	if to.Platform != bot.Teams || to.Tenant != "" && to.Tenant != c.a.opts.TenantID || !safeID(to.ID) {
		return schema.Activity{}, c.fail(bot.ChatRefused, false, errors.New("that is no conversation of this Teams"))
	}
	ref := decodeRef(to.Ref)
	ref = schema.ConversationReference{
		Bot:          schema.ChannelAccount{ID: c.a.botID()},
		Conversation: schema.ConversationAccount{ID: to.ID},
		ChannelID:    channel,
		ServiceURL:   c.a.places.serviceURL(to.ID, ref),
	}
	if _, err := c.a.hosts.check(ref.ServiceURL); err != nil {
		return schema.Activity{}, c.fail(bot.ChatRefused, false, err)
	}
	return activity.ApplyConversationReference(schema.Activity{Type: schema.Message}, ref, false), nil
}

// noted forgets a conversation that turned out not to be reachable.
func (a *Adapter) noted(where bot.Conversation, err error) error {
	var e *bot.ChatError
	if errors.As(err, &e) && e.Code == bot.ChatUnreachable {
		a.places.forget(where.ID)
	}
	return err
}
