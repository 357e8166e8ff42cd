package pimtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// armResource is the audience of ARM's tokens; the others are its other names.
const armResource = "https://management.azure.com"

var armAudiences = []string{armResource, armResource + "/", "https://management.core.windows.net", "https://management.core.windows.net/"}

// armAuthenticate reads the bearer token of a call of ARM. A person's has to carry
// user_impersonation.
func (t *Tenant) armAuthenticate(header string) (caller, *GraphError) {
	c, f := t.readToken(header, armAudiences...)
	if f != nil {
		e := &GraphError{Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken", Message: f.text}
		switch f.why {
		case tokenMissing:
			e.Code, e.Message = "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
		case tokenExpired:
			e.Code = "ExpiredAuthenticationToken"
		case tokenTenant:
			e.Code = "InvalidAuthenticationTokenTenant"
		case tokenAudience:
			e.Code = "InvalidAuthenticationTokenAudience"
			e.Message = fmt.Sprintf("The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.",
				strings.Join(c.Audience, ","), strings.Join(armAudiences, "','"))
		}
		return caller{}, e
	}
	who := c.caller()
	if who.kind == ByUser && !who.has("user_impersonation") {
		return caller{}, &GraphError{Status: http.StatusForbidden, Code: "AuthorizationFailed", Message: "The access token does not carry the scope user_impersonation."}
	}
	return who, nil
}

// reads says whether the caller has a role at the scope or above it that may read
// what is assigned there.
func (c *armCall) reads(scope string) bool {
	return slices.ContainsFunc(c.t.w.Assignments, func(a *assignment) bool {
		role := c.t.w.azureRole(a.Role)
		return a.Kind == kindAzure && role != nil && role.reads() && a.in(c.t.now()) && c.t.w.within(scope, a.Scope) && c.isOrIn(a.Principal)
	})
}

// isOrIn says whether the caller is the principal or a member of it.
func (c *armCall) isOrIn(principal string) bool {
	return principal == c.caller.id || c.caller.kind == ByUser && c.t.w.isMember(principal, c.caller.id, c.t.now())
}

// concerned says whether the caller may read what governs a scope: its readers,
// and who is eligible there. Source: the portal and other clients read policies
// and child resources as the eligible person.
func (c *armCall) concerned(scope string) bool {
	return c.reads(scope) || slices.ContainsFunc(c.t.w.Eligibilities, func(e *eligibility) bool {
		return e.Kind == kindAzure && e.in(c.t.now()) && c.t.w.within(scope, e.Scope) && c.isOrIn(e.Principal)
	})
}

// denied is ARM's refusal of an action at a scope.
func (c *armCall) denied(action, scope string) *GraphError {
	name := c.t.opt.App.ClientID
	if u := c.t.w.Users[c.caller.id]; u != nil {
		name = u.UPN
	}
	return &GraphError{Status: http.StatusForbidden, Code: "AuthorizationFailed", Message: fmt.Sprintf(
		"The client '%s' with object id '%s' does not have authorization to perform action 'Microsoft.Authorization/%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		name, c.caller.id, action, scope)}
}

// inARM puts a refusal of the engine into ARM's words, where it has its own.
func (c *armCall) inARM(e *GraphError, action string) *GraphError {
	if e != nil && e.Code == "Authorization_RequestDenied" {
		return c.denied(action, c.scope)
	}
	return e
}

// stepUpHeader asks for an authentication context as continuous access evaluation
// does: a 401 whose header holds the claims.
func stepUpHeader(context string) *GraphError {
	claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true,"value":"` + context + `"}}}`))
	return &GraphError{
		Status: http.StatusUnauthorized, Code: "InvalidAuthenticationToken", Message: "Continuous access evaluation resulted in challenge",
		Header: http.Header{"Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="` + claims + `"`}},
	}
}

// armThrottled is ARM's 429.
func armThrottled() *GraphError {
	return &GraphError{
		Status: http.StatusTooManyRequests, Code: "SubscriptionRequestsThrottled",
		Message: "Number of 'read' requests for subscription '…' actor '…' exceeded. Please try again after '1' seconds after additional error details are available.",
		Header:  http.Header{"Retry-After": {"1"}, "X-Ms-Ratelimit-Remaining-Subscription-Reads": {"0"}},
	}
}

// ARMRefusal is the answer by which ARM refuses with one of the codes it knows,
// to be given to FailNext. An unknown code is answered as 400 with that code.
func ARMRefusal(code string) Fault {
	e := refusal(code)
	switch code {
	case "AuthorizationFailed":
		e.Status, e.Message = http.StatusForbidden, "The client does not have authorization to perform this action over this scope or the scope is invalid. If access was recently granted, please refresh your credentials."
	case "SubscriptionRequestsThrottled":
		e = armThrottled()
	}
	return Fault{Status: e.Status, Header: maps.Clone(e.Header), Body: e.armBody()}
}

// Decision is the shape in which ARM takes an approver's decision.
type Decision string

// Microsoft's description, its documentation and the tools that work disagree on
// how a stage is decided. By default the tenant takes what the description and
// the tools have in common: PUT or PATCH with a body wrapped in "properties",
// directly or inside a batch. Each of the others is the only one taken.
const (
	DecideWrapped     Decision = ""           // PUT or PATCH, wrapped
	DecideByPut       Decision = "put"        // PUT, wrapped
	DecideByPatch     Decision = "patch"      // PATCH, wrapped
	DecideByFlatPatch Decision = "flat patch" // PATCH, {"reviewResult","justification"}
	DecideByBatch     Decision = "batch"      // PUT, wrapped, inside POST /batch only
)

// ARMQuirks are ways in which ARM has been seen to differ from its description.
// The zero value is the description.
type ARMQuirks struct {
	Decision     Decision
	StepUpHeader bool // a step-up is asked for by 401 and WWW-Authenticate, not by 400 and the message
	NoGroupWrite bool // requests at a resource group end in AuthorizationFailed: its reader's right is missing
}

// SetARMQuirks replaces the quirks from now on.
func (t *Tenant) SetARMQuirks(q ARMQuirks) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.armQuirks = q
}

// AzureStatuses are all statuses a request of PIM for Azure resources can have.
// Source: Status in the description of Microsoft.Authorization 2020-10-01.
func AzureStatuses() []string {
	return []string{
		"Accepted", "AdminApproved", "AdminDenied", "Canceled", "Denied", "Failed", "FailedAsResourceIsLocked", "Granted", "Invalid",
		"PendingAdminDecision", "PendingApproval", "PendingApprovalProvisioning", "PendingEvaluation", "PendingExternalProvisioning",
		"PendingProvisioning", "PendingRevocation", "PendingScheduleCreation", "Provisioned", "ProvisioningStarted", "Revoked",
		"ScheduleCreated", "TimedOut",
	}
}

// ShowAzureStatus makes reads of a request show one of AzureStatuses, or any other
// word, to see what a client makes of it. The request itself stays what it is. An
// empty status shows the true one again.
func (t *Tenant) ShowAzureStatus(requestID, status string) error {
	return t.change(func() error {
		r := t.w.request(requestID)
		if r == nil || r.Kind != kindAzure {
			return fmt.Errorf("pimtest: no request %s of an Azure role", requestID)
		}
		t.w.Azure.Shown[r.ID] = status
		return nil
	})
}
