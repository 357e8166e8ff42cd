package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// TestNoDamageGoesUnnoticed damages a sealed store in every way that chance
// finds. Each time the file is refused and left alone, or Verify finds a fault, or nothing
// that was stored is different.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	dir := t.TempDir()
	path, keys := filepath.Join(dir, "belay.db"), newKeys(t)
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sealed := store.Seal(s, keys)
	for round := range 4 { // several, so that there are free pages with old records
		for _, b := range []string{"requests", "people", "x"} {
			err := sealed.Update(context.Background(), func(tx store.Tx) error {
				for i := range 20 + 20*len(b) {
					if err := tx.Put(b, fmt.Appendf(nil, "%c%03d", 'a'+i%7, i), bytes.Repeat([]byte{byte(round)}, 20+i%90)); err != nil {
						return err
					}
				}
				return errors.Join(tx.Put("large", []byte("k"), make([]byte, 9000)), tx.Put("small", []byte("k"), nil))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	want := everything(t, sealed)
	if err := errors.Join(store.Verify(context.Background(), sealed), s.Close()); err != nil {
		t.Fatal(err)
	}
	sound := read(t, path)
	sound = sound[:used(sound)] // the rest is room to grow
	inUse := len(sound)
	page := os.Getpagesize()

	rng := rand.New(rand.NewPCG(7, 7))
	ways := []struct {
		name   string
		rounds int
		damage func(raw []byte) []byte
	}{
		{"one bit", 1500, func(raw []byte) []byte {
			raw[rng.IntN(inUse)] ^= 1 << rng.IntN(8)
			return raw
		}},
		{"one bit of a page header or its first entries", 1000, func(raw []byte) []byte {
			raw[rng.IntN(inUse/page)*page+rng.IntN(80)] ^= 1 << rng.IntN(8)
			return raw
		}},
		{"one byte", 200, func(raw []byte) []byte {
			raw[rng.IntN(inUse)] = byte(rng.Int())
			return raw
		}},
		{"a zeroed piece", 150, func(raw []byte) []byte {
			at := rng.IntN(inUse)
			clear(raw[at:min(inUse, at+rng.IntN(2*page))])
			return raw
		}},
		{"a page in the place of another", 200, func(raw []byte) []byte {
			from, to := rng.IntN(inUse/page)*page, rng.IntN(inUse/page)*page
			copy(raw[to:to+page], raw[from:from+page])
			return raw
		}},
		{"cut short", 60, func(raw []byte) []byte { return raw[:rng.IntN(inUse)] }},
	}
	for _, w := range ways {
		refused, found, same := 0, 0, 0
		for range w.rounds {
			broken := w.damage(bytes.Clone(sound))
			overwrite(t, path, broken)
			s, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				refused++
				var oerr *bolt.OpenError
				if !errors.As(err, &oerr) || oerr.Reason == bolt.Failed {
					t.Errorf("%s: %v", w.name, err)
				}
				if !bytes.Equal(read(t, path), broken) {
					t.Fatalf("%s: refused with %v, but changed", w.name, err)
				}
				continue
			}
			sealed := store.Seal(s, keys)
			if err := store.Verify(context.Background(), sealed); err != nil {
				found++
			} else {
				same++
				if got := everything(t, sealed); !maps.Equal(want, got) {
					t.Fatalf("%s went unnoticed: %s", w.name, cmp.Diff(want, got))
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		t.Logf("%-46s %5d times: %5d refused, %5d found by Verify, %5d of no effect", w.name, w.rounds, refused, found, same)
	}
}

// overwrite is os.WriteFile without emptying the file first, after which some file
// systems sync it when it is closed.
func overwrite(t *testing.T, path string, raw []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(raw, 0)
	if err := errors.Join(err, f.Truncate(int64(len(raw))), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func everything(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := s.View(context.Background(), func(tx store.Tx) error {
		names, err := tx.(store.BucketLister).Buckets()
		if err != nil {
			return err
		}
		for _, b := range names {
			err := tx.Scan(b, nil, nil, func(k, v []byte) error { all[b+" "+string(k)] = string(v); return nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestDamageUnderAnOpenStore destroys the file while it is open. Nothing may take
// the process down: reads give a CorruptError, and the store can be closed.
func TestDamageUnderAnOpenStore(t *testing.T) {
	for name, destroy := range map[string]func(path string, size int64) error{
		"truncated": func(path string, _ int64) error { return os.Truncate(path, int64(3*os.Getpagesize())) },
		"overwritten": func(path string, size int64) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(garbage(int(size)-2*os.Getpagesize()), int64(2*os.Getpagesize()))
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "belay.db")
			if err := os.WriteFile(path, filled(t), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, bolt.Options{})
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := destroy(path, info.Size()); err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			reads := map[string]func(store.Tx) error{
				"Get": func(tx store.Tx) error { _, err := tx.Get("many", []byte("0200")); return err },
				"Scan": func(tx store.Tx) error {
					return tx.Scan("many", nil, nil, func(_, _ []byte) error { return nil })
				},
				"Buckets": func(tx store.Tx) error { _, err := tx.(store.BucketLister).Buckets(); return err },
			}
			for what, fn := range reads {
				var corrupt *store.CorruptError
				if err := s.View(ctx, fn); !errors.As(err, &corrupt) {
					t.Errorf("%s in a view: %v", what, err)
				}
				if err := s.Update(ctx, fn); !errors.As(err, &corrupt) {
					t.Errorf("%s in an update: %v", what, err)
				}
			}
			err = s.Update(ctx, func(tx store.Tx) error {
				_ = tx.Put("many", []byte("0200"), []byte("new")) // the fault outlives an error that is dropped
				return nil
			})
			if err == nil {
				t.Error("a write into the ruins was acknowledged")
			}
		})
	}
}
