package bot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// How the audit log is read: its lines are minutes late and not in order, so that each
// reading begins long before the end of the last one.
const (
	logEvery   = 5 * time.Minute
	logOverlap = 2 * time.Hour
	logDenied  = time.Hour // after a refusal for want of a permission
	mostLines  = 50_000    // remembered as done
)

// logCursor is how far the log was read, by pillar.
var logCursor = store.NewBucket[time.Time]("log-read")

// readLog reads the audit log where it is time to. What nobody's list shows is found in
// it, and what nobody can read is decided and ended by it.
func (l *lookout) readLog(ctx context.Context) {
	b, now := l.b, l.b.o.Now().UTC()
	if now.Before(l.readAt) && l.readAt.Sub(now) <= logDenied || b.reads.take(l.kind, once) > 0 {
		return
	}
	l.readAt = now.Add(logEvery + jitter(string(l.kind), now, logEvery))
	var since time.Time
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		since, err = logCursor.Get(tx, string(l.kind))
		if errors.Is(err, store.ErrNotFound) {
			since, err = now, nil
		}
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Error("how far the audit log was read is not known; tried again", "pillar", l.kind, "error", err)
		}
		return
	}
	since = since.Add(-logOverlap)
	cctx, cancel := context.WithTimeout(ctx, 4*callTime)
	lines, err := l.finder.Traces(cctx, since)
	cancel()
	if err != nil {
		l.unread(ctx, now, err)
		return
	}
	b.o.Metrics.polled.WithLabelValues(string(l.kind), "log").Inc()
	b.o.Metrics.read.WithLabelValues(string(l.kind), "log").SetToCurrentTime()
	b.reads.charge(pages(len(lines)) - 1)
	l.dumb = ""
	if l.kind == pim.EntraRole {
		b.sees(AlertOutside, nil)
	}
	if err := l.takeLog(ctx, lines, now); err != nil {
		if ctx.Err() == nil {
			b.o.Log.Error("the audit log could not be taken in; it is read again", "pillar", l.kind, "error", err)
		}
		return
	}
	maps.DeleteFunc(l.seen, func(_ string, at time.Time) bool { return at.Before(since) })
	if err := b.o.Store.Update(ctx, func(tx store.Tx) error { return logCursor.Put(tx, string(l.kind), now) }); err != nil && ctx.Err() == nil {
		b.o.Log.Error("how far the audit log was read could not be kept; it is read again", "pillar", l.kind, "error", err)
	}
}

// unread tells the operator once why the log cannot be read.
func (l *lookout) unread(ctx context.Context, now time.Time, err error) {
	if ctx.Err() != nil {
		return
	}
	code := pim.CodeOf(err)
	l.b.o.Metrics.polled.WithLabelValues(string(l.kind), "log-"+string(code)).Inc()
	l.b.reads.rest(l.kind, err)
	if l.kind == pim.EntraRole {
		l.b.sees(AlertOutside, err)
	}
	if code == pim.CodeForbidden || code == pim.CodeLicense {
		l.readAt = now.Add(logDenied)
	}
	if code != l.dumb {
		l.dumb = code
		l.b.o.Log.Warn("the audit log cannot be read: requests made elsewhere are found in approvers' lists only", "pillar", l.kind, "code", code, "error", err)
	}
}

// takeLog takes in lines of the log, oldest first.
func (l *lookout) takeLog(ctx context.Context, lines []pim.Trace, now time.Time) error {
	strange := map[string]*story{}
	var order []*story
	for _, t := range lines {
		if t.Assignment.Kind == "" {
			t.Assignment.Kind = l.kind
		}
		if t.What == pim.TraceOutside { // no request of anybody's
			if err := l.outside(ctx, t); err != nil {
				return err
			}
			continue
		}
		known, err := l.trace(ctx, t)
		if err != nil {
			return err
		}
		if known || t.Request == "" { // a line that names no request begins none
			continue
		}
		s, ok := strange[t.Request]
		if !ok {
			s = &story{}
			strange[t.Request] = s
			order = append(order, s)
		}
		s.add(t)
	}
	for _, s := range slices.Backward(order) { // what is active now was begun last
		if err := l.begin(ctx, s, now); err != nil {
			return err
		}
	}
	return nil
}

