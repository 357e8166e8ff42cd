package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/net/http/httpguts"
)

// telemetry is the service that traces are sent to.
const telemetry = "telemetry"

// How many finished spans may wait for the collector, how many are sent at once, how long
// the first of them waits for company, and how long sending them may take.
const (
	spansWaiting = 2048
	spansAtOnce  = 256
	spanWait     = time.Second
	spanTime     = 10 * time.Second
)

// newTracer makes the source of traces. Without a collector every act still has a trace
// id, for the log; nothing is kept of it. The provider is no global variable: the kits for
// Microsoft's services would find it there, and their spans hold whole addresses.
func newTracer(c Telemetry, client *http.Client, instance string, reg prometheus.Registerer, log *slog.Logger) (trace.Tracer, *spans, error) {
	q := newSpans(reg, log)
	options := []sdktrace.TracerProviderOption{sdktrace.WithSampler(sdktrace.NeverSample())}
	if c.Endpoint != "" {
		headers, err := c.headers()
		if err != nil {
			return nil, nil, fmt.Errorf("telemetry.headers: %w", err)
		}
		limited := *client
		limited.Timeout = spanTime
		to, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(c.Endpoint), otlptracehttp.WithHeaders(headers),
			otlptracehttp.WithHTTPClient(&limited), otlptracehttp.WithTimeout(spanTime), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
		if err != nil {
			return nil, nil, fmt.Errorf("telemetry: %w", err)
		}
		q.start(to)
		version, _ := build()
		options = []sdktrace.TracerProviderOption{
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(c.Sample) / 100))), sdktrace.WithSpanProcessor(q),
			sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "belay"), attribute.String("service.version", version), attribute.String("service.instance.id", instance))),
		}
	}
	return sdktrace.NewTracerProvider(options...).Tracer("github.com/belaybot/belay"), q, nil
}

// traced is the trace of the act that something is logged of, if it is of one.
func traced(ctx context.Context) []slog.Attr {
	act := trace.SpanContextFromContext(ctx)
	if !act.IsValid() {
		return nil
	}
	return []slog.Attr{slog.String("trace", act.TraceID().String())}
}

// headers reads name=value, several with a comma between them.
func (c Telemetry) headers() (map[string]string, error) {
	all := map[string]string{}
	for part := range strings.SplitSeq(string(c.Headers), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, errors.New("must be name=value, several with a comma between them")
		}
		all[name] = value
	}
	return all, nil
}

func (v *validator) telemetry(c Telemetry) {
	if c.Endpoint == "" {
		v.check("telemetry.headers", c.Headers == "", "is of no use without telemetry.endpoint")
		return
	}
	v.url("telemetry.endpoint", c.Endpoint, false)
	if _, err := c.headers(); err != nil {
		v.fault("telemetry.headers", err.Error())
	}
	v.check("telemetry.sample", c.Sample >= 1 && c.Sample <= 100, "must be between 1 and 100")
}

// spans are on their way to the collector. Who ends one never waits: what finds no place is
// dropped and counted, and so is what the collector did not take.
type spans struct {
	log     *slog.Logger
	waiting chan sdktrace.ReadOnlySpan
	end     chan struct{}
	ended   chan struct{} // nil: it was never started
	once    sync.Once
	sent    prometheus.Counter
	dropped prometheus.Counter
}

func newSpans(reg prometheus.Registerer, log *slog.Logger) *spans {
	q := &spans{log: log, waiting: make(chan sdktrace.ReadOnlySpan, spansWaiting), end: make(chan struct{}),
		sent:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "belay", Name: "spans_sent_total", Help: "Spans of traces that the collector took."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "belay", Name: "spans_dropped_total", Help: "Spans of traces that were dropped, because the collector did not take them or too many waited for it."})}
	reg.MustRegister(q.sent, q.dropped)
	return q
}

// start begins to send.
func (q *spans) start(to sdktrace.SpanExporter) {
	q.ended = make(chan struct{})
	go q.run(to)
}

// OnStart implements sdktrace.SpanProcessor.
func (q *spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (q *spans) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.waiting <- s:
	default:
		q.dropped.Inc()
	}
}

// ForceFlush implements sdktrace.SpanProcessor. Nothing calls it: Shutdown sends the rest.
func (q *spans) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdktrace.SpanProcessor: it sends what waits, until ctx ends.
func (q *spans) Shutdown(ctx context.Context) error {
	if q.ended == nil {
		return nil
	}
	q.once.Do(func() { close(q.end) })
	select {
	case <-q.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *spans) run(to sdktrace.SpanExporter) {
	defer close(q.ended)
	taken := true // the collector took the last ones
	for over := false; !over; {
		var some []sdktrace.ReadOnlySpan
		select {
		case s := <-q.waiting:
			some = append(some, s)
			over = q.gather(&some)
		case <-q.end:
			over = true
		}
		if over { // what is there goes with it
			for len(q.waiting) > 0 {
				some = append(some, <-q.waiting)
			}
		}
		if len(some) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), spanTime)
		err := to.ExportSpans(ctx, some)
		cancel()
		if err != nil {
			q.dropped.Add(float64(len(some)))
		} else {
			q.sent.Add(float64(len(some)))
		}
		if (err == nil) != taken { // told once, and not with every batch
			if taken = err == nil; taken {
				q.log.Info("the collector takes traces again")
			} else {
				q.log.Warn("the collector does not take traces; they are dropped", "error", err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), spanTime)
	defer cancel()
	_ = to.Shutdown(ctx) // it holds nothing back
}

// endTraces sends what still waits for the collector, within the time that one batch has. A
// collector that is down is no fault of the stop.
func (a *App) endTraces() error {
	if a.spans == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), spanTime)
	defer cancel()
	if err := a.spans.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// gather waits a moment for more; over says that there will be none.
func (q *spans) gather(some *[]sdktrace.ReadOnlySpan) (over bool) {
	t := time.NewTimer(spanWait)
	defer t.Stop()
	for len(*some) < spansAtOnce {
		select {
		case s := <-q.waiting:
			*some = append(*some, s)
		case <-t.C:
			return false
		case <-q.end:
			return true
		}
	}
	return false
}
