package bot

import (
	"errors"
	"slices"

	"github.com/belaybot/belay/store"
)

// eraseReviews drops a person's names from access reviews, from those that are held too:
// buttons and decisions go by ids, and Microsoft says anew who somebody is when the reviewer
// reads the list again. What is on its way keeps its reason until it is settled, and its
// review is counted as open.
func (b *Bot) eraseReviews(tx store.Tx, whose Whose) (any bool, open int, err error) {
	now := b.o.Now().UTC()
	var all []accessReview
	err = accessReviews.Scan(tx, "", "", func(_ string, r accessReview) error {
		all = append(all, r)
		return nil
	})
	for _, before := range all {
		bare, named, waits := before.nameless(whose)
		if waits {
			open++
		}
		if named {
			any = true
			err = errors.Join(err, b.putReview(tx, before, bare, now))
		}
	}
	return any, open, err
}

// nameless is r without a person's names. named: there was one; waits: a reason that they
// wrote, or that was written about them, is on its way to Microsoft.
func (r accessReview) nameless(whose Whose) (bare accessReview, named, waits bool) {
	e := nameless{person: whose.Person}
	bare = r.clone()
	bare.Items = slices.Clone(r.Items)
	bare.Reviewer = e.principal(r.Reviewer)
	for n := range bare.Items {
		i := &bare.Items[n]
		i.Principal, i.By = e.principal(i.Principal), e.principal(i.By)
	}
	for n := range bare.Acts {
		a := &bare.Acts[n]
		if a.By.Principal = e.principal(a.By.Principal); whose.is(a.By.ID) && a.By.User.Name != "" {
			a.By.User.Name, e.hit = "", true
		}
		for m := range a.Decisions {
			d := &a.Decisions[m]
			waits = waits || d.Why != "" && (whose.is(a.By.ID) || whose.is(d.Of.ID))
			d.Of = e.principal(d.Of)
		}
	}
	return bare, e.hit, waits
}
