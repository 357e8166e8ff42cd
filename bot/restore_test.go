package bot_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// album keeps a copy of a store after every update.
type album struct {
	store.Store
	mu     sync.Mutex
	copies []store.Store
}

func (a *album) Update(ctx context.Context, fn func(store.Tx) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.Store.Update(ctx, fn); err != nil {
		return err
	}
	c, err := copied(a.Store)
	a.copies = append(a.copies, c)
	return err
}

// copied is a store with the same records.
func copied(from store.Store) (store.Store, error) {
	to := storetest.Memory()
	return to, from.View(context.Background(), func(old store.Tx) error {
		names, err := old.(store.BucketLister).Buckets()
		if err != nil {
			return err
		}
		return to.Update(context.Background(), func(tx store.Tx) error {
			for _, name := range names {
				err := old.Scan(name, nil, nil, func(k, v []byte) error { return tx.Put(name, bytes.Clone(k), bytes.Clone(v)) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// restored is Belay on a copy of its store: it prepares it and goes on.
func (w *world) restored(from store.Store) {
	w.t.Helper()
	w.stop()
	disk, err := copied(from)
	if err != nil {
		w.t.Fatal(err)
	}
	w.disk = disk
	w.start()
	w.stop()      // the bot that prepares does not serve
	for range 2 { // twice does no harm
		if _, err := w.bot.Restore(w.t.Context(), w.now()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.start()
}

// settled waits until Belay owes nothing for any request.
func (w *world) settled(id string) bot.Request {
	w.t.Helper()
	return w.untilLater(time.Second, id, func(r bot.Request) bool {
		return !slices.ContainsFunc(r.Intents, func(i bot.Intent) bool { return i.State != bot.IntentDone })
	})
}

// Whatever the moment of the backup, a Belay that goes on from it repeats nothing that
// was done since, and comes to know what is true now. (fault 55)
func TestRestoredAtAnyMoment(t *testing.T) {
	w := newWorld(t)
	w.stop()
	a := &album{Store: w.disk}
	w.disk = a
	w.start()
	w.link("alice")
	id := w.ask("alice", "user admin", "PT2H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.advance(6 * time.Minute)
	w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
	w.until(id, func(r bot.Request) bool { return r.State == bot.Ended })
	w.stop()
	// Since then Alice activated the role anew, past Belay.
	w.advance(time.Minute)
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: users.Assignment, Duration: 4 * time.Hour, Justification: "another matter"}); err != nil {
		t.Fatal(err)
	}
	if err := w.ms.Decide("oid-carol", pim.Approved); err != nil {
		t.Fatal(err)
	}
	writes := w.ms.Writes()
	if len(a.copies) < 20 {
		t.Fatalf("%d moments only", len(a.copies))
	}
	owed := 0
	for n, moment := range a.copies {
		w.slack, w.teams = bottest.NewChat(bot.Slack), bottest.NewChat(bot.Teams)
		w.restored(moment)
		r, err := w.bot.Request(t.Context(), id)
		if err != nil {
			continue // before the request
		}
		if slices.ContainsFunc(r.Intents, func(i bot.Intent) bool { return i.Restored }) {
			owed++
		}
		r = w.settled(id)
		if got := w.ms.Writes(); !slices.Equal(got, writes) {
			t.Fatalf("moment %d of %d (%s): after %q Belay wrote %q\n%+v", n, len(a.copies), r.State, writes, got[len(writes):], r.Intents)
		}
	}
	if owed < 6 {
		t.Errorf("only %d of %d moments owed anything", owed, len(a.copies))
	}
	if all, err := w.ms.Active(t.Context(), "oid-alice", users.Assignment); err != nil || len(all) != 1 {
		t.Errorf("the newer activation: %+v, %v", all, err)
	}
}

// What Microsoft never heard of is sent after all: nothing acknowledged is lost.
func TestRestoredBeforeItWasSent(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	unavailable := &pim.Error{Op: "activate", Code: pim.CodeUnavailable}
	w.ms.Fail("activate", unavailable, unavailable, unavailable, unavailable, unavailable, unavailable, unavailable, unavailable)
	id := w.ask("alice", "reports", "PT1H", "figures")
	w.until(id, func(r bot.Request) bool { return len(r.Intents) > 0 && r.Intents[0].Tries > 0 })
	w.restored(w.disk)
	w.untilLater(time.Minute, id, func(r bot.Request) bool { return r.State == bot.Active })
	if got := w.ms.Writes(); !slices.Equal(got, []string{"oid-alice activate"}) {
		t.Errorf("Belay wrote %q", got)
	}
}

// A decision that was owed, and that another approver made since, is not made again.
func TestRestoredAndDecidedSince(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT2H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.ms.Fail("approval", &pim.Error{Op: "approval", Code: pim.CodeUnavailable}, &pim.Error{Op: "approval", Code: pim.CodeUnavailable})
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.until(id, func(r bot.Request) bool { return len(r.Intents) > 1 && r.Intents[1].Tries > 0 })
	w.stop()
	before := w.disk
	if err := w.ms.Decide("oid-carol", pim.Denied); err != nil {
		t.Fatal(err)
	}
	writes := w.ms.Writes()
	w.restored(before)
	r := w.settled(id)
	if got := w.ms.Writes(); !slices.Equal(got, writes) {
		t.Errorf("Belay wrote %q", got[len(writes):])
	}
	if r = w.untilLater(time.Second, id, func(r bot.Request) bool { return r.State.Final() }); r.State != bot.Denied {
		t.Errorf("the request is %s", r.State)
	}
}
