//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"io/fs"
	"os"
	"syscall"
)

// Handed tells whether the platform gave a key file with that info to this process.
func Handed(info fs.FileInfo) bool {
	of, ok := info.Sys().(*syscall.Stat_t)
	return ok && handedOver(info.Mode(), int(of.Uid), int(of.Gid), os.Geteuid(), os.Getegid())
}

// handedOver is how Kubernetes gives a Secret to one pod: it is root's, and for the pod's own
// group to read. Nobody but root can change it or let others in, which is less than the owner
// of a file with 0600 can do. A group that the account is in besides its own has other members.
func handedOver(mode fs.FileMode, owner, group, user, own int) bool {
	return mode.Perm() == 0o440 && owner == 0 && user != 0 && group != 0 && group == own
}
