package bolt_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// What a start would find is told, and the file is as it was.
func TestProbe(t *testing.T) {
	good := filled(t)
	for name, c := range map[string]struct {
		raw  []byte
		want bolt.Reason
	}{
		"sound":             {good, ""},
		"empty":             {nil, bolt.Empty},
		"cut short":         {good[:len(good)-4096], bolt.Truncated},
		"cut in its heads":  {good[:100], bolt.Truncated},
		"a letter":          {[]byte("Dear Sir"), bolt.NotAStore},
		"garbage":           {garbage(1 << 16), bolt.NotAStore},
		"of another format": {ofFormat(t, "2"), bolt.Version},
		"another program's": {madeByBolt(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }), bolt.NotAStore},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "belay.db")
			if err := os.WriteFile(path, c.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			err := bolt.Probe(path, nil)
			var e *bolt.OpenError
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &e) || e.Reason != c.want || e.Path != path) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if !bytes.Equal(read(t, path), c.raw) {
				t.Error("the file was changed")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "belay.db")
	if err := bolt.Probe(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it made the file")
	}
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var e *bolt.OpenError
	if err := bolt.Probe(path, nil); !errors.As(err, &e) || e.Reason != bolt.Held {
		t.Errorf("a file in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Probe(path, nil); err != nil {
		t.Error(err)
	}
	if err := bolt.Probe(filepath.Dir(path), nil); !errors.As(err, &e) || e.Reason != bolt.Directory {
		t.Errorf("a directory: %v", err)
	}
}

// What is in the file is shown, and can be read only; the error of who looks is theirs.
func TestProbeShowsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "belay.db")
	if err := os.WriteFile(path, filled(t), 0o600); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	seen, mine := 0, errors.New("mine")
	err := bolt.Probe(path, func(tx store.Tx) error {
		names, err := tx.(store.BucketLister).Buckets()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := tx.Scan(name, nil, nil, func(_, _ []byte) error { seen++; return nil }); err != nil {
				return err
			}
		}
		if err := tx.Put("b", []byte("k"), nil); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("it was written: %v", err)
		}
		return mine
	})
	if !errors.Is(err, mine) || seen == 0 {
		t.Errorf("%v after %d records", err, seen)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file was changed")
	}
}
