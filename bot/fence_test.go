package bot_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/storetest"
)

// pausing is a pillar on whose activation a process stops.
type pausing struct {
	bot.Pillar
	reached chan struct{}
	resume  chan struct{}
}

func (p *pausing) Activate(context.Context, string, pim.Activation) (pim.Request, error) {
	close(p.reached)
	<-p.resume
	return pim.Request{}, &pim.Error{Op: "activate", Code: pim.CodeInvalid, Status: 400}
}

// A process that stopped in the middle of a step, and wakes after its lease has run out and
// another process has done the work, writes nothing any more. The lease runs out by the
// other's clock: it could as well be a minute ahead.
func TestAProcessThatWakesAfterItsLeaseWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.stop()
	p := &pausing{Pillar: w.ms, reached: make(chan struct{}), resume: make(chan struct{})}
	w.pillar = p
	w.start()
	firstStop := w.stop
	id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
	<-p.reached
	w.pillar = nil
	w.start() // the second, over the same disk
	secondStop := w.stop
	w.stop = func() { firstStop(); secondStop() }
	w.advance(2 * time.Minute)
	before := w.until(id, func(r bot.Request) bool { return r.State == bot.Active && r.Lease.Owner == "" })
	close(p.resume)
	w.logs.wait(t, "another process has taken over")
	firstStop() // what it would have written is written
	after := w.until(id, func(r bot.Request) bool { return r.Lease.Owner == "" })
	intents := func(r bot.Request) (all []bot.IntentState) {
		for _, i := range r.Intents {
			all = append(all, i.State)
		}
		return all
	}
	if d := cmp.Diff(intents(before), intents(after)); d != "" || after.State != bot.Active {
		t.Errorf("the request became %s: %s", after.State, d)
	}
	if n := len(slices.DeleteFunc(w.ms.Writes(), func(s string) bool { return s != "oid-alice activate" })); n != 1 {
		t.Errorf("%d activations", n)
	}
}

// losing is a pillar after whose first activation the store takes no updates.
type losing struct {
	bot.Pillar
	disk *storetest.FaultyStore
	once sync.Once
}

func (l *losing) Activate(ctx context.Context, who string, a pim.Activation) (pim.Request, error) {
	r, err := l.Pillar.Activate(ctx, who, a)
	l.once.Do(func() { l.disk.Every(1, storetest.Lose) })
	return r, err
}

// A process that could not give a lease back, because the store was away, takes its request
// up when the store is back: the person does not wait until the lease has run out. The
// clock stands still here.
func TestALeaseIsGivenBackWhenTheStoreIsBack(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.stop()
	disk := storetest.Faulty(w.disk)
	w.disk, w.pillar = disk, &losing{Pillar: w.ms, disk: disk}
	w.start()
	id := w.asks("alice", reports, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.logs.wait(t, "the lease could not be given back")
	disk.Every(0, storetest.None)
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active && r.Lease.Owner == "" })
	if n := len(slices.DeleteFunc(w.ms.Writes(), func(s string) bool { return s != "oid-alice activate" })); n != 1 {
		t.Errorf("%d activations", n)
	}
}
