package teams

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"github.com/infracloudio/msbotbuilder-go/schema"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

func pimPrincipal(id string) pim.Principal { return pim.Principal{ID: id} }

func wantCode(t *testing.T, err error, op string, code bot.ChatCode) *bot.ChatError {
	t.Helper()
	var e *bot.ChatError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *bot.ChatError", err)
	}
	if e.Platform != bot.Teams || e.Op != op || e.Code != code {
		t.Errorf("got %v, want %s: %s", e, op, code)
	}
	return e
}

type answered struct {
	code      bot.ChatCode
	ambiguous bool
	after     time.Duration
}

// TestErrors is the table of what the connector may answer.
func TestErrors(t *testing.T) {
	r := kindRig(t)
	m, err := r.a.Post(t.Context(), channelAt(), "key", asked)
	r.must(err)
	date := r.clock.now().Add(90 * time.Second).Format(http.TimeFormat)
	for _, c := range []struct {
		status       int
		code, after  string
		post, update answered
	}{
		{400, "BadArgument", "", answered{code: bot.ChatRefused}, answered{code: bot.ChatRefused}},
		{401, "BotNotRegistered", "", answered{code: bot.ChatRefused}, answered{code: bot.ChatRefused}},
		{403, "BotNotInConversationRoster", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatUnreachable}},
		{403, "BotDisabledByAdmin", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatUnreachable}},
		{403, "ConversationBlockedByUser", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatUnreachable}},
		{403, "MessageWritesBlocked", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatUnreachable}},
		{403, "InvalidBotApiHost", "", answered{code: bot.ChatRefused}, answered{code: bot.ChatRefused}},
		{404, "ConversationNotFound", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatUnreachable}},
		{404, "ActivityNotFoundInConversation", "", answered{code: bot.ChatGone}, answered{code: bot.ChatGone}},
		{404, "", "", answered{code: bot.ChatUnreachable}, answered{code: bot.ChatGone}},
		{412, "PreconditionFailed", "", answered{code: bot.ChatUnavailable}, answered{code: bot.ChatUnavailable}},
		{413, "MessageSizeTooBig", "", answered{code: bot.ChatRefused}, answered{code: bot.ChatRefused}},
		{429, "Throttled", "7", answered{code: bot.ChatThrottled, after: 7 * time.Second}, answered{code: bot.ChatThrottled, after: 7 * time.Second}},
		{429, "Throttled", date, answered{code: bot.ChatThrottled, after: 90 * time.Second}, answered{code: bot.ChatThrottled, after: 90 * time.Second}},
		{429, "", "1000000000000", answered{code: bot.ChatThrottled, after: 24 * time.Hour}, answered{code: bot.ChatThrottled, after: 24 * time.Hour}},
		{429, "", "-3", answered{code: bot.ChatThrottled}, answered{code: bot.ChatThrottled}},
		{500, "ServiceError", "", answered{code: bot.ChatUnavailable, ambiguous: true}, answered{code: bot.ChatUnavailable}},
		{502, "", "", answered{code: bot.ChatUnavailable, ambiguous: true}, answered{code: bot.ChatUnavailable}},
		{503, "ServiceUnavailable", "2", answered{code: bot.ChatUnavailable, ambiguous: true, after: 2 * time.Second}, answered{code: bot.ChatUnavailable, after: 2 * time.Second}},
		{504, "", "", answered{code: bot.ChatUnavailable, ambiguous: true}, answered{code: bot.ChatUnavailable}},
		{302, "", "", answered{code: bot.ChatRefused}, answered{code: bot.ChatRefused}},
	} {
		refuse := func(w http.ResponseWriter, req *http.Request) {
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				t.Error(err)
			}
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(c.status)
			if c.code != "" {
				if err := json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": c.code, "message": "m"}}); err != nil {
					t.Error(err)
				}
			}
		}
		r.front.next(refuse)
		_, err := r.a.Post(t.Context(), channelAt(), "key", asked)
		e := wantCode(t, err, "post", c.post.code)
		if got := (answered{e.Code, e.Ambiguous, e.After}); got != c.post {
			t.Errorf("post answered %d %s: %+v, want %+v", c.status, c.code, got, c.post)
		}
		r.front.next(refuse)
		e = wantCode(t, r.a.Update(t.Context(), m, asked), "update", c.update.code)
		if got := (answered{e.Code, e.Ambiguous, e.After}); got != c.update {
			t.Errorf("update answered %d %s: %+v, want %+v", c.status, c.code, got, c.update)
		}
		r.front.next(refuse)
		if err := r.a.Whisper(t.Context(), channelAt(), user(carolID), asked); err == nil {
			t.Errorf("whisper answered %d went well", c.status)
		}
	}
}

