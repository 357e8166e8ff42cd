package store_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// stored is what stands in the store for a key, without its seal.
func stored(t *testing.T, s store.Store, bucket, key string) (raw []byte) {
	t.Helper()
	err := s.View(t.Context(), func(tx store.Tx) (err error) {
		raw, err = tx.Get(bucket, []byte(key))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(raw)
}

func TestPackedAndPlainValuesAreReadAlike(t *testing.T) {
	s, people := storetest.Memory(), store.NewBucket[person]("people")
	want := map[string]person{}
	for i, name := range []string{"", "x", strings.Repeat("who may approve this ", 300), strings.Repeat("ä", 70_000)} {
		want[fmt.Sprintf("plain%d", i)], want[fmt.Sprintf("small%d", i)] = person{name}, person{name}
	}
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for _, key := range slices.Sorted(maps.Keys(want)) {
			keep := people.Put
			if strings.HasPrefix(key, "small") {
				keep = people.Pack
			}
			if err := keep(tx, key, want[key]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]person{}
	err = s.View(t.Context(), func(tx store.Tx) error {
		for key := range want {
			p, err := people.Get(tx, key)
			if err != nil || p != want[key] {
				t.Errorf("%s: %d bytes of %d, %v", key, len(p.Name), len(want[key].Name), err)
			}
		}
		return people.Scan(tx, "", "", func(key string, p person) error { got[key] = p; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, p := range want {
		if got[key] != p {
			t.Errorf("%s is another one in a scan", key)
		}
	}
	if plain, small := stored(t, s, "people", "plain2"), stored(t, s, "people", "small2"); len(small)*4 > len(plain) {
		t.Errorf("%d bytes are packed into %d", len(plain), len(small))
	}
	if plain, small := stored(t, s, "people", "plain1"), stored(t, s, "people", "small1"); !bytes.Equal(plain, small) {
		t.Errorf("what packing makes no smaller is stored as %q", small)
	}
}

// bomb is a good string of so many bytes, packed.
func bomb(t *testing.T, size int) []byte {
	t.Helper()
	b := bytes.NewBuffer([]byte{1})
	w, err := flate.NewWriter(b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte(`"` + strings.Repeat("a", size) + `"`))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A value that was packed and then cut or changed, or that would take all memory when it is
// read, is a record that cannot be trusted.
func TestAPackedValueThatDoesNotOpen(t *testing.T) {
	s, texts := storetest.Memory(), store.NewBucket[string]("texts")
	most := strings.Repeat("a", store.MaxValue-2)
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(texts.Pack(tx, "most", most), texts.Pack(tx, "whole", strings.Repeat("approve ", 100)))
	})
	if err != nil {
		t.Fatal(err)
	}
	whole := stored(t, s, "texts", "whole")
	broken := map[string][]byte{
		"cut":   whole[:len(whole)/2],
		"bare":  whole[:1],
		"other": append([]byte{2}, whole[1:]...),
		"bits":  append(bytes.Clone(whole[:1]), bytes.Repeat([]byte{0xFF}, 20)...),
		"bomb":  bomb(t, 64<<20),
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for _, key := range slices.Sorted(maps.Keys(broken)) {
			if err := tx.Put("texts", []byte(key), broken[key]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error { return texts.Pack(tx, "beyond", most+"a") })
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("one byte more than can be read again: %v", err)
	}
	err = s.View(t.Context(), func(tx store.Tx) error {
		if v, err := texts.Get(tx, "most"); err != nil || v != most {
			t.Errorf("the largest value: %d bytes, %v", len(v), err)
		}
		for key := range broken {
			var corrupt *store.CorruptError
			if v, err := texts.Get(tx, key); !errors.As(err, &corrupt) || string(corrupt.Key) != key {
				t.Errorf("%s: %d bytes, %v", key, len(v), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Packers and readers are used again by others, at the same time.
func TestManyPackAtOnce(t *testing.T) {
	s, texts := storetest.Memory(), store.NewBucket[string]("texts")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 20 {
				key, want := fmt.Sprint(n), strings.Repeat(fmt.Sprint(n, i, " "), 100+i)
				err := s.Update(t.Context(), func(tx store.Tx) error { return texts.Pack(tx, key, want) })
				if err == nil {
					err = s.View(t.Context(), func(tx store.Tx) error {
						if got, err := texts.Get(tx, key); got != want {
							t.Errorf("%s is %q, %v", key, got, err)
						}
						return nil
					})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
