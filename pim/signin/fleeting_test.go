package signin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
)

var ends = store.NewBucket[string]("test-ends")

// fleeting is a world in which no sign-in is kept, and the store hears of their ends.
func fleeting(t *testing.T) *world {
	w := newWorld(t)
	w.client = w.restart(keepNothing)
	return w
}

func keepNothing(o *signin.Options) {
	o.Fleeting = true
	o.Ended = func(tx store.Tx, person, why string) error { return ends.Put(tx, person, why) }
}

// stored counts the records of a bucket.
func (w *world) stored(bucket string) (n int) {
	w.t.Helper()
	err := w.raw.View(context.Background(), func(tx store.Tx) error {
		n = 0
		return tx.Scan(bucket, nil, nil, func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestFleetingSignInIsInMemoryOnly(t *testing.T) {
	w := fleeting(t)
	w.signIn(w.client, aliceID, authorization())
	first := w.person(w.client, aliceID)
	if claims(t, first).OID != aliceID || !w.live(aliceID) || w.stored("grants") != 0 {
		t.Errorf("live %t, %d sign-ins in the store", w.live(aliceID), w.stored("grants"))
	}
	w.wait(signin.ActTime - time.Second)
	if !w.live(aliceID) {
		t.Error("over before its time")
	}
	w.wait(time.Second)
	if _, err := w.client.Person(context.Background(), aliceID); w.live(aliceID) || pim.CodeOf(err) != pim.CodeSignIn {
		t.Errorf("live after ten minutes: %v", err)
	}
	w.signIn(w.client, aliceID, authorization())
	if other := w.restart(keepNothing); pim.CodeOf(second(other.Person(context.Background(), aliceID))) != pim.CodeSignIn {
		t.Error("another process has it")
	}
	if w.stored("grants") != 0 {
		t.Error("it is in the store")
	}
}

func second(_ string, err error) error { return err }

// A refresh, as for a second service, leaves nothing in the store either.
func TestFleetingSignInServesAzureToo(t *testing.T) {
	w := withAzure(t)
	w.client = w.restart(keepNothing)
	w.signIn(w.client, aliceID, authorization())
	if c := claims(t, w.azure(w.client, aliceID)); c.OID != aliceID {
		t.Errorf("Azure's token is for %+v", c)
	}
	if w.stored("grants") != 0 {
		t.Error("it is in the store")
	}
}

// What is dropped within a transaction is gone, whatever becomes of that, and its end is
// recorded with it, also when the transaction has to run again.
func TestFleetingSignInIsForgottenIn(t *testing.T) {
	w := fleeting(t)
	w.signIn(w.client, aliceID, authorization())
	w.signIn(w.client, bobID, authorization())
	no := errors.New("no")
	err := w.store.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(w.client.ForgetIn(tx, aliceID, "used"), no)
	})
	if !errors.Is(err, no) || w.live(aliceID) || !w.live(bobID) {
		t.Errorf("%v; live: Alice %t, Bob %t", err, w.live(aliceID), w.live(bobID))
	}
	if err := w.store.Update(context.Background(), func(tx store.Tx) error { return w.client.ForgetIn(tx, bobID, "used") }); err != nil {
		t.Fatal(err)
	}
	if w.live(bobID) || w.stored("test-ends") != 1 {
		t.Errorf("live %t, %d ends recorded", w.live(bobID), w.stored("test-ends"))
	}
	if _, err := w.client.Person(context.Background(), bobID); pim.CodeOf(err) != pim.CodeSignIn {
		t.Errorf("a token of what was forgotten: %v", err)
	}
	w.signIn(w.client, bobID, authorization())
	if err := w.client.Forget(context.Background(), bobID); err != nil || w.live(bobID) {
		t.Errorf("%v, live %t", err, w.live(bobID))
	}
}

// Microsoft's end of a session ends it here, and everybody's goes at once, with those that an
// earlier configuration kept.
func TestFleetingSignInsEnd(t *testing.T) {
	w := newWorld(t)
	w.signIn(w.client, bobID, authorization()) // kept
	w.client = w.restart(keepNothing)
	w.signIn(w.client, aliceID, authorization())
	if err := w.tenant.RevokeSessions(aliceID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Resource(pim.AzureResource).Person(context.Background(), aliceID); pim.CodeOf(err) == "" || w.stored("grants") != 1 {
		t.Errorf("%v, %d in the store", err, w.stored("grants"))
	}
	w.signIn(w.client, aliceID, authorization())
	if n, err := w.client.ForgetAll(context.Background(), "revoked for everybody"); err != nil || n != 2 || w.live(aliceID) || w.stored("grants") != 0 {
		t.Errorf("forgot %d, %v; live %t, %d in the store", n, err, w.live(aliceID), w.stored("grants"))
	}
	if strings.Contains(w.logs.String(), "level=ERROR") {
		t.Error(w.logs.String())
	}
}
