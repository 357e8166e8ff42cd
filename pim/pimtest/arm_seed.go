package pimtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Resource is a place where Azure roles can be held. What it is says its id:
//
//	/providers/Microsoft.Management/managementGroups/{name}
//	/subscriptions/{guid}
//	/subscriptions/{guid}/resourceGroups/{name}
//	/subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}
type Resource struct {
	ID     string `json:"id"`               // compared in any letter case, answered in this one
	Name   string `json:"name"`             // shown to people; default: the last part of the id
	Parent string `json:"parent,omitempty"` // the management group it is in; only of management groups and subscriptions
}

// AzureRole is a role definition of Azure.
type AzureRole struct {
	ID          string   `json:"id"` // a GUID
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Custom      bool     `json:"custom,omitempty"`  // not built in
	Actions     []string `json:"actions,omitempty"` // what it permits; none: everything may be read
}

// reads says whether the role may read assignments and policies.
func (r *AzureRole) reads() bool {
	return len(r.Actions) == 0 || slices.ContainsFunc(r.Actions, func(a string) bool {
		return slices.Contains([]string{"*", "*/read", "microsoft.authorization/*", "microsoft.authorization/*/read"}, strings.ToLower(a))
	})
}

// AzureReader is the built-in role Reader.
const AzureReader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// azureWorld is what the tenant remembers of Azure alone.
type azureWorld struct {
	Resources map[string]*Resource  // by id in lower case
	Roles     map[string]*AzureRole // by GUID
	Puts      map[string]string     // by request: the hash of what was put, to know it again
	Shown     map[string]string     // by request: the status that reads show instead of the true one
}

var resourceShape = regexp.MustCompile(`(?i)^(/providers/Microsoft\.Management/managementGroups/[^/]+` +
	`|/subscriptions/[0-9a-f-]{36}(/resourceGroups/[^/]+(/providers/[^/]+(/[^/]+/[^/]+)+)?)?)$`)

// AddResource adds or replaces a resource. What is above it has to be there.
func (t *Tenant) AddResource(r Resource) error {
	if !resourceShape.MatchString(r.ID) {
		return fmt.Errorf("pimtest: %q is not the id of a management group, subscription, resource group or resource", r.ID)
	}
	if kind := resourceKind(r.ID); r.Parent != "" && kind != "managementgroup" && kind != "subscription" {
		return fmt.Errorf("pimtest: the parent of %s is in its id", r.ID)
	}
	if r.Name == "" {
		r.Name = lastPart(r.ID)
	}
	return t.change(func() error {
		parent := r.Parent
		if parent == "" {
			parent = t.w.above(r.ID)
		}
		if parent != "/" && t.w.Azure.Resources[strings.ToLower(parent)] == nil {
			return fmt.Errorf("pimtest: %s is in %s, which is not there", r.ID, parent)
		}
		if r.Parent != "" && (resourceKind(r.Parent) != "managementgroup" || t.w.within(r.Parent, r.ID)) {
			return fmt.Errorf("pimtest: %s cannot be in %s", r.ID, r.Parent)
		}
		t.w.Azure.Resources[strings.ToLower(r.ID)] = &r
		return nil
	})
}

// AddAzureRole adds or replaces a role definition of Azure.
func (t *Tenant) AddAzureRole(r AzureRole) error {
	if err := guids("Azure role", r.ID); err != nil {
		return err
	}
	r.ID = strings.ToLower(r.ID)
	return t.change(func() error { t.w.Azure.Roles[r.ID] = &r; return nil })
}

// SetAzurePolicy sets what a role demands at one scope. No scope inherits it: a
// scope without a policy of its own has the one nobody has edited. role is the
// GUID or the ARM id of a role definition, here and below.
func (t *Tenant) SetAzurePolicy(scope, role string, p Policy) error {
	if err := guids("policy", p.Approvers...); err != nil {
		return err
	}
	if c := p.AuthContext; c != "" && !authContext.MatchString(c) {
		return fmt.Errorf("pimtest: %q is not an authentication context (c1 to c99)", c)
	}
	if p.MaxDuration == 0 {
		p.MaxDuration = defaultMaxActive
	}
	p.Approvers = lower(p.Approvers)
	return t.azure("", role, scope, func(role, scope string) { t.w.AzurePolicies[azureKey(scope, role)] = &p })
}

// EligibleAzure makes a user or group eligible for a role at a scope and below, as
// Eligible does. condition restricts what the role may do; empty: nothing.
func (t *Tenant) EligibleAzure(principal, role, scope string, from, until time.Time, condition string) error {
	principal = strings.ToLower(principal)
	return t.azure(principal, role, scope, func(role, scope string) {
		e := eligibility{ID: uuid.NewString(), Kind: kindAzure, Principal: principal, Role: role, Scope: scope, From: from, Until: until, Condition: condition}
		if condition != "" {
			e.ConditionVersion = "2.0"
		}
		t.addEligible(e)
	})
}

// AssignAzure gives a user or group a role at a scope for good. It does nothing
// when they have it.
func (t *Tenant) AssignAzure(principal, role, scope string) error {
	principal = strings.ToLower(principal)
	return t.azure(principal, role, scope, func(role, scope string) {
		if t.w.assigned(principal, kindAzure, role, scope) == nil {
			t.w.Assignments = append(t.w.Assignments, &assignment{
				ID: derivedID(t.opt.TenantID, principal+azureKey(scope, role)), Kind: kindAzure, Principal: principal, Role: role, Scope: scope,
			})
		}
	})
}

// GrantReader gives the app's own identity the role Reader at a scope; "/" is the
// whole tenant. Without it the app reads nothing of Azure.
func (t *Tenant) GrantReader(scope string) error {
	if err := t.AddAzureRole(AzureRole{ID: AzureReader, Name: "Reader", Description: "View all resources, but does not allow you to make any changes."}); err != nil {
		return err
	}
	return t.AssignAzure(t.opt.App.PrincipalID, AzureReader, scope)
}

// azure runs fn with the role and the scope as the tenant writes them, if they
// and the principal (empty: none) are known.
func (t *Tenant) azure(principal, role, scope string, fn func(role, scope string)) error {
	return t.change(func() error {
		_, service := t.w.Services[principal]
		if principal != "" && !service && principal != strings.ToLower(t.opt.App.PrincipalID) && t.w.Users[principal] == nil && t.w.Groups[principal] == nil {
			return fmt.Errorf("pimtest: no user or group %s", principal)
		}
		r := t.w.Azure.Roles[strings.ToLower(lastPart(role))]
		if r == nil {
			return fmt.Errorf("pimtest: no Azure role %s", role)
		}
		scope, e := t.w.readScope(scope)
		if e != nil {
			return fmt.Errorf("pimtest: no Azure scope: %w", e)
		}
		fn(rolePath+r.ID, scope)
		return nil
	})
}
