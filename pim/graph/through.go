package graph

import (
	"context"
	"slices"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"golang.org/x/sync/errgroup"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// joinedAge is how old the list of a person's groups may be. It is short, because
// who has just become a member of a group wants to see what that opens. Where Active
// saw that first, the list is read anew at once.
const joinedAge = time.Minute

// namesAge is how old the name of a role or a group may at least be: it is only what
// people read.
const namesAge = 12 * time.Hour

// joins forgets the list of a person's groups when it lacks one of which they are a
// member now.
func (c *Client) joins(person string, now []pim.Instance) {
	person = strings.ToLower(person)
	known, _ := c.joined.Recall(person)
	for _, i := range now {
		if i.Assignment.Role == pim.Member && !slices.ContainsFunc(known, func(g identity) bool { return strings.EqualFold(g.ID, i.Assignment.Scope) }) {
			c.joined.Forget(person)
			return
		}
	}
}

// groupsAtOnce bounds the reads about a person's groups that run side by side.
const groupsAtOnce = 4

// through finds the directory roles for which person is eligible as a member of a
// group, read as Belay itself: Graph's list of one's own eligibilities leaves them
// out. Each says which group holds it. The activation is made with the person's
// own id; with the group's it would be for every member. Source: "Activate a
// Microsoft Entra role in PIM".
func (c *Client) through(ctx context.Context, op, person string) (map[pim.Assignment]pim.EligibleAssignment, error) {
	groups, err := c.roleGroups(ctx, op, person)
	if err != nil {
		return nil, err
	}
	lists := make([][]pim.EligibleAssignment, len(groups))
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(groupsAtOnce)
	for i, g := range groups {
		reads.Go(func() (err error) {
			lists[i], err = c.groupRoles(ctx, op, g.ID)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	best := map[pim.Assignment]pim.EligibleAssignment{}
	for i, g := range groups {
		for _, e := range lists[i] {
			e.Through = pim.Principal{ID: g.ID, Name: g.Name}
			keep(best, e)
		}
	}
	return best, nil
}

// GroupRoles lists the directory roles that a group is eligible for, read as Belay
// itself: what its members may activate as a second step. Through is the group;
// its name is told only where it is known already. The answer may be as old as
// Options.PolicyAge.
func (c *Client) GroupRoles(ctx context.Context, group string) ([]pim.EligibleAssignment, error) {
	const op = "group roles"
	if !plain(group) {
		return nil, wire.Invalid(op, "the group's id is not an object id")
	}
	list, err := c.groupRoles(ctx, op, group)
	if err != nil {
		return nil, err
	}
	name, _ := c.titles.Recall(strings.ToLower(group))
	list = slices.Clone(list)
	for i := range list {
		list[i].Through = pim.Principal{ID: group, Name: name}
	}
	return list, nil
}

func (c *Client) groupRoles(ctx context.Context, op, group string) ([]pim.EligibleAssignment, error) {
	return c.lent.Get(ctx, op, strings.ToLower(group), func(ctx context.Context) ([]pim.EligibleAssignment, error) {
		k, err := c.itself(op)
		if err != nil {
			return nil, err
		}
		found, err := k.eligible(ctx, "principalId eq '"+group+"'", "roleDefinition")
		if err != nil {
			return nil, err
		}
		return inOrder(roles(group, found)), nil
	})
}

// roleGroups lists the groups to which a directory role can be assigned and of
// which person is a member, also by way of other groups, sorted by id.
func (c *Client) roleGroups(ctx context.Context, op, person string) ([]identity, error) {
	return c.joined.Get(ctx, op, strings.ToLower(person), func(ctx context.Context) ([]identity, error) {
		k, err := c.itself(op)
		if err != nil {
			return nil, err
		}
		// An advanced query: the cast and the filter ask for it.
		ri := k.template(abstractions.GET, "/users/{id}/transitiveMemberOf/microsoft.graph.group"+
			"?%24count=true&%24filter=isAssignableToRole%20eq%20true&%24select=id,displayName&%24top=999", map[string]string{"id": person})
		ri.Headers.Add("ConsistencyLevel", "eventual")
		groups, err := all[identity](ctx, k, ri, nil)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			if !plain(g.ID) {
				return nil, k.Unreadable()
			}
		}
		slices.SortFunc(groups, func(a, b identity) int { return strings.Compare(a.ID, b.ID) })
		return groups, nil
	})
}
