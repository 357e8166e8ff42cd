package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/postgres"
	"github.com/belaybot/belay/store/storetest"
)

// The acknowledgement is when the answer begins, and not when the last of it is done. Pages
// for browsers and what was refused are no acknowledgements, and a trace that the sender
// names is not followed.
func TestFrontMeasuresAcknowledgements(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	hold, mux := make(chan struct{}), http.NewServeMux()
	mux.HandleFunc("POST /slack/commands", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-hold
	})
	mux.HandleFunc("POST /slack/events", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /api/messages", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.HandleFunc("GET /link/{id}", func(http.ResponseWriter, *http.Request) {})
	f := newFront(mux, sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept)).Tracer(""), prometheus.NewRegistry())
	s := httptest.NewServer(f)
	defer s.Close()
	send := func(method, path string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Traceparent", "00-00000000000000000000000000000bad-0000000000000bad-01")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/slack/commands" {
			close(hold) // it is acknowledged, and goes on only now
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	send("POST", "/slack/commands")
	send("POST", "/slack/events")
	send("POST", "/api/messages")
	send("GET", "/link/canary")
	send("GET", "/elsewhere/canary")
	s.Close() // every handler has ended
	if n := testutil.CollectAndCount(f.served); n != 3 {
		t.Errorf("%d kinds of deliveries are counted, want 3", n)
	}
	if n := testutil.ToFloat64(f.served.WithLabelValues("teams", "/api/messages", "403")); n != 1 {
		t.Errorf("%v refused deliveries of Teams", n)
	}
	if n := testutil.CollectAndCount(f.seconds); n != 2 {
		t.Errorf("%d kinds of acknowledgements are measured, want those of a command and of an event", n)
	}
	names := map[string]bool{}
	for _, span := range kept.GetSpans() {
		names[span.Name] = true
		if span.SpanContext.TraceID().String() == "00000000000000000000000000000bad" || span.Parent.IsValid() {
			t.Errorf("%s is in the trace that its sender named", span.Name)
		}
	}
	for _, want := range []string{"POST /slack/commands", "POST /api/messages", "GET /link/{id}", "GET"} {
		if !names[want] {
			t.Errorf("no span %q in %v", want, names)
		}
	}
}

// What a call does has few words, whatever stands in its address.
func TestOperationsOfCalls(t *testing.T) {
	for _, c := range []struct{ service, method, path, want string }{
		{"graph", "POST", "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", "POST /v1.0/roleManagement/directory/roleAssignmentScheduleRequests"},
		{"graph", "GET", "/v1.0/users/11111111-1111-4111-8111-111111111111", "GET /v1.0/users/{user}"},
		{"graph", "GET", "/v1.0/canary", other},
		{"arm", "GET", "/subscriptions/x/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/y", "GET /{scope}/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/{request}"},
		{"slack", "POST", "/api/chat.postMessage", "chat.postMessage"},
		{"slack", "POST", "/api/canary/T1", "response_url"},
		{"slack", "POST", "/actions/T1/2/canary", "response_url"},
		{"slack", "GET", "/canary", other},
		{"teams", "POST", "/amer/v3/conversations/19:canary@thread/activities", "POST conversations activities"},
		{"teams", "PUT", "/v3/conversations/19:canary/activities/1", "PUT conversations activities"},
		{"teams", "POST", "/v3/conversations", "POST conversations"},
		{"teams", "GET", "/v3/conversations/activities/members/29:canary", "GET conversations members"},
		{"teams", "GET", "/canary", other},
		{"login", "POST", "/tenant/oauth2/v2.0/token", "token"},
		{"login", "GET", "/tenant/v2.0/.well-known/openid-configuration", "metadata"},
		{"login", "GET", "/tenant/discovery/v2.0/keys", "keys"},
		{"login", "GET", "/canary", other},
		{telemetry, "POST", "/v1/traces", "traces"},
		{"something new", "GET", "/canary", other},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "https://host.example/", http.NoBody)
		r.URL.Path = c.path
		if got := operationOf(c.service, r); got != c.want || strings.Contains(got, "canary") {
			t.Errorf("%s %s of %s is %q, want %q", c.method, c.path, c.service, got, c.want)
		}
	}
}

// The clocks of Microsoft and the chats are compared with ours, and no trace is told to
// them.
func TestCallsCompareClocksAndTellNoTrace(t *testing.T) {
	var date string
	graph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("a trace is told")
		}
		w.Header().Set("Date", date)
	}))
	defer graph.Close()
	client, e := limited(Config{Endpoints: Endpoints{Graph: graph.URL}})
	kept := tracetest.NewInMemoryExporter()
	e.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept)).Tracer("")
	ask := func() {
		t.Helper()
		ctx, span := e.tracer.Start(t.Context(), "act")
		defer span.End()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, graph.URL+"/v1.0/users/canary?$filter=canary", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, off := range []time.Duration{-10 * time.Minute, 0, time.Hour} {
		date = time.Now().Add(-off).UTC().Format(http.TimeFormat)
		ask()
		if got := testutil.ToFloat64(e.clock.WithLabelValues("graph")); got < off.Seconds()-30 || got > off.Seconds()+30 {
			t.Errorf("ahead by %v seconds, want %v", got, off.Seconds())
		}
	}
	before := testutil.ToFloat64(e.clock.WithLabelValues("graph"))
	date = "yesterday"
	ask()
	if got := testutil.ToFloat64(e.clock.WithLabelValues("graph")); got != before {
		t.Errorf("a date that cannot be read makes it %v", got)
	}
	found := 0
	for _, span := range kept.GetSpans() {
		if span.Name == "graph GET /v1.0/users/{user}" {
			found++
		}
		for _, a := range span.Attributes {
			if strings.Contains(a.Value.String(), "canary") {
				t.Errorf("%s holds %s", span.Name, a.Value.String())
			}
		}
	}
	if found != 4 {
		t.Errorf("%d spans of calls, want 4", found)
	}
}

