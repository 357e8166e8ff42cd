package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// What somebody typed before they chose a role is theirs: the form's id, which is the
// request's id once it is sent, gives it to nobody else.
func TestAFormOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	w.ms.AddRole("oid-carol", reports, pim.Policy{MaxDuration: time.Hour, Justification: true})
	w.link("alice")
	w.link("carol")
	f := w.form("no such role 2h canary of Alice's")
	w.says("carol", bot.Command{})
	for name, said := range map[string]bot.Said{
		"changed": bot.Change{Verb: f.Verb, ID: f.ID, Values: map[string]string{"role": option(t, fieldOf(f, "role"), "Reports Reader")}},
		"sent":    bot.Submit{Verb: f.Verb, ID: f.ID, Values: map[string]string{"role": option(t, fieldOf(f, "role"), "Reports Reader")}},
	} {
		reply := w.says("carol", said)
		if reply.Form == nil || strings.Contains(fieldOf(reply.Form, "reason").Value, "canary") {
			t.Errorf("%s: %+v", name, reply)
		}
	}
	if f = w.choose(f, map[string]string{"role": option(t, fieldOf(f, "role"), "Reports Reader")}); fieldOf(f, "reason").Value != "canary of Alice's" {
		t.Errorf("to Alice herself it shows %+v", valuesOf(f))
	}
}

// Microsoft may print an object id in capitals: the request is the requester's all the
// same, and nobody decides their own.
func TestARequesterInCapitals(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.onlyLive("alice")
	const id = "0198d1a4-0000-7000-8000-000000000001"
	m := pim.Request{ID: "ms-capitals", Assignment: users.Assignment, Principal: "OID-ALICE", Status: "PendingApproval", Approval: "ms-capitals",
		Created: w.now(), RoleName: "User Administrator", Who: people["alice"]}
	for _, e := range []bot.Event{bot.Found{ID: id, Request: m, Approval: true, By: people["bob"], ObserveAt: w.now().Add(time.Hour)},
		bot.Met{Requester: bot.Person{Principal: pim.Principal{ID: "oid-alice", Name: "Alice Adams"}}, RoleName: "User Administrator",
			Approvers: []pim.Principal{people["alice"], people["bob"]}}} {
		if err := w.bot.Apply(t.Context(), id, e); err != nil {
			t.Fatal(err)
		}
	}
	if c := w.says("alice", bot.Press{Verb: bot.VerbShow, ID: id}).Card; c == nil || !strings.Contains(words(*c), "[Cancel]") || strings.Contains(words(*c), "[Approve]") {
		t.Errorf("shown anew it is %+v", c)
	}
	copied := bot.Message{Conversation: w.in("alice", nil).At, ID: "a copy"}
	if c := w.says("alice", bot.Press{Verb: bot.VerbApprove, ID: id, Copy: copied}).Card; c == nil || !strings.Contains(c.Text, "somebody else has to decide") {
		t.Errorf("pressed it shows %+v", c)
	}
	r, err := w.bot.Request(t.Context(), id)
	if err != nil || len(r.Intents) != 0 {
		t.Fatalf("%+v, %v", r.Intents, err)
	}
	p := bot.Projection{SignIn: func(s string) string { return s }}
	for _, want := range p.Wanted(r, w.now()) {
		if want.At.ID == "D-alice" && strings.Contains(words(want.Card), "[Approve]") {
			t.Errorf("%s asks Alice to decide on her own request", want.Slot)
		}
	}
}

// overtaken is a pillar whose reading of one's own requests is overtaken by an event.
type overtaken struct {
	bot.Pillar
	do func()
}

func (o overtaken) Mine(ctx context.Context, person string) ([]pim.Request, error) {
	all, err := o.Pillar.Mine(ctx, person)
	o.do()
	return all, err
}

// The request is over while it is found out what stands in its way.
func TestOverWhileItStandsAside(t *testing.T) {
	w := newWorld(t)
	w.stop()
	ended := make(chan string, 1)
	w.pillar = overtaken{w.ms, func() {
		select {
		case id := <-ended:
			if err := w.bot.Apply(context.Background(), id, bot.Traced{Trace: pim.Trace{What: pim.TraceCanceled}}); err != nil {
				t.Error(err)
			}
		default:
		}
	}}
	w.start()
	w.link("alice")
	if _, err := w.ms.Portal("oid-alice", pim.Activation{Assignment: reports.Assignment, Duration: 2 * time.Hour, Justification: "in the portal"}); err != nil {
		t.Fatal(err)
	}
	w.ms.SetLive("oid-alice", true)
	f := w.form("reports 1h figures")
	ended <- f.ID
	w.send(f, nil)
	w.sees(w.slack, "D-alice", "Reports Reader is active", "Why: in the portal")
	if log := w.logs.String(); strings.Contains(log, "panic") || strings.Contains(log, "is not there") {
		t.Error(log)
	}
}
