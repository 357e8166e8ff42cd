package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watchTrail counts what the audit trail still has to chain, and how old its last
// checkpoint is. Both are read when they are asked for.
func (a *App) watchTrail() {
	read := func(of func(loose int, signed time.Time) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s, err := a.trail.Standing(ctx)
			if err != nil {
				return -1
			}
			return of(s.Loose, s.SignedAt)
		}
	}
	a.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belay", Name: "audit_loose",
			Help: "Events of the audit trail that are not chained yet, counted up to 1000; -1: the store cannot be read."},
			read(func(loose int, _ time.Time) float64 { return float64(loose) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "belay", Name: "audit_checkpoint_timestamp_seconds",
			Help: "When the audit trail was last signed; 0: never; -1: the store cannot be read."},
			read(func(_ int, signed time.Time) float64 {
				if signed.IsZero() {
					return 0
				}
				return float64(signed.Unix())
			})))
}
