//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A file that a platform hands over is root's and read-only for one group, that of
// Belay's process. Everything else that a group can read is exposed.
func TestAKeyFileIsHandedOver(t *testing.T) {
	const service, other, supplementary = 65532, 1000, 27
	for _, c := range []struct {
		name         string
		mode         fs.FileMode
		owner, group int
		user         int
		want         bool
	}{
		{"a Secret of Kubernetes", 0o440, 0, service, service, true},
		{"the group may write", 0o460, 0, service, service, false},
		{"root may write", 0o640, 0, service, service, false},
		{"the world may read", 0o444, 0, service, service, false},
		{"somebody owns it", 0o440, other, service, service, false},
		{"its reader owns it", 0o440, service, service, service, false},
		{"another group", 0o440, 0, other, service, false},
		{"a group that the account is in besides", 0o440, 0, supplementary, service, false},
		{"root's group", 0o440, 0, 0, service, false},
		{"Belay is root", 0o440, 0, service, 0, false},
	} {
		if got := handedOver(c.mode, c.owner, c.group, c.user, service); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Who cannot write a file that was handed over is not told to own it: the platform would not let them.
func TestAKeyFileThatWasHandedOverIsReadOnly(t *testing.T) {
	refused := func(no syscall.Errno) error { return &os.PathError{Op: "open", Path: "belay.keys.new-1", Err: no} }
	for _, c := range []struct {
		err    error
		handed bool
		want   KeyReason
		says   string
	}{
		{refused(syscall.EACCES), true, KeyReadOnly, "where a writable copy is (docs/operations.md)"},
		{refused(syscall.EROFS), true, KeyReadOnly, "where a writable copy is (docs/operations.md)"},
		{refused(syscall.EACCES), false, KeyDenied, "own it"},
		{refused(syscall.EROFS), false, KeyIO, "read-only file system"},
		{refused(syscall.ENOSPC), true, KeyIO, "no space left"},
		{refused(syscall.ENOTDIR), false, KeyNoParent, "create it"},
	} {
		got := reasonOf(c.err, c.handed)
		if said := (&KeyFileError{Path: "/keys/belay.keys", Reason: got, Err: c.err}).Error(); got != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%v, handed over %v: %s: %s", c.err, c.handed, got, said)
		}
	}
}
