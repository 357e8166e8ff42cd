package bot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Already creates the request of what Microsoft holds already and Belay did not ask
// for. What it is, and where it stands, is for Observed to say.
type Already struct {
	ID        string
	Requester Person
	Role      pim.EligibleAssignment
}

func (e Already) apply(r *Request, at time.Time) error {
	if r.ID != "" {
		return refuse(CodeInvalid, sayAlreadySent)
	}
	*r = Request{ID: e.ID, State: Submitting, Elsewhere: true, Requester: e.Requester, Role: e.Role, Made: at}
	r.note(at, "found at Microsoft", "", "")
	return nil
}

// already sorts out that the role is active: by this request, whose answer was lost;
// by the one that it follows, for a moment still; or by another one, which then has a
// request of its own, so that the person can deactivate or extend it here.
func (b *Bot) already(ctx context.Context, p Pillar, r Request, i Intent, cause error) (Request, error) {
	now, why := b.o.Now().UTC(), refusal(cause)
	if r.lingers(now) {
		return b.change(ctx, r.ID, Delay{Intent: i.ID, Until: now.Add(backoff(min(i.Tries, 4))), Why: why, Unheard: i.SentAt.IsZero()})
	}
	// Until when it is active is good to know; the refusal stands without it.
	all, err := p.Active(ctx, i.By.ID, r.Role.Assignment)
	there := r.instance(all)
	if (err != nil || there == nil) && i.doubtful(now) {
		return b.unsure(ctx, r, i, cause)
	}
	if err != nil || there == nil {
		return b.refused(ctx, r, i, why)
	}
	seen := Observed{Read: true, Instance: there}
	if mine, err := p.Mine(ctx, i.By.ID); err == nil { // else its card says less
		for n, m := range mine {
			if sameAssignment(m.Assignment, r.Role.Assignment) && sameSchedule(m.Schedule, there.Schedule) {
				seen.Request = &mine[n]
				break
			}
		}
	}
	// Begun since the call was made, it is ours, unless Microsoft lists it with other words:
	// then the person asked in the portal meanwhile.
	if begunBy(i, *there) && there.End.Sub(there.Start) <= r.Ask.Duration+time.Minute && (seen.Request == nil || r.says(*seen.Request)) {
		return b.change(ctx, r.ID, Accept{Intent: i.ID}, Observed{Read: true, Instance: there}, paced{b})
	}
	why.Until = there.End
	b.o.Metrics.settled.WithLabelValues(string(i.Kind), "refused").Inc()
	return b.standAside(ctx, r, i, why, seen)
}

// doubtful says that what Microsoft holds may be what this very call made a moment ago,
// its answer lost: reads are only eventually consistent.
func (i Intent) doubtful(now time.Time) bool {
	return !i.SentAt.IsZero() && now.Before(i.SentAt.Add(afterGap))
}

// pending ends a request that another one, made with other words, stands in the way
// of. The person may follow that one instead.
func (b *Bot) pending(ctx context.Context, p Pillar, r Request, i Intent, cause error) (Request, error) {
	why := refusal(cause)
	mine, err := p.Mine(ctx, i.By.ID)
	if err == nil {
		for _, m := range mine {
			if sameAssignment(m.Assignment, r.Role.Assignment) && m.Status.Phase() == pim.PhasePending {
				why.Held = m.ID
				break
			}
		}
	}
	if why.Held == "" && i.doubtful(b.o.Now()) {
		return b.unsure(ctx, r, i, cause)
	}
	return b.refused(ctx, r, i, why)
}

// standAside refuses an intent because of what Microsoft holds already, and sees to
// it that that has a request here, in one transaction.
func (b *Bot) standAside(ctx context.Context, r Request, i Intent, why Refusal, seen Observed) (Request, error) {
	at, id := b.o.Now().UTC(), b.newID()
	var there, next Request
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		if there, err = b.elsewhere(tx, id, r.Requester, r.Role, at, seen); err != nil {
			return err
		}
		why := why
		why.Request = there.ID
		next, err = b.changeIn(tx, r.ID, at, Refuse{Intent: i.ID, Why: why})
		return err
	})
	if err == nil {
		b.kick(there.ID, true)
	}
	return next, err
}

