package posture

import (
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
)

// weak finds the roles whose settings are weak in one way. Roles that nobody holds do
// not matter, unless they are among the most privileged.
func weak(id string) func(*view) ([]Evidence, Severity) {
	return func(v *view) (found []Evidence, worse Severity) {
		worst := Severity("")
		for _, s := range v.s.Settings {
			top := privileged(s.Assignment)
			if !top && !v.held[key(s.Assignment)] {
				continue
			}
			note, is, severity := weakness(id, s, top)
			if !is {
				continue
			}
			h := pim.Holding{Assignment: s.Assignment, RoleName: s.RoleName, ScopeName: s.ScopeName}
			what := v.at(h)
			if note != "" {
				what += ": " + note
			}
			found = append(found, Evidence{What: what, ID: s.Identity()})
			if severity.Rank() > worst.Rank() {
				worst = severity
			}
		}
		return found, worst
	}
}

// weakness says whether s is weak in that way, and how bad that is; a rule that the
// policy does not have says nothing.
func weakness(id string, s pim.Settings, top bool) (note string, is bool, severity Severity) {
	lacks := func(rule string) bool { return slices.Contains(s.Missing, rule) }
	usual := func(topSeverity, other Severity) Severity {
		if top {
			return topSeverity
		}
		return other
	}
	switch id {
	case "no-mfa":
		return "", !s.MFA && s.AuthContext == "" && !lacks(pim.RuleOfEnablement), usual(High, Medium)
	case "long-activation":
		return hours(s.MaxDuration), s.MaxDuration > longest && !lacks(pim.RuleOfDuration), Medium
	case "no-justification":
		return "", !s.Justification && !lacks(pim.RuleOfEnablement), Medium
	case "no-approval":
		return "", top && !s.Approval && !lacks(pim.RuleOfApproval), High
	case "no-approvers":
		if s.Kind == pim.EntraRole {
			return "all Privileged Role and Global Administrators decide", s.Approval && s.Approvers == 0 && !lacks(pim.RuleOfApproval), Medium
		}
		return "nobody can decide", s.Approval && s.Approvers == 0 && !lacks(pim.RuleOfApproval), High
	case "no-notification":
		return "", !s.Mailed && !lacks(pim.RuleOfMail), Low
	case "permanent-eligibility":
		return "", s.PermanentEligible && !lacks(pim.RuleOfEligibility), Medium
	}
	return "", false, ""
}

// stale finds people's eligible roles that were not activated in 90 days, or for as long
// as the log goes back: what was not activated in 30 days may have been before that, and
// the sentence says so; what was, is not stale.
func stale(v *view) (found []Evidence, _ Severity) {
	window := min(v.s.Taken.Sub(v.s.Since), staleAfter)
	from := v.s.Taken.Add(-window)
	for _, h := range v.s.Holdings {
		if h.Kind != pim.EntraRole || !h.Eligible || h.Type != pim.User || h.Start.After(from) {
			continue
		}
		deed := Deed{strings.ToLower(h.Holder.ID), h.Identity()}
		if at, ok := v.s.Activated[deed]; ok && !at.Before(from) {
			continue
		}
		note := "not activated in " + days(window)
		if window < staleAfter {
			note += ", which is as far as the audit log goes back"
		}
		found = append(found, v.evidence(h, note))
	}
	return found, ""
}

func unlicensed(v *view) ([]Evidence, Severity) {
	if len(v.s.Licences) > 0 {
		return nil, ""
	}
	return []Evidence{{What: "no subscription with " + string(pim.PlanP2) + " or " + string(pim.PlanGovernance) + " is enabled"}}, ""
}

// quarter is the longest time between reviews that still is quarterly.
const quarter = 93 * 24 * time.Hour

// gaps are directory roles that somebody holds and whose policy was not told, and
// policies without one of the rules that are looked at: they are not taken for good.
func (v *view) gaps() []Unseen {
	told, lacking := map[string]bool{}, 0
	for _, s := range v.s.Settings {
		told[key(s.Assignment)] = true
		if len(s.Missing) > 0 && (privileged(s.Assignment) || v.held[key(s.Assignment)]) {
			lacking++
		}
	}
	untold := map[string]bool{}
	for _, h := range v.s.Holdings {
		if h.Kind == pim.EntraRole && !told[key(h.Assignment)] {
			untold[h.Identity()] = true
		}
	}
	var gaps []Unseen
	if len(untold) > 0 && v.s.saw(RoleSettings) {
		gaps = append(gaps, Unseen{Part: RoleSettings, Some: true, Why: counted("role has no policy that was told", "roles have no policy that was told")(len(untold))})
	}
	if lacking > 0 {
		gaps = append(gaps, Unseen{Part: RoleSettings, Some: true, Why: counted("policy lacks a rule", "policies lack a rule")(lacking)})
	}
	return gaps
}
