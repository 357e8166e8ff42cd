package bot_test

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// logs are what Entra logs of accounts. A line shows once it is as late as the log is.
type logs struct {
	now func() time.Time

	mu      sync.Mutex
	late    time.Duration
	signIns []pim.SignIn
	changes []pim.AccountChange
	err     error
	refused map[string]error // by account
	asked   []time.Time      // since when sign-ins of somebody were asked for
}

func (l *logs) SignIns(_ context.Context, account string, since time.Time) (all []pim.SignIn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(account, "oid-") {
		l.asked = append(l.asked, since)
	}
	if err := cmp.Or(l.refused[account], l.err); err != nil {
		return nil, err
	}
	for _, s := range l.signIns {
		if s.Person == account && !s.At.Before(since) && s.At.Add(l.late).Before(l.now()) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b pim.SignIn) int { return a.At.Compare(b.At) })
	return all, nil
}

func (l *logs) Changes(_ context.Context, account string, since time.Time) (all []pim.AccountChange, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.changes {
		if c.Account == account && !c.At.Before(since) {
			all = append(all, c)
		}
	}
	return all, l.err
}

func (l *logs) set(do func(*logs)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(l)
}

// from has Alice sign in, so long ago.
func (l *logs) from(country string, ago time.Duration) {
	at := l.now().Add(-ago).UTC()
	l.set(func(l *logs) {
		l.signIns = append(l.signIns, pim.SignIn{ID: country + at.String(), At: at, Person: "oid-alice", App: "Azure Portal", IP: "203.0.113.7", Country: country, City: "Somewhere"})
	})
}

// accounts is a world in which the logs of accounts are watched, and its figures.
func accounts(t *testing.T, on ...bot.Detector) (*world, *logs, func(outcome string) int) {
	t.Helper()
	w := watched(t, bot.AlertRules{PlaceDays: 30, PlaceWithin: 72 * time.Hour, BreakGlass: []string{"oid-glass"}}, on...)
	w.ms.AddPerson(pim.Principal{ID: "oid-glass", Name: "Break Glass 1", UPN: "glass1@contoso.example"}, false)
	l, reg := &logs{now: w.now, late: 5 * time.Minute}, prometheus.NewRegistry()
	metrics, before := bot.NewMetrics(reg), w.change
	w.change = func(o *bot.Options) {
		before(o)
		o.Accounts, o.Metrics = l, metrics
	}
	w.restart()
	return w, l, func(outcome string) (n int) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "belay_sign_in_places_total" && m.GetLabel()[0].GetValue() == outcome {
					n += int(m.GetCounter().GetValue())
				}
			}
		}
		return n
	}
}

// comes waits until something is so.
func (w *world) comes(what string, so func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s\n%s", what, w.logs)
		}
	}
}

const strange = "Alice Adams activated Reports Reader after a sign-in from an unusual place"

func TestAnActivationAfterASignInFromAnUnusualPlaceIsToldOnce(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace)
	for n := range 6 {
		l.from("DE", time.Duration(n+1)*24*time.Hour)
	}
	l.from("FR", 20*time.Minute)
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	m := w.sees(w.slack, "C-ops", strange, "[Ask the person]")
	for _, want := range []string{"came from FR", "on the 30 days before", "From: Somewhere, FR (203.0.113.7)", "Usual: DE", "Signed in to Azure Portal", "[Open in Entra]"} {
		if got := words(m.Card); !strings.Contains(got, want) {
			t.Errorf("the alert says %q and not %q", got, want)
		}
	}
	w.restart()
	w.advance(40 * time.Minute)
	w.comes("the last look", func() bool { return placed("unusual") == 1 })
	w.activates(30 * time.Minute) // from there again
	w.advance(11 * time.Minute)
	w.comes("its first look", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) == 3 })
	w.advance(40 * time.Minute)
	w.comes("its last look", func() bool { return placed("usual") == 1 })
	if n := w.alertsIn("unusual place"); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

