//go:build unix

package target_test

import (
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/belaybot/belay/adapters/siem/target"
)

// What is no file is refused, by a look at it and by each delivery, and neither waits for
// somebody who reads it: its events wait in the trail, and come when a file is there.
func TestOnlyAFileIsAFile(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for at, is := range map[string]string{pipe: "a pipe", socket: "a socket", os.DevNull: "a device", dir: "a directory"} {
		w, file := newWorld(t), &target.File{Format: format, Path: at}
		if _, err := file.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "it is "+is) {
			t.Errorf("%s: the look says %v", is, err)
		}
		f := w.feed("one", file)
		w.lives(1)
		w.runs(f)
		if s := w.stands(); s.Waiting == 0 || s.Refused != 0 || !strings.Contains(s.Why, "it is "+is+", and must be a file") {
			t.Errorf("%s: %+v", is, s)
		}
		file.Path = filepath.Join(t.TempDir(), "belay.jsonl")
		w.runs(f)
		w.arrived(lines(t, file.Path))
	}
}

// A disk that gets full takes nothing by halves: what it took of a delivery is taken back.
func TestFullDisk(t *testing.T) {
	w, name := newWorld(t), filepath.Join(t.TempDir(), "belay.jsonl")
	f := w.feed("one", &target.File{Format: format, Path: name})
	w.lives(1)
	w.runs(f)
	before, err := os.Stat(name)
	w.must(err)
	var was syscall.Rlimit
	w.must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	full := was
	full.Cur = uint64(before.Size()) + 1000
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	w.must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full))
	defer func() { w.must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)) }()
	w.lives(1)
	w.runs(f)
	if s := w.stands(); s.Waiting == 0 || !strings.Contains(s.Why, "cannot be written: file too large") {
		t.Errorf("%+v", s)
	}
	if after, err := os.Stat(name); err != nil || after.Size() != before.Size() {
		t.Errorf("%v bytes, want %d, %v", after.Size(), before.Size(), err)
	}
	w.must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))
	w.runs(f)
	if again := w.arrived(lines(t, name)); again != 0 {
		t.Errorf("%d came twice", again)
	}
}
