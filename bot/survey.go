package bot

import (
	"context"
	"strings"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// surveyEvery is how often the open requests are counted. It reads all of them, so
// that of many it is done the less often.
func surveyEvery(open int) time.Duration {
	return time.Minute + time.Duration(open)*30*time.Millisecond
}

// survey sets the figures of what is stored. Every open request is in the due index.
func (b *Bot) survey(ctx context.Context, now time.Time) {
	begun := time.Now()
	if begun.Before(b.watch.countAgain) || over(now, b.watch.surveyed, surveyEvery(b.watch.counted)) < 0 {
		return
	}
	b.watch.surveyed = now
	// A business clock that is moved does not have it count all the time.
	defer func() { b.watch.countAgain = time.Now().Add(planShare * time.Since(begun)) }()
	states, owed, oldest, late := map[State]int{}, map[debt]int{}, time.Duration(0), time.Duration(0)
	first := true
	err := b.eachOpen(ctx, func(key string, r outline, found bool) {
		if first {
			first, oldest = false, max(0, now.Sub(dueTime(key)))
		}
		if !found {
			return
		}
		if !r.State.Final() {
			states[r.State]++
		}
		late = max(late, r.request().owes(owed, now))
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
	for _, k := range []IntentKind{ToActivate, ToCancel, ToDeactivate, ToApprove, ToDeny} {
		for _, s := range []IntentState{IntentReady, IntentWaiting, IntentSent} {
			b.o.Metrics.owed.WithLabelValues(string(k), string(s)).Set(float64(owed[debt{k, s}]))
		}
	}
	b.o.Metrics.oldest.Set(late.Seconds())
	b.o.Metrics.surveyed.SetToCurrentTime()
}

// surveyPart is how many open requests are read at once.
const surveyPart = 256

// outline is what is counted of a request. Of its document the rest is passed over, which is
// most of the work of reading it.
type outline struct {
	State   State     `json:"state"`
	Held    Held      `json:"held"`
	Follows string    `json:"follows"`
	Freed   time.Time `json:"freed"`
	Intents []Intent  `json:"intents"`
}

var outlines = store.NewBucket[outline](requests.Name()) // only read

func (o outline) request() Request {
	return Request{State: o.State, Held: o.Held, Follows: o.Follows, Freed: o.Freed, Intents: o.Intents}
}

// eachOpen visits every entry of the due index with its request, if it is of one. Of many it
// reads a part at a time and rests in between, so that people who act meanwhile do not wait for it and
// no snapshot of the store is held for long. What moves within the index meanwhile may be missed or
// visited twice.
func (b *Bot) eachOpen(ctx context.Context, visit func(key string, r outline, found bool)) error {
	type entry struct {
		key   string
		r     outline
		found bool
	}
	part := make([]entry, 0, surveyPart)
	for from := ""; ; {
		begun := time.Now()
		err := b.o.Store.View(ctx, func(tx store.Tx) error {
			part = part[:0]
			return dueIndex.Scan(tx, from, "", func(key string, _ struct{}) error {
				e, id := entry{key: key}, key[17:]
				if !strings.HasPrefix(id, greeting) && !strings.HasPrefix(id, bulletinMark) && !strings.HasPrefix(id, digestMark) && !reviewOfThis(id) {
					var err error
					e.r, err = outlines.Get(tx, id)
					if e.found = err == nil; ignoreMissing(err) != nil {
						return err
					}
				}
				if part = append(part, e); len(part) == surveyPart {
					return store.Stop
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		for _, e := range part {
			visit(e.key, e.r, e.found)
		}
		if len(part) < surveyPart {
			return nil
		}
		from = part[len(part)-1].key + "\x00"
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(planShare * time.Since(begun)):
		}
	}
}

// debt is what owed calls are told apart by.
type debt struct {
	kind  IntentKind
	state IntentState
}

// owes counts the calls that are owed for r, and says for how long the oldest of those
// that can be made has been. What nobody has tried yet and is to be made later is not late.
func (r Request) owes(all map[debt]int, now time.Time) (late time.Duration) {
	for _, i := range r.Intents {
		if !i.open() {
			continue
		}
		all[debt{i.Kind, i.State}]++
		if r.runnable(i) && (i.Tries > 0 || i.Calls > 0 || !now.Before(i.NotBefore)) {
			since := i.Made
			if i.Calls == 0 && i.Tries == 0 {
				since = maxTime(since, i.NotBefore)
			}
			if i.Kind == ToActivate {
				since = maxTime(since, r.Freed)
			}
			late = max(late, now.Sub(since))
		}
	}
	return late
}

// countEvery is how often the linked people are counted, of many the less often.
func countEvery(people int) time.Duration {
	return time.Minute + time.Duration(people)*3*time.Millisecond
}

// census is when the linked people were last counted, and how many they were.
type census struct {
	at     time.Time
	people int
	again  time.Time // in wall time, as for survey
}

// countLinked counts the linked people, where it is time to.
func (b *Bot) countLinked(ctx context.Context, last *census) {
	now := b.o.Now().UTC()
	begun := time.Now()
	if begun.Before(last.again) || over(now, last.at, countEvery(last.people)) < 0 {
		return
	}
	last.at = now
	defer func() { last.again = time.Now().Add(planShare * time.Since(begun)) }()
	var linked []pim.Principal
	err := b.o.Store.View(ctx, func(tx store.Tx) (err error) {
		linked, err = b.o.Links.Linked(tx, mostLinked)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Warn("the linked people could not be counted", "error", err)
		}
		return
	}
	last.people = len(linked)
	b.o.Metrics.linked.Set(float64(last.people))
}
