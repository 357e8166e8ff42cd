package bot_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// watched is a world in which only the alerts of some detectors are on, as the rules say.
func watched(t *testing.T, rules bot.AlertRules, on ...bot.Detector) *world {
	t.Helper()
	for _, d := range bot.Detectors {
		if !slices.Contains(on, d) {
			rules.Off = append(rules.Off, d)
		}
	}
	w := newWorld(t)
	w.change = func(o *bot.Options) { o.Alerts = &rules }
	w.restart()
	for _, who := range []string{"alice", "carol"} {
		w.link(who)
	}
	return w
}

// inChannel lets somebody press a button of a message in a channel.
func (w *world) inChannel(who string, m bottest.Message, label string) bot.Reply {
	w.t.Helper()
	in := w.in(who, nil)
	in.At = m.Conversation
	for _, a := range m.Card.Actions {
		if a.Label == label {
			in.Said = bot.Press{Verb: a.Verb, ID: a.ID, Copy: m.Message}
			reply, later := w.bot.Handle(w.t.Context(), in)
			if later != nil {
				reply = later(w.t.Context())
			}
			return reply
		}
	}
	w.t.Fatalf("no button %q on %q", label, words(m.Card))
	return bot.Reply{}
}

// activates has Alice use a role that nobody approves, to its end.
func (w *world) activates(duration time.Duration) string {
	w.t.Helper()
	id := w.asks("alice", reports, bot.Ask{Duration: duration, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.rests()
	return id
}

// alertsIn counts the alerts that a channel shows, by their titles' beginnings.
func (w *world) alertsIn(title string) (n int) {
	w.rests()
	for _, m := range w.slack.In("C-ops") {
		if strings.Contains(m.Card.Title, title) {
			n++
		}
	}
	return n
}

// allDay are hours that are never off, and off ones that always are.
var (
	everyDay = []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	noDay    = bot.WorkHours{}
	allDay   = bot.WorkHours{Days: everyDay}
)

const outside = "Alice Adams activated Reports Reader outside business hours"

func TestAnActivationOutsideBusinessHoursIsOneAlertInEveryChannel(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	w.activates(time.Hour)
	w.restart()
	w.rests()
	for chat, at := range map[*bottest.Chat]string{w.slack: "C-ops", w.teams: "19:ops"} {
		n := 0
		for _, m := range chat.In(at) {
			if m.Card.Title == outside {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s shows %d of %q", at, n, shows(chat, at))
		}
	}
	m := w.sees(w.slack, "C-ops", outside)
	if all := words(m.Card); !strings.Contains(all, "no working day") || !strings.Contains(all, "[Ask the person]") || strings.Contains(all, "canary") {
		t.Errorf("the alert says %q", all)
	}
}

func TestAnActivationWithinBusinessHoursIsNoAlert(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: allDay}, bot.AlertHours)
	w.activates(time.Hour)
	if n := w.alertsIn("outside business hours"); n != 0 {
		t.Errorf("%d alerts", n)
	}
}

func TestAnAlertIsAcknowledgedWhereItIsToldAndByNobodyItIsAbout(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	heard := &noted{}
	w.hears = heard
	w.restart()
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	if got := words(*w.inChannel("alice", m, "Acknowledge").Card); !strings.Contains(got, "about you") {
		t.Errorf("Alice is told %q", got)
	}
	elsewhere := m
	elsewhere.Conversation = bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-other"}
	if got := words(*w.inChannel("carol", elsewhere, "Acknowledge").Card); !strings.Contains(got, "Press the button there") {
		t.Errorf("from another channel Carol is told %q", got)
	}
	elsewhere.Conversation = bot.Conversation{Platform: bot.Slack, Tenant: "T9", ID: "C-ops"}
	if got := words(*w.inChannel("carol", elsewhere, "Acknowledge").Card); !strings.Contains(got, "Press the button there") {
		t.Errorf("from another workspace Carol is told %q", got)
	}
	if n := w.alertsIn("outside"); n != 1 || len(heard.of(trail.AlertHandled)) != 0 {
		t.Fatalf("%d alerts, handled %v", n, heard.of(trail.AlertHandled))
	}
	bob := w.sees(w.teams, "19:ops", outside) // as it was before Carol
	for range 2 {
		if got := words(*w.inChannel("carol", m, "Acknowledge").Card); !strings.Contains(got, "By Carol Clark") {
			t.Errorf("Carol is told %q", got)
		}
	}
	w.rests()
	if got := words(*w.inChannel("bob", bob, "Acknowledge").Card); !strings.Contains(got, "By Carol Clark") {
		t.Errorf("Bob, who is later, is told %q", got)
	}
	w.restart()
	for chat, at := range map[*bottest.Chat]string{w.slack: "C-ops", w.teams: "19:ops"} {
		m := w.sees(chat, at, outside, "Acknowledged by Carol Clark")
		if all := words(m.Card); strings.Contains(all, "[Acknowledge]") || strings.Contains(all, "[Mute…]") {
			t.Errorf("%s still shows %q", at, all)
		}
	}
	raised, done := heard.of(trail.Alerted), heard.of(trail.AlertHandled)
	if len(raised) != 1 || raised[0].Verb != string(bot.AlertHours) || raised[0].Subject != "oid-alice" {
		t.Errorf("raised: %v", raised)
	}
	if len(done) != 1 || done[0].Verb != "acknowledge" || done[0].Actor.Principal != "oid-carol" {
		t.Errorf("handled: %v", done)
	}
	if refused := heard.of(trail.Press); len(refused) != 3 {
		t.Errorf("refused: %v", refused)
	}
}

func TestThePersonIsAskedAndTheAnswerShowsOnTheAlert(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	w.slack.Reachable("oid-alice", bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-alice", Private: true})
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	if got := words(*w.says("alice", bot.Press{Verb: bot.VerbWasMe, ID: m.Card.Actions[0].ID}).Card); !strings.Contains(got, "Nobody asked you") {
		t.Errorf("before she is asked Alice is told %q", got)
	}
	w.inChannel("carol", m, "Ask the person")
	w.restart()
	ask := w.seesQuestion("Was this you?")
	if got := words(*w.inChannel("carol", bottest.Message{Message: ask.Message, Card: ask.Card}, "It was me").Card); !strings.Contains(got, "Nobody asked you") {
		t.Errorf("Carol, who is not asked, is told %q", got)
	}
	w.inChannel("alice", ask, "It was me")
	w.sees(w.slack, "C-ops", outside, "says: it was me")
	ask = w.seesQuestion("You said that it was you")
	w.inChannel("alice", ask, "This was not me")
	w.sees(w.slack, "C-ops", outside, "says: this was not me", "[Acknowledge]")
	w.sees(w.slack, "C-ops", "Alice Adams says: this was not me", "Next:")
	ask = w.seesQuestion("You said that it was not you")
	if len(ask.Card.Actions) != 1 || ask.Card.Actions[0].URL == "" {
		t.Errorf("the question still has %v", ask.Card.Actions)
	}
	w.says("alice", bot.Press{Verb: bot.VerbWasMe, ID: m.Card.Actions[0].ID})
	w.rests()
	w.sees(w.slack, "C-ops", outside, "says: this was not me")
	if n := w.alertsIn("says: this was not me"); n != 1 {
		t.Errorf("the channel is told %d times", n)
	}
}

// seesQuestion waits for the question to Alice to have a title, wherever she reads.
func (w *world) seesQuestion(title string) bottest.Message {
	w.t.Helper()
	w.rests()
	return w.sees(w.slack, "D-alice", title)
}

func TestAFalseAlarmIsMutedForAWhile(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	heard := &noted{}
	w.hears = heard
	w.restart()
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	form := w.inChannel("carol", m, "Mute…").Form
	if form == nil {
		t.Fatal("no form")
	}
	values := map[string]string{"for": (4 * time.Hour).String(), "reason": "night shift"}
	if got := words(*w.says("dave", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values}).Card); !strings.Contains(got, "Press the button there") {
		t.Errorf("Dave, who has Carol's form, is told %q", got)
	}
	for name, bad := range map[string]map[string]string{"for": {"for": "8760h", "reason": "x"}, "reason": {"for": "4h0m0s", "reason": " "}} {
		again := w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: bad}).Form
		if again == nil || !slices.ContainsFunc(again.Fields, func(f bot.Field) bool { return f.Name == name && f.Error != "" }) {
			t.Errorf("%v is answered %+v", bad, again)
		}
	}
	for range 2 {
		if got := words(*w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values}).Card); !strings.Contains(got, "Carol Clark") {
			t.Errorf("Carol is told %q", got)
		}
	}
	w.sees(w.slack, "C-ops", outside, "Muted by Carol Clark", "night shift")
	w.restart()
	w.advance(2 * time.Hour)
	w.activates(time.Hour)
	if n := w.alertsIn("outside"); n != 1 {
		t.Errorf("%d alerts while muted", n)
	}
	in := w.in("carol", bot.Command{Text: "alerts"})
	if got := w.does(in); !strings.Contains(got, "where alerts are told") {
		t.Errorf("in her own chat Carol is told %q", got)
	}
	in.At = m.Conversation
	if got := w.does(in); !strings.Contains(got, "Muted by Carol Clark: outside-hours, Alice Adams") || !strings.Contains(got, "night shift") || !strings.Contains(got, "1 alert is not acknowledged, 1 muted") {
		t.Errorf("the list says %q", got)
	}
	w.advance(3 * time.Hour)
	w.activates(time.Hour)
	if n := w.alertsIn("outside"); n != 2 {
		t.Errorf("%d alerts after the mute", n)
	}
	raised := heard.of(trail.Alerted)
	if len(raised) != 3 || raised[1].Reason != "muted" || raised[0].Reason+raised[2].Reason != "" {
		t.Errorf("the trail has %v", raised)
	}
	if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
		t.Error(err)
	}
}

