package pimtest

import (
	"net/http"
	"slices"
	"strings"
)

func roleShape() shape {
	return shape{
		typ:     "unifiedRoleDefinition",
		props:   []string{"id", "description", "displayName", "isBuiltIn", "isEnabled", "resourceScopes", "rolePermissions", "templateId", "version"},
		filters: []string{"displayName", "isBuiltIn", "templateId", "id"}, options: []string{"$top"},
	}
}

func roleObj(r *Role) obj {
	return obj{
		"id": r.ID, "description": r.Description, "displayName": r.Name, "isBuiltIn": true, "isEnabled": true,
		"templateId": r.ID, "version": "1", "resourceScopes": []string{"/"}, "rolePermissions": []obj{},
	}
}

func listRoles(c *call) (result, *GraphError) {
	var rows []obj
	for _, id := range sortedKeys(c.t.w.Roles) {
		rows = append(rows, roleObj(c.t.w.Roles[id]))
	}
	return c.list(roleShape(), "roleManagement/directory/roleDefinitions", rows, nil)
}

func getRole(c *call) (result, *GraphError) {
	r := c.t.w.Roles[strings.ToLower(c.params[0])]
	if r == nil {
		return result{}, refusal("Request_ResourceNotFound")
	}
	return c.entity(http.StatusOK, roleShape(), "roleManagement/directory/roleDefinitions", roleObj(r))
}

func roleAssignmentShape() shape {
	return shape{
		typ:     "unifiedRoleAssignment",
		props:   []string{"id", "principalId", "roleDefinitionId", "directoryScopeId", "appScopeId", "condition"},
		filters: []string{"principalId", "roleDefinitionId", "directoryScopeId"}, expands: []string{"principal"}, options: []string{"$top", "$count"},
	}
}

// listRoleAssignments answers who has a role right now, standing or activated. A
// filter on the role or the principal is needed.
func listRoleAssignments(c *call) (result, *GraphError) {
	if c.caller.kind == ByUser && !c.t.w.holds(c.caller.id, c.t.now(), roleDirectoryReader, roleGlobalReader, rolePrivilegedAdmin, roleGlobalAdmin) {
		return result{}, refusal("Authorization_RequestDenied")
	}
	_, byRole := c.query.value("roleDefinitionId")
	_, byPrincipal := c.query.value("principalId")
	if !byRole && !byPrincipal {
		return result{}, badRequest("The filter has to name roleDefinitionId or principalId.")
	}
	var rows []obj
	for _, a := range c.t.w.Assignments {
		if a.Kind == kindRole && a.in(c.t.now()) {
			rows = append(rows, obj{
				"id": packedID(a.Role, a.Principal, a.Scope), "principalId": a.Principal, "roleDefinitionId": a.Role,
				"directoryScopeId": a.Scope, "appScopeId": nil, "condition": nil,
			})
		}
	}
	return c.list(roleAssignmentShape(), "roleManagement/directory/roleAssignments", rows, c.expand)
}

func userShape() shape {
	return shape{
		typ: "user",
		props: []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
			"preferredLanguage", "surname", "userPrincipalName", "id"},
		hidden: []string{"accountEnabled", "userType"}, filters: []string{"accountEnabled"}, options: []string{"$top", "$count"},
	}
}

func userObj(u *User) obj {
	kind := "Member"
	if u.Guest {
		kind = "Guest"
	}
	return obj{
		"id": u.ID, "displayName": u.Name, "userPrincipalName": u.UPN, "mail": text(u.Mail), "accountEnabled": !u.Disabled, "userType": kind,
		"businessPhones": []string{}, "givenName": nil, "jobTitle": nil, "mobilePhone": nil, "officeLocation": nil,
		"preferredLanguage": nil, "surname": nil,
	}
}

// fullUsers says whether the caller may read more of a user than the basics.
func (c *call) fullUsers() bool { return c.caller.has("User.Read.All", "Directory.Read.All") }

func getUser(c *call) (result, *GraphError) {
	name := c.params[0]
	u := c.t.w.Users[strings.ToLower(name)]
	for _, o := range c.t.w.Users {
		if strings.EqualFold(o.UPN, name) {
			u = o
		}
	}
	self := u != nil && c.caller.kind == ByUser && u.ID == c.caller.id
	switch {
	case !self && !c.caller.has("User.ReadBasic.All", "User.Read.All", "Directory.Read.All"):
		return result{}, refusal("Authorization_RequestDenied")
	case u == nil:
		return result{}, refusal("Request_ResourceNotFound")
	case !self && !c.fullUsers() && slices.ContainsFunc(c.query.selects, func(p string) bool { return p == "accountEnabled" || p == "userType" }):
		return result{}, refusal("Authorization_RequestDenied")
	}
	return c.entity(http.StatusOK, userShape(), "users", userObj(u))
}

func groupShape() shape {
	return shape{typ: "group", props: []string{"id", "displayName", "description", "mail", "securityEnabled", "groupTypes", "mailEnabled", "isAssignableToRole"}}
}

func groupListShape() shape {
	s := groupShape()
	s.filters, s.options = []string{"isAssignableToRole", "securityEnabled"}, []string{"$top", "$count"}
	return s
}

func groupObj(g *Group) obj {
	return obj{
		"id": g.ID, "displayName": g.Name, "description": nil, "mail": nil, "securityEnabled": true, "mailEnabled": false, "groupTypes": []string{},
		"isAssignableToRole": g.RoleAssignable,
	}
}

