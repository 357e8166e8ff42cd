// Package trail is Belay's audit trail: what happened, who did it and with whose
// sign-in, in a form that shows later changes.
//
// An event is appended in the transaction of the state that it belongs to, so that
// neither is there without the other. It is chained a moment later, by a step of its own: no
// update has to read the head of the chain. What a person wrote, and what they are
// called, is in the chain as a salted commitment only, and can be erased without
// breaking it.
package trail

import (
	"log/slog"
	"time"
)

// Kind says what happened.
type Kind string

// The kinds of events.
const (
	Asked       Kind = "request.asked"    // a form was sent
	Found       Kind = "request.found"    // a request that was made elsewhere was found
	NeedsSignIn Kind = "request.sign-in"  // a call waits for its person's sign-in
	Sent        Kind = "request.sent"     // a call to Microsoft begins, with Token's token
	Accepted    Kind = "request.accepted" // Microsoft took the call
	Refused     Kind = "request.refused"  // Microsoft, or Belay before it, said no: Reason
	Withdrawn   Kind = "request.withdrawn"
	Decided     Kind = "request.decided" // Microsoft's word: who decided, and how
	Moved       Kind = "request.moved"   // Microsoft's word moved the request: From, To
	Wanted      Kind = "request.wanted"  // somebody pressed: a decision, or the end of their own request
	Resumed     Kind = "request.resumed" // a call goes on after its person signed in
	Delayed     Kind = "request.delayed" // Microsoft did not take a call, or its answer was lost; it is made again
	Press       Kind = "press.refused"   // somebody pressed what is not theirs, or too late: Reason; More: count, of several

	Linked   Kind = "person.linked"
	Unlinked Kind = "person.unlinked"
	SignedIn Kind = "person.signed-in"
	Ended    Kind = "person.sign-in-ended" // by Microsoft, by age, by the person or by an operator: Reason
	NotMe    Kind = "person.not-me"        // an approver says that a decision was not theirs

	// Of access reviews; Held is Microsoft's id of the decision, Subject whose access it is.
	ReviewWanted   Kind = "review.wanted"   // a reviewer decided: Verb
	ReviewSent     Kind = "review.sent"     // the call to Microsoft begins, with Token's token
	ReviewRecorded Kind = "review.recorded" // Microsoft was read to hold it
	ReviewRefused  Kind = "review.refused"  // it came to nothing, or what came of it was lost: Reason

	Alerted      Kind = "alert.raised"  // something unusual was found: Verb is the detector
	AlertHandled Kind = "alert.handled" // Verb: acknowledge, ask-them, was-me, was-not-me, mute, unmute; Reason: the detector

	DriftFound   Kind = "drift.found"   // a setting or an assignment is not as it was accepted: Verb; Reason: again
	DriftHandled Kind = "drift.handled" // Verb: accept; Reason: first-of-two
	// TurnedAway: a sign-in was refused, or somebody who may not talk to Belay: Reason; More:
	// whose sign-in it was to be, count of several.
	TurnedAway Kind = "person.turned-away"

	Operator Kind = "operator.command" // an administrative command: Verb

	KeysChanged Kind = "keys.changed" // other keys were found at the start than the last time: More
)

// Outcome is how it went.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	No      Outcome = "refused"
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown" // the answer was lost
)

// Actor is who did something. Object ids stay when the person's name is erased.
type Actor struct {
	Principal string `json:"principal,omitempty"` // Entra object id; empty: not known
	Platform  string `json:"platform,omitempty"`  // slack, teams, web; operator: a command; belay: Belay by itself; elsewhere: not through Belay
	Tenant    string `json:"tenant,omitempty"`    // of the chat user
	User      string `json:"user,omitempty"`      // chat user id, or the operator's account on the machine
}

// Role is what was asked for.
type Role struct {
	Kind  string `json:"kind"` // pim.Kind
	ID    string `json:"id"`   // role definition id; a group's object id and relation
	Name  string `json:"name,omitempty"`
	Scope string `json:"scope,omitempty"`
}

// Event is one thing that happened. Its JSON is what the chain covers: members are
// added at the end and never change their meaning.
type Event struct {
	ID      string            `json:"id"` // UUIDv7, set by Append
	At      time.Time         `json:"at"` // business time, UTC
	Kind    Kind              `json:"kind"`
	Outcome Outcome           `json:"outcome"`
	Actor   Actor             `json:"actor"`
	Token   string            `json:"token,omitempty"`   // object id of the person whose token the call is made with
	Subject string            `json:"subject,omitempty"` // object id of whom it is about: the requester, the person linked
	Request string            `json:"request,omitempty"` // Belay's id
	Held    string            `json:"held,omitempty"`    // Microsoft's id of the request
	Verb    string            `json:"verb,omitempty"`    // activate, approve, deny, cancel, deactivate; of an operator: the command
	From    string            `json:"from,omitempty"`    // states
	To      string            `json:"to,omitempty"`
	Role    *Role             `json:"role,omitempty"`
	Reason  string            `json:"reason,omitempty"` // a code, never free text
	Ref     string            `json:"ref,omitempty"`    // Microsoft's request id of a refusal
	More    map[string]string `json:"more,omitempty"`   // further facts without personal text: duration, start, presence
	// Texts are what a person wrote or is called, by name of the text: justification,
	// ticket, reason, name of the actor. Stored apart, in the chain as commitments.
	Texts Texts `json:"-"`
}

// Texts are personal texts by name. They print as REDACTED.
type Texts map[string]string

// LogValue hides the texts.
func (Texts) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// String hides the texts.
func (Texts) String() string { return "REDACTED" }

// GoString hides the texts.
func (Texts) GoString() string { return "REDACTED" }
