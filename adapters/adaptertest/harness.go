// Package adaptertest is the one suite that every chat adapter passes. It talks
// to an adapter only as bot does (bot.Chat) and as people do (a Harness), so it
// holds for Slack's blocks and modals and for Teams' Adaptive Cards alike. There
// are no opt-outs.
//
// An adapter's own test writes a Harness over its simulated platform and calls
//
//	adaptertest.Run(t, func(t *testing.T, h bot.Handler) adaptertest.Harness { … })
package adaptertest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Harness is one adapter, wired to a simulated platform on which two people and
// one channel exist. It fails the test by itself on anything unexpected, such as
// a card that the platform refuses.
//
// Every act of a person returns when the adapter is done with it, Later included:
// what the person sees then is final.
type Harness interface {
	// Chat is the adapter under test.
	Chat() bot.Chat

	// Alice and Bob are full members, as the adapter names them in an Inbound.
	Alice() bot.User
	Bob() bot.User
	// Principal is the Entra principal by which Reach finds u. A stranger's
	// principal is nobody on this platform.
	Principal(u bot.User) pim.Principal
	Stranger() pim.Principal
	// Channel is a conversation that the bot, Alice and Bob read.
	Channel() bot.Conversation
	// Private is the conversation in which only u and the bot are.
	Private(u bot.User) bot.Conversation
	// Nowhere is a conversation that does not exist.
	Nowhere() bot.Conversation

	// Shown is what the platform's client shows of a posted card; false when
	// there is no such message.
	Shown(m bot.Message) (Shown, bool)
	// ShownTo is what u alone was shown last and still sees: an ephemeral
	// message, a modal, a form. False when there is nothing.
	ShownTo(u bot.User) (Shown, bool)

	// Command types "/elevate " + text in the conversation at.
	Command(u bot.User, at bot.Conversation, text string)
	// Press presses the button with that label on a posted card.
	Press(u bot.User, m bot.Message, label string)
	// Use presses the button with that label on what u alone was shown last.
	Use(u bot.User, label string)
	// Choose chooses the option with that value, or those of several joined by commas,
	// in a field of the form that u sees.
	Choose(u bot.User, field, value string)
	// Search types text into a field of the form that u sees, and returns the
	// labels that are offered.
	Search(u bot.User, field, text string) []string
	// Submit fills in the form that u sees and sends it. What is not named in
	// values, which are those of a bot.Field, stays as the form shows it.
	Submit(u bot.User, values map[string]string)

	// Deliver is Press, but sent in an unusual way. It returns the HTTP status of
	// each delivery, in order.
	Deliver(u bot.User, m bot.Message, label string, how How) []int

	// Throttle has the platform answer the next call with 429 and that
	// Retry-After, in whole seconds.
	Throttle(after time.Duration)
	// Delete removes a posted card as a person would.
	Delete(m bot.Message)
}

// How is a way in which a delivery arrives.
type How int

// The ways.
const (
	Forged  How = iota // signed by somebody who does not hold the platform's key
	Altered            // signed by the platform, one byte of the body changed
	Expired            // signed by the platform, too long ago
	Twice              // delivered, and the same bytes delivered again: two statuses
)

// Shown is a card or a form as a client shows it.
type Shown struct {
	// Text is every readable string, top to bottom, one per line, as a person
	// reads it: entities resolved, dates written out in any way.
	Text string
	// Alive is what the client made of text beyond letters: mentions, broadcasts
	// and links that are not buttons. A date is not alive.
	Alive   []string
	Actions []Action
	Fields  []Field // of a form
	Below   string  // the id of the message below which it stands; empty: none
}

// Action is a button.
type Action struct {
	Label string
	URL   string // where it leads; empty when it comes back to the bot
}

// Field is one question of a form as it is shown.
type Field struct {
	Name    string
	Value   string   // what is filled in, as a bot.Field has it
	Options []string // labels of the options that are listed
	Error   string   // the error shown at the field
}