// trace lets a line have its effect on the request that it is about. known is false
// when Belay follows none.
func (l *lookout) trace(ctx context.Context, t pim.Trace) (known bool, err error) {
	if _, done := l.seen[t.ID]; done {
		return true, nil
	}
	b, at, id := l.b, l.b.o.Now().UTC(), ""
	err = b.o.Store.View(ctx, func(tx store.Tx) error {
		id = ""
		r, err := b.docs.holder(tx, l.kind, t.Request)
		if err == nil {
			id = r.ID
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) || t.What != pim.TraceEnded {
			return ignoreMissing(err)
		}
		mine, err := b.docs.of(tx, t.Principal, partAsks) // an end has a request id of its own
		for _, r := range mine {
			if r.State == Active && mayBeSame(r.Role.Assignment, t.Assignment) {
				id = r.ID
			}
		}
		return err
	})
	if err != nil || id == "" {
		return false, err
	}
	if _, err := b.change(ctx, id, Traced{t}); err != nil {
		return false, err
	}
	if t.ID != "" && len(l.seen) < mostLines {
		l.seen[t.ID] = at
	}
	b.kick(id, true)
	return true, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// story is what the log tells of a request that Belay does not follow.
type story struct {
	pim.Trace              // the last line that names who and what
	asked, approved, began bool
	by                     pim.Trace // the approval
	why                    string
	made                   time.Time
	over                   bool
}

func (s *story) add(t pim.Trace) {
	if s.Request == "" || t.Principal != "" && t.Assignment.Role != "" {
		s.Trace = t
	}
	if s.made.IsZero() || t.At.Before(s.made) {
		s.made = t.At
	}
	switch t.What {
	case pim.TraceAsked:
		s.asked, s.why = true, t.Reason
	case pim.TraceApproved:
		s.approved, s.by = true, t
	case pim.TraceActivated:
		s.began = true
	default:
		s.over = true
	}
}

// begin follows a request from the log, where there is something to follow: it still
// waits and nobody's list would show it, or what it activated is there.
func (l *lookout) begin(ctx context.Context, s *story, now time.Time) error {
	b := l.b
	m := pim.Request{ID: s.Request, Assignment: s.Assignment, Principal: s.Principal, Justification: s.why, Created: s.made,
		RoleName: s.RoleName, ScopeName: s.ScopeName, Status: "PendingApproval"}
	if l.kind != pim.AzureResource { // there an approval has an id of its own
		m.Approval = m.ID
	}
	p, err := b.pillar(l.kind)
	if err != nil {
		return err
	}
	switch {
	case s.over || s.Principal == "" || s.Assignment.Role == "":
		return nil
	case s.began || s.approved:
		return l.beginActive(ctx, p, s, m)
	case now.Sub(s.made) >= Window || b.watch.covers(s.Assignment):
		return nil
	}
	r := Request{Role: pim.EligibleAssignment{Assignment: m.Assignment, RoleName: m.RoleName, ScopeName: m.ScopeName}}
	policy, err := b.approversOf(ctx, r)
	if err != nil || len(policy.Approvers) == 0 {
		if err != nil && pim.CodeOf(err) != pim.CodeThrottled {
			b.o.Log.Warn("whether a request that was made elsewhere waits for approval is not known", "pillar", l.kind, "error", err)
		}
		return nil // looked at anew with the next reading of the log
	}
	return l.found(ctx, m, true, nil)
}

// beginActive follows an activation of which only the log tells, if it is there now.
func (l *lookout) beginActive(ctx context.Context, p Pillar, s *story, m pim.Request) error {
	b := l.b
	if _, done := l.seen[overKey(m)]; done || b.reads.take(l.kind, once) > 0 {
		return nil
	}
	cctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	all, err := p.Active(cctx, m.Principal, m.Assignment)
	if err != nil {
		b.reads.rest(l.kind, err)
		b.o.Log.Warn("an activation that was made elsewhere could not be read", "pillar", l.kind, "error", err)
		return nil
	}
	m.Status = "Provisioned"
	there := Request{Made: s.made, Role: pim.EligibleAssignment{Assignment: m.Assignment}}.instance(all)
	if there == nil || there.Start.Before(s.made.Add(-time.Minute)) && !there.Start.IsZero() { // over already, or another one
		if s.began && len(l.seen) < mostLines {
			l.seen[overKey(m)] = b.o.Now().UTC()
		}
		return nil
	}
	m.Schedule, m.Start, m.Duration = there.Schedule, there.Start, there.End.Sub(there.Start)
	then := []Event{Observed{Read: true, Instance: there}}
	if s.approved {
		then = append([]Event{Traced{s.by}}, then...)
	}
	err = l.found(ctx, m, s.approved, append(then, paced{b}))
	if err == nil && len(l.seen) < mostLines { // followed now, or it was another one's instance
		l.seen[overKey(m)] = b.o.Now().UTC()
	}
	return err
}

// overKey stands among the lines that had their effect for a request of which nothing
// is left to follow.
func overKey(m pim.Request) string { return "over " + m.ID }

// found begins to follow a request, unless it is followed already.
func (l *lookout) found(ctx context.Context, m pim.Request, approval bool, then []Event) error {
	b, at, id, begun := l.b, l.b.o.Now().UTC(), l.b.newID(), false
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		begun = false
		if _, err := b.docs.holder(tx, l.kind, m.ID); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		own, err := b.own(tx, m)
		if own || err != nil {
			return err
		}
		begun = true
		_, err = b.changeIn(tx, id, at, append([]Event{Found{ID: id, Request: m, Approval: approval, ObserveAt: at}}, then...)...)
		return err
	})
	if begun && err == nil {
		b.kick(id, true)
	}
	return err
}
