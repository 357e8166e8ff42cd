package teams

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
)

func specimenForm(t *testing.T, name string) *bot.Form {
	t.Helper()
	for _, s := range bottest.Specimens() {
		if s.Name == name {
			return s.Form
		}
	}
	t.Fatalf("there is no specimen %q", name)
	return nil
}

func TestZoneOf(t *testing.T) {
	for _, c := range []struct{ name, local, want string }{
		{`"America/Los_Angeles"`, `"2026-11-23T08:00:00.0000000-08:00"`, "America/Los_Angeles"},
		{`"W. Europe Standard Time"`, `"2026-11-23T17:00:00.0000000+01:00"`, "+01:00"},
		{``, `"2026-11-23T21:30:00+05:30"`, "+05:30"},
		{`""`, `"2026-11-23T16:00:00Z"`, "UTC"},
		{`"Local"`, ``, "UTC"},
		{`"../../etc/passwd"`, `"soon"`, "UTC"},
		{`7`, `{}`, "UTC"},
		{`"UTC"`, ``, "UTC"},
	} {
		got := zoneOf(json.RawMessage(c.name), json.RawMessage(c.local))
		if _, ok := location(got); got != c.want || !ok {
			t.Errorf("%s at %s is in %q, want %q", c.name, c.local, got, c.want)
		}
	}
}

func TestJoinAndSplit(t *testing.T) {
	for _, c := range []struct{ date, clock, zone, value, wrong string }{
		{"", "", "Europe/Berlin", "", ""},
		{"2026-07-01", "08:45", "Europe/Berlin", "2026-07-01T06:45:00Z", ""},
		{"2026-12-01", "08:45", "Europe/Berlin", "2026-12-01T07:45:00Z", ""},
		{"2026-12-01", "00:10", "+05:30", "2026-11-30T18:40:00Z", ""},
		{"2026-12-01", "8:45", "UTC", "2026-12-01T08:45:00Z", ""},
		{"2026-12-01", "08:45:30", "UTC", "2026-12-01T08:45:00Z", ""},
		{"2026-12-01", "", "UTC", "", wordHalf},
		{"", "08:45", "UTC", "", wordHalf},
		{"2026-02-30", "08:45", "UTC", "", wordHalf},
		{"tomorrow", "08:45", "UTC", "", wordHalf},
		{"2026-03-29", "02:30", "Europe/Berlin", "", wordNoTime}, // clocks go from 2 to 3
		{"2026-10-25", "02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", ""},
		{"2026-12-01", "08:45", "Nowhere/Else", "2026-12-01T08:45:00Z", ""},
	} {
		value, wrong := join(c.date, c.clock, c.zone)
		if value != c.value || wrong != c.wrong {
			t.Errorf("%s %s in %s is %q, %q", c.date, c.clock, c.zone, value, wrong)
		}
	}
	for _, c := range []struct{ value, zone, date, clock string }{
		{"2026-07-01T22:45:00Z", "Europe/Berlin", "2026-07-02", "00:45"},
		{"", "Europe/Berlin", "", ""},
		{"2026-07-01T", "UTC", "2026-07-01", ""},
		{"T08:45", "UTC", "", "08:45"},
		{"soonThen", "UTC", "", ""},
	} {
		if date, clock := split(c.value, c.zone); date != c.date || clock != c.clock {
			t.Errorf("%q in %s stands as %q and %q", c.value, c.zone, date, clock)
		}
	}
}

// TestHalfATimeComesBack: what a client lets through and is no answer is never sent.
func TestHalfATimeComesBack(t *testing.T) {
	r := kindRig(t)
	r.must(r.Move("Alice", "America/Los_Angeles"))
	form := specimenForm(t, "fields")
	form.Fields[0].Live = false
	r.heard.answers(bot.Reply{Form: form}, nil)
	r.says("Alice", "", "/elevate", false)
	a := r.last("", "Alice")
	reads(t, a, "Alice", "Time (America/Los_Angeles)")
	r.heard.take()
	r.presses("Alice", "", a.ID, "Send", map[string]string{"roles": "r1", "start.date": "2026-12-01", "agree.tick": "yes"})
	_, change := said[bot.Change](t, r)
	if diff := cmp.Diff(map[string]string{"roles": "r1", "start": "", "agree": "yes"}, change.Values); diff != "" {
		t.Errorf("the form is asked for anew with (-want +got):\n%s", diff)
	}
	a = r.last("", "Alice")
	reads(t, a, "Alice", wordHalf)
	for _, in := range teamstest.ReadCard(a.CardFor("Alice")).Inputs {
		if in.ID == "start.date" && in.Value != "2026-12-01" {
			t.Errorf("the date that was entered is now %q", in.Value)
		}
	}
	// The other half makes it whole, in the zone that the form names, wherever the
	// person is by then.
	r.must(r.Move("Alice", "Asia/Tokyo"))
	r.presses("Alice", "", a.ID, "Send", map[string]string{"roles": "r1", "start.time": "08:30", "agree.tick": "yes"})
	if _, submit := said[bot.Submit](t, r); submit.Values["start"] != "2026-12-01T16:30:00Z" {
		t.Errorf("the form gave %v", submit.Values)
	}

	// More than may be chosen, and a handler that answers later.
	r.heard.answers(bot.Reply{}, func(context.Context) bot.Reply { return bot.Reply{Form: form} })
	r.presses("Alice", "", a.ID, "Send", map[string]string{"roles": "r1,r2,r3,r4", "start.time": "08:30", "agree.tick": "yes"})
	said[bot.Change](t, r)
	reads(t, r.last("", "Alice"), "Alice", "Please choose 3 at the most.")

	// One that knows no form any more: the person is told all the same.
	r.heard.answers(bot.Reply{}, nil)
	answer := r.presses("Alice", "", r.last("", "Alice").ID, "Send", map[string]string{"roles": "r1", "start.time": "08:30", "agree.tick": "yes"})
	if !strings.Contains(answer.Text, wordHalf) {
		t.Errorf("Alice is told %+v", answer)
	}
}

