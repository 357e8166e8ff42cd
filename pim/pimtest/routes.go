package pimtest

import (
	"net/http"
	"slices"
)

// routes are the operations of Graph the tenant knows, with the permissions that
// open each. Source: the permission tables of the Graph reference and, for the
// schedule requests, Microsoft's published permission data, by which reading
// them needs a ReadWrite permission.
func (t *Tenant) routes() []route {
	const read, write = http.MethodGet, http.MethodPost
	var (
		readRoles    = []string{"RoleManagement.Read.Directory", "RoleManagement.Read.All", "Directory.Read.All", "RoleManagement.ReadWrite.Directory", "Directory.ReadWrite.All"}
		readGroup    = []string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"}
		readUser     = []string{"User.ReadBasic.All", "User.Read.All", "Directory.Read.All"}
		readUserSelf = append([]string{"User.Read"}, readUser...)
		memberOf     = []string{"GroupMember.Read.All", "User.Read.All", "Directory.Read.All"}
		memberOfSelf = append([]string{"User.Read"}, memberOf...)
		byID         = []string{"Directory.Read.All"}
		audits       = []string{"AuditLog.Read.All"}
		licences     = []string{"LicenseAssignment.Read.All", "Organization.Read.All", "Directory.Read.All"}
		reviews      = []string{"AccessReview.Read.All", "AccessReview.ReadWrite.All", "AccessReview.ReadWrite.Membership"}
		readPolicy   = append(policyPermissions("DirectoryRole"), policyPermissions("Group")...)
	)
	list := []route{
		{method: read, path: "v1.0/" + rolesBase + "roleDefinitions", delegated: append(slices.Clone(readRoles), "Directory.AccessAsUser.All"), app: readRoles, shape: roleShape(), do: listRoles},
		{method: read, path: "v1.0/" + rolesBase + "roleDefinitions/*", delegated: readRoles, app: readRoles, shape: roleShape().single(), do: getRole},
		{method: read, path: "v1.0/" + rolesBase + "roleAssignments", delegated: readRoles, app: readRoles, shape: roleAssignmentShape(), do: listRoleAssignments},
		{method: read, path: "v1.0/policies/roleManagementPolicyAssignments", delegated: readPolicy, app: readPolicy, pim: kindRole, shape: policyShape(), do: listPolicies},
		{method: read, path: "v1.0/users/*", delegated: readUserSelf, app: readUser, shape: userShape().single(), do: getUser},
		{method: read, path: "v1.0/users/*/transitiveMemberOf/microsoft.graph.group", delegated: memberOfSelf, app: memberOf, shape: groupListShape(), do: listMemberOf},
		{method: read, path: "v1.0/groups", delegated: readGroup, app: readGroup, shape: namedShape(groupShape()), do: listGroups},
		{method: read, path: "v1.0/users", delegated: readUser, app: readUser, shape: namedShape(userShape()), do: listUsers},
		{method: read, path: "v1.0/groups/*", delegated: readGroup, app: readGroup, shape: groupShape().single(), do: getGroup},
		{method: read, path: "v1.0/groups/*/transitiveMembers/microsoft.graph.user", delegated: readGroup, app: readGroup, shape: userShape(), do: listMembers},
		{method: write, path: "v1.0/directoryObjects/getByIds", delegated: byID, app: byID, do: postByIDs},
		{method: read, path: "v1.0/subscribedSkus", delegated: licences, app: licences, shape: skuShape(), do: listSKUs},
		{method: read, path: "v1.0/auditLogs/directoryAudits", delegated: audits, app: audits, shape: auditShape(), do: listAudits},
		{method: read, path: "v1.0/auditLogs/signIns", delegated: audits, app: audits, shape: signInShape(), do: listSignIns},
	}
	list = append(list, t.reviewRoutes(reviews)...)
	list = append(list, t.registrationRoutes()...)
	// Approvals of directory roles are in beta only, and none is for an application.
	list = append(list, roleApprovals.routes("beta/")...)
	list = append(list, groupApprovals.routes("v1.0/")...)
	for _, kind := range []string{kindRole, kindGroup} {
		for _, k := range collections(kind) {
			list = append(list, k.routes()...)
		}
	}
	return list
}

