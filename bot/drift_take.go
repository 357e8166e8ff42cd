package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
)

const (
	// mostCards is how many changes of one reading have a card each; more share one.
	mostCards = 10
	// mostInOne is how many changes one card stands for: they are accepted in one transaction.
	mostInOne = 500
	// driftPage is how many entries one transaction looks at.
	driftPage = 200
	// shownTitles is how many changes such a card names.
	shownTitles = 10
)

// errOlder says that a reading is older than one that was taken in.
var errOlder = errors.New("bot: an older reading")

// TakeDrift takes in a reading of the tenant: what the baseline cannot know yet becomes part
// of it, what is not as it was accepted gets a card, and what is as it was again closes its
// card. viewers are the object ids of who may accept. A reading that is cut off is taken in
// by the next one: each transaction is good by itself, and an older reading changes nothing.
func (b *Bot) TakeDrift(ctx context.Context, r drift.Reading, viewers []string) error {
	err := b.takeDrift(ctx, r, viewers)
	if errors.Is(err, errOlder) {
		return nil
	}
	return err
}

func (b *Bot) takeDrift(ctx context.Context, r drift.Reading, viewers []string) error {
	var base map[string]drift.Entry
	var open []Drift
	var state Baseline
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if state, err = driftState.Get(tx, driftStateKey); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if base, err = baseline(tx); err != nil {
			return err
		}
		open, err = openDrifts(tx)
		return err
	})
	if err != nil {
		return err
	}
	found := drift.Compare(base, r)
	t := &take{b: b, r: r, at: b.o.Now().UTC(), since: state.Read, first: !anyCovered(base)}
	known := map[string]Drift{}
	var left []string // keys of open ones below places that are not read any more
	for _, d := range open {
		if d.Change.Key != "" {
			known[d.Change.Key] = d
			if r.Left(d.Change.Entry()) {
				left = append(left, d.Change.Key)
			} else {
				t.again = append(t.again, d.Change.Key)
			}
		}
	}
	var fresh []string
	var turned []drift.Change
	for _, c := range found.Changes {
		d, told := known[c.Key]
		if !told {
			fresh = append(fresh, c.Key)
		}
		if !told || !c.Same(d.Change) {
			turned = append(turned, c)
		}
	}
	found.Over = slices.DeleteFunc(found.Over, func(key string) bool { _, told := known[key]; return told && known[key].Change.After == nil })
	if len(fresh) <= mostCards {
		t.names = b.approverNames(ctx, turned)
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return t.grow(ctx, found) },
		func(ctx context.Context) error { return t.moved(ctx, found.Azure, left) },
		func(ctx context.Context) error { return t.over(ctx, found.Over) },
		func(ctx context.Context) error { return t.look(ctx, t.again) },
		func(ctx context.Context) error { return t.tell(ctx, fresh) },
		func(ctx context.Context) error { return t.done(ctx, viewers) },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.o.Metrics.driftRead(r.At)
	for _, id := range t.kick {
		b.kick(b.bulletinID(driftPost(id)), false)
	}
	return nil
}

// anyCovered says that a first reading was taken in to its end: what covers its parts goes last.
func anyCovered(base map[string]drift.Entry) bool {
	for _, e := range base {
		if e.What == drift.Covered {
			return true
		}
	}
	return false
}

// take is one reading that is being taken in.
type take struct {
	b     *Bot
	r     drift.Reading
	at    time.Time // by Belay's clock
	since time.Time // the reading before it
	first bool      // there was no baseline
	again []string  // keys of entries of which a document is open
	names map[string]string
	kick  []string // documents whose cards changed
}

// update is a transaction of it, unless a later reading was taken in meanwhile.
func (t *take) update(ctx context.Context, fn func(tx store.Tx) error) error {
	return t.b.o.Store.Update(ctx, func(tx store.Tx) error {
		state, err := driftState.Get(tx, driftStateKey)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		if state.Read.After(t.r.At) {
			return errOlder
		}
		return fn(tx)
	})
}

