package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/belaybot/belay/store"
)

// ErrImpure is the answer of Memory's Update to a function that did not do the same
// when it ran again: it keeps something between runs, or makes keys from the clock
// or at random.
var ErrImpure = errors.New("storetest: the update's function did something else when it ran again; it must be pure")

// Memory returns an empty store that lives in memory. It is strict where a driver
// may be lenient: every Update runs its function twice, keeps the writes of the
// second run and refuses, with ErrImpure, a function that touched other keys or
// answered otherwise.
func Memory() store.Store {
	m := &memory{}
	m.state.Store(&state{})
	return m
}

// state is a committed state. It is never changed, only replaced.
type state map[string][]entry // sorted by key

type entry struct{ key, value []byte }

type memory struct {
	mu    sync.Mutex // one update at a time: that is all that serializable asks
	state atomic.Pointer[state]
}

func (m *memory) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := &memoryTx{buckets: *m.state.Load()}
	defer tx.end()
	return fn(tx)
}

func (m *memory) Update(ctx context.Context, fn func(store.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	rehearsal, rehearsed := m.run(fn)
	tx, err := m.run(fn)
	if (err == nil) != (rehearsed == nil) {
		return fmt.Errorf("%w: first %v, then %v", ErrImpure, rehearsed, err)
	}
	if !slices.Equal(tx.log, rehearsal.log) {
		return fmt.Errorf("%w: first it wrote %q, then %q", ErrImpure, rehearsal.log, tx.log)
	}
	if err == nil {
		m.state.Store(&tx.buckets)
	}
	return err
}

func (m *memory) run(fn func(store.Tx) error) (*memoryTx, error) {
	tx := &memoryTx{writable: true, buckets: maps.Clone(*m.state.Load()), owned: map[string]bool{}}
	defer tx.end()
	return tx, fn(tx)
}

type memoryTx struct {
	writable bool
	done     atomic.Bool
	buckets  state
	owned    map[string]bool // buckets whose slice was copied for this transaction
	log      []string        // what was written where
}

func (t *memoryTx) end() { t.done.Store(true) }

// begin refuses what every method refuses.
func (t *memoryTx) begin(write bool, check error) error {
	switch {
	case t.done.Load():
		return store.ErrTxDone
	case write && !t.writable:
		return store.ErrReadOnly
	}
	return check
}

func (t *memoryTx) Get(bucket string, key []byte) ([]byte, error) {
	if err := t.begin(false, store.CheckKey(bucket, key)); err != nil {
		return nil, err
	}
	b := t.buckets[bucket]
	if i, ok := find(b, key); ok {
		return bytes.Clone(b[i].value), nil
	}
	return nil, store.ErrNotFound
}

func (t *memoryTx) Put(bucket string, key, value []byte) error {
	if err := t.begin(true, store.CheckPut(bucket, key, value)); err != nil {
		return err
	}
	b := t.own(bucket)
	e := entry{bytes.Clone(key), append([]byte{}, value...)}
	if i, ok := find(b, key); ok {
		b[i] = e
	} else {
		t.buckets[bucket] = slices.Insert(b, i, e)
	}
	t.log = append(t.log, "put "+bucket+" "+string(key))
	return nil
}

func (t *memoryTx) Delete(bucket string, key []byte) error {
	if err := t.begin(true, store.CheckKey(bucket, key)); err != nil {
		return err
	}
	b := t.own(bucket)
	if i, ok := find(b, key); ok {
		t.buckets[bucket] = slices.Delete(b, i, i+1)
	}
	t.log = append(t.log, "delete "+bucket+" "+string(key))
	return nil
}

func (t *memoryTx) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	if err := t.begin(false, store.CheckBucket(bucket)); err != nil {
		return err
	}
	for next := from; ; {
		b := t.buckets[bucket] // fn may have replaced it
		i, _ := find(b, next)
		if i == len(b) || to != nil && bytes.Compare(b[i].key, to) >= 0 {
			return nil
		}
		e := b[i]
		if err := fn(bytes.Clone(e.key), bytes.Clone(e.value)); err != nil {
			if errors.Is(err, store.Stop) {
				return nil
			}
			return err
		}
		if t.done.Load() {
			return store.ErrTxDone
		}
		next = append(bytes.Clone(e.key), 0)
	}
}

func (t *memoryTx) Buckets() ([]string, error) {
	if err := t.begin(false, nil); err != nil {
		return nil, err
	}
	var names []string
	for name, b := range t.buckets {
		if len(b) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// own returns the bucket's entries in a slice that only this transaction has.
func (t *memoryTx) own(bucket string) []entry {
	if !t.owned[bucket] {
		t.buckets[bucket] = slices.Clone(t.buckets[bucket])
		t.owned[bucket] = true
	}
	return t.buckets[bucket]
}

func find(b []entry, key []byte) (int, bool) {
	return slices.BinarySearchFunc(b, key, func(e entry, key []byte) int { return bytes.Compare(e.key, key) })
}
