//go:build unix

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

var roundsWanted = flag.Int("rounds", 16, "how often approvers race, through three replicas")

// worldRounds is how many rounds one world lives: what people see is kept and looked
// through again at each wait.
const worldRounds = 25

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
	w.who("alice").linksSlack()
	for _, a := range w.approvers {
		if a.Slack != "" {
			a.linksSlack()
		} else {
			a.linksTeams()
		}
	}
	w.decisions = w.counts(isDecision)
	return w
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

// asksOnly has Alice ask for the next role.
func (w *replicated) asksOnly() (id, role string) {
	w.t.Helper()
	role = rota(w.asked)
	w.asked++
	alice := w.who("alice")
	alice.asks(strings.ToLower(role) + " 1h shift")
	return alice.requestID("cancel", role+" waits for approval"), role
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

// click is one press, ready to be sent.
type click struct {
	by   human
	deny bool
	body []byte
}

// clicks are what each approver is about to send; every third in Teams denies.
func (w *replicated) clicks(id string, round int) (all []click) {
	w.t.Helper()
	for n, a := range w.approvers {
		c := click{by: a, deny: a.Slack == "" && (n+round)%3 == 0}
		switch {
		case a.Slack != "":
			c.body = a.pressing("approve", id)
		case c.deny:
			c.body = a.denying(id)
		default:
			c.body = a.invoking("approve", id)
		}
		all = append(all, c)
	}
	return all
}

// denying is a denial in Teams with its reason, as Teams would deliver it.
func (h human) denying(id string) []byte {
	h.w.t.Helper()
	var a map[string]any
	h.w.must(json.Unmarshal(h.invoking("reason", id), &a))
	action := a["value"].(map[string]any)["action"].(map[string]any)
	action["data"] = map[string]any{"id": id, "verb": "reason", "form": true, "reason": "not today"}
	body, err := json.Marshal(a)
	h.w.must(err)
	return body
}

// sent delivers a click and says whether it was acknowledged, and in which words.
func (w *replicated) sent(c click) (acknowledged bool, words string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if c.by.Slack != "" {
		header := slacktest.Sign(w.kept.SlackSigning, time.Now(), c.body)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		got, err := w.slack.Deliver(ctx, "/slack/interactions", header, c.body)
		return err == nil && got.Status == http.StatusOK, string(got.Body)
	}
	status, body, err := w.teams.Deliver(ctx, w.teams.Token(nil, teamstest.KeyCurrent), c.body)
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return false, string(body)
	}
	if json.Unmarshal(answer.Value, &words) != nil {
		words = teamstest.CardText(answer.Value)
	}
	return !strings.Contains(words, "Please try again"), words
}

// atOnce sends all clicks at the same moment. Whoever is not answered presses again.
func (w *replicated) atOnce(all []click) {
	w.t.Helper()
	var pressing sync.WaitGroup
	ready := make(chan struct{})
	for _, c := range all {
		pressing.Go(func() {
			<-ready
			for end := time.Now().Add(4 * patience); ; {
				ok, words := w.sent(c)
				if ok {
					return
				}
				if time.Now().After(end) {
					w.t.Errorf("%s is not acknowledged: %s", c.by.Name, words)
					return
				}
				http.DefaultClient.CloseIdleConnections() // or all tries go to the replica that is cut off
			}
		})
	}
	close(ready)
	pressing.Wait()
}

// decided are the decisions of a role's request in the tenant's audit log.
func (w *replicated) decided(role string) (all []pimtest.AuditEntry) {
	for _, e := range w.tenant.Audit() {
		if e.Role == role && (strings.Contains(e.Activity, approved) || strings.Contains(e.Activity, denied)) {
			all = append(all, e)
		}
	}
	return all
}

// settles waits until a race is over, and holds that one decision was relayed and
// everybody's card names who made it.
func (w *replicated) settles(n int) {
	w.t.Helper()
	ctx, role, alice := w.ctx(), rota(n), w.who("alice")
	w.must(w.slack.Wait(ctx, func(s slacktest.State) bool {
		return slackHas(s, alice.dm(), role, "Approved by") || slackHas(s, alice.dm(), role, "Denied by")
	}))
	all := w.decided(rotaID(n))
	if len(all) != 1 {
		w.t.Fatalf("%s: %d decisions: %+v", role, len(all), all)
	}
	at := slices.IndexFunc(w.approvers, func(h human) bool { return h.OID == all[0].Actor })
	if at < 0 {
		w.t.Fatalf("%s was decided by nobody known: %+v", role, all[0])
	}
	winner, word := w.approvers[at], "Approved"
	if strings.Contains(all[0].Activity, denied) {
		word = "Denied"
	}
	alice.reads(role, word+" by "+winner.Name)
	for _, a := range w.approvers {
		if a.OID == winner.OID {
			a.gets(role, "You "+strings.ToLower(word)+" it.")
		} else {
			a.gets(role, word+" by "+winner.Name)
		}
	}
}

// once holds the whole audit log against the rounds: each was asked and decided once.
func (w *replicated) once() {
	w.t.Helper()
	asked, done := 0, 0
	for _, e := range w.tenant.Audit() {
		switch {
		case strings.Contains(e.Activity, requested):
			asked++
		case strings.Contains(e.Activity, approved), strings.Contains(e.Activity, denied):
			done++
		}
	}
	if asked != w.asked || done != w.asked {
		w.t.Errorf("%d rounds: %d requests and %d decisions at Microsoft", w.asked, asked, done)
	}
}

var databases atomic.Int32

// database makes a new database for one world.
func database(t *testing.T, srv *postgrestest.Server) string {
	t.Helper()
	name := fmt.Sprintf("world%d", databases.Add(1))
	if err := srv.Exec("create database " + name); err != nil {
		t.Fatal(err)
	}
	return name
}

// Eight approvers in Slack and Teams press at the same moment, through whichever replica:
// one decision is relayed, and everybody is told whose it was.
func TestEightApproversRaceThroughThreeReplicas(t *testing.T) {
	takesTurn(t, false)
	srv := postgrestest.Start(t)
	begun := time.Now()
	for first := 0; first < *roundsWanted; first += worldRounds {
		rounds := min(worldRounds, *roundsWanted-first)
		name := database(t, srv)
		w := runReplicas(t, rounds, func(int) string { return srv.TCP("postgres", name) })
		for n := range rounds {
			id, _ := w.asksNext()
			w.atOnce(w.clicks(id, n))
			w.settles(n)
		}
		w.once()
		if got := int(w.decisions.Load()); got != rounds {
			t.Errorf("%d rounds sent %d decisions to Microsoft", rounds, got)
		}
		if !w.front.spread() {
			t.Error("a replica took no part")
		}
		if strings.Contains(w.logs.String(), "another process has taken over") {
			t.Error("two replicas worked on one request")
		}
		w.end()
		t.Logf("%d rounds after %s", first+rounds, time.Since(begun).Round(time.Second))
	}
	t.Logf("%d rounds of 8 approvers in %s", *roundsWanted, time.Since(begun).Round(time.Second))
}
