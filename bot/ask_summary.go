package bot

import (
	"context"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Together is one of the requests that were sent with the same form. What it says
// of the state is kept up to date in the first of them, whose summary card shows it.
type Together struct {
	ID    string                 `json:"id"`
	Role  pim.EligibleAssignment `json:"role"`
	State State                  `json:"state"`
	End   EndReason              `json:"end,omitempty"`
}

// leads says that r is the first of several, and so has the summary card.
func (r Request) leads() bool { return len(r.With) > 1 && r.With[0].ID == r.ID }

// owesWord says that the first of several does not know yet how r stands.
func (r Request) owesWord() bool { return len(r.With) > 1 && !r.leads() && r.WordGiven != r.State }

// Moved tells the first of several requests how another one stands.
type Moved struct {
	ID    string
	State State
	End   EndReason
}

func (e Moved) apply(r *Request, _ time.Time) error {
	r.With = slices.Clone(r.With)
	for n := range r.With {
		if r.With[n].ID == e.ID {
			r.With[n].State, r.With[n].End = e.State, e.End
		}
	}
	return nil
}

// wordGiven records that the first of several was told.
type wordGiven struct{ state State }

func (e wordGiven) apply(r *Request, _ time.Time) error {
	r.WordGiven = e.state
	return nil
}

// giveWord tells the first of several how r stands, in one transaction with the
// record of it.
func (b *Bot) giveWord(ctx context.Context, r Request) (Request, error) {
	first, at := r.With[0].ID, b.o.Now().UTC()
	var next Request
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := b.changeIn(tx, first, at, Moved{ID: r.ID, State: r.State, End: r.End}); err != nil {
			return err
		}
		var err error
		next, err = b.changeIn(tx, r.ID, at, wordGiven{r.State})
		return err
	})
	if err != nil {
		return r, err
	}
	b.kick(first, true)
	return next, nil
}
