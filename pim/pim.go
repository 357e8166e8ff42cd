// Package pim holds the words of Microsoft Entra Privileged Identity Management
// as Go types: what a person is eligible for, the policy of a role, a schedule
// request and its status, an approval and its stages, and the errors Microsoft
// answers with. It does no I/O; pim/graph (and later pim/arm) do.
//
// All times are UTC. All identifiers are Microsoft's, byte for byte.
package pim

import "time"

// Kind tells the pillar an assignment belongs to.
type Kind string

// The three pillars, and what Role and Scope of an Assignment are in each.
const (
	EntraRole     Kind = "entra-role"     // a directory role: role definition id, directory scope id
	Group         Kind = "group"          // PIM for Groups: Member or Owner, the group's object id
	AzureResource Kind = "azure-resource" // an Azure role: the role definition's full ARM id, the scope's ARM id with its leading slash
)

// The roles of a Group assignment, as Graph's accessId spells them.
const (
	Member = "member"
	Owner  = "owner"
)

// Principal is a person (or, as an approver, a group) of the directory.
// Only ID is an identity; the names are the directory's and may change.
type Principal struct {
	ID   string `json:"id"`             // Entra object id
	Name string `json:"name,omitempty"` // display name
	UPN  string `json:"upn,omitempty"`  // user principal name
	Mail string `json:"mail,omitempty"` // primary mail, often empty
}

// Assignment names a role at a scope: what is activated, deactivated, observed.
type Assignment struct {
	Kind  Kind   `json:"kind"`
	Role  string `json:"role"`
	Scope string `json:"scope"` // copied byte for byte from the eligibility
}

// EligibleAssignment is something a person may activate.
type EligibleAssignment struct {
	Assignment
	RoleName  string    `json:"roleName"`
	ScopeName string    `json:"scopeName"` // "Directory" for the whole tenant; the group's name; "resource group rg-prod"
	Until     time.Time `json:"until"`     // end of the eligibility; zero: permanent

	// Through is the group that holds the eligibility, of which the person is a
	// member; without an ID the person holds it. The activation is made for the
	// person all the same: with the group's id it would be for every member.
	Through Principal `json:"through,omitzero"`

	// Of Azure resources only.
	Schedule         string `json:"schedule,omitempty"` // ARM id of the eligibility's schedule
	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
}

// Scope is a place below the scope of an eligibility to which an activation can
// be narrowed.
type Scope struct {
	ID   string // ARM id with its leading slash
	Name string // such as "resource group rg-prod"
}

// Ticket is the reference a role may demand. Both members may be empty.
type Ticket struct {
	Number string `json:"number,omitempty"`
	System string `json:"system,omitempty"`
}

// Activation is what a person asks Microsoft for.
type Activation struct {
	Assignment
	// ID is a GUID of the caller's making. Where the service lets the caller name
	// the request (ARM), a repeated call with the same ID is the same request.
	ID            string
	Justification string
	Ticket        Ticket
	Start         time.Time // zero: now
	Duration      time.Duration

	Schedule, Condition, ConditionVersion string // copied from the eligibility
}

// Deactivation ends a person's own activation before its time.
type Deactivation struct {
	Assignment
	ID            string // as of an Activation
	Justification string
	Schedule      string // copied from the eligibility
}

// Request is a schedule request as Microsoft holds it.
type Request struct {
	ID            string
	Assignment    Assignment
	Principal     string // object id of the person it is for
	Status        Status
	Approval      string // approval id; empty where no approval is needed
	Schedule      string // target schedule id; empty until Microsoft tells it
	Justification string
	Ticket        Ticket
	Created       time.Time
	Start         time.Time // zero while a request for "now" is pending
	Duration      time.Duration

	// What the answer itself calls them; empty where it does not.
	Who                 Principal
	RoleName, ScopeName string
}

// Trace is one line of the directory's audit log about an activation. The log is
// minutes late, but Belay may read it without anybody's sign-in. Source: Graph,
// directoryAudit, loggedByService PIM.
type Trace struct {
	ID         string // of the audit entry
	At         time.Time
	What       TraceKind
	Request    string // Microsoft's request id, as far as the entry tells
	Assignment Assignment
	Principal  string    // whose activation it is
	By         Principal // who did it; empty: PIM itself
	Reason     string

	RoleName, ScopeName string // what the entry calls them; empty where it does not
}

// TraceKind is what a Trace tells.
type TraceKind string

// The kinds of a Trace.
const (
	TraceAsked     TraceKind = "asked"
	TraceApproved  TraceKind = "approved"
	TraceDenied    TraceKind = "denied"
	TraceActivated TraceKind = "activated"
	TraceCanceled  TraceKind = "canceled"
	TraceExpired   TraceKind = "expired" // nobody decided
	TraceEnded     TraceKind = "ended"   // the activation's time was over, or it was deactivated
	TraceOutside   TraceKind = "outside" // a role was assigned without PIM, and PIM saw it

	// What administrators do, which Traces does not tell of.
	TraceSettings TraceKind = "settings" // a role's settings were changed
	TraceAssigned TraceKind = "assigned" // somebody was made eligible, or was assigned
	TraceRemoved  TraceKind = "removed"  // … and is not any more
)

// Instance is an active assignment that Microsoft holds right now.
type Instance struct {
	ID         string
	Assignment Assignment
	Principal  string
	Schedule   string // the schedule it came from
	Start, End time.Time
	Activated  bool // by an activation, not a standing assignment
}

// Approval is Microsoft's record of who may decide, read with an approver's own token.
type Approval struct {
	ID     string
	Stages []Stage
}

// Stage is one approval stage (beta's "step"). PIM has one per approval.
type Stage struct {
	ID            string
	Status        string // NotStarted, InProgress, Completed, Expired, … ; compare with strings.EqualFold
	AssignedToMe  bool
	Result        Result
	Reviewer      Principal // who decided; empty while undecided
	Reviewed      time.Time
	Justification string
}

// Result is what a stage says of the decision.
type Result string

// The three results of a stage; matched without regard to letter case.
const (
	NotReviewed Result = "NotReviewed"
	Approved    Result = "Approve"
	Denied      Result = "Deny"
)

// Decision is an approver's answer to one stage.
type Decision struct {
	Approval      string
	Stage         string
	Result        Result // Approved or Denied
	Justification string
}

// Policy is what a role's settings demand of a person who activates it.
type Policy struct {
	MaxDuration   time.Duration
	Justification bool
	Ticket        bool
	MFA           bool
	AuthContext   string // claim value such as "c1"; empty: none
	Approval      bool   // somebody must approve

	// Approvers are the people who may decide, groups expanded transitively,
	// sorted by name. With Approval set and nobody here, nobody can decide.
	Approvers []Principal
	// ApproverGroups are the groups the policy names, for "who will approve".
	ApproverGroups []ApproverGroup
	// DefaultApprovers says that the policy named nobody, so that Microsoft's
	// documented default applies (Privileged Role and Global Administrators).
	DefaultApprovers bool
}

// ApproverGroup is a group that a policy names as approver.
type ApproverGroup struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Size int    `json:"size,omitempty"` // people in it, nested groups included
	// Members are their object ids, sorted; nil: not known.
	Members []string `json:"members,omitempty"`
}
