package drift

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

// Look is what of a tenant is compared.
type Look struct {
	Pillars []pim.Kind
	Scopes  []string // of Azure, below which was read
}

// Reading is what was seen of a tenant at one time.
type Reading struct {
	At      time.Time
	Entries map[string]Entry // by Key
	// whole are the parts, and the groups, that were seen to their end, by the key of
	// the entry that covers them.
	whole  map[string]Entry
	look   Look
	Unseen []posture.Unseen // what was not seen of what is compared
}

// Take makes a reading of a snapshot.
func Take(s posture.Snapshot, l Look) Reading {
	r := Reading{At: s.Taken, Entries: map[string]Entry{}, whole: map[string]Entry{}, look: l}
	groups := map[string]string{}
	for _, g := range s.Assignable {
		groups[strings.ToLower(g.ID)] = g.Name
	}
	for _, h := range s.Holdings {
		if h.Type == pim.GroupOfPeople && h.Holder.Name != "" {
			groups[strings.ToLower(h.Holder.ID)] = h.Holder.Name
		}
	}
	lead := leading(s.Holdings)
	add := func(e Entry) {
		if !r.watches(e.Kind) {
			return
		}
		e.Leads = e.Kind == pim.Group && lead[strings.ToLower(e.Scope)]
		e.RoleName, e.ScopeName = called(e, s.Roles, groups)
		e.Holder.Mail = ""
		if known, ok := r.Entries[e.Key()]; !ok || e.What != Setting && later(e.until(), known.until()) {
			r.Entries[e.Key()] = e // of two assignments that are alike the longer one
		}
	}
	for _, p := range s.Settings {
		add(setting(p))
	}
	for _, h := range s.Holdings {
		if h.Eligible || !h.Activated {
			add(assignment(h))
		}
	}
	unseen := map[posture.Part]bool{}
	for _, u := range s.Unseen {
		if kind, compared := kinds[u.Part]; compared && (r.watches(kind) || kind == pim.EntraRole) {
			unseen[u.Part] = true
			r.Unseen = append(r.Unseen, u)
		}
	}
	for part, kind := range kinds {
		if e := l.cover(Entry{Kind: kind}, part); r.watches(kind) && kind != pim.Group && !unseen[part] {
			r.whole[e.Key()] = e
		}
	}
	if r.watches(pim.Group) {
		for id := range s.Looked {
			e := l.cover(Entry{Kind: pim.Group, Scope: id, ScopeName: groups[id]}, posture.GroupsActive)
			r.whole[e.Key()] = e
		}
	}
	return r
}

// leading are the groups of which a member gets to a most privileged role, be it through
// other groups.
func leading(all []pim.Holding) map[string]bool {
	lead := map[string]bool{}
	for more := true; more; {
		more = false
		for _, h := range all {
			id := strings.ToLower(h.Holder.ID)
			if h.Type != pim.GroupOfPeople || lead[id] {
				continue
			}
			if assignment(h).Privileged() || h.Kind == pim.Group && lead[strings.ToLower(h.Scope)] {
				lead[id], more = true, true
			}
		}
	}
	return lead
}

// kinds are the pillars of the parts that are compared.
var kinds = map[posture.Part]pim.Kind{
	posture.RolesActive: pim.EntraRole, posture.RolesEligible: pim.EntraRole, posture.RoleSettings: pim.EntraRole,
	posture.GroupList: pim.Group, posture.GroupsActive: pim.Group, posture.GroupsElig: pim.Group, posture.GroupSettings: pim.Group,
	posture.AzureActive: pim.AzureResource, posture.AzureEligible: pim.AzureResource, posture.AzureSettings: pim.AzureResource,
}

// cover is the entry that says that a part is known: of groups each for itself, and of
// Azure at the places that are read.
func (l Look) cover(e Entry, part posture.Part) Entry {
	c := Entry{What: Covered, Kind: e.Kind, Role: string(part)}
	switch e.Kind {
	case pim.Group:
		c.Role, c.Scope, c.ScopeName = "group", strings.ToLower(e.Scope), e.ScopeName
	case pim.AzureResource:
		c.Scope = strings.ToLower(strings.Join(slices.Sorted(slices.Values(l.Scopes)), ","))
	}
	return c
}

func (r Reading) watches(k pim.Kind) bool { return slices.Contains(r.look.Pillars, k) }

// Knows says whether the reading tells how the tenant stands about a change: the entry is
// there and says what it is about, or nothing of its part was left out.
func (r Reading) Knows(c Change) bool {
	e, there := r.Entries[c.Key]
	if !there {
		_, whole := r.whole[r.look.cover(c.entry(), c.entry().part()).Key()]
		return whole && c.entry().What != Setting // settings are read where somebody holds the role
	}
	for _, f := range c.Fields {
		if _, said := e.Value(f.Name); !said {
			return false
		}
	}
	return true
}

func later(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// called is what a role and its place are called.
func called(e Entry, roles, groups map[string]string) (role, scope string) {
	id := pim.Assignment{Kind: e.Kind, Role: e.Role, Scope: e.Scope}.Identity()
	switch e.Kind {
	case pim.Group:
		return cmp.Or(e.RoleName, strings.ToLower(e.Role)), cmp.Or(e.ScopeName, groups[strings.ToLower(e.Scope)], e.Scope)
	case pim.EntraRole:
		return cmp.Or(e.RoleName, roles[id], known(e.Kind, id), id), e.ScopeName
	}
	return cmp.Or(e.RoleName, known(e.Kind, id), id), cmp.Or(e.ScopeName, e.Scope)
}

func known(k pim.Kind, id string) string {
	for _, p := range pim.MostPrivileged() {
		if p.Kind == k && p.ID == id {
			return p.Name
		}
	}
	return ""
}
