package slacktest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// long is a JSON string of n characters, each of two bytes: limits count characters.
func long(n int) string { return `"` + strings.Repeat("é", n) + `"` }

func plainText(n int) string { return `{"type":"plain_text","text":` + long(n) + `}` }

func mrkdwnText(n int) string { return `{"type":"mrkdwn","text":` + long(n) + `}` }

func repeat(n int, item func(i int) string) string {
	var all []string
	for i := range n {
		all = append(all, item(i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func button(id string, members string) string {
	return `{"type":"button","action_id":"` + id + `","text":` + plainText(1) + members + `}`
}

func optionOf(i int) string { return fmt.Sprintf(`{"text":%s,"value":"v%d"}`, plainText(3), i) }

func actions(elements ...string) string {
	return `[{"type":"actions","elements":[` + strings.Join(elements, ",") + `]}]`
}

func inputOf(element string) string {
	return `[{"type":"input","label":` + plainText(1) + `,"element":` + element + `}]`
}

func selectOf(members string) string {
	return `{"type":"static_select","action_id":"s"` + members + `}`
}

// chartOf is a chart with the categories of its first line.
func chartOf(lines ...string) string {
	var labels []string
	for _, part := range strings.Split(lines[0], `"label":`)[1:] {
		label, _, _ := strings.Cut(part, ",")
		labels = append(labels, label)
	}
	return `[{"type":"data_visualization","title":"t","chart":{"type":"line","series":[` + strings.Join(lines, ",") + `],"axis_config":{"categories":[` + strings.Join(labels, ",") + `]}}}]`
}

func lineOf(name string, points int) string {
	return `{"name":"` + name + `","data":` + repeat(points, func(i int) string { return fmt.Sprintf(`{"label":"%d Nov","value":%d}`, i, i-3) }) + `}`
}

func faultsOf(t *testing.T, blocks string, most int) *checker {
	t.Helper()
	v, err := decodeAny([]byte(blocks))
	if err != nil {
		t.Fatalf("%v in %s", err, blocks)
	}
	c := newChecker()
	c.blocks("", v, most)
	return c
}

func TestBlocksAtTheLimitsPass(t *testing.T) {
	fields := repeat(10, func(int) string { return mrkdwnText(2000) })
	confirm := `,"confirm":{"title":` + plainText(100) + `,"text":` + mrkdwnText(300) + `,"confirm":` + plainText(30) + `,"deny":` + plainText(30) + `,"style":"danger"}`
	for name, blocks := range map[string]string{
		"header":                    `[{"type":"header","text":` + plainText(150) + `}]`,
		"section":                   `[{"type":"section","block_id":` + long(255) + `,"text":` + mrkdwnText(3000) + `,"fields":` + fields + `}]`,
		"context":                   `[{"type":"context","elements":` + repeat(10, func(int) string { return mrkdwnText(9) }) + `}]`,
		"divider":                   `[{"type":"divider","block_id":"d"}]`,
		"actions":                   `[{"type":"actions","elements":` + repeat(25, func(i int) string { return button(fmt.Sprint(i), "") }) + `}]`,
		"button":                    actions(`{"type":"button","action_id":` + long(255) + `,"text":` + plainText(75) + `,"value":` + long(2000) + `,"url":"https://example.com/` + strings.Repeat("x", 2980) + `","style":"danger","accessibility_label":` + long(75) + confirm + `}`),
		"select":                    actions(selectOf(`,"options":` + repeat(100, optionOf) + `,"initial_option":` + optionOf(7) + `,"placeholder":` + plainText(150))),
		"groups":                    actions(selectOf(`,"option_groups":` + repeat(100, func(int) string { return `{"label":` + plainText(75) + `,"options":` + repeat(100, optionOf) + `}` }))),
		"external":                  actions(`{"type":"external_select","action_id":"e","min_query_length":0,"initial_option":` + optionOf(1) + `}`),
		"overflow":                  actions(`{"type":"overflow","action_id":"o","options":` + repeat(5, optionOf) + `}`),
		"input":                     `[{"type":"input","label":` + plainText(2000) + `,"hint":` + plainText(2000) + `,"optional":true,"dispatch_action":true,"element":{"type":"plain_text_input","action_id":"i","multiline":true,"min_length":0,"max_length":3000,"initial_value":` + long(3000) + `,"placeholder":` + plainText(150) + `,"focus_on_load":true,"dispatch_action_config":{"trigger_actions_on":["on_enter_pressed"]}}}]`,
		"chart":                     chartOf(lineOf("a", 20), lineOf("b", 20)),
		"fifty":                     repeat(50, func(int) string { return `{"type":"divider"}` }),
		"accessory":                 `[{"type":"section","text":` + plainText(3) + `,"accessory":` + button("a", "") + `}]`,
		"same action in two blocks": `[{"type":"actions","elements":[` + button("a", "") + `]},{"type":"actions","elements":[` + button("a", "") + `]}]`,
	} {
		if c := faultsOf(t, blocks, 50); len(c.faults) > 0 {
			t.Errorf("%s: %.300q", name, c.faults)
		}
	}
}

func TestBlocksBeyondTheLimits(t *testing.T) {
	for _, c := range []struct{ name, blocks, want string }{
		{"header", `[{"type":"header","text":` + plainText(151) + `}]`, "must be less than 151 characters [json-pointer:/blocks/0/text/text]"},
		{"header in mrkdwn", `[{"type":"header","text":` + mrkdwnText(1) + `}]`, "must be one of: plain_text [json-pointer:/blocks/0/text/type]"},
		{"header without text", `[{"type":"header"}]`, "missing required field: text [json-pointer:/blocks/0]"},
		{"section", section(strings.Repeat("é", 3001)), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"},
		{"empty text", section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		{"bare section", `[{"type":"section"}]`, "must define either `text` or `fields` [json-pointer:/blocks/0]"},
		{"fields", `[{"type":"section","fields":` + repeat(11, func(int) string { return plainText(1) }) + `}]`, "no more than 10 items allowed [json-pointer:/blocks/0/fields]"},
		{"field", `[{"type":"section","fields":[` + plainText(2001) + `]}]`, "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]"},
		{"context", `[{"type":"context","elements":[]}]`, "must provide at least 1 items [json-pointer:/blocks/0/elements]"},
		{"long context", `[{"type":"context","elements":` + repeat(11, func(int) string { return plainText(1) }) + `}]`, "no more than 10 items"},
		{"actions", `[{"type":"actions","elements":` + repeat(26, func(i int) string { return button(fmt.Sprint(i), "") }) + `}]`, "no more than 25 items"},
		{"button text", actions(`{"type":"button","text":` + plainText(76) + `}`), "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]"},
		{"button value", actions(button("a", `,"value":`+long(2001))), "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"},
		{"empty value", actions(button("a", `,"value":""`)), "must be more than 0 characters"},
		{"style", actions(button("a", `,"style":"default"`)), "must be one of: primary, danger"},
		{"url", actions(button("a", `,"url":"javascript:alert(1)"`)), "must be a valid URL"},
		{"label", actions(button("a", `,"accessibility_label":`+long(76))), "must be less than 76"},
		{"action id", actions(button(strings.Repeat("a", 256), "")), "must be less than 256"},
		{"action ids", actions(button("a", ""), button("a", "")), "`action_id` a already exists"},
		{"block ids", `[{"type":"divider","block_id":"d"},{"type":"divider","block_id":"d"}]`, "`block_id` d already exists"},
		{"block id", `[{"type":"divider","block_id":` + long(256) + `}]`, "must be less than 256"},
		{"options", actions(selectOf(`,"options":` + repeat(101, optionOf))), "no more than 100 items allowed [json-pointer:/blocks/0/elements/0/options]"},
		{"no options", actions(selectOf(`,"options":[]`)), "must provide at least 1 items"},
		{"options and groups", actions(selectOf(`,"options":[` + optionOf(1) + `],"option_groups":[]`)), "must define either `options` or `option_groups`"},
		{"neither", actions(selectOf("")), "must define either `options` or `option_groups`"},
		{"initial option", actions(selectOf(`,"options":[` + optionOf(1) + `],"initial_option":` + optionOf(2))), "must match one of the options"},
		{"option text", actions(selectOf(`,"options":[{"text":` + plainText(76) + `,"value":"v"}]`)), "must be less than 76"},
		{"option value", actions(selectOf(`,"options":[{"text":` + plainText(1) + `,"value":` + long(76) + `}]`)), "must be less than 76"},
		{"option description", actions(selectOf(`,"options":[{"text":` + plainText(1) + `,"value":"v","description":` + plainText(76) + `}]`)), "must be less than 76"},
		{"option in mrkdwn", actions(selectOf(`,"options":[{"text":` + mrkdwnText(1) + `,"value":"v"}]`)), "must be one of: plain_text"},
		{"placeholder", actions(selectOf(`,"options":[` + optionOf(1) + `],"placeholder":` + plainText(151))), "must be less than 151"},
		{"overflow", actions(`{"type":"overflow","action_id":"o","options":` + repeat(6, optionOf) + `}`), "no more than 5 items"},
		{"min query", actions(`{"type":"external_select","action_id":"e","min_query_length":-1}`), "must be an integer"},
		{"min query text", actions(`{"type":"external_select","action_id":"e","min_query_length":"0"}`), "must be an integer"},
		{"confirm", actions(button("a", `,"confirm":{"title":`+plainText(101)+`,"text":`+plainText(1)+`,"confirm":`+plainText(1)+`}`)), "missing required field: deny"},
		{"input label", `[{"type":"input","label":` + plainText(2001) + `,"element":{"type":"plain_text_input"}}]`, "must be less than 2001"},
		{"input without element", `[{"type":"input","label":` + plainText(1) + `}]`, "missing required field: element"},
		{"max length", inputOf(`{"type":"plain_text_input","max_length":3001}`), "must be an integer between 1 and 3000"},
		{"lengths", inputOf(`{"type":"plain_text_input","min_length":5,"max_length":4}`), "must not be greater than `max_length`"},
		{"dispatch", inputOf(`{"type":"plain_text_input","dispatch_action_config":{"trigger_actions_on":["never"]}}`), "must be one of: on_enter_pressed"},
		{"optional as text", `[{"type":"input","label":` + plainText(1) + `,"optional":"true","element":{"type":"plain_text_input"}}]`, "must be a valid boolean"},
		{"count", repeat(51, func(int) string { return `{"type":"divider"}` }), "no more than 50 items allowed [json-pointer:/blocks]"},
		{"a chart of 21 points", chartOf(lineOf("a", 21)), "no more than 20 items allowed [json-pointer:/blocks/0/chart/series/0/data]"},
		{"a chart of seven lines", chartOf(lineOf("a", 1), lineOf("b", 1), lineOf("c", 1), lineOf("d", 1), lineOf("e", 1), lineOf("f", 1), lineOf("g", 1)), "no more than 6 items"},
		{"two lines of one name", chartOf(lineOf("a", 2), lineOf("a", 2)), "must be unique [json-pointer:/blocks/0/chart/series/1/name]"},
		{"a point without a category", chartOf(lineOf("a", 2), lineOf("b", 3)), "must have one point for each category [json-pointer:/blocks/0/chart/series/1/data]"},
		{"a category without a point", chartOf(lineOf("a", 2), lineOf("b", 1)), "must have a point for each category [json-pointer:/blocks/0/chart/series/1/data]"},
		{"a long name", chartOf(lineOf(strings.Repeat("x", 21), 2)), "must be less than 21 characters"},
		{"a chart without a title", strings.Replace(chartOf(lineOf("a", 1)), `"title":"t",`, "", 1), "missing required field: title"},
		{"three charts", `[` + strings.Trim(strings.Repeat(","+strings.Trim(chartOf(lineOf("a", 1)), "[]"), 3), ",") + `]`, "no more than 2 charts"},
		{"no type", `[{}]`, "missing required field: type [json-pointer:/blocks/0]"},
		{"not an object", `["x"]`, "must be a valid object [json-pointer:/blocks/0]"},
		{"null", `[{"type":"section","text":null}]`, "must be a valid object [json-pointer:/blocks/0/text]"},
	} {
		got := faultsOf(t, c.blocks, 50)
		if !slices.ContainsFunc(got.faults, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%s: %.200q, want %q", c.name, got.faults, c.want)
		}
		if len(got.unknown) > 0 {
			t.Errorf("%s: reported as not simulated: %q", c.name, got.unknown)
		}
	}
}

// What Slack may know and the simulation does not is refused and reported.
func TestStrangersAreLoud(t *testing.T) {
	w := start(t)
	for _, c := range []struct{ blocks, want string }{
		{`[{"type":"rich_text","elements":[]}]`, "unsupported type: rich_text [json-pointer:/blocks/0/type]"},
		{`[{"type":"divider","colour":"red"}]`, "invalid additional property: colour [json-pointer:/blocks/0]"},
		{strings.Replace(chartOf(lineOf("a", 1)), `"line"`, `"pie"`, 1), "unsupported type: pie"},
		{actions(`{"type":"datepicker","action_id":"d"}`), "unsupported type: datepicker"},
		{actions(`{"type":"plain_text_input","action_id":"d"}`), "unsupported type: plain_text_input"},
		{inputOf(button("a", "")), "unsupported type: button"},
		{actions(button("a", `,"visible_to_user_ids":["U1"]`)), "invalid additional property: visible_to_user_ids"},
		{`[{"type":"context","elements":[{"type":"image","image_url":"x","alt_text":"y"}]}]`, "unsupported type: image"},
		{`[{"type":"section","text":{"type":"plain_text","text":"x","verbatim":true}}]`, "invalid additional property: verbatim"},
	} {
		m := w.form("chat.postMessage", "channel", room, "text", "x", "blocks", c.blocks)
		w.refused(m, "invalid_blocks")
		w.complained(c.want)
		meta, _ := m["response_metadata"].(map[string]any)
		messages, _ := json.Marshal(meta["messages"])
		errs, _ := json.Marshal(m["errors"])
		if !strings.Contains(string(messages), "[ERROR] ") || !strings.Contains(string(messages), c.want) || !strings.Contains(string(errs), c.want) {
			t.Errorf("answer %v, want %q", m, c.want)
		}
	}
	if c, _ := w.State().Conversation(room); len(c.Messages) != 0 {
		t.Errorf("refused messages were posted: %v", c.Messages)
	}
}

func TestViewLimits(t *testing.T) {
	base := func(members string) string {
		return `{"type":"modal","title":` + plainText(24) + `,"blocks":[]` + members + `}`
	}
	check := func(view string) *checker {
		v, err := decodeAny([]byte(view))
		if err != nil {
			t.Fatalf("%v in %s", err, view)
		}
		c := newChecker()
		c.viewObject("/view", v)
		return c
	}
	for _, good := range []string{
		base(`,"submit":` + plainText(24) + `,"close":` + plainText(24) + `,"callback_id":` + long(255) + `,"external_id":` + long(255) + `,"private_metadata":` + long(3000)),
		formView,
		`{"type":"home","blocks":` + repeat(100, func(int) string { return `{"type":"divider"}` }) + `}`,
	} {
		if c := check(good); len(c.faults) > 0 {
			t.Errorf("%.100s: %q", good, c.faults)
		}
	}
	for _, c := range []struct{ view, want string }{
		{`{"type":"modal","title":` + plainText(25) + `,"blocks":[]}`, "must be less than 25 characters [json-pointer:/view/title/text]"},
		{base(`,"submit":` + plainText(25)), "[json-pointer:/view/submit/text]"},
		{base(`,"private_metadata":` + long(3001)), "[json-pointer:/view/private_metadata]"},
		{base(`,"callback_id":` + long(256)), "[json-pointer:/view/callback_id]"},
		{base(`,"hash":"x"`), "invalid additional property: hash"},
		{`{"type":"modal","blocks":[]}`, "missing required field: title"},
		{`{"type":"home","title":` + plainText(1) + `,"blocks":[]}`, "invalid additional property: title"},
		{`{"type":"workflow_step","blocks":[]}`, "unsupported type: workflow_step"},
		{`{"type":"modal","title":` + plainText(1) + `,"blocks":` + inputOf(`{"type":"plain_text_input"}`) + `}`, "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0]"},
		{`{"type":"home","blocks":` + repeat(101, func(int) string { return `{"type":"divider"}` }) + `}`, "no more than 100 items"},
		{base(`,"notify_on_close":"yes"`), "must be a valid boolean"},
	} {
		got := check(c.view)
		if !slices.ContainsFunc(got.faults, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%.100s: %q, want %q", c.view, got.faults, c.want)
		}
	}
}
