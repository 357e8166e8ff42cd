package bot

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// State is where a request stands. docs/states.md shows the way from one to the
// next; it is drawn from Transitions.
type State string

// The states. From PendingApproval on, each is entered only by Microsoft's word;
// Canceled alone is also entered when a person takes a request back, or never
// signs in, before Microsoft has heard of it.
const (
	Submitting      State = "submitting"       // confirmed by the requester; Microsoft has not answered
	SignInRequired  State = "sign-in required" // the requester must sign in before Microsoft can be asked
	PendingApproval State = "pending approval"
	Scheduled       State = "scheduled" // agreed; not usable yet
	Active          State = "active"    // the active instance has been seen
	Denied          State = "denied"
	Canceled        State = "canceled"
	Failed          State = "failed"
	Ended           State = "ended"
)

// Final says that nothing can happen to the request any more.
func (s State) Final() bool {
	switch s {
	case Denied, Canceled, Failed, Ended:
		return true
	}
	return false
}

// Person is somebody with a part in a request.
type Person struct {
	pim.Principal
	User   User         `json:"user"`           // the chat identity they acted with
	Direct Conversation `json:"direct"`         // where only they read; zero: not known
	Zone   string       `json:"zone,omitempty"` // time zone, where their chat names it
}

// Request is everything Belay knows of one activation: one document, changed by
// Apply only. Times are business time, UTC.
type Request struct {
	ID        string                 `json:"id"`
	State     State                  `json:"state"`
	Requester Person                 `json:"requester"`
	Role      pim.EligibleAssignment `json:"role"`
	Ask       Ask                    `json:"ask"`
	Made      time.Time              `json:"made"`

	// The policy when the person asked: who may decide. Only routing and a first
	// refusal rest on it; Microsoft decides who may decide.
	Approval  bool            `json:"approval"`
	Approvers []pim.Principal `json:"approvers,omitempty"`
	// … and why: the groups it names, or that it names nobody.
	ApproverGroups   []pim.ApproverGroup `json:"approverGroups,omitempty"`
	DefaultApprovers bool                `json:"defaultApprovers,omitempty"`

	// An extension is two requests: one whose activation is to end, and one that is
	// sent when that end was observed.
	Follows      string    `json:"follows,omitempty"`     // the request whose activation has to be over first
	FollowsUntil time.Time `json:"followsUntil,omitzero"` // … when it was to end by itself
	Freed        time.Time `json:"freed,omitzero"`        // … when its end was observed; zero: not yet
	FollowedBy   string    `json:"followedBy,omitempty"`  // the request that is sent when this one's activation is over

	// Elsewhere: made in the portal, on a phone or with a command line. Traced: known
	// from the audit log only, so that some of it is not known. MeetAt: when to find
	// out who the requester is and who may decide; zero: that is known.
	Elsewhere bool      `json:"elsewhere,omitempty"`
	Traced    bool      `json:"traced,omitempty"`
	MeetAt    time.Time `json:"meetAt,omitzero"`

	Held      Held           `json:"held"`
	Decided   *Decided       `json:"decided,omitempty"`
	End       EndReason      `json:"end,omitempty"`
	Trouble   *Refusal       `json:"trouble,omitempty"` // why it failed, or what delays it now
	Intents   []Intent       `json:"intents,omitempty"`
	Routed    bool           `json:"routed,omitempty"` // where the approvers can be reached is known
	RouteAt   time.Time      `json:"routeAt,omitzero"` // … and if not: when to look again
	Reach     []Reach        `json:"reach,omitempty"`
	Unreached []string       `json:"unreached,omitempty"` // names of approvers who cannot be reached in chat
	Shown     map[Slot]Shown `json:"shown,omitempty"`
	ObserveAt time.Time      `json:"observeAt,omitzero"` // when Microsoft is to be read next; zero: not at all
	Wake      time.Time      `json:"wake,omitzero"`      // when settle has something to do; zero: never
	Lease     Lease          `json:"lease"`
	History   []Entry        `json:"history"`
	// Unanswered is when it was told that nobody answers; zero: not yet.
	Unanswered time.Time `json:"unanswered,omitzero"`
	Reports    []Report  `json:"reports,omitempty"` // people who disown what was decided in their name

	// With are the requests that were sent with the same form, this one among them.
	With      []Together `json:"with,omitempty"`
	WordGiven State      `json:"wordGiven,omitempty"` // of this one, to the first of them
	// Of a group: whether it was read, and for which roles the group is eligible.
	GroupRead  bool                     `json:"groupRead,omitempty"`
	GroupRoles []pim.EligibleAssignment `json:"groupRoles,omitempty"`

	// For the rules of notices: of which groups that they ask for the requester is a
	// member, and where people whom they name can be reached.
	Groups      []string  `json:"groups,omitempty"`
	GroupsKnown bool      `json:"groupsKnown,omitempty"`
	Named       []Reach   `json:"named,omitempty"`
	HearAt      time.Time `json:"hearAt,omitzero"` // something of it could not be read: when to look again
	HearTries   int       `json:"hearTries,omitempty"`
}

