package bot_test

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/bot"
)

// pageOf is a person's own page, card by card.
func (w *world) pageOf(name string) []bot.Card {
	w.t.Helper()
	r := w.says(name, bot.Opened{})
	if r.Card == nil {
		w.t.Fatalf("%s has no page: %+v", name, r)
	}
	return append([]bot.Card{*r.Card}, r.More...)
}

func page(cards []bot.Card) string {
	var b strings.Builder
	for _, c := range cards {
		b.WriteString(words(c) + "\n")
	}
	return b.String()
}

func TestHome(t *testing.T) {
	w := newWorld(t)
	if got := page(w.pageOf("alice")); !strings.Contains(got, "[Sign in]") || strings.Contains(got, "Reports Reader") {
		t.Errorf("before she is linked:\n%s", got)
	}
	if c := w.says("alice", bot.Press{Verb: bot.VerbLink}).Card; c == nil || len(c.Actions) == 0 || c.Actions[0].URL == "" {
		t.Errorf("Sign in gives no link: %+v", c)
	}
	w.link("alice")
	cards := w.pageOf("alice")
	last := cards[len(cards)-1]
	if got := page(cards); !strings.Contains(got, "Nothing waits for your decision") || !strings.Contains(got, "[Reports Reader]") {
		t.Errorf("with nothing open:\n%s", got)
	}
	for _, a := range last.Actions {
		if a.Label != "Reports Reader" {
			continue
		}
		if f := w.says("alice", bot.Press{Verb: a.Verb, ID: a.ID}).Form; f == nil || !strings.Contains(f.Text, "Reports Reader needs no approval") {
			t.Errorf("its button opens %+v", f)
		}
	}
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	if got := page(w.pageOf("alice")); !strings.Contains(got, "Left: 59 minutes") || !strings.Contains(got, "[Deactivate]") || !strings.Contains(got, "1 active, 1 on the way") {
		t.Errorf("with two open:\n%s", got)
	}
	if got := page(w.pageOf("bob")); !strings.Contains(got, "1 request waits for you") || !strings.Contains(got, "[Approve]") || strings.Contains(got, "[Cancel]") {
		t.Errorf("Bob's page:\n%s", got)
	}
	if got := page(w.pageOf("dave")); strings.Contains(got, "reset a password") {
		t.Errorf("Dave reads what is none of his:\n%s", got)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "User Administrator is active")
	if got := page(w.pageOf("bob")); !strings.Contains(got, "Nothing waits") {
		t.Errorf("after his decision:\n%s", got)
	}
	w.ms.SetLive("oid-alice", false)
	if got := page(w.pageOf("alice")); !strings.Contains(got, "Your sign-in has ended") || strings.Contains(got, "[Reports Reader]") {
		t.Errorf("when her session is over:\n%s", got)
	}
}
