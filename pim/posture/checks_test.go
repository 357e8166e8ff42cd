package posture_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
)

const (
	globalAdmin = "62e90394-69f5-4237-9190-012177145e10"
	appAdmin    = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	userAdmin   = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	owner       = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	sub         = "/subscriptions/11111111-1111-4111-8111-111111111111"
)

var taken = time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)

func role(id, who string, change ...func(*pim.Holding)) pim.Holding {
	h := pim.Holding{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: id, Scope: "/"}, Holder: pim.Principal{ID: who, Name: strings.ToUpper(who[:1]) + who[1:]},
		Type: pim.User, Start: taken.Add(-365 * 24 * time.Hour)}
	for _, c := range change {
		c(&h)
	}
	return h
}

func eligible(h *pim.Holding)  { h.Eligible = true }
func activated(h *pim.Holding) { h.Activated = true }
func isGroup(h *pim.Holding)   { h.Type = pim.GroupOfPeople }
func isApp(h *pim.Holding)     { h.Type = pim.ServicePrincipal }

func in(group, who string, change ...func(*pim.Holding)) pim.Holding {
	h := role(pim.Member, who, change...)
	h.Assignment = pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: group}
	return h
}

func azure(scope, who string, change ...func(*pim.Holding)) pim.Holding {
	h := role(owner, who, change...)
	h.Kind, h.Scope = pim.AzureResource, scope
	return h
}

func settings(id string, change ...func(*pim.Settings)) pim.Settings {
	s := pim.Settings{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: id, Scope: "/"}, MaxDuration: 2 * time.Hour, MFA: true, Justification: true,
		Approval: true, Approvers: 2, Mailed: true}
	for _, c := range change {
		c(&s)
	}
	return s
}

// sound is a tenant of which nothing is to be said.
func sound() (posture.Snapshot, posture.Rules) {
	s := posture.Snapshot{Taken: taken, Tenant: "t", Since: taken.Add(-90 * 24 * time.Hour),
		Roles: map[string]string{globalAdmin: "Global Administrator", appAdmin: "Application Administrator", userAdmin: "User Administrator"},
		Holdings: []pim.Holding{
			role(globalAdmin, "break1"), role(globalAdmin, "break2"), role(globalAdmin, "gina", eligible), role(userAdmin, "uma", eligible),
			role(appAdmin, "ops", isGroup), role(appAdmin, "abel", eligible), in("ops", "oscar", eligible),
		},
		Settings:   []pim.Settings{settings(globalAdmin), settings(appAdmin), settings(userAdmin, func(s *pim.Settings) { s.Approval = false })},
		Assignable: []pim.NamedGroup{{ID: "ops", Name: "Ops"}}, Looked: map[string]bool{"ops": true}, Guests: map[string]bool{},
		Licences: []pim.Licence{{SKU: "EMS", Plan: pim.PlanP2}}, Activated: map[posture.Deed]time.Time{},
		Reviews: []pim.AccessReview{{ID: "1", Name: "Quarterly", Roles: []string{globalAdmin, appAdmin}, Every: 92 * 24 * time.Hour}},
	}
	for _, d := range []posture.Deed{{"gina", globalAdmin}, {"uma", userAdmin}, {"abel", appAdmin}} {
		s.Activated[d] = taken.Add(-time.Hour)
	}
	return s, posture.Rules{BreakGlass: []string{"BREAK1", "break2"}}
}

func find(r posture.Report, id string) *posture.Finding {
	for _, f := range r.Findings {
		if f.ID == id {
			return &f
		}
	}
	return nil
}

