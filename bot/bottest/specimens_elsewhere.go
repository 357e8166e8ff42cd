package bottest

import (
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// elsewhereSpecimens are the cards of requests that were made in the portal, on a phone
// or with a command line: found in an approver's list, or in the audit log alone.
func elsewhereSpecimens(s *specimens) []Specimen {
	m := pim.Request{ID: "ms", Approval: "ms", Status: "PendingApproval", Assignment: users.Assignment, RoleName: users.RoleName, ScopeName: users.ScopeName,
		Principal: alice.ID, Who: alice, Justification: "Reset the password of a locked-out colleague", Duration: 2 * time.Hour,
		Ticket: pim.Ticket{Number: "CHG-1", System: "ServiceNow"}, Created: s.at.Add(-time.Minute)}
	met := bot.Met{Requester: bot.Person{Principal: alice, Direct: bot.Conversation{ID: "alice"}}, RoleName: users.RoleName, ScopeName: users.ScopeName,
		Approvers: policy.Approvers, Groups: policy.ApproverGroups}
	routed := bot.Routed{Reach: []bot.Reach{{Principal: "bob", At: []bot.Conversation{{Platform: bot.Teams, ID: "bob"}}}}}
	listed := s.after(bot.Request{}, bot.Found{ID: "01JFOUND", Request: m, Approval: true, By: bob}, met, routed)
	m.Duration, m.Created = 0, s.at.Add(-6*time.Minute) // the log tells neither for how long nor the ticket, and is late
	m.Ticket = pim.Ticket{}
	logged := s.after(bot.Request{}, bot.Found{ID: "01JFOUND", Request: m, Approval: true}, met, routed)
	decided := s.after(listed, bot.Observed{Stage: &pim.Stage{Result: pim.Approved, Reviewer: policy.Approvers[1], Justification: "Go ahead."}},
		bot.Observed{Read: true, Instance: &pim.Instance{Start: s.at, End: s.at.Add(2 * time.Hour), Activated: true}})
	return []Specimen{
		s.card("elsewhere-approval", listed, "approver/bob/teams"),
		s.card("elsewhere-logged", logged, "approver/bob/teams"),
		s.card("elsewhere-waits", listed, "requester"),
		s.card("elsewhere-decided", decided, "approver/bob/teams"),
		s.card("elsewhere-active", decided, "requester"),
	}
}
