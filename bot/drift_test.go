package bot_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// edits is an audit log as a test says it is.
type edits struct {
	mu    sync.Mutex
	lines []pim.Trace
	err   error
	asked time.Time // since when
}

// Edits gives more than was asked for, as another change that is asked about at the same
// time has it.
func (e *edits) Edits(_ context.Context, since time.Time) ([]pim.Trace, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = since
	return slices.Clone(e.lines), e.err
}

// drifted is a world in which the tenant is compared with what was accepted. Alice, Bob and
// Carol may accept.
type drifted struct {
	*world
	log    *edits
	tenant posture.Snapshot
}

var viewers = []string{"oid-alice", "oid-bob", "oid-carol"}

func newDrifted(t *testing.T) *drifted {
	t.Helper()
	w := &drifted{world: newWorld(t), log: &edits{}}
	w.change = func(o *bot.Options) {
		o.Drift = &bot.Drifting{Edits: map[pim.Kind]bot.Edits{pim.EntraRole: w.log}}
		o.Posture = &stands{viewer: "oid-carol"}
	}
	w.restart()
	for _, who := range []string{"alice", "carol"} {
		w.link(who)
	}
	w.tenant = posture.Snapshot{Roles: map[string]string{"role-users": "User Administrator", "role-reports": "Reports Reader"},
		Settings: []pim.Settings{settingsOf("role-users"), settingsOf("role-reports")},
		Holdings: []pim.Holding{eligibleFor("role-users", "alice")}}
	return w
}

func settingsOf(role string) pim.Settings {
	return pim.Settings{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"}, MaxDuration: 2 * time.Hour, MFA: true, Justification: true, Approval: true,
		Deciders: []string{"oid-bob"}, Approvers: 1, Mailed: true}
}

func eligibleFor(role, who string) pim.Holding {
	return pim.Holding{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"}, Holder: people[who], Type: pim.User, Eligible: true}
}

// reads takes in the tenant as it is.
func (w *drifted) reads(pillars ...pim.Kind) {
	w.t.Helper()
	w.takes(pillars...)
	if err := w.bot.NameDrift(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.rests()
}

func (w *drifted) takes(pillars ...pim.Kind) {
	w.t.Helper()
	w.takesAt([]string{"/mg/all"}, pillars...)
}

// takesAt is of other places of Azure.
func (w *drifted) takesAt(places []string, pillars ...pim.Kind) {
	w.t.Helper()
	if len(pillars) == 0 {
		pillars = []pim.Kind{pim.EntraRole}
	}
	w.advance(5 * time.Minute)
	s := w.tenant
	s.Taken, s.Settings, s.Holdings = w.now().UTC(), slices.Clone(s.Settings), slices.Clone(s.Holdings)
	if err := w.bot.TakeDrift(w.t.Context(), drift.Take(s, drift.Look{Pillars: pillars, Scopes: places}), viewers); err != nil {
		w.t.Fatal(err)
	}
}

// begins has a baseline that Carol accepted.
func (w *drifted) begins() {
	w.t.Helper()
	w.reads()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "The first baseline"), "Accept")
	w.rests()
}

// cards are those of the Slack channel whose titles hold a text.
func (w *drifted) cards(title string) (all []bottest.Message) {
	for _, m := range w.slack.In("C-ops") {
		if strings.Contains(m.Card.Title, title) {
			all = append(all, m)
		}
	}
	return all
}

func (w *drifted) open() []bot.Drift {
	w.t.Helper()
	_, open, err := w.bot.Drifts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return open
}

