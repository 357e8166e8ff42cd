package pimtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// browserCookie names the browser in which a sign-in goes on. It signs nobody
// in: several people may share the browser, so everybody is asked every time.
const browserCookie = "pimtest_browser"

// Browser is the side of the sign-in service that a person sees: the
// authorization endpoint and the pages behind it. The pages are HTML without
// script.
func (t *Tenant) Browser() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a answer
		if err := t.do(func() { a = t.browse(r) }); err != nil {
			a = t.errorPage(r, fault("server_error", 90033, "%v", err), "")
		}
		a.send(w)
	})
}

func (t *Tenant) browse(r *http.Request) answer {
	if r.URL.Path == "/favicon.ico" { // browsers ask of their own accord
		return answer{status: http.StatusNotFound}
	}
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	routes := map[string]struct {
		method string
		page   func(*http.Request, string) answer
	}{
		"oauth2/v2.0/authorize": {http.MethodGet, t.authorizePage},
		"signin/user":           {http.MethodPost, t.userPage},
		"signin/mfa":            {http.MethodPost, t.mfaPage},
		"signin/cancel":         {http.MethodPost, t.cancelPage},
	}
	route, ok := routes[path]
	if !ok {
		t.unhandled(r, "no such sign-in page")
		e := fault("invalid_request", 90023, "The simulator has no such page.")
		e.status = http.StatusNotImplemented
		return t.errorPage(r, e, "")
	}
	if !strings.EqualFold(tenant, t.opt.TenantID) {
		return t.errorPage(r, fault("invalid_request", 90002, "Tenant '%s' not found.", tenant), "")
	}
	if r.Method != route.method {
		e := fault("invalid_request", 900561, "This page only accepts %s requests.", route.method)
		e.status = http.StatusMethodNotAllowed
		return t.errorPage(r, e, "")
	}
	if r.ContentLength > maxBody {
		e := fault("invalid_request", 9002313, "The form is too large.")
		e.status = http.StatusRequestEntityTooLarge
		return t.errorPage(r, e, "")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
	browser := ""
	if c, err := r.Cookie(browserCookie); err == nil {
		browser = c.Value
	}
	return route.page(r, browser)
}

func (t *Tenant) authorizePage(r *http.Request, browser string) answer {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return t.errorPage(r, fault("invalid_request", 9002313, "The query cannot be read."), "")
	}
	ask, back, e := t.authorize(q)
	switch {
	case e != nil && back != nil && e.aadsts != 90014:
		if e.unknown != "" {
			t.unhandled(r, "%s", e.unknown)
		}
		return redirect(withQuery(back.String(), url.Values{
			"error": {e.code}, "error_description": {e.sentence()}, "state": {q.Get("state")},
		}))
	case e != nil:
		return t.errorPage(r, e, "")
	}
	fresh := browser == ""
	if fresh {
		browser = randomText()
	}
	title := "Sign in"
	if ask.Anew {
		title = "Sign in again"
	}
	a := t.page(http.StatusOK, pageData{
		Title: title, Flow: t.begin(browser, ask), People: t.people(ask.Hint), StepUp: ask.Claims.ACRS,
	})
	if fresh {
		c := http.Cookie{Name: browserCookie, Value: browser, Path: "/" + t.opt.TenantID, HttpOnly: true, SameSite: http.SameSiteLaxMode}
		a.header.Set("Set-Cookie", c.String())
	}
	return a
}

func (t *Tenant) userPage(r *http.Request, browser string) answer {
	id, f, e := t.formFlow(r, browser)
	if e != nil {
		return t.errorPage(r, e, "")
	}
	u := t.w.Users[r.PostForm.Get("user")]
	if u == nil || u.Disabled {
		return t.errorPage(r, fault("invalid_request", 50057, "The user account is disabled or does not exist."), id)
	}
	f.User, t.w.dirty = u.ID, true
	return t.page(http.StatusOK, pageData{
		Title: "Approve sign-in request", Flow: id, User: u, StepUp: f.Ask.Claims.ACRS, Optional: !t.needsMFA(f.Ask),
	})
}

