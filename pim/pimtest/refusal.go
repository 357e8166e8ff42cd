package pimtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// GraphError is a refusal in Graph's form. The Portal methods return it too.
type GraphError struct {
	Status  int // HTTP status
	Code    string
	Message string
	Header  http.Header // more headers of the answer
	unknown string      // what the simulator does not know; reported as unhandled
}

func (e *GraphError) Error() string {
	return fmt.Sprintf("graph refused: %d %s: %s", e.Status, e.Code, e.Message)
}

// body is the JSON of the refusal.
func (e *GraphError) body(at time.Time, requestID, clientID string) string {
	inner := obj{"date": at.Format("2006-01-02T15:04:05"), "request-id": requestID, "client-request-id": clientID}
	if e.Status == http.StatusTooManyRequests {
		inner["code"], inner["message"], inner["status"] = "429", "Please retry after", "429"
	}
	b, err := json.Marshal(obj{"error": obj{"code": e.Code, "message": e.Message, "innerError": inner}})
	if err != nil {
		return "{}" // only strings: cannot happen
	}
	return string(b)
}

// refusal is Graph's answer for a code. Codes and texts are those of the
// project's contracts; where Microsoft documents only a code (InvalidScope,
// RoleNotFound and the like) the text is ours.
func refusal(code string) *GraphError {
	known := map[string]struct {
		status int
		text   string
	}{
		"AadPremiumLicenseRequired":                 {400, "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."},
		"ActiveDurationTooShort":                    {400, "The Active duration is too short. Miniumum Required is 5 minutes."},
		"Authorization_RequestDenied":               {403, "Insufficient privileges to complete the operation."},
		"BadRequest":                                {400, "The request is invalid."},
		"Conflict":                                  {409, "The request has already been approved by another approver in the same stage."},
		"Forbidden":                                 {403, "The caller is not an approver of this request."},
		"InvalidAuthenticationToken":                {401, "Access token is empty."},
		"InvalidPolicy":                             {400, "The policy is invalid."},
		"InvalidRoleAssignmentRequest":              {400, "The role assignment request is invalid"},
		"InvalidRoleAssignmentRequestSchedule":      {400, "The schedule of the role assignment request is invalid."},
		"InvalidScope":                              {400, "The scope is invalid."},
		"NotFound":                                  {404, "The approval id is not found."},
		"PendingRoleAssignmentRequest":              {400, "There already exists a pending Role assignment request."},
		"PermissionScopeNotGranted":                 {403, "Authorization failed due to missing permission scope."},
		"RequestCannotBeCancelled":                  {400, "Request cannot be cancelled."},
		"Request_ResourceNotFound":                  {404, "The resource does not exist or one of its queried reference-property objects are not present."},
		"Request_UnsupportedQuery":                  {400, "The query needs the header ConsistencyLevel: eventual and $count=true."},
		"ResourceIsLocked":                          {400, "The resource is locked."},
		"RoleAssignmentDoesNotExist":                {400, "The Role assignment does not exist."},
		"RoleAssignmentExists":                      {400, "The Role assignment already exists."},
		"RoleAssignmentRequestAlreadyApproved":      {400, "The role assignment request has already been approved."},
		"RoleAssignmentRequestAcrsValidationFailed": {400, acrsMessage("c1")},
		"RoleAssignmentRequestNotFound":             {404, "The role assignment request is not found"},
		"RoleNotFound":                              {400, "The role is not found."},
		"SubjectNotFound":                           {400, "The subject is not found."},
		"TooManyRequests":                           {429, "Please retry again later."},
		"UnknownError":                              {403, ""},

		"Authentication_RequestFromNonPremiumTenantOrB2CTenant": {403, "Neither tenant is B2C or tenant doesn't have premium license"},
	}
	e := &GraphError{Status: 400, Code: code, Message: "The request is refused."}
	if k, ok := known[code]; ok {
		e.Status, e.Message = k.status, k.text
	}
	if code == "TooManyRequests" {
		e.Header = http.Header{"Retry-After": {"1"}}
	}
	return e
}

// badRequest refuses something malformed that Microsoft refuses too.
func badRequest(format string, args ...any) *GraphError {
	e := refusal("BadRequest")
	e.Message = fmt.Sprintf(format, args...)
	return e
}

// unknown refuses something the simulator does not know, which is a defect of
// the caller or a gap of the simulator, and in both cases loud.
func unknown(status int, format string, args ...any) *GraphError {
	e := badRequest(format, args...)
	e.Status, e.unknown = status, e.Message
	if status == http.StatusNotImplemented {
		e.Code = "NotImplemented"
	}
	return e
}

// rulesFailed is a refusal by the role's policy.
func rulesFailed(rules ...string) *GraphError {
	e := refusal("RoleAssignmentRequestPolicyValidationFailed")
	e.Message = `The following policy rules failed: ["` + strings.Join(rules, `","`) + `"]`
	return e
}

// stepUp asks for an authentication context: the documented 400 whose message is
// the claims parameter of the next sign-in.
func stepUp(context string) *GraphError {
	e := refusal("RoleAssignmentRequestAcrsValidationFailed")
	e.Message = acrsMessage(context)
	return e
}

func acrsMessage(context string) string {
	claims := `{"access_token":{"acrs":{"essential":true, "value":"` + context + `"}}}`
	return "&claims=" + strings.ReplaceAll(url.QueryEscape(claims), "+", "%20")
}

// scopeMissing names the permissions of which the token has none. PIM for Groups
// wraps the refusal into another, as has been seen.
func scopeMissing(kind string, anyOf []string) *GraphError {
	e := refusal("PermissionScopeNotGranted")
	e.Message = "Authorization failed due to missing permission scope " + strings.Join(anyOf, ",") + "."
	if kind == kindGroup {
		e.Message = fmt.Sprintf(`{"errorCode":%q,"message":%q,"instanceAnnotations":[]}`, e.Code, e.Message)
		e.Code = "UnknownError"
	}
	return e
}