func (w *drifted) history() (all []bot.Acceptance) {
	w.t.Helper()
	if err := w.bot.DriftHistory(w.t.Context(), func(a bot.Acceptance) error { all = append(all, a); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestTheFirstReadingIsABaselineThatOnePersonAccepts(t *testing.T) {
	w := newDrifted(t)
	w.reads()
	w.reads()
	m := w.sees(w.slack, "C-ops", "The first baseline of the tenant", "2 roles' settings and 1 assignment", "Nobody has accepted")
	if state, _, err := w.bot.Drifts(t.Context()); err != nil || state.Accepted {
		t.Errorf("%+v %v", state, err)
	}
	if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "By Carol Clark") {
		t.Errorf("Carol is told %q", got)
	}
	w.rests()
	w.sees(w.teams, "19:ops", "The first baseline", "Accepted by Carol Clark")
	state, open, err := w.bot.Drifts(t.Context())
	if err != nil || !state.Accepted || len(open) != 0 || len(w.cards("baseline")) != 1 {
		t.Errorf("%+v, %d open, %d cards, %v", state, len(open), len(w.cards("baseline")), err)
	}
	if h := w.history(); len(h) != 1 || h[0].By.ID != "oid-carol" || h[0].First == nil || h[0].First.Settings != 2 {
		t.Errorf("%+v", h)
	}
}

func TestAWeakenedSettingIsToldOnceAndTakesTwoPeople(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MFA, w.tenant.Settings[0].MaxDuration = false, 8*time.Hour
	w.reads()
	w.reads()
	w.restart()
	w.reads()
	const title = "The settings of User Administrator became weaker"
	if n := len(w.cards(title)); n != 1 {
		t.Fatalf("%d cards", n)
	}
	m := w.sees(w.slack, "C-ops", title, "Multi-factor authentication: required → not required", "Longest activation: 2 hours → 8 hours", "two people", "[Accept]", "[Open in Entra]")
	w.inChannel("alice", m, "Accept")
	w.rests()
	m = w.sees(w.slack, "C-ops", title, "Accepted by Alice Adams", "second person", "[Confirm]")
	base, err := w.bot.DriftBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range base {
		if v, _ := e.Value(drift.MFA); v == drift.No {
			t.Error("one person moved the baseline")
		}
	}
	if got := words(*w.inChannel("alice", m, "Confirm").Card); !strings.Contains(got, "a second person has to confirm") {
		t.Errorf("the same person twice is told %q", got)
	}
	// The same person by another chat: it is the Entra account that counts.
	other := w.in("bob", bot.Press{Verb: bot.VerbAccept, ID: m.Card.Actions[0].ID, Copy: m.Message})
	other.Principal, other.User.ID = "oid-alice", "oid-alice"
	if reply, _ := w.bot.Handle(t.Context(), other); reply.Card == nil || !strings.Contains(words(*reply.Card), "a second person has to confirm") {
		t.Errorf("from another chat the same person is told %+v", reply.Card)
	}
	if len(w.open()) != 1 {
		t.Fatal("it is closed")
	}
	w.inChannel("bob", w.sees(w.teams, "19:ops", title, "[Confirm]"), "Confirm")
	w.rests()
	for chat, at := range map[*bottest.Chat]string{w.slack: "C-ops", w.teams: "19:ops"} {
		if m := w.sees(chat, at, title, "Accepted by Alice Adams", "Confirmed by Bob Brown"); strings.Contains(words(m.Card), "[Confirm]") {
			t.Errorf("%s still has a button", at)
		}
	}
	w.reads()
	if len(w.open()) != 0 || len(w.cards(title)) != 1 {
		t.Errorf("%+v", w.open())
	}
	h := w.history()
	if last := h[len(h)-1]; last.By.ID != "oid-bob" || last.With.ID != "oid-alice" || len(last.Change.Fields) != 2 {
		t.Errorf("%+v", last)
	}
	w.documented(t, map[trail.Kind]int{})
	var verbs []string
	for _, e := range append(heard(t, w.trail, trail.DriftFound), heard(t, w.trail, trail.DriftHandled)...) {
		verbs = append(verbs, e.Verb+"/"+e.Reason)
	}
	if want := []string{"first-seen/", "settings-changed/", "accept/", "accept/first-of-two", "accept/"}; !slices.Equal(verbs, want) {
		t.Errorf("the audit trail heard %q", verbs)
	}
}

func TestAChangeThatIsNotWeakerTakesOnePerson(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[1].MaxDuration = time.Hour
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-reports", "dave"))
	w.reads()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "The settings of Reports Reader changed", "2 hours → 1 hour"), "Accept")
	w.inChannel("carol", w.sees(w.slack, "C-ops", "Dave Davis became eligible for Reports Reader", "Before: nothing", "eligible, without an end"), "Accept")
	w.rests()
	w.reads()
	if len(w.open()) != 0 || len(w.history()) != 3 {
		t.Errorf("%d open, %d accepted", len(w.open()), len(w.history()))
	}
}

