package main

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
)

// alarmed waits until the security channels of both chats show an alarm with the words.
func (w *world) alarmed(words ...string) {
	w.t.Helper()
	w.must(w.slackWaits(w.ctx(), slackSecurity, words...))
	w.must(w.teamsWaits(w.ctx(), "bob", teamsSecurity, words...))
}

// alarms counts the alarms in the Slack channel.
func (w *world) alarms() (n int) {
	c, _ := w.slack.State().Conversation(slackSecurity)
	return len(c.Messages)
}

// button says that a person's Slack shows a button of that verb.
func (h human) button(verb string) bool {
	c, _ := h.w.slack.State().Conversation(h.dm())
	for _, m := range c.Messages {
		if strings.Contains(string(m.Blocks), `"action_id":"`+verb+`"`) {
			return true
		}
	}
	return false
}

// forgery is a world in which Dave asked for Global Reader, which Alice may approve. She
// is linked in both chats and her sign-in lives; Microsoft does not answer what may be
// decided, so that nothing reaches it yet.
func forgery(t *testing.T) (w *world, id string) {
	t.Helper()
	w = newWorld(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.linksSlack()
	alice.writes("/elevate link")
	alice.sees("You are linked")
	dave.linksSlack()
	dave.asks("global reader 1h read everything")
	id = dave.requestID("cancel", reader+" waits for approval")
	alice.reads("Dave Davis asks for "+reader, "read everything")
	return w, id
}

// begins waits until Belay has begun to relay a decision.
func (w *world) begins(begun <-chan struct{}) {
	w.t.Helper()
	select {
	case <-begun:
	case <-w.ctx().Done():
		w.t.Fatal("Belay never began to relay it")
	}
}

// Whoever can forge a press, of a person whose sign-in lives, gets it recorded. The
// person hears of it in the other chat too, before Microsoft does, and ends it all.
func TestForgedApproval(t *testing.T) {
	t.Parallel()
	w, id := forgery(t)
	alice, dave := w.who("alice"), w.who("dave")
	var down atomic.Bool
	down.Store(true)
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	w.fails(200, func(r *http.Request) bool {
		met := isApprovalRead(r) && down.Load()
		if met {
			begin()
		}
		return met
	}, pimtest.Fault{Status: 503, Body: "{}"})
	patches := w.counts(isDecision)
	alice.forgesPress("approve", id)
	const on = "Your approval of " + reader + " for Dave Davis is on its way"
	alice.sees(on, "Pressed in", "Slack", "This was not me")
	alice.reads(on, "This was not me")
	w.begins(begun)

	alice.taps("This was not me", on)
	alice.sees("Not you: the approval of "+reader, "Your sign-in was ended", "had not reached Microsoft and was taken back", "still waits for a decision")
	alice.reads("Not you: the approval of "+reader, "taken back")
	w.alarmed("Alice Adams says: this was not me", "Dave Davis", reader, "taken back", "Reported in", "Microsoft Teams")
	if alice.button("not-me") {
		t.Error("a used button is left in Slack")
	}
	// The forger goes on, and is asked for a link and a sign-in.
	alice.forgesPress("approve", id)
	alice.slackURL()
	if got := alice.forgesTap("approve", id); strings.Contains(got, "On its way") {
		t.Errorf("a press in Teams is answered %s", got)
	}
	alice.teamsURL()
	alice.types("status")
	alice.slackURL()
	// Microsoft answers again, for as long as the request is open.
	down.Store(false)
	for range 3 {
		w.pass("5m")
		dave.reads(reader + " waits for approval")
	}
	if n := patches.Load(); n != 0 {
		t.Errorf("%d decisions were sent", n)
	}
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}})
	// The press in Teams is a decision too, though no sign-in came for it, and is disowned
	// like one. The same press again, under another id or from the other chat, is not.
	for range 3 {
		if got := alice.forgesTap("not-me", id); !strings.Contains(got, "Not you: the approval of "+reader) {
			t.Errorf("Alice is told %s", got)
		}
		alice.forgesPress("not-me", id)
	}
	w.must(w.slack.Wait(w.ctx(), func(slacktest.State) bool { return w.alarms() >= 2 }))
	if n := w.alarms(); n != 2 {
		t.Errorf("%d alarms for two reports", n)
	}
}

// Too late for Belay: the person reads who can end it, and the alarm says so.
func TestForgedApprovalThatWentThrough(t *testing.T) {
	t.Parallel()
	w, id := forgery(t)
	alice, dave := w.who("alice"), w.who("dave")
	alice.forgesPress("approve", id)
	dave.reads(reader+" is active", "Approved by Alice Adams")
	alice.sees("You approved "+reader+" for Dave Davis", "This was not me")
	alice.reads("You approved "+reader+" for Dave Davis", "This was not me")
	alice.presses("not-me", "You approved "+reader+" for Dave Davis")
	for _, reads := range []func(...string){alice.reads, alice.sees} {
		reads("Not you: the approval of "+reader, "Belay cannot undo it in your name", "Dave Davis can deactivate it", "remove the active assignment")
	}
	w.alarmed("Alice Adams says: this was not me", "cannot undo it in their name", "one chat account was unlinked", "Active until")
	dave.reads(reader+" is active", "Approved by Alice Adams")
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}, approved: {"alice": 1}})
	w.pass("26h") // and a day later the other card still tells the truth
	alice.sees("Not you: the approval of "+reader, "What it allowed is over")
}

