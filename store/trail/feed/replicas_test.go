//go:build unix

package feed_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/postgres/postgrestest"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// shared is a receiver that several processes send to.
type shared struct {
	mu  sync.Mutex
	ids []string
}

func (s *shared) Send(_ context.Context, events []trail.Record) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(7, len(events))
	for _, e := range events[:n] {
		s.ids = append(s.ids, e.ID)
	}
	return n, nil
}

func (s *shared) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// Two replicas on one PostgreSQL append, chain and deliver at once; one is killed while it delivers, and
// the other goes on. Everything comes, in the order of the chain; by its id once.
func TestReplicasOnPostgreSQL(t *testing.T) {
	srv := postgrestest.Start(t)
	var late atomic.Int64 // what the clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	target := &shared{}
	type replica struct {
		store store.Store
		trail *trail.Trail
		feed  *feed.Feed
	}
	var both [2]replica
	for n := range both {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.Admin()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		r := replica{store: trail.Recording(s)}
		name := fmt.Sprint("replica ", n)
		if r.trail, err = trail.New(trail.Options{Store: r.store, Signer: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), Owner: name, Now: now}); err != nil {
			t.Fatal(err)
		}
		if r.feed, err = feed.New(feed.Options{Name: "siem", Target: target, Store: r.store, Trail: r.trail, Owner: name, Now: now}); err != nil {
			t.Fatal(err)
		}
		both[n] = r
	}
	const each = 60
	killed := make(chan struct{})
	var kill sync.Once
	var acting, delivering sync.WaitGroup
	over, stop := context.WithCancel(t.Context())
	defer stop()
	for n, r := range both {
		acting.Go(func() {
			for i := range each {
				err := r.store.Update(t.Context(), func(tx store.Tx) error {
					return r.trail.Append(tx, trail.Event{At: now(), Kind: trail.Asked, Outcome: trail.OK, Request: fmt.Sprint(n, "-", i)})
				})
				if err == nil {
					err = r.trail.Settle(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		delivering.Go(func() {
			for over.Err() == nil {
				if n == 0 && len(target.got()) > each/2 { // it is killed: its lease stays
					kill.Do(func() { close(killed) })
					return
				}
				if _, err := r.feed.Step(over); err != nil && over.Err() == nil {
					t.Error(err)
					return
				}
				if n == 1 && len(target.got()) > each/2 { // it may have had the lease all the time
					kill.Do(func() { close(killed) })
				}
			}
		})
	}
	acting.Wait()
	<-killed
	late.Store(int64(2 * feed.LeaseTime))
	var want []string
	for _, r := range both { // replicas may have lost the step to each other
		if err := r.trail.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	err := both[1].trail.Read(t.Context(), 0, func(r trail.Record) error { want = append(want, r.ID); return nil })
	if err != nil || len(want) != 2*each {
		t.Fatal(len(want), err)
	}
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		st, err := feed.Stand(t.Context(), both[1].store, both[1].trail, "siem", false)
		if err != nil {
			t.Fatal(err)
		}
		if st.Waiting == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("%+v", st)
		case <-tick.C:
		}
	}
	stop()
	delivering.Wait()
	seen := map[string]bool{}
	var once []string
	for _, id := range target.got() {
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	if !slices.Equal(once, want) {
		t.Errorf("%d events came, want %d; or their order is another", len(once), len(want))
	}
	t.Logf("%d came twice", len(target.got())-len(once))
}
