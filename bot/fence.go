package bot

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/belaybot/belay/store"
)

// A lease runs out by a clock, and the clocks of two processes differ; a process may also
// stop in the middle of a step and wake long after. So a lease alone keeps nobody from writing.
// What does is the fence: whatever a step writes, it writes in a transaction that
// first reads that the lease is still this process's.

// LeaseLostError is the refusal of a write by a process whose lease on a request
// another one has taken. Whoever took it reads at Microsoft what the lost step may have done.
type LeaseLostError struct {
	Request string
	Owner   string // who has it now; empty: nobody any more
}

// Error says who has it.
func (e *LeaseLostError) Error() string {
	return fmt.Sprintf("the lease on request %s was taken by %q", e.Request, e.Owner)
}

type heldLease struct{}

// holding marks the context of a step: its writes pass the fence of that request.
func holding(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, heldLease{}, id)
}

// fenced is the store as the bot writes to it.
type fenced struct {
	store.Store
	docs  documents
	owner string
	trace trace.Tracer
}

// Update implements store.Store. The error of a stale step is a *LeaseLostError.
func (f fenced) Update(ctx context.Context, fn func(store.Tx) error) error {
	ctx, span := begin(ctx, f.trace, "commit")
	defer span.End()
	id, held := ctx.Value(heldLease{}).(string)
	if !held {
		return f.Store.Update(ctx, fn)
	}
	return f.Store.Update(ctx, func(tx store.Tx) error {
		r, err := f.docs.get(tx, id)
		if err != nil {
			return err
		}
		if r.Lease.Owner != f.owner {
			return &LeaseLostError{Request: id, Owner: r.Lease.Owner}
		}
		return fn(tx)
	})
}
