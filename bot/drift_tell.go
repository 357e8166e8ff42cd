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

// kicks has the card of a document looked at; others have none of their own.
func (t *take) kicks(d Drift) {
	if d.In == "" {
		t.kick = append(t.kick, d.ID)
	}
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
	d.Last = t.at
	if d.First == nil && d.Many == nil {
		if edits := t.b.o.Drift.edits(d.Change.Entry().Kind); edits == nil {
			d.Blind = blindNoLog
		} else if err := driftUnnamed.Put(tx, d.ID, struct{}{}); err != nil {
			return err
		}
	}
	t.kicks(d)
	return errors.Join(t.b.putDrift(tx, d), t.b.driftHeard(tx, d, trail.DriftFound, trail.Actor{Platform: fromBelay}, d.what(), "", t.r.At, nil))
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
	if _, there := t.r.Entries[key]; !there && d.Change.After == nil {
		return d, stands, nil // it went too early, and is not back now that it would have ended
	}
	reason := "changed-again"
	if what = turnedAgain; differs {
		d.Change, d.Weaker, d.Turns, d.One, d.OneAt = c, c.Weaker, d.Turns+1, pim.Principal{}, time.Time{}
		d.Last, d.Names = t.at, t.named(c)
		if d.Blind != blindNoLog { // who made it before is added to, and is still asked about where the log may tell more
			_, asking := driftUnnamed.Get(tx, d.ID)
			if d.Blind = ""; errors.Is(asking, store.ErrNotFound) {
				d.Since = t.since
			}
			err = errors.Join(ignoreMissing(asking), driftUnnamed.Put(tx, d.ID, struct{}{}))
		}
	} else {
		what, reason, d.Back = wentBack, "as-it-was", t.r.At
		err = driftRefs.Put(tx, t.b.driftKey(key), driftRef{Told: ref.Told})
	}
	t.kicks(d)
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
	if d.Last = t.at; turned {
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
				many.Many.add(d)
				many.Weaker = many.Weaker || d.Weaker
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

// named are the names of the approvers that a change is about.
func (t *take) named(c drift.Change) map[string]string {
	if slices.ContainsFunc(c.Fields, func(f drift.Different) bool { return f.Name == drift.Approvers }) {
		return t.names
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
	d.Names = t.named(c)
	ref.Open = d.ID
	return d, errors.Join(driftRefs.Put(tx, t.b.driftKey(key), ref), t.begin(tx, d))
}
