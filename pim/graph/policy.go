package graph

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/policies"

	"github.com/belaybot/belay/pim"
)

// rules is what the policy of a role says of its activation, before anybody is
// looked up.
type rules struct {
	maxDuration                time.Duration
	justification, ticket, mfa bool
	authContext                string
	approval                   bool
	approvers                  []subject
}

// policyAssignment ties a policy to a role.
type policyAssignment struct {
	Role   string `json:"roleDefinitionId"`
	Scope  string `json:"scopeId"`
	Policy struct {
		Rules []policyRule `json:"rules"`
	} `json:"policy"`
}

// policyRule is the union of the rules that speak of activation. A rule is told
// by its id, because its type is the same for several.
type policyRule struct {
	ID          string   `json:"id"`
	MaxDuration string   `json:"maximumDuration"`
	Enabled     []string `json:"enabledRules"`
	IsEnabled   bool     `json:"isEnabled"`
	Claim       string   `json:"claimValue"`
	Setting     struct {
		Required bool `json:"isApprovalRequired"`
		Stages   []struct {
			Primary []subject `json:"primaryApprovers"`
		} `json:"approvalStages"`
	} `json:"setting"`
}

// Policy reads the rules for activating a's role as Belay itself, and looks up
// who may approve. A scope does not matter: a role has one policy in the
// directory. A list of approvers that cannot be read is an error.
//
// Where the policy demands approval and names nobody, Microsoft lets Privileged
// Role Administrators and Global Administrators approve (DefaultApprovers). The
// list then holds those who have either role now and those who are eligible for
// it: in a tenant that is run well nobody has it standing, and somebody who is
// eligible can activate it and decide. Microsoft has the last word at the click.
func (c *Client) Policy(ctx context.Context, _ string, a pim.Assignment) (pim.Policy, error) {
	const op = "policy"
	if a.Scope == "" { // the audit log does not tell it
		a.Scope = "/"
	}
	if err := entra(op, a); err != nil {
		return pim.Policy{}, err
	}
	r, err := c.readRules(ctx, op, "DirectoryRole", "/", a.Role)
	if err != nil {
		return pim.Policy{}, err
	}
	if !r.approval || len(r.approvers) > 0 {
		return c.policy(ctx, op, r)
	}
	if r.approvers, err = c.administrators(ctx, op); err != nil {
		return pim.Policy{}, err
	}
	p, err := c.policy(ctx, op, r)
	if err != nil {
		return pim.Policy{}, err
	}
	p.DefaultApprovers, p.ApproverGroups = true, nil
	return p, nil
}

// policy is what r demands, with its approvers looked up.
func (c *Client) policy(ctx context.Context, op string, r rules) (pim.Policy, error) {
	p := pim.Policy{
		MaxDuration: r.maxDuration, Justification: r.justification, Ticket: r.ticket, MFA: r.mfa,
		AuthContext: r.authContext, Approval: r.approval,
	}
	if !r.approval {
		return p, nil
	}
	people, groups, err := c.expand(ctx, op, r.approvers)
	if err != nil {
		return pim.Policy{}, err
	}
	p.Approvers, p.ApproverGroups = people, groups
	return p, nil
}

// readRules reads the rules of role at scope, whose kind Graph calls scopeType.
// What is remembered is the rules, never a policy's id: a group gets a policy of
// another id when PIM begins to govern it. Source: PIM for Groups API overview.
func (c *Client) readRules(ctx context.Context, op, scopeType, scope, role string) (rules, error) {
	return c.rules.Get(ctx, op, rulesKey(scope, role), func(ctx context.Context) (rules, error) {
		k, err := c.itself(op)
		if err != nil {
			return rules{}, err
		}
		filter := "scopeId eq '" + scope + "' and scopeType eq '" + scopeType + "' and roleDefinitionId eq '" + role + "'"
		ri, err := policies.NewRoleManagementPolicyAssignmentsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx,
			&policies.RoleManagementPolicyAssignmentsRequestBuilderGetRequestConfiguration{
				QueryParameters: &policies.RoleManagementPolicyAssignmentsRequestBuilderGetQueryParameters{
					Filter: &filter, Expand: []string{"policy($expand=rules)"},
				},
			})
		found, err := all[policyAssignment](ctx, k, ri, err)
		if err != nil {
			return rules{}, err
		}
		for _, assignment := range found {
			if strings.EqualFold(assignment.Role, role) && strings.EqualFold(cmp.Or(assignment.Scope, scope), scope) {
				r, err := activationRules(assignment.Policy.Rules)
				if err != nil {
					return rules{}, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: err}
				}
				return r, nil
			}
		}
		return rules{}, &pim.Error{Op: op, Code: pim.CodeNotFound, Err: errors.New("the role has no policy in this directory")}
	})
}

func rulesKey(scope, role string) string { return strings.ToLower(scope + " " + role) }

// doubt forgets the rules of role at scope where what Microsoft says of an activation
// does not go with them: they were changed since they were read.
func (c *Client) doubt(scope, role string, made pim.Request, err error) {
	known, ok := c.rules.Recall(rulesKey(scope, role))
	code := pim.CodeOf(err)
	if ok && (code == pim.CodePolicy || code == pim.CodeStepUp && known.authContext == "" && !known.mfa ||
		err == nil && made.Status.Phase() == pim.PhasePending && !known.approval) {
		c.rules.Forget(rulesKey(scope, role))
	}
}

// activationRules picks the rules of an activation ("EndUser_Assignment") and
// passes over all others, known or not. What decides whether somebody must
// approve, and for how long, has to be there.
func activationRules(list []policyRule) (rules, error) {
	var r rules
	var expires, approves bool
	for _, rule := range list {
		switch strings.ToLower(rule.ID) {
		case "expiration_enduser_assignment":
			d, err := pim.ParseDuration(rule.MaxDuration)
			if err != nil || d <= 0 {
				return rules{}, errors.New("the longest duration that the policy allows cannot be read")
			}
			r.maxDuration, expires = d, true
		case "enablement_enduser_assignment":
			r.justification = r.justification || holds(rule.Enabled, "Justification")
			r.ticket = r.ticket || holds(rule.Enabled, "Ticketing")
			r.mfa = r.mfa || holds(rule.Enabled, "MultiFactorAuthentication")
		case "authenticationcontext_enduser_assignment":
			if rule.IsEnabled {
				r.authContext = rule.Claim
			}
		case "approval_enduser_assignment":
			approves = true
			r.approval = rule.Setting.Required
			for _, stage := range rule.Setting.Stages {
				r.approvers = append(r.approvers, stage.Primary...)
			}
		}
	}
	if !expires || !approves {
		return rules{}, errors.New("the policy lacks the rules of an activation")
	}
	return r, nil
}

func holds(list []string, name string) bool {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}
