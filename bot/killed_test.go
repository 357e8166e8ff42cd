package bot_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// mortal lets a process die at the nth point at which it touches the world: before a
// commit and after it, before a call to Microsoft or a chat and after its effect. From
// then on nothing that it does has an effect any more, as after a SIGKILL.
type mortal struct {
	mu    sync.Mutex
	left  int // points until it dies; below 0: it is immortal
	next  int // as left, for its life after that
	seen  int
	died  int
	dead  bool
	where string
}

var errKilled = errors.New("the process is dead")

// point is one at which it may die.
func (m *mortal) point(where string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	m.seen++
	if m.left--; m.left == 0 {
		m.dead, m.where = true, m.where+" "+where
		m.died++
		return errKilled
	}
	return nil
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// around does something at two points: it may die before, or after the effect and before
// it knows.
func around[T any](m *mortal, what string, do func() (T, error)) (v T, err error) {
	if err := m.point("before " + what); err != nil {
		return v, err
	}
	v, err = do()
	if dead := m.point("after " + what); dead != nil {
		var nothing T
		return nothing, dead
	}
	return v, err
}

type mortalStore struct {
	store.Store
	m *mortal
}

func (s mortalStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	_, err := around(s.m, "a commit", func() (struct{}, error) { return struct{}{}, s.Store.Update(ctx, fn) })
	return err
}

type mortalPillar struct {
	bot.Pillar
	m *mortal
}

// lost is what a caller sees of a call whose process died; nobody looks at it.
func lost(err error) error {
	if errors.Is(err, errKilled) {
		return &pim.Error{Op: "call", Code: pim.CodeUnavailable, Ambiguous: true, Err: err}
	}
	return err
}

func (p mortalPillar) Activate(ctx context.Context, who string, a pim.Activation) (pim.Request, error) {
	r, err := around(p.m, "activate", func() (pim.Request, error) { return p.Pillar.Activate(ctx, who, a) })
	return r, lost(err)
}

func (p mortalPillar) Deactivate(ctx context.Context, who string, d pim.Deactivation) error {
	_, err := around(p.m, "deactivate", func() (struct{}, error) { return struct{}{}, p.Pillar.Deactivate(ctx, who, d) })
	return lost(err)
}

func (p mortalPillar) Cancel(ctx context.Context, who, id string) error {
	_, err := around(p.m, "cancel", func() (struct{}, error) { return struct{}{}, p.Pillar.Cancel(ctx, who, id) })
	return lost(err)
}

func (p mortalPillar) Review(ctx context.Context, who string, d pim.Decision) error {
	_, err := around(p.m, "review", func() (struct{}, error) { return struct{}{}, p.Pillar.Review(ctx, who, d) })
	return lost(err)
}

func (p mortalPillar) Approval(ctx context.Context, who, id string) (pim.Approval, error) {
	a, err := around(p.m, "reading an approval", func() (pim.Approval, error) { return p.Pillar.Approval(ctx, who, id) })
	return a, lost(err)
}

func (p mortalPillar) Mine(ctx context.Context, who string) ([]pim.Request, error) {
	all, err := around(p.m, "reading requests", func() ([]pim.Request, error) { return p.Pillar.Mine(ctx, who) })
	return all, lost(err)
}

type mortalChat struct {
	bot.Chat
	m *mortal
}

func gone(op string, err error) error {
	if errors.Is(err, errKilled) {
		return &bot.ChatError{Op: op, Code: bot.ChatUnavailable, Ambiguous: true, Err: err}
	}
	return err
}

func (c mortalChat) Post(ctx context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	m, err := around(c.m, "a post", func() (bot.Message, error) { return c.Chat.Post(ctx, to, key, card) })
	return m, gone("post", err)
}

func (c mortalChat) Update(ctx context.Context, m bot.Message, card bot.Card) error {
	_, err := around(c.m, "an update of a card", func() (struct{}, error) { return struct{}{}, c.Chat.Update(ctx, m, card) })
	return gone("update", err)
}

// life is a world whose Belay may die, and is started anew each time that it did.
type life struct {
	*world
	m *mortal
}

// live starts a world in which Belay dies at the nth point after its people are linked,
// and once more at the again-th after it was started anew.
func live(t *testing.T, n, again int) life {
	t.Helper()
	l := life{newWorld(t), &mortal{left: -1, next: -1}}
	l.stop()
	l.world.change = func(o *bot.Options) {
		o.Owner = "the only process" // as the product with one file has it
		o.Store = mortalStore{o.Store, l.m}
		o.Pillars = map[pim.Kind]bot.Pillar{pim.EntraRole: mortalPillar{l.ms, l.m}}
		o.Chats = map[bot.Platform]bot.Chat{bot.Slack: mortalChat{l.slack, l.m}, bot.Teams: mortalChat{l.teams, l.m}}
	}
	l.start()
	l.link("alice")
	l.link("carol")
	l.sees(l.slack, "D-alice", "You are linked")
	l.sees(l.slack, "D-carol", "You are linked")
	l.m.mu.Lock()
	l.m.left, l.m.next, l.m.seen = n, again, 0
	l.m.mu.Unlock()
	return l
}

// revive starts a dead Belay anew; false: it is not dead.
func (l life) revive() bool {
	if !l.m.isDead() {
		return false
	}
	l.stop()
	l.m.mu.Lock()
	l.m.dead, l.m.left, l.m.next = false, l.m.next, -1
	l.m.mu.Unlock()
	l.start()
	return true
}

// act is what somebody does. Whoever got no answer, because Belay died, does the same
// again; whoever got one does not.
func (l life) act(who string, said bot.Said) {
	l.t.Helper()
	for {
		// A form that comes back was not taken: Belay was started anew under it.
		if reply := l.says(who, said); !l.revive() && reply.Form == nil {
			return
		}
	}
}

// asks opens a form and sends it.
func (l life) asksFor(who, role, reason string) (id string) {
	l.t.Helper()
	var f *bot.Form
	for f == nil {
		f = l.says(who, bot.Command{Text: role}).Form
		if !l.revive() && f == nil {
			l.t.Fatal("no form")
		}
	}
	values := map[string]string{}
	for _, field := range f.Fields {
		values[field.Name] = field.Value
	}
	values["duration"], values["reason"] = "PT2H", reason
	l.act(who, bot.Submit{Verb: f.Verb, ID: f.ID, Values: values})
	return f.ID
}

// comes waits for a state, across deaths. Time goes on a little.
func (l life) comes(id string, state bot.State) {
	l.t.Helper()
	deadline, look := time.Now().Add(30*time.Second), time.Now()
	for {
		l.revive()
		if r, err := l.bot.Request(l.t.Context(), id); err == nil && r.State == state {
			return
		} else if time.Now().After(deadline) {
			l.t.Fatalf("killed %s: the request is %s, not %s: %v\n%+v\n%s", l.m.where, r.State, state, err, r.Intents, l.logs.String())
		}
		if time.Since(look) > 20*time.Millisecond {
			l.advance(2 * time.Second)
			look = time.Now()
		}
		runtime.Gosched()
	}
}

// waits waits until a request needs approval, and everybody has their card.
func (l life) waits(id string) {
	l.t.Helper()
	l.comes(id, bot.PendingApproval)
	l.quiet(id)
}

var ids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// shown are the titles of the cards that are on record, as the platforms show them. A
// copy that was posted right before a death may stand beside them (ADR 4).
func (l life) shown(requests ...string) map[string]string {
	all := map[string]string{}
	for n, id := range requests {
		r, err := l.bot.Request(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		for slot, shown := range r.Shown {
			// Whose own card was posted with the outcome is not told of it again; a warning of
			// the end comes if there is still time for it.
			if strings.HasPrefix(string(slot), "told/") || slot == "ending" {
				continue
			}
			slot = bot.Slot(ids.ReplaceAllString(string(slot), "ID")) // of a press
			chat := l.slack
			if shown.Message.Conversation.Platform == bot.Teams {
				chat = l.teams
			}
			all[fmt.Sprint(n, " ", slot)] = "nothing"
			for _, m := range chat.In(shown.Message.Conversation.ID) {
				if m.ID == shown.Message.ID {
					all[fmt.Sprint(n, " ", slot)] = m.Card.Title
				}
			}
		}
	}
	return all
}

// scenarios are what people do; each returns what they asked for, last the one that must
// end as said.
var scenarios = map[string]struct {
	do     func(l life) (ids []string)
	ends   bot.State
	writes []string
}{
	"activate": {func(l life) []string { return []string{l.asksFor("alice", "reports", "figures")} }, bot.Active, []string{"oid-alice activate"}},
	"approve": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		l.act("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		return []string{id}
	}, bot.Active, []string{"oid-alice activate", "oid-bob review"}},
	"deny": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		l.act("carol", bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "not today"}})
		return []string{id}
	}, bot.Denied, []string{"oid-alice activate", "oid-carol review"}},
	"cancel": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		l.act("alice", bot.Press{Verb: bot.VerbCancel, ID: id})
		return []string{id}
	}, bot.Canceled, []string{"oid-alice activate", "oid-alice cancel"}},
	"deactivate": {func(l life) []string {
		id := l.asksFor("alice", "reports", "figures")
		l.comes(id, bot.Active)
		l.quiet(id)
		l.advance(6 * time.Minute)
		l.act("alice", bot.Press{Verb: bot.VerbStop, ID: id})
		return []string{id}
	}, bot.Ended, []string{"oid-alice activate", "oid-alice deactivate"}},
	"expire": {func(l life) []string {
		id := l.asksFor("alice", "reports", "figures")
		l.comes(id, bot.Active)
		l.quiet(id)
		l.advance(2*time.Hour + time.Minute)
		return []string{id}
	}, bot.Ended, []string{"oid-alice activate"}},
	"approved in the portal": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		if err := l.ms.Decide("oid-carol", pim.Approved); err != nil {
			l.t.Fatal(err)
		}
		return []string{id}
	}, bot.Active, []string{"oid-alice activate"}},
	"activate, the answer is lost": {func(l life) []string {
		l.ms.Lose("activate", 1)
		return []string{l.asksFor("alice", "reports", "figures")}
	}, bot.Active, []string{"oid-alice activate"}},
	"approve, the answer is lost": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		l.ms.Lose("review", 1)
		l.act("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
		return []string{id}
	}, bot.Active, []string{"oid-alice activate", "oid-bob review"}},
	"deactivate, the answer is lost": {func(l life) []string {
		id := l.asksFor("alice", "reports", "figures")
		l.comes(id, bot.Active)
		l.quiet(id)
		l.advance(6 * time.Minute)
		l.ms.Lose("deactivate", 1)
		l.act("alice", bot.Press{Verb: bot.VerbStop, ID: id})
		return []string{id}
	}, bot.Ended, []string{"oid-alice activate", "oid-alice deactivate"}},
	"extend": {func(l life) []string {
		id := l.asksFor("alice", "reports", "figures")
		l.comes(id, bot.Active)
		l.quiet(id)
		l.advance(111 * time.Minute)
		var f *bot.Form
		for f == nil {
			f = l.says("alice", bot.Press{Verb: bot.VerbExtend, ID: id}).Form
			l.revive()
		}
		l.act("alice", bot.Submit{Verb: f.Verb, ID: f.ID, Values: map[string]string{"when": "now", "duration": "PT2H", "reason": "more figures"}})
		l.comes(id, bot.Ended)
		l.quiet(id)
		r, err := l.bot.Request(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		return []string{id, r.FollowedBy}
	}, bot.Active, []string{"oid-alice activate", "oid-alice deactivate", "oid-alice activate"}},
	"nobody decides": {func(l life) []string {
		id := l.asksFor("alice", "user admin", "reset a password")
		l.waits(id)
		l.advance(24*time.Hour + 11*time.Minute)
		return []string{id}
	}, bot.Failed, []string{"oid-alice activate"}},
}

