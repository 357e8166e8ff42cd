package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

const globalAdmin = "Global Administrator"

// privileged is a request of Frank's for a most privileged role, which Bob may decide.
func (w *world) privileged() (id string) {
	w.t.Helper()
	frank, bob := w.who("frank"), w.who("bob")
	frank.linksSlack()
	frank.asks("global administrator 1h close a breach")
	bob.sees("Frank Fox asks for "+globalAdmin, "Deciding this asks you to sign in again.")
	return frank.requestID("cancel", globalAdmin+" waits for approval")
}

// Bob is signed in, and still has to sign in for this decision; a sign-in page that does
// not ask him, or somebody else's sign-in, decides nothing and changes nothing.
func TestApprovalOfAPrivilegedRole(t *testing.T) {
	t.Parallel()
	w := operator{newWorld(t), program(t)}
	bob, dave := w.who("bob"), w.who("dave")
	bob.linksTeams()
	id := w.privileged()
	bob.taps("Approve", "Frank Fox asks for "+globalAdmin)
	bob.sees("Sign in to finish", globalAdmin, "even where you are signed in", "Nothing was sent yet")
	url := bob.teamsURL()
	only := map[string]map[string]int{requested: {"frank": 1}}
	w.auditHas(only)
	for _, m := range []pimtest.SignInManners{{Old: time.Hour}, {Old: 5 * time.Minute}, {NoAuthTime: true}, {Old: -time.Hour}} {
		w.tenant.SetSignInManners(m)
		bob.stopped(url, http.StatusBadRequest, "did not confirm that you signed in just now", "nothing was sent and nothing was kept")
		w.auditHas(only)
	}
	w.tenant.SetSignInManners(pimtest.SignInManners{})
	dave.stopped(url, http.StatusForbidden, "not the account this sign-in is for")
	w.auditHas(only)
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "sign in again for every decision") {
		t.Errorf("pressed again, Bob is told: %s", got)
	}
	bob.signsIn(url)
	bob.sees("You approved " + globalAdmin + " for Frank Fox")
	w.who("frank").reads(globalAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"frank": 1}, approved: {"bob": 1}})
	bob.stopped(url, http.StatusBadRequest, "used already")
	out, _ := w.auditing(0, "export", "--format", "jsonl")
	seen := map[string]string{}
	for line := range strings.Lines(out) {
		var e struct {
			Kind, Verb string
			Actor      struct{ Principal string }
			More       map[string]string
		}
		w.must(json.Unmarshal([]byte(line), &e))
		if e.Actor.Principal == bob.OID && e.More["presence"] != "" {
			seen[e.Kind] = e.More["presence"]
			if (e.More["presence"] == "fresh") != (e.More["auth_time"] != "") {
				t.Errorf("the trail says %s", line)
			}
		}
	}
	want := map[string]string{"request.sign-in": "required", "person.signed-in": "fresh", "request.resumed": "fresh", "request.sent": "fresh"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("the audit trail (-want +got):\n%s\n%s", diff, out)
	}
}

// cards are what Teams shows to somebody, as it came.
func (h human) cards() (all []string) {
	for _, a := range h.w.teams.State().In("", h.Key) {
		all = append(all, string(a.CardFor(h.Key)))
	}
	return all
}

// A forged press with everything right but the person: with Bob's live sign-in it decides
// on a role of which sessions are enough, and on no other; without one on none.
func TestForgedClickUnderBothRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	id := w.privileged()
	alice.asks("user admin 1h reset a password")
	plain := alice.requestID("cancel", userAdmin+" waits for approval")
	only := map[string]map[string]int{requested: {"alice": 1, "frank": 1}}
	for _, request := range []string{id, plain} { // Bob has not signed in
		bob.forgesTap("approve", request)
	}
	bob.sees("Sign in to finish", globalAdmin)
	bob.sees("Sign in to finish", userAdmin)
	w.auditHas(only)
	w.pass("11m")
	w.must(w.teams.Wait(w.ctx(), func(teamstest.State) bool { return w.fresh(strings.Join(bob.cards(), " ")) == "" })) // the links go with their time
	bob.linksTeams()
	for range 3 {
		bob.forgesTap("approve", id)
		bob.forgesTap("deny", id)
	}
	bob.sees("Sign in to finish", globalAdmin, "Nothing was sent yet")
	w.auditHas(only)
	bob.forgesTap("approve", plain)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "frank": 1}, approved: {"bob": 1}})
	w.pass("11m")
	bob.sees("The sign-in came too late")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "frank": 1}, approved: {"bob": 1}})
}
