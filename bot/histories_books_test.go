package bot_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
)

// books are what an honest clerk beside Microsoft writes down: who wanted what, which calls
// came, and which had an effect. They know nothing of how Belay works. A call that
// nobody wanted, that was heard already, or that its person may not make is a fault.
type books struct {
	*bottest.Microsoft

	mu     sync.Mutex
	wants  map[string]int      // deed → how often somebody began to say that they want it
	done   map[string]int      // deed → how often it took effect
	calls  map[string]int      // "operation person" → calls
	effect map[string]int      // "operation person" → of these, with an effect
	made   map[string]string   // Belay's request → Microsoft's
	of     map[string]original // Microsoft's request → what it was asked for
	proofs map[string]int      // deed → fresh sign-ins that were made for it
	faults []string

	elsewhere map[string]int // deed → done in the portal by the same person
}

// original is a request that Microsoft took.
type original struct {
	belay string // Belay's id; empty: made in the portal
	who   string
	role  string
}

func newBooks(ms *bottest.Microsoft) *books {
	return &books{Microsoft: ms, wants: map[string]int{}, done: map[string]int{}, calls: map[string]int{}, effect: map[string]int{},
		made: map[string]string{}, of: map[string]original{}, proofs: map[string]int{}, elsewhere: map[string]int{}}
}

// deed names something that one person may want done with one request.
func deed(kind bot.IntentKind, who, request string) string {
	return strings.Join([]string{string(kind), who, request}, " ")
}

// want is written down before Belay hears of it.
func (b *books) want(kind bot.IntentKind, who, request string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wants[deed(kind, who, request)]++
}

func (b *books) prove(kind bot.IntentKind, who, request string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.proofs[deed(kind, who, request)]++
}

func (b *books) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// call makes a call and says whether it had an effect.
func (b *books) call(op, who string, do func() error) bool {
	before := len(b.Microsoft.Writes())
	b.calls[op+" "+who]++
	err := do()
	after := b.Microsoft.Writes()
	if len(after) == before {
		return false
	}
	if want := who + " " + op; len(after) != before+1 || after[before] != want {
		b.fault("a call of %s wrote %q (%v)", want, after[before:], err)
	}
	b.effect[op+" "+who]++
	return true
}

// Activate implements bot.Caller.
func (b *books) Activate(ctx context.Context, who string, a pim.Activation) (m pim.Request, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := deed(bot.ToActivate, who, a.ID)
	if b.wants[d] == 0 && b.wants[deed("extend", who, a.Role)] == 0 {
		b.fault("nobody wanted to %s", d)
	}
	if b.done[d] > 0 {
		b.fault("Microsoft heard already to %s", d)
	}
	if b.call("activate", who, func() error { m, err = b.Microsoft.Activate(ctx, who, a); return err }) {
		held := b.Microsoft.Holds()
		got := held[len(held)-1].ID
		b.done[d]++
		b.made[a.ID], b.of[got] = got, original{a.ID, who, a.Role}
	}
	return m, err
}

// Deactivate implements bot.Caller. Its deed is the intent's, which has the call's id.
func (b *books) Deactivate(ctx context.Context, who string, d pim.Deactivation) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	did := deed(bot.ToDeactivate, who, d.ID)
	if b.wants[deed(bot.ToDeactivate, who, d.Role)] == 0 {
		b.fault("nobody wanted to %s", deed(bot.ToDeactivate, who, d.Role))
	}
	if b.call("deactivate", who, func() error { err = b.Microsoft.Deactivate(ctx, who, d); return err }) {
		b.done[did]++ // more than once: a known gap, docs/histories.md
	}
	return err
}

// Cancel implements bot.Caller.
func (b *books) Cancel(ctx context.Context, who, request string) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := deed(bot.ToCancel, who, b.name(request))
	if b.wants[d] == 0 {
		b.fault("nobody wanted to %s", d)
	}
	if b.of[request].who != who {
		b.fault("%s cancels the request of %q", who, b.of[request].who)
	}
	if b.call("cancel", who, func() error { err = b.Microsoft.Cancel(ctx, who, request); return err }) {
		b.done[d]++
	}
	return err
}

// Review implements bot.Caller.
func (b *books) Review(ctx context.Context, who string, r pim.Decision) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := bot.ToApprove
	if r.Result == pim.Denied {
		kind = bot.ToDeny
	}
	it := b.of[r.Approval]
	d := deed(kind, who, b.name(r.Approval))
	if b.wants[d] == 0 {
		b.fault("nobody wanted to %s", d)
	}
	if it.who == who || who != people["bob"].ID && who != people["carol"].ID {
		b.fault("%s may not decide on the request of %s", who, it.who)
	}
	if it.role == admin.Role && b.proofs[d] == 0 {
		b.fault("nobody proved to be there, to %s", d)
	}
	if b.done[deed(bot.ToApprove, who, b.name(r.Approval))]+b.done[deed(bot.ToDeny, who, b.name(r.Approval))] > 0 {
		b.fault("Microsoft heard already of a decision, to %s", d)
	}
	if b.call("review", who, func() error { err = b.Microsoft.Review(ctx, who, r); return err }) {
		b.done[d]++
		b.done["decision "+r.Approval]++
		if b.done["decision "+r.Approval] > 1 {
			b.fault("two decisions on %s", r.Approval)
		}
	}
	return err
}

// decideElsewhere decides the newest request that waits, in the portal.
func (b *books) decideElsewhere(who string, kind bot.IntentKind) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range slices.Backward(b.Microsoft.Holds()) {
		if m.Status != "PendingApproval" {
			continue
		}
		result := pim.Approved
		if kind == bot.ToDeny {
			result = pim.Denied
		}
		if b.Microsoft.Decide(who, result) != nil {
			return false
		}
		b.elsewhere[deed(kind, who, b.name(m.ID))]++
		b.effect["elsewhere "+who]++
		return true
	}
	return false
}

// name is Belay's name of a request of Microsoft's: its own id for those that Belay made.
func (b *books) name(held string) string {
	if it := b.of[held]; it.belay != "" {
		return it.belay
	}
	return held
}

// portal asks for a role elsewhere.
func (b *books) portal(who string, a pim.Activation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.Microsoft.Holds())
	_, _ = b.Microsoft.Portal(who, a) // what Microsoft refuses is not there
	if all := b.Microsoft.Holds(); len(all) > before {
		b.of[all[before].ID] = original{who: who, role: a.Role}
	}
}

// trouble is the first fault; empty: none.
func (b *books) trouble() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) == 0 {
		return ""
	}
	return b.faults[0]
}