// The log is late: what it has only later is told then, within the hour, across a restart.
func TestASignInThatTheLogHasLateIsToldWithinTheHour(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace)
	l.set(func(l *logs) { l.late = 25 * time.Minute })
	l.from("DE", 5*24*time.Hour)
	l.from("FR", time.Minute)
	began := w.now()
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.comes("the first look", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) == 1 })
	if n := w.alertsIn("unusual place"); n != 0 {
		t.Fatalf("%d alerts of what the log does not have", n)
	}
	w.restart()
	w.advance(40 * time.Minute)
	w.sees(w.slack, "C-ops", strange)
	if took := w.now().Sub(began); took > time.Hour {
		t.Errorf("it takes %v", took)
	}
	w.comes("the figure", func() bool { return placed("unusual") == 1 })
}

func TestSignInsThatAreNoAlertAreCounted(t *testing.T) {
	for outcome, seed := range map[string]func(*logs){
		"usual":      func(l *logs) { l.from("DE", 5*24*time.Hour); l.from("DE", time.Minute) },
		"no-history": func(l *logs) { l.from("DE", 3*time.Hour); l.from("FR", time.Minute) },
		"no-sign-in": func(*logs) {},
		"no-place":   func(l *logs) { l.from("", time.Minute) },
		// Long before the activation, long ago, and one that failed.
		"usual ":      func(l *logs) { l.from("DE", 20*24*time.Hour); l.from("FR", 4*24*time.Hour); l.from("DE", time.Hour) },
		"no-history ": func(l *logs) { l.from("DE", 40*24*time.Hour); l.from("FR", time.Minute) },
		"usual  ": func(l *logs) {
			l.from("DE", 5*24*time.Hour)
			l.from("FR", time.Minute)
			l.set(func(l *logs) { l.signIns[1].Failed = true })
		},
	} {
		w, l, placed := accounts(t, bot.AlertPlace)
		seed(l)
		w.activates(30 * time.Minute)
		w.advance(11 * time.Minute)
		w.comes("the first look", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) == 1 })
		w.advance(40 * time.Minute)
		w.comes(outcome, func() bool { return placed(strings.TrimSpace(outcome)) == 1 })
		if n := w.alertsIn("unusual place"); n != 0 {
			t.Errorf("%s: %d alerts", outcome, n)
		}
	}
}

// Of the history nothing is kept but countries and days; it is swept, and erased.
func TestWhereSomebodySignsInFromIsForgotten(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace)
	known := func() (n int) {
		err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error {
			n = 0
			return store.NewBucket[map[string]any]("sign-in-places").Scan(tx, "", "", func(_ string, v map[string]any) error {
				for _, part := range slices.Sorted(func(yield func(string) bool) {
					for k := range v {
						if !yield(k) {
							return
						}
					}
				}) {
					if !slices.Contains([]string{"first", "read", "seen"}, part) {
						t.Errorf("kept is %s", part)
					}
				}
				n += len(v["seen"].(map[string]any))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	l.from("DE", 20*24*time.Hour)
	l.from("FR", 5*24*time.Hour)
	w.activates(30 * time.Minute)
	for n, step := range []time.Duration{11 * time.Minute, 40 * time.Minute} {
		w.advance(step)
		w.comes("a look", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) == n+1 })
	}
	w.comes("the figure", func() bool { return placed("usual") == 1 })
	if known() != 2 {
		t.Fatalf("%d countries", known())
	}
	w.advance(15 * 24 * time.Hour)
	if err := w.bot.Sweep(t.Context()); err != nil || known() != 1 {
		t.Errorf("%v; after a month and a half %d countries", err, known())
	}
	if _, err := w.bot.Erase(t.Context(), bot.Whose{Person: "OID-ALICE"}, nil); err != nil || known() != 0 {
		t.Errorf("%v; erased, and %d countries", err, known())
	}
}

// What cannot be seen is said where alerts are listed, until it can be.
func TestAlertsSayWhatTheyCannotSee(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertPlace, bot.AlertGlass)
	in := w.in("carol", bot.Command{Text: "alerts"})
	in.At = bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}
	for _, step := range []struct {
		err  error
		want string
	}{
		{&pim.Error{Op: "sign-ins", Code: pim.CodeForbidden, Status: 403}, "cannot see sign-ins, because AuditLog.Read.All is missing"},
		{&pim.Error{Op: "sign-ins", Code: pim.CodeLicense, Status: 403}, "has no licence for the sign-in log"},
		{&pim.Error{Op: "sign-ins", Code: pim.CodeUnavailable, Status: 503}, "cannot see what happens to break-glass accounts just now"},
		{nil, "nothing is muted.\n\n"},
	} {
		l.set(func(l *logs) { l.err = step.err })
		w.advance(61 * time.Minute)
		w.comes(step.want, func() bool { return strings.Contains(w.does(in)+"\n\n", step.want) })
	}
	w.stop()
	before := w.change
	w.change = func(o *bot.Options) {
		before(o)
		rules := *o.Alerts
		rules.BreakGlass, o.Alerts = nil, &rules
	}
	w.start()
	if got := w.does(in); !strings.Contains(got, "security.break_glass names none") {
		t.Errorf("without break-glass accounts the list says %q", got)
	}
}

func TestABreakGlassAccountThatIsUsedIsToldOnceAnHour(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertGlass)
	at := w.now().UTC().Truncate(time.Hour).Add(2 * time.Hour)
	w.advance(at.Add(20 * time.Minute).Sub(w.now()))
	l.set(func(l *logs) {
		for n, app := range []string{"Azure Portal", "Graph explorer"} {
			l.signIns = append(l.signIns, pim.SignIn{ID: app, At: at.Add(time.Duration(n) * time.Minute), Person: "oid-glass", App: app, Country: "DE", IP: "203.0.113.9"})
		}
		l.signIns = append(l.signIns, pim.SignIn{ID: "failed", At: at.Add(-2 * time.Hour), Person: "oid-glass", Failed: true})
	})
	const title = "The break-glass account Break Glass 1 was used"
	w.seesLater(time.Minute, w.slack, "C-ops", title, "Signed in to Azure Portal", "Signed in to Graph explorer", "DE (203.0.113.9)")
	if got := words(w.sees(w.slack, "C-ops", title).Card); strings.Contains(got, "[Ask the person]") {
		t.Errorf("nobody can be asked, and the alert says %q", got)
	}
	w.restart() // and the log is read from before
	later := w.now().UTC().Add(time.Hour)
	l.set(func(l *logs) {
		l.signIns = append(l.signIns, pim.SignIn{ID: "again", At: later, Person: "oid-glass", App: "Azure Portal"})
	})
	w.advance(70 * time.Minute)
	w.comes("the second", func() bool { return w.alertsIn("was used") > 1 })
	if n := w.alertsIn("was used"); n != 2 {
		t.Errorf("%d alerts of two hours", n)
	}
}

func TestABreakGlassAccountThatIsChangedIsToldAndTheDoerAsked(t *testing.T) {
	w, l, _ := accounts(t, bot.AlertGlass)
	l.set(func(l *logs) {
		l.changes = []pim.AccountChange{{ID: "line-1", At: w.now(), Account: "oid-glass", What: "Reset user password", By: people["carol"]},
			{ID: "line-2", At: w.now(), Account: "oid-glass", What: "Update user", App: "Directory sync", Changed: []string{"AccountEnabled"}}}
	})
	w.seesLater(time.Minute, w.slack, "C-ops", "A break-glass account was changed: Reset user password", "By: Carol Clark", "Account: Break Glass 1")
	w.sees(w.slack, "C-ops", "A break-glass account was changed: Update user", "By: Directory sync", "Changed: AccountEnabled")
	m := w.sees(w.slack, "C-ops", "Reset user password", "[Ask the person]")
	if got := words(*w.inChannel("carol", m, "Acknowledge").Card); !strings.Contains(got, "about you") {
		t.Errorf("Carol, who did it, is told %q", got)
	}
	w.inChannel("bob", w.sees(w.teams, "19:ops", "Reset user password"), "Ask the person")
	w.sees(w.slack, "D-carol", "Was this you?", "Reset user password")
	w.restart()
	w.advance(6 * time.Minute)
	w.rests()
	if n := w.alertsIn("was changed"); n != 2 {
		t.Errorf("%d alerts of two changes", n)
	}
}