// A store that hangs holds up a scrape for a limited time, gathers no askers,
// and its later answer is no answer for now.
func TestReadinessAsksOneQuestionAtATime(t *testing.T) {
	asked, answer := make(chan context.Context, 1), make(chan error)
	r := &readiness{within: 10 * time.Millisecond, ping: func(ctx context.Context) error {
		asked <- ctx
		return <-answer
	}}
	for n := range 2 {
		if got := r.now(); got != 0 {
			t.Errorf("a store that hangs is ready: %v", got)
		}
		if n == 0 {
			<-asked
		}
	}
	answer <- nil // late: ctx has ended
	if got := r.now(); got != 0 {
		t.Errorf("a late answer counts: %v", got)
	}
	quick := &readiness{within: time.Minute, ping: func(context.Context) error { return nil }}
	broken := &readiness{within: time.Minute, ping: func(context.Context) error { return errors.New("read-only") }}
	if quick.now() != 1 || broken.now() != 0 {
		t.Errorf("ready %v, broken %v", quick.now(), broken.now())
	}
}

// The store's own failures count, and not those of who uses it.
func TestStoreErrorsAreCounted(t *testing.T) {
	c := counted(storetest.Memory(), prometheus.NewRegistry())
	own := errors.New("refused by the rules")
	run := func(ctx context.Context, answer, fails error) {
		c.Store = failing{fails}
		err := c.Update(ctx, func(store.Tx) error { return answer })
		if err == nil {
			t.Errorf("%v and %v are swallowed", answer, fails)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	run(t.Context(), own, nil)
	run(t.Context(), store.ErrNotFound, nil)
	run(over, nil, context.Canceled)
	run(t.Context(), nil, store.ErrClosed)
	if n := testutil.CollectAndCount(c.failed); n != 0 {
		t.Errorf("%d reasons are counted for what is no failure of the store", n)
	}
	for want, err := range map[string]error{"busy": store.ErrBusy, "uncertain": store.ErrUncertain, "damaged": &store.CorruptError{Bucket: "b"},
		"disk": &postgres.Error{Reason: postgres.DiskFull}, "failed": errors.New("input/output error")} {
		run(t.Context(), nil, err)
		if n := testutil.ToFloat64(c.failed.WithLabelValues(want)); n != 1 {
			t.Errorf("%s: %v", want, n)
		}
	}
	run(t.Context(), &store.CorruptError{Bucket: "b"}, nil)
	if n := testutil.ToFloat64(c.failed.WithLabelValues("damaged")); n != 2 {
		t.Errorf("a record that does not open: %v", n)
	}
}

// failing runs a function and then fails.
type failing struct{ err error }

func (f failing) View(ctx context.Context, fn func(store.Tx) error) error { return f.Update(ctx, fn) }

func (f failing) Update(_ context.Context, fn func(store.Tx) error) error {
	return errors.Join(fn(nil), f.err)
}

// Entra's no to Belay itself is counted with its reason, a person's is not.
func TestOwnTokenFailuresAreCounted(t *testing.T) {
	o := newOwnTokens(prometheus.NewRegistry())
	no := &pim.Error{Op: "app sign-in", Code: pim.CodeInvalidClientConfig}
	graph, chat := countedTokens{refusing{no}, "graph", o}, countedCredential{refusing{no}, o}
	if _, err := graph.App(t.Context()); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := graph.Person(t.Context(), "x"); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := chat.GetToken(t.Context(), policy.TokenRequestOptions{}); !errors.Is(err, no) {
		t.Error(err)
	}
	for _, service := range []string{"graph", "teams"} {
		if n := testutil.ToFloat64(o.refused.WithLabelValues(service, "client-configuration")); n != 1 {
			t.Errorf("%s: %v", service, n)
		}
	}
}

type refusing struct{ err error }

func (r refusing) App(context.Context) (string, error)            { return "", r.err }
func (r refusing) Person(context.Context, string) (string, error) { return "", r.err }
func (r refusing) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, r.err
}

func TestFileThatCannotBeSeen(t *testing.T) {
	reg := prometheus.NewRegistry()
	measureFile(reg, filepath.Join(t.TempDir(), "gone"))
	if err := testutil.GatherAndCompare(reg, strings.NewReader("# HELP belay_store_file_bytes Size of the database file; -1: it cannot be seen.\n# TYPE belay_store_file_bytes gauge\nbelay_store_file_bytes -1\n")); err != nil {
		t.Error(err)
	}
}
