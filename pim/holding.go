package pim

import "time"

// HolderType is what kind of principal holds an assignment.
type HolderType string

// The kinds of principals, as Microsoft tells them. Empty: it did not.
const (
	User             HolderType = "user"
	GroupOfPeople    HolderType = "group"
	ServicePrincipal HolderType = "servicePrincipal"
)

// Holding is one assignment as the lists of the whole tenant tell it: who holds what,
// and whether they may activate it or have it now.
type Holding struct {
	Assignment
	Holder    Principal
	Type      HolderType
	Eligible  bool // may be activated; otherwise it is active
	Activated bool // of an active one: by an activation, not a standing assignment
	Start     time.Time
	End       time.Time // zero: no end

	RoleName, ScopeName string // where the list calls them something

	// Below are the places of Azure of which it was read that it is there or below them, in
	// lower case; it is not to be changed.
	Below []string
}

// Standing says that the holder has it without having activated it, for good or until
// an administrator's date.
func (h Holding) Standing() bool { return !h.Eligible && !h.Activated }

// The rules of a policy that posture looks at. Settings.Missing names those that a
// policy did not have.
const (
	RuleOfDuration    = "Expiration_EndUser_Assignment"
	RuleOfEnablement  = "Enablement_EndUser_Assignment"
	RuleOfApproval    = "Approval_EndUser_Assignment"
	RuleOfMail        = "Notification_Admin_EndUser_Assignment"
	RuleOfEligibility = "Expiration_Admin_Eligibility"
	RuleOfAssignment  = "Expiration_Admin_Assignment"
)

// Settings are what the policy of a role says, before anybody is looked up.
type Settings struct {
	Assignment
	RoleName, ScopeName string
	Below               []string // as of a Holding

	MaxDuration       time.Duration
	MFA               bool
	AuthContext       string // claim value such as "c1"; empty: none
	Justification     bool
	Ticket            bool
	Approval          bool
	Approvers         int      // people and groups that the policy names
	Deciders          []string // … by object id in lower case, sorted
	Mailed            bool     // somebody is mailed when the role is activated
	PermanentEligible bool     // an eligible assignment may be without an end
	PermanentActive   bool     // and so may an active one
	Missing           []string
}

// NamedGroup is a group of the directory.
type NamedGroup struct {
	ID, Name string
}

// Plan is a service plan that PIM needs.
type Plan string

// The plans; Source: "Licensing service plan reference".
const (
	PlanP2         Plan = "Microsoft Entra ID P2"
	PlanGovernance Plan = "Microsoft Entra ID Governance"
)

// Licence is a subscription that has one of the plans, and that is enabled.
type Licence struct {
	SKU  string // such as "AAD_PREMIUM_P2"
	Plan Plan
}

// AccessReview is a review series of Microsoft's.
type AccessReview struct {
	ID, Name string
	// Roles are the directory roles that it looks at, by role definition id; of Groups
	// the object ids.
	Roles, Groups []string
	// Every is the time between two reviews; zero: it is held once.
	Every time.Duration
	Over  bool // no review of it is still to come
}
