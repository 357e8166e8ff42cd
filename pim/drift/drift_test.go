package drift_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/pim/posture"
)

const (
	globalAdmin = "62e90394-69f5-4237-9190-012177145e10"
	reader      = "4a5d8f65-41da-4de4-8968-e035b65339cf"
	team        = "5a990000-0000-4000-8000-00000000000a"
)

var (
	at    = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	every = drift.Look{Pillars: []pim.Kind{pim.EntraRole, pim.Group, pim.AzureResource}, Scopes: []string{"/subscriptions/1"}}
)

func policy(role string) pim.Settings {
	return pim.Settings{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"}, MaxDuration: 2 * time.Hour, MFA: true, Justification: true, Ticket: true,
		Approval: true, Deciders: []string{"bob", "carol"}, Approvers: 2, Mailed: true}
}

func held(kind pim.Kind, role, scope, who string, eligible bool) pim.Holding {
	return pim.Holding{Assignment: pim.Assignment{Kind: kind, Role: role, Scope: scope}, Holder: pim.Principal{ID: who, Name: strings.ToUpper(who)}, Type: pim.User, Eligible: eligible}
}

// leads has a group be eligible for a role that leads to every other one.
func leads(s *posture.Snapshot, group string) {
	h := held(pim.EntraRole, globalAdmin, "/", group, true)
	h.Type = pim.GroupOfPeople
	s.Holdings, s.Looked[group] = append(s.Holdings, h), true
}

// tenant is a snapshot in which everything was seen.
func tenant() posture.Snapshot {
	ends := held(pim.EntraRole, reader, "/", "erin", true)
	ends.End = at.Add(24 * time.Hour)
	active := held(pim.EntraRole, reader, "/", "alice", false)
	active.Activated = true
	return posture.Snapshot{Taken: at, Roles: map[string]string{globalAdmin: "Global Administrator", reader: "Reports Reader"}, Looked: map[string]bool{team: true},
		Settings: []pim.Settings{policy(globalAdmin), policy(reader)},
		Holdings: []pim.Holding{held(pim.EntraRole, globalAdmin, "/", "glass", false), held(pim.EntraRole, reader, "/", "alice", true), active, ends,
			held(pim.Group, pim.Member, team, "alice", true), held(pim.AzureResource, "/x/reader", "/subscriptions/1", "dave", true)}}
}

// accepted is a baseline that took in all of a snapshot.
func accepted(t *testing.T, s posture.Snapshot) map[string]drift.Entry {
	t.Helper()
	found := drift.Compare(map[string]drift.Entry{}, drift.Take(s, every))
	if len(found.Changes)+len(found.Over)+len(found.Gone) > 0 {
		t.Fatalf("compared with nothing: %+v", found)
	}
	base := map[string]drift.Entry{}
	for _, e := range found.Fresh {
		base[e.Key()] = e
	}
	return base
}

func changes(base map[string]drift.Entry, s posture.Snapshot) []drift.Change {
	return drift.Compare(base, drift.Take(s, every)).Changes
}

// said are the differences in short.
func said(c drift.Change) string {
	var all []string
	for _, f := range c.Fields {
		mark := ""
		if f.Weaker {
			mark = "!"
		}
		all = append(all, fmt.Sprintf("%s%s %s>%s", mark, f.Name, f.Before, f.After))
	}
	switch {
	case c.Before == nil:
		all = append(all, "new")
	case c.After == nil:
		all = append(all, "gone")
	}
	if c.Weaker {
		all = append(all, "weaker")
	}
	return strings.Join(all, ", ")
}

