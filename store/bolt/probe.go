package bolt

import (
	"errors"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// Probe tells what Open would find wrong with the file at path, as far as its heads show it, and
// changes nothing. A file that another process has open is Held, which is no fault while Belay
// serves. Errors are *OpenError; a missing file is one of fs.ErrNotExist.
func Probe(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return openError(path, err)
	case !info.Mode().IsRegular():
		return &OpenError{Path: path, Reason: Directory}
	case info.Mode().Perm()&0o200 == 0:
		return &OpenError{Path: path, Reason: ReadOnly}
	}
	if err := probe(path, info.Size()); err != nil {
		return openError(path, err)
	}
	return nil
}

// probe reads the heads before bbolt, which panics on some of what they may say.
func probe(path string, size int64) (err error) {
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
		return errors.Join((&Store{db: db}).checkFormat(), db.Close())
	})
}
