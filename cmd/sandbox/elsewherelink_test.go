package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
)

// Who links in one chat is told in the other, and can end it from there.
func TestLinkIsToldInTheOtherChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksTeams()
	alice.linksSlack()
	alice.sees("Your Microsoft account was linked in Slack", alice.upn(), "Was this not you?")
	unlinks := func(want string) {
		t.Helper()
		a := alice.taps("Unlink Slack", "was linked in Slack")
		if said := teamstest.CardText(a.Card) + a.Text; !strings.Contains(said, want) {
			t.Errorf("the press is answered %q, want %q", said, want)
		}
	}
	unlinks("Your sign-in is forgotten")
	alice.types("status") // as if she had never linked there
	alice.reads("Sign in with Microsoft")
	alice.slackURL()

	alice.writes("/elevate link") // the sign-in was that of both
	alice.signsIn(alice.teamsURL())
	alice.sees("You are signed in")
	unlinks("is not linked with your Microsoft account any more") // again, from the old card
}

// A second user of the workspace does not get the same Microsoft account, even where an
// administrator mapped them by mistake, and its holder is told that somebody signed in with it.
func TestSecondUserOfOneAccount(t *testing.T) {
	t.Parallel()
	w := runPrepared(t, t.TempDir(), manners{}, func(p *world) {
		p.reopen(func(c *app.Config) { c.Slack.Users = map[string]string{p.who("dave").Slack: p.who("alice").OID} })
	})
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksSlack()
	dave.types("link")
	url := dave.slackURL()
	mixed := human{person{Key: "dave", Name: "Dave", OID: alice.OID, Slack: dave.Slack}, w} // his Slack, her Entra account
	mixed.stopped(url, http.StatusForbidden, "linked with another user of the same workspace")
	dave.unlinked()
	alice.reads("Somebody tried to link your Microsoft account", alice.upn(), "Nothing was linked", "tell your security team")
	alice.asks("reports 1h figures") // and goes on as before
	alice.reads("Reports Reader is active")
	alice.presses("unlink", "Somebody tried to link")
	alice.reads("Your sign-in is forgotten")
	mixed.signsIn(url)
	dave.reads("You are linked", alice.upn())
	if n := slices.IndexFunc(alice.slackTexts(), func(s string) bool { return strings.Contains(s, "was linked in") }); n >= 0 {
		t.Error("Alice, who is not linked, is told of a link")
	}
}
