package bot

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

func found(status pim.Status, by Person) Found {
	return Found{ID: "r1", Approval: true, By: by.Principal, Request: pim.Request{ID: "ms", Approval: "ms", Principal: alice.ID, Who: alice.Principal,
		Assignment: role.Assignment, RoleName: role.RoleName, Status: status, Created: noon, Duration: time.Hour, Justification: "because"}}
}

func line(what pim.TraceKind, by Person) Traced {
	return Traced{pim.Trace{At: noon, What: what, Request: "ms", By: by.Principal, Principal: alice.ID, Assignment: role.Assignment}}
}

func TestApplyElsewhere(t *testing.T) {
	pending := found("PendingApproval", bob)
	mine := &pim.Stage{AssignedToMe: true, Status: "InProgress", Result: pim.NotReviewed}
	gone := Observed{Gone: true, Stage: mine, Read: true}
	here := Observed{Read: true, Instance: &pim.Instance{Start: noon, End: noon.Add(time.Hour), Activated: true}}
	for name, test := range map[string]struct {
		events []Event
		want   State
	}{
		"found":                           {[]Event{pending}, PendingApproval},
		"found in force":                  {[]Event{found("Provisioned", Person{})}, Scheduled},
		"found twice":                     {[]Event{pending, held("Denied"), pending}, Denied},
		"found after it was asked":        {[]Event{asked(true), pending}, Submitting},
		"not in the list":                 {[]Event{pending, gone}, PendingApproval},
		"not in the list for long":        {[]Event{pending, gone, gone, gone}, Canceled},
		"there again":                     {[]Event{pending, gone, gone, Observed{Listed: bob.Principal}, gone}, PendingApproval},
		"gone, and nobody may tell":       {[]Event{pending, gone, Observed{Gone: true}, Observed{Gone: true}, Observed{Gone: true}}, PendingApproval},
		"gone, and it is active":          {[]Event{pending, gone, gone, Observed{Gone: true, Stage: mine, Read: true, Instance: here.Instance}}, Active},
		"closed undecided":                {[]Event{pending, Observed{Stage: &pim.Stage{Status: "Completed", Result: pim.NotReviewed}}}, Canceled},
		"traced":                          {[]Event{pending, line(pim.TraceApproved, carol)}, Scheduled},
		"traced, and seen":                {[]Event{pending, line(pim.TraceApproved, carol), here}, Active},
		"in the wrong order":              {[]Event{pending, line(pim.TraceActivated, Person{}), line(pim.TraceApproved, carol), line(pim.TraceAsked, alice)}, Scheduled},
		"denied in the log":               {[]Event{pending, line(pim.TraceDenied, carol), line(pim.TraceApproved, bob)}, Denied},
		"nobody decided":                  {[]Event{pending, line(pim.TraceExpired, Person{})}, Failed},
		"taken back":                      {[]Event{pending, line(pim.TraceCanceled, alice)}, Canceled},
		"an end in the log is no end yet": {[]Event{pending, held("Provisioned"), here, line(pim.TraceEnded, Person{})}, Active},
		"late lines move nothing back":    {[]Event{pending, held("Provisioned"), here, line(pim.TraceDenied, bob), line(pim.TraceCanceled, alice), line(pim.TraceExpired, bob)}, Active},
	} {
		t.Run(name, func(t *testing.T) {
			if got := apply(t, test.events...); got.State != test.want {
				t.Errorf("state is %q, want %q\nhistory: %+v", got.State, test.want, got.History)
			}
		})
	}
	r := apply(t, pending, held("Denied"), line(pim.TraceDenied, carol))
	if r.Decided == nil || r.Decided.By.ID != carol.ID || !r.Decided.Elsewhere {
		t.Errorf("who decided is not told: %+v", r.Decided)
	}
	for start, want := range map[time.Time]time.Time{{}: {}, noon: {}, noon.Add(5 * time.Hour): noon.Add(5 * time.Hour)} {
		later := found("PendingApproval", bob)
		later.Request.Start = start
		if got := apply(t, later).Ask.Start; !got.Equal(want) {
			t.Errorf("for a start at %v it says %v", start, got)
		}
	}
	r = apply(t, pending, Observed{Listed: carol.Principal}, Observed{Listed: alice.Principal}, Met{Requester: alice, Approvers: []pim.Principal{alice.Principal, bob.Principal, dave.Principal}})
	if diff := cmp.Diff([]pim.Principal{bob.Principal, carol.Principal, dave.Principal}, r.Approvers); diff != "" {
		t.Error(diff)
	}
}

