package slacktest

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNoSuch is wrapped by the errors of people's actions that name a user,
// channel, message, view or element that does not exist or that the person
// cannot see.
var ErrNoSuch = errors.New("no such thing in this workspace")

// ErrNotPossible is wrapped by the errors of people's actions that Slack's
// client does not offer: submitting a view that lies under another, choosing an
// option that is not in the list, searching with too few letters.
var ErrNotPossible = errors.New("Slack's client does not offer that")

// User is a person or a bot of the workspace.
type User struct {
	ID       string `json:"id"`   // U… or W…
	Name     string `json:"name"` // the handle, lower case
	RealName string `json:"real_name"`
	Email    string `json:"email,omitempty"`
	TeamID   string `json:"team_id,omitempty"` // another team's id for somebody who is here through Slack Connect

	Guest           bool `json:"guest,omitempty"`            // is_restricted
	UltraRestricted bool `json:"ultra_restricted,omitempty"` // a single-channel guest: is_restricted and is_ultra_restricted
	Bot             bool `json:"bot,omitempty"`
	Deleted         bool `json:"deleted,omitempty"` // deactivated
}

// Channel is a channel, or a direct message between the bot and one person.
type Channel struct {
	ID          string   `json:"id"`   // C…, for a direct message D…
	Name        string   `json:"name"` // without "#"; empty for a direct message
	Private     bool     `json:"private,omitempty"`
	Archived    bool     `json:"archived,omitempty"`
	Members     []string `json:"members,omitempty"` // user ids, without the bot
	BotIsMember bool     `json:"bot_is_member,omitempty"`
	User        string   `json:"user,omitempty"` // the person of a direct message
}

// AddUser adds a user, or replaces the one with the same id.
func (w *Workspace) AddUser(u User) {
	if u.TeamID == "" {
		u.TeamID = w.opts.TeamID
	}
	w.change(func() { w.kept.Users[u.ID] = u })
}

// ChangeUser replaces a user, as an administrator may, and tells the app: user_change.
func (w *Workspace) ChangeUser(ctx context.Context, u User) (Outcome, error) {
	w.AddUser(u)
	var member map[string]any
	w.read(func() { member = w.wireUser(w.kept.Users[u.ID]) })
	event, err := json.Marshal(map[string]any{"type": "user_change", "user": member, "cache_ts": 1648596421, "event_ts": "1648596712.000001"})
	if err != nil {
		return Outcome{}, err
	}
	return w.Event(ctx, event)
}

// AddChannel adds a channel, or replaces the one with the same id.
func (w *Workspace) AddChannel(c Channel) {
	c.Members = slices.Clone(c.Members)
	w.change(func() { w.kept.Channels[c.ID] = c })
}

// DM returns the id of the direct message between the bot and a user. It is the
// same in every run; asking does not open it.
func (w *Workspace) DM(user string) string {
	sum := sha256.Sum256([]byte(w.opts.TeamID + "\x00" + user))
	return "D0" + base32.StdEncoding.EncodeToString(sum[:])[:9]
}

// Say posts a message of a person. Slack delivers nothing for it: the app does
// not subscribe to messages.
func (w *Workspace) Say(user, channel, text string) (ts string, err error) {
	w.change(func() {
		var c Channel
		if _, c, err = w.place(user, channel); err != nil {
			return
		}
		ts = w.timestamp()
		w.kept.Messages[c.ID] = append(w.kept.Messages[c.ID], &Message{TS: ts, User: user, Text: text})
	})
	return ts, err
}

// person finds a user who can act. Under the lock.
func (w *Workspace) person(id string) (User, error) {
	u, ok := w.kept.Users[id]
	if !ok {
		return User{}, fmt.Errorf("slacktest: user %q: %w", id, ErrNoSuch)
	}
	if u.Deleted {
		return User{}, fmt.Errorf("slacktest: user %q is deactivated: %w", id, ErrNotPossible)
	}
	return u, nil
}

// place finds a user and a channel that they see; an empty channel is their
// direct message with the bot. Under the lock.
func (w *Workspace) place(user, channel string) (User, Channel, error) {
	u, err := w.person(user)
	if err != nil {
		return User{}, Channel{}, err
	}
	if channel == "" || channel == w.DM(user) {
		return u, w.openDM(user), nil
	}
	c, ok := w.kept.Channels[channel]
	if !ok || c.User != "" || !slices.Contains(c.Members, user) {
		return User{}, Channel{}, fmt.Errorf("slacktest: channel %q for %s: %w", channel, user, ErrNoSuch)
	}
	return u, c, nil
}

// openDM opens or resumes a direct message. Under the lock.
func (w *Workspace) openDM(user string) Channel {
	id := w.DM(user)
	c, ok := w.kept.Channels[id]
	if !ok {
		c = Channel{ID: id, User: user, Private: true, Members: []string{user}, BotIsMember: true}
		w.kept.Channels[id] = c
	}
	return c
}

// shownName is the channel's name in a delivery: Slack hides those of direct
// messages and private channels.
func (c Channel) shownName() string {
	switch {
	case c.User != "":
		return "directmessage"
	case c.Private:
		return "privategroup"
	}
	return c.Name
}

// timestamp makes the next message timestamp, unique in the workspace. Under the lock.
func (w *Workspace) timestamp() string {
	micros := max(w.opts.Now().UnixMicro(), w.kept.LastMicros+1)
	w.kept.LastMicros = micros
	return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
}

// tsTime is the time of a message timestamp.
func tsTime(ts string) time.Time {
	var sec, micro int64
	if _, err := fmt.Sscanf(strings.Replace(ts, ".", " ", 1), "%d %d", &sec, &micro); err != nil {
		return time.Time{}
	}
	return time.Unix(sec, micro*1000)
}

// serial makes the next id with a prefix, the same in every run. Under the lock.
func (w *Workspace) serial(prefix string, length int) string {
	w.kept.Serial++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", w.opts.TeamID, prefix, w.kept.Serial))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:length]
}
