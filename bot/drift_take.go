package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
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
	t := &take{b: b, r: r, since: state.Read, first: len(base) == 0}
	known := map[string]bool{}
	for _, d := range open {
		if d.Change.Key != "" {
			known[d.Change.Key] = true
			t.again = append(t.again, d.Change.Key)
		}
	}
	var fresh []string
	for _, c := range found.Changes {
		if !known[c.Key] {
			fresh = append(fresh, c.Key)
		}
	}
	if len(fresh) <= mostCards {
		t.names = b.approverNames(ctx, found.Changes, known)
	}
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return t.grow(ctx, found) },
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
	for _, id := range t.kick {
		b.kick(b.bulletinID(driftPost(id)), false)
	}
	return nil
}

// take is one reading that is being taken in.
type take struct {
	b     *Bot
	r     drift.Reading
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
		if err := driftBase.Put(tx, b.driftKey(e.Key()), e); err != nil {
			return err
		}
	}
	return nil
}

// begin makes a document. The same one twice is one.
func (t *take) begin(tx store.Tx, d Drift) error {
	switch _, err := drifts.Get(tx, d.ID); {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := driftsAge.Put(tx, dueKey(d.Found, d.ID), struct{}{}); err != nil {
		return err
	}
	if d.First == nil && d.Many == nil {
		if edits := t.b.o.Drift.edits(d.Change.Entry().Kind); edits == nil {
			d.Blind = blindNoLog
		} else if err := driftUnnamed.Put(tx, d.ID, struct{}{}); err != nil {
			return err
		}
	}
	t.kick = append(t.kick, d.ID)
	return errors.Join(t.b.putDrift(tx, d), t.b.driftHeard(tx, d, trail.DriftFound, trail.Actor{Platform: fromBelay}, d.what(), "", t.r.At, nil))
}

// over drops assignments that ended when they were to end.
func (t *take) over(ctx context.Context, keys []string) error {
	return t.pages(ctx, keys, func(tx store.Tx, key string) error { return driftBase.Delete(tx, t.b.driftKey(key)) })
}

// now compares one entry as it is in tx.
func (t *take) now(tx store.Tx, key string) (c drift.Change, differs bool, ref driftRef, err error) {
	was, err := driftBase.Get(tx, t.b.driftKey(key))
	known := err == nil
	if err = ignoreMissing(err); err != nil {
		return c, false, ref, err
	}
	if ref, err = driftRefs.Get(tx, t.b.driftKey(key)); ignoreMissing(err) != nil {
		return c, false, ref, err
	}
	e, there := t.r.Entries[key]
	switch {
	case known && there:
		c, differs = drift.Differ(&was, &e, t.r.At)
	case known:
		c, differs = drift.Differ(&was, nil, t.r.At)
	case there:
		c, differs = drift.Differ(nil, &e, t.r.At)
	}
	return c, differs, ref, nil
}

// look brings documents up to date that are open.
func (t *take) look(ctx context.Context, keys []string) error {
	for page := range slices.Chunk(keys, driftPage) {
		err := t.update(ctx, func(tx store.Tx) error {
			back, turned := map[string]int{}, map[string]bool{}
			for _, key := range page {
				d, what, err := t.lookAt(tx, key)
				if err != nil {
					return err
				}
				if d.In != "" && what == wentBack {
					back[d.In]++
				}
				if d.In != "" && what == turnedAgain {
					turned[d.In] = true
				}
			}
			for id := range turned {
				back[id] += 0 // it is told of both in one
			}
			for _, id := range slices.Sorted(maps.Keys(back)) {
				if err := t.recount(tx, id, back[id], turned[id]); err != nil {
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

// outcome is what a reading did to an open document.
type outcome int

const (
	stands outcome = iota
	wentBack
	turnedAgain
)

func (t *take) lookAt(tx store.Tx, key string) (d Drift, what outcome, err error) {
	c, differs, ref, err := t.now(tx, key)
	if err != nil || ref.Open == "" {
		return d, stands, err
	}
	if d, err = drifts.Get(tx, ref.Open); err != nil || !d.open() || !t.r.Knows(d.Change) || differs && c.Same(d.Change) {
		return d, stands, err
	}
	reason := "changed-again"
	if what = turnedAgain; differs {
		d.Change, d.Weaker, d.Turns, d.One, d.OneAt = c, c.Weaker, d.Turns+1, pim.Principal{}, time.Time{}
		d.By, d.Since = nil, t.since
		if d.Blind != blindNoLog {
			d.Blind = ""
			err = driftUnnamed.Put(tx, d.ID, struct{}{})
		}
	} else {
		what, reason, d.Back = wentBack, "as-it-was", t.r.At
		err = driftRefs.Put(tx, t.b.driftKey(key), driftRef{Told: ref.Told})
	}
	t.kick = append(t.kick, d.ID)
	return d, what, errors.Join(err, t.b.putDrift(tx, d), t.b.driftHeard(tx, d, trail.DriftFound, trail.Actor{Platform: fromBelay}, d.what(), reason, t.r.At, nil))
}

// recount brings a card up to date that stands for many.
func (t *take) recount(tx store.Tx, id string, back int, turned bool) error {
	d, err := drifts.Get(tx, id)
	if err != nil || d.Many == nil || !d.open() {
		return ignoreMissing(err)
	}
	if d.Many.Back += back; d.Many.Back >= len(d.Many.IDs) {
		d.Back = t.r.At
	}
	if turned {
		d.Turns, d.One, d.OneAt = d.Turns+1, pim.Principal{}, time.Time{}
		d.Weaker = true // what they became is not looked at here, so two people have to
	}
	t.kick = append(t.kick, id)
	return t.b.putDrift(tx, d)
}

// tell makes documents of changes that have none: a card each, or one for many.
func (t *take) tell(ctx context.Context, keys []string) error {
	if len(keys) <= mostCards {
		return t.pages(ctx, keys, func(tx store.Tx, key string) error {
			_, err := t.found(tx, key, "")
			return err
		})
	}
	for page := range slices.Chunk(keys, mostInOne) {
		err := t.update(ctx, func(tx store.Tx) error {
			many := Drift{ID: t.b.o.Pseudonym("drift many", strings.Join(page, "\n"), t.r.At.Format(time.RFC3339Nano)), Many: &Batch{}, Found: t.r.At, Since: t.since}
			for _, key := range page {
				d, err := t.found(tx, key, many.ID)
				if err != nil {
					return err
				}
				if d.ID == "" {
					continue
				}
				many.Many.IDs = append(many.Many.IDs, d.ID)
				if d.Weaker {
					many.Weaker = true
					many.Many.Weaker++
				}
				if len(many.Many.Titles) < shownTitles {
					many.Many.Titles = append(many.Many.Titles, d.title())
				}
			}
			if len(many.Many.IDs) == 0 {
				return nil
			}
			return t.begin(tx, many)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// found makes the document of a change, unless there is one, or it is none any more.
func (t *take) found(tx store.Tx, key, in string) (d Drift, err error) {
	c, differs, ref, err := t.now(tx, key)
	if err != nil || !differs || ref.Open != "" || !t.r.Knows(c) {
		return d, err
	}
	ref.Told++
	d = Drift{ID: t.b.o.Pseudonym("drift change", key, strconv.Itoa(ref.Told)), Change: c, Weaker: c.Weaker, In: in, Found: t.r.At, Since: t.since}
	for _, f := range c.Fields {
		if f.Name == drift.Approvers {
			d.Names = t.names
		}
	}
	ref.Open = d.ID
	return d, errors.Join(driftRefs.Put(tx, t.b.driftKey(key), ref), t.begin(tx, d))
}

// done records that the reading was taken in.
func (t *take) done(ctx context.Context, viewers []string) error {
	return t.update(ctx, func(tx store.Tx) error {
		state, err := driftState.Get(tx, driftStateKey)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		state.Read, state.Viewers, state.Unseen = t.r.At, viewers, nil
		for _, u := range t.r.Unseen {
			state.Unseen = append(state.Unseen, u.Say())
		}
		return driftState.Put(tx, driftStateKey, state)
	})
}

// mostNames is how many approvers are looked up for one reading.
const mostNames = 12

// approverNames looks up who the approvers are that a policy has more or fewer of.
func (b *Bot) approverNames(ctx context.Context, changes []drift.Change, known map[string]bool) map[string]string {
	names := map[string]string{}
	for _, c := range changes {
		for _, f := range c.Fields {
			if f.Name != drift.Approvers || known[c.Key] {
				continue
			}
			dropped, added := drift.Members(f.Before, f.After)
			for _, id := range slices.Concat(dropped, added) {
				if _, done := names[id]; done || len(names) >= mostNames {
					continue
				}
				names[id] = id
				if p, err := b.o.Directory.Principal(ctx, id); err == nil {
					names[id] = personName(p)
				}
			}
		}
	}
	return names
}
