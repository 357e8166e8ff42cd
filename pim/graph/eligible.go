package graph

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
)

// Eligible reads what person may activate, sorted by role name and scope: what
// they hold themselves, with their own token, and what a group holds of which
// they are a member (Through), read as Belay itself. Where both hold the same,
// the person's own counts. Where groups cannot be read, the error comes together
// with the person's own list.
func (c *Client) Eligible(ctx context.Context, person string) ([]pim.EligibleAssignment, error) {
	k, err := c.as("eligible", person)
	if err != nil {
		return nil, err
	}
	on := "principal"
	ri, err := k.directory().RoleEligibilityScheduleInstances().FilterByCurrentUserWithOn(&on).ToGetRequestInformation(ctx,
		&rolemanagement.DirectoryRoleEligibilityScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetRequestConfiguration{
			QueryParameters: &rolemanagement.DirectoryRoleEligibilityScheduleInstancesFilterByCurrentUserWithOnRequestBuilderGetQueryParameters{
				Expand: []string{"roleDefinition"},
			},
		})
	found, err := all[instance](ctx, k, ri, err)
	if err != nil {
		return nil, err
	}
	best := roles(person, found)
	through, unread := c.through(ctx, k.Op, person)
	if unread != nil {
		unread = fmt.Errorf("of the person's groups: %w", unread)
	}
	for a, e := range through {
		if _, own := best[a]; !own {
			best[a] = e
		}
	}
	for a, e := range best {
		if e.RoleName == "" {
			e.RoleName = c.roleName(ctx, k, e.Role)
			best[a] = e
		}
	}
	return inOrder(best), unread
}

// roles are the directory roles that holder is eligible for according to found,
// each until the latest end that is found for it. What others hold is left out:
// to activate it would be to activate it for them.
func roles(holder string, found []instance) map[pim.Assignment]pim.EligibleAssignment {
	best := map[pim.Assignment]pim.EligibleAssignment{}
	for _, i := range found {
		a := i.role()
		// An eligibility within one application has no directory scope.
		if !strings.EqualFold(i.Principal, holder) || entra("", a) != nil {
			continue
		}
		keep(best, pim.EligibleAssignment{Assignment: a, RoleName: i.Definition.Name, ScopeName: scopeName(a.Scope), Until: i.End.Time})
	}
	return best
}

// keep takes e into best unless what is there already lasts as long.
func keep(best map[pim.Assignment]pim.EligibleAssignment, e pim.EligibleAssignment) {
	if old, seen := best[e.Assignment]; !seen || lasts(e.Until, old.Until) {
		best[e.Assignment] = e
	}
}

// inOrder sorts eligibilities as people read them.
func inOrder(best map[pim.Assignment]pim.EligibleAssignment) []pim.EligibleAssignment {
	return slices.SortedFunc(maps.Values(best), func(a, b pim.EligibleAssignment) int {
		return cmp.Or(byName(a.RoleName, b.RoleName), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Role, b.Role))
	})
}

// lasts says whether an eligibility until a outlasts one until b; zero is for ever.
func lasts(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// roleName reads the name of a role that came without one, with the token of k.
// A role is not hidden for want of a name: its id takes the place.
func (c *Client) roleName(ctx context.Context, k *call, role string) string {
	name, err := c.names.Get(ctx, k.Op, strings.ToLower(role), func(ctx context.Context) (string, error) {
		ri := k.template(abstractions.GET, "/roleManagement/directory/roleDefinitions/{id}?%24select=id,displayName", map[string]string{"id": role})
		body, err := k.send(ctx, ri, nil)
		if err != nil {
			return "", err
		}
		d, err := one[roleDefinition](k, body)
		if err == nil && d.Name == "" {
			err = k.Unreadable()
		}
		return d.Name, err
	})
	if err != nil {
		c.log.Warn("the name of a role cannot be read", "role", role, "error", err)
		return role
	}
	return name
}

// scopeName says where a role counts. The names of administrative units are
// behind a permission that Belay does not ask for.
func scopeName(scope string) string {
	switch scope {
	case "":
		return ""
	case "/":
		return "Directory"
	}
	if id, ok := strings.CutPrefix(scope, "/administrativeUnits/"); ok {
		return "Administrative unit " + id
	}
	return "Directory object " + strings.TrimPrefix(scope, "/")
}

// called is what an answer calls the role and the scope of a, or what was read of
// them before; empty where neither tells. definition is the role's name in the
// answer.
func (c *Client) called(a pim.Assignment, definition string) (role, scope string) {
	if a.Kind == pim.Group {
		scope, _ = c.titles.Recall(strings.ToLower(a.Scope))
		return partName(a.Role), scope
	}
	if definition == "" {
		definition, _ = c.names.Recall(strings.ToLower(a.Role))
	}
	return definition, scopeName(a.Scope)
}

// byName orders names as people read them, without regard to letter case.
func byName(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }
