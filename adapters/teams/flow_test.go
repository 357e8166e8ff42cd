package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

var (
	waiting = bot.Card{Title: "One moment", Tone: bot.Waiting, Text: "Reading what you may activate."}
	notYou  = bot.Card{Title: "You cannot decide this", Tone: bot.Bad, Text: "Somebody else has to."}
	asked   = bot.Card{Title: "Alice asks", Text: "Will you?", Actions: []bot.Action{
		{Label: "Approve", Verb: bot.VerbApprove, ID: "R1"}, {Label: "Deny", Verb: bot.VerbDeny, ID: "R1"}}}
	signIn = bot.Card{Title: "Sign in to go on", Text: "Then it goes on by itself.", Actions: []bot.Action{{Label: "Sign in", URL: "https://belay.example/link/x"}}}
	reason = bot.Form{ID: "R1", Verb: bot.VerbReason, Title: "Deny", Submit: "Send", Fields: []bot.Field{{Name: "reason", Label: "Reason", Kind: bot.Paragraph, Required: true}},
		Back: &bot.Action{Label: "Back", Verb: bot.VerbShow, ID: "R1"}}
)

func said[T bot.Said](t *testing.T, r *rig) (bot.Inbound, T) {
	t.Helper()
	got := r.heard.take()
	if len(got) != 1 {
		t.Fatalf("heard %+v, want one thing", got)
	}
	what, ok := got[0].Said.(T)
	if !ok {
		t.Fatalf("heard %T, want %T", got[0].Said, what)
	}
	return got[0], what
}

func reads(t *testing.T, a teamstest.Activity, user string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.ReadBy(user), text) {
			t.Errorf("%s cannot read %q in:\n%s", user, text, a.ReadBy(user))
		}
	}
}

func TestInboundTellsWhoAndWhere(t *testing.T) {
	r := kindRig(t)
	r.says("Alice", "", "/elevate reader 1h", false)
	in, _ := said[bot.Command](t, r)
	ref := decodeRef(in.At.Ref)
	in.At.Ref = ""
	want := bot.Inbound{User: bot.User{Platform: bot.Teams, Tenant: tenantID, ID: aliceID, Name: "Alice"}, Principal: aliceID,
		At: r.personal("Alice"), Zone: "Europe/London", Said: bot.Command{Text: "reader 1h"}}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	if ref.User.AadObjectID != aliceID || ref.Bot.ID != r.BotID() || ref.ServiceURL == "" || ref.ActivityID != "" || ref.Conversation.TenantID != tenantID {
		t.Errorf("the reference is %+v", ref)
	}
	r.says("Alice", opsID, "/elevate", true)
	if in, _ := said[bot.Command](t, r); in.At.ID != opsID || in.At.Private {
		t.Errorf("said at %+v, want the channel and not its thread", in.At)
	}
}

func TestWaitingCardIsReplacedByTheAnswer(t *testing.T) {
	r := kindRig(t)
	r.heard.answers(bot.Reply{Card: &waiting, Replace: true}, func(context.Context) bot.Reply { return bot.Reply{Card: &notYou} })
	r.says("Alice", "", "status", false)
	a := r.last("", "Alice")
	reads(t, a, "Alice", notYou.Title)
	if n := len(r.State().In("", "Alice")); n != 2 || a.Updates != 1 || a.Summary != notYou.Title {
		t.Errorf("%d messages, %d updates, summary %q", n, a.Updates, a.Summary)
	}
}

func TestChannelCommandIsAnsweredInThePersonalChat(t *testing.T) {
	r := kindRig(t)
	r.heard.answers(bot.Reply{Card: &waiting}, func(context.Context) bot.Reply { return bot.Reply{Card: &notYou} })
	r.says("Alice", opsID, "/elevate status", true)
	reads(t, r.last("", "Alice"), "Alice", notYou.Title)
	if a := r.last(opsID, "Bob"); a.Text != wordInChat || a.Card != nil {
		t.Errorf("the channel reads %q", a.ReadBy("Bob"))
	}
	thread := r.State().In(opsID, "Bob")
	if len(thread) != 2 || thread[1].Root != thread[0].ID {
		t.Errorf("the notice is not in the thread of the command: %+v", thread)
	}

	r.says("Carol", opsID, "/elevate status", true) // the app is not installed for Carol
	if a := r.last(opsID, "Bob"); !strings.Contains(a.Text, "Install Belay for yourself") {
		t.Errorf("the channel reads %q", a.Text)
	}
	if len(r.State().In("", "Carol")) != 0 {
		t.Error("Carol was reached all the same")
	}
}