func TestAMuteIsEndedBeforeItsTime(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	form := w.inChannel("carol", m, "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "x"}})
	in := w.in("carol", bot.Command{Text: "alerts"})
	in.At = m.Conversation
	reply, _ := w.bot.Handle(t.Context(), in)
	in.Said = bot.Press{Verb: reply.Card.Actions[0].Verb, ID: reply.Card.Actions[0].ID}
	in.At = w.in("carol", nil).At
	if got := w.does(in); !strings.Contains(got, "Press the button there") {
		t.Errorf("in her own chat Carol is told %q", got)
	}
	in.At = m.Conversation
	if got := w.does(in); !strings.Contains(got, "Not muted any more") {
		t.Errorf("Carol is told %q", got)
	}
	w.advance(2 * time.Hour)
	w.activates(time.Hour)
	if n := w.alertsIn("outside"); n != 2 {
		t.Errorf("%d alerts", n)
	}
}

func TestAnErasureDropsWhySomebodyMuted(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	form := w.inChannel("carol", m, "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "my own words"}})
	in := w.in("carol", bot.Command{Text: "alerts"})
	in.At = m.Conversation
	if got := w.does(in); !strings.Contains(got, "my own words") {
		t.Fatalf("the list says %q", got)
	}
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "oid-carol"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.does(in); strings.Contains(got, "my own words") || !strings.Contains(got, "Why: erased") {
		t.Errorf("the list says %q", got)
	}
	w.inChannel("carol", m, "Acknowledge") // the card is written anew
	w.rests()
	m = w.sees(w.slack, "C-ops", outside, "Acknowledged by Carol Clark")
	if all := words(m.Card); strings.Contains(all, "my own words") {
		t.Errorf("the alert says %q", all)
	}
}

func TestManyActivationsOfAPersonAndOfARole(t *testing.T) {
	often := bot.Often{Times: 2, Within: 3 * time.Hour}
	w := watched(t, bot.AlertRules{PersonBurst: often, RoleBurst: often}, bot.AlertPerson, bot.AlertRole)
	w.activates(30 * time.Minute)
	w.advance(5 * time.Hour) // too long ago to count
	w.activates(30 * time.Minute)
	if n := w.alertsIn("Many activations"); n != 0 {
		t.Fatalf("%d alerts too early", n)
	}
	w.restart() // what was counted is on the disk
	w.advance(time.Hour)
	w.activates(30 * time.Minute)
	if p, r := w.alertsIn("Many activations by Alice Adams"), w.alertsIn("Many activations of Reports Reader"); p != 1 || r != 1 {
		t.Fatalf("%d alerts of the person, %d of the role", p, r)
	}
	w.advance(time.Hour)
	w.activates(30 * time.Minute) // the first of the next two
	if n := w.alertsIn("Many activations"); n != 2 {
		t.Errorf("%d alerts of one burst", n)
	}
}

func TestDeniedRequestsAreToldWhenTheyAreMany(t *testing.T) {
	for times, want := range map[int]int{1: 1, 2: 0} {
		w := watched(t, bot.AlertRules{Denied: bot.Often{Times: times, Within: time.Hour}}, bot.AlertDenied)
		id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
		w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
		if err := w.ms.Decide("oid-carol", pim.Denied); err != nil {
			t.Fatal(err)
		}
		w.untilLater(30*time.Second, id, func(r bot.Request) bool { return r.State == bot.Denied })
		if n := w.alertsIn("was denied to Alice Adams"); n != want {
			t.Errorf("%d alerts of 1 denial where %d are many", n, times)
		}
	}
}

func TestDecisionsWithinSecondsAreToldAndSlowOnesAreNot(t *testing.T) {
	for wait, want := range map[time.Duration]int{0: 1, 5 * time.Minute: 0} {
		w := watched(t, bot.AlertRules{Hasty: bot.Often{Times: 1, Within: time.Hour}, HastyWithin: time.Minute}, bot.AlertHasty)
		id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
		w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
		w.advance(wait)
		w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
		w.untilLater(5*time.Second, id, func(r bot.Request) bool { return r.State == bot.Active })
		if n := w.alertsIn("Carol Clark decides within seconds"); n != want {
			t.Errorf("%d alerts of a decision after %v", n, wait)
		}
	}
}

func TestADisownedHastyDecisionGoesTheWayOfDecisions(t *testing.T) {
	w := watched(t, bot.AlertRules{Hasty: bot.Often{Times: 1, Within: time.Hour}, HastyWithin: time.Minute}, bot.AlertHasty)
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.untilLater(5*time.Second, id, func(r bot.Request) bool { return r.State == bot.Active })
	m := w.sees(w.teams, "19:ops", "Carol Clark decides within seconds")
	w.inChannel("bob", m, "Ask the person")
	ask := w.sees(w.slack, "D-carol", "Was this you?")
	if got := words(*w.inChannel("carol", ask, "This was not me").Card); !strings.Contains(got, "Your sign-in was ended") {
		t.Errorf("Carol is told %q", got)
	}
	if live, err := w.ms.Live(t.Context(), "oid-carol"); err != nil || live {
		t.Error("Carol is still signed in")
	}
	w.sees(w.slack, "C-ops", "Carol Clark says: this was not me", "Their sign-in was ended")
	w.sees(w.teams, "19:ops", "Carol Clark decides within seconds", "says: this was not me")
	if n := w.alertsIn("Carol Clark says: this was not me"); n != 1 {
		t.Errorf("the channel is told %d times", n)
	}
}

// stubborn is a Grants that does not forget the first time.
type stubborn struct {
	bot.Grants
	tried atomic.Bool
}

func (s *stubborn) Forget(ctx context.Context, person string) error {
	if s.tried.CompareAndSwap(false, true) {
		return errors.New("the disk is full")
	}
	return s.Grants.Forget(ctx, person)
}

// An answer that could not be acted on is not recorded as one: the question stands.
func TestADisownedHastyDecisionThatIsNotTakenIsAskedForAgain(t *testing.T) {
	w := watched(t, bot.AlertRules{Hasty: bot.Often{Times: 1, Within: time.Hour}, HastyWithin: time.Minute}, bot.AlertHasty)
	before := w.change
	w.change = func(o *bot.Options) {
		before(o)
		o.Grants = &stubborn{Grants: w.ms}
	}
	w.restart()
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.untilLater(5*time.Second, id, func(r bot.Request) bool { return r.State == bot.Active })
	w.inChannel("bob", w.sees(w.teams, "19:ops", "Carol Clark decides within seconds"), "Ask the person")
	ask := w.sees(w.slack, "D-carol", "Was this you?")
	if got := words(*w.inChannel("carol", ask, "This was not me").Card); !strings.Contains(got, "Nothing was done") {
		t.Errorf("Carol is told %q", got)
	}
	w.rests()
	ask = w.sees(w.slack, "D-carol", "Was this you?", "[This was not me]")
	if got := words(*w.inChannel("carol", ask, "This was not me").Card); !strings.Contains(got, "Your sign-in was ended") {
		t.Errorf("Carol is told %q", got)
	}
	w.sees(w.slack, "C-ops", "Carol Clark says: this was not me", "Their sign-in was ended")
}

func TestARequestThatNobodyAnswersIsToldOnce(t *testing.T) {
	w := watched(t, bot.AlertRules{UnansweredAfter: 4 * time.Hour}, bot.AlertUnanswered)
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.advance(3 * time.Hour)
	if n := w.alertsIn("Nobody answers"); n != 0 {
		t.Fatalf("%d alerts too early", n)
	}
	w.restart()
	w.advance(2 * time.Hour)
	w.sees(w.slack, "C-ops", "Nobody answers the request of Alice Adams for User Administrator", "May decide: Bob Brown and Carol Clark")
	w.advance(20 * time.Hour)
	w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() })
	if n := w.alertsIn("Nobody answers"); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

func TestAnAnsweredRequestIsNotToldAsUnanswered(t *testing.T) {
	w := watched(t, bot.AlertRules{UnansweredAfter: 4 * time.Hour}, bot.AlertUnanswered)
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.untilLater(5*time.Second, id, func(r bot.Request) bool { return r.State == bot.Active })
	w.advance(30 * time.Hour)
	w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() })
	if n := w.alertsIn("Nobody answers"); n != 0 {
		t.Errorf("%d alerts", n)
	}
}

