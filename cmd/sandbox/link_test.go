package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
)

// unlinked holds that nobody was linked: the person is offered the sign-in again.
func (h human) unlinked() {
	h.w.t.Helper()
	h.types("status")
	h.slackURL()
	for _, s := range h.slackTexts() {
		if strings.Contains(s, "You are linked") {
			h.w.t.Errorf("%s is linked: %s", h.Name, s)
		}
	}
}

func TestLinkOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	dave.types("link")
	url := dave.slackURL()
	// Dave sends his link to Alice. Slack says who she is, and she never gets to Entra.
	hosts := alice.stopped(url, http.StatusForbidden, "This link belongs to another Slack user, so nothing was linked.")
	if slices.Contains(hosts, w.urls[atSignIn]) {
		t.Error("the browser got to Entra with somebody else's link")
	}
	alice.unlinked()
	dave.unlinked()
	dave.signsIn(url) // nothing was used up
	dave.reads("You are linked", dave.upn())
}

func TestLinkFinishedAsSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.types("link")
	url := alice.slackURL()
	mixed := human{person{Key: "alice", Name: "Alice", OID: dave.OID, Slack: alice.Slack}, w} // her Slack, his Entra account
	mixed.stopped(url, http.StatusForbidden, "is not that of Dave Davis", "nothing was linked")
	alice.unlinked()

	alice.writes("/elevate link") // the same in Teams, where Teams names the account
	teams := alice.teamsURL()
	mixed.stopped(teams, http.StatusForbidden, "You signed in to Microsoft as Dave Davis")
	alice.signsIn(teams)
	alice.sees("You are linked", alice.upn())
	alice.signsIn(url)
	alice.reads("You are linked", alice.upn())
}

func TestLinkOfGuest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	erin, alice := w.who("erin"), w.who("alice")
	for _, text := range []string{"", "link", "status", "approvals", "stop", "unlink", "reports reader 1h curious"} {
		erin.types(text)
	}
	erin.reads("full members of this workspace only")
	// Made a guest between the link and the sign-in.
	alice.types("link")
	url := alice.slackURL()
	w.slack.AddUser(slacktest.User{ID: alice.Slack, Name: alice.Key, RealName: alice.Name, Email: alice.upn(), Guest: true})
	alice.stopped(url, http.StatusForbidden, "full members of this workspace only")
	for _, h := range []human{erin, alice} {
		for _, s := range h.slackTexts() {
			if strings.Contains(s, "You are linked") || h.Key == "erin" && strings.Contains(s, "Sign in with Microsoft") {
				t.Errorf("%s, a guest, reads: %s", h.Name, s)
			}
		}
	}
	w.auditHas(nil)
}

func TestLinkTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.types("link")
	url := alice.slackURL()
	alice.signsIn(url)
	alice.reads("You are linked")
	alice.stopped(url, http.StatusBadRequest, "This link was used already.")
	alice.stopped(w.urls[atBot]+"/link/AAAAAAAAAAAAAAAAAAAAAA", http.StatusNotFound, "This link is not known.")
}

func TestLinkNeedsTheSameAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	profile := slacktest.User{ID: alice.Slack, Name: alice.Key, RealName: alice.Name, Email: "alice@elsewhere.example"}
	w.slack.AddUser(profile)
	alice.types("link")
	url := alice.slackURL()
	alice.stopped(url, http.StatusForbidden, "The e-mail address in your Slack profile is not that of Alice Adams", "ask your administrator")
	alice.unlinked()
	profile.Email = strings.ToUpper(alice.upn())
	w.slack.AddUser(profile)
	alice.signsIn(url)
	alice.reads("You are linked", alice.upn())
}

// Who was linked, has a card, and unlinks, decides nothing until signed in again.
func TestUnlinkThenPress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, carol := w.who("alice"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	alice.asks("user admin 1h reset a password")
	carol.reads("Alice Adams asks for User Administrator")
	carol.types("unlink")
	carol.reads("Your sign-in is forgotten")
	carol.presses("approve", "Alice Adams asks for User Administrator")
	url := carol.slackURL()
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	carol.signsIn(url)
	carol.reads("You approved User Administrator for Alice Adams")
	alice.reads("User Administrator is active", "Approved by Carol Clark")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"carol": 1}})
}

// A sign-in serves all accounts of a person. Unlinking one forgets it, and the
// sentence that says so is true everywhere.
func TestUnlinkForgetsTheSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.writes("/elevate link")
	alice.sees("You are linked") // Teams vouches for who she is, and she is signed in
	alice.writes("/elevate unlink")
	alice.sees("Your sign-in is forgotten")
	alice.writes("/elevate reports 1h figures")
	alice.teamsURL()
	alice.types("reports 1h figures")
	alice.signsIn(alice.slackURL())
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}
