package bot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// Options are what a Bot is made of.
type Options struct {
	Store     store.Store
	Pseudonym func(parts ...string) string // stands in keys where a person's id would
	Trail     Trail                        // nil: no audit trail, for tests
	Pillars   map[pim.Kind]Pillar
	Finders   map[pim.Kind]Finder // of requests that were made elsewhere; none: only Belay's own are known
	Directory Directory
	Grants    Grants
	Links     *Links
	// EachTime: people sign in for each act, and Grants keeps nothing for longer.
	EachTime bool
	// SingleSignOn takes what a chat client brings for a sign-in; nil: browsers only.
	SingleSignOn Exchanger
	Chats        map[Platform]Chat
	Profiles     map[Platform]Profiles
	Notices      Routing // who hears of what; zero: nobody
	// Members lists the object ids of everybody in a group, read as Belay itself; nil: no
	// group can be read.
	Members func(ctx context.Context, group string) ([]string, error)
	// Acknowledge is what a requester must tick for a role; nil or "": nothing.
	Acknowledge func(pim.EligibleAssignment) string
	// Presence says of which roles every decision needs a fresh sign-in; nil: of none.
	Presence func(pim.EligibleAssignment) bool
	// GroupRoles are the roles that a group is eligible for, read as Belay itself;
	// nil: not known.
	GroupRoles func(ctx context.Context, group string) ([]pim.EligibleAssignment, error)
	Posture    Posture     // how the tenant stands; nil: nobody may see it
	Alerts     *AlertRules // thresholds of what is unusual; nil: no alerts
	Accounts   Accounts    // what Entra logs of accounts; nil: neither unusual places nor break-glass accounts are watched
	Drift      *Drifting   // compares the tenant with what was accepted; nil: it is not compared
	// AccessReviews reads and decides access reviews; nil: they are not answered here.
	// RemindReviews is how long before its end a reviewer is reminded of one.
	AccessReviews AccessReviews
	RemindReviews []time.Duration
	Portal        string           // base URL of the Entra portal; empty: https://entra.microsoft.com
	Now           func() time.Time // business time; nil: the wall clock
	Random        io.Reader        // nil: crypto/rand
	Reads         rate.Limit       // calls a second that only look, everything together; 0: one
	Limits        Limits           // how much people may do; zero: as much as they like
	WarnBefore    time.Duration    // how long before its end an activation is announced to end; 0: ten minutes
	Quiet         QuietHours       // when nobody is reminded; zero: never
	// Owner names this process in leases. Where only one process can hold the
	// store it is always the same name, so that a start takes up at once what a
	// killed process left in the middle; empty: a new name for each start.
	Owner string
	// Hints says that another process may have left something that is due. What is due is
	// looked for all the same; nil: nobody hints.
	Hints   <-chan struct{}
	Log     *slog.Logger
	Metrics *Metrics     // nil: not counted
	Tracer  trace.Tracer // nil: nothing is traced
}

// Bot is the Handler and the settler.
type Bot struct {
	o       Options
	project Projection
	docs    documents
	owner   string
	reads   *budget
	limits  *limits
	menu    menus
	watch   *watch

	mu        sync.Mutex
	serves    bool                   // Run has begun
	running   map[string]bool        // requests being settled here; true: look again afterwards
	blind     map[string]bool        // groups of the rules of which it was told that they cannot be read
	unseen    map[Detector]pim.Code  // detectors that cannot read what they need
	throttled map[Detector]time.Time // … since when they are only throttled
	stumbles  map[string]stumble     // requests whose settling failed
	held      map[string]bool        // requests that this process may hold the lease on and does not work on
	slots     chan struct{}
	crowded   bool          // something due was left, for want of room
	room      chan struct{} // holds a token when there is room again
	work      sync.WaitGroup
	life      context.Context
	stop      context.CancelFunc
}

