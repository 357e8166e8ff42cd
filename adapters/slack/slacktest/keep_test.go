package slacktest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slack.json")
	keep := func(o *Options) { o.File = file }
	w := start(t, keep)
	w.ok(w.form("chat.postMessage", "channel", alice, "text", "hi <&>", "blocks", approveCard))
	w.ok(w.form("views.publish", "user_id", alice, "view", `{"type":"home","blocks":[{"type":"divider"}]}`))
	id := w.modal(alice, formView)
	w.must(w.Change(ctx(t), alice, id, "why", "text", "because"))
	w.must(w.Submit(ctx(t), alice, id, nil)) // incomplete: leaves errors
	link := w.lastCommandURL()
	m := w.ok(w.token("code", w.code()))
	before := w.State()

	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".workspace-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	o := w.Options()
	again, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	after := again.State()
	if after.Revision <= before.Revision {
		t.Errorf("revision %d after %d", after.Revision, before.Revision)
	}
	after.Revision = before.Revision
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
	if _, has := again.kept.Responses[strings.TrimPrefix(link, w.api.URL)]; !has {
		t.Error("the response URL is lost")
	}
	w.verify(m["id_token"].(string))
	restarted := httptest.NewServer(again.API())
	t.Cleanup(restarted.Close)
	if a, b := body(t, w.api.URL+"/openid/connect/keys"), body(t, restarted.URL+"/openid/connect/keys"); a != b {
		t.Errorf("the sign-in key was %s and is %s", a, b)
	}
}

func body(t *testing.T, link string) string {
	t.Helper()
	res, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDamagedFileIsRefused(t *testing.T) {
	for _, content := range []string{"", "{", `{"key":"AAAA"}`, `[]`} {
		file := filepath.Join(t.TempDir(), "slack.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{BotToken: "a", SigningSecret: "b", Unhandled: func(string) {}, File: file})
		if err == nil || !strings.Contains(err.Error(), "move") {
			t.Errorf("%q: %v", content, err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != content {
			t.Errorf("%q was overwritten with %q, %v", content, b, err)
		}
	}
}

func TestUnwritableFileIsLoud(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *Options) { o.File = filepath.Join(dir, "slack.json") })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	w.ok(w.form("chat.postMessage", "channel", room, "text", "x"))
	w.complained("could not be kept")
}

func TestWait(t *testing.T) {
	w := start(t)
	posted := make(chan error, 1)
	go func() {
		posted <- w.Wait(ctx(t), func(s State) bool {
			c, _ := s.Conversation(room)
			return len(c.Messages) == 2
		})
	}()
	w.ok(w.form("chat.postMessage", "channel", room, "text", "one"))
	w.ok(w.form("chat.postMessage", "channel", room, "text", "two"))
	if err := <-posted; err != nil {
		t.Fatal(err)
	}
	late, stop := context.WithTimeout(ctx(t), time.Millisecond)
	defer stop()
	if err := w.Wait(late, func(State) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	before := w.State()
	before.Channels[0].Members = append(before.Channels[0].Members, "U0X")
	before.Notices["x"] = Notice{}
	if d := cmp.Diff(w.State(), w.State()); d != "" || len(w.State().Notices) != 0 {
		t.Errorf("a snapshot is not a copy: %s", d)
	}
}

func TestRevisionGrowsOnlyWithChanges(t *testing.T) {
	w := start(t)
	at := w.State().Revision
	w.ok(w.form("users.info", "user", alice))
	w.refused(w.form("chat.postMessage"), "invalid_arguments")
	read := w.State().Revision
	w.ok(w.form("chat.postMessage", "channel", room, "text", "x"))
	if read != at+1 || w.State().Revision != read+1 { // a refused write counts, a read does not
		t.Errorf("revisions %d, %d, %d", at, read, w.State().Revision)
	}
}
