package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim/pimtest"
)

const (
	support     = "Member of First-Line Support"
	helpdesk    = "Helpdesk Administrator"
	contributor = "Contributor"
)

// A membership is activated from Slack. The role that the group is eligible for is a
// second step, which is offered and activated for the person alone.
func TestGroupAndItsSecondStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	alice.asks("first-line 1h night shift")
	alice.reads(support+" is active", "The group is eligible for "+helpdesk+". That is a second step", "Choose a role")
	w.hears(support + " is active: Alice Adams")
	alice.presses("elevate", support+" is active", "second step")
	form := alice.sits("Role", helpdesk)
	alice.picks(form, "role", helpdesk)
	form = alice.sits(helpdesk+" needs no approval. You are eligible through the group First-Line Support; it becomes active for you alone.", "Why")
	if out := alice.sends(form, map[string]string{"reason": "unlock an account"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads(helpdesk+" is active", "unlock an account")
	w.hears(helpdesk + " is active: Alice Adams")
	held := alice.activeRoles()
	if len(held) != 2 || held[0].Kind != "group" || held[0].Scope != supportGroup || held[1].Kind != "role" || held[1].Role != roleHelpdesk {
		t.Errorf("Alice holds %+v", held)
	}
	for _, a := range w.tenant.State().Active {
		if a.Principal == supportGroup && a.Activated {
			t.Errorf("the group itself was activated: %+v", a)
		}
	}
	alice.types("stop") // both, each with its button
	alice.reads(support, helpdesk, "Deactivate "+helpdesk)
	w.auditHas(map[string]map[string]int{requested: {"alice": 2}})
	w.pass("61m")
	alice.reads(support + " has ended")
	alice.reads(helpdesk + " has ended")
}

// Azure: asked for in Teams at a resource group below the eligibility's subscription,
// under that place's own rules, and approved in Teams by somebody who signs in then.
func TestAzureNarrowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksTeams()
	alice.writes("/elevate contributor 1h deploy the shop")
	alice.sees("Contributor (subscription Production) needs approval by Bob Brown.", "Where", "4 hours")
	const shop = "resource group rg-shop"
	alice.fillsIn("Send", map[string]string{"where": shop}, "Contributor (subscription Production) needs approval", "Where")
	alice.sees("Contributor ("+shop+")", "needs approval by Bob Brown")
	w.auditHas(nil) // another place is shown before it is sent
	for _, in := range alice.inputs("Contributor ("+shop+")", "needs approval by Bob Brown") {
		if in.ID != "duration" {
			continue
		}
		for _, c := range in.Choices {
			if strings.HasPrefix(c.Title, "4 hours") {
				t.Error("the form offers more than the resource group allows")
			}
		}
	}
	alice.fillsIn("Send", nil, "Contributor ("+shop+")", "needs approval by Bob Brown")
	bob.sees("Alice Adams asks for Contributor ("+shop+")", "deploy the shop", "1 hour")
	alice.sees("Contributor ("+shop+") waits for approval", "Bob Brown")
	bob.taps("Approve", "Alice Adams asks for Contributor ("+shop+")")
	bob.signsIn(bob.teamsURL())
	bob.sees("You approved Contributor (" + shop + ") for Alice Adams")
	alice.sees("Contributor ("+shop+") is active", "Approved by Bob Brown.")
	w.hears("Contributor ("+shop+") is active: Alice Adams", "Approved by Bob Brown")
	held := alice.activeRoles()
	if len(held) != 1 || held[0].Kind != "azure" || !strings.EqualFold(held[0].Scope, azureShop) || !strings.Contains(held[0].Role, azureContributor) {
		t.Errorf("Alice holds %+v, want Contributor at the resource group and nothing above it", held)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
	w.pass("61m")
	alice.sees("Contributor (" + shop + ") has ended")
}

// Nobody consented to Azure's permission: Azure alone is missing, and the form says
// who can mend that.
func TestNoConsentForAzure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	isAzureToken := func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/token") && strings.Contains(string(bodyOf(r)), "management.azure.com") && strings.Contains(string(bodyOf(r)), "refresh_token")
	}
	w.fails(100, isAzureToken, pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_codes":[65001],"suberror":"consent_required",` +
		`"error_description":"AADSTS65001: The user or administrator has not consented to use the application."}`})
	alice.linksSlack()
	bob.linksTeams()
	const missing = "Azure resource roles are missing here: Belay lacks a permission or consent. Ask your administrator to check its registration in Entra."
	alice.types("")
	form := alice.sits(missing)
	if said := modal(form); !holds(said, userAdmin, support) || strings.Contains(said, contributor) || strings.Count(said, "missing here") != 1 {
		t.Errorf("Alice is offered %s", said)
	}
	if _, err := w.slack.Close(w.ctx(), alice.Slack, form.ID); err != nil {
		t.Error(err)
	}
	alice.writes("/elevate home") // who she is in Teams, Microsoft says
	alice.sees("What you can activate", missing)
	alice.opensHome()
	alice.homeHolds(userAdmin, missing)
	alice.asks("user admin 1h reset a password")
	bob.sees("Alice Adams asks for " + userAdmin)
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}
