package main

import (
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"time"

	"github.com/belaybot/belay/pim/pimtest"
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
	p := tenantPage{Snapshot: s.tenant.State(), Bot: s.urls[atBot], App: belayItself, Ahead: time.Until(s.clock.Now()).Round(time.Second).Seconds()}
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
