package trail

import (
	"context"
	"errors"
	"time"

	"github.com/belaybot/belay/store"
)

// Erase drops the personal texts of every event that matches, and says how many
// events lost some. The chain covers commitments to them only, and stays whole. record,
// when not nil, is appended in the first transaction that drops something.
func (t *Trail) Erase(ctx context.Context, match func(Event) bool, record *Event) (n int, err error) {
	var ids []string
	flush := func() error {
		if len(ids) == 0 {
			return nil
		}
		err := t.o.Store.Update(ctx, func(tx store.Tx) error {
			for _, id := range ids {
				if err := texts.Delete(tx, id); err != nil {
					return err
				}
			}
			if record != nil {
				return t.Append(tx, *record)
			}
			return nil
		})
		if err == nil {
			n, ids, record = n+len(ids), ids[:0], nil
		}
		return err
	}
	err = t.Read(ctx, 0, func(r Record) error {
		if len(r.Texts) == 0 || !match(r.Event) {
			return nil
		}
		if ids = append(ids, r.ID); len(ids) < batch {
			return nil
		}
		return flush()
	})
	return n, errors.Join(err, flush())
}

// Sweep drops what is older than Options say: texts, and events up to a checkpoint.
func (t *Trail) Sweep(ctx context.Context) error {
	now := t.o.Now().UTC()
	if t.o.KeepTexts > 0 {
		if err := t.dropTexts(ctx, now.Add(-t.o.KeepTexts)); err != nil {
			return err
		}
	}
	if t.o.Keep > 0 {
		return t.dropEvents(ctx, now.Add(-t.o.Keep))
	}
	return nil
}

// dropTexts drops the texts of events before a time. It goes on where it stopped.
func (t *Trail) dropTexts(ctx context.Context, before time.Time) error {
	for {
		n := 0
		err := t.o.Store.Update(ctx, func(tx store.Tx) error {
			n = 0
			h, err := t.take(tx, t.o.Now().UTC())
			if err != nil {
				return err
			}
			var ids []string
			err = scanChain(tx, max(h.Begin, h.Wordless), batch, func(i uint64, raw []byte) error {
				r, err := record(tx, i, raw)
				if err != nil {
					return err
				}
				if !r.At.Before(before) {
					return store.Stop
				}
				ids, h.Wordless = append(ids, r.ID), i+1
				return nil
			})
			if err != nil || len(ids) == 0 {
				return errors.Join(err, errIf(err == nil, errNothing))
			}
			for _, id := range ids {
				if err := texts.Delete(tx, id); err != nil {
					return err
				}
			}
			n = len(ids)
			return state.Put(tx, headKey, h)
		})
		if errors.Is(err, errNothing) {
			return nil
		}
		if err != nil || n < batch {
			return err
		}
	}
}

func errIf(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}

// dropEvents drops the beginning of the chain. What is left begins with a signed
// word about what was before it, so that a beginning that somebody cut off shows.
func (t *Trail) dropEvents(ctx context.Context, before time.Time) error {
	for {
		n := 0
		err := t.o.Store.Update(ctx, func(tx store.Tx) error {
			n = 0
			now := t.o.Now().UTC()
			h, err := t.take(tx, now)
			if err != nil {
				return err
			}
			var last hash
			type old struct{ key, id string }
			var drop []old
			err = tx.Scan(chainBucket, indexKey(h.Begin), nil, func(key, value []byte) error {
				at, raw, ok := unlink(value)
				if !ok {
					return errCorruptBody
				}
				r, err := record(tx, h.Begin, raw)
				if err != nil {
					return err
				}
				if !r.At.Before(before) {
					return store.Stop
				}
				drop, last = append(drop, old{string(key), r.ID}), at
				if len(drop) >= batch {
					return store.Stop
				}
				return nil
			})
			if err != nil || len(drop) == 0 {
				return errors.Join(err, errIf(err == nil, errNothing))
			}
			for _, d := range drop {
				if err := errors.Join(tx.Delete(chainBucket, []byte(d.key)), texts.Delete(tx, d.id)); err != nil {
					return err
				}
			}
			n = len(drop)
			h.Begin += uint64(n)
			if h.BeginNote, err = t.sign.note(Checkpoint{Size: h.Begin, Hash: last, At: now}); err != nil {
				return err
			}
			err = checkpoints.Scan(tx, "", string(indexKey(h.Begin)), func(key string, _ string) error { return checkpoints.Delete(tx, key) })
			if err != nil {
				return err
			}
			return state.Put(tx, headKey, h)
		})
		if errors.Is(err, errNothing) {
			return nil
		}
		if err != nil || n < batch {
			return err
		}
	}
}
