package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/google/go-cmp/cmp"
)

// against is an adapter whose Web API is answered by serve.
func against(t *testing.T, serve http.HandlerFunc) *Adapter {
	t.Helper()
	api := httptest.NewServer(serve)
	t.Cleanup(api.Close)
	a, err := New(Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A111", Teams: []string{"T111"}, APIBase: api.URL, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestVerdicts is every way in which the Web API can answer, and what it means.
func TestVerdicts(t *testing.T) {
	type verdict struct {
		code bot.ChatCode
		lost bool
		wait time.Duration
	}
	says := func(code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"ok":false,"error":%q,"errors":[{"odd":{}}]}`, code)
		}
	}
	status := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, "<html>Something is wrong</html>")
		}
	}
	raw := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  verdict
	}{
		"message_not_found":   {says("message_not_found"), verdict{code: bot.ChatGone}},
		"cant_update_message": {says("cant_update_message"), verdict{code: bot.ChatGone}},
		"edit_window_closed":  {says("edit_window_closed"), verdict{code: bot.ChatGone}},
		"is_inactive":         {says("is_inactive"), verdict{code: bot.ChatGone}},
		"channel_not_found":   {says("channel_not_found"), verdict{code: bot.ChatUnreachable}},
		"is_archived":         {says("is_archived"), verdict{code: bot.ChatUnreachable}},
		"not_in_channel":      {says("not_in_channel"), verdict{code: bot.ChatUnreachable}},
		"users_not_found":     {says("users_not_found"), verdict{code: bot.ChatUnreachable}},
		"user_not_found":      {says("user_not_found"), verdict{code: bot.ChatUnreachable}},
		"invalid_blocks":      {says("invalid_blocks"), verdict{code: bot.ChatRefused}},
		"token_revoked":       {says("token_revoked"), verdict{code: bot.ChatUnavailable}},
		"missing_scope":       {says("missing_scope"), verdict{code: bot.ChatUnavailable}},
		"no word":             {raw(`{"ok":false}`), verdict{code: bot.ChatRefused}},
		"ratelimited":         {says("ratelimited"), verdict{code: bot.ChatThrottled}},
		"fatal_error":         {says("fatal_error"), verdict{code: bot.ChatUnavailable, lost: true}},
		"429":                 {status(429, "30"), verdict{code: bot.ChatThrottled, wait: 30 * time.Second}},
		"429 without a word":  {status(429, ""), verdict{code: bot.ChatThrottled}},
		"429 with nonsense":   {status(429, "soon"), verdict{code: bot.ChatThrottled}},
		"429 for 30 years":    {status(429, "1000000000"), verdict{code: bot.ChatThrottled, wait: time.Hour}},
		"429 for ever":        {status(429, "9223372036854775807"), verdict{code: bot.ChatThrottled, wait: time.Hour}},
		"500":                 {status(500, ""), verdict{code: bot.ChatUnavailable, lost: true}},
		"503":                 {status(503, ""), verdict{code: bot.ChatUnavailable, lost: true}},
		"403":                 {status(403, ""), verdict{code: bot.ChatRefused}},
		"302":                 {status(302, ""), verdict{code: bot.ChatRefused}},
		"HTML":                {raw("<html>"), verdict{code: bot.ChatUnavailable, lost: true}},
		"nothing":             {raw(""), verdict{code: bot.ChatUnavailable, lost: true}},
		"half an answer":      {raw(`{"ok":true,"ts`), verdict{code: bot.ChatUnavailable, lost: true}},
		"10 MB":               {raw(`{"ok":true,"x":"` + strings.Repeat("x", 10<<20) + `"}`), verdict{code: bot.ChatUnavailable, lost: true}},
		"a lost answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			verdict{code: bot.ChatUnavailable, lost: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			a := against(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				c.serve(w, r)
			})
			ctx := context.Background()
			m := bot.Message{Conversation: place("T111", "C1", ""), ID: "1.2"}
			_, posted := a.Post(ctx, m.Conversation, "key", bot.Card{Title: "T"})
			_, profiled := a.Profile(ctx, bot.User{ID: "U1"})
			updated := a.Update(ctx, m, bot.Card{Title: "T"})
			if calls.Load() != 3 {
				t.Errorf("%d calls, want one for each: nothing is retried", calls.Load())
			}
			for op, err := range map[string]error{"post": posted, "update": updated, "profile": profiled} {
				want := verdict{code: c.want.code, lost: c.want.lost && op == "post", wait: c.want.wait}
				var e *bot.ChatError
				if !errors.As(err, &e) {
					t.Errorf("%s: %v is no *bot.ChatError", op, err)
					continue
				}
				if got := (verdict{e.Code, e.Ambiguous, e.After}); got != want || e.Op != op || e.Platform != bot.Slack {
					t.Errorf("%s: %s %s %+v, want %+v", op, e.Platform, e.Op, got, want)
				}
				if strings.Contains(err.Error(), testToken) {
					t.Errorf("%s: the token is in %v", op, err)
				}
			}
		})
	}
}

