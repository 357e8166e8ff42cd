// Package bolt keeps a store in one bbolt file: the default of Belay, for one
// replica.
//
// Three things are added to bbolt.
//
// A committer (commit.go). bbolt syncs the disk once per transaction, and its Batch
// waits 10 ms for company. Here one goroutine takes all updates that wait into one
// bbolt transaction, at once; those that arrive during the sync gather for the
// next. The busier it is, the more share a sync; alone, nobody waits for anybody.
// The functions run one after the other, each in the goroutine of its caller, so
// that a panic surfaces where it belongs.
//
// A guarded opening (open.go, layout.go). bbolt does not check the pages of a file:
// it panics on a truncated one and may loop on a damaged one. So the file is read
// and every page of it checked before bbolt maps it, by every processor, under bbolt's own lock. What
// is not sound is refused with a sentence and left as it is.
//
// Honesty about a failing disk (heal). When the last sync of a commit fails, bbolt
// goes on with a head that may not be on disk, and the next transaction could overwrite pages
// that the head on disk still needs. Here the head is written again and synced
// before anything else is: if that works the update was kept after all, and until it works
// updates are refused.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/belaybot/belay/store"
)

// Options adjusts Open. The zero value is ready for use.
type Options struct {
	// Wait is how long Open waits for another process to let go of the file: one
	// second when 0.
	Wait time.Duration
	// MaxWaiting bounds how many updates may wait for the disk, beyond which
	// Update returns store.ErrBusy: 4096 when 0.
	MaxWaiting int
	// OnCommit, when set, is told of every commit that reached the disk: how many
	// updates shared it and how long it took. It must return quickly.
	OnCommit func(updates int, d time.Duration)
}

// Store is a store.Store in one file. Close it.
type Store struct {
	db   *bbolt.DB
	file *os.File // the one that bbolt holds and has locked
	opt  Options

	mu      sync.Mutex
	waiting []*update
	closed  bool
	wake    chan struct{} // holds one token when there is something to look at
	drained chan struct{} // closed when the committer has ended

	views   sync.RWMutex // held for reading by every View; see heal
	values  values       // of the transaction that the committer runs
	suspect bool         // the head of the file may not be on disk; the committer's own

	// What may fail below; replaced in tests.
	commit func(*bbolt.Tx) error
	sync   func() error
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.views.RLock()
	defer s.views.RUnlock()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var tx *bbolt.Tx
	err := guard(func() (err error) { tx, err = s.db.Begin(false); return err })
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return store.ErrClosed
	case err != nil:
		return err
	}
	t := &txn{tx: tx}
	defer func() {
		t.end()
		_ = tx.Rollback() // fails only when it has ended
	}()
	return fn(t)
}

// Ping commits a small record, and so tells whether the disk takes updates now.
func (s *Store) Ping(ctx context.Context) error {
	return s.Update(ctx, func(tx store.Tx) error {
		return tx.(*txn).put(ownBucket, []byte("ping"), nil)
	})
}

// Close lets the updates that wait finish, refuses new ones, waits for the views
// that run, and lets go of the file. Closing again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.nudge()
	<-s.drained
	return s.db.Close()
}

// txn is a transaction as one function sees it. Several functions may share the
// bbolt transaction below, one after the other.
type txn struct {
	tx       *bbolt.Tx
	writable bool
	values   *values // of a writable one
	done     bool
	writes   int   // how many records it put or deleted
	fault    error // what bbolt panicked with; the transaction is lost then
}

func (t *txn) end() { t.done = true }

// begin refuses what every method refuses.
func (t *txn) begin(write bool, check error) error {
	switch {
	case t.done:
		return store.ErrTxDone
	case write && !t.writable:
		return store.ErrReadOnly
	case t.fault != nil:
		return t.fault
	}
	return check
}

// Get implements store.Tx. The value is a copy.
func (t *txn) Get(bucket string, key []byte) (value []byte, err error) {
	if err := t.begin(false, store.CheckKey(bucket, key)); err != nil {
		return nil, err
	}
	err = t.guard(bucket, key, func() error {
		if b := t.tx.Bucket([]byte(bucket)); b != nil {
			value = bytes.Clone(b.Get(key))
		}
		if value == nil {
			return store.ErrNotFound
		}
		return nil
	})
	return value, err
}

// Put implements store.Tx.
func (t *txn) Put(bucket string, key, value []byte) error {
	if err := t.begin(true, store.CheckPut(bucket, key, value)); err != nil {
		return err
	}
	return t.put(bucket, key, value)
}

func (t *txn) put(bucket string, key, value []byte) error {
	t.writes++
	return t.guard(bucket, key, func() error {
		b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put(key, t.values.keep(value)) // bbolt keeps it until the commit
	})
}

// Delete implements store.Tx.
func (t *txn) Delete(bucket string, key []byte) error {
	if err := t.begin(true, store.CheckKey(bucket, key)); err != nil {
		return err
	}
	return t.guard(bucket, key, func() error {
		b := t.tx.Bucket([]byte(bucket))
		if b == nil || b.Get(key) == nil {
			return nil
		}
		t.writes++
		return b.Delete(key)
	})
}

// Scan implements store.Tx. Keys and values are copies.
func (t *txn) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	if err := t.begin(false, store.CheckBucket(bucket)); err != nil {
		return err
	}
	cursor, key, value, err := t.seek(bucket, from)
	for {
		if err != nil || key == nil || to != nil && bytes.Compare(key, to) >= 0 {
			return err
		}
		writes := t.writes
		if err := fn(key, value); err != nil {
			if errors.Is(err, store.Stop) {
				return nil
			}
			return err
		}
		if err := t.begin(false, nil); err != nil {
			return err
		}
		if t.writes != writes { // a bbolt cursor does not outlive a write
			cursor, key, value, err = t.seek(bucket, append(key, 0))
			continue
		}
		err = t.guard(bucket, nil, func() error {
			key, value = clones(cursor.Next())
			return nil
		})
	}
}

func (t *txn) seek(bucket string, from []byte) (cursor *bbolt.Cursor, key, value []byte, err error) {
	err = t.guard(bucket, from, func() error {
		if b := t.tx.Bucket([]byte(bucket)); b != nil {
			cursor = b.Cursor()
			key, value = clones(cursor.Seek(from))
		}
		return nil
	})
	return cursor, key, value, err
}

// Buckets implements store.BucketLister.
func (t *txn) Buckets() (names []string, err error) {
	if err := t.begin(false, nil); err != nil {
		return nil, err
	}
	err = t.guard("", nil, func() error {
		return t.tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if k, _ := b.Cursor().First(); k != nil && string(name) != ownBucket {
				names = append(names, string(name))
			}
			return nil
		})
	})
	return names, err
}

// guard runs calls to bbolt that read pages. A page that was damaged while the
// file is open makes bbolt panic; that becomes a *store.CorruptError, and the transaction is
// lost even if the function goes on.
func (t *txn) guard(bucket string, key []byte, f func() error) error {
	err := guard(f)
	if p := (*panicError)(nil); errors.As(err, &p) {
		err = &store.CorruptError{Bucket: bucket, Key: bytes.Clone(key), Err: p}
		t.fault = err
	}
	return err
}

// guard turns a panic of bbolt, or a fault in the memory it maps, into a *panicError. The
// caller has called debug.SetPanicOnFault.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return f()
}

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("bbolt: %v", e.value) }

func clones(k, v []byte) (key, value []byte) { return bytes.Clone(k), bytes.Clone(v) }
