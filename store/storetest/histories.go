package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belaybot/belay/store"
)

// model is what a store should hold: bucket, then key, then value.
type model map[string]map[string]string

func (m model) clone() model {
	c := model{}
	for name, b := range m {
		c[name] = maps.Clone(b)
	}
	return c
}

// scan returns what a scan should visit.
func (m model) scan(bucket string, from, to []byte) (pairs []string) {
	for _, k := range slices.Sorted(maps.Keys(m[bucket])) {
		if bytes.Compare([]byte(k), from) >= 0 && (to == nil || bytes.Compare([]byte(k), to) < 0) {
			pairs = append(pairs, k, m[bucket][k])
		}
	}
	return pairs
}

// op is one call on a Tx, and what it should answer.
type op struct {
	Kind, Bucket, Key, Value string
	From, To                 []byte
}

var (
	bucketsOfModel = []string{"a", "b", "c/d"}
	genKey         = rapid.OneOf(
		rapid.SampledFrom([]string{"k", "k\x00", "k\xff", "l", "\x00", "\xff"}),
		rapid.StringMatching(`[a-d]{1,3}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 4), func(b []byte) string { return string(b) }),
	)
	genBound = rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "open") {
			return nil
		}
		return []byte(genKey.Draw(t, "bound"))
	})
	genOp = rapid.Custom(func(t *rapid.T) op {
		return op{
			Kind:   rapid.SampledFrom([]string{"get", "put", "put", "delete", "scan", "clear"}).Draw(t, "kind"),
			Bucket: rapid.SampledFrom(bucketsOfModel).Draw(t, "bucket"),
			Key:    genKey.Draw(t, "key"),
			Value:  rapid.OneOf(rapid.StringN(0, 20, -1), rapid.SampledFrom([]string{string(make([]byte, 5000))})).Draw(t, "value"),
			From:   genBound.Draw(t, "from"),
			To:     genBound.Draw(t, "to"),
		}
	})
)

// do makes the call and holds the answer against the model.
func (o op) do(tx store.Tx, m model) error {
	key := []byte(o.Key)
	switch o.Kind {
	case "get":
		want, there := m[o.Bucket][o.Key]
		got, err := tx.Get(o.Bucket, key)
		if there && (err != nil || string(got) != want) || !there && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("Get(%s, %q) = %q, %v; want %q, %v", o.Bucket, o.Key, got, err, want, there)
		}
	case "put":
		if m[o.Bucket] == nil {
			m[o.Bucket] = map[string]string{}
		}
		m[o.Bucket][o.Key] = o.Value
		return tx.Put(o.Bucket, key, []byte(o.Value))
	case "delete":
		delete(m[o.Bucket], o.Key)
		return tx.Delete(o.Bucket, key)
	case "scan":
		got, err := scan(tx, o.Bucket, o.From, o.To)
		if d := cmp.Diff(m.scan(o.Bucket, o.From, o.To), got); err != nil || d != "" {
			return fmt.Errorf("Scan(%s, %q, %q): %v %s", o.Bucket, o.From, o.To, err, d)
		}
	case "clear": // deletes what it visits
		for _, k := range slices.Collect(maps.Keys(m[o.Bucket])) {
			if bytes.Compare([]byte(k), o.From) >= 0 && (o.To == nil || bytes.Compare([]byte(k), o.To) < 0) {
				delete(m[o.Bucket], k)
			}
		}
		return tx.Scan(o.Bucket, o.From, o.To, func(k, _ []byte) error { return tx.Delete(o.Bucket, k) })
	}
	return nil
}

// histories runs random transactions, of which some fail and some panic, and
// holds every answer and every state against a map.
func histories(t *testing.T, s store.Store) {
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		update(t, s, func(tx store.Tx) error { // one store serves all histories
			for _, b := range bucketsOfModel {
				if err := tx.Scan(b, nil, nil, func(k, _ []byte) error { return tx.Delete(b, k) }); err != nil {
					return err
				}
			}
			return nil
		})
		truth := model{}
		for range rapid.IntRange(1, 8).Draw(rt, "transactions") {
			ops := rapid.SliceOfN(genOp, 0, 8).Draw(rt, "ops")
			ending := rapid.SampledFrom([]string{"commit", "commit", "commit", "error", "panic"}).Draw(rt, "ending")
			var after model
			err := recovering(func() error {
				return s.Update(ctx, func(tx store.Tx) error {
					after = truth.clone() // the function may run again
					for _, o := range ops {
						if err := o.do(tx, after); err != nil {
							return err
						}
					}
					switch ending {
					case "error":
						return errBoom
					case "panic":
						panic(errBoom)
					}
					return nil
				})
			})
			if ending == "commit" {
				truth = after
			}
			if wrong := ending == "commit" && err != nil || ending != "commit" && !errors.Is(err, errBoom); wrong {
				rt.Fatalf("%s: %v", ending, err)
			}
			err = s.View(ctx, func(tx store.Tx) error {
				for _, b := range bucketsOfModel {
					if err := (op{Kind: "scan", Bucket: b}).do(tx, truth); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatalf("after %s: %v", ending, err)
			}
		}
	})
}

// recovering returns a panic that is an error as an error.
func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			var ok bool
			if err, ok = p.(error); !ok {
				panic(p)
			}
		}
	}()
	return f()
}