func TestNoConnectionIsNotAmbiguous(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	a, err := New(Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A1", Teams: []string{"T1"}, APIBase: "http://" + address, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Post(context.Background(), place("T1", "C1", ""), "key", bot.Card{Title: "T"})
	var e *bot.ChatError
	if !errors.As(err, &e) || e.Code != bot.ChatUnavailable || e.Ambiguous {
		t.Errorf("got %+v, want unavailable and not ambiguous", err)
	}
}

// TestClosedUnderneath: a server may close a kept connection at the moment at which the
// next call is sent on it. What does no harm twice is sent again; a message is not.
func TestClosedUnderneath(t *testing.T) {
	var calls atomic.Int32
	a := against(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1)%3 == 2 { // the second on each connection but the first
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
			return
		}
		fmt.Fprint(w, `{"ok":true,"channel":"C1","ts":"1.2"}`)
	})
	at := place("T1", "C1", "")
	shown := bot.Message{Conversation: at, ID: "1.2"}
	for range 2 {
		if err := a.Update(t.Context(), shown, bot.Card{Title: "T"}); err != nil {
			t.Errorf("update: %v", err)
		}
	}
	if got := calls.Load(); got != 3 {
		t.Errorf("two updates were %d calls, want 3", got)
	}
	if _, err := a.Post(t.Context(), at, "key", bot.Card{Title: "T"}); err != nil { // on the new connection
		t.Errorf("post: %v", err)
	}
	_, err := a.Post(t.Context(), at, "key", bot.Card{Title: "T"})
	var e *bot.ChatError
	if !errors.As(err, &e) || !e.Ambiguous || calls.Load() != 5 {
		t.Errorf("a post whose connection closed: %v after %d calls, want ambiguous after 5", err, calls.Load())
	}
}