func TestSlashCommandIsAnsweredThereForOnePerson(t *testing.T) {
	r := kindRig(t)
	form := reason
	r.heard.answers(bot.Reply{Card: &waiting}, func(context.Context) bot.Reply { return bot.Reply{Form: &form} })
	_, err := r.Slash(t.Context(), "Carol", opsID, "elevate status")
	r.must(err)
	r.settled()
	if _, c := said[bot.Command](t, r); c.Text != "status" {
		t.Errorf("heard %q", c.Text)
	}
	a := r.last(opsID, "Carol")
	if a.Only != "Carol" || a.Updates != 1 {
		t.Fatalf("shown to %q after %d updates", a.Only, a.Updates)
	}
	reads(t, a, "Carol", "Reason")

	// The form that only Carol sees is answered in its place.
	r.heard.answers(bot.Reply{Card: &waiting, Replace: true}, func(context.Context) bot.Reply { return bot.Reply{Card: &notYou} })
	r.presses("Carol", opsID, a.ID, "Send", map[string]string{"reason": "no"})
	if _, s := said[bot.Submit](t, r); s.Copy != (bot.Message{}) || s.Values["reason"] != "no" {
		t.Errorf("submitted %+v", s)
	}
	reads(t, r.last(opsID, "Carol"), "Carol", notYou.Title)

	// Where targeted messages are not allowed, the personal chat it is.
	r.heard.answers(bot.Reply{Card: &notYou}, nil)
	r.front.next(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":{"code":"BadArgument"}}`, http.StatusBadRequest)
	})
	_, err = r.Slash(t.Context(), "Alice", opsID, "elevate status")
	r.must(err)
	r.settled()
	reads(t, r.last("", "Alice"), "Alice", notYou.Title)
}

func TestPressIsAnsweredAtOnce(t *testing.T) {
	r := kindRig(t)
	post := func() bot.Message {
		m, err := r.a.Post(t.Context(), r.personal("Bob"), "key", asked)
		r.must(err)
		return m
	}
	form := reason
	long := bot.Card{Title: "Many facts", Facts: []bot.Fact{{Name: "a", Value: "b"}}}
	shortToast := notYou.Title + ". " + notYou.Text
	for name, c := range map[string]struct {
		reply bot.Reply
		later bot.Later
		toast string
		view  string
		back  bool
		new   string // in a message of its own
	}{
		"nothing":                    {toast: wordDone},
		"nothing yet":                {later: func(context.Context) bot.Reply { return bot.Reply{Card: &notYou} }, toast: wordWait, new: notYou.Title},
		"a short card":               {reply: bot.Reply{Card: &notYou}, toast: shortToast},
		"a card, and more later":     {reply: bot.Reply{Card: &waiting, Replace: true}, later: func(context.Context) bot.Reply { return bot.Reply{} }, toast: waiting.Title + ". " + waiting.Text},
		"a replacing card":           {reply: bot.Reply{Card: &notYou, Replace: true}, view: notYou.Title},
		"a card with a link":         {reply: bot.Reply{Card: &signIn}, view: signIn.Title, back: true},
		"a card with much to say":    {reply: bot.Reply{Card: &long}, view: "Many facts", back: true},
		"a replacing form":           {reply: bot.Reply{Form: &form, Replace: true}, view: "Reason", back: true},
		"a form of its own":          {reply: bot.Reply{Form: &form}, toast: wordWait, new: "Reason"},
		"a long card without a word": {reply: bot.Reply{Card: &bot.Card{Note: "n"}}, view: "n", back: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := post()
			before := len(r.State().In("", "Bob"))
			r.heard.answers(c.reply, c.later)
			answer := r.presses("Bob", "", m.ID, "Approve", nil)
			view := teamstest.CardText(answer.Card)
			if answer.Text != c.toast || (c.view == "") != (answer.Card == nil) || !strings.Contains(view, c.view) {
				t.Errorf("answered %q and\n%s", answer.Text, view)
			}
			if c.view != "" && strings.Contains(view, "Back") != c.back {
				t.Errorf("a way back: want %v in\n%s", c.back, view)
			}
			if !strings.Contains(teamstest.CardText(r.card("Bob", m.ID)), "Alice asks") {
				t.Error("the card that is on record was replaced for everybody")
			}
			if got := len(r.State().In("", "Bob")) > before; got != (c.new != "") {
				t.Errorf("a message of its own: %v", got)
			} else if got {
				reads(t, r.last("", "Bob"), "Bob", c.new)
			}
			r.heard.take()
		})
	}
}

