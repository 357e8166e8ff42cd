package main

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
)

func keepNothing(c *app.Config) { c.Entra.KeepSignIns = false }

// grants counts the sign-ins in the store of a Belay that does not run.
func (w *world) grants() (n int) {
	w.t.Helper()
	w.below(func(tx store.Tx) error {
		n = 0
		return tx.Scan("grants", nil, nil, func(_, _ []byte) error { n++; return nil })
	})
	return n
}

// Where no sign-in is kept, each act asks for the browser, goes on by itself, and leaves
// nothing behind: for who asks, who decides and who deactivates.
func TestNoSignInIsKept(t *testing.T) {
	t.Parallel()
	w := runConfigured(t, t.TempDir(), manners{}, keepNothing)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.types("link")
	alice.reads("Sign in with Microsoft", "has Belay keep no sign-in: it asks each time")
	alice.signsIn(alice.slackURL())
	alice.reads("You are linked", "keep no sign-in")
	alice.asks("user admin 1h figures") // with the sign-in of a moment ago, which nothing has used
	alice.reads(userAdmin + " waits for approval")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})

	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.sees("Sign in to finish", "it asks each time")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.signsIn(bob.teamsURL())
	bob.sees("You approved " + userAdmin)
	alice.reads(userAdmin + " is active") // which Belay sees with its own eyes
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})

	w.pass("6m") // Microsoft deactivates nothing within five minutes
	alice.presses("stop", userAdmin+" is active")
	alice.reads("Sign in to finish", "it asks each time")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	alice.signsIn(alice.slackURL())
	alice.reads(userAdmin + " has ended")
	w.hears(userAdmin + " has ended")

	alice.types("reports 1h figures") // and for the next one again
	alice.signsIn(alice.slackURL())
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")

	carol.linksSlack() // nothing has used her sign-in when the process ends
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}, approved: {"bob": 1}, deactivated: {"alice": 1}})
	w.end()
	if n := w.grants(); n != 0 {
		t.Errorf("%d sign-ins are in the store", n)
	}
	for _, token := range []string{"RefreshToken", "refresh_token", "0.A"} {
		if n := w.storeHolds(token); n != 0 {
			t.Errorf("%q is %d times in the store", token, n)
		}
	}
}

// A sign-in that nothing uses is over after ten minutes, and one for a decision serves for
// nothing else.
func TestSignInForOneActIsShort(t *testing.T) {
	t.Parallel()
	w := runConfigured(t, t.TempDir(), manners{}, keepNothing)
	alice, carol := w.who("alice"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	alice.asks("user admin 1h figures")
	carol.reads("Alice Adams asks for " + userAdmin)
	carol.presses("approve", "Alice Adams asks for "+userAdmin) // she has just signed in, for something else
	url := carol.slackURL()
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	carol.signsIn(url)
	carol.reads("You approved " + userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Carol Clark")
	carol.types("link") // what she signed in with is gone
	carol.slackURL()
}

// Sign-ins of a time when they were kept are forgotten at the start.
func TestSignInsAreNotKeptAnyMore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runWorld(t, dir, manners{})
	w.who("alice").linksSlack()
	w.end()
	if n := w.grants(); n != 1 {
		t.Fatalf("%d sign-ins are in the store, want Alice's", n)
	}
	used := w.used
	w = runConfigured(t, dir, manners{}, keepNothing)
	w.used = used
	w.who("alice").types("reports 1h figures")
	w.who("alice").slackURL()
	w.end()
	if n := w.grants(); n != 0 {
		t.Errorf("%d sign-ins are in the store", n)
	}
	if !strings.Contains(w.logs.String(), "sign-ins that were kept before were forgotten") {
		t.Error("the operator is not told")
	}
}

// Azure's roles, where Belay itself reads little: asked, decided and seen without a sign-in
// that lasts.
func TestAzureWithoutKeptSignIns(t *testing.T) {
	t.Parallel()
	w := runConfigured(t, t.TempDir(), manners{}, keepNothing)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	alice.asks("contributor 1h figures")
	const production = contributor + " (subscription Production)"
	alice.reads(production + " waits for approval")
	bob.taps("Approve", "Alice Adams asks for "+production)
	bob.signsIn(bob.teamsURL())
	bob.sees("You approved " + production)
	alice.until("5s", production+" is active")
	w.pass("6m")
	alice.presses("stop", production+" is active")
	alice.signsIn(alice.slackURL())
	alice.until("5s", production+" has ended")
}
