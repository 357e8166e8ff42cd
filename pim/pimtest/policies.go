package pimtest

import (
	"slices"
	"strings"
)

func policyShape() shape {
	return shape{
		typ:     "unifiedRoleManagementPolicyAssignment",
		props:   []string{"id", "policyId", "scopeId", "scopeType", "roleDefinitionId"},
		filters: []string{"scopeId", "scopeType", "roleDefinitionId"}, expands: []string{"policy"},
	}
}

// listPolicies answers which policy governs which role, or what one can be in a
// group. The service wants scopeId and scopeType in the filter, and takes
// Directory and DirectoryRole alike.
func listPolicies(c *call) (result, *GraphError) {
	scope, hasScope := c.query.value("scopeId")
	typ, hasType := c.query.value("scopeType")
	switch {
	case !hasScope || !hasType:
		return result{}, badRequest("The filter has to name scopeId and scopeType.")
	case typ != "Group" && (scope != "/" || (typ != "DirectoryRole" && typ != "Directory")):
		return result{}, unknown(400, "Policies of scope '%s' and type '%s' are not simulated.", scope, typ)
	}
	if perms := policyPermissions(typ); !c.caller.has(perms...) {
		return result{}, scopeMissing(map[bool]string{true: kindGroup}[typ == "Group"], perms)
	}
	nested, expands := c.query.expands["policy"]
	if expands && nested != "" && nested != "$expand=rules" {
		return result{}, unknown(400, "The expansion 'policy(%s)' is not known.", nested)
	}
	kind, of, governed := kindRole, c.t.opt.TenantID, sortedKeys(c.t.w.Roles)
	if typ == "Group" {
		scope = strings.ToLower(scope)
		kind, of, governed = kindGroup, scope, []string{accessMember, accessOwner}
		if c.t.w.Groups[scope] == nil {
			return result{}, refusal("Request_ResourceNotFound")
		}
	}
	var rows []obj
	for _, id := range governed {
		name := "policy of " + id
		if kind == kindGroup && c.t.w.GroupPolicies[scope+"/"+id] == nil {
			name = "policy before PIM of " + id // it gets another id when the group is onboarded
		}
		policyID := typ + "_" + of + "_" + derivedID(of, name)
		o := obj{"id": policyID + "_" + id, "policyId": policyID, "scopeId": scope, "scopeType": typ, "roleDefinitionId": id}
		if expands {
			p := obj{
				"id": policyID, "displayName": typ, "description": typ, "isOrganizationDefault": false, "scopeId": scope, "scopeType": typ,
				"lastModifiedDateTime": nil, "lastModifiedBy": obj{"displayName": nil, "id": nil},
			}
			if nested != "" {
				p["rules"] = c.rules(*c.t.w.policy(kind, id, scope))
			}
			o["policy"] = p
		}
		rows = append(rows, o)
	}
	return c.list(policyShape(), "policies/roleManagementPolicyAssignments", rows, nil)
}

// rules are the 17 rules of a policy, those of the end user last.
func (c *call) rules(p Policy) []obj {
	var rules []obj
	add := func(typ, id, by, level string, more obj) {
		o := obj{
			"@odata.type": "#microsoft.graph.unifiedRoleManagementPolicy" + typ + "Rule", "id": id,
			"target": obj{"caller": by, "operations": []string{c.enum("all", id)}, "level": level, "inheritableSettings": []string{}, "enforcedSettings": []string{}},
		}
		for k, v := range more {
			o[k] = v
		}
		rules = append(rules, o)
	}
	mails := func(by, level string) {
		for _, to := range []string{"Admin", "Requestor", "Approver"} {
			add("Notification", "Notification_"+to+"_"+by+"_"+level, by, level, obj{
				"notificationType": "Email", "recipientType": to, "notificationLevel": "All",
				"isDefaultRecipientsEnabled": !(p.Silent && to == "Admin" && by == "EndUser"), "notificationRecipients": []string{},
			})
		}
	}
	add("Expiration", "Expiration_Admin_Eligibility", "Admin", "Eligibility", obj{"isExpirationRequired": p.EligibleExpires, "maximumDuration": "P365D"})
	add("Enablement", "Enablement_Admin_Eligibility", "Admin", "Eligibility", obj{"enabledRules": []string{}})
	mails("Admin", "Eligibility")
	add("Expiration", "Expiration_Admin_Assignment", "Admin", "Assignment", obj{"isExpirationRequired": false, "maximumDuration": "P180D"})
	add("Enablement", "Enablement_Admin_Assignment", "Admin", "Assignment", obj{"enabledRules": []string{"Justification"}})
	mails("Admin", "Assignment")

	add("Expiration", "Expiration_EndUser_Assignment", "EndUser", "Assignment", obj{
		"isExpirationRequired": true, "maximumDuration": isoDuration(p.MaxDuration),
	})
	enabled := []string{}
	for _, r := range []struct {
		on   bool
		name string
	}{{p.MFA && p.AuthContext == "", "MultiFactorAuthentication"}, {p.Justification, "Justification"}, {p.Ticketing, "Ticketing"}} {
		if r.on {
			enabled = append(enabled, r.name)
		}
	}
	add("Enablement", "Enablement_EndUser_Assignment", "EndUser", "Assignment", obj{"enabledRules": enabled})
	add("Approval", "Approval_EndUser_Assignment", "EndUser", "Assignment", obj{"setting": obj{
		"isApprovalRequired": p.Approval, "isApprovalRequiredForExtension": false, "isRequestorJustificationRequired": true,
		"approvalMode": c.enum("SingleStage", "mode"),
		"approvalStages": []obj{{
			"approvalStageTimeOutInDays": 1, "isApproverJustificationRequired": p.ApproverJustification,
			"escalationTimeInMinutes": 0, "isEscalationEnabled": false,
			"primaryApprovers": c.approvers(p), "escalationApprovers": []obj{},
		}},
	}})
	add("AuthenticationContext", "AuthenticationContext_EndUser_Assignment", "EndUser", "Assignment", obj{
		"isEnabled": p.AuthContext != "", "claimValue": text(p.AuthContext),
	})
	mails("EndUser", "Assignment")
	return rules
}

// approvers as the policy names them. With EnumCase the id comes under "id" now
// and then instead of "userId" or "groupId", as has been seen in raw answers.
func (c *call) approvers(p Policy) []obj {
	list := []obj{}
	for _, id := range p.Approvers {
		o := obj{"@odata.type": "#microsoft.graph.singleUser", "description": nil}
		member := "userId"
		if u := c.t.w.Users[id]; u != nil {
			o["description"] = u.Name
		}
		if g := c.t.w.Groups[id]; g != nil {
			o["@odata.type"], o["description"], member = "#microsoft.graph.groupMembers", g.Name, "groupId"
		}
		if c.t.unkind.EnumCase && c.t.unkind.roll("approver", id)%2 == 0 {
			member = "id"
		}
		o[member] = id
		list = append(list, o)
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
