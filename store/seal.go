package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Seal wraps a driver so that every value is encrypted and authenticated with k
// before it reaches the disk. A value that was changed, moved to another key or
// bucket, or swapped with another gives a *CorruptError. Names of buckets and
// keys stay readable: see Keyset.Pseudonym. What a seal cannot show is a record
// that was deleted, or put back to an earlier value of itself; Verify's checks and
// the audit trail are for that.
func Seal(s Store, k *Keyset) Store { return &sealed{s, k} }

type sealed struct {
	inner Store
	keys  *Keyset
}

func (s *sealed) View(ctx context.Context, fn func(Tx) error) error {
	return s.inner.View(ctx, func(tx Tx) error { return fn(&sealedTx{inner: tx, keys: s.keys}) })
}

func (s *sealed) Update(ctx context.Context, fn func(Tx) error) error {
	return s.inner.Update(ctx, func(tx Tx) error { return fn(&sealedTx{inner: tx, keys: s.keys}) })
}

type sealedTx struct {
	inner Tx
	keys  *Keyset
	seals *sealing // what this transaction seals with; nil before its first Put
}

func (t *sealedTx) Get(bucket string, key []byte) ([]byte, error) {
	raw, err := t.inner.Get(bucket, key)
	if err != nil {
		return nil, err
	}
	return t.keys.open(bucket, key, raw)
}

func (t *sealedTx) Put(bucket string, key, value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("%w: %d bytes in bucket %s, at most %d", ErrTooLarge, len(value), bucket, MaxValue)
	}
	if t.seals == nil {
		seals, err := t.keys.fenced(t.inner)
		if err != nil {
			return err
		}
		t.seals = seals
	}
	raw := sealedValues.Get().(*[]byte)
	defer sealedValues.Put(raw)
	*raw = t.seals.seal((*raw)[:0], bucket, key, value)
	err := t.inner.Put(bucket, key, *raw)
	if cap(*raw) > mostSpare {
		*raw = nil
	}
	return err
}

// sealedValues are used again: a driver copies what it is given.
var sealedValues = sync.Pool{New: func() any { return new([]byte) }}

func (t *sealedTx) Delete(bucket string, key []byte) error { return t.inner.Delete(bucket, key) }

func (t *sealedTx) Scan(bucket string, from, to []byte, fn func(key, value []byte) error) error {
	return t.inner.Scan(bucket, from, to, func(key, raw []byte) error {
		value, err := t.keys.open(bucket, key, raw)
		if err != nil {
			return err
		}
		return fn(key, value)
	})
}

func (t *sealedTx) Buckets() ([]string, error) { return buckets(t.inner) }

func buckets(tx Tx) ([]string, error) {
	l, ok := tx.(BucketLister)
	if !ok {
		return nil, fmt.Errorf("store: %T does not list its buckets", tx)
	}
	return l.Buckets()
}

// ErrWrongKeys says that the keys do not open the store.
var ErrWrongKeys = errors.New("store: these keys do not open this store; put back the key file that was made with it, or move both away and restore a backup with `belay store restore`")

const (
	keysBucket = "store.keys"
	keysRecord = "check"
)

// CheckKeys tells at the start, and not at the first read, whether the keys of a
// sealed store are the right ones: a lost key file that was replaced by a new one
// gives ErrWrongKeys. In a new store it writes the record that it looks for.
func CheckKeys(ctx context.Context, sealed Store) error {
	return sealed.Update(ctx, func(tx Tx) error {
		checked, err := opens(tx)
		if err == nil && !checked {
			return Fence(tx)
		}
		return err
	})
}

// opens looks whether what is sealed opens; checked: the record for that was there.
func opens(tx Tx) (checked bool, err error) {
	_, err = tx.Get(keysBucket, []byte(keysRecord))
	if checked = err == nil; errors.Is(err, ErrNotFound) {
		err = firstOpens(tx)
	}
	if isCorrupt(err) {
		err = wrongKeys(err)
	}
	return checked, err
}

// wrongKeys keeps the detail of a record that does not open, and not its advice.
func wrongKeys(err error) error {
	var bad *CorruptError
	if errors.As(err, &bad) && bad.Err != nil {
		return fmt.Errorf("%w (%w)", ErrWrongKeys, bad.Err)
	}
	return ErrWrongKeys
}

// firstOpens reads the first record of every bucket of a store that was used
// before its keys were checked.
func firstOpens(tx Tx) error {
	names, err := buckets(tx)
	for _, name := range names {
		if err := tx.Scan(name, nil, nil, func(_, _ []byte) error { return Stop }); err != nil {
			return err
		}
	}
	return err
}

// Fence seals the record of CheckKeys anew. Every transaction that writes reads which key
// sealed that record: so when the keys were rotated and this is committed, whatever
// commits later is sealed with the new key, in every process. tx is of a sealed store.
func Fence(tx Tx) error { return tx.Put(keysBucket, []byte(keysRecord), []byte("sealed")) }

// fenced are the keys that a transaction on the unsealed tx seals with.
func (k *Keyset) fenced(tx Tx) (*sealing, error) {
	raw, err := tx.Get(keysBucket, []byte(keysRecord))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	id, ok := sealedBy(raw)
	if !ok {
		return k.sealing.Load(), nil // a new store, or CheckKeys and Verify tell
	}
	s, err := k.with(id)
	if err == nil && !s.has(id) {
		err = &CorruptError{Bucket: keysBucket, Key: []byte(keysRecord), Err: unknownKey(id)}
	}
	return s, err
}

// Sealed tells whether raw, a store without its seal, was sealed before: then it needs the
// keys that did it, and no new ones.
func Sealed(ctx context.Context, raw Store) (bool, error) {
	_, ok, err := fencedBy(ctx, raw)
	return ok, err
}

// fencedBy is the key that sealed the record of CheckKeys; false: there is none.
func fencedBy(ctx context.Context, raw Store) (id KeyID, ok bool, err error) {
	err = raw.View(ctx, func(tx Tx) error {
		value, err := tx.Get(keysBucket, []byte(keysRecord))
		if id, ok = sealedBy(value); errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
	return id, ok, err
}

func unknownKey(id KeyID) error { return fmt.Errorf("its key %s is not in the keyset", id) }

// open opens a record. A key that is not known yet is looked for in the key file.
func (k *Keyset) open(bucket string, key, raw []byte) ([]byte, error) {
	corrupt := func(err error) error {
		return &CorruptError{Bucket: bucket, Key: bytes.Clone(key), Err: err}
	}
	id, ok := sealedBy(raw)
	if !ok {
		return nil, corrupt(errors.New("it has no seal that this version knows"))
	}
	s, err := k.with(id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("store: a record in bucket %s: %w", bucket, err)
	case !s.has(id):
		return nil, corrupt(unknownKey(id))
	}
	value, err := s.open(id, bucket, key, raw)
	if err != nil {
		return nil, corrupt(errors.New("its seal does not open"))
	}
	return value, nil
}
