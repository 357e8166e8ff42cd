//go:build linux

package doctor

import (
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keyInfo is what the system says of a file.
type keyInfo struct {
	mode         fs.FileMode
	owner, group int
}

func (i keyInfo) Name() string       { return "belay.keys" }
func (i keyInfo) Size() int64        { return 1 }
func (i keyInfo) Mode() fs.FileMode  { return i.mode }
func (i keyInfo) ModTime() time.Time { return time.Time{} }
func (i keyInfo) IsDir() bool        { return false }
func (i keyInfo) Sys() any           { return &syscall.Stat_t{Uid: uint32(i.owner), Gid: uint32(i.group)} }

// asNobody runs look as an account that is not root. The thread is not given back.
func asNobody(t *testing.T, look func(user, group int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		look(os.Geteuid(), os.Getegid())
		return
	}
	const nobody = 65532
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // of this thread alone: the others stay root
		for _, call := range []uintptr{syscall.SYS_SETRESGID, syscall.SYS_SETRESUID} {
			if _, _, no := syscall.RawSyscall(call, nobody, nobody, nobody); no != 0 {
				t.Error(no)
				return
			}
		}
		look(nobody, nobody)
	}()
	<-done
}

// A key file that Kubernetes hands over is root's, and no fault: to take it over would stop Belay.
func TestAKeyFileThatWasHandedOverIsSound(t *testing.T) {
	asNobody(t, func(user, group int) {
		if group == 0 {
			t.Skip("of root's group nothing is handed over")
		}
		for _, c := range []struct {
			name string
			file keyInfo
			want bool
			says string
		}{
			{"handed over", keyInfo{0o440, 0, group}, true, "handed over: root and this group"},
			{"its own", keyInfo{0o600, user, group}, true, "only its owner"},
			{"root's own", keyInfo{0o600, 0, group}, false, "only its owner"},
			{"another group's", keyInfo{0o440, 0, group + 1}, false, "only its owner"},
			{"somebody's", keyInfo{0o440, user + 1, group}, false, "only its owner"},
		} {
			if got := ours(uint32(user), c.file); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
			if got := readersOf(c.file); !strings.Contains(got, c.says) {
				t.Errorf("%s: %s", c.name, got)
			}
		}
	})
}
