package bot_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
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
