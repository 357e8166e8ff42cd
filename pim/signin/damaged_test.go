package signin_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
)

// swap exchanges the sealed grants of Alice and Bob on the disk.
func (w *world) swap() {
	w.t.Helper()
	err := w.raw.Update(context.Background(), func(tx store.Tx) error {
		a, b := []byte(w.keys.Pseudonym("grant", aliceID)), []byte(w.keys.Pseudonym("grant", bobID))
		of := func(key []byte) []byte {
			value, err := tx.Get("grants", key)
			if err != nil {
				w.t.Fatal(err)
			}
			return slices.Clone(value)
		}
		alices, bobs := of(a), of(b)
		if err := tx.Put("grants", a, bobs); err != nil {
			return err
		}
		return tx.Put("grants", b, alices)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A grant that was swapped with somebody else's acts for nobody: it is dropped, in the
// audit trail and in the log, and its person signs in again.
func TestSwappedGrantsAreDropped(t *testing.T) {
	w := newWorld(t)
	var ended []string
	client := w.restart(func(o *signin.Options) {
		o.Ended = func(_ store.Tx, person, why string) error {
			ended = append(ended, person+" "+why)
			return nil
		}
	})
	w.signIn(client, aliceID, authorization())
	w.signIn(client, bobID, authorization())
	fresh := w.restart(func(o *signin.Options) {
		o.Ended = func(_ store.Tx, person, why string) error {
			ended = append(ended, person+" "+why)
			return nil
		}
	})
	w.swap()
	before := w.wire.count()
	for _, who := range []string{aliceID, bobID} {
		_, err := fresh.Person(context.Background(), who)
		if pim.CodeOf(err) != pim.CodeSignIn {
			t.Errorf("%s: %v", who, err)
		}
		if live, err := fresh.Live(context.Background(), who); live || err != nil {
			t.Errorf("%s: %v %v", who, live, err)
		}
	}
	if w.wire.count() != before {
		t.Error("a swapped sign-in reached the token endpoint")
	}
	slices.Sort(ended)
	if got := strings.Join(slices.Compact(ended), ", "); got != aliceID+" damaged, "+bobID+" damaged" {
		t.Errorf("the audit trail heard %s", got)
	}
	if n := strings.Count(w.logs.String(), "SOMEBODY CHANGED THE DATABASE"); n != 2 {
		t.Errorf("the log says so %d times", n)
	}
	w.signIn(fresh, aliceID, authorization())
	if _, err := fresh.Person(context.Background(), aliceID); err != nil {
		t.Errorf("after signing in again: %v", err)
	}
}

// Signing in, unlinking and ending everybody's sign-in go on over damaged grants.
func TestDamagedGrantStopsNothing(t *testing.T) {
	for name, do := range map[string]func(*world, *signin.Client){
		"sign in": func(w *world, c *signin.Client) { w.signIn(c, aliceID, authorization()) },
		"forget":  func(w *world, c *signin.Client) { w.must(c.Forget(context.Background(), aliceID)) },
		"forget all": func(w *world, c *signin.Client) {
			n, err := c.ForgetAll(context.Background(), "revoked for everybody")
			if n != 2 {
				w.t.Errorf("%d were dropped", n)
			}
			w.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signIn(w.client, aliceID, authorization())
			w.signIn(w.client, bobID, authorization())
			w.swap()
			do(w, w.client)
			if _, err := w.restart(nil).Live(context.Background(), aliceID); err != nil {
				t.Error(err)
			}
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}
