package bolt

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
)

// Probe tells what Open would find wrong with the file at path, as far as its heads show it, and
// changes nothing. A file that another process has open is Held, which is no fault while Belay
// serves. Errors are *OpenError; a missing file is one of fs.ErrNotExist. What look, which may be
// nil, says of a file that can be opened is given back as it is.
func Probe(path string, look func(store.Tx) error) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return openError(path, err)
	case !info.Mode().IsRegular():
		return &OpenError{Path: path, Reason: Directory}
	case info.Mode().Perm()&0o200 == 0:
		return &OpenError{Path: path, Reason: ReadOnly}
	}
	var seen error
	if err := probe(path, info.Size(), func(tx store.Tx) error {
		if look != nil {
			seen = look(tx)
		}
		return nil
	}); err != nil {
		return openError(path, err)
	}
	return seen
}

// probe reads the heads before bbolt, which panics on some of what they may say.
func probe(path string, size int64, look func(store.Tx) error) (err error) {
	if size == 0 {
		return &OpenError{Reason: Empty}
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := share(f); err != nil {
		return err
	}
	if _, err := readHeads(f, size); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return guard(func() error {
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return err
		}
		s := &Store{db: db}
		if err = s.checkFormat(); err == nil {
			err = s.View(context.Background(), look)
		}
		return errors.Join(err, db.Close())
	})
}
