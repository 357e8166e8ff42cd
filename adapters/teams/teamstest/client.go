package teamstest

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// maxPoll is how long GET /state waits for a change.
const maxPoll = 20 * time.Second

// deed is the body of every POST to Client. Each route reads the members that
// its method has.
type deed struct {
	User         string            `json:"user"`
	Conversation string            `json:"conversation"` // empty: the person's chat with the bot
	Text         string            `json:"text"`         // message
	Mention      bool              `json:"mention"`      // message
	Slash        bool              `json:"slash"`        // message: a slash command
	Activity     string            `json:"activity"`     // press, submit, search
	Action       string            `json:"action"`       // press, submit: title, verb or id of the button
	Inputs       map[string]string `json:"inputs"`       // press, submit, search
	Input        string            `json:"input"`        // search: id or dataset of the input
	Query        string            `json:"query"`        // search
	Remove       bool              `json:"remove"`       // install: take it away
	Timezone     string            `json:"timezone"`     // where the person is; empty: where they were
}

// outcome is the answer to a POST.
type outcome struct {
	ID      string   `json:"id,omitempty"` // of the message written
	Answer  *Answer  `json:"answer,omitempty"`
	Choices []Choice `json:"choices,omitempty"`
	Error   string   `json:"error,omitempty"` // a sentence
}

// Client serves a page that acts as the people:
//
//	GET  /state?since=N  the State; waits up to 20 s while its revision is N
//	POST /message        {user, conversation, text, mention, slash} → {id}
//	POST /press          {user, conversation, activity, action, inputs} → {answer}
//	POST /submit         the same, as an old client does it
//	POST /search         {user, conversation, activity, input, query, inputs} → {choices}
//	POST /install        {user, conversation, remove}
//
// A deed that Teams does not allow is answered 409, a bot that failed 502, each
// with {error}. Each may name the person's timezone. It acts as anybody without asking, so it answers only under
// names of the loopback interface (and Options.Hosts), and takes a POST only
// from its own page.
func (t *Teams) Client() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", t.pollState)
	post := func(path string, do func(context.Context, deed) (outcome, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) { t.act(w, r, do) })
	}
	post("/message", func(ctx context.Context, d deed) (o outcome, err error) {
		if d.Slash {
			o.ID, err = t.Slash(ctx, d.User, d.Conversation, d.Text)
		} else {
			o.ID, err = t.Message(ctx, d.User, d.Conversation, d.Text, d.Mention)
		}
		return o, err
	})
	post("/press", func(ctx context.Context, d deed) (outcome, error) {
		a, err := t.Press(ctx, d.User, d.Conversation, d.Activity, d.Action, d.Inputs)
		return outcome{Answer: &a}, err
	})
	post("/submit", func(ctx context.Context, d deed) (outcome, error) {
		a, err := t.Submit(ctx, d.User, d.Conversation, d.Activity, d.Action, d.Inputs)
		return outcome{Answer: &a}, err
	})
	post("/search", func(ctx context.Context, d deed) (outcome, error) {
		choices, err := t.Search(ctx, d.User, d.Conversation, d.Activity, d.Input, d.Query, d.Inputs)
		return outcome{Choices: choices}, err
	})
	post("/install", func(ctx context.Context, d deed) (outcome, error) {
		return outcome{}, t.install(ctx, d.User, d.Conversation, !d.Remove)
	})
	own := http.NewCrossOriginProtection() // compares Origin with Host
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Host is compared with a list, or a page of any site could rebind its
		// own name to this address and pass as the same origin.
		if !t.local(r.Host) {
			writeJSON(w, http.StatusForbidden, outcome{Error: "The sandbox answers only under localhost."})
			return
		}
		if err := own.Check(r); err != nil {
			writeJSON(w, http.StatusForbidden, outcome{Error: "The sandbox takes orders only from its own page."})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (t *Teams) local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" || slices.Contains(t.options.Hosts, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// act reads a deed, does it, and answers.
func (t *Teams) act(w http.ResponseWriter, r *http.Request, do func(context.Context, deed) (outcome, error)) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		writeJSON(w, http.StatusUnsupportedMediaType, outcome{Error: "The body must be application/json."})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	var d deed
	if err == nil {
		err = decode(body, &d)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, outcome{Error: "The body could not be read: " + err.Error()})
		return
	}
	// What was sent to the bot is not taken back when the page goes away.
	var o outcome
	if d.Timezone != "" {
		err = t.Move(d.User, d.Timezone)
	}
	if err == nil {
		o, err = do(context.WithoutCancel(r.Context()), d)
	}
	var refused *Refused
	var failure *Failure
	status := http.StatusOK
	switch {
	case err == nil:
	case errors.As(err, &refused):
		status, o = http.StatusConflict, outcome{Error: refused.Reason}
	case errors.As(err, &failure):
		status, o = http.StatusBadGateway, outcome{Error: failure.Reason}
	default:
		status, o = http.StatusInternalServerError, outcome{Error: err.Error()}
	}
	writeJSON(w, status, o)
}

// pollState answers the world as soon as its revision is not the one the page has.
func (t *Teams) pollState(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), maxPoll)
	defer cancel()
	if since := r.URL.Query().Get("since"); since != "" {
		revision, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, outcome{Error: "since must be a revision."})
			return
		}
		err = t.Wait(ctx, func(s State) bool { return s.Revision != revision })
		if err != nil && r.Context().Err() != nil {
			return // the page is gone; otherwise it hears that nothing changed
		}
	}
	writeJSON(w, http.StatusOK, t.State())
}
