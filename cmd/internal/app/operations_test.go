package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// Every command that changes or exports something leaves its name and the operator's
// account in the audit trail; what only looks leaves nothing. A new operation belongs into this table.
func TestOperationsAreOnRecord(t *testing.T) {
	const person = "11111111-1111-4111-8111-111111111111"
	cfg, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	cfg.SIEM.File.Path = "-"
	a, err := openStore(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	err = a.sealed.Update(t.Context(), func(tx store.Tx) error {
		if err := store.NewBucket[bot.Mute]("alert-mutes").Put(tx, "a", bot.Mute{ID: "a", Until: time.Now().Add(time.Hour)}); err != nil {
			return err
		}
		return a.trail.Append(tx, trail.Event{At: time.Now(), Kind: trail.Asked, Outcome: trail.OK, Subject: person, Texts: trail.Texts{"justification": "because"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, a, "file")
	backups, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	seenFirst := posture.Snapshot{Taken: time.Now(), Settings: []pim.Settings{{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: person, Scope: "/"}}}}
	if err := a.bot.TakeDrift(t.Context(), drift.Take(seenFirst, drift.Look{Pillars: []pim.Kind{pim.EntraRole}}), nil); err != nil {
		t.Fatal(err)
	}
	leaves := []struct{ path, in, verb string }{ // in this order
		{"/links/list", "{}", ""},
		{"/links/revoke", `{"all":true}`, "links revoke-all"},
		{"/keys/list", "{}", ""},
		{"/keys/rotate", "{}", "keys rotate"},
		{"/keys/prune", "{}", "keys prune"},
		{"/keys/prune", "{}", ""}, // there is nothing left
		{"/keys/note", `{"command":"keys wrap"}`, "keys wrap"},
		{"/keys/prove", `{"challenge":"abcdefghijklmnopqrstuvwxyz"}`, ""},
		{"/store/verify", "{}", ""},
		{"/posture/days", "{}", ""},
		{"/drift/show", "{}", ""},
		{"/drift/export", "{}", "drift export"},
		{"/drift/history", "{}", ""},
		{"/store/restored", "{}", "store restored"},
		{"/store/backup", `{"recipients":["` + backups.Recipient().String() + `"]}`, "store backup"},
		{"/alerts/mutes", "{}", ""},
		{"/alerts/unmute", `{"id":"a"}`, "alerts unmute"},
		{"/siem/list", "{}", ""},
		{"/siem/retry", `{"target":"file"}`, "siem retry"},
		{"/siem/discard", `{"target":"file"}`, "siem discard"},
		{"/siem/discard", `{"target":"file"}`, ""}, // there is nothing left
		{"/audit/key", "{}", ""},
		{"/audit/verify", "{}", ""},
		{"/audit/export", `{"texts":true}`, "audit export"},
		{"/audit/erase", `{"person":"` + person + `"}`, "audit erase"},
		{"/audit/erase", `{"person":"` + person + `"}`, ""}, // there is nothing left
	}
	seen := map[string]bool{"/audit/reconcile": true} // it asks Entra, and looks only: see cmd/sandbox
	left := 0
	for _, l := range leaves {
		seen[l.path] = true
		do, ok := operations[l.path]
		if !ok {
			t.Errorf("there is no operation %s", l.path)
			continue
		}
		if err := do(t.Context(), a, operator{"root@host"}, json.RawMessage(l.in), func(any) error { return nil }); err != nil {
			t.Errorf("%s: %v", l.path, err)
		}
		var commands []trail.Event
		err := a.trail.Read(t.Context(), 0, func(r trail.Record) error {
			if r.Kind == trail.Operator {
				commands = append(commands, r.Event)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(commands) > left {
			last := commands[len(commands)-1]
			if got = last.Verb; last.Actor != (trail.Actor{Platform: "operator", User: "root@host"}) {
				t.Errorf("%s: the trail says that %+v did it", l.path, last.Actor)
			}
		}
		if got != l.verb || len(commands) > left+1 {
			t.Errorf("%s leaves %d events, the last one %q; want %q", l.path, len(commands)-left, got, l.verb)
		}
		left = len(commands)
	}
	for _, path := range slices.Sorted(maps.Keys(operations)) {
		if !seen[path] {
			t.Errorf("what does %s leave in the audit trail?", path)
		}
	}
}

// refuser is a target that takes nothing.
type refuser struct{}

func (refuser) Send(context.Context, []trail.Record) (int, error) {
	return 0, &feed.RefusedError{Of: 1, Why: "HTTP 400"}
}

// refuse parks everything that the trail has for a target.
func refuse(t *testing.T, a *App, name string) {
	t.Helper()
	f, err := feed.New(feed.Options{Name: name, Target: refuser{}, Store: a.sealed, Trail: a.trail, Owner: a.owner})
	if err == nil {
		err = a.trail.Settle(t.Context())
	}
	for again := true; again && err == nil; {
		again, err = f.Step(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}