// An answer that took a card's place leads back to it: the card may have changed
// before the answer came, and then does not change again.
func TestAnswerLeadsBack(t *testing.T) {
	r := kindRig(t)
	long := bot.Card{Title: "Many facts", Facts: []bot.Fact{{Name: "a", Value: "b"}}}
	for verb, back := range map[bot.Verb]bool{bot.VerbStop: true, bot.VerbKeep: true, bot.VerbExtend: true, bot.VerbAgain: true, bot.VerbFollow: true, bot.VerbCancel: true,
		bot.VerbUnlink: false, bot.VerbSaved: false} { // what names no request
		m, err := r.a.Post(t.Context(), r.personal("Bob"), "key-"+string(verb), bot.Card{Title: "A card", Actions: []bot.Action{{Label: "Do it", Verb: verb, ID: "R1"}}})
		r.must(err)
		r.heard.answers(bot.Reply{Card: &long}, nil)
		if view := teamstest.CardText(r.presses("Bob", "", m.ID, "Do it", nil).Card); !strings.Contains(view, "Many facts") || strings.Contains(view, "Back") != back {
			t.Errorf("%s leads back: want %v in\n%s", verb, back, view)
		}
	}
}

// card is the card of a message as everybody has it.
func (r *rig) card(user, id string) json.RawMessage {
	r.t.Helper()
	for _, a := range r.State().In("", user) {
		if a.ID == id {
			return a.Card
		}
	}
	r.t.Fatalf("%s sees no message %s", user, id)
	return nil
}

