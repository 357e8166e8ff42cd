// Package drift says what became of a tenant's settings and assignments since somebody
// accepted them. It is pure: a posture.Snapshot becomes a Reading, and Compare holds it
// against a baseline.
//
// What a reading did not see is never a change. What a role is activated for a while is
// none either: that is what Privileged Identity Management is for.
package drift

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// What says what an Entry is.
type What string

// The whats.
const (
	Setting  What = "setting"  // the settings of a role
	Eligible What = "eligible" // an assignment that may be activated
	Standing What = "standing" // one that nobody has to activate
	Covered  What = "covered"  // nothing of the tenant's: the baseline knows all of a part, Role
)

// Name names a value of an Entry.
type Name string

// The names, in the order in which they are told.
const (
	MaxDuration       Name = "max-duration" // ISO 8601
	MFA               Name = "mfa"          // yes, no; yes with an authentication context too
	AuthContext       Name = "auth-context" // its claim value, or none
	Justification     Name = "justification"
	Ticket            Name = "ticket"
	Approval          Name = "approval"
	Approvers         Name = "approvers" // object ids with a comma between them, or none
	Mail              Name = "mail"
	PermanentEligible Name = "permanent-eligible"
	PermanentActive   Name = "permanent-active"
	Until             Name = "until" // of an assignment: RFC 3339 in UTC, or none
)

// The values that are no others.
const (
	Yes  = "yes"
	No   = "no"
	None = "none"
)

// Value is one thing that an Entry says.
type Value struct {
	Name Name   `json:"name"`
	Text string `json:"value"`
}

// Entry is one line of a baseline: the settings of a role, or one assignment. What a
// policy did not say is not among its Values.
type Entry struct {
	What      What           `json:"what"`
	Kind      pim.Kind       `json:"kind,omitempty"`
	Role      string         `json:"role"`
	Scope     string         `json:"scope,omitempty"`
	RoleName  string         `json:"roleName,omitempty"`
	ScopeName string         `json:"scopeName,omitempty"`
	Holder    pim.Principal  `json:"holder,omitzero"`
	Type      pim.HolderType `json:"holderType,omitempty"`
	Values    []Value        `json:"values,omitempty"`
	// Leads says of a group that it opens the way to a most privileged role, as far as was seen.
	Leads bool `json:"leads,omitempty"`
	// Below are, of Azure, the places of a Look below which it was read, sorted and in lower
	// case; empty: an earlier version did not say.
	Below []string `json:"below,omitempty"`
}

// Key tells entries apart. It stays the same whatever things are called.
func (e Entry) Key() string {
	role := e.Role
	if e.What != Covered {
		role = pim.Assignment{Kind: e.Kind, Role: e.Role, Scope: e.Scope}.Identity()
	}
	scope := strings.ToLower(e.Scope)
	switch {
	case e.Kind == pim.Group:
		role, scope = strings.ToLower(e.Role), strings.ToLower(e.Scope)
	case e.What == Setting && e.Kind == pim.EntraRole:
		scope = "" // a directory role has one policy for all its scopes
	}
	return strings.Join([]string{string(e.What), string(e.Kind), role, scope, strings.ToLower(e.Holder.ID)}, " ")
}

// Value is what e says of a name; false: it does not.
func (e Entry) Value(n Name) (string, bool) {
	for _, v := range e.Values {
		if v.Name == n {
			return v.Text, true
		}
	}
	return "", false
}

// Privileged says whether the role, or the group, leads to every other one.
func (e Entry) Privileged() bool {
	if e.Leads {
		return true
	}
	id := pim.Assignment{Kind: e.Kind, Role: e.Role, Scope: e.Scope}.Identity()
	return slices.ContainsFunc(pim.MostPrivileged(), func(p pim.Privileged) bool { return p.Kind == e.Kind && p.ID == id })
}

// until is when an assignment ends; zero: never.
func (e Entry) until() time.Time {
	text, _ := e.Value(Until)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// part is the part of a reading without which the absence of e says nothing.
func (e Entry) part() posture.Part {
	type of struct {
		kind pim.Kind
		what What
	}
	return map[of]posture.Part{
		{pim.EntraRole, Eligible}: posture.RolesEligible, {pim.EntraRole, Standing}: posture.RolesActive, {pim.EntraRole, Setting}: posture.RoleSettings,
		{pim.Group, Eligible}: posture.GroupsElig, {pim.Group, Standing}: posture.GroupsActive, {pim.Group, Setting}: posture.GroupSettings,
		{pim.AzureResource, Eligible}: posture.AzureEligible, {pim.AzureResource, Standing}: posture.AzureActive, {pim.AzureResource, Setting}: posture.AzureSettings,
	}[of{e.Kind, e.What}]
}

func yesNo(b bool) string {
	if b {
		return Yes
	}
	return No
}

// setting is the entry of a policy.
func setting(s pim.Settings) Entry {
	e := Entry{What: Setting, Kind: s.Kind, Role: s.Role, Scope: s.Scope, RoleName: s.RoleName, ScopeName: s.ScopeName, Below: s.Below}
	add := func(rule string, n Name, text string) {
		if !slices.Contains(s.Missing, rule) {
			e.Values = append(e.Values, Value{n, text})
		}
	}
	approvers := slices.Compact(slices.Sorted(slices.Values(s.Deciders)))
	add(pim.RuleOfDuration, MaxDuration, pim.FormatDuration(s.MaxDuration))
	add(pim.RuleOfEnablement, MFA, yesNo(s.MFA || s.AuthContext != ""))
	add(pim.RuleOfEnablement, AuthContext, cmp.Or(s.AuthContext, None))
	add(pim.RuleOfEnablement, Justification, yesNo(s.Justification))
	add(pim.RuleOfEnablement, Ticket, yesNo(s.Ticket))
	add(pim.RuleOfApproval, Approval, yesNo(s.Approval))
	add(pim.RuleOfApproval, Approvers, cmp.Or(strings.Join(approvers, ","), None))
	add(pim.RuleOfMail, Mail, yesNo(s.Mailed))
	add(pim.RuleOfEligibility, PermanentEligible, yesNo(s.PermanentEligible))
	add(pim.RuleOfAssignment, PermanentActive, yesNo(s.PermanentActive))
	return e
}

// assignment is the entry of what somebody holds.
func assignment(h pim.Holding) Entry {
	e := Entry{What: Standing, Kind: h.Kind, Role: h.Role, Scope: h.Scope, RoleName: h.RoleName, ScopeName: h.ScopeName, Holder: h.Holder, Type: h.Type, Below: h.Below}
	if h.Eligible {
		e.What = Eligible
	}
	until := None
	if !h.End.IsZero() {
		until = h.End.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	e.Values = []Value{{Until, until}}
	return e
}

// RoleSettingsCovered is the key of the entry that says that a baseline knows the settings
// of all directory roles.
func RoleSettingsCovered() string {
	return Look{}.covers(Entry{Kind: pim.EntraRole}, posture.RoleSettings)[0].Key()
}
