package trail

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/belaybot/belay/store"
)

// RecordingAt is Recording by another wall clock.
func RecordingAt(s store.Store, now func() time.Time) store.Store {
	return &recording{Store: s, now: now, random: rand.Reader}
}

// Step is what Run does at each tick.
func (t *Trail) Step(ctx context.Context) error { return t.step(ctx) }
