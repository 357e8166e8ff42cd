// Package posture says how well a tenant uses Privileged Identity Management. Examine
// and Checklist are pure: a Snapshot of what was read goes in, findings and answers with
// evidence come out. Read makes the Snapshot from the readers that it is given, page by
// page, and does no I/O of its own.
//
// What could not be read is said as such, with the permission that is missing. It is
// never taken for good.
package posture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Part is something that is read of a tenant, on its own.
type Part string

// The parts.
const (
	RoleNames     Part = "role-names"
	RolesActive   Part = "roles-active"
	RolesEligible Part = "roles-eligible"
	RoleSettings  Part = "role-settings"
	GroupList     Part = "group-list"
	GroupsActive  Part = "groups-active"
	GroupsElig    Part = "groups-eligible"
	GroupSettings Part = "group-settings"
	AzureActive   Part = "azure-active"
	AzureEligible Part = "azure-eligible"
	AzureSettings Part = "azure-settings"
	Accounts      Part = "accounts"
	Licences      Part = "licences"
	Activations   Part = "activations"
	Reviews       Part = "reviews"
)

// Parts are all of them.
func Parts() []Part {
	return []Part{RoleNames, RolesActive, RolesEligible, RoleSettings, GroupList, GroupsActive, GroupsElig, GroupSettings,
		AzureActive, AzureEligible, AzureSettings, Accounts, Licences, Activations, Reviews}
}

// Unseen is a part, or some of it, that could not be read.
type Unseen struct {
	Part       Part   `json:"part"`
	Permission string `json:"permission,omitempty"` // the one that is missing; empty: it is not that
	Some       bool   `json:"some,omitempty"`       // the rest of the part was read
	Why        string `json:"why"`                  // such as "throttled", for the operator
}

// Snapshot is what was read of a tenant.
type Snapshot struct {
	Taken    time.Time
	Tenant   string
	Roles    map[string]string // names of directory roles, by role definition id in lower case
	Holdings []pim.Holding     // of all three pillars
	Settings []pim.Settings    // of all three pillars
	// Assignable are the groups that can hold a directory role. Looked are the groups,
	// by object id in lower case, whose members were read: those, those that hold a
	// role, and those inside them.
	Assignable []pim.NamedGroup
	Looked     map[string]bool
	Guests     map[string]bool // object ids in lower case, of holders of privileged roles
	Licences   []pim.Licence
	Reviews    []pim.AccessReview
	// Activated is who activated what and when last, since Since.
	Activated map[Deed]time.Time
	Since     time.Time
	Unseen    []Unseen
}

// Deed is an activation of a directory role: a principal and a role definition id, in
// lower case.
type Deed struct{ Principal, Role string }

// unseen is what was not seen of the parts.
func (s Snapshot) unseen(parts ...Part) []Unseen {
	var out []Unseen
	for _, u := range s.Unseen {
		if slices.Contains(parts, u.Part) {
			out = append(out, u)
		}
	}
	return out
}

func (s Snapshot) saw(parts ...Part) bool { return len(s.unseen(parts...)) == 0 }

// Failed says that who has or may have a directory role was not seen at all, and not because a
// permission or a licence is missing: the tenant did not answer, and is read again later.
func (s Snapshot) Failed() bool {
	for _, part := range []Part{RolesActive, RolesEligible} {
		if !slices.ContainsFunc(s.unseen(part), func(u Unseen) bool { return !u.Some && u.Why != notPermitted && u.Why != noLicence }) {
			return false
		}
	}
	return true
}

// Rules are what a tenant is measured by.
type Rules struct {
	// BreakGlass are the object ids of accounts that are meant to have a standing
	// assignment, for the day when nothing else works.
	BreakGlass []string
	// Portal is the base URL of the Entra portal; empty: https://entra.microsoft.com.
	Portal string
}

func (r Rules) breakGlass(id string) bool {
	return slices.ContainsFunc(r.BreakGlass, func(b string) bool { return strings.EqualFold(b, id) })
}

func (r Rules) link(at string) string {
	return strings.TrimRight(cmp.Or(r.Portal, "https://entra.microsoft.com"), "/") + at
}

// What is too much; Sources: Microsoft's "Best practices for Microsoft Entra roles"
// (fewer than five Global Administrators, two emergency accounts) and the issue that
// asked for this.
const (
	longest    = 4 * time.Hour
	staleAfter = 90 * 24 * time.Hour
	mostAdmins = 4
)

const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// privileged says whether the role of a leads to every other role.
func privileged(a pim.Assignment) bool {
	id := a.Identity()
	return slices.ContainsFunc(mostPrivileged, func(p pim.Privileged) bool { return p.Kind == a.Kind && p.ID == id })
}

// mostPrivileged is not made anew for each assignment.
var mostPrivileged = pim.MostPrivileged()

// high says whether an Azure scope is a subscription or above one.
func high(scope string) bool {
	parts := strings.Split(strings.Trim(strings.ToLower(scope), "/"), "/")
	switch {
	case parts[0] == "":
		return true
	case parts[0] == "subscriptions":
		return len(parts) == 2
	}
	return len(parts) == 4 && parts[1] == "microsoft.management"
}
