package bot

import "log/slog"

// Platform is a chat platform.
type Platform string

// The chat platforms.
const (
	Slack Platform = "slack"
	Teams Platform = "teams"
)

// User is a chat user as a platform vouches for them in a verified delivery.
type User struct {
	Platform Platform `json:"platform"`
	Tenant   string   `json:"tenant"` // Slack team id; Entra tenant id
	ID       string   `json:"id"`     // Slack user id; Entra object id (from.aadObjectId)
	Name     string   `json:"name,omitempty"`
}

// Conversation is a place where a card can be posted.
type Conversation struct {
	Platform Platform `json:"platform"`
	Tenant   string   `json:"tenant"`
	ID       string   `json:"id"`
	Private  bool     `json:"private,omitempty"` // only the bot and one person read it
	Ref      string   `json:"ref,omitempty"`     // what the adapter needs to reach it again, opaque to everybody else
	Thread   string   `json:"thread,omitempty"`  // Message.ID below which Post posts; empty, or where there are no threads: in the conversation itself
}

// Message is one posted card.
type Message struct {
	Conversation Conversation `json:"conversation"`
	ID           string       `json:"id"`
}

// Inbound is one thing a person did in chat. An adapter makes it from a delivery
// that it has verified, never from anything unsigned.
type Inbound struct {
	User User
	// Principal is the person's Entra object id where the platform itself
	// vouches for it (Teams); empty elsewhere: then the link tells.
	Principal string
	At        Conversation
	Said      Said
	// Zone is their time zone, where the platform says it: an IANA name, or +02:00.
	Zone string
	// Delivery identifies the signed bytes that this came in, where the platform
	// signs them: the same bytes again have no effect, in any process. Empty: not known.
	Delivery string
	// Trace is the act's, for its log lines. The Handler sets it.
	Trace string
}

// Said is what was done: one of Command, Press, Submit, Change, Search, Opened,
// Exchange, Installed, Uninstalled and Left.
type Said interface{ said() }

// Command is the text after "/elevate" (without it), trimmed.
type Command struct{ Text string }

// Press is a press on a card's button.
type Press struct {
	Verb Verb
	ID   string
	Copy Message // the copy that was pressed; zero when it was shown to one person only
}

// Submit is a form that was sent.
type Submit struct {
	Verb   Verb
	ID     string
	Values map[string]string // by Field.Name
	Copy   Message           // where the form stood, if it stood in a message
}

// Change is a new choice in a Live field of a form that is not sent yet. The
// answer is the form anew. It changes nothing that is stored.
type Change struct {
	Verb   Verb
	ID     string
	Values map[string]string
}

// Search is what a person typed into a Choice with Search. The answer is
// Options, at once: it has to be part of the acknowledgement.
type Search struct {
	Verb  Verb
	ID    string
	Field string
	Text  string
}

// Opened says that a person looks at their own page of Belay (Slack's App Home). The
// answer, Card and More, is that page. Changing nothing, it is asked again after every
// press there.
type Opened struct{}

// Exchange is what the person's chat client that pressed brings for Card.SignIn: the platform's word,
// signed by Microsoft, for who they are there. It is used once and stored nowhere.
type Exchange struct {
	ID    string // SignIn.Ticket
	Token string
}

// LogValue hides the token.
func (Exchange) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the token.
func (Exchange) String() string { return "REDACTED" }

// GoString hides the token.
func (Exchange) GoString() string { return "REDACTED" }

// Installed says that the conversation At can be reached from now on: the app
// was installed for the person (At.Private) or added to a channel.
type Installed struct{}

// Uninstalled says that At can no longer be reached.
type Uninstalled struct{}

// Left says that the user is no full member any more: deactivated, or a guest. Any Card in
// the answer says that this could not be recorded, and is to be said again.
type Left struct{ Why string } // EndedAsLeft, EndedAsGuest

func (Left) said()        {}
func (Command) said()     {}
func (Press) said()       {}
func (Submit) said()      {}
func (Change) said()      {}
func (Search) said()      {}
func (Opened) said()      {}
func (Exchange) said()    {}
func (Installed) said()   {}
func (Uninstalled) said() {}

// Verb is what a button or a form is for. It travels to the platform and back.
type Verb string

// The verbs. An unknown one is answered with "this card is outdated".
const (
	VerbElevate Verb = "elevate" // open the form; ID: a role's key, or none
	VerbLink    Verb = "link"    // offer the one-time sign-in link; no ID
	VerbAsk     Verb = "ask"     // the form: choose a role, then say for how long and why
	VerbApprove Verb = "approve" // ID: request
	VerbDeny    Verb = "deny"    // ID: request; asks for the reason
	VerbReason  Verb = "reason"  // the form that asks for the reason; ID: request
	VerbCancel  Verb = "cancel"  // ID: request
	VerbStop    Verb = "stop"    // ID: request; deactivate
	VerbShow    Verb = "show"    // ID: request; show the card anew
	VerbAgain   Verb = "again"   // open the form as it was; ID: the request it was sent for
	VerbSaved   Verb = "saved"   // open the form as it was saved; ID: the name
	VerbKeep    Verb = "keep"    // ID: request; take a deactivation back that is not sent yet
	VerbExtend  Verb = "extend"  // ID: request; opens the form of the same verb: deactivate and ask again
	VerbFollow  Verb = "follow"  // ID: request that another one stood in the way of; show that one
	VerbSignIn  Verb = "sign-in" // ID: a ticket that the presser's client may take up
	VerbNotMe   Verb = "not-me"  // ID: request; its presser did not decide on it
	VerbUnlink  Verb = "unlink"  // forget the presser's link and sign-in; no ID

	VerbAcknowledge Verb = "acknowledge" // ID: alert, as of those below
	VerbAskThem     Verb = "ask-them"    // the person that it is about
	VerbWasMe       Verb = "was-me"      // … and what they say
	VerbWasNotMe    Verb = "was-not-me"
	VerbMute        Verb = "mute"   // opens the form of the same verb: for how long, and why
	VerbAlert       Verb = "alert"  // show it anew
	VerbUnmute      Verb = "unmute" // ID: mute

	VerbAccept       Verb = "accept"        // ID: a drift, and how often it had changed again
	VerbReviews      Verb = "reviews"       // open an access review; ID: its id, and where to begin
	VerbKeepAccess   Verb = "keep-access"   // ID: access review/item, as of the two below; may open the form of the same verb
	VerbRemoveAccess Verb = "remove-access" // … when the review is applied
	VerbCannotTell   Verb = "cannot-tell"
	VerbAcceptAll    Verb = "accept-all" // opens the form of the same verb, with what Microsoft recommends
	VerbSeveral      Verb = "several"    // opens the form of the same verb: several people at once
)
