package trail

import (
	"crypto/rand"
	"time"

	"github.com/belaybot/belay/store"
)

// RecordingAt is Recording by another wall clock.
func RecordingAt(s store.Store, now func() time.Time) store.Store {
	return &recording{Store: s, now: now, random: rand.Reader}
}
