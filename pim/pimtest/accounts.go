package pimtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// SignIn is one interactive sign-in in the tenant's log.
type SignIn struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`           // business time; zero: now
	User     string    `json:"user"`           // object id
	App      string    `json:"app"`            // what was signed in to
	IP       string    `json:"ip"`             //
	City     string    `json:"city,omitempty"` //
	Country  string    `json:"country,omitempty"`
	Code     int       `json:"code,omitempty"`     // AADSTS code of a failure
	Unplaced bool      `json:"unplaced,omitempty"` // the log knows no location
}

// AddSignIn adds a line to the sign-in log.
func (t *Tenant) AddSignIn(s SignIn) error {
	s.User = strings.ToLower(s.User)
	return t.change(func() error {
		if t.w.Users[s.User] == nil {
			return fmt.Errorf("pimtest: no user %s", s.User)
		}
		if s.ID == "" {
			s.ID = uuid.NewString()
		}
		if s.Time.IsZero() {
			s.Time = t.now()
		}
		t.w.SignIns = append(t.w.SignIns, s)
		slices.SortStableFunc(t.w.SignIns, func(a, b SignIn) int { return a.Time.Compare(b.Time) })
		return nil
	})
}

// AccountChange is one line of the directory's audit log about a user: what an
// administrator, or the user, did to the account.
type AccountChange struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`            // zero: now
	Actor    string    `json:"actor,omitempty"` // object id; empty: an application
	Activity string    `json:"activity"`        // as Microsoft spells it, such as "Reset user password"
	Target   string    `json:"target"`
	Changed  []string  `json:"changed,omitempty"`
	Failed   bool      `json:"failed,omitempty"`
}

// ChangeAccount adds a line about a user to the audit log.
func (t *Tenant) ChangeAccount(a AccountChange) error {
	a.Target = strings.ToLower(a.Target)
	return t.change(func() error {
		if t.w.Users[a.Target] == nil {
			return fmt.Errorf("pimtest: no user %s", a.Target)
		}
		if a.ID == "" {
			a.ID = uuid.NewString()
		}
		if a.Time.IsZero() {
			a.Time = t.now()
		}
		t.w.Changes = append(t.w.Changes, a)
		return nil
	})
}

// signInCode is how a filter names the outcome of a sign-in.
const signInCode = "status/errorCode"

func signInShape() shape {
	return shape{
		typ: "signIn",
		props: []string{"id", "createdDateTime", "userDisplayName", "userPrincipalName", "userId", "appId", "appDisplayName", "ipAddress", "clientAppUsed",
			"correlationId", "conditionalAccessStatus", "isInteractive", "riskDetail", "riskLevelAggregated", "riskLevelDuringSignIn", "riskState",
			"riskEventTypes", "resourceDisplayName", "resourceId", "status", "deviceDetail", "location", "appliedConditionalAccessPolicies"},
		filters: []string{"createdDateTime", "userId", "userPrincipalName", "appId", "ipAddress", signInCode},
		largest: 1000,
		options: []string{"$top"},
	}
}

// listSignIns answers the sign-in log, newest first. Entries show up some minutes late,
// and only a tenant with a premium licence has any.
func listSignIns(c *call) (result, *GraphError) {
	if c.caller.kind == ByUser && !c.readsOthers() && !c.t.w.holds(c.caller.id, c.t.now(), roleReportsReader) {
		return result{}, refusal("Authorization_RequestDenied")
	}
	if c.t.w.Unlicensed {
		return result{}, refusal("Authentication_RequestFromNonPremiumTenantOrB2CTenant")
	}
	shown := c.t.now().Add(-time.Duration(c.t.unkind.AuditDelay) * time.Minute)
	var rows []obj
	for _, s := range slices.Backward(c.t.w.SignIns) {
		if !s.Time.After(shown) {
			rows = append(rows, c.signInObj(s))
		}
	}
	return c.list(signInShape(), "auditLogs/signIns", rows, nil)
}

// signInObj is an entry in the form of the documented example.
func (c *call) signInObj(s SignIn) obj {
	o := obj{
		"id": s.ID, "createdDateTime": stamp(s.Time), "userDisplayName": nil, "userPrincipalName": nil, "userId": s.User,
		"appId": derivedID(c.t.opt.TenantID, "app "+s.App), "appDisplayName": text(s.App), "ipAddress": s.IP, "clientAppUsed": "Browser",
		"correlationId": derivedID(c.t.opt.TenantID, "correlation of "+s.ID), "conditionalAccessStatus": "notApplied", "isInteractive": true,
		"riskDetail": "none", "riskLevelAggregated": "none", "riskLevelDuringSignIn": "none", "riskState": "none", "riskEventTypes": []string{},
		"resourceDisplayName": "Microsoft Graph", "resourceId": "00000003-0000-0000-c000-000000000000",
		"status": obj{"errorCode": s.Code, "failureReason": nil, "additionalDetails": nil}, signInCode: s.Code,
		"deviceDetail": obj{"deviceId": "", "displayName": nil, "operatingSystem": "Windows 10", "browser": "Edge 80.0.361", "isCompliant": nil,
			"isManaged": nil, "trustType": nil},
		"location":                         obj{"city": text(s.City), "state": nil, "countryOrRegion": text(s.Country), "geoCoordinates": obj{"altitude": nil, "latitude": nil, "longitude": nil}},
		"appliedConditionalAccessPolicies": []obj{},
	}
	if s.Unplaced {
		o["location"] = nil
	}
	if u := c.t.w.Users[s.User]; u != nil {
		o["userDisplayName"], o["userPrincipalName"] = u.Name, u.UPN
	}
	return o
}

// changeObj is an entry of the directory itself, in the form that the contract has.
func (c *call) changeObj(a AccountChange) obj {
	result := "success"
	if a.Failed {
		result = "failure"
	}
	changed := []obj{}
	for _, name := range a.Changed {
		changed = append(changed, obj{"displayName": name, "oldValue": `["before"]`, "newValue": `["after"]`})
	}
	target := obj{"id": a.Target, "displayName": nil, "type": "User", "groupType": nil, "userPrincipalName": nil, "modifiedProperties": changed}
	if u := c.t.w.Users[a.Target]; u != nil {
		target["userPrincipalName"] = u.UPN
	}
	by := obj{"user": nil, "app": obj{"appId": nil, "displayName": "Directory sync", "servicePrincipalId": derivedID(c.t.opt.TenantID, "sync"), "servicePrincipalName": nil}}
	if a.Actor != "" {
		who := obj{"id": a.Actor, "displayName": nil, "userPrincipalName": nil, "ipAddress": "127.0.0.1"}
		if u := c.t.w.Users[a.Actor]; u != nil {
			who["displayName"], who["userPrincipalName"] = u.Name, u.UPN
		}
		by = obj{"user": who, "app": nil}
	}
	return obj{
		"id": "Directory_" + a.ID, "category": "UserManagement", "correlationId": derivedID(c.t.opt.TenantID, "correlation of "+a.ID), "result": result,
		"resultReason": "", "activityDisplayName": a.Activity, "activityDateTime": stamp(a.Time), "loggedByService": "Core Directory",
		"operationType": "Update", "initiatedBy": by, "targetResources": []obj{target}, "additionalDetails": []obj{}, targetID: []string{a.Target},
	}
}
