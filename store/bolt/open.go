package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Reason says why a file was not opened.
type Reason string

// The reasons a file is not opened.
const (
	Held      Reason = "held"      // another process, or this one, has it open
	Empty     Reason = "empty"     // a file of no bytes: Belay never leaves one behind
	Truncated Reason = "truncated" // its end is missing
	Damaged   Reason = "damaged"   // its pages contradict each other
	NotAStore Reason = "foreign"   // something else than a store of Belay
	Version   Reason = "version"   // written by another version of Belay
	ReadOnly  Reason = "read-only" // the file or its file system cannot be written
	Denied    Reason = "denied"    // the operating system refuses access
	Directory Reason = "directory" // a directory, or something else that is not a file
	NoParent  Reason = "no-parent" // its directory does not exist
	Failed    Reason = "io"        // reading or writing failed
)

// OpenError is every failure of Open. Whatever the reason, the file is as it was.
type OpenError struct {
	Path   string
	Reason Reason
	Err    error // detail for the operator; may be nil
}

// Error is one sentence: what is wrong with which file and what to do.
func (e *OpenError) Error() string {
	const restore = "; it was left as it is: move it away and restore a backup with `belay store restore`"
	switch e.Reason {
	case Held:
		return fmt.Sprintf("another Belay holds this file: %s; stop that one first, only one may run on it", e.Path)
	case Empty:
		return fmt.Sprintf("the store %s is empty, all its content is gone", e.Path) + restore + ", or remove the file if there never was one"
	case Truncated:
		return fmt.Sprintf("the store %s is cut short (%v)", e.Path, e.Err) + restore
	case Damaged:
		return fmt.Sprintf("the store %s is damaged (%v)", e.Path, e.Err) + restore
	case NotAStore:
		return fmt.Sprintf("the file %s is not a store of Belay (%v); it was left as it is: give another path, or move it away and restore a backup with `belay store restore`", e.Path, e.Err)
	case Version:
		return fmt.Sprintf("the store %s was written by another version of Belay (%v); start that version, or move it away and restore a backup of this one with `belay store restore`", e.Path, e.Err)
	case ReadOnly:
		return fmt.Sprintf("the store %s cannot be written; make the file and its file system writable (`chmod u+w %s`)", e.Path, e.Path)
	case Denied:
		return fmt.Sprintf("Belay may not open the store %s; let the user that runs Belay own the file and its directory", e.Path)
	case Directory:
		return fmt.Sprintf("%s is not a file; give the path of a file for the store, for example %s", e.Path, filepath.Join(e.Path, "belay.db"))
	case NoParent:
		return fmt.Sprintf("the directory %s does not exist; create it, writable by Belay only", filepath.Dir(e.Path))
	default:
		return fmt.Sprintf("the store %s could not be opened: %v", e.Path, e.Err)
	}
}

// Unwrap returns the detail.
func (e *OpenError) Unwrap() error { return e.Err }

const (
	ownBucket  = "\x00belay" // no name that store.CheckBucket lets through
	formatKey  = "format"
	format     = "1"
	growBy     = 4 << 20  // bytes by which the file grows when it must
	initialMap = 64 << 20 // address space mapped ahead, so that a view seldom holds up a commit
)

// Open opens the store in the file at path, and makes it when there is no file: whole
// and synced before it gets that name. Every error is an *OpenError.
func Open(path string, opt Options) (*Store, error) {
	if opt.Wait <= 0 {
		opt.Wait = time.Second
	}
	if opt.MaxWaiting <= 0 {
		opt.MaxWaiting = 4096
	}
	s, err := open(path, opt)
	if err != nil {
		return nil, openError(path, err)
	}
	return s, nil
}

func open(path string, opt Options) (*Store, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &OpenError{Reason: Directory}
	case info.Mode().Perm()&0o200 == 0: // root could write it all the same
		return nil, &OpenError{Reason: ReadOnly}
	}
	s := &Store{opt: opt, wake: make(chan struct{}, 1), drained: make(chan struct{})}
	db, err := openSound(path, opt.Wait, &s.file)
	if err != nil {
		return nil, err
	}
	s.db, s.commit, s.sync = db, (*bbolt.Tx).Commit, s.file.Sync
	if err := s.checkFormat(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go s.committer()
	return s, nil
}

// openSound lets bbolt open the file after it was locked and its layout checked.
func openSound(path string, wait time.Duration, file **os.File) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err = guard(func() (err error) {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:         wait,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: mapAhead(),
			OpenFile: func(name string, _ int, _ os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, os.O_RDWR, 0) // never makes a file
				if err != nil {
					return nil, err
				}
				if err = lock(f, wait); err == nil {
					err = checkFile(f)
				}
				if err != nil {
					return nil, errors.Join(err, f.Close())
				}
				*file = f
				return f, nil
			},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	db.AllocSize = growBy
	return db, nil
}

func mapAhead() int {
	if runtime.GOOS == "windows" { // where mapping ahead makes the file that large
		return 0
	}
	return initialMap
}

// checkFormat tells a store of Belay from another program's bbolt file, and from
// that of another version.
func (s *Store) checkFormat() error {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(ownBucket))
			if b == nil || b.Get([]byte(formatKey)) == nil {
				return &OpenError{Reason: NotAStore, Err: errors.New("another program's bbolt file")}
			}
			if v := b.Get([]byte(formatKey)); string(v) != format {
				return &OpenError{Reason: Version, Err: fmt.Errorf("format %q; this one reads %q", v, format)}
			}
			return nil
		})
	})
}

// create gives a new store the name path. It is complete under another name first;
// a link, unlike a rename, cannot replace a file that is already there, so of
// several first starts at once one wins and the others open its file. A process that is
// killed meanwhile leaves a file with ".new-" in its name, which nobody reads.
func create(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if errors.Is(err, fs.ErrNotExist) {
		return &OpenError{Reason: NoParent, Err: err}
	}
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = fill(f.Name())
	}
	if err == nil {
		if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // which cannot sync a directory, and need not
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fill makes an empty store in an empty file.
func fill(name string) error {
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(ownBucket))
		if err != nil {
			return err
		}
		return b.Put([]byte(formatKey), []byte(format))
	})
	return errors.Join(err, db.Close())
}

// openError gives err its reason and the path.
func openError(path string, err error) error {
	var known *OpenError
	if errors.As(err, &known) {
		return &OpenError{Path: path, Reason: known.Reason, Err: known.Err}
	}
	reason := Failed
	var p *panicError
	switch {
	case errors.As(err, &p):
		reason = Damaged
	case errors.Is(err, berrors.ErrTimeout):
		reason = Held
	case errors.Is(err, syscall.EROFS):
		reason = ReadOnly
	case errors.Is(err, syscall.ENOTDIR):
		reason = NoParent
	case errors.Is(err, fs.ErrPermission):
		reason = Denied
	}
	return &OpenError{Path: path, Reason: reason, Err: err}
}
