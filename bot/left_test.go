package bot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/store/trail"
)

// lookedAt counts whose profiles are read, and lets some of them fail.
type lookedAt struct {
	bot.Profiles
	fails error
	reads []string
}

func (l *lookedAt) Profile(ctx context.Context, u bot.User) (bot.Profile, error) {
	l.reads = append(l.reads, u.ID)
	if l.fails != nil {
		return bot.Profile{}, l.fails
	}
	return l.Profiles.Profile(ctx, u)
}

// looks stops the world, so that links are looked at only when the test says so, each time
// after some time has passed.
func (w *world) looksAtLinks() (*lookedAt, func(time.Duration)) {
	l := &lookedAt{Profiles: w.slack}
	w.change = func(o *bot.Options) { o.Profiles = map[bot.Platform]bot.Profiles{bot.Slack: l} }
	w.restart()
	w.stop()
	var last time.Time
	return l, func(d time.Duration) {
		w.advance(d)
		w.bot.LookAtLinks(w.t.Context(), &last)
	}
}

// Whoever was made a guest or deactivated while nobody heard of it is found within a day, and
// a profile that cannot be read unlinks nobody.
func TestWhoLeftIsFound(t *testing.T) {
	w, heard := newWorld(t), &heardTrail{}
	w.hears = heard
	w.restart()
	w.link("carol")
	l, look := w.looksAtLinks()
	w.slack.SetProfile("U-carol", bot.Profile{Name: "carol", Email: people["carol"].UPN})
	look(23 * time.Hour)
	if len(l.reads) > 0 {
		t.Errorf("%v were looked at within a day", l.reads)
	}
	l.fails = &bot.ChatError{Platform: bot.Slack, Op: "profile", Code: bot.ChatUnreachable, Err: errors.New("user_not_found")}
	look(2 * time.Hour)
	look(59 * time.Minute)
	if !w.isLinked("carol") || len(l.reads) != 1 || !strings.Contains(w.logs.String(), "could not be looked at") {
		t.Fatalf("after a profile that could not be read: linked %t, looked at %v", w.isLinked("carol"), l.reads)
	}
	l.fails = nil
	look(2 * time.Minute)
	if w.isLinked("carol") || len(l.reads) != 2 {
		t.Errorf("linked %t, looked at %v", w.isLinked("carol"), l.reads)
	}
	if live, _ := w.ms.Live(t.Context(), "oid-carol"); live {
		t.Error("Carol's sign-in is kept")
	}
	var said []string
	for _, e := range heard.all() {
		if e.Kind == trail.Unlinked {
			said = append(said, e.Subject+" "+e.Actor.Platform+" "+e.Reason)
		}
	}
	if got := strings.Join(said, "; "); got != "oid-carol belay no full member any more" {
		t.Errorf("the trail has %q", got)
	}
	look(48 * time.Hour)
	if len(l.reads) != 2 {
		t.Errorf("who is not linked any more is looked at: %v", l.reads)
	}
	w.start()
	w.sees(w.slack, "D-carol", "You are not linked any more", "full members of the workspace only")
}

// Each link is looked at once a day, and they are not looked at all at once.
func TestLinksAreLookedAtSlowly(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	l, look := w.looksAtLinks()
	reads := func(want int, when string) {
		t.Helper()
		if len(l.reads) != want {
			t.Errorf("%s: looked at %v, want %d", when, l.reads, want)
		}
	}
	look(24*time.Hour + time.Minute)
	reads(1, "at once")
	look(time.Second)
	reads(1, "a second later")
	look(11 * time.Second)
	reads(2, "ten seconds later")
	look(23 * time.Hour)
	reads(2, "on the same day")
	w.restart() // it is stored, and nobody is looked at more often for it
	l, look = w.looksAtLinks()
	look(0)
	reads(0, "after a restart")
	look(2 * time.Hour)
	look(time.Minute)
	look(time.Minute)
	reads(2, "on the next day")
	w.start()
	w.link("alice") // a sign-in changes nothing of it
	l, look = w.looksAtLinks()
	look(time.Hour)
	reads(0, "after a sign-in")
}

// Who is told of in Slack without being linked is nobody's business; and in Teams an app that
// was removed says nothing of its person.
func TestNotEverythingUnlinks(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	if reply := w.says("alice", bot.Left{Why: bot.EndedAsLeft}); reply.Card != nil {
		t.Errorf("of somebody who is not linked: %+v", reply.Card)
	}
	w.says("bob", bot.Installed{})
	w.says("bob", bot.Uninstalled{})
	if live, _ := w.ms.Live(t.Context(), "oid-bob"); !live || !w.isLinked("carol") {
		t.Error("somebody was unlinked")
	}
	w.says("carol", bot.Left{Why: bot.EndedAsLeft})
	if w.isLinked("carol") {
		t.Error("Carol was deactivated and is linked")
	}
}
