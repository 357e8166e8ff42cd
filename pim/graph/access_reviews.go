package graph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/internal/wire"
)

// AccessReviews reads and decides access reviews. Sources: the Graph reference of v1.0,
// "accessReviewScheduleDefinition: filterByCurrentUser", "accessReviewInstance:
// filterByCurrentUser", "List contactedReviewers", "accessReviewInstanceDecisionItem:
// filterByCurrentUser" and "Update accessReviewInstanceDecisionItem".
//
// The two actions in bulk, acceptRecommendations and batchRecordDecisions, are not used:
// they decide on whatever Microsoft holds at that moment, which is not what the reviewer
// was shown, and their answer does not say what was refused.
type AccessReviews struct{ client *Client }

// AccessReviews gives access reviews over the same connection.
func (c *Client) AccessReviews() *AccessReviews { return &AccessReviews{c} }

// The addresses, below /v1.0. "(on='reviewer')" keeps what its caller is to decide.
const (
	seriesAt  = "/identityGovernance/accessReviews/definitions"
	roundsAt  = seriesAt + "/{series}/instances"
	itemsAt   = roundsAt + "/{round}/decisions"
	reviewing = "/filterByCurrentUser(on='reviewer')"
	running   = "?%24filter=status%20eq%20'InProgress'"
)

// series is a series with what a round of it takes from it.
type series struct {
	review
	Settings struct {
		Justify    bool `json:"justificationRequiredOnApproval"`
		Recommends bool `json:"recommendationsEnabled"`
	} `json:"settings"`
	Stages []struct{} `json:"stageSettings"`
}

// round is an accessReviewInstance.
type round struct {
	ID     string      `json:"id"`
	Status string      `json:"status"`
	Start  stamp       `json:"startDateTime"`
	End    stamp       `json:"endDateTime"`
	Scope  reviewScope `json:"scope"`
}

// item is an accessReviewInstanceDecisionItem.
type item struct {
	ID        string   `json:"id"`
	Principal identity `json:"principal"`
	Resource  struct {
		Name string `json:"displayName"`
	} `json:"resource"`
	Recommend string   `json:"recommendation"`
	Decision  string   `json:"decision"`
	Why       string   `json:"justification"`
	By        identity `json:"reviewedBy"`
	Reviewed  stamp    `json:"reviewedDateTime"`
	Applied   string   `json:"applyResult"`
	AppliedAt stamp    `json:"appliedDateTime"`
	Insights  []struct {
		Type string `json:"@odata.type"`
		Seen stamp  `json:"lastSignInDateTime"`
	} `json:"insights"`
}

// nobodysID is how Graph prints that nobody has decided yet.
const nobodysID = "00000000-0000-0000-0000-000000000000"

func (i item) item() pim.AccessReviewItem {
	out := pim.AccessReviewItem{ID: i.ID, Principal: i.Principal.principal(), Resource: i.Resource.Name, Recommend: pim.ParseVerdict(i.Recommend),
		Verdict: pim.ParseVerdict(cmp.Or(i.Decision, string(pim.VerdictNotReviewed))), Why: i.Why, Reviewed: i.Reviewed.Time,
		Applied: !i.AppliedAt.IsZero() || i.Applied != "" && !strings.EqualFold(i.Applied, "New")}
	if i.By.ID != nobodysID {
		out.By = i.By.principal()
	}
	for _, n := range i.Insights {
		if typed(n.Type, "userSignInInsight") {
			out.LastSeen = n.Seen.Time
		}
	}
	return out
}

// seriesAtOnce is how many series one part of a look reads.
const seriesAtOnce = 10

// Running lists the reviews that are held now with whoever is asked, as Belay itself, in
// parts: a tenant may hold thousands. What cannot be read alone does not stop the others.
func (a *AccessReviews) Running(ctx context.Context, from string) (look pim.AccessReviewLook, err error) {
	k, err := a.client.itself("access reviews")
	if err != nil {
		return look, err
	}
	list, err := k.series(ctx, "")
	slices.SortFunc(list, func(a, b series) int { return strings.Compare(a.ID, b.ID) })
	list = slices.DeleteFunc(list, func(s series) bool { return s.ID <= from })
	if len(list) > seriesAtOnce {
		list = list[:seriesAtOnce]
		look.Next = list[seriesAtOnce-1].ID
	}
	for _, s := range list {
		found, err := k.rounds(ctx, s, "")
		if missed(&look, err) {
			continue
		}
		if err != nil {
			return pim.AccessReviewLook{}, err
		}
		for _, r := range found {
			if err = k.asked(ctx, &r); err == nil {
				look.Rounds = append(look.Rounds, r)
			} else if !missed(&look, err) {
				return pim.AccessReviewLook{}, err
			}
		}
	}
	return look, err
}

// asked reads who is asked in a round, and whether there is somebody left.
func (k *call) asked(ctx context.Context, r *pim.AccessReviewRound) error {
	at := map[string]string{"series": r.Series, "round": r.Review}
	all, err := all[identity](ctx, k, k.template(abstractions.GET, roundsAt+"/{round}/contactedReviewers", at), nil)
	if err != nil {
		return err
	}
	for _, who := range all {
		if plain(who.ID) {
			r.Reviewers = append(r.Reviewers, who.principal())
		}
	}
	body, err := k.send(ctx, k.template(abstractions.GET, itemsAt+"?%24filter=decision%20eq%20'NotReviewed'&%24top=1", at), nil)
	if err != nil {
		return err
	}
	left, err := one[page[item]](k, body)
	r.Open = len(left.Value) > 0
	return err
}

