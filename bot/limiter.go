package bot

import (
	"container/list"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Limiter says how often something may be done under one key. It keeps a bounded
// number of keys and forgets those that were not used for longest; a key that is
// forgotten starts anew. It runs on the wall clock.
type Limiter struct {
	every rate.Limit // a second
	burst int
	most  int
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*list.Element // of *limited
	used *list.List               // most recently used first
}

type limited struct {
	key string
	*rate.Limiter
}

// mostKeys is how many keys a Limiter keeps: a few megabytes.
const mostKeys = 1 << 14

// NewLimiter lets burst units through at once, and perMinute in the long run.
func NewLimiter(perMinute, burst int) *Limiter {
	return &Limiter{every: rate.Limit(float64(perMinute) / 60), burst: burst, most: mostKeys, now: time.Now,
		keys: map[string]*list.Element{}, used: list.New()}
}

// Take takes so many units under key, or says after which time they are there.
func (l *Limiter) Take(key string, units int) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.keys[key]
	if known {
		l.used.MoveToFront(e)
	} else {
		if l.used.Len() >= l.most {
			oldest := l.used.Back()
			delete(l.keys, l.used.Remove(oldest).(*limited).key)
		}
		e = l.used.PushFront(&limited{key, rate.NewLimiter(l.every, l.burst)})
		l.keys[key] = e
	}
	now := l.now()
	r := e.Value.(*limited).ReserveN(now, units)
	if !r.OK() { // more than the whole burst
		return time.Minute, false
	}
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

// TooOftenError is something that was not done because it was asked for too often.
type TooOftenError struct{ Wait time.Duration }

// Error tells how long to wait.
func (e *TooOftenError) Error() string { return fmt.Sprintf("too often; wait %s", e.Wait) }

// RetryAfter is how long to wait.
func (e *TooOftenError) RetryAfter() (time.Duration, bool) { return e.Wait, true }

// TooOften is an *Error for the person who has to wait that long.
func TooOften(wait time.Duration) error {
	wait = max(time.Second, (wait + time.Second - 1).Truncate(time.Second))
	return &Error{Code: CodeTooOften, Message: sayTooOften(wait), Err: &TooOftenError{wait}}
}

// Limits are how much people may do. The zero value limits nobody.
type Limits struct {
	PerMinute, Burst int // acts of one person
	TenantPerMinute  int // acts of everybody of one workspace or tenant
}

// An act costs four units; what only reads, and comes by itself as a person types,
// costs one.
const (
	costAct  = 4
	costRead = 1
)

// limits are the limiters of a Bot.
type limits struct{ person, tenant *Limiter }

func newLimits(l Limits) *limits {
	if l.PerMinute <= 0 || l.Burst <= 0 || l.TenantPerMinute <= 0 {
		return nil
	}
	return &limits{person: NewLimiter(costAct*l.PerMinute, costAct*l.Burst), tenant: NewLimiter(costAct*l.TenantPerMinute, costAct*l.TenantPerMinute)}
}

// take says whether an inbound may be worked on, and otherwise whose limit it met.
// What a person may not do costs their tenant nothing.
func (l *limits) take(in Inbound) (by string, wait time.Duration, ok bool) {
	cost := costAct
	switch in.Said.(type) {
	case Installed, Uninstalled, Left:
		return "", 0, true // the platform's word, not a person's act
	case Search, Change, Opened:
		cost = costRead
	}
	if l == nil {
		return "", 0, true
	}
	tenant := string(in.User.Platform) + "/" + in.User.Tenant
	person := tenant + "/" + in.User.ID
	if p, ok := in.Said.(Press); ok && (p.Verb == VerbNotMe || p.Verb == VerbWasNotMe) {
		person += "/" + string(VerbNotMe) // whoever acts in somebody's name must not use up their alarm
	}
	if wait, ok = l.person.Take(person, cost); !ok {
		return "person", wait, false
	}
	if wait, ok = l.tenant.Take(tenant, cost); !ok {
		return "tenant", wait, false
	}
	return "", 0, true
}

// slowDown is the answer to who was too fast. Nothing was stored for it, so a press
// that is answered like this has to be made again, and says so.
func slowDown(in Inbound, wait time.Duration) Reply {
	sentence, _ := ErrorMessage(TooOften(wait))
	if _, searching := in.Said.(Search); searching { // its answer can only be options
		return Reply{Options: []Option{{Value: "wait", Label: sentence}}}
	}
	return Reply{Card: plain(Bad, "Nothing was done", sentence)}
}
