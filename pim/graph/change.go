package graph

import (
	"cmp"
	"context"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Activate asks for a's role as person, for person. The answer's status says
// what became of it; an answer is not yet an active role. Nothing is tried
// again: an error that is Ambiguous may have left a request behind, which Mine
// shows.
func (c *Client) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	k, err := c.change("activate", person, entra("activate", a.Assignment))
	if err != nil {
		return pim.Request{}, err
	}
	if err := c.complete(k.Op, &a); err != nil {
		return pim.Request{}, err
	}
	ri, err := k.directory().RoleAssignmentScheduleRequests().ToPostRequestInformation(ctx, activation(person, a), nil)
	r, err := c.made(ctx, k, ri, err, held.role)
	c.doubt("/", a.Role, r, err)
	return r, err
}

// made sends an activation and reads the request that it made.
func (c *Client) made(ctx context.Context, k *call, ri *abstractions.RequestInformation, err error, of what) (pim.Request, error) {
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return pim.Request{}, err
	}
	return c.request(k, body, of)
}

// Check asks Microsoft whether it would take an activation. Nothing comes of it: a
// nil error is no promise, and a CodeStepUp brings the claims to sign in with.
func (c *Client) Check(ctx context.Context, person string, a pim.Activation) error {
	k, err := c.as("check", person)
	if err != nil {
		return err
	}
	if err := cmp.Or(entra(k.Op, a.Assignment), c.complete(k.Op, &a)); err != nil {
		return err
	}
	only := true
	body := activation(person, a)
	body.SetIsValidationOnly(&only)
	ri, err := k.directory().RoleAssignmentScheduleRequests().ToPostRequestInformation(ctx, body, nil)
	_, err = k.send(ctx, ri, err)
	return err
}

// Children is nil: an eligibility for a directory role is activated at its own
// scope.
func (c *Client) Children(context.Context, string, pim.EligibleAssignment) ([]pim.Scope, error) {
	return nil, nil
}

// Deactivate ends person's own active assignment. A nil error says that
// Microsoft took the request; Active says when it is done.
func (c *Client) Deactivate(ctx context.Context, person string, d pim.Deactivation) error {
	k, err := c.change("deactivate", person, entra("deactivate", d.Assignment))
	if err != nil {
		return err
	}
	ri, err := k.directory().RoleAssignmentScheduleRequests().ToPostRequestInformation(ctx, deactivation(person, d), nil)
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return err
	}
	return c.ended(k, body, held.role)
}

// ended says whether Microsoft took the deactivation that body answers.
func (c *Client) ended(k *call, body []byte, of what) error {
	r, err := c.request(k, body, of)
	if err == nil && r.Status.Phase() == pim.PhaseFailed {
		err = &pim.Error{Op: k.Op, Code: pim.CodeInvalid, Service: wire.Word(string(r.Status))}
	}
	return err
}

// Cancel takes back person's own request that is not in force yet.
func (c *Client) Cancel(ctx context.Context, person string, request string) error {
	k, err := c.as("cancel", person)
	if err != nil {
		return err
	}
	if !plain(request) {
		return wire.Invalid(k.Op, "the request id cannot be one of Microsoft's")
	}
	k.Write = true
	ri, err := k.directory().RoleAssignmentScheduleRequests().
		ByUnifiedRoleAssignmentScheduleRequestId(request).Cancel().ToPostRequestInformation(ctx, nil)
	return k.taken(k.send(ctx, ri, err))
}

// taken says that Microsoft took a change whose answer has no content. Anything
// else under a 2xx, such as the page of a proxy, is not Microsoft's word for it.
func (k *call) taken(body []byte, err error) error {
	if err == nil && len(body) > 0 {
		return k.Unreadable()
	}
	return err
}

// Review gives person's decision on one stage of an approval. Directory role
// approvals exist below /beta only, where a stage is called a step. Source:
// Graph reference, "Update approvalStep".
func (c *Client) Review(ctx context.Context, person string, d pim.Decision) error {
	k, err := c.decide(person, d)
	if err != nil {
		return err
	}
	ri := k.beta(abstractions.PATCH, approvals, d.Approval, "steps", d.Stage)
	err = ri.SetContentFromParsable(ctx, k.adapter, "application/json", reviewed(d))
	return k.taken(k.send(ctx, ri, err))
}