// New makes a Bot. It does nothing until Run.
func New(o Options) (*Bot, error) {
	if o.Store == nil || o.Pseudonym == nil || o.Links == nil || o.Grants == nil || o.Directory == nil || len(o.Pillars) == 0 || o.Log == nil {
		return nil, errors.New("bot: Store, Pseudonym, Pillars, Directory, Grants, Links and Log are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Portal == "" {
		o.Portal = "https://entra.microsoft.com"
	}
	if o.Reads == 0 {
		o.Reads = 1
	}
	if o.WarnBefore <= 0 {
		o.WarnBefore = 10 * time.Minute
	}
	if o.Owner == "" {
		o.Owner = uuid.NewString()
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if o.Trail == nil {
		o.Trail = noTrail{}
	}
	docs := documents{hide: o.Pseudonym}
	o.Store = remembering{fenced{Store: o.Store, docs: docs, owner: o.Owner, trace: o.Tracer}}
	life, stop := context.WithCancel(context.Background())
	return &Bot{
		o:         o,
		project:   Projection{Notices: o.Notices, SignIn: o.Links.URL, Silent: o.SingleSignOn != nil, Portal: o.Portal, Presence: o.Presence, EachTime: o.EachTime, WarnBefore: o.WarnBefore, Quiet: o.Quiet},
		docs:      docs,
		owner:     o.Owner,
		reads:     newBudget(o.Reads),
		limits:    newLimits(o.Limits),
		watch:     newWatch(),
		menu:      menus{now: o.Now, held: map[string]*Menu{}, sheets: map[string]*sheet{}},
		running:   map[string]bool{},
		blind:     map[string]bool{},
		unseen:    map[Detector]pim.Code{},
		throttled: map[Detector]time.Time{},
		stumbles:  map[string]stumble{}, held: map[string]bool{},
		slots: make(chan struct{}, settlers), room: make(chan struct{}, 1),
		life: life,
		stop: stop,
	}, nil
}

// settlers is how many requests are settled at once. Each may wait for the
// network, so there are many; none holds up an acknowledgement.
const settlers = 32

// mostRunning is how many requests are settled, or wait for it, at once in this process. What
// is beyond stays due, in the store, and costs no memory here.
const mostRunning = 4 * settlers

// tick is how often the due index is looked at. It is one read of the first key.
const tick = 250 * time.Millisecond

// Run settles what is due until ctx ends, and then waits for what is under way. It ends
// with a *store.SchemaError when a newer Belay has migrated the store.
func (b *Bot) Run(ctx context.Context) error {
	t, minutely, hourly := time.NewTicker(tick), time.NewTicker(time.Minute), time.NewTicker(time.Hour)
	defer t.Stop()
	defer minutely.Stop()
	defer hourly.Stop()
	b.mu.Lock()
	b.serves = true
	b.mu.Unlock()
	if err := b.recover(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	b.lookout()
	planned := false
	for {
		if !planned {
			planned = b.planReviews(ctx) == nil // the store may not answer yet: what is due says so
		}
		if err := b.kickDue(ctx); err != nil && ctx.Err() == nil {
			if newer := (*store.SchemaError)(nil); errors.As(err, &newer) { // and it serves
				b.stop()
				b.work.Wait()
				return err
			}
			b.o.Log.Error("reading what is due failed; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			b.stop()
			b.work.Wait()
			b.o.Links.CountRefusals(context.WithoutCancel(ctx), true)
			return nil
		case <-t.C:
		case <-b.room:
		case <-minutely.C:
			b.o.Links.CountRefusals(ctx, false)
		case <-b.o.Hints:
		case <-hourly.C:
			if err := b.o.Links.Sweep(ctx); err != nil && ctx.Err() == nil {
				b.o.Log.Error("old one-time links could not be swept; tried again in an hour", "error", err)
			}
			if err := b.sweepDeliveries(ctx); err != nil && ctx.Err() == nil {
				b.o.Log.Error("old deliveries could not be swept; tried again in an hour", "error", err)
			}
			if err := errors.Join(b.sweepAlerts(ctx), b.sweepMutes(ctx), b.sweepMarks(ctx), b.sweepPlaces(ctx), b.sweepDrifts(ctx)); err != nil && ctx.Err() == nil {
				b.o.Log.Error("old alerts and changes could not be swept; tried again in an hour", "error", err)
			}
		}
	}
}

// recover takes up what this process, before it was killed, had leased. It looks
// only at what is due before such a lease could have run out.
func (b *Bot) recover(ctx context.Context) error {
	var mine []string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		var err error
		mine, err = b.docs.leased(tx, b.owner, b.o.Now().Add(leaseTime))
		return err
	})
	if err != nil {
		return fmt.Errorf("what was under way before the start could not be read: %w", err)
	}
	for _, id := range mine {
		b.kick(id, false)
	}
	return nil
}

// kickDue starts to settle what is due. Work grows with what is due, not with
// what is stored.
func (b *Bot) kickDue(ctx context.Context) error {
	var ids []string
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		ids = ids[:0]
		var err error
		ids, err = b.docs.due(tx, b.o.Now(), mostRunning, b.resting)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range b.unreleased() {
		if !b.kick(id, false) {
			b.holds(id)
		}
	}
	for _, id := range ids {
		b.kick(id, false)
	}
	return nil
}

// unreleased are the requests of which this process could not give the lease back, and that
// the due index brings up only when it has run out. The store answers again.
func (b *Bot) unreleased() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.held {
		if time.Now().Before(b.stumbles[id].until) {
			continue
		}
		delete(b.held, id)
		ids = append(ids, id)
	}
	return ids
}

// resting says that settling a request failed a moment ago.
func (b *Bot) resting(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.stumbles[id].until)
}

