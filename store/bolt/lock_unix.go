//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lock takes the lock that bbolt takes on the same open file right afterwards, so
// that nobody writes while the layout is read, and so that a file in use is called
// that and not damaged.
func lock(f *os.File, wait time.Duration) error {
	const pause = 20 * time.Millisecond
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if wait <= 0 {
			return &OpenError{Reason: Held}
		}
		time.Sleep(pause)
		wait -= pause
	}
}
