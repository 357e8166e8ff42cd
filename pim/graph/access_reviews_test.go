package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/graph"
	"github.com/belaybot/belay/pim/pimtest"
)

const (
	series = "c1000000-0000-4000-8000-000000000001"
	round  = "c2000000-0000-4000-8000-000000000001"
	itemA  = "c3000000-0000-4000-8000-000000000001"
	itemB  = "c3000000-0000-4000-8000-000000000002"
	itemC  = "c3000000-0000-4000-8000-000000000003"
)

var thisRound = pim.AccessReviewRef{Series: series, Review: round}

// reviewed is a tenant in which Bob and Erin review who holds a role; Bob does himself too.
func reviewed(t *testing.T, unkind *pimtest.Unkind, change func(*pimtest.Review)) (*tenant, *graph.AccessReviews) {
	t.Helper()
	w := newTenant(t, unkind)
	s := pimtest.Review{ID: series, Name: "Who administers security", Role: roleApproved, Months: 3}
	if change != nil {
		change(&s)
	}
	w.must(w.AddReview(s), w.AddReview(pimtest.Review{ID: unit, Name: "Another", Role: roleOpen, Months: 3}),
		w.AddRound(pimtest.Round{ID: round, Review: series, Reviewers: []string{simBob, simErin}, Start: noon.Add(-time.Hour), End: noon.Add(13 * 24 * time.Hour),
			Items: []pimtest.ReviewItem{{ID: itemA, Principal: simAlice, Recommend: "Approve", LastSignIn: noon.Add(-24 * time.Hour)}, {ID: itemB, Principal: simCarol, Recommend: "Deny"},
				{ID: itemC, Principal: simBob, Recommend: "NoInfoAvailable"}}}),
		w.AddRound(pimtest.Round{ID: itemA, Review: series, Reviewers: []string{simBob}, Start: noon.Add(-2000 * time.Hour), End: noon.Add(-1000 * time.Hour)}))
	return w, w.Client.AccessReviews()
}

// Who reviews sees their own reviews and people, whoever is unkind, and Belay itself sees
// who is asked and how many are open.
func TestAccessReviewsAreRead(t *testing.T) {
	w, a := reviewed(t, &pimtest.Unkind{Seed: 3, EnumCase: true, PageSize: 1}, nil)
	waits, err := a.Waiting(t.Context(), simBob)
	w.must(err)
	mine := waits.Rounds
	want := []pim.AccessReviewRound{{AccessReviewRef: thisRound, Name: "Who administers security", Start: noon.Add(-time.Hour), End: noon.Add(13 * 24 * time.Hour), Justify: true, Recommends: true,
		Of: []pim.Assignment{at(roleApproved)}}}
	if d := cmp.Diff(want, mine); d != "" {
		t.Errorf("waits for Bob (-want +got):\n%s", d)
	}
	if other, err := a.Waiting(t.Context(), simAlice); err != nil || len(other.Rounds) != 0 {
		t.Errorf("waits for Alice: %+v, %v", other, err)
	}
	items, err := a.Items(t.Context(), simBob, thisRound)
	w.must(err)
	if d := cmp.Diff([]pim.AccessReviewItem{
		{ID: itemA, Principal: pim.Principal{ID: simAlice, Name: "Alice", UPN: "alice@contoso.com"}, Resource: "Security Administrator", Recommend: pim.VerdictApprove,
			LastSeen: noon.Add(-24 * time.Hour), Verdict: pim.VerdictNotReviewed},
		{ID: itemB, Principal: pim.Principal{ID: simCarol, Name: "Carol", UPN: "carol@contoso.com"}, Resource: "Security Administrator", Recommend: pim.VerdictDeny, Verdict: pim.VerdictNotReviewed},
		{ID: itemC, Principal: pim.Principal{ID: simBob, Name: "Bob", UPN: "bob@contoso.com"}, Resource: "Security Administrator", Recommend: pim.VerdictNoInfo, Verdict: pim.VerdictNotReviewed},
	}, items); d != "" {
		t.Errorf("Bob's people (-want +got):\n%s", d)
	}
	w.must(a.Decide(t.Context(), simBob, pim.AccessReviewDecision{AccessReviewRef: thisRound, Item: itemB, Verdict: pim.VerdictDeny}))
	w.must(w.PortalReview(simErin, round, itemA, "Approve", "in the portal"))
	if items, err = a.Items(t.Context(), simBob, thisRound); err != nil || items[1].Verdict != pim.VerdictDeny || items[1].By.ID != simBob || items[1].Reviewed.IsZero() ||
		items[0].By.ID != simErin || items[0].Why != "in the portal" || items[0].Applied {
		t.Errorf("after decisions: %+v, %v", items, err)
	}
	look, err := a.Running(t.Context(), "")
	all := look.Rounds
	if err != nil || len(all) != 1 || !all[0].Open || len(all[0].Reviewers) != 2 || all[0].Reviewers[0].ID != simBob || all[0].Reviewers[0].Name != "Bob" {
		t.Errorf("as Belay itself: %+v, %v", all, err)
	}
	w.pass(14 * 24 * time.Hour)
	if look, err = a.Running(t.Context(), ""); err != nil || len(look.Rounds) != 0 {
		t.Errorf("after its end: %+v, %v", look, err)
	}
}

