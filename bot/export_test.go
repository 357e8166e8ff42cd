package bot

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// Apply records an event as the handler does.
func (b *Bot) Apply(ctx context.Context, id string, e Event) error {
	_, err := b.change(ctx, id, e)
	if err == nil {
		b.kick(id, true)
	}
	return err
}

// Idle returns when no request is being settled.
func (b *Bot) Idle() {
	for {
		b.mu.Lock()
		n := len(b.running)
		b.mu.Unlock()
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
}

// MostRunning is how many requests a process has in its memory to settle.
const MostRunning = mostRunning

// Running is how many there are now.
func (b *Bot) Running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.running)
}

// At has a limiter live by another clock and keep fewer keys.
func (l *Limiter) At(now func() time.Time, keys int) *Limiter {
	l.now, l.most = now, keys
	return l
}

// Keys is how many keys a limiter holds.
func (l *Limiter) Keys() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys)
}

// LookAtLinks looks at one link that is due, as Run does again and again.
func (b *Bot) LookAtLinks(ctx context.Context, last *time.Time) { b.lookAtLinks(ctx, last) }

// Refused records something that was refused to somebody.
func (l *Links) Refused(ctx context.Context, who User, e trail.Event) { l.refused(ctx, who, e) }

// Quiet waits until nothing is being settled and nothing is due any more, but what failed
// a moment ago. Run looks at what is due too: what it takes up between two looks here is not
// due any more and not done yet, so that one look is not enough.
func (b *Bot) Quiet(ctx context.Context) error {
	for quiet := 0; ; {
		if err := b.kickDue(ctx); err != nil {
			return err
		}
		for busy := true; busy; runtime.Gosched() {
			b.mu.Lock()
			busy = len(b.running) > 0
			b.mu.Unlock()
		}
		var due []string
		err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
			due, err = b.docs.due(tx, b.o.Now(), 1, b.resting)
			return err
		})
		b.mu.Lock()
		busy := len(b.running) > 0
		b.mu.Unlock()
		if quiet++; busy || len(due) > 0 {
			quiet = 0
		}
		if err != nil || quiet == 2 {
			return err
		}
	}
}

// ByHand has a bot that is not run settle all the same: what Run does again and again is done
// when Quiet and LookAround are called, and at no other time.
func (b *Bot) ByHand(ctx context.Context) (stop func(), err error) {
	b.mu.Lock()
	b.serves = true
	b.mu.Unlock()
	return func() { b.stop(); b.work.Wait() }, b.recover(ctx)
}

// Rest is Quiet for a bot by hand. The error names what is due again and again.
func (b *Bot) Rest(ctx context.Context) error {
	for range 500 {
		if err := b.kickDue(ctx); err != nil {
			return err
		}
		b.work.Wait()
		var due []string
		err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
			due, err = b.docs.due(tx, b.o.Now(), 1, b.resting)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
	}
	return errors.New("something is due again and again")
}

// LookAround looks once for what was made and decided elsewhere, by the lists of everybody
// who is signed in. Only for a bot by hand.
func (b *Bot) LookAround(ctx context.Context) {
	b.watch.renew()
	b.watch.restUntil = time.Time{}
	b.planLook(ctx)
	for kind, finder := range b.o.Finders {
		l := &lookout{b: b, kind: kind, finder: finder, last: map[string]time.Time{}, seen: map[string]time.Time{}}
		for range 8 { // more than there are people
			l.turn = [2]time.Time{}
			l.look(ctx)
		}
	}
}

// Digest is what is on record of a card that is shown.
func Digest(c Card) string { return digest(c) }

// Post has a bulletin delivered.
func (b *Bot) Post(ctx context.Context, n Bulletin) error {
	return b.o.Store.Update(ctx, func(tx store.Tx) error { return b.post(tx, n) })
}

// Survey counts what is open and who is linked, as Run does again and again.
func (b *Bot) Survey(ctx context.Context) {
	b.watch.surveyed, b.watch.countAgain = time.Time{}, time.Time{}
	b.survey(ctx, b.o.Now())
	b.countLinked(ctx, &census{})
}

// PutRequest stores a request as it is.
func (b *Bot) PutRequest(tx store.Tx, r Request) error { return b.docs.put(tx, Request{}, r) }

// Sweep forgets what is old of alerts, as Run does every hour.
func (b *Bot) Sweep(ctx context.Context) error {
	return errors.Join(b.sweepAlerts(ctx), b.sweepMutes(ctx), b.sweepMarks(ctx), b.sweepPlaces(ctx), b.sweepDrifts(ctx))
}
