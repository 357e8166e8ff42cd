package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// Words find roles of all kinds: a group by its own name, an Azure role by its
// scope's, and any by single words.
func TestFindingRolesOfAllKinds(t *testing.T) {
	w := newWide(t, nil)
	w.ms.AddRole("oid-alice", pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: contributor, Scope: rgProd.ID},
		RoleName: "Contributor", ScopeName: rgProd.Name}, pim.Policy{MaxDuration: time.Hour})
	for query, want := range map[string]string{
		"member of duty managers": "Member of Duty Managers",
		"owner of duty":           "Owner of Duty Managers",
		"rg-prod":                 "Contributor (resource group rg-prod)",
		"contributor rg-prod":     "Contributor (resource group rg-prod)",
		"production":              "Contributor (subscription Production)",
		"reports":                 "Reports Reader",
		"managers owner":          "Owner of Duty Managers",
	} {
		f := w.form(query)
		if got := fieldOf(f, "role").Chosen; got != want {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
	if problem := fieldOf(w.form("duty managers"), "role").Error; !strings.Contains(problem, "Several") {
		t.Errorf("a group's name alone: %q", problem)
	}
}

// Who decides is said before the person starts; that nobody can, too.
func TestWhoApprovesIsSaidForAllKinds(t *testing.T) {
	w := newWide(t, nil)
	for query, want := range map[string]string{
		"production":      "Contributor (subscription Production) needs approval by Bob Brown (with the members of Cloud Owners, 1 person).",
		"owner of duty":   "Owner of Duty Managers needs approval, but its policy names no approver, so nobody can decide.",
		"member of duty":  "Member of Duty Managers needs no approval.",
		"user admin":      "needs approval by Bob Brown or Carol Clark.",
		"reports reader ": "Reports Reader needs no approval.",
	} {
		if f := w.form(query); !strings.Contains(f.Text, want) {
			t.Errorf("%q says %q, want %q", query, f.Text, want)
		}
	}
}

func TestAnAzureRoleBelowItsScope(t *testing.T) {
	w := newWide(t, nil)
	w.ms.AddScope(azure.Assignment, rgTest)
	w.ms.AddRole("nobody", pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: contributor, Scope: rgTest.ID}},
		pim.Policy{MaxDuration: time.Hour, Justification: true, Approval: true, Approvers: []pim.Principal{people["carol"]}})
	f := w.form("production 2h fix the load balancer")
	where := fieldOf(f, "where")
	if where.Value != option(t, where, "subscription Production") || fieldOf(f, "ticket").Name == "" {
		t.Fatalf("the form does not begin with the whole eligibility: %+v", where)
	}
	if problem := w.refused(f, "where", map[string]string{"where": "forged", "ticket": "CHG-1"}); !strings.Contains(problem, "no place below") {
		t.Errorf("a forged place: %q", problem)
	}
	narrow := w.choose(f, map[string]string{"where": option(t, where, "resource group rg-test")})
	if !strings.Contains(narrow.Text, "Contributor (resource group rg-test) needs approval by Carol Clark") || fieldOf(narrow, "ticket").Name != "" ||
		!strings.Contains(fieldOf(narrow, "duration").Error, "1 hour at the most") {
		t.Fatalf("the place's own policy does not apply: %+v", narrow)
	}
	found := w.says("alice", bot.Search{Verb: narrow.Verb, ID: narrow.ID, Field: "where", Text: "RG-"}).Options
	if len(found) != 1 || found[0].Label != rgTest.Name {
		t.Errorf("searching places finds %+v", found)
	}
	w.send(narrow, map[string]string{"duration": "PT1H"})
	w.sees(w.slack, "D-carol", "asks for Contributor (resource group rg-test)", "[Approve]")
	a := w.pillars[pim.AzureResource].activated(t)
	if a.Scope != rgTest.ID || a.Schedule != azure.Schedule || a.Condition != azure.Condition || a.ConditionVersion != "2.0" {
		t.Errorf("Microsoft is asked for %+v", a)
	}
	// A role that cannot be narrowed asks no such question, whatever came before.
	if other := w.choose(narrow, map[string]string{"role": option(t, fieldOf(narrow, "role"), "Reports Reader")}); fieldOf(other, "where").Name != "" || len(problemsOf(other)) > 0 {
		t.Errorf("the place stayed: %+v", other)
	}
}

