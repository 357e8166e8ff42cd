package trail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/belaybot/belay/store"
)

// Report is what Verify found.
type Report struct {
	Begin       uint64 // index of the first event that is kept
	Size        uint64 // index after the last event that is whole
	Loose       int    // events that are not chained yet, and so not covered
	Unsigned    uint64 // events that no checkpoint covers yet: whoever has the store and its keys could still change them
	Erased      int    // events of which personal texts were erased
	Checkpoints int    // that hold, those from outside among them
	Dropped     int    // checkpoints of events that were dropped for their age
	// Bad is the first thing that is wrong; nil: the trail is whole.
	Bad *Bad
}

// Bad is a place where the trail is not what it was.
type Bad struct {
	Index uint64 // of the first event that is changed, missing, moved or added
	What  string
}

// Verify walks the whole trail and finds what was changed, taken out, put in, moved
// or cut off. Somebody who has the store and its keys could write a chain anew that is
// right in itself: anchors, signed checkpoints that were kept elsewhere, show that.
// The error is about reading; what is wrong with the trail is in the Report.
func (t *Trail) Verify(ctx context.Context, anchors ...Checkpoint) (Report, error) {
	for {
		w := walk{t: t, now: t.o.Now()}
		for _, c := range anchors {
			w.anchors = append(w.anchors, anchor{c, true})
		}
		bad, err := w.begin(ctx)
		if err == nil && bad == nil {
			bad, err = w.chain(ctx)
		}
		if err == nil && bad == nil {
			bad, err = w.end(ctx)
		}
		if errors.Is(err, errDropped) {
			continue
		}
		r := w.report
		r.Begin, r.Size, r.Bad = w.head.Begin, w.next, bad
		return r, err
	}
}

// errDropped: while the walk was under way, events before it were dropped for their age.
var errDropped = errors.New("trail: the beginning has moved")

// walk is one verification.
type walk struct {
	t       *Trail
	anchors []anchor // those still ahead, by size
	now     time.Time
	dropped uint64 // size of the last checkpoint whose events were dropped for their age
	head    head
	signed  uint64 // size at the newest checkpoint when the walk began
	next    uint64 // index that must come
	hash    hash   // before it
	held    uint64 // size of the last checkpoint that held
	trusted uint64 // and of the last one from outside
	report  Report
}

func badAt(i uint64, what string, args ...any) *Bad {
	return &Bad{Index: i, What: fmt.Sprintf(what, args...)}
}

// begin reads where the chain begins and which checkpoints there are.
func (w *walk) begin(ctx context.Context) (bad *Bad, err error) {
	outside := w.anchors
	err = w.t.o.Store.View(ctx, func(tx store.Tx) error {
		bad, w.anchors = nil, slices.Clone(outside)
		var err error
		if w.head, err = readHead(tx); err != nil {
			bad, err = damaged(0, "the end of the chain", err)
			return err
		}
		w.next, w.signed = w.head.Begin, w.head.Signed
		err = checkpoints.Scan(tx, "", "", func(key, signed string) error {
			c, err := w.t.ParseCheckpoint(signed)
			if err != nil || string(indexKey(c.Size)) != key {
				bad = badAt(w.next, "the checkpoint %s was changed: its signature does not hold", key)
				return store.Stop
			}
			w.anchors = append(w.anchors, anchor{c, false})
			return nil
		})
		if bad == nil && err != nil {
			bad, err = damaged(w.next, "a checkpoint", err)
		}
		return err
	})
	if err != nil || bad != nil {
		return bad, err
	}
	if w.head.Begin > 0 {
		c, err := w.t.parse(ofBeginning, w.head.BeginNote)
		if err != nil || c.Size != w.head.Begin {
			return badAt(w.head.Begin, "the chain begins at %d, and no signed word says that what was before was dropped for its age", w.head.Begin), nil //nolint:nilerr // a finding
		}
		w.hash, w.held, w.trusted = c.Hash, c.Size, c.Size
	}
	slices.SortStableFunc(w.anchors, func(a, b anchor) int {
		switch {
		case a.Size < b.Size:
			return -1
		case a.Size > b.Size:
			return 1
		}
		return 0
	})
	return w.anchored(), nil
}

