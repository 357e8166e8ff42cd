package bot_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/trail"
)

// BenchmarkAcknowledge is what the handler takes for a press on Approve: its decision is on
// the disk, in bbolt's file and sealed, when it ends. Nothing is settled meanwhile.
//
//	go test ./bot -run xxx -bench Acknowledge
func BenchmarkAcknowledge(b *testing.B) {
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
	core, err := bot.New(bot.Options{Trail: evidence, Store: sealed, Pseudonym: keys.Pseudonym, Pillars: map[pim.Kind]bot.Pillar{pim.EntraRole: ms},
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
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		id := fmt.Sprintf("request-%09d", n)
		for _, e := range []bot.Event{
			bot.Asked{ID: id, Requester: bot.Person{Principal: people["alice"]}, Role: users, Intent: "i1", SignedIn: true, Ask: bot.Ask{Duration: time.Hour, Justification: "a press"},
				Policy: pim.Policy{MaxDuration: 4 * time.Hour, Approval: true, Approvers: []pim.Principal{people["bob"], people["carol"]}}},
			bot.Accept{Intent: "i1"}, bot.Observed{Request: &pim.Request{ID: "ms-" + id, Approval: "ms-" + id, Status: "PendingApproval"}, ObserveAt: time.Now().Add(time.Hour)},
			bot.Routed{Reach: []bot.Reach{{Principal: people["bob"].ID, At: []bot.Conversation{at}}}},
		} {
			if err := core.Apply(b.Context(), id, e); err != nil {
				b.Fatal(err)
			}
		}
		in := bot.Inbound{User: bob, Principal: bob.ID, At: at, Said: bot.Press{Verb: bot.VerbApprove, ID: id}, Delivery: id}
		b.StartTimer()
		core.Handle(b.Context(), in)
	}
	b.StopTimer()
	r, err := core.Request(b.Context(), "request-000000000")
	if err != nil || len(r.Intents) != 2 {
		b.Fatalf("a press left %d intents, %v", len(r.Intents), err)
	}
}
