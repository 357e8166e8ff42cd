package teams

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
)

func TestCommand(t *testing.T) {
	const us = "28:" + appID
	at := func(text string) mention { return mention{us, text} }
	for _, c := range []struct {
		name, kind, text string
		mentions         []mention
		targeted         bool
		want             string
		deaf             bool
	}{
		{name: "slash", kind: "personal", text: "/elevate reader 1h", want: "reader 1h"},
		{name: "no slash, any case", kind: "personal", text: " ELEVATE  reader ", want: "reader"},
		{name: "alone", kind: "personal", text: "/elevate", want: ""},
		{name: "NBSP", kind: "personal", text: "/elevate\u00a0reader\u00a01h", want: "reader 1h"},
		{name: "lines", kind: "personal", text: "/elevate reader\nbecause", want: "reader\nbecause"},
		{name: "bare word", kind: "personal", text: "Status", want: "Status"},
		{name: "bare words", kind: "personal", text: "stop user administrator", want: "stop user administrator"},
		{name: "other text", kind: "personal", text: "hello there", want: "help"},
		{name: "longer word", kind: "personal", text: "elevated privileges", want: "help"},
		{name: "nothing", kind: "personal", want: "help"},
		{name: "mention in the chat", kind: "personal", text: "<at>Belay</at> status", mentions: []mention{at("<at>Belay</at>")}, want: "status"},
		{name: "channel", kind: "channel", text: "<at>Belay</at>&nbsp;/elevate reader", mentions: []mention{at("<at>Belay</at>")}, want: "reader"},
		{name: "mention behind", kind: "channel", text: "/elevate reader <at>Belay</at>", mentions: []mention{at("<at>Belay</at>")}, want: "reader"},
		{name: "mention of somebody else too", kind: "groupChat", text: "<at>Belay</at> /elevate reader for <at>Bob</at>", mentions: []mention{{"29:bob", "<at>Bob</at>"}, at("<at>Belay</at>")}, want: "reader for <at>Bob</at>"},
		{name: "mention and other text", kind: "channel", text: "<at>Belay</at> hi", mentions: []mention{at("<at>Belay</at>")}, want: "help"},
		{name: "targeted", kind: "channel", text: "/elevate reader", targeted: true, want: "reader"},
		{name: "not addressed", kind: "channel", text: "/elevate reader", deaf: true},
		{name: "somebody else is addressed", kind: "channel", text: "<at>Bob</at> /elevate", mentions: []mention{{"29:bob", "<at>Bob</at>"}}, deaf: true},
		{name: "typed, not mentioned", kind: "channel", text: "<at>Belay</at> /elevate", deaf: true},
		{name: "entity of a text that is not there", kind: "channel", text: "/elevate", mentions: []mention{at("<at>Belay</at>")}, deaf: true},
	} {
		d := &delivery{Activity: schema.Activity{Text: c.text, Recipient: schema.ChannelAccount{ID: us},
			Conversation: schema.ConversationAccount{ConversationType: c.kind}}, mentions: c.mentions, targeted: c.targeted}
		got, ok := command(d)
		if got != c.want || ok == c.deaf {
			t.Errorf("%s: %q gave %q, %v", c.name, c.text, got, ok)
		}
	}
}

