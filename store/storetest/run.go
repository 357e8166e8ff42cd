// Package storetest is what every driver of package store must pass, and what the
// tests of others need: a store in memory (Memory) and one that fails when told to
// (Faulty).
//
// The suite is one function and has no options: a driver that cannot pass part of
// it is not a driver. Run takes a function that opens a new, empty store; RunDurable
// one that opens the store in a directory, again and again.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/store"
)

// Run puts a driver through the whole suite. open returns a new, empty store and
// leaves closing it to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"get put delete", getPutDelete},
		{"scan order and bounds", scanBounds},
		{"scan while writing", scanWhileWriting},
		{"scan ends early", scanEndsEarly},
		{"buckets are apart", bucketsApart},
		{"binary keys", binaryKeys},
		{"large values", largeValues},
		{"what no driver takes", refusals},
		{"slices belong to their owners", slicesBelong},
		{"read your writes", readYourWrites},
		{"all or nothing on error", atomicOnError},
		{"all or nothing on panic", atomicOnPanic},
		{"all or nothing when the goroutine ends", atomicOnGoexit},
		{"a view cannot write", viewReadOnly},
		{"a transaction ends", txEnds},
		{"a view is a snapshot", snapshot},
		{"functions may run again", runAgain},
		{"a cancelled caller has no effect", cancelled},
		{"a caller that gives up gets the truth", givesUp},
		{"no update is lost", noLostUpdate},
		{"no write skew", noWriteSkew},
		{"views never see a part", noPartialView},
		{"failures do not spoil others", failuresApart},
		{"random histories", histories},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

var errBoom = errors.New("boom")

