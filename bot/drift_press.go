package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// driftPress accepts what a card shows. Who may is on record from the last reading, so that
// a press waits for nobody.
func (b *Bot) driftPress(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	var d Drift
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if d, err = getDrift(tx, p.ID); err != nil {
			return err
		}
		state, err := driftState.Get(tx, driftStateKey)
		if err = ignoreMissing(err); err != nil {
			return err
		}
		all, err := d.members(tx)
		mine := able(all, a.ID)
		switch {
		case err != nil:
			return err
		case !containsFold(state.Viewers, a.ID):
			return bar("no-viewer", sayNoDriftViewer)
		case !d.open():
			return nil // the card says what became of it
		case len(mine) == 0 && len(able(all, "")) > 0:
			return bar("own-drift", sayOwnDrift)
		case d.In != "":
			return store.ErrNotFound // it has no card
		case p.ID != d.button():
			return refuse(CodeInvalid, sayDriftChanged)
		}
		if one := d.One.ID; one != "" {
			if mine = able(mine, one); !containsFold(state.Viewers, one) || len(mine) == 0 {
				d.One, d.OneAt = pim.Principal{}, time.Time{} // who may not any more has not
			}
		}
		if d.Weaker && d.One.ID == "" {
			d.One, d.OneAt = a.Principal, at
			return errors.Join(b.putDrift(tx, d), b.driftHeard(tx, d, trail.DriftHandled, auditActor(a.Person), string(VerbAccept), "first-of-two", at, trail.Texts{"actor": personText(a.Principal)}))
		}
		if d.Weaker && strings.EqualFold(d.One.ID, a.ID) {
			return bar("same-person", saySamePerson)
		}
		d, err = b.accepts(tx, d, mine, a, at)
		return err
	})
	if err != nil {
		return b.driftRefused(ctx, in, a, p, d, err), nil
	}
	b.kick(b.bulletinID(driftPost(d.ID)), true)
	return Reply{Card: driftReply(d)}, nil
}

// members are the changes that d stands for; otherwise d itself.
func (d Drift) members(tx store.Tx) ([]Drift, error) {
	if d.Many == nil {
		return []Drift{d}, nil
	}
	all := make([]Drift, 0, len(d.Many.IDs))
	for _, id := range d.Many.IDs {
		switch m, err := drifts.Get(tx, id); {
		case err == nil:
			all = append(all, m)
		case !errors.Is(err, store.ErrNotFound): // closed long ago, and forgotten
			return nil, err
		}
	}
	return all, nil
}

// able are the open ones that somebody may accept: those that are neither about them nor
// made by them.
func able(all []Drift, id string) (some []Drift) {
	for _, d := range all {
		if d.open() && (id == "" || !strings.EqualFold(d.holder().ID, id) && !d.made(id)) {
			some = append(some, d)
		}
	}
	return some
}

// accepts closes what somebody may accept of a document: the baseline has that from now on.
// What a card stands for beside it stays open.
func (b *Bot) accepts(tx store.Tx, d Drift, mine []Drift, a actor, at time.Time) (Drift, error) {
	for _, m := range mine {
		if err := b.move(tx, m, at); err != nil {
			return d, err
		}
		m.One, m.Accepted, m.AcceptedAt = d.One, a.Principal, at
		err := errors.Join(driftHistory.Put(tx, dueKey(at, m.ID), Acceptance{At: at, By: a.Principal, With: d.One, Change: m.Change, First: m.First}),
			b.putDrift(tx, m), b.driftHeard(tx, m, trail.DriftHandled, auditActor(a.Person), string(VerbAccept), "", at, trail.Texts{"actor": personText(a.Principal)}))
		if err != nil {
			return d, err
		}
	}
	if d.Many == nil {
		d.Accepted, d.AcceptedAt = a.Principal, at
		return d, nil
	}
	all, err := d.members(tx)
	if err != nil {
		return d, err
	}
	rest := able(all, "")
	if len(rest) == 0 {
		d.Accepted, d.AcceptedAt = a.Principal, at
		return d, b.putDrift(tx, d)
	}
	left := Batch{}
	for _, m := range rest {
		left.add(m)
	}
	d.Last = at
	d.Many, d.Turns, d.One, d.OneAt = &left, d.Turns+1, pim.Principal{}, time.Time{}
	return d, b.putDrift(tx, d)
}

// add counts one more change.
func (m *Batch) add(d Drift) {
	m.IDs = append(m.IDs, d.ID)
	if d.Weaker {
		m.Weaker++
	}
	if len(m.Titles) < shownTitles {
		m.Titles = append(m.Titles, d.title())
	}
}

// move has the baseline follow a change. What it took in by itself is there already.
func (b *Bot) move(tx store.Tx, d Drift, at time.Time) error {
	if d.First != nil {
		if !d.First.All {
			return nil
		}
		state, err := driftState.Get(tx, driftStateKey)
		state.Accepted = true
		return errors.Join(ignoreMissing(err), driftState.Put(tx, driftStateKey, state))
	}
	key := b.driftKey(d.Change.Key)
	ref, err := driftRefs.Get(tx, key)
	if err != nil {
		return err
	}
	ref.Open = ""
	c := d.Change
	if was, err := driftBase.Get(tx, key); err == nil {
		c.Before = &was // it may have learnt a value since
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if e, stays := c.With(); stays {
		err = driftBase.Put(tx, key, e)
	} else {
		err = driftBase.Delete(tx, key)
	}
	return errors.Join(err, driftRefs.Put(tx, key, ref))
}

// driftRefused explains why nothing was recorded, and tells the audit trail of what is
// not for the presser.
func (b *Bot) driftRefused(ctx context.Context, in Inbound, a actor, p Press, d Drift, err error) Reply {
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}
	}
	if why := whyRefused(err); why != "" {
		e := trail.Event{At: b.o.Now().UTC(), Kind: trail.Press, Outcome: trail.No, Actor: auditActor(a.Person), Verb: string(p.Verb), Reason: why, Texts: trail.Texts{"actor": personText(a.Principal)}}
		if d.ID != "" && d.First == nil && d.Many == nil {
			e.Subject, e.Role = d.holder().ID, auditRole(d.role())
		}
		b.o.Links.refused(ctx, a.User, e)
	}
	return b.trouble(in, err)
}

// mostDrifts is how many open changes one answer shows.
const mostDrifts = 5

// listDrift answers /elevate drift: what is open, for those who may see the posture.
func (b *Bot) listDrift(in Inbound, a actor) (Reply, Later) {
	return Reply{}, func(ctx context.Context) Reply {
		may := false
		if p := b.o.Posture; p != nil {
			var err error
			if may, err = p.Viewer(ctx, a.ID); err != nil {
				return b.trouble(in, err)
			}
		}
		if !may {
			err := bar("no-viewer", sayNoViewer)
			b.pressRefused(ctx, a, Request{}, string(SubDrift), err)
			return b.trouble(in, err)
		}
		state, open, err := b.Drifts(ctx)
		switch {
		case err != nil:
			return b.trouble(in, err)
		case b.o.Drift == nil && state.Read.IsZero():
			return Reply{Card: plain(Neutral, titleDrifts, sayDriftOff)}
		}
		open = slices.DeleteFunc(open, func(d Drift) bool { return d.In != "" })
		c := driftsCard(state, open, b.o.Drift == nil)
		reply := Reply{Card: &c}
		for _, d := range open[:min(len(open), mostDrifts)] {
			reply.More = append(reply.More, b.project.DriftCard(d))
		}
		return reply
	}
}