func TestAWeakenedPolicyIsToldUntilItIsAccepted(t *testing.T) {
	w := watched(t, bot.AlertRules{}, bot.AlertWeakened)
	strong := pim.Policy{MaxDuration: time.Hour, Justification: true, MFA: true, Approval: false}
	weak := pim.Policy{MaxDuration: 8 * time.Hour, Justification: true}
	const title = "The settings of Reports Reader became weaker"
	for n, step := range []struct {
		policy pim.Policy
		want   int
	}{{strong, 0}, {weak, 1}, {weak, 1}, {strong, 1}, {weak, 2}} {
		w.ms.AddRole("oid-nobody", reports, step.policy)
		id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
		w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
		if got := w.alertsIn(title); got != step.want {
			t.Fatalf("%d alerts after step %d, want %d", got, n, step.want)
		}
		w.advance(2 * time.Hour)
		w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() })
	}
	all := w.slack.In("C-ops")
	n := slices.IndexFunc(all, func(m bottest.Message) bool { return m.Card.Title == title })
	got := words(all[n].Card)
	for _, want := range []string{"Multi-factor authentication: required → not required", "Longest activation: 1 hour → 8 hours", "[Acknowledge]"} {
		if !strings.Contains(got, want) {
			t.Errorf("the alert says %q and not %q", got, want)
		}
	}
	if strings.Contains(got, "Justification:") || strings.Contains(got, "[Ask the person]") {
		t.Errorf("the alert says %q", got)
	}
	w.inChannel("carol", all[n], "Acknowledge")
	id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	if got := w.alertsIn(title); got != 2 {
		t.Errorf("%d alerts after it was accepted", got)
	}
}

