package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

const vault = "Owner of Finance Vault"

// untilSees is until, for Teams.
func (h human) untilSees(by string, words ...string) {
	h.w.t.Helper()
	ctx := h.w.ctx()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		err := h.w.teamsWaits(short, h.Key, "", words...)
		cancel()
		if err == nil {
			return
		}
		h.w.pass(by)
	}
	h.sees(words...) // says what is there instead
}

// portals does something in Microsoft's portal.
func (h human) portals(d deed) (request string) {
	h.w.t.Helper()
	d.As = h.Key
	request, err := h.w.inPortal(d)
	h.w.must(err)
	return request
}

// untouched holds that no card of a person in Slack still has a button of that verb.
func (h human) untouched(verb string, words ...string) {
	h.w.t.Helper()
	c, _ := h.w.slack.State().Conversation(h.dm())
	for _, m := range c.Messages {
		if holds(slackText(m), words...) && strings.Contains(string(m.Blocks), `"action_id":"`+verb+`"`) {
			h.w.t.Errorf("%s can still %s: %s", h.Name, verb, slackText(m))
		}
	}
}

// Asked for in the portal, in all three pillars: the approvers get their cards within
// seconds, and decide in the chat.
func TestAskedInThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol, dave := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave")
	bob.linksTeams()
	carol.linksSlack()
	shop := contributor + " (resource group rg-shop)"
	alice.portals(deed{Do: "activate", Kind: "role", Role: roleUsers, Scope: "/", Duration: "1h", Reason: "a colleague is locked out"})
	dave.portals(deed{Do: "activate", Kind: "group", Role: "owner", Scope: vaultGroup, Duration: "1h", Reason: "quarter's end"})
	alice.portals(deed{Do: "activate", Kind: "azure", Role: azureContributor, Scope: azureShop, Duration: "2h", Reason: "the shop is down"})
	const elsewhere = "Made elsewhere, in the portal, on a phone or with a command line."
	bob.untilSees("5s", "Alice Adams asks for "+userAdmin, "a colleague is locked out", "1 hour", elsewhere)
	carol.until("5s", "Alice Adams asks for "+userAdmin, "a colleague is locked out", "1 hour", elsewhere)
	w.who("frank").until("5s", "Alice Adams asks for "+userAdmin, "you are a member of Duty Managers, which the role's policy names as approver", elsewhere)
	carol.until("5s", "Dave Davis asks for "+vault, "quarter's end", "1 hour", elsewhere)
	bob.untilSees("5s", "Alice Adams asks for "+shop, "the shop is down", "2 hours", elsewhere)
	for _, r := range w.tenant.State().Requests {
		if age := w.clock.Now().Sub(r.Created); age > 90*time.Second {
			t.Errorf("the card of a request for %s came after %v", r.Scope, age)
		}
	}
	alice.reads(userAdmin+" waits for approval", "You asked for it elsewhere")

	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	carol.until("5s", userAdmin+" is active: Alice Adams", "Approved by Bob Brown.")
	alice.reads(userAdmin+" is active", "Approved by Bob Brown.")
	w.hears(userAdmin+" is active: Alice Adams", "Approved by Bob Brown.")
	carol.presses("deny", "Dave Davis asks for "+vault)
	if out := carol.sends(carol.form("Reason"), map[string]string{"reason": "not before Friday"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the reason was not taken: %+v", out)
	}
	dave.until("5s", vault+" was denied", "Denied by Carol Clark: not before Friday")
	w.hears(vault+" was denied: Dave Davis", "Denied by Carol Clark")
	bob.taps("Approve", "Alice Adams asks for "+shop)
	alice.until("5s", shop+" is active", "Approved by Bob Brown.")
	bob.sees(shop+" is active: Alice Adams", "You approved it.")
	w.hears(shop+" is active: Alice Adams", "Approved by Bob Brown.")
	carol.untouched("approve", userAdmin)
	carol.untouched("approve", vault)
	w.auditHas(map[string]map[string]int{requested: {"alice": 2, "dave": 1}, approved: {"bob": 2}, denied: {"carol": 1}})

	// And what began elsewhere ends here as anything does, once she has signed in.
	alice.presses("stop", shop+" is active")
	alice.signsIn(alice.slackURL())
	alice.reads("You are linked")
	alice.presses("stop", shop+" is active")
	alice.reads(shop+" is deactivated later", "first five minutes")
	w.pass("6m")
	alice.reads(shop + " has ended")
	w.hears(shop+" has ended: Alice Adams", "Deactivated by the requester before its time.")
}

