package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/belaybot/belay/pim"
)

// haste is how soon something has to be looked at.
type haste int

const (
	routine haste = iota // nothing is expected to have changed
	urgent               // a change is about to come, or has come already
	once                 // urgent, and who asks comes back by themselves
	listing              // an approver's list, which has a part of the budget of its own
)

// reports are Entra's logs of accounts. Microsoft bounds them on their own, so that their
// rest is none of the directory's roles.
const reports pim.Kind = "reports"

// budget shares the calls that only look among everybody who wants to look. In no
// minute are there more than it allows: a sixth of it may come at once, the rest
// comes evenly. It counts wall time, as Microsoft does.
type budget struct {
	rate  rate.Limit    // calls a second that come evenly
	limit *rate.Limiter // of what approvers' lists leave

	mu    sync.Mutex
	turns [once]time.Time        // by haste: the last turn that was given out
	rests map[pim.Kind]time.Time // a service asked to be left alone until then
}

// errBudget is the detail of a reading that the budget did not allow yet.
var errBudget = errors.New("the budget of readings is spent")

func newBudget(perSecond rate.Limit) *budget {
	even := perSecond * 5 / 6
	return &budget{rate: even, limit: rate.NewLimiter(even, max(2, int(perSecond*10))), rests: map[pim.Kind]time.Time{}}
}

// take takes one call to a service, or says how long to wait before asking anew.
// Each who has to wait gets a turn of its own, so that many who wait do not ask
// again and again.
func (b *budget) take(kind pim.Kind, h haste) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	from := now
	if until := b.rests[kind]; now.Before(until) {
		from = until
	} else if h == listing {
		return 0
	} else {
		spare := 0.0
		if h == routine { // leaves something for what is urgent
			spare = float64(b.limit.Burst()) / 4
		}
		if b.limit.TokensAt(now) >= spare+1 && b.limit.AllowN(now, 1) {
			return 0
		}
	}
	if h >= once {
		return max(from.Sub(now), time.Second)
	}
	if b.turns[h].Before(from) {
		b.turns[h] = from
	}
	b.turns[h] = b.turns[h].Add(time.Duration(float64(time.Second) / float64(b.limit.Limit())))
	return b.turns[h].Sub(now)
}

// plan gives approvers' lists their part of the budget, in calls a second.
func (b *budget) plan(lists rate.Limit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit.SetLimit(max(b.rate-lists, b.rate/8))
}

// charge counts calls that were made already: what comes next waits the longer for it.
func (b *budget) charge(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for most := b.limit.Burst(); calls > 0; calls -= most {
		b.limit.ReserveN(time.Now(), min(calls, most))
	}
}

// rest leaves a service alone for as long as it asked to be.
func (b *budget) rest(kind pim.Kind, err error) {
	after, told := retryAfter(err)
	if !told {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(after); until.After(b.rests[kind]) {
		b.rests[kind] = until
	}
}

// pageSize is how many requests one call of a list brings. Graph's pages hold a
// hundred; of Azure's nothing is documented.
const pageSize = 100

// pages is how many calls a list of that length takes.
func pages(length int) int { return max(1, (length+pageSize-1)/pageSize) }

// reader counts the calls of one reading, and heeds a wish to be left alone. Where
// somebody has no sign-in, no call was made.
type reader struct {
	Pillar
	kind   pim.Kind
	budget *budget
	calls  int
}

// done charges what the reading cost above the one call that was taken for it.
func (r *reader) done() { r.budget.charge(r.calls - 1) }

func (r *reader) count(err error) {
	if pim.CodeOf(err) != pim.CodeSignIn {
		r.calls++
	}
	r.budget.rest(r.kind, err)
}

// Request implements Observer.
func (r *reader) Request(ctx context.Context, person, id string) (pim.Request, error) {
	m, err := r.Pillar.Request(ctx, person, id)
	r.count(err)
	return m, err
}

// Approval implements Observer.
func (r *reader) Approval(ctx context.Context, approver, id string) (pim.Approval, error) {
	a, err := r.Pillar.Approval(ctx, approver, id)
	r.count(err)
	return a, err
}

// Active implements Observer.
func (r *reader) Active(ctx context.Context, principal string, a pim.Assignment) ([]pim.Instance, error) {
	all, err := r.Pillar.Active(ctx, principal, a)
	r.count(err)
	return all, err
}