// spoiled is, for each check, a change that makes a sound tenant show it, and what its
// evidence then says.
var spoiled = map[string]struct {
	change   func(*posture.Snapshot, *posture.Rules)
	severity posture.Severity
	says     string
}{
	"standing-privileged": {hold(role(globalAdmin, "mallory")), posture.High, "Mallory: Global Administrator"},
	"standing-other":      {hold(role(userAdmin, "ulf", func(h *pim.Holding) { h.End = taken.Add(48 * time.Hour) })), posture.Medium, "Ulf: User Administrator, until 28 November 2026"},
	"role-not-in-pim":     {hold(role("legacy", "len")), posture.Medium, "1 standing holder: legacy"},
	"no-break-glass":      {func(_ *posture.Snapshot, r *posture.Rules) { r.BreakGlass = append(r.BreakGlass, "gone") }, posture.Medium, "account gone does not hold"},
	"global-administrators": {hold(role(globalAdmin, "g1", eligible), role(globalAdmin, "g2", eligible)), posture.High,
		"G1, eligible"},
	"guest-privileged": {func(s *posture.Snapshot, _ *posture.Rules) { s.Guests["gina"] = true }, posture.High, "Gina: Global Administrator, eligible"},
	"service-principal-privileged": {hold(role(appAdmin, "robot", isApp, eligible)), posture.High,
		"application Robot: Application Administrator, eligible"},
	"nested-groups": {hold(in("ops", "inner", isGroup, eligible), in("inner", "core", isGroup)), posture.Medium,
		"Application Administrator: group Ops > group Inner > group Core"},
	"group-not-in-pim": {func(s *posture.Snapshot, _ *posture.Rules) {
		s.Assignable = append(s.Assignable, pim.NamedGroup{ID: "old", Name: "Old"})
		s.Looked["old"] = true
		s.Holdings = append(s.Holdings, in("old", "olga"))
	}, posture.Medium, "group Old: 1 standing members"},
	"azure-high-scope":      {hold(azure(sub, "azra")), posture.High, "Azra: Owner at " + sub},
	"azure-standing":        {hold(azure(sub+"/resourceGroups/rg", "azra")), posture.Low, "Azra: Owner at " + sub + "/resourceGroups/rg"},
	"no-mfa":                {set(globalAdmin, func(s *pim.Settings) { s.MFA = false }), posture.High, "Global Administrator"},
	"long-activation":       {set(userAdmin, func(s *pim.Settings) { s.MaxDuration = 8 * time.Hour }), posture.Medium, "User Administrator: 8 hours"},
	"no-justification":      {set(userAdmin, func(s *pim.Settings) { s.Justification = false }), posture.Medium, "User Administrator"},
	"no-approval":           {set(appAdmin, func(s *pim.Settings) { s.Approval = false }), posture.High, "Application Administrator"},
	"no-approvers":          {set(appAdmin, func(s *pim.Settings) { s.Approvers = 0 }), posture.Medium, "all Privileged Role and Global Administrators decide"},
	"no-notification":       {set(appAdmin, func(s *pim.Settings) { s.Mailed = false }), posture.Low, "Application Administrator"},
	"permanent-eligibility": {set(appAdmin, func(s *pim.Settings) { s.PermanentEligible = true }), posture.Medium, "Application Administrator"},
	"stale-eligibility": {func(s *posture.Snapshot, _ *posture.Rules) {
		s.Activated[posture.Deed{Principal: "uma", Role: userAdmin}] = taken.Add(-91 * 24 * time.Hour)
	}, posture.Low, "Uma: User Administrator, not activated in 90 days"},
	"no-licence": {func(s *posture.Snapshot, _ *posture.Rules) { s.Licences = nil }, posture.High, "no subscription"},
}

func hold(more ...pim.Holding) func(*posture.Snapshot, *posture.Rules) {
	return func(s *posture.Snapshot, _ *posture.Rules) { s.Holdings = append(s.Holdings, more...) }
}

func set(id string, change func(*pim.Settings)) func(*posture.Snapshot, *posture.Rules) {
	return func(s *posture.Snapshot, _ *posture.Rules) {
		for i := range s.Settings {
			if s.Settings[i].Role == id {
				change(&s.Settings[i])
			}
		}
	}
}

