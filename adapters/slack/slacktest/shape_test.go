package slacktest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// sample reads a payload from testdata.
func sample(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// lacking lists what a sample has and a payload has not, or has as another JSON
// type. Only one workspace is simulated, so Enterprise Grid's members are left out.
func lacking(at string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok {
			return []string{at + " is not an object"}
		}
		var all []string
		for k, v := range want {
			if k == "enterprise_id" || k == "enterprise_name" {
				continue
			}
			if _, has := m[k]; !has {
				all = append(all, at+"."+k+" is missing")
				continue
			}
			if v != nil {
				all = append(all, lacking(at+"."+k, v, m[k])...)
			}
		}
		slices.Sort(all)
		return all
	case []any:
		l, ok := got.([]any)
		if !ok || len(want) > 0 && len(l) == 0 {
			return []string{at + " is no such list"}
		}
		return nil
	default:
		if a, b := fmt.Sprintf("%T", want), fmt.Sprintf("%T", got); a != b {
			return []string{at + " is " + b + ", not " + a}
		}
	}
	return nil
}

func TestPayloadsHaveSlacksShape(t *testing.T) {
	w := start(t)
	compare := func(name string, got map[string]any) {
		t.Helper()
		for _, l := range lacking(name, sample(t, name), got) {
			t.Error(l)
		}
	}
	ts := w.ok(w.form("chat.postEphemeral", "channel", room, "user", alice, "text", "x", "blocks", approveCard))["message_ts"].(string)
	w.must(w.Press(ctx(t), alice, room, ts, "approve"))
	p := w.last(pathInteractions).payload(t)
	compare("block_actions.json", p)
	want := sample(t, "block_actions.json")["actions"].([]any)[0]
	for _, l := range lacking("action", want, p["actions"].([]any)[0]) {
		t.Error(l)
	}

	id := w.modal(alice, strings.Replace(formView, `"submit":`, `"close":{"type":"plain_text","text":"Cancel"},"submit":`, 1))
	w.onJSON(pathOptions, `{"options":[]}`)
	if _, err := w.Suggest(ctx(t), alice, id, "scope", "find", "q"); err != nil {
		t.Fatal(err)
	}
	compare("block_suggestion.json", w.last(pathOptions).payload(t))
	w.onJSON(pathInteractions, `{"response_action":"errors","errors":{"why":"x"}}`)
	w.must(w.Submit(ctx(t), alice, id, whole()))
	p = w.last(pathInteractions).payload(t)
	got := sample(t, "view_submission.json")
	got["view"].(map[string]any)["state"] = map[string]any{"values": map[string]any{"why": map[string]any{"text": map[string]any{"type": "", "value": ""}}}}
	for _, l := range lacking("view_submission", got, p) {
		t.Error(l)
	}
	w.on(pathInteractions, nil)
	w.must(w.Close(ctx(t), alice, id))
	closed := w.last(pathInteractions).payload(t)
	closed["response_urls"] = []any{} // in bolt's sample, not in Slack's documentation of view_closed
	compare("view_closed.json", closed)

	event := func() map[string]any {
		var m map[string]any
		if err := json.Unmarshal(w.last(pathEvents).body, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	w.must(w.OpenHome(ctx(t), alice))
	compare("app_home_opened.json", event())
	if err := w.VerifyURL(ctx(t)); err == nil {
		t.Error("not answered, and passed")
	}
	compare("url_verification.json", event())
	w.must(w.Event(ctx(t), json.RawMessage(`{"type":"tokens_revoked","tokens":{"oauth":["U1"],"bot":["U2"]}}`)))
	compare("tokens_revoked.json", event())
	w.must(w.Uninstall(ctx(t)))
	compare("app_uninstalled.json", event())
}

func TestCommandsHaveSlacksFields(t *testing.T) {
	w := start(t)
	w.must(w.Command(ctx(t), alice, room, "/elevate", "x"))
	b, err := os.ReadFile("testdata/slash.txt")
	if err != nil {
		t.Fatal(err)
	}
	want, err := url.ParseQuery(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := url.ParseQuery(string(w.last(pathCommands).body))
	if err != nil {
		t.Fatal(err)
	}
	for k := range want {
		if !got.Has(k) && !strings.HasPrefix(k, "enterprise_") {
			t.Errorf("the field %s is missing", k)
		}
	}
}
