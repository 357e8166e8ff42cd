package bot

import (
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
)

// Happening is what the rules of notices are asked about.
type Happening struct {
	Event    Notice
	Severity Severity               // empty: Low
	Role     pim.EligibleAssignment // zero: it is about no role
	Groups   []string               // of the rules' groups, those that the requester is a member of
}

// Rule sends some events to some places. An empty list asks for nothing; a Rule without
// places is silence.
type Rule struct {
	Name     string   // how doctor calls it
	Events   []Notice // empty: Everyday
	Pillars  []pim.Kind
	Roles    []string // names, ids of role definitions, names or object ids of groups
	Scopes   []string // each with all below it
	Severity Severity // at least
	Groups   []string // object ids: the requester is a member of one

	To     []Conversation
	People []string // Entra object ids: told directly
	Digest Timetable

	Continue bool // the rules after it, and the default, are asked too
}

// Everyday are the events that a rule hears which names none, and the default.
var Everyday = []Notice{NoticeActive, NoticeExtended, NoticeDenied, NoticeFailed, NoticeEnded, NoticeUnreached}

// watched are the events of which the security channels hear where no rule names them.
var watched = []Notice{NoticeAlert, NoticeDrift, NoticePosture}

// Target is one place that hears of something: At, or, where that is zero, a Person.
type Target struct {
	At     Conversation
	Person string
	Digest Timetable // zero: at once
}

// key tells places apart.
func (t Target) key() string {
	if t.At.ID != "" {
		return string(t.At.Platform) + "/" + t.At.ID
	}
	return "person/" + strings.ToLower(t.Person)
}

// Routing is the rules of notices. Its zero value tells nobody anything.
type Routing struct {
	Rules    []Rule
	Default  []Conversation // hear Everyday events that no rule takes
	Security []Conversation // hear alarms; and what is watched, where no rule takes it
}

// Targets says who hears of h, no place twice. The first rule that takes it decides, so
// that what a rule does is read off the rules above it and an exception is written above
// the rule; one that says Continue only adds its places to whatever would be heard without
// it. A rule without places that is reached is silence: nobody is added after it.
func (t Routing) Targets(h Happening) []Target {
	var all []Target
	add := func(n Target) {
		if !slices.ContainsFunc(all, func(o Target) bool { return o.key() == n.key() }) {
			all = append(all, n)
		}
	}
	channels := func(list []Conversation) {
		for _, at := range list {
			add(Target{At: at})
		}
	}
	taken := false
	for _, r := range t.Rules {
		if !r.Takes(h) {
			continue
		}
		for _, at := range r.To {
			add(Target{At: at, Digest: r.Digest})
		}
		for _, id := range r.People {
			add(Target{Person: id, Digest: r.Digest})
		}
		if taken = !r.Continue || r.Silent(); taken {
			break
		}
	}
	switch {
	case h.Event == NoticeNotMe: // an alarm: no rule silences it, and none keeps it waiting
		if len(t.Security) > 0 {
			all = nil
			channels(t.Security)
		} else if len(all) == 0 {
			channels(t.Default)
		}
		for n := range all {
			all[n].Digest = Timetable{}
		}
	case taken:
	case slices.Contains(Everyday, h.Event):
		channels(t.Default)
	case slices.Contains(watched, h.Event) && len(t.Security) > 0:
		channels(t.Security)
	case slices.Contains(watched, h.Event):
		channels(t.Default)
	}
	return all
}

// Groups are all groups that rules ask for.
func (t Routing) Groups() (all []string) {
	for _, r := range t.Rules {
		for _, g := range r.Groups {
			if !containsFold(all, g) {
				all = append(all, g)
			}
		}
	}
	return all
}

// gathers says that some rule tells what it takes in a digest.
func (t Routing) gathers() bool {
	return slices.ContainsFunc(t.Rules, func(r Rule) bool { return !r.Digest.Zero() })
}

// Silent says that nobody hears of what the rule takes.
func (r Rule) Silent() bool { return len(r.To) == 0 && len(r.People) == 0 }

// Takes says whether the rule is for h.
func (r Rule) Takes(h Happening) bool {
	return r.hears(h.Event) && (r.Severity == "" || h.Severity.weight() >= r.Severity.weight()) &&
		(len(r.Pillars) == 0 || slices.Contains(r.Pillars, h.Role.Kind)) &&
		Named(r.Roles, h.Role) && within(r.Scopes, h.Role.Scope) &&
		(len(r.Groups) == 0 || slices.ContainsFunc(r.Groups, func(g string) bool { return containsFold(h.Groups, g) }))
}

// hears says whether the rule is for an event. An extension is an activation too.
func (r Rule) hears(n Notice) bool {
	if len(r.Events) == 0 {
		return n == NoticeNotMe || slices.Contains(Everyday, n)
	}
	return slices.Contains(r.Events, n) || n == NoticeExtended && slices.Contains(r.Events, NoticeActive)
}

// Covers says that r takes everything that o takes, so that o after it is never reached:
// r asks for no more than o does.
func (r Rule) Covers(o Rule) bool {
	if r.Continue && !r.Silent() {
		return false
	}
	events := o.Events
	if len(events) == 0 {
		events = Everyday
	}
	every := func(mine, theirs []string, covers func(m, t string) bool) bool {
		return len(mine) == 0 || len(theirs) > 0 && !slices.ContainsFunc(theirs, func(t string) bool {
			return !slices.ContainsFunc(mine, func(m string) bool { return covers(m, t) })
		})
	}
	return !slices.ContainsFunc(events, func(n Notice) bool { return !r.hears(n) }) &&
		r.Severity.weight() <= o.Severity.weight() &&
		(len(r.Pillars) == 0 || len(o.Pillars) > 0 && !slices.ContainsFunc(o.Pillars, func(k pim.Kind) bool { return !slices.Contains(r.Pillars, k) })) &&
		every(r.Roles, o.Roles, strings.EqualFold) && every(r.Scopes, o.Scopes, below) && every(r.Groups, o.Groups, strings.EqualFold)
}

func (s Severity) weight() int {
	return max(0, slices.Index([]Severity{Low, Medium, High}, s))
}

// Named says whether a list of roles has this one: by its name, its id, or the name or
// object id of the group. An empty list has every role.
func Named(list []string, role pim.EligibleAssignment) bool {
	if len(list) == 0 {
		return true
	}
	own := []string{role.RoleName, role.Role, role.ScopeName, role.Role[strings.LastIndex(role.Role, "/")+1:]}
	if role.Kind == pim.Group {
		own = append(own, role.Scope)
	}
	return slices.ContainsFunc(own, func(name string) bool { return name != "" && containsFold(list, name) })
}

// within says whether a scope is one of the list or below it.
func within(list []string, scope string) bool {
	return len(list) == 0 || scope != "" && slices.ContainsFunc(list, func(top string) bool { return below(top, scope) })
}

// below says whether a path is top or below it: as paths, not as texts.
func below(top, path string) bool {
	top, path = strings.ToLower(strings.TrimRight(top, "/")), strings.ToLower(strings.TrimRight(path, "/"))
	return path == top || strings.HasPrefix(path, top+"/")
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, s) })
}