func update(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t *testing.T, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func put(t *testing.T, s store.Store, bucket string, pairs ...string) {
	t.Helper()
	update(t, s, func(tx store.Tx) error { return putAll(tx, bucket, pairs...) })
}

func putAll(tx store.Tx, bucket string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.Put(bucket, []byte(pairs[i]), []byte(pairs[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// scan returns what a scan visits, as key, value, key, value.
func scan(tx store.Tx, bucket string, from, to []byte) (pairs []string, err error) {
	err = tx.Scan(bucket, from, to, func(k, v []byte) error {
		pairs = append(pairs, string(k), string(v))
		return nil
	})
	return pairs, err
}

func wantAll(t *testing.T, s store.Store, bucket string, want ...string) {
	t.Helper()
	view(t, s, func(tx store.Tx) error {
		got, err := scan(tx, bucket, nil, nil)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("bucket %s: %s", bucket, d)
		}
		return err
	})
}

func wantGet(t *testing.T, tx store.Tx, bucket, key, want string) {
	t.Helper()
	got, err := tx.Get(bucket, []byte(key))
	if err != nil || string(got) != want || got == nil {
		t.Errorf("Get(%s, %q) = %q, %v; want %q", bucket, key, got, err, want)
	}
}

func wantNone(t *testing.T, tx store.Tx, bucket, key string) {
	t.Helper()
	if got, err := tx.Get(bucket, []byte(key)); !errors.Is(err, store.ErrNotFound) || got != nil {
		t.Errorf("Get(%s, %q) = %q, %v; want ErrNotFound", bucket, key, got, err)
	}
}

func getPutDelete(t *testing.T, s store.Store) {
	view(t, s, func(tx store.Tx) error {
		wantNone(t, tx, "a", "k")
		return nil
	})
	put(t, s, "a", "k", "1", "empty", "")
	put(t, s, "a", "k", "2")
	view(t, s, func(tx store.Tx) error {
		wantGet(t, tx, "a", "k", "2")
		wantGet(t, tx, "a", "empty", "")
		wantNone(t, tx, "a", "kk")
		wantNone(t, tx, "a", "j")
		return nil
	})
	for range 2 { // the second time nothing is there
		update(t, s, func(tx store.Tx) error {
			return errors.Join(tx.Delete("a", []byte("k")), tx.Delete("nowhere", []byte("k")))
		})
		wantAll(t, s, "a", "empty", "")
	}
	put(t, s, "a", "k", "3")
	wantAll(t, s, "a", "empty", "", "k", "3")
}

func scanBounds(t *testing.T, s store.Store) {
	wantAll(t, s, "a")
	put(t, s, "a", "b", "1", "d", "2", "a", "0", "dd", "3", "e", "4")
	for _, c := range []struct{ from, to, want string }{
		{"", "", "a b d dd e"},
		{"b", "", "b d dd e"},
		{"c", "", "d dd e"},
		{"", "d", "a b"},
		{"b", "dd", "b d"},
		{"a\x00", "d\x00", "b d"},
		{"c", "c", ""},
		{"d", "d", ""},
		{"e", "a", ""},
		{"f", "", ""},
	} {
		view(t, s, func(tx store.Tx) error {
			var from, to []byte
			if c.from != "" {
				from = []byte(c.from)
			}
			if c.to != "" {
				to = []byte(c.to)
			}
			var keys []string
			err := tx.Scan("a", from, to, func(k, _ []byte) error { keys = append(keys, string(k)); return nil })
			if got := strings.Join(keys, " "); got != c.want {
				t.Errorf("from %q to %q: %q, want %q", c.from, c.to, got, c.want)
			}
			return err
		})
	}
	view(t, s, func(tx store.Tx) error { // an empty bound that is not nil is a bound
		got, err := scan(tx, "a", []byte{}, []byte{})
		if got != nil {
			t.Errorf("to below every key: %q", got)
		}
		return err
	})
}

func scanWhileWriting(t *testing.T, s store.Store) {
	put(t, s, "a", "b", "1", "d", "2", "f", "3", "h", "4")
	update(t, s, func(tx store.Tx) error {
		var visited []string
		err := tx.Scan("a", nil, nil, func(k, _ []byte) error {
			key := string(k)
			visited = append(visited, key)
			switch key {
			case "b":
				return errors.Join(putAll(tx, "a", "a", "behind", "c", "ahead"), tx.Delete("a", k))
			case "d":
				return tx.Delete("a", []byte("f"))
			case "h":
				return putAll(tx, "a", "i", "at the end")
			}
			return nil
		})
		if got := strings.Join(visited, " "); got != "b c d h i" {
			t.Errorf("visited %s", got)
		}
		return err
	})
	wantAll(t, s, "a", "a", "behind", "c", "ahead", "d", "2", "h", "4", "i", "at the end")
	update(t, s, func(tx store.Tx) error {
		return tx.Scan("a", nil, nil, func(k, _ []byte) error { return tx.Delete("a", k) })
	})
	wantAll(t, s, "a")
}

func scanEndsEarly(t *testing.T, s store.Store) {
	put(t, s, "a", "b", "1", "c", "2")
	view(t, s, func(tx store.Tx) error {
		for _, c := range []struct{ give, want error }{
			{store.Stop, nil},
			{fmt.Errorf("enough: %w", store.Stop), nil},
			{errBoom, errBoom},
		} {
			n := 0
			err := tx.Scan("a", nil, nil, func([]byte, []byte) error { n++; return c.give })
			if !errors.Is(err, c.want) || n != 1 {
				t.Errorf("fn returned %v: Scan returned %v after %d", c.give, err, n)
			}
		}
		return nil
	})
}

func bucketsApart(t *testing.T, s store.Store) {
	put(t, s, "a", "k", "1")
	put(t, s, "ab", "k", "2")
	put(t, s, "a/b.c-d_E9", "k", "3")
	put(t, s, strings.Repeat("x", store.MaxBucket), "k", "4")
	put(t, s, "gone", "k", "5")
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Delete("a", []byte("k")), tx.Delete("gone", []byte("k")))
	})
	wantAll(t, s, "a")
	wantAll(t, s, "ab", "k", "2")
	put(t, s, "a", "k", "1")
	view(t, s, func(tx store.Tx) error {
		l, ok := tx.(store.BucketLister)
		if !ok {
			t.Fatalf("%T is no store.BucketLister", tx)
		}
		got, err := l.Buckets()
		want := []string{"a", "a/b.c-d_E9", "ab", strings.Repeat("x", store.MaxBucket)}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Buckets: %s", d)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error { // an update sees those that it makes
		if err := putAll(tx, "new", "k", "6"); err != nil {
			return err
		}
		got, err := tx.(store.BucketLister).Buckets()
		if !slices.Contains(got, "new") {
			t.Errorf("Buckets in the update that makes one: %q", got)
		}
		return err
	})
}

func binaryKeys(t *testing.T, s store.Store) {
	var want []string
	for i := range 256 {
		want = append(want, string([]byte{byte(i)}), fmt.Sprint(i), string([]byte{byte(i), 0}), "\x00\xff")
	}
	long := strings.Repeat("\xff", store.MaxKey)
	want = append(want, long, "long")
	shuffled := slices.Clone(want)
	for i := 0; i+1 < len(shuffled)/2; i += 2 { // last pairs first
		j := len(shuffled) - 2 - i
		shuffled[i], shuffled[i+1], shuffled[j], shuffled[j+1] = shuffled[j], shuffled[j+1], shuffled[i], shuffled[i+1]
	}
	put(t, s, "a", shuffled...)
	wantAll(t, s, "a", want...)
}

func largeValues(t *testing.T, s store.Store) {
	sizes := []int{0, 1, 4095, 4096, 4097, 1 << 16, 1<<20 + 1, store.MaxValue}
	value := func(size int) []byte { return bytes.Repeat([]byte{0, 'x', byte(size)}, size/3+1)[:size] }
	for _, size := range sizes {
		update(t, s, func(tx store.Tx) error { return tx.Put("a", fmt.Append(nil, size), value(size)) })
	}
	view(t, s, func(tx store.Tx) error {
		for _, size := range sizes {
			got, err := tx.Get("a", fmt.Append(nil, size))
			if err != nil || !bytes.Equal(got, value(size)) {
				t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
			}
		}
		return nil
	})
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return tx.Put("a", []byte("k"), make([]byte, store.MaxStored+1))
	})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a value above the limit: %v", err)
	}
}

