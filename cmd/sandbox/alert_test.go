package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
)

// dayOff has Belay take every day for a day off, so that each activation is an alert.
func dayOff(cfg *app.Config) {
	cfg.Alerts = app.Alerts{Enabled: true, Off: []string{"person-burst", "role-burst", "denied", "hasty-approver", "unanswered", "policy-weakened", "outside-pim"},
		Zone: "UTC", Hours: "07:00-20:00", PersonBurst: 5, PersonBurstWithin: time.Hour, RoleBurst: 5, RoleBurstWithin: time.Hour, Denied: 1, DeniedWithin: time.Hour,
		HastyDecision: 10 * time.Second, Hasty: 3, HastyWithin: time.Hour, UnansweredAfter: 4 * time.Hour}
}

const offHours = "Alice Adams activated Reports Reader outside business hours"

// alerts are the messages of the Slack channel that hold words.
func (w *world) alerts(words ...string) (all []slacktest.Message) {
	c, _ := w.slack.State().Conversation(slackSecurity)
	for _, m := range c.Messages {
		if holds(slackText(m), words...) {
			all = append(all, m)
		}
	}
	return all
}

// useAlert presses a button of the newest alert with the words, in the Slack channel.
func (h human) useAlert(verb string, words ...string) {
	h.w.t.Helper()
	h.w.must(h.w.slackWaits(h.w.ctx(), slackSecurity, words...))
	for _, m := range slices.Backward(h.w.alerts(words...)) {
		if strings.Contains(string(m.Blocks), `"action_id":"`+verb+`"`) {
			out, err := h.w.slack.Press(h.w.ctx(), h.Slack, slackSecurity, m.TS, verb)
			h.w.must(err)
			if out.Notice != "" {
				h.w.t.Fatalf("%s pressed %q: %s", h.Name, verb, out.Notice)
			}
			return
		}
	}
	h.w.t.Fatalf("no alert with %q has a button %q", words, verb)
}

// tapAlert is useAlert, in the Teams channel, by what the button is called.
func (h human) tapAlert(button string, inputs map[string]string, words ...string) teamstest.Answer {
	h.w.t.Helper()
	h.w.must(h.w.teamsWaits(h.w.ctx(), h.Key, teamsSecurity, words...))
	for _, a := range slices.Backward(h.w.teams.State().In(teamsSecurity, h.Key)) {
		if card := a.CardFor(h.Key); holds(teamstest.CardText(card), words...) && strings.Contains(string(card), `"title":"`+button+`"`) {
			answer, err := h.w.teams.Press(h.w.ctx(), h.Key, teamsSecurity, a.ID, button, inputs)
			h.w.must(err)
			return answer
		}
	}
	h.w.t.Fatalf("no alert with %q has a button %q", words, button)
	return teamstest.Answer{}
}

// An alert in Slack: the person is asked and answers, false alarms are muted, and it is
// acknowledged, across restarts; Teams shows the same.
func TestAlertInSlack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runConfigured(t, dir, manners{}, dayOff)
	w.who("alice").linksSlack()
	w.who("frank").linksSlack()
	w.who("alice").asks("reports 1h figures")
	w.who("alice").reads("Reports Reader is active")
	w.alarmed(offHours, "no working day", "Ask the person", "Acknowledge")
	w.end()
	w = runConfigured(t, dir, manners{}, dayOff)
	alice, frank := w.who("alice"), w.who("frank")
	frank.useAlert("ask-them", offHours)
	alice.presses("was-me", "Was this you?", offHours)
	alice.reads("You said that it was you")
	w.alarmed(offHours, "Asked by Frank", "Alice Adams says: it was me")

	frank.useAlert("mute", offHours)
	frank.sends(frank.form("For how long"), map[string]string{"for": "720h0m0s", "reason": "quarterly figures"})
	w.alarmed(offHours, "Muted by Frank", "quarterly figures")
	w.end()
	w = runConfigured(t, dir, manners{}, dayOff)
	alice, frank = w.who("alice"), w.who("frank")
	w.pass("2h")
	alice.reads("Reports Reader", "ended")
	alice.asks("reports 30m figures again")
	alice.reads("Reports Reader is active", "figures again")
	frank.useAlert("acknowledge", offHours)
	w.alarmed(offHours, "Acknowledged by Frank")
	out, err := w.slack.Command(w.ctx(), frank.Slack, slackSecurity, "/elevate", "alerts")
	w.must(err)
	if out.Notice != "" {
		t.Fatal(out.Notice)
	}
	if n := len(w.alerts(offHours, "no working day")); n != 1 {
		t.Errorf("%d alerts, though the second is muted", n)
	}
}

