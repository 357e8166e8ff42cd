package feed

import "context"

// Leave is what Run does at its end.
func (f *Feed) Leave(ctx context.Context) { f.leave(ctx) }

// Batch is how many events a target is given at once.
const Batch = batch

// LeaseTime is how long a feed belongs to the process that took it.
const LeaseTime = leaseTime