// Each setting is told with what it was and what it is, and whether less is demanded.
func TestChangesOfSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*pim.Settings)
		want string
	}{
		"nothing":             {func(*pim.Settings) {}, ""},
		"longer":              {func(s *pim.Settings) { s.MaxDuration = 8 * time.Hour }, "!max-duration PT2H>PT8H, weaker"},
		"shorter":             {func(s *pim.Settings) { s.MaxDuration = time.Hour }, "max-duration PT2H>PT1H"},
		"no MFA":              {func(s *pim.Settings) { s.MFA = false }, "!mfa yes>no, weaker"},
		"a context instead":   {func(s *pim.Settings) { s.MFA, s.AuthContext = false, "c1" }, "!auth-context none>c1, weaker"},
		"no justification":    {func(s *pim.Settings) { s.Justification = false }, "!justification yes>no, weaker"},
		"no ticket":           {func(s *pim.Settings) { s.Ticket = false }, "!ticket yes>no, weaker"},
		"no approval":         {func(s *pim.Settings) { s.Approval = false }, "!approval yes>no, weaker"},
		"nobody approves":     {func(s *pim.Settings) { s.Deciders, s.Approvers = nil, 0 }, "!approvers bob,carol>none, weaker"},
		"another approves":    {func(s *pim.Settings) { s.Deciders = []string{"bob", "mallory"} }, "!approvers bob,carol>bob,mallory, weaker"},
		"fewer approve":       {func(s *pim.Settings) { s.Deciders = []string{"bob"} }, "approvers bob,carol>bob"},
		"in another order":    {func(s *pim.Settings) { s.Deciders = []string{"carol", "bob"} }, ""},
		"nobody is mailed":    {func(s *pim.Settings) { s.Mailed = false }, "!mail yes>no, weaker"},
		"eligible for good":   {func(s *pim.Settings) { s.PermanentEligible = true }, "!permanent-eligible no>yes, weaker"},
		"assigned for good":   {func(s *pim.Settings) { s.PermanentActive = true }, "!permanent-active no>yes, weaker"},
		"a rule is not told":  {func(s *pim.Settings) { s.MFA, s.Missing = false, []string{pim.RuleOfEnablement} }, ""},
		"one worse, one well": {func(s *pim.Settings) { s.MaxDuration, s.Ticket = time.Hour, false }, "max-duration PT2H>PT1H, !ticket yes>no, weaker"},
	} {
		base, now := accepted(t, tenant()), tenant()
		tc.edit(&now.Settings[1])
		got := changes(base, now)
		switch {
		case tc.want == "" && len(got) != 0, tc.want != "" && (len(got) != 1 || said(got[0]) != tc.want):
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Of two authentication contexts the stronger cannot be told.
func TestAnotherAuthenticationContextIsWeaker(t *testing.T) {
	before, now := tenant(), tenant()
	before.Settings[0].AuthContext, now.Settings[0].AuthContext = "c1", "c2"
	if got := changes(accepted(t, before), now); len(got) != 1 || !got[0].Weaker {
		t.Errorf("%+v", got)
	}
}

// Assignments that came, went or last longer are told; what was activated is not, nor what
// ended on its day.
func TestChangesOfAssignments(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*posture.Snapshot)
		want string
	}{
		"eligible": {func(s *posture.Snapshot) {
			s.Holdings = append(s.Holdings, held(pim.EntraRole, reader, "/", "mallory", true))
		}, "new"},
		"eligible for everything": {func(s *posture.Snapshot) {
			s.Holdings = append(s.Holdings, held(pim.EntraRole, globalAdmin, "/", "mallory", true))
		}, "new, weaker"},
		"standing": {func(s *posture.Snapshot) {
			s.Holdings = append(s.Holdings, held(pim.EntraRole, reader, "/", "mallory", false))
		}, "new, weaker"},
		"a member": {func(s *posture.Snapshot) {
			s.Holdings = append(s.Holdings, held(pim.Group, pim.Member, team, "mallory", true))
		}, "new"},
		"a member of a group that leads to everything": {func(s *posture.Snapshot) {
			leads(s, team)
			s.Holdings = append(s.Holdings, held(pim.Group, pim.Member, team, "mallory", true))
		}, "new, weaker"},
		"a member of a group in such a group": {func(s *posture.Snapshot) {
			outer := "5a990000-0000-4000-8000-00000000000b"
			leads(s, outer)
			h := held(pim.Group, pim.Member, outer, strings.ToUpper(team), true)
			h.Type = pim.GroupOfPeople
			s.Holdings = append(s.Holdings, h, held(pim.Group, pim.Owner, team, "mallory", true))
		}, "new, weaker"},
		"in Azure": {func(s *posture.Snapshot) {
			s.Holdings = append(s.Holdings, held(pim.AzureResource, "/x/reader", "/subscriptions/1", "mallory", true))
		}, "new"},
		"gone":                {func(s *posture.Snapshot) { s.Holdings = slices.Delete(s.Holdings, 1, 2) }, "gone"},
		"gone from the group": {func(s *posture.Snapshot) { s.Holdings = slices.Delete(s.Holdings, 4, 5) }, "gone"},
		"with no end":         {func(s *posture.Snapshot) { s.Holdings[3].End = time.Time{} }, "until 2026-11-27T09:00:00Z>none"},
		"ended on its day":    {func(s *posture.Snapshot) { s.Taken, s.Holdings = at.Add(24*time.Hour), slices.Delete(s.Holdings, 3, 4) }, ""},
		"ended before it":     {func(s *posture.Snapshot) { s.Holdings = slices.Delete(s.Holdings, 3, 4) }, "gone"},
		"activated": {func(s *posture.Snapshot) {
			h := held(pim.EntraRole, globalAdmin, "/", "frank", false)
			h.Activated = true
			s.Holdings = append(s.Holdings, h)
		}, ""},
		"deactivated": {func(s *posture.Snapshot) { s.Holdings = slices.Delete(s.Holdings, 2, 3) }, ""},
		"spelt otherwise": {func(s *posture.Snapshot) {
			s.Holdings[1].Role, s.Holdings[1].Holder.ID = strings.ToUpper(reader), "ALICE"
		}, ""},
		"called otherwise": {func(s *posture.Snapshot) {
			s.Holdings[1].Holder.Name, s.Roles[reader] = "Alice Married", "Reader of Reports"
		}, ""},
		"twice, and one has ended": {func(s *posture.Snapshot) {
			h := s.Holdings[1]
			h.End = at.Add(time.Minute)
			s.Holdings = append([]pim.Holding{h}, s.Holdings...)
		}, ""},
	} {
		base, now := accepted(t, tenant()), tenant()
		tc.edit(&now)
		got := slices.DeleteFunc(changes(base, now), func(c drift.Change) bool { return c.Entry().Type == pim.GroupOfPeople })
		switch {
		case tc.want == "" && len(got) != 0, tc.want != "" && (len(got) != 1 || said(got[0]) != tc.want):
			t.Errorf("%s: %+v", name, got)
		}
	}
	over, now := accepted(t, tenant()), tenant()
	now.Taken, now.Holdings = at.Add(24*time.Hour), slices.Delete(now.Holdings, 3, 4)
	if got := drift.Compare(over, drift.Take(now, every)).Over; len(got) != 1 {
		t.Errorf("what ended on its day stays in the baseline: %v", got)
	}
}

