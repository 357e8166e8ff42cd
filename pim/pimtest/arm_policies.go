package pimtest

import (
	"net/http"
	"slices"
	"strings"
)

const armPolicyType = "Microsoft.Authorization/RoleManagementPolicyAssignment"

// armListPolicies answers what governs the roles at one scope, and only there: a
// policy is not handed down. $filter is not in Microsoft's description, but is
// what the portal sends.
func armListPolicies(c *armCall) (result, *GraphError) {
	f, e := c.filter("roleDefinitionId eq")
	switch {
	case e != nil:
		return result{}, e
	case c.scope == "/":
		return result{}, unknown(http.StatusBadRequest, "Policies of the whole tenant are not simulated.")
	case !c.concerned(c.scope):
		return result{}, c.denied("roleManagementPolicyAssignments/read", c.scope)
	}
	rows := []obj{}
	if f.has("roleDefinitionId eq") {
		role := c.t.w.readRole(f["roleDefinitionId eq"], c.scope)
		if role == "" {
			return result{}, refusal("RoleNotFound")
		}
		return c.page(append(rows, c.armPolicy(role)))
	}
	for _, id := range sortedKeys(c.t.w.Azure.Roles) {
		rows = append(rows, c.armPolicy(rolePath+id))
	}
	return c.page(rows)
}

func armGetPolicy(c *armCall) (result, *GraphError) {
	if c.scope == "/" || !c.concerned(c.scope) {
		return result{}, c.denied("roleManagementPolicyAssignments/read", c.scope)
	}
	for id := range c.t.w.Azure.Roles {
		if o := c.armPolicy(rolePath + id); strings.EqualFold(o["name"].(string), c.names[0]) {
			return result{http.StatusOK, o}, nil
		}
	}
	return result{}, armNotFound("roleManagementPolicyAssignments", c.names[0])
}

// armPolicy is the policy assignment of a role at the call's scope.
func (c *armCall) armPolicy(role string) obj {
	policy := derivedID(c.t.opt.TenantID, "policy of "+azureKey(c.scope, role))
	name := policy + "_" + lastPart(role)
	policyID := armID(c.scope, "roleManagementPolicies", policy)
	return obj{
		"id": armID(c.scope, "roleManagementPolicyAssignment", name), "name": name, "type": armPolicyType,
		"properties": obj{
			"scope": c.scope, "roleDefinitionId": roleAt(c.scope, role), "policyId": policyID,
			"effectiveRules": c.armRules(*c.t.w.policy(kindAzure, role, c.scope)),
			"policyAssignmentProperties": obj{
				"scope": c.expandedScope(c.scope), "roleDefinition": c.expandedRole(role, c.scope),
				"policy": obj{"id": policyID, "lastModifiedBy": obj{"displayName": "Admin"}, "lastModifiedDateTime": nil},
			},
		},
	}
}

// armRules are the rules of a policy as ARM writes them: the same as Graph's with
// ruleType instead of a type, and approvers in a form of their own.
func (c *armCall) armRules(p Policy) []obj {
	rules := c.rules(p)
	for _, r := range rules {
		r["ruleType"] = "RoleManagementPolicy" + strings.TrimPrefix(r["@odata.type"].(string), "#microsoft.graph.unifiedRoleManagementPolicy")
		delete(r, "@odata.type")
		target := r["target"].(obj)
		target["operations"] = []string{c.enum("All", r["id"].(string))}
		if r["claimValue"] == nil && r["id"] == "AuthenticationContext_EndUser_Assignment" {
			r["claimValue"] = ""
		}
		if setting, ok := r["setting"].(obj); ok {
			stage := setting["approvalStages"].([]obj)[0]
			stage["primaryApprovers"] = c.armApprovers(p)
			delete(stage, "escalationApprovers")
		}
	}
	return rules
}

func (c *armCall) armApprovers(p Policy) []obj {
	list := []obj{}
	for _, id := range p.Approvers {
		kind, name, _ := c.principalOf(id)
		list = append(list, obj{"id": id, "description": text(name), "isBackup": false, "userType": c.enum(kind, id, "approver")})
	}
	return list
}

// armListChildren answers the scopes below, at which an eligibility may be
// activated instead of its own: those right below, or all with getAllChildren.
func armListChildren(c *armCall) (result, *GraphError) {
	kinds, e := c.oneOf("resourceType")
	switch {
	case e != nil:
		return result{}, e
	case !c.concerned(c.scope):
		return result{}, c.denied("eligibleChildResources/read", c.scope)
	}
	all := strings.EqualFold(c.options.Get("getAllChildren"), "true")
	rows := []obj{}
	for _, id := range sortedKeys(c.t.w.Azure.Resources) {
		r := c.t.w.Azure.Resources[id]
		kind := strings.ToLower(resourceKind(r.ID))
		if !c.t.w.below(r.ID, c.scope) || !all && !strings.EqualFold(c.t.w.above(r.ID), c.scope) {
			continue
		}
		if kinds == nil || slices.Contains(kinds, kind) {
			rows = append(rows, obj{"id": r.ID, "name": r.Name, "type": kind})
		}
	}
	return c.page(rows)
}
