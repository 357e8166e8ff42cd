package main

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// modal is the text of a modal, errors included.
func modal(v slacktest.View) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(slacktest.RenderView(v), " "))
}

// What was typed after /elevate, and the sentence that the person gets.
var typed = []struct{ text, words string }{
	{"frobnicate", `You are not eligible for a role that is called "frobnicate". Choose one of these instead`},
	{"approve everything now", `You are not eligible for a role that is called "approve everything now".`},
	{"global reader 1h for fun", `You are not eligible for a role that is called "global reader".`}, // Dave is
	{"admin", `Several of your roles match "admin". Choose the one you mean.`},
	{"admin 1h both", `Several of your roles match "admin".`},
	{"user admin 8 hours long shift", `"8 hours" is not a time Belay understands. Write hours and minutes, for example 30m, 1h or 1h30m.`},
	{"user admin P1M long shift", `"P1M" is not a time Belay understands.`},
	{"user admin -1h back in time", `"-1h" is not a time Belay understands.`},
	{"user admin 9999h for good", `This role allows 4 hours at the most.`},
	{"user admin 1m quick", `Microsoft accepts five minutes at the least.`},
	{"user admin 0h nothing", `"0h" is not a time Belay understands.`},
	{"user admin 99999999999999h x", `is not a time Belay understands.`},
	{"user admin 1.5h x", `"1.5h" is not a time Belay understands.`},
	{"user admin 1h " + strings.Repeat("because ", 1300), `Please use 500 characters at the most; this is longer.`},
	{strings.Repeat("x", 3000), `You are not eligible for a role that is called`},
	{"<!channel> <@U0BOB> &lt; \u202e\u0000'; --", `You are not eligible for a role that is called`},
}

func TestTypedInSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	for _, c := range typed {
		text := strings.ReplaceAll(c.text, "\x00", "") // Slack's client cannot send one
		alice.types(text)
		var view slacktest.View
		err := w.slack.Wait(w.ctx(), func(s slacktest.State) (ok bool) {
			view, ok = s.Top(alice.Slack)
			return ok && strings.Contains(modal(view), "Role")
		})
		w.must(err)
		if got := modal(view); !strings.Contains(got, c.words) {
			t.Errorf("%.60q is answered with %s\nwant %q", c.text, got, c.words)
		}
		if _, err := w.slack.Close(w.ctx(), alice.Slack, view.ID); err != nil {
			t.Error(err)
		}
	}
	w.auditHas(nil)
}

func TestTypedInTeams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksTeams()
	for _, c := range typed {
		alice.writes("/elevate " + c.text)
		alice.sees(c.words)
	}
	for _, word := range []string{"help", "hello there", "<at>Belay</at>", "/elevate help", "?"} {
		alice.writes(word)
	}
	alice.sees("/elevate <role> <duration> <reason>")
	w.auditHas(nil)
}

// answering is a form sent in Teams as a client would send it that lets people
// enter anything.
func (h human) answering(id string, values map[string]string) string {
	h.w.t.Helper()
	var a map[string]any
	h.w.must(json.Unmarshal(h.invoking("ask", id), &a))
	data := a["value"].(map[string]any)["action"].(map[string]any)["data"].(map[string]any)
	data["form"] = true
	for name, value := range values {
		data[name] = value
	}
	body, err := json.Marshal(a)
	h.w.must(err)
	status, answer, err := h.w.teams.Deliver(h.w.ctx(), h.w.teams.Token(nil, teamstest.KeyCurrent), body)
	h.w.must(err)
	var said struct {
		Value json.RawMessage `json:"value"`
	}
	if status != 200 || json.Unmarshal(answer, &said) != nil {
		h.w.t.Fatalf("HTTP %d %s", status, answer)
	}
	return string(said.Value) + teamstest.CardText(said.Value)
}

