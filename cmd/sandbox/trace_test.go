package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
)

// collector takes traces as OTLP over HTTP, and hears which calls of Belay to somebody else
// name a trace.
type collector struct {
	t  *testing.T
	at string

	mu     sync.Mutex
	raw    bytes.Buffer
	spans  []*otlp.Span
	leaked []string
}

const collectorKey = "canary-collector-key"

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{t: t}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.at = s.URL + "/v1/traces"
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collect.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Api-Key") != collectorKey {
		c.t.Errorf("the collector got %s %s with the key %q: %v", r.Method, r.URL, r.Header.Get("Api-Key"), err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, of := range sent.ResourceSpans {
		for _, s := range of.ScopeSpans {
			c.spans = append(c.spans, s.Spans...)
		}
	}
}

// outside hears what comes to a simulated service.
func (c *collector) outside(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, header := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if r.Header.Get(header) != "" {
				c.mu.Lock()
				c.leaked = append(c.leaked, name+" "+header)
				c.mu.Unlock()
			}
		}
		next.ServeHTTP(w, r)
	})
}

// world is a sandbox whose Belay sends its traces to c.
func (c *collector) world(dir string) *world {
	c.t.Helper()
	return runPrepared(c.t, dir, manners{}, func(w *world) {
		w.reopen(func(cfg *app.Config) {
			cfg.Telemetry = app.Telemetry{Endpoint: c.at, Headers: "Api-Key=" + collectorKey, Sample: 100}
		})
		for n := range w.servers {
			if v := &w.servers[n]; v.pages != nil {
				v.pages = c.outside(v.name, v.pages)
			}
		}
	})
}

// with are the traces that hold a span of that name.
func (c *collector) with(name string) (ids []string) {
	for _, s := range c.spans {
		if id := fmt.Sprintf("%x", s.TraceId); s.Name == name && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// named are the spans of a trace.
func (c *collector) named(id string) map[string]int {
	all := map[string]int{}
	for _, s := range c.spans {
		if fmt.Sprintf("%x", s.TraceId) == id {
			all[s.Name]++
		}
	}
	return all
}

// rooted holds that every span of a trace hangs on another one of it, and one on none.
func (c *collector) rooted(id string) {
	c.t.Helper()
	there, roots := map[string]bool{}, 0
	for _, s := range c.spans {
		if fmt.Sprintf("%x", s.TraceId) == id {
			there[string(s.SpanId)] = true
		}
	}
	for _, s := range c.spans {
		switch {
		case fmt.Sprintf("%x", s.TraceId) != id:
		case len(s.ParentSpanId) == 0:
			roots++
		case !there[string(s.ParentSpanId)]:
			c.t.Errorf("%q hangs on a span that did not arrive", s.Name)
		}
	}
	if roots != 1 {
		c.t.Errorf("the trace has %d roots", roots)
	}
}

const decideStep = "graph PATCH /beta/roleManagement/directory/roleAssignmentApprovals/{approval}/steps/{step}"

// One click is one trace, from its delivery to the call that it leads to, although Belay was
// stopped and started in between; and the log says which. No trace is told to anybody else, and
// none holds what people write or who they are.
func TestOneTraceFromAClickToTheCall(t *testing.T) {
	t.Parallel()
	c, dir := newCollector(t), t.TempDir()
	w := c.world(dir)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h canary-figures")
	bob.sees("Alice Adams asks for " + userAdmin)
	met := w.befallen(1, isDecision, pimtest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"120"}}, Body: `{"error":{"code":"TooManyRequests","message":"x"}}`})
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	for ctx := w.ctx(); met.Load() == 0; {
		if ctx.Err() != nil {
			t.Fatal("the decision is never sent")
		}
	}
	w.end()
	first := w.logs.String()

	w = c.world(dir)
	alice, bob = w.who("alice"), w.who("bob")
	alice.until("30s", userAdmin+" is active", "Approved by Bob Brown")
	bob.sees("You approved " + userAdmin + " for Alice Adams")
	alice.types("status")
	scrape, err := http.Get("http://" + w.app.PrivateAddr().String() + "/metrics")
	w.must(err)
	figures, err := io.ReadAll(scrape.Body)
	w.must(err)
	w.must(scrape.Body.Close())
	w.end()

	acts := c.with("intent approve")
	if len(acts) != 1 {
		t.Fatalf("the decision is in %d traces", len(acts))
	}
	got := c.named(acts[0])
	for name, n := range map[string]int{"POST /api/messages": 1, "act press": 1, "intent approve": 2, decideStep: 2} {
		if got[name] != n {
			t.Errorf("%q is there %d times, want %d, in\n%v", name, got[name], n, got)
		}
	}
	for _, name := range []string{"commit", "settle", "card", "teams PUT conversations activities", "slack chat.update"} {
		if got[name] == 0 {
			t.Errorf("no %q in\n%v", name, got)
		}
	}
	c.rooted(acts[0])
	asked := c.with("intent activate")
	if len(asked) != 1 || asked[0] == acts[0] || c.named(asked[0])["POST /slack/interactions"] != 1 {
		t.Errorf("what Alice did is in %v, what Bob did in %v", asked, acts)
	}
	if !slices.ContainsFunc(strings.Split(first, "\n"), func(line string) bool {
		return strings.Contains(line, "Microsoft did not take the call") && strings.Contains(line, "trace="+acts[0])
	}) {
		t.Errorf("the log does not name the trace %s", acts[0])
	}
	for _, secret := range []string{"canary", "figures", "Alice", "alice", "Bob", alice.OID, bob.OID, alice.Slack, "xoxb"} {
		if bytes.Contains(c.raw.Bytes(), []byte(secret)) {
			t.Errorf("a trace holds %q", secret)
		}
	}
	if len(c.leaked) > 0 {
		t.Errorf("a trace is named to %v", c.leaked)
	}
	problems, err := promlint.New(bytes.NewReader(figures)).Lint()
	w.must(err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "belay_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{`belay_acknowledgement_seconds_bucket{endpoint="/slack/commands",platform="slack",le="3"}`, `belay_ready 1`, `belay_clock_difference_seconds{service="graph"}`,
		`belay_linked_people 2`, `belay_intents_owed{kind="approve",state="ready"}`, `belay_outside_calls_total{operation="PATCH /beta/roleManagement/directory/roleAssignmentApprovals/{approval}/steps/{step}",service="graph",status="204"} 1`} {
		if !strings.Contains(string(figures), want) {
			t.Errorf("the figures lack %s", want)
		}
	}
	for _, line := range strings.Split(string(figures), "\n") {
		if strings.HasPrefix(line, "belay_") && (strings.Contains(line, alice.OID) || strings.Contains(line, alice.Slack) || strings.Contains(line, "Alice")) {
			t.Errorf("a figure names a person: %s", line)
		}
	}
}