// Ask is what the requester filled in.
type Ask struct {
	Duration      time.Duration `json:"duration"`
	Start         time.Time     `json:"start,omitzero"` // zero: now
	Justification string        `json:"justification"`
	Ticket        pim.Ticket    `json:"ticket"`
}

// Held is Microsoft's word as it was last read.
type Held struct {
	ID       string     `json:"id,omitempty"`       // Microsoft's request id
	Approval string     `json:"approval,omitempty"` // Microsoft's approval id
	Schedule string     `json:"schedule,omitempty"`
	Status   pim.Status `json:"status,omitempty"`
	Unknown  pim.Status `json:"unknown,omitempty"` // a status that nothing could be concluded from
	Seen     time.Time  `json:"seen,omitzero"`     // when Microsoft last answered about it
	From     time.Time  `json:"from,omitzero"`
	Until    time.Time  `json:"until,omitzero"`
	Missing  int        `json:"missing,omitempty"` // readings in a row in which the active instance was not there
	// MissingSince is when the first of these readings was.
	MissingSince time.Time `json:"missingSince,omitzero"`
	// UnreadSince is when, after Microsoft's window, the first of the readings failed that
	// have failed since.
	UnreadSince time.Time `json:"unreadSince,omitzero"`
	// Listed is the approver in whose list of what is pending it was last seen. Gone
	// is when that list stopped to show it; zero: it is there.
	Listed string    `json:"listed,omitempty"`
	Gone   time.Time `json:"gone,omitzero"`
}

// Decided tells who decided. By is empty when that cannot be read.
type Decided struct {
	Result    pim.Result    `json:"result"`
	By        pim.Principal `json:"by"`
	Reason    string        `json:"reason,omitempty"`
	At        time.Time     `json:"at"`
	Elsewhere bool          `json:"elsewhere,omitempty"` // not through Belay
}

// EndReason tells why an activation is over.
type EndReason string

// The ends of an activation.
const (
	EndExpired     EndReason = "expired"
	EndDeactivated EndReason = "deactivated"
	EndRevoked     EndReason = "revoked"
	EndNotVisible  EndReason = "outcome not visible"
)

// Refusal is a no of Microsoft, or of the sign-in, in terms words.go can explain.
type Refusal struct {
	Code  pim.Code   `json:"code"`
	Rules []pim.Rule `json:"rules,omitempty"`
	Until time.Time  `json:"until,omitzero"` // for CodeExists: the end of the activation that is there already
	By    string     `json:"by,omitempty"`
	Ref   string     `json:"ref,omitempty"` // Microsoft's request id of the failed call
	// Request is, for CodeExists, the request whose activation is there already.
	Request string `json:"request,omitempty"`
	// Held is, for CodePending, Microsoft's id of the request that waits already.
	Held string `json:"held,omitempty"`
}

// IntentKind is the call an intent stands for.
type IntentKind string

// The calls to Microsoft.
const (
	ToActivate   IntentKind = "activate"
	ToCancel     IntentKind = "cancel"
	ToDeactivate IntentKind = "deactivate"
	ToApprove    IntentKind = "approve"
	ToDeny       IntentKind = "deny"
)

// review says that the intent is an approver's decision.
func (k IntentKind) review() bool { return k == ToApprove || k == ToDeny }

// IntentState is where an owed call stands.
type IntentState string

// The states of an intent. IntentSent means that Microsoft may have heard of it: what
// it holds is read before the call is made again.
const (
	IntentReady   IntentState = "ready"
	IntentWaiting IntentState = "waiting for sign-in"
	IntentSent    IntentState = "sent"
	IntentDone    IntentState = "done"
)

// Outcome is how an intent ended.
type Outcome string

// The ends of an intent.
const (
	Accepted  Outcome = "accepted" // Microsoft took it
	Refused   Outcome = "refused"
	Lapsed    Outcome = "lapsed" // nobody signed in
	Dropped   Outcome = "dropped"
	TakenBack Outcome = "taken back" // by its person, before it was sent
)

