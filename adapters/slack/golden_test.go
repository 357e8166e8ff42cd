package slack

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/google/go-cmp/cmp"
	slackgo "github.com/slack-go/slack"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// TestGolden shows in the diff what a change does to the words of the product.
func TestGolden(t *testing.T) {
	for _, sp := range bottest.Specimens() {
		t.Run(sp.Name, func(t *testing.T) {
			var rendered any
			if sp.Form != nil {
				rendered = formView(*sp.Form, memo{Channel: "C0OPS", Revision: 1}, nil)
			} else {
				rendered = struct {
					Text   string         `json:"text"`
					Blocks slackgo.Blocks `json:"blocks"`
				}{notice(*sp.Card), slackgo.Blocks{BlockSet: blocks(cardsOf(sp.Reply())...)}}
			}
			got := pretty(t, rendered)
			file := filepath.Join("testdata", "golden", sp.Name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-golden +rendered; run with -update if this is meant):\n%s", diff)
			}
			checkLimits(t, got)
		})
	}
}

func pretty(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(b.String())) // for people
}

// checkLimits holds a message or modal to the limits that Slack publishes, told
// by the place where a string or list stands.
func checkLimits(t *testing.T, rendered []byte) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(rendered, &root); err != nil {
		t.Fatal(err)
	}
	most, whole := 50, 13200
	if root["type"] == "modal" {
		most, whole = 100, 250<<10
	}
	all, _ := root["blocks"].([]any)
	if len(all) == 0 || len(all) > most {
		t.Errorf("%d blocks, want 1 to %d", len(all), most)
	}
	if b, err := json.Marshal(root["blocks"]); err != nil || len([]rune(string(b))) > whole {
		t.Errorf("the blocks are %d characters as JSON, want %d at the most (%v)", len(b), whole, err)
	}
	for _, key := range []string{"title", "submit", "close"} {
		textLimit(t, key, root[key], 24)
	}
	stringLimit(t, "text", root["text"], 0, 4000)
	stringLimit(t, "callback_id", root["callback_id"], 1, 255)
	stringLimit(t, "private_metadata", root["private_metadata"], 0, 3000)
	ids := make(map[string]bool)
	for i, b := range all {
		at := fmt.Sprintf("blocks[%d]", i)
		block := b.(map[string]any)
		if id, ok := block["block_id"].(string); ok && ids[id] {
			t.Errorf("%s: the block id %q is there twice", at, id)
		} else if ok {
			ids[id] = true
		}
		stringLimit(t, at+".block_id", block["block_id"], 1, 255)
		text := 3000
		if block["type"] == "header" {
			text = 150
		}
		textLimit(t, at+".text", block["text"], text)
		textLimit(t, at+".label", block["label"], 2000)
		textLimit(t, at+".hint", block["hint"], 2000)
		for _, f := range items(t, at, block, "fields", 10) {
			textLimit(t, at+".fields", f, 2000)
		}
		elements := 25
		if block["type"] == "context" {
			elements = 10
		}
		actions := make(map[any]bool)
		for _, e := range items(t, at, block, "elements", elements) {
			element := e.(map[string]any)
			if block["type"] == "context" {
				textLimit(t, at, e, 3000)
				continue
			}
			if id := element["action_id"]; actions[id] {
				t.Errorf("%s: the action id %v is there twice", at, id)
			} else {
				actions[id] = true
			}
			elementLimits(t, at, element)
		}
		if e, ok := block["element"].(map[string]any); ok {
			elementLimits(t, at+".element", e)
		}
	}
}

func elementLimits(t *testing.T, at string, e map[string]any) {
	t.Helper()
	stringLimit(t, at+".action_id", e["action_id"], 1, 255)
	stringLimit(t, at+".value", e["value"], 1, 2000)
	stringLimit(t, at+".url", e["url"], 1, 3000)
	stringLimit(t, at+".accessibility_label", e["accessibility_label"], 1, 75)
	stringLimit(t, at+".initial_value", e["initial_value"], 1, 3000)
	textLimit(t, at+".text", e["text"], 75)
	textLimit(t, at+".placeholder", e["placeholder"], 150)
	most := 100
	if e["type"] == "checkboxes" {
		most = 10
	}
	options := append(items(t, at, e, "options", most), items(t, at, e, "initial_options", most)...)
	if initial, ok := e["initial_option"]; ok {
		options = append(options, initial)
	}
	if at, has := e["initial_date_time"].(float64); has && (at < 1e9 || at >= 1e10) {
		t.Errorf("%v is no time of ten digits", at)
	}
	if (e["type"] == "static_select" || e["type"] == "multi_static_select") && len(options) == 0 {
		t.Errorf("%s has no options", at)
	}
	for _, o := range options {
		option := o.(map[string]any)
		textLimit(t, at+".option.text", option["text"], 75)
		textLimit(t, at+".option.description", option["description"], 75)
		stringLimit(t, at+".option.value", option["value"], 1, 75)
	}
}

func items(t *testing.T, at string, m map[string]any, key string, most int) []any {
	t.Helper()
	list, _ := m[key].([]any)
	if _, there := m[key]; there && (len(list) == 0 || len(list) > most) {
		t.Errorf("%s.%s has %d items, want 1 to %d", at, key, len(list), most)
	}
	return list
}

func textLimit(t *testing.T, at string, v any, most int) {
	t.Helper()
	if v == nil {
		return
	}
	object, ok := v.(map[string]any)
	if !ok || object["type"] != "plain_text" && object["type"] != "mrkdwn" {
		t.Errorf("%s is no text object: %v", at, v)
		return
	}
	stringLimit(t, at, object["text"], 1, most)
}

func stringLimit(t *testing.T, at string, v any, least, most int) {
	t.Helper()
	if v == nil {
		return
	}
	s, ok := v.(string)
	if n := len(utf16.Encode([]rune(s))); !ok || n < least || n > most {
		t.Errorf("%s is %d long, want %d to %d", at, n, least, most)
	}
}

// TestBlocksFit puts far too much into a card.
func TestBlocksFit(t *testing.T) {
	c := bot.Card{Title: bottest.Long, Text: bottest.Long, Note: bottest.Long, Tone: bot.Bad}
	for i := range 30 {
		c.Facts = append(c.Facts, bot.Fact{Name: bottest.Long, Value: bottest.Long})
		c.Actions = append(c.Actions, bot.Action{Label: bottest.Long, Verb: bot.VerbShow, ID: fmt.Sprint(i)})
	}
	checkLimits(t, pretty(t, map[string]any{"text": notice(c), "blocks": slackgo.Blocks{BlockSet: blocks(c)}}))
	checkLimits(t, pretty(t, cardView(memo{}, c)))
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"four", 4, "four"}, {"fiver", 4, "fiv…"}, {"ab cd", 4, "ab…"},
		{"🧑🧑🧑", 6, "🧑🧑🧑"}, {"🧑🧑🧑", 5, "🧑🧑…"}, {"🧑🧑🧑", 4, "🧑…"}, {"", 4, ""},
	} {
		if got := cut(c.in, c.most); got != c.want || width(got) > c.most {
			t.Errorf("cut(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}
