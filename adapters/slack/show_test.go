package slack

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/bot"
)

// kind is a workspace in which nothing goes wrong by itself; unkind one in which
// every third call is throttled and every delivery comes twice.
var (
	kind   = slacktest.Unkind{ThrottleEvery: -1, RepeatEvery: -1}
	unkind = slacktest.Unkind{ThrottleEvery: 3, RepeatEvery: 1}
)

func says(r bot.Reply, later bot.Later) func(bot.Inbound) (bot.Reply, bot.Later) {
	return func(bot.Inbound) (bot.Reply, bot.Later) { return r, later }
}

func asking(fields ...bot.Field) *bot.Form {
	return &bot.Form{ID: "f", Verb: bot.VerbAsk, Title: "Form", Submit: "Send", Fields: fields}
}

// TestUnkind lives a whole elevation while Slack throttles and repeats.
func TestUnkind(t *testing.T) {
	role := bot.Field{Name: "role", Label: "Role", Kind: bot.Choice, Live: true, Options: []bot.Option{{Value: "r1", Label: "Reader"}, {Value: "r2", Label: "Writer"}}}
	why := bot.Field{Name: "why", Label: "Why", Kind: bot.Paragraph, Required: true}
	h := &heard{answer: func(in bot.Inbound) (bot.Reply, bot.Later) {
		switch said := in.Said.(type) {
		case bot.Command:
			return bot.Reply{Card: &bot.Card{Title: "One moment", Tone: bot.Waiting}, Replace: true},
				func(context.Context) bot.Reply { return bot.Reply{Form: asking(role)} }
		case bot.Change:
			chosen := role
			chosen.Value = said.Values["role"]
			return bot.Reply{Form: asking(chosen, why)}, nil
		case bot.Submit:
			return bot.Reply{Card: &bot.Card{Title: "Sending", Tone: bot.Waiting}},
				func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Sent", Tone: bot.Good}} }
		}
		return bot.Reply{}, nil
	}}
	x := openWorld(t, h, unkind, nil)
	var waited atomic.Int32
	x.a.pause = func(ctx context.Context, d time.Duration) error {
		if d >= time.Second { // what Slack asked for
			waited.Add(1)
			return ctx.Err()
		}
		return wait(ctx, d)
	}
	for range 3 {
		x.Command(x.Alice(), x.Channel(), "")
		x.Choose(x.Alice(), "role", "r2")
		x.Submit(x.Alice(), map[string]string{"why": "because"})
		if s, ok := x.ShownTo(x.Alice()); !ok || !strings.Contains(s.Text, "Sent") {
			t.Errorf("Alice sees %+v", s)
		}
	}
	if got := h.take(); len(got) != 9 {
		t.Errorf("the handler heard %d things, want 9: each once", len(got))
	}
	if waited.Load() == 0 {
		t.Error("Slack throttled nothing, or was not listened to")
	}
}

// TestTypedTextStays: what a person typed while a form was rendered anew is
// kept, and a value that the form wants changed is changed.
func TestTypedTextStays(t *testing.T) {
	role := bot.Field{Name: "role", Label: "Role", Kind: bot.Choice, Live: true, Options: []bot.Option{{Value: "r1", Label: "Reader"}, {Value: "r2", Label: "Writer"}}}
	why := bot.Field{Name: "why", Label: "Why", Kind: bot.Text}
	hours := bot.Field{Name: "hours", Label: "Hours", Kind: bot.Text, Value: "1"}
	h := &heard{answer: says(bot.Reply{Form: asking(role, why, hours)}, nil)}
	x := openWorld(t, h, kind, nil)
	x.Command(x.Alice(), x.Channel(), "")
	before := x.top(x.Alice())

	h.answer = func(in bot.Inbound) (bot.Reply, bot.Later) {
		v := in.Said.(bot.Change).Values
		// Between the choice and the form that it leads to, the person types on.
		if _, err := x.w.Change(context.Background(), "U0ALICE", before.ID, "why#1", "why", "typed on"); err != nil {
			t.Error(err)
		}
		role, why, hours := role, why, hours
		role.Value, why.Value, hours.Value = v["role"], v["why"], "4"
		return bot.Reply{Form: asking(role, why, hours)}, nil
	}
	x.Choose(x.Alice(), "role", "r2")
	got, _ := x.ShownTo(x.Alice())
	for i, want := range []string{"r2", "typed on", "4"} {
		if got.Fields[i].Value != want {
			t.Errorf("%s is %q, want %q", got.Fields[i].Name, got.Fields[i].Value, want)
		}
	}
}

