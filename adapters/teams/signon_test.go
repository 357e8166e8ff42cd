package teams

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
)

const (
	appURI = "api://botid-" + appID
	entras = "eyJ-canary.eyJ-canary.canary" // a token, as far as the adapter looks at it
)

var needsSignIn = bot.Card{Title: "Sign in with Microsoft", Tone: bot.Waiting, SignIn: &bot.SignIn{Ticket: "ticket-1", URL: "https://belay.example/link/ticket-1"},
	Actions: []bot.Action{{Label: "Sign in", Verb: bot.VerbSignIn, ID: "ticket-1"}, {Label: "Use my browser", URL: "https://belay.example/link/ticket-1"}}}

// signOnRig has single sign-on, and clients that can sign their people on, or cannot.
func signOnRig(t testing.TB, can bool) *rig {
	return newRig(t, &heard{}, teamstest.Unkind{}, func(o *Options, s *teamstest.Options) {
		o.SingleSignOn = appURI
		s.SignOn = &teamstest.SignOn{Resource: appURI, Token: func(string) string {
			if !can {
				return ""
			}
			return entras
		}}
	})
}

// exchanges answers an exchange, and everything else with the card that needs one.
func (r *rig) exchanges(reply bot.Reply, later bot.Later) {
	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()
	r.heard.answer = func(in bot.Inbound) (bot.Reply, bot.Later) {
		if _, ok := in.Said.(bot.Exchange); ok {
			return reply, later
		}
		return bot.Reply{Card: &needsSignIn}, nil
	}
}

// pressed posts a card on record and has Alice press its first button.
func (r *rig) pressed() (teamstest.Answer, bot.Message) {
	r.t.Helper()
	m, err := r.a.Post(r.t.Context(), r.personal("Alice"), "key", asked)
	r.must(err)
	return r.presses("Alice", "", m.ID, "Approve", nil), m
}

func TestPressGoesOnWithWhatTheClientBrings(t *testing.T) {
	r := signOnRig(t, true)
	done := bot.Card{Title: "You are signed in", Tone: bot.Good, Text: "Belay goes on."}
	r.exchanges(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Card: &done} })
	answer, m := r.pressed()
	if answer.Status != http.StatusOK || answer.Text != wordWait {
		t.Errorf("the press is answered %+v", answer)
	}
	got := r.heard.take()
	if len(got) != 2 {
		t.Fatalf("the handler heard %+v", got)
	}
	if p, ok := got[0].Said.(bot.Press); !ok || p.Verb != bot.VerbApprove || p.Copy.ID != m.ID {
		t.Errorf("first it heard %+v", got[0].Said)
	}
	if got[1].Said != (bot.Exchange{ID: "ticket-1", Token: entras}) || got[1].Principal != aliceID || got[1].User.ID != aliceID {
		t.Errorf("then it heard %+v", got[1])
	}
	reads(t, r.last("", "Alice"), "Alice", done.Title)
	if strings.Contains(r.log.String(), "canary") {
		t.Error("a token reached the log")
	}
}

// A sign-in that is asked for in an answer takes its place, so that its link is gone.
func TestSignInCardIsReplacedWhenTheClientDidIt(t *testing.T) {
	r := signOnRig(t, true)
	done := bot.Card{Title: "You are signed in", Tone: bot.Good, Text: "Belay goes on."}
	r.exchanges(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Card: &done} })
	r.says("Alice", "", "link", false)
	card := r.last("", "Alice")
	reads(t, card, "Alice", needsSignIn.Title)
	r.presses("Alice", "", card.ID, "Sign in", nil)
	if now := r.last("", "Alice"); now.ID != card.ID || now.Updates != 1 {
		t.Errorf("the card stands: %+v", now)
	}
	reads(t, r.last("", "Alice"), "Alice", done.Title)
}