func getGroup(c *call) (result, *GraphError) {
	g := c.t.w.Groups[strings.ToLower(c.params[0])]
	if g == nil {
		return result{}, refusal("Request_ResourceNotFound")
	}
	return c.entity(http.StatusOK, groupShape(), "groups", groupObj(g))
}

// listMembers answers the users of a group, nested groups included. The cast in
// its path makes it an advanced query: it needs the header ConsistencyLevel:
// eventual and $count=true (Graph reference, "List group transitive members").
// Without a permission on users only ids are answered.
func listMembers(c *call) (result, *GraphError) {
	if !c.advanced() {
		return result{}, refusal("Request_UnsupportedQuery")
	}
	g := c.t.w.Groups[strings.ToLower(c.params[0])]
	if g == nil {
		return result{}, refusal("Request_ResourceNotFound")
	}
	var rows []obj
	for _, u := range c.t.w.users(g.ID, c.t.now()) {
		o := userObj(u)
		if !c.caller.has("User.ReadBasic.All", "User.Read.All", "Directory.Read.All") {
			limited(o)
		} else if !c.fullUsers() {
			o["accountEnabled"], o["userType"] = nil, nil
		}
		rows = append(rows, o)
	}
	return c.list(userShape(), "users", rows, nil)
}

func (c *call) advanced() bool {
	return c.query.count && strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual")
}

// listMemberOf answers the groups a user is in, by nested groups and active
// memberships too. Cast and filter make it an advanced query as well.
func listMemberOf(c *call) (result, *GraphError) {
	if !c.advanced() {
		return result{}, refusal("Request_UnsupportedQuery")
	}
	user := strings.ToLower(c.params[0])
	switch {
	case !(c.caller.kind == ByUser && user == c.caller.id) && !c.caller.has("GroupMember.Read.All", "User.Read.All", "Directory.Read.All"):
		return result{}, refusal("Authorization_RequestDenied")
	case c.t.w.Users[user] == nil:
		return result{}, refusal("Request_ResourceNotFound")
	}
	seen := c.caller.has("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All")
	var rows []obj
	for _, id := range sortedKeys(c.t.w.Groups) {
		if !c.t.w.isMember(id, user, c.t.now()) {
			continue
		}
		if o := groupObj(c.t.w.Groups[id]); c.query.matches(o) {
			if !seen {
				limited(o)
			}
			rows = append(rows, o)
		}
	}
	c.query.filter = nil // applied above, before anything was taken away
	return c.list(groupListShape(), "groups", rows, nil)
}

// limited takes away what an app may not see of an object in a relationship.
func limited(o obj) {
	for name, v := range o {
		if _, list := v.([]string); list {
			o[name] = []string{}
		} else if name != "id" && !strings.Contains(name, "@") {
			o[name] = nil
		}
	}
}

// principal is the expanded principal of a schedule: as much of it as the caller
// may read.
func (c *call) principal(id string) any {
	var o obj
	readable := c.caller.has("User.ReadBasic.All", "User.Read.All", "Directory.Read.All") || id == c.caller.id
	if u := c.t.w.Users[id]; u != nil {
		o = userObj(u)
		delete(o, "accountEnabled")
		delete(o, "userType")
		o["@odata.type"] = "#microsoft.graph.user"
	} else if g := c.t.w.Groups[id]; g != nil {
		o = groupObj(g)
		o["@odata.type"] = "#microsoft.graph.group"
		readable = c.caller.has("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All")
	} else if name, ok := c.t.w.Services[id]; ok {
		o = obj{"@odata.type": "#microsoft.graph.servicePrincipal", "id": id, "displayName": name}
		readable = c.caller.has("Application.Read.All", "Directory.Read.All")
	} else {
		return nil
	}
	if !readable {
		limited(o)
	}
	return o
}

// scopeObj is the expanded directory scope; the whole directory has none.
func (c *call) scopeObj(scope string) any {
	id, isUnit := strings.CutPrefix(scope, "/administrativeUnits/")
	if name, ok := c.t.w.Units[strings.ToLower(id)]; isUnit && ok {
		return obj{"@odata.type": "#microsoft.graph.administrativeUnit", "id": id, "displayName": name, "description": nil}
	}
	return nil
}

func postByIDs(c *call) (result, *GraphError) {
	var in struct {
		IDs   []string `json:"ids"`
		Types []string `json:"types"`
	}
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	if len(in.IDs) == 0 || len(in.IDs) > 1000 {
		return result{}, badRequest("Between 1 and 1000 ids are needed.")
	}
	wants := func(typ string) bool {
		return len(in.Types) == 0 || slices.ContainsFunc(in.Types, func(t string) bool {
			return strings.EqualFold(t, typ) || strings.EqualFold(t, "directoryObject")
		})
	}
	rows := []obj{}
	for _, id := range in.IDs {
		id = strings.ToLower(id)
		_, isUser := c.t.w.Users[id]
		_, isGroup := c.t.w.Groups[id]
		if unit := c.scopeObj("/administrativeUnits/" + id); unit != nil && wants("administrativeUnit") {
			rows = append(rows, unit.(obj))
		} else if (isUser && wants("user")) || (isGroup && wants("group")) {
			rows = append(rows, c.principal(id).(obj))
		}
	}
	return result{http.StatusOK, obj{"@odata.context": c.context("directoryObjects"), "value": rows}}, nil
}
