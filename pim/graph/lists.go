package graph

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/identitygovernance"
	"github.com/microsoftgraph/msgraph-sdk-go/policies"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Lists reads the lists of the whole tenant, as Belay itself and a page at a time: page
// is "" for the first one and then what the one before gave as next. Nothing of them is
// remembered here. It is safe for concurrent use.
type Lists struct{ client *Client }

// Lists gives the tenant's lists over the same connection.
func (c *Client) Lists() *Lists { return &Lists{c} }

// GroupLists is the same for what PIM governs of groups.
type GroupLists struct{ client *Client }

// Lists gives the groups' lists over the same connection.
func (g *Groups) Lists() *GroupLists { return &GroupLists{g.client} }

// asked is a request that is still to be made, with the error of making it.
type asked func(ctx context.Context, k *call) (*abstractions.RequestInformation, error)

// onePage reads the first page of a list, or the one that page is the address of.
func onePage[T any](ctx context.Context, c *Client, op, at string, first asked) ([]T, string, error) {
	k, err := c.itself(op)
	if err != nil {
		return nil, "", err
	}
	var ri *abstractions.RequestInformation
	if at == "" {
		ri, err = first(ctx, k)
	} else if ri, err = k.further(at); err != nil {
		return nil, "", err
	}
	body, err := k.send(ctx, ri, err)
	if err != nil {
		return nil, "", err
	}
	p, err := one[page[T]](k, body)
	if err != nil || p.Value == nil {
		return nil, "", k.Unreadable()
	}
	return p.Value, p.Next, nil
}

// further is a next page, which must be on the configured host.
func (k *call) further(at string) (*abstractions.RequestInformation, error) {
	next, err := url.Parse(at)
	if err != nil || !k.client.own(next) {
		return nil, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the next page is not on the configured host")}
	}
	ri := abstractions.NewRequestInformation()
	ri.Method = abstractions.GET
	ri.SetUri(*next)
	ri.Headers.TryAdd("Accept", "application/json")
	return ri, nil
}

func plainly(template string) asked {
	return func(_ context.Context, k *call) (*abstractions.RequestInformation, error) {
		return k.template(abstractions.GET, template, map[string]string{}), nil
	}
}

// RoleNames reads what directory roles are called, by role definition id.
func (l *Lists) RoleNames(ctx context.Context, page string) (map[string]string, string, error) {
	found, next, err := onePage[roleDefinition](ctx, l.client, "role names", page, plainly("/roleManagement/directory/roleDefinitions?%24select=id,displayName"))
	if err != nil {
		return nil, "", err
	}
	names := map[string]string{}
	for _, r := range found {
		names[strings.ToLower(r.ID)] = r.Name
	}
	return names, next, nil
}

// listed is an instance that says how its holder came to it.
type listed struct {
	instance
	MemberType string `json:"memberType"`
}

// Holdings reads who has which directory role, or who is eligible for which.
func (l *Lists) Holdings(ctx context.Context, eligible bool, page string) ([]pim.Holding, string, error) {
	expand := []string{"principal"}
	first := func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
		return k.directory().RoleAssignmentScheduleInstances().ToGetRequestInformation(ctx,
			&rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration{
				QueryParameters: &rolemanagement.DirectoryRoleAssignmentScheduleInstancesRequestBuilderGetQueryParameters{Expand: expand}})
	}
	if eligible {
		first = func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
			return k.directory().RoleEligibilityScheduleInstances().ToGetRequestInformation(ctx,
				&rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetRequestConfiguration{
					QueryParameters: &rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetQueryParameters{Expand: expand}})
		}
	}
	found, next, err := onePage[listed](ctx, l.client, "holdings", page, first)
	return holdings(found, eligible, held.role), next, err
}

// holdings leaves out what somebody has through a group: the group has it too.
func holdings(found []listed, eligible bool, of what) []pim.Holding {
	var all []pim.Holding
	for _, i := range found {
		if strings.EqualFold(i.MemberType, "Group") || i.Principal == "" {
			continue
		}
		h := pim.Holding{Assignment: of(i.held), Holder: i.Who.principal(), Eligible: eligible, Activated: strings.EqualFold(i.AssignmentType, "Activated"),
			Start: i.Start.Time, End: i.End.Time}
		h.Holder.ID, h.Holder.Mail = i.Principal, ""
		for _, t := range []pim.HolderType{pim.User, pim.GroupOfPeople, pim.ServicePrincipal} {
			if typed(i.Who.Type, string(t)) {
				h.Type = t
			}
		}
		all = append(all, h)
	}
	return all
}

