package slack

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
)

// FuzzDeliver: whatever Slack signs, on whichever route, is heard whole or refused
// whole: a person, a place and text throughout, or 4xx and nothing. Without the
// signature nothing is ever heard.
func FuzzDeliver(f *testing.F) {
	routes := []string{"/slack/commands", "/slack/interactions", "/slack/options", "/slack/events"}
	types := []string{formType, "application/json", "text/plain", ""}
	for i := range routes {
		f.Add(uint8(i), uint8(i/3), commandBody("https://hooks.slack.com/x"))
		f.Add(uint8(i), uint8(0), []byte("payload="+url.QueryEscape(`{"type":"block_actions","api_app_id":"A111","team":{"id":"T111"},"user":{"id":"U111"},"container":{"message_ts":"1.2","channel_id":"C111"},"actions":[{"type":"button","action_id":"approve","value":"r"}]}`)))
		f.Add(uint8(i), uint8(0), []byte("payload="+url.QueryEscape(`{"type":"block_suggestion","api_app_id":"A111","team":{"id":"T111"},"user":{"id":"U111"},"action_id":"role","value":"x","view":{"id":"V","type":"modal","callback_id":"ask","private_metadata":"{\"id\":\"f\"}"}}`)))
		f.Add(uint8(i), uint8(1), []byte(`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"app_home_opened","user":"U111","channel":"D1","tab":"home"}}`))
		f.Add(uint8(i), uint8(1), []byte(`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"user_change","user":{"id":"U111","team_id":"T111","deleted":true,"is_restricted":false}}}`))
	}
	f.Fuzz(func(t *testing.T, route, contentType uint8, body []byte) {
		h := &heard{}
		a, err := New(Options{SigningSecrets: []string{testSecret}, BotToken: testToken, AppID: "A111", Teams: []string{"T111"}, APIBase: "http://127.0.0.1:1",
			HTTP: &http.Client{Transport: nowhere{}}, Handler: h})
		if err != nil {
			t.Fatal(err)
		}
		a.cancel() // what follows an acknowledgement is not looked at here
		send := func(header http.Header) int {
			r := httptest.NewRequest(http.MethodPost, routes[int(route)%len(routes)], bytes.NewReader(body))
			r.Header = header
			r.Header.Set("Content-Type", types[int(contentType)%len(types)])
			w := httptest.NewRecorder()
			a.Routes().ServeHTTP(w, r)
			a.running.Wait()
			return w.Code
		}
		if status := send(signedAt(time.Now(), "another secret, just as long", body)); status != http.StatusUnauthorized || len(h.take()) > 0 {
			t.Errorf("what nobody signed is answered with %d", status)
		}
		status := send(signedAt(time.Now(), testSecret, body))
		got := h.take()
		if status != http.StatusOK && (status < 400 || status > 413 || len(got) > 0) {
			t.Errorf("answered %d, and heard %+v", status, got)
		}
		for _, in := range got {
			text(t, in.User.ID, in.User.Tenant, in.User.Name, in.At.ID)
			if in.User.Platform != bot.Slack || in.User.ID == "" || in.User.Tenant != "T111" || in.Principal != "" {
				t.Errorf("heard of %+v", in)
			}
		}
	})
}

// FuzzRetryAfter: Slack's word on how long to wait is never more than an hour.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "30", "-1", "1000000000", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "1.5", " 7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(http.Header{"Retry-After": {s}}); d < 0 || d > maxAfter {
			t.Errorf("%q is %s", s, d)
		}
	})
}

// nowhere is a network that is down.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrHandlerTimeout }
