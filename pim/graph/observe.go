package graph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// approvals is the place of directory role approvals below /beta.
const approvals = "roleManagement/directory/roleAssignmentApprovals"

// Request reads one request with person's token. A duration that Microsoft
// prints in a form we do not know is 0, and logged.
func (c *Client) Request(ctx context.Context, person string, id string) (pim.Request, error) {
	k, err := c.as("request", person)
	if err != nil {
		return pim.Request{}, err
	}
	if !plain(id) {
		return pim.Request{}, wire.Invalid(k.Op, "the request id cannot be one of Microsoft's")
	}
	ri, err := k.directory().RoleAssignmentScheduleRequests().
		ByUnifiedRoleAssignmentScheduleRequestId(id).ToGetRequestInformation(ctx, nil)
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return pim.Request{}, err
	}
	return c.request(k, body, held.role)
}

// Mine lists the activations that person asked for, newest first, with their
// token. Deactivations and what administrators assigned are left out.
func (c *Client) Mine(ctx context.Context, person string) ([]pim.Request, error) {
	k, err := c.as("mine", person)
	if err != nil {
		return nil, err
	}
	on := "principal"
	ri, err := k.directory().RoleAssignmentScheduleRequests().
		FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx, nil)
	found, err := all[scheduleRequest](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	return c.mine(person, found, held.role), nil
}

// mine picks the activations of person, newest first.
func (c *Client) mine(person string, found []scheduleRequest, of what) []pim.Request {
	var mine []pim.Request
	for _, r := range found {
		if r.activation() && strings.EqualFold(r.Principal, person) {
			mine = append(mine, c.toRequest(r, of))
		}
	}
	slices.SortStableFunc(mine, func(a, b pim.Request) int { return b.Created.Compare(a.Created) })
	return mine
}

// activation says whether r asks for something to become active: it is neither a
// deactivation, nor an extension, nor an administrator's, nor a rehearsal.
func (r scheduleRequest) activation() bool {
	return strings.EqualFold(r.Action, "selfActivate") && !r.Validation
}

// Approval reads who may decide and who decided, with an approver's own token.
func (c *Client) Approval(ctx context.Context, approver string, id string) (pim.Approval, error) {
	k, err := c.as("approval", approver)
	if err != nil {
		return pim.Approval{}, err
	}
	if !plain(id) {
		return pim.Approval{}, wire.Invalid(k.Op, "the approval id cannot be one of Microsoft's")
	}
	k.Approval = true
	return stages(ctx, k, id, k.beta(abstractions.GET, approvals, id, "steps"), nil)
}

// stages reads the stages of approval id, which beta calls steps.
func stages(ctx context.Context, k *call, id string, ri *abstractions.RequestInformation, buildErr error) (pim.Approval, error) {
	steps, err := all[step](ctx, k, ri, buildErr)
	if err != nil {
		return pim.Approval{}, err
	}
	a := pim.Approval{ID: id}
	for _, s := range steps {
		if s.ID == "" {
			return pim.Approval{}, k.Unreadable()
		}
		a.Stages = append(a.Stages, pim.Stage{
			ID: s.ID, Status: s.Status, AssignedToMe: s.AssignedToMe, Result: pim.ParseResult(s.Result),
			Reviewer: s.Reviewer.principal(), Reviewed: s.Reviewed.Time, Justification: s.Justification,
		})
	}
	return a, nil
}

// Active lists what principal holds right now, read as Belay itself: activations
// (Activated) and standing assignments.
func (c *Client) Active(ctx context.Context, principal string, _ pim.Assignment) ([]pim.Instance, error) {
	k, err := c.itself("active")
	if err != nil {
		return nil, err
	}
	if !plain(principal) {
		return nil, wire.Invalid(k.Op, "the principal's id is not an object id")
	}
	found, err := k.assigned(ctx, "principalId eq '"+principal+"'")
	if err != nil {
		return nil, err
	}
	return active(principal, found, held.role), nil
}

// active are the instances of principal among found.
func active(principal string, found []instance, of what) []pim.Instance {
	var active []pim.Instance
	for _, i := range found {
		if !strings.EqualFold(i.Principal, principal) {
			continue
		}
		active = append(active, pim.Instance{
			ID: i.ID, Assignment: of(i.held), Principal: i.Principal, Schedule: cmp.Or(i.Schedule, i.GroupSchedule),
			Start: i.Start.Time, End: i.End.Time, Activated: strings.EqualFold(i.AssignmentType, "Activated"),
		})
	}
	return active
}

// assigned lists active assignments that filter names; expand names relations.
func (k *call) assigned(ctx context.Context, filter string, expand ...string) ([]instance, error) {
	ri, err := k.directory().RoleAssignmentScheduleInstances().ToGetRequestInformation(ctx,
		&rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration{
			QueryParameters: &rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetQueryParameters{Filter: &filter, Expand: expand},
		})
	return all[instance](ctx, k, ri, err)
}

// what reads an answer as one of the two pillars: held.role or held.membership.
type what func(held) pim.Assignment

// request decodes a schedule request; one without id or status is no answer.
func (c *Client) request(k *call, body []byte, of what) (pim.Request, error) {
	r, err := one[scheduleRequest](k, body)
	if err != nil {
		return pim.Request{}, err
	}
	if r.ID == "" || r.Status == "" {
		return pim.Request{}, k.Unreadable()
	}
	return c.toRequest(r, of), nil
}

func (c *Client) toRequest(r scheduleRequest, of what) pim.Request {
	out := pim.Request{
		ID: r.ID, Principal: r.Principal, Status: pim.ParseStatus(r.Status), Approval: r.ApprovalID,
		Assignment: of(r.held), Schedule: r.Schedule, Justification: r.Justification,
		Ticket:  pim.Ticket{Number: r.Ticket.Number, System: r.Ticket.System},
		Created: r.Created.Time, Start: r.Info.Start.Time, Who: r.Who.principal(),
	}
	out.RoleName, out.ScopeName = c.called(out.Assignment, r.Definition.Name)
	switch e := r.Info.Expiration; {
	case e.Duration != "":
		d, err := pim.ParseDuration(e.Duration)
		if err != nil {
			c.log.Warn("the duration of a request cannot be read", "request", wire.Word(r.ID), "error", err)
		}
		out.Duration = d
	case !e.End.IsZero() && !out.Start.IsZero():
		out.Duration = max(e.End.Sub(out.Start), 0)
	}
	return out
}
