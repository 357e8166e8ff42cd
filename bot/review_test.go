package bot_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

const reviewDays = 14 * 24 * time.Hour

// reviewWorld has a review of User Administrator that Bob decides in Teams and Carol in
// Slack. Both are linked.
func reviewWorld(t *testing.T, change func(*bot.Options, *pim.AccessReviewRound)) (*world, *bottest.Reviews) {
	t.Helper()
	w := newWorld(t)
	w.stop()
	round := pim.AccessReviewRound{AccessReviewRef: pim.AccessReviewRef{Series: "series-1", Review: "round-1"}, Name: "Who administers users", Start: w.now().Add(-time.Hour),
		End: w.now().Add(reviewDays), Recommends: true, Of: []pim.Assignment{users.Assignment}, Reviewers: []pim.Principal{people["bob"], people["carol"], {ID: "oid-stranger"}}}
	person := func(id, name string, v pim.Verdict) pim.AccessReviewItem {
		return pim.AccessReviewItem{ID: id, Principal: pim.Principal{ID: "oid-" + id, Name: name}, Resource: "User Administrator", Recommend: v, Verdict: pim.VerdictNotReviewed}
	}
	options := func(o *bot.Options) { o.RemindReviews = []time.Duration{72 * time.Hour, 24 * time.Hour} }
	var more bot.Options
	if change != nil {
		change(&more, &round)
	}
	r := bottest.NewReviews(w.ms, round, person("i1", "Ann Able", pim.VerdictApprove), person("i2", "Ben Best", pim.VerdictDeny), person("i3", "Cid Cole", pim.VerdictNoInfo))
	w.change = func(o *bot.Options) {
		options(o)
		o.AccessReviews = r
		if change != nil {
			change(o, &pim.AccessReviewRound{})
		}
	}
	w.start()
	w.linkInTeams("bob")
	w.link("carol")
	return w, r
}

