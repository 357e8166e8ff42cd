//go:build unix

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

var roundsWanted = flag.Int("rounds", 16, "how often approvers race, through three replicas")

// worldRounds is how many rounds one world lives: what people see is kept and looked
// through again at each wait.
const worldRounds = 25

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
