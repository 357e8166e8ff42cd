package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
)

// alertMarks are the counters: detector + pseudonym of its subject → what is counted.
var alertMarks = store.NewBucket[[]Mark]("alert-marks")

func (b *Bot) markKey(kind Detector, of string) string {
	return string(kind) + "/" + b.o.Pseudonym("alert-marks", strings.ToLower(of))
}

// count adds one mark to a counter, and makes an alert when there are enough of them.
func (b *Bot) count(tx store.Tx, r Request, c count, at time.Time) error {
	key := b.markKey(c.kind, c.of)
	marks, err := alertMarks.Get(tx, key)
	if err = ignoreMissing(err); err != nil {
		return err
	}
	kept, hit := c.often.add(marks, c.mark)
	if err := alertMarks.Put(tx, key, kept); err != nil || len(hit) == 0 {
		return err
	}
	return b.raise(tx, c.found(r, hit), at)
}

// longest is the longest time over which something is counted.
func (a *AlertRules) longest() (most time.Duration) {
	if a == nil {
		return 0
	}
	for _, o := range []Often{a.PersonBurst, a.RoleBurst, a.Denied, a.Hasty} {
		most = max(most, o.Within)
	}
	return most
}

// sweepMarks forgets what is too old to count: marks name people.
func (b *Bot) sweepMarks(ctx context.Context) error {
	before := b.o.Now().Add(-b.o.Alerts.longest())
	old := func(m Mark) bool { return m.At.Before(before) }
	for more := true; more; {
		err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
			more, err = dropMarks(tx, erasePage, old)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseMarks drops the counters of a person, and the marks of theirs in others', and says
// whether there were any.
func (b *Bot) eraseMarks(tx store.Tx, whose Whose) (any bool, err error) {
	for _, kind := range []Detector{AlertPerson, AlertDenied, AlertHasty} {
		key := b.markKey(kind, whose.Person)
		if _, err := alertMarks.Get(tx, key); err == nil {
			any = true
		} else if ignoreMissing(err) != nil {
			return any, err
		}
		if err := alertMarks.Delete(tx, key); err != nil {
			return any, err
		}
	}
	marked, err := dropMarks(tx, 0, func(m Mark) bool { return whose.is(m.Who) })
	return any || marked, err
}

// dropMarks drops marks from at most so many counters, 0: from all, and says whether it
// dropped any.
func dropMarks(tx store.Tx, most int, drop func(Mark) bool) (any bool, err error) {
	changed := map[string][]Mark{}
	err = alertMarks.Scan(tx, "", "", func(key string, marks []Mark) error {
		if most > 0 && len(changed) >= most {
			return store.Stop
		}
		if slices.ContainsFunc(marks, drop) || len(marks) == 0 {
			changed[key] = slices.DeleteFunc(slices.Clone(marks), drop)
		}
		return nil
	})
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		if left := changed[key]; len(left) == 0 {
			err = errors.Join(err, alertMarks.Delete(tx, key))
		} else {
			err = errors.Join(err, alertMarks.Put(tx, key, left))
		}
	}
	return len(changed) > 0, err
}
