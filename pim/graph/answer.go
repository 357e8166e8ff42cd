package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"

	"github.com/belaybot/belay/pim"
)

// The answers of Graph, as far as Belay reads them. Every enum is a string that
// is compared without regard to letter case. null, "" and a missing member are
// the same.
type (
	scheduleRequest struct {
		ID            string       `json:"id"`
		Status        string       `json:"status"`
		Action        string       `json:"action"`
		ApprovalID    string       `json:"approvalId"`
		Principal     string       `json:"principalId"`
		Schedule      string       `json:"targetScheduleId"`
		Justification string       `json:"justification"`
		Created       stamp        `json:"createdDateTime"`
		Validation    bool         `json:"isValidationOnly"`
		Info          scheduleInfo `json:"scheduleInfo"`
		Ticket        struct {
			Number string `json:"ticketNumber"`
			System string `json:"ticketSystem"`
		} `json:"ticketInfo"`
		Who expandedPrincipal `json:"principal"` // where expanded
		held
	}
	// held names what is held: a role of the directory, or a part in a group.
	held struct {
		Role       string         `json:"roleDefinitionId"`
		Scope      string         `json:"directoryScopeId"`
		Definition roleDefinition `json:"roleDefinition"` // where expanded
		Access     string         `json:"accessId"`
		Group      string         `json:"groupId"`
	}
	scheduleInfo struct {
		Start      stamp `json:"startDateTime"`
		Expiration struct {
			Type     string `json:"type"`
			End      stamp  `json:"endDateTime"`
			Duration string `json:"duration"`
		} `json:"expiration"`
	}
	// instance is an eligibility or an assignment that is in force now.
	instance struct {
		ID             string            `json:"id"`
		Principal      string            `json:"principalId"`
		Start          stamp             `json:"startDateTime"`
		End            stamp             `json:"endDateTime"`
		AssignmentType string            `json:"assignmentType"` // Assigned or Activated; assignments only
		Schedule       string            `json:"roleAssignmentScheduleId"`
		GroupSchedule  string            `json:"assignmentScheduleId"` // the same, of a group
		Who            expandedPrincipal `json:"principal"`            // where expanded
		held
	}
	roleDefinition struct {
		ID   string `json:"id"`
		Name string `json:"displayName"`
	}
	expandedPrincipal struct {
		Type string `json:"@odata.type"`
		identity
	}
	step struct {
		ID            string   `json:"id"`
		Status        string   `json:"status"`
		AssignedToMe  bool     `json:"assignedToMe"`
		Result        string   `json:"reviewResult"`
		Reviewed      stamp    `json:"reviewedDateTime"`
		Reviewer      identity `json:"reviewedBy"`
		Justification string   `json:"justification"`
	}
	identity struct {
		ID   string `json:"id"`
		Name string `json:"displayName"`
		UPN  string `json:"userPrincipalName"`
		Mail string `json:"mail"`
	}
	// account is a user. Enabled is nil where Graph does not tell.
	account struct {
		identity
		Enabled *bool `json:"accountEnabled"`
	}
)

func (i identity) principal() pim.Principal {
	return pim.Principal{ID: i.ID, Name: i.Name, UPN: i.UPN, Mail: i.Mail}
}

// role is the directory role that is held.
func (h held) role() pim.Assignment {
	return pim.Assignment{Kind: pim.EntraRole, Role: h.Role, Scope: h.Scope}
}

// membership is the part in a group that is held. Graph prints accessId in
// varying letter case; a part that is neither membership nor ownership keeps the
// name Graph has for it.
func (h held) membership() pim.Assignment {
	return pim.Assignment{Kind: pim.Group, Role: strings.ToLower(h.Access), Scope: h.Group}
}

// stamp reads Graph's times: up to seven digits of a second, null, and year 1
// for "never". Zero is no time.
type stamp struct{ time.Time }

// UnmarshalJSON refuses a text that is not a time.
func (s *stamp) UnmarshalJSON(b []byte) error {
	var v *string
	if err := json.Unmarshal(b, &v); err != nil {
		return errors.New("a time that is not a string")
	}
	s.Time = time.Time{}
	if v == nil || *v == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *v)
	if err != nil {
		if t, err = time.Parse("2006-01-02T15:04:05", *v); err != nil {
			return errors.New("a time in no known form")
		}
	}
	if t.Year() > 1 {
		s.Time = t.UTC()
	}
	return nil
}

// typed says whether an "@odata.type" such as "#microsoft.graph.singleUser"
// names kind, without regard to namespace and letter case.
func typed(odataType, kind string) bool {
	name := odataType[strings.LastIndexAny(odataType, ".#")+1:]
	return strings.EqualFold(name, kind)
}

// one decodes the answer of k as a single object.
func one[T any](k *call, body []byte) (T, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return v, k.Unreadable()
	}
	return v, nil
}

// page is one page of a list.
type page[T any] struct {
	Value []T    `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

// pagePatience is how long a next page is waited for where Microsoft is busy. To begin the
// list anew would cost more calls, and meet the same limit.
const pagePatience = 3 * time.Second

// waits heeds a wish to wait that is short enough; false: there is none, or no time for it.
func waits(ctx context.Context, err error) bool {
	var e *pim.Error
	if !errors.As(err, &e) || e.Code != pim.CodeThrottled || e.After <= 0 || e.After > pagePatience {
		return false
	}
	t := time.NewTimer(e.After)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// all reads a list to its last page. A list that is cut short is an error: half
// of it would be taken for the whole.
func all[T any](ctx context.Context, k *call, ri *abstractions.RequestInformation, buildErr error) ([]T, error) {
	var list []T
	var level []string
	if buildErr == nil {
		level = ri.Headers.Get("ConsistencyLevel")
	}
	for n := range pageLimit {
		body, err := k.send(ctx, ri, buildErr)
		if n > 0 && waits(ctx, err) {
			body, err = k.send(ctx, ri, nil)
		}
		if err != nil {
			return nil, err
		}
		p, err := one[page[T]](k, body)
		if err != nil || p.Value == nil {
			return nil, k.Unreadable()
		}
		list = append(list, p.Value...)
		if p.Next == "" {
			return list, nil
		}
		next, err := url.Parse(p.Next)
		if err != nil || !k.client.own(next) {
			return nil, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the next page is not on the configured host")}
		}
		ri = abstractions.NewRequestInformation()
		ri.Method = abstractions.GET
		ri.SetUri(*next)
		ri.Headers.TryAdd("Accept", "application/json")
		for _, l := range level {
			ri.Headers.Add("ConsistencyLevel", l)
		}
	}
	return nil, &pim.Error{Op: k.Op, Code: pim.CodeUnavailable, Err: errors.New("the list does not end")}
}
