package bot_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// A request that was made elsewhere for another time or reason is not taken for
// this one: approvers would decide on something else than their card says.
func TestAnotherRequestIsPending(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	if _, err := w.ms.Activate(t.Context(), "oid-alice", pim.Activation{Assignment: users.Assignment, Duration: 4 * time.Hour, Justification: "something else"}); err != nil {
		t.Fatal(err)
	}
	id := w.ask("alice", "user admin", "PT30M", "harmless")
	w.sees(w.slack, "D-alice", "was not activated", "Another request of yours", "[Follow that one]")
	if shown := w.teams.In("chat-bob"); len(shown) != 0 {
		t.Errorf("Bob was shown %+v", shown)
	}
	// Followed, it has cards of its own, which say what it is.
	for range 2 {
		got := w.says("alice", bot.Press{Verb: bot.VerbFollow, ID: id})
		if got.Card == nil || !strings.Contains(words(*got.Card), "something else") {
			t.Errorf("Alice sees %+v", got.Card)
		}
	}
	w.sees(w.teams, "chat-bob", "For: 4 hours", "Why: something else", "[Approve]")
	if shown := w.teams.In("chat-bob"); len(shown) != 1 {
		t.Errorf("Bob was shown %+v", shown)
	}
	if got := w.says("dave", bot.Press{Verb: bot.VerbFollow, ID: id}).Card; !strings.Contains(got.Text, "Only the person who asked") {
		t.Errorf("Dave sees %+v", got)
	}
}

// The same request made twice is one: the second is adopted.
func TestTheSameRequestIsPending(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	if _, err := w.ms.Activate(t.Context(), "oid-alice", pim.Activation{Assignment: users.Assignment, Duration: 30 * time.Minute, Justification: "the same"}); err != nil {
		t.Fatal(err)
	}
	w.ask("alice", "user admin", "PT30M", "the same")
	w.sees(w.teams, "chat-bob", "[Approve]")
}

// Agreed while Belay was away, and over before it came back.
func TestNeverSeenActive(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.stop()
	if err := w.ms.Decide("oid-bob", pim.Approved); err != nil {
		t.Fatal(err)
	}
	w.advance(3 * time.Hour)
	w.start()
	w.seesLater(20*time.Minute, w.slack, "D-alice", "outcome not known", "could not see how it came out")
	w.ask("alice", "user admin", "PT1H", "again") // it stands in nobody's way
}

// A call whose answer was lost, and then nobody signs in: Belay looks itself.
func TestLostAndNobodySignsIn(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.Lose("activate", 1)
	w.ms.Fail("mine", &pim.Error{Op: "mine", Code: pim.CodeSignIn})
	w.ask("alice", "reports", "PT1H", "figures")
	w.seesLater(time.Second, w.slack, "D-alice", "Sign in to ask for")
	w.seesLater(time.Minute, w.slack, "D-alice", "Reports Reader is active")
}

// What cannot be looked up is not a refusal.
func TestLostAndUnreadable(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.Lose("activate", 1)
	w.ms.Fail("mine", &pim.Error{Op: "mine", Code: pim.CodeForbidden}, &pim.Error{Op: "mine", Code: pim.CodeForbidden})
	w.ask("alice", "reports", "PT1H", "figures")
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active")
	if n := len(w.ms.Writes()); n != 1 {
		t.Errorf("%d writes: %q", n, w.ms.Writes())
	}
}

// between does something before an update of the store, once.
type between struct {
	store.Store
	count *atomic.Int64
	do    func()
}

func (b between) Update(ctx context.Context, fn func(store.Tx) error) error {
	if b.count.Add(-1) == 0 {
		b.do()
	}
	return b.Store.Update(ctx, fn)
}