func TestOnlyViewersAcceptAndNobodyWhatIsAboutThemselves(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-reports", "carol"))
	w.reads()
	m := w.sees(w.slack, "C-ops", "Carol Clark became eligible")
	if got := words(*w.inChannel("dave", m, "Accept").Card); !strings.Contains(got, "security.viewers") {
		t.Errorf("Dave is told %q", got)
	}
	if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "about you") {
		t.Errorf("Carol is told %q", got)
	}
	stranger := w.in("erin", bot.Press{Verb: bot.VerbAccept, ID: m.Card.Actions[0].ID, Copy: m.Message})
	w.bot.Handle(t.Context(), stranger)
	if len(w.open()) != 1 {
		t.Fatal("somebody accepted it")
	}
	var why []string
	for _, e := range heard(t, w.trail, trail.Press) {
		why = append(why, e.Reason)
	}
	if !slices.Equal(why, []string{"no-viewer", "own-drift"}) {
		t.Errorf("the audit trail heard %q", why)
	}
	for _, id := range []string{"", ".", "x", strings.Repeat("x", 200) + ".0", m.Card.Actions[0].ID + "0", "../.0"} {
		forged := w.in("alice", bot.Press{Verb: bot.VerbAccept, ID: id, Copy: m.Message})
		w.bot.Handle(t.Context(), forged)
	}
	if len(w.open()) != 1 {
		t.Error("a forged press accepted it")
	}
}

func TestAChangeThatGoesBackClosesItsCard(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	before := w.tenant.Settings[0]
	for n := range 2 {
		w.tenant.Settings[0].Approval = false
		w.reads()
		m := w.sees(w.slack, "C-ops", "became weaker", "[Accept]")
		w.tenant.Settings[0] = before
		w.reads()
		if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "as it was again") {
			t.Errorf("Carol is told %q", got)
		}
		if all := w.cards("became weaker"); len(all) != n+1 || slices.ContainsFunc(all, func(m bottest.Message) bool { return !strings.Contains(words(m.Card), "It is as it was again") }) {
			t.Errorf("after %d times there are %d cards", n+1, len(all))
		}
	}
	if len(w.open()) != 0 || len(w.history()) != 1 {
		t.Errorf("%+v", w.open())
	}
}

func TestACardThatChangedAgainIsAcceptedAsItIsNow(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MaxDuration = 4 * time.Hour
	w.reads()
	stale := w.sees(w.slack, "C-ops", "became weaker", "2 hours → 4 hours")
	w.inChannel("alice", stale, "Accept")
	w.tenant.Settings[0].MaxDuration = 24 * time.Hour
	w.reads()
	now := w.sees(w.slack, "C-ops", "became weaker", "2 hours → 24 hours", "[Accept]")
	if strings.Contains(words(now.Card), "Accepted by") {
		t.Error("what Alice accepted is another thing now")
	}
	if got := words(*w.inChannel("carol", stale, "Accept").Card); !strings.Contains(got, "changed once more") {
		t.Errorf("with the stale card Carol is told %q", got)
	}
	if len(w.open()) != 1 || len(w.cards("became weaker")) != 1 {
		t.Errorf("%+v", w.open())
	}
}

// A value that is told for the first time while a change of the same settings is open is not
// forgotten when that is accepted.
func TestWhatIsToldLaterStaysInTheBaseline(t *testing.T) {
	w := newDrifted(t)
	w.tenant.Settings[0].Missing = []string{pim.RuleOfApproval}
	w.begins()
	w.tenant.Settings[0].MaxDuration = time.Hour
	w.reads()
	w.tenant.Settings[0].Missing = nil
	w.reads()
	w.sees(w.slack, "C-ops", "Seen for the first time: 1 role's settings")
	w.inChannel("carol", w.sees(w.slack, "C-ops", "User Administrator changed", "1 hour"), "Accept")
	w.rests()
	w.tenant.Settings[0].Approval = false
	w.reads()
	w.sees(w.slack, "C-ops", "User Administrator became weaker", "Approval: required → not required")
}

