package pimtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Round is one review of a series while it is held: an accessReviewInstance.
type Round struct {
	ID, Review string // its own id and that of its series
	Reviewers  []string
	Start, End time.Time
	Stopped    bool // by an administrator
	Items      []ReviewItem
}

// ReviewItem is one person's access in a round.
type ReviewItem struct {
	ID, Principal string
	Recommend     string    // Approve, Deny or NoInfoAvailable
	LastSignIn    time.Time // zero: it is not told

	Decision string // empty: NotReviewed
	Why      string
	By       string
	At       time.Time
	Applied  bool
}

// AddRound begins a round of a series that AddReview made.
func (t *Tenant) AddRound(r Round) error {
	if err := guids("round", append([]string{r.ID, r.Review}, r.Reviewers...)...); err != nil {
		return err
	}
	for _, i := range r.Items {
		if err := guids("item", i.ID, i.Principal); err != nil {
			return err
		}
	}
	return t.change(func() error { t.w.Rounds = append(t.w.Rounds, &r); return nil })
}

// StopRound ends a round before its time, as an administrator may.
func (t *Tenant) StopRound(id string) error {
	return t.change(func() error {
		if r := t.w.round(id); r != nil {
			r.Stopped = true
		}
		return nil
	})
}

// ApplyRound carries out what was decided in a round.
func (t *Tenant) ApplyRound(id string) error {
	return t.change(func() error {
		if r := t.w.round(id); r != nil {
			for n := range r.Items {
				r.Items[n].Applied = r.Items[n].Decision != ""
			}
		}
		return nil
	})
}

// PortalReview decides on an item on Microsoft's own page.
func (t *Tenant) PortalReview(reviewer, round, item, decision, why string) error {
	return t.portal(reviewer, func(a asker) *GraphError {
		return t.decideItem(a.id, round, item, decision, why)
	})
}

// Rounds are all rounds, as they are now.
func (t *Tenant) Rounds() []Round {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Round
	for _, r := range t.w.Rounds {
		c := *r
		c.Items = slices.Clone(r.Items)
		all = append(all, c)
	}
	return all
}

func (w *world) round(id string) *Round {
	for _, r := range w.Rounds {
		if strings.EqualFold(r.ID, id) {
			return r
		}
	}
	return nil
}

func (r *Round) status(now time.Time) string {
	switch {
	case now.Before(r.Start):
		return "NotStarted"
	case r.Stopped, !now.Before(r.End):
		return "Completed"
	}
	return "InProgress"
}

func (r *Round) reviewedBy(person string) bool {
	return slices.ContainsFunc(r.Reviewers, func(id string) bool { return strings.EqualFold(id, person) })
}

// decideItem is what Microsoft takes and what it refuses: who is no reviewer, a review that
// has ended, a decision that was applied, and an approval without the reason that the
// series asks for.
func (t *Tenant) decideItem(by, round, item, decision, why string) *GraphError {
	r := t.w.round(round)
	switch {
	case r == nil:
		return refusal("Request_ResourceNotFound")
	case !r.reviewedBy(by):
		e := refusal("Forbidden")
		e.Message = "The caller is not a reviewer of this access review."
		return e
	case r.status(t.now()) != "InProgress":
		return badRequest("The access review instance is not in progress.")
	case !slices.Contains([]string{"Approve", "Deny", "DontKnow", "NotReviewed"}, decision):
		return badRequest("The decision '%s' is not valid.", decision)
	}
	s := t.w.review(r.Review)
	for n := range r.Items {
		i := &r.Items[n]
		if !strings.EqualFold(i.ID, item) {
			continue
		}
		switch {
		case i.Applied:
			return badRequest("The decision has already been applied.")
		case s != nil && s.NoSelf && strings.EqualFold(i.Principal, by):
			e := refusal("Forbidden")
			e.Message = "Reviewers cannot review their own access."
			return e
		case s != nil && !s.NoReason && decision == "Approve" && strings.TrimSpace(why) == "":
			return badRequest("A justification is required.")
		}
		i.Decision, i.Why, i.By, i.At = decision, why, by, t.now()
		return nil
	}
	return refusal("Request_ResourceNotFound")
}

