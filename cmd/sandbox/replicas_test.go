//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
)

// replicated is a world whose Belay is three replicas on one PostgreSQL, behind a
// balancer at the address that the chats deliver to.
type replicated struct {
	*world
	front     *balancer
	graphs    []*balancer // each replica's cable to Graph
	configs   []app.Config
	apps      []*app.App // of those that run in this process
	approvers []human    // the first half is in Slack, the others in Teams
	decisions *atomic.Int32
	asked     int // rotas so far
}

const replicaCount = 3

// turns lets two worlds of replicas live at once: each is three products and a database.
var turns = make(chan struct{}, 2)

// takesTurn is Parallel for a test with replicas. Under the race detector the light ones
// alone run: with the others a small machine is slower than Slack's three seconds allow.
func takesTurn(t *testing.T, light bool) {
	t.Helper()
	if raceDetector && !light {
		t.Skip("NOT TESTED with the race detector: too much for the time limits of the chats; it runs without")
	}
	t.Parallel()
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
}

// runReplicas runs three replicas in this process, each with its own connections to the
// database that url names for it.
func runReplicas(t *testing.T, rotas int, url func(replica int) string) *replicated {
	t.Helper()
	return runBehind(t, rotas, url, func(w *replicated) {
		for n, cfg := range w.configs {
			a, err := app.Open(cfg, app.Options{Now: w.clock.Now, Log: w.log.With("replica", n)})
			w.must(err)
			w.apps = append(w.apps, a)
			w.front.lead(n, a.Addr().String())
		}
		w.serve = func(ctx context.Context) error {
			g, gctx := errgroup.WithContext(ctx)
			for _, a := range w.apps {
				g.Go(func() error { return a.Run(gctx) })
			}
			return g.Wait()
		}
	})
}

// runBehind runs a world with a balancer before whatever start starts, and with eight
// approvers who are signed in.
func runBehind(t *testing.T, rotas int, url func(replica int) string, start func(*replicated)) *replicated {
	t.Helper()
	w := &replicated{}
	dir, err := os.MkdirTemp("", "r") // short, for the sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	runPrepared(t, dir, manners{}, func(inner *world) {
		w.world = inner
		w.must(w.app.Close())
		w.app = nil
		listen, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.kept.Ports[atBot]))
		w.must(err)
		w.front = balance(t, listen, make([]string, replicaCount)...)
		for n := range replicaCount {
			cfg := w.config()
			cfg.Data = filepath.Join(dir, fmt.Sprint(n))
			cfg.Keys.File = filepath.Join(dir, "keys")
			cfg.Store.PostgresURL = app.Secret(url(n))
			w.graphs = append(w.graphs, cable(t, strings.TrimPrefix(w.urls[atGraph], "https://")))
			cfg.Endpoints.Graph = "https://" + w.graphs[n].addr()
			cfg.Entra.ReadsPerMinute = 6000
			if faults := cfg.Validate(); len(faults) > 0 {
				t.Fatal(faults)
			}
			w.configs = append(w.configs, cfg)
		}
		w.populate(rotas)
		start(w)
	})
	// A machine that is too slow for Slack's time limit: the person is told.
	w.logs.allow(`error="context deadline exceeded"`, "context already done: context deadline exceeded")
	w.links(w.who("alice"))
	for _, a := range w.approvers {
		w.links(a)
	}
	w.decisions = w.counts(isDecision)
	return w
}

// links links a person's account. On a machine that is too slow for a chat's time limit they
// are told that nothing was done, and ask again.
func (w *replicated) links(h human) {
	w.t.Helper()
	for range 4 {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience/3)
		var url string
		var err error
		if h.Slack != "" {
			h.types("link")
			url, err = h.slackLink(ctx)
		} else {
			h.writes("/elevate link")
			url, err = h.teamsLink(ctx)
		}
		cancel()
		if err == nil {
			h.signsIn(url)
			h.gets("You are linked", h.upn())
			return
		}
	}
	w.t.Fatalf("%s is shown no sign-in link", h.Name)
}

