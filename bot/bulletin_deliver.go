package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/store"
)

// deliver settles one bulletin, as settle does a request: each outcome is recorded by
// itself, and only by who still holds the lease.
func (b *Bot) deliver(ctx context.Context, key string) {
	p, mine, err := b.takeBulletin(ctx, key)
	if err == nil && mine {
		// A stop does not cut off what has begun: whether it was posted would be unknown.
		p, err = b.deliverHeld(context.WithoutCancel(ctx), key, p)
		_, rerr := b.changeBulletin(context.WithoutCancel(ctx), key, func(_ store.Tx, p *posted) error { p.Lease = Lease{}; return nil })
		err = errors.Join(err, rerr)
	}
	lost, taken := errors.AsType[*LeaseLostError](err)
	switch {
	case err == nil || taken && lost != nil:
		b.recovered(key)
	default:
		if ctx.Err() == nil {
			b.o.Log.Error("a bulletin could not be delivered yet; it is tried again", "event", p.Event, "error", err)
		}
		b.stumble(key)
		b.holds(key)
	}
}

// deliverHeld routes a bulletin, finds its people, and shows its card wherever it is due.
func (b *Bot) deliverHeld(ctx context.Context, key string, p posted) (posted, error) {
	now := b.o.Now().UTC()
	record := func(change func(tx store.Tx, p *posted) error) (err error) {
		if err := change(nil, &p); err != nil {
			return err
		}
		p.Lease, err = b.changeBulletin(ctx, key, change)
		return err
	}
	if !p.Routed && !now.Before(p.FindAt) {
		if err := record(b.routed(ctx, p, now)); err != nil {
			return p, err
		}
	}
	if p.Routed && len(p.Absent) > 0 && !now.Before(p.FindAt) {
		var found []Conversation
		var absent []string
		for _, id := range p.Absent {
			at, all := b.findPerson(ctx, id)
			if found = append(found, at...); !all && !p.gaveUpFinding(now) {
				absent = append(absent, id)
			}
		}
		err := record(func(_ store.Tx, p *posted) error {
			p.Places, p.Absent = withPlaces(p.Places, found), absent
			if len(absent) > 0 {
				p.findAgain(now)
			} else {
				p.found()
			}
			return nil
		})
		if err != nil {
			return p, err
		}
	}
	show, _ := due(p.wants(), p.Shown, now)
	for _, w := range show {
		shown, lost := p.Shown[w.Slot], false
		thread, wait, err := b.threadOf(ctx, p.Bulletin, w.At)
		switch {
		case err != nil:
			return p, err
		case wait && shown.Message.ID == "":
			shown.NotBefore = now.Add(time.Second)
		default:
			// A call to a chat may take all its time; it must be over while the lease is held.
			if p.Lease.Until.Sub(b.o.Now()) <= chatTime {
				if err := record(func(store.Tx, *posted) error { return nil }); err != nil {
					return p, err
				}
			}
			w.At.Thread = thread
			shown, lost = b.display(ctx, key, w, shown)
		}
		p.Lease, err = b.changeBulletin(ctx, key, func(_ store.Tx, p *posted) error {
			if p.Shown == nil {
				p.Shown = map[Slot]Shown{}
			}
			if p.Shown[w.Slot] = shown; lost {
				delete(p.Shown, w.Slot) // posted anew at the next look
			}
			return nil
		})
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// withPlaces adds places to others, none twice.
func withPlaces(all, more []Conversation) []Conversation {
	all = slices.Clone(all)
	for _, at := range more {
		if !slices.ContainsFunc(all, func(o Conversation) bool { return placeSlot(o) == placeSlot(at) }) {
			all = append(all, at)
		}
	}
	return all
}

// routed asks the rules where a bulletin goes. Digests take it in with the same transaction,
// for which tx is nil where only the document is meant.
func (b *Bot) routed(ctx context.Context, p posted, now time.Time) func(tx store.Tx, p *posted) error {
	h := Happening{Event: p.Event, Severity: p.Severity, Role: p.Role}
	all := true
	if p.Requester != "" && len(p.To)+len(p.People) == 0 {
		h.Groups, all = b.memberships(ctx, p.Requester, p.FindTries >= hearTries)
	}
	return func(tx store.Tx, p *posted) error {
		switch {
		case !all:
			p.findAgain(now)
			return nil
		case len(p.To)+len(p.People) > 0:
			p.Routed, p.Places, p.Absent = true, withPlaces(nil, p.To), p.People
			p.found()
			return nil
		}
		p.Routed = true
		p.found()
		for _, t := range b.o.Notices.Targets(h) {
			switch {
			case !t.Digest.Zero() && tx != nil:
				if err := b.gather(tx, t, gatheredLine{At: p.At, Event: p.Event, Title: p.Card.Title}); err != nil {
					return err
				}
			case !t.Digest.Zero():
			case t.Person != "":
				p.Absent = append(p.Absent, t.Person)
			default:
				p.Places = withPlaces(p.Places, []Conversation{t.At})
			}
		}
		return nil
	}
}

// threadOf is the message in whose thread a bulletin goes in a place; wait: it is about to
// be posted.
func (b *Bot) threadOf(ctx context.Context, n Bulletin, at Conversation) (thread string, wait bool, err error) {
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		thread, wait = "", false
		if n.Request != "" {
			r, err := b.docs.get(tx, n.Request)
			if err == nil {
				thread = r.threadIn(at)
			}
			if thread != "" || err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if n.Below == "" || n.Below == n.ID {
			return nil
		}
		above, err := getBulletin(tx, b.bulletinID(n.Below))
		if err != nil {
			return ignoreMissing(err)
		}
		s := above.Shown[placeSlot(at)]
		if thread = s.Message.ID; thread != "" && s.Message.Conversation.Thread != "" {
			thread = s.Message.Conversation.Thread
		}
		wait = !above.Routed || thread == "" && s.GivenUp == "" && slices.ContainsFunc(above.Places, func(o Conversation) bool { return placeSlot(o) == placeSlot(at) })
		return nil
	})
	return thread, wait, err
}
