package pimtest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func auditShape() shape {
	return shape{
		typ: "directoryAudit",
		props: []string{"id", "category", "correlationId", "result", "resultReason", "activityDisplayName", "activityDateTime",
			"loggedByService", "operationType", "initiatedBy", "targetResources", "additionalDetails"},
		filters: []string{"loggedByService", "category", "activityDisplayName", "activityDateTime", "correlationId", "result", targetID},
		options: []string{"$top", "$orderby"},
	}
}

// listAudits answers the audit log, newest first unless asked otherwise. Entries
// show up some minutes late.
func listAudits(c *call) (result, *GraphError) {
	if c.caller.kind == ByUser && !c.readsOthers() && !c.t.w.holds(c.caller.id, c.t.now(), roleReportsReader) {
		return result{}, refusal("Authorization_RequestDenied")
	}
	shown := c.t.now().Add(-time.Duration(c.t.unkind.AuditDelay) * time.Minute)
	var rows []obj
	for _, a := range c.t.w.Log {
		if !a.Time.After(shown) {
			rows = append(rows, c.auditObj(a))
		}
	}
	for _, a := range c.t.w.Changes {
		if !a.Time.After(shown) {
			rows = append(rows, c.changeObj(a))
		}
	}
	slices.SortStableFunc(rows, func(a, b obj) int {
		return strings.Compare(a["activityDateTime"].(string), b["activityDateTime"].(string))
	})
	if c.query.orderby == "" || strings.HasSuffix(c.query.orderby, "desc") {
		slices.Reverse(rows)
	}
	return c.list(auditShape(), "auditLogs/directoryAudits", rows, nil)
}

// auditObj is an entry in the form PIM's entries have. Sources: an entry of an
// expired activation (testdata/examples) and readings of live tenants: the same
// activities for all kinds, and the targets Role, Request, User, container and
// Other. The steps of one request have correlation ids of their own. What the
// container of an Azure resource looks like is ours.
func (c *call) auditObj(a AuditEntry) obj {
	correlation := derivedID(c.t.opt.TenantID, "correlation of "+a.ID)
	typ, operation := auditType(a.Activity)
	return obj{
		"id": "PIM_" + correlation + "_" + a.ID, "category": auditCategory[a.Kind], "correlationId": correlation, "result": "success",
		"resultReason": a.Reason, "activityDisplayName": a.Activity, "activityDateTime": stamp(a.Time), "loggedByService": "PIM",
		"operationType": operation, "initiatedBy": c.initiator(a), "targetResources": c.auditTargets(a),
		"additionalDetails": c.auditDetails(a, typ), targetID: []string{a.Target},
	}
}

var auditCategory = map[string]string{kindRole: "RoleManagement", kindGroup: "GroupManagement", kindAzure: "ResourceManagement"}

// auditType is what PIM calls an activity among the details, where it is known,
// and its operationType.
func auditType(activity string) (typ, operation string) {
	switch activity {
	case didRequest:
		return "CreateRequestRoleActivation", "Create"
	case didAskApproval:
		return "RequestApprovalRoleActivation", "Update"
	case didComplete:
		return "ActivateRole", "Update"
	case didEnd:
		return "RemoveActivatedRole", "Delete"
	}
	if strings.HasPrefix(activity, "Remove") {
		return "CreateRoleRemovalRequest", "Delete"
	}
	return "", "Update"
}

func (c *call) initiator(a AuditEntry) obj {
	if a.ActorKind == ByApplication {
		return obj{"user": nil, "app": obj{"appId": nil, "displayName": c.t.opt.App.Name, "servicePrincipalId": a.Actor, "servicePrincipalName": nil}}
	}
	by := obj{"id": derivedID(c.t.opt.TenantID, "Azure AD PIM"), "displayName": "Azure AD PIM", "userPrincipalName": nil, "ipAddress": nil}
	if a.ActorKind == ByUser {
		by["id"], by["displayName"] = a.Actor, nil
		if u := c.t.w.Users[a.Actor]; u != nil {
			by["displayName"], by["userPrincipalName"] = u.Name, u.UPN
		}
	}
	return obj{"app": nil, "user": by}
}

func (c *call) auditTargets(a AuditEntry) []obj {
	target := func(typ, id string, name any) obj {
		return obj{"id": id, "displayName": name, "type": typ, "userPrincipalName": nil, "groupType": nil, "modifiedProperties": []obj{}}
	}
	role := a.Role[strings.LastIndex(a.Role, "/")+1:]
	container := target("Directory", c.t.opt.TenantID, "Contoso")
	origin := "BuiltInRole"
	switch a.Kind {
	case kindGroup:
		container, origin = target("Group", a.Scope, c.t.w.Groups[a.Scope].Name), "GroupRole"
		role = derivedID(a.Scope, a.Role)
	case kindAzure:
		container = target("Other", a.Scope, text(c.t.w.resourceName(a.Scope)))
	}
	what := target("Role", role, text(c.t.w.roleName(a.Kind, a.Role)))
	for _, p := range [][2]string{{"RoleDefinitionOriginId", role}, {"RoleDefinitionOriginType", origin}, {"TemplateId", role}} {
		what["modifiedProperties"] = append(what["modifiedProperties"].([]obj), obj{"displayName": p[0], "oldValue": `""`, "newValue": strconv.Quote(p[1])})
	}
	if a.Target == "" { // of a policy
		return []obj{what, container}
	}
	person := target("User", a.Target, nil)
	if u := c.t.w.Users[a.Target]; u != nil {
		person["displayName"], person["userPrincipalName"] = u.Name, u.UPN
	} else if g := c.t.w.Groups[a.Target]; g != nil {
		person["type"], person["displayName"] = "Group", g.Name
	}
	return []obj{what, target("Request", a.RequestID, nil), person, container, target("Other", derivedID(a.RequestID, "other"), nil)}
}

// auditDetails hold the id by which the entries of one activation belong
// together, RoleAssignmentRequestId: that of its request, in the entries of its
// end and of a deactivation too.
func (c *call) auditDetails(a AuditEntry, typ string) []obj {
	list := []obj{}
	add := func(key, value string) {
		if value != "" {
			list = append(list, obj{"key": key, "value": value})
		}
	}
	add("AuditType", typ)
	if a.Activity == didEnd {
		add("ActionType", "Revoke")
		add("RoleAssignmentRequestId", a.RequestID)
		return list
	}
	add("RequestId", a.RequestID)
	activation := a.Activation
	if activation == "" {
		activation = a.RequestID
	}
	add("RoleAssignmentRequestId", activation)
	if r := c.t.w.request(a.RequestID); r != nil && a.Activity == didRequest {
		add("StartTime", r.Created.Format(wireTime))
		add("IsActivationRequireApproval", strconv.FormatBool(r.Approval))
	}
	add("Justification", a.Reason)
	if a.ActorKind == ByUser {
		add("oid", a.Actor)
		add("tid", c.t.opt.TenantID)
	}
	return list
}
