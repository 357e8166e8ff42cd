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

// Severity is how much an event matters, for rules to tell loud ones from others.
type Severity string

// The severities, from the least on.
const (
	Low    Severity = "low"
	Medium Severity = "medium"
	High   Severity = "high"
)

// Bulletin is a card for channels that belongs to no request: an alert, a drift, a posture
// report. Its producer hands it to Bot.post in the transaction of whatever it tells of, and
// need not care for it any more: it is shown once in each place, after a kill too, and it
// waits for a platform that does not answer.
//
// The ID is the producer's and stands for one deed: posting it again changes nothing, and
// with another card updates that card wherever it stands. So a card with [Acknowledge] is
// kept true by posting the bulletin anew with the card that has no button. Where it goes is
// decided once, and what a digest took in stays as it was then.
type Bulletin struct {
	ID        string                 `json:"id"` // "alert/…", "drift/…"; it is not shown, and a pseudonym of it is the key
	Event     Notice                 `json:"event"`
	Severity  Severity               `json:"severity,omitempty"`  // empty: Low
	Role      pim.EligibleAssignment `json:"role"`                // that it is about; zero: no role
	Requester string                 `json:"requester,omitempty"` // object id of the person that it is about; empty: nobody
	Card      Card                   `json:"card"`

	// Below is the ID of a bulletin, and Request that of a request: where one of them
	// stands in the same place, this one goes in its thread.
	Below   string `json:"below,omitempty"`
	Request string `json:"request,omitempty"`

	// To and People, object ids, are where it goes; with both empty the rules say where.
	To     []Conversation `json:"to,omitempty"`
	People []string       `json:"people,omitempty"`

	// Asks is the id of an alert, which is told when the question to its person reaches nobody.
	Asks string `json:"asks,omitempty"`

	At time.Time `json:"at"` // business time at which it is posted
}

// posted is a bulletin and where it stands: one document, due as requests are.
type posted struct {
	Bulletin
	Routed bool           `json:"routed,omitempty"` // Places, and Absent, are known
	Places []Conversation `json:"places,omitempty"`
	Absent []string       `json:"absent,omitempty"` // object ids of people who have to be found yet
	FindAt time.Time      `json:"findAt,omitzero"`  // … when to look again
	// FindSince is when something that decides where it goes could not be read first, and
	// FindTries how often since.
	FindSince time.Time `json:"findSince,omitzero"`
	FindTries int       `json:"findTries,omitempty"`

	Shown map[Slot]Shown `json:"shown,omitempty"`
	Wake  time.Time      `json:"wake"`
	Lease Lease          `json:"lease"`
}

var bulletins = store.NewBucket[posted]("bulletins") // pseudonym of the ID

// bulletinMark begins the id under which the due index lists a bulletin.
const bulletinMark = "post-"

// keepBulletins is how long after its last change a bulletin can still be updated.
const keepBulletins = 90 * 24 * time.Hour

func (b *Bot) bulletinID(id string) string { return bulletinMark + b.o.Pseudonym("bulletin", id) }

