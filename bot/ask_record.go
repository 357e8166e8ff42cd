package bot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// latest keeps which request a person made last: what "again" and "save" mean.
var latest = store.NewBucket[string]("latest") // pseudonym of the person → request id

// requestID is the id of the n-th request of a form: the form's own for the first,
// and else made from it, so that a form that is sent twice does nothing twice.
func requestID(form string, n int) string {
	id, err := uuid.Parse(form)
	if n == 0 || err != nil {
		return form
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(form+"/"), uint32(n)))
	copy(id[6:], sum[:]) // the time in front stays: ids are ordered by it
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// sent is what became of one role of a form.
type sent struct {
	r     Request
	fresh bool // recorded now; else it was there already
}

// record keeps the requests of a form, durably and all at once, before the person
// hears that they are sent.
func (b *Bot) record(ctx context.Context, in Inbound, a actor, form string, m *Menu, c choice, policies []pim.Policy, ask Ask) Reply {
	roles, at := c.all(), b.o.Now().UTC()
	events := make([]Asked, len(roles))
	for n, e := range roles {
		events[n] = Asked{ID: requestID(form, n), Requester: a.Person, Role: e, Ask: ask, Policy: policies[n], Intent: b.newID(), SignedIn: a.live, Ticket: b.newTicket()}
		if t, ok := m.termOf(e); ok {
			events[n].Acknowledged = t.text
		}
	}
	var all []sent
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		all = make([]sent, len(events))
		mine, err := b.docs.of(tx, a.ID, partAsks)
		if err != nil {
			return err
		}
		var fresh []Together
		for n, e := range events {
			there, err := b.docs.get(tx, e.ID)
			if errors.Is(err, store.ErrNotFound) {
				// One at a time: Microsoft would refuse the second.
				twin := slices.IndexFunc(mine, func(r Request) bool { return sameAssignment(r.Role.Assignment, e.Role.Assignment) })
				if twin < 0 {
					all[n].fresh, fresh = true, append(fresh, Together{ID: e.ID, Role: e.Role, State: begins(a.live)})
					continue
				}
				there, err = mine[twin], nil
			}
			if err == nil && !strings.EqualFold(there.Requester.ID, a.ID) {
				err = refuse(CodeInvalid, sayOutdated)
			}
			if err != nil {
				return err
			}
			all[n].r = there
		}
		for n, e := range events {
			if !all[n].fresh {
				continue
			}
			if len(fresh) > 1 {
				e.With = fresh
			}
			e.Trace = traceOf(ctx)
			if all[n].r, err = b.changeIn(tx, e.ID, at, e); err != nil {
				return err
			}
			if a.live {
				continue
			}
			if err := b.o.Links.Offer(tx, e.Ticket, Ticket{User: in.User, Direct: a.Direct, Expect: a.ID, Request: e.ID, Intent: e.Intent, What: sayWhat(all[n].r, ToActivate)}); err != nil {
				return err
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		return latest.Put(tx, b.o.Pseudonym("principal", a.ID), fresh[0].ID)
	})
	if err != nil {
		return b.trouble(in, err)
	}
	for _, s := range all {
		if s.fresh {
			b.kick(s.r.ID, true)
		}
	}
	if len(all) > 1 {
		c := b.project.sentSeveral(all)
		return Reply{Card: &c, Replace: true}
	}
	card := b.project.sentCard(all[0].r, at)
	if !all[0].fresh {
		card = b.project.requesterCard(all[0].r, at)
		card.Note = sayTwin
	}
	return Reply{Card: &card, Replace: true}
}

// begins is the state a request begins in.
func begins(signedIn bool) State {
	if signedIn {
		return Submitting
	}
	return SignInRequired
}

// standing answers a form that was sent before: with where its requests stand.
func (b *Bot) standing(ctx context.Context, in Inbound, r Request) Reply {
	if len(r.With) > 1 {
		all, err := b.together(ctx, r)
		if err != nil {
			return b.trouble(in, err)
		}
		sents := make([]sent, len(all))
		for n := range all {
			sents[n] = sent{r: all[n], fresh: true}
		}
		c := b.project.sentSeveral(sents)
		return Reply{Card: &c, Replace: true}
	}
	c := b.project.requesterCard(r, b.o.Now().UTC())
	return Reply{Card: &c, Replace: true}
}

// together reads the requests that were sent with one form.
func (b *Bot) together(ctx context.Context, r Request) ([]Request, error) {
	if len(r.With) == 0 {
		return []Request{r}, nil
	}
	var all []Request
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		all = all[:0]
		for _, w := range r.With {
			one, err := b.docs.get(tx, w.ID)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return nil
	})
	return all, err
}

// sameStart tells whether what Microsoft holds begins when this request asks for
// it; a start that has come is now. Source: Graph; a pending request for "now" has no
// start, or that of its making.
func (r Request) sameStart(m pim.Request) bool {
	if r.Ask.Start.After(m.Created) {
		return m.Start.Sub(r.Ask.Start).Abs() < time.Minute
	}
	return m.Status.Phase() != pim.PhasePending || m.Start.IsZero() || m.Start.Before(m.Created.Add(shortest))
}
