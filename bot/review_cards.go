package bot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// The fields of a review's forms, besides the reason.
const (
	fieldPeople  = "people"
	fieldVerdict = "verdict"
)

// reviewPost and actPost are the bulletins of a review.
func reviewPost(id string) string                  { return "review/" + id }
func actPost(id, act string) string                { return reviewPost(id) + "/" + act }
func remindPost(id string, d time.Duration) string { return reviewPost(id) + "/" + d.String() }

// postReview keeps true what the reviewer was told: that the review waits, what they were
// reminded of, and what became of each of their acts.
func (b *Bot) postReview(tx store.Tx, before, r accessReview, now time.Time) error {
	var errs []error
	to := []string{r.Reviewer.ID}
	if r.Told {
		errs = append(errs, b.post(tx, Bulletin{ID: reviewPost(r.ID), Card: reviewCard(r), People: to, At: r.Made}))
	}
	fresh := time.Duration(0) // of several reminders that were missed, the last one is given
	for _, d := range r.Reminded {
		if at := r.Round.End.Add(-d); at.After(r.Made) && !slices.Contains(before.Reminded, d) && (fresh == 0 || d < fresh) {
			fresh = d
		}
	}
	for _, d := range r.Reminded {
		_, err := getBulletin(tx, b.bulletinID(remindPost(r.ID, d)))
		if given := err == nil; given || d == fresh && !r.Done && !r.Over {
			errs = append(errs, b.post(tx, Bulletin{ID: remindPost(r.ID, d), Card: reminderCard(r), People: to, At: r.Round.End.Add(-d)}))
		} else if !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	for _, a := range r.Acts {
		errs = append(errs, b.post(tx, Bulletin{ID: actPost(r.ID, a.ID), Card: actCard(r, a, b.o.Links.URL), People: to, At: a.Made}))
	}
	return errors.Join(errs...)
}

// resource is what a review is about, where it is known.
func (r accessReview) resource() string {
	var names []string
	for _, i := range r.Items {
		if i.Resource != "" && !slices.Contains(names, i.Resource) {
			names = append(names, i.Resource)
		}
	}
	return sayList(names, "and")
}

func (r accessReview) facts() []Fact {
	var all []Fact
	if of := r.resource(); of != "" {
		all = append(all, Fact{Name: "Access to", Value: of})
	}
	all = append(all, Fact{Name: "Ends", At: r.Round.End})
	if !r.Read.IsZero() && !r.Unsure {
		all = append(all, Fact{Name: "Left for you", Value: fmt.Sprintf("%d of %d", len(r.open()), len(r.Items))})
	}
	return all
}

// opened are the buttons of a review that can still be decided.
func (r accessReview) actions() []Action {
	if r.Over || r.Round.Staged {
		return nil
	}
	return []Action{{Label: "Open", Style: Primary, Verb: VerbReviews, ID: r.ID}}
}

// reviewCard tells a reviewer that a review waits, and then how it stands.
func reviewCard(r accessReview) Card {
	c := Card{Title: sayReviewTitle(r), Tone: Waiting, Text: sayReviewWaits, Facts: r.facts(), Actions: r.actions()}
	switch {
	case r.Over:
		c.Tone, c.Text = Neutral, sayReviewOver
	case r.Done:
		c.Tone, c.Text = Good, sayReviewDone
	case r.Round.Staged:
		c.Text = sayReviewStaged
	case r.Unsure:
		c.Text = sayReviewUnsure
	}
	return c
}

func reminderCard(r accessReview) Card {
	c := reviewCard(r)
	switch {
	case !r.Over && !r.Done && (r.Round.Staged || r.Unsure):
		c.Title = sayReminderTitle(r)
	case !r.Over && !r.Done:
		c.Title, c.Text = sayReminderTitle(r), sayReminder
	}
	return c
}

// reviewList is the answer to /elevate reviews: of some, the next is the first that is left out.
func reviewList(all []accessReview, of, next int) Reply {
	c := Card{Title: titleReviews, Text: sayReviewsWait(of, of-next)}
	if next < of {
		c.Actions = []Action{{Label: "More", Verb: VerbReviews, ID: moreReviews + "/" + strconv.Itoa(next)}}
	}
	reply := Reply{Card: &c}
	for _, r := range all {
		reply.More = append(reply.More, reviewCard(r))
	}
	return reply
}

// reviewPage shows some people of a review, those that are open before the others.
func reviewPage(r accessReview, from int, now time.Time) Reply {
	c := reviewCard(r)
	if c.Actions = nil; r.Round.Staged {
		return Reply{Card: &c, Replace: true}
	}
	if r.Over || !now.Before(r.Round.End) {
		c.Tone, c.Text = Neutral, sayReviewOver
		return Reply{Card: &c}
	}
	items := slices.Clone(r.Items)
	open := r.open()
	owing := r.owing()
	later := func(i pim.AccessReviewItem) int { // what was decided after what was not
		if i.Verdict != pim.VerdictNotReviewed || owing[strings.ToLower(i.ID)] {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(items, func(a, b pim.AccessReviewItem) int { return later(a) - later(b) })
	if n := len(r.recommended()); n > 0 {
		c.Actions = append(c.Actions, Action{Label: sayAcceptAll(n), Style: Primary, Verb: VerbAcceptAll, ID: r.ID})
	}
	if len(open) > 1 {
		c.Actions = append(c.Actions, Action{Label: "Decide on several", Verb: VerbSeveral, ID: r.ID})
	}
	from = max(0, min(from, len(items)-1))
	to := min(from+itemsShown, len(items))
	if to < len(items) {
		c.Actions = append(c.Actions, Action{Label: sayNextPeople(to, min(to+itemsShown, len(items)), len(items)), Verb: VerbReviews, ID: r.ID + "/" + strconv.Itoa(to)})
	}
	if from > 0 {
		c.Actions = append(c.Actions, Action{Label: "Back to the first", Verb: VerbReviews, ID: r.ID})
	}
	reply := Reply{Card: &c, Replace: true}
	for _, i := range items[from:to] {
		reply.More = append(reply.More, itemCard(r, i))
	}
	return reply
}

// itemCard is one person of a review.
func itemCard(r accessReview, i pim.AccessReviewItem) Card {
	c := Card{Title: personLine(i.Principal), Text: sayRecommends(i.Recommend)}
	if !i.LastSeen.IsZero() {
		c.Facts = append(c.Facts, Fact{Name: "Last sign-in", At: i.LastSeen})
	}
	if _, d, owed := r.owed(i.ID); owed {
		c.Tone, c.Note = Waiting, sayVerdict(d.Verdict)+": on its way to Microsoft."
		return c
	}
	if i.Verdict != pim.VerdictNotReviewed {
		c.Tone, c.Note = Good, sayReviewRecorded(i)
	}
	if i.Applied {
		return c
	}
	at := r.shownAs(i)
	for _, v := range []Verb{VerbKeepAccess, VerbRemoveAccess, VerbCannotTell} {
		a := Action{Label: sayVerdictFor(v, i.Principal), Verb: v, ID: at}
		if verdict := verdictOf(v); verdict == i.Verdict {
			continue
		}
		if v == VerbRemoveAccess {
			a.Style = Danger
		}
		c.Actions = append(c.Actions, a)
	}
	return c
}

// actCard tells a reviewer of one act of theirs, from the press on.
func actCard(r accessReview, a reviewAct, link func(string) string) Card {
	c := Card{Title: sayActTitle(a), Tone: Waiting, Text: sayAct(a), Facts: []Fact{{Name: "Review", Value: sayReviewName(r.Round)}, {Name: "Ends", At: r.Round.End}}, Note: sayNotYourReview}
	switch {
	case a.settled() && !slices.ContainsFunc(a.Decisions, func(d reviewDecision) bool { return d.Outcome != reviewRecorded }):
		c.Tone = Good
	case a.settled():
		c.Tone = Bad
		c.Actions = r.actions()
	case a.State == IntentWaiting:
		c.Actions = []Action{{Label: "Sign in", Style: Primary, URL: link(a.Ticket)}}
		c.Note = sayLinkOnce
	}
	return c
}

func reasonField(why, problem string, required bool) Field {
	return Field{Name: fieldReason, Label: "Why", Hint: sayWhyReview, Kind: Paragraph, Required: required, Max: maxReason, Value: why, Error: problem}
}

// keepForm asks why somebody keeps their access.
func keepForm(r accessReview, i pim.AccessReviewItem, why, problem string) *Form {
	return &Form{ID: r.shownAs(i), Verb: VerbKeepAccess, Title: "Keep access", Submit: "Keep", Text: sayKeep(r, i),
		Fields: []Field{reasonField(why, problem, r.Round.Justify)}, Back: &Action{Label: "Back", Verb: VerbReviews, ID: r.ID}}
}

// acceptForm shows what accepting all recommendations decides. What was shown is what a
// submission may decide.
func acceptForm(r accessReview, why, problem string) (Reply, Later) {
	want := r.recommended()
	if len(want) == 0 {
		return Reply{Card: plain(Neutral, titleReviewKnown, sayNothingRecommended)}, nil
	}
	return Reply{Form: &Form{ID: r.ID + "/" + r.shownDigest(want), Verb: VerbAcceptAll, Title: "Accept recommendations", Submit: "Decide", Text: sayRecommended(r, want),
		Fields: []Field{reasonField(why, problem, r.Round.Justify && keepsAny(want))}, Back: &Action{Label: "Back", Verb: VerbReviews, ID: r.ID}}, Replace: problem != ""}, nil
}

// severalForm lets a reviewer pick people and decide about all of them.
func severalForm(r accessReview, values, problems map[string]string) Reply {
	open := r.open()
	if len(open) == 0 {
		return Reply{Card: plain(Neutral, titleReviewKnown, sayReviewDone)}
	}
	people := Field{Name: fieldPeople, Label: "People", Hint: sayPickHint(len(open)), Kind: Many, Required: true, Max: itemsPicked, Value: values[fieldPeople], Error: problems[fieldPeople]}
	for _, i := range open[:min(len(open), itemsPicked)] {
		people.Options = append(people.Options, Option{Value: i.ID, Label: cut(personLine(i.Principal), 75), Hint: cut(sayRecommends(i.Recommend), 75)})
	}
	verdict := Field{Name: fieldVerdict, Label: "Decision", Kind: Choice, Required: true, Value: values[fieldVerdict], Error: problems[fieldVerdict]}
	for _, v := range []Verb{VerbKeepAccess, VerbRemoveAccess, VerbCannotTell} {
		verdict.Options = append(verdict.Options, Option{Value: string(v), Label: sayVerdictButton(v)})
	}
	if verdict.Value == "" {
		verdict.Value = string(VerbKeepAccess)
	}
	return Reply{Form: &Form{ID: r.ID, Verb: VerbSeveral, Title: "Decide on several", Submit: "Decide", Text: sayReviewName(r.Round),
		Fields: []Field{people, verdict, reasonField(cut(values[fieldReason], maxReason), problems[fieldReason], false)},
		Back:   &Action{Label: "Back", Verb: VerbReviews, ID: r.ID}}, Replace: len(problems) > 0}
}

// UnreviewedCard names privileged roles that nobody reviews.
func UnreviewedCard(roles []string, portal string) Card {
	if len(roles) == 0 {
		return Card{Title: titleAllReviewed, Tone: Good, Text: sayAllReviewed}
	}
	return Card{Title: titleUnreviewed, Tone: Waiting, Text: sayUnreviewed(roles), Note: sayUnreviewedNote, Actions: []Action{{Label: "Open access reviews", URL: portal + portalReviews}}}
}
