package store_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

func sealWithNewKeys(t *testing.T, s store.Store) store.Store {
	t.Helper()
	k, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return store.Seal(s, k)
}

func put(t *testing.T, s store.Store, bucket, key, value string) {
	t.Helper()
	err := s.Update(context.Background(), func(tx store.Tx) error { return tx.Put(bucket, []byte(key), []byte(value)) })
	if err != nil {
		t.Fatal(err)
	}
}

func get(s store.Store, bucket, key string) (value string, err error) {
	err = s.View(context.Background(), func(tx store.Tx) error {
		raw, err := tx.Get(bucket, []byte(key))
		value = string(raw)
		return err
	})
	return value, err
}

func wantCorrupt(t *testing.T, err error, bucket, key string) {
	t.Helper()
	var c *store.CorruptError
	if !errors.As(err, &c) || c.Bucket != bucket || string(c.Key) != key {
		t.Errorf("got %v, want a CorruptError for %s/%s", err, bucket, key)
	}
}

func TestSealHidesValues(t *testing.T) {
	raw := storetest.Memory()
	s := sealWithNewKeys(t, raw)
	secret := strings.Repeat("canary ", 10)
	put(t, s, "b", "k", secret)
	onDisk, err := get(raw, "b", "k")
	if err != nil || strings.Contains(onDisk, "canary") {
		t.Fatalf("stored as %q, %v", onDisk, err)
	}
	if got, err := get(s, "b", "k"); got != secret || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	put(t, s, "b", "k", secret)
	if again, _ := get(raw, "b", "k"); again == onDisk {
		t.Error("the same value is sealed to the same bytes twice")
	}
}

// Every flipped bit of every byte of a sealed record is noticed, by Get and by Scan.
func TestSealNoticesEveryFlippedBit(t *testing.T) {
	raw := storetest.Memory()
	s := sealWithNewKeys(t, raw)
	rng := rand.New(rand.NewPCG(1, 2))
	flips := 0
	for size := range 40 {
		put(t, s, "b", "k", strings.Repeat("x", size))
		sound, err := get(raw, "b", "k")
		if err != nil {
			t.Fatal(err)
		}
		bits := rng.Perm(len(sound) * 8)
		if size > 0 { // the first round flips all bits, the others some
			bits = bits[:25]
		}
		for _, bit := range bits {
			flipped := []byte(sound)
			flipped[bit/8] ^= 1 << (bit % 8)
			put(t, raw, "b", "k", string(flipped))
			_, err := get(s, "b", "k")
			wantCorrupt(t, err, "b", "k")
			err = s.View(context.Background(), func(tx store.Tx) error {
				return tx.Scan("b", nil, nil, func([]byte, []byte) error { return nil })
			})
			wantCorrupt(t, err, "b", "k")
			flips++
		}
	}
	t.Logf("%d flips, all noticed", flips)
}

func TestSealNoticesMovedSwappedCutAndForeignRecords(t *testing.T) {
	raw := storetest.Memory()
	s := sealWithNewKeys(t, raw)
	put(t, s, "b", "one", "1")
	put(t, s, "b", "two", "2")
	one, _ := get(raw, "b", "one")
	two, _ := get(raw, "b", "two")
	for _, c := range []struct{ name, bucket, key, value string }{
		{"moved to another key", "b", "three", one},
		{"moved to another bucket", "c", "one", one},
		{"moved so that bucket and key join to the same text", "bo", "ne", one},
		{"swapped", "b", "one", two},
		{"never sealed", "b", "one", "1"},
		{"empty", "b", "one", ""},
		{"cut", "b", "one", one[:len(one)-1]},
		{"cut to its first byte", "b", "one", one[:1]},
		{"lengthened", "b", "one", one + "\x00"},
		{"of a later layout", "b", "one", "\x02" + one[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			put(t, raw, c.bucket, c.key, c.value)
			_, err := get(s, c.bucket, c.key)
			wantCorrupt(t, err, c.bucket, c.key)
		})
	}
	put(t, raw, "b", "one", one)
	if got, err := get(s, "b", "one"); got != "1" || err != nil {
		t.Errorf("put back: %q, %v", got, err)
	}
}

func TestSealLeavesTheCallersSlicesAlone(t *testing.T) {
	s := sealWithNewKeys(t, storetest.Memory())
	key, value := []byte("key"), []byte("value")
	err := s.Update(context.Background(), func(tx store.Tx) error { return tx.Put("b", key, value) })
	if err != nil || !bytes.Equal(key, []byte("key")) || !bytes.Equal(value, []byte("value")) {
		t.Errorf("%q %q %v", key, value, err)
	}
}
