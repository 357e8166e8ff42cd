package app

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/belaybot/belay/pim"
)

// The two rules of presence, and the name of Microsoft's own list in approval.every_time.
const (
	bySession      = "session"
	everyTime      = "every-time"
	mostPrivileged = "most-privileged"
)

// Limits of the lists, so that a wrong file is told from a long one.
const (
	mostRules   = 200
	longestRule = 256
)

func (v *validator) approval(a Approval) {
	v.check("approval.presence", a.Presence == bySession || a.Presence == everyTime, "must be session or every-time")
	for key, list := range map[string][]string{"approval.every_time": a.EveryTime, "approval.session": a.Session} {
		v.check(key, len(list) <= mostRules, fmt.Sprintf("must have at most %d entries", mostRules))
		for n, entry := range list[:min(len(list), mostRules)] {
			at := fmt.Sprintf("%s[%d]", key, n)
			switch {
			case key == "approval.session":
				v.check(at, guid.MatchString(entry), "must be an id (a GUID): of a role definition, an Azure role definition or a group. A name can be given to another role")
			default:
				v.check(at, strings.TrimSpace(entry) == entry && entry != "" && utf8.RuneCountInString(entry) <= longestRule,
					fmt.Sprintf("must be most-privileged, an id, or a name of at most %d characters", longestRule))
			}
			if key == "approval.session" && slices.ContainsFunc(a.EveryTime, func(e string) bool { return strings.EqualFold(e, entry) }) {
				v.fault(at, "is in approval.every_time too")
			}
		}
	}
}

// AsksPresence says whether a decision on some role may need a fresh sign-in.
func (a Approval) AsksPresence() bool { return a.Presence != bySession || len(a.EveryTime) > 0 }

// fresh says whether every decision on a role needs a fresh sign-in. What cannot be told
// from a role that does is taken for one: that costs an approver a minute, and the other
// mistake costs the tenant.
func (a Approval) fresh(role pim.EligibleAssignment) bool {
	id, name := role.Identity(), role.RoleName
	if role.Kind == pim.Group {
		name = role.ScopeName
	}
	named := false // a rule goes by a name
	for _, entry := range a.EveryTime {
		if strings.EqualFold(entry, id) || strings.EqualFold(entry, name) {
			return true
		}
		named = named || !guid.MatchString(entry) && entry != mostPrivileged
	}
	switch {
	case !a.AsksPresence():
		return false
	case slices.ContainsFunc(a.Session, func(entry string) bool { return strings.EqualFold(entry, id) }):
		return false
	case !guid.MatchString(id), named && name == "":
		return true
	case slices.Contains(a.EveryTime, mostPrivileged) && slices.ContainsFunc(pim.MostPrivileged(), func(p pim.Privileged) bool { return p.Kind == role.Kind && p.ID == id }):
		return true
	}
	return a.Presence != bySession
}
