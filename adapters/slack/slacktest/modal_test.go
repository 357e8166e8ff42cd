package slacktest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type fields = map[string]map[string]string

func whole() fields { return fields{"role": {"pick": "reader"}, "why": {"text": "because"}} }

func TestChange(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	out := w.must(w.Change(ctx(t), alice, id, "why", "text", "abc"))
	if out.Delivered || len(w.requests(pathInteractions)) != 0 {
		t.Errorf("an input without dispatch_action was delivered: %+v", out)
	}
	w.must(w.Change(ctx(t), alice, id, "role", "pick", "owner"))
	p := w.last(pathInteractions).payload(t)
	act := p["actions"].([]any)[0].(map[string]any)
	if act["type"] != "static_select" || act["selected_option"].(map[string]any)["value"] != "owner" {
		t.Errorf("action %v", act)
	}
	var got any = p["view"].(map[string]any)["state"].(map[string]any)["values"]
	want := map[string]any{
		"role":  map[string]any{"pick": map[string]any{"type": "static_select", "selected_option": map[string]any{"text": map[string]any{"type": "plain_text", "text": "Owner", "emoji": true}, "value": "owner"}}},
		"why":   map[string]any{"text": map[string]any{"type": "plain_text_input", "value": "abc"}},
		"scope": map[string]any{"find": map[string]any{"type": "external_select", "selected_option": nil}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, has := p["response_url"]; has {
		t.Error("an action in a view has a response_url")
	}
	if _, err := w.Change(ctx(t), alice, id, "role", "pick", "king"); !errors.Is(err, ErrNotPossible) {
		t.Errorf("an option that is not in the list: %v", err)
	}
	for _, c := range [][4]string{{bob, id, "role", "pick"}, {alice, "V0NONE", "role", "pick"}, {alice, id, "role", "other"}} {
		if _, err := w.Change(ctx(t), c[0], c[1], c[2], c[3], "reader"); !errors.Is(err, ErrNoSuch) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if v, _ := w.State().Top(alice); v.Values["role"]["pick"].String() != "owner" {
		t.Errorf("values %v", v.Values)
	}
}

func TestSubmitIncomplete(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	for _, c := range []struct {
		values fields
		want   []string
	}{
		{nil, []string{"role", "why"}},
		{fields{"role": {"pick": "reader"}, "why": {"text": "ab"}}, []string{"why"}},
		{fields{"why": {"text": strings.Repeat("é", 21)}}, []string{"why"}},
		{fields{"role": {"pick": ""}, "why": {"text": "because"}}, []string{"role"}},
	} {
		out := w.must(w.Submit(ctx(t), alice, id, c.values))
		if out.Delivered || len(out.Errors) != len(c.want) {
			t.Errorf("%v: %+v", c.values, out)
		}
		for _, block := range c.want {
			if out.Errors[block] == "" || out.View.Errors[block] == "" {
				t.Errorf("%v: no error under %s: %+v", c.values, block, out)
			}
		}
	}
	if n := len(w.requests(pathInteractions)); n != 0 {
		t.Errorf("%d incomplete forms were delivered", n)
	}
	if _, err := w.Submit(ctx(t), alice, id, fields{"role": {"pick": "king"}}); !errors.Is(err, ErrNotPossible) {
		t.Errorf("error %v", err)
	}
	if _, err := w.Submit(ctx(t), alice, id, fields{"none": {"x": "y"}}); !errors.Is(err, ErrNoSuch) {
		t.Errorf("error %v", err)
	}
}

func TestSubmitAnswers(t *testing.T) {
	w := start(t)
	open := func() string { return w.modal(alice, formView) }
	count := func() int { return len(w.State().Views) }

	out := w.must(w.Submit(ctx(t), alice, open(), whole()))
	if !out.Delivered || out.View != nil || count() != 0 {
		t.Errorf("an empty answer closes the view: %+v", out)
	}
	p := w.last(pathInteractions).payload(t)
	if p["type"] != "view_submission" || p["view"].(map[string]any)["private_metadata"] != "m" || p["trigger_id"] == "" {
		t.Errorf("payload %v", p)
	}

	w.onJSON(pathInteractions, `{"response_action":"errors","errors":{"why":"Too vague."}}`)
	id := open()
	out = w.must(w.Submit(ctx(t), alice, id, whole()))
	if out.Errors["why"] != "Too vague." || out.View.ID != id || count() != 1 {
		t.Errorf("outcome %+v", out)
	}
	// The trigger of a submission belongs to the stack, and an update takes the errors away.
	trigger := w.last(pathInteractions).payload(t)["trigger_id"].(string)
	pushed := w.ok(w.form("views.push", "trigger_id", trigger, "view", formView))["view"].(map[string]any)
	w.ok(w.form("views.update", "view_id", id, "view", formView))
	for _, v := range w.State().Views {
		if v.Errors != nil || v.RootID != id {
			t.Errorf("view %+v", v)
		}
	}
	w.must(w.Close(ctx(t), alice, pushed["id"].(string)))

	w.onJSON(pathInteractions, `{"response_action":"update","view":{"type":"modal","title":{"type":"plain_text","text":"Sent"},"blocks":`+section("sent")+`}}`)
	out = w.must(w.Submit(ctx(t), alice, id, whole()))
	if out.View.ID != id || out.View.Title != "Sent" || out.Errors != nil {
		t.Errorf("outcome %+v", out)
	}
	if _, err := w.Submit(ctx(t), alice, id, nil); !errors.Is(err, ErrNotPossible) {
		t.Errorf("a view without a submit button: %v", err)
	}
	w.must(w.Close(ctx(t), alice, id))

	w.onJSON(pathInteractions, `{"response_action":"push","view":`+formView+`}`)
	id = open()
	out = w.must(w.Submit(ctx(t), alice, id, whole()))
	if out.View.PreviousID != id || out.View.RootID != id || count() != 2 {
		t.Errorf("outcome %+v", out)
	}
	w.onJSON(pathInteractions, `{"response_action":"clear"}`)
	out = w.must(w.Submit(ctx(t), alice, out.View.ID, whole()))
	if out.View != nil || count() != 0 {
		t.Errorf("outcome %+v", out)
	}
}

func TestSubmitAnswersThatSlackRefuses(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	for _, bad := range []string{
		`{"response_action":"errors","errors":{"act":"no input"}}`,
		`{"response_action":"errors","errors":{}}`,
		`{"response_action":"explode"}`,
		`{"response_action":"update","view":{"type":"modal"}}`,
		`{"errors":{"why":"x"}}`,
		`{"response_action":"clear","extra":1}`,
		`not json`,
	} {
		w.onJSON(pathInteractions, bad)
		out := w.must(w.Submit(ctx(t), alice, id, whole()))
		if out.Notice != trouble || out.View == nil || out.View.ID != id {
			t.Errorf("%s: %+v", bad, out)
		}
		if len(w.complaints()) == 0 {
			t.Errorf("%s: nobody was told", bad)
		}
	}
	w.on(pathInteractions, func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(`{"response_action":"clear"}`)) })
	if out := w.must(w.Submit(ctx(t), alice, id, whole())); out.Notice != trouble {
		t.Errorf("text/plain was taken: %+v", out)
	}
	w.complained("application/json")
	w.on(pathInteractions, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
	if out := w.must(w.Submit(ctx(t), alice, id, whole())); out.Notice != trouble || out.Status != 500 {
		t.Errorf("outcome %+v", out)
	}
}

func TestClose(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	w.must(w.Close(ctx(t), alice, id))
	p := w.last(pathInteractions).payload(t)
	if p["type"] != "view_closed" || p["is_cleared"] != false || len(w.State().Views) != 0 {
		t.Errorf("payload %v", p)
	}
	silent := strings.Replace(formView, `"notify_on_close":true`, `"notify_on_close":false`, 1)
	id = w.modal(alice, silent)
	n := len(w.requests(pathInteractions))
	if out := w.must(w.Close(ctx(t), alice, id)); out.Delivered || len(w.requests(pathInteractions)) != n {
		t.Errorf("outcome %+v", out)
	}
	id = w.modal(alice, formView)
	w.onJSON(pathInteractions, `{"response_action":"push","view":`+strings.Replace(formView, `"notify_on_close"`, `"clear_on_close":true,"notify_on_close"`, 1)+`}`)
	top := w.must(w.Submit(ctx(t), alice, id, whole())).View
	w.on(pathInteractions, nil)
	n = len(w.requests(pathInteractions))
	w.must(w.Close(ctx(t), alice, top.ID))
	if got := len(w.requests(pathInteractions)) - n; got != 2 || len(w.State().Views) != 0 || w.last(pathInteractions).payload(t)["is_cleared"] != true {
		t.Errorf("%d view_closed, views %v", got, w.State().Views)
	}
	if _, err := w.Close(ctx(t), alice, top.ID); !errors.Is(err, ErrNoSuch) {
		t.Errorf("error %v", err)
	}
}

func TestSuggest(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	w.onJSON(pathOptions, `{"options":[`+optionOf(1)+`,`+optionOf(2)+`]}`)
	got, err := w.Suggest(ctx(t), alice, id, "scope", "find", "")
	if err != nil || len(got) != 2 || got[1].Value != "v2" {
		t.Fatalf("%v, %v", got, err)
	}
	if p := w.last(pathOptions).payload(t); p["type"] != "block_suggestion" || p["value"] != "" || p["action_id"] != "find" || p["block_id"] != "scope" {
		t.Errorf("payload %v", p)
	}
	values := whole()
	values["scope"] = map[string]string{"find": "v3"}
	if _, err := w.Submit(ctx(t), alice, id, values); !errors.Is(err, ErrNotPossible) {
		t.Errorf("an option that was not offered: %v", err)
	}
	w.onJSON(pathOptions, `{"option_groups":[{"label":{"type":"plain_text","text":"g"},"options":[`+optionOf(3)+`]}]}`)
	if got, err = w.Suggest(ctx(t), alice, id, "scope", "find", "x"); err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if out := w.must(w.Submit(ctx(t), alice, id, values)); !out.Delivered {
		t.Errorf("outcome %+v", out)
	}
	if _, err := w.Suggest(ctx(t), alice, w.modal(alice, strings.Replace(formView, `"min_query_length":0`, `"min_query_length":2`, 1)), "scope", "find", "x"); !errors.Is(err, ErrNotPossible) {
		t.Errorf("too short a query: %v", err)
	}
}

func TestSuggestAnswersThatSlackRefuses(t *testing.T) {
	w := start(t)
	id := w.modal(alice, formView)
	for _, bad := range []string{
		`{"options":` + repeat(101, optionOf) + `}`, `{}`, ``, `{"options":[{"text":"x","value":"y"}]}`, `{"options":[],"option_groups":[]}`,
	} {
		w.onJSON(pathOptions, bad)
		got, err := w.Suggest(ctx(t), alice, id, "scope", "find", "x")
		if err != nil || len(got) != 0 || !strings.Contains(w.State().Notices[alice].Text, "could not be loaded") {
			t.Errorf("%.60s: %v, %v", bad, got, err)
		}
		if len(w.complaints()) == 0 {
			t.Errorf("%.60s: nobody was told", bad)
		}
	}
}

func TestResponseURL(t *testing.T) {
	w := start(t)
	ts := w.ok(w.form("chat.postMessage", "channel", room, "text", "card", "blocks", approveCard))["ts"].(string)
	w.must(w.Press(ctx(t), alice, room, ts, "approve"))
	link := w.last(pathInteractions).payload(t)["response_url"].(string)
	post := func(link, body string) (int, map[string]any) {
		res, err := http.Post(link, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var m map[string]any
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, m
	}
	post(link, `{"text":"to you"}`)
	post(link, `{"replace_original":true,"text":"replaced"}`)
	c := mustConversation(t, w, room)
	if len(c.Messages) != 2 || c.Messages[0].Text != "replaced" || c.Messages[1].EphemeralTo != alice {
		t.Errorf("messages %+v", c.Messages)
	}
	if status, m := post(link, `{"text":"x","blocks":[{"type":"header"}]}`); status != 400 || m["error"] != "invalid_blocks" {
		t.Errorf("%d %v", status, m)
	}
	post(link, `{"delete_original":true}`)
	post(link, `{"response_type":"in_channel","text":"all"}`)
	if status, m := post(link, `{"text":"fifth"}`); status != 200 || m["ok"] != true {
		t.Errorf("%d %v", status, m)
	}
	if status, m := post(link, `{"text":"sixth"}`); status != 404 || m["error"] != "used_url" {
		t.Errorf("%d %v", status, m)
	}
	c = mustConversation(t, w, room)
	if len(c.Messages) != 3 || c.Messages[1].EphemeralTo != "" {
		t.Errorf("messages %+v", c.Messages)
	}

	w.must(w.Press(ctx(t), alice, room, w.ok(w.form("chat.postMessage", "channel", room, "text", "card", "blocks", approveCard))["ts"].(string), "approve"))
	link = w.last(pathInteractions).payload(t)["response_url"].(string)
	w.clock.advance(responseLife + 1)
	if status, m := post(link, `{"text":"late"}`); status != 404 || m["error"] != "expired_url" {
		t.Errorf("%d %v", status, m)
	}
	if status, _ := post(w.api.URL+"/actions/T0SIMULATED/1/none", `{"text":"x"}`); status != 404 {
		t.Errorf("an unknown URL: %d", status)
	}
	post(w.lastCommandURL(), `{"text":"x","metadata":{"event_type":"","event_payload":null}}`)
	w.complained("metadata")
}

// lastCommandURL is the response URL of a command.
func (w *world) lastCommandURL() string {
	w.trigger(alice)
	body := string(w.last(pathCommands).body)
	_, rest, _ := strings.Cut(body, "response_url=")
	link, _, _ := strings.Cut(rest, "&")
	return formDecoded(link)
}