func TestAGroupCardLinksToItsOwnPage(t *testing.T) {
	w := newWide(t, nil)
	for _, test := range []struct {
		query, blade string
		policy       pim.EligibleAssignment
	}{{"user admin", "aadmigratedroles", users}, {"production", "azurerbac", azure}} {
		w.send(w.form(test.query), map[string]string{"reason": "figures", "ticket": "CHG-1"})
		card := w.sees(w.teams, "chat-bob", "asks for", test.policy.RoleName, "[Open in Entra]")
		if url := card.Card.Actions[2].URL; !strings.HasSuffix(url, "ApproveRequestMenuBlade/~/"+test.blade) {
			t.Errorf("%s links to %s", test.query, url)
		}
	}
}

// What a role wants acknowledged has to be ticked, and is remembered word by word.
func TestAcknowledging(t *testing.T) {
	const text = "Production: I follow the change procedure."
	w := newWide(t, func(o *bot.Options) {
		o.Acknowledge = func(e pim.EligibleAssignment) string {
			if e.Assignment == reports.Assignment || e.Assignment == managers.Assignment {
				return text
			}
			return ""
		}
	})
	if f := w.form("user admin"); fieldOf(f, "terms-").Name != "" {
		t.Errorf("a role without such a setting asks for it: %+v", f.Fields)
	}
	f := w.form("reports 1h figures")
	box := fieldOf(f, "terms-")
	if box.Kind != bot.Tick || box.Label != text || !box.Required || box.Value != "" {
		t.Fatalf("the box is %+v", box)
	}
	f = w.choose(f, map[string]string{"also": option(t, fieldOf(f, "also"), "Member of Duty Managers"), box.Name: "yes"})
	if all := fieldOf(f, "terms-"); all.Value != "yes" || f.Fields[len(f.Fields)-1].Name != box.Name || f.Fields[len(f.Fields)-2].Kind == bot.Tick {
		t.Errorf("one text is asked twice, or was unticked: %+v", f.Fields)
	}
	for _, forged := range []string{"", "no", "true"} {
		if problem := w.refused(f, "terms-", map[string]string{box.Name: forged}); !strings.Contains(problem, "tick the box") {
			t.Errorf("%q: %q", forged, problem)
		}
	}
	// A tick for another text does not count.
	w.refused(f, "terms-", map[string]string{box.Name: "", "terms-000000000000": "yes"})
	w.send(f, map[string]string{box.Name: "yes"})
	r, err := w.bot.Request(t.Context(), f.ID)
	if err != nil || len(r.History) < 2 || r.History[1].What != "acknowledged" || r.History[1].Detail != text || r.History[1].Who != "oid-alice" {
		t.Errorf("the history is %+v, %v", r.History, err)
	}
}

func TestStartingLater(t *testing.T) {
	w := newWide(t, nil)
	until := w.now().Add(10 * 24 * time.Hour)
	ending := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-ending", Scope: "/"}, RoleName: "Ending Role", ScopeName: "Directory", Until: until}
	w.ms.AddRole("oid-alice", ending, pim.Policy{MaxDuration: 2 * time.Hour})
	at := func(d time.Duration) string { return w.now().Add(d).UTC().Format(time.RFC3339) }
	f := w.form("ending")
	if start := fieldOf(f, "start"); start.Kind != bot.Moment || start.Required {
		t.Errorf("the field is %+v", start)
	}
	for start, want := range map[string]string{
		at(-2 * time.Minute):    "is over",
		"tomorrow":              "no date and time",
		at(31 * 24 * time.Hour): "30 days",
		until.Add(-30 * time.Minute).Format(time.RFC3339): "ends on",
	} {
		if problem := w.refused(f, "start", map[string]string{"start": start}); !strings.Contains(problem, want) {
			t.Errorf("%s: %q, want %q", start, problem, want)
		}
	}
	f = w.form("reports 1h figures")
	start := w.now().Add(3 * time.Hour).UTC().Truncate(time.Minute)
	w.send(f, map[string]string{"start": start.Format(time.RFC3339)})
	card := w.sees(w.slack, "D-alice", "Reports Reader is agreed and starts later", "makes it active when its start has come")
	if n := len(card.Card.Facts); n == 0 || !strings.Contains(words(card.Card), "Starts") {
		t.Errorf("the card does not say when: %+v", card.Card)
	}
	if a := w.pillars[pim.EntraRole].activated(t); !a.Start.Equal(start) {
		t.Errorf("Microsoft is asked for %v, want %v", a.Start, start)
	}
	w.advance(3*time.Hour + time.Minute)
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	w.advance(time.Hour)
	w.sees(w.slack, "D-alice", "has ended")
	// The minute that runs is now.
	f = w.form("member of duty 1h figures")
	w.send(f, map[string]string{"start": at(0)})
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active")
}

