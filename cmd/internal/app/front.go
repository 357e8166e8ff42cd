package app

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/belaybot/belay/bot"
)

// front measures what arrives on the public listener: how long a delivery waits for its
// acknowledgement, and, for the trace, which act it was. A trace that the sender names is
// not followed: whoever can reach Belay would choose what is sampled.
type front struct {
	next    http.Handler
	tracer  trace.Tracer
	served  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newFront(next http.Handler, tracer trace.Tracer, reg prometheus.Registerer) *front {
	f := &front{next: next, tracer: tracer,
		served: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "belay", Name: "deliveries_total",
			Help: "Deliveries of the chat platforms, by platform, endpoint and HTTP status."}, []string{"platform", "endpoint", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "belay", Name: "acknowledgement_seconds",
			Help:    "Time from a delivery to its acknowledgement, of those that were taken. Slack waits three seconds, Teams five for a search and fifteen else.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10}}, []string{"platform", "endpoint"})}
	reg.MustRegister(f.served, f.seconds)
	return f
}

// ServeHTTP passes a request on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, span := f.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithNewRoot())
	defer span.End()
	r = r.WithContext(ctx)
	begun, first := time.Now(), &firstByte{ResponseWriter: w}
	defer func() {
		if first.status == 0 { // nothing was written: net/http says 200
			first.mark(http.StatusOK)
		}
		if r.Pattern != "" {
			span.SetName(r.Pattern)
		}
		span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", r.Pattern), attribute.Int("http.response.status_code", first.status))
		if first.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "status "+strconv.Itoa(first.status))
		}
		platform, endpoint := delivered(r.Pattern)
		if platform == "" {
			return
		}
		f.served.WithLabelValues(string(platform), endpoint, strconv.Itoa(first.status)).Inc()
		if first.status < http.StatusMultipleChoices {
			f.seconds.WithLabelValues(string(platform), endpoint).Observe(first.at.Sub(begun).Seconds())
		}
	}()
	f.next.ServeHTTP(first, r)
}

// delivered says of which platform the deliveries of a route are; "": of none.
func delivered(pattern string) (bot.Platform, string) {
	_, path, _ := strings.Cut(pattern, " ")
	switch {
	case strings.HasPrefix(path, "/slack/"):
		return bot.Slack, path
	case path == "/api/messages":
		return bot.Teams, path
	}
	return "", ""
}

// firstByte notes when an answer began, and with which status.
type firstByte struct {
	http.ResponseWriter
	at     time.Time
	status int
}

func (w *firstByte) mark(status int) {
	if w.status == 0 {
		w.at, w.status = time.Now(), status
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *firstByte) WriteHeader(status int) {
	w.mark(status)
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *firstByte) Write(b []byte) (int, error) {
	w.mark(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *firstByte) Unwrap() http.ResponseWriter { return w.ResponseWriter }
