package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

const (
	global     = "62e90394-69f5-4237-9190-012177145e10"
	security   = "194ae4cb-b126-40b2-bd5b-6091b380977d"
	azureOwner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	vault      = "fa017000-0000-4000-8000-00000000000b"
	another    = "fe930be7-5e62-47db-91af-98c3a49a38b1"
)

func entraRole(id, name string) pim.EligibleAssignment {
	return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: id, Scope: "/"}, RoleName: name, ScopeName: "Directory"}
}

func azureRole(id, name string) pim.EligibleAssignment {
	const scope = "/subscriptions/5ab50000-0000-4000-8000-00000000000c"
	return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Scope: scope,
		Role: scope + "/providers/Microsoft.Authorization/roleDefinitions/" + id}, RoleName: name, ScopeName: "subscription Production"}
}

func groupOf(id, name string) pim.EligibleAssignment {
	return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Owner, Scope: id}, RoleName: "Owner", ScopeName: name}
}

func TestPresence(t *testing.T) {
	standard := Approval{Presence: bySession, EveryTime: []string{mostPrivileged}}
	always := Approval{Presence: everyTime}
	never := Approval{Presence: bySession, EveryTime: []string{}}
	own := Approval{Presence: bySession, EveryTime: []string{another, "Helpdesk Administrator", vault, "Payments"}}
	spared := Approval{Presence: everyTime, EveryTime: []string{mostPrivileged}, Session: []string{security, strings.ToUpper(another)}}
	for _, c := range []struct {
		name string
		of   Approval
		role pim.EligibleAssignment
		want bool
	}{
		{"a most privileged role", standard, entraRole(global, "Global Administrator"), true},
		{"in capitals", standard, entraRole(strings.ToUpper(global), "GLOBAL ADMINISTRATOR"), true},
		{"whatever it is called", standard, entraRole(global, "Globaler Administrator"), true},
		{"below an administrative unit", standard, pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: global, Scope: "/administrativeUnits/x"}}, true},
		{"another role", standard, entraRole(another, "User Administrator"), false},
		{"another role of that name", standard, entraRole(another, "Global Administrator"), false},
		{"Azure's Owner", standard, azureRole(azureOwner, "Owner"), true},
		{"Azure's Owner in capitals", standard, azureRole(strings.ToUpper(azureOwner), "OWNER"), true},
		{"another role of Azure", standard, azureRole("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"), false},
		{"an Azure role with an Entra role's id", standard, azureRole(global, "Global Administrator"), false},
		{"a group", standard, groupOf(vault, "Finance Vault"), false},
		{"a role that nothing is known of", standard, pim.EligibleAssignment{}, true},
		{"an Azure role whose id says nothing", standard, azureRole("", ""), true},
		{"a group that nothing is known of", standard, groupOf("", "Finance Vault"), true},
		{"always", always, entraRole(another, "User Administrator"), true},
		{"always, a group", always, groupOf(vault, "Finance Vault"), true},
		{"never", never, entraRole(global, "Global Administrator"), false},
		{"never, not known", never, pim.EligibleAssignment{}, false},
		{"by an id of the operator's", own, entraRole(another, ""), true},
		{"by a name", own, entraRole("729827e3-9c14-49f7-bb1b-9608f156bbb8", "helpdesk administrator"), true},
		{"a list without most-privileged", own, entraRole(global, "Global Administrator"), false},
		{"a role whose name is not known, where a rule goes by names", own, entraRole("729827e3-9c14-49f7-bb1b-9608f156bbb8", ""), true},
		{"a group by its id", own, groupOf(strings.ToUpper(vault), "Finance Vault"), true},
		{"a group by its name", own, groupOf("00000000-0000-4000-8000-00000000000f", "payments"), true},
		{"spared of most-privileged", spared, entraRole(security, "Security Administrator"), false},
		{"spared of the rule for all", spared, entraRole(another, "User Administrator"), false},
		{"not spared", spared, entraRole(global, "Global Administrator"), true},
		{"settings that were never filled in", Approval{}, entraRole(another, "User Administrator"), true},
	} {
		if got := c.of.fresh(c.role); got != c.want {
			t.Errorf("%s: a fresh sign-in is wanted: %t", c.name, got)
		}
	}
	for _, p := range pim.MostPrivileged() {
		role := entraRole(p.ID, p.Name)
		if p.Kind == pim.AzureResource {
			role = azureRole(p.ID, p.Name)
		}
		if !standard.fresh(role) {
			t.Errorf("%s is not asked for by default", p.Name)
		}
	}
	if !standard.AsksPresence() || !always.AsksPresence() || never.AsksPresence() || !own.AsksPresence() || !(Approval{}).AsksPresence() {
		t.Error("whether any role is asked for is not told right")
	}
}

func TestPresenceIsChecked(t *testing.T) {
	c, err := Load(write(t, good), nil)
	if err != nil || c.Approval.Presence != bySession || len(c.Approval.EveryTime) != 1 || !c.Approval.fresh(entraRole(global, "")) {
		t.Fatalf("without a word of it: %+v, %v", c.Approval, err)
	}
	long := make([]string, mostRules+1)
	for n := range long {
		long[n] = fmt.Sprintf("role %d", n)
	}
	for name, test := range map[string]struct{ text, want string }{
		"another rule":      {"presence: sometimes", "approval.presence: must be session or every-time"},
		"no rule":           {`presence: ""`, "approval.presence: must be"},
		"a boolean":         {"presence: true", "approval.presence: must be text"},
		"an unknown key":    {"presnce: session", "approval.presnce: unknown key"},
		"an empty name":     {`every_time: [most-privileged, ""]`, "approval.every_time[1]: must be"},
		"a space":           {`every_time: [" Global Administrator"]`, "approval.every_time[0]: must be"},
		"a long name":       {"every_time: [" + strings.Repeat("x", longestRule+1) + "]", "approval.every_time[0]: must be"},
		"a long list":       {"every_time: [" + strings.Join(long, ", ") + "]", "approval.every_time: must have at most 200 entries"},
		"no list":           {"every_time: Global Administrator", "approval.every_time: must be a list"},
		"not text":          {"every_time: [7]", "approval.every_time[0]: must be text"},
		"spared by name":    {"session: [Security Administrator]", "approval.session[0]: must be an id"},
		"spared and wanted": {"every_time: [" + security + "]\n  session: [" + strings.ToUpper(security) + "]", "approval.session[0]: is in approval.every_time too"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, good+"\napproval:\n  "+test.text+"\n"), nil)
			if got := faults(t, err); !strings.Contains(got, test.want) {
				t.Errorf("%q is missing in:\n%s", test.want, got)
			}
		})
	}
	c, err = Load(write(t, good), []string{"BELAY_APPROVAL_PRESENCE=every-time", "BELAY_APPROVAL_EVERY_TIME=most-privileged,User Administrator"})
	if err != nil || c.Approval.Presence != everyTime || len(c.Approval.EveryTime) != 2 {
		t.Errorf("from the environment: %+v, %v", c.Approval, err)
	}
	for _, text := range []string{"every_time: []", "every_time: [most-privileged]", "every_time: [most-privileged, User Administrator]\n  session: [" + security + "]\n  presence: every-time"} {
		c, err := Load(write(t, good+"\napproval:\n  "+text+"\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(write(t, string(rendered)), nil)
		if err != nil || fmt.Sprintf("%+v", again.Approval) != fmt.Sprintf("%+v", c.Approval) {
			t.Errorf("%s becomes %+v, %v", text, again.Approval, err)
		}
	}
}
