package slacktest

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pollFor is how long GET /state waits for something new.
const pollFor = 20 * time.Second

// Client serves the sandbox's page: what a person sees and can do, as JSON.
//
//	GET  /state?since=REVISION  the state, as soon as its revision is above REVISION, after 20 s at the latest
//	POST /command   {"user","channel","command","text"}
//	POST /press     {"user","channel","ts","block","action","value"}
//	POST /change    {"user","view","block","action","value"}
//	POST /submit    {"user","view","values":{block:{action:value}}}
//	POST /close     {"user","view"}
//	POST /suggest   {"user","view","block","action","query"}
//	POST /home      {"user"}
//
// The state has for every message and view its rendered "html" besides. A POST
// answers the Outcome (suggest: {"options":[…]}), and a refusal is 4xx with
// {"error"}. Whoever can reach it acts as anybody, so requests must come from a
// page of the same origin, under an IP address or localhost (a name could have
// been rebound), and POSTs must be application/json.
func (w *Workspace) Client() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", w.serveState)
	post := func(path string, do func(context.Context, clientRequest) (any, error)) {
		mux.HandleFunc("POST "+path, func(rw http.ResponseWriter, r *http.Request) { serveAct(rw, r, do) })
	}
	post("/command", func(ctx context.Context, q clientRequest) (any, error) {
		return w.Command(ctx, q.User, q.Channel, q.Command, q.Text)
	})
	post("/press", func(ctx context.Context, q clientRequest) (any, error) {
		return w.Use(ctx, q.User, q.Channel, q.TS, Element{q.Block, q.Action, q.Value})
	})
	post("/change", func(ctx context.Context, q clientRequest) (any, error) {
		return w.Change(ctx, q.User, q.View, q.Block, q.Action, q.Value)
	})
	post("/submit", func(ctx context.Context, q clientRequest) (any, error) {
		return w.Submit(ctx, q.User, q.View, q.Values)
	})
	post("/close", func(ctx context.Context, q clientRequest) (any, error) { return w.Close(ctx, q.User, q.View) })
	post("/home", func(ctx context.Context, q clientRequest) (any, error) { return w.OpenHome(ctx, q.User) })
	post("/suggest", func(ctx context.Context, q clientRequest) (any, error) {
		found, err := w.Suggest(ctx, q.User, q.View, q.Block, q.Action, q.Query)
		if found == nil {
			found = []Option{}
		}
		return map[string]any{"options": found}, err
	})
	return sameOrigin(mux)
}

// clientRequest holds the members of every POST.
type clientRequest struct {
	User    string                       `json:"user"`
	Channel string                       `json:"channel"`
	Command string                       `json:"command"`
	Text    string                       `json:"text"`
	TS      string                       `json:"ts"`
	View    string                       `json:"view"`
	Block   string                       `json:"block"`
	Action  string                       `json:"action"`
	Value   string                       `json:"value"`
	Query   string                       `json:"query"`
	Values  map[string]map[string]string `json:"values"`
}

// sameOrigin refuses what a page of another origin, or of a rebound name, could send.
func sameOrigin(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			writeJSON(rw, http.StatusForbidden, map[string]any{"error": "open this page under its IP address or localhost"})
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			writeJSON(rw, http.StatusForbidden, map[string]any{"error": "this request comes from another site"})
			return
		}
		guarded.ServeHTTP(rw, r)
	})
}

func serveAct(rw http.ResponseWriter, r *http.Request, do func(context.Context, clientRequest) (any, error)) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		writeJSON(rw, http.StatusUnsupportedMediaType, map[string]any{"error": "send application/json"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	var q clientRequest
	if err == nil {
		err = strict(body, &q)
	}
	if err != nil {
		writeJSON(rw, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	answer, err := do(r.Context(), q)
	switch {
	case errors.Is(err, ErrNoSuch):
		writeJSON(rw, http.StatusNotFound, map[string]any{"error": err.Error()})
	case errors.Is(err, ErrNotPossible):
		writeJSON(rw, http.StatusUnprocessableEntity, map[string]any{"error": err.Error()})
	case err != nil:
		writeJSON(rw, http.StatusBadGateway, map[string]any{"error": err.Error()})
	default:
		writeJSON(rw, http.StatusOK, answer)
	}
}

func (w *Workspace) serveState(rw http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseUint(r.URL.Query().Get("since"), 10, 64)
	if err != nil && r.URL.Query().Has("since") {
		writeJSON(rw, http.StatusBadRequest, map[string]any{"error": "since is not a revision"})
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), pollFor)
	defer stop()
	var s State
	err = w.Wait(ctx, func(now State) bool { s = now; return !r.URL.Query().Has("since") || now.Revision > since })
	if err != nil && r.Context().Err() != nil {
		return // the page has gone
	}
	writeJSON(rw, http.StatusOK, shown(s))
}

// page is the state with everything rendered.
type page struct {
	State
	Channels []pageChannel `json:"channels"`
	Views    []pageView    `json:"views"`
	Homes    []pageView    `json:"homes"`
}

type pageChannel struct {
	Channel
	Messages []pageMessage `json:"messages"`
}

type pageMessage struct {
	Message
	HTML string `json:"html"`
}

type pageView struct {
	View
	HTML string `json:"html"`
}

func shown(s State) page {
	names := make(map[string]string)
	for _, u := range s.Users {
		names[u.ID] = u.RealName
	}
	for _, c := range s.Channels {
		names[c.ID] = c.Name
	}
	name := func(id string) string { return names[id] }
	p := page{State: s, Channels: []pageChannel{}, Views: []pageView{}, Homes: []pageView{}}
	for _, c := range s.Channels {
		pc := pageChannel{Channel: c.Channel, Messages: []pageMessage{}}
		for _, m := range c.Messages {
			pc.Messages = append(pc.Messages, pageMessage{m, renderer{names: name}.message(m.Blocks, m.Text)})
		}
		p.Channels = append(p.Channels, pc)
	}
	render := func(v View) pageView {
		return pageView{v, renderer{values: v.Values, errors: v.Errors, names: name}.view(v)}
	}
	for _, v := range s.Views {
		p.Views = append(p.Views, render(v))
	}
	for _, v := range s.Homes {
		p.Homes = append(p.Homes, render(v))
	}
	return p
}
