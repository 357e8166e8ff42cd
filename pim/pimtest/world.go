package pimtest

import (
	"slices"
	"strings"
	"time"
)

// world is everything the tenant remembers; it is what Options.File holds.
type world struct {
	Version  int
	TenantID string

	Users         map[string]*User
	Groups        map[string]*Group
	Roles         map[string]*Role
	GroupPolicies map[string]*Policy `json:",omitempty"` // by group id + "/" + access; a group in it is onboarded to PIM
	AzurePolicies map[string]*Policy `json:",omitempty"` // by azureKey; no scope inherits its parent's
	Azure         azureWorld
	Units         map[string]string // administrative units: id to name
	Eligibilities []*eligibility
	Assignments   []*assignment
	Requests      []*request // oldest first
	Log           []AuditEntry
	Unlicensed    bool
	Services      map[string]string `json:",omitempty"` // service principals: id to name
	Reviews       []Review          `json:",omitempty"`
	SignIns       []SignIn          `json:",omitempty"` // oldest first
	Changes       []AccountChange   `json:",omitempty"` // oldest first
	Rounds        []*Round          `json:",omitempty"`

	Key    string            // PKCS #8, base64
	Flows  map[string]*flow  // sign-ins on their way through the pages
	Codes  map[string]*code  // authorization codes
	Grants map[string]*grant // refresh tokens

	dirty bool
}

const worldVersion = 1

func newWorld() *world {
	return &world{
		Version: worldVersion,
		Users:   map[string]*User{}, Groups: map[string]*Group{}, Roles: map[string]*Role{}, Units: map[string]string{},
		GroupPolicies: map[string]*Policy{}, AzurePolicies: map[string]*Policy{},
		Azure: azureWorld{Resources: map[string]*Resource{}, Roles: map[string]*AzureRole{}, Puts: map[string]string{}, Shown: map[string]string{}},
		Flows: map[string]*flow{}, Codes: map[string]*code{}, Grants: map[string]*grant{},
	}
}

// eligibility is an eligible assignment: its schedule and its instance.
type eligibility struct {
	ID        string // of the schedule
	Kind      string
	Principal string // user or group
	Role      string
	Scope     string
	Created   time.Time
	From      time.Time
	Until     time.Time // zero: permanent

	Condition        string `json:",omitempty"` // Azure only
	ConditionVersion string `json:",omitempty"`
}

func (e *eligibility) in(now time.Time) bool {
	return !now.Before(e.From) && (e.Until.IsZero() || now.Before(e.Until))
}

// assignment is an active assignment, standing or activated: its schedule and,
// once it has started, its instance. It is deleted when it ends.
type assignment struct {
	ID          string // of the schedule
	Request     string `json:",omitempty"` // of an activation
	Kind        string
	Principal   string
	Role        string
	Scope       string
	Created     time.Time
	Start       time.Time // zero of a standing assignment that was always there
	End         time.Time // zero: no end
	Activated   bool
	Eligibility string // the eligibility that was activated
	Hidden      int    // reads that do not show the instance yet
}

func (a *assignment) in(now time.Time) bool { return !now.Before(a.Start) }

// request is a schedule request of any kind together with its approval.
type request struct {
	ID            string
	Kind          string
	Action        string
	Principal     string
	Role          string
	Scope         string
	Status        string
	Justification string
	TicketNumber  string
	TicketSystem  string
	Created       time.Time
	Completed     time.Time
	Creator       string // object id of who made it
	CreatorKind   string
	Start         time.Time // as asked for; zero: now
	Duration      time.Duration
	Until         time.Time // as asked for with afterDateTime; zero otherwise
	Schedule      string
	Eligibility   string
	Approval      bool // it needs, or needed, an approver
	LateReads     int  // reads that still show PendingProvisioning
	Lapsed        bool `json:",omitempty"` // nobody decided in time, and its status does not tell

	// Azure only: the eligibility as the requester named it, and a condition.
	Linked           string `json:",omitempty"`
	Condition        string `json:",omitempty"`
	ConditionVersion string `json:",omitempty"`

	Result   string // NotReviewed, Approve, Deny
	Reviewer string
	Reviewed time.Time
	Reason   string // the approver's justification
}

// waits says whether r can still be decided.
func (r *request) waits() bool { return r.Status == statusPending && !r.Lapsed }

// The statuses the simulator gives; Source: unifiedRoleAssignmentScheduleRequest
// in the Graph reference.
const (
	statusPending      = "PendingApproval"
	statusProvisioning = "PendingProvisioning"
	statusGranted      = "Granted"
	statusProvisioned  = "Provisioned"
	statusDenied       = "Denied"
	statusCanceled     = "Canceled"
	statusRevoked      = "Revoked"
)