// A press on somebody else's alarm ends nobody's sign-in.
func TestForgedNotMe(t *testing.T) {
	t.Parallel()
	w, id := forgery(t)
	alice, dave, bob, frank := w.who("alice"), w.who("dave"), w.who("bob"), w.who("frank")
	alice.presses("approve", "Dave Davis asks for "+reader)
	dave.reads(reader + " is active")
	for _, h := range []human{dave, frank} {
		h.forgesPress("not-me", id)
		h.reads("Belay knows of no decision of yours on this request")
	}
	for _, h := range []human{dave, bob} {
		if got := h.forgesTap("not-me", id); !strings.Contains(got, "no decision of yours") {
			t.Errorf("%s is told %s", h.Name, got)
		}
	}
	for _, unknown := range []string{"", "no-such-request", "01900000-0000-7000-8000-000000000000", strings.Repeat("x", 400)} {
		if got := alice.forgesTap("not-me", unknown); !strings.Contains(got, "outdated") {
			t.Errorf("not-me of request %.40q: %s", unknown, got)
		}
	}
	alice.asks("reports 1h figures") // her sign-in lives
	alice.reads("Reports Reader is active")
	if n := w.alarms(); n != 0 {
		t.Errorf("%d alarms", n)
	}
}

// Without security channels the channels of notices hear it.
func TestAlarmWithoutSecurityChannels(t *testing.T) {
	t.Parallel()
	w := runConfigured(t, t.TempDir(), manners{}, func(cfg *app.Config) {
		cfg.Security.Channels = nil
		cfg.Notices.Rules = []app.NoticeRule{{Roles: []string{userAdmin}}} // nobody hears of this role
	})
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	bob.taps("This was not me", "You approved "+userAdmin+" for Alice Adams")
	w.hears("Bob Brown says: this was not me", "Alice Adams", userAdmin)
}

// [41] A card that was forwarded, or posted by somebody else, holds no authority: what
// counts is who presses.
func TestForwardedCard(t *testing.T) {
	t.Parallel()
	w, id := forgery(t)
	alice, bob, dave, frank := w.who("alice"), w.who("bob"), w.who("dave"), w.who("frank")
	frank.linksSlack()
	bob.linksTeams()
	for _, verb := range []string{"approve", "deny", "show", "cancel", "stop", "keep", "extend"} {
		frank.forgesPress(verb, id) // linked, and no approver of this role
		if got := bob.forgesTap(verb, id); strings.Contains(got, "read everything") || strings.Contains(got, "On its way") {
			t.Errorf("Bob, to whom the card was forwarded, gets at %s: %s", verb, got)
		}
	}
	frank.reads("does not name you as an approver")
	for _, s := range append(frank.slackTexts(), bob.teamsTexts()...) {
		if strings.Contains(s, "read everything") {
			t.Errorf("the forwarded card tells what is not theirs: %s", s)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}})
	alice.presses("approve", "Dave Davis asks for "+reader)
	dave.reads(reader+" is active", "Approved by Alice Adams")
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}, approved: {"alice": 1}})
}

// [40] Somebody who was an approver when the card was posted, and is none any more, is
// stopped by Microsoft's own word, read with their sign-in before anything is sent.
func TestApproverNoMore(t *testing.T) {
	t.Parallel()
	w, id := forgery(t)
	alice, carol, dave := w.who("alice"), w.who("carol"), w.who("dave")
	carol.reads("Dave Davis asks for "+reader, "read everything")
	patches := w.counts(isDecision)
	w.must(w.tenant.AddRole(pimtest.Role{ID: roleReader, Name: reader, Policy: pimtest.Policy{MaxDuration: 8 * time.Hour, Justification: true, Approval: true,
		Approvers: []string{carol.OID}, ApproverJustification: true}}))
	alice.presses("approve", "Dave Davis asks for "+reader)
	alice.reads("Nothing was changed")
	dave.reads(reader + " waits for approval")
	if n := patches.Load(); n != 0 {
		t.Errorf("%d decisions were sent", n)
	}
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}})
	if got := alice.forgesTap("not-me", id); !strings.Contains(got, "Not you") {
		t.Errorf("a decision without effect cannot be disowned: %s", got)
	}
}

// [42] Who unlinks while a decision is owed takes nothing of it to Microsoft without a
// new sign-in.
func TestUnlinkWhileADecisionIsOwed(t *testing.T) {
	t.Parallel()
	w, _ := forgery(t)
	alice, dave := w.who("alice"), w.who("dave")
	patches := w.counts(isDecision)
	begun := make(chan struct{})
	w.fails(1, func(r *http.Request) bool {
		if !isApprovalRead(r) {
			return false
		}
		close(begun)
		return true
	}, pimtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"120"}}, Body: "{}"})
	alice.presses("approve", "Dave Davis asks for "+reader)
	alice.reads("Your approval of " + reader + " for Dave Davis is on its way")
	w.begins(begun)
	alice.types("unlink")
	alice.reads("Your sign-in is forgotten")
	alice.reads("Your answer was not sent")
	w.pass("3m")
	if n := patches.Load(); n != 0 {
		t.Errorf("%d decisions were sent after the unlink", n)
	}
	dave.reads(reader + " waits for approval")
	w.auditHas(map[string]map[string]int{requested: {"dave": 1}})
	alice.reads("No effect: your approval of " + reader + " for Dave Davis")
}