func TestClientThatCannotShowsTheButton(t *testing.T) {
	for name, r := range map[string]*rig{
		"not signed in": signOnRig(t, false),
		"another package": newRig(t, &heard{}, teamstest.Unkind{}, func(o *Options, s *teamstest.Options) {
			o.SingleSignOn = appURI
			s.SignOn = &teamstest.SignOn{Resource: "api://another", Token: func(string) string { return entras }}
		}),
	} {
		r.exchanges(bot.Reply{}, nil)
		answer, _ := r.pressed()
		if answer.Status != http.StatusUnauthorized || answer.URL != needsSignIn.SignIn.URL || answer.SignIn == nil || answer.SignIn.Resource != appURI || answer.SignIn.ID != "ticket-1" {
			t.Errorf("%s: %+v", name, answer)
		}
		if got := r.heard.take(); len(got) != 1 {
			t.Errorf("%s: the handler heard %+v", name, got)
		}
	}
}

func TestWithoutSingleSignOnTheCardIsShown(t *testing.T) {
	r := kindRig(t)
	r.exchanges(bot.Reply{}, nil)
	answer, _ := r.pressed()
	if answer.Status != http.StatusOK || answer.SignIn != nil || len(answer.Card) == 0 {
		t.Errorf("the press is answered %+v", answer)
	}
	r.heard.take()
	if code := r.exchangeInvoke(nil); code != http.StatusPreconditionFailed {
		t.Errorf("an exchange is answered %d", code)
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("the handler heard %+v", got)
	}
}

// Belay asks no client of a person who did nothing: an old client's press, which is a
// message, and what Belay shows on its own are cards with a link.
func TestOnlyAPressIsAnsweredWithASignInRequest(t *testing.T) {
	r := signOnRig(t, true)
	r.exchanges(bot.Reply{}, nil)
	m, err := r.a.Post(t.Context(), r.personal("Alice"), "key", needsSignIn)
	r.must(err)
	r.must(r.a.Update(t.Context(), m, needsSignIn))
	r.says("Alice", "", "link", false)
	_, err = r.Submit(t.Context(), "Alice", "", m.ID, "Sign in", nil)
	r.must(err)
	r.settled()
	for _, in := range r.heard.take() {
		if _, ok := in.Said.(bot.Exchange); ok {
			t.Errorf("an exchange: %+v", in)
		}
	}
	reads(t, r.last("", "Alice"), "Alice", needsSignIn.Title)
}

// The answer to an exchange does not wait for what is done with it.
func TestExchangeIsAnsweredAtOnce(t *testing.T) {
	r := signOnRig(t, true)
	hold := make(chan struct{})
	r.heard.answers(bot.Reply{}, func(context.Context) bot.Reply { <-hold; return bot.Reply{} })
	answered := r.exchangeInvokeOnly(nil)
	close(hold)
	r.settled()
	if answered != http.StatusOK {
		t.Errorf("answered %d", answered)
	}
	if got := r.heard.take(); len(got) != 1 {
		t.Errorf("the handler heard %+v", got)
	}
}

// exchangeInvoke delivers an exchange of Alice's, changed by edit, and gives the
// statusCode of the answer, or its HTTP status where that is none.
func (r *rig) exchangeInvoke(edit func(activity, brought map[string]any)) int {
	r.t.Helper()
	defer r.settled()
	return r.exchangeInvokeOnly(edit)
}

func (r *rig) exchangeInvokeOnly(edit func(activity, brought map[string]any)) int {
	r.t.Helper()
	body := r.body(func(m map[string]any) {
		delete(m, "text")
		brought := map[string]any{"id": "ticket-1", "connectionName": connection, "token": entras}
		data := map[string]any{"verb": "approve", "id": "R1"}
		m["type"], m["name"] = "invoke", "adaptiveCard/action"
		m["value"] = map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": "approve", "data": data}, "authentication": brought}
		if edit != nil {
			edit(m, brought)
		}
	})
	status, raw, err := r.Deliver(context.Background(), r.Token(nil, teamstest.KeyCurrent), body)
	r.must(err)
	if strings.Contains(string(raw), "canary") {
		r.t.Errorf("the answer repeats the token: %s", raw)
	}
	var u universal
	if status != http.StatusOK || json.Unmarshal(raw, &u) != nil {
		return status
	}
	return u.StatusCode
}