// Roles with powers of their own in PIM.
const (
	roleGlobalAdmin     = "62e90394-69f5-4237-9190-012177145e10"
	rolePrivilegedAdmin = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	roleGlobalReader    = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	roleSecurityReader  = "5d6b6bb7-de71-4623-b4af-77380a352509"
	roleSecurityOper    = "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"
	roleSecurityAdmin   = "194ae4cb-b126-40b2-bd5b-6091b380977d"
	roleReportsReader   = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	roleDirectoryReader = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	roleDirectoryWriter = "9360feb5-f418-4baa-8175-e2a00bac4301"
	roleGroupsAdmin     = "fdd7a751-b60b-444a-984c-02652fe8fa1c"
	roleGovernanceAdmin = "45d8d3c5-c802-45c6-b32a-1d70b5e1e86e"
	roleUserAdmin       = "fe930be7-5e62-47db-91af-98c3a49a38b1"
)

func (w *world) request(id string) *request {
	for _, r := range w.Requests {
		if strings.EqualFold(r.ID, id) {
			return r
		}
	}
	return nil
}

// assigned finds the assignment of principal, started or still to start.
func (w *world) assigned(principal, kind, role, scope string) *assignment {
	for _, a := range w.Assignments {
		if a.Principal == principal && a.Kind == kind && same(kind, a.Role, role) && same(kind, a.Scope, scope) {
			return a
		}
	}
	return nil
}

func (w *world) unassign(a *assignment) {
	w.Assignments = slices.DeleteFunc(w.Assignments, func(b *assignment) bool { return a == b })
}

// eligible finds an eligibility of the user for role at scope that is in force,
// its own one before one of a group. linked, when not empty, says which.
func (w *world) eligible(user, kind, role, scope, linked string, now time.Time) *eligibility {
	var byGroup *eligibility
	for _, e := range w.Eligibilities {
		if e.Kind != kind || !same(kind, e.Role, role) || !w.covers(e, scope) || !e.in(now) {
			continue
		}
		if linked != "" && !strings.EqualFold(e.ID, linked) {
			continue
		}
		if e.Principal == user {
			return e
		}
		if byGroup == nil && w.isMember(e.Principal, user, now) {
			byGroup = e
		}
	}
	return byGroup
}

// users of a group, nested groups and active memberships included, each once, in
// the order of names: PIM for Groups really adds the member.
func (w *world) users(group string, now time.Time) []*User {
	found, seen := map[string]*User{}, map[string]bool{}
	var walk func(string)
	walk = func(id string) {
		g := w.Groups[id]
		if g == nil || seen[id] {
			return
		}
		seen[id] = true
		members := slices.Clone(g.Members)
		for _, a := range w.Assignments {
			if a.Kind == kindGroup && a.Role == accessMember && a.Scope == id && a.in(now) {
				members = append(members, a.Principal)
			}
		}
		for _, m := range members {
			if u := w.Users[m]; u != nil {
				found[m] = u
			}
			walk(m)
		}
	}
	walk(group)
	return sortedUsers(found)
}

func (w *world) isMember(group, user string, now time.Time) bool {
	return slices.ContainsFunc(w.users(group, now), func(u *User) bool { return u.ID == user })
}

// holds says whether user has one of the directory roles active now, directly or
// through a group.
func (w *world) holds(user string, now time.Time, roles ...string) bool {
	for _, a := range w.Assignments {
		if a.Kind == kindRole && a.in(now) && slices.Contains(roles, a.Role) && (a.Principal == user || w.isMember(a.Principal, user, now)) {
			return true
		}
	}
	return false
}

// mayDecide says whether user may decide r: named by the policy, or, when that of
// a directory role names nobody, holder of a role that approves by default;
// never the requester. Groups and Azure resources have no default approvers.
// Source: "Approve or deny requests for Microsoft Entra roles in PIM".
func (w *world) mayDecide(r *request, user string, now time.Time) bool {
	u, p := w.Users[user], w.policy(r.Kind, r.Role, r.Scope)
	if u == nil || u.Disabled || p == nil || user == r.Principal || user == r.Creator {
		return false
	}
	if len(p.Approvers) == 0 {
		return r.Kind == kindRole && w.holds(user, now, rolePrivilegedAdmin, roleGlobalAdmin)
	}
	return slices.ContainsFunc(p.Approvers, func(id string) bool { return id == user || w.isMember(id, user, now) })
}

func sortedUsers(m map[string]*User) []*User {
	list := make([]*User, 0, len(m))
	for _, u := range m {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b *User) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}
