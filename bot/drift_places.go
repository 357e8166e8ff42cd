package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// moved follows a change of the places of Azure that are read. What is below a place that was
// added was taken in before; what is below one that is not read any more is dropped, and that it
// is not is told once, in the transaction that forgets the place.
func (t *take) moved(ctx context.Context, p drift.Places, left []string) error {
	for page := range slices.Chunk(p.Known, driftPage) {
		if err := t.update(ctx, func(tx store.Tx) error { return t.b.placeEntries(tx, page) }); err != nil {
			return err
		}
	}
	dropped := slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.Dropped, left))))
	for page := range slices.Chunk(dropped, driftPage) {
		if err := t.update(ctx, func(tx store.Tx) error { return t.drop(tx, page) }); err != nil {
			return err
		}
	}
	if len(p.Uncovered) == 0 {
		return nil
	}
	return t.update(ctx, func(tx store.Tx) error {
		err := t.b.putEntries(tx, p.Covers)
		for _, key := range p.Uncovered {
			err = errors.Join(err, driftBase.Delete(tx, t.b.driftKey(key)))
		}
		if err != nil || len(p.Left) == 0 {
			return err
		}
		return errors.Join(
			t.b.post(tx, Bulletin{ID: driftPost("left/" + t.r.At.Format(time.RFC3339Nano)), Event: NoticeDrift, Severity: High, Card: leftCard(p.Left), At: t.r.At}),
			t.b.o.Trail.Append(tx, trail.Event{At: t.r.At, Kind: trail.DriftFound, Outcome: trail.OK, Actor: trail.Actor{Platform: fromBelay}, Verb: "places-left",
				More: map[string]string{"places": strings.Join(p.Left, ",")}}))
	})
}

// placeEntries records below which places entries are that are in the baseline still.
func (b *Bot) placeEntries(tx store.Tx, all []drift.Entry) error {
	for _, e := range all {
		was, err := driftBase.Get(tx, b.driftKey(e.Key()))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		was.Below = e.Below
		if err = errors.Join(err, driftBase.Put(tx, b.driftKey(e.Key()), was)); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets entries, and closes what is open about them.
func (t *take) drop(tx store.Tx, keys []string) error {
	back := map[string]int{}
	for _, key := range keys {
		ref, err := driftRefs.Get(tx, t.b.driftKey(key))
		if err = errors.Join(ignoreMissing(err), driftBase.Delete(tx, t.b.driftKey(key))); err != nil {
			return err
		}
		if ref.Open == "" {
			continue
		}
		d, err := drifts.Get(tx, ref.Open)
		if err != nil {
			return err
		}
		d.Back, d.Left = t.r.At, true
		if back[d.In]++; d.In == "" {
			t.kicks(d)
		}
		err = errors.Join(driftRefs.Put(tx, t.b.driftKey(key), driftRef{Told: ref.Told}), t.b.putDrift(tx, d),
			t.b.driftHeard(tx, d, trail.DriftFound, trail.Actor{Platform: fromBelay}, d.what(), "place-left", t.r.At, nil))
		if err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(back)) {
		if id != "" {
			if err := t.recount(tx, id, back[id], false); err != nil {
				return err
			}
		}
	}
	return nil
}
