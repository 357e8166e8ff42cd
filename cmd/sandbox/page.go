package main

import (
	"embed"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/cmd/internal/render"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/posture"
)

// pageFiles are the page as the browser gets it; there is no build step.
//
//go:embed page/*.html page/*.css page/*.js page/*.svg page/vendor/adaptivecards.min.js
var pageFiles embed.FS

// pagePolicy lets the page load its own files, and talk to the sandbox only.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the web page: its files, both chats as their people see them, and
// the tenant.
func (s *sandbox) page() http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("the page is not in the binary: " + err.Error()) // the name is a constant
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.FileServerFS(files))
	mux.Handle("GET /{file}", http.FileServerFS(files))
	mux.Handle("GET /vendor/{file}", http.FileServerFS(files))
	for _, method := range []string{"GET ", "POST "} {
		mux.Handle(method+"/slack/", http.StripPrefix("/slack", s.slack.Client()))
		mux.Handle(method+"/teams/", http.StripPrefix("/teams", s.teams.Client()))
	}
	mux.HandleFunc("GET /tenant/state", s.tenantState)
	mux.HandleFunc("POST /tenant/clock", s.moveClockFromPage)
	mux.HandleFunc("POST /tenant/portal", s.portalPage)
	mux.HandleFunc("POST /tenant/surprise", s.surprisePage)
	mux.HandleFunc("GET /posture", s.posturePage)
	return localOnly(guarded(mux))
}

// guarded sends the headers that keep the page to itself.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // the next build may serve another page here
		next.ServeHTTP(w, r)
	})
}

// tenantPage is the tenant as the page shows it.
type tenantPage struct {
	pimtest.Snapshot            // with the audit log, newest first
	Ahead            float64    `json:"ahead"` // seconds that the business clock is ahead of the wall clock
	Bot              string     `json:"bot"`   // base URL of Belay, where sign-in links lead
	App              string     `json:"app"`   // Belay's service principal
	Cast             []pageRole `json:"cast"`
	Surprised        []string   `json:"surprised"` // surprises that were set off
}

// pageRole is somebody of the sandbox, and where they chat.
type pageRole struct {
	Key   string `json:"key"` // the name in Teams
	Name  string `json:"name"`
	OID   string `json:"oid"`
	Slack string `json:"slack,omitempty"` // Slack user id
	Teams bool   `json:"teams,omitempty"`
}

func (s *sandbox) tenantState(w http.ResponseWriter, _ *http.Request) {
	p := tenantPage{Snapshot: s.tenant.State(), Bot: s.urls[atBot], App: belayItself, Surprised: s.surprised(), Ahead: time.Until(s.clock.Now()).Round(time.Second).Seconds()}
	if p.Audit == nil {
		p.Audit = []pimtest.AuditEntry{} // for JavaScript
	}
	for _, c := range cast {
		p.Cast = append(p.Cast, pageRole{Key: c.Key, Name: c.Name, OID: c.OID, Slack: c.Slack, Teams: c.Teams})
	}
	s.answer(w, http.StatusOK, p)
}

// moveClockFromPage is moveClock for a browser: a body that does not say it is
// JSON could have come from a form of another site.
func (s *sandbox) moveClockFromPage(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		s.answer(w, http.StatusUnsupportedMediaType, map[string]string{"error": "The body must be application/json."})
		return
	}
	s.moveClock(w, r)
}

// posturePage is what belay posture --format html prints of the sandbox's tenant. The
// report has its looks in it, and may have them.
func (s *sandbox) posturePage(w http.ResponseWriter, r *http.Request) {
	cfg := s.config()
	read, err := cfg.ReadPosture(r.Context(), s.log)
	var days []posture.Day
	if err == nil {
		_, err = app.Ask(r.Context(), cfg, "/posture/days", struct{}{}, func(line json.RawMessage) error {
			var d posture.Day
			days = append(days, d)
			return json.Unmarshal(line, &days[len(days)-1])
		})
	}
	if err != nil {
		s.answer(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	report := posture.Examine(read, cfg.PostureRules())
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := render.Posture(w, render.HTML, report, append(days, report.Day())); err != nil {
		s.log.Warn("the report was not read to its end", "error", err)
	}
}
