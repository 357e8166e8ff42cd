package pimtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// postedRequest is the body of POST roleAssignmentScheduleRequests.
type postedRequest struct {
	ODataType        string          `json:"@odata.type"`
	Action           string          `json:"action"`
	PrincipalID      string          `json:"principalId"`
	RoleDefinitionID string          `json:"roleDefinitionId"`
	DirectoryScopeID string          `json:"directoryScopeId"`
	AppScopeID       *string         `json:"appScopeId"`
	Justification    string          `json:"justification"`
	IsValidationOnly bool            `json:"isValidationOnly"`
	ScheduleInfo     *postedSchedule `json:"scheduleInfo"`
	TicketInfo       *postedTicket   `json:"ticketInfo"`
}

// postedGroupRequest is the body of POST assignmentScheduleRequests.
type postedGroupRequest struct {
	ODataType        string          `json:"@odata.type"`
	Action           string          `json:"action"`
	PrincipalID      string          `json:"principalId"`
	AccessID         string          `json:"accessId"`
	GroupID          string          `json:"groupId"`
	Justification    string          `json:"justification"`
	IsValidationOnly bool            `json:"isValidationOnly"`
	ScheduleInfo     *postedSchedule `json:"scheduleInfo"`
	TicketInfo       *postedTicket   `json:"ticketInfo"`
}

type postedSchedule struct {
	StartDateTime *string   `json:"startDateTime"`
	Recurrence    *struct{} `json:"recurrence"`
	Expiration    *struct {
		Type        string  `json:"type"`
		Duration    *string `json:"duration"`
		EndDateTime *string `json:"endDateTime"`
	} `json:"expiration"`
}

type postedTicket struct {
	TicketNumber *string `json:"ticketNumber"`
	TicketSystem *string `json:"ticketSystem"`
}

// postRequest is activate, deactivate and remove of a directory role.
func postRequest(c *call) (result, *GraphError) {
	var in postedRequest
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	if in.AppScopeID != nil && *in.AppScopeID != "" {
		return result{}, unknown(http.StatusBadRequest, "App scopes are not simulated.")
	}
	return c.post(in.ODataType, in.ScheduleInfo, in.TicketInfo, wish{
		kind: kindRole, action: in.Action, principal: strings.ToLower(in.PrincipalID), role: strings.ToLower(in.RoleDefinitionID),
		scope: in.DirectoryScopeID, justification: in.Justification, validationOnly: in.IsValidationOnly,
	})
}

// postGroupRequest is activate, deactivate and remove of what one is in a group.
func postGroupRequest(c *call) (result, *GraphError) {
	var in postedGroupRequest
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	return c.post(in.ODataType, in.ScheduleInfo, in.TicketInfo, wish{
		kind: kindGroup, action: in.Action, principal: strings.ToLower(in.PrincipalID), role: strings.ToLower(in.AccessID),
		scope: strings.ToLower(in.GroupID), justification: in.Justification, validationOnly: in.IsValidationOnly,
	})
}

func (c *call) post(typ string, schedule *postedSchedule, ticket *postedTicket, w wish) (result, *GraphError) {
	k := collections(w.kind)[0]
	if typ != "" && typ != "#microsoft.graph."+k.shape.typ {
		return result{}, badRequest("The type '%s' does not fit.", typ)
	}
	// Enumerations are taken in any letter case, as the service does.
	known := []string{"selfActivate", "selfDeactivate", "adminRemove"}
	i := slices.IndexFunc(known, func(a string) bool { return strings.EqualFold(a, w.action) })
	if i < 0 {
		return result{}, unknown(http.StatusNotImplemented, "The action '%s' is not simulated.", w.action)
	}
	w.action = known[i]
	if e := c.mayAsk(w); e != nil {
		return result{}, e
	}
	if e := c.complete(&w, schedule, ticket); e != nil {
		return result{}, e
	}
	deed := c.t.deactivate
	if w.action == "selfActivate" {
		deed = c.t.activate
	}
	r, e := deed(c.caller.asker(), w)
	if e != nil {
		return result{}, e
	}
	c.wrote = !w.validationOnly
	o := c.requestObj(r)
	if w.validationOnly {
		o["isValidationOnly"], o["approvalId"] = true, nil
	}
	return c.entity(http.StatusCreated, k.shape, k.path(), o)
}