// killPoints is how many points of each scenario are left out between two.
var killPoints = flag.Int("kill-every", 5, "TestKilledAtEveryPoint kills at every nth point only")

// Killed at any point of its life, Belay does all that was acknowledged, once, and its
// cards become true. (faults 1 to 5)
func TestKilledAtEveryPoint(t *testing.T) {
	killed, every := 0, max(1, *killPoints)
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		s := scenarios[name]
		t.Run(name, func(t *testing.T) {
			// Once without a death, to know how many points there are and what people see.
			lived := func(n, again int) (life, []string) {
				l := live(t, n, again)
				ids := s.do(l)
				for done := false; !done; done = !l.revive() { // a death after the state was reached
					l.comes(ids[len(ids)-1], s.ends)
					for _, id := range ids {
						l.quiet(id)
					}
				}
				l.m.mu.Lock()
				defer l.m.mu.Unlock()
				l.m.left = -1
				return l, ids
			}
			l, ids := lived(-1, -1)
			l.m.mu.Lock()
			points := l.m.seen
			l.m.mu.Unlock()
			want := l.shown(ids...)
			l.stop()
			for n := 1; n <= points; n += every {
				l, ids := lived(n, n%7-1) // of seven lives two end once, five end twice
				l.m.mu.Lock()
				killed += l.m.died
				where := fmt.Sprintf("killed at point %d of %d,%s", n, points, l.m.where)
				l.m.mu.Unlock()
				if diff := cmp.Diff(s.writes, l.ms.Writes()); diff != "" {
					t.Errorf("%s: Microsoft was written to otherwise (-want +got):\n%s", where, diff)
				}
				if diff := cmp.Diff(want, l.shown(ids...)); diff != "" {
					t.Errorf("%s: people see something else (-want +got):\n%s", where, diff)
				}
				if r, err := l.bot.Request(t.Context(), ids[len(ids)-1]); err != nil || r.State != s.ends {
					t.Errorf("%s: the request is %s, %v", where, r.State, err)
				}
				l.stop()
			}
		})
	}
	t.Logf("%d deaths", killed)
	if killed == 0 {
		t.Error("nothing was killed")
	}
}

// quiet waits, across deaths, until every card that is wanted is shown and no call is owed.
func (l life) quiet(id string) {
	l.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		l.revive()
		r, err := l.bot.Request(l.t.Context(), id)
		now := l.now()
		rests := r.Wake.IsZero() || r.Lease.Owner == "" && r.Wake.After(now.Add(5*time.Second))
		if err == nil && rests && !l.m.isDead() {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("killed %s: the request does not come to rest: %s, wakes at %v, now %v, %v\n%+v", l.m.where, r.State, r.Wake, now, err, r.Intents)
		}
		runtime.Gosched()
	}
}
