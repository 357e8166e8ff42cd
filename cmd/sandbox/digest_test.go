package main

import (
	"slices"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
)

// A rule gathers what happens and tells it at its time, in one card and once, although
// Belay is restarted in between and again when the card is there; another rule keeps a
// role from everybody's ears; and what is told at once stands in one thread.
func TestRulesOfNotices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runWorld(t, dir, manners{})
	alice, bob := w.who("alice"), w.who("bob")
	now := w.clock.Now()
	w.pass(now.Truncate(time.Hour).Add(time.Hour + time.Minute).Sub(now).String()) // what happens now is of one hour
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 2h reset a password")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	alice.asks("message center 30m read the news")
	alice.reads("Message Center Reader is active")
	w.hears(userAdmin + " is active: Alice Adams")
	if w.slackShows(slackDigest, userAdmin) {
		t.Error("the digest comes before its time")
	}
	w.end()

	w = runWorld(t, dir, manners{})
	w.pass("1h")
	hour := []string{"What happened this hour", "1 asked, 1 approved, 1 activated.", "Alice Adams asks for " + userAdmin, userAdmin + " is active: Alice Adams"}
	w.must(w.slackWaits(w.ctx(), slackDigest, hour...))
	w.must(w.teamsWaits(w.ctx(), "bob", teamsDigest, hour...))
	w.end()

	w = runWorld(t, dir, manners{})
	w.pass("1h5m") // the role ends
	w.hears(userAdmin + " has ended: Alice Adams")
	w.pass("1h")
	w.must(w.slackWaits(w.ctx(), slackDigest, "What happened this hour", "1 ended."))
	w.must(w.teamsWaits(w.ctx(), "bob", teamsDigest, "What happened this hour", "1 ended."))
	w.pass("6h")
	alice = w.who("alice")
	alice.asks("reports 30m figures") // something after which nothing older is due
	alice.reads("Reports Reader is active", "figures")

	c, _ := w.slack.State().Conversation(slackDigest)
	inTeams := slices.DeleteFunc(w.teams.State().In(teamsDigest, "bob"), func(a teamstest.Activity) bool { return a.From != "" })
	if len(c.Messages) != 2 || len(inTeams) != 2 {
		t.Errorf("there are %d digests in Slack and %d in Teams", len(c.Messages), len(inTeams))
	}
	for _, channel := range []string{slackOps, slackDigest} {
		if w.slackShows(channel, "Message Center Reader") {
			t.Errorf("%s hears of a role that a rule silences", channel)
		}
	}
	ops, _ := w.slack.State().Conversation(slackOps)
	about := slices.DeleteFunc(slices.Clone(ops.Messages), func(m slacktest.Message) bool { return !holds(slackText(m), userAdmin) })
	if len(about) != 2 || about[1].ThreadTS != about[0].TS {
		t.Errorf("what happened to one request does not stand in one thread: %+v", about)
	}
}