// A mute ends, and what became weaker meanwhile is told then.
func TestAWeakenedPolicyIsToldWhenTheMuteEnds(t *testing.T) {
	w := watched(t, bot.AlertRules{}, bot.AlertWeakened)
	strong := pim.Policy{MaxDuration: time.Hour, Justification: true, AuthContext: "c1"}
	weak := pim.Policy{MaxDuration: time.Hour, Justification: true, AuthContext: "c2"}
	const title = "The settings of Reports Reader became weaker"
	reads := func(p pim.Policy, want int) {
		t.Helper()
		w.ms.AddRole("oid-nobody", reports, p)
		id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
		w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
		if got := w.alertsIn(title); got != want {
			t.Fatalf("%d alerts, want %d", got, want)
		}
		w.advance(2 * time.Hour)
		w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State.Final() })
	}
	reads(strong, 0)
	reads(weak, 1)
	m := w.sees(w.slack, "C-ops", title, "Authentication context: c1 → c2")
	form := w.inChannel("carol", m, "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": (24 * time.Hour).String(), "reason": "tests"}})
	w.sees(w.slack, "C-ops", title, "Muted by Carol Clark")
	reads(strong, 1)
	reads(weak, 1)
	w.advance(24 * time.Hour)
	reads(weak, 2)
}