// Taken back at any moment: either Microsoft never hears of it, or the card tells
// the truth about what it did.
func TestCanceledAtAnyMoment(t *testing.T) {
	for n := int64(1); n <= 6; n++ {
		w := newWorld(t)
		w.stop()
		count, id := &atomic.Int64{}, ""
		w.disk = between{Store: w.disk, count: count, do: func() { w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: id}) }}
		w.start()
		w.link("alice")
		w.sees(w.slack, "D-alice", "You are linked")
		form := w.says("alice", bot.Command{Text: "reports"}).Form
		id = form.ID
		count.Store(n + 1)
		w.says("alice", bot.Submit{Verb: form.Verb, ID: id, Values: map[string]string{"role": form.Fields[0].Value, "duration": "PT1H", "reason": "figures"}})
		if count.Load() > 0 {
			w.sees(w.slack, "D-alice", "Reports Reader")
		}
		if len(w.ms.Writes()) == 0 {
			w.sees(w.slack, "D-alice", "Canceled: Reports Reader")
			continue
		}
		w.sees(w.slack, "D-alice", "Reports Reader is active")
	}
}

func TestDroppedAnswers(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.SetLive("oid-bob", false)
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "waits for approval")
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: id})
	w.sees(w.teams, "chat-bob", "Nothing was left to do", "is canceled meanwhile")

	// A copy that is not on record is kept true even when the press is refused.
	orphan, err := w.teams.Post(t.Context(), bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-bob", Private: true}, "orphan",
		bot.Card{Title: "an old copy", Actions: []bot.Action{{Label: "Approve", Verb: bot.VerbApprove, ID: id}}})
	if err != nil {
		t.Fatal(err)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id, Copy: orphan})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := w.teams.Wait(ctx, "chat-bob", func(m bottest.Message) bool { return m.ID == orphan.ID && strings.Contains(words(m.Card), "Canceled") }); err != nil {
		t.Fatalf("the old copy is left as it was: %v", err)
	}
}

// What stands in a channel is nobody's copy: no press turns it into a private card.
func TestAChannelMessageIsNoCopy(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	notice := w.sees(w.slack, "C-ops", "Reports Reader is active: Alice Adams")
	w.advance(6 * time.Minute)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id, Copy: notice.Message})
	w.sees(w.slack, "C-ops", "has ended: Alice Adams")
	for _, m := range w.slack.In("C-ops") {
		if m.Updates > 0 {
			t.Errorf("a notice was changed to %+v", m.Card)
		}
	}
}

func TestNobodyLearnsOfOthersRequests(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	for _, who := range []string{"dave", "carol"} { // no approver; not linked
		for _, said := range []bot.Said{bot.Submit{Verb: bot.VerbReason, ID: id}, bot.Press{Verb: bot.VerbShow, ID: id}, bot.Press{Verb: bot.VerbDeny, ID: id}} {
			reply := w.says(who, said)
			if reply.Form != nil || strings.Contains(words(*reply.Card), "Alice") {
				t.Errorf("%s learns by %T: %+v", who, said, reply)
			}
		}
	}
}

func TestFormsThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	form := w.says("alice", bot.Command{Text: "reports"}).Form
	for _, id := range []string{"", "greet-1", "x", uuid.NewString(), strings.ToUpper(form.ID), "{" + form.ID + "}"} {
		reply := w.says("alice", bot.Submit{Verb: bot.VerbAsk, ID: id, Values: map[string]string{"role": form.Fields[0].Value, "duration": "PT1H", "reason": "figures"}})
		if reply.Card == nil || !strings.Contains(reply.Card.Text, "outdated") {
			t.Errorf("the id %q is taken: %+v", id, reply)
		}
	}
	if len(w.ms.Writes()) != 0 {
		t.Errorf("something was written: %q", w.ms.Writes())
	}
}

// What was typed before the role was known is there when the form asks for it.
func TestTypedWordsSurviveTheChoice(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	form := w.says("alice", bot.Command{Text: "e 2h monthly figures"}).Form // several roles have an e
	if form == nil || len(form.Fields) != 1 || form.Fields[0].Error == "" {
		t.Fatalf("got %+v", form)
	}
	chosen := w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"role": form.Fields[0].Options[0].Value}}).Form
	if chosen == nil || fieldOf(chosen, "duration").Value != "PT2H" || fieldOf(chosen, "reason").Value != "monthly figures" {
		t.Errorf("got %+v", chosen)
	}
	if note := w.says("alice", bot.Command{Text: "8 hours"}).Form.Note; !strings.Contains(note, `"8 hours" is not a time`) {
		t.Errorf("the note is %q", note)
	}
	if len(w.ms.Writes()) != 0 {
		t.Errorf("something was written: %q", w.ms.Writes())
	}
}

