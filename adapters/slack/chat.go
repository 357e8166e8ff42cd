package slack

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/google/uuid"
	slackgo "github.com/slack-go/slack"
)

// place is a conversation of Slack. A direct message with the bot names its
// person in Ref: a slash command does not say whose direct message it was typed
// in, and a post to a person always reaches the bot's own one with them.
func place(team, channel, user string) bot.Conversation {
	c := bot.Conversation{Platform: bot.Slack, Tenant: team, ID: channel}
	if channel == "" {
		c.ID = user
	}
	if channel == "" || strings.HasPrefix(channel, "D") {
		c.Private, c.Ref = true, user
	}
	return c
}

// content is cards as the arguments that all messages have in common.
func content(cards ...bot.Card) slackgo.MsgOption {
	return slackgo.MsgOptionCompose(
		slackgo.MsgOptionText(notice(cards[0]), false), // escaped already
		slackgo.MsgOptionBlocks(blocks(cards...)...),
		slackgo.MsgOptionParse(false),
		slackgo.MsgOptionLinkNames(false),
	)
}

// messageID is key as Slack's client_msg_id. Slack documents errors about
// duplicates of it for chat.postMessage but not the argument itself: it may
// refuse a second post under the same key, and nothing relies on it.
func messageID(key string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("belay:slack:"+key)).String()
}

// threadless are Slack's refusals of an answer below a message. What is to be said
// is said in the conversation itself then.
var threadless = []string{"thread_not_found", "restricted_action_non_threadable_channel", "restricted_action_thread_locked"}

// Post posts c, in the direct message with a person when to names one, and below
// the message of to.Thread where that is still there. The message's conversation
// is the one that Slack answers.
func (a *Adapter) Post(ctx context.Context, to bot.Conversation, key string, c bot.Card) (bot.Message, error) {
	channel := to.ID
	if to.Private && to.Ref != "" {
		channel = to.Ref
	}
	var id, ts string
	err := plainly([]bot.Card{c}, func(cards ...bot.Card) (err error) {
		id, ts, err = a.api.PostMessageContext(ctx, channel, content(cards...), slackgo.MsgOptionTS(to.Thread),
			slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
			slackgo.UnsafeMsgOptionEndpoint(a.base.String()+"/api/chat.postMessage", func(v url.Values) {
				v.Set("client_msg_id", messageID(key))
			}))
		return err
	})
	if to.Thread != "" && slices.ContainsFunc(threadless, func(code string) bool { return refusedAs(err, code) }) {
		to.Thread = ""
		return a.Post(ctx, to, key, c)
	}
	if err != nil {
		return bot.Message{}, failed("post", err)
	}
	to.ID = or(id, to.ID)
	return bot.Message{Conversation: to, ID: ts}, nil
}

// Update replaces the card of m.
func (a *Adapter) Update(ctx context.Context, m bot.Message, c bot.Card) error {
	return failed("update", plainly([]bot.Card{c}, func(cards ...bot.Card) error {
		_, _, _, err := a.api.UpdateMessageContext(ctx, m.Conversation.ID, m.ID, content(cards...))
		return err
	}))
}

// Whisper shows c to one person as an ephemeral message. Where the bot may not
// do that, such as in a channel that it is not in, it writes to them directly.
func (a *Adapter) Whisper(ctx context.Context, at bot.Conversation, to bot.User, c bot.Card) error {
	return a.whisper(ctx, at, to, c)
}

func (a *Adapter) whisper(ctx context.Context, at bot.Conversation, to bot.User, cards ...bot.Card) error {
	err := failed("whisper", plainly(cards, func(cards ...bot.Card) error {
		_, err := a.api.PostEphemeralContext(ctx, at.ID, to.ID, content(cards...))
		return err
	}))
	if e := new(bot.ChatError); !errors.As(err, &e) || e.Code != bot.ChatUnreachable {
		return err
	}
	return a.write(ctx, to, cards...)
}