// linkInTeams binds a Teams user as the sign-in pages do.
func (w *world) linkInTeams(who string) {
	w.t.Helper()
	in := w.in(who, nil)
	id, err := bot.NewTicketID(rand.Reader)
	if err == nil {
		err = store.Seal(w.disk, w.keys).Update(w.t.Context(), func(tx store.Tx) error {
			return w.links.Offer(tx, id, bot.Ticket{User: in.User, Direct: in.At, Expect: in.Principal})
		})
	}
	if err == nil {
		_, err = w.signs(id, people[who], time.Now())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// found has the look for reviews come due.
func (w *world) found() {
	w.t.Helper()
	w.seesLater(2*time.Minute, w.teams, "chat-bob", "Access review: Who administers users")
}

// opens opens the review that waits for somebody, and gives the cards of its people.
func (w *world) opens(who string) (bot.Reply, map[string]bot.Card) {
	w.t.Helper()
	list := w.says(who, bot.Command{Text: "reviews"})
	if len(list.More) != 1 || len(list.More[0].Actions) != 1 {
		w.t.Fatalf("%s is told %s and %d reviews", who, words(*list.Card), len(list.More))
	}
	a := list.More[0].Actions[0]
	page := w.says(who, bot.Press{Verb: a.Verb, ID: a.ID})
	cards := map[string]bot.Card{}
	for _, c := range page.More {
		cards[strings.Fields(c.Title)[0]] = c
	}
	return page, cards
}

func (w *world) reviewer(who string, c bot.Card, label string) bot.Reply {
	w.t.Helper()
	for _, a := range c.Actions {
		if strings.HasPrefix(a.Label, label) {
			return w.says(who, bot.Press{Verb: a.Verb, ID: a.ID})
		}
	}
	w.t.Fatalf("no button %q on %s", label, words(c))
	return bot.Reply{}
}

// A review waits: its linked reviewers are told, decide, and hear when Entra has it. Each
// decision is made with the reviewer's own sign-in, and is in the audit trail.
func TestAReviewIsDecidedInChat(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	w.sees(w.slack, "D-carol", "Access review: Who administers users", "[Open]")
	page, cards := w.opens("bob")
	if len(cards) != 3 || !strings.Contains(words(*page.Card), "Left for you: 3 of 3") || !strings.Contains(words(cards["Ben"]), "recommends removing") {
		t.Fatalf("%s\n%+v", words(*page.Card), cards)
	}
	w.reviewer("bob", cards["Ann"], "Keep")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	w.reviewer("bob", cards["Ben"], "Remove")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: Ben Best")
	w.sees(w.teams, "chat-bob", "Access review: Who", "Left for you: 1 of 3")
	w.reviewer("bob", cards["Cid"], "Don't know")
	w.sees(w.teams, "chat-bob", "Access review: Who", "Everybody is decided")
	if want := []string{"oid-bob Approve i1", "oid-bob Deny i2", "oid-bob DontKnow i3"}; !slices.Equal(r.Sent(), want) {
		t.Errorf("sent %q", r.Sent())
	}
	_, cards = w.opens("bob")
	if c := cards["Ann"]; !strings.Contains(words(c), "recorded in Entra by Bob Brown") || strings.Contains(words(c), "[Keep") {
		t.Errorf("after it: %s", words(c))
	}
	var seen []string
	for _, e := range w.events() {
		if strings.HasPrefix(string(e.Kind), "review.") {
			seen = append(seen, fmt.Sprintf("%s %s %s %s", e.Kind, e.Verb, e.Subject, e.Token))
			if e.Actor.Principal != "oid-bob" || e.Role == nil || e.Role.ID != "role-users" {
				t.Errorf("%+v", e)
			}
		}
	}
	want := []string{}
	for _, d := range []string{"keep-access oid-i1", "remove-access oid-i2", "cannot-tell oid-i3"} {
		want = append(want, "review.wanted "+d+" ", "review.sent "+d+" oid-bob", "review.recorded "+d+" ")
	}
	if !slices.Equal(seen, want) {
		t.Errorf("the trail:\n%s\nwant:\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) events() (all []trail.Event) {
	w.t.Helper()
	if err := w.trail.Settle(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.trail.Read(w.t.Context(), 0, func(r trail.Record) error { all = append(all, r.Event); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// All recommendations at once: what was shown is decided, each with its own outcome.
func TestRecommendationsAreAccepted(t *testing.T) {
	w, r := reviewWorld(t, func(_ *bot.Options, round *pim.AccessReviewRound) { round.Justify = true })
	page, _ := w.opens("carol")
	form := w.reviewer("carol", *page.Card, "Accept recommendations (2)").Form
	if form == nil || !strings.Contains(form.Text, "Keep: Ann Able") || !strings.Contains(form.Text, "Remove: Ben Best") || !strings.Contains(form.Text, "Left open") || !form.Fields[0].Required {
		t.Fatalf("%+v", form)
	}
	submit := func(why string) bot.Reply {
		return w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"reason": why}})
	}
	if again := submit(" "); again.Form == nil || again.Form.Fields[0].Error == "" {
		t.Errorf("without a reason: %+v", again)
	}
	r.Fail("decide", nil, &pim.Error{Op: "decide", Code: pim.CodeInvalid, Status: 400, RequestID: "ms-ref"})
	submit("the canary of the team")
	m := w.sees(w.slack, "D-carol", "Recorded in Entra in part", "Keep: Ann Able", "Not decided: Ben Best", "(reference ms-ref)", "[Open]")
	if strings.Contains(words(m.Card), "canary") || !slices.Equal(r.Sent(), []string{"oid-carol Approve i1"}) || r.Item("i1").Why != "the canary of the team" {
		t.Errorf("sent %q: %s", r.Sent(), words(m.Card))
	}
	// The list that the form was made of is not the one any more.
	if changed := submit("again"); changed.Form == nil || changed.Form.Fields[0].Error == "" || strings.Contains(changed.Form.Text, "Ann") {
		t.Errorf("a list that changed: %+v", changed)
	}
}

// Several people, picked in a form.
func TestSeveralPeopleAtOnce(t *testing.T) {
	w, r := reviewWorld(t, func(_ *bot.Options, round *pim.AccessReviewRound) { round.Justify = true })
	page, _ := w.opens("bob")
	form := w.reviewer("bob", *page.Card, "Decide on several").Form
	if form == nil || len(form.Fields[0].Options) != 3 {
		t.Fatalf("%+v", form)
	}
	send := func(values map[string]string) bot.Reply {
		return w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values})
	}
	if f := send(map[string]string{"verdict": "keep-access", "people": ""}).Form; f == nil || f.Fields[0].Error == "" || f.Fields[2].Error == "" {
		t.Errorf("nobody, and no reason: %+v", f)
	}
	for _, verdict := range []string{"", "erase"} {
		if f := send(map[string]string{"verdict": verdict, "people": "i1"}).Form; f == nil || f.Fields[1].Error == "" {
			t.Errorf("the decision %q: %+v", verdict, f)
		}
	}
	send(map[string]string{"verdict": "remove-access", "people": "i1,i3,forged"})
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: Ann Able, Cid Cole")
	if !slices.Equal(r.Sent(), []string{"oid-bob Deny i1", "oid-bob Deny i3"}) {
		t.Errorf("sent %q", r.Sent())
	}
}

// Who is not asked, who is not linked, and a review that has ended: each hears what to do.
func TestReviewsRefuseInASentence(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	_, cards := w.opens("bob")
	keep := cards["Ann"].Actions[0]
	w.link("alice")
	if c := w.says("alice", bot.Press{Verb: keep.Verb, ID: keep.ID}).Card; c == nil || !strings.Contains(c.Text, "asks somebody else") {
		t.Errorf("Alice: %+v", c)
	}
	if c := w.says("alice", bot.Command{Text: "reviews"}).Card; !strings.Contains(c.Text, "No access review waits") {
		t.Errorf("Alice lists: %+v", c)
	}
	if c := w.says("bob", bot.Press{Verb: keep.Verb, ID: "access-forged/i1"}).Card; !strings.Contains(c.Text, "outdated") {
		t.Errorf("a forged id: %+v", c)
	}
	w.ms.SetLive("oid-dave", false)
	if c := w.says("dave", bot.Command{Text: "reviews"}).Card; c == nil || len(c.Actions) == 0 || !strings.Contains(words(*c), "Sign in") {
		t.Errorf("Dave, signed out: %+v", c)
	}
	r.Fail("waiting", &pim.Error{Op: "waiting", Code: pim.CodeForbidden, Status: 403})
	if c := w.says("bob", bot.Command{Text: "reviews"}).Card; !strings.Contains(c.Text, "does not let your account decide here. Use the My Access portal, or ask your administrator which role it takes.") {
		t.Errorf("without the permission: %+v", c)
	}
	w.advance(reviewDays)
	if c := w.says("bob", bot.Press{Verb: keep.Verb, ID: keep.ID}).Card; !strings.Contains(c.Text, "has ended") {
		t.Errorf("after its end: %+v", c)
	}
	w.sees(w.teams, "chat-bob", "Access review: Who", "The review has ended")
	if len(r.Sent()) != 0 {
		t.Errorf("sent %q", r.Sent())
	}
	w.stop()
	w.change = nil
	w.start()
	if c := w.says("bob", bot.Command{Text: "reviews"}).Card; !strings.Contains(c.Text, "turn on reviews") {
		t.Errorf("turned off: %+v", c)
	}
}

// A sign-in that has ended: the decision waits for the next one, and is then sent by itself;
// where nobody comes, nothing is.
func TestADecisionWaitsForItsReviewer(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("bob")
	w.ms.SetLive("oid-bob", false)
	w.reviewer("bob", cards["Ann"], "Keep")
	card := w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: Ann Able", "[Sign in]")
	if len(r.Sent()) != 0 {
		t.Fatalf("sent %q", r.Sent())
	}
	w.resumes = true
	w.restart()
	if kept, err := w.signs(card.Card.Actions[0].URL[len("https://belay.example/link/"):], people["bob"], time.Now()); !kept || err != nil {
		t.Fatal(kept, err)
	}
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	w.ms.SetLive("oid-bob", false)
	w.reviewer("bob", cards["Ben"], "Remove")
	w.sees(w.teams, "chat-bob", "Sign in to finish", "Remove: Ben Best")
	w.advance(11 * time.Minute)
	w.sees(w.teams, "chat-bob", "Not recorded", "You did not sign in within 10 minutes")
	if !slices.Equal(r.Sent(), []string{"oid-bob Approve i1"}) {
		t.Errorf("sent %q", r.Sent())
	}
}

// More reviews than one answer holds: what ends first comes first, and a button shows the next.
func TestManyReviewsAreAllListed(t *testing.T) {
	w, r := reviewWorld(t, nil)
	r.More(10)
	list := w.says("bob", bot.Command{Text: "reviews"})
	if len(list.More) != 8 || list.More[0].Title != "Access review: Another 9" || len(list.Card.Actions) != 1 {
		t.Fatalf("%s and %d", words(*list.Card), len(list.More))
	}
	more := w.reviewer("bob", *list.Card, "More")
	if len(more.More) != 3 || more.More[2].Title != "Access review: Who administers users" || len(more.Card.Actions) != 0 {
		t.Errorf("%s and %d", words(*more.Card), len(more.More))
	}
}

// Reviews that cannot be read leave the others listed, and are said to be missing; where none
// can be read, that is the answer.
func TestReviewsThatCannotBeReadAreMissed(t *testing.T) {
	w, r := reviewWorld(t, nil)
	r.More(10)
	denied := &pim.Error{Op: "waiting", Code: pim.CodeForbidden, Status: 403}
	busy := &pim.Error{Op: "items", Code: pim.CodeUnavailable, Status: 503}
	r.Unread(denied)
	list := w.says("bob", bot.Command{Text: "reviews"})
	if len(list.More) != 8 || !strings.Contains(list.Card.Note, "are missing here: Microsoft does not let your account see them. Use the My Access portal") {
		t.Errorf("a series: %s and %d", words(*list.Card), len(list.More))
	}
	r.Unread()
	r.Fail("items", nil, busy) // the second of the eleven
	list = w.says("bob", bot.Command{Text: "reviews"})
	if len(list.More) != 8 || list.More[1].Title != "Access review: Another 7" || !strings.Contains(list.Card.Note, "are missing here: they could not be read at Microsoft. Type /elevate reviews again") {
		t.Errorf("a review: %s and %d", words(*list.Card), len(list.More))
	}
	if more := w.reviewer("bob", *list.Card, "More"); len(more.More) != 2 || more.More[0].Title != "Access review: Another 0" || more.Card.Note != "" {
		t.Errorf("the next: %s and %d", words(*more.Card), len(more.More))
	}
	r.More(0)
	for name, fail := range map[string]func(){"its people": func() { r.Fail("items", busy) }, "a sign-in for its people": func() { r.Fail("items", &pim.Error{Op: "items", Code: pim.CodeSignIn}) }} {
		fail()
		if list = w.says("bob", bot.Command{Text: "reviews"}); list.Card.Tone != bot.Bad || len(list.More) != 0 {
			t.Errorf("%s: %s and %d", name, words(*list.Card), len(list.More))
		}
	}
}

// A review in stages is told of, and decided in the portal.
func TestReviewsInStagesAreDecidedElsewhere(t *testing.T) {
	w, r := reviewWorld(t, func(_ *bot.Options, round *pim.AccessReviewRound) { round.Staged = true })
	w.found()
	list := w.says("bob", bot.Command{Text: "reviews"})
	if len(list.More) != 1 || !strings.Contains(list.More[0].Text, "Decide in the My Access portal") || len(list.More[0].Actions) != 0 {
		t.Fatalf("%+v", list.More)
	}
	m := w.sees(w.teams, "chat-bob", "Access review: Who", "held in stages")
	if len(m.Card.Actions) != 0 || len(r.Sent()) != 0 {
		t.Errorf("%+v, sent %q", m.Card.Actions, r.Sent())
	}
}
