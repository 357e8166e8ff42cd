package bot_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// deaf is a Microsoft that takes activations and does not answer until it is let go.
type deaf struct {
	bot.Pillar
	called chan string
	letGo  chan struct{}
}

func (s *deaf) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	s.called <- a.ID
	select {
	case <-s.letGo:
	case <-ctx.Done():
	}
	return pim.Request{}, &pim.Error{Op: "activate", Code: pim.CodeForbidden}
}

// While Microsoft does not answer, what waits for it waits in the store, and takes no more
// of the process the more it is; afterwards all of it is settled.
func TestACrowdWaitsInTheStore(t *testing.T) {
	w := newWorld(t)
	w.stop()
	const crowd = 3 * bot.MostRunning
	s := &deaf{Pillar: w.ms, called: make(chan string, crowd), letGo: make(chan struct{})}
	w.pillar = s
	w.start()
	alice := bot.Person{Principal: people["alice"], Direct: bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-alice", Private: true}}
	id := func(n int) string { return fmt.Sprintf("request-%04d", n) }
	for n := range crowd {
		err := w.bot.Apply(t.Context(), id(n), bot.Asked{ID: id(n), Requester: alice, Role: reports, Intent: fmt.Sprintf("intent-%04d", n), SignedIn: true,
			Ask: bot.Ask{Duration: time.Hour, Justification: "a crowd"}, Policy: pim.Policy{MaxDuration: 8 * time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		if running := w.bot.Running(); running > bot.MostRunning {
			t.Fatalf("%d of %d requests are in the process's memory, want %d at the most", running, n+1, bot.MostRunning)
		}
	}
	<-s.called // it has begun, and none is over
	close(s.letGo)
	for range crowd - 1 {
		select {
		case <-s.called:
		case <-time.After(time.Minute):
			t.Fatal("some of the crowd was never sent to Microsoft")
		}
	}
	w.bot.Idle()
	for n := range crowd {
		if r, err := w.bot.Request(t.Context(), id(n)); err != nil || r.State != bot.Failed {
			t.Fatalf("request %d is %q, %v; want it failed, as Microsoft said", n, r.State, err)
		}
	}
}
