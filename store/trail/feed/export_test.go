package feed

import (
	"context"

	"github.com/belaybot/belay/store"
)

// Leave is what Run does at its end.
func (f *Feed) Leave(ctx context.Context) { f.leave(ctx) }

// ParkAtMost has the feed park so many events and no more.
func (f *Feed) ParkAtMost(n int) { f.most = n }

// Batch is how many events a target is given at once.
const Batch = batch

// LeaseTime is how long a feed belongs to the process that took it.
const LeaseTime = leaseTime

// Counters are how many events are parked, and how many of them are to be sent again, as the position has it.
func Counters(tx store.Tx, name string) (parked, again int, err error) {
	p, err := get(tx, name)
	return p.Parked, p.Again, err
}