func TestAnAssignmentOutsidePIMIsToldOnce(t *testing.T) {
	w := watched(t, bot.AlertRules{}, bot.AlertOutside)
	line := pim.Trace{ID: "line-1", At: w.now(), What: pim.TraceOutside, Assignment: users.Assignment, RoleName: users.RoleName, Principal: "oid-dave", By: people["bob"]}
	w.ms.Fail("principal", &pim.Error{Op: "principal", Code: pim.CodeThrottled, After: 20 * time.Millisecond}) // who it is about is asked again
	w.ms.AddTrace(line)
	w.seesLater(time.Minute, w.slack, "C-ops", "User Administrator was assigned to Dave Davis outside of PIM", "By: Bob Brown")
	w.restart() // and the log is read from before
	w.ms.AddTrace(pim.Trace{ID: "line-2", At: w.now(), What: pim.TraceOutside, Assignment: reports.Assignment, RoleName: reports.RoleName, Principal: "oid-dave"})
	w.seesLater(time.Minute, w.slack, "C-ops", "Reports Reader was assigned to Dave Davis outside of PIM", "By: not told in the audit log")
	if n := w.alertsIn("outside of PIM"); n != 2 {
		t.Errorf("%d alerts of two lines", n)
	}
}

// What a rule keeps to another channel cannot be read in the fallback channel, and no mute
// of it ended there.
func TestAListOfAlertsHasWhatIsToldWhereItIsAsked(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	before := w.change
	tier0 := bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-tier0"}
	w.change = func(o *bot.Options) {
		before(o)
		o.Notices.Rules = []bot.Rule{{Events: []bot.Notice{bot.NoticeAlert}, Roles: []string{"Reports Reader"}, To: []bot.Conversation{tier0}}}
	}
	w.restart()
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-tier0", outside)
	form := w.inChannel("carol", m, "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "x"}})
	in := w.in("carol", bot.Command{Text: "alerts"})
	in.At = tier0
	reply, _ := w.bot.Handle(t.Context(), in)
	if got := words(*reply.Card); !strings.Contains(got, outside) || !strings.Contains(got, "1 alert is not acknowledged, 1 muted") {
		t.Errorf("where it is told the list says %q", got)
	}
	in.At = bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}
	if got := w.does(in); strings.Contains(got, "Alice") || strings.Contains(got, "Reports") || strings.Contains(got, "outside-hours") {
		t.Errorf("in the fallback channel the list says %q", got)
	}
	in.Said = bot.Press{Verb: reply.Card.Actions[0].Verb, ID: reply.Card.Actions[0].ID}
	if got := w.does(in); !strings.Contains(got, "Press the button there") {
		t.Errorf("from the fallback channel the mute is ended: %q", got)
	}
	w.advance(2 * time.Hour)
	w.activates(time.Hour)
	if got := len(w.slack.In("C-tier0")); got != 1 {
		t.Errorf("%d alerts, though they are muted", got)
	}
}

