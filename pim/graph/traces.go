package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"

	"github.com/belaybot/belay/pim"
)

// auditsAge is how long an answer of the audit log serves: the two pillars ask at
// the same time, and Graph allows five reads of its reports in ten seconds.
const auditsAge = 10 * time.Second

// auditsPage is how many entries a page may have. PIM's are two to four kilobytes
// each, and Graph's own page of a thousand would be longer than we accept.
const auditsPage int32 = 200

// The categories of PIM's entries, in lower case.
const (
	ofRoles  = "rolemanagement"
	ofGroups = "groupmanagement"
)

// activities are what PIM logs of an activation, in lower case; the same for roles
// and for groups. Source: Microsoft Entra audit log activity reference.
var activities = map[string]pim.TraceKind{
	"add member to role requested (pim activation)":          pim.TraceAsked,
	"add member to role approval requested (pim activation)": pim.TraceAsked,
	"add member to role request approved (pim activation)":   pim.TraceApproved,
	"add member to role request denied (pim activation)":     pim.TraceDenied,
	"add member to role completed (pim activation)":          pim.TraceActivated,
	"add member to role canceled (pim activation)":           pim.TraceCanceled,
	"pim activation request expired":                         pim.TraceExpired,
	"remove member from role (pim activation expired)":       pim.TraceEnded,
	"remove member from role completed (pim deactivate)":     pim.TraceEnded,
	"add member to role outside of pim (permanent)":          pim.TraceOutside,
}

// audit is an entry of the directory's audit log as PIM writes it.
type audit struct {
	ID       string `json:"id"`
	Category string `json:"category"`
	Activity string `json:"activityDisplayName"`
	At       stamp  `json:"activityDateTime"`
	Result   string `json:"result"`
	Reason   string `json:"resultReason"`
	By       struct {
		User identity `json:"user"`
		App  struct {
			Name string `json:"displayName"`
		} `json:"app"`
	} `json:"initiatedBy"`
	Targets []struct {
		ID      string `json:"id"`
		Name    string `json:"displayName"`
		Type    string `json:"type"`
		Changes []struct {
			Name string `json:"displayName"`
			New  string `json:"newValue"` // JSON within the text
		} `json:"modifiedProperties"`
	} `json:"targetResources"`
	Details []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"additionalDetails"`
}

// Traces reads what the audit log says of activations of directory roles since a
// time, oldest first, as Belay itself. The scope of the assignment is empty: an
// entry does not tell it. The log is some minutes late.
func (c *Client) Traces(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	return c.traces(ctx, since, ofRoles, activities)
}

// Traces reads what the audit log says of activations of groups since a time,
// oldest first, as Belay itself. The log is some minutes late.
func (g *Groups) Traces(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	return g.client.traces(ctx, since, ofGroups, activities)
}

func (c *Client) traces(ctx context.Context, since time.Time, category string, named map[string]pim.TraceKind) ([]pim.Trace, error) {
	logged, err := c.readAudits(ctx, since)
	if err != nil {
		return nil, err
	}
	var traces []pim.Trace
	for _, a := range logged {
		kind, known := named[strings.ToLower(a.Activity)]
		if !known || !strings.EqualFold(a.Category, category) || a.At.Before(since) || a.ID == "" || a.vain(kind) {
			continue
		}
		traces = append(traces, a.trace(kind))
	}
	slices.SortStableFunc(traces, func(a, b pim.Trace) int { return a.At.Compare(b.At) })
	return traces, nil
}

// readAudits reads PIM's entries since the minute in which since is, so that both
// pillars ask for the same.
func (c *Client) readAudits(ctx context.Context, since time.Time) ([]audit, error) {
	const op = "traces"
	from := since.UTC().Truncate(time.Minute).Format(time.RFC3339)
	return c.audits.Get(ctx, op, from, func(ctx context.Context) ([]audit, error) {
		k, err := c.itself(op)
		if err != nil {
			return nil, err
		}
		filter, top := "loggedByService eq 'PIM' and activityDateTime ge "+from, auditsPage
		ri, err := auditlogs.NewDirectoryAuditsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx,
			&auditlogs.DirectoryAuditsRequestBuilderGetRequestConfiguration{
				QueryParameters: &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{
					Filter: &filter, Orderby: []string{"activityDateTime"}, Top: &top,
				},
			})
		return all[audit](ctx, k, ri, err)
	})
}

// vain says whether a is about something that did not come about. A denial and an
// expiry are failures of the request in Microsoft's eyes, and news in ours.
func (a audit) vain(kind pim.TraceKind) bool {
	return a.Result != "" && !strings.EqualFold(a.Result, "success") && kind != pim.TraceDenied && kind != pim.TraceExpired
}

func (a audit) trace(kind pim.TraceKind) pim.Trace {
	t := pim.Trace{ID: a.ID, At: a.At.Time, What: kind, By: a.by(), Reason: cmp.Or(a.Reason, a.detail("Justification")),
		// Entries have one, or the other, or both.
		Request: cmp.Or(a.detail("RoleAssignmentRequestId"), a.detail("RequestId"))}
	for _, r := range a.Targets {
		switch {
		case strings.EqualFold(r.Type, "User") && t.Principal == "":
			t.Principal = r.ID
		case strings.EqualFold(r.Type, "Request") && t.Request == "":
			t.Request = r.ID
		case strings.EqualFold(r.Type, "Group"):
			t.Assignment.Scope, t.ScopeName = r.ID, r.Name
		case strings.EqualFold(r.Type, "Role"):
			t.Assignment.Role, t.RoleName = r.ID, r.Name
			for _, m := range r.Changes {
				var id string
				if strings.EqualFold(m.Name, "RoleDefinitionOriginId") && json.Unmarshal([]byte(m.New), &id) == nil && id != "" {
					t.Assignment.Role = id
				}
			}
			if strings.EqualFold(a.Category, ofGroups) { // the id is one that only PIM knows
				t.Assignment.Role, t.RoleName = strings.ToLower(r.Name), partName(strings.ToLower(r.Name))
			}
		}
	}
	t.Assignment.Kind = pim.EntraRole
	if strings.EqualFold(a.Category, ofGroups) {
		t.Assignment.Kind = pim.Group
	}
	return t
}

func (a audit) detail(key string) string {
	for _, d := range a.Details {
		if strings.EqualFold(d.Key, key) {
			return d.Value
		}
	}
	return ""
}

// by is the person who did it. PIM calls itself a user too, one without a user
// principal name.
func (a audit) by() pim.Principal {
	u := a.By.User
	if u.UPN == "" && (strings.Contains(u.Name, "PIM") || strings.Contains(u.Name, "Privileged Identity Management")) {
		return pim.Principal{}
	}
	return u.principal()
}
