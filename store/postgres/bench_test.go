package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
)

// BenchmarkUpdate is an update that puts three records of 300 bytes, as an event does, on
// one connection and with sixteen callers at once. docs/postgres.md has figures.
func BenchmarkUpdate(b *testing.B) {
	value := bytes.Repeat([]byte("x"), 300)
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprint(callers, " at once"), func(b *testing.B) {
			s := open(b, postgres.Options{URL: server(b).Admin(), Schema: schema(), Connections: 26})
			var mu sync.Mutex
			var took []time.Duration
			var next atomic.Int64
			one := func() {
				key := fmt.Appendf(nil, "%08d", next.Add(1))
				began := time.Now()
				err := s.Update(context.Background(), func(tx store.Tx) error {
					for _, bucket := range []string{"a", "b", "c"} {
						if err := tx.Put(bucket, key, value); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
			one()
			took = nil
			b.ResetTimer()
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() {
					for n := c; n < b.N; n += callers {
						one()
					}
				})
			}
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
	for _, writers := range []int{0, 8} {
		b.Run(fmt.Sprint("view beside ", writers), func(b *testing.B) {
			s := open(b, postgres.Options{URL: server(b).Admin(), Schema: schema()})
			ctx, stop := context.WithCancel(context.Background())
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for ctx.Err() == nil {
						_ = s.Update(ctx, func(tx store.Tx) error { return add(tx, fmt.Sprint(w)) }) // cut off at the end
					}
				})
			}
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				err := s.View(ctx, func(tx store.Tx) error {
					return tx.Scan("a", nil, nil, func(_, _ []byte) error { return store.Stop })
				})
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			stop()
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}
