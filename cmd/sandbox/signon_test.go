package main

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/signin"
)

// token is what a Teams client would get for the person.
func (h human) token(edit func(map[string]any)) string {
	h.w.t.Helper()
	token, err := h.w.tenant.ClientToken(h.OID, signin.TeamsClients()[0], []string{"pwd", "mfa"}, edit)
	h.w.must(err)
	return token
}

// noTokens holds that no token reached the log.
func (w *world) noTokens() {
	w.t.Helper()
	if strings.Contains(w.logs.String(), "eyJ") {
		w.t.Error("a token reached the log")
	}
}

// Nobody opens a browser in Teams: a first link, a request and a decision.
func TestTeamsSignsPeopleInByItself(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{signOn: []string{"pwd", "mfa"}})
	alice, bob, dave := w.who("alice"), w.who("bob"), w.who("dave")
	dave.writes("/elevate link")
	dave.sees("Sign in with Microsoft", "Use my browser")
	dave.taps("Sign in", "Sign in with Microsoft")
	dave.sees("You are linked", dave.upn(), "Unlink")
	dave.sees("You are signed in", "Microsoft Teams signed you in")

	alice.linksSlack()
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams", "User Administrator", "Approve")
	bob.taps("Approve", "Alice Adams")
	alice.reads("User Administrator is active")
	bob.sees("User Administrator is active")
	if n := w.audits(approved, bob.person); n != 1 {
		t.Errorf("the audit log has %d approvals by Bob", n)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	bob.writes("/elevate link")
	bob.sees("Belay acts for you as", bob.upn())
	w.noTokens()
}

// A policy wants MFA, of which Teams' own sign-in had none.
func TestTeamsSignOnThatWantsMoreProof(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{signOn: []string{"pwd"}})
	w.tenant.SetMFAPolicy(true)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams", "User Administrator", "Approve")
	bob.taps("Approve", "Alice Adams")
	bob.sees("Sign in with your browser", "more proof")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.signsIn(bob.teamsURL())
	alice.reads("User Administrator is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	w.noTokens()
}

func TestForgedTeamsSignOn(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{signOn: []string{"pwd"}, apart: true})
	bob, dave := w.who("bob"), w.who("dave")
	// ticket is a new one of Bob's: his client is asked for it, and cannot.
	asked := 0
	ticket := func() string {
		t.Helper()
		bob.writes("/elevate link")
		asked++
		w.must(w.teams.Wait(w.ctx(), func(s teamstest.State) bool {
			n := 0
			for _, a := range s.In("", "bob") {
				if strings.Contains(a.ReadBy("bob"), "Use my browser") {
					n++
				}
			}
			return n == asked
		}))
		answer := bob.taps("Sign in", "Sign in with Microsoft")
		if answer.SignIn == nil || answer.SignIn.ID == "" || answer.URL != w.urls[atBot]+"/link/"+answer.SignIn.ID {
			t.Fatalf("the press is answered %+v", answer)
		}
		return answer.SignIn.ID
	}
	bring := func(h human, id, token string) int {
		t.Helper()
		answer, err := w.teams.Exchange(w.ctx(), h.Key, id, token)
		w.must(err)
		return answer.Status
	}
	good := bob.token(nil)
	parts := strings.Split(good, ".")
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	for name, token := range map[string]string{
		"somebody else's":     dave.token(nil),
		"for another app":     bob.token(set("aud", "00000003-0000-0000-c000-000000000000")),
		"by another client":   bob.token(set("azp", "04b07795-8ddb-461a-bbee-02f9e1bf7b46")),
		"of another tenant":   bob.token(set("tid", "22222222-0000-4000-8000-000000000002")),
		"without its scope":   bob.token(set("scp", "User.Read")),
		"expired":             bob.token(set("exp", 1)),
		"another signature":   parts[0] + "." + parts[1] + "." + strings.Split(dave.token(nil), ".")[2],
		"without a signature": parts[0] + "." + parts[1] + ".",
	} {
		id := ticket()
		if status := bring(bob, id, token); status != 200 { // it is proven after the answer
			t.Errorf("%s: %d", name, status)
		}
		bob.sees("Sign in with your browser", "could not be verified")
		// The ticket's one silent sign-in is used up: even the right token is too late.
		if status := bring(bob, id, good); status != 200 {
			t.Errorf("%s, then the right one: %d", name, status)
		}
	}
	id := ticket()
	if status := bring(dave, id, dave.token(nil)); status != 412 {
		t.Errorf("another person's ticket: %d", status)
	}
	for _, h := range []human{bob, dave} {
		for _, text := range h.teamsTexts() {
			if strings.Contains(text, "You are linked") || strings.Contains(text, "acts for you") {
				t.Errorf("%s reads %s", h.Name, text)
			}
		}
	}
	if status := bring(bob, id, good); status != 200 {
		t.Errorf("the right one: %d", status)
	}
	bob.sees("You are linked", bob.upn())
	w.noTokens()
}