// What was not seen is neither gone nor as it was; what was seen of it all the same is
// compared.
func TestWhatIsNotSeenIsNoChange(t *testing.T) {
	parts := map[posture.Part]int{posture.RolesActive: 0, posture.RolesEligible: 1, posture.GroupsElig: 4, posture.AzureEligible: 5}
	for part, n := range parts {
		base, now := accepted(t, tenant()), tenant()
		gone := drift.Compare(base, func() drift.Reading {
			s := tenant()
			s.Holdings = slices.Delete(s.Holdings, n, n+1)
			return drift.Take(s, every)
		}()).Changes
		if len(gone) != 1 {
			t.Fatalf("%s: %+v", part, gone)
		}
		now.Holdings, now.Looked = slices.Delete(now.Holdings, n, n+1), map[string]bool{}
		now.Unseen = []posture.Unseen{{Part: part, Some: true, Why: "throttled"}}
		r := drift.Take(now, every)
		if found := drift.Compare(base, r); len(found.Changes)+len(found.Fresh)+len(found.Over)+len(found.Gone) != 0 {
			t.Errorf("%s: %+v", part, found)
		}
		if r.Knows(gone[0]) || len(r.Unseen) != 1 {
			t.Errorf("%s: it is known to be gone, or nothing is said: %+v", part, r.Unseen)
		}
		now.Holdings = append(now.Holdings, held(pim.EntraRole, globalAdmin, "/", "mallory", true))
		if got := changes(base, now); len(got) != 1 || said(got[0]) != "new, weaker" {
			t.Errorf("%s: what was seen is not told: %+v", part, got)
		}
	}
	base, now := accepted(t, tenant()), tenant()
	now.Settings = now.Settings[:1]
	if got := changes(base, now); len(got) != 0 {
		t.Errorf("settings that were not told: %+v", got)
	}
}

