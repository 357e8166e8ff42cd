package bot

import (
	"errors"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
)

// eraseDrift drops what a person is called from the baseline, from its history and from
// changes that are closed; the object id stays, by which assignments are compared. A change
// that is open is needed until somebody accepts it.
func (b *Bot) eraseDrift(tx store.Tx, person string) (any bool, err error) {
	e := nameless{person: person}
	err = errors.Join(
		eraseEach(tx, driftBase, &e, func(v drift.Entry) drift.Entry { return e.entry(v) }),
		eraseEach(tx, driftHistory, &e, func(a Acceptance) Acceptance {
			a.By, a.With, a.Change = e.principal(a.By), e.principal(a.With), e.change(a.Change)
			return a
		}),
		eraseEach(tx, drifts, &e, func(d Drift) Drift {
			if d.open() {
				return d
			}
			d.One, d.Accepted, d.Change = e.principal(d.One), e.principal(d.Accepted), e.change(d.Change)
			var by []pim.Principal
			for _, p := range d.By {
				by = append(by, e.principal(p))
			}
			d.By = by
			for id := range d.Names {
				if strings.EqualFold(id, person) && d.Names[id] != id {
					d.Names, e.hit = nil, true
					break
				}
			}
			return d
		}))
	return e.any, err
}

// nameless drops what one person is called. hit: something of the value at hand was dropped.
type nameless struct {
	person   string
	hit, any bool
}

// eraseEach writes what of a bucket is another thing without the name.
func eraseEach[T any](tx store.Tx, bucket store.Bucket[T], e *nameless, without func(T) T) error {
	bare, keys := map[string]T{}, []string{}
	err := bucket.Scan(tx, "", "", func(key string, v T) error {
		e.hit = false
		if v = without(v); e.hit {
			bare[key], keys, e.any = v, append(keys, key), true
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, bucket.Put(tx, key, bare[key]))
	}
	return err
}

func (e *nameless) principal(p pim.Principal) pim.Principal {
	bare := pim.Principal{ID: p.ID}
	if p == bare || !strings.EqualFold(p.ID, e.person) {
		return p
	}
	e.hit = true
	return bare
}

func (e *nameless) entry(v drift.Entry) drift.Entry {
	v.Holder = e.principal(v.Holder)
	return v
}

func (e *nameless) change(c drift.Change) drift.Change {
	for _, at := range []**drift.Entry{&c.Before, &c.After} {
		if *at != nil {
			v := e.entry(**at)
			*at = &v
		}
	}
	return c
}
