package slack

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	"github.com/google/go-cmp/cmp"
)

const payloads = "testdata/payloads"

// TestPayloads sends every sample as Slack would and says what becomes of it.
func TestPayloads(t *testing.T) {
	const (
		interactions = "/slack/interactions"
		options      = "/slack/options"
		events       = "/slack/events"
		commands     = "/slack/commands"
	)
	press := bot.Press{Verb: "a", ID: "click_me_123"} // ephemeral: no copy
	unmatched := bot.Press{Verb: "action-id-value", ID: "click_me_123"}
	search := func(field string) bot.Said {
		return bot.Search{Verb: "view-id", Field: field, Text: "search word"}
	}
	type outcome struct {
		path   string
		status int
		said   bot.Said // nil: the handler is not called
	}
	want := map[string]outcome{
		"block_actions-test_authorize-block_actions_body.json":                        {interactions, 200, press},
		"block_actions-test_block_actions-body.json":                                  {interactions, 200, press},
		"block_actions-test_builtins-body.json":                                       {interactions, 400, nil}, // of nobody
		"block_actions-test_error_handler-body.json":                                  {interactions, 400, nil}, // on no message
		"block_actions-test_unmatched_suggestions-block_actions.json":                 {interactions, 200, unmatched},
		"block_actions-test_unmatched_suggestions-filtered_body.json":                 {interactions, 400, nil},
		"block_suggestion-test_block_suggestion-body.json":                            {options, 200, search("es_a")},
		"block_suggestion-test_unmatched_suggestions-block_suggestion.json":           {options, 200, search("the-id")},
		"block_suggestion-test_unmatched_suggestions-filtered_body.json":              {options, 400, nil},
		"event-app_home_opened-test_events_org_apps-event_payload.json":               {events, 200, nil},
		"event-app_mention-test_app-app_mention_event_body.json":                      {events, 200, nil},
		"event-app_mention-test_app_bot_only-app_mention_body.json":                   {events, 200, nil},
		"event-app_mention-test_builtins-event_payload.json":                          {events, 200, nil},
		"event-app_mention-test_events_request_verification-app_mention_body.json":    {events, 200, nil},
		"event-app_mention-test_events_say_stream-org_app_mention_event_body.json":    {events, 200, nil},
		"event-app_mention-test_events_shared_channels-valid_event_body.json":         {events, 200, nil},
		"event-app_mention-test_unmatched_suggestions-filtered_body.json":             {events, 403, nil},
		"event-app_uninstalled-test_events-app_uninstalled_body.json":                 {events, 200, nil},
		"event-app_uninstalled-test_events_shared_channels-app_uninstalled_body.json": {events, 200, nil},
		"event-app_uninstalled-test_events_token_revocations-event_payload.json":      {events, 200, nil},
		"event-tokens_revoked-test_events-tokens_revoked_body.json":                   {events, 200, nil},
		"event-tokens_revoked-test_events_shared_channels-tokens_revoked_body.json":   {events, 200, nil},
		"event-tokens_revoked-test_events_token_revocations-event_payload.json":       {events, 200, nil},
		"slash-test_asgi_http.txt":                                                    {commands, 200, bot.Command{Text: "Hi"}},
		"slash-test_wsgi_http.txt":                                                    {commands, 200, nil}, // ssl_check
		"url_verification-test_asgi_http-body_data.json":                              {events, 200, nil},
		"view_closed-test_unmatched_suggestions-filtered_body.json":                   {interactions, 400, nil},
		"view_closed-test_unmatched_suggestions-view_closed.json":                     {interactions, 200, nil},
		"view_submission-test_unmatched_suggestions-filtered_body.json":               {interactions, 400, nil},
		"view_submission-test_unmatched_suggestions-step_save_payload.json":           {interactions, 400, nil}, // no modal
		"view_submission-test_unmatched_suggestions-view_submission.json":             {interactions, 200, bot.Submit{Verb: "view-id", Values: map[string]string{"maBWU": "test"}}},
		"view_submission-test_view_submission-connect_channel_payload.json":           {interactions, 403, nil}, // another app
		"view_submission-test_view_submission-response_url_payload_body.json":         {interactions, 200, bot.Submit{Verb: "view-id", Values: map[string]string{}}},
	}
	files, err := filepath.Glob(filepath.Join(payloads, "boltpy-*"))
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d samples and %d expectations (%v)", len(files), len(want), err)
	}
	for _, file := range files {
		name := strings.TrimPrefix(filepath.Base(file), "boltpy-")
		t.Run(name, func(t *testing.T) {
			body, contentType := sample(t, file)
			w, ok := want[name]
			if !ok {
				t.Fatal("nobody said what is expected")
			}
			h := &heard{}
			got := deliver(bare(t, h), w.path, contentType, body)
			if got.Code != w.status {
				t.Errorf("answered %d %s, want %d", got.Code, got.Body, w.status)
			}
			var said bot.Said
			for _, in := range h.take() {
				said = in.Said
				if in.User.Platform != bot.Slack || in.User.Tenant != "T111" || in.User.ID == "" || in.At.ID == "" {
					t.Errorf("heard it from %+v at %+v", in.User, in.At)
				}
			}
			if diff := cmp.Diff(w.said, said); diff != "" {
				t.Errorf("the handler heard (-want +got):\n%s", diff)
			}
			if name == "url_verification-test_asgi_http-body_data.json" && !strings.Contains(got.Body.String(), "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P") {
				t.Errorf("the challenge was answered with %q", got.Body)
			}
		})
	}
}

