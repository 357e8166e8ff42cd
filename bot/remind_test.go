package bot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

// reminders are what a conversation shows below a card.
func reminders(c *bottest.Chat, conversation, card string) []bottest.Message {
	return slices.DeleteFunc(c.In(conversation), func(m bottest.Message) bool { return m.Conversation.Thread != card })
}

// Approvers are reminded three times, below their card, while nobody has decided.
func TestReminders(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	bobs := w.sees(w.teams, "chat-bob", "[Approve]")
	carols := w.sees(w.slack, "D-carol", "[Approve]")
	for n := range 3 {
		w.advance(6*time.Hour - time.Minute)
		w.restart()
		if c := w.says("bob", bot.Command{Text: "approvals"}).Card; !slices.Contains(buttons(*c), bot.VerbApprove) {
			t.Errorf("before reminder %d Bob sees %+v", n+1, c)
		}
		if got := reminders(w.teams, "chat-bob", bobs.ID); len(got) != n {
			t.Fatalf("before its time reminder %d is there: %+v", n+1, got)
		}
		w.advance(time.Minute)
		w.untilLater(time.Second, id, func(bot.Request) bool {
			return len(reminders(w.teams, "chat-bob", bobs.ID)) == n+1 && len(reminders(w.slack, "D-carol", carols.ID)) == n+1
		})
	}
	w.sees(w.teams, "chat-bob", "still waits for User Administrator", "Decide before", "[Show the card]")
	if shown := w.says("bob", bot.Press{Verb: bot.VerbShow, ID: id}).Card; !slices.Contains(buttons(*shown), bot.VerbApprove) {
		t.Errorf("the reminder's button shows %+v", shown)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
	w.advance(5 * time.Hour)
	w.sees(w.slack, "D-alice", "has ended")
	if got := reminders(w.teams, "chat-bob", bobs.ID); len(got) != 3 {
		t.Errorf("Bob was reminded %d times: %+v", len(got), got)
	}
}

// Whoever pressed and still has to sign in is reminded of that; whoever has answered,
// of nothing.
func TestRemindedOfTheSignIn(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.ms.SetLive("oid-bob", false)
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	carols := w.sees(w.slack, "D-carol", "[Approve]")
	w.advance(6*time.Hour - time.Minute)
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.teams, "chat-bob", "Sign in to finish")
	w.advance(2 * time.Minute)
	w.sees(w.slack, "D-carol", "still waits", "Nobody has decided yet")
	m := w.sees(w.teams, "chat-bob", "still waits", "waits for your sign-in")
	if m.Conversation.Thread != card.ID || !strings.HasPrefix(m.Card.Actions[0].URL, "https://belay.example/link/") {
		t.Errorf("Bob is reminded with %+v", m)
	}
	if got := reminders(w.slack, "D-carol", carols.ID); len(got) != 1 {
		t.Errorf("Carol was reminded %d times", len(got))
	}
}

// In quiet hours nobody is reminded; what piled up comes as one afterwards.
func TestQuietHours(t *testing.T) {
	w := newWorld(t)
	now := w.now().UTC()
	minute := now.Hour()*60 + now.Minute()
	w.stop()
	w.quiet = bot.QuietHours{From: (minute + 5*60) % (24 * 60), To: (minute + 13*60) % (24 * 60), Zone: time.UTC}
	w.start()
	w.link("alice")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	carols := w.sees(w.slack, "D-carol", "[Approve]")
	w.advance(12*time.Hour + 30*time.Minute) // two are due
	w.sees(w.slack, "D-alice", "waits for approval")
	w.restart()
	if got := reminders(w.teams, "chat-bob", card.ID); len(got) != 0 {
		t.Errorf("reminded in quiet hours: %+v", got)
	}
	w.advance(31 * time.Minute)
	w.sees(w.teams, "chat-bob", "still waits")
	w.sees(w.slack, "D-carol", "still waits")
	w.advance(time.Hour)
	w.says("bob", bot.Command{Text: "approvals"})
	if b, c := reminders(w.teams, "chat-bob", card.ID), reminders(w.slack, "D-carol", carols.ID); len(b) != 1 || len(c) != 1 {
		t.Errorf("reminded %d and %d times, want once", len(b), len(c))
	}
}

func TestQuietHoursUntil(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day := func(d, h, m int) time.Time { return time.Date(2026, 10, d, h, m, 0, 0, zone) }
	night, noon := bot.QuietHours{From: 22 * 60, To: 7 * 60, Zone: zone}, bot.QuietHours{From: 12 * 60, To: 13 * 60}
	for _, test := range []struct {
		q       bot.QuietHours
		at, end time.Time
		quiet   bool
	}{
		{night, day(24, 21, 59), day(24, 21, 59), false},
		{night, day(24, 22, 0), day(25, 7, 0), true}, // the night in which clocks go back
		{night, day(25, 6, 59), day(25, 7, 0), true},
		{night, day(25, 7, 0), day(25, 7, 0), false},
		{night, day(31, 23, 0), day(32, 7, 0), true},
		{noon, time.Date(2026, 1, 1, 12, 30, 0, 0, time.UTC), time.Date(2026, 1, 1, 13, 0, 0, 0, time.UTC), true},
		{noon, time.Date(2026, 1, 1, 13, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 13, 0, 0, 0, time.UTC), false},
		{bot.QuietHours{}, day(24, 0, 0), day(24, 0, 0), false},
	} {
		if end, quiet := test.q.Until(test.at); quiet != test.quiet || !end.Equal(test.end) {
			t.Errorf("%+v at %v: until %v, %t", test.q, test.at, end, quiet)
		}
	}
}