// A decision is refused as Microsoft refuses it, and one whose answer was lost is ambiguous.
func TestAccessDecisionsAreRefused(t *testing.T) {
	w, a := reviewed(t, pimtest.Kind(), func(r *pimtest.Review) { r.NoSelf = true })
	decide := func(who, item string, v pim.Verdict, why string) error {
		return a.Decide(t.Context(), who, pim.AccessReviewDecision{AccessReviewRef: thisRound, Item: item, Verdict: v, Why: why})
	}
	w.wants("not a reviewer", decide(simAlice, itemA, pim.VerdictApprove, "x"), pim.CodeNotApprover)
	w.wants("no reason", decide(simBob, itemA, pim.VerdictApprove, ""), pim.CodeInvalid)
	w.wants("one's own access", decide(simBob, itemC, pim.VerdictApprove, "I need it"), pim.CodeNotApprover)
	w.wants("no such item", decide(simBob, unit, pim.VerdictDeny, ""), pim.CodeNotFound)
	w.wants("no decision", decide(simBob, itemA, pim.VerdictNotReviewed, ""), pim.CodeInvalid)
	w.wants("no id", decide(simBob, "../x", pim.VerdictDeny, ""), pim.CodeInvalid)
	patch := func(r *http.Request) bool { return r.Method == http.MethodPatch }
	w.FailNext(patch, pimtest.Refusal("TooManyRequests"))
	err := decide(simBob, itemA, pim.VerdictDeny, "")
	w.wants("throttled", err, pim.CodeThrottled)
	if e := refused(t, err); e.Ambiguous {
		t.Errorf("%+v", e)
	}
	w.FailNext(patch, pimtest.Fault{Drop: true, AfterWrite: true})
	err = decide(simBob, itemA, pim.VerdictDeny, "")
	w.wants("lost", err, pim.CodeUnavailable)
	if e := refused(t, err); !e.Ambiguous {
		t.Errorf("%+v", e)
	}
	if items, err := a.Items(t.Context(), simBob, thisRound); err != nil || items[0].Verdict != pim.VerdictDeny {
		t.Errorf("it was done: %+v, %v", items, err)
	}
	w.must(w.ApplyRound(round))
	w.wants("applied", decide(simBob, itemA, pim.VerdictApprove, "x"), pim.CodeInvalid)
	if items, err := a.Items(t.Context(), simBob, thisRound); err != nil || !items[0].Applied || items[1].Applied {
		t.Errorf("it is applied: %+v, %v", items, err)
	}
	w.must(w.StopRound(round))
	w.wants("ended", decide(simBob, itemB, pim.VerdictDeny, ""), pim.CodeInvalid)
	w.FailNext(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "(on='reviewer')") }, pimtest.Refusal("Authorization_RequestDenied"))
	_, err = a.Waiting(t.Context(), simBob)
	w.wants("no permission", err, pim.CodeForbidden)
}

