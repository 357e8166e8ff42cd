package bot_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// listening is a pillar that notes in which trace it is called.
type listening struct {
	bot.Pillar

	mu    sync.Mutex
	calls map[string][]trace.TraceID
}

func (l *listening) note(ctx context.Context, call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[call] = append(l.calls[call], trace.SpanContextFromContext(ctx).TraceID())
}

func (l *listening) heard(call string) []trace.TraceID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]trace.TraceID(nil), l.calls[call]...)
}

func (l *listening) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	l.note(ctx, "activate")
	return l.Pillar.Activate(ctx, person, a)
}

func (l *listening) Review(ctx context.Context, person string, d pim.Decision) error {
	l.note(ctx, "review")
	return l.Pillar.Review(ctx, person, d)
}

// traced is a world whose acts are traced into memory.
func traced(t *testing.T) (*world, *tracetest.InMemoryExporter, *listening) {
	t.Helper()
	w, kept := newWorld(t), tracetest.NewInMemoryExporter()
	heard := &listening{Pillar: w.ms, calls: map[string][]trace.TraceID{}}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept)).Tracer("test")
	w.pillar = heard
	w.change = func(o *bot.Options) { o.Tracer = tracer }
	w.restart()
	return w, kept, heard
}

// of is the trace of an intent of a request.
func traceOf(t *testing.T, r bot.Request, n int) trace.TraceID {
	t.Helper()
	if len(r.Intents) <= n {
		t.Fatalf("the request has %d intents", len(r.Intents))
	}
	parts := strings.Split(r.Intents[n].Trace, "-")
	if len(parts) != 4 {
		t.Fatalf("the trace of an intent is %q", r.Intents[n].Trace)
	}
	id, err := trace.TraceIDFromHex(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// named are the spans of a trace, by name.
func named(kept *tracetest.InMemoryExporter, id trace.TraceID) map[string]int {
	all := map[string]int{}
	for _, s := range kept.GetSpans() {
		if s.SpanContext.TraceID() == id {
			all[s.Name]++
		}
	}
	return all
}

// Each act is one trace, from what a person did to the call that came of it, and another
// person's act is another one. Nothing that anybody wrote, and nobody's name, is in it.
func TestAnActIsOneTrace(t *testing.T) {
	w, kept, heard := traced(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "canary reason")
	w.sees(w.teams, "chat-bob", "Alice Adams asks for User Administrator")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	r := w.until(id, func(r bot.Request) bool { return r.State == bot.Active })
	w.bot.Idle()

	asked, decided := traceOf(t, r, 0), traceOf(t, r, 1)
	if asked == decided {
		t.Error("two people's acts are one trace")
	}
	for call, want := range map[string]trace.TraceID{"activate": asked, "review": decided} {
		if got := heard.heard(call); len(got) != 1 || got[0] != want {
			t.Errorf("%s was called in %v, its act is %v", call, got, want)
		}
	}
	for _, c := range []struct {
		id    trace.TraceID
		spans []string
	}{{asked, []string{"act submit", "commit", "settle", "intent activate", "card"}}, {decided, []string{"act press", "commit", "settle", "intent approve", "card"}}} {
		got := named(kept, c.id)
		for _, name := range c.spans {
			if got[name] == 0 {
				t.Errorf("no span %q in %v", name, got)
			}
		}
	}
	for _, s := range kept.GetSpans() {
		if text := fmt.Sprint(s.Name, s.Attributes, s.Events, s.Status); strings.Contains(text, "canary") || strings.Contains(text, "Alice") || strings.Contains(text, "oid-") {
			t.Errorf("a span holds %s", text)
		}
	}
}

// A call that was owed when the process ended is made in the trace of its act, and the log
// says which that is.
func TestARestartContinuesTheTrace(t *testing.T) {
	w, kept, heard := traced(t)
	w.link("alice")
	w.ms.Fail("activate", &pim.Error{Op: "activate", Code: pim.CodeUnavailable, Status: 503})
	id := w.ask("alice", "reports", "PT1H", "look")
	first := w.until(id, func(r bot.Request) bool { return r.Intents[0].Tries == 1 })
	w.restart()
	r := w.untilLater(bot.SignInTime/100, id, func(r bot.Request) bool { return r.State == bot.Active })
	w.bot.Idle()
	act := traceOf(t, r, 0)
	if first.Intents[0].Trace != r.Intents[0].Trace {
		t.Error("the restart changed the trace of the act")
	}
	if got := heard.heard("activate"); len(got) != 2 || got[0] != act || got[1] != act {
		t.Errorf("called in %v, the act is %v", got, act)
	}
	if got := named(kept, act); got["intent activate"] != 2 || got["act submit"] != 1 {
		t.Errorf("the trace has %v", got)
	}
}

// Where nothing is traced, nothing of it is stored.
func TestWithoutTraces(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "reports", "PT1H", "look")
	if r := w.until(id, func(r bot.Request) bool { return r.State == bot.Active }); r.Intents[0].Trace != "" {
		t.Errorf("a trace is stored: %q", r.Intents[0].Trace)
	}
}