// A part that the baseline could not know is taken in and is no change; a later reading
// compares it. So are other places of Azure.
func TestWhatIsSeenForTheFirstTimeIsTakenIn(t *testing.T) {
	blind := tenant()
	blind.Holdings = []pim.Holding{held(pim.AzureResource, "/x/reader", "/subscriptions/1", "dave", true)}
	blind.Unseen = []posture.Unseen{{Part: posture.RolesActive, Permission: "X"}, {Part: posture.RolesEligible, Permission: "X"}}
	blind.Looked = nil
	base := accepted(t, blind)
	found := drift.Compare(base, drift.Take(tenant(), every))
	if len(found.Changes) != 0 || len(found.Fresh) != 4+3 { // four assignments; two parts and a group
		t.Fatalf("%+v", found)
	}
	for _, e := range found.Fresh {
		base[e.Key()] = e
	}
	now := tenant()
	now.Holdings = now.Holdings[1:]
	if got := changes(base, now); len(got) != 1 || said(got[0]) != "gone" {
		t.Errorf("%+v", got)
	}
	elsewhere := every
	elsewhere.Scopes = []string{"/subscriptions/2"}
	now = tenant()
	now.Holdings[5].Scope = "/subscriptions/2"
	found = drift.Compare(base, drift.Take(now, elsewhere))
	if len(found.Changes) != 0 || len(found.Gone) != 0 || len(found.Azure.Dropped) != 1 || len(found.Fresh) != 1+3 {
		t.Errorf("another place of Azure: %+v", found)
	}
}

// grown is a baseline after a reading was taken in.
func grown(base map[string]drift.Entry, found drift.Result) map[string]drift.Entry {
	next := maps.Clone(base)
	for _, e := range slices.Concat(found.Fresh, found.Azure.Known, found.Azure.Covers) {
		next[e.Key()] = e
	}
	for _, key := range slices.Concat(found.Gone, found.Azure.Dropped, found.Azure.Uncovered) {
		delete(next, key)
	}
	return next
}

// azure is a tenant with people at places of Azure, each "who place below…".
func azure(places []string, all ...string) (posture.Snapshot, drift.Look) {
	s, look := tenant(), every
	s.Holdings, look.Scopes = s.Holdings[:5], places
	for _, text := range all {
		f := strings.Fields(text)
		h := held(pim.AzureResource, "/x/reader", f[1], f[0], true)
		h.Below = f[2:]
		s.Holdings = append(s.Holdings, h)
	}
	return s, look
}

// Of other places of Azure what is below one that stays is compared, what is below a new one is
// taken in, and what is below one that is not read any more is dropped.
func TestPlacesOfAzureAreToldApart(t *testing.T) {
	const one, two, three, group = "/subscriptions/1", "/subscriptions/2", "/subscriptions/3", "/mg/all"
	s, look := azure([]string{one, two, group}, "dave /subscriptions/1/a /subscriptions/1", "erin /subscriptions/2 /subscriptions/2", "fred /subscriptions/9 /mg/all", "gina /subscriptions/1 /subscriptions/1 /mg/all")
	base := grown(map[string]drift.Entry{}, drift.Compare(map[string]drift.Entry{}, drift.Take(s, look)))
	now, look := azure([]string{"/Subscriptions/1", three, group}, "dave /subscriptions/1/a /subscriptions/1", "mallory /subscriptions/1 /subscriptions/1", "hugo /subscriptions/3 /subscriptions/3", "gina /subscriptions/1 /subscriptions/1 /mg/all")
	now.Holdings[5].End = at.Add(time.Hour)
	found := drift.Compare(base, drift.Take(now, look))
	var told []string
	for _, c := range found.Changes {
		told = append(told, c.Entry().Holder.ID+" "+said(c))
	}
	slices.Sort(told)
	if want := []string{"dave until none>2026-11-26T10:00:00Z", "fred gone", "mallory new"}; !slices.Equal(told, want) {
		t.Errorf("told is %q, want %q", told, want)
	}
	var fresh []string
	for _, e := range found.Fresh {
		if e.What != drift.Covered {
			fresh = append(fresh, e.Holder.ID)
		}
	}
	if !slices.Equal(fresh, []string{"hugo"}) || !slices.Equal(found.Azure.Left, []string{two}) || len(found.Azure.Dropped) != 1 || base[found.Azure.Dropped[0]].Holder.ID != "erin" || len(found.Gone) != 0 {
		t.Errorf("taken in %v; %+v, gone %v", fresh, found.Azure, found.Gone)
	}
	base = grown(base, found)
	if again := drift.Compare(base, drift.Take(now, look)); len(again.Changes) != 3 || len(again.Fresh)+len(again.Gone)+len(again.Azure.Left)+len(again.Azure.Dropped)+len(again.Azure.Uncovered)+len(again.Azure.Known) != 0 {
		t.Errorf("again: %+v", again)
	}
	// A place that is named again is taken in anew, as it is then.
	s, look = azure([]string{one, two}, "erin /subscriptions/2 /subscriptions/2", "ivan /subscriptions/2 /subscriptions/2")
	found = drift.Compare(base, drift.Take(s, look))
	for _, c := range found.Changes {
		if c.Entry().Scope == two {
			t.Errorf("told of a place that is new again: %s %s", c.Entry().Holder.ID, said(c))
		}
	}
}

