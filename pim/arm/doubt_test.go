package arm_test

import (
	"testing"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

// A policy that was changed since it was read is not remembered once Microsoft's answer
// shows that.
func TestPoliciesAreDoubted(t *testing.T) {
	w := newTenant(t, pimtest.Kind())
	ctx := t.Context()
	w.must(w.GrantReader(platform))
	open := w.eligible(roleOpen)
	before, err := w.Policy(ctx, simAlice, open.Assignment)
	w.must(err)
	if before.Approval || before.Ticket {
		t.Fatalf("before: %+v", before)
	}
	w.must(w.SetAzurePolicy(prod, roleOpen, pimtest.Policy{Ticketing: true}))
	wish := asks(open, "")
	wish.Ticket = pim.Ticket{}
	_, err = w.Activate(ctx, simAlice, wish)
	w.wants("no ticket", err, pim.CodePolicy)
	if after, err := w.Policy(ctx, simAlice, open.Assignment); err != nil || !after.Ticket {
		t.Errorf("after the refusal: %+v, %v", after, err)
	}
	w.must(w.SetAzurePolicy(prod, roleOpen, pimtest.Policy{Approval: true, Approvers: []string{simBob}}))
	made, err := w.Activate(ctx, simAlice, asks(open, ""))
	if err != nil || made.Status.Phase() != pim.PhasePending {
		t.Fatalf("%+v, %v", made, err)
	}
	if after, err := w.Policy(ctx, simAlice, open.Assignment); err != nil || !after.Approval || len(after.Approvers) != 1 {
		t.Errorf("after a request that waits: %+v, %v", after, err)
	}
}
