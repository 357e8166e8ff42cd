package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// AccessReviews reads and decides Microsoft's access reviews. Errors are *pim.Error.
type AccessReviews interface {
	// Running lists the reviews that are held now, and who is asked, as Belay itself. It
	// reads a part of them, from where an earlier one ended.
	Running(ctx context.Context, from string) (pim.AccessReviewLook, error)
	// Waiting lists those in which person is to decide, with their token: all that can be read.
	Waiting(ctx context.Context, person string) (pim.AccessReviewLook, error)
	// Items lists whom person is to decide about, with their token.
	Items(ctx context.Context, person string, r pim.AccessReviewRef) ([]pim.AccessReviewItem, error)
	// Decide records person's decision, with their token. Nothing is retried.
	Decide(ctx context.Context, person string, d pim.AccessReviewDecision) error
}

// accessReview is one reviewer's part in one review: a document of its own, due, leased and
// settled as requests are. What it says of decisions is what Microsoft was read to hold;
// what the reviewer wants is in Acts until Microsoft holds it.
type accessReview struct {
	ID       string                 `json:"id"`
	Reviewer pim.Principal          `json:"reviewer"`
	Round    pim.AccessReviewRound  `json:"round"`
	Made     time.Time              `json:"made"`
	Told     bool                   `json:"told,omitempty"` // the reviewer has the message that it waits
	Items    []pim.AccessReviewItem `json:"items,omitempty"`
	Read     time.Time              `json:"read,omitzero"` // when the reviewer's own sign-in read Items; zero: never
	Seen     time.Time              `json:"seen,omitzero"` // when Belay itself last saw it held
	Done     bool                   `json:"done,omitempty"`
	Unsure   bool                   `json:"unsure,omitempty"` // it was decided, and somebody is open since: whose, could not be read
	Over     bool                   `json:"over,omitempty"`
	Reminded []time.Duration        `json:"reminded,omitempty"` // before the end; also those that had passed
	Acts     []reviewAct            `json:"acts,omitempty"`     // that are not settled yet, oldest first
	Look     time.Time              `json:"look,omitzero"`      // when to read Items again
	Wake     time.Time              `json:"wake"`
	Lease    Lease                  `json:"lease"`
}

// reviewAct is one press, or one form, of a reviewer: decisions that are owed to Microsoft.
type reviewAct struct {
	ID        string           `json:"id"`
	By        Person           `json:"by"`
	Made      time.Time        `json:"made"`
	State     IntentState      `json:"state"` // ready or waiting
	Ticket    string           `json:"ticket,omitempty"`
	Deadline  time.Time        `json:"deadline,omitzero"`
	Fresh     bool             `json:"fresh,omitempty"`
	Proof     Proof            `json:"proof,omitzero"`
	NotBefore time.Time        `json:"notBefore,omitzero"`
	Tries     int              `json:"tries,omitempty"`
	Decisions []reviewDecision `json:"decisions"`
	Trace     string           `json:"trace,omitempty"`
}

// reviewDecision is what the reviewer says of one person.
type reviewDecision struct {
	Item    string        `json:"item"`
	Of      pim.Principal `json:"of"`
	Verdict pim.Verdict   `json:"verdict"`
	Why     string        `json:"why,omitempty"` // until it is settled
	Saw     reviewSeen    `json:"saw,omitzero"`  // what Microsoft held when the reviewer pressed
	SentAt  time.Time     `json:"sentAt,omitzero"`
	Taken   bool          `json:"taken,omitempty"` // Microsoft answered that it took it
	Outcome reviewOutcome `json:"outcome,omitempty"`
	Refusal *Refusal      `json:"refusal,omitempty"`
}

// reviewSeen tells decisions of an item apart.
type reviewSeen struct {
	Verdict pim.Verdict `json:"verdict"`
	By      string      `json:"by,omitempty"`
	At      time.Time   `json:"at,omitzero"`
}

// reviewOutcome is how a decision ended.
type reviewOutcome string