func (t *Tenant) mfaPage(r *http.Request, browser string) answer {
	id, f, e := t.formFlow(r, browser)
	switch {
	case e != nil:
		return t.errorPage(r, e, "")
	case f.User == "":
		return t.errorPage(r, fault("invalid_request", 50058, "Choose who signs in first."), id)
	}
	if u := t.w.Users[f.User]; u == nil || u.Disabled {
		return t.errorPage(r, fault("invalid_request", 50057, "The user account is disabled."), id)
	}
	switch r.PostForm.Get("answer") {
	case "approve":
		return redirect(t.finish(id, f, []string{"pwd", "mfa"}))
	case "password":
		if t.needsMFA(f.Ask) {
			return t.errorPage(r, fault("invalid_request", 50076, "You must use multi-factor authentication."), id)
		}
		return redirect(t.finish(id, f, []string{"pwd"}))
	}
	return t.errorPage(r, fault("invalid_request", 90014, "The form was not complete."), id)
}

func (t *Tenant) cancelPage(r *http.Request, browser string) answer {
	id, f, e := t.formFlow(r, browser)
	if e != nil {
		return t.errorPage(r, e, "")
	}
	return redirect(t.giveUp(id, f))
}

func (t *Tenant) formFlow(r *http.Request, browser string) (string, *flow, *signInError) {
	if err := r.ParseForm(); err != nil {
		return "", nil, fault("invalid_request", 9002313, "The form cannot be read.")
	}
	id := r.PostForm.Get("flow")
	f, e := t.flow(id, browser)
	return id, f, e
}

// people are those who can sign in; hint is marked as chosen.
func (t *Tenant) people(hint string) []personRow {
	var rows []personRow
	for _, u := range sortedUsers(t.w.Users) {
		if !u.Disabled {
			chosen := hint != "" && (strings.EqualFold(hint, u.UPN) || strings.EqualFold(hint, u.Mail) || strings.EqualFold(hint, u.ID))
			rows = append(rows, personRow{u, chosen})
		}
	}
	return rows
}

type personRow struct {
	*User
	Chosen bool
}

// pageData is what the one template shows: an error, the choice of a person, or
// the request for approval on the phone.
type pageData struct {
	Title    string
	Tenant   string
	App      string
	Flow     string
	People   []personRow
	User     *User
	StepUp   []string
	Optional bool // password alone will do
	Error    string
	Style    template.CSS
}

func (t *Tenant) errorPage(r *http.Request, e *signInError, flow string) answer {
	if e.unknown != "" {
		t.unhandled(r, "%s", e.unknown)
	}
	return t.page(e.status, pageData{Title: "Sorry, the sign-in did not work", Flow: flow, Error: e.sentence()})
}

func (t *Tenant) page(status int, d pageData) answer {
	d.Tenant, d.App, d.Style = t.opt.TenantID, t.opt.App.Name, pageStyle
	var b bytes.Buffer
	tmpl, err := template.New("page").Parse(pageHTML)
	if err == nil {
		err = tmpl.Execute(&b, d)
	}
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: []byte(err.Error()), header: http.Header{"Content-Type": {"text/plain"}}}
	}
	return answer{status: status, body: b.Bytes(), header: t.pageHeader()}
}

// pageHeader allows the page its own style and its forms, and nothing else. The
// origins of the redirect URIs are named because browsers apply form-action to
// the redirect that follows a form, too.
func (t *Tenant) pageHeader() http.Header {
	sum := sha256.Sum256([]byte(pageStyle))
	targets := []string{"'self'"}
	for _, s := range t.opt.App.RedirectURIs {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			if origin := u.Scheme + "://" + u.Host; !slices.Contains(targets, origin) {
				targets = append(targets, origin)
			}
		}
	}
	return http.Header{
		"Content-Type": {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action " + strings.Join(targets, " ") + "; frame-ancestors 'none'; base-uri 'none'"},
		"X-Frame-Options": {"DENY"}, "X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"no-referrer"}, "Cache-Control": {"no-store"},
	}
}

func redirect(to string) answer {
	return answer{status: http.StatusSeeOther, header: http.Header{
		"Location": {to}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"},
	}}
}
