package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func multiOf(members string) string {
	return `{"type":"multi_static_select","action_id":"m"` + members + `}`
}

func boxesOf(members string) string {
	return `{"type":"checkboxes","action_id":"c"` + members + `}`
}

func momentOf(members string) string {
	return `{"type":"datetimepicker","action_id":"d"` + members + `}`
}

func TestFieldElementsAtTheLimitsPass(t *testing.T) {
	three := `,"options":` + repeat(3, optionOf)
	for name, blocks := range map[string]string{
		"several":            inputOf(multiOf(`,"options":` + repeat(100, optionOf) + `,"initial_options":` + repeat(100, optionOf) + `,"max_selected_items":100,"placeholder":` + plainText(150))),
		"several, searched":  inputOf(`{"type":"multi_external_select","action_id":"m","min_query_length":0,"max_selected_items":2,"initial_options":` + repeat(2, optionOf) + `}`),
		"several beside":     `[{"type":"section","text":` + plainText(1) + `,"accessory":` + multiOf(three) + `}]`,
		"boxes":              inputOf(boxesOf(`,"options":` + repeat(10, optionOf) + `,"initial_options":[` + optionOf(9) + `]`)),
		"boxes with markup":  actions(boxesOf(`,"options":[{"text":` + mrkdwnText(75) + `,"value":"v","description":` + mrkdwnText(75) + `}]`)),
		"a time":             inputOf(momentOf(`,"initial_date_time":1628633820`)),
		"a time among other": actions(momentOf(""), button("a", "")),
	} {
		if c := faultsOf(t, blocks, 50); len(c.faults) > 0 {
			t.Errorf("%s: %.300q", name, c.faults)
		}
	}
}

func TestFieldElementsBeyondTheLimits(t *testing.T) {
	for _, c := range []struct{ name, blocks, want string }{
		{"several in actions", actions(multiOf(`,"options":` + repeat(3, optionOf))), "unsupported type: multi_static_select"},
		{"no options", inputOf(multiOf("")), "must define either `options` or `option_groups`"},
		{"too many options", inputOf(multiOf(`,"options":` + repeat(101, optionOf))), "no more than 100 items"},
		{"another one is chosen", inputOf(multiOf(`,"options":[` + optionOf(1) + `],"initial_options":[` + optionOf(2) + `]`)), "must match one of the options"},
		{"nothing is chosen", inputOf(multiOf(`,"options":[` + optionOf(1) + `],"initial_options":[]`)), "must provide at least 1 items"},
		{"one is chosen", inputOf(multiOf(`,"options":[` + optionOf(1) + `],"initial_option":` + optionOf(1))), "invalid additional property: initial_option"},
		{"more are chosen than may be", inputOf(multiOf(`,"options":` + repeat(3, optionOf) + `,"initial_options":` + repeat(3, optionOf) + `,"max_selected_items":2`)), "no more than 2 items"},
		{"none may be chosen", inputOf(multiOf(`,"options":[` + optionOf(1) + `],"max_selected_items":0`)), "must be an integer between 1"},
		{"options of a search", inputOf(`{"type":"multi_external_select","options":[` + optionOf(1) + `]}`), "invalid additional property: options"},
		{"boxes", inputOf(boxesOf(`,"options":` + repeat(11, optionOf))), "no more than 10 items"},
		{"no boxes", inputOf(boxesOf("")), "missing required field: options"},
		{"a placeholder of boxes", inputOf(boxesOf(`,"options":[` + optionOf(1) + `],"placeholder":` + plainText(1))), "invalid additional property: placeholder"},
		{"a time beside", `[{"type":"section","text":` + plainText(1) + `,"accessory":` + momentOf("") + `}]`, "unsupported type: datetimepicker"},
		{"a time of 9 digits", inputOf(momentOf(`,"initial_date_time":999999999`)), "must be an integer between 1000000000"},
		{"a time in milliseconds", inputOf(momentOf(`,"initial_date_time":1628633820000`)), "must be an integer between 1000000000"},
		{"a time in words", inputOf(momentOf(`,"initial_date_time":"2026-11-23"`)), "must be an integer"},
		{"a placeholder of a time", inputOf(momentOf(`,"placeholder":` + plainText(1))), "invalid additional property: placeholder"},
		{"radio buttons", inputOf(`{"type":"radio_buttons","options":[` + optionOf(1) + `]}`), "unsupported type: radio_buttons"},
	} {
		if got := fmt.Sprint(faultsOf(t, c.blocks, 50).faults); !strings.Contains(got, c.want) {
			t.Errorf("%s: %.300s, want %q", c.name, got, c.want)
		}
	}
}

