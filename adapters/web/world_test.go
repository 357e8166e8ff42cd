package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/web"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

const (
	tenantID  = "11111111-0000-4000-8000-000000000001"
	clientID  = "c11e0000-0000-4000-8000-00000000c11e"
	aliceID   = "aaaaaaaa-0000-4000-8000-00000000000a"
	malloryID = "bbbbbbbb-0000-4000-8000-00000000000b"
	stepUp    = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
)

var (
	alice   = bot.User{Platform: bot.Slack, Tenant: "T0SIMULATED", ID: "U0ALICE", Name: "Alice <b>Adams</b>"}
	mallory = bot.User{Platform: bot.Slack, Tenant: "T0SIMULATED", ID: "U0MALLORY", Name: "mallory"}
	teamsA  = bot.User{Platform: bot.Teams, Tenant: tenantID, ID: aliceID, Name: "Alice"}
)

// world is the pages, the real sign-in and the real links, between a simulated
// Slack and a simulated tenant.
type world struct {
	t       *testing.T
	tenant  *pimtest.Tenant
	slack   *slacktest.Workspace
	store   store.Store
	trail   *trail.Trail
	links   *bot.Links
	signIn  *signin.Client
	web     *httptest.Server
	resumed []bot.Ticket

	mu      sync.Mutex
	ahead   time.Duration
	logs    bytes.Buffer
	secrets []string // must never be logged
}

// Write is the log.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(b)
}

func (w *world) secret(s string) { w.mu.Lock(); defer w.mu.Unlock(); w.secrets = append(w.secrets, s) }

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return time.Now().Add(w.ahead) }

func (w *world) wait(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.ahead += d }

// Profile is Slack's word on a user.
func (w *world) Profile(_ context.Context, u bot.User) (bot.Profile, error) {
	for _, s := range w.slack.State().Users {
		if s.ID == u.ID {
			return bot.Profile{Name: s.Name, Email: s.Email, Full: !s.Guest && !s.Bot && !s.Deleted}, nil
		}
	}
	return bot.Profile{}, errors.New("no such user")
}

// Principal is the directory's word on an object id.
func (w *world) Principal(_ context.Context, id string) (pim.Principal, error) {
	name := map[string]string{aliceID: "Alice", malloryID: "Mallory"}[id]
	return pim.Principal{ID: id, Name: name, UPN: strings.ToLower(name) + "@contoso.example"}, nil
}

// newWorld starts the pages, on plain http unless tls.
func newWorld(t *testing.T, tls bool, change func(*web.Options)) *world {
	t.Helper()
	w := &world{t: t, store: storetest.Memory()}
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.web = httptest.NewUnstartedServer(nil)
	public := "http://" + w.web.Listener.Addr().String()
	if tls {
		public = "https://" + w.web.Listener.Addr().String()
	}

	var err error
	w.tenant, err = pimtest.New(pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: "canary-entra", RedirectURIs: []string{public + web.EntraCallback}, Delegated: signin.Scopes()}})
	must(t, err)
	for id, name := range map[string]string{aliceID: "Alice", malloryID: "Mallory"} {
		must(t, w.tenant.AddUser(pimtest.User{ID: id, Name: name, UPN: strings.ToLower(name) + "@contoso.example"}))
	}
	login, pages := httptest.NewTLSServer(w.tenant.Login()), httptest.NewServer(w.tenant.Browser())
	t.Cleanup(login.Close)
	t.Cleanup(pages.Close)
	w.tenant.SetURLs(pimtest.URLs{Login: login.URL, Browser: pages.URL})

	w.slack, err = slacktest.New(slacktest.Options{BotToken: "xoxb-canary", SigningSecret: "canary", App: public, Now: w.now,
		ClientID: "slack-client", ClientSecret: "canary-slack", Unhandled: func(s string) { t.Error(s) }})
	must(t, err)
	w.slack.Kind()
	w.slack.AddUser(slacktest.User{ID: alice.ID, Name: "alice", Email: "alice@contoso.example"})
	w.slack.AddUser(slacktest.User{ID: mallory.ID, Name: "mallory", Email: "mallory@contoso.example"})
	slackAPI := httptest.NewServer(w.slack.API())
	t.Cleanup(slackAPI.Close)
	w.slack.SetURL(slackAPI.URL)

	keys, err := store.NewKeyset()
	must(t, err)
	w.store = trail.Recording(store.Seal(w.store, keys))
	w.trail, err = trail.New(trail.Options{Store: w.store, Signer: keys.Signer("audit checkpoints")})
	must(t, err)
	w.signIn, err = signin.New(signin.Options{Store: w.store, Key: func(p string) string { return keys.Pseudonym(p) },
		Login: login.URL, Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{Secret: "canary-entra"},
		HTTP: login.Client(), Now: w.now, Log: log})
	must(t, err)
	w.links = bot.NewLinks(bot.LinkOptions{Trail: w.trail, Store: w.store, Pseudonym: keys.Pseudonym, Now: w.now, PublicURL: public,
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: w}, Directory: w, Log: log,
		SignedIn: func(_ context.Context, _ string, t bot.Ticket) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.resumed = append(w.resumed, t)
			return nil
		}})
	o := web.Options{PublicURL: public, Links: w.links, SignIn: w.signIn, Now: w.now, Log: log,
		Slack: web.SlackSignIn{URL: slackAPI.URL, Issuer: slackAPI.URL, Team: "T0SIMULATED", ClientID: "slack-client", ClientSecret: "canary-slack"}}
	if change != nil {
		change(&o)
	}
	w.web.Config.Handler, err = web.New(o)
	must(t, err)
	if tls {
		w.web.StartTLS()
	} else {
		w.web.Start()
	}
	t.Cleanup(w.web.Close)
	t.Cleanup(w.noSecretWasLogged)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) noSecretWasLogged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range append(w.secrets, "canary", "eyJ", "<") {
		if s != "" && strings.Contains(w.logs.String(), s) {
			w.t.Errorf("%.12q… was logged", s)
		}
	}
}

