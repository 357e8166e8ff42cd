package slack

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/adaptertest"
	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

const (
	testSecret = "8f742231b10e8888abcd99yyyzzz85a5"
	testToken  = "xoxb-test-token-0123456789"
)

// world is an adapter in a simulated workspace with Alice, Bob and a channel.
type world struct {
	t     *testing.T
	w     *slacktest.Workspace
	a     *Adapter
	log   *syncBuffer
	front *front
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// front stands before the adapter. While it holds, it keeps the next delivery
// to itself and answers 200.
type front struct {
	mu    sync.Mutex
	next  http.Handler
	holds bool
	held  *http.Request
	body  []byte
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	holds := f.holds
	if holds {
		f.held, f.holds = r, false
		f.body, _ = io.ReadAll(r.Body)
	}
	f.mu.Unlock()
	if !holds {
		f.next.ServeHTTP(w, r)
	}
}

// openWorld opens it; change, when not nil, changes the adapter's options.
func openWorld(t *testing.T, h bot.Handler, unkind slacktest.Unkind, change func(*Options)) *world {
	t.Helper()
	w, err := slacktest.New(slacktest.Options{
		BotToken: testToken, SigningSecret: testSecret, Unkind: unkind,
		Unhandled: func(s string) { t.Error("slacktest: " + s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(w.API())
	t.Cleanup(api.Close)
	w.SetURL(api.URL)
	o := w.Options()
	log := &syncBuffer{}
	opts := Options{
		SigningSecrets: []string{"the next one, not in use", testSecret}, BotToken: testToken, AppID: o.AppID, Teams: []string{o.TeamID},
		APIBase: api.URL, Handler: h, Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	if change != nil {
		change(&opts)
	}
	a, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{next: a.Routes()}
	app := httptest.NewServer(f)
	t.Cleanup(app.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := a.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if strings.Contains(log.String(), testToken) || strings.Contains(log.String(), testSecret) || strings.Contains(log.String(), "/actions/") {
			t.Errorf("a secret is in the log:\n%s", log)
		}
	})
	w.SetApp(app.URL)
	w.AddUser(slacktest.User{ID: "U0ALICE", Name: "alice", RealName: "Alice Adams", Email: "alice@contoso.example"})
	w.AddUser(slacktest.User{ID: "U0BOB", Name: "bob", RealName: "Bob Brown", Email: "bob@contoso.example"})
	w.AddUser(slacktest.User{ID: "U0ERIN", Name: "erin", RealName: "Erin Evans", Email: "erin@partner.example", Guest: true})
	w.AddUser(slacktest.User{ID: "U0DAN", Name: "dan", RealName: "Dan Diaz", Email: "dan@contoso.example", Deleted: true})
	w.AddChannel(slacktest.Channel{ID: "C0OPS", Name: "ops", Members: []string{"U0ALICE", "U0BOB"}, BotIsMember: true})
	w.AddChannel(slacktest.Channel{ID: "C0LUNCH", Name: "lunch", Members: []string{"U0ALICE", "U0BOB"}})
	return &world{t: t, w: w, a: a, log: log, front: f}
}

func TestAdapter(t *testing.T) {
	adaptertest.Run(t, func(t *testing.T, h bot.Handler) adaptertest.Harness {
		return openWorld(t, h, kind, nil)
	})
}

// settled waits until nothing runs after an acknowledgement any more.
func (x *world) settled(out slacktest.Outcome, err error) slacktest.Outcome {
	x.t.Helper()
	x.a.running.Wait()
	if err != nil {
		x.t.Fatal(err)
	}
	if out.Notice != "" {
		x.t.Errorf("Slack told the person: %s", out.Notice)
	}
	return out
}

func (x *world) user(id, name string) bot.User {
	return bot.User{Platform: bot.Slack, Tenant: x.w.Options().TeamID, ID: id, Name: name}
}

func (x *world) Chat() bot.Chat  { return x.a }
func (x *world) Alice() bot.User { return x.user("U0ALICE", "alice") }
func (x *world) Bob() bot.User   { return x.user("U0BOB", "bob") }

func (x *world) Principal(u bot.User) pim.Principal {
	if u.ID == "U0BOB" { // found by UPN only
		return pim.Principal{ID: "b0b", UPN: "Bob@contoso.example", Mail: "b.brown@elsewhere.example"}
	}
	return pim.Principal{ID: "a11ce", Mail: "alice@contoso.example"}
}

func (x *world) Stranger() pim.Principal {
	return pim.Principal{ID: "5trange", Mail: "mallory@elsewhere.example", UPN: "mallory@elsewhere.example"}
}

func (x *world) Channel() bot.Conversation { return place(x.w.Options().TeamID, "C0OPS", "") }
func (x *world) Nowhere() bot.Conversation { return place(x.w.Options().TeamID, "C0NOWHERE", "") }
func (x *world) Private(u bot.User) bot.Conversation {
	return place(u.Tenant, x.w.DM(u.ID), u.ID)
}

func (x *world) message(m bot.Message) (slacktest.Message, bool) {
	c, _ := x.w.State().Conversation(m.Conversation.ID)
	for _, found := range c.Messages {
		if found.TS == m.ID {
			return found, true
		}
	}
	return slacktest.Message{}, false
}

func (x *world) Shown(m bot.Message) (adaptertest.Shown, bool) {
	found, ok := x.message(m)
	if !ok {
		return adaptertest.Shown{}, false
	}
	shown := readMessage(x.t, found)
	shown.Below = found.ThreadTS
	return shown, true
}

func (x *world) ShownTo(u bot.User) (adaptertest.Shown, bool) {
	s := x.w.State()
	if v, ok := s.Top(u.ID); ok {
		return readView(x.t, v), true
	}
	_, last := x.lastTo(u)
	return readMessage(x.t, last), last.TS != ""
}

// lastTo is the newest ephemeral message to a person, and its channel.
func (x *world) lastTo(u bot.User) (channel string, last slacktest.Message) {
	for _, c := range x.w.State().Channels {
		for _, m := range c.Messages {
			if m.EphemeralTo == u.ID && m.TS > last.TS {
				channel, last = c.ID, m
			}
		}
	}
	return channel, last
}

func (x *world) Use(u bot.User, label string) {
	x.t.Helper()
	if v, ok := x.w.State().Top(u.ID); ok {
		b := button(x.t, slacktest.RenderView(v), label)
		x.settled(x.w.Change(context.Background(), u.ID, v.ID, b.BlockID, b.ActionID, ""))
		return
	}
	channel, m := x.lastTo(u)
	x.settled(x.w.Use(context.Background(), u.ID, channel, m.TS, button(x.t, slacktest.Render(m.Blocks, m.Text), label)))
}

// closeModal closes what a person has in front of them before they can use the
// conversation behind it.
func (x *world) closeModal(u bot.User) {
	x.t.Helper()
	for {
		v, ok := x.w.State().Top(u.ID)
		if !ok {
			return
		}
		x.settled(x.w.Close(context.Background(), u.ID, v.ID))
	}
}

func (x *world) Command(u bot.User, at bot.Conversation, text string) {
	x.t.Helper()
	x.closeModal(u)
	x.settled(x.w.Command(context.Background(), u.ID, at.ID, "/elevate", text))
}

func (x *world) Press(u bot.User, m bot.Message, label string) {
	x.t.Helper()
	x.closeModal(u)
	found, ok := x.message(m)
	if !ok {
		x.t.Fatalf("there is no message %+v", m)
	}
	x.settled(x.w.Use(context.Background(), u.ID, m.Conversation.ID, m.ID, button(x.t, slacktest.Render(found.Blocks, found.Text), label)))
}

func (x *world) Choose(u bot.User, field, value string) {
	x.t.Helper()
	v := x.top(u)
	in := inputOf(x.t, v, field)
	x.settled(x.w.Change(context.Background(), u.ID, v.ID, in.BlockID, in.ActionID, entering(v, in, value)))
}

func (x *world) Search(u bot.User, field, text string) []string {
	x.t.Helper()
	v := x.top(u)
	in := inputOf(x.t, v, field)
	found, err := x.w.Suggest(context.Background(), u.ID, v.ID, in.BlockID, in.ActionID, text)
	if err != nil {
		x.t.Fatal(err)
	}
	if n, told := x.w.State().Notices[u.ID]; told {
		x.t.Errorf("Slack told the person: %s", n.Text)
	}
	var labels []string
	for _, o := range found {
		labels = append(labels, o.Label())
	}
	return labels
}

func (x *world) Submit(u bot.User, values map[string]string) {
	x.t.Helper()
	v := x.top(u)
	filled := make(map[string]map[string]string)
	for name, value := range values {
		in := inputOf(x.t, v, name)
		filled[in.BlockID] = map[string]string{in.ActionID: entering(v, in, value)}
	}
	if out := x.settled(x.w.Submit(context.Background(), u.ID, v.ID, filled)); !out.Delivered {
		x.t.Fatalf("Slack's client did not send the form: %v", out.Errors)
	}
}

// entering is the value of a bot.Field as the simulated client takes it.
func entering(v slacktest.View, in slacktest.Element, value string) string {
	if at, err := time.Parse(time.RFC3339, value); err == nil && v.Values[in.BlockID][in.ActionID].Type == "datetimepicker" {
		return strconv.FormatInt(at.Unix(), 10)
	}
	return value
}

func (x *world) top(u bot.User) slacktest.View {
	x.t.Helper()
	v, ok := x.w.State().Top(u.ID)
	if !ok {
		x.t.Fatalf("%s sees no modal", u.ID)
	}
	return v
}

func (x *world) Deliver(u bot.User, m bot.Message, label string, how adaptertest.How) []int {
	x.t.Helper()
	x.front.mu.Lock()
	x.front.holds = true
	x.front.mu.Unlock()
	x.Press(u, m, label)
	path, header, body := x.front.held.URL.Path, x.front.held.Header.Clone(), x.front.body
	send := func() int {
		got, err := x.w.Deliver(context.Background(), path, header, body)
		if err != nil {
			x.t.Fatal(err)
		}
		x.a.running.Wait()
		return got.Status
	}
	sign := func(secret string, at time.Time) {
		for k, v := range slacktest.Sign(secret, at, body) {
			header[k] = v
		}
	}
	switch how {
	case adaptertest.Forged:
		sign("somebody else's signing secret", time.Now())
	case adaptertest.Altered:
		body = bytes.Replace(body, []byte("01JREQUEST"), []byte("01JREQUESU"), 1)
	case adaptertest.Expired:
		sign(testSecret, time.Now().Add(-301*time.Second))
	case adaptertest.Twice:
		return []int{send(), send()}
	}
	return []int{send()}
}

func (x *world) Throttle(after time.Duration) {
	x.w.Inject(slacktest.Fault{Status: http.StatusTooManyRequests, RetryAfter: int(after / time.Second)})
}

func (x *world) Delete(m bot.Message) {
	x.t.Helper()
	if err := x.w.RemoveMessage(m.Conversation.ID, m.ID); err != nil {
		x.t.Fatal(err)
	}
}