// panicking is a tenant whose client has a fault.
type panicking struct{ bot.Pillar }

func (panicking) Activate(context.Context, string, pim.Activation) (pim.Request, error) {
	panic("canary")
}

// One request that makes Belay stumble holds up nobody else's.
func TestAPanicStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.pillar = panicking{w.ms}
	w.start()
	w.link("alice")
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "You are linked")
	w.logs.wait(t, "panic with a string")
	w.stop()
	w.pillar = nil
	w.start()
	w.seesLater(time.Second, w.slack, "D-alice", "Reports Reader is active")
}

// A deactivation whose answer was lost is there already when it is made again.
func TestALostDeactivationIsThere(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(10 * time.Minute)
	w.ms.Fail("deactivate", &pim.Error{Op: "deactivate", Code: pim.CodeUnavailable, Ambiguous: true}, &pim.Error{Op: "deactivate", Code: pim.CodeExists, Status: 409})
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	r := w.untilLater(time.Second, id, func(r bot.Request) bool { return r.Intents[len(r.Intents)-1].State == bot.IntentDone })
	if i := r.Intents[len(r.Intents)-1]; i.Outcome != bot.Accepted {
		t.Errorf("it is %+v", i)
	}
}

// late is a pillar that shows what it did only after a few readings.
type late struct {
	bot.Pillar
	blind atomic.Int64
}

func (l *late) Mine(ctx context.Context, person string) ([]pim.Request, error) {
	if l.blind.Add(-1) >= 0 {
		return nil, nil
	}
	return l.Pillar.Mine(ctx, person)
}

func (l *late) Active(ctx context.Context, person string, a pim.Assignment) ([]pim.Instance, error) {
	if l.blind.Add(-1) >= 0 {
		return nil, nil
	}
	return l.Pillar.Active(ctx, person, a)
}

// What Microsoft says exists or waits, after a lost answer, may be ours although it is
// not shown yet.
func TestLostAndNotShownYet(t *testing.T) {
	for role, shows := range map[string]string{"reports": "Reports Reader is active", "user admin": "User Administrator waits for approval"} {
		w := newWorld(t)
		w.stop()
		l := &late{Pillar: w.ms}
		l.blind.Store(6)
		w.pillar = l
		w.start()
		w.link("alice")
		w.ms.Lose("activate", 1)
		w.ask("alice", role, "PT1H", "figures")
		w.seesLater(time.Second, w.slack, "D-alice", shows, "figures")
		if n := len(w.ms.Writes()); n != 1 {
			t.Errorf("%s: %d writes: %q", role, n, w.ms.Writes())
		}
	}
}

// A call that is first made a day after it was wanted, and whose answer is lost, is not
// told as refused: Microsoft may have done it.
func TestLostADayLate(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	away := &pim.Error{Op: "activate", Code: pim.CodeUnavailable}
	w.ms.Fail("activate", away)
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.until(id, func(r bot.Request) bool { return r.Intents[0].Tries == 1 })
	w.stop()
	w.advance(25 * time.Hour)
	w.ms.Lose("activate", 1)
	w.start()
	r := w.until(id, func(r bot.Request) bool { return r.State.Final() })
	if r.State != bot.Ended || r.End != bot.EndNotVisible {
		t.Errorf("the request is %s, %q", r.State, r.End)
	}
	w.sees(w.slack, "D-alice", "outcome not known")
}

// A deactivation whose answer was lost ends what it was meant for, and not what its
// person has activated since.
func TestDeactivatedWhileTheAnswerWasLost(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.advance(6 * time.Minute)
	w.ms.Lose("deactivate", 1)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.until(id, func(r bot.Request) bool { return len(r.Intents) == 2 && r.Intents[1].Tries == 1 })
	w.stop()
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: time.Hour, Justification: "once more"}); err != nil {
		t.Fatal(err)
	}
	w.advance(6 * time.Minute) // so that Microsoft would take another deactivation
	w.start()
	w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.Intents[1].Outcome == bot.Accepted })
	if all, err := w.ms.Active(t.Context(), "oid-alice", reports.Assignment); err != nil || len(all) != 1 {
		t.Errorf("what was activated since: %+v, %v", all, err)
	}
}