func refusals(t *testing.T, s store.Store) {
	for _, c := range []struct{ bucket, key string }{
		{"a", ""},
		{"a", strings.Repeat("k", store.MaxKey+1)},
		{"", "k"},
		{"1a", "k"},
		{"/a", "k"},
		{"a b", "k"},
		{"a\x00", "k"},
		{"ä", "k"},
		{`a"`, "k"},
		{strings.Repeat("x", store.MaxBucket+1), "k"},
	} {
		update(t, s, func(tx store.Tx) error {
			_, err := tx.Get(c.bucket, []byte(c.key))
			for what, err := range map[string]error{
				"Get":    err,
				"Put":    tx.Put(c.bucket, []byte(c.key), []byte("v")),
				"Delete": tx.Delete(c.bucket, []byte(c.key)),
			} {
				if !errors.Is(err, store.ErrInvalid) {
					t.Errorf("%s(%.20q, %.20q): %v", what, c.bucket, c.key, err)
				}
			}
			if c.bucket != "a" {
				if _, err := scan(tx, c.bucket, nil, nil); !errors.Is(err, store.ErrInvalid) {
					t.Errorf("Scan(%.20q): %v", c.bucket, err)
				}
			}
			return nil
		})
	}
}

func slicesBelong(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		key, value := []byte("k1"), []byte("v1")
		if err := tx.Put("a", key, value); err != nil {
			return err
		}
		key[1], value[1] = '2', '2' // both may be used again at once
		return tx.Put("a", key, value)
	})
	wantAll(t, s, "a", "k1", "v1", "k2", "v2")
	update(t, s, func(tx store.Tx) error { // what was read stays as it is during the transaction
		got, err := tx.Get("a", []byte("k1"))
		if err != nil {
			return err
		}
		if err := errors.Join(putAll(tx, "a", "k1", "xx", "k3", "v3"), tx.Delete("a", []byte("k2"))); err != nil {
			return err
		}
		if string(got) != "v1" {
			t.Errorf("a value that was read became %q", got)
		}
		return nil
	})
}