// A baseline of an earlier version does not say below which place an entry is, and covers all
// places at once: nothing of it is lost, nor taken in anew.
func TestABaselineWithoutPlacesGoesOn(t *testing.T) {
	const one, two, group = "/subscriptions/1", "/subscriptions/2", "/mg/all"
	s, look := azure([]string{group, one, two}, "dave /subscriptions/1/a /subscriptions/1", "erin /subscriptions/2 /subscriptions/2", "fred /subscriptions/9 /mg/all")
	old := map[string]drift.Entry{}
	for key, e := range grown(map[string]drift.Entry{}, drift.Compare(map[string]drift.Entry{}, drift.Take(s, look))) {
		if e.Kind == pim.AzureResource {
			if e.Below = nil; e.What == drift.Covered {
				e.Scope = strings.Join([]string{group, one, two}, ",")
			}
			key = e.Key()
		}
		old[key] = e
	}
	mallory := held(pim.AzureResource, "/x/reader", one, "mallory", true)
	mallory.Below = []string{one}
	s.Holdings = append(s.Holdings, mallory)
	found := drift.Compare(old, drift.Take(s, look))
	if len(found.Changes) != 1 || found.Changes[0].Entry().Holder.ID != "mallory" || len(found.Azure.Known) != 3 || len(found.Azure.Uncovered) != 3 || len(found.Azure.Left)+len(found.Azure.Dropped)+len(found.Gone) != 0 {
		t.Fatalf("%+v", found)
	}
	for _, e := range found.Fresh {
		if e.What != drift.Covered {
			t.Errorf("taken in anew: %+v", e)
		}
	}
	if again := drift.Compare(grown(old, found), drift.Take(s, look)); len(again.Changes) != 1 || len(again.Fresh)+len(again.Gone)+len(again.Azure.Known)+len(again.Azure.Uncovered) != 0 {
		t.Errorf("again: %+v", again)
	}
	// At once with a place that goes: what is below that one, by its id, is dropped; the other is told.
	now, look := azure([]string{group, one}, "dave /subscriptions/1/a /subscriptions/1")
	found = drift.Compare(old, drift.Take(now, look))
	if len(found.Changes) != 1 || found.Changes[0].Entry().Holder.ID != "fred" || len(found.Azure.Dropped) != 1 || !slices.Equal(found.Azure.Left, []string{two}) || len(found.Azure.Covers) != 2*3 {
		t.Errorf("%+v", found)
	}
}

// A value that a policy did not tell at first, or that an earlier version did not compare, is
// taken in when it is told, and compared from then on; what changed meanwhile stays a change.
func TestAValueThatTheBaselineLacksIsTakenIn(t *testing.T) {
	patchy := tenant()
	patchy.Settings[0].Missing = []string{pim.RuleOfApproval}
	base := accepted(t, patchy)
	now := tenant()
	now.Settings[0].MaxDuration = 8 * time.Hour
	found := drift.Compare(base, drift.Take(now, every))
	if len(found.Fresh) != 1 || len(found.Changes) != 1 || said(found.Changes[0]) != "!max-duration PT2H>PT8H, weaker" {
		t.Fatalf("%+v", found)
	}
	if v, _ := found.Fresh[0].Value(drift.MaxDuration); v != "PT2H" {
		t.Errorf("the change is taken in: %s", v)
	}
	base[found.Fresh[0].Key()] = found.Fresh[0]
	now.Settings[0].MaxDuration, now.Settings[0].Approval = 2*time.Hour, false
	if got := changes(base, now); len(got) != 1 || said(got[0]) != "!approval yes>no, weaker" {
		t.Errorf("%+v", got)
	}
}

// A pillar that is not looked at is neither taken in nor compared.
func TestPillarsThatAreNotLookedAt(t *testing.T) {
	only := drift.Look{Pillars: []pim.Kind{pim.Group}}
	for _, e := range drift.Compare(nil, drift.Take(tenant(), only)).Fresh {
		if e.Kind != pim.Group {
			t.Errorf("%+v", e)
		}
	}
	base := accepted(t, tenant())
	if found := drift.Compare(base, drift.Take(posture.Snapshot{Taken: at}, only)); len(found.Changes)+len(found.Gone) != 0 {
		t.Errorf("%+v", found)
	}
}

