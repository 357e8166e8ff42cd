package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// firstMinutes is how long Microsoft does not deactivate what has just become
// active (FACTS: ActiveDurationTooShort), and stopSlack what clocks may differ by.
const (
	firstMinutes = 5 * time.Minute
	stopSlack    = 5 * time.Second
)

// stopFrom is when Microsoft takes a deactivation; zero: not known.
func (r Request) stopFrom() time.Time {
	if r.Held.From.IsZero() {
		return time.Time{}
	}
	return r.Held.From.Add(firstMinutes + stopSlack)
}

// planStop has a deactivation made as soon as Microsoft takes it. Who ends the
// activation for good wants nothing to follow it.
func (r *Request) planStop(i *Intent, at time.Time) {
	if from := r.stopFrom(); from.After(at) {
		i.NotBefore = from
	}
	if i.Then == "" {
		r.FollowedBy = ""
	}
}

// stopping is the deactivation that is owed, if there is one.
func (r Request) stopping() (Intent, bool) {
	for _, i := range r.Intents {
		if i.Kind == ToDeactivate && i.open() {
			return i, true
		}
	}
	return Intent{}, false
}

// planned is the deactivation that waits for its time and can still be taken back.
func (r Request) planned() (Intent, bool) {
	i, ok := r.stopping()
	return i, ok && i.State == IntentReady && i.SentAt.IsZero() && !i.NotBefore.IsZero()
}

// Kept takes a deactivation back that Microsoft has not heard of.
type Kept struct{ By string }

func (e Kept) apply(r *Request, at time.Time) error {
	if !strings.EqualFold(e.By, r.Requester.ID) {
		return bar("not-theirs", sayNotYours)
	}
	for n := range r.Intents {
		i := &r.Intents[n]
		if i.Kind != ToDeactivate || !i.open() {
			continue
		}
		if !i.SentAt.IsZero() {
			return refuse(CodeInvalid, sayTooLateToKeep)
		}
		r.finish(i, TakenBack, nil)
		r.note(at, "keeps the role", e.By, "")
		return nil
	}
	return refuse(CodeInvalid, sayNothingToKeep)
}

// keep answers [Keep it].
func (b *Bot) keep(ctx context.Context, in Inbound, a actor, p Press) (Reply, Later) {
	if !a.known {
		return b.offer(ctx, in, a, Ticket{})
	}
	r, err := b.change(ctx, p.ID, Kept{By: a.ID})
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return Reply{Card: plain(Bad, "Nothing was done", sayOutdated)}, nil
		}
		return b.refusedPress(ctx, in, a, p, "", err), nil
	}
	b.kick(r.ID, true)
	return Reply{Card: keptCard(r)}, nil
}

// tooEarly says of Microsoft's no to a deactivation that it is one for now only,
// and until when: in the first five minutes, and while Microsoft does not know
// yet, seconds after the beginning, what it holds itself.
func (r Request) tooEarly(i Intent, code pim.Code, now time.Time) (until time.Time, early bool) {
	if i.Kind != ToDeactivate || i.Tries >= maxEarly {
		return time.Time{}, false
	}
	from := r.Held.From
	if from.IsZero() {
		from = r.since()
	}
	switch {
	case code == pim.CodeTooShort:
	case code == pim.CodeNotActive && now.Before(from.Add(2*firstMinutes)):
	default:
		return time.Time{}, false
	}
	until = now.Add(15 * time.Second << min(i.Tries, 2))
	return maxTime(until, r.stopFrom()), true
}

// maxEarly is how often a deactivation is made again because it came too early.
const maxEarly = 10
