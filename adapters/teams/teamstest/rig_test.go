package teamstest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	tenantID  = "11111111-1111-4111-8111-111111111111"
	appID     = "22222222-2222-4222-8222-222222222222"
	secret    = "the bot's secret"
	aliceOID  = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	bobOID    = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
	daveOID   = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
	channelID = "19:0b7f32667e064dd9b25d7969801541f4@thread.tacv2"
	teamID    = "19:7c1f32667e064dd9b25d7969801541f5@thread.tacv2"
)

// rig is a Teams with its servers, a bot that answers as told, and a clock.
type rig struct {
	*Teams
	t         *testing.T
	urls      URLs
	connector *httptest.Server
	login     *httptest.Server
	token     string

	mu        sync.Mutex
	now       time.Time
	unhandled []string
	received  []heard
	answer    func(heard) (int, string)
}

// heard is a delivery as the bot got it.
type heard struct {
	header   http.Header
	raw      []byte
	activity map[string]any
}

func (h heard) text(path ...string) string {
	var v any = h.activity
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// newRig gives a kind Teams with Alice and Bob (installed), Dave (not) and a channel
// of Alice and Bob in a team with the bot.
func newRig(t *testing.T, edit func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), answer: func(heard) (int, string) { return 200, "" }}
	bot := httptest.NewServer(http.HandlerFunc(r.bot))
	t.Cleanup(bot.Close)
	options := Options{
		TenantID: tenantID, AppID: appID, AppSecret: secret, App: bot.URL, Budget: time.Minute,
		Now: r.clock, Unhandled: r.note,
	}
	if edit != nil {
		edit(&options)
	}
	teams, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	if options.Unkind == (Unkind{}) {
		teams.Kind()
	}
	r.Teams = teams
	r.connector = httptest.NewServer(teams.Connector())
	t.Cleanup(r.connector.Close)
	r.login = httptest.NewTLSServer(teams.Login())
	t.Cleanup(r.login.Close)
	openID := httptest.NewServer(teams.OpenID())
	t.Cleanup(openID.Close)
	r.urls = URLs{Service: r.connector.URL + "/", OpenID: openID.URL, Login: r.login.URL}
	teams.SetURLs(r.urls)
	for _, u := range []User{
		{Name: "Alice", AADObjectID: aliceOID, UPN: "alice@contoso.example", Email: "alice@contoso.example", InstalledPersonal: true},
		{Name: "Bob", AADObjectID: bobOID, UPN: "bob@contoso.example", InstalledPersonal: true},
		{Name: "Dave", AADObjectID: daveOID},
	} {
		if _, err := teams.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	if err := teams.AddChannel(Channel{ID: channelID, Name: "Operations", TeamID: teamID, Members: []string{"Alice", "Bob"}, BotInstalled: true}); err != nil {
		t.Fatal(err)
	}
	r.token = r.fetchToken(http.StatusOK, url.Values{})
	t.Cleanup(func() {
		for _, what := range r.complaints() {
			t.Errorf("unhandled: %s", what)
		}
	})
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unhandled = append(r.unhandled, what)
}

// complaints takes what was reported so far.
func (r *rig) complaints() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.unhandled
	r.unhandled = nil
	return taken
}

// complained fails the test unless exactly one report names what.
func (r *rig) complained(what string) {
	r.t.Helper()
	got := r.complaints()
	if len(got) != 1 || !strings.Contains(got[0], what) {
		r.t.Errorf("reports = %q, want one that names %q", got, what)
	}
}

func (r *rig) bot(w http.ResponseWriter, req *http.Request) {
	raw, err := io.ReadAll(req.Body)
	h := heard{header: req.Header, raw: raw}
	if err != nil || json.Unmarshal(raw, &h.activity) != nil || req.URL.Path != "/api/messages" {
		r.t.Errorf("the bot got %s %s: %q (%v)", req.Method, req.URL, raw, err)
	}
	r.mu.Lock()
	r.received = append(r.received, h)
	answer := r.answer
	r.mu.Unlock()
	status, body := answer(h)
	w.WriteHeader(status)
	if _, err := io.WriteString(w, body); err != nil {
		r.t.Errorf("the bot's answer: %v", err)
	}
}

