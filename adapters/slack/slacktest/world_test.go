package slacktest

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
	token      = "xoxb-test"
	alice      = "U0ALICE"
	bob        = "U0BOB"
	room       = "C0ROOM"
	quiet      = "C0QUIET"  // public, without the bot
	secretRoom = "G0HIDDEN" // private, without the bot
)

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a workspace with a bot whose endpoints a test sets.
type world struct {
	*Workspace
	t     *testing.T
	api   *httptest.Server
	clock *clock

	mu       sync.Mutex
	loud     []string
	handlers map[string]http.HandlerFunc
	got      []received
}

// received is a request that arrived at the bot.
type received struct {
	path   string
	header http.Header
	body   []byte
}

// start makes a workspace with two people, three channels and a bot that
// acknowledges everything. It is kind unless changed. What goes to Unhandled
// fails the test at its end unless complaints was called.
func start(t *testing.T, changes ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}, handlers: make(map[string]http.HandlerFunc)}
	bot := httptest.NewServer(http.HandlerFunc(w.serveBot))
	t.Cleanup(bot.Close)
	o := Options{
		BotToken: token, SigningSecret: "signing", ClientID: "12.34", ClientSecret: "client",
		App: bot.URL, Now: w.clock.now, Unkind: Unkind{ThrottleEvery: -1, RepeatEvery: -1},
		Unhandled: func(s string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.loud = append(w.loud, s)
		},
	}
	for _, change := range changes {
		change(&o)
	}
	var err error
	if w.Workspace, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.api = httptest.NewServer(w.API())
	t.Cleanup(w.api.Close)
	w.SetURL(w.api.URL)
	w.AddUser(User{ID: alice, Name: "alice", RealName: "Alice Archer", Email: "alice@example.com"})
	w.AddUser(User{ID: bob, Name: "bob", RealName: "Bob Baker", Email: "bob@example.com"})
	w.AddChannel(Channel{ID: room, Name: "room", Members: []string{alice}, BotIsMember: true})
	w.AddChannel(Channel{ID: quiet, Name: "quiet", Members: []string{alice}})
	w.AddChannel(Channel{ID: secretRoom, Name: "hidden", Private: true, Members: []string{alice}})
	t.Cleanup(func() {
		if loud := w.complaints(); len(loud) > 0 {
			t.Errorf("unhandled: %q", loud)
		}
	})
	return w
}

// complaints takes what went to Unhandled.
func (w *world) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	loud := w.loud
	w.loud = nil
	return loud
}

// complained fails unless a complaint has every one of the parts.
func (w *world) complained(parts ...string) {
	w.t.Helper()
	all := strings.Join(w.complaints(), "\n")
	for _, p := range parts {
		if !strings.Contains(all, p) {
			w.t.Errorf("no complaint with %q in %q", p, all)
		}
	}
}

func (w *world) serveBot(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the workspace hung up
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	w.got = append(w.got, received{r.URL.Path, r.Header.Clone(), body})
	h := w.handlers[r.URL.Path]
	w.mu.Unlock()
	if h != nil {
		h(rw, r)
	}
}

// on sets what the bot does at a path.
func (w *world) on(path string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handlers[path] = h
}

// onJSON makes the bot acknowledge with JSON.
func (w *world) onJSON(path, body string) {
	w.on(path, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, body)
	})
}

// requests returns what arrived at a path.
func (w *world) requests(path string) []received {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []received
	for _, r := range w.got {
		if r.path == path {
			all = append(all, r)
		}
	}
	return all
}

// last returns the last request at a path.
func (w *world) last(path string) received {
	w.t.Helper()
	all := w.requests(path)
	if len(all) == 0 {
		w.t.Fatalf("nothing arrived at %s", path)
	}
	return all[len(all)-1]
}

// payload decodes the payload of an interaction.
func (r received) payload(t *testing.T) map[string]any {
	t.Helper()
	v, err := url.ParseQuery(string(r.body))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(v.Get("payload")), &m); err != nil {
		t.Fatalf("payload %q: %v", v.Get("payload"), err)
	}
	return m
}

// form posts a form to the Web API with the bot's token.
func (w *world) form(method string, pairs ...string) map[string]any {
	w.t.Helper()
	v := make(url.Values)
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	_, m := w.post(method, "application/x-www-form-urlencoded", v.Encode(), "Bearer "+token)
	return m
}

func (w *world) post(method, contentType, body, auth string) (*http.Response, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.api.URL+"/api/"+method, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil && res.StatusCode < 500 {
		w.t.Fatalf("%s answered %q: %v", method, b, err)
	}
	return res, m
}

// ok fails unless the call succeeded.
func (w *world) ok(m map[string]any) map[string]any {
	w.t.Helper()
	if m["ok"] != true {
		w.t.Fatalf("refused: %v", m)
	}
	return m
}

// refused fails unless the call was refused with that error.
func (w *world) refused(m map[string]any, code string) {
	w.t.Helper()
	if m["ok"] != false || m["error"] != code {
		w.t.Errorf("got %v, want the error %s", m, code)
	}
}

// trigger makes the person do something harmless and returns the trigger it gave the bot.
func (w *world) trigger(user string) string {
	w.t.Helper()
	w.must(w.Command(w.t.Context(), user, "", "/elevate", ""))
	v, err := url.ParseQuery(string(w.last(pathCommands).body))
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Get("trigger_id")
}

// modal opens a view for a user and returns its id.
func (w *world) modal(user, view string) string {
	w.t.Helper()
	m := w.ok(w.form("views.open", "trigger_id", w.trigger(user), "view", view))
	return m["view"].(map[string]any)["id"].(string)
}

// must fails when a person's action returned an error.
func (w *world) must(out Outcome, err error) Outcome {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func ctx(t *testing.T) context.Context { return t.Context() }

// formView is a modal with a text, a select and an external select.
const formView = `{"type":"modal","callback_id":"elevate","private_metadata":"m","title":{"type":"plain_text","text":"Elevate"},
 "submit":{"type":"plain_text","text":"Send"},"notify_on_close":true,"blocks":[
 {"type":"input","block_id":"role","dispatch_action":true,"label":{"type":"plain_text","text":"Role"},"element":{"type":"static_select","action_id":"pick",
   "options":[{"text":{"type":"plain_text","text":"Reader"},"value":"reader"},{"text":{"type":"plain_text","text":"Owner"},"value":"owner"}]}},
 {"type":"input","block_id":"why","label":{"type":"plain_text","text":"Why"},"element":{"type":"plain_text_input","action_id":"text","max_length":20,"min_length":3}},
 {"type":"input","block_id":"scope","optional":true,"label":{"type":"plain_text","text":"Scope"},"element":{"type":"external_select","action_id":"find","min_query_length":0}},
 {"type":"actions","block_id":"act","elements":[{"type":"button","action_id":"go","value":"v1","text":{"type":"plain_text","text":"Go"}}]}]}`

// section is one block.
func section(text string) string {
	b, err := json.Marshal([]any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

const approveCard = `[{"type":"section","text":{"type":"plain_text","text":"Alice asks / für"}},
 {"type":"actions","block_id":"decide","elements":[
  {"type":"button","action_id":"approve","style":"primary","value":"r1","text":{"type":"plain_text","text":"Approve"}},
  {"type":"button","action_id":"open","url":"https://example.com/pim","text":{"type":"plain_text","text":"Open"}},
  {"type":"overflow","action_id":"more","options":[{"text":{"type":"plain_text","text":"Remind"},"value":"remind"}]}]}]`