// What Microsoft would say stands in the form before the person types, and costs
// one call for a role and form.
func TestAskingMicrosoftBeforehand(t *testing.T) {
	w := newWide(t, nil)
	entra := w.pillars[pim.EntraRole]
	w.ask("alice", "reports", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	before := entra.checked()
	f := w.form("reports")
	if !strings.Contains(f.Text, "Reports Reader is active for you already, for another 59 minutes.") {
		t.Errorf("the form says %q", f.Text)
	}
	for range 3 {
		f = w.choose(f, map[string]string{"reason": "figures", "also": option(t, fieldOf(f, "also"), "User Administrator")})
		w.says("alice", bot.Search{Verb: f.Verb, ID: f.ID, Field: "also", Text: "u"})
	}
	if got := entra.checked() - before; got != 2 {
		t.Errorf("%d calls for two roles of one form", got)
	}
	w.ask("alice", "user admin", "PT1H", "figures")
	w.sees(w.slack, "D-alice", "waits for approval")
	if f := w.form("user admin"); !strings.Contains(f.Text, "waits at Microsoft already") {
		t.Errorf("the form says %q", f.Text)
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&pim.Error{Code: pim.CodeStepUp, Claims: "{}"}, "ask you for a stronger sign-in for Member of Duty Managers"},
		{&pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleMFA}}, "sign-in with MFA"},
		{&pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleEligibility}}, "not eligible"},
	} {
		w.ms.Fail("check", test.err)
		if f := w.form("member of duty"); !strings.Contains(f.Text, test.want) {
			t.Errorf("the form says %q, want %q", f.Text, test.want)
		}
	}
	for _, nothing := range []error{&pim.Error{Code: pim.CodeUnavailable}, &pim.Error{Code: pim.CodeThrottled}, &pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleTicketing}}} {
		w.ms.Fail("check", nothing)
		if f := w.form("member of duty"); f.Text != "Member of Duty Managers needs no approval." {
			t.Errorf("%v: the form says %q", nothing, f.Text)
		}
	}
	asked := entra.checks[0]
	if asked.Justification == "" || asked.Ticket.Number == "" || asked.Duration != 5*time.Minute || asked.ID == "" {
		t.Errorf("what the form still asks for would be a finding: %+v", asked)
	}
}

func TestHeldThroughAGroup(t *testing.T) {
	w := newWide(t, nil)
	held := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-held", Scope: "/"}, RoleName: "Held Role", ScopeName: "Directory",
		Through: pim.Principal{ID: "g-1", Name: "Helpdesk"}}
	w.ms.AddRole("oid-alice", held, pim.Policy{MaxDuration: time.Hour})
	f := w.form("held")
	var hint string
	for _, o := range fieldOf(f, "role").Options {
		if o.Label == "Held Role" {
			hint = o.Hint
		}
	}
	if !strings.Contains(hint, "through the group Helpdesk") || !strings.Contains(f.Text, "through the group Helpdesk; it becomes active for you alone") {
		t.Errorf("the list says %q, the form %q", hint, f.Text)
	}
	w.send(f, nil)
	w.sees(w.slack, "D-alice", "Held Role is active")
	if got := w.ms.Writes(); len(got) != 1 || got[0] != "oid-alice activate" {
		t.Errorf("activated: %q", got)
	}
}

// A pillar that cannot be read hides no other, and the form says who can mend it.
func TestOnePillarIsMissing(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&pim.Error{Code: pim.CodeLicense}, "Groups are missing here: this tenant has no licence"},
		{&pim.Error{Code: pim.CodeForbidden}, "Groups are missing here: Belay lacks a permission or consent. Ask your administrator"},
		{&pim.Error{Code: pim.CodeUnavailable}, "Groups are missing here: Microsoft did not answer"},
		{&pim.Error{Code: pim.CodeSignIn}, "Type /elevate link"},
	} {
		t.Run(string(pim.CodeOf(test.err)), func(t *testing.T) {
			w := newWide(t, nil)
			w.pillars[pim.Group].fail(test.err)
			f := w.form("")
			if len(fieldOf(f, "role").Options) != 3 || !strings.Contains(f.Note, test.want) {
				t.Fatalf("the form has %d roles and says %q", len(fieldOf(f, "role").Options), f.Note)
			}
			w.send(w.form("reports 1h figures"), nil)
			w.sees(w.slack, "D-alice", "Reports Reader is active")
			if pim.CodeOf(test.err) == pim.CodeSignIn {
				if c := w.says("alice", bot.Command{Text: "link"}).Card; c == nil || len(c.Actions) == 0 || c.Actions[0].URL == "" {
					t.Errorf("no sign-in is offered: %+v", c)
				}
			}
			w.pillars[pim.Group].fail(nil)
			w.advance(time.Minute)
			if f := w.form(""); len(fieldOf(f, "role").Options) != 5 || f.Note != "" {
				t.Errorf("the pillar did not come back: %q", f.Note)
			}
		})
	}
}

