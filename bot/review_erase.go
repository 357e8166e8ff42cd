package bot

import (
	"errors"

	"github.com/belaybot/belay/store"
)

// eraseReviews drops what a person wrote in access reviews, and their name from those that
// are over. What is on its way keeps its reason until it is settled, and what is held its
// names: they are counted as open.
func (b *Bot) eraseReviews(tx store.Tx, whose Whose) (any bool, open int, err error) {
	now := b.o.Now().UTC()
	var all []accessReview
	err = accessReviews.Scan(tx, "", "", func(_ string, r accessReview) error {
		all = append(all, r)
		return nil
	})
	for _, before := range all {
		bare, found := before.wordless(whose)
		switch {
		case !found:
		case !before.Over || len(before.Acts) > 0:
			open++
		default:
			any = true
			err = errors.Join(err, b.putReview(tx, before, bare, now))
		}
	}
	return any, open, err
}

// wordless is r without a person's names and reasons; any: there was something.
func (r accessReview) wordless(whose Whose) (bare accessReview, any bool) {
	bare = r.clone()
	bare.Items = append(bare.Items[:0:0], r.Items...)
	drop := func(text *string) {
		any, *text = any || *text != "", ""
	}
	if whose.is(bare.Reviewer.ID) {
		drop(&bare.Reviewer.Name)
		drop(&bare.Reviewer.UPN)
		drop(&bare.Reviewer.Mail)
	}
	for n := range bare.Items {
		i := &bare.Items[n]
		if whose.is(i.Principal.ID) {
			drop(&i.Principal.Name)
			drop(&i.Principal.UPN)
			drop(&i.Principal.Mail)
		}
		if whose.is(i.By.ID) {
			drop(&i.By.Name)
			drop(&i.By.UPN)
			drop(&i.By.Mail)
		}
	}
	for n := range bare.Acts {
		for m := range bare.Acts[n].Decisions {
			if d := &bare.Acts[n].Decisions[m]; whose.is(bare.Acts[n].By.ID) || whose.is(d.Of.ID) {
				drop(&d.Why)
				drop(&d.Of.Name)
				drop(&d.Of.UPN)
			}
		}
	}
	return bare, any
}
