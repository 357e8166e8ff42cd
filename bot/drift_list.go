package bot

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
)

// sweepDrifts forgets documents that are closed, as long after they were found as the
// bulletins that told of them.
func (b *Bot) sweepDrifts(ctx context.Context) error {
	now := b.o.Now()
	before := now.Add(-keepBulletins)
	return b.o.Store.Update(ctx, func(tx store.Tx) error {
		var old []string
		err := driftsAge.Scan(tx, "", dueKey(before, ""), func(key string, _ struct{}) error {
			if old = append(old, key); len(old) >= erasePage {
				return store.Stop
			}
			return nil
		})
		for _, key := range old {
			id := key[strings.IndexByte(key, '/')+1:]
			d, gerr := drifts.Get(tx, id)
			switch {
			case errors.Is(gerr, store.ErrNotFound):
			case gerr != nil:
				return gerr
			case d.open(): // it is looked at again a while later
				err = errors.Join(err, driftsAge.Put(tx, dueKey(now, id), struct{}{}))
			default:
				err = errors.Join(err, drifts.Delete(tx, id))
			}
			err = errors.Join(err, driftsAge.Delete(tx, key))
		}
		return err
	})
}

// Drifts tells for commands how the baseline stands and what is open, in the order in
// which it was found.
func (b *Bot) Drifts(ctx context.Context) (state Baseline, open []Drift, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if state, err = driftState.Get(tx, driftStateKey); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		open, err = openDrifts(tx)
		return err
	})
	state.Late = b.driftLate(state)
	slices.SortStableFunc(open, func(x, y Drift) int { return x.Found.Compare(y.Found) })
	return state, open, err
}

// DriftBaseline is what was accepted, by the keys of the entries.
func (b *Bot) DriftBaseline(ctx context.Context) (base map[string]drift.Entry, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) (err error) { base, err = baseline(tx); return err })
	return base, err
}

// DriftHistory gives each acceptance, oldest first.
func (b *Bot) DriftHistory(ctx context.Context, each func(Acceptance) error) error {
	return b.o.Store.View(ctx, func(tx store.Tx) error {
		return driftHistory.Scan(tx, "", "", func(_ string, a Acceptance) error { return each(a) })
	})
}

// Title says what a drift is about, in one line.
func (d Drift) Title() string { return d.title() }

// Title says what was accepted, in one line.
func (a Acceptance) Title() string {
	return Drift{Change: a.Change, First: a.First, Weaker: a.Change.Weaker}.title()
}
