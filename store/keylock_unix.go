//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"os"
	"path/filepath"
	"syscall"
)

// lock keeps every other process that changes the key file waiting. The directory is
// locked, because the file itself is replaced.
func (f KeyFile) lock() (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(f.Path))
	if err != nil {
		return nil, f.fault(err)
	}
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR { //nolint:errorlint // a system call's own error
			break
		}
	}
	if err != nil {
		_ = dir.Close() // the first error counts
		return nil, f.fault(err)
	}
	return func() { _ = dir.Close() }, nil // closing lets go of the lock
}
