package bot_test

import (
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
	w, l := glasses(t, &pim.Error{Op: "sign-ins", Code: pim.CodeUnavailable, Status: 503})
	asked := func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) > 0 }
	w.comes("the first try", asked)
	l.used("oid-glass", w.now().Add(time.Minute), "DE", "203.0.113.9")
	w.advance(6 * time.Hour)
	l.set(func(l *logs) { l.refused = nil })
	w.seesLater(2*time.Minute, w.slack, "C-ops", "The break-glass account Break Glass 1 was used")
}

// Who mutes a change keeps neither another one nor the use of the account quiet.
func TestAMutedChangeOfABreakGlassAccountSilencesNoUseOfIt(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertGlass)
	change := func(id, what string) {
		l.set(func(l *logs) {
			l.changes = append(l.changes, pim.AccountChange{ID: id, At: w.now(), Account: "oid-glass", What: what, App: "Directory sync"})
		})
	}
	change("line-1", "Update user")
	w.seesLater(2*time.Minute, w.slack, "C-ops", "was changed: Update user")
	form := w.inChannel("carol", w.sees(w.slack, "C-ops", "was changed: Update user"), "Mute…").Form
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "the sync"}})
	if got := w.lists(); !strings.Contains(got, "break-glass, Break Glass 1, Update user") {
		t.Errorf("the list says %q", got)
	}
	change("line-2", "Update user")
	change("line-3", "Reset user password")
	l.used("oid-glass", w.now(), "DE", "203.0.113.9")
	w.seesLater(6*time.Minute, w.slack, "C-ops", "was changed: Reset user password")
	w.seesLater(6*time.Minute, w.slack, "C-ops", "The break-glass account Break Glass 1 was used")
	if n := w.alertsIn("Update user"); n != 1 {
		t.Errorf("%d alerts of what is muted", n)
	}

	form = w.inChannel("carol", w.sees(w.slack, "C-ops", "was used"), "Mute…").Form
	for _, o := range form.Fields[0].Options {
		if d, err := time.ParseDuration(o.Value); err != nil || d > 24*time.Hour {
			t.Errorf("%v: its use can be muted for %s", err, o.Label)
		}
	}
	again := w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "720h0m0s", "reason": "a test"}})
	if again.Form == nil || again.Form.Fields[0].Error == "" || strings.Contains(w.lists(), "a test") {
		t.Errorf("its use was muted for a month: %+v", again)
	}
	w.says("carol", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"for": "24h0m0s", "reason": "a test"}})
	if got := w.lists(); !strings.Contains(got, "a test") {
		t.Errorf("the list says %q", got)
	}
}

// Within the hour, too, a sign-in from elsewhere is told.
func TestABreakGlassAccountThatIsUsedFromElsewhereIsToldAgain(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertGlass)
	at := w.now().UTC().Truncate(time.Hour).Add(2 * time.Hour)
	w.advance(at.Add(10 * time.Minute).Sub(w.now()))
	l.used("oid-glass", at, "DE", "203.0.113.9")
	w.seesLater(time.Minute, w.slack, "C-ops", "was used", "DE (203.0.113.9)")
	l.used("oid-glass", at.Add(20*time.Minute), "DE", "203.0.113.9")
	l.used("oid-glass", at.Add(40*time.Minute), "KP", "198.51.100.66")
	w.seesLater(4*time.Minute, w.slack, "C-ops", "was used", "KP (198.51.100.66)")
	if n := w.alertsIn("was used"); n != 2 {
		t.Errorf("%d alerts of two places", n)
	}
}
