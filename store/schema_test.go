package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
	"github.com/belaybot/belay/store/storetest"
)

var numbers = store.NewBucket[int]("numbers")

// doubled is a migration that changes every record, and doubles what is doubled twice.
func doubled(tx store.Tx) error {
	all := map[string]int{}
	if err := numbers.Scan(tx, "", "", func(k string, n int) error { all[k] = n; return nil }); err != nil {
		return err
	}
	for n := range 50 {
		k := fmt.Sprint(n)
		if v, ok := all[k]; ok {
			if err := numbers.Put(tx, k, 2*v); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealedNumbers is a sealed store with the numbers 1 to 50 and no schema, as the
// first Belay made it.
func sealedNumbers(t *testing.T) (raw, sealed store.Store) {
	t.Helper()
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw = storetest.Memory()
	sealed = store.Seal(raw, keys)
	if err := store.CheckKeys(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	err = sealed.Update(t.Context(), func(tx store.Tx) error {
		for n := range 50 {
			if err := numbers.Put(tx, fmt.Sprint(n), n+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw, sealed
}

// What a start would refuse is told beforehand, and nothing is written.
func TestExamine(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	others, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw := storetest.Memory()
	examine := func(k *store.Keyset, migrations ...store.Migration) error {
		return raw.View(t.Context(), func(tx store.Tx) error { return store.Examine(tx, k, migrations...) })
	}
	if err := examine(others); err != nil {
		t.Errorf("a store that nobody has started with: %v", err)
	}
	sealed := store.Seal(raw, keys)
	if err := store.CheckKeys(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	if err := examine(keys); err != nil {
		t.Errorf("a store without a schema: %v", err)
	}
	if _, err := store.Migrate(t.Context(), sealed, doubled); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"the same version": examine(keys, doubled), "a newer one": examine(keys, doubled, doubled)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := examine(others, doubled); !errors.Is(err, store.ErrWrongKeys) {
		t.Errorf("another store's keys: %v", err)
	}
	var schema *store.SchemaError
	if err := examine(keys); !errors.As(err, &schema) || schema.Stored != 2 || schema.Known != 1 {
		t.Errorf("an older Belay: %v", err)
	}
}

func sum(t *testing.T, s store.Store) (n int, err error) {
	t.Helper()
	err = s.View(t.Context(), func(tx store.Tx) error {
		n = 0
		return numbers.Scan(tx, "", "", func(_ string, v int) error { n += v; return nil })
	})
	return n, err
}

func TestMigrate(t *testing.T) {
	_, s := sealedNumbers(t)
	const one = 50 * 51 / 2
	for migrations, want := range []int{one, 2 * one, 4 * one, 4 * one} {
		m := []store.Migration{doubled, doubled}[:min(migrations, 2)]
		guarded, err := store.Migrate(t.Context(), s, m...)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := sum(t, guarded); err != nil || n != want {
			t.Errorf("after %d migrations: %d, %v; want %d", len(m), n, err, want)
		}
	}
	// A new store begins with the newest schema.
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	fresh := store.Seal(storetest.Memory(), keys)
	if err := store.CheckKeys(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	never := func(store.Tx) error { return errors.New("a new store is migrated") }
	if _, err := store.Migrate(t.Context(), fresh, never); err != nil {
		t.Error(err)
	}
}

// Two versions side by side: the older one stops when the newer one has migrated, in
// the middle of whatever it does, and understands why. (fault 61)
func TestVersionsSideBySide(t *testing.T) {
	_, s := sealedNumbers(t)
	older, err := store.Migrate(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var wrote int // acknowledged to the older one
	var after int // of them once the newer one had begun to serve
	var newer store.Store
	var mu sync.Mutex
	done := make(chan error)
	go func() {
		for n := 0; ; n++ {
			mu.Lock()
			serves := newer != nil
			mu.Unlock()
			err := older.Update(context.Background(), func(tx store.Tx) error { return numbers.Put(tx, "of the older one", n) })
			if err != nil {
				done <- err
				return
			}
			wrote = n
			if serves {
				after++
			}
		}
	}()
	migrated, err := store.Migrate(t.Context(), s, doubled)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	newer = migrated
	mu.Unlock()
	var refused *store.SchemaError
	if err := <-done; !errors.As(err, &refused) || refused.Stored != 2 || refused.Known != 1 {
		t.Errorf("the older version ended with %v", err)
	}
	if after > 0 {
		t.Errorf("the older version wrote %d times after the newer one served", after)
	}
	if _, err := sum(t, older); !errors.As(err, &refused) {
		t.Errorf("the older version reads: %v", err)
	}
	err = newer.View(t.Context(), func(tx store.Tx) error {
		n, err := numbers.Get(tx, "of the older one")
		if errors.Is(err, store.ErrNotFound) && wrote == 0 {
			return nil
		}
		if err == nil && n != wrote {
			err = fmt.Errorf("what the older one was told is kept is %d, there is %d", wrote, n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Started anew it is refused, and the store is as it was.
	if _, err := store.Migrate(t.Context(), s); !errors.As(err, &refused) {
		t.Errorf("the older version starts: %v", err)
	}
	if _, err := sum(t, newer); err != nil {
		t.Error(err)
	}
}

// failing fails the nth write of its transactions.
type failing struct {
	store.Store
	left int
}

func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	left := f.left
	return f.Store.Update(ctx, func(tx store.Tx) error { return fn(&failingTx{tx, left}) })
}

var errKilled = errors.New("killed")

type failingTx struct {
	store.Tx
	left int
}

func (f *failingTx) Buckets() ([]string, error) { return f.Tx.(store.BucketLister).Buckets() }

func (f *failingTx) Put(bucket string, key, value []byte) error {
	if f.left--; f.left < 0 {
		return errKilled
	}
	return f.Tx.Put(bucket, key, value)
}

// Killed at every write of a migration: the old schema or the new one. (fault 8)
func TestMigrationKilledAtEveryWrite(t *testing.T) {
	const one = 50 * 51 / 2
	for n := 0; ; n++ {
		_, s := sealedNumbers(t)
		if _, err := store.Migrate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		_, err := store.Migrate(t.Context(), &failing{s, n}, doubled, doubled)
		if err == nil {
			if n != 101 {
				t.Errorf("the migrations made %d writes", n)
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		old, err := store.Migrate(t.Context(), s)
		if err != nil {
			t.Fatalf("killed at write %d: %v", n, err)
		}
		if got, err := sum(t, old); err != nil || got != one {
			t.Fatalf("killed at write %d: %d, %v", n, got, err)
		}
	}
}

// What one process of the newer version has migrated another one does not migrate again.
func TestMigratedOnce(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(t.TempDir(), "belay.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := store.Seal(db, keys)
	if err := store.CheckKeys(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return numbers.Put(tx, "1", 1) }); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := store.Migrate(t.Context(), s, doubled); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n, err := sum(t, s); err != nil || n != 2 {
		t.Errorf("the sum is %d, %v", n, err)
	}
}
