package bolt_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// filled returns the bytes of a closed store that has branches, leaves, free pages
// and a value that runs over pages.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "belay.db")
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			for i := range 300 {
				if err := tx.Put("many", fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{byte(round)}, 50)); err != nil {
					return err
				}
			}
			return errors.Join(tx.Put("large", []byte("k"), make([]byte, 20000)), tx.Put("few", []byte("k"), nil))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw := read(t, path)
	return raw[:used(raw)] // the rest is room to grow
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// used is the part of the file that its head says is in use.
func used(raw []byte) int {
	return int(max(headField(raw, 0, 40), headField(raw, 1, 40))) * os.Getpagesize()
}

func headField(raw []byte, head, at int) uint64 {
	return binary.NativeEndian.Uint64(raw[head*os.Getpagesize()+16+at:])
}

// editHeads changes both heads and makes their checksums right again.
func editHeads(raw []byte, edit func(head []byte)) []byte {
	for i := range 2 {
		head := raw[i*os.Getpagesize()+16:][:64]
		edit(head)
		sum := fnv.New64a()
		sum.Write(head[:56])
		binary.NativeEndian.PutUint64(head[56:], sum.Sum64())
	}
	return raw
}

func garbage(n int) []byte {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(i * i >> 3)
	}
	return raw
}

func TestOpenRefusesAndChangesNothing(t *testing.T) {
	sound := filled(t)
	page := os.Getpagesize()
	with := func(edit func(raw []byte) []byte) []byte { return edit(bytes.Clone(sound)) }
	set32 := func(at int, v uint32) func([]byte) {
		return func(head []byte) { binary.NativeEndian.PutUint32(head[at:], v) }
	}
	set64 := func(at int, v uint64) func([]byte) {
		return func(head []byte) { binary.NativeEndian.PutUint64(head[at:], v) }
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    bolt.Reason
	}{
		{"empty", nil, bolt.Empty},
		{"one byte", sound[:1], bolt.NotAStore},
		{"cut in the head", sound[:40], bolt.Truncated},
		{"cut behind the first head", sound[:page], bolt.Truncated},
		{"cut behind both heads", sound[:2*page], bolt.Truncated},
		{"cut in the middle", sound[:used(sound)/2], bolt.Truncated},
		{"last page missing", sound[:used(sound)-page], bolt.Truncated},
		{"last byte missing", sound[:used(sound)-1], bolt.Truncated},
		{"text", []byte("hello, world\n"), bolt.NotAStore},
		{"garbage", garbage(100_000), bolt.NotAStore},
		{"zeros", make([]byte, 100_000), bolt.NotAStore},
		{"SQLite", append([]byte("SQLite format 3\x00"), make([]byte, 8176)...), bolt.NotAStore},
		{"wrong magic", with(func(raw []byte) []byte { return editHeads(raw, set32(0, 0xdeadbeef)) }), bolt.NotAStore},
		{"first head zeroed", with(func(raw []byte) []byte { clear(raw[:page]); return raw }), bolt.Damaged},
		{"second head zeroed", with(func(raw []byte) []byte { clear(raw[page : 2*page]); return raw }), bolt.Damaged},
		{"checksum of the first head", with(func(raw []byte) []byte { raw[16+56]++; return raw }), bolt.Damaged},
		{"checksum of the second head", with(func(raw []byte) []byte { raw[page+16+56]++; return raw }), bolt.Damaged},
		{"all behind the heads zeroed", with(func(raw []byte) []byte { clear(raw[2*page:]); return raw }), bolt.Damaged},
		{"all behind the heads garbage", with(func(raw []byte) []byte { copy(raw[2*page:], garbage(len(raw))); return raw }), bolt.Damaged},
		{"page size 0", with(func(raw []byte) []byte { return editHeads(raw, set32(8, 0)) }), bolt.Damaged},
		{"root page beyond the end", with(func(raw []byte) []byte { return editHeads(raw, set64(16, 1<<40)) }), bolt.Damaged},
		{"root page is a head", with(func(raw []byte) []byte { return editHeads(raw, set64(16, 1)) }), bolt.Damaged},
		{"free list beyond the end", with(func(raw []byte) []byte { return editHeads(raw, set64(32, 1<<40)) }), bolt.Damaged},
		{"free list is the root", with(func(raw []byte) []byte { return editHeads(raw, set64(32, headField(raw, 0, 16))) }), bolt.Damaged},
		{"no free list", with(func(raw []byte) []byte { return editHeads(raw, set64(32, ^uint64(0))) }), bolt.NotAStore},
		{"high water mark beyond the end", with(func(raw []byte) []byte { return editHeads(raw, set64(40, 1<<40)) }), bolt.Truncated},
		{"high water mark overflows", with(func(raw []byte) []byte { return editHeads(raw, set64(40, 1<<62)) }), bolt.Truncated},
		{"later layout of bbolt", with(func(raw []byte) []byte { return editHeads(raw, set32(4, 3)) }), bolt.Version},
		{"later format of Belay", ofFormat(t, "2"), bolt.Version},
		{"another program's", ofFormat(t, ""), bolt.NotAStore},
		{"another program's, with nested buckets", nested(t), bolt.NotAStore},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "belay.db")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first refusal lets go of the file
				wantRefusal(t, path, path, c.want)
			}
			if !bytes.Equal(read(t, path), c.content) {
				t.Error("the file was changed")
			}
			if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
				t.Errorf("files beside it: %v", left)
			}
		})
	}
}

