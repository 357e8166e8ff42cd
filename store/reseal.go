package store

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// Bounds of one transaction of Reseal: what waits for the disk meanwhile waits that
// much longer at the most.
const (
	resealRecords = 128
	resealBytes   = 256 << 10
)

// Reseal seals anew, with the key that seals, every record of raw, the store without its
// seal, that an older key sealed, in many small transactions. It may be cut off and begun
// again, and run beside everything else. It rests as long as it works. done hears how many
// records each transaction sealed. A record that does not open is left to Verify.
func Reseal(ctx context.Context, raw Store, k *Keyset, done func(records int)) error {
	for {
		primary, found := k.Primary(), false
		at := place0
		for {
			began := time.Now()
			batch, next, err := stale(ctx, raw, primary, at)
			if err != nil {
				return err
			}
			n, err := k.reseal(ctx, raw, batch)
			if err != nil {
				return err
			}
			if n > 0 {
				found = true
				done(n)
			}
			if next == nil {
				break
			}
			at = *next
			if err := rest(ctx, time.Since(began)); err != nil {
				return err
			}
		}
		if !found && k.Primary() == primary {
			return nil
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// recordAt is where a record lies.
type recordAt struct {
	bucket string
	key    []byte
}

var place0 recordAt // before every record

// stale finds the next records, from at on, that were not sealed with primary, up to
// the bounds of one transaction; next is where to go on, nil at the end.
func stale(ctx context.Context, raw Store, primary KeyID, at recordAt) (batch []recordAt, next *recordAt, err error) {
	size := 0
	next, err = page(ctx, raw, at, func(bucket string, key, value []byte) error {
		if id, ok := sealedBy(value); !ok || id == primary {
			return nil
		}
		if len(batch) == resealRecords || len(batch) > 0 && size+len(value) > resealBytes {
			return Stop
		}
		batch = append(batch, recordAt{bucket, bytes.Clone(key)})
		size += len(value)
		return nil
	})
	return batch, next, err
}

// pageRecords is how many records one look at the store visits: a long one would hold up
// whoever needs the file to grow.
const pageRecords = 4096

// page visits, in one snapshot, the records from at on until fn returns Stop or there
// were enough, and returns the one to go on with; nil at the end.
func page(ctx context.Context, raw Store, at recordAt, fn func(bucket string, key, value []byte) error) (next *recordAt, err error) {
	err = raw.View(ctx, func(tx Tx) error {
		names, err := buckets(tx)
		if err != nil {
			return err
		}
		seen := 0
		for _, name := range names {
			if name < at.bucket || next != nil {
				continue
			}
			var from []byte
			if name == at.bucket {
				from = at.key
			}
			err := tx.Scan(name, from, nil, func(key, value []byte) error {
				err := ctx.Err()
				if seen++; err == nil && seen > pageRecords {
					err = Stop
				}
				if err == nil {
					err = fn(name, key, value)
				}
				if errors.Is(err, Stop) {
					next = &recordAt{name, bytes.Clone(key)}
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return next, err
}

// reseal seals the records of a batch with the key that seals, in one transaction, and
// says how many there were to do.
func (k *Keyset) reseal(ctx context.Context, raw Store, batch []recordAt) (n int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	err = raw.Update(ctx, func(tx Tx) error {
		n = 0
		s, err := k.fenced(tx)
		if err != nil {
			return err
		}
		for _, r := range batch {
			was, err := tx.Get(r.bucket, r.key)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if id, ok := sealedBy(was); !ok || id == s.primary {
				continue // written anew meanwhile
			}
			value, err := k.open(r.bucket, r.key, was)
			if isCorrupt(err) {
				continue
			}
			if err != nil {
				return err
			}
			if err := tx.Put(r.bucket, r.key, s.seal(nil, r.bucket, r.key, value)); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// CountKeys counts the records of raw, the store without its seal, by the key that sealed
// them. It looks at a part at a time; no part gets a record of an older key after a Fence.
func CountKeys(ctx context.Context, raw Store) (map[KeyID]int, error) {
	counts := map[KeyID]int{}
	for next := &place0; next != nil; {
		var err error
		next, err = page(ctx, raw, *next, func(_ string, _, value []byte) error {
			if id, ok := sealedBy(value); ok {
				counts[id]++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}
