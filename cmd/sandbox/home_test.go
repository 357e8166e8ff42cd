package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/slack/slacktest"
)

// homeHolds waits until the person's Home tab in Slack says all of the words.
func (h human) homeHolds(words ...string) (found slacktest.View) {
	h.w.t.Helper()
	err := h.w.slack.Wait(h.w.ctx(), func(s slacktest.State) bool {
		for _, v := range s.Homes {
			if v.User == h.Slack && holds(string(v.Blocks), words...) {
				found = v
				return true
			}
		}
		return false
	})
	if err != nil {
		for _, v := range h.w.slack.State().Homes {
			h.w.t.Logf("%s: %s", v.User, v.Blocks)
		}
		h.w.t.Fatalf("%s does not read %q at home: %v", h.Name, words, err)
	}
	return found
}

func (h human) opensHome() {
	h.w.t.Helper()
	_, err := h.w.slack.OpenHome(h.w.ctx(), h.Slack)
	h.w.must(err)
}

// homeAnew waits until the person's Home tab was published again.
func (h human) homeAnew(before slacktest.View) {
	h.w.t.Helper()
	err := h.w.slack.Wait(h.w.ctx(), func(s slacktest.State) bool {
		return slices.ContainsFunc(s.Homes, func(v slacktest.View) bool { return v.User == h.Slack && v.Hash != before.Hash })
	})
	if err != nil {
		h.w.t.Fatalf("%s's Home tab stays as it was: %v", h.Name, err)
	}
}

// TestHomeTab lives an elevation in Slack's Home tab.
func TestHomeTab(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, erin := w.who("alice"), w.who("bob"), w.who("erin")
	bob.linksTeams()
	erin.opensHome()
	erin.homeHolds("Guests and people of other organisations")
	alice.opensHome()
	alice.homeHolds("Sign in")
	alice.linksSlack()
	alice.opensHome()
	page := alice.homeHolds("What you can activate", userAdmin)

	// A role's own button opens the form for it.
	var blocks []struct {
		ID       string `json:"block_id"`
		Elements []struct {
			Action string          `json:"action_id"`
			Text   json.RawMessage `json:"text"` // an object, or of small print a string
		} `json:"elements"`
	}
	w.must(json.Unmarshal(page.Blocks, &blocks))
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.Action != "" && strings.Contains(string(e.Text), userAdmin) {
				_, err := w.slack.Change(w.ctx(), alice.Slack, page.ID, b.ID, e.Action, "")
				w.must(err)
			}
		}
	}
	form := alice.form("reason")
	alice.homeAnew(page) // as after every press
	if out := alice.sends(form, map[string]string{"reason": "reset a password"}); !out.Delivered || len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.sits("Sent: " + userAdmin)
	alice.homeHolds("1 on the way", "reset a password") // without opening it again
	bob.sees("Alice Adams asks for " + userAdmin)
	alice.opensHome()
	alice.homeHolds(userAdmin+" waits for approval", "Approvers")
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin + " is active")
	alice.opensHome()
	alice.homeHolds(userAdmin+" is active", "59 minutes")
}

// TestDecidedAtHome decides in the Home tab, and deactivates there: chats hear of it
// as of any decision, and so does the tab when it is opened the next time.
func TestDecidedAtHome(t *testing.T) {
	t.Parallel()
	w, _ := pending(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	carol.opensHome()
	page := carol.homeHolds("1 request waits for you.", "Alice Adams asks for "+userAdmin, "reset a password")
	carol.pressesHome(page, "approve")
	carol.homeAnew(page)
	bob.sees(userAdmin+" is active: Alice Adams", "Approved by Carol Clark.")
	alice.reads(userAdmin+" is active", "Approved by Carol Clark.")
	carol.reads("You approved " + userAdmin + " for Alice Adams")
	carol.opensHome()
	carol.homeHolds("Nothing waits for your decision.")
	w.pass("6m")
	alice.opensHome()
	page = alice.homeHolds(userAdmin+" is active", "1 active.", "53 minutes")
	alice.pressesHome(page, "stop")
	alice.homeAnew(page)
	alice.reads(userAdmin+" has ended", "You deactivated it before its time.")
	alice.opensHome()
	alice.homeHolds("You have no open request", "What you can activate")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"carol": 1}, deactivated: {"alice": 1}})
}

// pressesHome presses the only button of that verb in a person's Home tab.
func (h human) pressesHome(page slacktest.View, verb string) {
	h.w.t.Helper()
	var blocks []struct {
		ID       string `json:"block_id"`
		Elements []struct {
			Action string `json:"action_id"`
		}
	}
	h.w.must(json.Unmarshal(page.Blocks, &blocks))
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.Action == verb {
				_, err := h.w.slack.Change(h.w.ctx(), h.Slack, page.ID, b.ID, verb, "")
				h.w.must(err)
				return
			}
		}
	}
	h.w.t.Fatalf("%s has no button %q at home: %s", h.Name, verb, page.Blocks)
}
