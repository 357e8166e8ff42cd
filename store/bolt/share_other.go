//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package bolt

import "os"

// share leaves locking to bbolt.
func share(*os.File) error { return nil }