// sender is the replica that made a call to Graph.
func (w *replicated) sender(r *http.Request) int {
	return slices.IndexFunc(w.graphs, func(b *balancer) bool { return b.carries(r.RemoteAddr) })
}

func rota(n int) string { return fmt.Sprintf("Rota%04d", n) }

func rotaID(n int) string { return fmt.Sprintf("0707a000-0000-4000-8000-%012d", n) }

// populate adds eight approvers, and roles that all of them may approve.
func (w *replicated) populate(rotas int) {
	w.t.Helper()
	for n := range 8 {
		key := fmt.Sprintf("approver%d", n)
		p := person{Key: key, Name: fmt.Sprintf("Approver %c", 'A'+n), OID: fmt.Sprintf("a9970000-0000-4000-8000-%012d", n)}
		w.must(w.tenant.AddUser(pimtest.User{ID: p.OID, Name: p.Name, UPN: p.upn(), Mail: p.upn()}))
		if n < 4 {
			p.Slack = fmt.Sprintf("U0APPROVER%d", n)
			w.slack.AddUser(slacktest.User{ID: p.Slack, Name: key, RealName: p.Name, Email: p.upn()})
		} else {
			p.Teams = true
			_, err := w.teams.AddUser(teamstest.User{Name: key, AADObjectID: p.OID, UPN: p.upn(), Email: p.upn(), InstalledPersonal: true})
			w.must(err)
		}
		w.approvers = append(w.approvers, human{p, w.world})
	}
	w.offers(rotas, w.approvers)
}

// offers adds the first roles that Alice asks for.
func (w *replicated) offers(rotas int, approvers []human) {
	w.t.Helper()
	var ids []string
	for _, a := range approvers {
		ids = append(ids, a.OID)
	}
	for n := range rotas {
		w.must(w.tenant.AddRole(pimtest.Role{ID: rotaID(n), Name: rota(n), Policy: pimtest.Policy{MaxDuration: 8 * time.Hour,
			Justification: true, Approval: true, Approvers: ids, ApproverJustification: true}}))
		w.must(w.tenant.Eligible(w.who("alice").OID, rotaID(n), "/", w.clock.Now().Add(-time.Hour), time.Time{}))
	}
}

// asksNext has Alice ask for the next role, and waits until all approvers have their cards.
func (w *replicated) asksNext() (id, role string) {
	w.t.Helper()
	id, role = w.asksOnly()
	for _, a := range w.approvers {
		a.gets("Alice Adams asks for " + role)
	}
	return id, role
}

// asksOnly has Alice ask for the next role, and ask again when her form is not taken: on a
// machine that is too slow for Slack's time limit people are told that nothing was done.
func (w *replicated) asksOnly() (id, role string) {
	w.t.Helper()
	alice, role := w.who("alice"), rota(w.asked)
	w.asked++
	for end := time.Now().Add(4 * patience); ; {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience/2)
		err := w.sandbox.asks(ctx, alice.person, strings.ToLower(role)+" 1h shift", nil)
		if err == nil {
			err = w.slackWaits(ctx, alice.dm(), role+" waits for approval")
		}
		cancel()
		if err == nil {
			return alice.requestID("cancel", role+" waits for approval"), role
		}
		if time.Now().After(end) {
			w.t.Fatalf("Alice cannot ask for %s: %v", role, err)
		}
		w.t.Logf("Alice asks for %s again: %v", role, err)
		if form, open := w.slack.State().Top(alice.Slack); open {
			_, err := w.slack.Close(w.ctx(), alice.Slack, form.ID)
			w.must(err)
		}
	}
}

// gets waits for a card in the chat that the person is in.
func (h human) gets(words ...string) {
	h.w.t.Helper()
	if h.Slack != "" {
		h.reads(words...)
	} else {
		h.sees(words...)
	}
}