func TestForgedExchanges(t *testing.T) {
	r := signOnRig(t, true)
	r.heard.answers(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{} })
	member := func(name string, value any) func(m, b map[string]any) {
		return func(_, b map[string]any) {
			if value == nil {
				delete(b, name)
			} else {
				b[name] = value
			}
		}
	}
	whole := func(v any) func(m, b map[string]any) {
		return func(m, _ map[string]any) { m["value"].(map[string]any)["authentication"] = v }
	}
	for name, c := range map[string]struct {
		edit   func(m, b map[string]any)
		status int
	}{
		"another connection":      {member("connectionName", "graph"), 412},
		"no connection":           {member("connectionName", nil), 412},
		"no token":                {member("token", nil), 412},
		"an empty token":          {member("token", ""), 412},
		"a token of 100 KB":       {member("token", "a."+strings.Repeat("b", 100<<10)+".c"), 412},
		"a token of two parts":    {member("token", "a.b"), 412},
		"a token of many parts":   {member("token", strings.Repeat(".", 9000)), 412},
		"a token that is a list":  {member("token", []string{entras}), 412},
		"a ticket that is a list": {member("id", []string{"x"}), 412},
		"a long ticket":           {member("id", strings.Repeat("x", 200)), 412},
		"nothing brought":         {whole(map[string]any{}), 412},
		"a list":                  {whole([]int{1}), 412},
		"a text":                  {whole(entras), 412},
		"from nobody":             {func(m, _ map[string]any) { delete(m["from"].(map[string]any), "aadObjectId") }, 403},
		"from another tenant":     {func(m, _ map[string]any) { m["conversation"].(map[string]any)["tenantId"] = aliceID }, 403},
	} {
		if status := r.exchangeInvoke(c.edit); status != c.status {
			t.Errorf("%s: %d, want %d", name, status, c.status)
		}
	}
	if got := r.heard.take(); len(got) != 0 {
		t.Errorf("the handler heard %+v", got)
	}
	// Who it is for is Microsoft's word in the activity, not a word in what was brought;
	// and a press that brings something is not pressed as well.
	status := r.exchangeInvoke(func(_, b map[string]any) {
		b["from"], b["aadObjectId"], b["principal"] = map[string]any{"aadObjectId": bobID}, bobID, bobID
	})
	got := r.heard.take()
	if status != http.StatusOK || len(got) != 1 || got[0].Said != (bot.Exchange{ID: "ticket-1", Token: entras}) || got[0].Principal != aliceID || got[0].User.ID != aliceID {
		t.Errorf("%d, the handler heard %+v", status, got)
	}
	if strings.Contains(r.log.String(), "canary") {
		t.Error("a token reached the log")
	}
}

func TestRefusedExchangeIsAPrecondition(t *testing.T) {
	r := signOnRig(t, true)
	no := bot.Card{Title: "Nothing was done", Tone: bot.Bad, Text: "This sign-in needs your browser."}
	r.exchanges(bot.Reply{Card: &no}, nil)
	if answer, _ := r.pressed(); answer.Status != http.StatusPreconditionFailed || !strings.Contains(answer.Text, no.Text) {
		t.Errorf("answered %+v", answer)
	}
	for range jobCount { // and so is one that there is no room for
		if !r.a.jobs.take() {
			t.Fatal("no place")
		}
	}
	r.heard.take()
	if status := r.exchangeInvokeOnly(nil); status != http.StatusPreconditionFailed || len(r.heard.take()) != 0 {
		t.Errorf("without room: %d", status)
	}
	for range jobCount {
		r.a.jobs.free()
	}
}
