package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// deaf forgets one of the records that are put into it.
type deaf struct{ store.Store }

func (d deaf) Update(ctx context.Context, fn func(store.Tx) error) error {
	return d.Store.Update(ctx, func(tx store.Tx) error { return fn(deafTx{tx}) })
}

type deafTx struct{ store.Tx }

func (t deafTx) Put(bucket string, key, value []byte) error {
	if string(key) == "2" {
		return nil
	}
	return t.Tx.Put(bucket, key, value)
}

func (t deafTx) Buckets() ([]string, error) { return t.Tx.(store.BucketLister).Buckets() }

func TestCopyIsAllOrNothing(t *testing.T) {
	ctx := context.Background()
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	from := storetest.Memory()
	sealed := store.Seal(from, keys)
	put(t, sealed, "a", "1", "one")
	put(t, sealed, "a", "2", "two")
	put(t, sealed, "b", "1", "three")

	to := storetest.Memory()
	if c, err := store.Copy(ctx, from, deaf{to}); err == nil {
		t.Errorf("a copy that lacks a record was taken: %+v", c)
	}
	first, err := store.Copy(ctx, from, to)
	if err != nil || first.Records != 3 {
		t.Fatalf("%+v, %v", first, err)
	}
	if err := store.Verify(ctx, store.Seal(to, keys)); err != nil { // every seal opens where it is now
		t.Error(err)
	}
	if _, err := store.Copy(ctx, from, to); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("a second copy: %v", err)
	}
	put(t, sealed, "b", "1", "changed")
	second, err := store.Copy(ctx, from, storetest.Memory())
	if err != nil || second.Digest == first.Digest {
		t.Errorf("another content has the same digest: %+v, %v", second, err)
	}
}