func TestLostAnswerOfAPostIsAmbiguous(t *testing.T) {
	r := kindRig(t)
	for name, h := range map[string]http.HandlerFunc{
		"the connection breaks":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no id":                  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) },
		"an id that is no id":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"../x"}`) },
		"half an answer":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"1`) },
		"an answer that is HTML": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) },
	} {
		r.front.next(h)
		_, err := r.a.Post(t.Context(), channelAt(), "key", asked)
		if e := wantCode(t, err, "post", bot.ChatUnavailable); !e.Ambiguous {
			t.Errorf("%s: %v is not ambiguous", name, e)
		}
	}
	m := bot.Message{Conversation: channelAt(), ID: "1"}
	r.front.next(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if e := wantCode(t, r.a.Update(t.Context(), m, asked), "update", bot.ChatUnavailable); e.Ambiguous {
		t.Error("an update is the same however often it is done")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.a.Post(ctx, channelAt(), "key", asked)
	if e := wantCode(t, err, "post", bot.ChatUnavailable); e.Ambiguous {
		t.Error("nothing was sent, and yet it is ambiguous")
	}
}

func TestStrangeAddressesAreRefusedBeforeATokenIsAsked(t *testing.T) {
	r := kindRig(t)
	at := func(edit func(*bot.Conversation)) bot.Conversation {
		c := channelAt()
		edit(&c)
		return c
	}
	for name, c := range map[string]bot.Conversation{
		"Slack":          at(func(c *bot.Conversation) { c.Platform = bot.Slack }),
		"another tenant": at(func(c *bot.Conversation) { c.Tenant = aliceID }),
		"no id":          at(func(c *bot.Conversation) { c.ID = "" }),
		"a path":         at(func(c *bot.Conversation) { c.ID = "../../evil" }),
		"two segments":   at(func(c *bot.Conversation) { c.ID = "a/b" }),
		"an escape":      at(func(c *bot.Conversation) { c.ID = "a%2fb" }),
		"a query":        at(func(c *bot.Conversation) { c.ID = "a?x" }),
		"another host":   at(func(c *bot.Conversation) { c.Ref = `{"serviceUrl":"https://evil.trafficmanager.net/"}` }),
		"plain http":     at(func(c *bot.Conversation) { c.Ref = `{"serviceUrl":"http://smba.trafficmanager.net/"}` }),
	} {
		if _, err := r.a.Post(t.Context(), c, "key", asked); err == nil {
			t.Errorf("%s was posted to", name)
		} else {
			wantCode(t, err, "post", bot.ChatRefused)
		}
		if err := r.a.Update(t.Context(), bot.Message{Conversation: c, ID: "1"}, asked); err == nil {
			t.Errorf("%s was updated", name)
		}
	}
	wantCode(t, r.a.Update(t.Context(), bot.Message{Conversation: channelAt(), ID: "../1"}, asked), "update", bot.ChatGone)
	_, err := r.a.Reach(t.Context(), pimPrincipal("../x"))
	wantCode(t, err, "reach", bot.ChatRefused)
	if c := r.Counts(); c.Tokens != 0 || c.Connector != 0 {
		t.Errorf("the adapter called out: %+v", c)
	}
	if _, err := r.a.Post(t.Context(), at(func(c *bot.Conversation) { c.Ref = "{" }), "key", asked); err != nil {
		t.Errorf("a damaged reference: %v", err)
	}
}

func TestLatestServiceURLWins(t *testing.T) {
	p := newPlaces("https://smba.trafficmanager.net/teams/")
	ref := schema.ConversationReference{ServiceURL: "https://smba.trafficmanager.net/old/"}
	if got := p.serviceURL("19:x", schema.ConversationReference{}); got != "https://smba.trafficmanager.net/teams/" {
		t.Error(got)
	}
	if got := p.serviceURL("19:x", ref); got != ref.ServiceURL {
		t.Error(got)
	}
	d := delivery{Activity: schema.Activity{ServiceURL: "https://smba.trafficmanager.net/new/", Conversation: schema.ConversationAccount{ID: "19:x;messageid=7"}}}
	p.heard(d)
	if got := p.serviceURL("19:x", ref); got != d.ServiceURL {
		t.Error(got)
	}
	if got := p.serviceURL("19:y", schema.ConversationReference{}); got != d.ServiceURL {
		t.Error(got)
	}
	p.forget("19:x")
	if got := p.serviceURL("19:x", ref); got != ref.ServiceURL {
		t.Error(got)
	}
	m := map[string]int{}
	for i := range placesMax + 10 {
		bounded(m, strings.Repeat("x", i%7)+string(rune(i)), i)
	}
	if len(m) > placesMax {
		t.Errorf("%d are remembered", len(m))
	}
}

func TestWireSaysNothingThatIsNothing(t *testing.T) {
	raw, err := wire(schema.Activity{Type: schema.Message, Conversation: schema.ConversationAccount{ID: "a"},
		Attachments: []schema.Attachment{{ContentType: cardType, Content: map[string]any{"text": "<&>"}}}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"text":"<&>"}}],"conversation":{"id":"a"},"type":"message"}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	raw, err = wire(schema.ConversationParameters{TenantID: "t"})
	if err != nil || string(raw) != `{"tenantId":"t"}` {
		t.Errorf("%s %v", raw, err)
	}
}