// write posts cards in the direct message with a person.
func (a *Adapter) write(ctx context.Context, to bot.User, cards ...bot.Card) error {
	return failed("whisper", plainly(cards, func(cards ...bot.Card) error {
		_, _, err := a.api.PostMessageContext(ctx, to.ID, content(cards...),
			slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
		return err
	}))
}

// errNotFull is a person found by e-mail who is a guest, a bot, deactivated or
// of another organisation.
var errNotFull = errors.New("the person is no full member of the workspace")

// errNoAddress is a principal without any e-mail address.
var errNoAddress = errors.New("the person has no e-mail address to look for")

// Reach finds p's direct message by their mail, then by their user principal
// name. The answer, also that there is nobody, is kept for ten minutes.
func (a *Adapter) Reach(ctx context.Context, p pim.Principal) (bot.Conversation, error) {
	err := failed("reach", &apiError{Method: "users.lookupByEmail", Code: "users_not_found", Err: errNoAddress})
	for _, address := range slices.Compact([]string{strings.ToLower(p.Mail), strings.ToLower(p.UPN)}) {
		if address == "" {
			continue
		}
		found, known := a.reached.get(address, a.opts.Now())
		if !known {
			found = a.lookUp(ctx, address)
			a.reached.put(address, found, a.opts.Now())
		}
		if found.err == nil {
			return found.at, nil
		}
		if err = found.err; !found.lasting() {
			break
		}
	}
	return bot.Conversation{}, err
}

// lookUp asks Slack whom address belongs to.
func (a *Adapter) lookUp(ctx context.Context, address string) finding {
	u, err := a.api.GetUserByEmailContext(ctx, address)
	if err != nil {
		return finding{err: failed("reach", err)}
	}
	if !a.full(u) {
		return finding{err: &bot.ChatError{Platform: bot.Slack, Op: "reach", Code: bot.ChatUnreachable, Err: errNotFull}}
	}
	dm, _, _, err := a.api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{u.ID}})
	if err != nil {
		return finding{err: failed("reach", err)}
	}
	return finding{at: place(u.TeamID, dm.ID, u.ID)}
}

// Profile reads what Slack says of u.
func (a *Adapter) Profile(ctx context.Context, u bot.User) (bot.Profile, error) {
	p, err := a.api.GetUserInfoContext(ctx, u.ID)
	if err != nil {
		return bot.Profile{}, failed("profile", err)
	}
	return bot.Profile{Name: or(p.RealName, p.Name), Email: p.Profile.Email, Zone: p.TZ, Full: a.full(p)}, nil
}

// full tells whether u is a person who is a full member of a workspace that is
// served.
func (a *Adapter) full(u *slackgo.User) bool {
	return !u.Deleted && !u.IsBot && !u.IsRestricted && !u.IsUltraRestricted && !u.IsStranger &&
		!u.IsInvitedUser && !u.IsConnectorBot && !u.IsWorkflowBot && u.ID != "USLACKBOT" &&
		a.serves(u.TeamID, u.Enterprise.EnterpriseID)
}

// serves tells whether a workspace is one of those that are configured.
func (a *Adapter) serves(team, enterprise string) bool {
	return slices.Contains(a.opts.Teams, team) || a.opts.EnterpriseID != "" && enterprise == a.opts.EnterpriseID
}

const (
	keepReached = 10 * time.Minute
	maxReached  = 10_000
)

// reached remembers what Slack said of people.
type reached struct {
	mu    sync.Mutex
	known map[string]finding
}

type finding struct {
	at    bot.Conversation
	err   error
	since time.Time
}

func newReached() *reached { return &reached{known: make(map[string]finding)} }

// lasting tells whether f would be the same a moment later.
func (f finding) lasting() bool {
	var e *bot.ChatError
	return f.err == nil || errors.As(f.err, &e) && e.Code == bot.ChatUnreachable
}

func (r *reached) get(address string, now time.Time) (finding, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.known[address]
	return f, ok && now.Sub(f.since) < keepReached
}

func (r *reached) put(address string, f finding, now time.Time) {
	if !f.lasting() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxReached {
		clear(r.known)
	}
	f.since = now
	r.known[address] = f
}
