package teamstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is Microsoft's description of the connector.
type contract struct {
	t        *testing.T
	compiler *jsonschema.Compiler
}

func newContract(t *testing.T) contract {
	t.Helper()
	raw, err := os.ReadFile("testdata/botframework-ConnectorAPI.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // what Swagger 2.0 builds on
	c.AssertFormat()
	if err := c.AddResource("connector.json", document); err != nil {
		t.Fatal(err)
	}
	return contract{t, c}
}

// holds fails the test unless raw is what the description calls definition.
func (c contract) holds(definition string, raw []byte) {
	c.t.Helper()
	schema, err := c.compiler.Compile("connector.json#/definitions/" + definition)
	if err != nil {
		c.t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		c.t.Fatalf("%s: %q: %v", definition, raw, err)
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s is no %s: %v", raw, definition, err)
	}
}

func TestConnectorKeepsTheContract(t *testing.T) {
	r, c := newRig(t, nil), newContract(t)
	personal := r.alice().Personal
	got := r.must(r.call("POST", activities(personal), `{"type":"message","text":"hello"}`), 201, "")
	c.holds("ResourceResponse", got.raw)
	id := got.body.ID
	c.holds("ResourceResponse", r.must(r.call("PUT", activities(personal)+"/"+id, `{"type":"message","text":"bye"}`), 200, "").raw)
	c.holds("ErrorResponse", r.must(r.call("PUT", activities(personal)+"/1", `{"type":"message","text":"bye"}`), 404, "ActivityNotFoundInConversation").raw)
	c.holds("ConversationResourceResponse", r.must(r.call("POST", "/v3/conversations", create(bobOID)), 201, "").raw)
	members := r.call("GET", "/v3/conversations/"+url.PathEscape(channelID)+"/members", "")
	var roster []json.RawMessage
	if err := json.Unmarshal(members.raw, &roster); err != nil || len(roster) != 2 {
		t.Fatalf("members: %s, %v", members.raw, err)
	}
	for _, m := range roster {
		c.holds("ChannelAccount", m)
	}
	if gone := r.must(r.call("DELETE", activities(personal)+"/"+id, ""), 200, ""); len(gone.raw) != 0 {
		t.Errorf("DELETE answers %q", gone.raw)
	}
	// What goes to the bot is an Activity, but for the content of an HTML
	// attachment, which the description wants to be an object.
	if err := r.Install(ctx(t), "Alice", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Message(ctx(t), "Alice", channelID, "hi", true); err != nil {
		t.Fatal(err)
	}
	for _, h := range r.took(3) {
		delete(h.activity, "attachments")
		raw, err := json.Marshal(h.activity)
		if err != nil {
			t.Fatal(err)
		}
		c.holds("Activity", raw)
	}
}

func create(id string) string {
	return fmt.Sprintf(`{"bot":{"id":"28:%s"},"isGroup":false,"members":[{"id":%q}],"tenantId":%q,"channelData":{"tenant":{"id":%q}}}`, appID, id, tenantID, tenantID)
}

func TestCreateConversation(t *testing.T) {
	r := newRig(t, nil)
	bob := r.State().Person("Bob")
	for _, id := range []string{bob.ID, bobOID, strings.ToUpper(bobOID)} {
		if got := r.must(r.call("POST", "/v3/conversations", create(id)), 201, ""); got.body.ID != bob.Personal {
			t.Errorf("%s: conversation %q, want %q", id, got.body.ID, bob.Personal)
		}
	}
	withActivity := strings.TrimSuffix(create(bobOID), "}") + `,"activity":{"type":"message","text":"hi"}}`
	if got := r.must(r.call("POST", "/v3/conversations", withActivity), 201, ""); got.body.ActivityID != r.only("", "Bob").ID {
		t.Errorf("activity %q", got.body.ActivityID)
	}
	for _, c := range []struct {
		body string
		want int
		code string
	}{
		{create(daveOID), 403, "BotNotInConversationRoster"},
		{create(r.State().Person("Dave").ID), 403, "BotNotInConversationRoster"},
		{create("99999999-9999-4999-8999-999999999999"), 403, "BotNotInConversationRoster"},
		{create("29:1nobody"), 400, "BadArgument"},
		{create("bob@contoso.example"), 400, "BadArgument"},
		{strings.ReplaceAll(create(bobOID), tenantID, bobOID), 403, "BotNotInConversationRoster"},
		{strings.Replace(create(bobOID), `"isGroup":false`, `"isGroup":true`, 1), 400, "BadSyntax"},
		{`{"bot":{"id":"28:` + appID + `"},"members":[{"id":"` + bobOID + `"}]}`, 400, "BadSyntax"},
		{`{"isGroup":true,"channelData":{"channel":{"id":"` + channelID + `"}}}`, 400, "BadSyntax"},
		{`{"isGroup":true,"channelData":{"channel":{"id":"19:other@thread.tacv2"}},"activity":{"type":"message","text":"x"}}`, 404, "ConversationNotFound"},
	} {
		r.must(r.call("POST", "/v3/conversations", c.body), c.want, c.code)
	}
	got := r.must(r.call("POST", "/v3/conversations", `{"isGroup":true,"channelData":{"channel":{"id":"`+channelID+`"}},"activity":{"type":"message","text":"news"}}`), 201, "")
	if got.body.ID != channelID+";messageid="+got.body.ActivityID || r.only(channelID, "Alice").Text != "news" {
		t.Errorf("thread %q, activity %q", got.body.ID, got.body.ActivityID)
	}
}

func TestBearerIsChecked(t *testing.T) {
	r := newRig(t, nil)
	good := r.token
	r.advance(-2 * time.Hour)
	old := r.fetchToken(200, nil)
	r.advance(2 * time.Hour)
	strange := newRig(t, nil).token // signed by another login
	for name, token := range map[string]string{
		"none": "", "garbage": "Bearer x.y.z", "basic": "Basic " + good, "expired": "Bearer " + old, "another issuer": "Bearer " + strange,
		"one that Teams sends": "Bearer " + r.Token(nil, KeyCurrent), "no signature": "Bearer " + good[:strings.LastIndex(good, ".")+1],
		"an endless one": "Bearer " + strings.Repeat(".", 9<<10),
	} {
		req, err := http.NewRequest("POST", r.connector.URL+"/v3/conversations", strings.NewReader(create(bobOID)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", token)
		if got := r.do(req); got.status != 401 || strings.Contains(string(got.raw), "token") {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if n := r.Counts().Connector; n != 0 {
		t.Errorf("%d calls were let in", n)
	}
}

func TestActivitiesRefused(t *testing.T) {
	r := newRig(t, nil)
	mine := r.post(r.alice().Personal, approval)
	his, err := r.Message(ctx(t), "Alice", "", "hi", false)
	if err != nil {
		t.Fatal(err)
	}
	here := activities(r.alice().Personal)
	const hello = `{"type":"message","text":"hello"}`
	for _, c := range []struct {
		name, method, path, body string
		want                     int
		code, report             string
	}{
		{"unknown conversation", "POST", activities("a:1nothing"), hello, 404, "ConversationNotFound", ""},
		{"unknown thread", "POST", activities(channelID + ";messageid=1"), hello, 404, "ConversationNotFound", ""},
		{"not installed", "POST", activities(r.State().Person("Dave").Personal), hello, 403, "BotNotInConversationRoster", ""},
		{"unknown activity", "PUT", here + "/1", hello, 404, "ActivityNotFoundInConversation", ""},
		{"activity of another conversation", "PUT", activities(channelID) + "/" + mine, hello, 404, "ActivityNotFoundInConversation", ""},
		{"another's activity", "PUT", here + "/" + his, hello, 403, "NotEnoughPermissions", ""},
		{"reply to nothing", "POST", here + "/1", hello, 404, "ActivityNotFoundInConversation", ""},
		{"empty conversation", "POST", here, `{"type":"message","text":"x","conversation":{}}`, 400, "BadArgument", ""},
		{"too big", "POST", here, `{"type":"message","text":"` + strings.Repeat("x", 51<<10) + `"}`, 413, "MessageSizeTooBig", ""},
		{"far too big", "POST", here, `{"type":"message","text":"` + strings.Repeat("x", 500<<10) + `"}`, 413, "MessageSizeTooBig", ""},
		{"year 1", "POST", here, `{"type":"message","text":"x","timestamp":"0001-01-01T00:00:00Z"}`, 400, "BadArgument", "year 1"},
		{"unknown member", "POST", here, `{"type":"message","text":"x","relatesTo":{}}`, 400, "BadSyntax", "relatesTo"},
		{"wrong shape", "POST", here, `{"type":"message","text":1}`, 400, "BadSyntax", "text"},
		{"two values", "POST", here, hello + hello, 400, "BadSyntax", "more than one"},
		{"wrong type", "POST", here, `{"type":"event"}`, 400, "BadArgument", "event"},
		{"no recipient id", "POST", here, `{"type":"message","text":"x","recipient":{}}`, 400, "BadArgument", "recipient"},
		{"from a user", "POST", here, `{"type":"message","text":"x","from":{"id":"29:1"}}`, 400, "BadArgument", "from"},
		{"another conversation", "POST", here, `{"type":"message","text":"x","conversation":{"id":"a:1x"}}`, 400, "BadArgument", "conversation"},
		{"text beside a card", "POST", here, strings.Replace(withCard(approval), `"summary"`, `"text"`, 1), 400, "BadSyntax", "multiple"},
		{"empty", "POST", here, `{"type":"message"}`, 400, "BadSyntax", "empty"},
		{"bad card", "POST", here, withCard(`{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock"}]}`), 400, "BadSyntax", "card is refused"},
		{"wrong attachment", "POST", here, `{"type":"message","attachments":[{"contentType":"image/png"}]}`, 400, "BadArgument", "image/png"},
		{"mention not in the text", "POST", here, `{"type":"message","text":"x","entities":[{"type":"mention","text":"<at>A</at>","mentioned":{"id":"29:1"}}]}`, 400, "BadSyntax", "mention"},
		{"unknown query", "POST", here + "?x=1", hello, 400, "BadArgument", "query"},
		{"another id", "PUT", here + "/" + mine, `{"type":"message","id":"7","text":"x"}`, 400, "BadArgument", `"7"`},
		{"delete with a body", "DELETE", here + "/" + mine, `{}`, 400, "BadArgument", "body"},
		{"unknown route", "GET", "/v3/conversations", "", 404, "NotFound", "knows no GET"},
		{"unknown method", "PATCH", here, hello, 404, "NotFound", "knows no PATCH"},
		{"doubled slash", "POST", "/" + here, hello, 404, "NotFound", "knows no POST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := r.State().Revision
			r.must(r.call(c.method, c.path, c.body), c.want, c.code)
			if c.report != "" {
				r.complained(c.report)
			}
			if r.State().Revision != before {
				t.Error("it changed the world")
			}
		})
	}
	req, err := http.NewRequest("POST", r.connector.URL+here, strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	r.must(r.do(req), 400, "BadSyntax")
	r.complained("content type")
	// A deleted message is gone.
	r.must(r.call("DELETE", here+"/"+mine, ""), 200, "")
	r.must(r.call("PUT", here+"/"+mine, hello), 404, "ActivityNotFoundInConversation")
	if a := r.only("", "Alice"); a.ID != his {
		t.Errorf("Alice still sees %+v", a)
	}
}

func TestReplies(t *testing.T) {
	r := newRig(t, nil)
	root := r.post(channelID, approval)
	r.must(r.call("POST", activities(channelID)+"/"+root, `{"type":"message","text":"in the thread","replyToId":"`+root+`"}`), 201, "")
	if n := len(r.State().In(channelID+";messageid="+root, "Bob")); n != 2 {
		t.Errorf("the thread has %d messages, want 2", n)
	}
	// An answer to an invoke names an id that is no message's.
	r.must(r.call("POST", activities(r.alice().Personal)+"/f:7", `{"type":"message","text":"x"}`), 201, "")
	r.must(r.call("POST", activities(channelID), `{"type":"typing"}`), 201, "")
	r.must(r.call("POST", activities("a:1x"), `{"type":"typing"}`), 404, "ConversationNotFound")
}

func TestMembers(t *testing.T) {
	r := newRig(t, nil)
	bob := r.State().Person("Bob")
	base := "/v3/conversations/" + url.PathEscape(channelID) + "/members/"
	for _, id := range []string{bob.ID, bobOID} {
		var m member
		if err := json.Unmarshal(r.must(r.call("GET", base+id, ""), 200, "").raw, &m); err != nil {
			t.Fatal(err)
		}
		if m.ID != bob.ID || m.AADObjectID != bobOID || m.ObjectID != bobOID || m.UserPrincipalName != "bob@contoso.example" || m.TenantID != tenantID {
			t.Errorf("member: %+v", m)
		}
	}
	r.must(r.call("GET", base+daveOID, ""), 404, "MemberNotFoundInConversation")
	r.must(r.call("GET", "/v3/conversations/x/members/"+bobOID, ""), 404, "ConversationNotFound")
	r.must(r.call("GET", "/v3/conversations/"+r.State().Person("Dave").Personal+"/members/"+daveOID, ""), 403, "BotNotInConversationRoster")
}

func TestTargetedMessages(t *testing.T) {
	r := newRig(t, nil)
	flag := "?isTargetedActivity=true"
	to := func(id string) string { return `{"type":"message","text":"psst","recipient":{"id":"` + id + `"}}` }
	alice := r.alice().ID
	id := r.must(r.call("POST", activities(channelID)+flag, to(alice)), 201, "").body.ID
	if a := r.only(channelID, "Alice"); a.Text != "psst" || len(r.State().In(channelID, "Bob")) != 0 {
		t.Errorf("Alice sees %+v", a)
	}
	r.must(r.call("POST", activities(channelID)+flag, `{"type":"message","text":"x"}`), 400, "BadArgument")
	r.must(r.call("POST", activities(channelID)+flag, to(r.State().Person("Dave").ID)), 400, "BadArgument")
	r.must(r.call("POST", activities(r.alice().Personal)+flag, to(alice)), 400, "BadArgument")
	r.must(r.call("PUT", activities(channelID)+"/"+id+flag, to(alice)), 400, "BadArgument")
	r.must(r.call("PUT", activities(channelID)+"/"+id, `{"type":"message","text":"x"}`), 404, "ActivityNotFoundInConversation")
	r.must(r.call("PUT", activities(channelID)+"/"+id+flag, `{"type":"message","text":"changed"}`), 200, "")
	if a := r.only(channelID, "Alice"); a.Text != "changed" || a.Only != "Alice" {
		t.Errorf("Alice sees %+v", a)
	}
	r.advance(24*time.Hour - time.Second)
	r.token = r.fetchToken(200, nil)
	r.must(r.call("PUT", activities(channelID)+"/"+id+flag, `{"type":"message","text":"late"}`), 200, "")
	r.advance(time.Second)
	r.must(r.call("PUT", activities(channelID)+"/"+id+flag, `{"type":"message","text":"too late"}`), 404, "ActivityNotFoundInConversation")
	r.must(r.call("DELETE", activities(channelID)+"/"+id+flag, ""), 404, "ActivityNotFoundInConversation")
}

func TestUnkindConnector(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Unkind = Unkind{Throttle: 3, Precondition: 4, LoseUpdate: 2} })
	here := activities(r.alice().Personal)
	const hello = `{"type":"message","text":"hello"}`
	id := r.must(r.call("POST", here, hello), 201, "").body.ID
	put := func(text string) reply { return r.call("PUT", here+"/"+id, `{"type":"message","text":"`+text+`"}`) }
	r.must(put("one"), 200, "")
	if got := r.must(put("throttled"), 429, "Throttled"); got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
	}
	r.must(put("precondition"), 412, "PreconditionFailed")
	if a := r.only("", "Alice"); a.Text != "one" {
		t.Errorf("what was refused was done: %q", a.Text)
	}
	r.must(put("two"), 502, "ServiceError") // done, but the answer is lost
	if a := r.only("", "Alice"); a.Text != "two" {
		t.Errorf("text = %q", a.Text)
	}
	r.Kind()
	for range 12 {
		r.must(put("kind"), 200, "")
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Unkind = Unkind{Limits: true} })
	const hello = `{"type":"message","text":"hello"}`
	var got []int
	for range 9 {
		got = append(got, r.call("POST", activities(r.alice().Personal), hello).status)
	}
	if !slices.Equal(got, []int{201, 201, 201, 201, 201, 201, 201, 429, 429}) {
		t.Errorf("within a second: %v", got)
	}
	r.must(r.call("POST", activities(channelID), hello), 201, "") // another conversation
	r.advance(time.Second)
	r.must(r.call("POST", activities(r.alice().Personal), hello), 201, "")
	r.must(r.call("POST", activities(r.alice().Personal), hello), 429, "Throttled") // the ninth in two seconds
}
