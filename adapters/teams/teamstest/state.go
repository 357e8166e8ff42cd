package teamstest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// User is a person with an account in Teams.
type User struct {
	Name        string `json:"name"` // unique; how the methods of Teams call this person
	AADObjectID string `json:"aad_object_id"`
	UPN         string `json:"upn"`
	Email       string `json:"email"`
	// InstalledPersonal: the bot's app is installed for this person.
	InstalledPersonal bool `json:"installed_personal"`
	// Tenant is the person's own tenant when it is not Options.TenantID: what
	// they send names it. Such a person is foreign to the bot.
	Tenant string `json:"tenant,omitempty"`
	// Timezone is where the person is, in IANA's words; default Europe/London.
	Timezone string `json:"timezone,omitempty"`
}

// Channel is a channel of a team.
type Channel struct {
	ID           string   // "19:…@thread.tacv2"
	Name         string   // for instance "Operations"
	TeamID       string   // "19:…@thread.tacv2" of the team
	Members      []string // names of users
	BotInstalled bool     // the bot's app is installed in the team
}

// State is a copy of the world. Revision grows with every change.
type State struct {
	Revision      int64          `json:"revision"`
	Users         []Person       `json:"users"`
	Conversations []Conversation `json:"conversations"`
}

// Person is a user as the bot meets them.
type Person struct {
	User
	ID       string  `json:"id"`       // "29:…": who they are to this bot
	Personal string  `json:"personal"` // "a:1…": the id of their chat with this bot
	Toasts   []Toast `json:"toasts"`   // what Teams told this person only; newest last, fifty at the most
}

// ToastKind tells toasts apart.
type ToastKind string

// The kinds of a toast.
const (
	ToastMessage ToastKind = "message" // the bot's short answer to a press
	ToastError   ToastKind = "error"   // something went wrong
	ToastSignIn  ToastKind = "sign-in" // the bot asks for a sign-in by OAuth card
)

// Toast is a short notice to one person.
type Toast struct {
	Kind ToastKind `json:"kind"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// The kinds of a conversation.
const (
	Personal    = "personal"
	ChannelKind = "channel"
)

// Conversation is a person's chat with the bot or a channel.
type Conversation struct {
	ID           string     `json:"id"`
	Kind         string     `json:"kind"` // Personal or ChannelKind
	Name         string     `json:"name"` // the person's or the channel's
	TeamID       string     `json:"team_id,omitempty"`
	Members      []string   `json:"members"` // names of users
	BotInstalled bool       `json:"bot_installed"`
	Activities   []Activity `json:"activities"` // oldest first
}

// Activity is one message of a conversation.
type Activity struct {
	ID      string          `json:"id"`
	Root    string          `json:"root,omitempty"` // in a channel: the post that begins its thread
	From    string          `json:"from,omitempty"` // name of a user; empty: the bot
	Text    string          `json:"text,omitempty"` // as written, mention and all
	Summary string          `json:"summary,omitempty"`
	Card    json.RawMessage `json:"card,omitempty"` // the Adaptive Card
	// Views are cards that stand in the place of Card for one user each, by
	// name: the bot's answers to their presses. An update ends them all.
	Views   map[string]json.RawMessage `json:"views,omitempty"`
	Only    string                     `json:"only,omitempty"` // targeted: the only user who sees it
	At      time.Time                  `json:"at"`             // UTC
	Updates int                        `json:"updates"`        // how often it was replaced
	Deleted bool                       `json:"deleted,omitempty"`
}

// Person gives the user of that name; the zero Person when there is none.
func (s State) Person(name string) Person {
	if p := s.person(name); p != nil {
		return *p
	}
	return Person{}
}

// In gives the messages of a conversation that the user can see: not the deleted
// ones, nor those targeted at others. An empty conversation means the user's
// chat with the bot.
func (s State) In(conversation, user string) []Activity {
	if conversation == "" {
		conversation = s.Person(user).Personal
	}
	c, root := s.conversation(conversation)
	if c == nil || !slices.Contains(c.Members, user) {
		return nil
	}
	var seen []Activity
	for _, a := range c.Activities {
		if !a.Deleted && (a.Only == "" || a.Only == user) && (root == "" || a.Root == root) {
			seen = append(seen, a)
		}
	}
	return seen
}

// CardFor gives the card that the user sees in a message; nil when it has none.
func (a Activity) CardFor(user string) json.RawMessage {
	if card, ok := a.Views[user]; ok {
		return card
	}
	return a.Card
}

// ReadBy gives everything the user can read in a message, line by line: its
// text, then the words of the card and of its buttons.
func (a Activity) ReadBy(user string) string {
	return strings.TrimSpace(a.Text + "\n" + CardText(a.CardFor(user)))
}

// person finds a user by name; nil when there is none.
func (s *State) person(name string) *Person {
	for i := range s.Users {
		if s.Users[i].Name == name {
			return &s.Users[i]
		}
	}
	return nil
}

// account finds a user by MRI or Entra object id; nil when there is none.
func (s *State) account(id string) *Person {
	for i := range s.Users {
		if s.Users[i].ID == id || strings.EqualFold(s.Users[i].AADObjectID, id) {
			return &s.Users[i]
		}
	}
	return nil
}

// threadMark separates a channel's id from the id of the post that begins a
// thread.
const threadMark = ";messageid="

// conversation finds a conversation by its id or by the id of one of its
// threads, and gives the thread's root; nil when there is none.
func (s *State) conversation(id string) (*Conversation, string) {
	base, root, threaded := strings.Cut(id, threadMark)
	for i := range s.Conversations {
		c := &s.Conversations[i]
		if c.ID != base {
			continue
		}
		if threaded {
			if a := c.activity(root); c.Kind != ChannelKind || a == nil || a.Root != root {
				return nil, ""
			}
		}
		return c, root
	}
	return nil, ""
}

// activity finds a message, deleted or not; nil when there is none.
func (c *Conversation) activity(id string) *Activity {
	for i := range c.Activities {
		if c.Activities[i].ID == id {
			return &c.Activities[i]
		}
	}
	return nil
}

// remove leaves of a message only that it was there.
func (a *Activity) remove() {
	*a = Activity{ID: a.ID, Root: a.Root, From: a.From, Only: a.Only, At: a.At, Updates: a.Updates, Deleted: true}
}

func (s State) clone() State {
	s.Users = slices.Clone(s.Users)
	for i := range s.Users {
		s.Users[i].Toasts = slices.Clone(s.Users[i].Toasts)
	}
	s.Conversations = slices.Clone(s.Conversations)
	for i := range s.Conversations {
		c := &s.Conversations[i]
		c.Members = slices.Clone(c.Members)
		c.Activities = slices.Clone(c.Activities)
		for j := range c.Activities {
			c.Activities[j].Views = maps.Clone(c.Activities[j].Views)
		}
	}
	return s
}
