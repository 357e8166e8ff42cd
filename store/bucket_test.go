package store_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

type person struct{ Name string }

func TestBucket(t *testing.T) {
	ctx := context.Background()
	s := storetest.Memory()
	people := store.NewBucket[person]("people")
	keys := []string{"a", "a/1", "a/2", "b", "\xff", "\xff\xff"}
	err := s.Update(ctx, func(tx store.Tx) error {
		for _, k := range keys {
			if err := people.Put(tx, k, person{strconv.Quote(k)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	scan := func(from, to string) (got []string) {
		err := s.View(ctx, func(tx store.Tx) error {
			return people.Scan(tx, from, to, func(k string, p person) error {
				if p.Name != strconv.Quote(k) {
					t.Errorf("%q holds %v", k, p)
				}
				got = append(got, k)
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	prefix := func(p string) (got []string) {
		err := s.View(ctx, func(tx store.Tx) error {
			return people.Prefix(tx, p, func(k string, _ person) error { got = append(got, k); return nil })
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	for _, c := range []struct {
		what string
		got  []string
		want []string
	}{
		{"all", scan("", ""), keys},
		{"from", scan("a/2", ""), keys[2:]},
		{"from and to", scan("a/1", "b"), keys[1:3]},
		{"prefix", prefix("a/"), keys[1:3]},
		{"prefix that is a key", prefix("a"), keys[:3]},
		{"empty prefix", prefix(""), keys},
		{"prefix without successor", prefix("\xff"), keys[4:]},
		{"prefix of nothing", prefix("c"), nil},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
	err = s.Update(ctx, func(tx store.Tx) error { return people.Delete(tx, "a") })
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(ctx, func(tx store.Tx) error { _, err := people.Get(tx, "a"); return err })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestBucketStopsAndPassesErrorsOn(t *testing.T) {
	s := storetest.Memory()
	people := store.NewBucket[person]("people")
	boom := errors.New("boom")
	err := s.Update(context.Background(), func(tx store.Tx) error {
		for _, k := range []string{"a", "b"} {
			if err := people.Put(tx, k, person{k}); err != nil {
				return err
			}
		}
		n := 0
		if err := people.Prefix(tx, "", func(string, person) error { n++; return store.Stop }); err != nil || n != 1 {
			t.Errorf("Stop: %v after %d", err, n)
		}
		if err := people.Scan(tx, "", "", func(string, person) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("error: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBucketReportsWhatDoesNotDecode(t *testing.T) {
	s := storetest.Memory()
	put(t, s, "people", "a", `{"Name":`)
	err := s.View(context.Background(), func(tx store.Tx) error {
		_, err := store.NewBucket[person]("people").Get(tx, "a")
		return err
	})
	wantCorrupt(t, err, "people", "a")
	err = s.Update(context.Background(), func(tx store.Tx) error {
		return store.NewBucket[chan int]("people").Put(tx, "a", nil)
	})
	if err == nil {
		t.Error("a value that JSON cannot hold was taken")
	}
}
