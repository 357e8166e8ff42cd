package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// outside are the figures of calls to services outside.
type outside struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	clock   *prometheus.GaugeVec
	refused prometheus.Counter
}

func newOutside(reg prometheus.Registerer) outside {
	o := outside{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "outside_calls_total",
			Help: "Calls to services outside, by service, operation and HTTP status (0: no answer)."}, []string{"service", "operation", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "belay", Name: "outside_call_seconds",
			Help: "Time until a service outside began to answer, by service and operation.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"service", "operation"}),
		clock: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "belay", Name: "clock_difference_seconds",
			Help: "How far this machine's clock is ahead of a service's, by the Date of its last answer. It is exact to a second."}, []string{"service"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "belay", Name: "outside_refused_total",
			Help: "Calls that were not made, because their host is not in the configuration or they followed a redirect."}),
	}
	reg.MustRegister(o.calls, o.seconds, o.clock, o.refused)
	return o
}

// measured makes a call that may be made, counts it, and puts it into the trace of the act
// that it is made for. That trace is not told outside: no header of the call names it. For
// Microsoft and the chats it would only be one more thing that leads from one call of a
// person to another, and neither documents what it does with it.
func (e *egress) measured(service string, r *http.Request) (*http.Response, error) {
	what := operationOf(service, r)
	span := trace.SpanFromContext(r.Context())
	if span.SpanContext().IsSampled() { // what is not kept of the act is not kept of its calls
		_, span = e.tracer.Start(r.Context(), service+" "+what, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname()), attribute.String("belay.operation", what)))
		defer span.End()
	}
	begun := time.Now()
	resp, err := e.next.RoundTrip(r)
	took, status := time.Since(begun), 0
	if err == nil {
		status = resp.StatusCode
		e.compare(service, resp.Header.Get("Date"), begun.Add(took/2))
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if id := resp.Header.Get("Request-Id"); id != "" && len(id) <= 64 { // what Microsoft's support asks for
			span.SetAttributes(attribute.String("belay.microsoft_request_id", id))
		}
	}
	if status == 0 || status >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "status "+strconv.Itoa(status)) // and not the error: it may quote an address
	}
	e.seconds.WithLabelValues(service, what).Observe(took.Seconds())
	e.calls.WithLabelValues(service, what, strconv.Itoa(status)).Inc()
	return resp, err
}

// compare takes a service's word for what time it is. Date has no fraction of a second.
func (e *egress) compare(service, date string, ours time.Time) {
	theirs, err := http.ParseTime(date)
	if err != nil || service == telemetry || service == other {
		return
	}
	e.clock.WithLabelValues(service).Set(ours.Sub(theirs.Add(time.Second / 2)).Seconds())
}