// TestNewerChoiceWins: the form of an older choice does not overwrite that of a newer one.
func TestNewerChoiceWins(t *testing.T) {
	role := bot.Field{Name: "role", Label: "Role", Kind: bot.Choice, Live: true, Options: []bot.Option{{Value: "r1", Label: "Reader"}, {Value: "r2", Label: "Writer"}}}
	h := &heard{answer: says(bot.Reply{Form: asking(role)}, nil)}
	x := openWorld(t, h, kind, nil)
	x.Command(x.Alice(), x.Channel(), "")
	inside := false
	h.answer = func(in bot.Inbound) (bot.Reply, bot.Later) {
		chosen := role
		chosen.Value = in.Said.(bot.Change).Values["role"]
		f := asking(chosen)
		f.Text = "for " + chosen.Value
		if inside {
			return bot.Reply{Form: f}, nil
		}
		inside = true
		return bot.Reply{}, func(context.Context) bot.Reply { // the answer for r1 takes longer than the next choice
			v := x.top(x.Alice())
			in := inputOf(t, v, "role")
			if _, err := x.w.Change(context.Background(), "U0ALICE", v.ID, in.BlockID, in.ActionID, "r2"); err != nil {
				t.Error(err)
			}
			err := x.w.Wait(context.Background(), func(s slacktest.State) bool {
				v, ok := s.Top("U0ALICE")
				return ok && strings.Contains(string(v.Blocks), "for r2")
			})
			if err != nil {
				t.Error(err)
			}
			return bot.Reply{Form: f}
		}
	}
	x.Choose(x.Alice(), "role", "r1")
	if s, _ := x.ShownTo(x.Alice()); !strings.Contains(s.Text, "for r2") {
		t.Errorf("Alice sees:\n%s", s.Text)
	}
}

func TestModalOpensOnlyForAForm(t *testing.T) {
	waiting := bot.Card{Title: "Looking", Tone: bot.Waiting}
	done := func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Found"}} }
	for name, c := range map[string]struct {
		reply bot.Reply
		later bot.Later
		modal bool
	}{
		"a form":                             {bot.Reply{Form: asking(bot.Field{Name: "a", Label: "A", Kind: bot.Text})}, nil, true},
		"waiting, replaced later":            {bot.Reply{Card: &waiting, Replace: true}, done, true},
		"waiting, not replaced":              {bot.Reply{Card: &waiting}, done, false},
		"waiting, nothing later":             {bot.Reply{Card: &waiting, Replace: true}, nil, false},
		"nothing at first":                   {bot.Reply{}, done, false},
		"a card":                             {bot.Reply{Card: &bot.Card{Title: "Card"}, Replace: true}, done, false},
		"nothing at all, now and for always": {bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{} }, false},
	} {
		x := openWorld(t, &heard{answer: says(c.reply, c.later)}, kind, nil)
		x.Command(x.Alice(), x.Channel(), "")
		if _, open := x.w.State().Top("U0ALICE"); open != c.modal {
			t.Errorf("%s: modal is %v, want %v", name, open, c.modal)
		}
	}
}

