package graph

import (
	"cmp"
	"context"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Activate asks for a part in a group as person, for person. As of a directory
// role, the answer's status says what became of it, and an error that is Ambiguous
// may have left a request behind, which Mine shows. To be a member does not
// activate what the group is only eligible for: GroupRoles lists that.
func (g *Groups) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	k, err := g.client.change("activate", person, inGroup("activate", a.Assignment))
	if err != nil {
		return pim.Request{}, err
	}
	if err := g.client.complete(k.Op, &a); err != nil {
		return pim.Request{}, err
	}
	ri, err := k.group().AssignmentScheduleRequests().ToPostRequestInformation(ctx, groupActivation(person, a), nil)
	r, err := g.client.made(ctx, k, ri, err, held.membership)
	g.client.doubt(a.Scope, a.Role, r, err)
	return r, err
}

// Check asks Microsoft whether it would take an activation. Nothing comes of it: a
// nil error is no promise, and a CodeStepUp brings the claims to sign in with.
func (g *Groups) Check(ctx context.Context, person string, a pim.Activation) error {
	k, err := g.client.as("check", person)
	if err != nil {
		return err
	}
	if err := cmp.Or(inGroup(k.Op, a.Assignment), g.client.complete(k.Op, &a)); err != nil {
		return err
	}
	only := true
	body := groupActivation(person, a)
	body.SetIsValidationOnly(&only)
	ri, err := k.group().AssignmentScheduleRequests().ToPostRequestInformation(ctx, body, nil)
	_, err = k.send(ctx, ri, err)
	return err
}

// Deactivate ends person's own part in a group. A nil error says that Microsoft
// took the request; Active says when it is done.
func (g *Groups) Deactivate(ctx context.Context, person string, d pim.Deactivation) error {
	k, err := g.client.change("deactivate", person, inGroup("deactivate", d.Assignment))
	if err != nil {
		return err
	}
	ri, err := k.group().AssignmentScheduleRequests().ToPostRequestInformation(ctx, groupDeactivation(person, d), nil)
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return err
	}
	return g.client.ended(k, body, held.membership)
}

// Cancel takes back person's own request that is not in force yet.
func (g *Groups) Cancel(ctx context.Context, person string, request string) error {
	k, err := g.client.as("cancel", person)
	if err != nil {
		return err
	}
	if !plain(request) {
		return wire.Invalid(k.Op, "the request id cannot be one of Microsoft's")
	}
	k.Write = true
	ri, err := k.group().AssignmentScheduleRequests().
		ByPrivilegedAccessGroupAssignmentScheduleRequestId(request).Cancel().ToPostRequestInformation(ctx, nil)
	return k.taken(k.send(ctx, ri, err))
}

// Review gives person's decision on one stage of an approval. Those of groups are
// in v1.0, where a stage is called a stage; the reference page that prints "steps"
// for it disagrees with Graph's own schema.
func (g *Groups) Review(ctx context.Context, person string, d pim.Decision) error {
	k, err := g.client.decide(person, d)
	if err != nil {
		return err
	}
	ri, err := k.group().AssignmentApprovals().ByApprovalId(d.Approval).Stages().ByApprovalStageId(d.Stage).
		ToPatchRequestInformation(ctx, reviewed(d), nil)
	return k.taken(k.send(ctx, ri, err))
}

// groupActivation is the body of an activation of one's own eligibility. With
// groupDeactivation it is to groups what activation and deactivation are to
// directory roles: neither takes an action.
func groupActivation(person string, a pim.Activation) models.PrivilegedAccessGroupAssignmentScheduleRequestable {
	action := models.SELFACTIVATE_SCHEDULEREQUESTACTIONS
	r := groupRequest(person, a.Assignment, a.Justification)
	r.SetAction(&action)
	r.SetTicketInfo(ticket(a.Ticket))
	r.SetScheduleInfo(schedule(a))
	return r
}

// groupDeactivation is the body that ends one's own activation.
func groupDeactivation(person string, d pim.Deactivation) models.PrivilegedAccessGroupAssignmentScheduleRequestable {
	action := models.SELFDEACTIVATE_SCHEDULEREQUESTACTIONS
	r := groupRequest(person, d.Assignment, d.Justification)
	r.SetAction(&action)
	return r
}

func groupRequest(person string, a pim.Assignment, why string) *models.PrivilegedAccessGroupAssignmentScheduleRequest {
	access := models.MEMBER_PRIVILEGEDACCESSGROUPRELATIONSHIPS
	if a.Role == pim.Owner {
		access = models.OWNER_PRIVILEGEDACCESSGROUPRELATIONSHIPS
	}
	r := models.NewPrivilegedAccessGroupAssignmentScheduleRequest()
	r.SetOdataType(nil) // which the documented body does not have
	r.SetAccessId(&access)
	r.SetPrincipalId(&person)
	r.SetGroupId(&a.Scope)
	r.SetJustification(given(why))
	return r
}
