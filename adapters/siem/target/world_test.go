package target_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/adapters/siem/target"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

var format = target.Format{Source: siem.Source{Version: "v1.2.3", Tenant: "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"}, Texts: true}

// world is a trail, and time that passes when the test says so.
type world struct {
	t     *testing.T
	store store.Store
	trail *trail.Trail
	now   time.Time
	made  []string // ids of the events, in their order
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: trail.Recording(storetest.Memory()), now: time.Date(2026, 11, 2, 9, 0, 0, 5e6, time.UTC)}
	var err error
	w.trail, err = trail.New(trail.Options{Store: w.store, Signer: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)), Now: func() time.Time { return w.now }})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// lives appends events of every kind, of several requests, with what people may write.
func (w *world) lives(rounds int) {
	w.t.Helper()
	for n := range rounds {
		for _, k := range siem.Kinds() {
			e := trail.Event{At: w.now, Kind: k, Outcome: trail.OK, Request: fmt.Sprint("request-", n%3), Subject: "11111111-1111-4111-8111-111111111111",
				Actor: trail.Actor{Principal: "22222222-2222-4222-8222-222222222222", Platform: "slack", User: "U0BOB"}, Verb: "activate", From: "submitting", To: "active",
				Role:  &trail.Role{Kind: "entra-role", ID: "fe930be7", Name: "User Administrator", Scope: "/"},
				Texts: trail.Texts{"justification": "<b>Ärger</b> \"mit\" 🔑\n[x]", "actor": "Zoë Åström"}}
			w.must(w.store.Update(w.t.Context(), func(tx store.Tx) error { return w.trail.Append(tx, e) }))
			w.now = w.now.Add(time.Millisecond)
		}
	}
	w.must(w.trail.Settle(w.t.Context()))
	w.made = w.made[:0]
	w.must(w.trail.Read(w.t.Context(), 0, func(r trail.Record) error { w.made = append(w.made, r.ID); return nil }))
}

func (w *world) feed(owner string, t feed.Target) *feed.Feed {
	w.t.Helper()
	f, err := feed.New(feed.Options{Name: "siem", Target: t, Store: w.store, Trail: w.trail, Owner: owner, Now: func() time.Time { return w.now }})
	w.must(err)
	return f
}

// runs steps until there is nothing to do, and waits for nobody.
func (w *world) runs(f *feed.Feed) {
	w.t.Helper()
	for n := 0; n < 5000; n++ {
		again, err := f.Step(w.t.Context())
		w.must(err)
		if !again {
			w.now = w.now.Add(10 * time.Minute)
			return
		}
	}
	w.t.Fatal("it never comes to an end")
}

func (w *world) stands() feed.Standing {
	w.t.Helper()
	s, err := feed.Stand(w.t.Context(), w.store, w.trail, "siem", true)
	w.must(err)
	return s
}

func uid(raw []byte) string {
	var e struct{ Metadata struct{ UID string } }
	if json.Unmarshal(raw, &e) != nil {
		return ""
	}
	return e.Metadata.UID
}

// arrived is that every event came, in the order of the trail, but for those left out. An event that came
// again counts once: that is what its id is for. It says how many came again.
func (w *world) arrived(events []json.RawMessage, without ...string) (again int) {
	w.t.Helper()
	seen := map[string]bool{}
	var got, want []string
	for _, e := range events {
		id := uid(e)
		if seen[id] {
			again++
			continue
		}
		seen[id] = true
		got = append(got, id)
	}
	for _, id := range w.made {
		if !strings.Contains(strings.Join(without, " "), id) {
			want = append(want, id)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		w.t.Errorf("%d events came, want %d; or their order is another", len(got), len(want))
	}
	return again
}

// receiver is what every fake of a receiver is.
type receiver interface {
	http.Handler
	Events() []json.RawMessage
	Faults() []string
	Calls() int
	Answer(status int, retryAfter string)
	Refuse(poison func(event []byte) bool)
	LoseAnswer()
}

// checker is what every target is.
type checker interface {
	feed.Target
	Check(ctx contextType) (target.Checked, error)
}

const (
	hecToken  = "b0a1c2d3-0000-4000-8000-00000000abcd"
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD0000"
)

// pair is a target and the fake of what it talks to.
type pair struct {
	fake receiver
	open func(url string, client *http.Client) checker // each time as a process that was started anew
}

func pairs() map[string]pair {
	hook := &siemtest.Webhook{Secret: oldSecret}
	return map[string]pair{
		"splunk": {&siemtest.Splunk{Token: hecToken}, func(url string, c *http.Client) checker {
			return &target.Splunk{Format: format, HTTP: c, URL: url, Token: hecToken}
		}},
		"splunk-acks": {&siemtest.Splunk{Token: hecToken, Index: "pim", Acks: true, Late: 2}, func(url string, c *http.Client) checker {
			return &target.Splunk{Format: format, HTTP: c, URL: url + "/", Token: hecToken, Index: "pim", Acks: true, Poll: time.Millisecond}
		}},
		"azure": {&siemtest.Ingestion{Rule: "dcr-0123", Stream: "Custom-Belay_CL", Token: isToken}, func(url string, c *http.Client) checker {
			return &target.Azure{Format: format, HTTP: c, Endpoint: url, Rule: "dcr-0123", Stream: "Custom-Belay_CL", Credential: credential{}, Scope: "https://monitor.azure.com/.default"}
		}},
		"webhook": {hook, func(url string, c *http.Client) checker {
			return &target.Webhook{Format: format, HTTP: c, URL: url + "/belay", Secrets: []string{oldSecret, newSecret}}
		}},
		"otlp": {&siemtest.Collector{Header: "Api-Key", Value: "the-key"}, func(url string, c *http.Client) checker {
			return &target.OTLP{Format: format, HTTP: c, URL: url + "/v1/logs", Header: "Api-Key: the-key"}
		}},
		"otlp-partial": {&siemtest.Collector{Partial: true}, func(url string, c *http.Client) checker {
			return &target.OTLP{Format: format, HTTP: c, URL: url + "/v1/logs"}
		}},
	}
}

// each runs a test with every target that is reached by HTTP.
func each(t *testing.T, do func(t *testing.T, w *world, p pair, open func() checker)) {
	for name, p := range pairs() {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(p.fake)
			defer server.Close()
			client := server.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			do(t, newWorld(t), p, func() checker { return p.open(server.URL, client) })
			for _, f := range p.fake.Faults() {
				t.Error(f)
			}
		})
	}
}
