// Package web is the few pages that a person's browser sees: the one-time link,
// the way through Sign in with Slack and Microsoft's sign-in, and how it ended.
//
//	GET  /link/{id}               who is about to be linked, and a Continue button; changes nothing
//	POST /link/{id}               the browser gets its session and goes to Slack or to Microsoft
//	GET  /signin/slack/callback   whose browser this is; then on to Microsoft
//	GET  /signin/entra/callback   who signed in; the end
//
// Who may be linked with whom is not decided here but in bot.Links. This package
// keeps the browser's part honest: one session cookie that binds all steps to one
// browser, states that are used up before any token is asked for, and pages
// without script that say in a plain sentence what went wrong and what to do.
package web

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// SignIn is Microsoft's sign-in as these pages need it. Errors are *pim.Error.
type SignIn interface {
	// AuthURL is where the browser is sent.
	AuthURL(ctx context.Context, a pim.Authorization) (string, error)
	// Redeem proves who brought the code back. keep stores the sign-in; until it
	// is called nothing is kept.
	Redeem(ctx context.Context, code string, a pim.Authorization) (who pim.Identity, keep func(context.Context) error, err error)
}

// Options are what the pages are made of. PublicURL, Links and SignIn are
// needed; Slack where Slack users link themselves.
type Options struct {
	PublicURL string // where browsers reach Belay; https, or http on loopback
	Links     *bot.Links
	SignIn    SignIn
	Slack     SlackSignIn
	PerMinute int              // how often one link, and one browser, may open a page; 0: as often as it likes
	HTTP      *http.Client     // its Transport is used for Slack; redirects, time and size are limited here
	Now       func() time.Time // wall clock; nil: time.Now
	Random    io.Reader        // nil: crypto/rand
	Log       *slog.Logger     // nil: nothing is logged
}

// Paths that are registered as redirect URIs, below PublicURL.
const (
	SlackCallback = "/signin/slack/callback"
	EntraCallback = "/signin/entra/callback"
)

// maxForm is how long the body of a form may be: the form has no fields.
const maxForm = 4 << 10

// maxParameter is how long a code or a state may be. Entra's codes are the
// longest, about two thousand characters.
const maxParameter = 8 << 10

type pages struct {
	o      Options
	slack  *slack
	html   *template.Template
	cookie http.Cookie // without a value
	policy string      // Content-Security-Policy
	number *regexp.Regexp
	limit  *bot.Limiter // nil: none
}

// New makes the pages. It fails on a public URL that browsers would not keep a
// session for.
func New(o Options) (http.Handler, error) {
	if o.Links == nil || o.SignIn == nil {
		return nil, errors.New("web: Links and SignIn are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" || u.Path != "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, errors.New("web: the public URL is https://host without a path; plain http is for loopback only")
	}
	p := &pages{o: o, slack: newSlack(o), number: regexp.MustCompile(`AADSTS\d{1,9}`)}
	if p.html, err = parse(); err != nil {
		return nil, err
	}
	if o.PerMinute > 0 {
		p.limit = bot.NewLimiter(o.PerMinute, o.PerMinute)
	}
	// A __Host- cookie is sent to this host over https only and cannot be set by a
	// neighbour in the domain. Lax, because the browser comes back from Slack and
	// Microsoft with it.
	p.cookie = http.Cookie{Name: "__Host-belay", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(bot.TicketTime.Seconds())}
	plain := ""
	if u.Scheme == "http" {
		p.cookie.Name, p.cookie.Secure = "belay", false
		plain = " http://127.0.0.1:* http://localhost:*"
	}
	// Browsers hold a form's redirects to form-action too, all of them: from the
	// sign-in page on to the organisation's own identity provider, which nobody can
	// list here. Hence any https.
	p.policy = "default-src 'none'; style-src " + styleSource() + "; form-action 'self' https:" + plain + "; frame-ancestors 'none'; base-uri 'none'"

	mux := http.NewServeMux()
	mux.HandleFunc("GET /link/{id}", p.show)
	mux.HandleFunc("POST /link/{id}", p.begin)
	mux.HandleFunc("GET "+SlackCallback, p.fromSlack)
	mux.HandleFunc("GET "+EntraCallback, p.fromEntra)
	return p.guard(mux), nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// guard sets the headers of every answer and refuses what no page needs.
func (p *pages) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", p.policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex")
		if p.cookie.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/signin/") {
			// A callback is for a person's browser; a scanner's HEAD must not use it up.
			h.Set("Allow", http.MethodGet)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// show is the page of a one-time link. It changes nothing.
func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	t, err := p.o.Links.Open(r.Context(), r.PathValue("id"))
	if err == nil { // only links that exist are counted, so that guesses push none of them out
		err = p.within("link " + r.PathValue("id"))
	}
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	p.render(w, r, http.StatusOK, page{Card: bot.LinkPage(t), Form: true})
}

