package graph

import (
	"context"

	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
)

// undecided is the filter for what waits for an approver. Source: "Approve or deny
// requests for Microsoft Entra roles in PIM".
const undecided = "status eq 'PendingApproval'"

// Pending lists the activations that wait for approver's decision, wherever they
// were made, with the approver's token. Requests to extend or to renew an
// assignment are left out: Microsoft takes no decision on them by API.
func (c *Client) Pending(ctx context.Context, approver string) ([]pim.Request, error) {
	k, err := c.as("pending", approver)
	if err != nil {
		return nil, err
	}
	on, filter := "approver", undecided
	ri, err := k.directory().RoleAssignmentScheduleRequests().FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx,
		&rolemanagement.DirectoryRoleAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration{
			QueryParameters: &rolemanagement.DirectoryRoleAssignmentScheduleRequestsFilterByCurrentUserWithOnRequestBuilderGetQueryParameters{
				Filter: &filter, Expand: []string{"principal", "roleDefinition"},
			},
		})
	found, err := all[scheduleRequest](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	return c.pending(found, held.role), nil
}

// pending picks the activations that nobody decided.
func (c *Client) pending(found []scheduleRequest, of what) []pim.Request {
	var pending []pim.Request
	for _, r := range found {
		if r.activation() && pim.ParseStatus(r.Status).Phase() == pim.PhasePending {
			pending = append(pending, c.toRequest(r, of))
		}
	}
	return pending
}
