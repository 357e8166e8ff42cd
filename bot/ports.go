// Package bot is what Belay says, asks, decides and remembers. It knows no
// HTTP, no Slack, no Teams and no Graph SDK: those stand behind the ports in
// this file.
//
// A person's act arrives as an Inbound. The Handler turns it into a read, or
// into an event that Apply adds to the request in one transaction together with
// the calls that are owed for it. Settle alone then calls Microsoft as that
// person, observes what Microsoft holds, and brings every card up to date.
package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Handler is called by a chat adapter for everything a person does. Trouble is a
// Reply too. Later, when not nil, runs after the acknowledgement; its Reply is
// shown in the same place as the first one would be, and takes its place if there
// was one. Handle returns quickly and never waits for the network; what the
// act changed is on disk when it returns.
type Handler interface {
	Handle(ctx context.Context, in Inbound) (Reply, Later)
}

// Later is the slow part of an answer.
type Later func(ctx context.Context) Reply

// Chat is one platform seen from here. Every error is a *ChatError.
type Chat interface {
	// Post posts c. key is stable for one card in one place, and another card has
	// another key: a platform that can refuse a second post under the same key does so.
	Post(ctx context.Context, to Conversation, key string, c Card) (Message, error)
	// Update replaces the card of m. ChatGone: the message is not there any more.
	Update(ctx context.Context, m Message, c Card) error
	// Whisper shows c to one person only: ephemeral in Slack, in the personal
	// chat in Teams.
	Whisper(ctx context.Context, at Conversation, to User, c Card) error
	// Reach finds the conversation in which only p and the bot are, for a person
	// who never linked. ChatUnreachable: there is none, and Belay may not make one.
	Reach(ctx context.Context, p pim.Principal) (Conversation, error)
}

// ChatCode says why a chat platform refused.
type ChatCode string

// The reasons a chat platform refuses.
const (
	ChatGone        ChatCode = "gone"        // the message no longer exists or may not be edited
	ChatUnreachable ChatCode = "unreachable" // the conversation cannot be written to
	ChatThrottled   ChatCode = "throttled"
	ChatUnavailable ChatCode = "unavailable" // no answer, or 5xx
	ChatRefused     ChatCode = "refused"     // anything else: a fault of ours or of the configuration
)

// ChatError is every failure of a Chat.
type ChatError struct {
	Platform  Platform
	Op        string // "post", "update", "whisper", "reach", "profile"
	Code      ChatCode
	After     time.Duration // Retry-After; 0: not told
	Ambiguous bool          // a post may have been shown although its answer was lost
	Err       error
}

// Error names the platform, the operation and the reason.
func (e *ChatError) Error() string {
	return fmt.Sprintf("%s %s: %s: %v", e.Platform, e.Op, e.Code, e.Err)
}

// Unwrap gives the detail to errors.Is and errors.As.
func (e *ChatError) Unwrap() error { return e.Err }

// RetryAfter is how long the platform asked to wait, and whether it did.
func (e *ChatError) RetryAfter() (time.Duration, bool) { return e.After, e.After > 0 }

// chatCode is the code of err; an error that is no *ChatError is ChatUnavailable.
func chatCode(err error) ChatCode {
	var e *ChatError
	if errors.As(err, &e) {
		return e.Code
	}
	return ChatUnavailable
}

// Profile is what a chat platform says of one of its users.
type Profile struct {
	Name  string
	Email string // as the workspace holds it; never proof of identity by itself
	Zone  string // IANA name of their time zone; empty: not known
	Full  bool   // a full member: no guest, no bot, no stranger, not deactivated
}

// Profiles looks chat users up. Errors are *ChatError.
type Profiles interface {
	Profile(ctx context.Context, u User) (Profile, error)
}

// Catalog tells what a person could activate and under which rules. Errors are
// *pim.Error.
type Catalog interface {
	// Eligible lists what person may activate. A list together with an error is what
	// could be read of it.
	Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error)
	// Policy reads the rules as Belay itself, or, where only people may read them,
	// as person. A list of approvers that cannot be read is an error, never an
	// empty list.
	Policy(ctx context.Context, person string, a pim.Assignment) (pim.Policy, error)
	// Children lists where below its scope an eligibility can be activated instead,
	// read as person. nil: it cannot be narrowed.
	Children(ctx context.Context, person string, e pim.EligibleAssignment) ([]pim.Scope, error)
	// Check asks Microsoft, as person, whether it would take an activation. It
	// changes nothing, and its nil is no promise.
	Check(ctx context.Context, person string, a pim.Activation) error
}

// Caller makes the calls that change something, each as the person who is named
// first, with that person's own token. Nothing is retried. Errors are *pim.Error.
type Caller interface {
	Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error)
	Deactivate(ctx context.Context, person string, d pim.Deactivation) error
	Cancel(ctx context.Context, person string, request string) error
	Review(ctx context.Context, person string, d pim.Decision) error
}

// Observer reads what Microsoft holds now. Errors are *pim.Error.
type Observer interface {
	// Request reads one request with person's token.
	Request(ctx context.Context, person string, id string) (pim.Request, error)
	// Mine lists person's own requests with their token, newest first.
	Mine(ctx context.Context, person string) ([]pim.Request, error)
	// Approval reads who may decide and who decided, with an approver's token.
	Approval(ctx context.Context, approver string, id string) (pim.Approval, error)
	// Active lists the active instances of a principal that may be those of a, read
	// as Belay itself, or, where Belay may not, with the principal's own token.
	Active(ctx context.Context, principal string, a pim.Assignment) ([]pim.Instance, error)
}

// Finder finds requests that were made elsewhere: in the portal, on a phone, with
// a command line. Errors are *pim.Error.
type Finder interface {
	// Pending lists the activations that wait for approver's decision, with the
	// approver's token.
	Pending(ctx context.Context, approver string) ([]pim.Request, error)
	// Traces reads what the directory's audit log says of activations since a time,
	// oldest first, as Belay itself.
	Traces(ctx context.Context, since time.Time) ([]pim.Trace, error)
}

// Pillar is one of the three things PIM governs.
type Pillar interface {
	Catalog
	Caller
	Observer
}

// Directory tells who an object id is, read as Belay itself. Errors are *pim.Error.
type Directory interface {
	Principal(ctx context.Context, id string) (pim.Principal, error)
}

// Grants tells, without the network, whether a person's sign-in can be used now.
type Grants interface {
	Live(ctx context.Context, person string) (bool, error)
	// Forget drops the person's sign-in. Nothing to drop is no error.
	Forget(ctx context.Context, person string) error
	// ForgetIn is Forget within a transaction; why is a code for the audit trail. A
	// sign-in that is forgotten does not come back if the transaction fails.
	ForgetIn(tx store.Tx, person, why string) error
}

// Exchanger redeems the token by which a chat platform vouches for a person. Errors
// are *pim.Error.
type Exchanger interface {
	// Exchange proves that token is person's, by Microsoft's signature, and redeems it
	// for a sign-in of their own. keep stores that; until it is called nothing is kept.
	Exchange(ctx context.Context, person, token string) (who pim.Identity, keep func(context.Context) error, err error)
}

// Trail keeps what happened as evidence, in the transaction of the state that it
// belongs to.
type Trail interface {
	Append(tx store.Tx, e trail.Event) error
}

type noTrail struct{}

func (noTrail) Append(store.Tx, trail.Event) error { return nil }
