package main

import (
	"strings"
	"testing"
)

const messages = "Message Center Reader"

// Several roles in one form, in both chats: one request each, one card each, and one
// that shows where all of them stand.
func TestSeveralRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.types("reports 1h figures and mails")
	form := alice.sits(reports+" needs no approval.", "And also")
	alice.picks(form, "also", messages, userAdmin)
	form = alice.sits(reports+" needs no approval.", messages+" needs no approval.", userAdmin+" needs approval by Bob Brown, Carol Clark or Frank Fox")
	if _, times := slackOptions(form, "duration"); times["4 hours"] == "" || times["8 hours"] != "" {
		t.Errorf("the form offers %v, not what all three roles allow", times)
	}
	if out := alice.sends(form, nil); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.sits("Sent: 3 requests", "Each role has a card of its own in our chat.")
	alice.reads("Your 3 requests", reports, messages, userAdmin)
	for _, role := range []string{reports, messages} {
		alice.reads(role+" is active", "figures and mails")
	}
	w.hears(reports + " is active: Alice Adams") // of the other no channel hears, by a rule
	alice.reads(userAdmin+" waits for approval", "figures and mails")
	alice.reads("Your 3 requests", "waiting for approval")
	bob.sees("Alice Adams asks for "+userAdmin, "figures and mails")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown.")
	w.must(w.slack.Wait(w.ctx(), func(s slackState) bool {
		c, _ := s.Conversation(alice.dm())
		for _, m := range c.Messages {
			if text := slackText(m); holds(text, "Your 3 requests") {
				return strings.Count(text, "active") == 3
			}
		}
		return false
	}))
	if held := alice.activeRoles(); len(held) != 3 {
		t.Errorf("Alice holds %+v", held)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 3}, approved: {"bob": 1}})
	w.pass("62m")
	for _, role := range []string{reports, messages, userAdmin} {
		alice.reads(role + " has ended")
	}

	// The same in Teams, where a form with another choice is shown anew before it is
	// sent. The group's membership is a third pillar's.
	alice.writes("/elevate reports 1h the night")
	alice.fillsIn("Send", map[string]string{"also": messages + "\n" + support}, reports+" needs no approval.", "And also")
	alice.sees(messages+" needs no approval.", support+" needs no approval.")
	w.auditHas(map[string]map[string]int{requested: {"alice": 3}, approved: {"bob": 1}})
	alice.fillsIn("Send", nil, messages+" needs no approval.", support+" needs no approval.")
	alice.sees("Sent: 3 requests")
	alice.sees("Your 3 requests", reports, messages, support)
	for _, role := range []string{reports, messages, support} {
		alice.sees(role+" is active", "the night")
	}
	if held := alice.activeRoles(); len(held) != 3 {
		t.Errorf("Alice holds %+v", held)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 6}, approved: {"bob": 1}})
}

// What was asked for is saved, opened by its name, and asked for again, in both chats.
// Opening asks nobody for anything.
func TestSavedAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.types("again")
	alice.reads("Nothing to repeat", "Type /elevate to choose a role.")
	alice.types("save night")
	alice.reads("Nothing to save")
	alice.asks("reports 2h the night's figures")
	alice.reads(reports + " is active")
	alice.types("save Night")
	alice.reads("Saved as night", reports+", 2 hours")
	alice.types("save status")
	alice.reads("Nothing was saved", "means something to /elevate already")
	w.pass("2h1m")
	alice.reads(reports + " has ended")

	alice.types("night 1h")
	form := alice.sits(reports+" needs no approval.", "the night's figures")
	if got := form.Values; !chosen(got, "duration", "PT1H") {
		t.Errorf("the form holds %v, not the hour that was typed", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	if out := alice.sends(form, map[string]string{"reason": "more figures"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(reports+" is active", "more figures")
	w.pass("61m")
	alice.reads(reports+" has ended", "more figures")
	alice.presses("again", reports+" has ended", "more figures")
	form = alice.sits(reports+" needs no approval.", "more figures")
	if _, err := w.slack.Close(w.ctx(), alice.Slack, form.ID); err != nil {
		t.Error(err)
	}

	alice.writes("/elevate saved") // whose they are, not in which chat
	alice.sees("Saved", "night", reports+", 2 hours")
	alice.taps("night", "Saved", reports)
	alice.formHolds(map[string]string{"duration": "PT2H", "reason": "the night's figures"}, reports+" needs no approval.")
	alice.writes("/elevate again")
	alice.formHolds(map[string]string{"duration": "PT1H", "reason": "more figures"}, reports+" needs no approval.")
	alice.fillsIn("Send", map[string]string{"reason": "the last figures"}, reports+" needs no approval.")
	alice.sees(reports+" is active", "the last figures")
	alice.types("forget night")
	alice.reads("Forgotten")
	alice.types("night")
	alice.sits(`You are not eligible for a role that is called "night".`)
	w.auditHas(map[string]map[string]int{requested: {"alice": 3}})
}
