package bot

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
)

// many are n eligibilities of all kinds.
func many(n int) []pim.EligibleAssignment {
	all := make([]pim.EligibleAssignment, n)
	for i := range all {
		all[i] = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource,
			Role:  fmt.Sprintf("/subscriptions/%04d/providers/Microsoft.Authorization/roleDefinitions/%d", i%100, i%7),
			Scope: fmt.Sprintf("/subscriptions/%04d/resourceGroups/rg-%05d", i%100, i)},
			RoleName: fmt.Sprintf("Role %d Contributor", i%7), ScopeName: fmt.Sprintf("resource group rg-%05d", i)}
		if i%3 == 0 {
			all[i].Assignment = pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: fmt.Sprintf("group-%05d", i)}
			all[i].RoleName, all[i].ScopeName = "Member", fmt.Sprintf("Team %05d", i)
		}
	}
	return all
}

// searchGoal is the longest that a list of options may take with 10,000 roles.
const searchGoal = 300 * time.Millisecond

var searches = []string{"", "t", "team 09", "rg-04321", "contributor rg-09998", "nothing is called so"}

func TestSearchingTenThousandRolesIsQuick(t *testing.T) {
	m := NewMenu(noon, many(10_000), map[pim.Assignment]pim.Policy{})
	for _, typed := range searches {
		begun := time.Now()
		options, more := m.options(typed, pim.Assignment{})
		if took := time.Since(begun); took > searchGoal {
			t.Errorf("%q took %v", typed, took)
		}
		if len(options) > mostOptions || !more || len(options) == 0 && typed != searches[len(searches)-1] {
			t.Errorf("%q gives %d options", typed, len(options))
		}
	}
	begun := time.Now()
	values := map[string]string{fieldRole: m.items[5000].key, fieldAlso: m.items[1].key + "," + m.items[9999].key}
	for _, e := range []int{5000, 1, 9999} {
		m.policies[m.items[e].Assignment] = pim.Policy{MaxDuration: time.Hour}
	}
	if f := m.Form("alice", "form", values, nil, ""); len(f.Fields) < 4 || len(f.Fields[1].Options) > mostOptions {
		t.Errorf("the form is %+v", f)
	}
	if took := time.Since(begun); took > searchGoal {
		t.Errorf("the form took %v", took)
	}
}

func BenchmarkSearchTenThousandRoles(b *testing.B) {
	m := NewMenu(noon, many(10_000), map[pim.Assignment]pim.Policy{})
	for _, typed := range searches {
		b.Run(cmp.Or(typed, "nothing typed"), func(b *testing.B) {
			for b.Loop() {
				m.options(typed, pim.Assignment{})
			}
		})
	}
}

func BenchmarkMenuOfTenThousandRoles(b *testing.B) {
	all := many(10_000)
	for b.Loop() {
		NewMenu(noon, all, nil)
	}
}

// The list is the same in whatever order the pillars answer, and what a person
// holds themselves goes before what a group holds for them.
func TestTheOrderOfAMenu(t *testing.T) {
	all := many(50)
	through := all[7]
	through.Through = pim.Principal{ID: "g", Name: "Group"}
	rapid.Check(t, func(t *rapid.T) {
		mixed := rapid.Permutation(append(many(50), through)).Draw(t, "order")
		m, want := NewMenu(noon, mixed, nil), NewMenu(noon, all, nil)
		if len(m.items) != len(want.items) {
			t.Fatalf("%d roles, want %d", len(m.items), len(want.items))
		}
		for n := range m.items {
			if m.items[n].EligibleAssignment != want.items[n].EligibleAssignment {
				t.Fatalf("the %d. is %+v, want %+v", n, m.items[n], want.items[n])
			}
		}
	})
}

// Roles of the same name are told apart by their scopes.
func TestTwinsAreToldApart(t *testing.T) {
	one := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "r", Scope: "/subscriptions/1/resourceGroups/rg"}, RoleName: "Reader", ScopeName: "resource group rg"}
	two := one
	two.Scope = "/subscriptions/2/resourceGroups/rg"
	options, _ := NewMenu(noon, []pim.EligibleAssignment{one, two}, nil).options("", pim.Assignment{})
	if len(options) != 2 || options[0].Label != options[1].Label || options[0].Hint == options[1].Hint {
		t.Errorf("got %+v", options)
	}
}

