package slacktest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTriggers(t *testing.T) {
	w := start(t)
	trigger := w.trigger(alice)
	if parts := strings.Split(trigger, "."); len(parts) != 3 {
		t.Errorf("trigger %q", trigger)
	}
	w.refused(w.form("views.open", "view", formView), "invalid_arguments")
	w.refused(w.form("views.open", "trigger_id", "1.2.3", "view", formView), "invalid_trigger_id")

	w.clock.advance(3 * time.Second) // a refused view does not use it up
	w.refused(w.form("views.open", "trigger_id", trigger, "view", "{}"), "invalid_arguments")
	m := w.ok(w.form("views.open", "trigger_id", trigger, "view", formView))["view"].(map[string]any)
	if m["type"] != "modal" || m["callback_id"] != "elevate" || m["root_view_id"] != m["id"] || m["previous_view_id"] != nil || m["hash"] == "" {
		t.Errorf("view %v", m)
	}
	w.refused(w.form("views.open", "trigger_id", trigger, "view", formView), "exchanged_trigger_id")

	late := w.trigger(alice)
	w.clock.advance(3*time.Second + time.Millisecond)
	w.refused(w.form("views.open", "trigger_id", late, "view", formView), "expired_trigger_id")
	w.refused(w.form("views.push", "trigger_id", late, "view", formView), "expired_trigger_id")
}

func TestOpenRefusals(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ view, want string }{
		{"", "invalid_arguments"},
		{"[", "invalid_arguments"},
		{`{"type":"home","blocks":[]}`, "invalid_arguments"},
		{`{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[],"private_metadata":"` + strings.Repeat("x", 250_000) + `"}`, "view_too_large"},
	} {
		m := w.form("views.open", "trigger_id", w.trigger(alice), "view", c.view)
		w.refused(m, c.want)
		if _, has := m["response_metadata"]; !has && c.want == "invalid_arguments" {
			t.Errorf("no messages: %v", m)
		}
	}
	long := strings.Replace(formView, `"text":"Elevate"`, `"text":"This title is by far too long"`, 1)
	m := w.form("views.open", "trigger_id", w.trigger(alice), "view", long)
	w.refused(m, "invalid_arguments")
	if got := fmt.Sprint(m["response_metadata"]); !strings.Contains(got, "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]") {
		t.Errorf("messages %s", got)
	}
	if len(w.State().Views) != 0 {
		t.Error("a refused view was opened")
	}
}

func TestUpdateView(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	before, _ := w.State().Top(alice)
	w.must(w.Change(ctx(t), alice, id, "why", "text", "because"))
	if now, _ := w.State().Top(alice); now.Hash != before.Hash {
		t.Error("typing changed the hash")
	}
	w.refused(w.form("views.update", "view_id", id, "hash", "1.stale", "view", formView), "hash_conflict")
	w.refused(w.form("views.update", "view_id", "V0NONE", "view", formView), "not_found")
	w.refused(w.form("views.update", "view", formView), "invalid_arguments")
	w.refused(w.form("views.update", "view_id", id, "view", `{"type":"home","blocks":[]}`), "invalid_arguments")

	shorter := strings.Replace(formView, `"callback_id":"elevate"`, `"callback_id":"again","external_id":"ext-1"`, 1)
	w.ok(w.form("views.update", "view_id", id, "hash", before.Hash, "view", shorter))
	after, _ := w.State().Top(alice)
	if after.Hash == before.Hash || after.CallbackID != "again" || after.Values["why"]["text"].Text != "because" {
		t.Errorf("after the update: %+v", after)
	}
	w.ok(w.form("views.update", "external_id", "ext-1", "view", shorter))
	m := w.form("views.open", "trigger_id", w.trigger(bob), "view", shorter)
	w.refused(m, "duplicate_external_id")
}

func TestPush(t *testing.T) {
	w := start(t)
	w.refused(w.form("views.push", "trigger_id", w.trigger(alice), "view", formView), "not_found") // not from a modal
	w.modal(alice, formView)
	for i := 2; ; i++ {
		top, _ := w.State().Top(alice)
		w.must(w.Change(ctx(t), alice, top.ID, "act", "go", ""))
		trigger := w.last(pathInteractions).payload(t)["trigger_id"].(string)
		m := w.form("views.push", "trigger_id", trigger, "view", formView)
		if i > 3 {
			w.refused(m, "push_limit_reached")
			break
		}
		v := w.ok(m)["view"].(map[string]any)
		if v["previous_view_id"] != top.ID || v["root_view_id"] != top.RootID {
			t.Errorf("pushed %v on %s", v, top.ID)
		}
	}
	if n := len(w.State().Views); n != 3 {
		t.Errorf("%d views", n)
	}
	root := w.State().Views[0].ID
	if _, err := w.Submit(ctx(t), alice, root, nil); err == nil {
		t.Error("a view under another one was submitted")
	}
}

func TestPublish(t *testing.T) {
	w := start(t)
	const home = `{"type":"home","blocks":[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"go","text":{"type":"plain_text","text":"Go"}}]}]}`
	v := w.ok(w.form("views.publish", "user_id", alice, "view", home))["view"].(map[string]any)
	w.refused(w.form("views.publish", "user_id", alice, "view", home, "hash", "1.stale"), "hash_conflict")
	again := w.ok(w.form("views.publish", "user_id", alice, "view", home, "hash", v["hash"].(string)))["view"].(map[string]any)
	if again["id"] != v["id"] || again["hash"] == v["hash"] {
		t.Errorf("published %v, then %v", v, again)
	}
	w.refused(w.form("views.publish", "view", home), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", "U0NONE", "view", home), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", alice, "view", formView), "invalid_arguments")

	w.must(w.Change(ctx(t), alice, v["id"].(string), "b", "go", ""))
	p := w.last(pathInteractions).payload(t)
	if p["view"].(map[string]any)["type"] != "home" || p["container"].(map[string]any)["view_id"] != v["id"] {
		t.Errorf("payload %v", p)
	}
}