// elsewhere gives the request that stands for what Microsoft holds and was not asked
// for here. Where nobody has found it yet it makes one, with that id.
func (b *Bot) elsewhere(tx store.Tx, id string, who Person, role pim.EligibleAssignment, at time.Time, seen Observed) (Request, error) {
	if seen.Request != nil {
		there, err := b.docs.holder(tx, role.Kind, seen.Request.ID)
		if !errors.Is(err, store.ErrNotFound) {
			return there, err
		}
	}
	mine, err := b.docs.of(tx, who.ID, partAsks)
	if err != nil {
		return Request{}, err
	}
	for _, other := range mine {
		if other.State == Active && sameAssignment(other.Role.Assignment, role.Assignment) {
			return other, nil
		}
	}
	return b.changeIn(tx, id, at, Already{ID: id, Requester: who, Role: role}, seen, paced{b})
}

// followThat shows the request that stood in the way of another one.
func (b *Bot) followThat(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	r, err := b.Request(ctx, p.ID)
	if err == nil && !strings.EqualFold(r.Requester.ID, a.ID) {
		err = bar("not-theirs", sayNotYours)
	}
	if err == nil && (r.Trouble == nil || r.Trouble.Held == "") {
		err = store.ErrNotFound
	}
	if errors.Is(err, store.ErrNotFound) {
		return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
	}
	if err != nil {
		b.pressRefused(ctx, a, r, string(VerbFollow), err)
		return b.trouble(in, err), nil
	}
	show := func(there Request) Reply {
		c := b.project.requesterCard(there, b.o.Now().UTC())
		return Reply{Card: &c, Replace: true}
	}
	var there Request
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		there, err = b.docs.holder(tx, r.Role.Kind, r.Trouble.Held)
		return err
	})
	if err == nil {
		return show(there), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return b.trouble(in, err), nil
	}
	return Reply{Card: plain(Waiting, headline(r), sayLooking), Replace: true}, func(ctx context.Context) Reply {
		pillar, err := b.pillar(r.Role.Kind)
		if err != nil {
			return b.trouble(in, err)
		}
		m, err := pillar.Request(ctx, a.ID, r.Trouble.Held)
		if err != nil {
			return b.menuTrouble(ctx, in, a, missing{kind: r.Role.Kind, err: err})
		}
		id, at := b.newID(), b.o.Now().UTC()
		err = b.o.Store.Update(ctx, func(tx store.Tx) error {
			there, err = b.elsewhere(tx, id, a.Person, r.Role, at, Observed{Request: &m})
			return err
		})
		if err != nil {
			return b.trouble(in, err)
		}
		b.kick(there.ID, true)
		return show(there)
	}
}

// begunBy says that an instance began no earlier than the call of an intent was made
// that Microsoft may have heard.
func begunBy(i Intent, there pim.Instance) bool {
	return !i.SentAt.IsZero() && !there.Start.Before(i.SentAt.Add(-time.Minute))
}

// sameSchedule compares the ids of schedules: Azure tells them whole or by their last
// part, in varying letter case.
func sameSchedule(a, b string) bool {
	last := func(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
	return a != "" && strings.EqualFold(last(a), last(b))
}

// ahead says that as of Microsoft's last word the activation begins later.
func (r Request) ahead() bool { return r.State == Scheduled && r.Ask.Start.After(r.Held.Seen) }

// canceled is the cancel that Microsoft accepted, if there is one.
func (r Request) canceled() *Intent {
	for n := range r.Intents {
		if i := &r.Intents[n]; i.Kind == ToCancel && i.Outcome == Accepted {
			return i
		}
	}
	return nil
}

// tookBack says that Microsoft took a cancel, or may well have: its answer was lost.
func (r Request) tookBack() bool {
	return slices.ContainsFunc(r.Intents, func(i Intent) bool {
		lost := !i.SentAt.IsZero() && (i.open() || i.Refusal != nil && i.Refusal.Code == pim.CodeUnavailable)
		return i.Kind == ToCancel && (i.Outcome == Accepted || lost)
	})
}

// opened is when Microsoft's window for a decision began: when the request was sent to it, which
// may be long after it was asked for.
func (r Request) opened() time.Time {
	at := r.Made
	for _, i := range r.Intents {
		if i.Kind == ToActivate {
			at = maxTime(at, i.SentAt)
		}
	}
	return at
}

// outOfTime says that Microsoft's window for a decision is over, as far as clocks agree.
func (r Request) outOfTime(at time.Time) bool { return at.Sub(r.opened()) >= Window-windowSlack }