// Of a sound tenant nothing is said, and every check is clear.
func TestASoundTenantIsClear(t *testing.T) {
	r := posture.Examine(sound())
	if len(r.Findings)+len(r.Blind) != 0 || len(r.Clear) != len(posture.Checks()) {
		t.Errorf("findings %+v, blind %+v, clear %v", r.Findings, r.Blind, r.Clear)
	}
	if n := r.Numbers; *n.Standing != 3 || *n.Eligible != 4 || *n.Active != 0 || *n.Admins != 3 {
		t.Errorf("numbers: %d %d %d %d", *n.Standing, *n.Eligible, *n.Active, *n.Admins)
	}
}

// Each check finds what it is for, names it, and says what to do.
func TestEachCheckFinds(t *testing.T) {
	for _, c := range posture.Checks() {
		t.Run(c.ID, func(t *testing.T) {
			bad, ok := spoiled[c.ID]
			if !ok {
				t.Fatal("no tenant shows it")
			}
			s, rules := sound()
			bad.change(&s, &rules)
			f := find(posture.Examine(s, rules), c.ID)
			if f == nil {
				t.Fatal("not found")
			}
			if f.Severity != bad.severity || f.What == "" || f.Why == "" || f.Mend == "" || !strings.HasPrefix(f.Link, "https://entra.microsoft.com/#") {
				t.Errorf("%+v", f)
			}
			if !slices.ContainsFunc(f.Evidence, func(e posture.Evidence) bool { return strings.Contains(e.What, bad.says) }) {
				t.Errorf("evidence %+v, want %q", f.Evidence, bad.says)
			}
		})
	}
}

// A check that needs what could not be read is never clear, whether the whole of it or
// some is missing, and names the permission.
func TestWhatCannotBeSeenIsNeverGreen(t *testing.T) {
	for _, c := range posture.Checks() {
		for _, part := range c.Needs {
			for _, some := range []bool{false, true} {
				t.Run(fmt.Sprint(c.ID, part, some), func(t *testing.T) {
					s, rules := sound()
					s.Unseen = []posture.Unseen{{Part: part, Some: some, Permission: "Some.Permission", Why: "not permitted"}}
					r := posture.Examine(s, rules)
					if slices.Contains(r.Clear, c.ID) {
						t.Error("clear")
					}
					i := slices.IndexFunc(r.Blind, func(b posture.Blind) bool { return b.Check == c.ID })
					if i < 0 || r.Blind[i].Permission != "Some.Permission" || !strings.Contains(r.Blind[i].What, "because permission Some.Permission is missing") {
						t.Fatalf("%+v", r.Blind)
					}
				})
			}
		}
	}
}

// What rests on something not being there is not said where it could not be read.
func TestBlindnessIsNoFinding(t *testing.T) {
	for id, part := range map[string]posture.Part{"role-not-in-pim": posture.RolesEligible, "global-administrators": posture.RolesEligible, "group-not-in-pim": posture.GroupsElig,
		"stale-eligibility": posture.Activations, "no-licence": posture.Licences, "no-break-glass": posture.RolesActive} {
		s, rules := sound()
		spoiled[id].change(&s, &rules)
		s.Unseen = []posture.Unseen{{Part: part, Why: "not permitted", Permission: "P"}}
		if f := find(posture.Examine(s, rules), id); f != nil {
			t.Errorf("%s without %s: %+v", id, part, f)
		}
	}
}

