package graph

import (
	"context"

	"github.com/microsoftgraph/msgraph-sdk-go/identitygovernance"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Request reads one request with person's token.
func (g *Groups) Request(ctx context.Context, person string, id string) (pim.Request, error) {
	k, err := g.client.as("request", person)
	if err != nil {
		return pim.Request{}, err
	}
	if !plain(id) {
		return pim.Request{}, wire.Invalid(k.Op, "the request id cannot be one of Microsoft's")
	}
	ri, err := k.group().AssignmentScheduleRequests().
		ByPrivilegedAccessGroupAssignmentScheduleRequestId(id).ToGetRequestInformation(ctx, nil)
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return pim.Request{}, err
	}
	return g.client.request(k, body, held.membership)
}

// Mine lists the activations that person asked for, newest first, with their
// token.
func (g *Groups) Mine(ctx context.Context, person string) ([]pim.Request, error) {
	k, err := g.client.as("mine", person)
	if err != nil {
		return nil, err
	}
	on := "principal"
	ri, err := k.group().AssignmentScheduleRequests().FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx, nil)
	found, err := all[scheduleRequest](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	return g.client.mine(person, found, held.membership), nil
}

// Approval reads who may decide and who decided, with an approver's own token.
func (g *Groups) Approval(ctx context.Context, approver string, id string) (pim.Approval, error) {
	k, err := g.client.as("approval", approver)
	if err != nil {
		return pim.Approval{}, err
	}
	if !plain(id) {
		return pim.Approval{}, wire.Invalid(k.Op, "the approval id cannot be one of Microsoft's")
	}
	k.Approval = true
	ri, err := k.group().AssignmentApprovals().ByApprovalId(id).Stages().ToGetRequestInformation(ctx, nil)
	return stages(ctx, k, id, ri, err)
}

// Active lists the groups in which principal is a member or an owner right now by
// way of PIM, read as Belay itself. Graph answers such a list only with a filter.
func (g *Groups) Active(ctx context.Context, principal string, _ pim.Assignment) ([]pim.Instance, error) {
	k, err := g.client.itself("active")
	if err != nil {
		return nil, err
	}
	if !plain(principal) {
		return nil, wire.Invalid(k.Op, "the principal's id is not an object id")
	}
	filter := "principalId eq '" + principal + "'"
	ri, err := k.group().AssignmentScheduleInstances().ToGetRequestInformation(ctx,
		&identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration{
			QueryParameters: &identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetQueryParameters{Filter: &filter},
		})
	found, err := all[instance](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	here := active(principal, found, held.membership)
	g.client.joins(principal, here)
	return here, nil
}

// Pending lists the activations that wait for approver's decision, with the
// approver's token. Groups are named as far as Belay may read their names.
func (g *Groups) Pending(ctx context.Context, approver string) ([]pim.Request, error) {
	k, err := g.client.as("pending", approver)
	if err != nil {
		return nil, err
	}
	on, filter := "approver", undecided
	ri, err := k.group().AssignmentScheduleRequests().FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx,
		&identitygovernance.PrivilegedAccessGroupAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration{
			QueryParameters: &identitygovernance.PrivilegedAccessGroupAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetQueryParameters{
				Filter: &filter, Expand: []string{"principal"},
			},
		})
	found, err := all[scheduleRequest](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	pending := g.client.pending(found, held.membership)
	var ids []string
	for _, r := range pending {
		if inGroup(k.Op, r.Assignment) == nil {
			ids = append(ids, r.Assignment.Scope)
		}
	}
	names := g.client.groupNames(ctx, k.Op, ids)
	for i := range pending {
		pending[i].ScopeName = names(pending[i].Assignment.Scope)
	}
	return pending, nil
}
