package teams

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"go.uber.org/goleak"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenantID  = "7b1c6a7e-0d35-4f0e-9a61-5a0a8d8a1f01"
	appID     = "c0f1d2e3-4455-4677-8899-aabbccddeeff"
	appSecret = "a secret of the simulated tenant"
	aliceID   = "a11ce000-0000-4000-8000-000000000001"
	bobID     = "b0b00000-0000-4000-8000-000000000002"
	carolID   = "ca201000-0000-4000-8000-000000000003"
	opsID     = "19:operations@thread.tacv2"
	teamID    = "19:general@thread.tacv2"
)

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// heard is a Handler that keeps what it hears and answers as it was told.
type heard struct {
	mu     sync.Mutex
	got    []bot.Inbound
	answer func(bot.Inbound) (bot.Reply, bot.Later)
}

func (h *heard) Handle(_ context.Context, in bot.Inbound) (bot.Reply, bot.Later) {
	h.mu.Lock()
	h.got = append(h.got, in)
	answer := h.answer
	h.mu.Unlock()
	if answer == nil {
		return bot.Reply{}, nil
	}
	return answer(in)
}

func (h *heard) answers(r bot.Reply, later bot.Later) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func(bot.Inbound) (bot.Reply, bot.Later) { return r, later }
}

func (h *heard) take() []bot.Inbound {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// rig is the adapter and a simulated Teams around it.
type rig struct {
	*teamstest.Teams
	t     testing.TB
	a     *Adapter
	heard *heard
	clock *clock
	log   *bytes.Buffer
	front *front // of the connector and of the keys
	tap   *tap   // of the adapter
}

// tap stands before the adapter and keeps the last delivery; while it holds, it
// answers an invoke itself.
type tap struct {
	mu   sync.Mutex
	hold bool
	body []byte
}

func (p *tap) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		p.body = body
		hold := p.hold
		p.mu.Unlock()
		if hold {
			fmt.Fprint(w, `{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"held"}`)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// held is the body that do would have delivered.
func (p *tap) held(do func()) []byte {
	p.mu.Lock()
	p.hold = true
	p.mu.Unlock()
	do()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = false
	return p.body
}

// front stands before the simulated servers and can break them.
type front struct {
	mu     sync.Mutex
	down   map[string]bool // by first segment: "openid", "connector"
	refuse []http.HandlerFunc
}

func (f *front) fail(server string, down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[server] = down
}

// next has the connector answer its next call with h.
func (f *front) next(h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = append(f.refuse, h)
}

func (f *front) before(server string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		down := f.down[server]
		var instead http.HandlerFunc
		if server == "connector" && len(f.refuse) > 0 {
			instead, f.refuse = f.refuse[0], f.refuse[1:]
		}
		f.mu.Unlock()
		switch {
		case down:
			w.WriteHeader(http.StatusInternalServerError)
		case instead != nil:
			instead(w, r)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// secret gets the bot's token from the simulated tenant as a bot with a secret does.
type secret struct {
	http *http.Client
	url  string
}

func (s secret) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID}, "client_secret": {appSecret}, "scope": o.Scopes}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/"+tenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.http.Do(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(raw, &got) != nil {
		return azcore.AccessToken{}, fmt.Errorf("no token: %d %w", resp.StatusCode, err)
	}
	return azcore.AccessToken{Token: got.Token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// syncBuffer is a log that a test may read while the adapter writes.
type syncBuffer struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (s syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// newRig wires everything; kind Teams does nothing unexpected.
func newRig(t testing.TB, h bot.Handler, unkind teamstest.Unkind, edits ...func(*Options, *teamstest.Options)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{at: time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{},
		front: &front{down: map[string]bool{}}, tap: &tap{}}
	r.heard, _ = h.(*heard)
	var err error
	options := Options{}
	simulated := teamstest.Options{
		TenantID: tenantID, AppID: appID, AppSecret: appSecret, Now: r.clock.now, Unkind: unkind,
		Budget: 30 * time.Second, Unhandled: func(s string) { t.Error(s) },
	}
	for _, edit := range edits {
		edit(&options, &simulated)
	}
	if r.Teams, err = teamstest.New(simulated); err != nil {
		t.Fatal(err)
	}
	if unkind == (teamstest.Unkind{}) {
		r.Kind()
	}
	connector := httptest.NewServer(http.StripPrefix("/emea", r.front.before("connector", r.Connector())))
	openID := httptest.NewServer(r.front.before("openid", r.OpenID()))
	login := httptest.NewTLSServer(r.Login())
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	r.a, err = New(Options{
		AppID: appID, TenantID: tenantID, Credential: secret{login.Client(), login.URL}, Handler: h, SingleSignOn: options.SingleSignOn,
		OpenIDMetadata: openID.URL + "/v1/.well-known/openidconfiguration",
		ServiceHosts:   []string{strings.TrimPrefix(connector.URL, "http://")}, ServiceURL: connector.URL + "/emea/",
		AllowHTTP: true, HTTP: client, Now: r.clock.now,
		Log: slog.New(slog.NewTextHandler(syncBuffer{&sync.Mutex{}, r.log}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.a.wait = func(ctx context.Context, d time.Duration) error { r.clock.add(d); return ctx.Err() }
	mux := http.NewServeMux()
	r.a.Register(mux)
	app := httptest.NewServer(r.tap.before(mux))
	r.SetURLs(teamstest.URLs{Service: connector.URL + "/emea/", OpenID: openID.URL, Login: login.URL})
	r.SetApp(app.URL)
	for _, u := range []teamstest.User{
		{Name: "Alice", AADObjectID: aliceID, InstalledPersonal: true},
		{Name: "Bob", AADObjectID: bobID, InstalledPersonal: true},
		{Name: "Carol", AADObjectID: carolID},
	} {
		if _, err := r.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.AddChannel(teamstest.Channel{ID: opsID, Name: "Operations", TeamID: teamID, Members: []string{"Alice", "Bob", "Carol"}, BotInstalled: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		app.Close()
		if err := r.a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, s := range []*httptest.Server{connector, openID, login} {
			s.Close()
		}
		client.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return r
}

func kindRig(t testing.TB) *rig { return newRig(t, &heard{}, teamstest.Unkind{}) }

// settled waits until every answer was shown.
func (r *rig) settled() {
	r.t.Helper()
	r.a.jobs.wg.Wait()
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// says writes a message and waits for what came of it.
func (r *rig) says(user, conversation, text string, mention bool) {
	r.t.Helper()
	_, err := r.Message(r.t.Context(), user, conversation, text, mention)
	r.must(err)
	r.settled()
}

// presses presses a button and waits for what came of it.
func (r *rig) presses(user, conversation, activity, button string, inputs map[string]string) teamstest.Answer {
	r.t.Helper()
	answer, err := r.Press(r.t.Context(), user, conversation, activity, button, inputs)
	r.must(err)
	r.settled()
	return answer
}

// last is the newest message from the bot that a person sees in a conversation.
func (r *rig) last(conversation, user string) teamstest.Activity {
	r.t.Helper()
	all := r.State().In(conversation, user)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].From == "" {
			return all[i]
		}
	}
	r.t.Fatalf("%s sees nothing from the bot in %q", user, conversation)
	return teamstest.Activity{}
}

func (r *rig) personal(user string) bot.Conversation {
	return bot.Conversation{Platform: bot.Teams, Tenant: tenantID, ID: r.State().Person(user).Personal, Private: true}
}

func channelAt() bot.Conversation {
	return bot.Conversation{Platform: bot.Teams, Tenant: tenantID, ID: opsID}
}
