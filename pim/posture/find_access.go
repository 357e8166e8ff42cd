package posture

import (
	"fmt"
	"strings"

	"github.com/belaybot/belay/pim"
)

// standing finds directory roles that are held without an activation. A group whose
// members are all eligible is no standing access: its members activate the membership.
func standing(ofPrivileged bool) func(*view) ([]Evidence, Severity) {
	return func(v *view) (found []Evidence, _ Severity) {
		for _, h := range v.s.Holdings {
			if h.Kind != pim.EntraRole || !h.Standing() || privileged(h.Assignment) != ofPrivileged || v.r.breakGlass(h.Holder.ID) {
				continue
			}
			note := ""
			if h.Type == pim.GroupOfPeople {
				n, justInTime := v.inside(h.Holder.ID)
				if justInTime {
					continue
				}
				if note = fmt.Sprintf("%d standing members", n); !v.s.Looked[strings.ToLower(h.Holder.ID)] {
					note = "its members are not known"
				}
			}
			found = append(found, v.evidence(h, note))
		}
		return found, ""
	}
}

// inside counts the standing members of a group, and says whether all of them have to
// activate their membership.
func (v *view) inside(group string) (standing int, justInTime bool) {
	id := strings.ToLower(group)
	eligible := 0
	for _, m := range v.members[id] {
		switch {
		case m.Role != pim.Member:
		case m.Eligible:
			eligible++
		case m.Standing():
			standing++
		}
	}
	return standing, v.s.Looked[id] && v.s.saw(GroupsActive, GroupsElig) && standing == 0 && eligible > 0
}

func notInPIM(v *view) (found []Evidence, worse Severity) {
	holders := map[string]int{}
	names := map[string]string{}
	for _, h := range v.s.Holdings {
		if h.Kind != pim.EntraRole || !h.Standing() || v.eligible[key(h.Assignment)] || v.r.breakGlass(h.Holder.ID) {
			continue
		}
		if h.Type == pim.GroupOfPeople {
			if _, justInTime := v.inside(h.Holder.ID); justInTime {
				continue
			}
		}
		id := h.Identity()
		holders[id]++
		names[id] = v.role(h)
		if privileged(h.Assignment) {
			worse = High
		}
	}
	for id, n := range holders {
		found = append(found, Evidence{What: counted("standing holder: ", "standing holders: ")(n) + names[id], ID: id})
	}
	return found, worse
}

func noBreakGlass(v *view) (found []Evidence, _ Severity) {
	if len(v.r.BreakGlass) == 0 {
		return []Evidence{{What: "security.break_glass names nobody"}}, ""
	}
	for _, id := range v.r.BreakGlass {
		usable := false
		for _, h := range v.s.Holdings {
			usable = usable || h.Kind == pim.EntraRole && h.Identity() == globalAdministrator && h.Standing() && h.End.IsZero() && strings.EqualFold(h.Holder.ID, id)
		}
		if !usable {
			found = append(found, Evidence{What: "account " + id + " does not hold Global Administrator for good", ID: id})
		}
	}
	if len(v.r.BreakGlass) == 1 {
		found = append(found, Evidence{What: "security.break_glass names one account, not two"})
	}
	return found, ""
}

// globalAdministrators finds too many, and too few. People in a group count as members,
// whether they have to activate that or not.
func globalAdministrators(v *view) (found []Evidence, _ Severity) {
	seen := map[string]bool{}
	add := func(h pim.Holding, through string) {
		id := strings.ToLower(h.Holder.ID)
		if seen[id] {
			return
		}
		seen[id] = true
		what := who(h)
		switch {
		case through != "":
			what += ", through group " + through
		case h.Eligible:
			what += ", eligible"
		case h.Activated:
			what += ", activated"
		default:
			what += ", standing"
		}
		found = append(found, Evidence{What: what, ID: h.Holder.ID})
	}
	for _, h := range v.s.Holdings {
		if h.Kind != pim.EntraRole || h.Identity() != globalAdministrator {
			continue
		}
		if h.Type != pim.GroupOfPeople {
			add(h, "")
			continue
		}
		for _, m := range v.members[strings.ToLower(h.Holder.ID)] {
			if m.Role == pim.Member && m.Type != pim.GroupOfPeople {
				add(m, h.Holder.Name)
			}
		}
	}
	switch {
	case len(found) > mostAdmins:
		return found, High
	case len(found) == 0:
		return []Evidence{{What: "nobody"}}, Medium
	case len(found) == 1:
		return found, Medium
	}
	return nil, ""
}

func guests(v *view) (found []Evidence, _ Severity) {
	for _, h := range v.s.Holdings {
		if privileged(h.Assignment) && v.s.Guests[strings.ToLower(h.Holder.ID)] && !h.Activated {
			found = append(found, v.evidence(h, either(h.Eligible, "eligible", "standing")))
		}
	}
	return found, ""
}

func applications(v *view) (found []Evidence, _ Severity) {
	for _, h := range v.s.Holdings {
		if privileged(h.Assignment) && h.Type == pim.ServicePrincipal {
			found = append(found, v.evidence(h, either(h.Eligible, "eligible", "")))
		}
	}
	return found, ""
}

// nested follows groups that hold a privileged role to the groups inside them.
func nested(v *view) (found []Evidence, _ Severity) {
	done := map[string]bool{}
	for _, h := range v.s.Holdings {
		id := strings.ToLower(h.Holder.ID)
		if h.Type != pim.GroupOfPeople || h.Kind == pim.Group || !privileged(h.Assignment) || done[id+key(h.Assignment)] {
			continue
		}
		done[id+key(h.Assignment)] = true
		for _, path := range v.paths(id, map[string]bool{id: true}, pathDepth) {
			found = append(found, Evidence{What: v.at(h) + ": " + strings.Join(append([]string{"group " + v.groups[id]}, path...), " > "), ID: h.Holder.ID})
		}
	}
	return found, ""
}

// pathDepth is how many groups inside one another are followed.
const pathDepth = 8

func (v *view) paths(group string, on map[string]bool, depth int) [][]string {
	var all [][]string
	for _, m := range v.members[group] {
		id := strings.ToLower(m.Holder.ID)
		if m.Type != pim.GroupOfPeople || m.Role != pim.Member || on[id] || depth == 0 {
			continue
		}
		on[id] = true
		step := who(m)
		deeper := v.paths(id, on, depth-1)
		if len(deeper) == 0 {
			all = append(all, []string{step})
		}
		for _, d := range deeper {
			all = append(all, append([]string{step}, d...))
		}
		delete(on, id)
	}
	return all
}

func groupsNotInPIM(v *view) (found []Evidence, _ Severity) {
	for _, g := range v.s.Assignable {
		id, eligible := strings.ToLower(g.ID), false
		for _, m := range v.members[id] {
			eligible = eligible || m.Eligible && m.Role == pim.Member
		}
		if !eligible && v.s.Looked[id] {
			n, _ := v.inside(id)
			found = append(found, Evidence{What: fmt.Sprintf("group %s: %d standing members", g.Name, n), ID: g.ID})
		}
	}
	return found, ""
}

func azureHigh(v *view) ([]Evidence, Severity) { return v.azure(true), "" }
func azureLow(v *view) ([]Evidence, Severity)  { return v.azure(false), "" }

func (v *view) azure(above bool) (found []Evidence) {
	for _, h := range v.s.Holdings {
		if h.Kind == pim.AzureResource && h.Standing() && privileged(h.Assignment) && high(h.Scope) == above && !v.r.breakGlass(h.Holder.ID) {
			found = append(found, v.evidence(h, ""))
		}
	}
	return found
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}
