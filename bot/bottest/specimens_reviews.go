package bottest

import (
	"fmt"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// reviewSpecimens are what a reviewer sees of an access review.
func reviewSpecimens(at time.Time) []Specimen {
	round := pim.AccessReviewRound{Name: "Who administers users", End: at.Add(72 * time.Hour), Justify: true}
	item := func(n int, name string, v pim.Verdict) pim.AccessReviewItem {
		return pim.AccessReviewItem{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Principal: pim.Principal{ID: name, Name: name, UPN: "x@contoso.example"},
			Resource: "User Administrator", Recommend: v, LastSeen: at.Add(-time.Hour), Verdict: pim.VerdictNotReviewed}
	}
	few := []pim.AccessReviewItem{item(1, alice.Name, pim.VerdictApprove), item(2, "Carol Clark", pim.VerdictDeny), item(3, bob.Name, pim.VerdictNoInfo)}
	few[2].Verdict, few[2].By, few[2].LastSeen = pim.VerdictDontKnow, bob, time.Time{}
	var many []pim.AccessReviewItem
	for n := range 300 {
		many = append(many, item(n, fmt.Sprintf("%s %d", Long[:300], n), []pim.Verdict{pim.VerdictApprove, pim.VerdictDeny}[n%2]))
	}
	r, large := bot.ReviewShown(round, few, at), bot.ReviewShown(round, many, at)
	page := func(name string, p bot.Reply) Specimen {
		return Specimen{Name: name, Card: p.Card, More: p.More, Form: p.Form}
	}
	nobody := bot.UnreviewedCard([]string{"Global Administrator", "Security Administrator"}, "https://entra.microsoft.com")
	return []Specimen{
		page("review-waits", r.Told()), page("review-page", r.Page(0)), page("review-page-large", large.Page(5)),
		page("review-accept", r.Accept()), page("review-accept-large", large.Accept()), page("review-several", large.Several()), page("review-keep", r.Keep(0)),
		page("review-recorded", r.Decided(map[int]string{0: "recorded", 1: "refused"})), page("review-nobody", bot.Reply{Card: &nobody}),
	}
}