// whole is a policy assignment with all the rules that posture looks at.
type whole struct {
	Role   string `json:"roleDefinitionId"`
	Scope  string `json:"scopeId"`
	Policy struct {
		Rules []wire.PolicyRule `json:"rules"`
	} `json:"policy"`
}

func policiesOf(filter string) asked {
	return func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
		return policies.NewRoleManagementPolicyAssignmentsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx,
			&policies.RoleManagementPolicyAssignmentsRequestBuilderGetRequestConfiguration{
				QueryParameters: &policies.RoleManagementPolicyAssignmentsRequestBuilderGetQueryParameters{
					Filter: &filter, Expand: []string{"policy($expand=rules)"}}})
	}
}

// Settings reads the policies of all directory roles.
func (l *Lists) Settings(ctx context.Context, page string) ([]pim.Settings, string, error) {
	found, next, err := onePage[whole](ctx, l.client, "settings", page, policiesOf("scopeId eq '/' and scopeType eq 'DirectoryRole'"))
	var all []pim.Settings
	for _, p := range found {
		all = append(all, wire.Settings(pim.Assignment{Kind: pim.EntraRole, Role: p.Role, Scope: "/"}, p.Policy.Rules))
	}
	return all, next, err
}

// Guests tells which of at most 15 users are guests.
func (l *Lists) Guests(ctx context.Context, ids []string) ([]string, error) {
	const op = "guests"
	for _, id := range ids {
		if !plain(id) {
			return nil, wire.Invalid(op, "the principal's id is not an object id")
		}
	}
	if len(ids) == 0 || len(ids) > idsAtOnce {
		return nil, wire.Invalid(op, "so many users cannot be asked for at once")
	}
	var guests []string
	k, err := l.client.itself(op)
	if err != nil {
		return nil, err
	}
	found, err := all[struct {
		ID   string `json:"id"`
		Type string `json:"userType"`
	}](ctx, k, k.named("/users?%24filter={filter}&%24select=id,userType", ids), nil)
	for _, u := range found {
		if strings.EqualFold(u.Type, "Guest") {
			guests = append(guests, u.ID)
		}
	}
	return guests, err
}

// Assignable reads the groups that can hold a directory role.
func (l *GroupLists) Assignable(ctx context.Context, page string) ([]pim.NamedGroup, string, error) {
	found, next, err := onePage[identity](ctx, l.client, "assignable groups", page,
		plainly("/groups?%24filter=isAssignableToRole%20eq%20true&%24select=id,displayName"))
	var all []pim.NamedGroup
	for _, g := range found {
		all = append(all, pim.NamedGroup{ID: g.ID, Name: cmp.Or(g.Name, g.ID)})
	}
	return all, next, err
}

// Holdings reads who is in a group or owns it, or who may.
func (l *GroupLists) Holdings(ctx context.Context, group string, eligible bool, page string) ([]pim.Holding, string, error) {
	const op = "group holdings"
	if !plain(group) {
		return nil, "", wire.Invalid(op, "the group's id is not an object id")
	}
	filter, expand := "groupId eq '"+group+"'", []string{"principal"}
	first := func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
		return k.group().AssignmentScheduleInstances().ToGetRequestInformation(ctx,
			&identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetRequestConfiguration{
				QueryParameters: &identitygovernance.PrivilegedAccessGroupAssignmentScheduleInstancesRequestBuilderGetQueryParameters{Filter: &filter, Expand: expand}})
	}
	if eligible {
		first = func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
			return k.group().EligibilityScheduleInstances().ToGetRequestInformation(ctx,
				&identitygovernance.PrivilegedAccessGroupEligibilityScheduleInstancesRequestBuilderGetRequestConfiguration{
					QueryParameters: &identitygovernance.PrivilegedAccessGroupEligibilityScheduleInstancesRequestBuilderGetQueryParameters{Filter: &filter, Expand: expand}})
		}
	}
	found, next, err := onePage[listed](ctx, l.client, op, page, first)
	return holdings(found, eligible, held.membership), next, err
}

// Settings reads the policies of a group's membership and ownership.
func (l *GroupLists) Settings(ctx context.Context, group string) ([]pim.Settings, error) {
	const op = "group settings"
	if !plain(group) {
		return nil, wire.Invalid(op, "the group's id is not an object id")
	}
	found, _, err := onePage[whole](ctx, l.client, op, "", policiesOf("scopeId eq '"+group+"' and scopeType eq 'Group'"))
	var all []pim.Settings
	for _, p := range found { // two at the most
		all = append(all, wire.Settings(pim.Assignment{Kind: pim.Group, Role: strings.ToLower(p.Role), Scope: group}, p.Policy.Rules))
	}
	return all, err
}
