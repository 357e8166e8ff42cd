package slacktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestCommand(t *testing.T) {
	w := start(t)
	out := w.must(w.Command(ctx(t), alice, room, "/elevate", "reader 1h <ü> & more"))
	if !out.Delivered || out.Status != 200 || out.Message != nil || out.Notice != "" {
		t.Errorf("outcome %+v", out)
	}
	r := w.last(pathCommands)
	f, err := url.ParseQuery(string(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{
		"team_id": "T0SIMULATED", "team_domain": "simulated", "channel_id": room, "channel_name": "room", "user_id": alice,
		"user_name": "alice", "command": "/elevate", "text": "reader 1h <ü> & more", "api_app_id": "A0SIMULATED", "is_enterprise_install": "false",
	} {
		if f.Get(k) != want {
			t.Errorf("%s is %q, want %q", k, f.Get(k), want)
		}
	}
	if want := Sign("signing", w.clock.now(), r.body); r.header.Get("X-Slack-Signature") != want.Get("X-Slack-Signature") {
		t.Errorf("signature %q", r.header.Get("X-Slack-Signature"))
	}
	if ct := r.header.Get("Content-Type"); ct != "application/x-www-form-urlencoded" {
		t.Errorf("content type %q", ct)
	}
	w.AddChannel(Channel{ID: secretRoom, Name: "hidden", Private: true, Members: []string{alice}})
	for channel, name := range map[string]string{"": "directmessage", secretRoom: "privategroup"} {
		w.must(w.Command(ctx(t), alice, channel, "/elevate", ""))
		if f, _ := url.ParseQuery(string(w.last(pathCommands).body)); f.Get("channel_name") != name {
			t.Errorf("channel %q is named %q", channel, f.Get("channel_name"))
		}
	}
	for _, c := range []struct{ user, channel, command string }{
		{"U0NONE", room, "/elevate"}, {alice, "C0NONE", "/elevate"}, {bob, room, "/elevate"}, {bob, w.DM(alice), "/elevate"}, {alice, room, "elevate"},
	} {
		if _, err := w.Command(ctx(t), c.user, c.channel, c.command, ""); !errors.Is(err, ErrNoSuch) && !errors.Is(err, ErrNotPossible) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestCommandAnswers(t *testing.T) {
	w := start(t)
	last := func() Message {
		c, _ := w.State().Conversation(room)
		return c.Messages[len(c.Messages)-1]
	}
	w.onJSON(pathCommands, `{"text":"only you","blocks":`+section("*hi*")+`}`)
	out := w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
	if out.Message == nil || last().EphemeralTo != alice || last().Text != "only you" {
		t.Errorf("outcome %+v, message %+v", out, last())
	}
	w.onJSON(pathCommands, `{"response_type":"in_channel","text":"all of you"}`)
	w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
	if last().EphemeralTo != "" || last().Text != "all of you" {
		t.Errorf("message %+v", last())
	}
	w.on(pathCommands, func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "plain words") })
	w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
	if last().EphemeralTo != alice || last().Text != "plain words" {
		t.Errorf("message %+v", last())
	}
	n := len(mustConversation(t, w, room).Messages)
	for _, bad := range []string{`{"text":`, `{"txet":"x"}`, `{"text":"x","blocks":[{"type":"header"}]}`} {
		w.onJSON(pathCommands, bad)
		out := w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
		if out.Message != nil || !strings.Contains(out.Notice, "/elevate failed") {
			t.Errorf("%s: %+v", bad, out)
		}
		w.complained("/elevate")
	}
	if got := len(mustConversation(t, w, room).Messages); got != n {
		t.Errorf("%d messages, want %d", got, n)
	}
}

func mustConversation(t *testing.T, w *world, id string) Conversation {
	t.Helper()
	c, ok := w.State().Conversation(id)
	if !ok {
		t.Fatalf("no conversation %s", id)
	}
	return c
}

func TestTheAppIsLate(t *testing.T) {
	w := start(t, func(o *Options) { o.AckWithin = 20 * time.Millisecond })
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	w.on(pathCommands, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	out := w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
	if want := `/elevate failed with the error "operation_timeout"`; out.Status != 0 || out.Notice != want || w.State().Notices[alice].Text != want {
		t.Errorf("outcome %+v, want %q", out, want)
	}
}

func TestTheAppFails(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		want string
		bot  http.HandlerFunc
	}{
		{"http_service_error", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) }},
		{"http_client_error", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(401) }},
		{"http_client_error", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", http.StatusFound) }},
		{"dispatch_failed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		w.on(pathCommands, c.bot)
		out := w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
		if want := fmt.Sprintf("/elevate failed with the error %q", c.want); out.Notice != want || w.State().Notices[alice].Text != want {
			t.Errorf("notice %q, want %q", out.Notice, want)
		}
	}
	w.on(pathCommands, nil)
	w.must(w.Command(ctx(t), alice, room, "/elevate", ""))
	if n, has := w.State().Notices[alice]; has {
		t.Errorf("the notice stays: %v", n)
	}
	gone, stop := context.WithCancel(ctx(t))
	stop()
	if _, err := w.Command(gone, alice, room, "/elevate", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPress(t *testing.T) {
	w := start(t)
	ts := w.ok(w.form("chat.postMessage", "channel", room, "text", "card", "blocks", approveCard))["ts"].(string)
	w.must(w.Press(ctx(t), alice, room, ts, "approve"))
	r := w.last(pathInteractions)
	if !strings.Contains(string(r.body), url.QueryEscape(`Alice asks \/ f\u00fcr`)) {
		t.Error("the payload is not escaped as Slack escapes")
	}
	p := r.payload(t)
	act := p["actions"].([]any)[0].(map[string]any)
	if act["action_id"] != "approve" || act["block_id"] != "decide" || act["value"] != "r1" || act["style"] != "primary" {
		t.Errorf("action %v", act)
	}
	if m := p["message"].(map[string]any); m["ts"] != ts || m["app_id"] != "A0SIMULATED" || len(m["blocks"].([]any)) != 2 {
		t.Errorf("message %v", m)
	}
	if p["enterprise"] != nil || p["is_enterprise_install"] != false {
		t.Errorf("payload %v", p)
	}
	w.must(w.Press(ctx(t), alice, room, ts, "open")) // a link tells the app, too
	if act := w.last(pathInteractions).payload(t)["actions"].([]any)[0].(map[string]any); act["url"] != "https://example.com/pim" {
		t.Errorf("action %v", act)
	}
	w.must(w.Use(ctx(t), alice, room, ts, Element{BlockID: "decide", ActionID: "more", Value: "remind"}))
	if act := w.last(pathInteractions).payload(t)["actions"].([]any)[0].(map[string]any); act["selected_option"].(map[string]any)["value"] != "remind" {
		t.Errorf("action %v", act)
	}
	for _, c := range []struct {
		user, ts string
		el       Element
		want     error
	}{
		{alice, "1.000001", Element{ActionID: "approve"}, ErrNoSuch},
		{alice, ts, Element{ActionID: "nothing"}, ErrNoSuch},
		{alice, ts, Element{BlockID: "other", ActionID: "approve"}, ErrNoSuch},
		{alice, ts, Element{ActionID: "more", Value: "other"}, ErrNotPossible},
		{alice, ts, Element{ActionID: "more"}, ErrNotPossible},
		{bob, ts, Element{ActionID: "approve"}, ErrNoSuch},
	} {
		if _, err := w.Use(ctx(t), c.user, room, c.ts, c.el); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c, err, c.want)
		}
	}
	w.on(pathInteractions, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
	if out := w.must(w.Press(ctx(t), alice, room, ts, "approve")); !strings.Contains(out.Notice, "http_service_error") {
		t.Errorf("outcome %+v", out)
	}
	two := strings.Replace(approveCard, "]}]}]", `]}]},{"type":"actions","elements":[{"type":"button","action_id":"approve","text":{"type":"plain_text","text":"x"}}]}]`, 1)
	ts = w.ok(w.form("chat.postMessage", "channel", room, "text", "card", "blocks", two))["ts"].(string)
	if _, err := w.Press(ctx(t), alice, room, ts, "approve"); !errors.Is(err, ErrNotPossible) {
		t.Errorf("an ambiguous press: %v", err)
	}
}

func TestPressEphemeral(t *testing.T) {
	w := start(t)
	w.AddChannel(Channel{ID: room, Name: "room", Members: []string{alice, bob}, BotIsMember: true})
	ts := w.ok(w.form("chat.postEphemeral", "channel", room, "user", alice, "text", "x", "blocks", approveCard))["message_ts"].(string)
	if _, err := w.Press(ctx(t), bob, room, ts, "approve"); !errors.Is(err, ErrNoSuch) {
		t.Errorf("somebody else pressed it: %v", err)
	}
	w.must(w.Press(ctx(t), alice, room, ts, "approve"))
	p := w.last(pathInteractions).payload(t)
	if _, has := p["message"]; has || p["container"].(map[string]any)["is_ephemeral"] != true {
		t.Errorf("payload %v", p)
	}
}

func TestEvents(t *testing.T) {
	w := start(t)
	w.on(pathEvents, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Slack-Retry-Num") != "2" {
			rw.WriteHeader(503)
		}
	})
	out := w.must(w.OpenHome(ctx(t), alice))
	if out.Status != 200 {
		t.Errorf("outcome %+v", out)
	}
	got := w.requests(pathEvents)
	if len(got) != 3 || string(got[0].body) != string(got[2].body) || got[1].header.Get("X-Slack-Retry-Num") != "1" || got[1].header.Get("X-Slack-Retry-Reason") != "http_error" {
		t.Errorf("%d deliveries, the second with %v", len(got), got[1].header)
	}
	w.on(pathEvents, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Slack-No-Retry", "1")
		rw.WriteHeader(500)
	})
	w.must(w.OpenHome(ctx(t), alice))
	if n := len(w.requests(pathEvents)); n != 4 {
		t.Errorf("%d deliveries after X-Slack-No-Retry", n)
	}
	w.on(pathEvents, nil)
	w.must(w.Uninstall(ctx(t)))
	w.refused(w.form("auth.test"), "account_inactive")
}

