//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store/postgres/postgrestest"
)

// only has everything delivered to one replica, past the balancer.
func (w *replicated) only(n int) {
	base := "http://" + w.apps[n].Addr().String()
	w.slack.SetApp(base)
	w.teams.SetApp(base)
}

// inSlack delivers bytes to a replica.
func (w *replicated) inSlack(n int, path string, header http.Header, body []byte) slacktest.Answer {
	w.t.Helper()
	w.only(n)
	got, err := w.slack.Deliver(w.ctx(), path, header, body)
	w.must(err)
	return got
}

// inTeams delivers bytes to a replica, and gives what the answer says.
func (w *replicated) inTeams(n int, body []byte) string {
	w.t.Helper()
	w.only(n)
	status, answer, err := w.teams.Deliver(w.ctx(), w.teams.Token(nil, teamstest.KeyCurrent), body)
	w.must(err)
	if status != http.StatusOK {
		w.t.Errorf("a press is answered %d: %s", status, answer)
	}
	var a struct {
		Value json.RawMessage `json:"value"`
	}
	var toast string
	w.must(json.Unmarshal(answer, &a))
	if json.Unmarshal(a.Value, &toast) == nil {
		return toast
	}
	return teamstest.CardText(a.Value)
}

// What was delivered to one replica is delivered to the others, at once and when all is
// done: the same bytes, and in Teams the same deed under a new id.
func TestDeliveriesAreRepeatedToOtherReplicas(t *testing.T) {
	takesTurn(t, true)
	srv := postgrestest.Start(t)
	name := database(t, srv)
	w := runReplicas(t, 3, func(int) string { return srv.TCP("postgres", name) })
	w.only(0)
	slacker, teamster := w.approvers[0], w.approvers[4]

	// The form that Alice sent.
	id, _ := w.asksNext()
	repeated := 0
	for _, d := range w.slack.Deliveries() {
		if !bytes.Contains(d.Body, []byte("view_submission")) {
			continue
		}
		repeated++
		for n := range replicaCount {
			if got := w.inSlack(n, d.Path, d.Header, d.Body); got.Status != http.StatusOK {
				t.Errorf("replica %d answers a repeated form with %d", n, got.Status)
			}
		}
	}
	if repeated == 0 {
		t.Error("no form was repeated")
	}

	// A press in Slack.
	body := slacker.pressing("approve", id)
	header := slacktest.Sign(w.kept.SlackSigning, time.Now(), body)
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	press := func() {
		for n := range replicaCount {
			if got := w.inSlack(n, "/slack/interactions", header, body); got.Status != http.StatusOK {
				t.Errorf("replica %d answers a press with %d", n, got.Status)
			}
		}
	}
	press()
	w.settles(0)
	press()

	repeats := func(body []byte) {
		t.Helper()
		for n := range replicaCount {
			got := w.inTeams(n, body)
			// Microsoft may answer meanwhile: then it is said who decided.
			if !holds(got, "Sent to Microsoft with your sign-in.") && !holds(got, "on its way to Microsoft already") && !holds(got, teamster.Name+" already ") {
				t.Errorf("replica %d answers a repeated press: %s", n, got)
			}
		}
	}

	// A press in Teams: the same bytes, then a new id.
	w.only(1)
	id, _ = w.asksNext()
	body = teamster.invoking("approve", id)
	repeats(body)
	w.settles(1)
	for n := range replicaCount {
		if got := w.inTeams(n, teamster.invoking("approve", id)); !strings.Contains(got, teamster.Name+" already approved this, so your press changed nothing.") {
			t.Errorf("replica %d answers the same deed under a new id: %s", n, got)
		}
	}

	// A denial with its reason.
	id, _ = w.asksNext()
	body = teamster.denying(id)
	repeats(body)
	w.settles(2)
	for n := range replicaCount {
		if got := w.inTeams(n, teamster.denying(id)); !strings.Contains(got, "already denied this") {
			t.Errorf("replica %d answers the same denial under a new id: %s", n, got)
		}
	}
	w.once()
	if got := w.decisions.Load(); got != 3 {
		t.Errorf("%d decisions were sent to Microsoft, want 3", got)
	}
}

// operates runs a command at the socket of one replica, and gives its output.
func (w *replicated) operates(n int, path string, in any) (lines []string) {
	w.t.Helper()
	w.must(app.Operate(w.ctx(), w.configs[n], w.log, path, in, func(line json.RawMessage) error {
		lines = append(lines, string(line))
		return nil
	}))
	return lines
}

// What a command does through one replica holds for all: keys are rotated while approvers
// race, and links are ended.
func TestCommandsThroughOneReplicaHoldForAll(t *testing.T) {
	takesTurn(t, true)
	srv := postgrestest.Start(t)
	name := database(t, srv)
	const rounds = 4
	w := runReplicas(t, rounds, func(int) string { return srv.TCP("postgres", name) })
	for n := range rounds - 1 {
		id, _ := w.asksNext()
		rotated := make(chan struct{})
		go func() {
			defer close(rotated)
			err := app.Operate(w.ctx(), w.configs[n], w.log, "/keys/rotate", struct{}{}, func(json.RawMessage) error { return nil })
			if err != nil {
				t.Error(err)
			}
		}()
		w.atOnce(w.clicks(id, n))
		<-rotated
		w.settles(n)
	}
	for n := range replicaCount {
		if keys := w.operates(n, "/keys/list", struct{}{}); len(keys) != rounds {
			t.Errorf("replica %d knows %d keys, want %d: %s", n, len(keys), rounds, keys)
		}
	}

	who := w.approvers[0]
	if lines := w.operates(1, "/links/revoke", app.RevokeLinks{Who: who.OID}); len(lines) != 1 {
		t.Errorf("the link of %s is not ended: %s", who.Name, lines)
	}
	id, _ := w.asksNext()
	for n := range replicaCount {
		w.only(n)
		who.forgesPress("approve", id)
		url := who.slackURL() // they are strangers again, to each
		w.used[url] = true
	}
	if got := w.decided(rotaID(rounds - 1)); len(got) != 0 {
		t.Errorf("somebody whose link had ended decided: %+v", got)
	}
}
