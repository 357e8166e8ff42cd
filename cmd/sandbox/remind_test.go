package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
)

// Approvers are reminded in the thread of their card when a quarter, a half and three
// quarters of the time are over; not in quiet hours, but right after them.
func TestReminders(t *testing.T) {
	t.Parallel()
	quiet := func(after time.Duration) string { return time.Now().UTC().Add(after).Format("15:04") }
	w := runConfigured(t, t.TempDir(), manners{}, func(cfg *app.Config) {
		cfg.Requests.Quiet = fmt.Sprintf("%s-%s UTC", quiet(5*time.Hour), quiet(7*time.Hour))
	})
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams asks for " + userAdmin)
	carol.reads("Alice Adams asks for " + userAdmin)
	alice.reads(userAdmin + " waits for approval")
	reminders := func(n int) {
		t.Helper()
		w.must(w.slack.Wait(w.ctx(), func(slacktest.State) bool { return len(carol.threads("Alice Adams asks for "+userAdmin)) >= n }))
		w.must(w.teams.Wait(w.ctx(), func(teamstest.State) bool { return len(bob.reminded()) >= n }))
		said := carol.threads("Alice Adams asks for " + userAdmin)
		if len(said) != n || len(bob.reminded()) != n {
			t.Fatalf("Carol is reminded %d times and Bob %d times, want %d", len(said), len(bob.reminded()), n)
		}
		for _, s := range append(said, bob.reminded()...) {
			if !holds(s, "Alice Adams still waits for "+userAdmin, "Nobody has decided yet.", "Decide before", "Show the card") {
				t.Errorf("an approver is reminded: %s", s)
			}
		}
	}
	w.pass("6h5m") // in the quiet hours
	alice.asks("reports 30m figures")
	alice.reads(reports + " is active")
	reminders(0)
	w.pass("1h") // they are over
	reminders(1)
	w.pass("5h")
	reminders(2)
	w.pass("6h")
	reminders(3)
	w.pass("3h")
	alice.asks("reports 30m more figures")
	alice.reads(reports+" is active", "more figures")
	reminders(3)
	carol.presses("show", "still waits for "+userAdmin)
	carol.linksSlack()
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Carol Clark.")
	bob.sees(userAdmin+" is active: Alice Adams", "Approved by Carol Clark.")
	w.auditHas(map[string]map[string]int{requested: {"alice": 3}, approved: {"carol": 1}})
}

// reminded is what reminds somebody in Teams: a personal chat has no threads there.
func (h human) reminded() []string {
	return slices.DeleteFunc(h.teamsTexts(), func(s string) bool { return !holds(s, "still waits for") })
}

// threads are what Belay posted below a message with the words in a Slack chat.
func (h human) threads(words ...string) (all []string) {
	c, _ := h.w.slack.State().Conversation(h.dm())
	for _, m := range c.Messages {
		if m.ThreadTS == "" || m.ThreadTS == m.TS {
			continue
		}
		for _, root := range c.Messages {
			if root.TS == m.ThreadTS && holds(slackText(root), words...) {
				all = append(all, slackText(m))
			}
		}
	}
	return all
}
