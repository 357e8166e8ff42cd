package trail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	return t.drop(ctx, func(tx store.Tx, h *head) (n int, err error) {
		old, err := aged(tx, max(h.Begin, h.Wordless), h.Size, before, t.o.Now())
		for _, o := range old {
			err = errors.Join(err, texts.Delete(tx, o.id))
			h.Wordless = o.index + 1
		}
		return len(old), err
	})
}

// dropEvents drops the beginning of the chain, as far as checkpoints that are old enough
// themselves cover it. What is left begins with a signed word about what was before it, so that a
// beginning that somebody cut off shows. What does not follow stays: it is evidence.
func (t *Trail) dropEvents(ctx context.Context, before time.Time) error {
	return t.drop(ctx, func(tx store.Tx, h *head) (n int, err error) {
		last := hash{}
		if h.Begin > 0 {
			c, err := t.parse(ofBeginning, h.BeginNote)
			if err != nil || c.Size != h.Begin {
				return 0, errors.Join(ErrBroken, errors.New("the word about the beginning does not hold"))
			}
			last = c.Hash
		}
		covered, err := t.covered(tx, before)
		if err != nil {
			return 0, err
		}
		old, err := aged(tx, h.Begin, covered.Size, before, t.o.Now())
		if err != nil || len(old) == 0 {
			return 0, err
		}
		for _, o := range old {
			if last = last.follow(o.raw); last != o.hash || o.index != h.Begin {
				return 0, errors.Join(ErrBroken, fmt.Errorf("the event %d does not follow from the one before it", h.Begin))
			}
			if err := errors.Join(tx.Delete(chainBucket, indexKey(o.index)), texts.Delete(tx, o.id)); err != nil {
				return 0, err
			}
			h.Begin++
		}
		if h.Begin == covered.Size && last != covered.Hash {
			return 0, errors.Join(ErrBroken, fmt.Errorf("the checkpoint at %d says otherwise", covered.Size))
		}
		if h.BeginNote, err = t.sign.note(ofBeginning, Checkpoint{Size: h.Begin, Hash: last, At: t.o.Now()}); err != nil {
			return 0, err
		}
		return len(old), checkpoints.Scan(tx, "", string(indexKey(h.Begin)), func(key string, _ string) error { return checkpoints.Delete(tx, key) })
	})
}

// drop runs one step after another, each in a transaction, until one drops less than a batch.
func (t *Trail) drop(ctx context.Context, step func(store.Tx, *head) (int, error)) error {
	for {
		n := 0
		err := t.o.Store.Update(ctx, func(tx store.Tx) error {
			n = 0
			h, err := t.take(tx, t.o.Now().UTC())
			if err != nil {
				return err
			}
			if n, err = step(tx, &h); err != nil || n == 0 {
				return errors.Join(err, errIf(err == nil, errNothing))
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

// covered is the last of the checkpoints that all are from before a time.
func (t *Trail) covered(tx store.Tx, before time.Time) (last Checkpoint, err error) {
	err = checkpoints.Scan(tx, "", "", func(key, signed string) error {
		c, err := t.ParseCheckpoint(signed)
		switch {
		case err != nil || string(indexKey(c.Size)) != key:
			return errors.Join(ErrBroken, fmt.Errorf("the checkpoint at %s does not hold", key))
		case !c.At.Before(before):
			return store.Stop
		}
		last = c
		return nil
	})
	return last, err
}

// oldEvent is what has to be known of an event in order to drop it.
type oldEvent struct {
	index uint64
	id    string
	hash  hash
	raw   []byte
}

// aged are at the least a batch of events, if there are so many, from one index to
// before another that are older than a time. An event that the clock, when it went wrong, put
// into the future holds up nothing: it is as old as the next one that is not.
func aged(tx store.Tx, from, to uint64, before, now time.Time) (old []oldEvent, err error) {
	sure := 0
	err = tx.Scan(chainBucket, indexKey(from), indexKey(to), func(key, value []byte) error {
		i, err := strconv.ParseUint(string(key), 16, 64)
		at, raw, ok := unlink(value)
		var e struct {
			ID string    `json:"id"`
			At time.Time `json:"at"`
		}
		if err != nil || !ok || json.Unmarshal(raw, &e) != nil {
			return errors.Join(ErrBroken, fmt.Errorf("%w: its key is %q", errCorruptBody, key))
		}
		if !e.At.Before(before) && !e.At.After(now) {
			return store.Stop
		}
		old = append(old, oldEvent{i, e.ID, at, bytes.Clone(raw)})
		if e.At.Before(before) {
			if sure = len(old); sure >= batch {
				return store.Stop
			}
		}
		return nil
	})
	return old[:sure], err
}

func errIf(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}