func TestVerifyURL(t *testing.T) {
	w := start(t)
	if err := w.VerifyURL(ctx(t)); err == nil {
		t.Error("an empty answer passed")
	}
	w.on(pathEvents, func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(b), `"challenge":"`)
		challenge, _, _ := strings.Cut(rest, `"`)
		io.WriteString(rw, challenge)
	})
	if err := w.VerifyURL(ctx(t)); err != nil {
		t.Error(err)
	}
}

func TestDeliver(t *testing.T) {
	w := start(t)
	w.on("/slack/commands", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(http.StatusUnauthorized) })
	a, err := w.Deliver(ctx(t), "/slack/commands?payload=x", http.Header{"X-Slack-Signature": {"v0=forged"}}, []byte("a=b"))
	if err != nil || a.Status != http.StatusUnauthorized {
		t.Errorf("%v, %v", a, err)
	}
	if r := w.last("/slack/commands"); string(r.body) != "a=b" || r.header.Get("X-Slack-Signature") != "v0=forged" {
		t.Errorf("arrived %+v", r)
	}
}

func TestRepeats(t *testing.T) {
	w := start(t, func(o *Options) { o.Unkind.RepeatEvery = 2 })
	for range 4 {
		w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	}
	got := w.requests(pathCommands)
	if len(got) != 6 {
		t.Fatalf("%d deliveries, want 6", len(got))
	}
	if string(got[1].body) != string(got[2].body) || got[1].header.Get("X-Slack-Signature") != got[2].header.Get("X-Slack-Signature") {
		t.Error("the repeat is not the same")
	}
	w.must(w.OpenHome(ctx(t), alice))
	w.must(w.OpenHome(ctx(t), alice))
	events := w.requests(pathEvents)
	if len(events) != 3 || events[2].header.Get("X-Slack-Retry-Num") != "1" || string(events[1].body) != string(events[2].body) {
		t.Errorf("%d events", len(events))
	}
	first := true
	w.on(pathCommands, func(rw http.ResponseWriter, _ *http.Request) {
		if !first {
			rw.WriteHeader(http.StatusUnauthorized)
		}
		first = false
	})
	w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	first = true
	out := w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	if out.Status != 200 || len(out.Repeats) != 1 || out.Repeats[0] != 401 {
		t.Errorf("outcome %+v", out)
	}
	w.complained("repeated delivery", "401")
	w.Kind()
	n := len(w.requests(pathCommands))
	w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	if got := len(w.requests(pathCommands)); got != n+2 {
		t.Errorf("%d deliveries after Kind, want %d", got, n+2)
	}
	if d := w.Deliveries(); len(d) != arrived(w) || d[len(d)-1].Status != 401 {
		t.Errorf("%d deliveries recorded", len(d))
	}
}

// arrived is how many requests arrived at the bot in all.
func arrived(w *world) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.got)
}