// Roles whose names look the same are told apart by what does not look: their ids.
func TestLookAlikesAreToldApart(t *testing.T) {
	role := func(id, name string) pim.EligibleAssignment {
		return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: id, Scope: "/"}, RoleName: name, ScopeName: "Directory"}
	}
	real, other := role("11111111-0000-4000-8000-000000000001", "Global Reader"), role("99999999-0000-4000-8000-000000000009", "Reports Reader")
	for name, fake := range map[string]string{"the same": "Global Reader", "Cyrillic": "Gl\u043eb\u0430l R\u0435\u0430der", "digits": "G1oba1 Reader", "full width": "\uff27lobal Reader",
		"invisible": "Global\u200b Reader", "spaces": "Global  Reader", "another case": "GLOBAL READER", "turned around": "Global Reader\u202e"} {
		options, _ := NewMenu(noon, []pim.EligibleAssignment{real, role("22222222-0000-4000-8000-000000000002", fake), other}, nil).options("", pim.Assignment{})
		hints := 0
		for _, o := range options {
			if strings.Contains(o.Hint, "role 11111111") || strings.Contains(o.Hint, "role 22222222") {
				hints++
			}
			if strings.Contains(o.Hint, "99999999") {
				t.Errorf("%s: a role that looks like no other has its id: %+v", name, o)
			}
		}
		if len(options) != 3 || hints != 2 {
			t.Errorf("%s: %+v", name, options)
		}
	}
}

// Every id of a form's requests is one of ours, the same again, and no other's.
func TestRequestIDs(t *testing.T) {
	b := &Bot{o: Options{Random: zero{}}}
	first, seen := b.newID(), map[string]bool{}
	other := first[:len(first)-1] + "1"
	for _, form := range []string{first, other} {
		for n := range mostAlso + 1 {
			id := requestID(form, n)
			if !ours(id) || id != requestID(form, n) || seen[id] {
				t.Errorf("the id %s of %d", id, n)
			}
			seen[id] = true
		}
	}
	if requestID(first, 0) != first {
		t.Error("the first request does not have the form's id")
	}
}

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// A request that was asked for elsewhere with another start is not ours.
func TestTheStartTellsRequestsApart(t *testing.T) {
	later := noon.Add(3 * time.Hour)
	for name, test := range map[string]struct {
		start time.Time
		m     pim.Request
		want  bool
	}{
		"now, no start":           {time.Time{}, pim.Request{Status: "PendingApproval", Created: noon}, true},
		"now, that of its making": {time.Time{}, pim.Request{Status: "PendingApproval", Created: noon, Start: noon.Add(time.Second)}, true},
		"now, later there":        {time.Time{}, pim.Request{Status: "PendingApproval", Created: noon, Start: later}, false},
		"now, approved since":     {time.Time{}, pim.Request{Status: "Provisioned", Created: noon, Start: later}, true},
		"later, the same":         {later, pim.Request{Status: "Granted", Created: noon, Start: later}, true},
		"later, now there":        {later, pim.Request{Status: "PendingApproval", Created: noon}, false},
	} {
		if got := (Request{Ask: Ask{Start: test.start}}).sameStart(test.m); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What waits for its start is not read all the time, and not given up either.
func TestWaitingForAStart(t *testing.T) {
	b := &Bot{}
	ask := asked(true)
	ask.Ask.Start = noon.Add(20 * 24 * time.Hour)
	r := apply(t, ask, Sending{"i1"}, Accept{"i1"}, held("Granted"))
	if got := b.pace(r, noon); got < 20*24*time.Hour || got > 20*24*time.Hour+time.Second {
		t.Errorf("read again after %v", got)
	}
	if got := b.pace(r, ask.Ask.Start.Add(-10*time.Minute)); got < 10*time.Minute || got > 10*time.Minute+time.Second {
		t.Errorf("shortly before its start, read again after %v", got)
	}
	if got := b.pace(r, ask.Ask.Start); got > 3*time.Second {
		t.Errorf("at its start, read again after %v", got)
	}
	waiting, err := Apply(r, ask.Ask.Start, Observed{Read: true})
	if err != nil || waiting.State != Scheduled {
		t.Errorf("at its start it is %s, %v", waiting.State, err)
	}
	over, err := Apply(r, ask.Ask.Start.Add(2*time.Hour), Observed{Read: true})
	if err != nil || over.State != Ended {
		t.Errorf("after its whole time it is %s, %v", over.State, err)
	}
}