// pages gives parts of a list to transactions of their own.
func (t *take) pages(ctx context.Context, keys []string, each func(tx store.Tx, key string) error) error {
	for page := range slices.Chunk(keys, driftPage) {
		err := t.update(ctx, func(tx store.Tx) error {
			for _, key := range page {
				if err := each(tx, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// grow has the baseline take in what it could not know. What covers a part goes last, so
// that a part which was cut off is taken in anew.
func (t *take) grow(ctx context.Context, found drift.Result) error {
	b := t.b
	err := t.pages(ctx, found.Gone, func(tx store.Tx, key string) error { return driftBase.Delete(tx, b.driftKey(key)) })
	if err != nil || len(found.Fresh) == 0 {
		return err
	}
	var early, last []drift.Entry
	seen := FirstSeen{All: t.first}
	if t.first {
		seen.Unseen, _ = t.unseen()
	}
	for _, e := range found.Fresh {
		switch e.What {
		case drift.Covered:
			last = append(last, e)
			continue
		case drift.Setting:
			last = append(last, e)
			seen.Settings++
		default:
			early = append(early, e)
			seen.Assignments++
		}
		if len(seen.Titles) < shownTitles && !t.first {
			seen.Titles = append(seen.Titles, entryTitle(e))
		}
	}
	for page := range slices.Chunk(early, driftPage) {
		err := t.update(ctx, func(tx store.Tx) error { return b.putEntries(tx, page) })
		if err != nil {
			return err
		}
	}
	keys := make([]string, 0, len(found.Fresh))
	for _, e := range found.Fresh {
		keys = append(keys, e.Key())
	}
	d := Drift{ID: b.o.Pseudonym("drift first seen", strings.Join(keys, "\n"), t.r.At.Format(time.RFC3339Nano)), First: &seen, Found: t.r.At, Since: t.since}
	return t.update(ctx, func(tx store.Tx) error {
		if err := b.putEntries(tx, last); err != nil || seen.Settings+seen.Assignments == 0 {
			return err
		}
		return t.begin(tx, d)
	})
}

func (b *Bot) putEntries(tx store.Tx, all []drift.Entry) error {
	for _, e := range all {
		if e.What == drift.Setting { // what was accepted since it was compared stays
			was, err := driftBase.Get(tx, b.driftKey(e.Key()))
			if err == nil {
				e = was.With(e.Values)
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if err := driftBase.Put(tx, b.driftKey(e.Key()), e); err != nil {
			return err
		}
	}
	return nil
}

// over drops assignments that ended when they were to end.
func (t *take) over(ctx context.Context, keys []string) error {
	return t.pages(ctx, keys, func(tx store.Tx, key string) error { return driftBase.Delete(tx, t.b.driftKey(key)) })
}

// unseen is what the reading could not see, in sentences, and what of it for want of a
// permission.
func (t *take) unseen() (all, missing []string) {
	for _, u := range t.r.Unseen {
		all = append(all, u.Say())
		if u.Permission != "" {
			missing = append(missing, u.Say())
		}
	}
	return all, missing
}

// done records that the reading was taken in. A permission that Belay had, and has no more,
// is told: whoever takes it away hides what comes next.
func (t *take) done(ctx context.Context, viewers []string) error {
	return t.update(ctx, func(tx store.Tx) error {
		state, err := driftState.Get(tx, driftStateKey)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		begins, was := state.Read.IsZero(), state.Missing
		state.Read, state.Viewers = t.r.At, viewers
		state.Unseen, state.Missing = t.unseen()
		state.Parts = nil
		for _, u := range t.r.Unseen {
			state.Parts = append(state.Parts, u.Part)
		}
		lost := slices.ContainsFunc(state.Missing, func(s string) bool { return !slices.Contains(was, s) })
		switch {
		case lost && !begins:
			if !state.Blind.IsZero() {
				err = t.b.post(tx, blindPost(state.Blind, blinderCard(was)))
			}
			state.Blind = t.r.At
			err = errors.Join(err, t.b.post(tx, blindPost(state.Blind, blindCard(state.Missing))))
		case len(state.Missing) == 0 && !state.Blind.IsZero():
			err = t.b.post(tx, blindPost(state.Blind, seenAgainCard(was)))
			state.Blind = time.Time{}
		}
		if !state.Stale.IsZero() {
			err = errors.Join(err, t.b.post(tx, stalePost(state.Stale, comparedAgainCard(state.Read))))
			state.Stale = time.Time{}
		}
		return errors.Join(err, driftState.Put(tx, driftStateKey, state))
	})
}

func blindPost(since time.Time, c Card) Bulletin {
	return Bulletin{ID: driftPost("blind/" + since.Format(time.RFC3339Nano)), Event: NoticeDrift, Severity: High, Card: c, At: since}
}
