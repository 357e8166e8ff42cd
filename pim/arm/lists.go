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

// Lists reads the lists of everything at and below a scope, as Belay itself and a page
// at a time: page is "" for the first one and then what the one before gave as next. It
// takes the role Reader there. Nothing is remembered. It is safe for concurrent use.
type Lists struct{ client *Client }

// Lists gives Azure's lists over the same connection.
func (c *Client) Lists() *Lists { return &Lists{c} }

const listVersion = "2020-10-01"

// listed is an instance of an eligible or active assignment.
type listed struct {
	Properties struct {
		Principal string     `json:"principalId"`
		Type      string     `json:"principalType"`
		Role      string     `json:"roleDefinitionId"`
		Scope     string     `json:"scope"`
		Assigned  string     `json:"assignmentType"`
		Member    string     `json:"memberType"`
		Start     *time.Time `json:"startDateTime"`
		End       *time.Time `json:"endDateTime"`
		Expanded  struct {
			Principal struct {
				Name string `json:"displayName"`
				Mail string `json:"email"`
				Type string `json:"type"`
			} `json:"principal"`
			Role struct {
				Name string `json:"displayName"`
			} `json:"roleDefinition"`
			Scope struct {
				Name string `json:"displayName"`
			} `json:"scope"`
		} `json:"expandedProperties"`
	} `json:"properties"`
}

// Holdings reads who has which Azure role at and below a scope, or who is eligible for
// which.
func (l *Lists) Holdings(ctx context.Context, scope string, eligible bool, page string) ([]pim.Holding, string, error) {
	k := l.client.itself("holdings")
	path, query, err := k.at(scope, page, map[bool]string{false: "roleAssignmentScheduleInstances", true: "roleEligibilityScheduleInstances"}[eligible])
	if err != nil {
		return nil, "", err
	}
	_, body, err := k.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, "", err
	}
	got, err := one[struct {
		Value []listed `json:"value"`
		Next  string   `json:"nextLink"`
	}](k, body)
	if err != nil || got.Value == nil {
		return nil, "", k.Unreadable()
	}
	var all []pim.Holding
	for _, i := range got.Value {
		// What somebody has through a group the group has too.
		if p := i.Properties; p.Principal != "" && !strings.EqualFold(p.Member, "Group") {
			all = append(all, i.holding(eligible))
		}
	}
	return all, got.Next, nil
}

func (i listed) holding(eligible bool) pim.Holding {
	p := i.Properties
	h := pim.Holding{Assignment: pim.Assignment{Kind: pim.AzureResource, Role: p.Role, Scope: p.Scope},
		Holder: pim.Principal{ID: p.Principal, Name: p.Expanded.Principal.Name, UPN: p.Expanded.Principal.Mail}, Eligible: eligible,
		Activated: strings.EqualFold(p.Assigned, "Activated"), Start: stamp(p.Start), End: stamp(p.End),
		RoleName: p.Expanded.Role.Name, ScopeName: scopeName(p.Scope, p.Expanded.Scope.Name)}
	for _, t := range []pim.HolderType{pim.User, pim.GroupOfPeople, pim.ServicePrincipal} {
		if strings.EqualFold(p.Type, string(t)) || p.Type == "" && strings.EqualFold(p.Expanded.Principal.Type, string(t)) {
			h.Type = t
		}
	}
	if strings.EqualFold(p.Type, "ForeignGroup") {
		h.Type = pim.GroupOfPeople
	}
	return h
}

// at is the address of a list at a scope, or of the page that page is the address of.
func (k *call) at(scope, page, list string) (string, url.Values, error) {
	if page == "" {
		below, ok := place(scope)
		if !ok && scope != "/" {
			return "", nil, wire.Invalid(k.Op, "the scope cannot be one of Microsoft's")
		}
		return strings.TrimRight("/"+below, "/") + provider + list, url.Values{"api-version": {listVersion}}, nil
	}
	next, err := url.Parse(page)
	if err != nil || next.User != nil || next.Scheme != k.client.base.Scheme || next.Host != k.client.base.Host {
		return "", nil, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the next page is not on the configured host")}
	}
	return next.Path, next.Query(), nil
}

// Settings reads the policy of a role at its scope.
func (l *Lists) Settings(ctx context.Context, a pim.Assignment) (pim.Settings, error) {
	const op = "settings"
	if _, err := azure(op, a); err != nil {
		return pim.Settings{}, err
	}
	k := l.client.itself(op)
	path, query, err := k.at(a.Scope, "", "roleManagementPolicyAssignments")
	if err != nil {
		return pim.Settings{}, err
	}
	query.Set("$filter", "roleDefinitionId eq '"+a.Role+"'")
	for range pageLimit {
		_, body, err := k.send(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return pim.Settings{}, err
		}
		got, err := one[struct {
			Value []struct {
				Properties struct {
					Role  string            `json:"roleDefinitionId"`
					Rules []wire.PolicyRule `json:"effectiveRules"`
				} `json:"properties"`
			} `json:"value"`
			Next string `json:"nextLink"`
		}](k, body)
		if err != nil {
			return pim.Settings{}, err
		}
		// The filter is not documented: where it is passed over, the role is one of many.
		for _, p := range got.Value {
			if sameRole(p.Properties.Role, a.Role) {
				return wire.Settings(a, p.Properties.Rules), nil
			}
		}
		if got.Next == "" {
			return pim.Settings{}, &pim.Error{Op: op, Code: pim.CodeNotFound, Err: errors.New("the role has no policy at this scope")}
		}
		if path, query, err = k.at("", got.Next, ""); err != nil {
			return pim.Settings{}, err
		}
	}
	return pim.Settings{}, &pim.Error{Op: op, Code: pim.CodeUnavailable, Err: errors.New("the list does not end")}
}
