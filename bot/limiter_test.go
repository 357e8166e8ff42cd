package bot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/belaybot/belay/bot"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := bot.NewLimiter(30, 15).At(func() time.Time { return now }, 4)
	take := func(key string) (n int) {
		for {
			if wait, ok := l.Take(key, 1); !ok {
				if wait <= 0 || wait > 2*time.Second {
					t.Errorf("after %d: wait %s, want at most two seconds", n, wait)
				}
				return n
			}
			n++
		}
	}
	if n := take("alice"); n != 15 {
		t.Errorf("%d at once, want 15", n)
	}
	if n := take("bob"); n != 15 {
		t.Errorf("what Alice did costs Bob: %d", n)
	}
	now = now.Add(10 * time.Second)
	if n := take("alice"); n != 5 {
		t.Errorf("%d after ten seconds, want 5: refusals must cost nothing", n)
	}
	now = now.Add(time.Hour)
	if n := take("alice"); n != 15 {
		t.Errorf("%d after an hour, want 15", n)
	}
	now = now.Add(-20 * time.Minute) // a clock that is set back gives nobody more, and locks nobody out for long
	if n := take("alice"); n != 0 {
		t.Errorf("%d after the clock was set back", n)
	}
	for n := range 1000 {
		l.Take(fmt.Sprint("stranger ", n), 1)
	}
	if n := l.Keys(); n != 4 {
		t.Errorf("%d keys are kept, want 4", n)
	}
	if _, ok := l.Take("carol", 16); ok {
		t.Error("more than the burst at once")
	}
}

// A script that presses is told to wait; what it pressed is not recorded, and the
// same press counts when it is made again in time. Nobody else is held up.
func TestTooManyActs(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT30M", "a good reason")
	w.sees(w.teams, "chat-bob", "[Approve]")
	reg := prometheus.NewRegistry()
	w.change = func(o *bot.Options) {
		o.Limits, o.Metrics = bot.Limits{PerMinute: 1, Burst: 2, TenantPerMinute: 1000}, bot.NewMetrics(reg)
	}
	w.restart()
	for range 2 {
		w.says("bob", bot.Command{Text: "help"})
	}
	before, err := w.bot.Request(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []bot.Said{bot.Press{Verb: bot.VerbApprove, ID: id}, bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}},
		bot.Command{Text: "help"}, bot.Change{Verb: bot.VerbAsk}, bot.Opened{}} {
		got := w.says("bob", said).Card
		if got == nil || !strings.Contains(got.Text, "Too fast: nothing was done. Try again in") {
			t.Errorf("%T is answered with %+v", said, got)
		}
	}
	if got := w.says("bob", bot.Search{Verb: bot.VerbAsk, Field: "role", Text: "u"}).Options; len(got) != 1 || !strings.Contains(got[0].Label, "Too fast") || len(got[0].Label) > 75 {
		t.Errorf("a search is answered with %+v", got)
	}
	after, err := w.bot.Request(t.Context(), id)
	if err != nil || len(after.Intents) != len(before.Intents) || after.State != before.State {
		t.Errorf("the request is %+v (%v)", after, err)
	}
	if got := w.says("alice", bot.Command{Text: "help"}).Card; got == nil || strings.Contains(got.Text, "Too fast") {
		t.Errorf("Alice pays for Bob: %+v", got)
	}
	if n := counted(t, reg, "belay_limited_total"); n != 6 {
		t.Errorf("%v refusals are counted, want 6", n)
	}
	w.change = nil
	w.restart() // as a minute later
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
}

// Everybody together is bounded too, and Installed is no act of anybody's.
func TestTenantLimit(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.change = func(o *bot.Options) { o.Limits = bot.Limits{PerMinute: 6000, Burst: 6000, TenantPerMinute: 4} }
	w.start()
	refused := 0
	for n := range 12 {
		in := w.in("alice", bot.Command{Text: "help"})
		in.User.ID = fmt.Sprint("U-", n)
		if reply, _ := w.bot.Handle(t.Context(), in); strings.Contains(reply.Card.Text, "Too fast") {
			refused++
		}
	}
	if refused < 6 { // four at once; a slow machine may let a few more through
		t.Errorf("%d of 12 were refused", refused)
	}
	if got := w.says("bob", bot.Command{Text: "help"}).Card; strings.Contains(got.Text, "Too fast") {
		t.Errorf("another tenant pays for it: %+v", got)
	}
	if got := w.says("bob", bot.Installed{}).Card; got == nil || got.Title != "Belay is here" {
		t.Errorf("an installation is answered with %+v", got)
	}
}

func TestTooOftenIsTyped(t *testing.T) {
	err := bot.TooOften(1200 * time.Millisecond)
	var often *bot.TooOftenError
	if !errors.As(err, &often) || often.Wait != 2*time.Second {
		t.Errorf("%v, want two whole seconds", err)
	}
	if s, ok := bot.ErrorMessage(err); !ok || !strings.Contains(s, "2 seconds") {
		t.Errorf("%q", s)
	}
}

// counted is the sum of a counter over its labels.
func counted(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	if n, err := testutil.GatherAndCount(reg, name); err != nil || n == 0 {
		t.Fatalf("%d series of %s (%v)", n, name, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