// TestCommandWhereTheBotIsNot: an answer needs no membership.
func TestCommandWhereTheBotIsNot(t *testing.T) {
	h := &heard{answer: says(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Later"}} })}
	x := openWorld(t, h, kind, nil)
	lunch := place(x.w.Options().TeamID, "C0LUNCH", "")
	x.Command(x.Alice(), lunch, "status")
	c, _ := x.w.State().Conversation("C0LUNCH")
	if len(c.Messages) != 1 || c.Messages[0].EphemeralTo != "U0ALICE" || !strings.Contains(c.Messages[0].Text, "Later") {
		t.Errorf("the channel holds %+v", c.Messages)
	}
}

func TestEphemeralIsReplaced(t *testing.T) {
	list := bot.Card{Title: "List", Actions: []bot.Action{{Label: "Show", Verb: bot.VerbShow, ID: "r1"}}}
	h := &heard{answer: says(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Card: &list} })}
	x := openWorld(t, h, kind, nil)
	x.Command(x.Alice(), x.Channel(), "approvals")
	h.take()
	c, _ := x.w.State().Conversation("C0OPS")
	m := bot.Message{Conversation: x.Channel(), ID: c.Messages[0].TS}

	h.answer = says(bot.Reply{Card: &bot.Card{Title: "First"}, Replace: true}, func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Second"}} })
	x.Press(x.Alice(), m, "Show")
	if press := h.take()[0].Said.(bot.Press); press.Copy != (bot.Message{}) || press.ID != "r1" {
		t.Errorf("the press is %+v, want no copy", press)
	}
	c, _ = x.w.State().Conversation("C0OPS")
	if len(c.Messages) != 1 || !strings.Contains(c.Messages[0].Text, "Second") {
		t.Errorf("the channel holds %+v, want one message", c.Messages)
	}
}

// TestPublicCardIsNeverReplacedByAReply: a reply is for one person.
func TestPublicCardIsNeverReplacedByAReply(t *testing.T) {
	h := &heard{}
	x := openWorld(t, h, kind, nil)
	m, err := x.a.Post(context.Background(), x.Channel(), "key", bot.Card{Title: "For all", Actions: []bot.Action{{Label: "Show", Verb: bot.VerbShow, ID: "r"}, {Label: "Page", URL: "https://belay.example/"}}})
	if err != nil {
		t.Fatal(err)
	}
	h.answer = says(bot.Reply{Card: &bot.Card{Title: "For you"}, Replace: true}, func(context.Context) bot.Reply {
		return bot.Reply{Card: &bot.Card{Title: "For you too"}, Replace: true}
	})
	x.Press(x.Bob(), m, "Show")
	if s, _ := x.Shown(m); !strings.Contains(s.Text, "For all") {
		t.Errorf("everybody sees %q", s.Text)
	}
	h.take()
	x.Press(x.Bob(), m, "Page")
	if got := h.take(); len(got) > 0 {
		t.Errorf("a button that opens a page was heard: %+v", got)
	}
}

func TestPressInAModal(t *testing.T) {
	h := &heard{answer: says(bot.Reply{Form: asking(bot.Field{Name: "a", Label: "A", Kind: bot.Text})}, nil)}
	x := openWorld(t, h, kind, nil)
	x.Command(x.Alice(), x.Channel(), "")
	sent := bot.Card{Title: "Sent", Actions: []bot.Action{{Label: "Cancel it", Verb: bot.VerbCancel, ID: "r1"}}}
	h.answer = says(bot.Reply{Card: &sent}, nil)
	x.Submit(x.Alice(), map[string]string{"a": "x"})
	h.take()
	h.answer = says(bot.Reply{Card: &bot.Card{Title: "Canceled"}}, nil)
	v := x.top(x.Alice())
	b := button(t, slacktest.RenderView(v), "Cancel it")
	x.settled(x.w.Change(context.Background(), "U0ALICE", v.ID, b.BlockID, b.ActionID, ""))
	in := h.take()[0]
	if press := in.Said.(bot.Press); press.Verb != bot.VerbCancel || press.ID != "r1" || press.Copy != (bot.Message{}) {
		t.Errorf("the press is %+v", press)
	}
	if in.At != x.Channel() {
		t.Errorf("pressed at %+v, want the channel in which it began", in.At)
	}
	if s, _ := x.ShownTo(x.Alice()); !strings.Contains(s.Text, "Canceled") {
		t.Errorf("Alice sees %q", s.Text)
	}
}

// TestClosedModal: who closed the modal is still told.
func TestClosedModal(t *testing.T) {
	h := &heard{answer: says(bot.Reply{Form: asking(bot.Field{Name: "a", Label: "A", Kind: bot.Text})}, nil)}
	x := openWorld(t, h, kind, nil)
	x.a.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	x.Command(x.Alice(), x.Channel(), "")
	h.answer = says(bot.Reply{Card: &bot.Card{Title: "Sending"}}, func(context.Context) bot.Reply {
		wait := func(s slacktest.State) bool {
			v, ok := s.Top("U0ALICE")
			return ok && strings.Contains(string(v.Blocks), "Sending")
		}
		if err := x.w.Wait(context.Background(), wait); err != nil {
			t.Error(err)
		}
		if _, err := x.w.Close(context.Background(), "U0ALICE", x.top(x.Alice()).ID); err != nil {
			t.Error(err)
		}
		return bot.Reply{Card: &bot.Card{Title: "It did not work"}}
	})
	x.Submit(x.Alice(), map[string]string{"a": "x"})
	if s, ok := x.ShownTo(x.Alice()); !ok || !strings.Contains(s.Text, "It did not work") {
		t.Errorf("Alice sees %+v", s)
	}
}

func TestSubmitOutcomes(t *testing.T) {
	field := bot.Field{Name: "a", Label: "A", Kind: bot.Text}
	for name, c := range map[string]struct {
		later bot.Later
		want  string // "": no modal any more
	}{
		"nothing":         {nil, ""},
		"something later": {func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Done at last"}} }, "Done at last"},
	} {
		h := &heard{answer: says(bot.Reply{Form: asking(field)}, nil)}
		x := openWorld(t, h, kind, nil)
		x.Command(x.Alice(), x.Channel(), "")
		h.answer = says(bot.Reply{}, c.later)
		x.Submit(x.Alice(), map[string]string{"a": "x"})
		v, open := x.w.State().Top("U0ALICE")
		if open != (c.want != "") || !strings.Contains(string(v.Blocks), c.want) {
			t.Errorf("%s: modal open is %v: %s", name, open, v.Blocks)
		}
	}
}

func TestModalTooLateIsTold(t *testing.T) {
	for code, fault := range map[string]slacktest.Fault{
		"expired_trigger_id": {Method: "views.open", Error: "expired_trigger_id"},
		"ratelimited":        {Method: "views.open", Status: 429, RetryAfter: 30},
	} {
		h := &heard{answer: says(bot.Reply{Form: asking(bot.Field{Name: "a", Label: "A", Kind: bot.Text})}, nil)}
		x := openWorld(t, h, kind, nil)
		x.w.Inject(fault)
		x.Command(x.Alice(), x.Channel(), "")
		if s, ok := x.ShownTo(x.Alice()); !ok || !strings.Contains(s.Text, "Please try again") {
			t.Errorf("%s: Alice sees %+v", code, s)
		}
		if !strings.Contains(x.log.String(), code) {
			t.Errorf("the operator does not read of %s:\n%s", code, x.log)
		}
	}
}

func TestWrongPeople(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	var strangers []bot.User
	a.opts.Stranger = func(_ context.Context, u bot.User, why string) { strangers = append(strangers, u) }
	card := func(body string) string {
		w := deliver(a, "/slack/commands", formType, []byte(body))
		if w.Code != http.StatusOK {
			t.Errorf("answered %d", w.Code)
		}
		return w.Body.String()
	}
	base := "channel_id=C1&user_id=U1&command=%2Felevate&api_app_id=A111&team_id="
	if got := card(base + "T999"); !strings.Contains(got, "does not serve this workspace") || !strings.Contains(got, `"ephemeral"`) {
		t.Errorf("another workspace is told %s", got)
	}
	if got := card(base + "T111&is_ext_shared_channel=true"); !strings.Contains(got, "shared channels") {
		t.Errorf("a shared channel is told %s", got)
	}
	stranger := origin{team: "T111", userTeam: "T999", user: "U9"}
	if c := a.denies(stranger); c == nil || !strings.Contains(c.Title, "members of this workspace") {
		t.Errorf("a stranger is told %+v", c)
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
	if len(strangers) != 1 || strangers[0] != (bot.User{Platform: bot.Slack, Tenant: "T999", ID: "U1"}) { // a shared channel is nobody's fault
		t.Errorf("strangers: %+v", strangers)
	}
	a.opts.AllowSharedChannels, a.opts.EnterpriseID = true, "E1"
	for _, o := range []origin{{team: "T111", shared: true}, {team: "T2", enterprise: "E1"}, {team: "T2", userTeam: "T3", enterprise: "E1"}} {
		if c := a.denies(o); c != nil {
			t.Errorf("%+v is denied: %s", o, c.Title)
		}
	}
	if a.denies(stranger) == nil {
		t.Error("a stranger in a shared channel is served")
	}
}

// TestResponseURL: answers go to Slack and nowhere else.
func TestResponseURL(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent elsewhere") }))
	defer elsewhere.Close()
	a := bare(t, &heard{})
	for _, to := range []string{"", "x", elsewhere.URL + "/commands/1", "http://hooks.slack.com/1", "https://hooks.slack.com.evil.example/1",
		"https://u:p@hooks.slack.com/1", "https://slack.com/1", "https://hooks.slack.com:8443/1", "//hooks.slack.com/1"} {
		if err := a.respond(context.Background(), to, ephemeral{}); err != errElsewhere {
			t.Errorf("%q: %v, want a refusal", to, err)
		}
	}
}

func TestEvents(t *testing.T) {
	h := &heard{}
	x := openWorld(t, h, kind, nil)
	if err := x.w.VerifyURL(context.Background()); err != nil {
		t.Error(err)
	}
	x.settled(x.w.Uninstall(context.Background()))
	for _, want := range []string{"level=ERROR", "uninstalled", "revoked"} {
		if !strings.Contains(x.log.String(), want) {
			t.Errorf("the operator does not read %q:\n%s", want, x.log)
		}
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

// TestPanicLater: what breaks after the acknowledgement breaks nothing else.
func TestPanicLater(t *testing.T) {
	h := &heard{answer: says(bot.Reply{}, func(context.Context) bot.Reply { panic("xoxb-secret") })}
	x := openWorld(t, h, kind, nil)
	x.Command(x.Alice(), x.Channel(), "status")
	if log := x.log.String(); !strings.Contains(log, "panic") || strings.Contains(log, "xoxb-secret") {
		t.Errorf("the log is %s", log)
	}
	x.Command(x.Alice(), x.Channel(), "status")
	if got := h.take(); len(got) != 2 {
		t.Errorf("the handler heard %d things, want 2", len(got))
	}
}

// TestClose: what runs is waited for, what comes is refused and may come again.
func TestClose(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	h := &heard{answer: says(bot.Reply{}, func(ctx context.Context) bot.Reply {
		close(started)
		<-finish
		if ctx.Err() != nil {
			t.Error("a Later was stopped although Close had time")
		}
		return bot.Reply{}
	})}
	a := bare(t, h)
	r := func(text string) int {
		body := commandBody("&n=" + text)
		req := httptest.NewRequest(http.MethodPost, "/slack/commands", strings.NewReader(string(body)))
		req.Header = signedAt(time.Now(), testSecret, body)
		req.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		a.Routes().ServeHTTP(w, req)
		return w.Code
	}
	if code := r("1"); code != 200 {
		t.Fatalf("answered %d", code)
	}
	<-started
	soon, cancel := context.WithCancel(context.Background())
	cancel()
	closed := make(chan error)
	go func() { closed <- a.Close(context.Background()) }()
	for { // until Close has shut the door
		a.mu.Lock()
		closing := a.closing
		a.mu.Unlock()
		if closing {
			break
		}
	}
	if code := r("2"); code != http.StatusServiceUnavailable {
		t.Errorf("answered %d while closing, want 503", code)
	}
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	default:
	}
	close(finish)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := h.take(); len(got) != 1 {
		t.Errorf("the handler heard %d things, want 1", len(got))
	}
	if err := a.Close(soon); err != nil && err != context.Canceled {
		t.Error(err)
	}
}

// TestTooMuch: when the background is full, an act is refused before it is heard.
func TestTooMuch(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	a.patience = 0
	for range maxSlots {
		a.slots <- struct{}{}
	}
	if w := deliver(a, "/slack/commands", formType, commandBody("")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", w.Code)
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

// TestARush: when the background is full for a moment, an act waits for it.
func TestARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{}
		a := bare(t, h)
		for range maxSlots {
			a.slots <- struct{}{}
		}
		code := 0
		go func() { code = deliver(a, "/slack/commands", formType, commandBody("")).Code }()
		synctest.Wait()
		if got := h.take(); code != 0 || len(got) > 0 {
			t.Fatalf("answered %d while there was no place", code)
		}
		<-a.slots // an earlier act is shown
		synctest.Wait()
		if got := h.take(); code != http.StatusOK || len(got) != 1 {
			t.Errorf("answered %d, and the handler heard %d things; want 200 and 1", code, len(got))
		}
	})
}

// TestErrorsOnlyForTheSameForm: errors alone are answered only when nothing else
// of the form changed.
func TestErrorsOnlyForTheSameForm(t *testing.T) {
	wrong := bot.Field{Name: "a", Label: "A", Kind: bot.Text, Error: "no"}
	fine := bot.Field{Name: "b", Label: "B", Kind: bot.Text}
	at := func(names ...string) *scene {
		s := &scene{memo: memo{ID: "f"}, now: make(standing)}
		for _, n := range names {
			s.now[n] = struct{ block, value string }{n + "#1", ""}
		}
		return s
	}
	for name, c := range map[string]struct {
		scene *scene
		form  bot.Form
		want  bool
	}{
		"the same":       {at("a", "b"), *asking(wrong, fine), true},
		"no error":       {at("b"), *asking(fine), false},
		"one field more": {at("a"), *asking(wrong, fine), false},
		"one field less": {at("a", "b"), *asking(wrong), false},
		"another form":   {at("a"), bot.Form{ID: "g", Fields: []bot.Field{wrong}}, false},
	} {
		errs := c.scene.errors(c.form)
		if got := errs["a#1"] == "no"; got != c.want || !c.want && errs != nil {
			t.Errorf("%s: %v, want errors: %v", name, errs, c.want)
		}
	}
}
