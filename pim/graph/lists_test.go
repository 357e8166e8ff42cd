package graph_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

// allPages reads a list page by page.
func allPages[T any](t *testing.T, read func(page string) ([]T, string, error)) []T {
	t.Helper()
	var all []T
	for page, n := "", 0; ; n++ {
		list, next, err := read(page)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, list...); next == "" {
			return all
		}
		if page = next; n > 100 {
			t.Fatal("the list does not end")
		}
	}
}

// The lists of the whole tenant, as the simulated one tells them, in any letter case.
func TestLists(t *testing.T) {
	w := newTenant(t, &pimtest.Unkind{Seed: 7, EnumCase: true, PageSize: 2, NoGroupNames: true})
	const robot = "40000000-0000-4000-8000-000000000001"
	guest := "60000000-0000-4000-8000-000000000001"
	w.must(w.AddServicePrincipal(robot, "Robot"), w.Assign(robot, roleGA, "/"),
		w.AddUser(pimtest.User{ID: guest, Name: "Gus", UPN: "gus_fabrikam#EXT#@contoso.com", Guest: true}),
		w.AddReview(pimtest.Review{ID: unit, Name: "Quarterly", Role: roleGA, Months: 3}),
		w.AddReview(pimtest.Review{ID: robot, Name: "Last year", Role: roleGA, Months: 6, Until: noon.Add(-48 * time.Hour)}))
	lists, groups, ctx := w.Lists(), w.Groups().Lists(), t.Context()

	names := map[string]string{}
	allPages(t, func(page string) ([]int, string, error) {
		n, next, err := lists.RoleNames(ctx, page)
		for id, name := range n {
			names[id] = name
		}
		return nil, next, err
	})
	if len(names) != 7 || names[roleGA] != "Global Administrator" {
		t.Errorf("%v", names)
	}
	standing := allPages(t, func(page string) ([]pim.Holding, string, error) { return lists.Holdings(ctx, false, page) })
	want := []pim.Holding{
		{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: rolePRA, Scope: "/"}, Type: pim.User, Holder: pim.Principal{ID: simErin, Name: "Erin", UPN: "erin@contoso.com"}},
		{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: roleGA, Scope: "/"}, Type: pim.ServicePrincipal, Holder: pim.Principal{ID: robot}},
	}
	if d := cmp.Diff(want, standing); d != "" {
		t.Errorf("standing (-want +got):\n%s", d)
	}
	eligible := allPages(t, func(page string) ([]pim.Holding, string, error) { return lists.Holdings(ctx, true, page) })
	if i := slices.IndexFunc(eligible, func(h pim.Holding) bool { return h.Holder.ID == opsGroup }); len(eligible) != 8 || i < 0 ||
		eligible[i].Type != pim.GroupOfPeople || eligible[i].Holder.Name != "Operators" || !eligible[i].Eligible {
		t.Errorf("%d eligible: %+v", len(eligible), eligible)
	}
	settings := allPages(t, func(page string) ([]pim.Settings, string, error) { return lists.Settings(ctx, page) })
	i := slices.IndexFunc(settings, func(s pim.Settings) bool { return s.Role == roleApproved })
	if len(settings) != 7 || i < 0 {
		t.Fatalf("%d settings", len(settings))
	}
	if d := cmp.Diff(pim.Settings{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: roleApproved, Scope: "/"}, MaxDuration: 4 * time.Hour, Justification: true,
		Approval: true, Approvers: 2, Deciders: []string{leadsGroup, simBob}, Mailed: true, PermanentEligible: true, PermanentActive: true}, settings[i]); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}
	if g, err := lists.Guests(ctx, []string{simAlice, guest}); err != nil || !slices.Equal(g, []string{guest}) {
		t.Errorf("guests %v %v", g, err)
	}
	if l, err := lists.Licences(ctx); err != nil || !slices.Equal(l, []pim.Licence{{SKU: "AAD_PREMIUM_P2", Plan: pim.PlanP2}}) {
		t.Errorf("licences %v %v", l, err)
	}
	reviews := allPages(t, func(page string) ([]pim.AccessReview, string, error) { return lists.Reviews(ctx, page) })
	if d := cmp.Diff([]pim.AccessReview{{ID: unit, Name: "Quarterly", Roles: []string{roleGA}, Every: 93 * 24 * time.Hour},
		{ID: robot, Name: "Last year", Roles: []string{roleGA}, Every: 186 * 24 * time.Hour, Over: true}}, reviews); d != "" {
		t.Errorf("reviews (-want +got):\n%s", d)
	}

	if g := allPages(t, func(page string) ([]pim.NamedGroup, string, error) { return groups.Assignable(ctx, page) }); !slices.Equal(g, []pim.NamedGroup{{ID: opsGroup, Name: "Operators"}}) {
		t.Errorf("%v", g)
	}
	members := allPages(t, func(page string) ([]pim.Holding, string, error) { return groups.Holdings(ctx, opsGroup, true, page) })
	if d := cmp.Diff([]pim.Holding{
		{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: opsGroup}, Eligible: true, Type: pim.User, Holder: pim.Principal{ID: simAlice, Name: "Alice", UPN: "alice@contoso.com"}},
		{Assignment: pim.Assignment{Kind: pim.Group, Role: pim.Owner, Scope: opsGroup}, Eligible: true, Type: pim.User, Holder: pim.Principal{ID: simAlice, Name: "Alice", UPN: "alice@contoso.com"},
			End: noon.Add(90 * 24 * time.Hour)},
	}, members, cmpopts.IgnoreFields(pim.Holding{}, "Start")); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	if m := allPages(t, func(page string) ([]pim.Holding, string, error) { return groups.Holdings(ctx, opsGroup, false, page) }); len(m) != 0 {
		t.Errorf("%v", m)
	}
	if s, err := groups.Settings(ctx, opsGroup); err != nil || len(s) != 2 || s[0].Kind != pim.Group || s[1].Role != pim.Owner || s[1].Approvers != 2 {
		t.Errorf("%+v %v", s, err)
	}
}

