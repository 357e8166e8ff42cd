package pimtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// armPosted is the body of a role assignment schedule request.
type armPosted struct {
	Properties *armProperties `json:"properties"`
}

type armProperties struct {
	PrincipalID      string          `json:"principalId"`
	RoleDefinitionID string          `json:"roleDefinitionId"`
	RequestType      string          `json:"requestType"`
	Linked           string          `json:"linkedRoleEligibilityScheduleId"`
	Justification    *string         `json:"justification"`
	ScheduleInfo     *postedSchedule `json:"scheduleInfo"`
	TicketInfo       *postedTicket   `json:"ticketInfo"`
	Condition        *string         `json:"condition"`
	ConditionVersion *string         `json:"conditionVersion"`
}

// armPutRequest is activate and deactivate. The caller chooses the request's id:
// the same body again under it gives the same request, another one is refused.
func armPutRequest(c *armCall) (result, *GraphError) {
	in, e := c.posted()
	if e != nil {
		return result{}, e
	}
	if c.t.armQuirks.NoGroupWrite && resourceKind(c.scope) == "resourcegroup" {
		return result{}, c.denied("roleAssignmentScheduleRequests/write", c.scope)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return result{}, badRequest("%v", err) // it was read from JSON: cannot happen
	}
	sum := sha256.Sum256(append(b, c.caller.id+c.scope...))
	hash := hex.EncodeToString(sum[:])
	if old := c.t.w.request(c.names[0]); old != nil {
		if c.t.w.Azure.Puts[old.ID] != hash {
			e := refusal("Conflict")
			e.Message = "A role assignment schedule request with this name and other properties exists."
			return result{}, e
		}
		return result{http.StatusOK, c.armRequest(old)}, nil
	}
	r, e := c.ask(in, false)
	if e != nil {
		return result{}, e
	}
	c.t.w.Azure.Puts[r.ID] = hash
	c.wrote = true
	return result{http.StatusCreated, c.armRequest(r)}, nil
}

// armValidate answers what a request would become, and makes none.
func armValidate(c *armCall) (result, *GraphError) {
	in, e := c.posted()
	if e != nil {
		return result{}, e
	}
	r, e := c.ask(in, true)
	if e != nil {
		return result{}, e
	}
	o := c.armRequest(r)
	o["properties"].(obj)["approvalId"] = nil
	return result{http.StatusOK, o}, nil
}

// posted reads the body and the name under which it came.
func (c *armCall) posted() (*armProperties, *GraphError) {
	var in armPosted
	if e := c.body(&in); e != nil {
		return nil, e
	}
	if _, err := uuid.Parse(c.names[0]); err != nil || len(c.names[0]) != 36 || in.Properties == nil || c.scope == "/" {
		return nil, refusal("InvalidRoleAssignmentRequest")
	}
	return in.Properties, nil
}

// ask checks what ARM checks and hands the rest to the engine.
func (c *armCall) ask(in *armProperties, validationOnly bool) (*request, *GraphError) {
	w := wish{
		id: strings.ToLower(c.names[0]), kind: kindAzure, principal: strings.ToLower(in.PrincipalID), scope: c.scope,
		justification: str(in.Justification), linked: in.Linked, condition: str(in.Condition), conditionVersion: str(in.ConditionVersion),
		validationOnly: validationOnly,
	}
	switch in.RequestType {
	case "SelfActivate":
		w.action = "selfActivate"
	case "SelfDeactivate":
		w.action = "selfDeactivate"
	case "":
		return nil, refusal("InvalidRoleAssignmentRequest")
	default:
		return nil, unknown(http.StatusNotImplemented, "The request type '%s' is not simulated.", in.RequestType)
	}
	if w.principal != c.caller.id {
		return nil, c.denied("roleAssignmentScheduleRequests/write", c.scope)
	}
	if w.role = c.t.w.readRole(in.RoleDefinitionID, c.scope); w.role == "" {
		return nil, refusal("RoleNotFound")
	}
	if s := in.ScheduleInfo; s != nil && s.Expiration != nil && !slices.Contains([]string{"AfterDuration", "AfterDateTime", "NoExpiration"}, s.Expiration.Type) {
		return nil, unknown(http.StatusBadRequest, "The type of expiration '%s' is not known.", s.Expiration.Type)
	}
	if e := c.complete(&w, in.ScheduleInfo, in.TicketInfo); e != nil {
		return nil, e
	}
	deed := c.t.deactivate
	if w.action == "selfActivate" {
		deed = c.t.activate
		if e := c.linked(w); e != nil {
			return nil, e
		}
	}
	r, e := deed(c.caller.asker(), w)
	if e != nil && e.Code == "RoleAssignmentRequestAcrsValidationFailed" && c.t.armQuirks.StepUpHeader {
		return nil, stepUpHeader(c.t.w.policy(kindAzure, w.role, w.scope).AuthContext)
	}
	return r, c.inARM(e, "roleAssignmentScheduleRequests/write")
}

// linked checks how the eligibility is named: by its full id, or, at its own scope
// only, by its GUID alone. A condition has to be the eligibility's own. Whether
// the caller holds the eligibility is for the engine to say.
func (c *armCall) linked(w wish) *GraphError {
	if w.linked == "" {
		return unknown(http.StatusBadRequest, "An activation without linkedRoleEligibilityScheduleId is not simulated.")
	}
	i := slices.IndexFunc(c.t.w.Eligibilities, func(e *eligibility) bool {
		return e.Kind == kindAzure && strings.EqualFold(e.ID, lastPart(w.linked))
	})
	if i < 0 {
		return nil // the engine refuses it
	}
	e := c.t.w.Eligibilities[i]
	bare := !strings.Contains(w.linked, "/")
	if bare && !strings.EqualFold(e.Scope, c.scope) || !bare && !strings.EqualFold(w.linked, armID(e.Scope, "roleEligibilitySchedules", e.ID)) {
		e := refusal("InvalidRoleAssignmentRequest")
		e.Message = "The linked role eligibility schedule id is invalid."
		return e
	}
	if w.condition != e.Condition || (e.Condition == "") != (w.conditionVersion == "") {
		e := refusal("InvalidRoleAssignmentRequest")
		e.Message = "The condition is not the one of the linked role eligibility schedule."
		return e
	}
	return nil
}

// armCancel takes a request back.
func armCancel(c *armCall) (result, *GraphError) {
	if c.r.ContentLength > 0 {
		return result{}, unknown(http.StatusBadRequest, "Cancel takes no body.")
	}
	r := c.t.w.request(c.names[0])
	if r == nil || r.Kind != kindAzure || !strings.EqualFold(r.Scope, c.scope) {
		return result{}, refusal("RoleAssignmentRequestNotFound")
	}
	if e := c.t.cancel(c.caller.who, kindAzure, r.ID); e != nil {
		return result{}, c.inARM(e, "roleAssignmentScheduleRequests/cancel/action")
	}
	c.wrote = true
	return result{status: http.StatusOK}, nil
}
