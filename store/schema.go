package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Migration brings what is stored from one schema version to the next. It runs in one
// transaction, together with the record of the version: a store is of one version or of
// the next, never between. It must be pure, as every update's function.
type Migration func(tx Tx) error

// SchemaError says that a newer Belay has changed the store. Nothing was read or
// written.
type SchemaError struct{ Stored, Known int }

// Error is a sentence with the way out.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the store has schema %d, which a newer Belay made; this one knows schemas up to %d: start the newer version, or restore a backup from before the upgrade", e.Stored, e.Known)
}

var schemaVersions = NewBucket[int]("store.schema")

const schemaRecord = "version"

// Migrate brings s to the newest schema, which is 1 and one more for each migration, and
// returns it guarded: every transaction first reads which schema there is, so that of two
// versions that run side by side the older one stops at once when the newer one has
// migrated. It then answers each transaction with a *SchemaError, loses nothing and
// overwrites nothing that it does not understand. s is sealed, and CheckKeys has
// passed.
func Migrate(ctx context.Context, s Store, migrations ...Migration) (Store, error) {
	known := 1 + len(migrations)
	err := s.Update(ctx, func(tx Tx) error {
		stored, err := schemaVersions.Get(tx, schemaRecord)
		switch {
		case errors.Is(err, ErrNotFound):
			if stored, err = unversioned(tx, known); err != nil {
				return err
			}
		case err != nil:
			return err
		case stored == known:
			return nil
		case stored > known || stored < 1:
			return &SchemaError{Stored: stored, Known: known}
		}
		for ; stored < known; stored++ {
			if err := migrations[stored-1](tx); err != nil {
				return fmt.Errorf("store: bringing the store from schema %d to %d: %w", stored, stored+1, err)
			}
		}
		return schemaVersions.Put(tx, schemaRecord, known)
	})
	if err != nil {
		return nil, err
	}
	return &versioned{s, known, strconv.Itoa(known)}, nil
}

// Examine tells what CheckKeys and Migrate would refuse of a store: ErrWrongKeys, or a
// *SchemaError. tx is of the unsealed store, and nothing is changed.
func Examine(tx Tx, k *Keyset, migrations ...Migration) error {
	opened := &sealedTx{inner: tx, keys: k}
	if _, err := opens(opened); err != nil {
		return err
	}
	stored, err := schemaVersions.Get(opened, schemaRecord)
	switch known := 1 + len(migrations); {
	case errors.Is(err, ErrNotFound):
		return nil
	case err == nil && stored > known:
		return &SchemaError{Stored: stored, Known: known}
	}
	return err
}

// unversioned is the schema of a store without the record: the first one, unless there is
// nothing in it yet but CheckKeys' record.
func unversioned(tx Tx, known int) (int, error) {
	names, err := buckets(tx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if name != keysBucket {
			return 1, nil
		}
	}
	return known, nil
}

// versioned is a store whose schema is read first.
type versioned struct {
	inner Store
	known int
	text  string // known, as it is stored
}

func (v *versioned) check(tx Tx) error {
	raw, err := tx.Get(schemaVersions.Name(), []byte(schemaRecord))
	if err != nil || string(raw) == v.text {
		return err // as ever: nothing is decoded for it
	}
	stored, err := schemaVersions.decode([]byte(schemaRecord), raw)
	if err == nil && stored != v.known {
		return &SchemaError{Stored: stored, Known: v.known}
	}
	return err
}

func (v *versioned) View(ctx context.Context, fn func(Tx) error) error {
	return v.inner.View(ctx, func(tx Tx) error {
		if err := v.check(tx); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (v *versioned) Update(ctx context.Context, fn func(Tx) error) error {
	return v.inner.Update(ctx, func(tx Tx) error {
		if err := v.check(tx); err != nil {
			return err
		}
		return fn(tx)
	})
}
