package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func TestVerify(t *testing.T) {
	ctx := context.Background()
	raw := storetest.Memory()
	s := sealWithNewKeys(t, raw)
	people := store.NewBucket[person]("people")
	byName := store.NewBucket[[]string]("people.byname")
	refers := store.Refers(byName, "people", func(_ string, keys []string) []string { return keys })

	if err := store.Verify(ctx, s, refers); err != nil {
		t.Fatalf("empty: %v", err)
	}
	err := s.Update(ctx, func(tx store.Tx) error {
		for i := range 10 {
			key := fmt.Sprint(i)
			if err := people.Put(tx, key, person{key}); err != nil {
				return err
			}
			if err := byName.Put(tx, key, []string{key}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Verify(ctx, s, refers); err != nil {
		t.Fatalf("sound: %v", err)
	}

	five, _ := get(raw, "people", "5")
	put(t, raw, "people", "0", five) // the first, the last and two neighbours
	put(t, raw, "people", "3", five)
	put(t, raw, "people", "4", "")
	put(t, raw, "people", "9", five)
	put(t, raw, "people.byname", "7", five)
	err = s.Update(ctx, func(tx store.Tx) error {
		if err := people.Delete(tx, "6"); err != nil {
			return err
		}
		return byName.Put(tx, "8", []string{"8", "nobody", "4"})
	})
	if err != nil {
		t.Fatal(err)
	}

	err = store.Verify(ctx, s, refers)
	var v *store.VerifyError
	if !errors.As(err, &v) {
		t.Fatalf("damaged: %v", err)
	}
	var got []string
	for _, f := range v.Faults {
		var c *store.CorruptError
		var d *store.DanglingError
		switch {
		case errors.As(f, &c):
			got = append(got, "corrupt "+c.Bucket+" "+string(c.Key))
		case errors.As(f, &d):
			got = append(got, "dangling "+d.Key+" "+d.Missing)
		default:
			got = append(got, f.Error())
		}
	}
	want := []string{
		"corrupt people 0", "corrupt people 3", "corrupt people 4", "corrupt people 9", "corrupt people.byname 7",
		"dangling 6 6", "dangling 8 nobody",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVerifyCountsBeyondWhatItKeeps(t *testing.T) {
	raw := storetest.Memory()
	err := raw.Update(context.Background(), func(tx store.Tx) error {
		for i := range 1100 {
			if err := tx.Put("b", fmt.Appendf(nil, "%04d", i), []byte("not sealed")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var v *store.VerifyError
	if err := store.Verify(context.Background(), sealWithNewKeys(t, raw)); !errors.As(err, &v) || len(v.Faults) != 1000 || v.More != 100 {
		t.Errorf("%v", v)
	}
}

func TestVerifyReportsWhatACheckReturns(t *testing.T) {
	boom := errors.New("boom")
	err := store.Verify(context.Background(), storetest.Memory(), func(store.Tx, func(error)) error { return boom })
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := store.Verify(ctx, storetest.Memory()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
