package teams

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	jobCount = 64              // answers that may be on their way at once
	jobTime  = 2 * time.Minute // for one of them

	rushTime = 300 * time.Millisecond // how long a delivery waits for a place; Teams waits five seconds
)

// jobs are the answers that are shown after their delivery was acknowledged.
// There is a fixed number of places; one is taken before the Handler hears of
// the delivery, so that what was acknowledged can always be answered.
type jobs struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	places chan struct{}

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newJobs(log *slog.Logger) *jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return &jobs{log: log, ctx: ctx, cancel: cancel, places: make(chan struct{}, jobCount)}
}

// take reserves a place; false when there is none even after a moment, or none any more.
// The place is given back by exactly one call of run or free.
func (j *jobs) take() bool {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return false
	}
	j.wg.Add(1)
	j.mu.Unlock()
	select {
	case j.places <- struct{}{}:
		return true
	default:
	}
	rush := time.NewTimer(rushTime)
	defer rush.Stop()
	select {
	case j.places <- struct{}{}:
		return true
	case <-rush.C:
	case <-j.ctx.Done():
	}
	j.wg.Done()
	return false
}

func (j *jobs) free() {
	<-j.places
	j.wg.Done()
}

// run does something in a place that was taken, as a part of the act that of is the
// context of.
func (j *jobs) run(of context.Context, do func(ctx context.Context)) {
	act := trace.SpanContextFromContext(of)
	go func() {
		defer j.free()
		defer j.recovered()
		ctx, cancel := context.WithTimeout(j.ctx, jobTime)
		defer cancel()
		do(trace.ContextWithSpanContext(ctx, act))
	}()
}

// recovered keeps one broken answer from ending the process. What was thrown may
// hold anything, so only its type is logged.
func (j *jobs) recovered() {
	if thrown := recover(); thrown != nil {
		j.log.Error("teams: an answer broke off", "type", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
	}
}

func (j *jobs) close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	done := make(chan struct{})
	go func() {
		j.wg.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	j.cancel()
	<-done
	return err
}
