// Package store is how Belay remembers: serializable transactions over ordered
// byte keys in named buckets.
//
// The port is two methods on a Store and four on a Tx, so that one bbolt file, a
// PostgreSQL server and a map in memory can all stand behind it and pass the same
// suite (package storetest). Three rules carry everything that is built on it:
//
//   - When Update returns nil, what the function wrote is on disk. Belay answers
//     a person only after that (law 3 of the design).
//   - An update's function may run again: a driver repeats it when it loses a race,
//     and the in-memory driver does so every time. It therefore depends on nothing
//     but what it reads from the Tx, and assigns results instead of adding to them.
//     Time and identifiers are made before Update and passed in.
//   - Transactions are serializable: any set of them ends as if they had run one
//     after the other. There are no locks to take and no versions to compare.
//
// On top of the port stand typed access (Bucket), encryption of every value (Seal
// with a Keyset) and a walk over everything (Verify). What a value looks like on
// disk is said at Seal; how the keys are kept, at LoadOrCreateKeyFile.
package store

import (
	"context"
	"errors"
	"fmt"
)

// Store runs transactions. Its methods may be called from many goroutines at
// once, but not from inside a transaction: an Update within an Update never ends, and
// a View that waits for an Update may hold up the growth of the file that the update needs.
type Store interface {
	// View runs fn on a snapshot: it sees every transaction that was committed
	// before, and none that is committed while it runs. It returns fn's error, or
	// ctx's when ctx is done before fn begins.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn and keeps all it wrote, or nothing if fn returns an error or
	// panics; the error and the panic reach the caller. fn may run more than once
	// and must be pure. When Update returns nil the write is on disk. When ctx is
	// done before fn had its turn, ctx's error is returned and nothing happens;
	// after that Update waits for the outcome, and the outcome is true.
	// An error that Is ErrUncertain says that the outcome is not known.
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx is one transaction. It belongs to the goroutine that runs the function and
// ends with it: afterwards every method returns ErrTxDone.
type Tx interface {
	// Get returns the value of key, or ErrNotFound. The slice is valid during the
	// transaction and must not be changed.
	Get(bucket string, key []byte) ([]byte, error)
	// Put sets the value of key. The bucket need not exist. The slices may be
	// used again by the caller afterwards.
	Put(bucket string, key, value []byte) error
	// Delete removes key. Deleting what is not there is no error.
	Delete(bucket string, key []byte) error
	// Scan visits from <= key < to in ascending order of bytes; a nil from begins at
	// the first key, a nil to goes to the end of the bucket. It ends without error
	// when fn returns Stop, and with fn's error when fn returns another. fn may
	// write to the bucket it scans: what it puts ahead of the current key is visited, what it
	// deletes ahead is not. The slices are valid during the transaction.
	Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error
}

// BucketLister is what the Tx of every driver also is; Verify needs it.
type BucketLister interface {
	// Buckets returns the names of all buckets that hold something, sorted.
	Buckets() ([]string, error)
}

// What a transaction may answer. Compare with errors.Is.
var (
	// ErrNotFound is the answer of Get for a key that has no value.
	ErrNotFound = errors.New("store: not found")
	// ErrReadOnly is the answer to a write inside View.
	ErrReadOnly = errors.New("store: a view cannot write")
	// ErrTxDone is the answer of a Tx that is used after its function returned.
	ErrTxDone = errors.New("store: the transaction has ended")
	// ErrClosed is the answer of a store that was closed.
	ErrClosed = errors.New("store: closed")
	// ErrBusy says that more updates wait than the driver is willing to hold:
	// the disk or the database does not keep up. Nothing was written.
	ErrBusy = errors.New("store: too many updates are waiting for the disk")
	// ErrUncertain says that the disk or the database failed at the very end of a
	// commit: the update may have been kept or not. Read before acting again.
	ErrUncertain = errors.New("store: the disk failed at the end of the commit; the update may or may not have been kept")
	// ErrInvalid refuses a bucket name or a key that no driver takes; see CheckKey.
	ErrInvalid = errors.New("store: bad bucket or key")
	// ErrTooLarge refuses a value above MaxValue.
	ErrTooLarge = errors.New("store: the value is too large")
	// Stop ends a Scan early and without error.
	Stop = errors.New("store: stop scanning") //nolint:revive,staticcheck // a signal, not a fault
)

// Limits that hold for every driver, so that data can move between them.
const (
	// MaxKey is the longest key, in bytes. PostgreSQL indexes little more.
	MaxKey = 1024
	// MaxValue is the largest value, in bytes, before it is sealed.
	MaxValue = 4 << 20
	// MaxStored is the largest value a driver takes: room for the seal included.
	MaxStored = MaxValue + 256
	// MaxBucket is the longest bucket name.
	MaxBucket = 60
)

// CheckKey refuses with ErrInvalid what no driver takes: a bucket name that is empty,
// longer than MaxBucket, does not begin with a letter or holds anything but ASCII
// letters, digits and "-_./"; a key that is empty or longer than MaxKey. Drivers
// call it first in Get, Put and Delete.
func CheckKey(bucket string, key []byte) error {
	if err := CheckBucket(bucket); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w: bucket %s: a key has 1 to %d bytes, this one %d", ErrInvalid, bucket, MaxKey, len(key))
	}
	return nil
}

// CheckPut is CheckKey for a Put in a driver: it also refuses, with ErrTooLarge, a
// value above MaxStored.
func CheckPut(bucket string, key, value []byte) error {
	if err := CheckKey(bucket, key); err != nil {
		return err
	}
	if len(value) > MaxStored {
		return fmt.Errorf("%w: %d bytes in bucket %s, at most %d", ErrTooLarge, len(value), bucket, MaxValue)
	}
	return nil
}

// CheckBucket is the part of CheckKey that concerns the bucket, for Scan.
func CheckBucket(name string) error {
	ok := len(name) > 0 && len(name) <= MaxBucket
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		other := '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '/'
		ok = letter || other && i > 0
	}
	if !ok {
		return fmt.Errorf("%w: %q cannot be the name of a bucket", ErrInvalid, name)
	}
	return nil
}

// CorruptError says that a record cannot be trusted: it was changed, moved or
// swapped on disk, or sealed with keys that are not in the keyset.
type CorruptError struct {
	Bucket string
	Key    []byte // nil when the damage is not in one record
	Err    error  // detail for the operator; may be nil
}

// Error names the record and the way out. Keys hold pseudonyms where they would
// hold personal identifiers, so naming one gives nobody away.
func (e *CorruptError) Error() string {
	s := fmt.Sprintf("store: the record %q in bucket %s is damaged or was moved; stop Belay, move the store and its key file away, and restore a backup with `belay store restore`", e.Key, e.Bucket)
	if e.Err != nil {
		s += " (" + e.Err.Error() + ")"
	}
	return s
}

// Unwrap returns the detail.
func (e *CorruptError) Unwrap() error { return e.Err }