// What was activated is told newest first, and what was only asked for is not.
func TestActivationsFromTheLog(t *testing.T) {
	w := newTenant(t, &pimtest.Unkind{EnumCase: true})
	w.signIn(simAlice, "")
	if _, err := w.Activate(t.Context(), simAlice, pim.Activation{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: roleOpen, Scope: "/"}, Duration: time.Hour, Justification: "x"}); err != nil {
		t.Fatal(err)
	}
	at := w.now()
	w.pass(time.Hour / 2)
	got := allPages(t, func(page string) ([]pim.Trace, string, error) {
		return w.Lists().Activations(t.Context(), noon.Add(-time.Hour), page)
	})
	if len(got) != 1 || got[0].Principal != simAlice || got[0].Assignment.Role != roleOpen || got[0].At.Sub(at).Abs() > time.Minute {
		t.Errorf("%+v", got)
	}
}

// A next page elsewhere is not fetched, and a permission that is missing is told as that.
func TestListsThatAreRefused(t *testing.T) {
	s := serve(t, says(200, nil, `{"value":[],"@odata.nextLink":"https://graph.example.com/v1.0/next"}`))
	c := s.client(t)
	_, next, err := c.Lists().Holdings(t.Context(), true, "")
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	if _, _, err := c.Lists().Holdings(t.Context(), true, next); pim.CodeOf(err) != pim.CodeUnavailable {
		t.Errorf("a foreign page: %v", err)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	for name, bad := range map[string]func(context.Context) error{
		"group": func(ctx context.Context) error {
			_, _, err := c.Groups().Lists().Holdings(ctx, "x' or '1' eq '1", false, "")
			return err
		},
		"settings": func(ctx context.Context) error { _, err := c.Groups().Lists().Settings(ctx, "x'"); return err },
		"users":    func(ctx context.Context) error { _, err := c.Lists().Guests(ctx, []string{"x'"}); return err },
		"no users": func(ctx context.Context) error { _, err := c.Lists().Guests(ctx, nil); return err },
	} {
		if err := bad(t.Context()); pim.CodeOf(err) != pim.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused := serve(t, says(403, nil, `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges"}}`))
	_, err = refused.client(t).Lists().Licences(t.Context())
	var e *pim.Error
	if !errors.As(err, &e) || e.Code != pim.CodeForbidden {
		t.Errorf("%v", err)
	}
}