// answers tells the bot what to answer from now on.
func (r *rig) answers(f func(heard) (int, string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// took takes what the bot got so far, and fails unless there were n deliveries.
func (r *rig) took(n int) []heard {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.received
	r.received = nil
	if len(got) != n {
		r.t.Fatalf("the bot got %d deliveries, want %d", len(got), n)
	}
	return got
}

// fetchToken asks Login for a token; form overrides what a bot would send.
func (r *rig) fetchToken(want int, form url.Values) string {
	r.t.Helper()
	full := url.Values{
		"client_id": {appID}, "client_secret": {secret}, "grant_type": {"client_credentials"},
		"scope": {"https://api.botframework.com/.default openid offline_access profile"},
	}
	for name, v := range form {
		full[name] = v
	}
	response, err := r.login.Client().PostForm(r.login.URL+"/"+tenantID+"/oauth2/v2.0/token", full)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		r.t.Fatal(err)
	}
	if response.StatusCode != want {
		r.t.Fatalf("token: HTTP %d %s (%s), want %d", response.StatusCode, body.Error, body.Description, want)
	}
	if want != http.StatusOK {
		return body.Description
	}
	return body.AccessToken
}

// reply is an answer of the connector.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   struct {
		ID         string      `json:"id"`
		ActivityID string      `json:"activityId"`
		Error      errorDetail `json:"error"`
	}
}

// calls the connector. body is JSON text; empty means none.
func (r *rig) call(method, path, body string) reply {
	r.t.Helper()
	req, err := http.NewRequest(method, r.connector.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.do(req)
}

// do asks the connector, whose answers are objects or nothing.
func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	got := r.ask(req)
	if bytes.HasPrefix(got.raw, []byte("{")) {
		if err := json.Unmarshal(got.raw, &got.body); err != nil {
			r.t.Fatalf("the connector answered %q: %v", got.raw, err)
		}
	}
	return got
}

func (r *rig) ask(req *http.Request) reply {
	r.t.Helper()
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	got := reply{status: response.StatusCode, header: response.Header}
	if got.raw, err = io.ReadAll(response.Body); err != nil {
		r.t.Fatal(err)
	}
	return got
}

// must fails the test unless the status and the error code are these.
func (r *rig) must(got reply, status int, code string) reply {
	r.t.Helper()
	if got.status != status || got.body.Error.Code != code {
		r.t.Fatalf("the connector answered %d %s, want %d %s", got.status, got.raw, status, code)
	}
	return got
}

func activities(conversation string) string {
	return "/v3/conversations/" + url.PathEscape(conversation) + "/activities"
}

// post puts a card into a conversation and gives the message's id.
func (r *rig) post(conversation, card string) string {
	r.t.Helper()
	return r.must(r.call("POST", activities(conversation), withCard(card)), 201, "").body.ID
}

func withCard(card string) string {
	return `{"type":"message","summary":"A card","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":` + card + `}]}`
}

// only gives the one message a user sees in a conversation.
func (r *rig) only(conversation, user string) Activity {
	r.t.Helper()
	seen := r.State().In(conversation, user)
	if len(seen) != 1 {
		r.t.Fatalf("%s sees %d messages, want 1", user, len(seen))
	}
	return seen[0]
}

func (r *rig) alice() Person { return r.State().Person("Alice") }

// approval is a card with most of what Belay uses.
const approval = `{
 "type":"AdaptiveCard","version":"1.5","msteams":{"width":"Full"},
 "body":[
  {"type":"TextBlock","text":"Approval needed","weight":"Bolder"},
  {"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"Alice asks for "},{"type":"TextRun","text":"Global Reader"}]},
  {"type":"FactSet","facts":[{"title":"Duration","value":"1 hour"}]},
  {"type":"Input.Text","id":"note","label":"Note","maxLength":10}],
 "actions":[
  {"type":"Action.Execute","id":"b1","title":"Approve","verb":"approve","data":{"id":"req-1"},
   "fallback":{"type":"Action.Submit","title":"Approve","data":{"verb":"approve","id":"req-1"}}},
  {"type":"Action.ShowCard","title":"Deny…","card":{"type":"AdaptiveCard","body":[
   {"type":"Input.Text","id":"reason","isRequired":true,"label":"Reason","errorMessage":"Say why"}],
   "actions":[{"type":"Action.Execute","title":"Deny","verb":"deny","data":{"id":"req-1"}}]}},
  {"type":"Action.OpenUrl","title":"Open in Entra","url":"https://entra.microsoft.com/"}]}`

func textCard(text string) string {
	raw, err := json.Marshal(map[string]any{
		"type": "AdaptiveCard", "version": "1.5",
		"body": []any{map[string]any{"type": "TextBlock", "text": text}},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func ctx(t *testing.T) context.Context { return t.Context() }
