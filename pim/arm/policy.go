package arm

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// rules is what the policy of a role at a scope says of its activation, before
// anybody is looked up.
type rules struct {
	maxDuration                time.Duration
	justification, ticket, mfa bool
	authContext                string
	approval                   bool
	users, groups              []string // who approves, by object id
	unknown                    bool     // the policy names approvers of kinds that are not known
}

// policyAssignment ties a policy to a role at a scope. The kit could read it, but
// cannot ask for one role only: a scope has hundreds of them.
type policyAssignment struct {
	Properties struct {
		Role  string       `json:"roleDefinitionId"`
		Rules []policyRule `json:"effectiveRules"`
	} `json:"properties"`
}

// policyRule is the union of the rules that speak of activation, told by their ids.
type policyRule struct {
	ID          string   `json:"id"`
	MaxDuration string   `json:"maximumDuration"`
	Enabled     []string `json:"enabledRules"`
	IsEnabled   bool     `json:"isEnabled"`
	Claim       string   `json:"claimValue"`
	Setting     struct {
		Required bool `json:"isApprovalRequired"`
		Stages   []struct {
			Primary []struct {
				ID   string `json:"id"`
				Type string `json:"userType"`
			} `json:"primaryApprovers"`
		} `json:"approvalStages"`
	} `json:"setting"`
}

// Policy reads the rules for activating a's role at a's scope, which are those of
// this very scope: Azure's policies are not inherited. They are read as Belay itself
// and, where Belay may not read, as person, and remembered for Options.PolicyAge.
// A list of approvers that cannot be read is an error. Where the policy demands
// approval and names nobody, nobody can decide: unlike for directory roles there is
// no default.
func (c *Client) Policy(ctx context.Context, person string, a pim.Assignment) (pim.Policy, error) {
	const op = "policy"
	at, err := azure(op, a)
	if err != nil {
		return pim.Policy{}, err
	}
	r, err := c.rules.Get(ctx, op, rulesKey(a), func(ctx context.Context) (rules, error) {
		r, err := c.itself(op).rules(ctx, at, a.Role)
		if pim.CodeOf(err) != pim.CodeForbidden {
			return r, err
		}
		k, err := c.as(op, person)
		if err != nil {
			return rules{}, err
		}
		return k.rules(ctx, at, a.Role)
	})
	if err != nil {
		return pim.Policy{}, err
	}
	p := pim.Policy{
		MaxDuration: r.maxDuration, Justification: r.justification, Ticket: r.ticket, MFA: r.mfa,
		AuthContext: r.authContext, Approval: r.approval,
	}
	if !r.approval {
		return p, nil
	}
	if len(r.users)+len(r.groups) == 0 {
		if r.unknown {
			return pim.Policy{}, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: errors.New("none of the approvers that the policy names is of a known kind")}
		}
		return p, nil
	}
	if p.Approvers, p.ApproverGroups, err = c.approvers.Expand(ctx, r.users, r.groups); err != nil {
		return pim.Policy{}, (&wire.Call{Op: op}).Failed(err)
	}
	return p, nil
}

func rulesKey(a pim.Assignment) string { return strings.ToLower(a.Scope + " " + last(a.Role)) }

// doubt forgets the rules for activating a where what Microsoft says of an activation
// does not go with them: they were changed since they were read.
func (c *Client) doubt(a pim.Assignment, made pim.Request, err error) {
	known, ok := c.rules.Recall(rulesKey(a))
	code := pim.CodeOf(err)
	if ok && (code == pim.CodePolicy || code == pim.CodeStepUp && known.authContext == "" && !known.mfa ||
		err == nil && made.Status.Phase() == pim.PhasePending && !known.approval) {
		c.rules.Forget(rulesKey(a))
	}
}

// rules reads the policy of a role at a scope under the identity of k.
func (k *call) rules(ctx context.Context, at, role string) (rules, error) {
	query := url.Values{"api-version": {"2020-10-01"}, "$filter": {"roleDefinitionId eq '" + role + "'"}}
	path := "/" + at + provider + "roleManagementPolicyAssignments"
	for range pageLimit {
		_, body, err := k.send(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return rules{}, err
		}
		page, err := one[struct {
			Value []policyAssignment `json:"value"`
			Next  string             `json:"nextLink"`
		}](k, body)
		if err != nil || page.Value == nil {
			return rules{}, k.Unreadable()
		}
		// The filter is not documented: where it is passed over, the role is one of many.
		for _, p := range page.Value {
			if !sameRole(p.Properties.Role, role) {
				continue
			}
			r, err := activationRules(p.Properties.Rules)
			if err != nil {
				return rules{}, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: err}
			}
			return r, nil
		}
		if page.Next == "" {
			return rules{}, &pim.Error{Op: k.Op, Code: pim.CodeNotFound, Err: errors.New("the role has no policy at this scope")}
		}
		next, err := url.Parse(page.Next)
		if err != nil || next.Scheme != k.client.base.Scheme || next.Host != k.client.base.Host {
			return rules{}, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the next page is not on the configured host")}
		}
		path, query = next.Path, next.Query()
	}
	return rules{}, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the list does not end")}
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
			for _, name := range rule.Enabled {
				r.justification = r.justification || strings.EqualFold(name, "Justification")
				r.ticket = r.ticket || strings.EqualFold(name, "Ticketing")
				r.mfa = r.mfa || strings.EqualFold(name, "MultiFactorAuthentication")
			}
		case "authenticationcontext_enduser_assignment":
			if rule.IsEnabled {
				r.authContext = rule.Claim
			}
		case "approval_enduser_assignment":
			approves, r.approval = true, rule.Setting.Required
			for _, stage := range rule.Setting.Stages {
				for _, p := range stage.Primary {
					switch {
					case strings.EqualFold(p.Type, "User"):
						r.users = append(r.users, p.ID)
					case strings.EqualFold(p.Type, "Group"):
						r.groups = append(r.groups, p.ID)
					default:
						r.unknown = true
					}
				}
			}
		}
	}
	if !expires || !approves {
		return rules{}, errors.New("the policy lacks the rules of an activation")
	}
	return r, nil
}
