package bot

import (
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
)

// labels are what values are called.
var labels = map[drift.Name]string{
	drift.MaxDuration: "Longest activation", drift.MFA: "Multi-factor authentication", drift.AuthContext: "Authentication context",
	drift.Justification: "Justification", drift.Ticket: "Ticket", drift.Approval: "Approval", drift.Approvers: "Approvers", drift.Mail: "Mail at an activation",
	drift.PermanentEligible: "Eligible without an end", drift.PermanentActive: "Assigned without an end", drift.Until: "Until",
}

// facts are what is otherwise: what, before and after.
func (d Drift) facts() (all []Fact) {
	c, e := d.Change, d.Change.Entry()
	for _, f := range c.Fields {
		v := sayValue(f.Name, f.Before) + " → " + sayValue(f.Name, f.After)
		if f.Name == drift.Approvers {
			v = d.sayApprovers(f)
		}
		all = append(all, Fact{Name: labels[f.Name], Value: v})
	}
	if e.What == drift.Setting || len(c.Fields) > 0 {
		return all
	}
	held := func(e *drift.Entry) string {
		if e == nil {
			return "nothing"
		}
		until, _ := e.Value(drift.Until)
		how := "eligible"
		if e.What == drift.Standing {
			how = "assigned, without an activation"
		}
		return how + ", " + sayValue(drift.Until, until)
	}
	return append(all, Fact{Name: "Before", Value: held(c.Before)}, Fact{Name: "Now", Value: held(c.After)})
}

func sayValue(n drift.Name, text string) string {
	switch n {
	case drift.MaxDuration:
		if d, err := pim.ParseDuration(text); err == nil {
			return sayDuration(d)
		}
	case drift.MFA, drift.Justification, drift.Ticket, drift.Approval:
		if text == drift.Yes {
			return "required"
		}
		return "not required"
	case drift.Mail:
		if text == drift.Yes {
			return "sent"
		}
		return "sent to nobody"
	case drift.PermanentEligible, drift.PermanentActive:
		if text == drift.Yes {
			return "allowed"
		}
		return "not allowed"
	case drift.Until:
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return "until " + at.UTC().Format("2 January 2006, 15:04 UTC")
		}
		return "without an end"
	}
	return text
}

func (d Drift) sayApprovers(f drift.Different) string {
	dropped, added := drift.Members(f.Before, f.After)
	named := func(ids []string) string {
		names := make([]string, 0, len(ids))
		for _, id := range ids {
			if name := d.Names[id]; name != "" {
				id = name
			}
			names = append(names, id)
		}
		return sayList(names, "and")
	}
	var parts []string
	if len(added) > 0 {
		parts = append(parts, "added: "+named(added))
	}
	if len(dropped) > 0 {
		parts = append(parts, "dropped: "+named(dropped))
	}
	if f.After == drift.None {
		parts = append(parts, "nobody is named any more")
	}
	return strings.Join(parts, "; ")
}
