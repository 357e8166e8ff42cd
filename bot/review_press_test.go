package bot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// What waits for a sign-in goes on by a press only where the press says the same, by the same
// chat account; another word takes its place.
func TestAPressIsTheWordForItselfOnly(t *testing.T) {
	w, r := reviewWorld(t, nil)
	_, cards := w.opens("bob")
	slack := bot.Inbound{User: bot.User{Platform: bot.Slack, Tenant: "T1", ID: "U-taken-over", Name: "bob"}, At: bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-taken-over", Private: true}}
	w.slack.SetProfile(slack.User.ID, bot.Profile{Name: "bob", Email: people["bob"].UPN, Full: true})
	w.linkAs(slack, people["bob"])
	w.ms.SetLive("oid-bob", false)
	for _, name := range []string{"Ann", "Ben"} {
		slack.Said = bot.Press{Verb: bot.VerbKeepAccess, ID: cards[name].Actions[0].ID}
		if reply, _ := w.bot.Handle(t.Context(), slack); reply.Card == nil || reply.Card.Title != "Sign in to finish" {
			t.Fatalf("%+v", reply.Card)
		}
	}
	w.ms.SetLive("oid-bob", true) // in Teams, for something else
	w.reviewer("bob", cards["Ann"], "Remove")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: Ann Able")
	w.sees(w.teams, "chat-bob", "Not recorded", "Not decided: Ann Able. You decided anew")
	w.ms.SetLive("oid-bob", false)
	w.reviewer("bob", cards["Cid"], "Keep")
	w.ms.SetLive("oid-bob", true)
	w.reviewer("bob", cards["Cid"], "Keep") // the same word again
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Cid Cole")
	if want := []string{"oid-bob Deny i1", "oid-bob Approve i3"}; !slices.Equal(r.Sent(), want) {
		t.Errorf("sent %q", r.Sent())
	}
	w.advance(11 * time.Minute)
	w.sees(w.teams, "chat-bob", "Not recorded", "Not decided: Ben Best")
}

// A page or a form that was shown before somebody else decided decides nothing, and is shown
// anew.
func TestAStalePageDecidesNothing(t *testing.T) {
	w, r := reviewWorld(t, nil)
	page, cards := w.opens("bob")
	form := w.reviewer("bob", *page.Card, "Decide on several").Form
	r.Portal("oid-carol", "i1", pim.VerdictDeny)
	w.opens("bob") // what Microsoft holds is known by now, but that page does not show it
	if reply := w.reviewer("bob", cards["Ann"], "Keep"); !strings.Contains(reply.Card.Note, "somebody decided about this person meanwhile") || len(reply.More) != 3 {
		t.Errorf("a stale page: %+v", reply.Card)
	}
	again := w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"verdict": "keep-access", "people": "i1,i2"}}).Form
	if again == nil || !strings.Contains(again.Fields[0].Error, "changed meanwhile") || len(again.Fields[0].Options) != 2 {
		t.Errorf("a stale form: %+v", again)
	}
	_, cards = w.opens("bob")
	w.reviewer("bob", cards["Ben"], "Keep")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Ben Best")
	if !slices.Equal(r.Sent(), []string{"oid-bob Approve i2"}) {
		t.Errorf("sent %q", r.Sent())
	}
}

// So does the form that asks why somebody keeps their access.
func TestAStaleReasonDecidesNothing(t *testing.T) {
	w, r := reviewWorld(t, func(_ *bot.Options, round *pim.AccessReviewRound) { round.Justify = true })
	_, cards := w.opens("bob")
	form := w.reviewer("bob", cards["Ann"], "Keep").Form
	r.Portal("oid-carol", "i1", pim.VerdictDeny)
	w.opens("bob")
	if reply := w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"reason": "why not"}}); reply.Card == nil || !strings.Contains(reply.Card.Note, "decided about this person meanwhile") {
		t.Errorf("%+v", reply)
	}
	if len(r.Sent()) != 0 {
		t.Errorf("sent %q", r.Sent())
	}
}

// Where each act wants its own sign-in, one serves all that waited for it: what is settled
// first does not take it from the others.
func TestASignInServesAllReviewActsThatWaited(t *testing.T) {
	w, r := reviewWorld(t, func(o *bot.Options, _ *pim.AccessReviewRound) { o.EachTime = true })
	w.resumes = true
	w.restart()
	_, cards := w.opens("bob")
	w.reviewer("bob", cards["Ann"], "Keep")
	w.reviewer("bob", cards["Ben"], "Remove")
	w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: Ann Able")
	link := button(w.sees(w.teams, "chat-bob", "Sign in to finish", "Remove: Ben Best").Card)
	if kept, err := w.signs(link, people["bob"], time.Now()); !kept || err != nil {
		t.Fatal(kept, err)
	}
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: Ann Able")
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Remove: Ben Best")
	if live, err := w.ms.Live(t.Context(), "oid-bob"); err != nil || live || len(r.Sent()) != 2 {
		t.Errorf("live %t, %v; sent %q", live, err, r.Sent())
	}
}

