package bolt_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/bolt"
)

// BenchmarkReseal measures the sweep of a rotation over 100,000 records of 500 bytes, and the
// time that an update takes beside it, compared with before it.
//
//	go test -run '^$' -bench Reseal -benchtime 1x ./store/bolt
func BenchmarkReseal(b *testing.B) {
	ctx, value := context.Background(), make([]byte, 500)
	k, err := store.NewKeyset()
	if err != nil {
		b.Fatal(err)
	}
	raw, err := bolt.Open(filepath.Join(b.TempDir(), "belay.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	s := store.Seal(raw, k)
	const records = 100_000
	for at := 0; at < records; at += 1000 {
		if err := s.Update(ctx, func(tx store.Tx) error {
			for i := range 1000 {
				if err := tx.Put("requests", fmt.Appendf(nil, "%08d", at+i), value); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	ack := func(until <-chan struct{}, atMost int) (all []time.Duration) {
		for i := range atMost {
			select {
			case <-until:
				return all
			default:
			}
			began := time.Now()
			if err := s.Update(ctx, func(tx store.Tx) error { return tx.Put("acks", fmt.Appendf(nil, "%08d", i), value) }); err != nil {
				b.Error(err)
				return all
			}
			all = append(all, time.Since(began))
			time.Sleep(2 * time.Millisecond)
		}
		return all
	}
	report := func(name string, all []time.Duration) {
		slices.Sort(all)
		for _, p := range []int{50, 99, 100} {
			b.ReportMetric(float64(all[min(len(all)-1, len(all)*p/100)].Microseconds())/1000, fmt.Sprintf("ms-p%d-%s", p, name))
		}
	}
	alone := ack(nil, 500)
	for b.Loop() {
		if _, err := k.Rotate(ctx); err != nil {
			b.Fatal(err)
		}
		done, n, began := make(chan struct{}), 0, time.Now()
		go func() {
			defer close(done)
			if err := store.Reseal(ctx, raw, k, func(records int) { n += records }); err != nil {
				b.Error(err)
			}
		}()
		report("beside", ack(done, 1_000_000))
		<-done
		b.ReportMetric(time.Since(began).Seconds(), "s-sweep")
		b.ReportMetric(float64(n), "records")
	}
	report("alone", alone)
}
