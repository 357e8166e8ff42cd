package graph_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/pimtest"
)

func inOps(part string) pim.Assignment {
	return pim.Assignment{Kind: pim.Group, Role: part, Scope: opsGroup}
}

// Alice becomes a member, which opens a role as a second step, and ceases to be one.
func groupStory(w *tenant) {
	ctx, g := w.t.Context(), w.Groups()
	eligible, err := g.Eligible(ctx, simAlice)
	w.must(err)
	until := noon.Add(90 * 24 * time.Hour)
	if diff := cmp.Diff([]pim.EligibleAssignment{
		{Assignment: inOps(pim.Member), RoleName: "Member", ScopeName: "Operators"},
		{Assignment: inOps(pim.Owner), RoleName: "Owner", ScopeName: "Operators", Until: until},
	}, eligible); diff != "" {
		w.t.Fatalf("eligible (-want +got):\n%s", diff)
	}
	policy, err := g.Policy(ctx, simAlice, inOps(pim.Member))
	w.must(err)
	if diff := cmp.Diff(pim.Policy{MaxDuration: 8 * time.Hour, Justification: true}, policy); diff != "" {
		w.t.Errorf("policy (-want +got):\n%s", diff)
	}
	if lent := w.through(simAlice); len(lent) != 0 {
		w.t.Errorf("through groups before: %v", lent)
	}

	wish := pim.Activation{Assignment: inOps(pim.Member), Justification: "INC-42", Duration: time.Hour, Ticket: pim.Ticket{Number: "CHG1", System: "ServiceNow"}}
	w.must(g.Check(ctx, simAlice, wish))
	short := wish
	short.Justification = ""
	if e := w.wants("no reason", g.Check(ctx, simAlice, short), pim.CodePolicy); !slices.Equal(e.Rules, []pim.Rule{pim.RuleJustification}) {
		w.t.Errorf("rules %v", e.Rules)
	}
	made, err := g.Activate(ctx, simAlice, wish)
	w.must(err)
	if made.Assignment != wish.Assignment || made.RoleName != "Member" || made.ScopeName != "Operators" || made.Ticket != wish.Ticket || made.Duration != time.Hour {
		w.t.Errorf("made %+v", made)
	}
	held := eventually(w, func() ([]pim.Instance, error) { return g.Active(ctx, simAlice, wish.Assignment) }, func(l []pim.Instance) bool { return len(l) == 1 })[0]
	if !held.Activated || held.Assignment != wish.Assignment || !held.End.Equal(noon.Add(time.Hour)) || held.Schedule == "" {
		w.t.Errorf("held %+v", held)
	}
	_, err = g.Activate(ctx, simAlice, wish)
	w.wants("while active", err, pim.CodeExists)
	mine, err := g.Mine(ctx, simAlice)
	if err != nil || len(mine) != 1 || mine[0].ID != made.ID {
		w.t.Errorf("mine %+v, %v", mine, err)
	}

	// The role that the group is eligible for is a second step.
	second, err := w.GroupRoles(ctx, opsGroup)
	w.must(err)
	want := pim.Assignment{Kind: pim.EntraRole, Role: roleStrict, Scope: "/administrativeUnits/" + unit}
	if len(second) != 1 || second[0].Assignment != want || second[0].RoleName != "Exchange Administrator" || second[0].Through != (pim.Principal{ID: opsGroup, Name: "Operators"}) {
		w.t.Errorf("the group's roles %+v", second)
	}
	w.pass(time.Minute)
	if lent := w.through(simAlice); len(lent) != 1 || lent[0].Assignment != want || lent[0].Through.Name != "Operators" {
		w.t.Errorf("through groups %+v", lent)
	}

	w.wants("too soon", g.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: inOps(pim.Member)}), pim.CodeTooShort)
	w.wants("not an owner", g.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: inOps(pim.Owner)}), pim.CodeNotActive)
	w.pass(5 * time.Minute)
	w.must(g.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: inOps(pim.Member), Justification: "done"}))
	if left, err := g.Active(ctx, simAlice, inOps(pim.Member)); err != nil || len(left) != 0 {
		w.t.Errorf("left %+v, %v", left, err)
	}
}

