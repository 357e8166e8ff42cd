package pim

import "strings"

// Status is the status of a schedule request. Microsoft treats it as an open
// list of strings and prints it in varying letter case; ParseStatus folds that.
// Source: Graph reference of unifiedRoleAssignmentScheduleRequest, and the enum
// of Azure's 2020-10-01 description for the longer list.
type Status string

// Phase is what a status means for a request's life.
type Phase int

// The phases, in the order a life goes through them.
const (
	PhaseUnknown  Phase = iota // not in the table: keep what was known and shout
	PhasePending               // waits for approvers or for an administrator
	PhaseGranted               // agreed, not yet in force
	PhaseInForce               // provisioned; the instance tells whether it is usable
	PhaseDenied                // an approver said no
	PhaseCanceled              // taken back
	PhaseFailed                // Microsoft could not or would not
	PhaseRevoked               // ended before its time
)

// phases is the whole of Azure's list; Graph's is a part of it.
var phases = map[Status]Phase{
	"PendingApproval": PhasePending, "PendingAdminDecision": PhasePending, "PendingEvaluation": PhasePending,

	"Accepted": PhaseGranted, "AdminApproved": PhaseGranted, "Granted": PhaseGranted,
	"PendingApprovalProvisioning": PhaseGranted, "PendingExternalProvisioning": PhaseGranted,
	"PendingProvisioning": PhaseGranted, "PendingScheduleCreation": PhaseGranted,
	"ProvisioningStarted": PhaseGranted, "ScheduleCreated": PhaseGranted,

	"Provisioned": PhaseInForce,

	"AdminDenied": PhaseDenied, "Denied": PhaseDenied,
	"Canceled": PhaseCanceled,
	"Failed":   PhaseFailed, "FailedAsResourceIsLocked": PhaseFailed, "Invalid": PhaseFailed, "TimedOut": PhaseFailed,
	"PendingRevocation": PhaseRevoked, "Revoked": PhaseRevoked,
}

// ParseStatus gives s the spelling of the table when it is known but for letter
// case, and returns it unchanged when it is not known.
func ParseStatus(s string) Status {
	if _, ok := phases[Status(s)]; ok {
		return Status(s)
	}
	for known := range phases {
		if strings.EqualFold(string(known), s) {
			return known
		}
	}
	return Status(s)
}

// Phase is PhaseUnknown for a status that Microsoft has not documented.
func (s Status) Phase() Phase { return phases[ParseStatus(string(s))] }

// ParseResult folds the letter case of a stage's result; an empty or unknown
// text is NotReviewed, because only a known decision is a decision.
func ParseResult(s string) Result {
	for _, r := range []Result{Approved, Denied} {
		if strings.EqualFold(string(r), s) {
			return r
		}
	}
	return NotReviewed
}
