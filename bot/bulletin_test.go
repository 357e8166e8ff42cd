package bot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// posts has a bulletin delivered and waits until nothing is left to do.
func (w *world) posts(n bot.Bulletin) {
	w.t.Helper()
	if n.At.IsZero() {
		n.At = w.now().UTC()
	}
	if err := w.bot.Post(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	w.rests()
}

func (w *world) rests() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	if err := w.bot.Quiet(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// shows gives the titles that a conversation shows, each with its thread.
func shows(chat *bottest.Chat, conversation string) (all []string) {
	for _, m := range chat.In(conversation) {
		thread := ""
		if m.Conversation.Thread != "" {
			thread = " in " + m.Conversation.Thread
		}
		all = append(all, fmt.Sprintf("%s%s", m.Card.Title, thread))
	}
	return all
}

func alert(id, title string) bot.Bulletin {
	return bot.Bulletin{ID: id, Event: bot.NoticeAlert, Severity: bot.High, Card: bot.Card{Title: title, Tone: bot.Bad}}
}

func TestABulletinIsShownOnceInEachPlaceAndUpdatedWithItsCard(t *testing.T) {
	w := newWorld(t)
	w.posts(alert("alert/1", "Outside hours"))
	w.posts(alert("alert/1", "Outside hours"))
	w.posts(alert("alert/1", "Acknowledged by Carol"))
	for chat, at := range map[*bottest.Chat]string{w.slack: "C-ops", w.teams: "19:ops"} {
		all := chat.In(at)
		if len(all) != 1 || all[0].Card.Title != "Acknowledged by Carol" || all[0].Updates != 1 {
			t.Errorf("%s shows %+v", at, all)
		}
	}
}

func TestABulletinOutlivesARestartAndAPlatformThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	down := &bot.ChatError{Platform: bot.Slack, Code: bot.ChatUnavailable, Err: errors.New("no answer")}
	w.slack.Fail(down, down)
	w.posts(alert("alert/1", "Outside hours"))
	if got := shows(w.slack, "C-ops"); len(got) != 0 {
		t.Fatalf("Slack is down and shows %q", got)
	}
	w.restart()
	w.seesLater(2*time.Second, w.slack, "C-ops", "Outside hours")
	w.rests()
	if s, tm := shows(w.slack, "C-ops"), shows(w.teams, "19:ops"); len(s) != 1 || len(tm) != 1 {
		t.Errorf("Slack shows %q, Teams %q", s, tm)
	}
	if err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
		t.Error(err)
	}
}

func TestABulletinStandsInTheThreadOfAnother(t *testing.T) {
	w := newWorld(t)
	below := alert("alert/1/again", "And again")
	below.Below = "alert/1"
	down := &bot.ChatError{Platform: bot.Slack, Code: bot.ChatUnavailable, Err: errors.New("no answer")}
	w.slack.Fail(down)
	w.posts(alert("alert/1", "Outside hours")) // not there yet when the other is due
	w.posts(below)
	w.seesLater(2*time.Second, w.slack, "C-ops", "And again")
	w.rests()
	for chat, at := range map[*bottest.Chat]string{w.slack: "C-ops", w.teams: "19:ops"} {
		all := chat.In(at)
		if len(all) != 2 || all[0].Conversation.Thread != "" || all[1].Conversation.Thread != all[0].ID {
			t.Errorf("%s shows %q\n%s", at, shows(chat, at), w.logs)
		}
	}
}

func TestABulletinReachesPeopleDirectlyOnceTheyCanBeFound(t *testing.T) {
	w := newWorld(t)
	w.slack.Fail(&bot.ChatError{Platform: bot.Slack, Op: "reach", Code: bot.ChatUnreachable, Err: errors.New("nobody")},
		&bot.ChatError{Platform: bot.Slack, Op: "reach", Code: bot.ChatUnavailable, Err: errors.New("no answer")})
	n := alert("alert/1", "Outside hours")
	n.People = []string{"oid-bob", "oid-carol"}
	w.posts(n)
	w.seesLater(time.Minute, w.slack, "D-carol", "Outside hours")
	w.rests()
	if c, b, ops := shows(w.slack, "D-carol"), shows(w.teams, "chat-bob"), shows(w.slack, "C-ops"); len(c) != 1 || len(b) != 1 || len(ops) != 0 {
		t.Errorf("Carol sees %q, Bob %q, the channel %q", c, b, ops)
	}
}

// What was told long ago is forgotten, and nothing of it stays behind.
func TestABulletinIsForgottenInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.posts(alert("alert/1", "Outside hours"))
	w.advance(91 * 24 * time.Hour)
	w.rests()
	w.posts(alert("alert/1", "Outside hours again"))
	if got := shows(w.slack, "C-ops"); len(got) != 2 {
		t.Errorf("the channel shows %q", got)
	}
}

// Belay was away when somebody was to be told, and the directory does not answer at first.
func TestAPersonIsToldLateWhereTheyCannotBeFoundAtFirst(t *testing.T) {
	w := newWorld(t)
	down := &pim.Error{Op: "principal", Code: pim.CodeUnavailable}
	w.ms.Fail("principal", down, down, down)
	n := alert("remind/1", "Decide before Friday")
	n.People, n.At = []string{"oid-bob"}, w.now().Add(-25*time.Hour)
	w.posts(n)
	w.seesLater(2*time.Second, w.teams, "chat-bob", "Decide before Friday")
	w.rests()
	if got := shows(w.teams, "chat-bob"); len(got) != 1 {
		t.Errorf("Bob reads %q", got)
	}
}