// Waiting lists the reviews that person is to decide in now, with their token. What cannot
// be read alone does not stop the others; a sign-in that is wanted does, and so does a limit:
// it holds for all of them.
func (a *AccessReviews) Waiting(ctx context.Context, person string) (look pim.AccessReviewLook, err error) {
	k, err := a.client.as("my access reviews", person)
	if err != nil {
		return look, err
	}
	list, err := k.series(ctx, reviewing)
	for n, s := range list {
		rounds, err := k.rounds(ctx, s, reviewing)
		switch pim.CodeOf(err) {
		case pim.CodeSignIn, pim.CodeStepUp:
			return pim.AccessReviewLook{}, err
		case pim.CodeThrottled:
			look.Missed, look.Why = look.Missed+len(list)-n, err
			return look, nil
		}
		if err != nil {
			look.Missed, look.Why = look.Missed+1, err
			continue
		}
		look.Rounds = append(look.Rounds, rounds...)
	}
	return look, err
}

// missed notes what is gone, or is kept from Belay, alone.
func missed(look *pim.AccessReviewLook, err error) bool {
	if code := pim.CodeOf(err); code != pim.CodeForbidden && code != pim.CodeNotFound {
		return false
	}
	look.Missed, look.Why = look.Missed+1, err
	return true
}

// series reads the series that may have a round under way; filter says whose.
func (k *call) series(ctx context.Context, filter string) ([]series, error) {
	list, err := all[series](ctx, k, k.template(abstractions.GET, seriesAt+filter, map[string]string{}), nil)
	return slices.DeleteFunc(list, func(s series) bool {
		return !plain(s.ID) || strings.EqualFold(s.Status, "NotStarted") || strings.EqualFold(s.Status, "Completed")
	}), err
}

// rounds reads the rounds of a series that are under way; filter says whose.
func (k *call) rounds(ctx context.Context, s series, filter string) (found []pim.AccessReviewRound, err error) {
	over := s.review.review(k.client.now())
	rounds, err := all[round](ctx, k, k.template(abstractions.GET, roundsAt+filter+running, map[string]string{"series": s.ID}), nil)
	for _, r := range rounds {
		if !plain(r.ID) || !strings.EqualFold(r.Status, "InProgress") {
			continue
		}
		one := pim.AccessReviewRound{AccessReviewRef: pim.AccessReviewRef{Series: s.ID, Review: r.ID}, Name: s.Name, Start: r.Start.Time, End: r.End.Time,
			Justify: s.Settings.Justify, Recommends: s.Settings.Recommends, Staged: len(s.Stages) > 0}
		of := review{Scope: r.Scope}.review(k.client.now())
		if len(of.Roles)+len(of.Groups) == 0 {
			of = over
		}
		for _, role := range of.Roles {
			one.Of = append(one.Of, pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"})
		}
		for _, group := range of.Groups {
			one.Of = append(one.Of, pim.Assignment{Kind: pim.Group, Role: pim.Member, Scope: group})
		}
		found = append(found, one)
	}
	return found, err
}

// Items lists whom person is to decide about in a review, with their token.
func (a *AccessReviews) Items(ctx context.Context, person string, r pim.AccessReviewRef) ([]pim.AccessReviewItem, error) {
	k, at, err := a.in("access review", person, r)
	if err != nil {
		return nil, err
	}
	found, err := all[item](ctx, k, k.template(abstractions.GET, itemsAt+reviewing, at), nil)
	if err != nil {
		return nil, err
	}
	list := make([]pim.AccessReviewItem, 0, len(found))
	for _, i := range found {
		if plain(i.ID) {
			list = append(list, i.item())
		}
	}
	return list, nil
}

// Decide records person's decision on one item, with their token. Microsoft takes it from
// nobody else, and from no application.
func (a *AccessReviews) Decide(ctx context.Context, person string, d pim.AccessReviewDecision) error {
	k, at, err := a.in("decide access", person, d.AccessReviewRef)
	switch {
	case err != nil:
		return err
	case !plain(d.Item):
		return wire.Invalid(k.Op, "the item's id cannot be one of Microsoft's")
	case d.Verdict != pim.VerdictApprove && d.Verdict != pim.VerdictDeny && d.Verdict != pim.VerdictDontKnow:
		return wire.Invalid(k.Op, "a decision is to keep, to remove, or not to know")
	}
	k.Write, k.Approval = true, true
	at["item"] = d.Item
	verdict, body := string(d.Verdict), models.NewAccessReviewInstanceDecisionItem()
	body.SetDecision(&verdict)
	body.SetJustification(given(d.Why))
	ri := k.template(abstractions.PATCH, itemsAt+"/{item}", at)
	_, err = k.send(ctx, ri, ri.SetContentFromParsable(ctx, k.adapter, "application/json", body)) // what it answers is read anew
	return err
}

// in begins a call of person's about one review.
func (a *AccessReviews) in(op, person string, r pim.AccessReviewRef) (*call, map[string]string, error) {
	k, err := a.client.as(op, person)
	if err == nil && (!plain(r.Series) || !plain(r.Review)) {
		err = wire.Invalid(op, "the review's id cannot be one of Microsoft's")
	}
	return k, map[string]string{"series": r.Series, "round": r.Review}, err
}
