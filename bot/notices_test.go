package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// ruled starts the world anew with rules of notices.
func (w *world) ruled(change func(*bot.Options), rules ...bot.Rule) {
	w.t.Helper()
	w.change = func(o *bot.Options) {
		if o.Notices.Rules = rules; change != nil {
			change(o)
		}
	}
	w.restart()
}

var ops = []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}}

// everyEvent is a rule's list of all that happens to requests.
var everyEvent = append([]bot.Notice{bot.NoticeAsked, bot.NoticeApproved}, bot.Everyday...)

// approvedByBob has Alice ask for a role and Bob approve it.
func (w *world) approvedByBob() (id string) {
	w.t.Helper()
	w.link("alice")
	id = w.ask("alice", "User Administrator", "4h", "because")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.rests()
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.rests()
	return id
}

// ends has Alice end her activation after its first minutes.
func (w *world) ends(id string) {
	w.t.Helper()
	w.advance(6 * time.Minute)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Ended })
	w.rests()
}

// What happens to one request stands together: the first message in a channel begins the
// thread, and what comes later goes in it, after a restart too.
func TestNoticesOfARequestStandInOneThread(t *testing.T) {
	w := newWorld(t)
	w.ruled(nil, bot.Rule{Events: everyEvent, To: append(ops, bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "19:ops"})})
	id := w.approvedByBob()
	w.restart()
	w.ends(id)
	for _, all := range [][]string{shows(w.slack, "C-ops"), shows(w.teams, "19:ops")} {
		if len(all) != 4 || strings.Contains(all[0], " in m") || !strings.Contains(all[0], "Alice Adams asks for User Administrator") {
			t.Fatalf("got %q", all)
		}
	}
	for _, all := range [][]bottest.Message{w.slack.In("C-ops"), w.teams.In("19:ops")} {
		for _, m := range all[1:] {
			if m.Conversation.Thread != all[0].ID {
				t.Errorf("%q stands in the thread %q, not in %q", m.Card.Title, m.Conversation.Thread, all[0].ID)
			}
		}
	}
}

// Of several notices that are due at once the first begins the thread.
func TestNoticesThatComeAtOnceStandInOneThread(t *testing.T) {
	w := newWorld(t)
	w.ruled(nil, bot.Rule{Events: everyEvent[1:], To: ops}) // approved and activated
	w.approvedByBob()
	all := w.slack.In("C-ops")
	if len(all) != 2 || all[0].Conversation.Thread != "" || all[1].Conversation.Thread != all[0].ID || !strings.Contains(all[0].Card.Title, "was approved") {
		t.Errorf("got %q", shows(w.slack, "C-ops"))
	}
}

// A digest gathers what happened, survives a restart, is posted once at its time, and says
// nothing where nothing happened.
func TestADigestTellsOnceWhatHappened(t *testing.T) {
	w := newWorld(t)
	hourly := bot.Rule{Events: everyEvent, To: ops, Digest: bot.Timetable{Hourly: true}}
	w.ruled(nil, hourly)
	id := w.approvedByBob()
	w.posts(bot.Bulletin{ID: "alert/elsewhere", Event: bot.NoticeAlert, Card: bot.Card{Title: "An alert"}}) // no rule takes it
	if got := shows(w.slack, "C-ops"); len(got) != 1 || got[0] != "An alert" {
		t.Fatalf("before its time the channel shows %q", got)
	}
	w.restart()
	w.advance(time.Hour)
	w.sees(w.slack, "C-ops", "What happened this hour", "1 asked, 1 approved, 1 activated.", "Alice Adams asks for User Administrator")
	w.ends(id)
	w.restart()
	w.advance(time.Hour)
	w.rests()
	all := w.slack.In("C-ops")
	if len(all) != 3 || !strings.Contains(words(all[2].Card), "1 ended") || strings.Contains(words(all[2].Card), "asked") {
		t.Fatalf("the channel shows %q", shows(w.slack, "C-ops"))
	}
	w.advance(5 * time.Hour)
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 3 {
		t.Errorf("nothing happened, and the channel shows %q", got)
	}
	w.ruled(nil, bot.Rule{Events: everyEvent, To: ops}) // what a digest told is not told again
	w.posts(bot.Bulletin{ID: "alert/2", Event: bot.NoticeAlert, Card: bot.Card{Title: "Another"}})
	if err := w.bot.Apply(t.Context(), id, bot.Unshown{Slot: "requester"}); err != nil {
		t.Fatal(err)
	}
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 4 {
		t.Errorf("the channel shows %q", got)
	}
	if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
		t.Error(err)
	}
}

// People whom a rule names are told directly, but for the requester, whose own card tells it.
func TestNoticesReachNamedPeopleDirectly(t *testing.T) {
	w := newWorld(t)
	w.ruled(nil, bot.Rule{Events: everyEvent, People: []string{"oid-alice", "OID-BOB", "oid-carol"}})
	w.approvedByBob()
	var asked, active int
	for _, m := range w.slack.In("D-carol") {
		if strings.Contains(m.Card.Title, "asks for User Administrator") && m.Card.Text == "It waits for approval." {
			asked++
		}
		if strings.Contains(m.Card.Title, "User Administrator is active: Alice Adams") && m.Conversation.Thread != "" { // and not her card as an approver
			active++
		}
	}
	if asked != 0 || active != 1 { // her card asked her
		t.Errorf("Carol sees %q", shows(w.slack, "D-carol"))
	}
	for _, m := range w.slack.In("D-alice") {
		if strings.Contains(m.Card.Title, "is active: Alice Adams") {
			t.Errorf("Alice hears twice of it: %q", shows(w.slack, "D-alice"))
		}
	}
	if got := shows(w.slack, "C-ops"); len(got) != 0 {
		t.Errorf("the default hears of what a rule takes: %q", got)
	}
}

