package trail

import (
	"context"
	"errors"

	"github.com/belaybot/belay/store"
)

// Part is a part of the chain and where the chain stands, in one snapshot.
type Part struct {
	Records []Record
	Begin   uint64 // index of the first event that is kept
	Size    uint64 // events ever chained
	// Unreadable is why the record after Records cannot be read; nil: it can, or there is
	// none.
	Unreadable error
}

// Page reads at the most so many chained records from an index on; those that are dropped
// are passed over. A damaged record hides none that stands before it.
func (t *Trail) Page(ctx context.Context, from uint64, most int) (p Part, err error) {
	err = t.o.Store.View(ctx, func(tx store.Tx) error {
		p = Part{}
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		p.Begin, p.Size = h.Begin, h.Size
		if most > 0 && from < h.Size {
			err = scanChain(tx, from, most, func(i uint64, raw []byte) error {
				r, err := record(tx, i, raw)
				if err == nil {
					p.Records = append(p.Records, r)
				}
				return err
			})
			if unreadable(err) {
				p.Unreadable, err = err, nil
			}
		}
		return err
	})
	return p, err
}

func unreadable(err error) bool {
	var c *store.CorruptError
	return errors.Is(err, errCorruptBody) || errors.As(err, &c)
}