// Intent is a call that is owed to Microsoft, as one person.
type Intent struct {
	ID        string      `json:"id"`
	Kind      IntentKind  `json:"kind"`
	By        Person      `json:"by"`
	Reason    string      `json:"reason,omitempty"`
	State     IntentState `json:"state"`
	Outcome   Outcome     `json:"outcome,omitempty"`
	Refusal   *Refusal    `json:"refusal,omitempty"`
	Made      time.Time   `json:"made"`
	SentAt    time.Time   `json:"sentAt,omitzero"`
	NotBefore time.Time   `json:"notBefore,omitzero"`
	Calls     int         `json:"calls,omitempty"` // how often it was sent
	Tries     int         `json:"tries,omitempty"`
	SignIns   int         `json:"signIns,omitempty"`
	Ticket    string      `json:"ticket,omitempty"` // the one-time link that ends the waiting
	Challenge bool        `json:"challenge,omitempty"`
	Deadline  time.Time   `json:"deadline,omitzero"` // Waiting lapses then
	Fresh     bool        `json:"fresh,omitempty"`   // only a fresh sign-in ends the waiting
	Proof     Proof       `json:"proof,omitzero"`    // of its person's presence
	// Then is, of a deactivation, the request that is to follow it.
	Then string `json:"then,omitempty"`
	// Restored says that the call was owed when a backup was made, which Belay went on
	// from: whether Microsoft heard of it since is looked up before it is sent.
	Restored bool `json:"restored,omitempty"`
	// Told are, of a decision, the chat accounts that hear of it. Disowned: its person
	// says that it was not theirs.
	Told     []Told `json:"told,omitempty"`
	Disowned bool   `json:"disowned,omitempty"`
	// Trace is that of the act that the call came of, as a traceparent; empty: none.
	Trace string `json:"trace,omitempty"`
}

// open says that the call is still owed.
func (i Intent) open() bool { return i.State != IntentDone }

// Reach is where one approver can be reached.
type Reach struct {
	Principal string         `json:"principal"`
	At        []Conversation `json:"at"`
}

// Slot names a card of a request: what it is and whom it is for.
type Slot string

// Shown is what a slot last showed.
type Shown struct {
	Message   Message   `json:"message"`
	Digest    string    `json:"digest"`
	NotBefore time.Time `json:"notBefore,omitzero"` // after a refusal: when to try again
	Tries     int       `json:"tries,omitempty"`
	Since     time.Time `json:"since,omitzero"`     // of the first refusal in a row
	GivenUp   string    `json:"givenUp,omitempty"`  // the digest that could not be shown
	Told      string    `json:"told,omitempty"`     // the outcome that the requester's card was posted with
	Gathered  bool      `json:"gathered,omitempty"` // a digest tells it
}

// Lease keeps two settlers from working on one request at once. It only makes
// double calls rare; reading first makes them harmless, and a fence keeps the one that
// lost it from writing.
type Lease struct {
	Owner string    `json:"owner,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Entry is one line of a request's history, which only grows.
type Entry struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Who    string    `json:"who,omitempty"` // Entra object id; empty: Belay observed it
	State  State     `json:"state"`
	Detail string    `json:"detail,omitempty"`
}

// Intent finds an intent by its id.
func (r Request) Intent(id string) (Intent, bool) {
	i := slices.IndexFunc(r.Intents, func(i Intent) bool { return i.ID == id })
	if i < 0 {
		return Intent{}, false
	}
	return r.Intents[i], true
}

// approver finds the person among those the policy names.
func (r Request) approver(principal string) (pim.Principal, bool) {
	i := slices.IndexFunc(r.Approvers, func(p pim.Principal) bool { return strings.EqualFold(p.ID, principal) })
	if i < 0 {
		return pim.Principal{}, false
	}
	return r.Approvers[i], true
}

// clone gives Apply a copy whose slices and maps it may change. What most events add to has
// room for it.
func (r Request) clone() Request {
	r.Intents = roomy(r.Intents)
	r.Reach = slices.Clone(r.Reach)
	r.Shown = maps.Clone(r.Shown)
	r.History = roomy(r.History)
	r.Reports = slices.Clone(r.Reports)
	return r
}

// roomy is a copy with room for one more; nil stays nil, as it is not stored.
func roomy[T any](all []T) []T {
	if all == nil {
		return nil
	}
	return append(make([]T, 0, len(all)+1), all...)
}
