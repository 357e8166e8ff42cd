package bot_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// A decision whose answer was lost is looked up, and never sent twice.
func TestALostDecisionIsReadFirst(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("bob")
	r.Lose(1)
	w.reviewer("bob", cards["Ann"], "Keep")
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	// Lost before it had an effect: sent again, once what Microsoft holds was read.
	r.Fail("decide", &pim.Error{Op: "decide", Code: pim.CodeUnavailable, Ambiguous: true})
	w.reviewer("bob", cards["Ben"], "Remove")
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "Remove: Ben Best")
	// Throttled: later, by itself.
	r.Fail("decide", &pim.Error{Op: "decide", Code: pim.CodeThrottled, After: 30 * time.Second})
	w.reviewer("bob", cards["Cid"], "Remove")
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "Remove: Cid Cole")
	if want := []string{"oid-bob Approve i1", "oid-bob Deny i2", "oid-bob Deny i3"}; !slices.Equal(r.Sent(), want) {
		t.Errorf("sent %q", r.Sent())
	}
}

// Microsoft's readings lag: nothing is called recorded before it shows.
func TestNothingIsRecordedBeforeItShows(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("bob")
	r.Late(3)
	w.reviewer("bob", cards["Ann"], "Keep")
	w.sees(w.teams, "chat-bob", "Your decisions are on their way", "Keep: Ann Able")
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	r.Late(1000)
	w.reviewer("bob", cards["Ben"], "Remove")
	w.seesLater(time.Minute, w.teams, "chat-bob", "Not recorded", "Microsoft did not say what became of it")
	if len(r.Sent()) != 2 {
		t.Errorf("sent %q", r.Sent())
	}
}

// What was decided in the portal after the reviewer looked stands, and they are told; the
// message that the review waits becomes true.
func TestDecidedInThePortalMeanwhile(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	_, cards := w.opens("bob")
	r.Portal("oid-carol", "i1", pim.VerdictDeny)
	w.reviewer("bob", cards["Ann"], "Keep")
	w.sees(w.teams, "chat-bob", "Not recorded", "Carol Clark decided about it meanwhile")
	if len(r.Sent()) != 0 || r.Item("i1").Verdict != pim.VerdictDeny {
		t.Errorf("sent %q", r.Sent())
	}
	// Seen, it can be changed.
	_, cards = w.opens("bob")
	w.reviewer("bob", cards["Ann"], "Keep")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	r.Portal("oid-bob", "i2", pim.VerdictApprove)
	r.Portal("oid-carol", "i3", pim.VerdictApprove)
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "Everybody is decided")
	r.Stop()
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "The review has ended")
}

// Pressed twice, or the same as Microsoft holds: once.
func TestPressedTwiceIsOneDecision(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("bob")
	r.Late(2)
	w.reviewer("bob", cards["Ann"], "Keep")
	if c := w.reviewer("bob", cards["Ann"], "Keep").Card; !strings.Contains(c.Text, "already") {
		t.Errorf("pressed again: %+v", c)
	}
	if c := w.reviewer("bob", cards["Ann"], "Remove").Card; !strings.Contains(c.Text, "already") {
		t.Errorf("the opposite, while it is on its way: %+v", c)
	}
	w.seesLater(5*time.Second, w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	if c := w.reviewer("bob", cards["Ann"], "Keep").Card; !strings.Contains(c.Text, "already") {
		t.Errorf("after it was recorded: %+v", c)
	}
	if len(r.Sent()) != 1 {
		t.Errorf("sent %q", r.Sent())
	}
}

// The most privileged roles ask for a fresh sign-in, one for each act.
func TestReviewsOfSomeRolesAreInPerson(t *testing.T) {
	w, r := reviewWorld(t, func(o *bot.Options, _ *pim.AccessReviewRound) {
		o.Presence = func(e pim.EligibleAssignment) bool { return e.Role == users.Role }
	})
	w.stop()
	w.resumes = true
	w.start()
	page, cards := w.opens("bob")
	if c := w.reviewer("bob", cards["Ann"], "Keep").Card; !strings.Contains(c.Text, "sign in again for every decision") {
		t.Errorf("%+v", c)
	}
	old := button(w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: Ann Able").Card)
	form := w.reviewer("bob", *page.Card, "Accept recommendations").Form
	w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{}})
	ben := button(w.sees(w.teams, "chat-bob", "Sign in to finish", "Remove: Ben Best").Card)
	if old == ben || old == "" || ben == "" {
		t.Fatalf("%q and %q", old, ben)
	}
	if kept, err := w.signs(ben, people["bob"], time.Now()); !kept || err != nil {
		t.Fatal(kept, err)
	}
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: Ben Best")
	if !slices.Equal(r.Sent(), []string{"oid-bob Deny i2"}) { // the proof is for its own act
		t.Errorf("sent %q", r.Sent())
	}
	w.advance(11 * time.Minute)
	w.sees(w.teams, "chat-bob", "Not recorded", "Not decided: Ann Able")
}

