package graph

import (
	"context"
	"regexp"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"

	"github.com/belaybot/belay/pim"
)

// plans are the service plans that PIM needs, by id. Source: "Product names and service
// plan identifiers for licensing".
var plans = map[string]pim.Plan{
	"eec0eb4f-6444-4f95-aba0-50c24d67f998": pim.PlanP2,
	"e866a266-3cff-43a3-acca-0c90a7e00c8b": pim.PlanGovernance,
}

// Licences reads the subscriptions by which PIM may be used.
func (l *Lists) Licences(ctx context.Context) ([]pim.Licence, error) {
	k, err := l.client.itself("licences")
	if err != nil {
		return nil, err
	}
	found, err := all[struct {
		SKU      string `json:"skuPartNumber"`
		Status   string `json:"capabilityStatus"`
		Services []struct {
			ID     string `json:"servicePlanId"`
			Status string `json:"provisioningStatus"`
		} `json:"servicePlans"`
	}](ctx, k, k.template(abstractions.GET, "/subscribedSkus", map[string]string{}), nil)
	var have []pim.Licence
	for _, sku := range found {
		for _, s := range sku.Services {
			plan, known := plans[strings.ToLower(s.ID)]
			// In its grace period a subscription works as before, and says Warning.
			inForce := strings.EqualFold(sku.Status, "Enabled") || strings.EqualFold(sku.Status, "Warning")
			if known && inForce && strings.EqualFold(s.Status, "Success") {
				have = append(have, pim.Licence{SKU: sku.SKU, Plan: plan})
			}
		}
	}
	return have, err
}

// review is a series of access reviews. A scope is one query, or several of resources.
type review struct {
	ID     string      `json:"id"`
	Name   string      `json:"displayName"`
	Status string      `json:"status"`
	Scope  reviewScope `json:"scope"`
	// Instances is what a review of many things names instead.
	Instances reviewScope `json:"instanceEnumerationScope"`
	Settings  struct {
		Recurrence *struct {
			Pattern struct {
				Type     string `json:"type"`
				Interval int    `json:"interval"`
			} `json:"pattern"`
			Range struct {
				Type string `json:"type"`
				End  string `json:"endDate"`
			} `json:"range"`
		} `json:"recurrence"`
	} `json:"settings"`
}

type reviewScope struct {
	Query     string `json:"query"`
	Resources []struct {
		Query string `json:"query"`
	} `json:"resourceScopes"`
}

var (
	reviewedRole  = regexp.MustCompile(`(?i)roleDefinition(?:s/|Id eq ')([0-9a-f]{8}-[0-9a-f-]{27})`)
	reviewedGroup = regexp.MustCompile(`(?i)groups/([0-9a-f]{8}-[0-9a-f-]{27})`)
)

// Reviews reads the series of access reviews.
func (l *Lists) Reviews(ctx context.Context, page string) ([]pim.AccessReview, string, error) {
	found, next, err := onePage[review](ctx, l.client, "reviews", page, plainly("/identityGovernance/accessReviews/definitions"))
	var all []pim.AccessReview
	for _, r := range found {
		all = append(all, r.review(l.client.now()))
	}
	return all, next, err
}

func (r review) review(now time.Time) pim.AccessReview {
	out := pim.AccessReview{ID: r.ID, Name: r.Name, Over: strings.EqualFold(r.Status, "Completed")}
	var queries []string
	for _, s := range []reviewScope{r.Scope, r.Instances} {
		queries = append(queries, s.Query)
		for _, q := range s.Resources {
			queries = append(queries, q.Query)
		}
	}
	text := strings.Join(queries, "\n")
	for _, m := range reviewedRole.FindAllStringSubmatch(text, -1) {
		out.Roles = append(out.Roles, strings.ToLower(m[1]))
	}
	for _, m := range reviewedGroup.FindAllStringSubmatch(text, -1) {
		out.Groups = append(out.Groups, strings.ToLower(m[1]))
	}
	again := r.Settings.Recurrence
	if again == nil {
		return out
	}
	const day = 24 * time.Hour
	every := map[string]time.Duration{"daily": day, "weekly": 7 * day, "absolutemonthly": 31 * day, "relativemonthly": 31 * day, "absoluteyearly": 366 * day, "relativeyearly": 366 * day}
	out.Every = every[strings.ToLower(again.Pattern.Type)] * time.Duration(max(again.Pattern.Interval, 1))
	if end, err := time.Parse(time.DateOnly, again.Range.End); err == nil && strings.EqualFold(again.Range.Type, "endDate") {
		out.Over = out.Over || end.Add(day).Before(now)
	}
	return out
}

// cameAbout is what PIM logs when one came about.
const cameAbout = "Add member to role completed (PIM activation)"

// Activations reads which activations came about since a time, newest first.
func (l *Lists) Activations(ctx context.Context, since time.Time, page string) ([]pim.Trace, string, error) {
	found, next, err := onePage[audit](ctx, l.client, "activations", page, func(ctx context.Context, k *call) (*abstractions.RequestInformation, error) {
		filter, top := "loggedByService eq 'PIM' and activityDisplayName eq '"+cameAbout+"' and activityDateTime ge "+since.UTC().Format(time.RFC3339), auditsPage
		return auditlogs.NewDirectoryAuditsRequestBuilderInternal(nil, k.adapter).ToGetRequestInformation(ctx,
			&auditlogs.DirectoryAuditsRequestBuilderGetRequestConfiguration{
				QueryParameters: &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{Filter: &filter, Orderby: []string{"activityDateTime desc"}, Top: &top}})
	})
	var all []pim.Trace
	for _, a := range found {
		if a.ID != "" && !a.vain(pim.TraceActivated) {
			all = append(all, a.trace(pim.TraceActivated))
		}
	}
	return all, next, err
}
