package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// usual is from which countries a person signs in, and all that is kept of it.
type usual struct {
	First time.Time            `json:"first"` // sign-in that is known
	Read  time.Time            `json:"read"`  // until when the log is known
	Seen  map[string]time.Time `json:"seen"`  // country → the last day
}

var usualPlaces = store.NewBucket[usual]("sign-in-places") // pseudonym of the person

const day = 24 * time.Hour

func (b *Bot) placesKey(person string) string {
	return b.o.Pseudonym("sign-in places", strings.ToLower(person))
}

// What became of looking at the sign-ins of an activation: labels of a metric.
const (
	placeUsual     = "usual"
	placeUnusual   = "unusual"
	placeNoHistory = "no-history" // nothing to compare with
	placeNone      = "no-sign-in" // the log has none
	placeUnknown   = "no-place"   // the log tells no country
	placeUnseen    = "cannot-see" // the log could not be read
)

// since is from when on the log has to be read for an activation.
func (u usual) since(began time.Time, rules AlertRules) time.Time {
	return maxTime(u.Read.Add(-logOverlap), began.Add(-time.Duration(rules.PlaceDays)*day))
}

// learn takes in sign-ins until an activation, oldest first. strange is the first one from a
// country that is not usual for the person and new enough to matter. Who was never seen a
// day before has no history, and nothing of theirs is strange.
func (u usual) learn(all []pim.SignIn, began time.Time, rules AlertRules) (next usual, strange *pim.SignIn, outcome string) {
	days := time.Duration(rules.PlaceDays) * day
	next = usual{First: u.First, Read: maxTime(u.Read, began), Seen: map[string]time.Time{}}
	maps.Copy(next.Seen, u.Seen)
	outcome = placeNone
	if next.history(began, days) {
		outcome = placeUsual // an earlier sign-in goes on
	}
	for _, s := range all {
		switch {
		case s.Failed || s.At.After(began.Add(placeSlack)): // later ones are for the next activation
			continue
		case s.Country == "":
			if outcome == placeNone {
				outcome = placeUnknown
			}
			continue
		}
		country := strings.ToUpper(s.Country)
		last, known := next.Seen[country]
		history := next.history(s.At, days)
		if outcome = placeNoHistory; history {
			outcome = placeUsual
		}
		if recent := known && s.At.Sub(last) <= days+day; !recent && history && strange == nil && began.Sub(s.At) <= rules.PlaceWithin {
			strange = &s
		}
		next.Seen[country] = maxTime(last, s.At.UTC().Truncate(day))
		if next.First.IsZero() {
			next.First = s.At
		}
	}
	if strange != nil {
		outcome = placeUnusual
	}
	return next, strange, outcome
}

// history says that a person was seen in the days before a time, and before its day.
func (u usual) history(at time.Time, days time.Duration) bool {
	if u.First.IsZero() || at.Sub(u.First) < day {
		return false
	}
	for _, last := range u.Seen {
		if at.Sub(last) <= days+day {
			return true
		}
	}
	return false
}

// countries are where the person signed in from, but not the one that is strange.
func (u usual) countries(not string) []string {
	var all []string
	for country := range u.Seen {
		if !strings.EqualFold(country, not) {
			all = append(all, country)
		}
	}
	slices.Sort(all)
	return all
}

// sweepPlaces forgets countries that are not usual any more, and looks that nobody makes.
func (b *Bot) sweepPlaces(ctx context.Context) error {
	if err := b.sweepChecks(ctx); err != nil {
		return err
	}
	keep := time.Duration(0)
	if b.o.Alerts.on(AlertPlace) {
		keep = time.Duration(b.o.Alerts.PlaceDays+1) * day
	}
	before := b.o.Now().Add(-keep)
	for more := true; more; {
		err := b.o.Store.Update(ctx, func(tx store.Tx) error {
			changed := map[string]usual{}
			more = false
			err := usualPlaces.Scan(tx, "", "", func(key string, u usual) error {
				left := usual{First: u.First, Read: u.Read, Seen: map[string]time.Time{}}
				for country, last := range u.Seen {
					if !last.Before(before) {
						left.Seen[country] = last
					}
				}
				if len(left.Seen) < len(u.Seen) || len(left.Seen) == 0 && u.Read.Before(before) {
					changed[key] = left
				}
				if more = len(changed) >= erasePage; more {
					return store.Stop
				}
				return nil
			})
			for _, key := range slices.Sorted(maps.Keys(changed)) {
				if left := changed[key]; len(left.Seen) == 0 {
					err = errors.Join(err, usualPlaces.Delete(tx, key))
				} else {
					err = errors.Join(err, usualPlaces.Put(tx, key, left))
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// erasePlaces drops where a person signs in from, and looks at it that are still to come, and
// says whether there was anything.
func (b *Bot) erasePlaces(tx store.Tx, whose Whose) (bool, error) {
	any, err := dropChecks(tx, func(c placeCheck) bool { return whose.is(c.Person.ID) })
	if err != nil {
		return any, err
	}
	key := b.placesKey(whose.Person)
	if _, err := usualPlaces.Get(tx, key); err != nil {
		return any, ignoreMissing(err)
	}
	return true, usualPlaces.Delete(tx, key)
}