func TestPressedReadsOnlyWhatBelayWrote(t *testing.T) {
	in := func(kind string) *delivery {
		return &delivery{Activity: schema.Activity{ReplyToID: "17", Conversation: schema.ConversationAccount{ID: "19:x;messageid=17", ConversationType: kind}},
			user: bot.User{Tenant: tenantID}}
	}
	d := in("channel")
	copied := d.copyAt()
	if copied.ID != "17" || copied.Conversation.ID != "19:x" {
		t.Fatalf("the copy is %+v", copied)
	}
	for _, c := range []struct {
		raw, verb string
		want      bot.Said
	}{
		{`{"verb":"approve","id":"R1"}`, "approve", bot.Press{Verb: "approve", ID: "R1", Copy: copied}},
		{`{"verb":"approve","id":"R1"}`, "", bot.Press{Verb: "approve", ID: "R1", Copy: copied}},
		{`{"verb":"approve","id":"R1","shown":"targeted"}`, "", bot.Press{Verb: "approve", ID: "R1"}},
		{`{"verb":"approve","id":"R1","shown":"chat"}`, "", bot.Press{Verb: "approve", ID: "R1", Copy: copied}},
		{`{"verb":"approve","id":"R1","shown":"what"}`, "", bot.Press{Verb: "approve", ID: "R1", Copy: copied}},
		{`{"verb":"approve","id":"R1"}`, "deny", bot.Press{}},
		{`{"verb":7}`, "", bot.Press{}},
		{`"approve"`, "", bot.Press{}},
		{`null`, "", bot.Press{Copy: copied}},
		{``, "", bot.Press{}},
		{`{"verb":"` + strings.Repeat("x", 65) + `"}`, "", bot.Press{}},
		{`{"id":"` + strings.Repeat("x", 513) + `"}`, "", bot.Press{}},
		{`{"verb":"ask","id":"F","form":true,"role":"r1","n":7,"verb2":"x"}`, "ask", bot.Submit{Verb: "ask", ID: "F", Copy: copied, Values: map[string]string{"role": "r1", "verb2": "x"}}},
		{`{"verb":"ask","id":"F","form":true,"live":{"role":"r1"},"role":"r1"}`, "", bot.Submit{Verb: "ask", ID: "F", Copy: copied, Values: map[string]string{"role": "r1"}}},
		{`{"verb":"ask","id":"F","form":true,"live":{"role":"r1"},"role":"r2"}`, "", bot.Change{Verb: "ask", ID: "F", Values: map[string]string{"role": "r2"}}},
		{`{"verb":"ask","id":"F","form":true,"live":{"role":"r1"}}`, "", bot.Change{Verb: "ask", ID: "F", Values: map[string]string{}}},
	} {
		if diff := cmp.Diff(c.want, pressed(d, json.RawMessage(c.raw), c.verb).said); diff != "" {
			t.Errorf("%s: %s", c.raw, diff)
		}
	}
	for _, c := range []struct {
		kind        string
		shown, want shown
	}{
		{"personal", inChat, inChat}, {"personal", asTargeted, onRecord}, {"personal", "what", onRecord},
		{"channel", inChat, onRecord}, {"channel", asTargeted, asTargeted},
		{"groupChat", inChat, onRecord}, {"groupChat", asTargeted, asTargeted}, {"", inChat, onRecord},
	} {
		raw, err := json.Marshal(data{Verb: "status", Shown: c.shown})
		if err != nil {
			t.Fatal(err)
		}
		if got := pressed(in(c.kind), raw, "").shown; got != c.want {
			t.Errorf("a card in a %q that calls itself %q is taken for %q, want %q", c.kind, c.shown, got, c.want)
		}
	}
}