// offer is the URL of a one-time link.
func (w *world) offer(t bot.Ticket) string {
	w.t.Helper()
	id, err := bot.NewTicketID(rand.Reader)
	must(w.t, err)
	w.secret(id)
	must(w.t, w.store.Update(context.Background(), func(tx store.Tx) error { return w.links.Offer(tx, id, t) }))
	return w.links.URL(id)
}

func (w *world) linked(u bot.User) (l bot.Link, ok bool) {
	w.t.Helper()
	err := w.store.View(context.Background(), func(tx store.Tx) (err error) { l, err = w.links.Of(tx, u); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatal(err)
	}
	return l, err == nil
}

func (w *world) live(principal string) bool {
	w.t.Helper()
	ok, err := w.signIn.Live(context.Background(), principal)
	must(w.t, err)
	return ok
}

// nobody checks that nothing came of what was done.
func (w *world) nobody() {
	w.t.Helper()
	for _, u := range []bot.User{alice, mallory, teamsA} {
		if l, ok := w.linked(u); ok {
			w.t.Errorf("%s %s is linked with %s", u.Platform, u.ID, l.Principal.ID)
		}
	}
	for _, id := range []string{aliceID, malloryID} {
		if w.live(id) {
			w.t.Errorf("a sign-in of %s was kept", id)
		}
	}
	if len(w.resumed) > 0 {
		w.t.Error("something went on")
	}
}

// browser is one person's browser. It follows no redirect by itself.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	return &browser{w: w, client: &http.Client{Jar: jar, Transport: w.web.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// seen is what a browser got.
type seen struct {
	*http.Response
	text string
}

func (b *browser) send(method, to string, form url.Values, headers ...string) seen {
	b.w.t.Helper()
	req, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
	must(b.w.t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.client.Do(req)
	must(b.w.t, err)
	body, err := io.ReadAll(res.Body)
	must(b.w.t, errors.Join(err, res.Body.Close()))
	if q := query(b.w.t, res.Header.Get("Location")); q != nil {
		for _, name := range []string{"state", "nonce", "code"} {
			b.w.secret(q.Get(name))
		}
	}
	return seen{res, string(body)}
}

func (b *browser) get(to string) seen { b.w.t.Helper(); return b.send(http.MethodGet, to, nil) }

// session is the secret in the browser's cookie.
func (b *browser) session() string {
	b.w.t.Helper()
	u, err := url.Parse(b.w.web.URL)
	must(b.w.t, err)
	for _, c := range b.client.Jar.Cookies(u) {
		return c.Value
	}
	return ""
}

// follow expects a redirect to a page of that path and gives its URL.
func (b *browser) follow(s seen, path string) string {
	b.w.t.Helper()
	to := s.Header.Get("Location")
	if s.StatusCode != http.StatusSeeOther || !strings.Contains(to, path) {
		b.w.t.Fatalf("got %d to %q, want a redirect to %s\n%s", s.StatusCode, to, path, s.text)
	}
	return to
}

// press presses Continue on a one-time link.
func (b *browser) press(link string) seen { b.w.t.Helper(); return b.send(http.MethodPost, link, nil) }

// slack answers Slack's page as a user and gives the way back.
func (b *browser) slack(page, user string) string {
	b.w.t.Helper()
	if s := b.get(page); s.StatusCode != http.StatusOK {
		b.w.t.Fatalf("Slack's page: %d\n%s", s.StatusCode, s.text)
	}
	form := query(b.w.t, page)
	form.Set("user", user)
	form.Set("choice", "allow")
	if user == "" {
		form.Set("choice", "cancel")
	}
	base, _, _ := strings.Cut(page, "?")
	return b.follow(b.send(http.MethodPost, base, form), web.SlackCallback)
}

// entra answers Microsoft's pages as a user and gives the way back.
func (b *browser) entra(page, user string) string {
	b.w.t.Helper()
	walker := &pimtest.Browser{Client: b.client}
	walk := walker.Cancel
	if user != "" {
		walk = func(ctx context.Context, page string) (*url.URL, error) { return walker.SignIn(ctx, page, user) }
	}
	back, err := walk(context.Background(), page)
	must(b.w.t, err)
	b.w.secret(back.Query().Get("code"))
	return back.String()
}

// toEntra goes as far as Microsoft's page.
func (b *browser) toEntra(link, slackUser string) string {
	b.w.t.Helper()
	page := b.follow(b.press(link), "/openid/connect/authorize")
	return b.follow(b.get(b.slack(page, slackUser)), "/oauth2/v2.0/authorize")
}

// page checks status and words of a page.
func (w *world) page(s seen, status int, words string) {
	w.t.Helper()
	if s.StatusCode != status || !strings.Contains(s.text, words) {
		w.t.Errorf("got %d, want %d with %q:\n%s", s.StatusCode, status, words, s.text)
	}
}

func query(t *testing.T, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	must(t, err)
	return u.Query()
}
