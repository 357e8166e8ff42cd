package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// person is somebody of the sandbox: one account in Entra, and where they chat.
type person struct {
	Key   string // how the printed JSON calls them
	Name  string
	OID   string // Entra object id
	Slack string // Slack user id; empty: not in Slack
	Teams bool
	Guest bool // in Slack
}

func (p person) upn() string { return p.Key + "@contoso.example" }

const (
	tenantID    = "7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70"
	belayApp    = "b3a1c0de-4f52-4a7e-8d7c-90f1e2d3c4b5" // Belay's registration, the bot's as well
	belayItself = "be1a0000-0000-4000-8000-00000000000d" // its service principal
	slackTeam   = "T0CONTOSO"
	slackApp    = "A0BELAY"
	slackOps    = "C0ACCESS"
	slackRoom   = "C0GENERAL"
	teamsTeam   = "19:0c0ntosoteam0000000000000000@thread.tacv2"
	teamsOps    = "19:0c0ntosoaccess00000000000000@thread.tacv2"
	channel     = "access-notices"

	slackSecurity = "C0SECURITY"
	teamsSecurity = "19:0c0ntososecurity000000000000@thread.tacv2"
	security      = "security-alerts"

	slackDigest = "C0DIGEST"
	teamsDigest = "19:0c0ntosodigest00000000000000@thread.tacv2"
	digest      = "access-digest"
	generalRef  = "general"
)

// The people of the sandbox.
var cast = []person{
	{Key: "alice", Name: "Alice Adams", OID: "a11ce000-0000-4000-8000-000000000001", Slack: "U0ALICE", Teams: true},
	{Key: "bob", Name: "Bob Brown", OID: "b0b00000-0000-4000-8000-000000000002", Teams: true},
	{Key: "carol", Name: "Carol Clark", OID: "ca701000-0000-4000-8000-000000000003", Slack: "U0CAROL"},
	{Key: "dave", Name: "Dave Davis", OID: "da4e0000-0000-4000-8000-000000000004", Slack: "U0DAVE", Teams: true},
	{Key: "erin", Name: "Erin Evans", OID: "e7100000-0000-4000-8000-000000000005", Slack: "U0ERIN", Guest: true},
	{Key: "frank", Name: "Frank Fox", OID: "f7a10000-0000-4000-8000-000000000007", Slack: "U0FRANK"},
}

// Roles of the sandbox; the ids are Microsoft's template ids.
const (
	roleReports = "4a5d8f65-41da-4de4-8968-e035b65339cf" // Reports Reader: no approval
	roleUsers   = "fe930be7-5e62-47db-91af-98c3a49a38b1" // User Administrator: approval by Bob, Carol and a group
	roleGroups  = "fdd7a751-b60b-444a-984c-02652fe8fa1c" // Groups Administrator: authentication context and ticket
	roleGlobal  = "62e90394-69f5-4237-9190-012177145e10" // Global Administrator: approval by Bob, in person; the break-glass account stands in it
	roleReader  = "f2ef992c-3afb-46b9-b7cf-a126ee74c451" // Global Reader: approval, for Dave
	breakGlass  = "b4ea0000-0000-4000-8000-000000000009"
	dutyGroup   = "d0770000-0000-4000-8000-000000000008"
	viewers     = "5ec00000-0000-4000-8000-000000000012" // Security Leads, who may see how the tenant stands: Carol, Bob and Frank

	roleMessages = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b" // Message Center Reader: no approval
	roleHelpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8" // Helpdesk Administrator: held by a group
)

// PIM for Groups: who is in them is activated.
const (
	supportGroup = "5a990000-0000-4000-8000-00000000000a" // First-Line Support: Alice may become a member; eligible for Helpdesk Administrator
	vaultGroup   = "fa017000-0000-4000-8000-00000000000b" // Finance Vault: Dave may become an owner, when Carol approves
)

