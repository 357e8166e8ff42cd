package main

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const groups = "Groups Administrator"

// asksForGroups sends the form of the role behind an authentication context.
func (h human) asksForGroups() {
	h.w.t.Helper()
	h.types("groups admin 1h tidy up the old groups")
	v := h.form("Ticket number")
	if out := h.sends(v, nil); out.Delivered || len(out.Errors) != 1 {
		h.w.t.Errorf("the form goes without its ticket number: %+v", out)
	}
	out := h.sends(v, map[string]string{"ticket": "CHG-4711", "system": "Tickets"})
	if !out.Delivered || len(out.Errors) > 0 || out.Notice != "" {
		h.w.t.Fatalf("the form was not taken: %+v", out)
	}
	h.reads("Sign in to ask for "+groups, "stronger sign-in", "CHG-4711 (Tickets)")
}

// others is everything that is shown to anybody but Alice.
func (w *world) others(but human) (all []string) {
	for _, c := range w.slack.State().Channels {
		for _, m := range c.Messages {
			if c.ID != but.dm() {
				all = append(all, c.ID+" "+slackText(m))
			}
		}
	}
	for _, p := range cast {
		if p.Teams && p.Key != but.Key {
			all = append(all, human{p, w}.teamsTexts()...)
		}
	}
	return all
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	before := w.others(alice)
	alice.asksForGroups()
	if diff := cmp.Diff(before, w.others(alice)); diff != "" {
		t.Errorf("somebody else's cards changed (-before +now):\n%s", diff)
	}
	w.auditHas(nil)
	alice.signsIn(alice.slackURL())
	alice.reads(groups+" is active", "Active until")
	w.hears(groups + " is active: Alice Adams")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

func TestStepUpAsSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksSlack()
	alice.asksForGroups()
	url := alice.slackURL()
	dave.stopped(url, http.StatusForbidden, "You signed in to Microsoft as Dave Davis", "Nothing was kept")
	w.auditHas(nil)
	dave.types("link") // and Dave is not linked with anything by it
	dave.reads("Sign in with Microsoft")
	alice.signsIn(url)
	alice.reads(groups + " is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

func TestStepUpNeverDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.asksForGroups()
	url := alice.slackURL()
	w.pass("10m1s")
	alice.reads("Canceled: "+groups, "Nobody signed in within 10 minutes, so nothing was asked of Microsoft.")
	alice.signsIn(url) // too late: it is a sign-in and nothing more
	alice.types("status")
	alice.reads("You have no open request")
	w.auditHas(nil)
	if slices.ContainsFunc(alice.slackTexts(), func(s string) bool { return holds(s, groups+" is active") }) {
		t.Error("the role became active after the request was canceled")
	}
}

// An approver who must sign in first changes nobody else's card.
func TestApproverSignsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol, dave := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave")
	alice.linksSlack()
	alice.asks("user admin 2h reset the password of a colleague")
	bob.sees("Alice Adams asks for User Administrator")
	carol.reads("Alice Adams asks for User Administrator")
	w.who("frank").reads("Alice Adams asks for User Administrator")
	alice.reads("User Administrator waits for approval")
	before := w.others(bob)
	bob.taps("Approve", "Alice Adams asks for")
	url := bob.teamsURL()
	if diff := cmp.Diff(before, w.others(bob)); diff != "" {
		t.Errorf("somebody else's cards changed (-before +now):\n%s", diff)
	}
	dave.stopped(url, http.StatusForbidden, "You signed in to Microsoft as Dave Davis")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.signsIn(url)
	bob.sees("You approved User Administrator for Alice Adams")
	alice.reads("User Administrator is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}
