//go:build unix

package bot_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/trail"
)

// acknowledging is a bot on bbolt's file, sealed, which settles nothing, and Bob who presses.
func acknowledging(b *testing.B) (*bot.Bot, bot.Inbound) {
	b.Helper()
	keys, err := store.NewKeyset()
	if err != nil {
		b.Fatal(err)
	}
	file, err := bolt.Open(filepath.Join(b.TempDir(), "belay.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := file.Close(); err != nil {
			b.Error(err)
		}
	})
	sealed := trail.Recording(store.Seal(file, keys))
	evidence, err := trail.New(trail.Options{Store: sealed, Signer: keys.Signer("audit checkpoints")})
	if err != nil {
		b.Fatal(err)
	}
	ms := bottest.NewMicrosoft(time.Now)
	for _, p := range people {
		ms.AddPerson(p, true)
	}
	links := bot.NewLinks(bot.LinkOptions{Store: sealed, Pseudonym: keys.Pseudonym, Trail: evidence, PublicURL: "https://belay.example", Directory: ms})
	versioned, err := store.Migrate(b.Context(), sealed, bot.Migrations()...)
	if err != nil {
		b.Fatal(err)
	}
	core, err := bot.New(bot.Options{Trail: evidence, Store: versioned, Pseudonym: keys.Pseudonym, Pillars: map[pim.Kind]bot.Pillar{pim.EntraRole: ms},
		Directory: ms, Grants: ms, Links: links, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	bob := bot.User{Platform: bot.Teams, Tenant: tenant, ID: people["bob"].ID, Name: "Bob Brown"}
	at := bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-bob", Private: true}
	err = sealed.Update(b.Context(), func(tx store.Tx) error {
		return store.NewBucket[bot.Link]("links").Put(tx, keys.Pseudonym("chat user", string(bob.Platform), bob.Tenant, bob.ID), bot.Link{User: bob, Principal: people["bob"]})
	})
	if err != nil {
		b.Fatal(err)
	}
	return core, bot.Inbound{User: bob, Principal: bob.ID, At: at}
}

// waits makes a request that waits for Bob, as it stands once everybody was told of it.
func waits(ctx context.Context, core *bot.Bot, id string) error {
	direct := func(who string) bot.Conversation {
		return bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-" + who, Private: true}
	}
	shows := func(slot bot.Slot, who string) bot.Showed {
		return bot.Showed{Slot: slot, Shown: bot.Shown{Message: bot.Message{Conversation: direct(who), ID: "1790000000.000001"}, Digest: "000102030405060708090a0b"}}
	}
	for _, e := range []bot.Event{
		bot.Asked{ID: id, Requester: bot.Person{Principal: people["alice"], Direct: direct("alice")}, Role: users, Intent: "i1", SignedIn: true, Ask: bot.Ask{Duration: time.Hour, Justification: "a press"},
			Policy: pim.Policy{MaxDuration: 4 * time.Hour, Approval: true, Approvers: []pim.Principal{people["bob"], people["carol"]}}},
		bot.Accept{Intent: "i1"}, bot.Observed{Request: &pim.Request{ID: "ms-" + id, Approval: "ms-" + id, Status: "PendingApproval"}, ObserveAt: time.Now().Add(time.Hour)},
		bot.Routed{Reach: []bot.Reach{{Principal: people["bob"].ID, At: []bot.Conversation{direct("bob")}}, {Principal: people["carol"].ID, At: []bot.Conversation{direct("carol")}}}},
		shows("requester", "alice"), shows(bot.Slot("approver/"+people["bob"].ID+"/teams"), "bob"), shows(bot.Slot("approver/"+people["carol"].ID+"/teams"), "carol"),
	} {
		if err := core.Apply(ctx, id, e); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkAcknowledge is what the handler takes for a press on Approve: its decision is on
// the disk, in bbolt's file and sealed, when it ends. Nothing is settled meanwhile.
//
//	go test ./bot -run xxx -bench Acknowledge
func BenchmarkAcknowledge(b *testing.B) {
	core, in := acknowledging(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		id := fmt.Sprintf("request-%09d", n)
		if err := waits(b.Context(), core, id); err != nil {
			b.Fatal(err)
		}
		in.Said, in.Delivery = bot.Press{Verb: bot.VerbApprove, ID: id}, id
		b.StartTimer()
		core.Handle(b.Context(), in)
	}
	b.StopTimer()
	r, err := core.Request(b.Context(), "request-000000000")
	if err != nil || len(r.Intents) != 2 {
		b.Fatalf("a press left %d intents, %v", len(r.Intents), err)
	}
}

// BenchmarkRush is the same of 32 people who press at once, whose presses share commits.
func BenchmarkRush(b *testing.B) {
	core, in := acknowledging(b)
	together := func(do func(n int)) {
		var g errgroup.Group
		g.SetLimit(32)
		for n := range b.N {
			g.Go(func() error { do(n); return nil })
		}
		_ = g.Wait()
	}
	id := func(n int) string { return fmt.Sprintf("request-%09d", n) }
	together(func(n int) {
		if err := waits(b.Context(), core, id(n)); err != nil {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	together(func(n int) {
		in := in
		in.Said, in.Delivery = bot.Press{Verb: bot.VerbApprove, ID: id(n)}, id(n)
		core.Handle(b.Context(), in)
	})
	b.StopTimer()
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	for n := range b.N {
		if r, err := core.Request(b.Context(), id(n)); err != nil || len(r.Intents) != 2 {
			b.Fatalf("a press left %d intents, %v", len(r.Intents), err)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
