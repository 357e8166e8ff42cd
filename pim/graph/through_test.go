package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
)

const (
	mineList   = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')"
	eligibleOf = "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances?principalId eq "

	activeGroupsOf = "/v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleInstances?principalId eq "
)

// eligibility is one as Graph prints it.
func eligibility(who, role, scope, end string) string {
	return fmt.Sprintf(`{"principalId":%q,"roleDefinitionId":%q,"directoryScopeId":%q,"endDateTime":%s,"roleDefinition":{"displayName":"Role %s"}}`,
		who, role, scope, end, role[:1])
}

func list(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }

// What groups hold is found, says which group, and never takes the place of one's
// own; each group is read once.
func TestEligibleThroughGroups(t *testing.T) {
	const roleA, roleB = "a" + role, "b" + role
	w := newWorld(t)
	w.answers[mineList] = list(eligibility(alice, roleA, "/", `"2027-01-01T00:00:00Z"`))
	w.answers[groupsOf(alice)] = `{"@odata.count":2,"value":[{"@odata.type":"#microsoft.graph.group","id":"` + group + `","displayName":"Helpdesk"},{"id":"` + carol + `","displayName":"Leads"}]}`
	w.answers[eligibleOf+"'"+group+"'"] = list(
		eligibility(strings.ToUpper(group), roleA, "/", "null"), // lasts longer than one's own, which counts all the same
		eligibility(group, roleB, "/", `"2027-01-01T00:00:00Z"`),
		eligibility(group, roleB, "/administrativeUnits/AbC-9", "null"),
		eligibility(bob, roleA, "/"+bob, "null"), // not the group's
	)
	w.answers[eligibleOf+"'"+carol+"'"] = list(eligibility(carol, roleB, "/", "null"))
	c := w.client(t)
	at := func(role, scope, name string, until time.Time, through pim.Principal) pim.EligibleAssignment {
		return pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: scope},
			RoleName: "Role " + role[:1], ScopeName: name, Until: until, Through: through}
	}
	year := day(2027, 1, 1, 0, 0, 0, 0)
	helpdesk := pim.Principal{ID: group, Name: "Helpdesk"}
	want := []pim.EligibleAssignment{
		at(roleA, "/", "Directory", year, pim.Principal{}),
		at(roleB, "/", "Directory", time.Time{}, pim.Principal{ID: carol, Name: "Leads"}), // the one that lasts
		at(roleB, "/administrativeUnits/AbC-9", "Administrative unit AbC-9", time.Time{}, helpdesk),
	}
	for range 2 {
		got, err := c.Eligible(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, r := range w.requests() {
		mine := strings.Contains(r.target, "filterByCurrentUser")
		if mine != (r.auth == "Bearer token-of-"+alice) || !mine && r.auth != "Bearer token-of-belay" {
			t.Errorf("%s was asked by %s", r.target, r.auth)
		}
		if strings.Contains(r.target, "transitiveMemberOf") && r.header.Get("ConsistencyLevel") != "eventual" {
			t.Errorf("%s is no advanced query", r.target)
		}
	}
	if n := len(w.requests()); n != 2+1+2 {
		t.Errorf("%d calls", n)
	}

	lent, err := c.GroupRoles(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	nobody := pim.Principal{ID: group} // no list has told the name
	if diff := cmp.Diff([]pim.EligibleAssignment{
		at(roleA, "/", "Directory", time.Time{}, nobody), at(roleB, "/", "Directory", year, nobody),
		at(roleB, "/administrativeUnits/AbC-9", "Administrative unit AbC-9", time.Time{}, nobody),
	}, lent); diff != "" {
		t.Errorf("lent (-want +got):\n%s", diff)
	}
	if n := len(w.requests()); n != 2+1+2 {
		t.Errorf("%d calls after asking for what is remembered", n)
	}
	if _, err := c.GroupRoles(t.Context(), "x' or '1"); pim.CodeOf(err) != pim.CodeInvalid {
		t.Errorf("a filter: %v", err)
	}
}

// A membership that was just gained opens its roles within a minute, and at once
// where it was seen to be active.
func TestNewMembership(t *testing.T) {
	w := newWorld(t)
	now := noon
	w.answers[mineList] = list()
	w.answers[groupsOf(alice)] = list()
	w.answers[eligibleOf+"'"+group+"'"] = list(eligibility(group, role, "/", "null"))
	c := w.client(t, func(o *graph.Options) { o.Now = func() time.Time { return now } })
	eligible := func() int {
		got, err := c.Eligible(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	if n := eligible(); n != 0 {
		t.Fatalf("%d before", n)
	}
	w.answers[groupsOf(alice)] = `{"value":[{"id":"` + group + `","displayName":"Helpdesk"}]}`
	if n := eligible(); n != 0 {
		t.Errorf("%d at once, although nobody could know", n)
	}
	now = now.Add(time.Minute)
	if n := eligible(); n != 1 {
		t.Errorf("%d after a minute", n)
	}

	w.answers[groupsOf(alice)] = list()
	now = now.Add(time.Minute)
	if n := eligible(); n != 0 {
		t.Fatalf("%d after its end", n)
	}
	w.answers[groupsOf(alice)] = `{"value":[{"id":"` + group + `","displayName":"Helpdesk"}]}`
	w.answers[activeGroupsOf+"'"+alice+"'"] = list(fmt.Sprintf(`{"principalId":%q,"groupId":%q,"accessId":"member","assignmentType":"Activated"}`, alice, group))
	if _, err := c.Groups().Active(t.Context(), alice, pim.Assignment{}); err != nil {
		t.Fatal(err)
	}
	if n := eligible(); n != 1 {
		t.Errorf("%d once it was seen", n)
	}
	before := len(w.requests())
	if _, err := c.Groups().Active(t.Context(), alice, pim.Assignment{}); err != nil {
		t.Fatal(err)
	}
	eligible()
	if n := len(w.requests()) - before; n != 2 {
		t.Errorf("%d more calls, want what is active and one's own list only", n)
	}
}

// One's own list is given also where groups cannot be read, together with the error.
func TestGroupsThatCannotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"the groups":      func(w *world) { w.refuse["/v1.0/users/"+alice+"/transitiveMemberOf/microsoft.graph.group"] = 403 },
		"one group":       func(w *world) { w.refuse["/v1.0/roleManagement/directory/roleEligibilityScheduleInstances"] = 503 },
		"a group's id":    func(w *world) { w.answers[groupsOf(alice)] = `{"value":[{"id":"a' or '1"}]}` },
		"nothing but ids": func(w *world) { w.answers[groupsOf(alice)] = `{"value":[{}]}` },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answers[mineList] = list(eligibility(alice, role, "/", "null"))
			w.answers[groupsOf(alice)] = `{"value":[{"id":"` + group + `"}]}`
			spoil(w)
			got, err := w.client(t).Eligible(t.Context(), alice)
			if len(got) != 1 || got[0].Through.ID != "" {
				t.Errorf("%+v", got)
			}
			if pim.CodeOf(err) == "" || !strings.Contains(err.Error(), "person's groups") || strings.Contains(err.Error(), alice) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// many serves n eligibilities in pages of a hundred.
func many(t testing.TB, n int) http.HandlerFunc {
	const size = 100
	var pages [][]byte
	for from := 0; from < n; from += size {
		var items []string
		for i := from; i < min(from+size, n); i++ {
			items = append(items, eligibility(alice, role, fmt.Sprintf("/administrativeUnits/00000000-0000-4000-8000-%012d", i), `"2027-01-01T00:00:00Z"`))
		}
		pages = append(pages, []byte(strings.TrimSuffix(list(items...), "}")))
	}
	var served atomic.Int64
	t.Cleanup(func() { t.Logf("%d pages served", served.Load()) })
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "transitiveMemberOf") {
			says(200, nil, list())(w, r)
			return
		}
		served.Add(1)
		at := 0
		if token := r.URL.Query().Get("$skiptoken"); token != "" {
			if _, err := fmt.Sscan(token, &at); err != nil {
				t.Errorf("skiptoken %q", token)
			}
		}
		next := "}"
		if at+1 < len(pages) {
			next = fmt.Sprintf(`,"@odata.nextLink":"https://%s%s?$skiptoken=%d"}`, r.Host, r.URL.Path, at+1)
		}
		says(200, nil, string(pages[at])+next)(w, r)
	}
}

// Ten thousand eligibilities are read whole.
func TestTenThousandEligibilities(t *testing.T) {
	s := serve(t, many(t, 10_000))
	got, err := s.client(t).Eligible(t.Context(), alice)
	if err != nil || len(got) != 10_000 {
		t.Fatalf("%d, %v", len(got), err)
	}
	seen := map[string]bool{}
	for _, e := range got {
		seen[e.Scope] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d scopes", len(seen))
	}
}

func BenchmarkTenThousandEligibilities(b *testing.B) {
	s := serve(b, many(b, 10_000))
	c := s.client(b)
	for b.Loop() {
		if got, err := c.Eligible(b.Context(), alice); err != nil || len(got) != 10_000 {
			b.Fatalf("%d, %v", len(got), err)
		}
	}
}