func TestWhatCannotBeSeenClosesAndTellsNothing(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	whole := w.tenant
	w.tenant.Holdings = append(w.tenant.Holdings, eligibleFor("role-reports", "dave"))
	w.reads()
	w.sees(w.slack, "C-ops", "Dave Davis became eligible")
	w.tenant = posture.Snapshot{Unseen: []posture.Unseen{{Part: posture.RolesEligible, Permission: "RoleEligibilitySchedule.Read.Directory"}, {Part: posture.RoleSettings, Some: true, Why: "throttled"}}}
	w.reads()
	if open := w.open(); len(open) != 1 || !open[0].Back.IsZero() {
		t.Errorf("%+v", open)
	}
	c := w.says("carol", bot.Command{Text: "drift"})
	if got := words(*c.Card); !strings.Contains(got, "permission RoleEligibilitySchedule.Read.Directory is missing") || !strings.Contains(got, "1 change waits") || len(c.More) != 1 {
		t.Errorf("%q and %d more", got, len(c.More))
	}
	w.reads()
	w.sees(w.teams, "19:ops", "Belay cannot compare everything", "permission RoleEligibilitySchedule.Read.Directory is missing")
	w.tenant = whole
	w.reads()
	w.sees(w.slack, "C-ops", "Dave Davis became eligible", "as it was again")
	w.sees(w.teams, "19:ops", "Belay compares everything again")
	if n := len(w.slack.In("C-ops")); n != 3 {
		t.Errorf("%d cards", n)
	}
}

func TestTheFirstBaselineSaysWhatIsNotInIt(t *testing.T) {
	w := newDrifted(t)
	w.tenant.Unseen = []posture.Unseen{{Part: posture.RolesActive, Permission: "RoleAssignmentSchedule.Read.Directory"}}
	w.reads()
	w.sees(w.slack, "C-ops", "The first baseline", "permission RoleAssignmentSchedule.Read.Directory is missing")
	w.tenant.Unseen = nil
	w.reads()
	if n := len(w.slack.In("C-ops")); n != 1 {
		t.Errorf("%d cards", n)
	}
}

func TestManyChangesAtOnceAreOneCard(t *testing.T) {
	w := newDrifted(t)
	for n := range 500 {
		w.tenant.Settings = append(w.tenant.Settings, settingsOf(fmt.Sprintf("role-%03d", n)))
	}
	w.begins()
	shown := len(w.slack.In("C-ops"))
	for n := range w.tenant.Settings[2:] {
		w.tenant.Settings[2+n].Justification = false
	}
	w.reads()
	w.reads()
	const title = "500 changes in the tenant at once"
	w.sees(w.slack, "C-ops", title, "500 of 500", "two people")
	if n := len(w.slack.In("C-ops")) - shown; n != 1 {
		t.Errorf("%d cards", n)
	}
	for n := range 10 {
		w.tenant.Settings[2+n].Justification = true
	}
	w.reads()
	at := w.now().UTC().Add(-10 * time.Minute)
	w.log.mu.Lock()
	for n := range 500 {
		w.log.lines = append(w.log.lines, pim.Trace{At: at, What: pim.TraceSettings, Assignment: pim.Assignment{Kind: pim.EntraRole, Role: fmt.Sprintf("role-%03d", n)}, By: people["dave"]})
	}
	w.log.mu.Unlock()
	w.reads()
	m := w.sees(w.slack, "C-ops", title, "As they were again: 10 of 500", "Changed by: Dave Davis")
	w.inChannel("alice", m, "Accept")
	w.rests()
	w.inChannel("carol", w.sees(w.slack, "C-ops", title, "[Confirm]"), "Confirm")
	w.rests()
	w.reads()
	if n, h := len(w.open()), len(w.history()); n != 0 || h != 1+490 || len(w.slack.In("C-ops"))-shown != 1 {
		t.Errorf("%d open, %d accepted, %d cards", n, h, len(w.slack.In("C-ops"))-shown)
	}
}

