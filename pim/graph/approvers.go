package graph

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/rolemanagement"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// The roles whose holders approve where a policy names nobody. The ids are the
// same in every tenant. Source: Entra built-in roles, and "Configure role
// settings in PIM".
const (
	privilegedRoleAdministrator = "e8611ab8-c189-46e8-94e1-60213ab1f814"
	globalAdministrator         = "62e90394-69f5-4237-9190-012177145e10"
)

// subject is an approver as a policy names it, or the holder of a role.
type subject struct {
	Type    string `json:"@odata.type"` // …singleUser or …groupMembers; "" where it is not told
	UserID  string `json:"userId"`
	GroupID string `json:"groupId"`
	ID      string `json:"id"` // seen in place of the other two
}

// group is a group with everybody in it, nested groups included. People whose
// account is disabled are not among them.
type group struct {
	gone    bool // deleted: it holds nobody
	name    string
	members []pim.Principal
}

// approvers are people and groups by their ids in lower case.
type approvers struct {
	people map[string]pim.Principal
	groups map[string]pim.ApproverGroup
}

// expand turns subjects into people: groups opened transitively, disabled
// accounts and what was deleted dropped, everybody once, sorted by name. Only
// Microsoft's "not found" of the account or group itself means deleted; anything
// else that cannot be read is an error.
func (c *Client) expand(ctx context.Context, op string, subjects []subject) ([]pim.Principal, []pim.ApproverGroup, error) {
	all := approvers{map[string]pim.Principal{}, map[string]pim.ApproverGroup{}}
	c.foresee(ctx, op, subjects)
	understood := len(subjects) == 0
	for _, s := range subjects {
		var found bool
		var err error
		switch {
		case typed(s.Type, "singleUser") || s.Type == "" && s.UserID != "":
			found, err = c.addUser(ctx, op, cmp.Or(s.UserID, s.ID), all)
		case typed(s.Type, "groupMembers") || s.Type == "" && s.GroupID != "":
			found, err = c.addGroup(ctx, op, cmp.Or(s.GroupID, s.ID), all)
		case s.Type == "" && s.ID != "":
			if found, err = c.addUser(ctx, op, s.ID, all); !found && err == nil {
				found, err = c.addGroup(ctx, op, s.ID, all)
			}
		default:
			c.log.Warn("an approver is of a kind that is not known", "type", wire.Word(strings.TrimPrefix(s.Type, "#")))
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if understood = true; !found {
			c.log.Warn("an approver is no longer in the directory", "id", wire.Word(cmp.Or(s.UserID, s.GroupID, s.ID)))
		}
	}
	if !understood {
		return nil, nil, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: errors.New("none of the approvers that the policy names is of a known kind")}
	}
	return sorted(all.people, func(p pim.Principal) (string, string) { return p.Name, p.ID }),
		sorted(all.groups, func(g pim.ApproverGroup) (string, string) { return g.Name, g.ID }), nil
}

// foresee reads the accounts of people among subjects many at once, where there is
// more than one that is not remembered. It only saves calls: who is not among the
// answers, and all if it fails, is read by itself.
func (c *Client) foresee(ctx context.Context, op string, subjects []subject) {
	var ids []string
	for _, s := range subjects {
		id := strings.ToLower(cmp.Or(s.UserID, s.ID))
		if !typed(s.Type, "singleUser") && (s.Type != "" || s.UserID == "") || !plain(id) || slices.Contains(ids, id) {
			continue
		}
		if _, known := c.accounts.Recall(id); !known {
			ids = append(ids, id)
		}
	}
	if len(ids) < 2 {
		return
	}
	for chunk := range slices.Chunk(ids, idsAtOnce) {
		k, err := c.itself(op)
		if err != nil {
			return
		}
		found, err := all[account](ctx, k, k.named("/users?%24filter={filter}&%24select=id,displayName,userPrincipalName,mail,accountEnabled", chunk), nil)
		if err != nil {
			c.log.Warn("approvers cannot be read many at once", "error", err)
			return
		}
		for _, a := range found {
			if slices.Contains(chunk, strings.ToLower(a.ID)) {
				c.accounts.Remember(strings.ToLower(a.ID), a)
			}
		}
	}
}

// addUser reports false for a user who is not in the directory.
func (c *Client) addUser(ctx context.Context, op, id string, to approvers) (bool, error) {
	if !plain(id) {
		return false, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: wire.ErrUnreadable}
	}
	a, err := c.account(ctx, op, id)
	if pim.CodeOf(err) == pim.CodeNotFound {
		return false, nil
	}
	if err == nil && a.enabled() {
		to.people[strings.ToLower(a.ID)] = a.principal()
	}
	return err == nil, err
}