// Azure: one subscription below a management group, with two resource groups.
const (
	azureContoso     = "/providers/Microsoft.Management/managementGroups/contoso"
	azureProduction  = "/subscriptions/5ab50000-0000-4000-8000-00000000000c"
	azureShop        = azureProduction + "/resourceGroups/rg-shop"
	azureData        = azureProduction + "/resourceGroups/rg-data"
	azureStore       = azureData + "/providers/Microsoft.Storage/storageAccounts/contosodata"
	azureContributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	azureReader      = pimtest.AzureReader
)

func castOf(key string) (person, error) {
	for _, p := range cast {
		if p.Key == key {
			return p, nil
		}
	}
	return person{}, fmt.Errorf("nobody here is called %q", key)
}

// seedTenant fills a new tenant. One that was loaded from disk is left as it is.
func seedTenant(t *pimtest.Tenant, now time.Time) error {
	if t.Loaded() {
		return nil
	}
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	for _, p := range cast {
		do(t.AddUser(pimtest.User{ID: p.OID, Name: p.Name, UPN: p.upn(), Mail: p.upn(), Guest: p.Guest}))
	}
	do(t.AddUser(pimtest.User{ID: breakGlass, Name: "Break Glass", UPN: "break-glass@contoso.example"}))
	oid := func(key string) string {
		p, err := castOf(key)
		do(err)
		return p.OID
	}
	do(t.AddGroup(pimtest.Group{ID: dutyGroup, Name: "Duty Managers", Members: []string{oid("frank")}}))
	do(t.AddGroup(pimtest.Group{ID: viewers, Name: "Security Leads", Members: []string{oid("carol"), oid("bob"), oid("frank")}}))
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	for _, r := range []pimtest.Role{
		{ID: roleReports, Name: "Reports Reader", Policy: pimtest.Policy{MaxDuration: hours(8), Justification: true}},
		{ID: roleUsers, Name: "User Administrator", Policy: pimtest.Policy{MaxDuration: hours(4), Justification: true, MFA: true, Approval: true,
			Approvers: []string{oid("bob"), oid("carol"), dutyGroup}, ApproverJustification: true}},
		{ID: roleGroups, Name: "Groups Administrator", Policy: pimtest.Policy{MaxDuration: hours(2), Justification: true, Ticketing: true, AuthContext: "c1"}},
		{ID: roleReader, Name: "Global Reader", Policy: pimtest.Policy{MaxDuration: hours(8), Justification: true, Approval: true, Approvers: []string{oid("alice"), oid("carol")}, ApproverJustification: true}},
		{ID: roleMessages, Name: "Message Center Reader", Policy: pimtest.Policy{MaxDuration: hours(8), Justification: true}},
		{ID: roleHelpdesk, Name: "Helpdesk Administrator", Policy: pimtest.Policy{MaxDuration: hours(4), Justification: true}},
		{ID: roleGlobal, Name: "Global Administrator", Policy: pimtest.Policy{MaxDuration: hours(1), Justification: true, MFA: true, Approval: true, Approvers: []string{oid("bob")}, ApproverJustification: true}},
	} {
		do(t.AddRole(r))
	}
	from, forever := now.Add(-24*time.Hour), time.Time{}
	for _, role := range []string{roleReports, roleUsers, roleGroups, roleMessages} {
		do(t.Eligible(oid("alice"), role, "/", from, forever))
	}
	do(t.Eligible(oid("carol"), roleUsers, "/", from, forever)) // an approver who may ask, but never approve herself
	do(t.Eligible(oid("dave"), roleReader, "/", from, forever))
	do(t.Eligible(oid("frank"), roleGlobal, "/", from, forever))
	do(t.Assign(breakGlass, roleGlobal, "/"))
	do(seedReview(t, oid, now))
	return errors.Join(append(errs, seedGroups(t, oid, from), seedAzure(t, oid, from), seedWeak(t, oid, now))...)
}