func TestDenialIsAFormInTheCardsPlace(t *testing.T) {
	r := kindRig(t)
	m, err := r.a.Post(t.Context(), r.personal("Bob"), "key", asked)
	r.must(err)
	form := reason
	r.heard.answers(bot.Reply{Form: &form, Replace: true}, nil)
	r.presses("Bob", "", m.ID, "Deny", nil)
	r.heard.take()

	r.heard.answers(bot.Reply{Card: &asked, Replace: true}, nil)
	r.presses("Bob", "", m.ID, "Back", nil) // without the reason, which is required
	if _, p := said[bot.Press](t, r); p.Verb != bot.VerbShow || p.ID != "R1" || p.Copy.ID != m.ID {
		t.Errorf("pressed %+v", p)
	}
	r.heard.answers(bot.Reply{Form: &form, Replace: true}, nil)
	r.presses("Bob", "", m.ID, "Deny", nil)
	r.heard.take()
	r.presses("Bob", "", m.ID, "Send", map[string]string{"reason": "no"})
	_, s := said[bot.Submit](t, r)
	s.Copy.Conversation.Ref = ""
	want := bot.Submit{Verb: bot.VerbReason, ID: "R1", Values: map[string]string{"reason": "no"}, Copy: bot.Message{Conversation: r.personal("Bob"), ID: m.ID}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestOldClientSubmitsTheSame(t *testing.T) {
	r := kindRig(t)
	m, err := r.a.Post(t.Context(), channelAt(), "key", asked)
	r.must(err)
	r.heard.answers(bot.Reply{Card: &notYou}, nil)
	_, err = r.Submit(t.Context(), "Bob", opsID, m.ID, "Approve", nil)
	r.must(err)
	r.settled()
	if _, p := said[bot.Press](t, r); p.Verb != bot.VerbApprove || p.ID != "R1" || p.Copy.ID != m.ID || p.Copy.Conversation.ID != opsID {
		t.Errorf("pressed %+v", p)
	}
	reads(t, r.last("", "Bob"), "Bob", notYou.Title)
	reads(t, r.last(opsID, "Bob"), "Bob", asked.Title)
}

func TestAnswerIsReplacedWhereItStands(t *testing.T) {
	r := kindRig(t)
	r.heard.answers(bot.Reply{Card: &asked}, nil)
	r.says("Alice", "", "status", false)
	a := r.last("", "Alice")
	r.heard.take()
	r.heard.answers(bot.Reply{Card: &notYou, Replace: true}, nil)
	r.presses("Alice", "", a.ID, "Approve", nil)
	if _, p := said[bot.Press](t, r); p.Copy != (bot.Message{}) {
		t.Errorf("an answer that is on no record is told as the copy %+v", p.Copy)
	}
	if got := r.last("", "Alice"); got.ID != a.ID || !strings.Contains(teamstest.CardText(got.Card), notYou.Title) {
		t.Errorf("the message itself still reads\n%s", teamstest.CardText(got.Card))
	}
	// It was deleted meanwhile: then the answer is a new message.
	r.heard.answers(bot.Reply{Card: &asked}, nil)
	r.says("Alice", "", "status", false)
	a = r.last("", "Alice")
	r.heard.answers(bot.Reply{}, func(context.Context) bot.Reply {
		r.must(r.Remove(r.personal("Alice").ID, a.ID))
		return bot.Reply{Card: &waiting}
	})
	r.presses("Alice", "", a.ID, "Deny", nil)
	if got := r.last("", "Alice"); got.ID == a.ID {
		t.Error("the deleted message is back")
	}
	reads(t, r.last("", "Alice"), "Alice", waiting.Title)
}

func TestSearchOffersWhatTeamsCanShow(t *testing.T) {
	r := kindRig(t)
	form := bot.Form{ID: "F", Verb: bot.VerbAsk, Title: "Roles", Submit: "Next", Fields: []bot.Field{{Name: "role", Label: "Role", Kind: bot.Choice, Search: true, Live: true}}}
	r.heard.answers(bot.Reply{Form: &form}, nil)
	r.says("Alice", "", "elevate", false)
	a := r.last("", "Alice")
	r.heard.take()
	r.heard.answers(bot.Reply{Options: manyOptions(40)}, nil)
	found, err := r.Search(t.Context(), "Alice", "", a.ID, "role", "adm", nil)
	r.must(err)
	if len(found) != maxFound || found[0] != (teamstest.Choice{Title: "Role — Directory", Value: "ra"}) {
		t.Errorf("found %+v", found)
	}
	if _, s := said[bot.Search](t, r); s != (bot.Search{Verb: bot.VerbAsk, ID: "F", Field: "role", Text: "adm"}) {
		t.Errorf("searched %+v", s)
	}
	// A choice that the form was not laid out for is a Change, the same one again a Submit.
	r.presses("Alice", "", a.ID, "Next", map[string]string{"role": "rb"})
	if _, c := said[bot.Change](t, r); c.Values["role"] != "rb" || c.ID != "F" {
		t.Errorf("changed %+v", c)
	}
	form.Fields[0].Value = "rb"
	r.heard.answers(bot.Reply{Form: &form}, nil)
	r.presses("Alice", "", a.ID, "Next", map[string]string{"role": "rc"})
	r.heard.take()
	r.presses("Alice", "", a.ID, "Next", nil)
	if _, s := said[bot.Submit](t, r); s.Values["role"] != "rb" {
		t.Errorf("submitted %+v", s)
	}
}

func TestLateAnswerDoesNotUndoALaterOne(t *testing.T) {
	r := kindRig(t)
	first, second := asked, asked
	first.Title, second.Title = "First", "Second"
	r.heard.answers(bot.Reply{Card: &asked}, nil)
	r.says("Alice", "", "status", false)
	a := r.last("", "Alice")
	putOff, goOn := make(chan struct{}), make(chan struct{})
	r.a.wait = func(context.Context, time.Duration) error {
		close(putOff)
		<-goOn
		return nil
	}
	r.ThrottleNext(time.Second)
	r.heard.answers(bot.Reply{Card: &first, Replace: true}, nil)
	_, err := r.Press(t.Context(), "Alice", "", a.ID, "Approve", nil)
	r.must(err)
	<-putOff
	r.heard.answers(bot.Reply{Card: &second, Replace: true}, nil)
	_, err = r.Press(t.Context(), "Alice", "", a.ID, "Approve", nil)
	r.must(err)
	r.must(r.Wait(t.Context(), func(s teamstest.State) bool {
		return strings.Contains(teamstest.CardText(s.In("", "Alice")[1].Card), "Second")
	}))
	close(goOn)
	r.settled()
	reads(t, r.last("", "Alice"), "Alice", "Second")
}
