package bot_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store"
)

// calms lets everything come to rest, and starts Belay anew if it died over it.
func (l life) calms() {
	l.t.Helper()
	for l.rests(); l.revive(); {
		l.rests()
	}
}

// brings waits for what a lost answer may hold up for a while, by both clocks.
func (l life) brings(what string, there func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for left := 60; ; runtime.Gosched() {
		l.calms()
		if there() {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s never comes, after a death at %s\n%s", what, l.m.where, l.logs)
		}
		if left--; left > 0 {
			l.advance(5 * time.Second)
		}
	}
}

// Wherever Belay dies: what was acknowledged into a digest is told once, and a bulletin is
// shown once.
func TestDigestsAndBulletinsAtEveryKillPoint(t *testing.T) {
	for n := 1; ; n++ {
		l := live(t, -1, -1)
		l.stop()
		mortal := l.world.change
		l.world.change = func(o *bot.Options) {
			mortal(o)
			o.Notices.Rules = []bot.Rule{{Events: append([]bot.Notice{bot.NoticeAlert}, bot.Everyday...), Continue: true, Digest: bot.Timetable{Hourly: true},
				To: []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-digest"}}}}
		}
		l.start()
		into := l.now().UTC().Truncate(time.Hour).Add(time.Hour + time.Minute)
		l.advance(into.Sub(l.now())) // all of it is of one hour
		l.m.mu.Lock()
		l.m.left = n
		l.m.mu.Unlock()
		for {
			at := alert("alert/1", "Outside hours")
			at.At = l.now().UTC()
			err := l.bot.Post(t.Context(), at)
			if !l.revive() && err == nil {
				break
			}
		}
		id, p, in := uuid.Must(uuid.NewV7()).String(), people["alice"], l.in("alice", nil)
		asked := bot.Asked{ID: id, Requester: bot.Person{Principal: p, User: in.User, Direct: in.At}, Role: reports, Ask: bot.Ask{Duration: 4 * time.Hour, Justification: "because"},
			Intent: id + "/i", SignedIn: true}
		for {
			var no *bot.Error
			if err := l.bot.Apply(t.Context(), id, asked); !l.revive() && (err == nil || errors.As(err, &no)) {
				break
			}
		}
		l.brings("the role", func() bool {
			r, err := l.bot.Request(t.Context(), id)
			return err == nil && r.State == bot.Active && len(l.slack.In("C-ops")) == 2
		})
		l.advance(time.Hour)
		l.brings("the digest", func() bool { return len(l.slack.In("C-digest")) > 0 })
		l.advance(time.Hour)
		l.calms()
		all := l.slack.In("C-digest")
		if len(all) != 1 || !strings.Contains(words(all[0].Card), "1 alert, 1 activated.") {
			t.Errorf("died %d times, at point %d%s: the channel shows %q", l.m.died, n, l.m.where, shows(l.slack, "C-digest"))
			for _, m := range all {
				t.Log(words(m.Card))
			}
		}
		if got := shows(l.slack, "C-ops"); len(got) != 2 {
			t.Errorf("died at point %d%s: the channel shows %q", n, l.m.where, got)
		}
		if err := store.Seal(l.disk, l.keys).View(t.Context(), func(tx store.Tx) error { return errors.Join(bot.Check(tx)...) }); err != nil {
			t.Error(err)
		}
		died := l.m.died
		l.stop()
		if died == 0 || t.Failed() {
			if n < 20 {
				t.Errorf("there are only %d points", n)
			}
			return
		}
	}
}