// through is what person may activate as a member of a group.
func (w *tenant) through(person string) []pim.EligibleAssignment {
	w.t.Helper()
	eligible, err := w.Client.Eligible(w.t.Context(), person)
	w.must(err)
	return slices.DeleteFunc(eligible, func(e pim.EligibleAssignment) bool { return e.Through.ID == "" })
}

// Alice asks to become an owner, takes it back, asks again, and Bob agrees.
func ownerStory(w *tenant) {
	ctx, g := w.t.Context(), w.Groups()
	policy, err := g.Policy(ctx, simAlice, inOps(pim.Owner))
	w.must(err)
	if !policy.Approval || policy.DefaultApprovers || len(policy.Approvers) != 3 || len(policy.ApproverGroups) != 1 || policy.MaxDuration != 2*time.Hour {
		w.t.Errorf("policy %+v", policy)
	}
	wish := pim.Activation{Assignment: inOps(pim.Owner), Justification: "why", Duration: 90 * time.Minute}
	made, err := g.Activate(ctx, simAlice, wish)
	w.must(err)
	_, err = g.Activate(ctx, simAlice, wish)
	w.wants("a second request", err, pim.CodePending)
	w.must(g.Cancel(ctx, simAlice, made.ID))
	got, err := g.Request(ctx, simAlice, made.ID)
	if err != nil || got.Status.Phase() != pim.PhaseCanceled {
		w.t.Errorf("%+v, %v", got, err)
	}
	w.wants("canceled twice", g.Cancel(ctx, simAlice, made.ID), pim.CodeCannotCancel)
	made, err = g.Activate(ctx, simAlice, wish)
	w.must(err)
	if made.Status.Phase() != pim.PhasePending || made.Approval == "" {
		w.t.Fatalf("made %+v", made)
	}

	pending, err := g.Pending(ctx, simBob)
	w.must(err)
	if len(pending) != 1 || pending[0].ID != made.ID || pending[0].ScopeName != "Operators" || pending[0].RoleName != "Owner" || pending[0].Principal != simAlice {
		w.t.Fatalf("pending %+v", pending)
	}
	if roles, err := w.Client.Pending(ctx, simBob); err != nil || len(roles) != 0 {
		w.t.Errorf("among directory roles: %+v, %v", roles, err)
	}
	approval, err := g.Approval(ctx, simBob, made.Approval)
	w.must(err)
	if len(approval.Stages) != 1 || !approval.Stages[0].AssignedToMe || approval.Stages[0].Result != pim.NotReviewed {
		w.t.Fatalf("approval %+v", approval)
	}
	decision := pim.Decision{Approval: made.Approval, Stage: approval.Stages[0].ID, Result: pim.Approved, Justification: "go ahead"}
	w.wants("the requester decides", g.Review(ctx, simAlice, decision), pim.CodeNotApprover)
	w.wants("a stranger decides", g.Review(ctx, simErin, decision), pim.CodeNotApprover)
	w.must(g.Review(ctx, simBob, decision))
	decision.Result = pim.Denied
	w.wants("too late", g.Review(ctx, simCarol, decision), pim.CodeDecided)
	eventually(w, func() (pim.Request, error) { return g.Request(ctx, simAlice, made.ID) }, func(r pim.Request) bool { return r.Status == "Provisioned" })
	eventually(w, func() ([]pim.Instance, error) { return g.Active(ctx, simAlice, wish.Assignment) },
		func(l []pim.Instance) bool { return len(l) == 1 && l[0].Assignment == wish.Assignment })
	for _, entry := range w.Audit() {
		if entry.ActorKind == pimtest.ByApplication {
			w.t.Errorf("Belay itself did %+v", entry)
		}
	}
}

