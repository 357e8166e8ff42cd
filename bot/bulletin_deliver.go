package bot

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// deliver settles one bulletin, as settle does a request: each outcome is recorded by
// itself, and only by who still holds the lease.
func (b *Bot) deliver(ctx context.Context, key string) {
	p, mine, err := b.takeBulletin(ctx, key)
	if err == nil && mine {
		// A stop does not cut off what has begun: whether it was posted would be unknown.
		p, err = b.deliverHeld(context.WithoutCancel(ctx), key, p)
		err = errors.Join(err, b.changeBulletin(context.WithoutCancel(ctx), key, func(p *posted) { p.Lease = Lease{} }))
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
	if !p.Routed {
		places, people := b.placesOf(p.Bulletin)
		if err := b.changeBulletin(ctx, key, func(p *posted) { p.Routed, p.Places, p.Absent = true, places, people }); err != nil {
			return p, err
		}
		p.Routed, p.Places, p.Absent = true, places, people
	}
	now := b.o.Now().UTC()
	if len(p.Absent) > 0 && !now.Before(p.FindAt) {
		found, absent := b.findPeople(ctx, p.Absent)
		if now.Sub(p.At) > giveUpShowing {
			absent = nil
		}
		places := withPlaces(p.Places, found)
		again := func(p *posted) { p.Places, p.Absent, p.FindAt = places, absent, now.Add(time.Minute) }
		if err := b.changeBulletin(ctx, key, again); err != nil {
			return p, err
		}
		again(&p)
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
			w.At.Thread = thread
			shown, lost = b.display(ctx, key, w, shown)
		}
		err = b.changeBulletin(ctx, key, func(p *posted) {
			if p.Shown == nil {
				p.Shown = map[Slot]Shown{}
			}
			if p.Shown[w.Slot] = shown; lost {
				delete(p.Shown, w.Slot) // posted anew at the next look
			}
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

// placesOf is where a bulletin goes: channels, and people who have to be found.
func (b *Bot) placesOf(n Bulletin) ([]Conversation, []string) {
	if len(n.To) > 0 || len(n.People) > 0 {
		return withPlaces(nil, n.To), n.People
	}
	return withPlaces(nil, b.o.Notices(n.Event, n.Role)), nil
}

// findPeople finds where people can be told something directly. absent are those to look
// for again; who cannot be reached at all is told to the operator.
func (b *Bot) findPeople(ctx context.Context, ids []string) (found []Conversation, absent []string) {
	for _, id := range ids {
		who, err := b.o.Directory.Principal(ctx, id)
		if err != nil && pim.CodeOf(err) != pim.CodeNotFound {
			absent = append(absent, id)
			b.o.Log.Warn("a person whom a rule of notices names could not be read; tried again", "principal", id, "error", err)
			continue
		}
		at, all, err := b.reach(ctx, who)
		switch {
		case err != nil || !all:
			absent = append(absent, id)
		case len(at) == 0:
			b.o.Log.Warn("a person whom a rule of notices names cannot be reached in chat", "principal", id)
		}
		found = append(found, at...)
	}
	return found, absent
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
