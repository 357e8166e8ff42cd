package bottest

import (
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// presenceSpecimens are the cards of a role on which people decide in person.
func presenceSpecimens(s specimens, pending bot.Request) []Specimen {
	s.projection.Presence = func(pim.EligibleAssignment) bool { return true }
	waiting := s.after(pending, bot.Intended{ID: "i2", Kind: bot.ToApprove, By: bot.Person{Principal: bob, Direct: bot.Conversation{ID: "bob"}}, SignedIn: true, Ticket: "t", Fresh: true})
	return []Specimen{
		s.card("approval-in-person", pending, "approver/bob/teams"),
		s.card("sign-in-again-to-decide", waiting, "sign-in/i2"),
	}
}