// sample is a file as the body that Slack would send.
func sample(t testing.TB, file string) (body []byte, contentType string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(file)
	switch {
	case strings.HasPrefix(name, "boltpy-slash"):
		return []byte(strings.TrimSpace(string(raw))), formType
	case strings.HasPrefix(name, "boltpy-event"), strings.HasPrefix(name, "boltpy-url"):
		return raw, "application/json"
	}
	return []byte("payload=" + url.QueryEscape(string(raw))), formType
}

func samples(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(payloads, "boltpy-*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, _ := sample(f, file)
		f.Add(body)
	}
}

// TestTheMessageIsLeftOut: what is read of a delivery does not depend on whether its message
// is looked at.
func TestTheMessageIsLeftOut(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(payloads, "boltpy-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all [][]byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	left := 0
	const rest = `"type":"block_actions","value":"message","trigger_id":"1"`
	for _, s := range []string{
		`{"message":{"text":"\"}],{\\","blocks":[{"a":[1,2]}]},` + rest + `}`,
		`{` + rest + `,"message" : [{"message":{"value":"no"}},"]"]}`,
		`{"message":"a, b}",` + rest + `,"message":{"value":"no"}}`,
		`{` + rest + `,"view":{"private_metadata":"message","id":"V"},"message":7}`,
		`{` + rest + `,"m\u0065ssage":{"value":"no"}}`,
		`[{"message":{"value":"no"}}]`,
	} {
		all = append(all, []byte(s))
	}
	for _, raw := range all {
		from, to, err := walk(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if to > from {
			left++
		}
		var got, want interaction
		if a, b := decode(raw, &got) == nil, json.Unmarshal(raw, &want) == nil; a != b {
			t.Errorf("decoded: %t, as a whole: %t: %s", a, b, raw)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s\n%s", raw, d)
		}
	}
	if left != 4 {
		t.Errorf("%d payloads were shortened, want 4", left)
	}
}

// An unfinished payload is refused, wherever it ends.
func TestUnfinishedPayload(t *testing.T) {
	whole := []byte(`{"type":"block_actions","user":{"id":"U1","team_id":"T1"},"message":{"text":"\u00e4 \"b\"","blocks":[{}]},"container":{"message_ts":"1.2","channel_id":"C1"},"actions":[{"type":"button","action_id":"approve"}]}`)
	if _, err := parseInteraction(formType, []byte("payload="+url.QueryEscape(string(whole)))); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if in, err := parseInteraction(formType, []byte("payload="+url.QueryEscape(string(whole[:n])))); err == nil {
			t.Errorf("taken: %s: %+v", whole[:n], in)
		}
	}
}

// FuzzUnescape: a payload is decoded as Go's own decoder of forms does it.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"", "a+b", "%7B%22a%22%3a1%7d", "%", "%2", "%zz", "%00", "a%2", "ä"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, escaped []byte) {
		if strings.ContainsAny(string(escaped), "&;") {
			return
		}
		got, err := payload(formType, append([]byte("payload="), escaped...))
		want, other := url.QueryUnescape(string(escaped))
		if strings.Contains(want, "\x00") {
			other = errors.New("not text")
		}
		if (err == nil) != (other == nil) || err == nil && string(got) != want {
			t.Errorf("%q, %v; by net/url %q, %v", got, err, want, other)
		}
	})
}

// text fails for a string that no later step could carry.
func text(t *testing.T, all ...string) {
	t.Helper()
	for _, s := range all {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			t.Errorf("%q got through", s)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	samples(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseCommand(formType, body)
		if err != nil || c.sslCheck {
			return
		}
		text(t, c.text, c.user, c.team, c.channel, c.name, c.trigger)
		if c.user == "" || c.team == "" || c.channel == "" {
			t.Errorf("a command of nobody got through: %+v", c)
		}
	})
}

func FuzzParseInteraction(f *testing.F) {
	samples(f)
	f.Add([]byte("payload=" + url.QueryEscape(`{"type":"view_submission","user":{"id":"U"},"team":{"id":"T"},"view":{"id":"V","type":"modal","private_metadata":"{\"id\":\"f\",\"rev\":3,\"at\":\"C\"}","state":{"values":{"a#1":{"a":{"selected_option":{"value":"x"}}},"b#2":{"b":{"value":null}}}}}}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := parseInteraction(formType, body)
		if err != nil {
			return
		}
		o := in.origin()
		text(t, o.user, o.team, o.name, o.channel, in.View.CallbackID, in.View.Memo, in.Value)
		if o.user == "" || o.team == "" {
			t.Errorf("an interaction of nobody got through: %s", body)
		}
		now := in.standing()
		form := bot.Form{ID: in.memo().ID, Verb: bot.VerbAsk, Title: "T"}
		for name, v := range now.values() {
			text(t, name, v)
			form.Fields = append(form.Fields, bot.Field{Name: name, Value: v})
		}
		if _, err := json.Marshal(formView(form, in.memo(), now)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseEvent(f *testing.F) {
	samples(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, err := parseEvent(body); err == nil {
			text(t, e.Challenge, e.TeamID, e.ID, e.Event.Type)
		}
	})
}