// What no client lets a person enter, entered nevertheless.
func TestFilledIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksTeams()
	alice.writes("/elevate groups admin 1h tidy up")
	alice.sees("Ticket number")
	card, err := w.teamsCard("alice", "Ticket number")
	w.must(err)
	var form struct {
		Actions []struct {
			Data struct{ ID string }
		}
	}
	w.must(json.Unmarshal(card.CardFor("alice"), &form))
	id := form.Actions[0].Data.ID
	good := map[string]string{"duration": "PT1H", "reason": "tidy up", "ticket": "CHG-1", "system": ""}
	for _, in := range teamstest.ReadCard(card.CardFor("alice")).Inputs {
		if in.ID == "role" {
			good["role"] = in.Value
		}
	}
	for _, c := range []struct{ name, value, words string }{
		{"duration", "8 hours", "is not a time Belay understands"},
		{"duration", "P1M", "is not a time Belay understands"},
		{"duration", "P1Y", "is not a time Belay understands"},
		{"duration", "-1h", "is not a time Belay understands"},
		{"duration", "PT-1H", "is not a time Belay understands"},
		{"duration", "9999h", "This role allows 2 hours at the most."},
		{"duration", "PT2H1M", "This role allows 2 hours at the most."},
		{"duration", "PT4M", "Microsoft accepts five minutes at the least."},
		{"duration", "PT0S", "is not a time Belay understands"},
		{"duration", "PT" + strings.Repeat("9", 400) + "H", "is not a time Belay understands"},
		{"duration", "", "is not a time Belay understands"},
		{"duration", "\u202e1h", "is not a time Belay understands"},
		{"reason", "", "This role wants to know why."},
		{"reason", " \n\t ", "This role wants to know why."},
		{"reason", strings.Repeat("ä", 501), "Please use 500 characters at the most"},
		{"reason", strings.Repeat("<!channel>", 1000), "Please use 500 characters at the most"},
		{"ticket", "", "This role wants a ticket number."},
		{"ticket", strings.Repeat("1", 101), "Please use 100 characters at the most"},
		{"system", strings.Repeat("1", 101), "Please use 100 characters at the most"},
		{"role", "no-such-role", "Choose a role."},
		{"role", "", "Choose a role."},
	} {
		values := maps.Clone(good)
		values[c.name] = c.value
		if got := alice.answering(id, values); !strings.Contains(got, c.words) {
			t.Errorf("%s = %.40q is answered with %.2000s\nwant %q", c.name, c.value, got, c.words)
		}
	}
	for _, other := range []string{"", "greet-me", "../../etc", strings.Repeat("x", 500)} {
		if got := alice.answering(other, good); !strings.Contains(got, "outdated") {
			t.Errorf("a form with the id %.40q is answered with %s", other, got)
		}
	}
	w.auditHas(nil)
	if got := alice.answering(id, good); !holds(got, groups, "own sign-in") {
		t.Errorf("the form as it should be is answered with %s", got)
	}
	if got := alice.answering(id, good); !strings.Contains(got, groups) { // once more: the same request
		t.Errorf("the same form again is answered with %s", got)
	}
	alice.signsIn(alice.teamsURL())
	alice.sees(groups + " is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

// hostile is a justification of legal length with all that could be more than text.
const hostile = "<!channel> <!here> <@U0CAROL> <https://evil.example/a|click me> [click](https://evil.example/b) https://evil.example/c " +
	"*bold* _it_ `code` &lt;b&gt; <b>b</b> <at>Bob</at> {{DATE(2026-01-01T00:00:00Z)}} ${x} :skull: \u202egnp.exe\u202c a\u200bb \u2066x\u2069 \r\n> quote\n# title 'x' \"y\" \\ end"

func TestHostileJustification(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	alice.types("user admin 1h x")
	if out := alice.sends(alice.form("Why"), map[string]string{"reason": hostile}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	carol.reads("Alice Adams asks for " + userAdmin)
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.sees(userAdmin + " is active: Alice Adams")
	carol.reads(userAdmin + " is active: Alice Adams")
	w.hears(userAdmin + " is active: Alice Adams")
	shown := 0
	for _, c := range w.slack.State().Channels {
		for _, m := range c.Messages {
			if strings.Contains(string(m.Blocks), "evil.example") {
				shown++
			}
			w.inertInSlack(c.Name+c.User, m)
		}
	}
	for _, c := range w.teams.State().Conversations {
		for _, a := range c.Activities {
			if a.From == "" && strings.Contains(string(a.Card), "evil.example") {
				shown++
				w.inertInTeams(c.Name, a)
			}
		}
	}
	if shown < 5 { // Alice, Bob, Carol, and two channels
		t.Errorf("the justification is shown in %d places only", shown)
	}
	at := slices.IndexFunc(w.tenant.State().Requests, func(r pimtest.RequestState) bool { return strings.Contains(r.Justification, "evil.example") })
	if at < 0 {
		t.Error("the tenant does not have the justification")
	}
}

// inertInSlack holds that no text that Slack reads markup in has any that is not
// Belay's own, which is bold names and dates.
func (w *world) inertInSlack(where string, m slacktest.Message) {
	w.t.Helper()
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			text, _ := v["text"].(string)
			rest := regexp.MustCompile(`<!date\^[0-9]+\^[^>]*>`).ReplaceAllString(text, "")
			if v["type"] == "mrkdwn" && (strings.Contains(rest, "<") || strings.Contains(rest, "evil")) {
				w.t.Errorf("%s: Slack reads markup in %q", where, text)
			}
			if v["type"] == "plain_text" && v["emoji"] == true {
				w.t.Errorf("%s: Slack makes pictures of words in %q", where, text)
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	var blocks any
	if len(m.Blocks) > 0 {
		w.must(json.Unmarshal(m.Blocks, &blocks))
	}
	walk(blocks)
	if strings.ContainsAny(m.Text, "<>") {
		w.t.Errorf("%s: Slack reads markup in the notification %q", where, m.Text)
	}
	if s := fmt.Sprint(blocks) + m.Text; strings.ContainsAny(s, "\u202e\u202c\u200b\u2066\u2069\r") {
		w.t.Errorf("%s: an invisible character is shown: %q", where, s)
	}
}

// inertInTeams is the same for a card.
func (w *world) inertInTeams(where string, a teamstest.Activity) {
	w.t.Helper()
	s := teamstest.ReadCard(a.Card)
	if len(s.Links) > 0 {
		w.t.Errorf("%s: Teams makes links of %q", where, s.Links)
	}
	text := strings.Join(s.Lines, "\n")
	for _, literal := range []string{"[click](https://evil.example/b)", "*bold*", "{{DATE(2026-01-01T00:00:00Z)}}", "<!channel>", "<at>Bob</at>"} {
		if !strings.Contains(text, literal) {
			w.t.Errorf("%s: %s is not shown as it was written: %s", where, literal, text)
		}
	}
	if strings.ContainsAny(text+a.Summary, "\u202e\u202c\u200b\u2066\u2069\r") {
		w.t.Errorf("%s: an invisible character is shown: %q", where, text)
	}
	if strings.Contains(a.Summary, "evil") {
		w.t.Errorf("%s: the notification shows %q", where, a.Summary)
	}
}
