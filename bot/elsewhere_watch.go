package bot

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// lookout begins to look for requests that were made elsewhere: one round of looking
// for each pillar, and one that plans whose lists they read. All end with the bot.
func (b *Bot) lookout() {
	b.rounds("planning", func(ctx context.Context) { b.planLook(ctx) })
	b.rounds("counting", func(ctx context.Context) { b.survey(ctx, b.o.Now().UTC()) })
	var people census
	b.rounds("counting the linked people", func(ctx context.Context) { b.countLinked(ctx, &people) })
	var lookedAt time.Time
	b.rounds("looking at links", func(ctx context.Context) { b.lookAtLinks(ctx, &lookedAt) })
	accounts := &accountWatch{b: b, seen: map[string]time.Time{}}
	b.rounds("reading the logs of accounts", accounts.look)
	for _, kind := range slices.Sorted(maps.Keys(b.o.Finders)) {
		l := &lookout{b: b, kind: kind, finder: b.o.Finders[kind], last: map[string]time.Time{}, seen: map[string]time.Time{}}
		b.rounds("reading approvers' lists", l.look)
		b.rounds("reading the audit log", l.readLog)
	}
}

// rounds does something again and again until the bot stops. A panic ends one round,
// and the next begins a minute later.
func (b *Bot) rounds(what string, do func(context.Context)) {
	b.work.Add(1)
	go func() {
		defer b.work.Done()
		for {
			wait := tick
			if err := guarded(func() error { do(b.life); return nil }); err != nil {
				b.o.Log.Error("looking for requests that were made elsewhere panicked", "what", what, "error", err)
				wait = time.Minute
			}
			select {
			case <-b.life.Done():
				return
			case <-time.After(wait):
			}
		}
	}()
}

// mostLinked bounds whose sign-ins are looked at.
const mostLinked = 20_000

// planShare is how many times longer than a plan takes nothing is planned after it.
const planShare = 10

// planLook makes the plan anew where it is time to.
func (b *Bot) planLook(ctx context.Context) {
	now, begun := b.o.Now().UTC(), time.Now()
	if begun.Before(b.watch.restUntil) || !b.watch.due(now) {
		return
	}
	// Of many people this takes a while, and each of them who signs in asks for it.
	defer func() { b.watch.restUntil = time.Now().Add(planShare * time.Since(begun)) }()
	var linked []pim.Principal
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if !b.o.EachTime { // else a sign-in is for its act, and no list is read with it
			linked, err = b.o.Links.Linked(tx, mostLinked)
		}
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Error("who is linked could not be read", "error", err)
		}
		return
	}
	var live []pim.Principal
	for _, p := range linked {
		if ok, err := b.o.Grants.Live(ctx, p.ID); err == nil && ok {
			live = append(live, p)
		}
	}
	for _, m := range b.menu.known() {
		for a, policy := range m.policies {
			if e, ok := m.find(roleKey(a)); ok {
				b.watch.learn(e, policy, m.read)
			}
		}
	}
	plan := b.watch.make(live, slices.Sorted(maps.Keys(b.o.Finders)), b.reads.rate, now)
	b.reads.plan(plan.load)
	b.o.Metrics.uncovered.Set(float64(len(plan.uncovered)))
}

// known are the menus in memory.
func (m *menus) known() []*Menu {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.held))
}

// Uncovered lists the roles with approval of which no approver has a sign-in: requests
// that are made for them elsewhere are seen late, in the audit log, or not at all.
func (b *Bot) Uncovered() []pim.EligibleAssignment { return b.watch.now().uncovered }

// lookout looks into one pillar.
type lookout struct {
	b      *Bot
	kind   pim.Kind
	finder Finder
	last   map[string]time.Time // by person: when their list was read
	turn   [2]time.Time         // when one of the cover was asked, and one of the unknown

	readAt time.Time            // when the audit log is read next
	seen   map[string]time.Time // lines of the log that had their effect
	dumb   pim.Code             // why the log could not be read last time
}

// look reads every list whose time has come, the longest waiting first.
func (l *lookout) look(ctx context.Context) {
	for ctx.Err() == nil {
		now := l.b.o.Now().UTC()
		who, ok := l.next(now)
		if !ok || l.b.reads.take(l.kind, listing) > 0 {
			return
		}
		l.last[who.ID] = now
		l.list(ctx, who, now)
	}
}

// next is whose list is to be read now. Lists are read one after the other, evenly,
// those of whom it is known what they may decide before the others.
func (l *lookout) next(now time.Time) (pim.Principal, bool) {
	plan := l.b.watch.now()
	for n, part := range []struct {
		all   []string
		every time.Duration
	}{{plan.cover[l.kind], plan.every}, {plan.unknown[l.kind], plan.inTurn}} {
		if len(part.all) == 0 || over(now, l.turn[n], part.every/time.Duration(len(part.all))) < 0 {
			continue
		}
		best, longest := "", time.Duration(-1)
		for _, who := range part.all {
			if waits := over(now, l.last[who], part.every+jitter(who, l.last[who], part.every)); waits > longest {
				best, longest = who, waits
			}
		}
		if n == 0 && !l.last[best].IsZero() {
			l.b.o.Metrics.lag.WithLabelValues(string(l.kind)).Set(max(0, longest).Seconds())
		}
		if p, ok := plan.people[looker{l.kind, best}]; ok {
			l.turn[n] = now
			return p, true
		}
	}
	return pim.Principal{}, false
}

// over is for how long something is due that is to be done so often. What was never
// done, and what was done later than now, on a clock that went back, is long due.
func over(now, last time.Time, every time.Duration) time.Duration {
	if last.IsZero() || last.After(now) {
		return forgetting
	}
	return now.Sub(last) - every
}

// jitter is up to a tenth of every, so that lists are not all read at once.
func jitter(who string, last time.Time, every time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(who + last.String())) // a hash never fails
	return time.Duration(h.Sum32()%100) * every / 1000
}

// list reads one approver's list and takes it in.
func (l *lookout) list(ctx context.Context, who pim.Principal, now time.Time) {
	b := l.b
	if live, err := b.o.Grants.Live(ctx, who.ID); err != nil || !live {
		b.watch.renew()
		return
	}
	cctx, cancel := context.WithTimeout(ctx, callTime)
	all, err := l.finder.Pending(cctx, who.ID)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		code := pim.CodeOf(err)
		b.o.Metrics.polled.WithLabelValues(string(l.kind), string(code)).Inc()
		b.reads.rest(l.kind, err)
		if code != pim.CodeThrottled && code != pim.CodeUnavailable {
			b.watch.refused(looker{l.kind, who.ID}, now)
		}
		b.o.Log.Warn("an approver's list of what waits could not be read", "pillar", l.kind, "principal", who.ID, "code", code, "error", err)
		return
	}
	b.o.Metrics.polled.WithLabelValues(string(l.kind), "ok").Inc()
	b.o.Metrics.read.WithLabelValues(string(l.kind), "list").SetToCurrentTime()
	all = slices.DeleteFunc(all, func(m pim.Request) bool { return m.Assignment.Kind != l.kind || m.ID == "" })
	b.watch.cost(looker{l.kind, who.ID}, pages(len(all)))
	for _, m := range all {
		b.watch.learnList(pim.EligibleAssignment{Assignment: m.Assignment, RoleName: m.RoleName, ScopeName: m.ScopeName}, who.ID, now)
	}
	if err := b.takeList(ctx, l.kind, who, all); err != nil && ctx.Err() == nil {
		b.o.Log.Error("an approver's list could not be taken in; it is read again", "pillar", l.kind, "error", err)
	}
}

// How long a request that a list shows is left alone, and after which age of
// Microsoft's word the list is its word again.
const (
	listedFor   = 9 * time.Minute
	listedAgain = 4 * time.Minute
)

// batch is how many requests one transaction takes in.
const batch = 50

// takeList takes in what stands in an approver's list: what is new is found, what is
// known still waits, and what stood in it before is to be read.
func (b *Bot) takeList(ctx context.Context, kind pim.Kind, who pim.Principal, all []pim.Request) error {
	at := b.o.Now().UTC()
	var fresh []pim.Request
	var gone []string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		fresh, gone = nil, nil
		mine, err := b.docs.of(tx, who.ID, partDecides)
		if err != nil {
			return err
		}
		known, here := map[string]Request{}, map[string]bool{}
		for _, r := range mine {
			if r.Role.Kind == kind {
				known[strings.ToLower(r.Held.ID)] = r
			}
		}
		for _, m := range all {
			id := strings.ToLower(m.ID)
			here[id] = true
			r, ok := known[id]
			if !ok {
				r, err = b.docs.holder(tx, kind, m.ID)
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if r.ID == "" || r.worthListing(who.ID, at) {
				fresh = append(fresh, m)
			}
		}
		for _, r := range mine {
			if r.Role.Kind == kind && r.Held.Listed == who.ID && r.Held.Gone.IsZero() && !here[strings.ToLower(r.Held.ID)] {
				gone = append(gone, r.ID)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(fresh, batch) {
		if err := b.takeIn(ctx, kind, who, some, at); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if _, err := b.change(ctx, id, Observed{Gone: true, ObserveAt: at}); err != nil {
			return err
		}
		b.kick(id, true)
	}
	return nil
}

// worthListing says that a request's standing in somebody's list is news.
func (r Request) worthListing(who string, at time.Time) bool {
	if r.State != PendingApproval && r.State != Submitting {
		return false
	}
	_, named := r.approver(who)
	return !named || r.State == Submitting || r.Traced || r.Held.Listed == "" || !r.Held.Gone.IsZero() || at.Sub(r.Held.Seen) >= listedAgain
}

// takeIn takes in some of a list in one transaction, and has it settled.
func (b *Bot) takeIn(ctx context.Context, kind pim.Kind, who pim.Principal, some []pim.Request, at time.Time) error {
	ids := make([]string, len(some))
	for n := range ids {
		ids[n] = b.newID()
	}
	var changed []string
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		changed = nil
		for n, m := range some {
			r, err := b.docs.holder(tx, kind, m.ID)
			switch {
			case errors.Is(err, store.ErrNotFound):
				var own bool
				if own, err = b.own(tx, m); own || err != nil {
					break
				}
				r, err = b.changeIn(tx, ids[n], at, Found{ID: ids[n], Request: m, Approval: true, By: who, ObserveAt: at.Add(listedFor)})
			case err == nil && r.worthListing(who.ID, at):
				next := at.Add(listedFor)
				if r.reviewed() { // its outcome is about to be read
					next = soonest(next, r.ObserveAt)
				}
				r, err = b.changeIn(tx, r.ID, at, Observed{Request: &m, Listed: who, ObserveAt: next})
			}
			if err != nil {
				return err
			}
			if r.ID != "" && !r.Wake.After(at) { // most still wait as they did
				changed = append(changed, r.ID)
			}
		}
		return nil
	})
	for _, id := range changed {
		b.kick(id, true)
	}
	return err
}

// own says that a request may be one that Belay made and has not heard of yet, or
// that is from a time before the index of Microsoft's requests, or that what it is
// thought to have activated belongs to another one.
func (b *Bot) own(tx store.Tx, m pim.Request) (bool, error) {
	mine, err := b.docs.of(tx, m.Principal, partAsks)
	return slices.ContainsFunc(mine, func(r Request) bool {
		return strings.EqualFold(r.Held.ID, m.ID) || sameSchedule(r.Held.Schedule, m.Schedule) || r.Held.ID == "" && r.sentActivation() && mayBeSame(r.Role.Assignment, m.Assignment)
	}), err
}

// reviewed says that Microsoft took a decision of Belay's, or may have.
func (r Request) reviewed() bool {
	return slices.ContainsFunc(r.Intents, func(i Intent) bool {
		return i.Kind.review() && (i.Outcome == Accepted || i.State == IntentSent)
	})
}
