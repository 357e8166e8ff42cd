package bot

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store"
)

// eraseDrift drops what a person is called from the baseline, from its history and from
// changes; the object id stays, by which assignments are compared and by which it is known
// who may accept. The cards of what is open say the id from then on.
func (b *Bot) eraseDrift(tx store.Tx, person string) (any bool, err error) {
	e := nameless{person: person, called: map[string]bool{}}
	put := func(_ string, d Drift) error {
		if d.open() {
			return b.putDrift(tx, d)
		}
		return drifts.Put(tx, d.ID, d)
	}
	kept := func(key string, a Acceptance) error { return driftHistory.Put(tx, key, a) }
	err = errors.Join(
		eraseEach(tx, driftBase, &e, e.entry, func(key string, v drift.Entry) error { return driftBase.Put(tx, key, v) }),
		eraseEach(tx, driftHistory, &e, func(a Acceptance) Acceptance {
			a.By, a.With, a.Change = e.principal(a.By), e.principal(a.With), e.change(a.Change)
			return a
		}, kept),
		eraseEach(tx, drifts, &e, e.drift, put))
	// What stands for others names some of them: now it is known what the person is called.
	err = errors.Join(err,
		eraseEach(tx, driftHistory, &e, func(a Acceptance) Acceptance { a.First = e.first(a.First); return a }, kept),
		eraseEach(tx, drifts, &e, func(d Drift) Drift {
			if d.First = e.first(d.First); d.Many != nil {
				many := *d.Many
				many.Titles = e.titles(many.Titles)
				d.Many = &many
			}
			return d
		}, put))
	return e.any, err
}

// nameless drops what one person is called. hit: something of the value at hand was dropped.
type nameless struct {
	person   string
	hit, any bool
	called   map[string]bool // what was dropped, where it is asked for
}

// eraseEach puts what of a bucket is another thing without the name.
func eraseEach[T any](tx store.Tx, bucket store.Bucket[T], e *nameless, without func(T) T, put func(key string, v T) error) error {
	bare, keys := map[string]T{}, []string{}
	err := bucket.Scan(tx, "", "", func(key string, v T) error {
		e.hit = false
		if v = without(v); e.hit {
			bare[key], keys, e.any = v, append(keys, key), true
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, put(key, bare[key]))
	}
	return err
}

func (e *nameless) principal(p pim.Principal) pim.Principal {
	bare := pim.Principal{ID: p.ID}
	if p == bare || !strings.EqualFold(p.ID, e.person) {
		return p
	}
	e.hit = true
	if e.called != nil {
		e.called[personName(p)] = true
	}
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

func (e *nameless) drift(d Drift) Drift {
	d.One, d.Accepted, d.Change = e.principal(d.One), e.principal(d.Accepted), e.change(d.Change)
	d.By = slices.Clone(d.By)
	for n, p := range d.By {
		d.By[n] = e.principal(p)
	}
	d.Names = maps.Clone(d.Names)
	for id, name := range d.Names {
		if strings.EqualFold(id, e.person) && name != id {
			d.Names[id], e.hit = id, true
		}
	}
	return d
}

// first and titles drop the titles that say one of the names.
func (e *nameless) first(f *FirstSeen) *FirstSeen {
	if f == nil {
		return nil
	}
	bare := *f
	bare.Titles = e.titles(f.Titles)
	return &bare
}

func (e *nameless) titles(all []string) (bare []string) {
	for _, title := range all {
		if e.names(title) {
			e.hit = true
			continue
		}
		bare = append(bare, title)
	}
	return bare
}

func (e *nameless) names(title string) bool {
	for name := range e.called {
		if strings.Contains(title, name) {
			return true
		}
	}
	return false
}
