package teamstest

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"slices"
)

// place finds a person and a conversation in which they are. An empty
// conversation means their chat with the bot.
func (t *Teams) place(user, conversation string) (p Person, c Conversation, root string, err error) {
	s := t.State()
	found := s.person(user)
	if found == nil {
		return p, c, "", &Refused{fmt.Sprintf("nobody is called %q", user)}
	}
	if conversation == "" {
		conversation = found.Personal
	}
	there, root := s.conversation(conversation)
	if there == nil || !slices.Contains(there.Members, user) {
		return p, c, "", &Refused{fmt.Sprintf("%s is in no conversation %q", user, conversation)}
	}
	return *found, *there, root, nil
}

// Message writes text, in a channel after a mention of the bot when mention is
// set; without one the bot does not hear of it. The conversation is a chat, a
// channel (which begins a thread) or a thread ("…;messageid=…"). It gives the id
// of the message.
func (t *Teams) Message(ctx context.Context, user, conversation, text string, mention bool) (string, error) {
	return t.say(ctx, user, conversation, text, mention, false)
}

// Slash writes text to the bot as a slash command in a channel: a targeted
// message, which only the person and the bot see.
func (t *Teams) Slash(ctx context.Context, user, channel, text string) (string, error) {
	return t.say(ctx, user, channel, text, false, true)
}

func (t *Teams) say(ctx context.Context, user, conversation, text string, mention, targeted bool) (string, error) {
	p, c, root, err := t.place(user, conversation)
	if err != nil {
		return "", err
	}
	switch {
	case text == "":
		return "", &Refused{"the message is empty"}
	case !c.BotInstalled && (mention || targeted || c.Kind == Personal):
		return "", &Refused{fmt.Sprintf("%s is not installed there", t.options.BotName)}
	case targeted && c.Kind == Personal:
		return "", &Refused{"there are no targeted messages in a chat of two"}
	}
	a, err := t.write(p, c, root, text, mention, targeted)
	if err != nil {
		return "", err
	}
	if c.Kind == ChannelKind && !mention && !targeted {
		return a.ID, nil
	}
	return a.ID, t.deliver(ctx, user, a, func([]byte) error { return nil })
}

// write puts a person's message into the world and gives its activity.
func (t *Teams) write(p Person, c Conversation, root, text string, mention, targeted bool) (delivered, error) {
	now := t.options.Now()
	a := t.compose(p, c, root, text, mention)
	a.Recipient.IsTargeted = targeted
	err := t.change(func(w *world) error {
		a.ID = w.nextID(now.UnixMilli())
		shown := Activity{ID: a.ID, From: p.Name, Text: a.Text, At: now.UTC()}
		if c.Kind == ChannelKind {
			if shown.Root = root; root == "" {
				shown.Root = a.ID
			}
			a.Conversation.ID = c.ID + threadMark + shown.Root
		}
		if targeted {
			shown.Only = p.Name
		}
		there, _ := w.State.conversation(c.ID)
		there.Activities = append(there.Activities, shown)
		return nil
	})
	return a, err
}

// compose gives a message as the client sends it: the text, the same as HTML,
// and a mention as an entity. When Teams is unkind, the space after a mention is
// one that does not break.
func (t *Teams) compose(p Person, c Conversation, root, text string, mention bool) delivered {
	a := t.activity("message", p, c, root, t.options.Now())
	a.TextFormat, a.Text = "plain", text
	rich := html.EscapeString(text)
	if mention {
		t.mu.Lock()
		space := " "
		if t.unkind != (Unkind{}) {
			space = "\u00a0"
		}
		t.mu.Unlock()
		mark := "<at>" + t.options.BotName + "</at>"
		a.Text = mark + space + text
		a.Entities = append(a.Entities, entity{
			Type: "mention", Text: mark, Mentioned: &account{ID: t.BotID(), Name: t.options.BotName},
		})
		rich = `<span itemscope="" itemtype="http://schema.skype.com/Mention" itemid="0">` + html.EscapeString(t.options.BotName) + "</span>&nbsp;" + rich
	}
	content, err := json.Marshal("<p>" + rich + "</p>")
	if err != nil {
		panic("teamstest: a string is no JSON: " + err.Error())
	}
	a.Attachments = []attachment{{ContentType: "text/html", Content: content}}
	return a
}

// MessageBody gives the body of a message as Message would deliver it, for
// forging with Deliver. The world does not change.
func (t *Teams) MessageBody(user, conversation, text string) ([]byte, error) {
	p, c, root, err := t.place(user, conversation)
	if err != nil {
		return nil, err
	}
	a := t.compose(p, c, root, text, c.Kind == ChannelKind)
	a.ID = fmt.Sprint(t.options.Now().UnixMilli())
	return json.Marshal(a)
}

// Install installs the app for a person (user is their name, channel is empty)
// or, by a person, in the team of a channel, and tells the bot.
func (t *Teams) Install(ctx context.Context, user, channel string) error {
	return t.install(ctx, user, channel, true)
}

// Uninstall takes the app away again and tells the bot.
func (t *Teams) Uninstall(ctx context.Context, user, channel string) error {
	return t.install(ctx, user, channel, false)
}

func (t *Teams) install(ctx context.Context, user, channel string, add bool) error {
	p, c, root, err := t.place(user, channel)
	if err != nil {
		return err
	}
	if root != "" {
		return &Refused{"an app is installed in a channel, not in a thread"}
	}
	if err := t.change(func(w *world) error {
		for i := range w.State.Conversations {
			if other := &w.State.Conversations[i]; other.ID == c.ID || c.TeamID != "" && other.TeamID == c.TeamID {
				other.BotInstalled = add
			}
		}
		if c.Kind == Personal {
			w.State.person(user).InstalledPersonal = add
		}
		return nil
	}); err != nil {
		return err
	}
	now := t.options.Now()
	installation, update := t.activity("installationUpdate", p, c, "", now), t.activity("conversationUpdate", p, c, "", now)
	installation.Action = "add"
	installation.ChannelData.Source = &source{Name: "message"}
	members := []account{{ID: t.BotID()}}
	if c.Kind == Personal {
		members = append(members, account{ID: p.ID, AADObjectID: p.AADObjectID})
	} else {
		selected := &settings{SelectedChannel: named{ID: c.ID}}
		installation.ChannelData.Settings, update.ChannelData.Settings = selected, selected
		update.ChannelData.EventType = "teamMemberAdded"
	}
	update.MembersAdded, update.Entities = members, nil
	if !add {
		installation.Action = "remove"
		update.MembersAdded, update.MembersRemoved = nil, members
		update.ChannelData.EventType = "teamMemberRemoved"
	}
	nothing := func([]byte) error { return nil }
	if add || c.Kind == ChannelKind { // of a chat that ends, only the installation tells
		if err := t.deliver(ctx, user, update, nothing); err != nil {
			return err
		}
	}
	return t.deliver(ctx, user, installation, nothing)
}

// Remove takes a message away as the owner of a team, an administrator or a
// retention rule does. The bot is not told.
func (t *Teams) Remove(conversation, activity string) error {
	return t.change(func(w *world) error {
		c, _ := w.State.conversation(conversation)
		if c == nil || c.activity(activity) == nil {
			return &Refused{fmt.Sprintf("there is no message %q in %q", activity, conversation)}
		}
		c.activity(activity).remove()
		return nil
	})
}
