package bot

import (
	"context"
	"runtime"
	"time"
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
