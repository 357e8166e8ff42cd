package trail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/belaybot/belay/store"
)

// Record is one event as it lies in the trail.
type Record struct {
	Index uint64 // in the chain; of a loose event the one that it will have at the soonest
	Loose bool   // not chained yet
	Event
	// Erased are the names of texts that are not there any more.
	Erased []string
}

// page is how many records one transaction reads.
const page = 500

// errCorruptBody is a body that is no event.
var errCorruptBody = errors.New("trail: a record is no event")

// Read gives every record from an index on to fn, oldest first and the loose ones
// last, in short transactions: what is appended meanwhile may be among them. It ends
// with fn's error, or without one when that is store.Stop. A record that cannot be read is an
// error; Verify says more about it.
func (t *Trail) Read(ctx context.Context, from uint64, fn func(Record) error) error {
	next := from
	for {
		var all []Record
		err := t.o.Store.View(ctx, func(tx store.Tx) error {
			all = all[:0]
			return scanChain(tx, next, page, func(i uint64, raw []byte) error {
				r, err := record(tx, i, raw)
				all = append(all, r)
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, r := range all {
			if err := fn(r); err != nil {
				return stopped(err)
			}
			next = r.Index + 1
		}
		if len(all) < page {
			break
		}
	}
	var loose []Record
	err := t.o.Store.View(ctx, func(tx store.Tx) error {
		loose = loose[:0]
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		// Chained since the last page was read: not loose any more.
		err = scanChain(tx, next, -1, func(i uint64, raw []byte) error {
			r, err := record(tx, i, raw)
			loose = append(loose, r)
			return err
		})
		if err != nil {
			return err
		}
		n := h.Size
		return tx.Scan(looseBucket, nil, nil, func(_, raw []byte) error {
			r, err := record(tx, n, bytes.Clone(raw))
			r.Loose = true
			loose = append(loose, r)
			n++
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, r := range loose {
		if err := fn(r); err != nil {
			return stopped(err)
		}
	}
	return nil
}

func stopped(err error) error {
	if errors.Is(err, store.Stop) {
		return nil
	}
	return err
}

// scanChain visits at the most so many events of the chain from an index on; most < 0:
// all of them.
func scanChain(tx store.Tx, from uint64, most int, fn func(i uint64, raw []byte) error) error {
	n := 0
	return tx.Scan(chainBucket, indexKey(from), nil, func(key, value []byte) error {
		i, err := strconv.ParseUint(string(key), 16, 64)
		if err != nil {
			return fmt.Errorf("%w: its key is %q", errCorruptBody, key)
		}
		_, raw, ok := unlink(value)
		if !ok {
			return fmt.Errorf("%w: index %d", errCorruptBody, i)
		}
		if err := fn(i, raw); err != nil {
			return err
		}
		if n++; n == most {
			return store.Stop
		}
		return nil
	})
}

// record is the event of a body, with those of its texts that are still there.
func record(tx store.Tx, i uint64, raw []byte) (Record, error) {
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		return Record{}, fmt.Errorf("%w: index %d: %w", errCorruptBody, i, err)
	}
	r := Record{Index: i, Event: b.Event}
	if len(b.Committed) == 0 {
		return r, nil
	}
	kept, err := texts.Get(tx, b.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	for _, name := range slices.Sorted(maps.Keys(b.Committed)) {
		s, ok := kept[name]
		if !ok {
			r.Erased = append(r.Erased, name)
			continue
		}
		if r.Texts == nil {
			r.Texts = Texts{}
		}
		r.Texts[name] = s.Text
	}
	return r, nil
}