// post has a bulletin delivered, durably from the moment that tx is committed. Nobody has
// to be kicked: what is due is looked for.
func (b *Bot) post(tx store.Tx, n Bulletin) error {
	key := b.bulletinID(n.ID)
	before, err := getBulletin(tx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	next := before
	next.Bulletin = n
	if before.ID != "" && digest(before.Card) == digest(n.Card) {
		return nil
	}
	return b.putBulletin(tx, key, before, next, n.At)
}

func getBulletin(tx store.Tx, key string) (posted, error) {
	return bulletins.Get(tx, strings.TrimPrefix(key, bulletinMark))
}

// putBulletin keeps the document and its due entry together.
func (b *Bot) putBulletin(tx store.Tx, key string, before, next posted, now time.Time) error {
	next.Wake = next.wake(now)
	if !before.Wake.Equal(next.Wake) {
		if !before.Wake.IsZero() {
			if err := dueIndex.Delete(tx, dueKey(before.Wake, key)); err != nil {
				return err
			}
		}
		if err := dueIndex.Put(tx, dueKey(next.Wake, key), struct{}{}); err != nil {
			return err
		}
	}
	return bulletins.Put(tx, strings.TrimPrefix(key, bulletinMark), next)
}

// wants are the cards of a bulletin, each in its place.
func (p posted) wants() []Want {
	all := make([]Want, 0, len(p.Places))
	for _, at := range p.Places {
		all = append(all, Want{Slot: placeSlot(at), At: at, Card: p.Card})
	}
	return all
}

func placeSlot(at Conversation) Slot { return Slot("at/" + string(at.Platform) + "/" + at.ID) }

// wake is when there is something to do next: at last, to forget it.
func (p posted) wake(now time.Time) time.Time {
	if now.Before(p.Lease.Until) {
		return p.Lease.Until // for when whoever works on it dies
	}
	show, later := due(p.wants(), p.Shown, now)
	if len(show) > 0 {
		return now
	}
	if !p.Routed || len(p.Absent) > 0 {
		later = soonest(later, maxTime(now, p.FindAt))
	}
	return soonest(later, p.At.Add(keepBulletins))
}

// findAgain has where it goes looked for again, the later the more often it was.
func (p *posted) findAgain(now time.Time) {
	if p.FindTries == 0 {
		p.FindSince = now
	}
	p.FindAt = now.Add(backoff(p.FindTries))
	p.FindTries++
}

// found ends the looking.
func (p *posted) found() { p.FindAt, p.FindSince, p.FindTries = time.Time{}, time.Time{}, 0 }

// gaveUpFinding says that it was looked for long enough; from the first try on, since Belay
// may have been away when it was to be told.
func (p posted) gaveUpFinding(now time.Time) bool {
	return p.FindTries > 0 && now.Sub(p.FindSince) >= giveUpShowing
}

// takeBulletin takes the lease. What has been told long ago is forgotten instead.
func (b *Bot) takeBulletin(ctx context.Context, key string) (p posted, mine bool, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getBulletin(tx, key)
		if errors.Is(err, store.ErrNotFound) {
			return b.docs.dropDue(tx, key)
		}
		if err != nil {
			return err
		}
		p, mine = before, false
		switch {
		case p.Lease.Owner != "" && p.Lease.Owner != b.owner && now.Before(p.Lease.Until):
			return nil
		case !now.Before(p.At.Add(keepBulletins)):
			return errors.Join(dueIndex.Delete(tx, dueKey(p.Wake, key)), bulletins.Delete(tx, strings.TrimPrefix(key, bulletinMark)))
		}
		mine = true
		p.Lease = Lease{Owner: b.owner, Until: now.Add(leaseTime)}
		return b.putBulletin(tx, key, before, p, now)
	})
	return p, mine, err
}

// changeBulletin records something of a bulletin while its lease is held, and holds it
// anew: that something was done shows that this process lives. The error is a
// *LeaseLostError when another one has it.
func (b *Bot) changeBulletin(ctx context.Context, key string, change func(tx store.Tx, p *posted) error) (held Lease, err error) {
	now := b.o.Now().UTC()
	err = b.o.Store.Update(ctx, func(tx store.Tx) error {
		before, err := getBulletin(tx, key)
		if err != nil {
			return err
		}
		if before.Lease.Owner != b.owner {
			return &LeaseLostError{Request: key, Owner: before.Lease.Owner}
		}
		next := before
		next.Shown = maps.Clone(next.Shown)
		next.Places, next.Absent = slices.Clone(next.Places), slices.Clone(next.Absent)
		next.Lease.Until = now.Add(leaseTime)
		if err := change(tx, &next); err != nil {
			return err
		}
		if next.Asks != "" && next.unreached() && !before.unreached() {
			if err := b.notAsked(tx, next, now); err != nil {
				return err
			}
		}
		held = next.Lease
		return b.putBulletin(tx, key, before, next, now)
	})
	return held, err
}