// TestCalls looks at the bytes that leave.
func TestCalls(t *testing.T) {
	type call struct {
		path string
		form url.Values
	}
	var mu sync.Mutex
	var calls []call
	a := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		calls = append(calls, call{r.URL.Path, form})
		mu.Unlock()
		if got := r.Header.Values("Authorization"); len(got) != 1 || got[0] != "Bearer "+testToken {
			t.Errorf("%s is authorized by %q", r.URL.Path, got)
		}
		if form.Has("token") || strings.Contains(string(body), testToken) || r.URL.RawQuery != "" {
			t.Errorf("the token is in the body or the URL of %s: %s", r.URL.Path, body)
		}
		fmt.Fprint(w, `{"ok":true,"channel":"D0ANSWERED","ts":"12.34","message_ts":"12.34"}`)
	})
	ctx := context.Background()
	card := bot.Card{Title: "A <b> & c", Text: "text"}
	to := place("T111", "D0ALICE", "U0ALICE")
	m, err := a.Post(ctx, to, "key", card)
	if err != nil {
		t.Fatal(err)
	}
	want := bot.Message{Conversation: bot.Conversation{Platform: bot.Slack, Tenant: "T111", ID: "D0ANSWERED", Private: true, Ref: "U0ALICE"}, ID: "12.34"}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("the message (-want +got):\n%s", diff)
	}
	for _, post := range []struct {
		to  bot.Conversation
		key string
	}{{place("T111", "C0OPS", ""), "key"}, {place("T111", "C0OPS", ""), "another key"}} {
		if _, err := a.Post(ctx, post.to, post.key, card); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Update(ctx, m, card); err != nil {
		t.Fatal(err)
	}
	if err := a.Whisper(ctx, place("T111", "C0OPS", ""), bot.User{ID: "U0BOB"}, card); err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{
		{"path": "/api/chat.postMessage", "channel": "U0ALICE", "text": "A &lt;b&gt; &amp; c: text", "parse": "none", "link_names": "false", "unfurl_links": "false", "unfurl_media": "false"},
		{"path": "/api/chat.postMessage", "channel": "C0OPS"},
		{"path": "/api/chat.postMessage", "channel": "C0OPS"},
		{"path": "/api/chat.update", "channel": "D0ANSWERED", "ts": "12.34", "parse": "none", "link_names": "false"},
		{"path": "/api/chat.postEphemeral", "channel": "C0OPS", "user": "U0BOB", "parse": "none", "link_names": "false"},
	} {
		for key, value := range want {
			got := calls[i].form.Get(key)
			if key == "path" {
				got = calls[i].path
			}
			if got != value {
				t.Errorf("call %d: %s is %q, want %q", i, key, got, value)
			}
		}
	}
	ids := []string{calls[0].form.Get("client_msg_id"), calls[1].form.Get("client_msg_id"), calls[2].form.Get("client_msg_id")}
	if len(ids[0]) != 36 || ids[0] != ids[1] || ids[0] == ids[2] {
		t.Errorf("the ids of posts are %q, want UUIDs, the same for the same key", ids)
	}
}

func TestTokenStaysAtHome(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s got a call with %q", r.Host, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	a := against(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if err := a.Update(context.Background(), bot.Message{Conversation: place("T111", "C1", ""), ID: "1"}, bot.Card{Title: "T"}); err == nil {
		t.Error("a redirect is a success")
	}
	c := &caller{http: a.plain, base: a.base, token: testToken}
	req, err := http.NewRequest(http.MethodPost, elsewhere.URL+"/api/chat.postMessage", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.Do(req); err == nil {
		resp.Body.Close()
		t.Error("a call elsewhere is a success")
	}
}

func TestWhisperFallsBack(t *testing.T) {
	x := openWorld(t, &heard{}, kind, nil)
	if err := x.a.Whisper(context.Background(), place(x.w.Options().TeamID, "C0LUNCH", ""), x.Alice(), bot.Card{Title: "Only for you"}); err != nil {
		t.Fatal(err)
	}
	dm, _ := x.w.State().Conversation(x.w.DM("U0ALICE"))
	if len(dm.Messages) != 1 || !strings.Contains(dm.Messages[0].Text, "Only for you") {
		t.Errorf("the direct message holds %+v", dm.Messages)
	}
}

// TestPostToAPerson: a private conversation that we got wrong still reaches the
// person, and nobody else.
func TestPostToAPerson(t *testing.T) {
	x := openWorld(t, &heard{}, kind, nil)
	team := x.w.Options().TeamID
	for _, to := range []bot.Conversation{place(team, "", "U0BOB"), place(team, "D0OFOTHERS", "U0BOB")} {
		m, err := x.a.Post(context.Background(), to, "key", bot.Card{Title: "T"})
		if err != nil {
			t.Fatal(err)
		}
		if m.Conversation.ID != x.w.DM("U0BOB") || !m.Conversation.Private {
			t.Errorf("posted to %+v, want Bob's direct message", m.Conversation)
		}
		if err := x.a.Update(context.Background(), m, bot.Card{Title: "U"}); err != nil {
			t.Error(err)
		}
	}
}

