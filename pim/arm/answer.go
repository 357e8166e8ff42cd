package arm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// list reads pages to the last one, or to at most items where that is not 0. A list
// that is cut short otherwise is an error: half of it would be taken for the whole.
func list[P, T any](ctx context.Context, k *call, most int, pager *runtime.Pager[P], value func(P) []*T) ([]T, error) {
	var all []T
	for range pageLimit {
		page, err := next(ctx, pager)
		if err != nil {
			return nil, k.failed(err)
		}
		if value(page) == nil {
			return nil, k.Unreadable()
		}
		for _, v := range value(page) {
			if v == nil {
				return nil, k.Unreadable()
			}
			all = append(all, *v)
		}
		if !pager.More() {
			return all, nil
		}
		if most > 0 && len(all) >= most {
			k.client.log.Warn("a long list is cut", "what", k.Op, "items", most)
			return all[:most], nil
		}
	}
	return nil, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the list does not end")}
}

func next[P any](ctx context.Context, pager *runtime.Pager[P]) (P, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return pager.NextPage(ctx)
}

// one decodes the answer of k as a single object.
func one[T any](k *call, body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, k.Unreadable()
	}
	return v, nil
}

// val is what p points at; the kit makes everything optional.
func val[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// stamp is a time of the kit in UTC. Year 1 is Microsoft's "never".
func stamp(t *time.Time) time.Time {
	if t == nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}

// expanded is what an answer itself calls those it speaks of.
type expanded struct {
	who         pim.Principal
	role, scope string
}

func expand(e *armauthorization.ExpandedProperties) expanded {
	if e == nil {
		return expanded{}
	}
	var x expanded
	if p := e.Principal; p != nil {
		x.who = pim.Principal{ID: val(p.ID), Name: val(p.DisplayName), Mail: val(p.Email)}
	}
	if r := e.RoleDefinition; r != nil {
		x.role = val(r.DisplayName)
	}
	if s := e.Scope; s != nil {
		x.scope = val(s.DisplayName)
	}
	return x
}

func assignment(role, scope *string) pim.Assignment {
	return pim.Assignment{Kind: pim.AzureResource, Role: val(role), Scope: val(scope)}
}

// request reads a schedule request; one without id, status or principal is no
// answer. A duration that Microsoft prints in a form we do not know is 0, and
// logged.
func (k *call) request(r armauthorization.RoleAssignmentScheduleRequest) (pim.Request, error) {
	p := r.Properties
	if p == nil || val(r.ID) == "" || val(p.Status) == "" || val(p.PrincipalID) == "" {
		return pim.Request{}, k.Unreadable()
	}
	x := expand(p.ExpandedProperties)
	out := pim.Request{
		ID: val(r.ID), Principal: val(p.PrincipalID), Status: pim.ParseStatus(string(val(p.Status))),
		Assignment: assignment(p.RoleDefinitionID, p.Scope), Approval: val(p.ApprovalID),
		Schedule: val(p.TargetRoleAssignmentScheduleID), Justification: val(p.Justification), Created: stamp(p.CreatedOn),
		Who: x.who, RoleName: x.role, ScopeName: scopeName(val(p.Scope), x.scope),
	}
	out.Who.ID = out.Principal
	if t := p.TicketInfo; t != nil {
		out.Ticket = pim.Ticket{Number: val(t.TicketNumber), System: val(t.TicketSystem)}
	}
	if s := p.ScheduleInfo; s != nil {
		out.Start = stamp(s.StartDateTime)
		if e := s.Expiration; e != nil {
			out.Duration = k.lasts(out, val(e.Duration), stamp(e.EndDateTime))
		}
	}
	return out, nil
}

func (k *call) lasts(r pim.Request, duration string, end time.Time) time.Duration {
	switch {
	case duration != "":
		d, err := pim.ParseDuration(duration)
		if err != nil {
			k.client.log.Warn("the duration of a request cannot be read", "request", wire.Word(last(r.ID)), "error", err)
		}
		return d
	case !end.IsZero() && !r.Start.IsZero():
		return max(end.Sub(r.Start), 0)
	}
	return 0
}

// activates says whether r is an activation of one's own eligibility.
func activates(r armauthorization.RoleAssignmentScheduleRequest) bool {
	return r.Properties != nil && strings.EqualFold(string(val(r.Properties.RequestType)), string(selfActivate)) &&
		val(r.Properties.PrincipalID) != ""
}

// byName orders names as people read them, without regard to letter case.
func byName(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }
