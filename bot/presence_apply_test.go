package bot

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

// The audit trail says of a decision how its person was known to be there.
func TestAuditOfPresence(t *testing.T) {
	authTime := noon.Add(6 * time.Minute)
	told := func(e ...Event) map[trail.Kind]map[string]string {
		var r Request
		all := map[trail.Kind]map[string]string{}
		for n, e := range append([]Event{asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval")}, e...) {
			at := noon.Add(time.Duration(n) * time.Minute)
			next, err := Apply(r, at, e)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range audited(r, next, at) {
				if e.Verb == string(ToApprove) {
					all[e.Kind] = e.More
				}
			}
			r = next
		}
		return all
	}
	got := told(Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true, Ticket: "t", Fresh: true},
		SignedIn{Principal: "bob", Intent: "i2", AuthTime: authTime}, Sending{"i2"}, Accept{"i2"})
	for kind, want := range map[trail.Kind]string{trail.NeedsSignIn: "required", trail.Resumed: "fresh", trail.Sent: "fresh"} {
		if got[kind]["presence"] != want {
			t.Errorf("%s: %v", kind, got[kind])
		}
	}
	for _, kind := range []trail.Kind{trail.Resumed, trail.Sent} {
		if got[kind]["auth_time"] != "2026-11-23T12:06:00Z" {
			t.Errorf("%s: %v", kind, got[kind])
		}
	}
	got = told(Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true}, Sending{"i2"}, Accept{"i2"})
	if got[trail.Sent]["presence"] != "session" || got[trail.Sent]["auth_time"] != "" || got[trail.NeedsSignIn] != nil {
		t.Errorf("with the sign-in as it was: %v", got)
	}
}

// A proof counts from the moment at which it was given, and as long as a sign-in may take.
func TestProofHasItsTime(t *testing.T) {
	p := Proof{AuthTime: noon.Add(-time.Second), At: noon}
	for at, want := range map[time.Duration]bool{0: true, SignInTime - 1: true, SignInTime: false, time.Hour: false, -1: false} {
		if p.present(noon.Add(at)) != want {
			t.Errorf("after %v it counts: %t", at, !want)
		}
	}
	if (Proof{}).present(noon) || (Proof{At: noon}).present(noon) {
		t.Error("nothing is a proof")
	}
}

// A decision whose person is asked again and again ends with a sentence of its own.
func TestPresenceIsNotAskedForEver(t *testing.T) {
	events := []Event{asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true, Ticket: "t", Fresh: true}}
	for range maxSignIns {
		events = append(events, SignedIn{Principal: "bob", Intent: "i2", AuthTime: noon}, NeedSignIn{Intent: "i2", Ticket: "t", Fresh: true})
	}
	i, _ := apply(t, events...).Intent("i2")
	if i.Outcome != Refused || i.Refusal.Code != pim.CodeNotFresh || !strings.Contains(sayRefusal(i.Kind, *i.Refusal), "fresh sign-in for this decision") {
		t.Errorf("%+v", i)
	}
}

// The page of the link, and every card, say that a decision waits for the person.
func TestWordsOfPresence(t *testing.T) {
	r := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToDeny, By: bob, SignedIn: true, Ticket: "t", Fresh: true})
	i, _ := r.Intent("i2")
	if i.State != IntentWaiting {
		t.Fatalf("%+v", i)
	}
	page := LinkPage(Ticket{User: User{Platform: Teams, ID: "bob"}, Expect: "bob", Fresh: true, What: sayWhat(r, ToDeny)})
	if !strings.Contains(page.Text, "sign in again") || page.Facts[len(page.Facts)-1].Value != "Deny User Administrator, 1 hour, for Alice Adams" {
		t.Errorf("the page says %+v", page)
	}
	p := Projection{SignIn: func(s string) string { return s }, Silent: true}
	if c := p.signInCard(r, i); !strings.Contains(c.Text, "even where you are signed in") || len(c.Actions) != 1 {
		t.Errorf("the card says %+v", c)
	}
	if err := SignInFailed(&pim.Error{Code: pim.CodeNotFresh}); !strings.Contains(err.(*Error).Message, "nothing was kept") || err.(*Error).Code != CodeSignIn {
		t.Errorf("a sign-in that was not fresh: %v", err)
	}
}