// A log that does not answer is asked again, and in the end it is counted that nothing was seen.
func TestALookAtSignInsThatFailsIsMadeAgain(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace)
	l.from("DE", 5*24*time.Hour)
	l.from("FR", time.Minute)
	asked := func(n int) func() bool {
		return func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) == n }
	}
	l.set(func(l *logs) { l.err = &pim.Error{Op: "sign-ins", Code: pim.CodeUnavailable, Status: 503} })
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.comes("the first look", asked(1))
	l.set(func(l *logs) { l.err = nil })
	w.advance(3 * time.Minute)
	w.sees(w.slack, "C-ops", strange)
	w.advance(40 * time.Minute)
	w.comes("the last look", func() bool { return placed("unusual") == 1 })

	l.set(func(l *logs) { l.err = &pim.Error{Op: "sign-ins", Code: pim.CodeForbidden, Status: 403} })
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.comes("the first look of the next", asked(4))
	w.advance(4 * time.Hour)
	w.comes("the end of it", func() bool { return placed("cannot-see") == 1 })
	w.advance(time.Hour)
	w.comes("another probe", func() bool { return strings.Contains(w.logs.String(), "cannot see") })
	if !asked(5)() {
		t.Error("the log is asked on and on")
	}
}

// A log that is throttled at every try is said, and is not all clear because nothing in it can
// be read.
func TestALogThatIsThrottledAllTheTimeIsSaid(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace)
	w.stop()
	l.set(func(l *logs) { l.refused = map[string]error{"oid-alice": throttled(0)} })
	w.start()
	l.from("DE", 5*24*time.Hour)
	l.from("FR", time.Minute)
	const blind = "cannot see sign-ins, because Microsoft Graph allows no more readings"
	asked := func(n int) func() bool {
		return func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.asked) >= n }
	}
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.comes("the first look", asked(1))
	w.advance(3 * time.Minute)
	w.comes("the second", asked(2))
	if got := w.lists(); strings.Contains(got, "cannot see") {
		t.Errorf("a throttle that may pass is said: %q", got)
	}
	w.advance(32 * time.Minute)
	w.comes("that it does not pass", func() bool { return strings.Contains(w.lists(), blind) })
	w.comes("a word in the log of Belay", func() bool { return strings.Contains(w.logs.String(), "cannot see") })
	w.advance(4 * time.Hour) // and a probe, which can be made
	w.comes("the end of it", func() bool { return placed("cannot-see") == 1 })
	w.advance(2 * time.Hour)
	w.rests()
	if got := w.lists(); !strings.Contains(got, blind) {
		t.Errorf("what was never seen is all clear: %q", got)
	}
	l.set(func(l *logs) { l.refused = nil })
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.comes("all clear", func() bool { return !strings.Contains(w.lists(), "cannot see") })
}

// Of several replicas one looks, and one alert is made.
func TestReplicasLookAtSignInsOnce(t *testing.T) {
	w, l, placed := accounts(t, bot.AlertPlace, bot.AlertGlass)
	var options bot.Options
	before := w.change
	w.change = func(o *bot.Options) {
		before(o)
		o.Owner = "this"
		options = *o
	}
	w.restart()
	options.Owner = "other"
	other, err := bot.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- other.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	l.from("DE", 5*24*time.Hour)
	l.from("FR", time.Minute)
	l.set(func(l *logs) {
		l.changes = []pim.AccountChange{{ID: "line-1", At: w.now(), Account: "oid-glass", What: "Reset user password", By: people["carol"]}}
	})
	w.activates(30 * time.Minute)
	w.advance(11 * time.Minute)
	w.sees(w.slack, "C-ops", strange)
	w.sees(w.slack, "C-ops", "Reset user password")
	w.advance(40 * time.Minute)
	w.comes("the last look", func() bool { return placed("unusual") == 1 })
	if n, m := w.alertsIn("unusual place"), w.alertsIn("was changed"); n != 1 || m != 1 {
		t.Errorf("%d alerts of the place, %d of the change", n, m)
	}
}
