package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// BenchmarkUpdate measures updates of three records of 500 bytes, as a press on
// a card makes them, by 1, 8 and 64 callers at once: through this package, sealed
// and plain, and through bbolt's own two ways for comparison.
//
//	go test -run '^$' -bench Update -benchtime 3s ./store/bolt
func BenchmarkUpdate(b *testing.B) {
	value := make([]byte, 500)
	keys, err := store.NewKeyset()
	if err != nil {
		b.Fatal(err)
	}
	for _, callers := range []int{1, 8, 64} {
		for _, seal := range []bool{true, false} {
			b.Run(fmt.Sprintf("belay/sealed=%v/callers=%d", seal, callers), func(b *testing.B) {
				var commits atomic.Int64
				s, err := bolt.Open(filepath.Join(b.TempDir(), "belay.db"), bolt.Options{
					OnCommit: func(int, time.Duration) { commits.Add(1) },
				})
				if err != nil {
					b.Fatal(err)
				}
				var port store.Store = s
				if seal {
					port = store.Seal(s, keys)
				}
				measure(b, callers, func(i int64) error {
					return port.Update(context.Background(), func(tx store.Tx) error {
						key := fmt.Appendf(nil, "%08d", i)
						return errors.Join(tx.Put("requests", key[5:], value), tx.Put("dedupe", key, value), tx.Put("events", key, value))
					})
				})
				b.ReportMetric(float64(commits.Load())/b.Elapsed().Seconds(), "commits/s")
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
		for name, run := range map[string]func(*bbolt.DB) func(func(*bbolt.Tx) error) error{
			"bbolt.Update": func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Update },
			"bbolt.Batch":  func(db *bbolt.DB) func(func(*bbolt.Tx) error) error { return db.Batch },
		} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				db, err := bbolt.Open(filepath.Join(b.TempDir(), "belay.db"), 0o600, nil)
				if err != nil {
					b.Fatal(err)
				}
				measure(b, callers, func(i int64) error {
					return run(db)(func(tx *bbolt.Tx) error {
						key := fmt.Appendf(nil, "%08d", i)
						for bucket, key := range map[string][]byte{"requests": key[5:], "dedupe": key, "events": key} {
							bk, err := tx.CreateBucketIfNotExists([]byte(bucket))
							if err != nil {
								return err
							}
							if err := bk.Put(key, value); err != nil {
								return err
							}
						}
						return nil
					})
				})
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// measure spreads b.N calls over the callers and reports updates per second and
// the spread of what one takes.
func measure(b *testing.B, callers int, call func(i int64) error) {
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				began := time.Now()
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(took)
	micros := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Nanoseconds()) / 1000 }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(micros(0.50), "p50-µs")
	b.ReportMetric(micros(0.99), "p99-µs")
	b.ReportMetric(0, "ns/op")
}
