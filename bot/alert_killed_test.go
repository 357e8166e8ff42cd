package bot_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/store"
)

// Wherever Belay dies: an alert is made once, and its acknowledgement shows everywhere.
func TestAnAlertAtEveryKillPoint(t *testing.T) {
	for n := 1; ; n++ {
		l := live(t, -1, -1)
		l.stop()
		mortal := l.world.change
		l.world.change = func(o *bot.Options) {
			mortal(o)
			o.Alerts = &bot.AlertRules{Off: slices.DeleteFunc(slices.Clone(bot.Detectors), func(d bot.Detector) bool { return d == bot.AlertHours })}
		}
		l.start()
		l.m.mu.Lock()
		l.m.left = n
		l.m.mu.Unlock()
		id, p, in := uuid.Must(uuid.NewV7()).String(), people["alice"], l.in("alice", nil)
		asked := bot.Asked{ID: id, Requester: bot.Person{Principal: p, User: in.User, Direct: in.At}, Role: reports, Ask: bot.Ask{Duration: 4 * time.Hour, Justification: "because"},
			Intent: id + "/i", SignedIn: true}
		for {
			var no *bot.Error
			if err := l.bot.Apply(t.Context(), id, asked); !l.revive() && (err == nil || errors.As(err, &no)) {
				break
			}
		}
		told := func(chat *bottest.Chat, at, text string) (all []bottest.Message) {
			for _, m := range chat.In(at) {
				if m.Card.Title == outside && strings.Contains(words(m.Card), text) {
					all = append(all, m)
				}
			}
			return all
		}
		everywhere := func(text string) func() bool {
			return func() bool { return len(told(l.slack, "C-ops", text)) > 0 && len(told(l.teams, "19:ops", text)) > 0 }
		}
		l.brings("the alert", everywhere("[Acknowledge]"))
		m := told(l.teams, "19:ops", "")[0]
		press := l.in("bob", bot.Press{Verb: m.Card.Actions[0].Verb, ID: m.Card.Actions[0].ID, Copy: m.Message})
		press.At = m.Conversation
		for {
			l.bot.Handle(t.Context(), press)
			if !l.revive() {
				break
			}
		}
		l.brings("the acknowledgement", everywhere("Acknowledged by Bob Brown"))
		// A card whose post was not on record yet, and that was acknowledged before it was posted
		// again, may stand beside the true one (ADR 4).
		copies := l.m.died
		if s, tm := told(l.slack, "C-ops", ""), told(l.teams, "19:ops", ""); len(s) < 1 || len(tm) < 1 || len(s)+len(tm) > 2+copies {
			t.Errorf("died at point %d%s: Slack shows %d alerts, Teams %d", n, l.m.where, len(s), len(tm))
		}
		if err := store.Seal(l.disk, l.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
			t.Error(err)
		}
		died := l.m.died
		l.stop()
		if died == 0 || t.Failed() {
			if n < 15 {
				t.Errorf("there are only %d points", n)
			}
			return
		}
	}
}
