package posture

import (
	"cmp"
	"strings"

	"github.com/belaybot/belay/pim"
)

// view is a snapshot with what the checks look up in it.
type view struct {
	s Snapshot
	r Rules

	groups   map[string]string        // names, by object id in lower case
	members  map[string][]pim.Holding // of groups: everybody's part in them, by the group's id
	held     map[string]bool          // roles that somebody holds, by kind and identity
	eligible map[string]bool          // roles that somebody is eligible for
}

func look(s Snapshot, r Rules) *view {
	v := &view{s: s, r: r, groups: map[string]string{}, members: map[string][]pim.Holding{}, held: map[string]bool{}, eligible: map[string]bool{}}
	for _, g := range s.Assignable {
		v.groups[strings.ToLower(g.ID)] = g.Name
	}
	for _, h := range s.Holdings {
		if h.Type == pim.GroupOfPeople && h.Holder.Name != "" {
			v.groups[strings.ToLower(h.Holder.ID)] = h.Holder.Name
		}
		if h.Kind == pim.Group {
			id := strings.ToLower(h.Scope)
			v.members[id] = append(v.members[id], h)
			if h.ScopeName != "" {
				v.groups[id] = h.ScopeName
			}
		}
		v.held[key(h.Assignment)] = true
		if h.Eligible {
			v.eligible[key(h.Assignment)] = true
		}
	}
	return v
}

// key tells roles apart, at whatever scope they are held.
func key(a pim.Assignment) string { return string(a.Kind) + " " + a.Identity() }

// who is what a holder is called.
func who(h pim.Holding) string {
	name := cmp.Or(h.Holder.Name, h.Holder.UPN, h.Holder.ID)
	switch h.Type {
	case pim.GroupOfPeople:
		return "group " + name
	case pim.ServicePrincipal:
		return "application " + name
	}
	if h.Holder.UPN != "" && h.Holder.UPN != name {
		return name + " (" + h.Holder.UPN + ")"
	}
	return name
}

// role is what a role is called, without its scope.
func (v *view) role(h pim.Holding) string { return v.roleName(h.Assignment, h.RoleName) }

func (v *view) roleName(a pim.Assignment, told string) string {
	id := a.Identity()
	switch {
	case a.Kind == pim.Group:
		return cmp.Or(a.Role, pim.Member) + " of " + cmp.Or(v.groups[id], id)
	case told != "":
		return told
	case a.Kind == pim.EntraRole && v.s.Roles[id] != "":
		return v.s.Roles[id]
	}
	for _, p := range mostPrivileged {
		if p.Kind == a.Kind && p.ID == id {
			return p.Name
		}
	}
	return id
}

// at is the role with the place where it is held.
func (v *view) at(h pim.Holding) string {
	name := v.role(h)
	switch {
	case h.Kind == pim.AzureResource:
		return name + " at " + cmp.Or(h.ScopeName, h.Scope)
	case h.Kind == pim.EntraRole && h.Scope != "/" && h.Scope != "":
		return name + " at " + h.Scope
	}
	return name
}

func (v *view) evidence(h pim.Holding, note string) Evidence {
	what := who(h) + ": " + v.at(h)
	if !h.Eligible && !h.End.IsZero() {
		what += ", until " + date(h.End)
	}
	if note != "" {
		what += ", " + note
	}
	return Evidence{What: what, ID: h.Holder.ID}
}