func TestAMuteFormIsGoodForAShortWhileAndWhereItWasOpened(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	w.activates(time.Hour)
	m := w.sees(w.slack, "C-ops", outside)
	values := map[string]string{"for": (4 * time.Hour).String(), "reason": "night shift"}
	form := w.inChannel("carol", m, "Mute…").Form
	w.advance(16 * time.Minute)
	if got := words(*w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values}).Card); !strings.Contains(got, "opened too long ago") {
		t.Errorf("after a quarter of an hour Carol is told %q", got)
	}
	first, rest, _ := strings.Cut(form.ID, ".")
	_, rest, _ = strings.Cut(rest, ".")
	later := first + "." + strconv.FormatInt(w.now().Unix(), 36) + "." + rest
	if got := words(*w.says("carol", bot.Submit{Verb: form.Verb, ID: later, Values: values}).Card); !strings.Contains(got, "Press the button there") {
		t.Errorf("with a form that she made younger Carol is told %q", got)
	}
	form = w.inChannel("carol", m, "Mute…").Form
	w.advance(14 * time.Minute)
	if got := words(*w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values}).Card); !strings.Contains(got, "By Carol Clark") {
		t.Errorf("Carol is told %q", got)
	}
}

// Who cannot be asked is not shown as asked, and is asked again when somebody presses again.
func TestAPersonWhoCannotBeReachedIsNotShownAsAsked(t *testing.T) {
	dm := bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-dave", Private: true}
	outsideOf := func(t *testing.T) (*world, bottest.Message) {
		w := watched(t, bot.AlertRules{}, bot.AlertOutside)
		w.ms.AddTrace(pim.Trace{ID: "line-1", At: w.now(), What: pim.TraceOutside, Assignment: users.Assignment, RoleName: users.RoleName, Principal: "oid-dave", By: people["bob"]})
		w.seesLater(time.Minute, w.slack, "C-ops", "User Administrator was assigned to Dave Davis outside of PIM")
		return w, w.sees(w.slack, "C-ops", "outside of PIM")
	}
	t.Run("nobody", func(t *testing.T) {
		w, m := outsideOf(t)
		w.inChannel("carol", m, "Ask the person")
		w.sees(w.slack, "C-ops", "Could not be reached in chat", "[Ask the person]")
		w.restart()
		w.slack.Reachable("oid-dave", dm)
		w.rests()
		if got := shows(w.slack, "D-dave"); len(got) != 0 {
			t.Fatalf("Dave is asked by himself: %q", got)
		}
		w.inChannel("carol", w.sees(w.slack, "C-ops", "outside of PIM"), "Ask the person")
		ask := w.sees(w.slack, "D-dave", "Was this you?")
		w.rests()
		if got := words(w.sees(w.slack, "C-ops", "outside of PIM").Card); strings.Contains(got, "Could not be reached") || strings.Contains(got, "[Ask the person]") || !strings.Contains(got, "Asked by Carol Clark") {
			t.Errorf("the alert says %q", got)
		}
		w.slack.Delete(ask.Message) // and the answer comes to a question that is not there any more
		in := w.in("dave", bot.Press{Verb: ask.Card.Actions[0].Verb, ID: ask.Card.Actions[0].ID})
		w.does(in)
		w.sees(w.slack, "C-ops", "outside of PIM", "Dave Davis says: it was me")
	})
	t.Run("the chat is gone", func(t *testing.T) {
		w, m := outsideOf(t)
		w.slack.Reachable("oid-dave", dm)
		chat := w.slack
		before := w.change
		w.change = func(o *bot.Options) {
			before(o)
			o.Chats = map[bot.Platform]bot.Chat{bot.Slack: &closed{Chat: chat, at: dm.ID}, bot.Teams: w.teams}
		}
		w.restart()
		w.inChannel("carol", m, "Ask the person")
		w.sees(w.slack, "C-ops", "Could not be reached in chat", "[Ask the person]")
	})
}

