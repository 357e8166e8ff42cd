package arm

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/uuid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// What people ask of their own eligibilities. There is no other request type here:
// what an administrator can do to others cannot be written.
const (
	selfActivate   = armauthorization.RequestTypeSelfActivate
	selfDeactivate = armauthorization.RequestTypeSelfDeactivate
)

// Check asks Microsoft whether it would take an activation. Nothing comes of it: a
// nil error is no promise, and a CodeStepUp brings the claims to sign in with.
func (c *Client) Check(ctx context.Context, person string, a pim.Activation) error {
	k, at, err := c.change("check", person, a.Assignment)
	if err != nil {
		return err
	}
	k.Write = false
	if a.ID == "" { // nothing comes of it, so that any name will do
		a.ID = uuid.NewString()
	}
	if !isGUID(a.ID) {
		return wire.Invalid(k.Op, "the name of a request is a GUID")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	said, err := k.requests().Validate(ctx, at, a.ID, c.activation(person, a), nil)
	if err != nil {
		return k.failed(err)
	}
	return k.notFailed(pim.Status(val(val(said.Properties).Status)))
}

// Activate asks for a's role as person, for person. a.ID becomes the name of the
// request, so that a repeated call is the same request. The answer's status says
// what became of it; an answer is not yet an active role.
//
// CodeForbidden at a scope below the eligibility's own means that Microsoft lets
// this person activate there not at all (AuthorizationFailed). Nothing wider is
// asked for instead: that would be more than the person chose.
func (c *Client) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	k, at, err := c.change("activate", person, a.Assignment)
	if err != nil {
		return pim.Request{}, err
	}
	if !isGUID(a.ID) || a.Duration < time.Second {
		return pim.Request{}, wire.Invalid(k.Op, "an activation needs a GUID and a duration")
	}
	r, err := k.put(ctx, at, a.ID, c.activation(person, a))
	c.doubt(a.Assignment, r, err)
	if err != nil {
		return pim.Request{}, err
	}
	r.Assignment = spelt(r.Assignment, a.Assignment)
	return r, nil
}

// Deactivate ends person's own active assignment. d.ID becomes the name of the
// request. A nil error says that Microsoft took the request; Active says when it
// is done.
func (c *Client) Deactivate(ctx context.Context, person string, d pim.Deactivation) error {
	k, at, err := c.change("deactivate", person, d.Assignment)
	if err != nil {
		return err
	}
	if !isGUID(d.ID) {
		return wire.Invalid(k.Op, "a deactivation needs a GUID")
	}
	kind := selfDeactivate
	r, err := k.put(ctx, at, d.ID, armauthorization.RoleAssignmentScheduleRequest{Properties: &armauthorization.RoleAssignmentScheduleRequestProperties{
		PrincipalID: &person, RoleDefinitionID: &d.Role, RequestType: &kind,
		LinkedRoleEligibilityScheduleID: given(d.Schedule), Justification: given(d.Justification),
	}})
	if err != nil {
		return err
	}
	return k.notFailed(r.Status)
}

// Cancel takes back person's own request, whose full ARM id request is.
func (c *Client) Cancel(ctx context.Context, person string, request string) error {
	k, err := c.as("cancel", person)
	if err != nil {
		return err
	}
	at, name, err := k.named(request)
	if err != nil {
		return err
	}
	k.Write = true
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err = k.requests().Cancel(ctx, at, name, nil)
	if body, other := otherSuccess(err); other {
		// The kit knows 200 only. Whatever has content is not Microsoft's word for it.
		if err = nil; len(body) > 0 {
			return k.Unreadable()
		}
	}
	if err != nil {
		return k.failed(err)
	}
	return nil
}

// named splits the full ARM id of a request.
func (k *call) named(id string) (scope, name string, err error) {
	at, name, found := below(id, requestsBelow)
	scope, whole := place(cmp.Or(at, "/x"))
	if !found || !whole || at == "" || !plain(name) {
		return "", "", wire.Invalid(k.Op, "the request id cannot be one of Microsoft's")
	}
	return scope, name, nil
}

// change begins a write to person's own assignment.
func (c *Client) change(op, person string, a pim.Assignment) (*call, string, error) {
	k, err := c.as(op, person)
	if err != nil {
		return nil, "", err
	}
	at, err := azure(op, a)
	k.Write = true
	return k, at, err
}

// put makes a schedule request under a name of ours.
func (k *call) put(ctx context.Context, at, id string, r armauthorization.RoleAssignmentScheduleRequest) (pim.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	made, err := k.requests().Create(ctx, at, id, r, nil)
	got := made.RoleAssignmentScheduleRequest
	if body, other := otherSuccess(err); other {
		// The kit knows 201 only; a request that was there already is no news.
		got, err = one[armauthorization.RoleAssignmentScheduleRequest](k, body)
	}
	if err != nil {
		return pim.Request{}, k.failed(err)
	}
	return k.request(got)
}

// otherSuccess is the body of a 2xx answer that the kit did not expect.
func otherSuccess(err error) (body []byte, other bool) {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.RawResponse == nil || answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, false
	}
	body, err = runtime.Payload(answer.RawResponse)
	return body, err == nil
}

// notFailed makes an error of a request that Microsoft took and failed at once.
func (k *call) notFailed(s pim.Status) error {
	if s.Phase() == pim.PhaseFailed {
		return &pim.Error{Op: k.Op, Code: pim.CodeInvalid, Service: wire.Word(string(s))}
	}
	return nil
}

// isGUID says whether ARM takes id as the name of a request.
func isGUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }

// activation is the body of an activation of one's own eligibility.
func (c *Client) activation(person string, a pim.Activation) armauthorization.RoleAssignmentScheduleRequest {
	kind, until := selfActivate, armauthorization.TypeAfterDuration
	if a.Start.IsZero() {
		a.Start = c.now()
	}
	start, duration := a.Start.UTC(), pim.FormatDuration(a.Duration)
	p := &armauthorization.RoleAssignmentScheduleRequestProperties{
		PrincipalID: &person, RoleDefinitionID: &a.Role, RequestType: &kind, Justification: given(a.Justification),
		LinkedRoleEligibilityScheduleID: given(a.Schedule), Condition: given(a.Condition), ConditionVersion: given(a.ConditionVersion),
		ScheduleInfo: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfo{StartDateTime: &start,
			Expiration: &armauthorization.RoleAssignmentScheduleRequestPropertiesScheduleInfoExpiration{Type: &until, Duration: &duration}},
	}
	if a.Ticket != (pim.Ticket{}) {
		p.TicketInfo = &armauthorization.RoleAssignmentScheduleRequestPropertiesTicketInfo{
			TicketNumber: given(a.Ticket.Number), TicketSystem: given(a.Ticket.System)}
	}
	return armauthorization.RoleAssignmentScheduleRequest{Properties: p}
}

// given is nil for an empty text, which the kit leaves out of a body.
func given(s string) *string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return &s
}
