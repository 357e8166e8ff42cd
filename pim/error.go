package pim

import (
	"errors"
	"fmt"
	"time"
)

// Code says what Microsoft (or the sign-in) refused. Handlers switch on it; the
// text of an answer is never compared.
type Code string

// The codes Belay tells apart. Sources: Graph and ARM answers as listed in the
// project's contracts; the names on the right of each comment are Microsoft's.
const (
	CodeSignIn              Code = "sign-in"              // no usable grant: the person must sign in
	CodeNotFresh            Code = "not-fresh"            // the sign-in was not made just now, or does not say when it was
	CodeStepUp              Code = "step-up"              // RoleAssignmentRequestAcrsValidationFailed, insufficient_claims, MfaRule: sign in again with Claims
	CodePolicy              Code = "policy"               // RoleAssignmentRequestPolicyValidationFailed; Rules tells which
	CodeExists              Code = "exists"               // RoleAssignmentExists
	CodePending             Code = "pending"              // PendingRoleAssignmentRequest
	CodeTooShort            Code = "too-short"            // ActiveDurationTooShort
	CodeNotActive           Code = "not-active"           // RoleAssignmentDoesNotExist
	CodeNotYet              Code = "not-yet"              // SubjectNotFound: a fresh principal, try again
	CodeInvalid             Code = "invalid"              // InvalidRoleAssignmentRequest, InvalidScope, RoleNotFound, ResourceIsLocked, InvalidPolicy …
	CodeCannotCancel        Code = "cannot-cancel"        // RequestCannotBeCancelled
	CodeNotFound            Code = "not-found"            // RoleAssignmentRequestNotFound, 404
	CodeDecided             Code = "decided"              // 409, RoleAssignmentRequestAlreadyApproved: somebody was first
	CodeNotApprover         Code = "not-approver"         // 403 on an approval, self-approval
	CodeLicense             Code = "license"              // AadPremiumLicenseRequired
	CodeForbidden           Code = "forbidden"            // Authorization_RequestDenied, PermissionScopeNotGranted, AuthorizationFailed
	CodeThrottled           Code = "throttled"            // 429
	CodeUnavailable         Code = "unavailable"          // 5xx, no answer, an answer that cannot be read
	CodeInvalidClientConfig Code = "client-configuration" // Belay's own Entra registration or credential was refused
)

// Rule is a policy rule that failed (CodePolicy).
type Rule string

// The rules seen in the wild; others are kept as Microsoft spells them.
const (
	RuleMFA           Rule = "MfaRule"
	RuleJustification Rule = "JustificationRule"
	RuleTicketing     Rule = "TicketingRule"
	RuleExpiration    Rule = "ExpirationRule"
	RuleEligibility   Rule = "EligibilityRule"
)

// Error is every refusal and failure of a call to Microsoft.
type Error struct {
	Op        string // what was being done, such as "activate"
	Code      Code
	Status    int    // HTTP status; 0: no answer
	Service   string // Microsoft's own code, such as "RoleAssignmentExists"
	RequestID string // Microsoft's request id, for a support case
	Rules     []Rule // for CodePolicy
	Claims    string // for CodeStepUp: the claims JSON the next sign-in must ask for
	// Ambiguous says that a write may have been done although its answer was
	// lost: read before doing it again.
	Ambiguous bool
	After     time.Duration // Retry-After; 0: not told
	Err       error         // the detail, for the operator
}

// Error names the operation and Microsoft's code. It holds no text of the
// answer, which may repeat a person's words or a claims challenge.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s", e.Op, e.Code)
	if e.Service != "" {
		s += " (" + e.Service + ")"
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" HTTP %d", e.Status)
	}
	if e.RequestID != "" {
		s += " request-id " + e.RequestID
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the detail to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// RetryAfter is how long Microsoft asked to wait, and whether it did.
func (e *Error) RetryAfter() (time.Duration, bool) { return e.After, e.After > 0 }

// Temporary says that the same call may succeed later.
func (e *Error) Temporary() bool {
	switch e.Code {
	case CodeThrottled, CodeUnavailable, CodeNotYet:
		return true
	}
	return false
}

// CodeOf is the code of the first *Error in err's chain, or "" when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
