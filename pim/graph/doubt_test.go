package graph_test

import (
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

// A policy that was changed since it was read is not remembered once Microsoft's answer
// shows that; a member's eligibility is none of an owner.
func TestPoliciesAreDoubted(t *testing.T) {
	w := newTenant(t, pimtest.Kind())
	ctx, g := t.Context(), w.Groups()
	open, err := w.Policy(ctx, simAlice, at(roleOpen))
	w.must(err)
	member, err := g.Policy(ctx, simAlice, inOps(pim.Member))
	w.must(err)
	if open.Ticket || member.Approval {
		t.Fatalf("before: %+v, %+v", open, member)
	}
	w.must(
		w.AddRole(pimtest.Role{ID: roleOpen, Name: "Reports Reader", Policy: pimtest.Policy{Ticketing: true}}),
		w.SetGroupPolicy(opsGroup, pim.Member, pimtest.Policy{Justification: true, Approval: true, Approvers: []string{simBob}}),
	)
	if open, err = w.Policy(ctx, simAlice, at(roleOpen)); err != nil || open.Ticket {
		t.Errorf("not remembered: %+v, %v", open, err)
	}
	_, err = w.Activate(ctx, simAlice, pim.Activation{Assignment: at(roleOpen), Duration: time.Hour})
	w.wants("no ticket", err, pim.CodePolicy)
	if open, err = w.Policy(ctx, simAlice, at(roleOpen)); err != nil || !open.Ticket {
		t.Errorf("after the refusal: %+v, %v", open, err)
	}
	made, err := g.Activate(ctx, simAlice, pim.Activation{Assignment: inOps(pim.Member), Justification: "x", Duration: time.Hour})
	if err != nil || made.Status.Phase() != pim.PhasePending {
		t.Fatalf("%+v, %v", made, err)
	}
	if member, err = g.Policy(ctx, simAlice, inOps(pim.Member)); err != nil || !member.Approval || len(member.Approvers) != 1 {
		t.Errorf("after a request that waits: %+v, %v", member, err)
	}
}

// Who may become a member may not become an owner, whatever the group.
func TestWrongAccess(t *testing.T) {
	w := newTenant(t, pimtest.Kind())
	ctx, g := t.Context(), w.Groups()
	w.must(w.EligibleInGroup(simBob, opsGroup, pim.Member, time.Time{}, time.Time{}))
	wish := pim.Activation{Assignment: inOps(pim.Owner), Justification: "x", Duration: time.Hour}
	_, err := g.Activate(ctx, simBob, wish)
	if e := w.wants("an owner", err, pim.CodePolicy); len(e.Rules) != 1 || e.Rules[0] != pim.RuleEligibility {
		t.Errorf("rules %v", e.Rules)
	}
	w.wants("ends it", g.Deactivate(ctx, simBob, pim.Deactivation{Assignment: inOps(pim.Owner), Justification: "x"}), pim.CodeNotActive)
	wish.Role = "guest"
	if _, err = g.Activate(ctx, simBob, wish); pim.CodeOf(err) != pim.CodeInvalid {
		t.Errorf("neither member nor owner: %v", err)
	}
	wish.Role = pim.Member
	if made, err := g.Activate(ctx, simBob, wish); err != nil || made.Assignment != wish.Assignment {
		t.Errorf("%+v, %v", made, err)
	}
}
