package slack

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/adaptertest"
	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/bot"
)

// opens has a person open their Home tab.
func (x *world) opens(u bot.User) {
	x.t.Helper()
	x.settled(x.w.OpenHome(context.Background(), u.ID))
}

// home is what stands there.
func (x *world) home(u bot.User) (slacktest.View, adaptertest.Shown) {
	x.t.Helper()
	for _, v := range x.w.State().Homes {
		if v.User == u.ID {
			return v, readView(x.t, v)
		}
	}
	x.t.Fatalf("%s has no Home tab", u.ID)
	return slacktest.View{}, adaptertest.Shown{}
}

// pressesHome presses a button there.
func (x *world) pressesHome(u bot.User, label string) {
	x.t.Helper()
	v, _ := x.home(u)
	b := button(x.t, slacktest.RenderView(v), label)
	x.settled(x.w.Change(context.Background(), u.ID, v.ID, b.BlockID, b.ActionID, ""))
}

// written is what the bot wrote to a person directly, oldest first.
func (x *world) written(u bot.User) (titles []string) {
	c, _ := x.w.State().Conversation(x.w.DM(u.ID))
	for _, m := range c.Messages {
		titles = append(titles, m.Text)
	}
	return titles
}

// homely answers Opened with a page that counts, and everything else with other.
func homely(other func(bot.Inbound) (bot.Reply, bot.Later)) *heard {
	n := 0
	return &heard{answer: func(in bot.Inbound) (bot.Reply, bot.Later) {
		if _, ok := in.Said.(bot.Opened); !ok {
			return other(in)
		}
		n++
		return bot.Reply{Card: &bot.Card{Title: fmt.Sprintf("Page %d", n), Actions: []bot.Action{{Label: "Stop", Verb: bot.VerbStop, ID: "r1"}, {Label: "Ask", Verb: bot.VerbElevate}}},
			More: []bot.Card{{Title: "Roles", Text: "None."}}}, nil
	}}
}