func TestFewest(t *testing.T) {
	set := func(ids ...string) map[string]bool {
		m := map[string]bool{}
		for _, id := range ids {
			m[id] = true
		}
		return m
	}
	for name, test := range map[string]struct {
		roles []map[string]bool
		want  []string
	}{
		"nothing":           {nil, nil},
		"one for all":       {[]map[string]bool{set("a", "b"), set("b", "c"), set("b")}, []string{"b"}},
		"the first by id":   {[]map[string]bool{set("c", "b")}, []string{"b"}},
		"two are needed":    {[]map[string]bool{set("a"), set("b"), set("a", "b", "c")}, []string{"a", "b"}},
		"the greatest part": {[]map[string]bool{set("a", "z"), set("b", "z"), set("c", "z"), set("d")}, []string{"z", "d"}},
	} {
		if got := fewest(test.roles); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestWhoseListsAreRead(t *testing.T) {
	w := newWatch()
	users, groups := role, pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: "g"}, RoleName: "Member"}
	alone := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "alone", Scope: "/"}, RoleName: "Alone"}
	w.learn(users, pim.Policy{Approval: true, Approvers: []pim.Principal{alice.Principal, bob.Principal}}, noon)
	w.learn(alone, pim.Policy{Approval: true, Approvers: []pim.Principal{dave.Principal}}, noon)
	w.learnList(groups, carol.ID, noon)
	kinds := []pim.Kind{pim.EntraRole, pim.Group}
	live := []pim.Principal{alice.Principal, bob.Principal, carol.Principal}
	p := w.make(live, kinds, 1, noon)
	if diff := cmp.Diff(map[pim.Kind][]string{pim.EntraRole: {"alice"}, pim.Group: {"carol"}}, p.cover); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[pim.Kind][]string{pim.EntraRole: {"carol"}, pim.Group: {"alice", "bob"}}, p.unknown); diff != "" {
		t.Error(diff)
	}
	if len(p.uncovered) != 1 || p.uncovered[0].RoleName != "Alone" || !w.covers(users.Assignment) || w.covers(alone.Assignment) {
		t.Errorf("uncovered: %+v", p.uncovered)
	}
	if p.every != soonestLook || p.load > 0.5 {
		t.Errorf("every %v, load %v", p.every, p.load)
	}
	w.refused(looker{pim.EntraRole, alice.ID}, noon) // her list cannot be read: Bob's is, for a while
	if got := w.make(live, kinds, 1, noon).cover[pim.EntraRole]; !slices.Equal(got, []string{"bob"}) {
		t.Errorf("%q", got)
	}
	if got := w.make(live, kinds, 1, noon.Add(deafFor)).cover[pim.EntraRole]; !slices.Equal(got, []string{"alice"}) {
		t.Errorf("%q", got)
	}
	w.cost(looker{pim.Group, carol.ID}, 100) // a long list is read the less often
	if p := w.make(live, kinds, 1, noon); p.every.Round(time.Second) != 135*time.Second || p.load > 0.876 {
		t.Errorf("every %v, load %v", p.every, p.load)
	}
}

// Only Microsoft's word that it agreed makes a found request an agreed one.
func TestFoundWithAnUnknownStatus(t *testing.T) {
	for status, want := range map[pim.Status]State{"PendingApproval": PendingApproval, "SomethingNew": PendingApproval, "": PendingApproval, "Granted": Scheduled, "Provisioned": Scheduled} {
		m := pim.Request{ID: "ms", Status: status, Assignment: role.Assignment, Principal: alice.ID, Created: noon}
		r, err := Apply(Request{}, noon, Found{ID: "1", Request: m, Approval: true, By: bob.Principal})
		if err != nil || r.State != want {
			t.Errorf("%q is %s, %v", status, r.State, err)
		}
	}
}