// What was decided is not said to be when somebody is open again and whose that is cannot be
// read, because the reviewer's sign-in has ended.
func TestDecidedIsNotSaidOfWhatCannotBeRead(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	for _, id := range []string{"i1", "i2", "i3"} {
		r.Portal("oid-carol", id, pim.VerdictDeny)
	}
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "Everybody is decided")
	w.ms.SetLive("oid-bob", false)
	r.Portal("oid-carol", "i1", pim.VerdictNotReviewed)
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "Some may still be open for you")
	w.ms.SetLive("oid-bob", true)
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "Left for you: 1 of 3")
	r.Portal("oid-carol", "i1", pim.VerdictDeny)
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Access review: Who", "Everybody is decided")
}

// Turned off, nothing stays on its way, and what ended long ago is forgotten all the same.
func TestReviewsThatWereTurnedOffAreForgotten(t *testing.T) {
	w, r := reviewWorld(t, nil)
	w.found()
	_, cards := w.opens("bob")
	w.ms.SetLive("oid-bob", false)
	w.reviewer("bob", cards["Ann"], "Keep")
	w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: Ann Able")
	w.stop()
	w.change = nil
	w.start()
	w.seesLater(5*time.Minute, w.teams, "chat-bob", "Not recorded", "not answered here any more")
	kept := func() (n int) {
		if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error {
			n = 0
			return tx.Scan("access-reviews", nil, nil, func([]byte, []byte) error { n++; return nil })
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if kept() == 0 {
		t.Fatal("nothing is kept")
	}
	w.passes(24*time.Hour, func() bool { return kept() == 0 })
	if len(r.Sent()) != 0 {
		t.Errorf("sent %q", r.Sent())
	}
}

// An erasure reaches the names in reviews, in those that are held too: who was shown before
// can be decided about, and a reason that is on its way arrives.
func TestAnErasureReachesReviews(t *testing.T) {
	w, r := reviewWorld(t, func(_ *bot.Options, round *pim.AccessReviewRound) { round.Justify = true })
	w.found()
	_, cards := w.opens("bob")
	w.opens("carol")
	named := func(name string) (n int) {
		if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error {
			n = 0
			count := func(_, v []byte) error { n += strings.Count(string(v), name); return nil }
			return errors.Join(tx.Scan("access-reviews", nil, nil, count), tx.Scan("bulletins", nil, nil, count))
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	erase := func(who string) bot.Erased {
		done, err := w.bot.Erase(t.Context(), bot.Whose{Person: who}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	w.ms.SetLive("oid-bob", false)
	form := w.reviewer("bob", cards["Ann"], "Keep").Form
	w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"reason": "a canary of Bob's"}})
	signIn := w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: Ann Able", "[Sign in]")
	if named("Ann Able") == 0 || named("Bob Brown") == 0 {
		t.Fatal("nobody is named")
	}
	if done := erase("OID-I1"); done.Open != 1 || named("Ann Able") != 0 || named("Ben Best") == 0 {
		t.Errorf("%+v, named %d times", done, named("Ann Able"))
	}
	if done := erase("oid-bob"); done.Open != 1 || named("Bob Brown") != 0 {
		t.Errorf("%+v, named %d times", done, named("Bob Brown"))
	}
	w.sees(w.teams, "chat-bob", "Sign in to finish", "Keep: oid-i1", "[Sign in]")
	// A button of before decides about who was shown, and the card says the object id.
	w.says("carol", bot.Press{Verb: bot.VerbRemoveAccess, ID: cards["Ben"].Actions[1].ID})
	w.resumes = true
	w.restart()
	if kept, err := w.signs(signIn.Card.Actions[0].URL[len("https://belay.example/link/"):], people["bob"], time.Now()); !kept || err != nil {
		t.Fatal(kept, err)
	}
	w.sees(w.teams, "chat-bob", "Recorded in Entra", "Keep: ")
	if got := r.Item("i1"); got.Verdict != pim.VerdictApprove || got.Why != "a canary of Bob's" {
		t.Errorf("%+v", got)
	}
	if done := erase("oid-i1"); done.Open != 0 {
		t.Errorf("when it arrived: %+v", done)
	}
}

// Where Microsoft does not say it anew, somebody whose names were erased is shown by id.
func TestWhoWasErasedIsShownByID(t *testing.T) {
	nobody := pim.AccessReviewItem{ID: "i1", Principal: pim.Principal{ID: "oid-i1"}, Verdict: pim.VerdictNotReviewed}
	other := pim.AccessReviewItem{ID: "i2", Principal: pim.Principal{ID: "oid-i2"}, Verdict: pim.VerdictNotReviewed}
	v := bot.ReviewShown(pim.AccessReviewRound{Name: "Who", End: time.Now().Add(time.Hour)}, []pim.AccessReviewItem{nobody, other}, time.Now())
	if got := v.Page(0).More[0].Title; got != "oid-i1" {
		t.Errorf("the page says %q", got)
	}
	if got := v.Several().Form.Fields[0].Options[1].Label; got != "oid-i2" {
		t.Errorf("the form for several says %q", got)
	}
	if got := v.Keep(0).Form.Text; !strings.HasPrefix(got, "oid-i1 keeps") {
		t.Errorf("the form for one says %q", got)
	}
}
