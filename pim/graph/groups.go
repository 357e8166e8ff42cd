package graph

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/identitygovernance"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// Groups reads and writes memberships and ownerships of groups that PIM governs
// (PIM for Groups). It shares identity, memory and rules of conduct with the
// Client it was made from. The role of an assignment is pim.Member or pim.Owner,
// its scope the group's object id. It is safe for concurrent use.
type Groups struct{ client *Client }

// Groups gives PIM for Groups over the same connection.
func (c *Client) Groups() *Groups { return &Groups{c} }

// group is the kit's builder for everything of PIM for Groups.
func (k *call) group() *identitygovernance.PrivilegedAccessGroupRequestBuilder {
	return identitygovernance.NewPrivilegedAccessGroupRequestBuilderInternal(nil, k.adapter)
}

// inGroup refuses an assignment that is not of a group.
func inGroup(op string, a pim.Assignment) error {
	switch {
	case a.Kind != pim.Group:
		return wire.Invalid(op, "the assignment is not of a group")
	case a.Role != pim.Member && a.Role != pim.Owner || !plain(a.Scope):
		return wire.Invalid(op, "the part in the group, or the group, cannot be one of Microsoft's")
	}
	return nil
}

// partName is what Microsoft's pages call a part in a group.
func partName(role string) string {
	switch role {
	case pim.Member:
		return "Member"
	case pim.Owner:
		return "Owner"
	}
	return role
}

// Eligible reads the groups of which person may become a member or an owner, with
// their own token, sorted by the group's name. What another group holds is left
// out: to activate it would be to activate it for everybody in there. Names are
// read as Belay itself; a group whose name cannot be read goes by its id.
func (g *Groups) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	k, err := g.client.as("eligible", person)
	if err != nil {
		return nil, err
	}
	on := "principal"
	ri, err := k.group().EligibilityScheduleInstances().FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx, nil)
	found, err := all[instance](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	best := map[pim.Assignment]pim.EligibleAssignment{}
	var ids []string
	for _, i := range found {
		a := i.membership()
		if !strings.EqualFold(i.Principal, person) || inGroup(k.Op, a) != nil {
			continue
		}
		keep(best, pim.EligibleAssignment{Assignment: a, RoleName: partName(a.Role), Until: i.End.Time})
		ids = append(ids, a.Scope)
	}
	names := g.client.groupNames(ctx, k.Op, ids)
	for a, e := range best {
		e.ScopeName = names(a.Scope)
		best[a] = e
	}
	return slices.SortedFunc(maps.Values(best), func(a, b pim.EligibleAssignment) int {
		return cmp.Or(byName(a.ScopeName, b.ScopeName), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role))
	}), nil
}

// Policy reads the rules for becoming what a names, as Belay itself, and looks up
// who may approve. Where the policy demands approval and names nobody, nobody can
// approve: the default of directory roles does not count for groups.
func (g *Groups) Policy(ctx context.Context, _ string, a pim.Assignment) (pim.Policy, error) {
	const op = "policy"
	if err := inGroup(op, a); err != nil {
		return pim.Policy{}, err
	}
	r, err := g.client.readRules(ctx, op, "Group", a.Scope, a.Role)
	if err != nil {
		return pim.Policy{}, err
	}
	return g.client.policy(ctx, op, r)
}

// Children is nil: there is nothing below a group.
func (g *Groups) Children(context.Context, string, pim.EligibleAssignment) ([]pim.Scope, error) {
	return nil, nil
}

// groupNames reads what groups are called, as Belay itself and many at once, and
// gives a function that tells: the id of one whose name cannot be read. $expand on
// PIM's lists does not always bring the group, and getByIds wants a permission to
// read the whole directory.
func (c *Client) groupNames(ctx context.Context, op string, ids []string) func(id string) string {
	names := map[string]string{}
	var missing []string
	for _, id := range ids {
		id = strings.ToLower(id)
		if _, seen := names[id]; seen {
			continue
		}
		name, known := c.titles.Recall(id)
		if names[id] = name; !known {
			missing = append(missing, id)
		}
	}
	for chunk := range slices.Chunk(missing, idsAtOnce) {
		read, err := c.readGroupNames(ctx, op, chunk)
		if err != nil {
			c.log.Warn("the names of groups cannot be read", "error", err)
			break
		}
		for _, g := range read {
			names[strings.ToLower(g.ID)] = g.Name
			c.titles.Remember(strings.ToLower(g.ID), g.Name)
		}
	}
	return func(id string) string { return cmp.Or(names[strings.ToLower(id)], id) }
}

func (c *Client) readGroupNames(ctx context.Context, op string, ids []string) ([]identity, error) {
	k, err := c.itself(op)
	if err != nil {
		return nil, err
	}
	return all[identity](ctx, k, k.named("/groups?%24filter={filter}&%24select=id,displayName", ids), nil)
}
