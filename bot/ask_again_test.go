package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

func TestAgain(t *testing.T) {
	w := newWide(t, nil)
	if c := w.says("alice", bot.Command{Text: "again"}).Card; c == nil || !strings.Contains(c.Text, "nothing through Belay yet") {
		t.Errorf("with nothing before: %+v", c)
	}
	w.ms.AddScope(azure.Assignment, rgTest)
	w.advance(10 * time.Minute)
	f := w.form("production 1h fix the load balancer")
	f = w.choose(f, map[string]string{"where": option(t, fieldOf(f, "where"), rgTest.Name), "also": option(t, fieldOf(f, "also"), "Reports Reader")})
	start := w.now().Add(time.Hour).UTC().Truncate(time.Minute).Format(time.RFC3339)
	w.send(f, map[string]string{"ticket": "CHG-1", "system": "ServiceNow", "start": start})
	m := w.sees(w.slack, "D-alice", "rg-test) waits for approval", "[Cancel]")

	again := w.form("again")
	for name, want := range map[string]string{"duration": "PT1H", "reason": "fix the load balancer", "ticket": "CHG-1", "system": "ServiceNow", "start": ""} {
		if got := fieldOf(again, name).Value; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if fieldOf(again, "role").Chosen != "Contributor (subscription Production)" || fieldOf(again, "where").Chosen != rgTest.Name || fieldOf(again, "also").Value != fieldOf(f, "also").Value {
		t.Errorf("the roles are %+v", again.Fields[:3])
	}
	if again.ID == f.ID {
		t.Error("it is the same form: sending it would do nothing")
	}
	if other := w.form("again 30m another reason"); fieldOf(other, "duration").Value != "PT30M" || fieldOf(other, "reason").Value != "another reason" {
		t.Errorf("the command's words do not count: %+v", valuesOf(other))
	}

	// The button on an ended card is for that card's role.
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: m.Card.Actions[0].ID})
	ended := w.sees(w.slack, "D-alice", "Canceled: Contributor (resource group rg-test)", "[Ask again]")
	press := bot.Press{Verb: ended.Card.Actions[0].Verb, ID: ended.Card.Actions[0].ID}
	if one := w.says("alice", press).Form; one == nil || fieldOf(one, "where").Chosen != rgTest.Name || fieldOf(one, "also").Value != "" {
		t.Errorf("the button opens %+v", one)
	}
	if c := w.says("bob", press).Card; c == nil || !strings.Contains(c.Text, "Only the person who asked") {
		t.Errorf("somebody else sees %+v", c)
	}
	if c := w.says("alice", bot.Press{Verb: bot.VerbAgain, ID: strings.Repeat("x", 2000)}).Card; c == nil || c.Title != "Nothing to repeat" {
		t.Errorf("a forged button: %+v", c)
	}
}

// What is no longer there is said, and the rest is filled in.
func TestAgainWhenTheRoleIsGone(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers")})
	w.send(f, nil)
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
	w.pillars[pim.Group].fail(&pim.Error{Code: pim.CodeUnavailable})
	w.advance(3 * time.Hour)
	again := w.form("again")
	if fieldOf(again, "role").Chosen != "Reports Reader" || !strings.Contains(again.Note, "no longer eligible for Member of Duty Managers") {
		t.Errorf("got %+v", again)
	}
	w.pillars[pim.Group].fail(nil)
	w.pillars[pim.EntraRole].fail(&pim.Error{Code: pim.CodeUnavailable})
	w.advance(3 * time.Hour)
	again = w.form("again")
	if problem := fieldOf(again, "role").Error; !strings.Contains(problem, "no longer eligible for Reports Reader") {
		t.Errorf("got %+v", again)
	}
	// The reason is there once another role is chosen.
	chosen := w.choose(again, map[string]string{"role": option(t, fieldOf(again, "role"), "Owner of Duty Managers")})
	if fieldOf(chosen, "reason").Value != "figures" || fieldOf(chosen, "duration").Value != "PT1H" {
		t.Errorf("got %+v", valuesOf(chosen))
	}
}

func TestFavourites(t *testing.T) {
	w := newWide(t, nil)
	card := func(text, want string) bot.Card {
		t.Helper()
		reply := w.says("alice", bot.Command{Text: text})
		if reply.Card == nil || !strings.Contains(words(*reply.Card), want) {
			t.Fatalf("%q shows %+v, want %q", text, reply, want)
		}
		return *reply.Card
	}
	card("saved", "You have saved nothing yet")
	card("save figures", "asked for nothing through Belay yet")
	w.send(w.form("reports 2h the monthly figures"), nil)
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	card("save Figures", "Saved as figures")
	w.send(w.form("member of duty 30m on duty"), nil)
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
	card("save duty", "Saved as duty")

	f := w.form("FIGURES")
	if fieldOf(f, "role").Chosen != "Reports Reader" || fieldOf(f, "duration").Value != "PT2H" || fieldOf(f, "reason").Value != "the monthly figures" {
		t.Errorf("got %+v", valuesOf(f))
	}
	if f := w.form("figures 1h only a look"); fieldOf(f, "duration").Value != "PT1H" || fieldOf(f, "reason").Value != "only a look" {
		t.Errorf("got %+v", valuesOf(f))
	}
	// Only its exact name goes before a role's.
	if f := w.form("duty managers 30m"); fieldOf(f, "role").Error == "" {
		t.Errorf("a part of a role's name opens a favourite: %+v", valuesOf(f))
	}
	list := card("saved", "figures: Reports Reader, 2 hours")
	if len(list.Actions) != 2 || list.Actions[0].Label != "duty" {
		t.Errorf("the list is %+v", list)
	}
	if f := w.says("alice", bot.Press{Verb: list.Actions[0].Verb, ID: list.Actions[0].ID}).Form; f == nil || fieldOf(f, "role").Chosen != "Member of Duty Managers" {
		t.Errorf("the button opens %+v", f)
	}
	if c := w.says("bob", bot.Press{Verb: list.Actions[0].Verb, ID: "duty"}).Card; c == nil || c.Title != "Not saved" {
		t.Errorf("somebody else opens %+v", c)
	}
	w.restart()
	card("forget duty", "is forgotten")
	card("forget duty", "saved nothing as")
	if f := w.form("figures"); fieldOf(f, "reason").Value != "the monthly figures" {
		t.Errorf("after a restart: %+v", valuesOf(f))
	}
}

