package signin_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
	"github.com/belaybot/belay/pim/signin"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

const (
	tenantID = "11111111-0000-4000-8000-000000000001"
	clientID = "c11e0000-0000-4000-8000-00000000c11e"
	aliceID  = "aaaaaaaa-0000-4000-8000-00000000000a"
	bobID    = "b0b00000-0000-4000-8000-0000000000b0"
	secret   = "canary-client-secret"
	redirect = "https://belay.example/signin/entra/callback"
)

// world is a simulated tenant and a Client that was given its CA and nothing else.
type world struct {
	t      *testing.T
	tenant *pimtest.Tenant
	login  *httptest.Server
	keys   *store.Keyset
	store  store.Store // sealed
	raw    store.Store
	logs   *bytes.Buffer
	wire   *wire
	mu     sync.Mutex
	ahead  time.Duration
	client *signin.Client
}

// wire counts token requests and can hold them up.
type wire struct {
	next   http.RoundTripper
	mu     sync.Mutex
	tokens int
	hold   chan struct{} // when not nil: token requests wait for it, after saying so
	held   chan struct{}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		w.mu.Lock()
		w.tokens++
		hold, held := w.hold, w.held
		w.mu.Unlock()
		if hold != nil {
			held <- struct{}{}
			<-hold
		}
	}
	return w.next.RoundTrip(r)
}

func (w *wire) count() int { w.mu.Lock(); defer w.mu.Unlock(); return w.tokens }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, logs: &bytes.Buffer{}, raw: storetest.Memory()}
	w.wire = &wire{}
	var err error
	if w.keys, err = store.NewKeyset(); err != nil {
		t.Fatal(err)
	}
	w.store = store.Seal(w.raw, w.keys)
	t.Cleanup(func() { w.noCanary(w.logs.String()) })
	w.move(pimtest.Options{TenantID: tenantID, WallNow: w.now, Unhandled: func(s string) { t.Error(s) },
		App: pimtest.App{ClientID: clientID, ClientSecret: secret, RedirectURIs: []string{redirect},
			Delegated: signin.Scopes(), Application: []string{"User.Read.All"}}})
	return w
}

// move is another tenant with the same people, and a Client of it.
func (w *world) move(o pimtest.Options) {
	w.t.Helper()
	tenant, err := pimtest.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	for id, name := range map[string]string{aliceID: "Alice", bobID: "Bob"} {
		if err := tenant.AddUser(pimtest.User{ID: id, Name: name, UPN: strings.ToLower(name) + "@contoso.example"}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.tenant = tenant
	w.login = httptest.NewTLSServer(tenant.Login())
	w.t.Cleanup(w.login.Close)
	pages := httptest.NewServer(tenant.Browser())
	w.t.Cleanup(pages.Close)
	tenant.SetURLs(pimtest.URLs{Login: w.login.URL, Browser: pages.URL})
	w.wire.next = w.login.Client().Transport
	w.client = w.restart(nil)
}

// restart is a new process over the same store.
func (w *world) restart(change func(*signin.Options)) *signin.Client {
	w.t.Helper()
	o := signin.Options{
		Store: w.store, Key: func(p string) string { return w.keys.Pseudonym("grant", p) },
		Login: w.login.URL, Tenant: tenantID, ClientID: clientID, Credential: signin.Credential{Secret: secret},
		HTTP: &http.Client{Transport: w.wire}, Now: w.now, Log: slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	c, err := signin.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func (w *world) wait(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.ahead += d }

func authorization() pim.Authorization {
	return pim.Authorization{State: "the-state", Nonce: "the-nonce", Verifier: strings.Repeat("v", 43), Redirect: redirect}
}

// code walks the sign-in pages as user and brings the code back.
func (w *world) code(user string, a pim.Authorization) string {
	w.t.Helper()
	page, err := w.client.AuthURL(context.Background(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	browser, err := pimtest.NewBrowser()
	if err != nil {
		w.t.Fatal(err)
	}
	back, err := browser.SignIn(context.Background(), page, user)
	if err != nil {
		w.t.Fatal(err)
	}
	if q := back.Query(); q.Get("state") != a.State || q.Get("code") == "" {
		w.t.Fatalf("the browser came back with %s", back.RawQuery)
	}
	return back.Query().Get("code")
}

// signIn does all of it.
func (w *world) signIn(c *signin.Client, user string, a pim.Authorization) {
	w.t.Helper()
	who, keep, err := c.Redeem(context.Background(), w.code(user, a), a)
	if err != nil {
		w.t.Fatal(err)
	}
	if who.ID != user || who.Tenant != tenantID {
		w.t.Fatalf("signed in as %+v", who)
	}
	if err := keep(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) person(c *signin.Client, user string) string {
	w.t.Helper()
	token, err := c.Person(context.Background(), user)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) live(user string) bool {
	w.t.Helper()
	ok, err := w.client.Live(context.Background(), user)
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

// refused checks err's code, and that its text tells no secret.
func (w *world) refused(err error, code pim.Code) *pim.Error {
	w.t.Helper()
	e, ok := err.(*pim.Error)
	if !ok {
		w.t.Fatalf("got %v (%T), want a *pim.Error", err, err)
	}
	if e.Code != code {
		w.t.Errorf("got %v, want code %s", err, code)
	}
	w.noCanary(err.Error())
	return e
}

// noCanary fails on anything that looks like a secret of the sign-in.
func (w *world) noCanary(text string) {
	w.t.Helper()
	for _, c := range []string{secret, "canary", "eyJ", "0.A", "the-nonce", "vvvvv"} {
		if strings.Contains(text, c) {
			w.t.Errorf("%q is in %s", c, text)
		}
	}
}

// grantText is the plaintext of the only stored grant.
func (w *world) grantText() string {
	w.t.Helper()
	var text []string
	err := w.store.View(context.Background(), func(tx store.Tx) error {
		return tx.Scan("grants", nil, nil, func(_, value []byte) error { text = append(text, string(value)); return nil })
	})
	if err != nil || len(text) != 1 {
		w.t.Fatalf("%d grants, %v", len(text), err)
	}
	return text[0]
}

// claims reads a token without checking it.
func claims(t *testing.T, token string) (c struct {
	Aud   string   `json:"aud"`
	OID   string   `json:"oid"`
	Scp   string   `json:"scp"`
	Type  string   `json:"idtyp"`
	ACRS  []string `json:"acrs"`
	CC    []string `json:"xms_cc"`
	Roles []string `json:"roles"`
}) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %d parts", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// onToken matches requests to the token endpoint.
func onToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }

func query(t *testing.T, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
