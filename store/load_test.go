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
)

// While people write and read, keys are rotated, swept and pruned over and over: no
// update and no reading fails, and all is there afterwards.
func TestRotationUnderLoad(t *testing.T) {
	dir := t.TempDir()
	f := store.KeyFile{Path: filepath.Join(dir, "belay.keys")}
	k := load(t, f)
	raw, err := bolt.Open(filepath.Join(dir, "belay.db"), bolt.Options{})
	must(t, err)
	s := store.Seal(raw, k)
	must(t, store.CheckKeys(t.Context(), s))
	ctx, stop := context.WithCancel(context.Background())
	var people sync.WaitGroup
	last := make([]int, 4)
	for p := range last {
		people.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				key, want := fmt.Appendf(nil, "%d-%03d", p, n%300), fmt.Sprint(n)
				if err := s.Update(context.Background(), func(tx store.Tx) error {
					return errors.Join(tx.Put("b", key, []byte(want)), tx.Put("last", fmt.Append(nil, p), []byte(want)))
				}); err != nil {
					t.Error(err)
					return
				}
				if got, err := get(s, "b", string(key)); err != nil || got != want {
					t.Errorf("%s = %q, %v, want %q", key, got, err, want)
					return
				}
				last[p] = n
			}
		})
	}
	for range 40 {
		rotate(t, k, raw)
		reseal(t, raw, k)
		if _, err := k.Prune(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}
	stop()
	people.Wait()
	fresh := store.Seal(raw, load(t, f))
	must(t, store.Verify(t.Context(), fresh))
	for p, n := range last {
		if n == 0 {
			t.Errorf("writer %d wrote nothing", p)
			continue
		}
		wantValue(t, fresh, "last", fmt.Sprint(p), fmt.Sprint(n))
	}
	must(t, raw.Close())
}