func (w *world) review(id string) *Review {
	for n := range w.Reviews {
		if strings.EqualFold(w.Reviews[n].ID, id) {
			return &w.Reviews[n]
		}
	}
	return nil
}

func (t *Tenant) reviewRoutes(series []string) []route {
	const at = "v1.0/identityGovernance/accessReviews/definitions"
	const mine = "/filterByCurrentUser(on='reviewer')"
	write := []string{"AccessReview.ReadWrite.All"}
	return []route{
		{method: http.MethodGet, path: at, delegated: series, app: series, shape: reviewShape(), do: listReviews},
		{method: http.MethodGet, path: at + mine, delegated: series, shape: reviewShape(), do: listReviews},
		{method: http.MethodGet, path: at + "/*/instances", delegated: series, app: series, shape: roundShape(), do: listRounds},
		{method: http.MethodGet, path: at + "/*/instances" + mine, delegated: series, shape: roundShape(), do: listRounds},
		{method: http.MethodGet, path: at + "/*/instances/*/contactedReviewers", delegated: series, app: series, shape: reviewerShape(), do: listReviewers},
		{method: http.MethodGet, path: at + "/*/instances/*/decisions", delegated: series, app: series, shape: itemShape(), do: listItems},
		{method: http.MethodGet, path: at + "/*/instances/*/decisions" + mine, delegated: series, shape: itemShape(), do: listItems},
		{method: http.MethodPatch, path: at + "/*/instances/*/decisions/*", delegated: write, do: patchItem},
	}
}

func roundShape() shape {
	return shape{typ: "accessReviewInstance", props: []string{"id", "startDateTime", "endDateTime", "status", "scope", "reviewers", "fallbackReviewers"},
		filters: []string{"status"}, options: []string{"$top"}}
}

func reviewerShape() shape {
	return shape{typ: "accessReviewReviewer", props: []string{"id", "displayName", "userPrincipalName", "createdDateTime"}, options: []string{"$top"}}
}

func itemShape() shape {
	return shape{typ: "accessReviewInstanceDecisionItem", props: []string{"id", "accessReviewId", "reviewedDateTime", "decision", "justification", "appliedDateTime", "applyResult",
		"recommendation", "principalLink", "resourceLink", "resource", "reviewedBy", "appliedBy", "principal", "insights"},
		filters: []string{"decision", "recommendation", "applyResult"}, options: []string{"$top"}}
}

// forCaller says that only what the caller is to decide is asked for.
func (c *call) forCaller() bool { return strings.HasSuffix(c.r.URL.Path, "(on='reviewer')") }

// rounds are those of a series that the call is about.
func (c *call) rounds(series string) (all []*Round) {
	for _, r := range c.t.w.Rounds {
		if strings.EqualFold(r.Review, series) && (!c.forCaller() || r.reviewedBy(c.caller.id)) {
			all = append(all, r)
		}
	}
	return all
}

func listRounds(c *call) (result, *GraphError) {
	s := c.t.w.review(c.params[0])
	if s == nil {
		return result{}, refusal("Request_ResourceNotFound")
	}
	var rows []obj
	for _, r := range c.rounds(s.ID) {
		rows = append(rows, obj{"id": r.ID, "startDateTime": stamp(r.Start), "endDateTime": stamp(r.End), "status": r.status(c.t.now()),
			"scope": reviewQuery("/roleManagement/directory/roleDefinitions/" + s.Role), "reviewers": []obj{}, "fallbackReviewers": []obj{}})
	}
	for n, o := range rows { // an enumeration is printed in varying letter case, and filtered in any
		rows[n]["status"] = c.enum(o["status"].(string), o["id"].(string))
	}
	return c.list(roundShape(), "Collection(accessReviewInstance)", rows, nil)
}

