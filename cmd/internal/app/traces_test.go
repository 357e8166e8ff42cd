package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// collector is one that answers when it is let.
type collector struct {
	asked  chan int // how many spans it is given
	answer chan error
}

func (c *collector) ExportSpans(_ context.Context, some []sdktrace.ReadOnlySpan) error {
	c.asked <- len(some)
	return <-c.answer
}

func (c *collector) Shutdown(context.Context) error { return nil }

// A collector that hangs holds up nobody: so many spans wait, the rest is dropped and
// counted, and so is what the collector did not take. The log says it once.
func TestACollectorThatHangsHoldsUpNobody(t *testing.T) {
	var log bytes.Buffer
	q := newSpans(prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&log, nil)))
	c := &collector{make(chan int), make(chan error)}
	q.start(c)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q)).Tracer("")
	span := func() {
		_, s := tracer.Start(t.Context(), "x")
		s.End()
	}
	for range spansAtOnce {
		span()
	}
	under := <-c.asked // it hangs with these from now on
	for range spansWaiting + 100 - (spansAtOnce - under) {
		span()
	}
	if n := testutil.ToFloat64(q.dropped); n != 100 {
		t.Errorf("%v spans were dropped, want 100", n)
	}
	c.answer <- errors.New("it is down")
	for taken := 0; taken < spansWaiting; {
		taken += <-c.asked
		c.answer <- errors.New("it is down")
	}
	span()
	<-c.asked
	c.answer <- nil
	if err := q.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent, dropped := testutil.ToFloat64(q.sent), testutil.ToFloat64(q.dropped); sent != 1 || dropped != float64(spansAtOnce+spansWaiting+100-(spansAtOnce-under)) {
		t.Errorf("%v sent, %v dropped", sent, dropped)
	}
	if down, up := strings.Count(log.String(), "does not take traces"), strings.Count(log.String(), "takes traces again"); down != 1 || up != 1 {
		t.Errorf("the log says %d times that it is down and %d times that it is back:\n%s", down, up, log.String())
	}
}

// What waits when Belay stops is sent.
func TestTheLastSpansAreSent(t *testing.T) {
	q, kept := newSpans(prometheus.NewRegistry(), slog.New(slog.DiscardHandler)), tracetest.NewInMemoryExporter()
	q.start(keeping{kept})
	_, s := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q)).Tracer("").Start(t.Context(), "last")
	s.End()
	if err := errors.Join(q.Shutdown(t.Context()), q.Shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := kept.GetSpans(); len(got) != 1 || got[0].Name != "last" {
		t.Errorf("sent: %v", got)
	}
}

// keeping keeps what it was given, also after its end.
type keeping struct{ *tracetest.InMemoryExporter }

func (keeping) Shutdown(context.Context) error { return nil }

// Without a collector an act has a trace id for the log, and nothing is sent anywhere,
// whatever the environment says of collectors.
func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer s.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
	tracer, q, err := newTracer(Telemetry{}, s.Client(), "this", prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := tracer.Start(t.Context(), "x")
	span.End()
	act := trace.SpanContextFromContext(ctx)
	if !act.IsValid() || act.IsSampled() || len(q.waiting) != 0 {
		t.Errorf("the act is %v, %d spans wait", act, len(q.waiting))
	}
	var log bytes.Buffer
	slog.New(redact{slog.NewTextHandler(&log, nil)}).InfoContext(ctx, "x")
	if !strings.Contains(log.String(), "trace="+act.TraceID().String()) {
		t.Errorf("the log does not name it: %s", log.String())
	}
	if err := q.Shutdown(t.Context()); err != nil || asked {
		t.Errorf("shut down: %v; the collector of the environment was asked: %v", err, asked)
	}
}

// A trace that was begun elsewhere is sampled or not by its own flag, and every other as
// often as the configuration says.
func TestSampling(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	tracer, q, err := newTracer(Telemetry{Endpoint: s.URL, Sample: 10}, s.Client(), "this", prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sampled := 0
	for range 2000 {
		if _, span := tracer.Start(t.Context(), "x"); span.SpanContext().IsSampled() {
			sampled++
		}
	}
	if sampled < 100 || sampled > 320 { // 200 are expected; a thousandth of all runs is as far off as eighty
		t.Errorf("%d of 2000 acts are traced, want about a tenth", sampled)
	}
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xff, 15: 1}, SpanID: trace.SpanID{1}, TraceFlags: flags, Remote: true})
		_, span := tracer.Start(trace.ContextWithSpanContext(t.Context(), of), "x")
		if span.SpanContext().IsSampled() != of.IsSampled() || span.SpanContext().TraceID() != of.TraceID() {
			t.Errorf("of %v comes %v", of, span.SpanContext())
		}
	}
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTelemetryIsChecked(t *testing.T) {
	for want, c := range map[string]Telemetry{
		"":                                     {Endpoint: "https://otel.example.com/v1/traces", Headers: "api-key=a=b, x = y", Sample: 1},
		"telemetry.headers: is of no use":      {Headers: "a=b"},
		"telemetry.headers: must be":           {Endpoint: "https://otel.example.com", Headers: "canary", Sample: 1},
		"telemetry.headers: must be name":      {Endpoint: "https://otel.example.com", Headers: "a b=canary", Sample: 1},
		"telemetry.sample: must be":            {Endpoint: "https://otel.example.com", Sample: 101},
		"telemetry.endpoint: must be https":    {Endpoint: "http://otel.example.com", Sample: 1},
		"telemetry.endpoint: must be a URL":    {Endpoint: "otel.example.com:4318", Sample: 1},
		"telemetry.endpoint: must be a URL su": {Endpoint: "https://user:canary@otel.example.com", Sample: 1},
	} {
		v := &validator{}
		v.telemetry(c)
		got := strings.Join(v.faults, "\n")
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "canary") {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
	h, err := Telemetry{Headers: "api-key=a=b, x = y"}.headers()
	if err != nil || h["api-key"] != "a=b" || h["x"] != "y" || len(h) != 2 {
		t.Errorf("headers: %v, %v", h, err)
	}
}
