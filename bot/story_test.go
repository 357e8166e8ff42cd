package bot_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
)

func TestARoleWithoutApproval(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked", "Alice Adams", "[Unlink]")
	w.ask("alice", "reports", "PT1H", "canary: the monthly figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active", "[Deactivate]")
	w.sees(w.slack, "C-ops", "Reports Reader is active: Alice Adams")
	w.sees(w.teams, "19:ops", "Reports Reader is active: Alice Adams")
	w.advance(61 * time.Minute)
	w.sees(w.slack, "D-alice", "Reports Reader has ended", "Its time is over")
	w.sees(w.slack, "C-ops", "has ended: Alice Adams")
	w.sees(w.teams, "19:ops", "has ended: Alice Adams")
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestApproved(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT2H", "reset a password")
	w.sees(w.slack, "D-alice", "waits for approval", "Bob Brown or Carol Clark")
	card := w.sees(w.teams, "chat-bob", "Alice Adams asks for User Administrator", "[Approve]", "[Deny]")
	w.sees(w.slack, "D-carol", "Alice Adams asks for User Administrator", "[Approve]")

	if got := w.says("dave", bot.Press{Verb: bot.VerbApprove, ID: id}); !strings.Contains(got.Card.Text, "does not name you") {
		t.Errorf("Dave sees %+v", got.Card)
	}
	if got := w.says("alice", bot.Press{Verb: bot.VerbApprove, ID: id}); !strings.Contains(got.Card.Text, "somebody else has to decide") {
		t.Errorf("Alice sees %+v", got.Card)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id, Copy: card.Message})
	w.sees(w.slack, "D-alice", "is active", "Approved by Bob Brown")
	w.sees(w.teams, "chat-bob", "You approved it")
	w.sees(w.teams, "chat-bob", "You approved User Administrator for Alice Adams", "not you?")
	w.sees(w.slack, "D-carol", "is active", "Approved by Bob Brown")
	w.sees(w.slack, "C-ops", "is active: Alice Adams", "Approved by Bob Brown")
	for _, m := range append(w.slack.In("D-carol"), w.teams.In("chat-bob")...) {
		if strings.Contains(words(m.Card), "[Approve]") {
			t.Errorf("a button is left on %q", m.Card.Title)
		}
	}
	if got := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id}); !strings.Contains(got.Card.Text, "Bob Brown already approved") {
		t.Errorf("the second press shows %+v", got.Card)
	}
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestDeniedWithAReason(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Deny]")
	form := w.says("bob", bot.Press{Verb: bot.VerbDeny, ID: id}).Form
	if form == nil || form.Verb != bot.VerbReason {
		t.Fatalf("no form for the reason: %+v", form)
	}
	if again := w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"reason": " "}}).Form; again == nil || again.Fields[0].Error == "" {
		t.Errorf("an empty reason was taken: %+v", again)
	}
	w.says("bob", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"reason": "not during the freeze"}})
	w.sees(w.slack, "D-alice", "was denied", "Denied by Bob Brown: not during the freeze")
	w.sees(w.slack, "C-ops", "was denied: Alice Adams")
}

func TestDecidedInThePortal(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	if err := w.ms.Decide("oid-carol", pim.Denied); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	w.sees(w.slack, "D-alice", "was denied", "Denied by Carol Clark, in Entra")
	w.sees(w.teams, "chat-bob", "was denied", "Denied by Carol Clark")
}

func TestTheFirstDecisionWins(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.sees(w.slack, "D-carol", "[Approve]")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			who := []string{"bob", "carol"}[n%2]
			w.bot.Handle(t.Context(), w.in(who, bot.Press{Verb: bot.VerbApprove, ID: id}))
		})
	}
	all.Wait()
	w.sees(w.slack, "D-alice", "is active")
	if n := len(slices.DeleteFunc(w.ms.Writes(), func(s string) bool { return !strings.HasSuffix(s, "review") })); n != 1 {
		t.Errorf("%d decisions took effect: %q", n, w.ms.Writes())
	}
}

