package bot_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// later is a throttle that says for how long.
type later struct {
	error
	after time.Duration
}

func (e later) Unwrap() error { return e.error }

func (e later) RetryAfter() (time.Duration, bool) { return e.after, true }

func throttled(after time.Duration) error {
	return later{&pim.Error{Op: "sign-ins", Code: pim.CodeThrottled, Status: 429}, after}
}

// glasses are two break-glass accounts, of which the first one cannot be read.
func glasses(t *testing.T, refused error) (*world, *logs) {
	t.Helper()
	w, l, _ := accounts(t, bot.AlertGlass)
	w.ms.AddPerson(pim.Principal{ID: "oid-glass2", Name: "Break Glass 2", UPN: "glass2@contoso.example"}, false)
	w.stop()
	l.set(func(l *logs) { l.refused = map[string]error{"oid-glass": refused} })
	before := w.change
	w.change = func(o *bot.Options) {
		before(o)
		rules := *o.Alerts
		rules.BreakGlass, o.Alerts = []string{"oid-glass", "oid-glass2"}, &rules
	}
	w.start()
	return w, l
}

// used has somebody sign in with a break-glass account.
func (l *logs) used(account string, at time.Time, country, ip string) {
	l.set(func(l *logs) {
		l.signIns = append(l.signIns, pim.SignIn{ID: account + ip + at.String(), At: at.UTC(), Person: account, App: "Azure Portal", Country: country, IP: ip})
	})
}

// lists is what /elevate alerts says in the channel of alerts.
func (w *world) lists() string {
	in := w.in("carol", bot.Command{Text: "alerts"})
	in.At = bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}
	return w.does(in)
}

// That one account can be read does not say that all can.
func TestABreakGlassAccountThatCannotBeReadIsNotAllClear(t *testing.T) {
	w, l := glasses(t, &pim.Error{Op: "sign-ins", Code: pim.CodeForbidden, Status: 403})
	l.used("oid-glass2", w.now().Add(-time.Minute), "DE", "203.0.113.9")
	w.seesLater(2*time.Minute, w.slack, "C-ops", "The break-glass account Break Glass 2 was used")
	w.comes("what cannot be seen", func() bool {
		return strings.Contains(w.lists(), "cannot see what happens to break-glass accounts, because AuditLog.Read.All is missing")
	})
	l.set(func(l *logs) { l.refused = nil })
	w.advance(6 * time.Minute)
	w.comes("all clear", func() bool { return !strings.Contains(w.lists(), "cannot see") })
}

// A round that Microsoft asks to wait goes on where it stopped, and a rest of the logs is
// none of the directory's roles.
func TestAThrottledBreakGlassAccountHoldsUpNoOther(t *testing.T) {
	w, l := glasses(t, throttled(time.Second))
	l.used("oid-glass2", w.now().Add(-time.Minute), "DE", "203.0.113.9")
	w.seesLater(2*time.Minute, w.slack, "C-ops", "The break-glass account Break Glass 2 was used")

	l.set(func(l *logs) { l.refused = map[string]error{"oid-glass": throttled(time.Hour)} })
	asked := func() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) }
	n := asked()
	for range 50 {
		if w.advance(2 * time.Minute); asked() > n {
			break
		}
		w.rests()
	}
	id := w.ask("alice", "User Administrator", "4h", "because")
	w.sees(w.teams, "chat-bob", "[Approve]")
	if err := w.ms.Decide("oid-carol", pim.Approved); err != nil {
		t.Fatal(err)
	}
	w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State == bot.Active })
}

// What happens to an account is told from when Belay first tried to read it.
func TestAFirstLookThatFailsLeavesNoHole(t *testing.T) {
	w, l := glasses(t, errors.Join(&pim.Error{Op: "sign-ins", Code: pim.CodeUnavailable, Status: 503}))
	asked := func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) > 0 }
	w.comes("the first try", asked)
	l.used("oid-glass", w.now().Add(time.Minute), "DE", "203.0.113.9")
	w.advance(6 * time.Hour)
	l.set(func(l *logs) { l.refused = nil })
	w.seesLater(2*time.Minute, w.slack, "C-ops", "The break-glass account Break Glass 1 was used")
}