// kick settles a request soon. again: it has changed, so look at it once more
// even if it is being settled already. false: not now; the due index brings it up again,
// when there is room or after the start.
func (b *Bot) kick(id string, again bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, under := b.running[id]; under {
		b.running[id] = b.running[id] || again
		return true
	}
	if b.life.Err() != nil || !b.serves {
		return false
	}
	if len(b.running) >= mostRunning {
		b.crowded = true
		return false
	}
	b.running[id] = false
	b.work.Add(1)
	go func() {
		defer b.work.Done()
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
		for {
			if err := guarded(func() error { b.settle(b.life, id); return nil }); err != nil {
				b.o.Log.Error("settling panicked", "request", id, "error", err)
				b.stumble(id)
			}
			b.mu.Lock()
			if !b.running[id] || b.life.Err() != nil {
				delete(b.running, id)
				if b.crowded && len(b.running) <= mostRunning/2 {
					b.crowded = false
					select {
					case b.room <- struct{}{}:
					default: // there is a token already
					}
				}
				b.mu.Unlock()
				return
			}
			b.running[id] = false
			b.mu.Unlock()
		}
	}()
	return true
}

// change applies events to a request in one transaction. Who calls it outside of
// settle kicks the request afterwards.
func (b *Bot) change(ctx context.Context, id string, events ...Event) (Request, error) {
	var r Request
	at := b.o.Now().UTC()
	err := b.o.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		r, err = b.changeIn(tx, id, at, events...)
		return err
	})
	return r, err
}

// changeIn is change within a transaction; the caller kicks.
func (b *Bot) changeIn(tx store.Tx, id string, at time.Time, events ...Event) (Request, error) {
	before, err := b.docs.get(tx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Request{}, err
	}
	return b.changeOf(tx, before, at, events...)
}

// changeOf is changeIn of a request that was read in this transaction and not changed since.
func (b *Bot) changeOf(tx store.Tx, before Request, at time.Time, events ...Event) (r Request, err error) {
	r = before
	for _, e := range events {
		if r, err = Apply(r, at, e); err != nil {
			return r, err
		}
	}
	if r, err = b.gatherNotices(tx, r, at); err != nil {
		return r, err
	}
	r.Wake = b.wake(r, at)
	if err := b.docs.put(tx, before, r); err != nil {
		return r, err
	}
	if err := b.audit(tx, before, r, at); err != nil {
		return r, err
	}
	if err := b.spend(tx, before, r); err != nil {
		return r, err
	}
	if err := b.alerting(tx, before, r, at, events); err != nil {
		return r, err
	}
	return r, b.handOver(tx, before, r, at)
}

// Request reads one request, for status pages and tests. The error is
// store.ErrNotFound when there is none.
func (b *Bot) Request(ctx context.Context, id string) (Request, error) {
	var r Request
	err := b.o.Store.View(ctx, func(tx store.Tx) error {
		var err error
		r, err = b.docs.get(tx, id)
		return err
	})
	return r, err
}

// newID makes the id of a form, a request or an intent: ordered by time.
func (b *Bot) newID() string {
	id, err := uuid.NewV7FromReader(b.o.Random)
	if err != nil {
		panic("no randomness: " + err.Error()) // the operating system has none left to give: nothing safe can go on
	}
	return id.String()
}

// ours says that an id is one that newID makes, spelt as it spells it.
func ours(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.Version() == 7 && u.String() == id
}

func (b *Bot) newTicket() string {
	id, err := NewTicketID(b.o.Random)
	if err != nil {
		panic("no randomness: " + err.Error())
	}
	return id
}