func TestWhoMadeAChangeIsAddedWhenTheLogTells(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	w.tenant.Settings[0].MFA = false
	w.reads()
	m := w.sees(w.slack, "C-ops", "became weaker", "audit log tells")
	w.inChannel("carol", m, "Accept")
	at := w.now().UTC().Add(-time.Minute)
	line := pim.Trace{At: at, What: pim.TraceSettings, Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "ROLE-USERS"}, By: people["carol"]}
	another, early := line, line
	another.Assignment.Role, another.By = "role-reports", people["bob"]
	early.At, early.By = at.Add(-24*time.Hour), people["bob"]
	w.log.mu.Lock()
	w.log.lines = []pim.Trace{early, another, line}
	w.log.mu.Unlock()
	w.reads()
	m = w.sees(w.slack, "C-ops", "became weaker", "Changed by: Carol Clark (carol@contoso.example)", "[Accept]")
	if strings.Contains(words(m.Card), "Accepted by") {
		t.Error("Carol accepted what she did herself")
	}
	if got := words(*w.inChannel("carol", m, "Accept").Card); !strings.Contains(got, "you made it") {
		t.Errorf("Carol is told %q", got)
	}
}

func TestWhoMadeAChangeThatCannotBeKnownIsSaid(t *testing.T) {
	w := newDrifted(t)
	azure := func() {
		w.tenant.Holdings = append(w.tenant.Holdings, pim.Holding{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "/x/reader", Scope: "/subscriptions/1"}, RoleName: "Reader", Holder: people["dave"], Type: pim.User, Eligible: true})
	}
	both := []pim.Kind{pim.EntraRole, pim.AzureResource}
	w.reads(both...)
	azure()
	w.tenant.Settings[0].MFA = false
	w.reads(both...)
	w.sees(w.slack, "C-ops", "Dave Davis became eligible for Reader", "Azure's log is not read")
	w.log.mu.Lock()
	w.log.err = &pim.Error{Op: "traces", Code: pim.CodeForbidden}
	w.log.mu.Unlock()
	w.reads(both...)
	w.sees(w.slack, "C-ops", "became weaker", "cannot see, because permission AuditLog.Read.All is missing")
	w.log.mu.Lock()
	w.log.err = nil
	w.log.mu.Unlock()
	w.tenant.Settings[1].MFA = false
	w.reads(both...)
	w.advance(3 * time.Hour)
	w.reads(both...)
	w.sees(w.slack, "C-ops", "The settings of Reports Reader became weaker", "log does not tell")
}

func TestDriftIsListedForThoseWhoMaySeeThePosture(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	if got := words(*w.says("carol", bot.Command{Text: "drift"}).Card); !strings.Contains(got, "as it is accepted") && !strings.Contains(got, "is as it was accepted") {
		t.Errorf("Carol reads %q", got)
	}
	if got := words(*w.says("alice", bot.Command{Text: "drift"}).Card); !strings.Contains(got, "security.viewers") {
		t.Errorf("Alice reads %q", got)
	}
	w.tenant.Settings[0].MFA = false
	w.reads()
	reply := w.says("carol", bot.Command{Text: "drift"})
	if len(reply.More) != 1 || !strings.Contains(words(reply.More[0]), "[Accept]") || reply.Card.Tone != bot.Bad {
		t.Errorf("%+v", reply)
	}
}

