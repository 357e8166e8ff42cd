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
	l.Scopes = sorted(l.Scopes)
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
		known, twice := r.Entries[e.Key()]
		if e.Below = sorted(slices.Concat(e.Below, known.Below)); twice && (e.What == Setting || !later(e.until(), known.until())) {
			known.Below, e = e.Below, known // of two assignments that are alike the longer one
		}
		r.Entries[e.Key()] = e
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
		if !r.watches(kind) || kind == pim.Group || unseen[part] {
			continue
		}
		for _, e := range l.covers(Entry{Kind: kind}, part) {
			r.whole[e.Key()] = e
		}
	}
	if r.watches(pim.Group) {
		for id := range s.Looked {
			e := l.covers(Entry{Kind: pim.Group, Scope: id, ScopeName: groups[id]}, posture.GroupsActive)[0]
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

// covers are the entries that say that a part is known: of groups each for itself, and of
// Azure one for each place of the look below which e is.
func (l Look) covers(e Entry, part posture.Part) []Entry {
	c := Entry{What: Covered, Kind: e.Kind, Role: string(part)}
	switch e.Kind {
	case pim.Group:
		c.Role, c.Scope, c.ScopeName = "group", strings.ToLower(e.Scope), e.ScopeName
	case pim.AzureResource:
		var all []Entry
		for _, place := range l.places(e) {
			c.Scope = place
			all = append(all, c)
		}
		return all
	}
	return []Entry{c}
}

// places are those of the look below which an entry of Azure is, as far as it says.
func (l Look) places(e Entry) []string {
	if len(e.Below) == 0 {
		return l.Scopes
	}
	return slices.DeleteFunc(slices.Clone(e.Below), func(place string) bool { return !slices.Contains(l.Scopes, place) })
}

// sorted are places, each once and in lower case.
func sorted(places []string) []string {
	if len(places) == 0 {
		return nil
	}
	all := make([]string, len(places))
	for n, place := range places {
		all[n] = strings.ToLower(place)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Left says that an entry is below no place of Azure that is still read.
func (r Reading) Left(e Entry) bool {
	_, there := r.Entries[e.Key()]
	return !there && e.Kind == pim.AzureResource && r.watches(e.Kind) && len(e.Below) > 0 && len(r.look.places(e)) == 0
}

func (r Reading) watches(k pim.Kind) bool { return slices.Contains(r.look.Pillars, k) }

// Knows says whether the reading tells how the tenant stands about a change: the entry is
// there and says what it is about, or nothing of its part was left out.
func (r Reading) Knows(c Change) bool {
	e, there := r.Entries[c.Key]
	if !there {
		whole := slices.ContainsFunc(r.look.covers(c.entry(), c.entry().part()), func(e Entry) bool { _, whole := r.whole[e.Key()]; return whole })
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
