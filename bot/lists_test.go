package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

func TestStatusAndApprovals(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	if c := w.says("alice", bot.Command{Text: "status"}).Card; c == nil || !strings.Contains(c.Text, "no open request") {
		t.Errorf("with nothing open: %+v", c)
	}
	if c := w.says("bob", bot.Command{Text: "approvals"}).Card; c == nil || !strings.Contains(c.Text, "Nothing waits") {
		t.Errorf("with nothing to decide: %+v", c)
	}
	if c := w.says("alice", bot.Command{Text: "stop"}).Card; c == nil || !strings.Contains(c.Text, "no active role") {
		t.Errorf("with nothing to stop: %+v", c)
	}
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if c := w.says("alice", bot.Command{Text: "status"}).Card; !strings.Contains(words(*c), "Reports Reader is active") {
		t.Errorf("with one active: %+v", c)
	}
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	if c := w.says("alice", bot.Command{Text: "status"}).Card; !strings.Contains(words(*c), "waiting for approval") || len(c.Actions) != 2 {
		t.Errorf("with two open: %+v", c)
	}
	if c := w.says("bob", bot.Command{Text: "approvals"}).Card; !strings.Contains(words(*c), "[Approve]") {
		t.Errorf("Bob's approvals: %+v", c)
	}
	if c := w.says("dave", bot.Press{Verb: bot.VerbShow, ID: id}).Card; strings.Contains(words(*c), "reset a password") {
		t.Errorf("Dave sees somebody else's request: %+v", c)
	}
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "User Administrator is active")
	w.advance(6 * time.Minute)
	choice := w.says("alice", bot.Command{Text: "stop"}).Card
	if choice == nil || len(choice.Actions) != 2 {
		t.Fatalf("with two active: %+v", choice)
	}
	w.says("alice", bot.Press{Verb: choice.Actions[0].Verb, ID: choice.Actions[0].ID})
	w.sees(w.slack, "D-alice", "has ended", "You deactivated it")
}

func TestUnlinkInChat(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	if c := w.says("alice", bot.Press{Verb: bot.VerbUnlink}).Card; c == nil || c.Title != "Unlinked" {
		t.Fatalf("got %+v", c)
	}
	if live, err := w.ms.Live(t.Context(), "oid-alice"); live || err != nil {
		t.Errorf("the sign-in is still there: %t %v", live, err)
	}
	if c := w.says("alice", bot.Command{Text: "reports 1h figures"}).Card; c == nil || len(c.Actions) == 0 || c.Actions[0].URL == "" {
		t.Errorf("an unlinked person gets no link: %+v", c)
	}
	if c := w.says("alice", bot.Command{Text: "unlink"}).Card; c == nil || c.Title != "Not linked" {
		t.Errorf("the second time: %+v", c)
	}
}

// An approver whose sign-in is taken away while the decision is under way: it is
// not relayed.
func TestUnlinkedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.ms.Fail("approval", &pim.Error{Op: "approval", Code: pim.CodeThrottled, After: time.Minute})
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.ms.SetLive("oid-bob", false)
	w.seesLater(20*time.Second, w.teams, "chat-bob", "Sign in to finish")
	w.seesLater(time.Minute, w.teams, "chat-bob", "Your answer was not sent")
	for _, write := range w.ms.Writes() {
		if strings.HasSuffix(write, "review") {
			t.Errorf("a decision was relayed: %q", w.ms.Writes())
		}
	}
	w.sees(w.slack, "D-carol", "[Approve]")
}

func TestUnreachableApprovers(t *testing.T) {
	w := newWorld(t)
	w.ms.AddPerson(pim.Principal{ID: "oid-gina", Name: "Gina Gray"}, false)
	audit := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-audit", Scope: "/"}, RoleName: "Audit Role", ScopeName: "Directory"}
	w.ms.AddRole("oid-alice", audit, pim.Policy{MaxDuration: time.Hour, Justification: true, Approval: true,
		Approvers: []pim.Principal{{ID: "oid-gina", Name: "Gina Gray"}, people["bob"]}})
	w.link("alice")
	w.ask("alice", "audit", "PT30M", "figures")
	w.sees(w.slack, "D-alice", "waits for approval", "Not reachable in chat: Gina Gray")
	w.sees(w.slack, "C-ops", "An approver cannot be reached", "Gina Gray")
	w.sees(w.teams, "chat-bob", "[Approve]")
}

// Nobody can approve: the requester is told before sending and after.
func TestNobodyCanApprove(t *testing.T) {
	w := newWorld(t)
	lonely := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-lonely", Scope: "/"}, RoleName: "Lonely Role", ScopeName: "Directory"}
	w.ms.AddRole("oid-alice", lonely, pim.Policy{MaxDuration: time.Hour, Justification: true, Approval: true, Approvers: []pim.Principal{people["alice"]}})
	w.link("alice")
	form := w.says("alice", bot.Command{Text: "lonely"}).Form
	if form == nil || !strings.Contains(form.Text, "names nobody except you") {
		t.Fatalf("got %+v", form)
	}
	w.ask("alice", "lonely", "PT30M", "figures")
	w.sees(w.slack, "D-alice", "waits for approval", "nobody can decide")
}

func TestChatPlatformTrouble(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.sees(w.slack, "D-alice", "You are linked")
	w.slack.Fail(&bot.ChatError{Code: bot.ChatThrottled, After: 30 * time.Second}, &bot.ChatError{Code: bot.ChatUnavailable})
	w.ask("alice", "reports", "PT1H", "figures")
	w.seesLater(10*time.Second, w.slack, "D-alice", "Reports Reader is active", "[Deactivate]")
	w.seesLater(10*time.Second, w.slack, "C-ops", "Reports Reader is active")
}

// Everything that is stored opens, and every index names what is there.
func TestStoreIsWhole(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
	err := store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) error {
		for _, bad := range append(bot.Check(tx), w.links.Check(tx)...) {
			t.Error(bad)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSpecimens(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range bottest.Specimens() {
		if seen[s.Name] || (s.Card == nil) == (s.Form == nil) {
			t.Errorf("specimen %q", s.Name)
		}
		seen[s.Name] = true
		if s.Form != nil && len([]rune(s.Form.Title)) > 24 {
			t.Errorf("the title of %s is longer than a Slack modal allows", s.Name)
		}
	}
}
