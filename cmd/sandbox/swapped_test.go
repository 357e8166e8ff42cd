package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	audit "github.com/belaybot/belay/store/trail"
)

// Who can write to the database puts Carol's sign-in in the place of Alice's, and Alice's in
// the place of Carol's. Neither acts for the other: both are dropped, which the log and the audit
// trail say, and Alice, who signs in again, goes on.
func TestSwappedSignIns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runWorld(t, dir, manners{})
	alice, carol := w.who("alice"), w.who("carol")
	alice.linksSlack()
	carol.types("link")
	carol.signsIn(carol.slackURL())
	carol.reads("You are linked")
	w.end()
	at := filepath.Join(dir, "belay")
	stored := func(fn func(raw store.Store, keys *store.Keyset) error) {
		t.Helper()
		keys, err := store.LoadKeyFile(filepath.Join(at, "belay.keys"))
		w.must(err)
		raw, err := bolt.Open(filepath.Join(at, "belay.db"), bolt.Options{})
		w.must(err)
		w.must(fn(raw, keys))
		w.must(raw.Close())
	}
	stored(func(raw store.Store, keys *store.Keyset) error {
		a, c := []byte(keys.Pseudonym("grant", alice.OID)), []byte(keys.Pseudonym("grant", carol.OID))
		return raw.Update(t.Context(), func(tx store.Tx) error {
			ofAlice, err := tx.Get("grants", a)
			if err != nil {
				return err
			}
			ofAlice = slices.Clone(ofAlice)
			ofCarol, err := tx.Get("grants", c)
			if err != nil {
				return err
			}
			return errors.Join(tx.Put("grants", a, slices.Clone(ofCarol)), tx.Put("grants", c, ofAlice))
		})
	})

	used := w.used // the links of before still stand in the chat
	w = runWorld(t, dir, manners{})
	w.used = used
	w.logs.allow("SOMEBODY CHANGED THE DATABASE")
	alice, carol = w.who("alice"), w.who("carol")
	alice.types("user admin 1h figures")
	alice.signsIn(alice.slackURL())
	alice.asks("user admin 1h figures")
	alice.reads(userAdmin + " waits for approval")
	carol.presses("approve", "Alice Adams asks for "+userAdmin)
	carol.slackURL() // she is asked to sign in, and nothing is decided
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	w.end()
	if n := strings.Count(w.logs.String(), "SOMEBODY CHANGED THE DATABASE"); n != 2 {
		t.Errorf("the log says %d times that a sign-in was changed", n)
	}
	dropped := map[string]bool{}
	stored(func(raw store.Store, keys *store.Keyset) error {
		tr, err := audit.New(audit.Options{Store: audit.Recording(store.Seal(raw, keys)), Signer: keys.Signer("audit checkpoints")})
		w.must(err)
		return tr.Read(t.Context(), 0, func(r audit.Record) error {
			if r.Kind == audit.Ended && r.Reason == "damaged" {
				dropped[r.Subject] = true
			}
			return nil
		})
	})
	if len(dropped) != 2 || !dropped[alice.OID] || !dropped[carol.OID] {
		t.Errorf("the audit trail says of %v that a sign-in was dropped", dropped)
	}
}
