//go:build linux || darwin

package doctor

import "golang.org/x/sys/unix"

// room is how many bytes somebody without privileges may still write at dir.
func room(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil //nolint:gosec,unconvert // a block size is positive; its type differs by system
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
