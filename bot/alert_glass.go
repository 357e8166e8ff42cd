package bot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

const (
	accountsEvery = 30 * time.Second // at what is due of the sign-in log
	glassEvery    = 5 * time.Minute  // at each break-glass account
	probeEvery    = time.Hour        // whether the sign-in log can be read at all
)

// nobodyAtAll is an account that does not exist: its sign-ins can be read, or are refused, as
// everybody's are.
const nobodyAtAll = "00000000-0000-0000-0000-000000000000"

// accountWatch looks at the logs of single accounts, one after the other.
type accountWatch struct {
	b                       *Bot
	lookAt, glassAt, probed time.Time
	seen                    map[string]time.Time // lines that had their effect
	next                    int                  // of the break-glass accounts, in this round
	unread                  []error              // of the round so far
}

// look is one round.
func (w *accountWatch) look(ctx context.Context) {
	b, now := w.b, w.b.o.Now().UTC()
	if b.o.Accounts == nil || b.o.Alerts == nil || now.Before(w.lookAt) && w.lookAt.Sub(now) <= accountsEvery {
		return
	}
	w.lookAt = now.Add(accountsEvery)
	if b.o.Alerts.on(AlertPlace) {
		if now.Sub(w.probed).Abs() >= probeEvery && b.reads.take(reports, once) == 0 {
			w.probed = now
			cctx, cancel := context.WithTimeout(ctx, callTime)
			_, err := b.o.Accounts.SignIns(cctx, nobodyAtAll, now)
			cancel()
			b.probed(AlertPlace, err)
		}
		b.lookAtPlaces(ctx, now)
	}
	if b.o.Alerts.on(AlertGlass) && (!now.Before(w.glassAt) || w.glassAt.Sub(now) > glassEvery) {
		w.glassAt = now.Add(glassEvery)
		w.lookAtGlass(ctx, now)
	}
}

// lookAtGlass reads what was done with and to each break-glass account since the last time.
// A round that has to wait goes on with the next account, and is told of as one: an account
// that cannot be read is not seen because another one was.
func (w *accountWatch) lookAtGlass(ctx context.Context, now time.Time) {
	b := w.b
	for ; w.next < len(b.o.Alerts.BreakGlass); w.next++ {
		if b.reads.take(reports, once) > 0 {
			w.glassAt = now // as soon as there is room
			return
		}
		account := b.o.Alerts.BreakGlass[w.next]
		err := w.lookAtAccount(ctx, account, now)
		if ctx.Err() != nil {
			return
		}
		w.unread = append(w.unread, err)
		if err != nil {
			b.reads.rest(reports, err)
			b.o.Log.Warn("what happens to a break-glass account could not be read; tried again in a few minutes", "principal", account, "code", pim.CodeOf(err), "error", err)
		}
	}
	b.sees(AlertGlass, throttlesLast(w.unread...))
	w.next, w.unread = 0, nil
	for id, at := range w.seen {
		if now.Sub(at) > 2*logOverlap {
			delete(w.seen, id)
		}
	}
}

// lookAtAccount reads both logs. How far they were read is kept only when both were; what was
// never read is known from the first try on.
func (w *accountWatch) lookAtAccount(ctx context.Context, account string, now time.Time) error {
	b, cursor := w.b, "account/"+w.b.o.Pseudonym("break-glass", strings.ToLower(account))
	since := now
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		read, err := logCursor.Get(tx, cursor)
		if errors.Is(err, store.ErrNotFound) {
			return logCursor.Put(tx, cursor, now)
		}
		since = read
		return err
	})
	if err != nil {
		return err
	}
	since = since.Add(-logOverlap)
	ctx, cancel := context.WithTimeout(ctx, 4*callTime)
	defer cancel()
	used, uerr := b.o.Accounts.SignIns(ctx, account, since)
	changed, cerr := b.o.Accounts.Changes(ctx, account, since)
	b.reads.charge(1)
	var found []detection
	if who := w.named(ctx, account, len(used)+len(changed)); uerr == nil || cerr == nil {
		found = append(glassUsed(who, used), glassChanged(who, changed)...)
	}
	for _, d := range found {
		if _, done := w.seen[d.cause]; done {
			continue
		}
		if err := b.o.Store.Update(ctx, func(tx store.Tx) error { return b.raise(tx, d, now) }); err != nil {
			return err
		}
		w.seen[d.cause] = now
	}
	if err := throttlesLast(uerr, cerr); err != nil {
		return err
	}
	return b.o.Store.Update(ctx, func(tx store.Tx) error { return logCursor.Put(tx, cursor, now) })
}

// named is who an account is, where there is something to tell of it.
func (w *accountWatch) named(ctx context.Context, account string, lines int) pim.Principal {
	if lines > 0 {
		if p, err := w.b.identified(ctx, account); err == nil {
			return p
		}
	}
	return pim.Principal{ID: account}
}

// glassUsed are the hours in which somebody signed in with a break-glass account, by where
// from: one sign-in is several lines, and who comes from elsewhere may be somebody else.
func glassUsed(account pim.Principal, all []pim.SignIn) (found []detection) {
	uses := map[string]int{}
	for _, s := range all {
		if s.Failed {
			continue
		}
		use := strings.Join([]string{"used", strings.ToLower(account.ID), s.At.UTC().Truncate(time.Hour).Format(time.RFC3339), s.Country, s.IP}, "/")
		n, known := uses[use]
		if !known {
			n = len(found)
			uses[use] = n
			found = append(found, detection{Alert: Alert{Kind: AlertGlass, Severity: High, Subject: account, Unowned: true, Reason: sayGlassUsed},
				cause: use})
		}
		if d := &found[n]; len(d.Evidence) < mostEvidence {
			d.Evidence = append(d.Evidence, signInFacts(s)...)
		}
	}
	return found
}

// mostEvidence is how many facts of one alert are shown.
const mostEvidence = 9

// glassChanged is one alert for each thing that was done to a break-glass account. It is
// about who did it, where that is a person: they are asked, and somebody else has to
// acknowledge it.
func glassChanged(account pim.Principal, all []pim.AccountChange) (found []detection) {
	for _, c := range all {
		a := Alert{Kind: AlertGlass, Severity: High, Subject: account, Unowned: true, Changed: c.What, Reason: sayGlassChanged}
		a.Evidence = []Fact{{Name: c.What, At: c.At}, {Name: "Account", Value: personText(account)}, {Name: "By", Value: sayDoer(c)}}
		if len(c.Changed) > 0 {
			a.Evidence = append(a.Evidence, Fact{Name: "Changed", Value: sayList(c.Changed[:min(len(c.Changed), 8)], "and")})
		}
		if c.By.ID != "" && !strings.EqualFold(c.By.ID, account.ID) {
			a.Subject, a.Unowned = c.By, false
		}
		found = append(found, detection{Alert: a, cause: "changed/" + c.ID})
	}
	return found
}
