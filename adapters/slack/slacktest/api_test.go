package slacktest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := New(Options{})
	for _, want := range []string{"BotToken", "SigningSecret", "Unhandled"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestTokens(t *testing.T) {
	w := start(t)
	const formType = "application/x-www-form-urlencoded"
	for _, c := range []struct{ name, body, auth, want string }{
		{"none", "", "", "not_authed"},
		{"in the body only", "token=" + token, "", "not_authed"},
		{"another scheme", "", "Basic " + token, "not_authed"},
		{"wrong", "", "Bearer xoxb-other", "invalid_auth"},
		{"another one in the body", "token=xoxb-other", "Bearer " + token, "invalid_auth"},
	} {
		_, m := w.post("auth.test", formType, c.body, c.auth)
		if m["error"] != c.want {
			t.Errorf("%s: %v, want %s", c.name, m, c.want)
		}
	}
	for _, body := range []string{"", "token=", "token=" + token} {
		_, m := w.post("auth.test", formType, body, "Bearer "+token)
		w.ok(m)
		if m["team_id"] != "T0SIMULATED" || m["user_id"] != "U0SIMULATEDBOT" || m["bot_id"] != "B0SIMULATEDBOT" {
			t.Errorf("auth.test: %v", m)
		}
	}
}

func TestScopes(t *testing.T) {
	w := start(t, func(o *Options) { o.Scopes = []string{"chat:write", "users:read"} })
	m := w.form("users.lookupByEmail", "email", "alice@example.com")
	w.refused(m, "missing_scope")
	if m["needed"] != "users:read.email" || m["provided"] != "chat:write,users:read" {
		t.Errorf("%v", m)
	}
	user := w.ok(w.form("users.info", "user", alice))["user"].(map[string]any)
	if _, has := user["profile"].(map[string]any)["email"]; has {
		t.Error("the e-mail is shown without users:read.email")
	}
	w.ok(w.form("chat.postMessage", "channel", room, "text", "hi"))
}

func TestUnknownIsLoud(t *testing.T) {
	w := start(t)
	m := w.form("chat.meMessage", "channel", room)
	w.refused(m, "unknown_method")
	if m["req_method"] != "chat.meMessage" {
		t.Errorf("%v", m)
	}
	w.complained("chat.meMessage")

	w.ok(w.form("chat.postMessage", "channel", room, "text", "hi", "icon_emoji", ":x:"))
	w.complained("chat.postMessage", "icon_emoji")

	res, err := http.Get(w.api.URL + "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", res.StatusCode)
	}
	w.complained("/elsewhere")
}

func TestBodies(t *testing.T) {
	w := start(t)
	auth := "Bearer " + token
	_, m := w.post("chat.postMessage", "application/json; charset=utf-8", `{"channel":"C0ROOM","text":"a","blocks":[{"type":"divider"}],"unfurl_links":false,"thread_ts":null}`, auth)
	w.ok(m)
	c, _ := w.State().Conversation(room)
	if len(c.Messages) != 1 || !strings.Contains(string(c.Messages[0].Blocks), `"divider"`) {
		t.Errorf("messages %+v", c.Messages)
	}
	for _, c := range []struct{ contentType, body, want string }{
		{"", "channel=C0ROOM", "missing_post_type"},
		{"text/plain", "channel=C0ROOM", "invalid_post_type"},
		{"application/json", "{", "invalid_json"},
		{"application/x-www-form-urlencoded", "%zz", "invalid_form_data"},
	} {
		_, m := w.post("chat.postMessage", c.contentType, c.body, auth)
		w.refused(m, c.want)
	}
	_, m = w.post("users.info", "application/json", `{"user":"U0ALICE"}`, auth)
	w.refused(m, "invalid_arguments")
	w.complained("users.info", "JSON")
}

func TestThrottlingIsCounted(t *testing.T) {
	w := start(t, func(o *Options) { o.Unkind.ThrottleEvery = 3 })
	var statuses []int
	for range 7 {
		res, m := w.post("auth.test", "", "", "Bearer "+token)
		statuses = append(statuses, res.StatusCode)
		if res.StatusCode == http.StatusTooManyRequests {
			w.refused(m, "ratelimited")
			if res.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
			}
		}
	}
	for i, s := range statuses {
		if want := map[bool]int{true: 429, false: 200}[(i+1)%3 == 0]; s != want {
			t.Errorf("call %d answered %d, want %d", i+1, s, want)
		}
	}
	w.Kind()
	for range 6 {
		w.ok(w.form("auth.test"))
	}
}

func TestFaults(t *testing.T) {
	w := start(t)
	w.Inject(Fault{Method: "chat.postMessage", Error: "restricted_action", Times: 2})
	w.ok(w.form("auth.test"))
	for range 2 {
		w.refused(w.form("chat.postMessage", "channel", room, "text", "x"), "restricted_action")
	}
	w.ok(w.form("chat.postMessage", "channel", room, "text", "one"))

	w.Inject(Fault{Status: http.StatusTooManyRequests, RetryAfter: 30})
	res, m := w.post("auth.test", "", "", "Bearer "+token)
	w.refused(m, "ratelimited")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "30" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	w.Inject(Fault{Status: http.StatusServiceUnavailable})
	if res, _ := w.post("auth.test", "", "", "Bearer "+token); res.StatusCode != 503 {
		t.Errorf("status %d", res.StatusCode)
	}

	w.Inject(Fault{Method: "chat.postMessage", Lost: true})
	req, err := http.NewRequest(http.MethodPost, w.api.URL+"/api/chat.postMessage", strings.NewReader(`{"channel":"C0ROOM","text":"two"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if res, err := http.DefaultClient.Do(req); !errors.Is(err, io.EOF) {
		t.Fatalf("answered %v, %v; want a dropped connection", res, err)
	}
	if c, _ := w.State().Conversation(room); len(c.Messages) != 2 || c.Messages[1].Text != "two" {
		t.Errorf("the lost call was not carried out: %+v", c.Messages)
	}
}

// A fault that a test asked for is not spent on a call that was throttled anyway.
func TestFaultsOutliveThrottling(t *testing.T) {
	w := start(t, func(o *Options) { o.Unkind.ThrottleEvery = 2 })
	w.ok(w.form("auth.test"))
	w.Inject(Fault{Error: "fatal_error"})
	w.refused(w.form("auth.test"), "ratelimited")
	w.refused(w.form("auth.test"), "fatal_error")
}
