package arm

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Request reads the request whose full ARM id id is, with person's token.
func (c *Client) Request(ctx context.Context, person string, id string) (pim.Request, error) {
	k, err := c.as("request", person)
	if err != nil {
		return pim.Request{}, err
	}
	at, name, err := k.named(id)
	if err != nil {
		return pim.Request{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := k.requests().Get(ctx, at, name, nil)
	if err != nil {
		return pim.Request{}, k.failed(err)
	}
	return k.request(got.RoleAssignmentScheduleRequest)
}

// Mine lists the activations that person asked for anywhere in the tenant, newest
// first, with their token. Deactivations and what administrators assigned are left
// out.
func (c *Client) Mine(ctx context.Context, person string) ([]pim.Request, error) {
	k, err := c.as("mine", person)
	if err != nil {
		return nil, err
	}
	return k.activations(ctx, &asTarget, func(r pim.Request) bool { return strings.EqualFold(r.Principal, person) })
}

// Pending lists the activations anywhere in the tenant that wait for approver's
// decision, newest first, with the approver's token. Their own are left out: nobody
// may decide on those.
func (c *Client) Pending(ctx context.Context, approver string) ([]pim.Request, error) {
	k, err := c.as("pending", approver)
	if err != nil {
		return nil, err
	}
	return k.activations(ctx, &asApprover, func(r pim.Request) bool {
		return r.Status.Phase() == pim.PhasePending && !strings.EqualFold(r.Principal, approver)
	})
}

// activations lists the activations that filter names and wanted takes.
func (k *call) activations(ctx context.Context, filter *string, wanted func(pim.Request) bool) ([]pim.Request, error) {
	pager := k.requests().NewListForScopePager(tenantWide, &armauthorization.RoleAssignmentScheduleRequestsClientListForScopeOptions{Filter: filter})
	found, err := list(ctx, k, 0, pager, func(p armauthorization.RoleAssignmentScheduleRequestsClientListForScopeResponse) []*armauthorization.RoleAssignmentScheduleRequest {
		return p.Value
	})
	if err != nil {
		return nil, err
	}
	var all []pim.Request
	for _, r := range found {
		if !activates(r) {
			continue
		}
		got, err := k.request(r)
		if err != nil {
			return nil, err
		}
		if wanted(got) {
			all = append(all, got)
		}
	}
	slices.SortStableFunc(all, func(a, b pim.Request) int { return b.Created.Compare(a.Created) })
	return all, nil
}

// Traces is nil. What PIM notes of Azure resources in the directory's audit log
// names neither the request nor the scope in a documented way, so that nothing
// could be found by it; requests made elsewhere are found by Pending.
func (c *Client) Traces(context.Context, time.Time) ([]pim.Trace, error) { return nil, nil }

// Active lists what principal holds at a's scope right now. It is read with the
// principal's own token where there is one, because Belay itself sees no more than
// what it was made Reader of. a's scope is needed: Microsoft does not reliably tell
// for the whole tenant.
func (c *Client) Active(ctx context.Context, principal string, a pim.Assignment) ([]pim.Instance, error) {
	const op = "active"
	at, err := azure(op, a)
	if err != nil {
		return nil, err
	}
	k, err := c.as(op, principal)
	if err != nil {
		return nil, err
	}
	found, err := k.assigned(ctx, at, asTarget)
	switch pim.CodeOf(err) {
	case pim.CodeSignIn, pim.CodeStepUp, pim.CodeForbidden:
		found, err = c.itself(op).assigned(ctx, at, "principalId eq '"+principal+"'")
	}
	if err != nil {
		return nil, err
	}
	var active []pim.Instance
	for _, i := range found {
		p := i.Properties
		if p == nil || !strings.EqualFold(val(p.PrincipalID), principal) {
			continue // also what a group holds, which no activation of a person is
		}
		active = append(active, pim.Instance{
			ID: val(i.ID), Assignment: spelt(assignment(p.RoleDefinitionID, p.Scope), a), Principal: val(p.PrincipalID),
			Schedule: val(p.RoleAssignmentScheduleID), Start: stamp(p.StartDateTime), End: stamp(p.EndDateTime),
			Activated: strings.EqualFold(string(val(p.AssignmentType)), string(armauthorization.AssignmentTypeActivated)),
		})
	}
	return active, nil
}

// assigned lists active assignments at, above and below a scope that filter names.
func (k *call) assigned(ctx context.Context, at, filter string) ([]armauthorization.RoleAssignmentScheduleInstance, error) {
	pager := k.instances().NewListForScopePager(at, &armauthorization.RoleAssignmentScheduleInstancesClientListForScopeOptions{Filter: &filter})
	return list(ctx, k, 0, pager, func(p armauthorization.RoleAssignmentScheduleInstancesClientListForScopeResponse) []*armauthorization.RoleAssignmentScheduleInstance {
		return p.Value
	})
}

// approvalVersion is the one in which approvals exist; the kit has none of them.
const approvalVersion = "2021-01-01-preview"

// stage is an approval stage as ARM prints it.
type stage struct {
	ID         string `json:"id"`
	Properties struct {
		Status       string     `json:"status"`
		AssignedToMe bool       `json:"assignedToMe"`
		Result       string     `json:"reviewResult"`
		Reviewed     *time.Time `json:"reviewedDateTime"`
		Reviewer     struct {
			ID   string `json:"principalId"`
			Name string `json:"principalName"`
			UPN  string `json:"userPrincipalName"`
		} `json:"reviewedBy"`
		Justification string `json:"justification"`
	} `json:"properties"`
}

// Approval reads who may decide and who decided, with an approver's own token. id
// is the full approval id, as a request tells it.
func (c *Client) Approval(ctx context.Context, approver string, id string) (pim.Approval, error) {
	k, err := c.as("approval", approver)
	if err != nil {
		return pim.Approval{}, err
	}
	name, err := k.approval(id)
	if err != nil {
		return pim.Approval{}, err
	}
	_, body, err := k.send(ctx, http.MethodGet, approvals+name+"/stages", url.Values{"api-version": {approvalVersion}}, nil)
	if err != nil {
		return pim.Approval{}, err
	}
	said, err := one[struct {
		Value []stage `json:"value"`
		Next  string  `json:"nextLink"`
	}](k, body)
	if err != nil || said.Value == nil || said.Next != "" { // PIM has one stage
		return pim.Approval{}, k.Unreadable()
	}
	a := pim.Approval{ID: id}
	for _, s := range said.Value {
		if !plain(last(s.ID)) {
			return pim.Approval{}, k.Unreadable()
		}
		a.Stages = append(a.Stages, s.stage())
	}
	return a, nil
}

// approval begins to read or decide the approval with that id, and gives its name.
func (k *call) approval(id string) (name string, err error) {
	k.Approval = true
	at, name, found := below(id, approvals)
	if !found || at != "" || !plain(name) {
		return "", wire.Invalid(k.Op, "the approval id cannot be one of Microsoft's")
	}
	return name, nil
}

func (s stage) stage() pim.Stage {
	p := s.Properties
	return pim.Stage{
		// The id, not the name beside it: Microsoft's own example prints another name.
		ID: last(s.ID), Status: p.Status, AssignedToMe: p.AssignedToMe, Result: pim.ParseResult(p.Result),
		Reviewer: pim.Principal{ID: p.Reviewer.ID, Name: p.Reviewer.Name, UPN: p.Reviewer.UPN},
		Reviewed: stamp(p.Reviewed), Justification: p.Justification,
	}
}
