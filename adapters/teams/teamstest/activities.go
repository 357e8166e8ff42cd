package teamstest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// targetedLife is how long a targeted message lives.
const targetedLife = 24 * time.Hour

// createConversation opens a chat with one person, always the same one, or
// begins a thread in a channel.
func (t *Teams) createConversation(c call) (int, any, error) {
	var p parameters
	if err := decode(c.body, &p); err != nil {
		return 0, nil, fault("BadSyntax", "the parameters are wrong: %v", err)
	}
	if p.Bot != nil && p.Bot.ID != t.BotID() {
		return 0, nil, fault("BadArgument", "the bot is called %q, not %q", p.Bot.ID, t.BotID())
	}
	if p.TopicName != "" {
		return 0, nil, fault("BadArgument", "topicName is not simulated")
	}
	if p.ChannelData != nil && p.ChannelData.Channel != nil {
		return t.beginThread(p)
	}
	return t.openChat(p)
}

func (t *Teams) openChat(p parameters) (int, any, error) {
	tenant := p.TenantID
	if p.ChannelData != nil && p.ChannelData.Tenant != nil {
		if tenant != "" && tenant != p.ChannelData.Tenant.ID {
			return 0, nil, fault("BadArgument", "tenantId and channelData.tenant.id differ")
		}
		tenant = p.ChannelData.Tenant.ID
	}
	if tenant == "" || p.IsGroup || len(p.Members) != 1 || p.Bot == nil {
		return 0, nil, refuse(http.StatusBadRequest, "BadSyntax", "Incorrect conversation creation parameters")
	}
	id := p.Members[0].ID
	if !strings.HasPrefix(id, "29:") && uuid.Validate(id) != nil {
		return 0, nil, refuse(http.StatusBadRequest, "BadArgument", "Failed to decrypt pairwise id")
	}
	s := t.State()
	person := s.account(id)
	switch {
	case person == nil && strings.HasPrefix(id, "29:"):
		return 0, nil, refuse(http.StatusBadRequest, "BadArgument", "Failed to decrypt pairwise id")
	case person == nil, !person.InstalledPersonal, !strings.EqualFold(t.tenantOf(*person), tenant):
		return 0, nil, errRoster
	}
	answer := conversationResource{ID: person.Personal}
	if p.Activity != nil {
		a, err := t.accept(*p.Activity, "", false)
		if err != nil {
			return 0, nil, err
		}
		if answer.ActivityID, err = t.put(person.Personal, a); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusCreated, answer, nil
}

func (t *Teams) beginThread(p parameters) (int, any, error) {
	if p.Activity == nil || len(p.Members) > 0 || strings.Contains(p.ChannelData.Channel.ID, threadMark) {
		return 0, nil, refuse(http.StatusBadRequest, "BadSyntax", "Incorrect conversation creation parameters")
	}
	a, err := t.accept(*p.Activity, "", false)
	if err != nil {
		return 0, nil, err
	}
	id, err := t.put(p.ChannelData.Channel.ID, a)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, conversationResource{ID: p.ChannelData.Channel.ID + threadMark + id, ActivityID: id}, nil
}

// postActivity says something in a conversation, or in answer to a message.
func (t *Teams) postActivity(c call) (int, any, error) {
	p, err := decodeActivity(c.body)
	if err != nil {
		return 0, nil, err
	}
	// A bot may answer an invoke, whose id is no message's.
	if c.activity != "" && !strings.HasPrefix(c.activity, "f:") {
		s := t.State()
		conversation, root := s.conversation(c.conversation)
		if conversation == nil {
			return 0, nil, errConversation
		}
		original := conversation.activity(c.activity)
		if original == nil || original.Deleted {
			return 0, nil, errActivity
		}
		if root == "" && original.Root != "" {
			c.conversation += threadMark + original.Root
		}
	}
	if p.Type == "typing" { // shown for a moment, kept nowhere
		_, err := t.roster(c.conversation)
		return http.StatusCreated, resource{}, err
	}
	a, err := t.accept(p, c.conversation, c.targeted)
	if err != nil {
		return 0, nil, err
	}
	id, err := t.put(c.conversation, a)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, resource{ID: id}, nil
}

// putActivity replaces a message, and with it every card that stood in its place
// for one person.
func (t *Teams) putActivity(c call) (int, any, error) {
	p, err := decodeActivity(c.body)
	if err != nil {
		return 0, nil, err
	}
	if c.targeted && p.Recipient != nil {
		return 0, nil, refuse(http.StatusBadRequest, "BadArgument", "An update of a targeted message must not name a recipient.")
	}
	if p.ID != "" && p.ID != c.activity {
		return 0, nil, fault("BadArgument", "the body is about activity %q", p.ID)
	}
	next, err := t.accept(p, c.conversation, false)
	if err != nil {
		return 0, nil, err
	}
	err = t.own(c, func(a *Activity) {
		a.Text, a.Summary, a.Card, a.Views = next.Text, next.Summary, next.Card, nil
		a.Updates++
	})
	return http.StatusOK, resource{ID: c.activity}, err
}

// deleteActivity takes a message away.
func (t *Teams) deleteActivity(c call) (int, any, error) {
	err := t.own(c, (*Activity).remove)
	return http.StatusOK, nil, err
}

// own changes a message of the bot's own.
func (t *Teams) own(c call, edit func(*Activity)) error {
	now := t.options.Now()
	return t.change(func(w *world) error {
		conversation, root := w.State.conversation(c.conversation)
		if conversation == nil {
			return errConversation
		}
		if !conversation.BotInstalled {
			return errRoster
		}
		a := conversation.activity(c.activity)
		switch {
		case a == nil, a.Deleted, root != "" && a.Root != root, (a.Only != "") != c.targeted:
			return errActivity
		case a.Only != "" && !now.Before(a.At.Add(targetedLife)):
			return errActivity
		case a.From != "":
			return errNotYours
		}
		edit(a)
		return nil
	})
}

// put adds a message of the bot to a conversation and gives its id.
func (t *Teams) put(id string, a Activity) (string, error) {
	s := t.State()
	c, _ := s.conversation(id)
	switch {
	case c == nil:
		return "", errConversation
	case !c.BotInstalled:
		return "", errRoster
	}
	if err := t.throttled(id); err != nil {
		return "", err
	}
	now := t.options.Now().UTC()
	err := t.change(func(w *world) error {
		c, root := w.State.conversation(id)
		if a.Only != "" {
			p := w.State.account(a.Only)
			if c.Kind != ChannelKind || p == nil || !slices.Contains(c.Members, p.Name) {
				return refuse(http.StatusBadRequest, "BadArgument", "A targeted message needs a recipient who is in the channel.")
			}
			a.Only = p.Name
		}
		a.ID, a.At = w.nextID(now.UnixMilli()), now
		if c.Kind == ChannelKind {
			a.Root = root
			if root == "" {
				a.Root = a.ID
			}
		}
		c.Activities = append(c.Activities, a)
		return nil
	})
	return a.ID, err
}

// decodeActivity reads an activity of a bot.
func decodeActivity(raw []byte) (posted, error) {
	var p posted
	if err := decode(raw, &p); err != nil {
		return p, fault("BadSyntax", "the activity is wrong: %v", err)
	}
	return p, nil
}

// accept checks a message of the bot and gives what is shown of it. Only of a
// targeted one is the recipient's id.
func (t *Teams) accept(p posted, conversation string, targeted bool) (Activity, error) {
	if p.Conversation != nil && p.Conversation.ID == "" {
		return Activity{}, refuse(http.StatusBadRequest, "BadArgument", "The conversation has no id.")
	}
	base := func(id string) string { b, _, _ := strings.Cut(id, threadMark); return b }
	switch {
	case p.Type != "message":
		return Activity{}, fault("BadArgument", "activities of type %q are not simulated", p.Type)
	case p.Conversation != nil && conversation != "" && base(p.Conversation.ID) != base(conversation):
		return Activity{}, fault("BadArgument", "the body is about conversation %q", p.Conversation.ID)
	case p.From != nil && p.From.ID != t.BotID():
		return Activity{}, fault("BadArgument", "the message is from %q, not from the bot", p.From.ID)
	case p.Recipient != nil && p.Recipient.ID == "":
		return Activity{}, fault("BadArgument", "the recipient has no id")
	case p.Text != "" && len(p.Attachments) > 0:
		return Activity{}, fault("BadSyntax", "Activity resulted into multiple skype activities: text stands beside an attachment")
	case p.Text == "" && len(p.Attachments) == 0:
		return Activity{}, fault("BadSyntax", "the message is empty")
	case len(p.Attachments) > 1:
		return Activity{}, fault("BadArgument", "more than one attachment is not simulated")
	case !slices.Contains([]string{"", "plain", "markdown", "xml"}, p.TextFormat):
		return Activity{}, fault("BadArgument", "the text format %q is not known", p.TextFormat)
	}
	for _, e := range p.Entities {
		switch {
		case e.Type == "targetedMessageInfo" && e.MessageID != "":
		case e.Type == "mention" && e.Mentioned != nil && e.Mentioned.ID != "" && e.Text != "" && strings.Contains(p.Text, e.Text):
		default:
			return Activity{}, fault("BadSyntax", "an entity of type %q is not known, or incomplete, or not in the text", e.Type)
		}
	}
	a := Activity{Text: p.Text, Summary: p.Summary}
	if len(p.Attachments) == 1 {
		card := p.Attachments[0]
		if card.ContentType != cardType {
			return Activity{}, fault("BadArgument", "attachments of type %q are not simulated", card.ContentType)
		}
		shown, err := t.cards.check(card.Content)
		if err != nil {
			return Activity{}, fault("BadSyntax", "the card is refused: %v", err)
		}
		a.Card = shown
	}
	if targeted {
		if p.Recipient == nil {
			return Activity{}, refuse(http.StatusBadRequest, "BadArgument", "A targeted message needs a recipient.")
		}
		a.Only = p.Recipient.ID
	}
	return a, nil
}
