package slacktest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// State is a snapshot of what people see in Slack, fit for JSON. Changing it
// changes nothing in the workspace.
type State struct {
	Revision uint64            `json:"revision"` // grows with every change
	TeamID   string            `json:"team_id"`
	BotUser  string            `json:"bot_user"`
	Users    []User            `json:"users"`    // by id
	Channels []Conversation    `json:"channels"` // by id, direct messages among them
	Views    []View            `json:"views"`    // open modals, oldest first; the last of a stack is on top
	Homes    []View            `json:"homes"`    // App Home tabs, by user
	Notices  map[string]Notice `json:"notices"`  // by user: what Slack itself last told them, until their next action
}

// Conversation is a channel with its messages, oldest first.
type Conversation struct {
	Channel
	Messages []Message `json:"messages"`
}

// Message is a message as people see it.
type Message struct {
	TS          string          `json:"ts"`
	User        string          `json:"user"`             // the author's user id
	BotID       string          `json:"bot_id,omitempty"` // set when the app posted it
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks,omitempty"` // with the ids that Slack fills in
	ThreadTS    string          `json:"thread_ts,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Edited      bool            `json:"edited,omitempty"`       // Slack marks it "(edited)": an update by text, not by blocks
	Updates     int             `json:"updates,omitempty"`      // how often it was changed
	EphemeralTo string          `json:"ephemeral_to,omitempty"` // the one person who sees it
	ClientMsgID string          `json:"client_msg_id,omitempty"`
	Command     bool            `json:"command,omitempty"` // the direct answer to a slash command, which no response URL can edit
}

// View is an open modal or a published App Home tab.
type View struct {
	ID              string            `json:"id"`
	User            string            `json:"user"`
	Type            string            `json:"type"` // modal or home
	CallbackID      string            `json:"callback_id"`
	ExternalID      string            `json:"external_id"`
	PrivateMetadata string            `json:"private_metadata"`
	Hash            string            `json:"hash"`
	RootID          string            `json:"root_view_id"`
	PreviousID      string            `json:"previous_view_id,omitempty"`
	Title           string            `json:"title"`
	Submit          string            `json:"submit,omitempty"` // empty: no submit button
	Close           string            `json:"close,omitempty"`
	Blocks          json.RawMessage   `json:"blocks"`
	Values          Values            `json:"values"`           // what stands in the inputs now
	Errors          map[string]string `json:"errors,omitempty"` // shown under inputs, by block id
	Payload         json.RawMessage   `json:"payload"`          // title, submit, close and the switches as the app sent them
}

// Values are the contents of inputs: block id, then action id.
type Values map[string]map[string]Value

// Notice is what Slack itself tells a person when the app fails.
type Notice struct {
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// State returns a snapshot.
func (w *Workspace) State() State {
	var s State
	w.read(func() { s = w.snapshot() })
	return s
}

// Wait returns nil as soon as the state satisfies ok, which may already be so.
// It returns ctx's error when ctx ends first. It does not poll.
func (w *Workspace) Wait(ctx context.Context, ok func(State) bool) error {
	for {
		var (
			s       State
			changed chan struct{}
		)
		w.read(func() { s, changed = w.snapshot(), w.changed })
		if ok(s) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// snapshot copies the state. Under the lock.
func (w *Workspace) snapshot() State {
	s := State{
		Revision: w.kept.Revision,
		TeamID:   w.opts.TeamID,
		BotUser:  w.opts.BotUserID,
		Users:    slices.SortedFunc(maps.Values(w.kept.Users), func(a, b User) int { return cmp.Compare(a.ID, b.ID) }),
		Channels: []Conversation{},
		Views:    []View{},
		Homes:    []View{},
		Notices:  maps.Clone(w.kept.Notices),
	}
	for _, id := range slices.Sorted(maps.Keys(w.kept.Channels)) {
		c := Conversation{Channel: w.kept.Channels[id], Messages: []Message{}}
		c.Members = slices.Clone(c.Members)
		for _, m := range w.kept.Messages[id] {
			c.Messages = append(c.Messages, *m)
		}
		s.Channels = append(s.Channels, c)
	}
	for _, v := range w.kept.Views {
		s.Views = append(s.Views, v.copy())
	}
	for _, user := range slices.Sorted(maps.Keys(w.kept.Homes)) {
		s.Homes = append(s.Homes, w.kept.Homes[user].copy())
	}
	return s
}

// copy makes a view independent of the workspace; raw JSON is never changed in place.
func (v *View) copy() View {
	c := *v
	c.Errors = maps.Clone(v.Errors)
	c.Values = make(Values, len(v.Values))
	for block, byAction := range v.Values {
		c.Values[block] = maps.Clone(byAction)
	}
	return c
}

// Conversation returns the channel or direct message with that id.
func (s State) Conversation(id string) (Conversation, bool) {
	for _, c := range s.Channels {
		if c.ID == id {
			return c, true
		}
	}
	return Conversation{}, false
}

// Top returns the modal that a user sees: the last one opened for them.
func (s State) Top(user string) (View, bool) {
	for _, v := range slices.Backward(s.Views) {
		if v.User == user {
			return v, true
		}
	}
	return View{}, false
}

// view finds an open view of a user, modal or home. Under the lock.
func (w *Workspace) view(id string) *View {
	for _, v := range w.kept.Views {
		if v.ID == id {
			return v
		}
	}
	for _, v := range w.kept.Homes {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// message finds a message. Under the lock.
func (w *Workspace) message(channel, ts string) *Message {
	for _, m := range w.kept.Messages[channel] {
		if m.TS == ts {
			return m
		}
	}
	return nil
}