// ofFormat returns a bbolt file whose format record says v, or that has none.
func ofFormat(t *testing.T, v string) []byte {
	t.Helper()
	return madeByBolt(t, func(tx *bbolt.Tx) error {
		if v == "" {
			_, err := tx.CreateBucket([]byte("requests"))
			return err
		}
		b, err := tx.CreateBucket([]byte("\x00belay"))
		if err != nil {
			return err
		}
		return b.Put([]byte("format"), []byte(v))
	})
}

func nested(t *testing.T) []byte {
	t.Helper()
	return madeByBolt(t, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("outer"))
		if err != nil {
			return err
		}
		_, err = b.CreateBucket([]byte("inner"))
		return err
	})
}

func madeByBolt(t *testing.T, fn func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
	return read(t, path)
}

// wantRefusal opens path, which must be refused for that reason in one sentence
// that names the file and says what to do.
func wantRefusal(t *testing.T, path, named string, want bolt.Reason) {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{Wait: time.Millisecond})
	if err == nil {
		t.Errorf("opened; closed again with %v", s.Close())
		return
	}
	var oerr *bolt.OpenError
	if !errors.As(err, &oerr) || oerr.Reason != want || oerr.Path != path {
		t.Errorf("got %#v: %v; want reason %s", oerr, err, want)
		return
	}
	wayOut := map[bolt.Reason]string{
		bolt.Held:      "stop that one first",
		bolt.Empty:     "`belay store restore`",
		bolt.Truncated: "`belay store restore`",
		bolt.Damaged:   "`belay store restore`",
		bolt.NotAStore: "give another path",
		bolt.Version:   "start that version",
		bolt.ReadOnly:  "make the file",
		bolt.Directory: "give the path of a file",
		bolt.NoParent:  "create it",
	}[want]
	text := err.Error()
	if strings.Contains(strings.ReplaceAll(text, "`belay store restore`", ""), "`belay ") {
		t.Errorf("the sentence names a command that does not exist: %s", text)
	}
	if !strings.Contains(text, named) || !strings.Contains(text, wayOut) || strings.Contains(text, "\n") || strings.Contains(text, "<nil>") {
		t.Errorf("the sentence does not name %s and %q: %s", named, wayOut, text)
	}
}

func TestOpenRefusesByWhatThePathIs(t *testing.T) {
	dir := t.TempDir()
	t.Run("directory", func(t *testing.T) { wantRefusal(t, dir, dir, bolt.Directory) })
	t.Run("missing parent", func(t *testing.T) {
		parent := filepath.Join(dir, "nowhere")
		wantRefusal(t, filepath.Join(parent, "belay.db"), parent, bolt.NoParent)
		if _, err := os.Stat(parent); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory was made: %v", err)
		}
	})
	t.Run("parent is a file", func(t *testing.T) {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, filepath.Join(file, "belay.db"), file, bolt.NoParent)
	})
	t.Run("read-only", func(t *testing.T) {
		path, sound := filepath.Join(dir, "ro.db"), filled(t)
		if err := os.WriteFile(path, sound, 0o400); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, path, path, bolt.ReadOnly)
		if !bytes.Equal(read(t, path), sound) {
			t.Error("the file was changed")
		}
	})
}

func TestOpenRefusesAFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.db")
	if held := os.Getenv("BELAY_TEST_HOLD"); held != "" { // the other process
		open(t, held, bolt.Options{})
		fmt.Println("held")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Run("by this process", func(t *testing.T) {
		open(t, path, bolt.Options{})
		before := read(t, path)
		wantRefusal(t, path, path, bolt.Held)
		if !bytes.Equal(read(t, path), before) {
			t.Error("the file was changed")
		}
	})
	t.Run("whatever its content", func(t *testing.T) { // a file that is being written may look damaged
		path := filepath.Join(t.TempDir(), "belay.db")
		open(t, path, bolt.Options{})
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(make([]byte, 2*os.Getpagesize()), 0)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, path, path, bolt.Held)
	})
	t.Run("by another process", func(t *testing.T) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOpenRefusesAFileInUse$")
		cmd.Env = append(os.Environ(), "BELAY_TEST_HOLD="+path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "held" {
		}
		wantRefusal(t, path, path, bolt.Held)
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // read to the end, then wait
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		open(t, path, bolt.Options{}) // it let go
	})
}

func TestOpenMakesOneStoreOfSeveralFirstStarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.db")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := bolt.Open(path, bolt.Options{Wait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			err = s.Update(context.Background(), func(tx store.Tx) error { return tx.Put("a", []byte{byte(i)}, nil) })
			if err := errors.Join(err, s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	err := open(t, path, bolt.Options{}).View(context.Background(), func(tx store.Tx) error {
		return tx.Scan("a", nil, nil, func(_, _ []byte) error { n++; return nil })
	})
	if err != nil || n != 8 {
		t.Errorf("%d of 8 updates, %v", n, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}