// What is not sent is taken back with the link.
func TestUnlinkingTakesDecisionsBack(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("carol")
	w.ms.SetLive("oid-carol", false)
	w.reviewer("carol", cards["Ann"], "Keep")
	w.sees(w.slack, "D-carol", "Sign in to finish")
	w.says("carol", bot.Command{Text: "unlink"})
	w.sees(w.slack, "D-carol", "Not recorded", "Your sign-in was ended before it was sent")
	if len(r.Sent()) != 0 {
		t.Errorf("sent %q", r.Sent())
	}
}

// Reviewers are reminded before the end, once for each time, over restarts too; of those
// that were missed once, and not where everybody is decided.
func TestReviewersAreReminded(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	w.advance(11*24*time.Hour + time.Hour) // three days are left, less than an hour
	m := w.sees(w.teams, "chat-bob", "Reminder: Who administers users", "Left for you: 3 of 3")
	w.restart()
	w.sees(w.slack, "D-carol", "Reminder: Who administers users")
	_, cards := w.opens("bob")
	for name, c := range cards {
		w.reviewer("bob", c, "Remove")
		w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: "+name)
	}
	w.sees(w.teams, "chat-bob", "Access review: Who", "Everybody is decided")
	r.Portal("oid-carol", "i1", pim.VerdictNotReviewed) // … but for Carol there is something again
	w.stop()
	w.advance(48 * time.Hour) // the second time passes while nobody serves
	w.start()
	reminders := func() (n int) {
		for _, m := range w.slack.In("D-carol") {
			if m.Card.Title == "Reminder: Who administers users" {
				n++
			}
		}
		return n
	}
	w.passes(10*time.Second, func() bool { return reminders() == 2 })
	w.seesLater(time.Minute, w.slack, "D-carol", "Access review: Who", "Left for you: 1 of 3")
	if n := reminders(); n != 2 {
		t.Errorf("Carol has %d reminders", n)
	}
	r.Stop()
	w.passes(time.Minute, func() bool { // the reminder is kept true too
		return slices.ContainsFunc(w.teams.In("chat-bob"), func(x bottest.Message) bool {
			return x.Message == m.Message && strings.Contains(x.Card.Text, "has ended") && !strings.Contains(words(x.Card), "[Open]")
		})
	})
}

// passes waits for something while business time goes on by d now and then.
func (w *world) passes(d time.Duration, ok func() bool) {
	w.t.Helper()
	deadline, look := time.Now().Add(20*time.Second), time.Now()
	for !ok() {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come to pass\n%s", w.logs.String())
		}
		if time.Since(look) > 50*time.Millisecond {
			w.advance(d)
			look = time.Now()
		}
		runtime.Gosched()
	}
}