// closed is a chat of which one conversation cannot be written to.
type closed struct {
	*bottest.Chat
	at string
}

func (c *closed) Post(ctx context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	if to.ID == c.at {
		return bot.Message{}, &bot.ChatError{Platform: c.Platform, Op: "post", Code: bot.ChatUnreachable, Err: errors.New("not in channel")}
	}
	return c.Chat.Post(ctx, to, key, card)
}

// A mute is from the channel in which the alert is told: what another channel hears is not
// kept from it.
func TestAMuteKeepsNothingFromAnotherChannel(t *testing.T) {
	w := watched(t, bot.AlertRules{Hours: noDay}, bot.AlertHours)
	before := w.change
	tier0 := bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-tier0"}
	w.change = func(o *bot.Options) {
		before(o)
		o.Notices.Rules = []bot.Rule{{Events: []bot.Notice{bot.NoticeAlert}, Roles: []string{"User Administrator"}, To: []bot.Conversation{tier0}}}
	}
	w.restart()
	w.activates(time.Hour)
	form := w.inChannel("carol", w.sees(w.slack, "C-ops", outside), "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "x"}})
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "C-tier0", "Alice Adams activated User Administrator outside business hours")
	w.advance(2 * time.Hour)
	w.activates(time.Hour)
	if n := w.alertsIn("outside"); n != 1 {
		t.Errorf("%d alerts where it is muted", n)
	}
}
