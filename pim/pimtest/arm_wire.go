package pimtest

import "net/http"

// How the tenant's things look on ARM's wire: an entity with id, name, type and
// properties. Enumerations are PascalCase, or either way with Unkind.EnumCase.

func armEntity(scope, typ, name string, properties obj) obj {
	return obj{"id": armID(scope, typ, name), "name": name, "type": "Microsoft.Authorization/" + typ, "properties": properties}
}

// armAbout are the members that all schedules and requests have in common.
func (c *armCall) armAbout(principal, role, scope, condition, conditionVersion string) obj {
	kind, _, _ := c.principalOf(principal)
	return obj{
		"principalId": principal, "principalType": kind, "roleDefinitionId": roleAt(scope, role), "scope": scope,
		"condition": text(condition), "conditionVersion": text(conditionVersion), "expandedProperties": c.expanded(principal, role, scope),
	}
}

// expanded says in words what the ids mean.
func (c *armCall) expanded(principal, role, scope string) obj {
	kind, name, mail := c.principalOf(principal)
	r, s := c.expandedRole(role, scope), c.expandedScope(scope)
	return obj{
		"principal":      obj{"id": principal, "displayName": text(name), "email": text(mail), "type": kind},
		"roleDefinition": r, "scope": s,
	}
}

func (c *armCall) expandedRole(role, scope string) obj {
	o := obj{"id": roleAt(scope, role), "displayName": nil, "type": "BuiltInRole"}
	if r := c.t.w.azureRole(role); r != nil {
		o["displayName"], o["type"] = r.Name, r.kind()
	}
	return o
}

func (r *AzureRole) kind() string {
	if r.Custom {
		return "CustomRole"
	}
	return "BuiltInRole"
}

func (c *armCall) expandedScope(scope string) obj {
	return obj{"id": scope, "displayName": text(c.t.w.resourceName(scope)), "type": text(resourceKind(scope))}
}

func (c *armCall) principalOf(id string) (kind, name, mail string) {
	if u := c.t.w.Users[id]; u != nil {
		return "User", u.Name, u.Mail
	}
	if g := c.t.w.Groups[id]; g != nil {
		return "Group", g.Name, ""
	}
	if name, ok := c.t.w.Services[id]; ok {
		return "ServicePrincipal", name, ""
	}
	return "ServicePrincipal", c.t.opt.App.Name, ""
}

func (c *armCall) armEligibilityInstance(e *eligibility, member string) obj {
	p := c.armAbout(e.Principal, e.Role, e.Scope, e.Condition, e.ConditionVersion)
	p["memberType"], p["status"] = c.enum(member, e.ID, "member"), statusProvisioned
	p["roleEligibilityScheduleId"] = armID(e.Scope, "RoleEligibilitySchedules", e.ID)
	p["createdOn"], p["startDateTime"], p["endDateTime"] = stamp(e.Created), stamp(e.From), stamp(e.Until)
	return armEntity(e.Scope, "RoleEligibilityScheduleInstances", c.instanceName(e.ID), p)
}

func (c *armCall) armEligibilitySchedule(e *eligibility, member string) obj {
	p := c.armAbout(e.Principal, e.Role, e.Scope, e.Condition, e.ConditionVersion)
	p["memberType"], p["status"] = c.enum(member, e.ID, "member"), statusProvisioned
	p["roleEligibilityScheduleRequestId"] = armID(e.Scope, "RoleEligibilityScheduleRequests", derivedID(c.t.opt.TenantID, "request of "+e.ID))
	p["createdOn"], p["updatedOn"], p["startDateTime"], p["endDateTime"] = stamp(e.Created), stamp(e.Created), stamp(e.From), stamp(e.Until)
	return armEntity(e.Scope, "RoleEligibilitySchedules", e.ID, p)
}

func (c *armCall) armAssignmentInstance(a *assignment, member string) obj {
	p := c.armAssigned(a, member)
	p["status"] = "Accepted"
	p["roleAssignmentScheduleId"] = armID(a.Scope, "RoleAssignmentSchedules", a.ID)
	p["originRoleAssignmentId"] = armID(a.Scope, "roleAssignments", c.instanceName(a.ID))
	p["linkedRoleEligibilityScheduleInstanceId"] = nil
	if a.Eligibility != "" {
		p["linkedRoleEligibilityScheduleInstanceId"] = c.instanceName(a.Eligibility)
	}
	return armEntity(a.Scope, "RoleAssignmentScheduleInstances", c.instanceName(a.ID), p)
}

