package bottest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
)

// Reviews is one access review behind bot's port, for tests of the core. Who is signed in is
// Microsoft's to say.
type Reviews struct {
	MS *Microsoft

	mu      sync.Mutex
	round   pim.AccessReviewRound
	stopped bool
	items   []pim.AccessReviewItem
	fails   map[string][]error
	loses   int
	late    int // readings that do not show a decision yet
	shown   []pim.AccessReviewItem
	sent    []string // "person verdict name", of decisions that took effect, in order
	looks   int
	parts   bool
	missed  int
	more    int
	unread  []error
}

// InParts has a look find nothing in its first part.
func (r *Reviews) InParts() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts = true
}

// Miss has looks not be able to read n reviews, this one too; 0 ends that.
func (r *Reviews) Miss(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed = n
}

// NewReviews is a review of a role, of these people, by these reviewers.
func NewReviews(ms *Microsoft, round pim.AccessReviewRound, people ...pim.AccessReviewItem) *Reviews {
	return &Reviews{MS: ms, round: round, items: people, fails: map[string][]error{}}
}

// Fail lets the next calls of an operation (running, waiting, items, decide) fail without an
// effect; nil lets one pass.
func (r *Reviews) Fail(op string, errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails[op] = append(r.fails[op], errs...)
}

// Lose lets the next n decisions take effect and loses their answers.
func (r *Reviews) Lose(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loses = n
}

// Late has the next n readings show what was before.
func (r *Reviews) Late(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late, r.shown = n, slices.Clone(r.items)
}

// Stop ends the review, as an administrator may.
func (r *Reviews) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
}

// Portal decides on an item elsewhere.
func (r *Reviews) Portal(by, item string, v pim.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(by, item, v, "in the portal")
}

// Sent are the decisions that took effect, as "person verdict item".
func (r *Reviews) Sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// Looks is how often Belay itself looked for reviews.
func (r *Reviews) Looks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looks
}

// Item is an item as Microsoft holds it.
func (r *Reviews) Item(id string) pim.AccessReviewItem {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range r.items {
		if i.ID == id {
			return i
		}
	}
	return pim.AccessReviewItem{}
}

func (r *Reviews) enter(op, person string) error {
	if errs := r.fails[op]; len(errs) > 0 {
		r.fails[op] = errs[1:]
		if errs[0] != nil {
			return errs[0]
		}
	}
	if person == "" {
		return nil
	}
	if live, err := r.MS.Live(context.Background(), person); err != nil || !live {
		return &pim.Error{Op: op, Code: pim.CodeSignIn}
	}
	return nil
}

func (r *Reviews) over() bool { return r.stopped || !r.MS.Now().Before(r.round.End) }

func (r *Reviews) reviewer(person string) bool {
	return slices.ContainsFunc(r.round.Reviewers, func(p pim.Principal) bool { return strings.EqualFold(p.ID, person) })
}

// Running implements bot.AccessReviews.
func (r *Reviews) Running(_ context.Context, from string) (look pim.AccessReviewLook, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	if err := r.enter("running", ""); err != nil {
		return look, err
	}
	if from == "" && r.parts { // … and there is more
		return pim.AccessReviewLook{Next: "more"}, nil
	}
	if look.Missed = r.missed; r.over() || r.missed > 0 {
		return look, nil
	}
	round := r.round
	round.Open = slices.ContainsFunc(r.items, func(i pim.AccessReviewItem) bool { return i.Verdict == pim.VerdictNotReviewed })
	look.Rounds = []pim.AccessReviewRound{round}
	return look, nil
}

// Waiting implements bot.AccessReviews.
func (r *Reviews) Waiting(_ context.Context, person string) (pim.AccessReviewLook, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter("waiting", person); err != nil || r.over() || !r.reviewer(person) {
		return pim.AccessReviewLook{}, err
	}
	all := []pim.AccessReviewRound{r.round}
	for n := range r.more {
		another := r.round
		another.Review, another.Name, another.End = fmt.Sprintf("more-%d", n), fmt.Sprintf("Another %d", n), another.End.Add(-time.Duration(n+1)*time.Hour)
		all = append(all, another)
	}
	look := pim.AccessReviewLook{Rounds: all, Missed: len(r.unread)}
	for _, err := range r.unread {
		look.Why = err
	}
	return look, nil
}

// Unread has a reviewer's list miss a series for each error.
func (r *Reviews) Unread(errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = errs
}

// More has n more reviews of the same people wait, each of which ends an hour earlier than
// the one before.
func (r *Reviews) More(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more = n
}

// Items implements bot.AccessReviews.
func (r *Reviews) Items(_ context.Context, person string, _ pim.AccessReviewRef) ([]pim.AccessReviewItem, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter("items", person); err != nil {
		return nil, err
	}
	if !r.reviewer(person) {
		return nil, refused("items", pim.CodeNotFound)
	}
	if r.late > 0 {
		r.late--
		return slices.Clone(r.shown), nil
	}
	return slices.Clone(r.items), nil
}

// Decide implements bot.AccessReviews.
func (r *Reviews) Decide(_ context.Context, person string, d pim.AccessReviewDecision) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter("decide", person); err != nil {
		return err
	}
	switch {
	case !r.reviewer(person):
		return refused("decide", pim.CodeNotApprover)
	case r.over(), d.AccessReviewRef != r.round.AccessReviewRef:
		return refused("decide", pim.CodeInvalid)
	case d.Verdict == pim.VerdictApprove && r.round.Justify && d.Why == "":
		return refused("decide", pim.CodeInvalid)
	}
	if !r.set(person, d.Item, d.Verdict, d.Why) {
		return refused("decide", pim.CodeNotFound)
	}
	r.sent = append(r.sent, fmt.Sprintf("%s %s %s", person, d.Verdict, d.Item))
	if r.loses > 0 {
		r.loses--
		return &pim.Error{Op: "decide", Code: pim.CodeUnavailable, Ambiguous: true}
	}
	return nil
}

func (r *Reviews) set(by, item string, v pim.Verdict, why string) bool {
	for n := range r.items {
		if i := &r.items[n]; i.ID == item && !i.Applied {
			i.Verdict, i.Why, i.By, i.Reviewed = v, why, r.MS.people[by], r.MS.Now().Truncate(time.Second)
			return true
		}
	}
	return false
}