const (
	reviewRecorded  reviewOutcome = "recorded" // Microsoft was read to hold it
	reviewRefused   reviewOutcome = "refused"
	reviewLost      reviewOutcome = "lost"       // whether Microsoft has it could not be seen
	reviewLapsed    reviewOutcome = "lapsed"     // nobody signed in for it in time
	reviewWithdrawn reviewOutcome = "withdrawn"  // the reviewer's link ended before it was sent
	reviewTurnedOff reviewOutcome = "turned-off" // reviews were turned off before it was sent
	reviewReplaced  reviewOutcome = "replaced"   // the reviewer said it anew before it was sent
)

// The buckets of access reviews. Keys hold no personal identifier.
var (
	accessReviews   = store.NewBucket[accessReview]("access-reviews")   // id → the document
	accessReviewsOf = store.NewBucket[struct{}]("access-reviews-of")    // pseudonym of the reviewer + "/" + id
	reviewScans     = store.NewBucket[reviewScan]("access-review-scan") // one: who looks for reviews, and when
)

const (
	reviewMark   = "access-"           // begins the id under which the due index lists one
	reviewScanID = reviewMark + "scan" // … and the look for new ones
	reviewEvery  = 15 * time.Minute    // how often it is looked
	keepReview   = 30 * 24 * time.Hour // after its end
	mostItems    = 5000                // of one reviewer in one review
)

func (b *Bot) reviewID(reviewer string, r pim.AccessReviewRef) string {
	return reviewMark + b.o.Pseudonym("access review", strings.ToLower(reviewer), strings.ToLower(r.Series), strings.ToLower(r.Review))
}

func (b *Bot) reviewsKey(reviewer string) string {
	return b.o.Pseudonym("principal", strings.ToLower(reviewer)) + "/"
}

// getReview reads a review. An id that no store would take as a key names none.
func getReview(tx store.Tx, id string) (accessReview, error) {
	if !strings.HasPrefix(id, reviewMark) || len(id) > maxID {
		return accessReview{}, store.ErrNotFound
	}
	return accessReviews.Get(tx, id)
}

// reviewsOf lists the reviews of a person.
func (b *Bot) reviewsOf(tx store.Tx, person string) (all []accessReview, err error) {
	prefix := b.reviewsKey(person)
	err = accessReviewsOf.Prefix(tx, prefix, func(key string, _ struct{}) error {
		r, err := getReview(tx, strings.TrimPrefix(key, prefix))
		all = append(all, r)
		return err
	})
	return all, err
}

// putReview keeps a review with its indices, tells the audit trail what became of its
// decisions, and has every card about it become true: all in one transaction.
func (b *Bot) putReview(tx store.Tx, before, next accessReview, now time.Time) error {
	if err := errors.Join(b.auditReview(tx, before, next, now), b.postReview(tx, before, next, now), b.spendReview(tx, next)); err != nil {
		return err
	}
	next.Acts = slices.DeleteFunc(slices.Clone(next.Acts), reviewAct.settled) // their cards tell, and the trail
	next.Wake = b.reviewWake(next, now)
	if !before.Wake.IsZero() {
		if err := dueIndex.Delete(tx, dueKey(before.Wake, next.ID)); err != nil {
			return err
		}
	}
	return errors.Join(dueIndex.Put(tx, dueKey(next.Wake, next.ID), struct{}{}),
		accessReviewsOf.Put(tx, b.reviewsKey(next.Reviewer.ID)+next.ID, struct{}{}), accessReviews.Put(tx, next.ID, next))
}

// clone is a copy that can be changed.
func (r accessReview) clone() accessReview {
	r.Reminded, r.Acts = slices.Clone(r.Reminded), slices.Clone(r.Acts)
	for n := range r.Acts {
		r.Acts[n].Decisions = slices.Clone(r.Acts[n].Decisions)
	}
	return r
}

func (r accessReview) act(id string) (reviewAct, bool) {
	n := slices.IndexFunc(r.Acts, func(a reviewAct) bool { return a.ID == id })
	if n < 0 {
		return reviewAct{}, false
	}
	return r.Acts[n], true
}

func (r accessReview) item(id string) (pim.AccessReviewItem, bool) {
	n := slices.IndexFunc(r.Items, func(i pim.AccessReviewItem) bool { return strings.EqualFold(i.ID, id) })
	if n < 0 {
		return pim.AccessReviewItem{}, false
	}
	return r.Items[n], true
}

