package app

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// However many are signed in: one command ends them all, and each end is on record.
func TestRevokeAllOfMany(t *testing.T) {
	const many = 5_000 // more than one transaction takes events
	cfg, err := Load(write(t, good), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	a, err := openStore(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	err = a.sealed.Update(t.Context(), func(tx store.Tx) error {
		for n := range many {
			if err := store.NewBucket[map[string]string]("grants").Put(tx, fmt.Sprintf("key-%05d", n), map[string]string{"person": fmt.Sprint("oid-", n)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	signins := 0
	err = operations["/links/revoke"](t.Context(), a, operator{"root@host"}, json.RawMessage(`{"all":true}`), func(v any) error {
		signins += v.(RevokeLine).Signins
		return nil
	})
	if err != nil || signins != many {
		t.Errorf("%d sign-ins ended, %v", signins, err)
	}
	whose := map[string]bool{}
	err = a.trail.Read(t.Context(), 0, func(r trail.Record) error {
		if r.Kind == trail.Ended {
			whose[r.Subject] = true
		}
		return nil
	})
	if err != nil || len(whose) != many {
		t.Errorf("the trail tells of %d, %v", len(whose), err)
	}
}
