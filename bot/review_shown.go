package bot

import (
	"time"

	"github.com/belaybot/belay/pim"
)

// ReviewView is an access review as its reviewer sees it, for specimens of its cards and forms.
type ReviewView struct {
	r  accessReview
	at time.Time
}

// ReviewShown makes the view of a review at a time.
func ReviewShown(round pim.AccessReviewRound, items []pim.AccessReviewItem, at time.Time) ReviewView {
	r := accessReview{ID: reviewMark + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Round: round, Made: at}
	r.saw(items, at)
	return ReviewView{r, at}
}

// Told is the message that it waits.
func (v ReviewView) Told() Reply { c := reviewCard(v.r); return Reply{Card: &c} }

// Page is the review opened, from one of its people on.
func (v ReviewView) Page(from int) Reply { return reviewPage(v.r, from, v.at) }

// Accept is the form for all recommendations, Several that for some people, Keep that for one.
func (v ReviewView) Accept() Reply { reply, _ := acceptForm(v.r, "", ""); return reply }

// Several is the form for some people.
func (v ReviewView) Several() Reply { return severalForm(v.r, nil, nil) }

// Keep is the form for the nth person.
func (v ReviewView) Keep(n int) Reply { return Reply{Form: keepForm(v.r, v.r.Items[n], "", "")} }

// Decided is the message about decisions on the people by number, each with its outcome.
func (v ReviewView) Decided(outcomes map[int]string) Reply {
	var a reviewAct
	for n, i := range v.r.Items {
		if o, ok := outcomes[n]; ok {
			a.Decisions = append(a.Decisions, reviewDecision{Item: i.ID, Of: i.Principal, Verdict: pim.VerdictApprove, Outcome: reviewOutcome(o), Refusal: &Refusal{Code: pim.CodeDecided, By: "Carol Clark"}})
		}
	}
	c := actCard(v.r, a, func(string) string { return "" })
	return Reply{Card: &c}
}