// asker is how strongly the caller signed in.
func (c caller) asker() asker {
	return asker{
		who: c.who, mfa: slices.Contains(c.amr, "mfa"),
		acrs: func(context string) bool {
			return slices.Contains(c.acrs, context) &&
				slices.ContainsFunc(c.capability, func(s string) bool { return strings.EqualFold(s, "cp1") })
		},
	}
}

// mayAsk says who may ask for the action: for themselves only the person, with
// their own token; for others an application, or an administrator in person.
func (c *call) mayAsk(w wish) *GraphError {
	write, remove := writePermissions(w.kind)
	switch {
	case w.action == "selfActivate" && !c.caller.has(write...):
		return scopeMissing(w.kind, write)
	case w.action != "selfActivate" && !c.caller.has(remove...):
		return scopeMissing(w.kind, remove)
	case w.action == "adminRemove":
		if c.caller.kind == ByUser && !c.t.w.administers(c.caller.id, w.kind, w.role, w.scope, c.t.now()) {
			return refusal("Authorization_RequestDenied")
		}
	case c.caller.kind != ByUser || w.principal != c.caller.id:
		return refusal("Authorization_RequestDenied")
	}
	return nil
}

// complete reads the body's schedule and ticket into the wish.
func (c *call) complete(w *wish, s *postedSchedule, ticket *postedTicket) *GraphError {
	switch {
	case w.principal == "" || w.role == "", w.kind == kindGroup && w.role != accessMember && w.role != accessOwner:
		return refusal("InvalidRoleAssignmentRequest")
	case w.scope == "":
		return refusal("InvalidScope")
	}
	if ticket != nil {
		w.ticketNumber, w.ticketSystem = str(ticket.TicketNumber), str(ticket.TicketSystem)
	}
	if w.action != "selfActivate" {
		return nil
	}
	if s == nil || s.Expiration == nil {
		return refusal("InvalidRoleAssignmentRequest")
	}
	if s.Recurrence != nil {
		return refusal("InvalidRoleAssignmentRequestSchedule")
	}
	var err error
	if from := str(s.StartDateTime); from != "" {
		if w.start, err = time.Parse(time.RFC3339Nano, from); err != nil {
			return refusal("InvalidRoleAssignmentRequestSchedule")
		}
		w.start = w.start.UTC()
	}
	duration, end := str(s.Expiration.Duration), str(s.Expiration.EndDateTime)
	switch kind := s.Expiration.Type; {
	case strings.EqualFold(kind, "afterDuration") && end == "":
		var ok bool
		if w.duration, ok = readDuration(duration); !ok {
			return refusal("InvalidRoleAssignmentRequest")
		}
	case strings.EqualFold(kind, "afterDateTime") && duration == "":
		if w.until, err = time.Parse(time.RFC3339Nano, end); err != nil {
			return refusal("InvalidRoleAssignmentRequestSchedule")
		}
		from := w.start
		if now := c.t.now(); from.Before(now) {
			from = now
		}
		w.until = w.until.UTC()
		w.duration = w.until.Sub(from)
	case strings.EqualFold(kind, "noExpiration") && duration == "" && end == "":
		w.noExpiration = true
	default:
		return refusal("InvalidRoleAssignmentRequestSchedule")
	}
	return nil
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// cancel is how a request of this collection is taken back.
func (k collection) cancel(c *call) (result, *GraphError) {
	if c.r.ContentLength > 0 {
		return result{}, unknown(http.StatusBadRequest, "Cancel takes no body.")
	}
	if e := c.t.cancel(c.caller.who, k.kind, c.params[0]); e != nil {
		return result{}, e
	}
	c.wrote = true
	return result{status: http.StatusNoContent}, nil
}
