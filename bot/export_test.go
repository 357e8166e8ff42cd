package bot

import (
	"context"
	"time"

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

// Refused records something that was refused to somebody.
func (l *Links) Refused(ctx context.Context, who User, e trail.Event) { l.refused(ctx, who, e) }
