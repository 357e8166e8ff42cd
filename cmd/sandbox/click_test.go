package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
)

const userAdmin = "User Administrator"

// requestID is the id behind the button of that verb, on the Slack card that
// holds the words.
func (h human) requestID(verb string, words ...string) string {
	h.w.t.Helper()
	h.reads(words...)
	c, _ := h.w.slack.State().Conversation(h.dm())
	for _, m := range slices.Backward(c.Messages) {
		var blocks []struct {
			Elements []struct {
				Action string `json:"action_id"`
				Value  string `json:"value"`
			} `json:"elements"`
		}
		if !holds(slackText(m), words...) || json.Unmarshal(m.Blocks, &blocks) != nil {
			continue
		}
		for _, b := range blocks {
			for _, e := range b.Elements {
				if e.Action == verb {
					return e.Value
				}
			}
		}
	}
	h.w.t.Fatalf("%s has no button %q on a card with %q", h.Name, verb, words)
	return ""
}

// pressing is a press in Slack as Slack would deliver it, had the person such a
// button in front of them. It is signed with the workspace's own secret.
func (h human) pressing(verb, id string) []byte {
	h.w.t.Helper()
	payload, err := json.Marshal(map[string]any{
		"type": "block_actions", "api_app_id": slackApp, "trigger_id": "1.2.3",
		"user": map[string]string{"id": h.Slack, "name": h.Key, "username": h.Key, "team_id": slackTeam},
		"team": map[string]string{"id": slackTeam, "domain": "contoso"}, "channel": map[string]string{"id": h.dm(), "name": "directmessage"},
		"container": map[string]any{"type": "message", "message_ts": "1700000000.000100", "channel_id": h.dm(), "is_ephemeral": true},
		"actions":   []any{map[string]string{"type": "button", "action_id": verb, "block_id": "b", "value": id, "action_ts": fmt.Sprint(time.Now().UnixNano())}},
	})
	h.w.must(err)
	return []byte(url.Values{"payload": {string(payload)}}.Encode())
}

// delivers signs and sends a body as Slack does.
func (w *world) delivers(path string, body []byte) slacktest.Answer {
	w.t.Helper()
	header := slacktest.Sign(w.kept.SlackSigning, time.Now(), body)
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := w.slack.Deliver(w.ctx(), path, header, body)
	w.must(err)
	return got
}

// forgesPress presses a button in Slack that the person does not see.
func (h human) forgesPress(verb, id string) {
	h.w.t.Helper()
	if got := h.w.delivers("/slack/interactions", h.pressing(verb, id)); got.Status != http.StatusOK {
		h.w.t.Errorf("a press by %s is answered %d", h.Name, got.Status)
	}
}

// invoking is a press in Teams as Teams would deliver it.
func (h human) invoking(verb, id string) []byte {
	h.w.t.Helper()
	body, err := h.w.teams.MessageBody(h.Key, "", "x")
	h.w.must(err)
	var a map[string]any
	h.w.must(json.Unmarshal(body, &a))
	for _, name := range []string{"text", "textFormat", "attachments", "entities"} {
		delete(a, name)
	}
	a["type"], a["name"], a["replyToId"], a["id"] = "invoke", "adaptiveCard/action", "1700000000000", fmt.Sprintf("f:%d", time.Now().UnixNano())
	a["value"] = map[string]any{"trigger": "manual", "action": map[string]any{"type": "Action.Execute", "verb": verb, "data": map[string]string{"id": id, "verb": verb}}}
	body, err = json.Marshal(a)
	h.w.must(err)
	return body
}

// forgesTap presses a button in Teams that the person does not see, and gives
// what they are told.
func (h human) forgesTap(verb, id string) string {
	h.w.t.Helper()
	status, body, err := h.w.teams.Deliver(h.w.ctx(), h.w.teams.Token(nil, teamstest.KeyCurrent), h.invoking(verb, id))
	h.w.must(err)
	if status != http.StatusOK {
		h.w.t.Errorf("a press by %s is answered %d", h.Name, status)
	}
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	h.w.must(json.Unmarshal(body, &answer))
	var toast string
	if json.Unmarshal(answer.Value, &toast) == nil {
		return toast
	}
	return teamstest.CardText(answer.Value)
}

func TestClickByPeopleWithoutAPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, dave := w.who("alice"), w.who("bob"), w.who("dave")
	for _, h := range []human{alice, dave} {
		h.linksSlack() // in Teams the platform vouches for them
	}
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	id := alice.requestID("cancel", userAdmin+" waits for approval")
	for _, verb := range []string{"approve", "deny"} {
		dave.forgesPress(verb, id)
		if got := dave.forgesTap(verb, id); !strings.Contains(got, "does not name you as an approver") {
			t.Errorf("Dave, who may not decide, is told at %s: %s", verb, got)
		}
		alice.forgesPress(verb, id)
		if got := alice.forgesTap(verb, id); !strings.Contains(got, "You asked for this role yourself") {
			t.Errorf("Alice, who asked, is told at %s: %s", verb, got)
		}
	}
	dave.reads("does not name you as an approver", "Ask one of the approvers")
	alice.reads("You asked for this role yourself, so somebody else has to decide.")
	alice.forgesPress("no-such-verb", id)
	alice.reads("This card is outdated.")
	for _, verb := range []string{"cancel", "stop"} {
		if got := bob.forgesTap(verb, id); !strings.Contains(got, "Only the person who asked for this role can do that.") {
			t.Errorf("Bob, at %s of Alice's request, is told: %s", verb, got)
		}
	}
	if got := dave.forgesTap("show", id); strings.Contains(got, "reset a password") {
		t.Errorf("Dave is shown a request he has no part in: %s", got)
	}
	for _, unknown := range []string{"", "no-such-request", "01900000-0000-7000-8000-000000000000", strings.Repeat("x", 400)} {
		for _, verb := range []string{"approve", "deny", "cancel", "stop", "show", "no-such-verb", ""} {
			if got := bob.forgesTap(verb, unknown); !strings.Contains(got, "outdated") {
				t.Errorf("%s of request %.40q: Bob is told %q", verb, unknown, got)
			}
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
}

// Carol is an approver of the role that she asks for.
func TestRequesterIsAnApprover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	carol, bob, frank := w.who("carol"), w.who("bob"), w.who("frank")
	carol.linksSlack()
	carol.asks("user admin 1h reset a password")
	bob.sees("Carol Clark asks for " + userAdmin)
	frank.reads("Carol Clark asks for " + userAdmin)
	id := carol.requestID("cancel", userAdmin+" waits for approval", "Bob Brown")
	carol.types("approvals")
	carol.reads("Nothing waits for your decision.")
	carol.forgesPress("approve", id)
	carol.reads("You asked for this role yourself, so somebody else has to decide.")
	for _, s := range carol.slackTexts() {
		if strings.Contains(s, "Carol Clark asks for") || holds(s, "Approvers:", "Carol Clark") {
			t.Errorf("Carol is offered her own request to decide: %s", s)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"carol": 1}})
	frank.presses("approve", "Carol Clark asks for "+userAdmin) // a member of the group of approvers
	frank.signsIn(frank.slackURL())
	carol.reads(userAdmin+" is active", "Approved by Frank Fox")
	w.auditHas(map[string]map[string]int{requested: {"carol": 1}, approved: {"frank": 1}})
}

func TestClickTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	id := alice.requestID("cancel", userAdmin+" waits for approval")
	bob.sees("Alice Adams asks for " + userAdmin)
	card, err := w.teamsCard("bob", "Alice Adams asks for "+userAdmin)
	w.must(err)
	var wg sync.WaitGroup
	for range 4 { // an impatient thumb
		wg.Go(func() {
			if _, err := w.teams.Press(w.ctx(), "bob", "", card.ID, "Approve", nil); err != nil && !strings.Contains(err.Error(), "no button") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	bob.sees("You approved it.")
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "Bob Brown already approved this, so your press changed nothing.") {
		t.Errorf("Bob, who has decided, is told: %s", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

// Bob in Teams and Carol in Slack press at the same moment.
func TestTwoApproversAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	for round := range 3 {
		alice.asks(fmt.Sprintf("user admin 1h reset password %d", round))
		why := fmt.Sprintf("reset password %d", round)
		bob.sees("Alice Adams asks for "+userAdmin, why)
		carol.reads("Alice Adams asks for "+userAdmin, why)
		var wg sync.WaitGroup
		wg.Go(func() { bob.taps("Approve", "Alice Adams asks for "+userAdmin, why) })
		wg.Go(func() { carol.presses("approve", "Alice Adams asks for "+userAdmin, why) })
		wg.Wait()
		alice.reads(userAdmin+" is active", "Approved by", why)
		bob.sees(userAdmin+" is active: Alice Adams", why)
		carol.reads(userAdmin+" is active: Alice Adams", why)
		w.pass("1h1m")
		w.hears(userAdmin + " has ended: Alice Adams")
		alice.reads(userAdmin+" has ended", why)
		if got := w.audits(approved, bob.person) + w.audits(approved, carol.person); got != round+1 {
			t.Fatalf("round %d: the audit log has %d approvals", round, got)
		}
	}
}

func TestClickAfterExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 1h reset a password")
	id := alice.requestID("cancel", userAdmin+" waits for approval")
	bob.sees("Alice Adams asks for " + userAdmin)
	carol.reads("Alice Adams asks for " + userAdmin)
	w.pass("24h11m")
	alice.reads(userAdmin+" was not activated", "Nobody decided within 24 hours, so Microsoft closed the request. Ask again")
	bob.sees(userAdmin+" was not activated: Alice Adams", "Nobody decided within 24 hours")
	carol.reads(userAdmin+" was not activated: Alice Adams", "Nobody decided within 24 hours")
	w.hears(userAdmin+" was not activated: Alice Adams", "Nobody decided within 24 hours.")
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "This request is not waiting for a decision any more") {
		t.Errorf("Bob, a day late, is told: %s", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

func TestDecidedInThePortal(t *testing.T) {
	for _, c := range []struct {
		name    string
		approve bool
		linked  bool // Carol can read for Belay who decided
		said    []string
		channel string
	}{
		{"approved, and an approver can tell by whom", true, true, []string{userAdmin + " is active", "Approved by Bob Brown, in Entra."}, " is active: Alice Adams"},
		{"denied, and an approver can tell by whom", false, true, []string{userAdmin + " was denied", "Denied by Bob Brown, in Entra: not today"}, " was denied: Alice Adams"},
		{"approved, and nobody can tell by whom", true, false, []string{userAdmin + " is active", "Approved by an approver, in Entra."}, " is active: Alice Adams"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice, bob, carol, frank := w.who("alice"), w.who("bob"), w.who("carol"), w.who("frank")
			alice.linksSlack()
			if c.linked {
				carol.linksSlack()
			}
			alice.asks("user admin 1h reset a password")
			id := alice.requestID("cancel", userAdmin+" waits for approval")
			bob.sees("Alice Adams asks for " + userAdmin)
			carol.reads("Alice Adams asks for " + userAdmin)
			held := w.tenant.State().Requests[0].ID
			w.must(w.tenant.PortalDecide(bob.OID, held, c.approve, "not today"))
			w.pass("21s")
			alice.reads(c.said...)
			carol.reads(userAdmin+c.channel, c.said[1])
			frank.reads(userAdmin+c.channel, c.said[1])
			if c.linked {
				bob.sees(userAdmin+c.channel, map[bool]string{true: "You approved it.", false: "You denied it."}[c.approve])
			}
			w.hears(userAdmin+c.channel, c.said[1])
			carol.forgesPress("approve", id)
			if c.linked {
				carol.reads("Bob Brown already " + map[bool]string{true: "approved", false: "denied"}[c.approve] + " this, so your press changed nothing.")
			} else {
				carol.slackURL()
			}
			want := approved
			if !c.approve {
				want = denied
			}
			w.auditHas(map[string]map[string]int{requested: {"alice": 1}, want: {"bob": 1}})
		})
	}
}
