package bottest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// notMeSpecimens are what an approver hears of a decision in their name, and what comes
// of [This was not me].
func notMeSpecimens(s *specimens, pending bot.Request) []Specimen {
	in := bot.User{Platform: bot.Teams, Tenant: "tenant", ID: "bob"}
	at := bot.Conversation{Platform: bot.Teams, ID: "bob"}
	pressed := s.after(pending, bot.Intended{ID: "i2", Kind: bot.ToApprove, SignedIn: true,
		By: bot.Person{Principal: bob, User: bot.User{Platform: bot.Slack, Tenant: "T1", ID: "U1"}}, Told: []bot.Told{{User: in, At: at}}})
	recorded := s.after(pressed, bot.Sending{Intent: "i2"}, bot.Accept{Intent: "i2"}, bot.Observed{Stage: &pim.Stage{Result: pim.Approved, Reviewer: bob}},
		bot.Observed{Read: true, Instance: &pim.Instance{Start: s.at, End: s.at.Add(2 * time.Hour), Activated: true}})
	elsewhere := s.after(pending, bot.Observed{Stage: &pim.Stage{Result: pim.Denied, Reviewer: bob}})
	report := bot.Disowned{By: "bob", Report: &bot.Report{By: bot.Person{Principal: bob, User: in}, Unlinked: []bot.User{{Platform: bot.Slack, Tenant: "T1", ID: "U1"}, in},
		Undone: []bot.Undone{{Request: "01JOTHER", Kind: bot.ToDeny, Role: reader, For: alice}, {Request: "01JOWN", Kind: bot.ToActivate, Role: contributor, For: bob}}}}
	const slot = "decision/i2/teams/bob"
	return []Specimen{
		s.card("decision", pressed, slot),
		s.card("decision-recorded", recorded, slot),
		s.card("decision-elsewhere", elsewhere, "decision/elsewhere/teams"),
		s.card("not-me-in-time", s.after(pressed, report), slot),
		s.card("not-me-too-late", s.after(recorded, report), slot),
		s.card("not-me-elsewhere", s.after(elsewhere, report), "decision/elsewhere/teams"),
		s.card("not-me-alarm", s.after(recorded, report), "not-me/0//channel"),
	}
}