// TestForgedZone: a zone that nobody has is none.
func TestForgedZone(t *testing.T) {
	d := &delivery{zone: "Europe/Berlin"}
	p := pressed(d, json.RawMessage(`{"id":"f","verb":"ask","form":true,"zone":"../x","most":{"roles":-1},"start.date":"2026-12-01","start.time":"08:30","roles":"a,b","agree.tick":"maybe"}`), "")
	want := bot.Submit{Verb: "ask", ID: "f", Values: map[string]string{"start": "2026-12-01T08:30:00Z", "roles": "a,b", "agree": ""}}
	if diff := cmp.Diff(bot.Said(want), p.said); diff != "" {
		t.Error(diff)
	}
}

func TestManyThatTeamsCannotSearch(t *testing.T) {
	raw, err := marshal(renderForm(*specimenForm(t, "fields-searched"), inChat, "UTC"))
	if err != nil {
		t.Fatal(err)
	}
	s := teamstest.ReadCard(raw)
	if in := s.Inputs[0]; !in.Many || in.Dataset != "" || len(in.Choices) != maxListed+1 || in.Value != "role-118,role-007" || in.Choices[0].Title != "Role 118 — Directory" {
		t.Errorf("the input is %+v", in)
	}
	if !strings.Contains(strings.Join(s.Lines, "\n"), wordListed) {
		t.Errorf("nobody is told that there are more: %q", s.Lines)
	}
}

func TestHostileChoicesOfManyAreInert(t *testing.T) {
	f := bot.Form{ID: "F", Verb: bot.VerbAsk, Title: "T", Fields: []bot.Field{{Name: "roles", Label: bottest.Hostile, Kind: bot.Many,
		Options: []bot.Option{{Value: "a", Label: bottest.Hostile, Hint: bottest.Hostile}}}, {Name: "agree", Label: bottest.Hostile, Kind: bot.Tick}}}
	raw, err := marshal(renderForm(f, inChat, "UTC"))
	if err != nil {
		t.Fatal(err)
	}
	checkCard(t, cardSchema(t), raw)
	if s := teamstest.ReadCard(raw); len(s.Links) > 0 {
		t.Errorf("these became links: %q", s.Links)
	}
}

// TestButtonsOfOneName on several cards are told apart.
func TestButtonsOfOneName(t *testing.T) {
	r := kindRig(t)
	page := bot.Reply{Card: &bot.Card{Title: "Waiting"}}
	for _, id := range []string{"r1", "r2"} {
		page.More = append(page.More, bot.Card{Title: id, Actions: []bot.Action{{Label: "Approve", Verb: bot.VerbApprove, ID: id}, {Label: "Show " + id, Verb: bot.VerbShow, ID: id}}})
	}
	r.heard.answers(page, nil)
	r.says("Alice", "", "home", false)
	if _, c := said[bot.Command](t, r); c.Text != "home" {
		t.Errorf("the command is %q", c.Text)
	}
	r.heard.answers(bot.Reply{}, nil)
	r.presses("Alice", "", r.last("", "Alice").ID, "button-3", nil)
	if _, p := said[bot.Press](t, r); p.Verb != bot.VerbApprove || p.ID != "r2" {
		t.Errorf("pressed %+v", p)
	}
}

func TestThreadOfSomewhereElse(t *testing.T) {
	r := kindRig(t)
	to := channelAt()
	to.Thread = "../../x"
	_, err := r.a.Post(t.Context(), to, "key", bot.Card{Title: "x"})
	wantCode(t, err, "post", bot.ChatRefused)
}