// A large tenant is looked at in parts, one item of each review is enough, and what cannot be
// read alone does not stop the others.
func TestALookForReviewsGoesOn(t *testing.T) {
	w, a := reviewed(t, pimtest.Kind(), nil)
	for n := range 12 {
		id := fmt.Sprintf("c1000000-0000-4000-8000-0000000001%02d", n)
		w.must(w.AddReview(pimtest.Review{ID: id, Name: "Series", Role: roleOpen, Months: 3}),
			w.AddRound(pimtest.Round{ID: fmt.Sprintf("c2000000-0000-4000-8000-0000000001%02d", n), Review: id, Reviewers: []string{simBob}, Start: noon.Add(-time.Hour), End: noon.Add(time.Hour)}))
	}
	w.FailNext(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/contactedReviewers") }, pimtest.Refusal("Authorization_RequestDenied"))
	var found, missed, parts int
	for from := ""; parts == 0 || from != ""; parts++ {
		look, err := a.Running(t.Context(), from)
		w.must(err)
		found, missed, from = found+len(look.Rounds), missed+look.Missed, look.Next
	}
	if found != 12 || missed != 1 || parts != 2 {
		t.Errorf("%d found, %d missed, in %d parts", found, missed, parts)
	}
}

// One series that cannot be read leaves the others in a reviewer's list; a sign-in that is
// wanted, and a limit, hold for all of them.
func TestOneSeriesDoesNotHideTheOthers(t *testing.T) {
	w, a := reviewed(t, pimtest.Kind(), nil)
	for n := range 2 {
		id := fmt.Sprintf("c1000000-0000-4000-8000-0000000001%02d", n)
		w.must(w.AddReview(pimtest.Review{ID: id, Name: "Series", Role: roleOpen, Months: 3}),
			w.AddRound(pimtest.Round{ID: fmt.Sprintf("c2000000-0000-4000-8000-0000000001%02d", n), Review: id, Reviewers: []string{simBob}, Start: noon.Add(-time.Hour), End: noon.Add(time.Hour)}))
	}
	rounds := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/instances/filterByCurrentUser") }
	for _, c := range []struct {
		no            pimtest.Fault
		found, missed int
		why, err      pim.Code
	}{
		{pimtest.Refusal("Authorization_RequestDenied"), 2, 1, pim.CodeForbidden, ""},
		{pimtest.Fault{Status: 503}, 2, 1, pim.CodeUnavailable, ""},
		{pimtest.Fault{Status: 404}, 2, 1, pim.CodeNotFound, ""},
		{pimtest.Refusal("TooManyRequests"), 0, 3, pim.CodeThrottled, ""},
		{pimtest.Fault{Status: 401}, 0, 0, "", pim.CodeSignIn},
	} {
		w.FailNext(rounds, c.no)
		look, err := a.Waiting(t.Context(), simBob)
		if len(look.Rounds) != c.found || look.Missed != c.missed || pim.CodeOf(look.Why) != c.why || pim.CodeOf(err) != c.err {
			t.Errorf("%+v: %+v, %v", c.no, look, err)
		}
	}
}

// A review in stages is told apart.
func TestReviewsInStagesAreSeen(t *testing.T) {
	for _, stages := range []int{0, 2} {
		_, a := reviewed(t, pimtest.Kind(), func(r *pimtest.Review) { r.Stages = stages })
		look, err := a.Waiting(t.Context(), simBob)
		mine := look.Rounds
		if err != nil || len(mine) != 1 || mine[0].Staged != (stages > 0) {
			t.Errorf("%d stages: %+v, %v", stages, mine, err)
		}
	}
}
