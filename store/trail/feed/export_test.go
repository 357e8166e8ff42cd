package feed

import "context"

// Leave is what Run does at its end.
func (f *Feed) Leave(ctx context.Context) { f.leave(ctx) }

// ParkAtMost has the feed park so many events and no more.
func (f *Feed) ParkAtMost(n int) { f.most = n }

// Batch is how many events a target is given at once.
const Batch = batch

// LeaseTime is how long a feed belongs to the process that took it.
const LeaseTime = leaseTime
