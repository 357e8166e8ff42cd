package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
)

// surfaces is what --json prints: where others find everything. Its shape is
// fixed; others build on it.
func (s *sandbox) surfaces() any {
	type slackUser struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	}
	type teamsUser struct {
		ID          string `json:"id"`
		AADObjectID string `json:"aad_object_id"`
	}
	slackUsers, teamsUsers := map[string]slackUser{}, map[string]teamsUser{}
	state := s.teams.State()
	for _, p := range cast {
		if p.Slack != "" {
			slackUsers[p.Key] = slackUser{ID: p.Slack, Email: p.upn()}
		}
		if p.Teams {
			teamsUsers[p.Key] = teamsUser{ID: state.Person(p.Key).ID, AADObjectID: p.OID}
		}
	}
	return map[string]any{
		"page": s.urls[atPage], "bot": s.urls[atBot], "admin": s.urls[atAdmin],
		"slack": map[string]any{"api": s.urls[atSlack], "signing_secret": s.kept.SlackSigning, "team_id": slackTeam, "app_id": slackApp,
			"users": slackUsers, "channels": map[string]string{channel: slackOps, generalRef: slackRoom}},
		"teams": map[string]any{"app_id": belayApp, "tenant_id": tenantID, "connector": s.urls[atConnector],
			"openid_metadata": s.urls[atOpenID] + "/v1/.well-known/openidconfiguration",
			"users":           teamsUsers, "channels": map[string]string{channel: teamsOps}},
		"tenant": map[string]any{"id": tenantID, "login": s.urls[atLogin], "graph": s.urls[atGraph], "arm": s.urls[atARM], "ca": s.ca.path(),
			"audit": s.urls[atAdmin] + "/audit", "clock": s.urls[atAdmin] + "/clock"},
	}
}

// admin answers whoever drives the sandbox from outside: the tenant's audit log,
// the business clock, and Microsoft's portal.
func (s *sandbox) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /audit", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, http.StatusOK, append([]pimtest.AuditEntry{}, s.tenant.Audit()...)) // an array, empty too
	})
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) { s.answerClock(w) })
	mux.HandleFunc("POST /clock", s.moveClock)
	mux.HandleFunc("POST /portal", s.portalPage)
	mux.HandleFunc("POST /surprise", s.surprisePage)
	return localOnly(mux)
}

func (s *sandbox) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Warn("an answer was not read to its end", "error", err)
	}
}

func (s *sandbox) answerClock(w http.ResponseWriter) {
	s.answer(w, http.StatusOK, map[string]string{"now": s.clock.Now().UTC().Format(time.RFC3339)})
}

// moveClock moves business time forward: {"advance":"1h"}. The content type does
// not matter: curl -d calls everything a form, and browsers are told apart by
// localOnly.
func (s *sandbox) moveClock(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) { s.answer(w, status, map[string]string{"error": why}) }
	var body struct {
		Advance string `json:"advance"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("the body goes on")
		}
	}
	by, odd := time.ParseDuration(body.Advance)
	if err != nil || odd != nil {
		refuse(http.StatusBadRequest, `Send {"advance":"1h"}.`)
		return
	}
	if err := s.clock.advance(by); err != nil {
		refuse(http.StatusBadRequest, err.Error())
		return
	}
	if err := s.tenant.Tick(); err != nil {
		s.log.Error("the tenant did not hear of the clock", "error", err)
	}
	s.answerClock(w)
}

// localOnly keeps pages of other sites from giving orders: a name that was
// rebound to loopback is refused, and so is a POST from another origin.
func localOnly(next http.Handler) http.Handler {
	own := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip := net.ParseIP(host)
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "the sandbox answers only under localhost", http.StatusForbidden)
			return
		}
		if err := own.Check(r); err != nil {
			http.Error(w, "the sandbox takes orders only from its own page", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// delegated and application are the permissions that an administrator consented
// to: those that the registration of belay init asks for, and no other.
func delegated() []string {
	all := signin.Scopes(pim.AccessReviews)
	for _, name := range signin.AzureScopes() {
		all = append(all, "https://management.azure.com/"+name)
	}
	return all
}

func application() []string { return pim.ApplicationPermissions() }

// writeConfig leaves the configuration of these surroundings in the data
// directory, for belay serve --config.
func writeConfig(path string, cfg app.Config) error {
	text, err := app.Render(cfg)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