// Every answer of Microsoft is lost once after the write was done: nothing is
// done twice, and everybody is told the truth.
func TestLostAnswers(t *testing.T) {
	w := newWorld(t)
	w.ms.Lose("activate", 1)
	w.ms.Lose("review", 1)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-alice", "not answering just now")
	w.advance(5 * time.Second)
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.seesLater(2*time.Second, w.slack, "D-alice", "is active", "Approved by Bob Brown")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestASignInIsAskedForAndGoesOnByItself(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.SetLive("oid-bob", false)
	w.ms.Fail("activate", &pim.Error{Op: "activate", Code: pim.CodeStepUp, Claims: `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`})
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	card := w.sees(w.slack, "D-alice", "Sign in to ask for User Administrator", "stronger sign-in", "[Sign in]")
	if url := card.Card.Actions[0].URL; !strings.HasPrefix(url, "https://belay.example/link/") {
		t.Errorf("the link is %q", url)
	}
	if err := w.bot.SignedIn(t.Context(), "oid-alice", bot.Ticket{User: w.in("alice", nil).User, Request: id}); err != nil {
		t.Fatal(err)
	}
	w.sees(w.teams, "chat-bob", "[Approve]")
	reply := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	if reply.Card == nil || !strings.Contains(reply.Card.Text, "is recorded") {
		t.Fatalf("Bob is told: %+v", reply.Card)
	}
	w.sees(w.teams, "chat-bob", "Sign in to finish", "[Sign in]")
	again := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	if diff := cmp.Diff(reply.Card, again.Card); diff != "" {
		t.Errorf("the second press says something else:\n%s", diff)
	}
	w.sees(w.slack, "D-carol", "[Approve]") // nobody else's card changed
	w.ms.SetLive("oid-bob", true)
	// A sign-in for anything else does not send this decision.
	if err := w.bot.SignedIn(t.Context(), "oid-bob", bot.Ticket{User: w.in("bob", nil).User}); err != nil {
		t.Fatal(err)
	}
	r, err := w.bot.Request(t.Context(), id)
	if err != nil || r.Intents[1].State != bot.IntentWaiting {
		t.Fatalf("the decision went out with another sign-in: %+v %v", r.Intents, err)
	}
	if err := w.bot.SignedIn(t.Context(), "oid-bob", bot.Ticket{User: w.in("bob", nil).User, Request: id, Intent: r.Intents[1].ID}); err != nil {
		t.Fatal(err)
	}
	w.sees(w.slack, "D-alice", "is active", "Approved by Bob Brown")
	w.sees(w.teams, "chat-bob", "Signed in")
}

func TestNobodySignsIn(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.Fail("activate", &pim.Error{Op: "activate", Code: pim.CodeSignIn})
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Sign in to ask for")
	w.advance(11 * time.Minute)
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "Nobody signed in")
	if len(w.ms.Writes()) != 0 {
		t.Errorf("something was written: %q", w.ms.Writes())
	}
}

// A restart at any place of the story changes nothing of its end.
func TestRestarts(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.restart()
	w.says("alice", bot.Command{}) // the menu is read anew
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.restart()
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.restart()
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.restart()
	w.sees(w.slack, "D-alice", "is active", "Approved by Bob Brown")
	w.restart()
	w.advance(2 * time.Hour)
	w.sees(w.slack, "D-alice", "has ended")
	w.sees(w.teams, "19:ops", "has ended")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-bob review"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	for _, place := range []struct {
		chat *bottest.Chat
		id   string
		most int
	}{{w.slack, "C-ops", 2}, {w.teams, "19:ops", 2}, {w.teams, "chat-bob", 2}} {
		if all := place.chat.In(place.id); len(all) > place.most {
			t.Errorf("%s has %d messages, want %d at the most", place.id, len(all), place.most)
		}
	}
}

func TestDeactivateAndCancel(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(6 * time.Minute)
	w.says("alice", bot.Command{Text: "stop"})
	w.sees(w.slack, "D-alice", "has ended", "You deactivated it")

	w.ask("alice", "user admin", "PT1H", "reset a password")
	m := w.sees(w.slack, "D-alice", "waits for approval", "[Cancel]")
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: m.Card.Actions[0].ID})
	w.sees(w.slack, "D-alice", "Canceled: User Administrator")
	w.sees(w.teams, "chat-bob", "Canceled", "took it back")
}

func TestRevokedInEntra(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.ms.Revoke()
	w.advance(16 * time.Minute)
	w.seesLater(time.Second, w.slack, "D-alice", "has ended", "in Entra")
}