// Whatever is done to a tenant: exactly that is told; once it is accepted nothing is; and
// taken back it is no change either.
func TestChangesAreToldAndAccepted(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := many(r.IntN(40), r.IntN(80))
		base := accepted(t, s)
		if got := changes(base, s); len(got) != 0 {
			t.Fatalf("seed %d: nothing was done: %+v", seed, got)
		}
		now := s
		now.Settings, now.Holdings = slices.Clone(s.Settings), slices.Clone(s.Holdings)
		want := map[string]bool{}
		for n := range now.Settings {
			if r.IntN(4) == 0 {
				now.Settings[n].MaxDuration += time.Duration(1+r.IntN(5)) * time.Hour
				want["setting "+now.Settings[n].Role] = true
			}
		}
		for n := len(now.Holdings) - 1; n >= 0; n-- {
			switch h := now.Holdings[n]; r.IntN(6) {
			case 0:
				want[h.Holder.ID] = true
				now.Holdings = slices.Delete(now.Holdings, n, n+1)
			case 1:
				h.Holder.ID += "-new"
				want[h.Holder.ID] = true
				now.Holdings = append(now.Holdings, h)
			}
		}
		got := changes(base, now)
		told := map[string]bool{}
		for _, c := range got {
			name := c.Entry().Holder.ID
			if c.Entry().What == drift.Setting {
				name = "setting " + c.Entry().Role
			}
			told[name] = true
		}
		if !maps.Equal(told, want) || len(got) != len(want) {
			t.Fatalf("seed %d: told %v, done %v", seed, told, want)
		}
		for _, c := range got {
			if e, stays := c.With(); stays {
				base[c.Key] = e
			} else {
				delete(base, c.Key)
			}
		}
		if got := changes(base, now); len(got) != 0 {
			t.Fatalf("seed %d: after all was accepted: %+v", seed, got)
		}
		if back := changes(base, s); len(back) != len(want) {
			t.Fatalf("seed %d: %d changes back of %d", seed, len(back), len(want))
		}
	}
}

// many is a tenant of some size.
func many(policies, assignments int) posture.Snapshot {
	s := posture.Snapshot{Taken: at, Roles: map[string]string{}}
	for n := range policies {
		s.Settings = append(s.Settings, policy(fmt.Sprintf("role-%05d", n)))
	}
	for n := range assignments {
		s.Holdings = append(s.Holdings, held(pim.EntraRole, fmt.Sprintf("role-%05d", n%max(policies, 1)), "/", fmt.Sprintf("person-%06d", n), n%2 == 0))
	}
	return s
}

// The text of a baseline is the same however it came about, and says everything.
func TestTextIsStable(t *testing.T) {
	base := accepted(t, tenant())
	first, err := drift.Text("t", base)
	if err != nil {
		t.Fatal(err)
	}
	s := tenant()
	slices.Reverse(s.Holdings)
	slices.Reverse(s.Settings)
	s.Taken = at.Add(time.Hour)
	again, err := drift.Text("t", accepted(t, s))
	if err != nil || string(first) != string(again) {
		t.Errorf("%v\n%s\n%s", err, first, again)
	}
	for _, text := range []string{`"max-duration": "PT2H"`, `"roleName": "Global Administrator"`, `"holder": "glass"`, `"approvers": "bob,carol"`, `"until": "2026-11-27T09:00:00Z"`} {
		if !strings.Contains(string(first), text) {
			t.Errorf("%s is not in\n%s", text, first)
		}
	}
	if strings.Contains(string(first), string(drift.Covered)) {
		t.Error("what is covered is nothing of the tenant's")
	}
}

// 5,000 policies and 50,000 assignments are compared in a memory that is bounded.
func TestAComparisonIsBounded(t *testing.T) {
	s := many(5000, 50_000)
	base := accepted(t, s)
	s.Settings[17].MFA = false
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := drift.Take(s, every)
	found := drift.Compare(base, r)
	runtime.ReadMemStats(&after)
	if len(found.Changes) != 1 || !found.Changes[0].Weaker {
		t.Errorf("%d changes", len(found.Changes))
	}
	mb := (after.TotalAlloc - before.TotalAlloc) >> 20
	t.Logf("%d MB were allocated in all", mb)
	if mb > 300 {
		t.Errorf("a comparison takes %d MB", mb)
	}
	runtime.KeepAlive(r)
}