func TestNoPillarCanBeRead(t *testing.T) {
	w := newWide(t, nil)
	for _, p := range w.pillars {
		p.fail(&pim.Error{Code: pim.CodeLicense})
	}
	if c := w.says("alice", bot.Command{}).Card; c == nil || !strings.Contains(c.Text, "no licence") {
		t.Errorf("got %+v", c)
	}
	w.pillars[pim.AzureResource].fail(&pim.Error{Code: pim.CodeStepUp, Claims: "{}"})
	if c := w.says("alice", bot.Command{}).Card; c == nil || len(c.Actions) == 0 || c.Actions[0].URL == "" {
		t.Errorf("what a sign-in mends is not offered: %+v", c)
	}
}

// The policy changed between form and submission: the form is shown anew and
// nothing is sent.
func TestThePolicyChangesMeanwhile(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	w.ms.AddRole("oid-alice", reports, pim.Policy{MaxDuration: 30 * time.Minute, Justification: true, Ticket: true})
	w.advance(6 * time.Minute)
	reply := w.says("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: valuesOf(f)})
	if reply.Form == nil || fieldOf(reply.Form, "ticket").Name == "" || !strings.Contains(reply.Form.Note, "Nothing was sent yet") || fieldOf(reply.Form, "duration").Error == "" {
		t.Fatalf("got %+v", reply)
	}
	// Microsoft knows better than what is in memory: the next form rests on nothing old.
	w.ms.Fail("activate", &pim.Error{Code: pim.CodePolicy, Rules: []pim.Rule{pim.RuleTicketing}})
	w.send(w.form("member of duty 1h figures"), nil)
	w.sees(w.slack, "D-alice", "Member of Duty Managers was not activated", "ticket number")
	w.ms.AddRole("oid-alice", managers, pim.Policy{MaxDuration: time.Hour, Ticket: true})
	if f := w.form("member of duty"); fieldOf(f, "ticket").Name == "" {
		t.Errorf("the form still rests on the old policy: %+v", f.Fields)
	}
}

// Values that no field of the form asked for change nothing.
func TestForgedValues(t *testing.T) {
	w := newWide(t, nil)
	f := w.form("reports 1h figures")
	w.refused(f, "role", map[string]string{"role": "mfrggzdfmztwq2lknnwg23tpob"})
	w.refused(f, "also", map[string]string{"also": "mfrggzdfmztwq2lknnwg23tpob"})
	w.send(f, map[string]string{"approver": "oid-alice", "scope": "/", "terms-1": "yes"})
	w.sees(w.slack, "D-alice", "Reports Reader is active")
	if a := w.pillars[pim.EntraRole].activated(t); a.Assignment != reports.Assignment {
		t.Errorf("Microsoft is asked for %+v", a)
	}
}

// Membership of a group is one step, its roles are the next.
func TestTheSecondStepOfAGroup(t *testing.T) {
	reads := 0
	w := newWide(t, func(o *bot.Options) {
		o.GroupRoles = func(_ context.Context, group string) ([]pim.EligibleAssignment, error) {
			reads++
			if group != "g-managers" {
				t.Errorf("the group %q is read", group)
			}
			return []pim.EligibleAssignment{users, azure}, nil
		}
	})
	w.send(w.form("member of duty 1h figures"), nil)
	told := w.sees(w.slack, "D-alice", "The group is eligible for User Administrator and Contributor (subscription Production)", "[Choose a role]")
	if a := told.Card.Actions[0]; a.Verb != bot.VerbElevate {
		t.Errorf("the button is %+v", a)
	}
	// What it opened is read anew.
	w.ms.AddRole("oid-alice", pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-second", Scope: "/"}, RoleName: "Second Role"}, pim.Policy{MaxDuration: time.Hour})
	if f := w.form("second role"); fieldOf(f, "role").Chosen != "Second Role" {
		t.Errorf("the menu is the one from before: %+v", f.Fields[0])
	}
	w.restart()
	w.advance(2 * time.Hour)
	w.sees(w.slack, "D-alice", "Member of Duty Managers has ended")
	if reads != 1 {
		t.Errorf("the group was read %d times", reads)
	}
}

func TestTheSecondStepCannotBeRead(t *testing.T) {
	w := newWide(t, func(o *bot.Options) {
		o.GroupRoles = func(context.Context, string) ([]pim.EligibleAssignment, error) {
			return nil, &pim.Error{Code: pim.CodeForbidden}
		}
	})
	w.send(w.form("member of duty 1h figures"), nil)
	w.sees(w.slack, "D-alice", "Member of Duty Managers is active", "Roles that the group is eligible for are a second step", "[Choose a role]")
}