// counted counts the calls of each method.
type counted struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.calls[r.URL.Path]++
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func TestReach(t *testing.T) {
	calls := &counted{calls: make(map[string]int)}
	now := time.Now()
	x := openWorld(t, &heard{}, kind, func(o *Options) {
		o.HTTP = &http.Client{Transport: calls}
		o.Now = func() time.Time { return now }
	})
	x.w.AddUser(slacktest.User{ID: "U0MORTY", Name: "morty", Email: "morty@other.example", TeamID: "T0OTHER"})
	ctx := context.Background()
	reach := func(mail string) (bot.Conversation, error) { return x.a.Reach(ctx, pim.Principal{Mail: mail}) }
	lookups := func() int {
		calls.mu.Lock()
		defer calls.mu.Unlock()
		return calls.calls["/api/users.lookupByEmail"]
	}

	for range 3 {
		at, err := reach("Alice@Contoso.Example")
		if err != nil || at != x.Private(x.Alice()) {
			t.Errorf("reached %+v, %v, want Alice's direct message", at, err)
		}
		for _, mail := range []string{"nobody@contoso.example", "erin@partner.example", "dan@contoso.example", "morty@other.example", ""} {
			var e *bot.ChatError
			if _, err := reach(mail); !errors.As(err, &e) || e.Code != bot.ChatUnreachable || e.Op != "reach" {
				t.Errorf("%q: %v, want unreachable", mail, err)
			}
		}
	}
	if n := lookups(); n != 5 {
		t.Errorf("%d look-ups for five addresses", n)
	}
	now = now.Add(keepReached)
	if _, err := reach("alice@contoso.example"); err != nil || lookups() != 6 {
		t.Errorf("after ten minutes: %v, %d look-ups, want 6", err, lookups())
	}

	// Trouble is not remembered, and the second address is not tried for it.
	x.w.Inject(slacktest.Fault{Method: "users.lookupByEmail", Status: 500})
	var e *bot.ChatError
	if _, err := x.a.Reach(ctx, pim.Principal{Mail: "bob@contoso.example", UPN: "alice@contoso.example"}); !errors.As(err, &e) || e.Code != bot.ChatUnavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if at, err := reach("bob@contoso.example"); err != nil || at.Ref != "U0BOB" {
		t.Errorf("reached %+v, %v, want Bob", at, err)
	}
}

func TestProfile(t *testing.T) {
	x := openWorld(t, &heard{}, kind, nil)
	x.w.AddUser(slacktest.User{ID: "U0ROBOT", Name: "robot", Bot: true})
	for id, want := range map[string]bot.Profile{
		"U0ALICE": {Name: "Alice Adams", Email: "alice@contoso.example", Zone: "Etc/UTC", Full: true},
		"U0ERIN":  {Name: "Erin Evans", Email: "erin@partner.example", Zone: "Etc/UTC"},
		"U0DAN":   {Name: "Dan Diaz", Zone: "Etc/UTC"},
	} {
		got, err := x.a.Profile(context.Background(), bot.User{ID: id})
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	if p, err := x.a.Profile(context.Background(), bot.User{ID: "U0ROBOT"}); err != nil || p.Full {
		t.Errorf("a bot is %+v, %v", p, err)
	}
	var e *bot.ChatError
	if _, err := x.a.Profile(context.Background(), bot.User{ID: "U0NOBODY"}); !errors.As(err, &e) || e.Code != bot.ChatUnreachable || e.Op != "profile" {
		t.Errorf("nobody: %v, want unreachable", err)
	}
}