func TestHome(t *testing.T) {
	h := homely(says(bot.Reply{Card: &bot.Card{Title: "Stopped"}}, nil))
	x := openWorld(t, h, kind, nil)
	x.a.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	x.opens(x.Alice())
	in := h.take()
	if len(in) != 1 || in[0].Said != (bot.Opened{}) || in[0].User.ID != "U0ALICE" || in[0].User.Tenant != x.Alice().Tenant || in[0].At != x.Private(x.Alice()) {
		t.Errorf("the handler heard %+v", in)
	}
	if _, s := x.home(x.Alice()); !strings.Contains(s.Text, "Page 1") || !strings.Contains(s.Text, "None.") || len(s.Actions) != 2 {
		t.Errorf("Alice sees %+v", s)
	}

	x.pressesHome(x.Alice(), "Stop")
	in = h.take()
	if len(in) != 3 || in[0].Said != (bot.Press{Verb: bot.VerbStop, ID: "r1"}) || in[1].Said != (bot.Opened{}) || in[2].Said != (bot.Opened{}) || !in[0].At.Private || in[0].At.Ref != "U0ALICE" {
		t.Errorf("the handler heard %+v", in)
	}
	if got := x.written(x.Alice()); !slices.Equal(got, []string{"Stopped"}) {
		t.Errorf("Alice was written %q", got)
	}
	// At once, and again when what she pressed is done.
	if _, s := x.home(x.Alice()); !strings.Contains(s.Text, "Page 3") {
		t.Errorf("Alice sees %q", s.Text)
	}
	// The tab with the messages is no page, although Slack tells of it alike.
	x.settled(x.w.OpenMessages(context.Background(), "U0ALICE"))
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

func TestHomeLater(t *testing.T) {
	page := func(title string) bot.Reply { return bot.Reply{Card: &bot.Card{Title: title}} }
	h := &heard{answer: says(page("At once"), func(context.Context) bot.Reply { return page("In the end") })}
	x := openWorld(t, h, kind, nil)
	x.opens(x.Alice())
	if _, s := x.home(x.Alice()); !strings.Contains(s.Text, "In the end") {
		t.Errorf("Alice sees %q", s.Text)
	}
	// What is slow does not take the place of what was asked for after it.
	h.answer = says(page("Old"), func(context.Context) bot.Reply {
		h.answer = says(page("New"), nil)
		if _, err := x.w.OpenHome(context.Background(), "U0ALICE"); err != nil {
			t.Error(err)
		}
		err := x.w.Wait(context.Background(), func(s slacktest.State) bool { return strings.Contains(string(s.Homes[0].Blocks), "New") })
		if err != nil {
			t.Error(err)
		}
		return page("Late")
	})
	x.opens(x.Alice())
	if _, s := x.home(x.Alice()); !strings.Contains(s.Text, "New") {
		t.Errorf("Alice sees %q", s.Text)
	}
	if strings.Contains(x.log.String(), "hash_conflict") {
		t.Errorf("an ordinary race is called an error:\n%s", x.log)
	}
}

// TestHomePressAnswers: a form opens a window, after which the page is shown anew
// as well; of two cards only the last one is written.
func TestHomePressAnswers(t *testing.T) {
	done := func(context.Context) bot.Reply { return bot.Reply{Card: &bot.Card{Title: "Approved"}} }
	h := homely(func(in bot.Inbound) (bot.Reply, bot.Later) {
		if p, ok := in.Said.(bot.Press); ok && p.Verb == bot.VerbElevate {
			return bot.Reply{Card: &bot.Card{Title: "One moment", Tone: bot.Waiting}, Replace: true},
				func(context.Context) bot.Reply {
					return bot.Reply{Form: asking(bot.Field{Name: "a", Label: "A", Kind: bot.Text})}
				}
		}
		return bot.Reply{Card: &bot.Card{Title: "Sending"}}, done
	})
	x := openWorld(t, h, kind, nil)
	x.a.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	x.opens(x.Alice())
	x.pressesHome(x.Alice(), "Stop")
	if got := x.written(x.Alice()); !slices.Equal(got, []string{"Approved"}) {
		t.Errorf("Alice was written %q", got)
	}
	x.pressesHome(x.Alice(), "Ask")
	if s, _ := x.ShownTo(x.Alice()); len(s.Fields) != 1 {
		t.Errorf("Alice sees %+v", s)
	}
	h.take()
	x.Submit(x.Alice(), map[string]string{"a": "x"})
	if in := h.take(); len(in) != 3 || in[1].Said != (bot.Opened{}) || in[0].Said.(bot.Submit).Values["a"] != "x" {
		t.Errorf("the handler heard %+v", in)
	}
	if _, s := x.home(x.Alice()); !strings.Contains(s.Text, "Page 7") {
		t.Errorf("Alice sees %q", s.Text)
	}
}

func TestHomeOfGuestsAndStrangers(t *testing.T) {
	h := homely(says(bot.Reply{}, nil))
	x := openWorld(t, h, kind, nil)
	x.w.AddUser(slacktest.User{ID: "U0SAM", Name: "sam", TeamID: "T0ELSEWHERE"})
	for _, id := range []string{"U0ERIN", "U0SAM"} {
		u := x.user(id, "")
		for range 2 { // the second time it is known
			x.opens(u)
			if _, s := x.home(u); !strings.Contains(s.Text, "Ask a member of this workspace") || len(s.Actions) > 0 {
				t.Errorf("%s sees %+v", id, s)
			}
		}
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}

	x.w.Inject(slacktest.Fault{Method: "users.info", Error: "internal_error"})
	x.opens(x.Bob())
	if _, s := x.home(x.Bob()); !strings.Contains(s.Text, "Open it again in a minute") {
		t.Errorf("Bob sees %q", s.Text)
	}
	x.opens(x.Bob())
	if _, s := x.home(x.Bob()); !strings.Contains(s.Text, "Page 1") {
		t.Errorf("Bob sees %q", s.Text)
	}

	other := openWorld(t, h, kind, func(o *Options) { o.Teams = []string{"T0OTHER"} })
	other.opens(other.Alice())
	if _, s := other.home(other.Alice()); !strings.Contains(s.Text, "does not serve this workspace") {
		t.Errorf("Alice sees %q", s.Text)
	}
}

func TestHomeIsSwitchedOff(t *testing.T) {
	x := openWorld(t, homely(nil), kind, nil)
	x.w.Inject(slacktest.Fault{Method: "views.publish", Error: "not_enabled"})
	x.opens(x.Alice())
	if !strings.Contains(x.log.String(), "update the app with the manifest") {
		t.Errorf("the operator does not read what to do:\n%s", x.log)
	}
}

// TestUnkindHome: Slack throttles and delivers twice.
func TestUnkindHome(t *testing.T) {
	h := homely(says(bot.Reply{Card: &bot.Card{Title: "Stopped"}}, nil))
	x := openWorld(t, h, unkind, nil)
	x.a.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	x.opens(x.Alice())
	x.pressesHome(x.Alice(), "Stop")
	if got := x.written(x.Alice()); !slices.Equal(got, []string{"Stopped"}) {
		t.Errorf("Alice was written %q", got)
	}
	presses := 0
	for _, in := range h.take() {
		if _, ok := in.Said.(bot.Press); ok {
			presses++
		}
	}
	if presses != 1 {
		t.Errorf("the press was heard %d times", presses)
	}
}

func TestStrangeEvents(t *testing.T) {
	h := &heard{}
	a := bare(t, h)
	for body, want := range map[string]int{
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"app_home_opened","tab":"home"}}`:                                          http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A111","event":{"type":"app_home_opened","tab":"home","user":"U1"}}`:                                               http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A999","team_id":"T111","event":{"type":"app_home_opened","tab":"home","user":"U1"}}`:                              http.StatusForbidden,
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"user_change","user":{"id":"U1"},"channel":{"id":"C1"},"tab":"messages"}}`: http.StatusOK,
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"user_change","user":"U1"}}`:                                               http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"user_change","user":{"deleted":true}}}`:                                   http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A111","event":{"type":"user_change","user":{"id":"U1","deleted":true}}}`:                                          http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A999","team_id":"T111","event":{"type":"user_change","user":{"id":"U1","deleted":true}}}`:                         http.StatusForbidden,
		`{"type":"event_callback","api_app_id":"A111","team_id":"T999","event":{"type":"user_change","user":{"id":"U1","deleted":true}}}`:                         http.StatusOK, // another workspace's
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"user_change","user":{"id":"U1","deleted":"true"}}}`:                       http.StatusBadRequest,
		`{"type":"event_callback","api_app_id":"A111","team_id":"T111","event":{"type":"app_home_opened","tab":"about","user":"U1"}}`:                             http.StatusOK,
	} {
		if w := deliver(a, "/slack/events", "application/json", []byte(body)); w.Code != want {
			t.Errorf("%s is answered %d, want %d", body, w.Code, want)
		}
	}
	if got := h.take(); len(got) > 0 {
		t.Errorf("the handler heard %+v", got)
	}
	// A Home tab has no form to send.
	if _, err := parseInteraction(formType, []byte("payload="+`{"type":"view_submission","user":{"id":"U1","team_id":"T111"},"view":{"id":"V1","type":"home"}}`)); err == nil {
		t.Error("a form of the Home tab was taken")
	}
}

// TestLongHome has everything that a message has no room for.
func TestLongHome(t *testing.T) {
	page := bot.Reply{Card: &bot.Card{Title: "Yours"}}
	for n := range 15 {
		page.More = append(page.More, bot.Card{Title: fmt.Sprintf("Role %d", n), Text: strings.Repeat("x", 400), Facts: []bot.Fact{{Name: "Until", Value: "tomorrow"}},
			Actions: []bot.Action{{Label: "Stop", Verb: bot.VerbStop, ID: fmt.Sprint(n)}}})
	}
	h := &heard{answer: says(page, nil)}
	x := openWorld(t, h, kind, nil)
	x.opens(x.Alice())
	if _, s := x.home(x.Alice()); len(s.Actions) != 15 || !strings.Contains(s.Text, "Role 14") || strings.Contains(s.Text, "no room") {
		t.Errorf("Alice sees %d buttons:\n%s", len(s.Actions), s.Text)
	}
	x.Command(x.Alice(), x.Channel(), "home")
	if s, _ := x.ShownTo(x.Alice()); len(s.Actions) < 5 || !strings.Contains(s.Text, "Role 14") || !strings.Contains(s.Text, "no room") {
		t.Errorf("Alice sees %d buttons in a message:\n%s", len(s.Actions), s.Text)
	}
	for range 20 {
		page.More = append(page.More, page.More[0])
	}
	h.answer = says(page, nil)
	x.opens(x.Alice())
	if v, s := x.home(x.Alice()); strings.Count(string(v.Blocks), `"block_id"`) > 100 || !strings.Contains(s.Text, "no room") {
		t.Errorf("Alice sees %q", s.Text)
	}
}
