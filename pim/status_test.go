package pim_test

import (
	"strings"
	"testing"

	"github.com/belaybot/belay/pim"
)

// Every status of Azure's list, of which Graph's is a part. Source: the enum of
// the 2020-10-01 description of roleAssignmentScheduleRequests.
var statuses = map[pim.Phase]string{
	pim.PhasePending:  "PendingAdminDecision PendingApproval PendingEvaluation",
	pim.PhaseGranted:  "Accepted AdminApproved Granted PendingApprovalProvisioning PendingExternalProvisioning PendingProvisioning PendingScheduleCreation ProvisioningStarted ScheduleCreated",
	pim.PhaseInForce:  "Provisioned",
	pim.PhaseDenied:   "AdminDenied Denied",
	pim.PhaseCanceled: "Canceled",
	pim.PhaseFailed:   "Failed FailedAsResourceIsLocked Invalid TimedOut",
	pim.PhaseRevoked:  "PendingRevocation Revoked",
}

func TestStatuses(t *testing.T) {
	n := 0
	for phase, names := range statuses {
		for _, name := range strings.Fields(names) {
			n++
			for _, spelt := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ToLower(name[:1]) + name[1:]} {
				if got := pim.ParseStatus(spelt); string(got) != name || got.Phase() != phase || pim.Status(spelt).Phase() != phase {
					t.Errorf("%s is %s in phase %d, want %s in %d", spelt, got, got.Phase(), name, phase)
				}
			}
		}
	}
	if n != 22 {
		t.Errorf("%d statuses are tested, Azure has 22", n)
	}
}

func TestAnUnknownStatusIsKept(t *testing.T) {
	for _, s := range []string{"", "SomethingNew", "Provisioned ", "Approved"} {
		if got := pim.ParseStatus(s); string(got) != s || got.Phase() != pim.PhaseUnknown {
			t.Errorf("%q is %q in phase %d", s, got, got.Phase())
		}
	}
}

func TestResults(t *testing.T) {
	for s, want := range map[string]pim.Result{
		"Approve": pim.Approved, "approve": pim.Approved, "APPROVE": pim.Approved, "Deny": pim.Denied, "deny": pim.Denied,
		"NotReviewed": pim.NotReviewed, "": pim.NotReviewed, "Approved": pim.NotReviewed, "maybe": pim.NotReviewed,
	} {
		if got := pim.ParseResult(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}