func TestNamesOfFavourites(t *testing.T) {
	w := newWide(t, nil)
	w.send(w.form("reports 2h figures"), nil)
	for name, want := range map[string]string{
		"":                       "Give it a name of one word",
		"two words":              "Give it a name of one word",
		"status":                 "means something",
		"Again":                  "means something",
		"save":                   "means something",
		"1h":                     "means something",
		"8hours":                 "means something",
		"PT1H":                   "means something",
		"12":                     "means something",
		strings.Repeat("n", 31):  "30 characters at the most",
		strings.Repeat("ä", 400): "30 characters at the most",
	} {
		if c := w.says("alice", bot.Command{Text: "save " + name}).Card; c == nil || !strings.Contains(c.Text, want) {
			t.Errorf("%q: %+v, want %q", name, c, want)
		}
	}
	if c := w.says("alice", bot.Command{Text: "forget"}).Card; c == nil || !strings.Contains(c.Text, "Say which") {
		t.Errorf("forget alone: %+v", c)
	}
	for n := range 20 {
		if c := w.says("alice", bot.Command{Text: fmt.Sprintf("save n%02d", n)}).Card; c == nil || c.Tone != bot.Good {
			t.Fatalf("the %d. is not saved: %+v", n+1, c)
		}
	}
	if c := w.says("alice", bot.Command{Text: "save more"}).Card; c == nil || !strings.Contains(c.Text, "saved 20 already") {
		t.Errorf("the 21st: %+v", c)
	}
	if c := w.says("alice", bot.Command{Text: "save n00"}).Card; c == nil || c.Tone != bot.Good {
		t.Errorf("one that is there is not replaced: %+v", c)
	}
	reply := w.says("alice", bot.Command{Text: "saved"})
	buttons := len(reply.Card.Actions)
	for _, c := range reply.More {
		if len(c.Actions) > 6 {
			t.Errorf("%d buttons in a row", len(c.Actions))
		}
		buttons += len(c.Actions)
	}
	if buttons != 20 {
		t.Errorf("%d buttons for 20", buttons)
	}
}

// The words of a person do not stand in keys, and the indices name what is there.
func TestWhatIsSavedIsSealed(t *testing.T) {
	w := newWide(t, nil)
	w.send(w.form("reports 2h the quarterly canary"), nil)
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.says("alice", bot.Command{Text: "save quarterly"})
	sealed := store.Seal(w.disk, w.keys)
	err := w.disk.View(t.Context(), func(tx store.Tx) error {
		for _, bucket := range []string{"favourites", "latest"} {
			n := 0
			if err := tx.Scan(bucket, nil, nil, func(key, value []byte) error {
				n++
				if all := string(key) + string(value); strings.Contains(all, "quarterly") || strings.Contains(all, "oid-alice") {
					t.Errorf("%s holds a person's words openly: %q", bucket, key)
				}
				return nil
			}); err != nil || n != 1 {
				t.Errorf("%s has %d entries, %v", bucket, n, err)
			}
		}
		return nil
	})
	if err == nil {
		err = sealed.View(t.Context(), func(tx store.Tx) error {
			for _, bad := range bot.Check(tx) {
				t.Error(bad)
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestEarlierCommands(t *testing.T) {
	for text, want := range map[string]bot.Elevate{
		"again":           {Sub: bot.SubAgain},
		"AGAIN 1h why":    {Sub: bot.SubAgain, Duration: time.Hour, Reason: "why"},
		"save":            {Sub: bot.SubSave},
		"save deploy":     {Sub: bot.SubSave, Name: "deploy"},
		"save two words":  {Sub: bot.SubSave, Name: "two words"},
		"Forget deploy":   {Sub: bot.SubForget, Name: "deploy"},
		"saved":           {Sub: bot.SubSaved},
		"saved searches":  {Role: "saved searches"},
		"once again":      {Role: "once again"},
		"deploy":          {Role: "deploy"},
		"deploy 1h again": {Role: "deploy", Duration: time.Hour, Reason: "again"},
		"status":          {Sub: bot.SubStatus},
	} {
		if got := bot.ParseCommand(text); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
}
