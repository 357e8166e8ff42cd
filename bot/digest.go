package bot

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
)

// gathered is what a digest is to tell one place at its next time. It is filled in the
// transactions of what it tells, and becomes a bulletin in one transaction too: so that
// whatever was recorded is told once, and where nothing happened nothing is said.
type gathered struct {
	At     Conversation   `json:"at,omitzero"` // or a person
	Person string         `json:"person,omitempty"`
	Every  string         `json:"every"`
	Zone   string         `json:"zone"`
	Due    time.Time      `json:"due"`
	Since  time.Time      `json:"since"` // the first of it
	Counts map[Notice]int `json:"counts"`
	Latest []gatheredLine `json:"latest"` // at most digestLines
}

// gatheredLine is one event in a digest.
type gatheredLine struct {
	At    time.Time `json:"at"`
	Event Notice    `json:"event"`
	Title string    `json:"title"`
}

// digestLines is how many events a digest shows: what a card has room for.
const digestLines = 18

var digests = store.NewBucket[gathered]("digests") // pseudonym of the place and its timetable

// digestMark begins the id under which the due index lists a digest.
const digestMark = "digest-"

func getDigest(tx store.Tx, key string) (gathered, error) {
	return digests.Get(tx, strings.TrimPrefix(key, digestMark))
}

// gather adds an event to what a target's next digest tells.
func (b *Bot) gather(tx store.Tx, t Target, e gatheredLine) error {
	key := digestMark + b.o.Pseudonym("digest", t.key(), t.Digest.String())
	d, err := getDigest(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		d = gathered{At: t.At, Person: t.Person, Every: t.Digest.String(), Zone: t.Digest.zone().String(), Due: t.Digest.Next(e.At), Since: e.At, Counts: map[Notice]int{}}
		err = dueIndex.Put(tx, dueKey(d.Due, key), struct{}{})
	}
	if err != nil {
		return err
	}
	d.Counts[e.Event]++
	if d.Latest = append(d.Latest, e); len(d.Latest) > digestLines {
		d.Latest = d.Latest[len(d.Latest)-digestLines:]
	}
	return digests.Put(tx, strings.TrimPrefix(key, digestMark), d)
}

// publish makes a digest whose time has come a bulletin.
func (b *Bot) publish(ctx context.Context, key string) {
	now := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		d, err := getDigest(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return b.docs.dropDue(tx, key)
		}
		if err != nil || now.Before(d.Due) {
			return err
		}
		n := Bulletin{ID: key + "/" + strconv.FormatInt(d.Due.Unix(), 10), Card: digestCard(d), At: now}
		if n.To = []Conversation{d.At}; d.Person != "" {
			n.To, n.People = nil, []string{d.Person}
		}
		if err := b.post(tx, n); err != nil {
			return err
		}
		return errors.Join(dueIndex.Delete(tx, dueKey(d.Due, key)), digests.Delete(tx, strings.TrimPrefix(key, digestMark)))
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Error("a digest could not be made yet; it is tried again", "error", err)
		}
		b.stumble(key)
		return
	}
	b.recovered(key)
}