// Without the permission nobody is told, the operator is once, and reviewers still decide.
func TestReviewsAreNotSeenWithoutThePermission(t *testing.T) {
	w, r := reviewWorld(t, nil)
	for range 5 {
		r.Fail("running", &pim.Error{Op: "running", Code: pim.CodeForbidden, Status: 403})
	}
	w.stop()
	w.start()
	for range 3 { // three looks
		before := r.Looks()
		w.passes(time.Minute, func() bool { return r.Looks() > before })
	}
	w.logs.wait(t, "access reviews cannot be seen, because a permission is missing")
	w.opens("bob")
	if n := strings.Count(w.logs.String(), "access reviews cannot be seen"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if all := w.teams.In("chat-bob"); len(all) > 1 {
		t.Errorf("%+v", all)
	}
}

// Once a quarter the security channels hear which roles nobody reviews.
func TestUnreviewedRolesAreToldOnceAQuarter(t *testing.T) {
	w := newWorld(t)
	tell := func(at time.Time, roles ...string) {
		if err := store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error { return w.bot.TellUnreviewed(tx, roles, at) }); err != nil {
			t.Fatal(err)
		}
	}
	first := time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)
	if first.Before(w.now().Add(-80 * 24 * time.Hour)) { // bulletins are kept for 90 days
		first = w.now().UTC().Truncate(24 * time.Hour)
	}
	tell(first)
	if len(w.slack.In("C-ops")) != 0 {
		t.Error("told that nothing is missing")
	}
	tell(first, "Global Administrator", "Security Administrator")
	m := w.sees(w.slack, "C-ops", "Privileged roles that nobody reviews", "Global Administrator", "Security Administrator")
	tell(first.Add(24*time.Hour), "Global Administrator")
	tell(first.Add(48 * time.Hour))
	w.sees(w.slack, "C-ops", "Every privileged role is reviewed")
	if all := w.slack.In("C-ops"); len(all) != 1 || all[0].Message != m.Message {
		t.Errorf("%+v", all)
	}
}

type mortalReviews struct {
	bot.AccessReviews
	m *mortal
}

func (r mortalReviews) Items(ctx context.Context, who string, of pim.AccessReviewRef) ([]pim.AccessReviewItem, error) {
	all, err := around(r.m, "reading a review", func() ([]pim.AccessReviewItem, error) { return r.AccessReviews.Items(ctx, who, of) })
	return all, lost(err)
}

func (r mortalReviews) Decide(ctx context.Context, who string, d pim.AccessReviewDecision) error {
	_, err := around(r.m, "a decision of a review", func() (struct{}, error) { return struct{}{}, r.AccessReviews.Decide(ctx, who, d) })
	return lost(err)
}

// Wherever Belay dies: what a reviewer was told is on its way reaches Microsoft once, and
// they hear of it.
func TestAReviewAtEveryKillPoint(t *testing.T) {
	for n := 1; ; n++ {
		l := live(t, -1, -1)
		l.stop()
		mortal := l.world.change
		round := pim.AccessReviewRound{AccessReviewRef: pim.AccessReviewRef{Series: "series-1", Review: "round-1"}, Name: "Who", End: l.now().Add(reviewDays),
			Reviewers: []pim.Principal{people["bob"]}}
		r := bottest.NewReviews(l.ms, round, pim.AccessReviewItem{ID: "i1", Principal: people["alice"], Verdict: pim.VerdictNotReviewed})
		l.world.change = func(o *bot.Options) {
			mortal(o)
			o.AccessReviews = mortalReviews{r, l.m}
		}
		l.start()
		l.ms.SetLive("oid-bob", true)
		_, cards := l.opens("bob")
		l.m.mu.Lock()
		l.m.left = n
		l.m.mu.Unlock()
		a := cards["Alice"].Actions[1]
		for {
			reply := l.says("bob", bot.Press{Verb: a.Verb, ID: a.ID})
			if !l.revive() && reply.Card != nil && reply.Card.Tone != bot.Bad {
				break
			}
		}
		l.brings("the record", func() bool {
			return slices.ContainsFunc(l.teams.In("chat-bob"), func(m bottest.Message) bool {
				return m.Card.Title == "Recorded in Entra" && strings.Contains(m.Card.Text, "Remove: Alice Adams")
			})
		})
		if !slices.Equal(r.Sent(), []string{"oid-bob Deny i1"}) {
			t.Errorf("died at point %d%s: sent %q", n, l.m.where, r.Sent())
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