// Asked for in the chat and decided in the portal, in all three pillars: every card is
// closed and names who decided, and who presses an old card is told who was first.
func TestAskedHereAndDecidedInThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol, dave, frank := w.who("alice"), w.who("bob"), w.who("carol"), w.who("dave"), w.who("frank")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	dave.linksSlack()
	request := func(kind string) string {
		all := w.tenant.State().Requests
		return all[slices.IndexFunc(all, func(r reqState) bool { return r.Kind == kind })].ID
	}

	alice.asks("user admin 1h reset a password")
	id := alice.requestID("cancel", userAdmin+" waits for approval")
	bob.sees("Alice Adams asks for " + userAdmin)
	carol.reads("Alice Adams asks for " + userAdmin)
	frank.reads("Alice Adams asks for "+userAdmin, "you are a member of Duty Managers")
	frank.portals(deed{Do: "approve", Request: request("role"), Reason: "go ahead"})
	alice.until("5s", userAdmin+" is active", "Approved by Frank Fox, in Entra.")
	bob.sees(userAdmin+" is active: Alice Adams", "Approved by Frank Fox, in Entra.")
	carol.reads(userAdmin+" is active: Alice Adams", "Approved by Frank Fox, in Entra.")
	frank.reads(userAdmin+" is active: Alice Adams", "You approved it.")
	w.hears(userAdmin+" is active: Alice Adams", "Approved by Frank Fox, in Entra.")
	carol.untouched("approve", userAdmin)
	carol.forgesPress("approve", id)
	carol.reads("Frank Fox already approved this, so your press changed nothing.")
	if got := bob.forgesTap("approve", id); !strings.Contains(got, "Frank Fox already approved this") {
		t.Errorf("Bob is told: %s", got)
	}

	dave.types("vault 1h quarter's end")
	form := dave.sits(vault+" needs approval by Carol Clark.", "every owner of the vault is reported to the auditors")
	if out := dave.sends(form, nil); out.Delivered || len(out.Errors) != 1 {
		t.Errorf("the form goes without what is to be acknowledged: %+v", out)
	}
	dave.sendsTicked(form)
	carol.reads("Dave Davis asks for "+vault, "quarter's end")
	carol.portals(deed{Do: "deny", Request: request("group"), Reason: "not before Friday"})
	dave.until("5s", vault+" was denied", "Denied by Carol Clark, in Entra: not before Friday")
	carol.reads(vault+" was denied: Dave Davis", "You denied it.")
	w.hears(vault+" was denied: Dave Davis", "Denied by Carol Clark, in Entra")
	carol.untouched("approve", vault)

	alice.asks("contributor 1h roll out")
	const production = contributor + " (subscription Production)"
	bob.sees("Alice Adams asks for " + production)
	bob.portals(deed{Do: "approve", Request: request("azure")})
	alice.until("5s", production+" is active", "Approved by Bob Brown, in Entra.")
	bob.sees(production+" is active: Alice Adams", "You approved it.")
	w.hears(production+" is active: Alice Adams", "Approved by Bob Brown, in Entra.")
	w.auditHas(map[string]map[string]int{requested: {"alice": 2, "dave": 1}, approved: {"frank": 1, "bob": 1}, denied: {"carol": 1}})
}