// An alert in Teams: who reads it mutes and acknowledges it, and the person answers in
// the other chat that it was not them.
func TestAlertInTeams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runConfigured(t, dir, manners{}, dayOff)
	w.who("alice").linksSlack()
	w.who("bob").linksTeams()
	w.who("alice").asks("reports 1h figures")
	w.alarmed(offHours)
	w.end()
	w = runConfigured(t, dir, manners{}, dayOff)
	alice, bob := w.who("alice"), w.who("bob")
	bob.tapAlert("Ask the person", nil, offHours)
	alice.presses("was-not-me", "Was this you?", offHours)
	alice.reads("You said that it was not you", "change your password")
	w.alarmed("Alice Adams says: this was not me", offHours, "Next:")
	w.alarmed(offHours, "Asked by Bob Brown", "says: this was not me", "Acknowledge")

	form := bob.tapAlert("Mute…", nil, offHours, "Asked by Bob Brown")
	if text := string(form.Card); !strings.Contains(text, "For how long") {
		t.Fatalf("Bob is shown %s", text)
	}
	bob.tapAlert("Mute", map[string]string{"for": "4h0m0s", "reason": "a drill"}, "For how long")
	w.alarmed(offHours, "Muted by Bob Brown", "a drill")
	bob.tapAlert("Acknowledge", nil, offHours, "Muted by Bob Brown")
	w.alarmed(offHours, "Acknowledged by Bob Brown")
}

// An alert by the tenant's own logs: a sign-in from an unusual place before an activation,
// and a break-glass account that is used, and changed.
func TestAlertsOfAccounts(t *testing.T) {
	t.Parallel()
	glass := person{}
	for _, p := range cast {
		if p.Key == "dave" {
			glass = p
		}
	}
	w := runConfigured(t, t.TempDir(), manners{}, func(cfg *app.Config) {
		dayOff(cfg)
		cfg.Alerts.Off = append(cfg.Alerts.Off, "outside-hours")
		cfg.Security.BreakGlass = []string{glass.OID}
	})
	alice, now := w.who("alice"), w.clock.Now().UTC()
	alice.linksSlack()
	for n, country := range []string{"FR", "DE", "DE", "DE", "DE"} { // more than a page
		w.must(w.tenant.AddSignIn(pimtest.SignIn{User: alice.OID, Time: now.Add(-time.Duration(n)*24*time.Hour - time.Minute), App: "Azure Portal", IP: "203.0.113.7", Country: country}))
	}
	alice.asks("reports 1h figures")
	alice.reads("Reports Reader is active")
	w.pass("15m")
	w.alarmed("Alice Adams activated Reports Reader after a sign-in from an unusual place", "FR (203.0.113.7)", "Usual", "DE", "Ask the person")

	w.must(w.tenant.AddSignIn(pimtest.SignIn{User: glass.OID, App: "Azure Portal", IP: "203.0.113.9", Country: "DE"}))
	w.must(w.tenant.ChangeAccount(pimtest.AccountChange{Actor: alice.OID, Activity: "Reset user password", Target: glass.OID}))
	w.pass("15m")
	w.alarmed("The break-glass account Dave Davis was used", "DE (203.0.113.9)")
	w.alarmed("A break-glass account was changed: Reset user password", "Alice Adams")
}
