package bot_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// counting counts the records that are read.
type counting struct {
	store.Store
	read *atomic.Int64
}

func (c counting) View(ctx context.Context, fn func(store.Tx) error) error {
	return c.Store.View(ctx, func(tx store.Tx) error { return fn(countingTx{tx, c.read}) })
}

type countingTx struct {
	store.Tx
	read *atomic.Int64
}

func (c countingTx) Get(bucket string, key []byte) ([]byte, error) {
	c.read.Add(1)
	return c.Tx.Get(bucket, key)
}

func (c countingTx) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	return c.Tx.Scan(bucket, from, to, func(key, value []byte) error {
		c.read.Add(1)
		return fn(key, value)
	})
}

// figures is a world that serves nothing, with the figures of what is stored in it.
func figures(t *testing.T, read *atomic.Int64) (*world, *prometheus.Registry) {
	t.Helper()
	w, reg := newWorld(t), prometheus.NewRegistry()
	w.stop()
	w.change = func(o *bot.Options) { o.Store, o.Metrics = counting{o.Store, read}, bot.NewMetrics(reg) }
	w.start()
	w.stop()
	return w, reg
}

func holds(t *testing.T, reg *prometheus.Registry, want ...string) {
	t.Helper()
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range got {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			fmt.Fprintf(&text, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), m.GetGauge().GetValue())
		}
	}
	for _, line := range want {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no %q in\n%s", line, text.String())
		}
	}
}

// What is owed is counted, and what cannot be made yet does not make it old.
func TestWhatIsOwedIsCounted(t *testing.T) {
	w, reg := figures(t, &atomic.Int64{})
	now := w.now()
	intent := func(id string, kind bot.IntentKind, state bot.IntentState, made, notBefore time.Time, tries int) bot.Intent {
		return bot.Intent{ID: id, Kind: kind, State: state, Made: made, NotBefore: notBefore, Tries: tries}
	}
	put := func(id string, r bot.Request) {
		t.Helper()
		r.ID, r.Wake = id, now.Add(time.Hour)
		if err := store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error { return w.bot.PutRequest(tx, r) }); err != nil {
			t.Fatal(err)
		}
	}
	for n, r := range []bot.Request{
		{State: bot.Submitting, Intents: []bot.Intent{intent("a", bot.ToActivate, bot.IntentReady, now.Add(-10*time.Minute), now.Add(time.Minute), 3)}},
		{State: bot.PendingApproval, Intents: []bot.Intent{intent("b", bot.ToActivate, bot.IntentDone, now.Add(-time.Hour), time.Time{}, 0),
			intent("c", bot.ToApprove, bot.IntentWaiting, now.Add(-30*time.Minute), time.Time{}, 0)}},
		{State: bot.Active, Intents: []bot.Intent{intent("d", bot.ToDeactivate, bot.IntentReady, now.Add(-20*time.Minute), now.Add(time.Minute), 0)}},
		{State: bot.SignInRequired, Follows: "x", Intents: []bot.Intent{intent("e", bot.ToActivate, bot.IntentReady, now.Add(-time.Hour), time.Time{}, 0)}},
	} {
		put(fmt.Sprintf("r%d", n), r)
	}
	w.bot.Survey(t.Context())
	holds(t, reg, "belay_open_requests{submitting} 1", "belay_open_requests{active} 1", "belay_open_requests{scheduled} 0",
		"belay_intents_owed{activate,ready} 2", "belay_intents_owed{approve,waiting for sign-in} 1", "belay_intents_owed{deactivate,ready} 1",
		"belay_intents_owed{deny,sent} 0")
	// The first is retried since ten minutes; the others wait for a person, for their time
	// and for another request.
	if got := gaugeOf(t, reg, "belay_oldest_intent_seconds"); got < 600 || got > 700 {
		t.Errorf("the oldest call is %v seconds old, want 600", got)
	}
	// What can be made is late since then: when the request before it was over, or when
	// Microsoft's id of what is to be canceled was known.
	free := bot.Request{State: bot.SignInRequired, Follows: "x", Freed: now.Add(-20 * time.Minute), Intents: []bot.Intent{intent("f", bot.ToActivate, bot.IntentReady, now.Add(-time.Hour), time.Time{}, 0)}}
	cancel := bot.Request{State: bot.Submitting, Intents: []bot.Intent{intent("g", bot.ToCancel, bot.IntentReady, now.Add(-30*time.Minute), time.Time{}, 0)}}
	held := cancel
	held.Held.ID = "microsoft's"
	for n, late := range []struct {
		r    bot.Request
		want float64
	}{{cancel, 600}, {free, 1200}, {held, 1800}} {
		put(fmt.Sprintf("late%d", n), late.r)
		w.bot.Survey(t.Context())
		if got := gaugeOf(t, reg, "belay_oldest_intent_seconds"); got < late.want || got > late.want+100 {
			t.Errorf("%d: the oldest call is %v seconds old, want %v", n, got, late.want)
		}
	}
}

func gaugeOf(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// Counting costs what is open, and not what is stored: a hundred thousand requests that
// are over are not read.
func TestCountingReadsWhatIsOpen(t *testing.T) {
	var read atomic.Int64
	w, reg := figures(t, &read)
	err := w.disk.Update(t.Context(), func(tx store.Tx) error {
		for n := range 100_000 {
			if err := tx.Put("requests", fmt.Appendf(nil, "%08d", n), []byte("over")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		r := bot.Request{ID: fmt.Sprintf("open-%d", n), State: bot.PendingApproval, Wake: w.now().Add(time.Hour), Requester: bot.Person{Principal: pim.Principal{ID: "oid-alice"}}}
		if err := store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error { return w.bot.PutRequest(tx, r) }); err != nil {
			t.Fatal(err)
		}
	}
	read.Store(0)
	w.bot.Survey(t.Context())
	if n := read.Load(); n < 20 || n > 40 {
		t.Errorf("%d records were read for 10 open requests", n)
	}
	holds(t, reg, "belay_open_requests{pending approval} 10")
	before := read.Load()
	if _, err := testutil.GatherAndLint(reg); err != nil {
		t.Fatal(err)
	}
	if n := read.Load() - before; n != 0 {
		t.Errorf("a scrape reads %d records", n)
	}
}