func TestTwoReplicasTellAChangeOnce(t *testing.T) {
	w := newDrifted(t)
	w.begins()
	twin, stop := w.bot, w.stop
	t.Cleanup(stop)
	w.start() // another over the same store, beside the first
	w.tenant.Settings[0].MFA = false
	w.tenant.Holdings = nil
	w.advance(5 * time.Minute)
	s := w.tenant
	s.Taken = w.now().UTC()
	var both sync.WaitGroup
	for _, b := range []*bot.Bot{twin, w.bot} {
		both.Go(func() {
			if err := b.TakeDrift(t.Context(), drift.Take(s, drift.Look{Pillars: []pim.Kind{pim.EntraRole}}), viewers); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for range 2 { // what one of them holds is not due for the other
		if err := twin.Quiet(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.rests()
	}
	if a, b := len(w.cards("became weaker")), len(w.cards("is not eligible")); a != 1 || b != 1 || len(heard(t, w.trail, trail.DriftFound)) != 3 {
		t.Errorf("%d and %d cards", a, b)
	}
	old := w.tenant
	old.Taken = s.Taken.Add(-time.Minute)
	old.Settings = []pim.Settings{settingsOf("role-users")}
	if err := twin.TakeDrift(t.Context(), drift.Take(old, drift.Look{Pillars: []pim.Kind{pim.EntraRole}}), nil); err != nil {
		t.Error(err)
	}
	if len(w.open()) != 2 {
		t.Error("an older reading closed something")
	}
}

// Wherever Belay dies: there is one first baseline, which can be accepted; a change is told
// once, and two acceptances move the baseline once.
func TestDriftAtEveryKillPoint(t *testing.T) {
	for n := 1; ; n++ {
		l := live(t, -1, -1)
		l.stop()
		mortal := l.world.change
		l.world.change = func(o *bot.Options) {
			mortal(o)
			o.Drift = &bot.Drifting{}
		}
		l.start()
		w := &drifted{world: l.world, tenant: posture.Snapshot{Settings: []pim.Settings{settingsOf("role-users")}}}
		for n := range 201 { // more than one transaction takes
			h := eligibleFor("role-users", "alice")
			h.Holder = pim.Principal{ID: fmt.Sprintf("oid-%03d", n)}
			w.tenant.Holdings = append(w.tenant.Holdings, h)
		}
		take := func() {
			for {
				s := w.tenant
				s.Taken, s.Settings, s.Holdings = w.now().UTC(), slices.Clone(s.Settings), slices.Clone(s.Holdings)
				err := l.bot.TakeDrift(t.Context(), drift.Take(s, drift.Look{Pillars: []pim.Kind{pim.EntraRole}}), viewers)
				if !l.revive() {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
			}
		}
		l.m.mu.Lock()
		l.m.left = n
		l.m.mu.Unlock()
		take()
		first := func() bool {
			return slices.ContainsFunc(l.slack.In("C-ops"), func(m bottest.Message) bool { return m.Card.Title == "The first baseline of the tenant" })
		}
		l.brings("the first baseline", first)
		w.advance(5 * time.Minute)
		w.tenant.Settings[0].MFA = false
		take()
		told := func(text string) (all []bottest.Message) {
			for _, m := range l.slack.In("C-ops") {
				if strings.Contains(m.Card.Title, "became weaker") && strings.Contains(words(m.Card), text) {
					all = append(all, m)
				}
			}
			return all
		}
		for _, step := range []struct{ who, button, then string }{{"alice", "[Accept]", "[Confirm]"}, {"carol", "[Confirm]", "Confirmed by Carol Clark"}} {
			l.brings("the card with "+step.button, func() bool { return len(told(step.button)) > 0 })
			m := told(step.button)[0]
			press := l.in(step.who, bot.Press{Verb: m.Card.Actions[0].Verb, ID: m.Card.Actions[0].ID, Copy: m.Message})
			press.At = m.Conversation
			for {
				l.bot.Handle(t.Context(), press)
				if !l.revive() {
					break
				}
			}
			l.brings("the card with "+step.then, func() bool { return len(told(step.then)) > 0 })
		}
		// A card whose post was not on record yet may stand beside the true one (ADR 4).
		if s := told(""); len(s) < 1 || len(s) > 1+l.m.died {
			t.Errorf("died at point %d%s: %d cards", n, l.m.where, len(s))
		}
		if h, open := w.history(), w.open(); len(h) != 1 || len(open) != 1 || open[0].First == nil {
			t.Errorf("died at point %d%s: %d acceptances, %d open", n, l.m.where, len(h), len(open))
		}
		if err := store.Seal(l.disk, l.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
			t.Error(err)
		}
		died := l.m.died
		l.stop()
		if died == 0 || t.Failed() {
			if n < 10 {
				t.Errorf("there are only %d points", n)
			}
			return
		}
	}
}
