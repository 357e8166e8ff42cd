package slacktest

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorizeParams are the parameters of the authorization request; the page
// carries them through its form, and they are checked again at the choice.
func authorizeParams() []string {
	return []string{"response_type", "response_mode", "scope", "client_id", "state", "redirect_uri", "nonce", "team", "code_challenge", "code_challenge_method"}
}

const authorizeStyle = `
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}
fieldset{border:1px solid GrayText;border-radius:.5rem;padding:.5rem 1rem;margin:1rem 0}
label{display:block;padding:.4rem 0}
small{opacity:.75}
button{font:inherit;padding:.5rem 1.2rem;border-radius:.4rem;margin-right:.5rem}
`

const authorizeHTML = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in with Slack</title><style>` + authorizeStyle + `</style></head><body><main>
{{- if .Problem}}
<h1>Something went wrong</h1><p role="alert">{{.Problem}}</p>
{{- else}}
<h1>Sign in to {{.App}} with Slack</h1>
<p>{{.App}} asks workspace <strong>{{.Team}}</strong> who you are ({{.Scopes}}). This is a simulated Slack: choose who you are.</p>
<form method="post" action="">
{{- range .Params}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">{{end}}
<fieldset><legend>Who are you?</legend>
{{- range .Users}}
<label><input type="radio" name="user" value="{{.ID}}" required> {{or .RealName .Name}} <small>{{.Email}}</small></label>
{{- end}}
</fieldset>
<button type="submit" name="choice" value="allow">Allow</button>
<button type="submit" name="choice" value="cancel" formnovalidate>Cancel</button>
</form>
{{- end}}
</main></body></html>
`

type hidden struct{ Name, Value string }

type pageData struct {
	Problem, App, Team, Scopes string
	Params                     []hidden
	Users                      []User
}

// serveAuthorizePage shows the picker, or what is wrong with the request. A
// wrong request never redirects: Slack's page says so, too.
func (w *Workspace) serveAuthorizePage(rw http.ResponseWriter, r *http.Request) {
	data := pageData{App: w.opts.BotName, Team: w.opts.TeamName}
	w.read(func() {
		q := r.URL.Query()
		if data.Problem = w.authorizable(q); data.Problem != "" {
			return
		}
		data.Scopes = q.Get("scope")
		for _, name := range authorizeParams() {
			if q.Has(name) {
				data.Params = append(data.Params, hidden{name, q.Get(name)})
			}
		}
		for _, u := range w.snapshot().Users {
			if !u.Bot && !u.Deleted && u.TeamID == w.opts.TeamID {
				data.Users = append(data.Users, u)
			}
		}
	})
	writePage(rw, data)
}

// serveAuthorizeChoice sends the browser back with a code, or with
// error=access_denied when the person canceled.
func (w *Workspace) serveAuthorizeChoice(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		writePage(rw, pageData{Problem: "The form could not be read."})
		return
	}
	var (
		problem string
		back    *url.URL
	)
	w.change(func() {
		f := r.PostForm
		if problem = w.authorizable(f); problem != "" {
			return
		}
		var err error
		if back, err = url.Parse(f.Get("redirect_uri")); err != nil {
			problem = "The redirect_uri is not a URL."
			return
		}
		q := back.Query()
		if f.Has("state") {
			q.Set("state", f.Get("state"))
		}
		switch u, err := w.person(f.Get("user")); {
		case f.Get("choice") == "cancel":
			q.Set("error", "access_denied")
		case f.Get("choice") != "allow" || err != nil || u.Bot || u.TeamID != w.opts.TeamID:
			problem = "Choose one of the people of this workspace."
		default:
			code := "1.2." + secret(16)
			w.kept.Codes[code] = &grant{
				User: u.ID, Scopes: scopesOf(f), Redirect: f.Get("redirect_uri"),
				Nonce: f.Get("nonce"), Challenge: f.Get("code_challenge"), At: w.opts.Now(),
			}
			q.Set("code", code)
		}
		back.RawQuery = q.Encode()
	})
	if problem != "" {
		writePage(rw, pageData{Problem: problem})
		return
	}
	rw.Header().Set("Cache-Control", "no-store")
	http.Redirect(rw, r, back.String(), http.StatusSeeOther)
}

// authorizable says in one sentence what is wrong with an authorization
// request; empty: nothing. Under the lock.
func (w *Workspace) authorizable(q url.Values) string {
	scopes := scopesOf(q)
	for name := range q {
		if !slices.Contains(authorizeParams(), name) && name != "user" && name != "choice" {
			w.shout("Sign in with Slack was asked with the parameter %q, which is unknown or not simulated", name)
		}
	}
	for _, s := range scopes {
		if !slices.Contains([]string{"openid", "profile", "email"}, s) {
			return "Invalid permissions requested: the scope " + s + " cannot be part of Sign in with Slack."
		}
	}
	switch {
	case w.opts.ClientID == "" || q.Get("client_id") != w.opts.ClientID:
		return "Invalid client_id parameter."
	case !w.registered(q.Get("redirect_uri")):
		return "redirect_uri did not match any configured URIs."
	case q.Get("response_type") != "code":
		return "Invalid response_type: it must be code."
	case !slices.Contains(scopes, "openid"):
		return "Invalid permissions requested: the scope openid is missing."
	case q.Has("response_mode") && q.Get("response_mode") != "query":
		w.shout("response_mode %q is not simulated", q.Get("response_mode"))
		return "This simulation answers in the query only."
	case q.Has("team") && q.Get("team") != w.opts.TeamID:
		return "You are not signed in to the workspace that the app asks for."
	case q.Has("code_challenge") && (q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43):
		return "Invalid code_challenge: it must be S256."
	}
	return ""
}

// scopesOf splits the scope parameter; Slack takes spaces and commas.
func scopesOf(q url.Values) []string {
	return strings.FieldsFunc(q.Get("scope"), func(r rune) bool { return r == ' ' || r == ',' })
}

func writePage(rw http.ResponseWriter, data pageData) {
	sum := sha256.Sum256([]byte(authorizeStyle))
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	if data.Problem != "" {
		rw.WriteHeader(http.StatusBadRequest)
	}
	template.Must(template.New("authorize").Parse(authorizeHTML)).Execute(rw, data) //nolint:errcheck // the caller has gone
}