// A rule for the members of a group is asked once the group is read; until then nobody
// hears, so that nobody hears too much.
func TestNoticesAskForTheRequestersGroups(t *testing.T) {
	w := newWorld(t)
	asked := 0
	members := func(_ context.Context, group string) ([]string, error) {
		if asked++; asked == 1 {
			return nil, &pim.Error{Op: "members", Code: pim.CodeUnavailable}
		}
		return []string{"OID-ALICE"}, nil
	}
	w.ruled(func(o *bot.Options) { o.Members = members }, bot.Rule{Groups: []string{"Tier-0"}, To: []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-tier0"}}})
	w.approvedByBob()
	w.seesLater(time.Second, w.slack, "C-tier0", "User Administrator is active")
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 0 {
		t.Errorf("the default hears of it too: %q", got)
	}
	n := alert("alert/alice", "Outside hours")
	n.Requester = "oid-alice"
	w.ruled(func(o *bot.Options) { o.Members = members }, bot.Rule{Events: []bot.Notice{bot.NoticeAlert}, Groups: []string{"Tier-0"}, To: []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-tier0"}}})
	w.posts(n)
	w.sees(w.slack, "C-tier0", "Outside hours")
}

// A group that Belay may not read has no members for it, and the operator is told once.
func TestNoticesGoOnWithoutAGroupThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.ruled(func(o *bot.Options) {
		o.Members = func(context.Context, string) ([]string, error) {
			return nil, &pim.Error{Op: "members", Code: pim.CodeForbidden}
		}
	}, bot.Rule{Groups: []string{"Tier-0"}})
	w.ends(w.approvedByBob())
	w.sees(w.slack, "C-ops", "User Administrator is active")
	w.sees(w.slack, "C-ops", "ended")
	if n := strings.Count(w.logs.String(), "cannot be read; such rules take nothing"); n != 1 {
		t.Errorf("the operator is told %d times:\n%s", n, w.logs)
	}
}

// What happens to a role whose decisions need a fresh sign-in is of high severity.
func TestNoticesOfSeverity(t *testing.T) {
	w := newWorld(t)
	w.ruled(func(o *bot.Options) {
		o.Presence = func(r pim.EligibleAssignment) bool { return r.RoleName == "Reports Reader" }
	}, bot.Rule{Severity: bot.High, To: ops}, bot.Rule{})
	w.ends(w.approvedByBob())
	w.ask("alice", "Reports Reader", "1h", "because")
	w.sees(w.slack, "C-ops", "Reports Reader is active")
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 1 {
		t.Errorf("the channel shows %q", got)
	}
}

// A digest for a person comes to their own chat, and holds the latest of what it counts.
func TestADigestForAPersonHoldsTheLatest(t *testing.T) {
	w := newWorld(t)
	w.ruled(nil, bot.Rule{Events: []bot.Notice{bot.NoticeAlert}, People: []string{"oid-carol"}, Digest: bot.Timetable{Daily: true, Minute: 8 * 60}})
	now := w.now().UTC()
	w.advance(now.Truncate(24 * time.Hour).Add(33 * time.Hour).Sub(now)) // after the time of the table
	for n := range 25 {
		w.posts(alert(fmt.Sprint("alert/", n), fmt.Sprintf("Alert %02d", n)))
	}
	w.advance(22 * time.Hour)
	w.rests()
	if got := shows(w.slack, "D-carol"); len(got) != 0 {
		t.Fatalf("before its time Carol sees %q", got)
	}
	w.advance(time.Hour)
	card := w.sees(w.slack, "D-carol", "What happened since yesterday", "25 alerts. Below are the last 18.", "08:00 UTC").Card
	if len(card.Facts) != 18 || card.Facts[0].Name != "Alert 07" || card.Facts[17].Name != "Alert 24" {
		t.Errorf("the digest shows %+v", card.Facts)
	}
}

// What an extension makes active is heard as an extension, by rules for activations too.
func TestNoticesOfAnExtension(t *testing.T) {
	w := newWorld(t)
	w.ruled(nil, bot.Rule{Events: []bot.Notice{bot.NoticeExtended}, To: ops}, bot.Rule{})
	w.link("alice")
	first := w.ask("alice", "Reports Reader", "30m", "because")
	w.until(first, func(r bot.Request) bool { return r.State == bot.Active })
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 0 {
		t.Fatalf("the channel shows %q", got)
	}
	w.advance(10 * time.Minute)
	reply := w.says("alice", bot.Press{Verb: bot.VerbExtend, ID: first})
	if reply.Form == nil {
		t.Fatalf("no form: %+v", reply.Card)
	}
	values := map[string]string{}
	for _, f := range reply.Form.Fields {
		values[f.Name] = f.Value
	}
	if sent := w.says("alice", bot.Submit{Verb: reply.Form.Verb, ID: reply.Form.ID, Values: values}); sent.Card == nil {
		t.Fatalf("the form was not taken: %+v", sent.Form)
	}
	w.seesLater(10*time.Second, w.slack, "C-ops", "Reports Reader is active: Alice Adams")
	w.rests()
	if got := shows(w.slack, "C-ops"); len(got) != 1 {
		t.Errorf("the channel shows %q", got)
	}
}