// decide begins a decision of person's.
func (c *Client) decide(person string, d pim.Decision) (*call, error) {
	k, err := c.as("review", person)
	switch {
	case err != nil:
		return nil, err
	case !plain(d.Approval) || !plain(d.Stage):
		return nil, wire.Invalid(k.Op, "the approval or stage id cannot be one of Microsoft's")
	case d.Result != pim.Approved && d.Result != pim.Denied:
		return nil, wire.Invalid(k.Op, "a decision is to approve or to deny")
	}
	k.Write, k.Approval = true, true
	return k, nil
}

// reviewed is the body of a decision. The v1.0 model has the members of beta's
// approvalStep.
func reviewed(d pim.Decision) models.ApprovalStageable {
	stage := models.NewApprovalStage()
	result := string(d.Result)
	stage.SetReviewResult(&result)
	stage.SetJustification(&d.Justification)
	return stage
}

// change begins a write to person's own assignment; fault is what is wrong with
// the assignment, if anything.
func (c *Client) change(op, person string, fault error) (*call, error) {
	k, err := c.as(op, person)
	if err := cmp.Or(err, fault); err != nil {
		return nil, err
	}
	k.Write = true
	return k, nil
}

// complete gives an activation its start.
func (c *Client) complete(op string, a *pim.Activation) error {
	if a.Duration < time.Second {
		return wire.Invalid(op, "an activation needs a duration")
	}
	if a.Start.IsZero() {
		a.Start = c.now()
	}
	return nil
}

// entra refuses an assignment that is not of a directory role.
func entra(op string, a pim.Assignment) error {
	switch {
	case a.Kind != pim.EntraRole:
		return wire.Invalid(op, "the assignment is not of a directory role")
	case !plain(a.Role) || !strings.HasPrefix(a.Scope, "/"):
		return wire.Invalid(op, "the role or its scope cannot be one of Microsoft's")
	}
	return nil
}

// activation is the body of an activation of one's own eligibility. It and
// deactivation are the only places that name an action, and neither takes one:
// what an administrator can do to others cannot be written here.
func activation(person string, a pim.Activation) models.UnifiedRoleAssignmentScheduleRequestable {
	action := models.SELFACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS
	r := models.NewUnifiedRoleAssignmentScheduleRequest()
	r.SetAction(&action)
	r.SetPrincipalId(&person)
	r.SetRoleDefinitionId(&a.Role)
	r.SetDirectoryScopeId(&a.Scope)
	r.SetJustification(given(a.Justification))
	r.SetTicketInfo(ticket(a.Ticket))
	r.SetScheduleInfo(schedule(a))
	return r
}

// ticket is nil where there is nothing to tell.
func ticket(t pim.Ticket) models.TicketInfoable {
	if t == (pim.Ticket{}) {
		return nil
	}
	info := models.NewTicketInfo()
	info.SetTicketNumber(given(t.Number))
	info.SetTicketSystem(given(t.System))
	return info
}

// schedule says from when and for how long.
func schedule(a pim.Activation) models.RequestScheduleable {
	kind := models.AFTERDURATION_EXPIRATIONPATTERNTYPE
	until := models.NewExpirationPattern()
	until.SetTypeEscaped(&kind)
	// Not SetDuration: the kit's ISODuration writes PT24H as P1D and P180D in
	// weeks, and PIM is particular.
	until.SetAdditionalData(map[string]any{"duration": pim.FormatDuration(a.Duration)})
	start := a.Start.UTC()
	s := models.NewRequestSchedule()
	s.SetStartDateTime(&start)
	s.SetExpiration(until)
	return s
}

// deactivation is the body that ends one's own activation.
func deactivation(person string, d pim.Deactivation) models.UnifiedRoleAssignmentScheduleRequestable {
	action := models.SELFDEACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS
	r := models.NewUnifiedRoleAssignmentScheduleRequest()
	r.SetAction(&action)
	r.SetPrincipalId(&person)
	r.SetRoleDefinitionId(&d.Role)
	r.SetDirectoryScopeId(&d.Scope)
	r.SetJustification(given(d.Justification))
	return r
}

// given is nil for an empty text, which the kit leaves out of a body.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