// addGroup reports false for a group that is not in the directory.
func (c *Client) addGroup(ctx context.Context, op, id string, to approvers) (bool, error) {
	if !plain(id) {
		return false, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: wire.ErrUnreadable}
	}
	g, err := c.group(ctx, op, id)
	if err != nil || g.gone {
		return false, err
	}
	in := pim.ApproverGroup{ID: id, Name: g.name, Size: len(g.members)}
	for _, m := range g.members {
		to.people[strings.ToLower(m.ID)] = m
		in.Members = append(in.Members, m.ID)
	}
	slices.Sort(in.Members)
	to.groups[strings.ToLower(id)] = in
	return true, nil
}

// sorted lists the values of m by name, then by id.
func sorted[T any](m map[string]T, key func(T) (name, id string)) []T {
	var list []T
	for _, v := range m {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b T) int {
		aName, aID := key(a)
		bName, bID := key(b)
		return cmp.Or(byName(aName, bName), cmp.Compare(aID, bID))
	})
	return list
}

// group reads a group's name and everybody in it.
func (c *Client) group(ctx context.Context, op, id string) (group, error) {
	return c.groups.Get(ctx, op, strings.ToLower(id), func(ctx context.Context) (group, error) {
		k, err := c.itself(op)
		if err != nil {
			return group{}, err
		}
		params := func() map[string]string { return map[string]string{"id": id} } // the kit keeps and changes the map
		body, err := k.send(ctx, k.template(abstractions.GET, "/groups/{id}?%24select=id,displayName", params()), nil)
		if pim.CodeOf(err) == pim.CodeNotFound {
			return group{gone: true}, nil
		}
		if err != nil {
			return group{}, err
		}
		named, err := one[identity](k, body)
		if err != nil || !strings.EqualFold(named.ID, id) {
			return group{}, k.Unreadable()
		}
		// Graph casts a transitive list as an advanced query only.
		ri := k.template(abstractions.GET, "/groups/{id}/transitiveMembers/microsoft.graph.user"+
			"?%24count=true&%24select=id,displayName,userPrincipalName,mail,accountEnabled&%24top=999", params())
		ri.Headers.Add("ConsistencyLevel", "eventual")
		members, err := all[account](ctx, k, ri, nil)
		if err != nil {
			return group{}, err
		}
		g := group{name: named.Name}
		for _, m := range members {
			if m.ID == "" {
				return group{}, k.Unreadable()
			}
			if m.enabled() {
				g.members = append(g.members, m.principal())
			}
		}
		return g, nil
	})
}

// administrators are the holders of the two default roles for the whole
// directory, active and eligible. Applications that hold one cannot click.
func (c *Client) administrators(ctx context.Context, op string) ([]subject, error) {
	return c.defaults.Get(ctx, op, "", func(ctx context.Context) ([]subject, error) {
		k, err := c.itself(op)
		if err != nil {
			return nil, err
		}
		var holders []subject
		for _, role := range []string{privilegedRoleAdministrator, globalAdministrator} {
			filter := "roleDefinitionId eq '" + role + "'"
			active, err := k.assigned(ctx, filter, "principal")
			if err != nil {
				return nil, err
			}
			eligible, err := k.eligible(ctx, filter, "principal")
			if err != nil {
				return nil, err
			}
			for _, i := range append(active, eligible...) {
				if !strings.EqualFold(i.Role, role) || i.Scope != "/" {
					continue
				}
				// Without a type (Microsoft did not tell, or it was deleted), expand
				// looks for a user and then for a group.
				switch {
				case i.Who.Type == "":
					holders = append(holders, subject{ID: i.Principal})
				case typed(i.Who.Type, "user"):
					holders = append(holders, subject{UserID: i.Principal})
				case typed(i.Who.Type, "group"):
					holders = append(holders, subject{GroupID: i.Principal})
				}
			}
		}
		return holders, nil
	})
}

// eligible lists eligibilities that filter names; expand names relations.
func (k *call) eligible(ctx context.Context, filter string, expand ...string) ([]instance, error) {
	ri, err := k.directory().RoleEligibilityScheduleInstances().ToGetRequestInformation(ctx,
		&rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetRequestConfiguration{
			QueryParameters: &rolemanagement.DirectoryRoleEligibilityScheduleInstancesRequestBuilderGetQueryParameters{Filter: &filter, Expand: expand},
		})
	return all[instance](ctx, k, ri, err)
}
