package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// What is refused for security's sake is in the audit trail, and who is refused must not
// be able to fill it. Of one chat identity the first few in a window are told one by one, and
// of the others the last one, with their count, when the window is over. A window is a minute, and twice as
// long each time as long as it goes on: the longest makes 24 times 6 events a day. What comes
// with no identity, from browsers, shares one; so do all identities beyond so many.
const (
	refusalsTold   = 5
	refusalsFirst  = time.Minute
	refusalsLast   = time.Hour
	refusalsPeople = 4096
)

// refusals are the windows that are open. They live in memory: a kill loses counts, and
// nothing that was told.
type refusals struct {
	now func() time.Time // wall clock
	mu  sync.Mutex
	by  map[string]*spell
}

// spell is one window of one identity.
type spell struct {
	since  time.Time
	window time.Duration
	told   int
	more   int         // beyond those
	last   trail.Event // of them
}

// over says that a window has ended. A clock that was set back ends it too.
func (r *spell) over(now time.Time) bool {
	return now.Before(r.since) || !now.Before(r.since.Add(r.window))
}

// counted is the event for what was not told; next is the window after it.
func (r *spell) counted(now time.Time) (e trail.Event, next *spell) {
	e = r.last
	e.Texts, e.More = nil, maps.Clone(e.More)
	if e.More == nil {
		e.More = map[string]string{}
	}
	e.More["count"], e.More["since"] = strconv.Itoa(r.more), r.since.UTC().Format(time.RFC3339)
	return e, &spell{since: now, window: min(2*r.window, refusalsLast)}
}

// take gives what the trail is to hear now that this was refused: nothing, it, or the
// count of earlier ones before it.
func (f *refusals) take(who string, e trail.Event) (all []trail.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	r, known := f.by[who]
	if !known && len(f.by) >= refusalsPeople {
		who = ""
		r, known = f.by[who]
	}
	switch {
	case known && r.over(now) && r.more > 0:
		var count trail.Event
		count, r = r.counted(now)
		all = append(all, count)
	case !known || r.over(now):
		r = &spell{since: now, window: refusalsFirst}
	}
	f.by[who] = r
	if r.told < refusalsTold {
		r.told++
		return append(all, e)
	}
	r.more, r.last = r.more+1, e
	return all
}

// ended gives the counts of windows that are over, or of all of them, and forgets those
// in which nothing more came.
func (f *refusals) ended(all bool) (counts []trail.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for _, who := range slices.Sorted(maps.Keys(f.by)) {
		switch r := f.by[who]; {
		case !r.over(now) && !all:
		case r.more == 0:
			delete(f.by, who)
		default:
			var e trail.Event
			e, f.by[who] = r.counted(now)
			counts = append(counts, e)
		}
	}
	return counts
}

// refused records what was refused. That it was does not depend on it: a fault goes to
// the log.
func (l *Links) refused(ctx context.Context, who User, e trail.Event) {
	key := string(who.Platform) + "\x00" + who.Tenant + "\x00" + who.ID
	l.keepRefused(ctx, l.refusals.take(key, e))
}

func (l *Links) keepRefused(ctx context.Context, all []trail.Event) {
	if len(all) == 0 {
		return
	}
	err := l.o.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		for _, e := range all {
			if err := l.o.Trail.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.o.Log.ErrorContext(ctx, "what was refused is not in the audit trail", "error", err)
	}
}

// CountRefusals records the counts of windows that are over; of all, at the end.
func (l *Links) CountRefusals(ctx context.Context, all bool) {
	for events := l.refusals.ended(all); len(events) > 0; {
		n := min(len(events), 500)
		l.keepRefused(ctx, events[:n])
		events = events[n:]
	}
}

// browser is an actor of whom nothing is known.
var browser = trail.Actor{Platform: "web"}

func chatActor(in Inbound) trail.Actor {
	return auditActor(Person{User: in.User, Principal: pim.Principal{ID: in.Principal}})
}

// signingIn is who a sign-in proved to be: in a browser, or in their chat client.
func signingIn(t Ticket, h Hop, who pim.Identity) trail.Actor {
	a := browser
	if h.Session == "" {
		a = auditActor(Person{User: t.User})
	}
	a.Principal = who.ID
	return a
}

// turnedAway records that a sign-in was refused for security's sake. t is whose it was to
// be, as far as that is known; by is who came.
func (l *Links) turnedAway(ctx context.Context, t Ticket, by trail.Actor, who pim.Principal, err error) {
	why := whyRefused(err)
	if why == "" {
		return
	}
	e := trail.Event{At: l.o.Now().UTC(), Kind: trail.TurnedAway, Outcome: trail.No, Actor: by, Subject: t.Expect, Request: t.Request, Reason: why}
	if t.User.ID != "" {
		e.More = map[string]string{"platform": string(t.User.Platform), "tenant": t.User.Tenant, "user": t.User.ID}
	}
	if who.Name != "" || who.UPN != "" {
		e.Texts = trail.Texts{"actor": personText(who)}
	}
	l.refused(ctx, t.User, e)
}

// TurnedAway records that the sign-in of a hop was refused by Slack or by Microsoft, or
// that what they sent does not hold.
func (l *Links) TurnedAway(ctx context.Context, h Hop, err error) {
	if whyRefused(err) == "" {
		return
	}
	var t Ticket
	if verr := l.o.Store.View(ctx, func(tx store.Tx) (err error) { t, err = tickets.Get(tx, h.Ticket); return err }); verr != nil {
		t = Ticket{} // whose it was to be is not known any more
	}
	l.turnedAway(ctx, t, browser, pim.Principal{}, err)
}

// Stranger records that somebody of another organisation talked to Belay; why is a code.
func (b *Bot) Stranger(ctx context.Context, u User, why string) {
	b.o.Links.turnedAway(ctx, Ticket{User: u}, auditActor(Person{User: u}), pim.Principal{Name: u.Name}, bar(why, sayGuest))
}

// pressRefused records that somebody's act on a request was refused: what is not theirs,
// or not any more.
func (b *Bot) pressRefused(ctx context.Context, a actor, r Request, verb string, err error) {
	why := whyRefused(err)
	var no *Error
	if why == "" && errors.As(err, &no) && no.Code == CodeInvalid {
		why = string(no.Code) // too late, or not to be done as it stands
	}
	if why == "" || !a.known {
		return
	}
	e := trail.Event{At: b.o.Now().UTC(), Kind: trail.Press, Outcome: trail.No, Actor: auditActor(a.Person), Verb: verb, Request: r.ID,
		Held: r.Held.ID, Subject: r.Requester.ID, Reason: why, Texts: trail.Texts{"actor": personText(a.Principal)}}
	if r.Role.Role != "" {
		e.Role = auditRole(r.Role)
	}
	b.o.Links.refused(ctx, a.User, e)
}
