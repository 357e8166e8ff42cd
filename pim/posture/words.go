package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// counted makes the first sentence of a finding from how often it was found.
func counted(one, many string) func(int) string {
	return func(n int) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
}

func adminsTitle(n int) string {
	if n <= 1 {
		return fmt.Sprintf("Only %d can be Global Administrator", n)
	}
	return fmt.Sprintf("%d can be Global Administrator", n)
}

// what the parts are, after "cannot see".
var partNames = map[Part]string{
	RoleNames: "the names of roles", RolesActive: "who has which directory role", RolesEligible: "who is eligible for which directory role",
	RoleSettings: "the settings of directory roles", GroupList: "the groups that can hold roles", GroupsActive: "the members of groups",
	GroupsElig: "the eligible members of groups", GroupSettings: "the settings of groups", AzureActive: "who has which Azure role",
	AzureEligible: "who is eligible for which Azure role", AzureSettings: "the settings of Azure roles", Accounts: "which accounts are guests'",
	Licences: "the licences", Activations: "what was activated", Reviews: "the access reviews",
}

// PartName says in words what a part is.
func PartName(p Part) string { return partNames[p] }

// Say is the sentence about something that could not be read.
func (u Unseen) Say() string {
	s := "Cannot see "
	if u.Some {
		s = "Cannot see all of "
	}
	s += cmp.Or(partNames[u.Part], string(u.Part))
	if u.Permission != "" {
		return s + ", because permission " + u.Permission + " is missing."
	}
	return s + ": " + u.Why + "."
}

// sayBlind says what a check could not see, and what is missing for it.
func sayBlind(about string, missing []Unseen) string {
	s := "Cannot see " + about
	if !slices.ContainsFunc(missing, func(u Unseen) bool { return !u.Some }) {
		s = "Cannot see for sure " + about
	}
	var reasons []string
	add := func(r string) {
		if !slices.Contains(reasons, r) {
			reasons = append(reasons, r)
		}
	}
	for _, u := range missing {
		if u.Permission != "" {
			add("permission " + u.Permission + " is missing")
			continue
		}
		add(cmp.Or(partNames[u.Part], string(u.Part)) + " could not be read (" + u.Why + ")")
	}
	return s + ", because " + strings.Join(reasons, ", and ") + "."
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

// hours says a duration as settings do.
func hours(d time.Duration) string {
	if d%time.Hour != 0 {
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	if d == time.Hour {
		return "1 hour"
	}
	return fmt.Sprintf("%d hours", int(d.Hours()))
}

func days(d time.Duration) string {
	n := int(d / (24 * time.Hour))
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