// owed is the decision on an item that is on its way.
func (r accessReview) owed(item string) (reviewAct, reviewDecision, bool) {
	for _, a := range r.Acts {
		for _, d := range a.Decisions {
			if d.Outcome == "" && strings.EqualFold(d.Item, item) {
				return a, d, true
			}
		}
	}
	return reviewAct{}, reviewDecision{}, false
}

// owing are the items, in lower case, that have a decision on its way.
func (r accessReview) owing() map[string]bool {
	all := map[string]bool{}
	for _, a := range r.Acts {
		for _, d := range a.Decisions {
			if d.Outcome == "" {
				all[strings.ToLower(d.Item)] = true
			}
		}
	}
	return all
}

// open are the items that nobody has decided about and no act is under way for.
func (r accessReview) open() (all []pim.AccessReviewItem) {
	owing := r.owing()
	for _, i := range r.Items {
		if i.Verdict == pim.VerdictNotReviewed && !owing[strings.ToLower(i.ID)] {
			all = append(all, i)
		}
	}
	return all
}

// saw takes what the reviewer's own sign-in read.
func (r *accessReview) saw(items []pim.AccessReviewItem, at time.Time) {
	r.Items, r.Read, r.Look, r.Unsure = items[:min(len(items), mostItems)], at, time.Time{}, false
	r.Done = !slices.ContainsFunc(r.Items, func(i pim.AccessReviewItem) bool { return i.Verdict == pim.VerdictNotReviewed })
}

func (a reviewAct) settled() bool {
	return !slices.ContainsFunc(a.Decisions, func(d reviewDecision) bool { return d.Outcome == "" })
}

func seenOf(i pim.AccessReviewItem) reviewSeen {
	return reviewSeen{Verdict: i.Verdict, By: strings.ToLower(i.By.ID), At: i.Reviewed}
}

// digest names it in a button.
func (s reviewSeen) digest() string {
	return hashed(string(s.Verdict) + "/" + s.By + "/" + s.At.UTC().Format(time.RFC3339Nano))[:8]
}

func (s reviewSeen) is(o reviewSeen) bool {
	return s.Verdict == o.Verdict && s.By == o.By && s.At.Equal(o.At)
}

// is says that Microsoft holds a decision as it was made.
func (d reviewDecision) is(i pim.AccessReviewItem, by string) bool {
	return i.Verdict == d.Verdict && strings.EqualFold(i.By.ID, by)
}

// unsent says that it is still to be sent.
func (d reviewDecision) unsent() bool { return d.Outcome == "" && d.SentAt.IsZero() && !d.Taken }

// end settles a decision.
func (d *reviewDecision) end(o reviewOutcome, why *Refusal) { d.Outcome, d.Refusal, d.Why = o, why, "" }

// compare settles the decisions of an act that are settled by what Microsoft holds.
func (a *reviewAct) compare(r accessReview, now time.Time) {
	held := make(map[string]pim.AccessReviewItem, len(r.Items))
	for _, i := range r.Items {
		held[strings.ToLower(i.ID)] = i
	}
	for n := range a.Decisions {
		d := &a.Decisions[n]
		i, there := held[strings.ToLower(d.Item)]
		switch {
		case d.Outcome != "":
		case !there:
			d.end(reviewRefused, &Refusal{Code: pim.CodeNotApprover})
		case d.is(i, a.By.ID):
			d.end(reviewRecorded, nil)
		case !seenOf(i).is(d.Saw): // decided meanwhile, in the portal or by somebody else
			d.end(reviewRefused, &Refusal{Code: pim.CodeDecided, By: personName(i.By)})
		case i.Applied:
			d.end(reviewRefused, &Refusal{Code: pim.CodeCannotCancel})
		case d.Taken: // Microsoft took it, and does not show it yet
		case r.Over || !now.Before(r.Round.End):
			d.end(reviewRefused, &Refusal{Code: pim.CodeNotFound})
		default:
			d.SentAt = time.Time{} // its answer was lost, and Microsoft does not have it
		}
	}
}