// seedGroups makes the groups whose membership is activated, and what they are
// eligible for themselves: a second step for who became a member.
func seedGroups(t *pimtest.Tenant, oid func(string) string, from time.Time) error {
	return errors.Join(
		t.AddGroup(pimtest.Group{ID: supportGroup, Name: "First-Line Support", RoleAssignable: true}),
		t.SetGroupPolicy(supportGroup, "member", pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true}),
		t.EligibleInGroup(oid("alice"), supportGroup, "member", from, time.Time{}),
		t.Eligible(supportGroup, roleHelpdesk, "/", from, time.Time{}),
		t.AddGroup(pimtest.Group{ID: vaultGroup, Name: "Finance Vault"}),
		t.SetGroupPolicy(vaultGroup, "owner", pimtest.Policy{MaxDuration: 2 * time.Hour, Justification: true, Approval: true,
			Approvers: []string{oid("carol")}, ApproverJustification: true}),
		t.EligibleInGroup(oid("dave"), vaultGroup, "owner", from, time.Time{}),
	)
}

// seedAzure makes the resources and their roles. Each scope has a policy of its
// own.
func seedAzure(t *pimtest.Tenant, oid func(string) string, from time.Time) error {
	bob := pimtest.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: []string{oid("bob")}, ApproverJustification: true}
	shop := bob
	shop.MaxDuration = 2 * time.Hour
	var errs []error
	for _, r := range []pimtest.Resource{
		{ID: azureContoso, Name: "Contoso"},
		{ID: azureProduction, Name: "Production", Parent: azureContoso},
		{ID: azureShop}, {ID: azureData}, {ID: azureStore},
	} {
		errs = append(errs, t.AddResource(r))
	}
	return errors.Join(append(errs,
		t.GrantReader(azureContoso), // so that Belay reads the policies of what was asked for elsewhere
		t.AddAzureRole(pimtest.AzureRole{ID: azureContributor, Name: "Contributor", Actions: []string{"*"}}),
		t.AddAzureRole(pimtest.AzureRole{ID: azureReader, Name: "Reader"}),
		t.SetAzurePolicy(azureProduction, azureContributor, bob),
		t.SetAzurePolicy(azureShop, azureContributor, shop),
		t.EligibleAzure(oid("alice"), azureContributor, azureProduction, from, time.Time{}, ""),
		t.EligibleAzure(oid("dave"), azureReader, azureData, from, time.Time{}, ""),
	)...)
}

func seedSlack(w *slacktest.Workspace) {
	if len(w.State().Channels) > 0 {
		return // loaded from disk
	}
	var all []string
	for _, p := range cast {
		if p.Slack == "" {
			continue
		}
		w.AddUser(slacktest.User{ID: p.Slack, Name: p.Key, RealName: p.Name, Email: p.upn(), Guest: p.Guest})
		all = append(all, p.Slack)
	}
	w.AddChannel(slacktest.Channel{ID: slackOps, Name: channel, Members: all, BotIsMember: true})
	w.AddChannel(slacktest.Channel{ID: slackDigest, Name: digest, Members: all, BotIsMember: true})
	w.AddChannel(slacktest.Channel{ID: slackSecurity, Name: security, Members: []string{"U0FRANK"}, BotIsMember: true})
	w.AddChannel(slacktest.Channel{ID: slackRoom, Name: generalRef, Members: all, BotIsMember: true})
}

func seedTeams(t *teamstest.Teams) error {
	if len(t.State().Users) > 0 {
		return nil
	}
	var members []string
	for _, p := range cast {
		if !p.Teams {
			continue
		}
		if _, err := t.AddUser(teamstest.User{Name: p.Key, AADObjectID: p.OID, UPN: p.upn(), Email: p.upn(), InstalledPersonal: true}); err != nil {
			return err
		}
		members = append(members, p.Key)
	}
	if err := t.AddChannel(teamstest.Channel{ID: teamsSecurity, Name: security, TeamID: teamsTeam, Members: []string{"bob"}, BotInstalled: true}); err != nil {
		return err
	}
	if err := t.AddChannel(teamstest.Channel{ID: teamsDigest, Name: digest, TeamID: teamsTeam, Members: members, BotInstalled: true}); err != nil {
		return err
	}
	return t.AddChannel(teamstest.Channel{ID: teamsOps, Name: channel, TeamID: teamsTeam, Members: members, BotInstalled: true})
}