// What is not wrong is not found: near misses of the checks.
func TestNearMisses(t *testing.T) {
	for name, tc := range map[string]struct {
		id     string
		change func(*posture.Snapshot, *posture.Rules)
	}{
		"an activation is no standing access":  {"standing-privileged", hold(role(globalAdmin, "gina", activated))},
		"break-glass may stand":                {"standing-privileged", func(_ *posture.Snapshot, r *posture.Rules) { r.BreakGlass = []string{"break1", "break2"} }},
		"an authentication context is as good": {"no-mfa", set(globalAdmin, func(s *pim.Settings) { s.MFA, s.AuthContext = false, "c1" })},
		"a role that nobody has does not matter": {"long-activation", func(s *posture.Snapshot, _ *posture.Rules) {
			s.Settings = append(s.Settings, settings("unused", func(s *pim.Settings) { s.MaxDuration = 24 * time.Hour }))
		}},
		"four hours are not too long":              {"long-activation", set(userAdmin, func(s *pim.Settings) { s.MaxDuration = 4 * time.Hour })},
		"lesser roles need no approval":            {"no-approval", set(userAdmin, func(s *pim.Settings) { s.Approval = false })},
		"a group that holds no role may be nested": {"nested-groups", hold(in("club", "inner", isGroup))},
		"groups in a circle end":                   {"nested-groups", hold(in("ops2", "ops2", isGroup))},
		"young eligibility is not stale":           {"stale-eligibility", hold(role(userAdmin, "yuri", eligible, func(h *pim.Holding) { h.Start = taken.Add(-time.Hour) }))},
		"Azure's reader may stand": {"azure-high-scope", hold(azure(sub, "rita", func(h *pim.Holding) {
			h.Role = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
		}))},
	} {
		s, rules := sound()
		tc.change(&s, &rules)
		if f := find(posture.Examine(s, rules), tc.id); f != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// A role whose policy was not told, and a policy that lacks a rule, are not taken for good.
func TestAPolicyThatWasNotToldIsNotSound(t *testing.T) {
	for name, change := range map[string]func(*posture.Snapshot, *posture.Rules){
		"no policy": func(s *posture.Snapshot, _ *posture.Rules) { s.Settings = s.Settings[1:] },
		"no rule":   set(appAdmin, func(s *pim.Settings) { s.MFA, s.Missing = false, []string{pim.RuleOfEnablement} }),
	} {
		s, rules := sound()
		change(&s, &rules)
		r := posture.Examine(s, rules)
		if find(r, "no-mfa") != nil || slices.Contains(r.Clear, "no-mfa") {
			t.Errorf("%s: %+v, clear %v", name, r.Findings, r.Clear)
		}
	}
}

// A log that goes back 30 days still says what is stale, and says how far it goes.
func TestAShortLogSaysSo(t *testing.T) {
	s, rules := sound()
	s.Since = taken.Add(-30 * 24 * time.Hour)
	if f := find(posture.Examine(s, rules), "stale-eligibility"); f != nil {
		t.Fatalf("%+v", f)
	}
	delete(s.Activated, posture.Deed{Principal: "uma", Role: userAdmin})
	f := find(posture.Examine(s, rules), "stale-eligibility")
	if f == nil || !strings.Contains(f.Evidence[0].What, "not activated in 30 days, which is as far as the audit log goes back") {
		t.Errorf("%+v", f)
	}
}

// Evidence is bounded, and what is left out is counted.
func TestEvidenceIsBounded(t *testing.T) {
	s, rules := sound()
	for i := range 1000 {
		s.Holdings = append(s.Holdings, role(userAdmin, fmt.Sprintf("u%d", i)))
	}
	f := find(posture.Examine(s, rules), "standing-other")
	if f == nil || f.Count != 1000 || len(f.Evidence) != 50 || f.What != "1000 standing assignments of other directory roles" {
		t.Errorf("%+v", f)
	}
}

// A number of which some was not seen is no number.
func TestNumbersThatWereNotSeen(t *testing.T) {
	s, rules := sound()
	s.Unseen = []posture.Unseen{{Part: posture.AzureActive, Some: true, Why: "throttled"}}
	n := posture.Examine(s, rules).Numbers
	if n.Standing != nil || n.Active != nil || n.Eligible == nil || n.Admins == nil {
		t.Errorf("%+v", n)
	}
}
