package bottest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
)

// driftSpecimens are what security channels hear of what is not as it was accepted.
func driftSpecimens(s *specimens) []Specimen {
	role := drift.Entry{What: drift.Setting, Kind: pim.EntraRole, Role: users.Role, Scope: "/", RoleName: users.RoleName}
	then, now := role, role
	then.Values = []drift.Value{{Name: drift.MaxDuration, Text: "PT2H"}, {Name: drift.MFA, Text: drift.Yes}, {Name: drift.Approval, Text: drift.Yes}, {Name: drift.Approvers, Text: "bob,carol"}}
	now.Values = []drift.Value{{Name: drift.MaxDuration, Text: "PT8H"}, {Name: drift.MFA, Text: drift.No}, {Name: drift.Approval, Text: drift.Yes}, {Name: drift.Approvers, Text: "bob,mallory"}}
	given := drift.Entry{What: drift.Eligible, Kind: pim.EntraRole, Role: reader.Role, Scope: "/", RoleName: reader.RoleName, Holder: alice, Type: pim.User,
		Values: []drift.Value{{Name: drift.Until, Text: drift.None}}}
	of := func(before, after *drift.Entry) bot.Drift {
		c, _ := drift.Differ(before, after, s.at)
		return bot.Drift{ID: "01JDRIFT", Change: c, Weaker: c.Weaker, Found: s.at, Since: s.at.Add(-5 * time.Minute)}
	}
	weaker := of(&then, &now)
	weaker.Names = map[string]string{"carol": "Carol Clark", "mallory": "Mallory Mole"}
	named := weaker
	named.By = []pim.Principal{{ID: "mallory", Name: "Mallory Mole", UPN: "mallory@contoso.example"}}
	one := named
	one.One, one.OneAt = alice, s.at.Add(time.Minute)
	both := one
	both.Accepted, both.AcceptedAt = bob, s.at.Add(2*time.Minute)
	back := named
	back.Back = s.at.Add(time.Hour)
	first := bot.Drift{ID: "01JFIRST", First: &bot.FirstSeen{All: true, Settings: 132, Assignments: 418}, Found: s.at}
	many := bot.Drift{ID: "01JMANY", Many: &bot.Batch{IDs: make([]string, 500), Weaker: 480, Titles: []string{"The settings of User Administrator became weaker", "The settings of Reports Reader changed"}},
		Weaker: true, Found: s.at}
	var all []Specimen
	for _, v := range []struct {
		name string
		d    bot.Drift
	}{{"drift-weaker", weaker}, {"drift-named", named}, {"drift-one", one}, {"drift-accepted", both}, {"drift-back", back},
		{"drift-eligible", of(nil, &given)}, {"drift-gone", of(&given, nil)}, {"drift-first", first}, {"drift-many", many}} {
		c := s.projection.DriftCard(v.d)
		all = append(all, Specimen{Name: v.name, Card: &c})
	}
	return all
}