// fieldsView has one input of each kind, filled in.
var fieldsView = `{"type":"modal","callback_id":"fields","title":{"type":"plain_text","text":"Fields"},"submit":{"type":"plain_text","text":"Send"},"blocks":[
	{"type":"input","block_id":"roles","label":{"type":"plain_text","text":"Roles"},"dispatch_action":true,
		"element":` + multiOf(`,"max_selected_items":2,"options":[`+optionOf(1)+`,`+optionOf(2)+`,`+optionOf(3)+`],"initial_options":[`+optionOf(2)+`]`) + `},
	{"type":"input","block_id":"found","optional":true,"label":{"type":"plain_text","text":"Found"},
		"element":{"type":"multi_external_select","action_id":"m","min_query_length":0,"initial_options":[` + optionOf(7) + `]}},
	{"type":"input","block_id":"start","optional":true,"label":{"type":"plain_text","text":"Start"},"element":` + momentOf(`,"initial_date_time":1796054400`) + `},
	{"type":"input","block_id":"agree","label":{"type":"plain_text","text":"Agree"},"element":` + boxesOf(`,"options":[{"text":{"type":"plain_text","text":"Yes"},"value":"yes"}]`) + `}]}`

func TestFieldValues(t *testing.T) {
	w := start(t)
	id := w.modal(alice, fieldsView)
	out := w.must(w.Submit(ctx(t), alice, id, nil))
	if out.Delivered || out.Errors["agree"] == "" || len(out.Errors) != 1 {
		t.Errorf("without the tick: %+v", out)
	}
	for _, c := range [][3]string{
		{"roles", "m", "v1,v2,v3"}, {"roles", "m", "v1,v1"}, {"roles", "m", "v9"}, {"roles", "m", "v1,"}, {"found", "m", "v8"}, {"start", "d", "soon"}, {"start", "d", "-1"}, {"agree", "c", "no"},
	} {
		if _, err := w.Change(ctx(t), alice, id, c[0], c[1], c[2]); !errors.Is(err, ErrNotPossible) {
			t.Errorf("%v: %v", c, err)
		}
	}
	w.onJSON(pathOptions, `{"options":[`+optionOf(8)+`]}`)
	if found, err := w.Suggest(ctx(t), alice, id, "found", "m", ""); err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	w.must(w.Change(ctx(t), alice, id, "roles", "m", ""))
	act := w.last(pathInteractions).payload(t)["actions"].([]any)[0].(map[string]any)
	if chosen, ok := act["selected_options"].([]any); act["type"] != "multi_static_select" || !ok || len(chosen) != 0 {
		t.Errorf("clearing gave %v", act)
	}
	w.must(w.Submit(ctx(t), alice, id, fields{"roles": {"m": "v3,v1"}, "found": {"m": "v7,v8"}, "start": {"d": "1796058000"}, "agree": {"c": "yes"}}))
	got := w.last(pathInteractions).payload(t)["view"].(map[string]any)["state"].(map[string]any)["values"]
	option := func(n int) map[string]any {
		return map[string]any{"text": map[string]any{"type": "plain_text", "text": "ééé", "emoji": true}, "value": fmt.Sprint("v", n)}
	}
	want := map[string]any{
		"roles": map[string]any{"m": map[string]any{"type": "multi_static_select", "selected_options": []any{option(3), option(1)}}},
		"found": map[string]any{"m": map[string]any{"type": "multi_external_select", "selected_options": []any{option(7), option(8)}}},
		"start": map[string]any{"d": map[string]any{"type": "datetimepicker", "selected_date_time": 1796058000.0}},
		"agree": map[string]any{"c": map[string]any{"type": "checkboxes", "selected_options": []any{
			map[string]any{"text": map[string]any{"type": "plain_text", "text": "Yes", "emoji": true}, "value": "yes"}}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEmptyFieldValues(t *testing.T) {
	for kind, want := range map[string]string{
		"multi_static_select": `{"type":"multi_static_select","selected_options":[]}`,
		"checkboxes":          `{"type":"checkboxes","selected_options":[]}`,
		"datetimepicker":      `{"type":"datetimepicker","selected_date_time":null}`,
	} {
		got, err := json.Marshal(Value{Type: kind})
		var again Value
		if err == nil {
			err = json.Unmarshal(got, &again)
		}
		if err != nil || string(got) != want || again.String() != "" {
			t.Errorf("%s: %s %q %v", kind, got, again.String(), err)
		}
	}
}

func TestFieldsAreRendered(t *testing.T) {
	w := start(t)
	w.modal(alice, fieldsView)
	v, _ := w.State().Top(alice)
	got := RenderView(v)
	for _, want := range []string{
		`<span class="boxes" role="group" data-block-id="roles" data-action-id="m" aria-required="true" data-dispatch="true" aria-label="Roles" data-most="2"><label class="box"><input type="checkbox" value="v1"> `,
		`value="v2" checked> `, `data-external="true" data-min-query-length="0"><label class="box"><input type="checkbox" value="v7" checked> `,
		`<input type="datetime-local" data-at="2026-11-30T16:00:00Z" data-block-id="start"`, `<span class="boxes" role="group" data-block-id="agree"`, `<label class="box"><input type="checkbox" value="yes"> `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

const homeView = `{"type":"home","blocks":[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"stop","value":"r1","text":{"type":"plain_text","text":"Stop"}}]}]}`

func TestHome(t *testing.T) {
	w := start(t)
	w.refused(w.form("views.publish", "view", homeView), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", "U0NOBODY", "view", homeView), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", alice, "view", formView), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", alice, "view", strings.Replace(homeView, `"type":"home",`, `"type":"home","blocks":[],"private_metadata":"`+strings.Repeat("x", 250_000)+`",`, 1)), "view_too_large")
	w.refused(w.form("views.publish", "user_id", alice, "view", `{"type":"home","blocks":`+repeat(101, func(int) string { return `{"type":"divider"}` })+`}`), "invalid_arguments")
	w.refused(w.form("views.publish", "user_id", alice, "view", homeView, "hash", "1.none"), "hash_conflict")
	first := w.ok(w.form("views.publish", "user_id", alice, "view", homeView))["view"].(map[string]any)
	second := w.ok(w.form("views.publish", "user_id", alice, "view", homeView, "hash", first["hash"].(string)))["view"].(map[string]any)
	w.refused(w.form("views.publish", "user_id", alice, "view", homeView, "hash", first["hash"].(string)), "hash_conflict")
	if first["id"] != second["id"] || first["type"] != "home" || len(w.State().Homes) != 1 || len(w.State().Views) != 0 {
		t.Errorf("published %v, then %v", first, second)
	}

	w.must(w.OpenHome(ctx(t), alice))
	event := func() map[string]any {
		var e struct {
			Event map[string]any `json:"event"`
		}
		if err := json.Unmarshal(w.last(pathEvents).body, &e); err != nil {
			t.Fatal(err)
		}
		return e.Event
	}
	if e := event(); e["tab"] != "home" || e["view"].(map[string]any)["hash"] != second["hash"] {
		t.Errorf("the event is %v", e)
	}
	w.must(w.OpenMessages(ctx(t), alice))
	if e := event(); e["tab"] != "messages" || e["view"] != nil {
		t.Errorf("the event is %v", e)
	}

	id := second["id"].(string)
	w.must(w.Change(ctx(t), alice, id, "b", "stop", ""))
	p := w.last(pathInteractions).payload(t)
	if p["container"].(map[string]any)["type"] != "view" || p["view"].(map[string]any)["type"] != "home" || p["response_url"] != nil || p["channel"] != nil || p["message"] != nil {
		t.Errorf("a press in the Home tab is %v", p)
	}
	// Its trigger opens a modal.
	w.ok(w.form("views.open", "trigger_id", p["trigger_id"].(string), "view", formView))
	if _, err := w.Change(ctx(t), bob, id, "b", "stop", ""); !errors.Is(err, ErrNoSuch) {
		t.Errorf("Bob uses Alice's Home tab: %v", err)
	}
}

func TestNoHome(t *testing.T) {
	w := start(t)
	w.opts.NoHome = true
	w.refused(w.form("views.publish", "user_id", alice, "view", homeView), "not_enabled")
	if _, err := w.OpenHome(ctx(t), alice); !errors.Is(err, ErrNotPossible) {
		t.Errorf("a Home tab that is switched off was opened: %v", err)
	}
}
