package bot

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An act has one trace: what a person did, its commit, and every call that follows
// from it, however much later and in whichever process. It is stored with the intent.
// Attributes hold nothing that a person wrote, and nobody's name.

// afterAct is for how long what is read and shown of a request counts to its last act.
const afterAct = 2 * time.Minute

// traceOf is the trace that ctx belongs to, as it is stored; empty: it belongs to none.
func traceOf(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	stored := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, stored)
	return stored.Get("traceparent")
}

// continued is ctx in the trace that was stored. Where it is in that trace already, or
// nothing was stored, it stays as it is.
func continued(ctx context.Context, stored string) context.Context {
	next := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": stored})
	if trace.SpanContextFromContext(next).TraceID() == trace.SpanContextFromContext(ctx).TraceID() {
		return ctx
	}
	return next
}

// begin begins a part of the act that ctx belongs to. Where it belongs to none, such as
// in a round of polling, nothing begins.
func begin(ctx context.Context, t trace.Tracer, name string, about ...attribute.KeyValue) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return t.Start(ctx, name, trace.WithAttributes(about...))
}

// afterwards is later in the trace of the act that it answers, whose context has ended
// by then.
func (b *Bot) afterwards(act context.Context, later Later) Later {
	if later == nil {
		return nil
	}
	of := trace.SpanContextFromContext(act)
	return func(ctx context.Context) Reply {
		ctx, span := begin(trace.ContextWithSpanContext(ctx, of), b.o.Tracer, "answer")
		defer span.End()
		return later(ctx)
	}
}

// act is the trace of what is being done about a request: of the last call that is still
// owed, or was a moment ago; empty: nobody did anything lately.
func (r Request) act(now time.Time) (stored string) {
	for _, i := range r.Intents {
		if i.Trace != "" && (i.open() || now.Sub(maxTime(i.Made, i.SentAt)) < afterAct) {
			stored = i.Trace
		}
	}
	return stored
}