// noToken is a bot whose own sign-in fails.
type noToken struct{}

func (noToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("AADSTS7000215")
}

func TestOwnSignInFails(t *testing.T) {
	r := kindRig(t)
	r.a.opts.Credential = noToken{}
	_, err := r.a.Post(t.Context(), channelAt(), "key", asked)
	if e := wantCode(t, err, "post", bot.ChatUnavailable); e.Ambiguous || !strings.Contains(e.Error(), "AADSTS7000215") {
		t.Errorf("got %v", e)
	}
}

func TestTokenDoesNotFollowARedirect(t *testing.T) {
	r := kindRig(t)
	stolen := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen = true }))
	defer thief.Close()
	r.front.next(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, thief.URL, http.StatusTemporaryRedirect)
	})
	_, err := r.a.Post(t.Context(), channelAt(), "key", asked)
	wantCode(t, err, "post", bot.ChatRefused)
	if stolen {
		t.Error("the token was sent along the redirect")
	}
}

func TestTokenIsAttachedForListedHostsOnly(t *testing.T) {
	r := kindRig(t)
	c := &call{a: r.a, ctx: t.Context(), op: "post"}
	for _, u := range []url.URL{{Scheme: "https", Host: "evil.trafficmanager.net"}, {Scheme: "https", Host: "evil.example", User: url.User("x")}, {Scheme: "http", Host: "127.0.0.1:1"}} {
		wantCode(t, c.Post(u, schema.Activity{}), "post", bot.ChatRefused)
	}
	if r.Counts().Tokens != 0 {
		t.Error("a token was got for a host that is not listed")
	}
}

func TestWhisperGoesToThatPersonOnly(t *testing.T) {
	r := kindRig(t)
	r.says("Alice", "", "hello", false)
	at, _ := said[bot.Command](t, r)
	r.must(r.a.Whisper(t.Context(), at.At, user(bobID), signIn)) // Alice's chat, but Bob's card
	if n := len(r.State().In("", "Alice")); n != 1 {
		t.Errorf("Alice reads %d messages", n)
	}
	reads(t, r.last("", "Bob"), "Bob", signIn.Title)
	r.must(r.a.Whisper(t.Context(), at.At, user(aliceID), signIn))
	reads(t, r.last("", "Alice"), "Alice", signIn.Title)
}