// damaged makes a record that does not open a finding; any other error stays one.
func damaged(i uint64, what string, err error) (*Bad, error) {
	var c *store.CorruptError
	if errors.As(err, &c) {
		return badAt(i, "%s was changed or moved: its seal does not hold", what), nil
	}
	return nil, err
}

// chain follows the chain.
func (w *walk) chain(ctx context.Context) (bad *Bad, err error) {
	for {
		n := 0
		from := *w
		err := w.t.o.Store.View(ctx, func(tx store.Tx) error {
			*w, n, bad = from, 0, nil
			var err error
			if w.head, err = readHead(tx); err != nil || w.head.Begin > w.next {
				return errors.Join(err, errIf(err == nil, errDropped))
			}
			err = tx.Scan(chainBucket, indexKey(w.next), nil, func(key, value []byte) error {
				var err error
				if bad, err = w.event(tx, key, value); err != nil {
					return err
				}
				if bad == nil {
					bad = w.anchored()
				}
				if n++; bad != nil || n == 8*page {
					return store.Stop
				}
				return nil
			})
			if err != nil && bad == nil {
				bad, err = damaged(w.next, "the event", err)
			}
			return err
		})
		if err != nil || bad != nil || n < 8*page {
			return bad, err
		}
	}
}

// event checks the next event of the chain and its texts.
func (w *walk) event(tx store.Tx, key, value []byte) (*Bad, error) {
	i, err := strconv.ParseUint(string(key), 16, 64)
	switch {
	case err != nil || !bytes.Equal(key, indexKey(i)):
		return badAt(w.next, "a record that no Belay wrote lies among the events: %q", key), nil //nolint:nilerr // a finding
	case i != w.next:
		return badAt(w.next, "the event is missing; the next one there is %d", i), nil
	case i >= w.head.Size:
		return badAt(i, "the event was put in behind the end of the chain"), nil
	}
	got, raw, ok := unlink(value)
	if !ok || w.hash.follow(raw) != got {
		return badAt(i, "the event was changed, moved or exchanged: its hash does not hold"), nil
	}
	w.hash, w.next = got, i+1
	if !bytes.Contains(raw, textsMark) {
		return nil, nil //nolint:nilnil // nothing is wrong
	}
	return w.texts(tx, i, raw)
}

// texts compares the personal texts that are still there with the commitments.
func (w *walk) texts(tx store.Tx, i uint64, raw []byte) (*Bad, error) {
	var b struct {
		ID        string            `json:"id"`
		Committed map[string]string `json:"texts"`
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return badAt(i, "the event is no event"), nil //nolint:nilerr // a finding
	}
	kept, err := texts.Get(tx, b.ID)
	if errors.Is(err, store.ErrNotFound) {
		w.report.Erased++
		return nil, nil //nolint:nilnil // erased on purpose
	}
	if err != nil {
		return damaged(i, "a text of the event", err)
	}
	for name, s := range kept {
		if b.Committed[name] != s.commitment() {
			return badAt(i, "the text %q of the event was changed", name), nil
		}
	}
	if len(kept) < len(b.Committed) {
		w.report.Erased++
	}
	return nil, nil //nolint:nilnil // nothing is wrong
}

// end compares where the chain ends with where it should.
func (w *walk) end(ctx context.Context) (bad *Bad, err error) {
	switch {
	case w.next < w.head.Size:
		return badAt(w.next, "the end is missing: %d events were chained, and the last one there is before this", w.head.Size), nil
	case w.hash != w.head.Hash:
		return badAt(w.next, "the chain ends otherwise than was recorded"), nil
	case len(w.anchors) > 0:
		return badAt(w.next, "the end is missing: the checkpoint of %s covers %d events. Nothing vouches for what there is from %d on",
			w.anchors[0].At.Format("2006-01-02 15:04:05"), w.anchors[0].Size, w.sure(w.anchors[0])), nil
	case w.signed > w.held:
		return badAt(w.held, "the checkpoint at %d is missing", w.signed), nil
	}
	w.report.Unsigned = w.next - w.held
	err = w.t.o.Store.View(ctx, func(tx store.Tx) error {
		w.report.Loose = 0
		bad = nil
		broken, err := scanLoose(tx, func(_, _ []byte) error {
			w.report.Loose++
			return nil
		})
		if err == nil && broken != nil {
			bad = badAt(w.next, "an event that is not chained yet was changed or put in: its seal does not hold")
		}
		return err
	})
	return bad, err
}