func TestHosts(t *testing.T) {
	public, err := newHosts(DefaultServiceHosts(), false)
	if err != nil {
		t.Fatal(err)
	}
	for u, good := range map[string]bool{
		"https://smba.trafficmanager.net/emea/":             true,
		"https://smba.trafficmanager.net":                   true,
		"https://SMBA.TrafficManager.NET:443/teams/":        true,
		"https://smba.infra.gcc.teams.microsoft.com/teams":  true,
		"https://smba.infra.gov.teams.microsoft.us/teams":   true,
		"https://smba.infra.dod.teams.microsoft.us/teams":   true,
		"http://smba.trafficmanager.net/emea/":              false,
		"https://smba.trafficmanager.net:8443/emea/":        false,
		"https://smba.trafficmanager.net./emea/":            false,
		"https://evil.trafficmanager.net/emea/":             false,
		"https://smba.trafficmanager.net.evil.example/":     false,
		"https://smba.trafficmanager.net@evil.example/":     false,
		"https://u:p@smba.trafficmanager.net/":              false,
		"https://evil.example/smba.trafficmanager.net":      false,
		"https://evil.example#@smba.trafficmanager.net/":    false,
		"https://smba.traffi\u212amanager.net/":             false,
		"https://smba.trafficmanager.net/a/../b":            false,
		"https:smba.trafficmanager.net":                     false,
		"https://smba.trafficmanager.net/%2e%2e/":           false,
		"https://smba.trafficmanager.net/?next=evil":        false,
		"https://" + strings.Repeat("a", 2000) + ".example": false,
	} {
		if _, err := public.check(u); (err == nil) != good {
			t.Errorf("%q: %v", u, err)
		}
	}
	local, err := newHosts([]string{"127.0.0.1:3978", "intranet:80"}, true)
	if err != nil {
		t.Fatal(err)
	}
	for u, good := range map[string]bool{
		"http://127.0.0.1:3978/x": true, "http://127.0.0.1:3979/x": false, "http://intranet:80/x": false, "https://127.0.0.1:3978/": true,
	} {
		if _, err := local.check(u); (err == nil) != good {
			t.Errorf("%q: %v", u, err)
		}
	}
	for _, bad := range []string{"", "https://x", "x/y", "*.trafficmanager.net", "u@x", "x y", ":443", "x?y"} {
		if _, err := newHosts([]string{bad}, false); err == nil {
			t.Errorf("%q is taken for a host", bad)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := New(Options{OpenIDMetadata: "http://login.example/x", ServiceHosts: []string{"a b"}})
	if err == nil {
		t.Fatal("an empty configuration was taken")
	}
	for _, want := range []string{"AppID", "TenantID", "Credential", "Handler", "OpenIDMetadata", "ServiceHosts"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not among the faults: %v", want, err)
		}
	}
	a, err := New(Options{AppID: appID, TenantID: tenantID, Credential: noToken{}, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.http.CloseIdleConnections()
	got := []string{a.opts.Scope, a.opts.OpenIDMetadata, a.opts.Issuer, a.opts.ServiceURL}
	if want := []string{DefaultScope, DefaultOpenIDMetadata, DefaultIssuer, DefaultServiceURL}; !slices.Equal(got, want) {
		t.Errorf("the defaults are %q", got)
	}
	for name, o := range map[string]Options{
		"http for others":    {OpenIDMetadata: "http://login.example/x", AllowHTTP: true},
		"URL of no host":     {ServiceURL: "https://evil.example/"},
		"an id with a slash": {AppID: "a/b"},
	} {
		o.AppID, o.TenantID, o.Credential, o.Handler = or(o.AppID, appID), tenantID, noToken{}, &heard{}
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// FuzzMembersOf: the members of an object are those that encoding/json finds.
func FuzzMembersOf(f *testing.F) {
	for _, s := range []string{``, `null`, `5`, `"{"`, `[{"a":1}]`, `{}`, ` { } `, `{"a":1}`, `{"a" : [1,{"b":"}"},"]"] , "b":{"a":{"a":"\\\""}},"c":"x\"y\\"}`,
		`{"a":1,"a":2,"A":3}`, `{"\u0061":"b","":null,"\"":true}`, `{"a":"` + "\xff" + `"}`, `{"a":1}{"b":2}`, `{"a":1,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want map[string]json.RawMessage
		valid := utf8.Valid(body) && json.Unmarshal(body, &want) == nil && want != nil
		got, ok := membersOf(body)
		if ok != valid {
			t.Fatalf("%q is an object: %t, by encoding/json %t", body, ok, valid)
		}
		if !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%q has %q, by encoding/json %q", body, got, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"message","id":"1","text":"<at>B</at> /elevate","entities":[{"type":"mention","text":"<at>B</at>","mentioned":{"id":"28:x"}}],"recipient":{"id":"28:x","isTargeted":true}}`))
	f.Add([]byte(`{"type":"invoke","value":{"action":{"verb":"ask","data":{"verb":"ask","id":"F","form":true,"live":{"role":""},"role":"r"}}}}`))
	f.Add([]byte(`{"type":"invoke","value":{"queryText":"a","dataset":"field=role&id=F&verb=ask","queryOptions":{"top":-1}}}`))
	f.Add([]byte(`{"value":null,"entities":[1,"x",{}],"timestamp":"","attachments":[{"content":"<p>"}],"channelData":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, normalised, err := decode(body)
		if err != nil {
			return
		}
		if json.Unmarshal(normalised, &d.Activity) != nil {
			return
		}
		if text, ok := command(&d); ok && strings.TrimSpace(text) != text {
			t.Errorf("the command is %q", text)
		}
		if c := d.copyAt(); c.ID != "" && !safeID(c.ID) {
			t.Errorf("the copy is %+v", c)
		}
		if p := pressed(&d, d.value, ""); p.said == nil {
			t.Error("nothing was said")
		}
		if _, top, ok := searched(d.value); ok && (top < 1 || top > maxFound) {
			t.Errorf("%d options are wanted", top)
		}
	})
}
