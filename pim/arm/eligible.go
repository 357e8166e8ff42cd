package arm

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// tenantWide is the kit's scope for everything that the caller can see.
const tenantWide = ""

// The filters of lists; the person meant is the one whose token asks.
var (
	asTarget   = "asTarget()"
	asApprover = "asApprover()"
)

// Eligible reads what person may activate anywhere in the tenant, with their own
// token, sorted by role name and scope. Of several eligibilities for the same role
// at the same scope, one that the person holds goes before one that a group holds,
// and then the longer one.
func (c *Client) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	k, err := c.as("eligible", person)
	if err != nil {
		return nil, err
	}
	pager := k.eligibilities().NewListForScopePager(tenantWide, &armauthorization.RoleEligibilityScheduleInstancesClientListForScopeOptions{Filter: &asTarget})
	found, err := list(ctx, k, 0, pager, func(p armauthorization.RoleEligibilityScheduleInstancesClientListForScopeResponse) []*armauthorization.RoleEligibilityScheduleInstance {
		return p.Value
	})
	if err != nil {
		return nil, err
	}
	best := map[pim.Assignment]pim.EligibleAssignment{}
	for _, i := range found {
		e, ok := eligible(i.Properties, person)
		if !ok {
			continue
		}
		key := pim.Assignment{Role: strings.ToLower(e.Role), Scope: strings.ToLower(e.Scope)}
		if old, seen := best[key]; !seen || better(e, old) {
			best[key] = e
		}
	}
	var all []pim.EligibleAssignment
	for _, e := range best {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b pim.EligibleAssignment) int {
		return cmp.Or(byName(a.RoleName, b.RoleName), byName(a.ScopeName, b.ScopeName), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role))
	})
	return all, nil
}

// eligible reads one eligibility of person; false for what is none of theirs.
func eligible(p *armauthorization.RoleEligibilityScheduleInstanceProperties, person string) (pim.EligibleAssignment, bool) {
	if p == nil {
		return pim.EligibleAssignment{}, false
	}
	a, x := assignment(p.RoleDefinitionID, p.Scope), expand(p.ExpandedProperties)
	if _, err := azure("eligible", a); err != nil {
		return pim.EligibleAssignment{}, false
	}
	e := pim.EligibleAssignment{Assignment: a, RoleName: cmp.Or(x.role, last(a.Role)), ScopeName: scopeName(a.Scope, x.scope), Until: stamp(p.EndDateTime),
		Schedule: val(p.RoleEligibilityScheduleID), Condition: val(p.Condition), ConditionVersion: val(p.ConditionVersion)}
	switch {
	case e.Schedule == "":
		return e, false // it could not be activated
	case !strings.Contains(e.Schedule, "/"):
		e.Schedule = e.Scope + schedulesBelow + e.Schedule // the bare id is refused below the eligibility's scope
	}
	id := val(p.PrincipalID)
	if strings.EqualFold(id, person) {
		return e, true
	}
	e.Through = pim.Principal{ID: id, Name: x.who.Name}
	return e, strings.EqualFold(string(val(p.MemberType)), string(armauthorization.MemberTypeGroup))
}

func better(a, b pim.EligibleAssignment) bool {
	if own, other := a.Through.ID == "", b.Through.ID == ""; own != other {
		return own
	}
	return !b.Until.IsZero() && (a.Until.IsZero() || a.Until.After(b.Until))
}

// Children lists where below its scope e can be activated instead, read as person:
// subscriptions and resource groups below a management group, resource groups
// below a subscription, resources below a resource group; nil below a resource. With
// one of these places as e's scope it lists what is below that. The list is sorted
// by name and holds 2000 places at the most.
func (c *Client) Children(ctx context.Context, person string, e pim.EligibleAssignment) ([]pim.Scope, error) {
	k, err := c.as("children", person)
	if err != nil {
		return nil, err
	}
	at, err := azure(k.Op, e.Assignment)
	if err != nil {
		return nil, err
	}
	var o armauthorization.EligibleChildResourcesClientGetOptions
	filter := ""
	switch kind, _, _ := scopeKind(e.Scope); kind {
	case managementGroup:
		filter = "resourceType eq 'subscription' or resourceType eq 'resourcegroup'"
		k.options.PerCallPolicies = append(k.options.PerCallPolicies, allChildren{})
	case subscription:
		filter = "resourceType eq 'resourcegroup'"
	case resourceGroup:
	default:
		return nil, nil
	}
	if filter != "" {
		o.Filter = &filter
	}
	found, err := list(ctx, k, childLimit, k.children().NewGetPager(at, &o), func(p armauthorization.EligibleChildResourcesClientGetResponse) []*armauthorization.EligibleChildResource {
		return p.Value
	})
	if err != nil {
		return nil, err
	}
	var scopes []pim.Scope
	for _, r := range found {
		id := val(r.ID)
		if _, ok := place(id); !ok || strings.EqualFold(id, e.Scope) {
			c.log.Warn("a place below a scope cannot be used", "type", wire.Word(val(r.Type)))
			continue
		}
		scopes = append(scopes, pim.Scope{ID: id, Name: scopeName(id, val(r.Name))})
	}
	slices.SortFunc(scopes, func(a, b pim.Scope) int { return cmp.Or(byName(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return scopes, nil
}

// allChildren asks for what is below the children too, which the kit has no option
// for: below a management group there may be nothing but others. Source: seen in
// use by the portal; where it is passed over, only direct children come.
type allChildren struct{}

// Do adds to the question; the address of a next page has it already.
func (allChildren) Do(req *policy.Request) (*http.Response, error) {
	query := req.Raw().URL.Query()
	query.Set("getAllChildren", "true")
	req.Raw().URL.RawQuery = query.Encode()
	return req.Next()
}
