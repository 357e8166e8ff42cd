package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// heard is a bot.Handler that notes what it hears.
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
	if answer != nil {
		return answer(in)
	}
	return bot.Reply{}, nil
}

func (h *heard) take() []bot.Inbound {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// signedAt is the headers for body, signed by our own few lines and not by the
// code under test.
func signedAt(at time.Time, secret string, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return http.Header{
		"X-Slack-Request-Timestamp": {stamp},
		"X-Slack-Signature":         {"v0=" + hex.EncodeToString(mac.Sum(nil))},
	}
}

// bare is an adapter for apps of the sample payloads, with no Slack behind it.
func bare(t *testing.T, h bot.Handler) *Adapter {
	t.Helper()
	a, err := New(Options{
		SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A111", Teams: []string{"T111"},
		APIBase: "http://127.0.0.1:1", Handler: h,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// deliver sends a signed body.
func deliver(a *Adapter, path, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header = signedAt(time.Now(), testSecret, body)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	a.Routes().ServeHTTP(w, r)
	a.running.Wait()
	return w
}

// The example in Slack's documentation.
const (
	exampleBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	exampleSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	exampleTime      = 1531420618
)

func TestVerify(t *testing.T) {
	good := http.Header{"X-Slack-Request-Timestamp": {"1531420618"}, "X-Slack-Signature": {exampleSignature}}
	at := time.Unix(exampleTime, 0)
	with := func(key string, values ...string) http.Header {
		h := good.Clone()
		h[key] = values
		return h
	}
	const stamp, sig = "X-Slack-Request-Timestamp", "X-Slack-Signature"
	for _, c := range []struct {
		name   string
		header http.Header
		now    time.Time
		want   bool
	}{
		{"Slack's own example", good, at, true},
		{"300 s late", good, at.Add(300 * time.Second), true},
		{"300 s early", good, at.Add(-300 * time.Second), true},
		{"301 s late", good, at.Add(301 * time.Second), false},
		{"301 s early", good, at.Add(-301 * time.Second), false},
		{"another second", with(stamp, "1531420619"), at, false},
		{"the same second, spelt differently", with(stamp, "01531420618"), at, false},
		{"no timestamp", with(stamp), at, false},
		{"two timestamps", with(stamp, "1531420618", "1531420618"), at, false},
		{"a timestamp that overflows", with(stamp, "99999999999999999999"), at, false},
		{"a timestamp far away", with(stamp, "-9223372036854775808"), at, false},
		{"no signature", with(sig), at, false},
		{"an empty signature", with(sig, ""), at, false},
		{"two signatures", with(sig, exampleSignature, exampleSignature), at, false},
		{"upper case", with(sig, "v0="+strings.ToUpper(exampleSignature[3:])), at, false},
		{"another version", with(sig, "v1="+exampleSignature[3:]), at, false},
		{"no version", with(sig, exampleSignature[3:]), at, false},
		{"short", with(sig, exampleSignature[:len(exampleSignature)-2]), at, false},
		{"long", with(sig, exampleSignature+"00"), at, false},
	} {
		if _, ok := verify([]string{"another secret", testSecret}, c.header, []byte(exampleBody), c.now); ok != c.want {
			t.Errorf("%s: %v, want %v", c.name, ok, c.want)
		}
	}
	for i := range exampleBody {
		body := []byte(exampleBody)
		body[i] ^= 1
		if _, ok := verify([]string{testSecret}, good, body, at); ok {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	if _, ok := verify([]string{"another secret"}, good, []byte(exampleBody), at); ok {
		t.Error("another secret will do")
	}
}

// commandBody is a slash command of somebody in T111.
func commandBody(more string) []byte {
	return []byte("team_id=T111&channel_id=C111&user_id=U111&user_name=alice&command=%2Felevate&text=status&api_app_id=A111&trigger_id=1.2&response_url=" + more)
}

func TestRefusedBeforeTheHandler(t *testing.T) {
	payload := func(json string) []byte { return []byte("payload=" + url.QueryEscape(json)) }
	press := `{"type":"block_actions","api_app_id":"A111","team":{"id":"T111"},"user":{"id":"U111"},"container":{"message_ts":"1.2","channel_id":"C111"},"actions":[{"type":"button","action_id":"approve","value":"r"}]%s}`
	const commands, interactions, options, events = "/slack/commands", "/slack/interactions", "/slack/options", "/slack/events"
	for _, c := range []struct {
		name, path, contentType string
		body                    []byte
		want                    int
	}{
		{"a query string", commands + "?payload=x", formType, commandBody(""), 400},
		{"an empty query string", commands + "?", formType, commandBody(""), 400},
		{"too large", commands, formType, commandBody(strings.Repeat("x", 256<<10)), 413},
		{"a field twice", commands, formType, commandBody("&user_id=U222"), 400},
		{"not UTF-8", commands, formType, commandBody("%ff"), 400},
		{"NUL", commands, formType, commandBody("%00"), 400},
		{"a broken escape", commands, formType, commandBody("%zz"), 400},
		{"a semicolon", commands, formType, commandBody(";a=b"), 400},
		{"JSON where a form belongs", commands, "application/json", commandBody(""), 400},
		{"no content type", commands, "", commandBody(""), 400},
		{"no user", commands, formType, []byte("team_id=T111&channel_id=C111&command=%2Felevate"), 400},
		{"another app's command", commands, formType, bytes.Replace(commandBody(""), []byte("A111"), []byte("A222"), 1), 403},
		{"no payload", interactions, formType, []byte("payload="), 400},
		{"a payload twice", interactions, formType, append(payload(fmt.Sprintf(press, "")), "&payload=%7B%7D"...), 400},
		{"no object", interactions, formType, payload(`[]`), 400},
		{"two values", interactions, formType, payload(fmt.Sprintf(press, "") + "{}"), 400},
		{"deep", interactions, formType, payload(fmt.Sprintf(press, `,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100))), 400},
		{"NUL in JSON", interactions, formType, payload(fmt.Sprintf(press, `,"x":"\u0000"`)), 400},
		{"not UTF-8 in JSON", interactions, formType, payload(fmt.Sprintf(press, `,"x":"`+"\xff"+`"`)), 400},
		{"a wrong type in JSON", interactions, formType, payload(`{"type":5}`), 400},
		{"another app's press", interactions, formType, payload(strings.Replace(fmt.Sprintf(press, ""), "A111", "A222", 1)), 403},
		{"no app", interactions, formType, payload(strings.Replace(fmt.Sprintf(press, ""), "A111", "", 1)), 403},
		{"a press where searches go", options, formType, payload(fmt.Sprintf(press, "")), 400},
		{"an event that is no JSON", events, "application/json", []byte("{"), 400},
		{"an event of another app", events, "application/json", []byte(`{"type":"event_callback","api_app_id":"A222"}`), 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &heard{}
			w := deliver(bare(t, h), c.path, c.contentType, c.body)
			if w.Code != c.want {
				t.Errorf("answered %d %s, want %d", w.Code, w.Body, c.want)
			}
			if got := h.take(); len(got) > 0 {
				t.Errorf("the handler heard %+v", got)
			}
		})
	}

	h := &heard{}
	a := bare(t, h)
	for name, change := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"an encoded body": {func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415},
		"GET":             {func(r *http.Request) { r.Method = http.MethodGet }, 405},
		"another path":    {func(r *http.Request) { r.URL.Path = "/slack/other" }, 404},
		"unsigned":        {func(r *http.Request) { r.Header.Del("X-Slack-Signature") }, 401},
	} {
		r := httptest.NewRequest(http.MethodPost, "/slack/commands", bytes.NewReader(commandBody("")))
		r.Header = signedAt(time.Now(), testSecret, commandBody(""))
		r.Header.Set("Content-Type", formType)
		change.change(r)
		w := httptest.NewRecorder()
		a.Routes().ServeHTTP(w, r)
		if w.Code != change.want {
			t.Errorf("%s: answered %d, want %d", name, w.Code, change.want)
		}
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

// A search is a read: the same letters typed again within a second are the same
// bytes, and are answered again.
func TestASearchMayRepeat(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	body, err := os.ReadFile("testdata/payloads/boltpy-block_suggestion-test_block_suggestion-body.json")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	twice := func(path string, body []byte) int {
		for range 2 {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header = signedAt(at, testSecret, body)
			r.Header.Set("Content-Type", formType)
			a.Routes().ServeHTTP(httptest.NewRecorder(), r)
			a.running.Wait()
		}
		return len(h.take())
	}
	if n := twice("/slack/options", []byte(url.Values{"payload": {string(body)}}.Encode())); n != 2 {
		t.Errorf("%d of two searches reached the handler", n)
	}
	if n := twice("/slack/commands", commandBody("")); n != 1 {
		t.Errorf("%d of two identical commands reached the handler", n)
	}
}

func TestReplays(t *testing.T) {
	r := newReplays()
	now := time.Unix(exampleTime, 0)
	sig := func(i int) signature { return sha256.Sum256([]byte(strconv.Itoa(i))) }
	if !r.first(sig(1), now) || r.first(sig(1), now) || r.first(sig(1), now.Add(keepSeen)) {
		t.Error("the same signature is new within ten minutes")
	}
	later := now.Add(keepSeen + time.Second)
	if !r.first(sig(2), later) || r.first(sig(1), later) {
		t.Error("a signature is forgotten before another generation has passed")
	}
	r.forget(sig(1))
	if !r.first(sig(1), later) || r.first(sig(1), later) {
		t.Error("a signature that was taken back is not new, once")
	}
	now = later.Add(keepSeen + time.Second)
	if !r.first(sig(3), now) || r.first(sig(2), now) {
		t.Error("the generation before is forgotten too early")
	}
	if now = now.Add(keepSeen + time.Second); !r.first(sig(2), now) {
		t.Error("a signature is never forgotten")
	}
	for i := range 2 * maxSeen {
		r.first(sig(i), now)
	}
	if kept := len(r.newer) + len(r.older); kept > maxSeen {
		t.Errorf("%d signatures are kept, want %d at the most", kept, maxSeen)
	}
	if r.first(sig(2*maxSeen-1), now) || r.first(sig(2*maxSeen-maxSeen/2), now) {
		t.Error("one of the newest signatures was dropped")
	}
}

// An acknowledgement says how long it is, so that it is one packet and not two.
func TestAnAcknowledgementIsNotChunked(t *testing.T) {
	h := &heard{}
	server := httptest.NewServer(bare(t, h).Routes())
	defer server.Close()
	for want, answer := range map[string]func(bot.Inbound) (bot.Reply, bot.Later){
		"": nil,
		"Done": func(bot.Inbound) (bot.Reply, bot.Later) {
			return bot.Reply{Card: &bot.Card{Title: "Done"}}, nil
		},
	} {
		h.answer = answer
		body := commandBody(want)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/slack/commands", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = signedAt(time.Now(), testSecret, body)
		r.Header.Set("Content-Type", formType)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if len(resp.TransferEncoding) > 0 || resp.ContentLength != int64(len(text)) || !strings.Contains(string(text), want) || want == "" && len(text) > 0 {
			t.Errorf("encoded %v, of %d bytes: %q", resp.TransferEncoding, resp.ContentLength, text)
		}
	}
}

// TestRefusedAgain: what was refused is refused again, not taken for a replay.
func TestRefusedAgain(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	body := commandBody("&user_id=U222")
	r := func() int {
		req := httptest.NewRequest(http.MethodPost, "/slack/commands", bytes.NewReader(body))
		req.Header = signedAt(time.Unix(time.Now().Unix(), 0), testSecret, body)
		req.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		a.Routes().ServeHTTP(w, req)
		return w.Code
	}
	if first, second := r(), r(); first != 400 || second != 400 {
		t.Errorf("answered %d, then %d, want 400 twice", first, second)
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A1", Teams: []string{"T1"}, Handler: &heard{}}
	if _, err := New(good); err != nil {
		t.Errorf("good options: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no secret":         {func(o *Options) { o.SigningSecrets = nil }, "signing secret"},
		"an empty secret":   {func(o *Options) { o.SigningSecrets = []string{testSecret, ""} }, "signing secret"},
		"no token":          {func(o *Options) { o.BotToken = "" }, "bot token"},
		"no app":            {func(o *Options) { o.AppID = "" }, "app id"},
		"no team":           {func(o *Options) { o.Teams = nil }, "team ids"},
		"an empty team":     {func(o *Options) { o.Teams = []string{"T1", ""} }, "team ids"},
		"no handler":        {func(o *Options) { o.Handler = nil }, "handler"},
		"plain http":        {func(o *Options) { o.APIBase = "http://slack.com" }, "https"},
		"a base with path":  {func(o *Options) { o.APIBase = "https://slack.com/api/" }, "base URL"},
		"no URL":            {func(o *Options) { o.APIBase = "slack" }, "base URL"},
		"a base with login": {func(o *Options) { o.APIBase = "https://u:p@slack.com" }, "base URL"},
	} {
		o := good
		c.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error about the %s", name, err, c.want)
		}
	}
	_, err := New(Options{APIBase: "x"})
	for _, want := range []string{"signing secret", "bot token", "app id", "team ids", "handler", "base URL"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v does not name the %s", err, want)
		}
	}
}

// Two processes know the same bytes by the same name, which nothing else has.
func TestDeliveriesAreNamed(t *testing.T) {
	at := time.Now()
	name := func(body []byte, at time.Time) string {
		h := &heard{}
		a := bare(t, h)
		r := httptest.NewRequest(http.MethodPost, "/slack/commands", bytes.NewReader(body))
		r.Header = signedAt(at, testSecret, body)
		r.Header.Set("Content-Type", formType)
		a.Routes().ServeHTTP(httptest.NewRecorder(), r)
		a.running.Wait()
		got := h.take()
		if len(got) != 1 || got[0].Delivery == "" {
			t.Fatalf("heard %+v", got)
		}
		return got[0].Delivery
	}
	first := name(commandBody(""), at)
	if name(commandBody(""), at) != first {
		t.Error("the same bytes have two names")
	}
	if name(commandBody("https://hooks.slack.com/x"), at) == first || name(commandBody(""), at.Add(time.Second)) == first {
		t.Error("other bytes have the same name")
	}
}

// On every route what nobody signed is refused before it is looked at: too long, in a
// code, with a query, or anything else.
func TestNothingIsReadBeforeTheSignature(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	for _, path := range []string{"/slack/commands", "/slack/interactions", "/slack/options", "/slack/events"} {
		for name, c := range map[string]struct {
			query, encoding string
			body            []byte
			want            int
		}{
			"nothing":              {"", "", nil, 401},
			"a command":            {"", "", commandBody(""), 401},
			"no text at all":       {"", "", []byte("payload=%ff%00"), 401},
			"deep JSON":            {"", "", []byte(strings.Repeat("[", 100_000)), 401},
			"10 MB":                {"", "", make([]byte, 10<<20), 413},
			"gzip":                 {"", "gzip", []byte{0x1f, 0x8b}, 415},
			"a payload in the URL": {"payload=%7B%7D", "", commandBody(""), 400},
		} {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(c.body))
			r.URL.RawQuery = c.query
			r.Header.Set("Content-Type", formType)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			w := httptest.NewRecorder()
			a.Routes().ServeHTTP(w, r)
			if w.Code != c.want || w.Body.Len() > 100 {
				t.Errorf("%s of %s: answered %d %q, want %d", path, name, w.Code, w.Body, c.want)
			}
		}
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

// While the secret is changed both are good, and afterwards the old one is not.
func TestSecretRotation(t *testing.T) {
	const next = "the next secret, long enough"
	accepts := func(configured []string, signed string) bool {
		a, err := New(Options{SigningSecrets: configured, BotToken: testToken, AppID: "A111", Teams: []string{"T111"}, APIBase: "http://127.0.0.1:1", Handler: &heard{}})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/slack/commands", bytes.NewReader(commandBody("")))
		r.Header = signedAt(time.Now(), signed, commandBody(""))
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		a.Routes().ServeHTTP(w, r)
		a.running.Wait()
		return w.Code == http.StatusOK
	}
	for _, c := range []struct {
		configured []string
		signed     string
		want       bool
	}{
		{[]string{testSecret}, testSecret, true}, {[]string{testSecret}, next, false},
		{[]string{testSecret, next}, testSecret, true}, {[]string{testSecret, next}, next, true}, {[]string{testSecret, next}, "", false},
		{[]string{next}, next, true}, {[]string{next}, testSecret, false},
	} {
		if got := accepts(c.configured, c.signed); got != c.want {
			t.Errorf("with %d secrets, signed with %.5q…: %v", len(c.configured), c.signed, got)
		}
	}
}
