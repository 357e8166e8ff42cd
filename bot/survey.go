package bot

import (
	"context"
	"strings"
	"time"

	"github.com/belaybot/belay/store"
)

// surveyEvery is how often the open requests are counted. It reads all of them, so
// that of many it is done the less often.
func surveyEvery(open int) time.Duration {
	return time.Minute + time.Duration(open)*30*time.Millisecond
}

// survey sets the figures of what is stored. Every open request is in the due index.
func (b *Bot) survey(ctx context.Context, now time.Time) {
	if over(now, b.watch.surveyed, surveyEvery(b.watch.counted)) < 0 {
		return
	}
	b.watch.surveyed = now
	states, oldest := map[State]int{}, time.Duration(0)
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		clear(states)
		first := true
		return dueIndex.Scan(tx, "", "", func(key string, _ struct{}) error {
			at, id := dueTime(key), key[17:]
			if first {
				first, oldest = false, max(0, now.Sub(at))
			}
			if strings.HasPrefix(id, greeting) || strings.HasPrefix(id, bulletinMark) || strings.HasPrefix(id, digestMark) {
				return nil
			}
			r, err := b.docs.get(tx, id)
			if err == nil && !r.State.Final() {
				states[r.State]++
			}
			return ignoreMissing(err)
		})
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Warn("the open requests could not be counted", "error", err)
		}
		return
	}
	b.o.Metrics.oldestDue.Set(oldest.Seconds())
	b.watch.counted = 0
	for _, s := range []State{Submitting, SignInRequired, PendingApproval, Scheduled, Active} {
		b.watch.counted += states[s]
		b.o.Metrics.open.WithLabelValues(string(s)).Set(float64(states[s]))
	}
}
