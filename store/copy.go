package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
)

// ErrNotEmpty refuses to copy into a store that holds something.
var ErrNotEmpty = errors.New("store: the target of a copy is not empty; it was left as it is")

// Content is how much a store holds, and the digest of all of it.
type Content struct {
	Records int
	Digest  string // SHA-256 over every bucket's name, key and value, in order
}

// Copy puts every record of one store into another, which must be empty, in one
// transaction: all of it is there afterwards, or nothing. Before it commits it reads the
// target and compares. Copy stores without their seal, so that no key is needed: a sealed
// record opens where bucket and key are the same. Nobody may write to from meanwhile.
func Copy(ctx context.Context, from, to Store) (Content, error) {
	var copied Content
	err := to.Update(ctx, func(target Tx) error {
		if names, err := buckets(target); err != nil || len(names) > 0 {
			return errors.Join(err, notEmpty(names))
		}
		var want Content
		err := from.View(ctx, func(source Tx) (err error) {
			want, err = content(ctx, source, target.Put)
			return err
		})
		if err != nil {
			return err
		}
		got, err := content(ctx, target, func(string, []byte, []byte) error { return nil })
		if err == nil && got != want {
			err = fmt.Errorf("store: the copy differs from what was copied: %d records instead of %d; nothing was kept", got.Records, want.Records)
		}
		copied = got
		return err
	})
	return copied, err
}

func notEmpty(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return ErrNotEmpty
}

// content visits every record of a store, and digests it.
func content(ctx context.Context, tx Tx, each func(bucket string, key, value []byte) error) (Content, error) {
	names, err := buckets(tx)
	if err != nil {
		return Content{}, err
	}
	c, sum := Content{}, sha256.New()
	for _, name := range names {
		err := tx.Scan(name, nil, nil, func(key, value []byte) error {
			c.Records++
			for _, part := range [][]byte{[]byte(name), key, value} {
				measured(sum, part)
			}
			return errors.Join(ctx.Err(), each(name, key, value))
		})
		if err != nil {
			return Content{}, err
		}
	}
	c.Digest = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// measured takes in a part and how long it is, so that no two contents look alike.
func measured(sum hash.Hash, part []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	sum.Write(length[:]) // a hash takes everything
	sum.Write(part)
}