// What is done in the portal is found: by an approver's list while it waits, and
// by the audit log whatever becomes of it.
func portalStory(w *tenant) {
	ctx := w.t.Context()
	role, err := w.PortalActivate(simAlice, pimtest.Wanted{Role: roleApproved, Scope: "/", Justification: "in the portal", Ticket: "CHG1", Duration: time.Hour})
	w.must(err)
	group, err := w.PortalActivate(simAlice, pimtest.Wanted{Kind: "group", Role: pim.Owner, Scope: opsGroup, Justification: "in the portal", Duration: time.Hour})
	w.must(err)
	pending, err := w.Client.Pending(ctx, simBob)
	w.must(err)
	if len(pending) != 1 || pending[0].ID != role || pending[0].RoleName != "Security Administrator" || pending[0].ScopeName != "Directory" ||
		pending[0].Justification != "in the portal" || pending[0].Ticket.Number != "CHG1" || pending[0].Principal != simAlice {
		w.t.Fatalf("pending %+v", pending)
	}
	if own, err := w.Client.Pending(ctx, simAlice); err != nil || len(own) != 0 {
		w.t.Errorf("the requester is asked: %+v, %v", own, err)
	}
	w.must(w.PortalDecide(simBob, role, true, "go ahead"), w.PortalDecide(simBob, group, false, "no"))
	if pending, err = w.Client.Pending(ctx, simBob); err != nil || len(pending) != 0 {
		w.t.Errorf("still pending %+v, %v", pending, err)
	}
	w.pass(6 * time.Minute)
	w.must(w.PortalDeactivate(simAlice, pimtest.Wanted{Role: roleApproved, Scope: "/"}))
	w.pass(6 * time.Minute)

	kinds := func(traces []pim.Trace, err error, request string, a pim.Assignment) string {
		w.t.Helper()
		w.must(err)
		var list []string
		for _, t := range traces {
			if t.Request != request || t.Principal != simAlice || t.Assignment != a {
				w.t.Errorf("trace %+v", t)
			}
			list = append(list, string(t.What))
			if t.What == pim.TraceApproved && (t.By.ID != simBob || t.Reason != "go ahead") {
				w.t.Errorf("approved by %+v", t)
			}
		}
		return strings.Join(list, " ")
	}
	roles, err := w.Traces(ctx, noon)
	if got := kinds(roles, err, role, pim.Assignment{Kind: pim.EntraRole, Role: roleApproved}); got != "asked asked approved activated ended" {
		w.t.Errorf("of the role: %s", got)
	}
	groups, err := w.Groups().Traces(ctx, noon)
	if got := kinds(groups, err, group, inOps(pim.Owner)); got != "asked asked denied" {
		w.t.Errorf("of the group: %s", got)
	}
	if later, err := w.Traces(ctx, noon.Add(time.Hour)); err != nil || len(later) != 0 {
		w.t.Errorf("of later: %+v, %v", later, err)
	}
}

// counted counts what goes out.
type counted struct {
	next http.RoundTripper
	n    atomic.Int64
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(r)
}

// How many calls one activation takes from the first form to its end, with nothing
// remembered: the goal is ten at the most.
func TestCallsOfAnActivation(t *testing.T) {
	w := newTenant(t, pimtest.Kind())
	ctx := t.Context()
	wire := &counted{next: w.http.Transport}
	c, err := graph.New(graph.Options{BaseURL: w.urls.Graph, HTTP: &http.Client{Transport: wire}, Tokens: w, Now: w.now})
	w.must(err)
	at := func(what string, limit int64) {
		t.Helper()
		t.Logf("%s: %d calls", what, wire.n.Load())
		if n := wire.n.Load(); n > limit {
			t.Errorf("%s: %d calls, want %d at the most", what, n, limit)
		}
	}
	a := pim.Activation{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: roleApproved, Scope: "/"}, Justification: "INC-42", Duration: time.Hour}
	_, err = c.Eligible(ctx, simAlice)
	w.must(err)
	at("the list", 2)
	_, err = c.Policy(ctx, simAlice, a.Assignment)
	w.must(err)
	at("the form", 6)
	made, err := c.Activate(ctx, simAlice, a)
	w.must(err)
	approval, err := c.Approval(ctx, simBob, made.Approval)
	w.must(err)
	w.must(c.Review(ctx, simBob, pim.Decision{Approval: made.Approval, Stage: approval.Stages[0].ID, Result: pim.Approved, Justification: "go ahead"}))
	at("the decision", 9)
	if held, err := c.Active(ctx, simAlice, a.Assignment); err != nil || len(held) != 1 {
		t.Fatalf("%+v, %v", held, err)
	}
	at("active", 10)
}
