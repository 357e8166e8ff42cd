package pimtest

import (
	"slices"
	"strings"
	"time"
)

// What is told of the whole tenant: its applications, its subscriptions, its reviews.

// AddServicePrincipal adds or renames an application's identity, which can hold roles.
func (t *Tenant) AddServicePrincipal(id, name string) error {
	if err := guids("service principal", id); err != nil {
		return err
	}
	return t.change(func() error {
		if t.w.Services == nil {
			t.w.Services = map[string]string{}
		}
		t.w.Services[strings.ToLower(id)] = name
		return nil
	})
}

// Review is a series of access reviews over who holds a directory role.
type Review struct {
	ID, Name, Role string
	Months         int       // between two reviews; 0: it is held once
	Until          time.Time // zero: for ever

	NoReason bool // who lets somebody keep it need not say why
	NoSelf   bool // nobody decides about themselves
	Stages   int  // one after another; 0: it is not held in stages
}

// AddReview adds a series.
func (t *Tenant) AddReview(r Review) error {
	if err := guids("review", r.ID, r.Role); err != nil {
		return err
	}
	return t.change(func() error { t.w.Reviews = append(t.w.Reviews, r); return nil })
}

func skuShape() shape {
	return shape{typ: "subscribedSku", props: []string{"id", "capabilityStatus", "consumedUnits", "prepaidUnits", "servicePlans", "skuId", "skuPartNumber", "appliesTo"}}
}

// listSKUs answers the one subscription that holds P2, which has run out where the tenant
// is not licensed.
func listSKUs(c *call) (result, *GraphError) {
	status, units := "Enabled", obj{"enabled": 250, "suspended": 0, "warning": 0}
	if c.t.w.Unlicensed {
		status, units = "Suspended", obj{"enabled": 0, "suspended": 250, "warning": 0}
	}
	const sku = "84a661c4-e949-4bd2-a560-ed7766fcaf2b"
	return c.list(skuShape(), "subscribedSkus", []obj{{
		"id": c.t.opt.TenantID + "_" + sku, "capabilityStatus": status, "consumedUnits": 42, "prepaidUnits": units, "skuId": sku,
		"skuPartNumber": "AAD_PREMIUM_P2", "appliesTo": "User", "servicePlans": []obj{
			{"servicePlanId": "eec0eb4f-6444-4f95-aba0-50c24d67f998", "servicePlanName": "AAD_PREMIUM_P2", "provisioningStatus": "Success", "appliesTo": "User"},
			{"servicePlanId": "41781fb2-bc02-4b7c-bd55-b576c07bb09d", "servicePlanName": "AAD_PREMIUM", "provisioningStatus": "Success", "appliesTo": "User"},
		},
	}}, nil)
}

func reviewShape() shape {
	return shape{typ: "accessReviewScheduleDefinition", props: []string{"id", "displayName", "status", "createdDateTime", "scope", "instanceEnumerationScope", "settings", "stageSettings"}, options: []string{"$top"}}
}

func reviewQuery(q string) obj {
	return obj{"@odata.type": "#microsoft.graph.accessReviewQueryScope", "query": q, "queryType": "MicrosoftGraph", "queryRoot": nil}
}

// listReviews answers in the form of the documented example.
func listReviews(c *call) (result, *GraphError) {
	var rows []obj
	query := reviewQuery
	for _, r := range c.t.w.Reviews {
		if c.forCaller() && len(c.rounds(r.ID)) == 0 {
			continue
		}
		var recurrence any
		if r.Months > 0 {
			last := obj{"type": c.enum("noEnd", r.ID), "numberOfOccurrences": 0, "recurrenceTimeZone": nil, "startDate": "2026-01-01", "endDate": nil}
			if !r.Until.IsZero() {
				last["type"], last["endDate"] = c.enum("endDate", r.ID), r.Until.Format(time.DateOnly)
			}
			recurrence = obj{"range": last, "pattern": obj{"type": c.enum("absoluteMonthly", r.ID), "interval": r.Months, "month": 0, "dayOfMonth": 1,
				"daysOfWeek": []string{}, "firstDayOfWeek": "sunday", "index": "first"}}
		}
		rows = append(rows, obj{
			"id": r.ID, "displayName": r.Name, "status": "InProgress", "createdDateTime": nil, "instanceEnumerationScope": nil,
			"scope": obj{"@odata.type": "#microsoft.graph.principalResourceMembershipsScope", "principalScopes": []obj{query("/users"), query("/groups")},
				"resourceScopes": []obj{query("/roleManagement/directory/roleDefinitions/" + r.Role)}},
			"stageSettings": slices.Repeat([]any{obj{"durationInDays": 7}}, r.Stages),
			"settings": obj{"mailNotificationsEnabled": true, "reminderNotificationsEnabled": true, "justificationRequiredOnApproval": !r.NoReason,
				"defaultDecisionEnabled": false, "defaultDecision": "None", "instanceDurationInDays": 14, "recommendationsEnabled": true, "recurrence": recurrence},
		})
	}
	return c.list(reviewShape(), "identityGovernance/accessReviews/definitions", rows, nil)
}