// begin gives the browser its session and sends it on.
func (p *pages) begin(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		p.trouble(w, r, bot.FromElsewhere(err))
		return
	}
	_, err := p.o.Links.Open(r.Context(), r.PathValue("id"))
	if err == nil {
		err = p.within("link " + r.PathValue("id"))
	}
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	session, err := p.session(w, r)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	hop, err := p.o.Links.Begin(r.Context(), r.PathValue("id"), session)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	p.send(w, r, hop)
}

// send is the redirect to where a hop leads.
func (p *pages) send(w http.ResponseWriter, r *http.Request, hop bot.Hop) {
	if hop.Step == bot.StepSlack {
		if p.slack == nil {
			p.trouble(w, r, errors.New("a Slack user wants to link, but Sign in with Slack is not configured"))
			return
		}
		http.Redirect(w, r, p.slack.authorize(hop), http.StatusSeeOther)
		return
	}
	to, err := p.o.SignIn.AuthURL(r.Context(), hop.Authorization(p.o.PublicURL+EntraCallback))
	if err != nil {
		p.trouble(w, r, bot.SignInFailed(err))
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// within says whether a link or a browser may open one page more just now.
func (p *pages) within(key string) error {
	if p.limit == nil {
		return nil
	}
	if wait, ok := p.limit.Take(key, 1); !ok {
		return bot.TooOften(wait)
	}
	return nil
}

// session is the browser's secret: the one it has, so that two tabs do not
// disturb each other, or a fresh one.
func (p *pages) session(w http.ResponseWriter, r *http.Request) (string, error) {
	s := p.present(r)
	if s == "" {
		b := make([]byte, 32)
		if _, err := io.ReadFull(p.o.Random, b); err != nil {
			return "", err
		}
		s = base64.RawURLEncoding.EncodeToString(b)
	}
	c := p.cookie
	c.Value = s
	http.SetCookie(w, &c)
	return s, nil
}

// present is the session that the browser brought; empty when it brought none.
func (p *pages) present(r *http.Request) string {
	c, err := r.Cookie(p.cookie.Name)
	if err != nil {
		return ""
	}
	if b, err := base64.RawURLEncoding.DecodeString(c.Value); err != nil || len(b) != 32 {
		return ""
	}
	return c.Value
}

// back reads what a sign-in page sent the browser back with, uses up the state,
// and only then looks at the rest.
func (p *pages) back(r *http.Request, step bot.Step) (hop bot.Hop, code string, err error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return bot.Hop{}, "", bot.BadReturn(err)
	}
	for name, values := range q {
		if len(values) != 1 || len(values[0]) > maxParameter {
			return bot.Hop{}, "", bot.BadReturn(errors.New("a parameter that is repeated or too long: " + name[:min(len(name), 40)]))
		}
	}
	if session := p.present(r); session != "" {
		if err := p.within("browser " + session); err != nil {
			return bot.Hop{}, "", err // before the state is used up
		}
	}
	if hop, _, err = p.o.Links.Take(r.Context(), step, q.Get("state"), p.present(r)); err != nil {
		return bot.Hop{}, "", err
	}
	switch {
	case q.Get("error") != "":
		// The description is for people, holds names, and anybody can write one: it is
		// neither shown nor logged, but for Microsoft's number.
		err := bot.SignInRefused(step, q.Get("error"), p.number.FindString(q.Get("error_description")))
		p.o.Links.TurnedAway(r.Context(), hop, err)
		return bot.Hop{}, "", err
	case q.Get("code") == "":
		return bot.Hop{}, "", bot.BadReturn(errors.New("neither a code nor an error"))
	}
	return hop, q.Get("code"), nil
}

// fromSlack learns whose browser this is.
func (p *pages) fromSlack(w http.ResponseWriter, r *http.Request) {
	hop, code, err := p.back(r, bot.StepSlack)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	if p.slack == nil {
		p.trouble(w, r, errors.New("Sign in with Slack is not configured"))
		return
	}
	if iss := r.URL.Query().Get("iss"); iss != "" && iss != p.slack.o.Issuer {
		p.trouble(w, r, bot.SlackFailed(errors.New("another sign-in service answered"), false))
		return
	}
	team, user, err := p.slack.redeem(r.Context(), code, hop.Nonce)
	if err != nil {
		p.o.Links.TurnedAway(r.Context(), hop, err)
		p.trouble(w, r, err)
		return
	}
	next, err := p.o.Links.Vouch(r.Context(), hop, p.present(r), team, user)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	p.send(w, r, next)
}

// fromEntra learns who signed in, and ends the sign-in.
func (p *pages) fromEntra(w http.ResponseWriter, r *http.Request) {
	hop, code, err := p.back(r, bot.StepEntra)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	trip := hop.Authorization(p.o.PublicURL + EntraCallback)
	trip.Issuer = r.URL.Query().Get("iss")
	who, keep, err := p.o.SignIn.Redeem(r.Context(), code, trip)
	if err != nil {
		err = bot.SignInFailed(err)
		p.o.Links.TurnedAway(r.Context(), hop, err)
		p.trouble(w, r, err)
		return
	}
	link, err := p.o.Links.Complete(r.Context(), hop, who, keep)
	if err != nil {
		p.trouble(w, r, err)
		return
	}
	over := p.cookie
	over.MaxAge = -1
	http.SetCookie(w, &over)
	p.render(w, r, http.StatusOK, page{Card: bot.LinkedPage(link)})
}

// trouble tells the person a sentence and the operator the detail.
func (p *pages) trouble(w http.ResponseWriter, r *http.Request, err error) {
	var e *bot.Error
	status, level := http.StatusInternalServerError, slog.LevelError
	if errors.As(err, &e) {
		switch e.Code {
		case bot.CodeNotFound:
			status, level = http.StatusNotFound, slog.LevelInfo
		case bot.CodeNotAllowed:
			status, level = http.StatusForbidden, slog.LevelWarn
		case bot.CodeInvalid, bot.CodeSignIn:
			status, level = http.StatusBadRequest, slog.LevelInfo
		case bot.CodeBusy:
			status, level = http.StatusServiceUnavailable, slog.LevelWarn
		case bot.CodeTooOften:
			status, level = http.StatusTooManyRequests, slog.LevelWarn
		}
	}
	var often *bot.TooOftenError
	if errors.As(err, &often) {
		w.Header().Set("Retry-After", strconv.Itoa(int(often.Wait.Seconds())))
	}
	ref := p.reference()
	// r.Pattern, not the path: the path of a link is its secret.
	p.o.Log.LogAttrs(r.Context(), level, "sign-in page", slog.String("page", r.Pattern), slog.Int("status", status), slog.String("reference", ref), slog.Any("error", err))
	p.render(w, r, status, page{Card: bot.LinkTroublePage(err, ref)})
}

// reference is by what a person and the operator talk about the same failure.
func (p *pages) reference() string {
	b := make([]byte, 4)
	if _, err := io.ReadFull(p.o.Random, b); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(b)
}
