package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

func TestInstallationIsToldAndGreetedOnce(t *testing.T) {
	r := kindRig(t)
	r.heard.answers(bot.Reply{Card: &notYou}, nil)
	r.must(r.Install(t.Context(), "Carol", ""))
	r.settled()
	for _, in := range r.heard.take() {
		if _, ok := in.Said.(bot.Installed); !ok || !in.At.Private || in.At.ID != r.personal("Carol").ID || in.User.ID != carolID || in.At.Ref == "" {
			t.Errorf("heard %+v", in)
		}
	}
	if n := len(r.State().In("", "Carol")); n != 1 {
		t.Errorf("Carol was greeted %d times", n)
	}
	before := r.Counts().Connector
	if to, err := r.a.Reach(t.Context(), pimPrincipal(carolID)); err != nil || to.ID != r.personal("Carol").ID {
		t.Errorf("reached %+v %v", to, err)
	}
	if r.Counts().Connector != before {
		t.Error("what the installation told was asked again")
	}
	r.heard.answers(bot.Reply{}, nil)
	r.must(r.Uninstall(t.Context(), "Carol", ""))
	if in, _ := said[bot.Uninstalled](t, r); in.At.ID != r.personal("Carol").ID {
		t.Errorf("uninstalled at %+v", in.At)
	}
	_, err := r.a.Reach(t.Context(), pimPrincipal(carolID))
	wantCode(t, err, "reach", bot.ChatUnreachable)
}

func TestUnknownInvokeIsNotImplemented(t *testing.T) {
	r := kindRig(t)
	token := r.Token(nil, teamstest.KeyCurrent)
	if status := r.deliver(token, r.body(func(m map[string]any) { m["type"], m["name"] = "invoke", "task/fetch" })); status != http.StatusNotImplemented {
		t.Errorf("answered %d", status)
	}
	for _, kind := range []string{"messageReaction", "typing", "event", "x"} {
		if status := r.deliver(token, r.body(func(m map[string]any) { m["type"] = kind })); status != http.StatusOK {
			t.Errorf("%s: %d", kind, status)
		}
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("heard %+v", got)
	}
	for _, value := range []any{nil, 7, "x", []any{}, map[string]any{"action": 7}, map[string]any{"action": map[string]any{"verb": "deny", "data": map[string]any{"verb": "approve", "id": "R1"}}}} {
		status, raw, err := r.Deliver(t.Context(), token, r.body(func(m map[string]any) {
			m["type"], m["name"], m["value"] = "invoke", "adaptiveCard/action", value
		}))
		r.must(err)
		if _, p := said[bot.Press](t, r); status != http.StatusOK || p != (bot.Press{}) || !json.Valid(raw) {
			t.Errorf("%v: %d %s, heard %+v", value, status, raw, p)
		}
	}
}

func TestRedeliveryGetsTheSameAnswerAndHasNoSecondEffect(t *testing.T) {
	r := kindRig(t)
	token := r.Token(nil, teamstest.KeyCurrent)
	m, err := r.a.Post(t.Context(), r.personal("Bob"), "key", asked)
	r.must(err)
	body := r.tap.held(func() {
		_, err := r.Press(t.Context(), "Bob", "", m.ID, "Approve", nil)
		r.must(err)
	})
	r.heard.answers(bot.Reply{Card: &notYou}, nil)
	_, first, err := r.Deliver(t.Context(), token, body)
	r.must(err)
	r.heard.answers(bot.Reply{Card: &waiting}, nil)
	status, second, err := r.Deliver(t.Context(), token, body)
	r.must(err)
	if status != http.StatusOK || string(first) != string(second) {
		t.Errorf("answered %s, then %d %s", first, status, second)
	}
	if got := r.heard.take(); len(got) != 1 {
		t.Errorf("heard %d times", len(got))
	}
	r.clock.add(replayAge)
	r.deliver(r.Token(nil, teamstest.KeyCurrent), body)
	if got := r.heard.take(); len(got) != 1 {
		t.Errorf("after a while heard %d times", len(got))
	}
}

func TestPanicIsAnswered500AndTriedAgain(t *testing.T) {
	r := kindRig(t)
	token, body := r.Token(nil, teamstest.KeyCurrent), r.body(nil)
	r.heard.answer = func(bot.Inbound) (bot.Reply, bot.Later) { panic("a justification") }
	if status := r.deliver(token, body); status != http.StatusInternalServerError {
		t.Errorf("answered %d", status)
	}
	r.heard.answers(bot.Reply{}, func(context.Context) bot.Reply { panic("a justification") })
	if status := r.deliver(token, body); status != http.StatusOK {
		t.Errorf("then answered %d", status)
	}
	r.settled()
	if got := r.heard.take(); len(got) != 2 {
		t.Errorf("heard %d times", len(got))
	}
	if strings.Contains(r.log.String(), "a justification") {
		t.Error("what was thrown reached the log")
	}
}

func TestBusyAdapterPutsOffBeforeAnythingIsDone(t *testing.T) {
	r := kindRig(t)
	for r.a.jobs.take() {
	}
	token := r.Token(nil, teamstest.KeyCurrent)
	if status := r.deliver(token, r.body(nil)); status != http.StatusServiceUnavailable {
		t.Errorf("answered %d", status)
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("heard %+v", got)
	}
	for range jobCount {
		r.a.jobs.free()
	}
	if status := r.deliver(token, r.body(nil)); status != http.StatusOK || len(r.heard.take()) != 1 {
		t.Errorf("then answered %d", status)
	}
}

func TestCloseWaitsForAnswers(t *testing.T) {
	r := kindRig(t)
	begun, end := make(chan struct{}), make(chan struct{})
	r.heard.answers(bot.Reply{}, func(ctx context.Context) bot.Reply {
		close(begun)
		<-end
		return bot.Reply{Card: &notYou}
	})
	_, err := r.Message(t.Context(), "Alice", "", "status", false)
	r.must(err)
	<-begun
	closed := make(chan error)
	go func() { closed <- r.a.Close(context.Background()) }()
	close(end)
	r.must(<-closed)
	reads(t, r.last("", "Alice"), "Alice", notYou.Title)
	if status := r.deliver(r.Token(nil, teamstest.KeyCurrent), r.body(func(m map[string]any) { m["id"] = "another" })); status != http.StatusServiceUnavailable {
		t.Errorf("after closing answered %d", status)
	}
}

func TestCloseCutsOffWhatTakesTooLong(t *testing.T) {
	r := kindRig(t)
	begun := make(chan struct{})
	r.heard.answers(bot.Reply{}, func(ctx context.Context) bot.Reply {
		close(begun)
		<-ctx.Done()
		return bot.Reply{Card: &notYou}
	})
	_, err := r.Message(t.Context(), "Alice", "", "status", false)
	r.must(err)
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.a.Close(ctx); err == nil {
		t.Error("closed as if all was well")
	}
}

func TestUnkindTeamsStillShowsEveryAnswer(t *testing.T) {
	r := newRig(t, &heard{}, teamstest.DefaultUnkind())
	r.heard.answers(bot.Reply{Card: &waiting}, func(context.Context) bot.Reply { return bot.Reply{Card: &notYou} })
	for range 30 {
		_, err := r.Message(t.Context(), "Alice", "", "status", false)
		r.must(err)
		r.settled()
		r.clock.add(time.Second)
		reads(t, r.last("", "Alice"), "Alice", notYou.Title)
	}
	r.says("Alice", opsID, "/elevate\u00a0status", true)
	reads(t, r.last("", "Alice"), "Alice", notYou.Title)
}
