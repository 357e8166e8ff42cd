package pimtest

import (
	"maps"
	"slices"
	"time"
)

// Snapshot is the tenant as a page can show it; it holds no secrets.
type Snapshot struct {
	Tenant   string          `json:"tenant"`
	Now      time.Time       `json:"now"` // business time
	People   []PersonState   `json:"people"`
	Groups   []GroupState    `json:"groups"`
	Roles    []RoleState     `json:"roles"`
	Eligible []EligibleState `json:"eligible"`
	Requests []RequestState  `json:"requests"` // newest first
	Active   []ActiveState   `json:"active"`
	Audit    []AuditEntry    `json:"audit"` // newest first

	Applications map[string]string `json:"applications"` // names of service principals, by id

	Resources  []Resource  `json:"resources"`  // of Azure, what is above before what is below
	AzureRoles []AzureRole `json:"azureRoles"` // role definitions of Azure
}

// PersonState is a user.
type PersonState struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	UPN      string `json:"upn"`
	Guest    bool   `json:"guest"`
	Disabled bool   `json:"disabled"`
}

// GroupState is a group and its direct members.
type GroupState struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	Members        []string `json:"members"` // without those by an activation
	RoleAssignable bool     `json:"roleAssignable,omitempty"`
}

// RoleState is a role and what it demands.
type RoleState struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	MaxDuration string   `json:"maxDuration"` // ISO 8601
	MFA         bool     `json:"mfa"`
	AuthContext string   `json:"authContext,omitempty"`
	Approval    bool     `json:"approval"`
	Approvers   []string `json:"approvers"`
}

// EligibleState is an eligible assignment.
type EligibleState struct {
	Kind      string    `json:"kind"`
	Principal string    `json:"principal"`
	Role      string    `json:"role"`
	Scope     string    `json:"scope"`
	From      time.Time `json:"from"`
	Until     time.Time `json:"until,omitzero"` // absent: permanent
}

// RequestState is a schedule request, in its true status.
type RequestState struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`
	Action        string    `json:"action"`
	Status        string    `json:"status"`
	Principal     string    `json:"principal"`
	Role          string    `json:"role"`
	Scope         string    `json:"scope"`
	Justification string    `json:"justification"`
	Duration      string    `json:"duration"` // ISO 8601
	Created       time.Time `json:"created"`
	Reviewer      string    `json:"reviewer,omitempty"`
	Reason        string    `json:"reason,omitempty"`
}

// ActiveState is an active assignment, whether reads show it yet or not.
type ActiveState struct {
	Schedule  string    `json:"schedule"`
	Kind      string    `json:"kind"`
	Principal string    `json:"principal"`
	Role      string    `json:"role"`
	Scope     string    `json:"scope"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"` // absent: no end
	Activated bool      `json:"activated"`    // by an activation, not standing
}

// State is the tenant as it is now, to be shown as JSON.
func (t *Tenant) State() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	now := t.now()
	s := Snapshot{
		Tenant: t.opt.TenantID, Now: now, People: []PersonState{}, Groups: []GroupState{}, Roles: []RoleState{},
		Eligible: []EligibleState{}, Requests: []RequestState{}, Active: []ActiveState{}, Audit: slices.Clone(t.w.Log),
		Applications: maps.Clone(t.w.Services), Resources: []Resource{}, AzureRoles: []AzureRole{},
	}
	for _, u := range sortedUsers(t.w.Users) {
		s.People = append(s.People, PersonState{u.ID, u.Name, u.UPN, u.Guest, u.Disabled})
	}
	for _, id := range sortedKeys(t.w.Groups) {
		g := t.w.Groups[id]
		s.Groups = append(s.Groups, GroupState{g.ID, g.Name, slices.Clone(g.Members), g.RoleAssignable})
	}
	for _, id := range sortedKeys(t.w.Roles) {
		r := t.w.Roles[id]
		s.Roles = append(s.Roles, RoleState{
			r.ID, r.Name, isoDuration(r.Policy.MaxDuration), r.Policy.MFA, r.Policy.AuthContext, r.Policy.Approval, slices.Clone(r.Policy.Approvers),
		})
	}
	for _, id := range sortedKeys(t.w.Azure.Resources) {
		s.Resources = append(s.Resources, *t.w.Azure.Resources[id])
	}
	for _, id := range sortedKeys(t.w.Azure.Roles) {
		s.AzureRoles = append(s.AzureRoles, *t.w.Azure.Roles[id])
	}
	for _, e := range t.w.Eligibilities {
		if e.in(now) {
			s.Eligible = append(s.Eligible, EligibleState{e.Kind, e.Principal, e.Role, e.Scope, e.From, e.Until})
		}
	}
	for _, r := range t.w.Requests {
		s.Requests = append(s.Requests, RequestState{
			ID: r.ID, Kind: r.Kind, Action: r.Action, Status: r.Status, Principal: r.Principal, Role: r.Role, Scope: r.Scope, Justification: r.Justification,
			Duration: isoDuration(r.Duration), Created: r.Created, Reviewer: r.Reviewer, Reason: r.Reason,
		})
	}
	for _, a := range t.w.Assignments {
		if a.in(now) {
			s.Active = append(s.Active, ActiveState{a.ID, a.Kind, a.Principal, a.Role, a.Scope, a.Start, a.End, a.Activated})
		}
	}
	slices.Reverse(s.Requests)
	slices.Reverse(s.Audit)
	return s
}