// theRound is the round of a call's address; a caller who asks for their own part has one
// only as its reviewer.
func (c *call) theRound() (*Round, *GraphError) {
	for _, r := range c.rounds(c.params[0]) {
		if strings.EqualFold(r.ID, c.params[1]) {
			return r, nil
		}
	}
	return nil, refusal("Request_ResourceNotFound")
}

func listReviewers(c *call) (result, *GraphError) {
	r, e := c.theRound()
	if e != nil {
		return result{}, e
	}
	var rows []obj
	for _, id := range r.Reviewers {
		o := obj{"id": id, "displayName": nil, "userPrincipalName": nil, "createdDateTime": stamp(r.Start)}
		if u := c.t.w.Users[strings.ToLower(id)]; u != nil {
			o["displayName"], o["userPrincipalName"] = u.Name, u.UPN
		}
		rows = append(rows, o)
	}
	return c.list(reviewerShape(), "Collection(accessReviewReviewer)", rows, nil)
}

// listItems answers in the form of the documented example.
func listItems(c *call) (result, *GraphError) {
	r, e := c.theRound()
	if e != nil {
		return result{}, e
	}
	role := ""
	if s := c.t.w.review(r.Review); s != nil {
		role = s.Role
	}
	resource := obj{"id": role, "displayName": role, "type": "DirectoryRole"}
	if d := c.t.w.Roles[role]; d != nil {
		resource["displayName"] = d.Name
	}
	const nobody = "00000000-0000-0000-0000-000000000000"
	who := func(id string) obj {
		o := obj{"id": nobody, "displayName": "", "userPrincipalName": ""}
		if u := c.t.w.Users[strings.ToLower(id)]; u != nil {
			o = obj{"id": u.ID, "displayName": u.Name, "userPrincipalName": u.UPN}
		}
		return o
	}
	var rows []obj
	for _, i := range r.Items {
		principal := who(i.Principal)
		principal["@odata.type"] = "#microsoft.graph.userIdentity"
		decision, applied := i.Decision, "New"
		if decision == "" {
			decision = "NotReviewed"
		}
		o := obj{"id": i.ID, "accessReviewId": r.ID, "reviewedDateTime": stamp(i.At), "decision": c.enum(decision, i.ID), "justification": i.Why, "appliedDateTime": nil,
			"recommendation": c.enum(i.Recommend, i.ID), "principalLink": c.t.urls.Graph + "/v1.0/users/" + i.Principal, "resourceLink": nil, "resource": resource,
			"reviewedBy": who(i.By), "appliedBy": who(""), "principal": principal}
		if i.Applied {
			applied, o["appliedDateTime"] = "AppliedSuccessfully", stamp(r.End)
		}
		if !i.LastSignIn.IsZero() {
			o["insights"] = []obj{{"@odata.type": "#microsoft.graph.userSignInInsight", "lastSignInDateTime": stamp(i.LastSignIn), "insightCreatedDateTime": stamp(r.Start)}}
		}
		o["applyResult"] = applied
		rows = append(rows, o)
	}
	return c.list(itemShape(), "Collection(accessReviewInstanceDecisionItem)", rows, nil)
}

func patchItem(c *call) (result, *GraphError) {
	var in struct {
		ODataType     string `json:"@odata.type"`
		Decision      string `json:"decision"`
		Justification string `json:"justification"`
	}
	if e := c.body(&in); e != nil {
		return result{}, e
	}
	if _, e := c.theRound(); e != nil {
		return result{}, e
	}
	if e := c.t.decideItem(c.caller.id, c.params[1], c.params[2], in.Decision, in.Justification); e != nil {
		return result{}, e
	}
	c.wrote = true
	return result{status: http.StatusNoContent}, nil
}
