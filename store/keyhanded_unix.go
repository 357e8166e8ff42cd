//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// handed tells whether the platform gave the file to this process.
func handed(info fs.FileInfo) bool {
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, err := os.Getgroups()
	if err != nil {
		return false
	}
	return handedOver(info.Mode(), int(of.Uid), int(of.Gid), os.Geteuid(), append(groups, os.Getegid()))
}

// handedOver is how Kubernetes gives a Secret to one pod: it is root's, and for the pod's own
// group to read. Nobody but root can change it or let others in, which is less than the owner
// of a file with 0600 can do.
func handedOver(mode fs.FileMode, owner, group, user int, groups []int) bool {
	return mode.Perm() == 0o440 && owner == 0 && user != 0 && group != 0 && slices.Contains(groups, group)
}