// routes are the three ways of reading a collection, and what one does to requests.
func (k collection) routes() []route {
	path, perms := "v1.0/"+k.path(), k.readPermissions()
	list := []route{
		{method: http.MethodGet, path: path, delegated: perms, app: perms, pim: k.kind, shape: k.shape, do: k.list},
		{method: http.MethodGet, path: path + "/*", delegated: perms, app: perms, pim: k.kind, shape: k.shape.single(), do: k.get},
		{method: http.MethodGet, path: path + "/filterByCurrentUser(on='principal')", delegated: perms, pim: k.kind, shape: k.shape, do: k.mine},
	}
	if !k.requests {
		return list
	}
	post := postRequest
	if k.kind == kindGroup {
		post = postGroupRequest
	}
	write, remove := writePermissions(k.kind)
	return append(list,
		route{method: http.MethodGet, path: path + "/filterByCurrentUser(on='approver')", delegated: perms, pim: k.kind, shape: k.shape, do: k.toDecide},
		route{method: http.MethodPost, path: path, delegated: remove, app: remove, pim: k.kind, free: true, do: post},
		route{method: http.MethodPost, path: path + "/*/cancel", delegated: write, app: write, pim: k.kind, do: k.cancel},
	)
}

func (p approvals) routes(version string) []route {
	write := []string{"RoleAssignmentSchedule.ReadWrite.Directory"}
	read := []string{"RoleAssignmentSchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory"}
	if p.kind == kindGroup {
		write = []string{"PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"}
		read = []string{"PrivilegedAssignmentSchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"}
	}
	path := version + p.path
	return []route{
		{method: http.MethodGet, path: path + "/filterByCurrentUser(on='approver')", delegated: read, pim: p.kind, shape: p.shape(), do: p.list},
		{method: http.MethodGet, path: path + "/*", delegated: read, pim: p.kind, shape: p.shape().single(), do: p.get},
		{method: http.MethodGet, path: path + "/*/" + p.parts, delegated: read, pim: p.kind, shape: p.stepShape(), do: p.steps},
		{method: http.MethodGet, path: path + "/*/" + p.parts + "/*", delegated: read, pim: p.kind, shape: p.stepShape().single(), do: p.getStep},
		{method: http.MethodPatch, path: path + "/*/" + p.parts + "/*", delegated: write, pim: p.kind, do: p.patchStep},
	}
}

// readPermissions open a collection. Requests for directory roles are read with
// a ReadWrite permission only; those for groups with Read.
func (k collection) readPermissions() []string {
	switch {
	case k.kind == kindGroup && k.eligible:
		return []string{"PrivilegedEligibilitySchedule.Read.AzureADGroup", "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
			"PrivilegedAccess.Read.AzureADGroup", "PrivilegedAccess.ReadWrite.AzureADGroup"}
	case k.kind == kindGroup:
		return []string{"PrivilegedAssignmentSchedule.Read.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
			"PrivilegedAccess.Read.AzureADGroup", "PrivilegedAccess.ReadWrite.AzureADGroup"}
	case k.requests:
		write, _ := writePermissions(kindRole)
		return write
	case k.eligible:
		return []string{"RoleEligibilitySchedule.Read.Directory", "RoleEligibilitySchedule.ReadWrite.Directory", "RoleManagement.Read.All",
			"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory"}
	}
	return []string{"RoleAssignmentSchedule.Read.Directory", "RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.Read.All",
		"RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory"}
}

// writePermissions let somebody make requests of a kind; remove also lets them
// end assignments only.
func writePermissions(kind string) (write, remove []string) {
	if kind == kindGroup {
		write = []string{"PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", "PrivilegedAccess.ReadWrite.AzureADGroup"}
		return write, append(slices.Clone(write), "PrivilegedAssignmentSchedule.Remove.AzureADGroup")
	}
	write = []string{"RoleManagement.ReadWrite.Directory", "RoleAssignmentSchedule.ReadWrite.Directory"}
	return write, append(slices.Clone(write), "RoleAssignmentSchedule.Remove.Directory")
}

// policyPermissions open the policies of a scope type.
func policyPermissions(scopeType string) []string {
	if scopeType == "Group" {
		return []string{"RoleManagementPolicy.Read.AzureADGroup", "RoleManagementPolicy.ReadWrite.AzureADGroup", "RoleManagement.Read.All"}
	}
	return []string{"RoleManagementPolicy.Read.Directory", "RoleManagementPolicy.ReadWrite.Directory", "RoleManagement.Read.Directory",
		"RoleManagement.Read.All", "RoleManagement.ReadWrite.Directory"}
}

// single is the shape of one entity: no filters and no list options.
func (s shape) single() shape {
	s.filters, s.options = nil, nil
	return s
}