func (c *armCall) armAssignmentSchedule(a *assignment, member string) obj {
	p := c.armAssigned(a, member)
	p["status"], p["updatedOn"] = statusProvisioned, stamp(a.Created)
	p["roleAssignmentScheduleRequestId"] = nil
	if a.Request != "" {
		p["roleAssignmentScheduleRequestId"] = armID(a.Scope, "RoleAssignmentScheduleRequests", a.Request)
	}
	return armEntity(a.Scope, "RoleAssignmentSchedules", a.ID, p)
}

// armAssigned is what schedules and instances of active assignments have in common.
// The linked eligibility is a bare GUID here, as in the documented examples.
func (c *armCall) armAssigned(a *assignment, member string) obj {
	condition, version := "", ""
	if a.Eligibility != "" {
		for _, e := range c.t.w.Eligibilities {
			if e.ID == a.Eligibility {
				condition, version = e.Condition, e.ConditionVersion
			}
		}
	}
	p := c.armAbout(a.Principal, a.Role, a.Scope, condition, version)
	p["assignmentType"], p["memberType"] = c.assignmentType(a), c.enum(member, a.ID, "member")
	p["linkedRoleEligibilityScheduleId"] = text(a.Eligibility)
	p["createdOn"], p["startDateTime"], p["endDateTime"] = stamp(a.Created), stamp(a.Start), stamp(a.End)
	return p
}

func (c *armCall) armRequest(r *request) obj {
	p := c.armAbout(r.Principal, r.Role, r.Scope, r.Condition, r.ConditionVersion)
	// The engine's request as Graph would show it: status, schedule and spelling
	// follow the same rules.
	o := c.requestObj(r)
	p["status"], p["createdOn"], p["justification"], p["ticketInfo"] = o["status"], o["createdDateTime"], o["justification"], o["ticketInfo"]
	if shown := c.t.w.Azure.Shown[r.ID]; shown != "" {
		p["status"] = shown
	}
	p["requestType"] = c.enum(pascal(r.Action), r.ID)
	p["requestorId"], p["linkedRoleEligibilityScheduleId"] = r.Creator, text(r.Linked)
	p["targetRoleAssignmentScheduleId"], p["targetRoleAssignmentScheduleInstanceId"] = text(r.Schedule), nil
	p["approvalId"] = nil
	if r.Approval {
		p["approvalId"] = armID("/", "roleAssignmentApprovals", r.ID)
	}
	if info := o["scheduleInfo"].(obj); info["expiration"] != nil {
		expiration := info["expiration"].(obj)
		expiration["type"] = c.enum(pascal(expiration["type"].(string)), r.ID)
		p["scheduleInfo"] = obj{"startDateTime": info["startDateTime"], "expiration": expiration}
	}
	return armEntity(r.Scope, "RoleAssignmentScheduleRequests", r.ID, p)
}

func pascal(s string) string { return string(s[0]&^0x20) + s[1:] }

func armRoleObj(r *AzureRole, scope string) obj {
	actions := r.Actions
	if len(actions) == 0 {
		actions = []string{"*/read"}
	}
	return obj{
		"id": roleAt(scope, r.ID), "name": r.ID, "type": "Microsoft.Authorization/roleDefinitions",
		"properties": obj{
			"roleName": r.Name, "type": r.kind(), "description": r.Description, "assignableScopes": []string{"/"},
			"permissions": []obj{{"actions": actions, "notActions": []string{}, "dataActions": []string{}, "notDataActions": []string{}}},
		},
	}
}

func armListRoles(c *armCall) (result, *GraphError) {
	f, e := c.filter("roleName eq", "type eq", "atScopeAndBelow()")
	if e != nil {
		return result{}, e
	}
	if c.scope != "/" && !c.concerned(c.scope) {
		return result{}, c.denied("roleDefinitions/read", c.scope)
	}
	rows := []obj{}
	for _, id := range sortedKeys(c.t.w.Azure.Roles) {
		r := c.t.w.Azure.Roles[id]
		if (!f.has("roleName eq") || f["roleName eq"] == r.Name) && (!f.has("type eq") || f["type eq"] == r.kind()) {
			rows = append(rows, armRoleObj(r, c.scope))
		}
	}
	return c.page(rows)
}

func armGetRole(c *armCall) (result, *GraphError) {
	if c.scope != "/" && !c.concerned(c.scope) {
		return result{}, c.denied("roleDefinitions/read", c.scope)
	}
	r := c.t.w.azureRole(c.names[0])
	if r == nil {
		return result{}, &GraphError{Status: http.StatusNotFound, Code: "RoleDefinitionDoesNotExist", Message: "The specified role definition with ID '" + c.names[0] + "' does not exist."}
	}
	return result{http.StatusOK, armRoleObj(r, c.scope)}, nil
}