func TestChatTrouble(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	m := w.sees(w.slack, "D-alice", "waits for approval")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	w.slack.Delete(m.Message)
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID})
	fresh := w.sees(w.slack, "D-alice", "is active", "[Deactivate]")
	if fresh.ID == m.ID {
		t.Error("the deleted message is still there")
	}
}

func TestWhoIsNotLinked(t *testing.T) {
	w := newWorld(t)
	if c := w.says("alice", bot.Command{}).Card; c == nil || c.Actions[0].URL == "" {
		t.Errorf("Alice gets no link: %+v", c)
	}
	in := w.in("alice", bot.Command{})
	in.User.ID = "U-erin"
	reply, later := w.bot.Handle(t.Context(), in)
	if later == nil {
		t.Fatalf("got %+v", reply)
	}
	if c := later(t.Context()).Card; c == nil || !strings.Contains(c.Text, "full members") {
		t.Errorf("the guest sees %+v", c)
	}
}

func TestBadForms(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	for text, want := range map[string]string{
		"reports 8 hours figures":  "duration: \"8 hours\" is not a time",
		"reports P1M figures":      "duration: \"P1M\" is not a time",
		"reports -1h figures":      "duration: \"-1h\" is not a time",
		"reports 9999h figures":    "duration: This role allows 8 hours",
		"quantum janitor":          "role: You are not eligible for a role",
		"re":                       "", // one role begins so
		"administrator 1h because": "",
		"r":                        "", // Reports Reader alone begins with r
	} {
		form := w.says("alice", bot.Command{Text: text}).Form
		if form == nil {
			t.Errorf("%q opens no form", text)
			continue
		}
		var got []string
		for _, f := range form.Fields {
			if f.Error != "" {
				got = append(got, f.Name+": "+f.Error)
			}
		}
		if all := strings.Join(got, "; "); !strings.Contains(all, want) || want == "" && all != "" {
			t.Errorf("%q: problems %q, want %q", text, all, want)
		}
	}
	form := w.says("alice", bot.Command{Text: "reports"}).Form
	send := func(values map[string]string) *bot.Form {
		values["role"] = form.Fields[0].Value
		return w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: values}).Form
	}
	for name, values := range map[string]map[string]string{
		"reason":   {"duration": "PT1H", "reason": " "},
		"duration": {"duration": "PT99H", "reason": "figures"},
	} {
		again := send(values)
		if again == nil || !slices.ContainsFunc(again.Fields, func(f bot.Field) bool { return f.Name == name && f.Error != "" }) {
			t.Errorf("a wrong %s was taken: %+v", name, again)
		}
	}
	if again := send(map[string]string{"duration": "PT1H", "reason": bottest.Long}); again == nil {
		t.Error("10,000 runes were taken as a reason")
	}
	if len(w.ms.Writes()) != 0 {
		t.Errorf("something was written: %q", w.ms.Writes())
	}
}

func TestAFormThatIsSentTwice(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	form := w.says("alice", bot.Command{Text: "reports"}).Form
	submit := bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"role": form.Fields[0].Value, "duration": "PT1H", "reason": "figures"}}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { w.bot.Handle(t.Context(), w.in("alice", submit)) })
	}
	all.Wait()
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if other := w.says("alice", bot.Command{Text: "reports"}).Form; other != nil {
		w.says("alice", bot.Submit{Verb: other.Verb, ID: other.ID, Values: submit.Values})
	}
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

func TestMicrosoftRefuses(t *testing.T) {
	for _, test := range []struct {
		err  *pim.Error
		want string
	}{
		{&pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleExpiration, pim.RuleTicketing}}, "longer than it allows and it wants a ticket"},
		{&pim.Error{Code: pim.CodeLicense}, "no licence"},
		{&pim.Error{Code: pim.CodeForbidden}, "permission or consent"},
		{&pim.Error{Code: pim.CodeInvalid, RequestID: "ref-1"}, "reference ref-1"},
		{&pim.Error{Code: pim.CodeExists}, "active for you already"},
	} {
		t.Run(string(test.err.Code), func(t *testing.T) {
			w := newWorld(t)
			w.link("alice")
			w.ms.Fail("activate", test.err)
			w.ask("alice", "reports", "PT1H", "figures")
			w.sees(w.slack, "D-alice", "was not activated", test.want)
			w.sees(w.slack, "C-ops", "was not activated: Alice Adams")
		})
	}
}
