package feed

import "context"

// Step is what Run does at each turn.
func (f *Feed) Step(ctx context.Context) (again bool, err error) { return f.step(ctx) }

// Leave is what Run does at its end.
func (f *Feed) Leave(ctx context.Context) { f.leave(ctx) }

// Batch is how many events a target is given at once.
const Batch = batch

// LeaseTime is how long a feed belongs to the process that took it.
const LeaseTime = leaseTime
