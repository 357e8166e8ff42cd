package posture

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	High   Severity = "high"
	Medium Severity = "medium"
	Low    Severity = "low"
)

// Rank orders severities: the higher, the worse.
func (s Severity) Rank() int { return map[Severity]int{High: 3, Medium: 2, Low: 1}[s] }

// Evidence is one thing that a finding rests on.
type Evidence struct {
	What string `json:"what"`         // such as "Alice Archer: Global Administrator"
	ID   string `json:"id,omitempty"` // of who or what it is
}

// evidenceLimit is how many pieces of evidence a finding names; the rest is counted.
const evidenceLimit = 50

// Finding is something that should be otherwise.
type Finding struct {
	ID       string     `json:"id"`
	Severity Severity   `json:"severity"`
	What     string     `json:"what"`
	Why      string     `json:"why"`
	Mend     string     `json:"mend"`
	Link     string     `json:"link"`
	Count    int        `json:"count"`
	Evidence []Evidence `json:"evidence"` // at most 50 of Count
}

// Blind is a check that could not be made in full.
type Blind struct {
	Check      string   `json:"check"`
	What       string   `json:"what"` // a sentence
	Permission string   `json:"permission,omitempty"`
	Parts      []Unseen `json:"parts"`
}

// RoleNumbers counts the assignments of one role at all its scopes.
type RoleNumbers struct {
	Kind       pim.Kind `json:"kind"`
	Role       string   `json:"role"`
	Name       string   `json:"name"`
	Privileged bool     `json:"privileged,omitempty"`
	Standing   int      `json:"standing"`
	Eligible   int      `json:"eligible"`
	Active     int      `json:"active"` // activated now
}

// Numbers count a tenant. Nil members could not be seen.
type Numbers struct {
	Standing *int          `json:"standing"`
	Eligible *int          `json:"eligible"`
	Active   *int          `json:"active"`
	Admins   *int          `json:"globalAdministrators"` // people who have or may activate Global Administrator
	Roles    []RoleNumbers `json:"roles"`
}

// Report is what Examine says of a snapshot.
type Report struct {
	Taken    time.Time `json:"taken"`
	Tenant   string    `json:"tenant"`
	Numbers  Numbers   `json:"numbers"`
	Findings []Finding `json:"findings"` // the worst first
	Blind    []Blind   `json:"cannotSee"`
	Clear    []string  `json:"clear"` // checks that found nothing and saw everything
}

// Worst is the highest severity of the findings; empty: there are none.
func (r Report) Worst() Severity {
	var worst Severity
	for _, f := range r.Findings {
		if f.Severity.Rank() > worst.Rank() {
			worst = f.Severity
		}
	}
	return worst
}

// Examine makes every check over s.
func Examine(s Snapshot, r Rules) Report {
	v := look(s, r)
	v.s.Unseen = append(slices.Clone(s.Unseen), v.gaps()...)
	s = v.s
	out := Report{Taken: s.Taken, Tenant: s.Tenant, Numbers: v.numbers(), Findings: []Finding{}, Blind: []Blind{}, Clear: []string{}}
	for _, c := range checks() {
		missing := s.unseen(c.needs...)
		var found []Evidence
		severity := c.severity
		if s.saw(c.absence...) {
			var worse Severity
			if found, worse = c.find(v); worse != "" {
				severity = worse
			}
		}
		if len(found) > 0 {
			slices.SortStableFunc(found, func(a, b Evidence) int { return strings.Compare(a.What, b.What) })
			out.Findings = append(out.Findings, Finding{ID: c.id, Severity: severity, What: c.title(len(found)), Why: c.why, Mend: c.mend,
				Link: r.link(c.link), Count: len(found), Evidence: found[:min(len(found), evidenceLimit)]})
		}
		if len(missing) > 0 {
			out.Blind = append(out.Blind, Blind{Check: c.id, What: sayBlind(c.about, missing), Permission: permissionOf(missing), Parts: missing})
		}
		if len(found)+len(missing) == 0 {
			out.Clear = append(out.Clear, c.id)
		}
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity.Rank(), a.Severity.Rank()) })
	return out
}

func permissionOf(missing []Unseen) string {
	var names []string
	for _, u := range missing {
		if u.Permission != "" && !slices.Contains(names, u.Permission) {
			names = append(names, u.Permission)
		}
	}
	return strings.Join(names, ", ")
}

// numbers counts. What was seen in part only is not a number.
func (v *view) numbers() Numbers {
	n := Numbers{Roles: []RoleNumbers{}}
	byRole := map[string]*RoleNumbers{}
	var total RoleNumbers
	admins := map[string]bool{}
	for _, h := range v.s.Holdings {
		key := string(h.Kind) + " " + h.Identity()
		if h.Kind == pim.Group {
			key += " " + h.Role
		}
		r := byRole[key]
		if r == nil {
			r = &RoleNumbers{Kind: h.Kind, Role: h.Identity(), Name: v.role(h), Privileged: privileged(h.Assignment)}
			byRole[key] = r
		}
		for _, c := range []*RoleNumbers{r, &total} {
			switch {
			case h.Eligible:
				c.Eligible++
			case h.Activated:
				c.Active++
			default:
				c.Standing++
			}
		}
		if h.Kind == pim.EntraRole && h.Identity() == globalAdministrator && h.Type != pim.GroupOfPeople {
			admins[strings.ToLower(h.Holder.ID)] = true
		}
	}
	for _, r := range byRole {
		n.Roles = append(n.Roles, *r)
	}
	slices.SortFunc(n.Roles, func(a, b RoleNumbers) int {
		return cmp.Or(cmp.Compare(b.Standing, a.Standing), strings.Compare(a.Name, b.Name), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Role, b.Role))
	})
	seen := func(number int, parts ...Part) *int {
		if !v.s.saw(parts...) {
			return nil
		}
		return &number
	}
	n.Standing = seen(total.Standing, RolesActive, GroupsActive, AzureActive)
	n.Active = seen(total.Active, RolesActive, GroupsActive, AzureActive)
	n.Eligible = seen(total.Eligible, RolesEligible, GroupsElig, AzureEligible)
	n.Admins = seen(len(admins), RolesActive, RolesEligible)
	return n
}
