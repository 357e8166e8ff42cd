package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Verify walks every record of every bucket in one snapshot and reports what it
// finds: a record that does not open (*CorruptError), what the checks find, and what kept it
// from walking on. It goes on after a fault; nil means that all is sound. The error
// of faults is a *VerifyError. Call it with a sealed store: without a seal nothing shows that a
// value was changed.
func Verify(ctx context.Context, s Store, checks ...Check) error {
	var found VerifyError
	err := s.View(ctx, func(tx Tx) error {
		names, err := buckets(tx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := walk(ctx, tx, name, &found); err != nil {
				return err
			}
		}
		for _, check := range checks {
			if err := check(tx, found.add); err != nil {
				found.add(err)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("store: verifying stopped: %w", err)
	}
	if len(found.Faults) > 0 {
		return &found
	}
	return nil
}

// Check looks for one kind of contradiction between records. It calls report for each that it
// finds and goes on; it returns an error when it cannot go on. Refers makes the usual one.
type Check func(tx Tx, report func(error)) error

// Refers returns the check that every entry of index names records that exist:
// names returns, for one entry, the keys that must be present in target. Entries
// that do not open are left to the walk.
func Refers[T any](index Bucket[T], target string, names func(key string, v T) []string) Check {
	return func(tx Tx, report func(error)) error {
		from := []byte(nil)
		for {
			err := index.scan(tx, from, nil, func(key string, v T) error {
				for _, want := range names(key, v) {
					switch _, err := tx.Get(target, []byte(want)); {
					case errors.Is(err, ErrNotFound):
						report(&DanglingError{Bucket: index.name, Key: key, Target: target, Missing: want})
					case err != nil && !isCorrupt(err):
						return err
					}
				}
				return nil
			})
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				return err
			}
			if !advances(corrupt, index.name, from) {
				return nil
			}
			from = next(corrupt.Key)
		}
	}
}

// DanglingError says that an index entry names a record that does not exist.
type DanglingError struct {
	Bucket, Key     string // the index entry
	Target, Missing string // the bucket it points to, and the key that is not there
}

// Error names both ends.
func (e *DanglingError) Error() string {
	return fmt.Sprintf("store: the record %q in bucket %s names %q in bucket %s, which does not exist", e.Key, e.Bucket, e.Missing, e.Target)
}

// maxFaults bounds what Verify keeps of a store that is damaged throughout.
const maxFaults = 1000

// VerifyError is what Verify found. errors.As and errors.Is reach every fault.
type VerifyError struct {
	Faults []error // at most 1000
	More   int     // how many were found beyond that
}

// Error has one line per fault.
func (e *VerifyError) Error() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "store: %d faults found", len(e.Faults)+e.More)
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n%v", f)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.More)
	}
	return b.String()
}

// Unwrap returns the faults.
func (e *VerifyError) Unwrap() []error { return e.Faults }

func (e *VerifyError) add(err error) {
	if len(e.Faults) < maxFaults {
		e.Faults = append(e.Faults, err)
		return
	}
	e.More++
}

// walk reads all of one bucket, and begins anew behind each record that does not
// open. A fault that is not of one record ends the walk of its bucket.
func walk(ctx context.Context, tx Tx, bucket string, found *VerifyError) error {
	from := []byte(nil)
	for {
		err := tx.Scan(bucket, from, nil, func(_, _ []byte) error { return ctx.Err() })
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			return err
		}
		found.add(err)
		if !advances(corrupt, bucket, from) {
			return nil
		}
		from = next(corrupt.Key)
	}
}

// advances tells whether a scan that began at from can go on behind the fault.
func advances(c *CorruptError, bucket string, from []byte) bool {
	return c.Bucket == bucket && len(c.Key) > 0 && bytes.Compare(c.Key, from) >= 0
}

func next(key []byte) []byte { return append(bytes.Clone(key), 0) }

func isCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}
