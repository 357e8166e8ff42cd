package bot_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// fleet is one process, or several replicas, over one store, with one tenant and two chats
// outside. Nothing happens in it by itself: quiet lets everything be settled that is due.
type fleet struct {
	t     *rapid.T
	ctx   context.Context
	ms    *bottest.Microsoft
	books *books
	chats map[bot.Platform]*bottest.Chat
	flaky *flaky
	opens func(replica int) (store.Store, func())
	all   []*replica

	mu     sync.Mutex
	offset time.Duration
	begun  time.Time
	logs   safeBuffer
}

// replica is one process and its lives.
type replica struct {
	f      *fleet
	n      int
	lives  int
	m      *mortal
	sealed store.Store
	bot    *bot.Bot
	links  *bot.Links
	trail  *trail.Trail
	stop   func()
}

var (
	admin     = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-admin", Scope: "/"}, RoleName: "Privileged Role Administrator", ScopeName: "Directory"}
	approvers = []pim.Principal{people["bob"], people["carol"]}
	asking    = []string{"alice", "carol", "dave"}
	everybody = []string{"alice", "bob", "carol", "dave"}
	// keyset is shared by all histories: making one takes longer than a history.
	keyset = sync.OnceValues(store.NewKeyset)
)

// newFleet links everybody who has to be.
func newFleet(t *rapid.T, replicas int, opens func(replica int) (store.Store, func())) *fleet {
	f := &fleet{t: t, ctx: context.Background(), opens: opens, begun: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		chats: map[bot.Platform]*bottest.Chat{bot.Slack: bottest.NewChat(bot.Slack), bot.Teams: bottest.NewChat(bot.Teams)}, flaky: &flaky{}}
	f.ms = bottest.NewMicrosoft(f.now)
	f.books = newBooks(f.ms)
	for _, p := range people {
		f.ms.AddPerson(p, true)
	}
	for _, who := range asking {
		f.ms.AddRole(people[who].ID, reports, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true})
		f.ms.AddRole(people[who].ID, users, pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: approvers})
		f.ms.AddRole(people[who].ID, admin, pim.Policy{MaxDuration: 2 * time.Hour, Justification: true, Approval: true, Approvers: approvers})
	}
	f.chats[bot.Teams].Reachable("oid-bob", bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-bob", Private: true})
	f.chats[bot.Slack].Reachable("oid-carol", bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-carol", Private: true})
	for user, p := range people {
		f.chats[bot.Slack].SetProfile("U-"+user, bot.Profile{Name: user, Email: p.UPN, Full: true})
	}
	for n := range replicas {
		r := &replica{f: f, n: n, m: &mortal{left: -1, next: -1}}
		f.all = append(f.all, r)
		r.start()
	}
	for _, who := range everybody {
		f.link(f.all[0], who)
	}
	f.quiet()
	return f
}

func (f *fleet) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offset += time.Microsecond // no two moments are the same
	return f.begun.Add(f.offset)
}

// advance moves business time, forwards or backwards.
func (f *fleet) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offset += d
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// start makes a process over the store.
func (r *replica) start() {
	f := r.f
	keys, err := keyset()
	f.must(err)
	disk, shut := f.opens(r.n)
	r.sealed = trail.Recording(store.Seal(disk, keys))
	r.lives++
	r.trail, err = trail.New(trail.Options{Store: r.sealed, Signer: keys.Signer("audit checkpoints"), Owner: fmt.Sprint("trail ", r.n), Now: f.now})
	f.must(err)
	through := mortalStore{r.sealed, r.m}
	log := slog.New(slog.NewTextHandler(&f.logs, &slog.HandlerOptions{Level: slog.LevelWarn})).With("process", r.n)
	r.links = bot.NewLinks(bot.LinkOptions{Trail: r.trail, Store: through, Pseudonym: keys.Pseudonym, PublicURL: "https://belay.example", Now: f.now,
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: f.chats[bot.Slack]}, Directory: f.ms, Log: log,
		SignedIn: func(ctx context.Context, principal string, t bot.Ticket) error {
			return r.bot.SignedIn(ctx, principal, t)
		}})
	channels := []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}, {Platform: bot.Teams, Tenant: tenant, ID: "19:ops"}}
	o := bot.Options{Trail: r.trail, Store: through, Pseudonym: keys.Pseudonym, Pillars: map[pim.Kind]bot.Pillar{pim.EntraRole: mortalPillar{f.books, r.m}},
		Finders: map[pim.Kind]bot.Finder{pim.EntraRole: f.ms}, Directory: f.ms, Grants: f.ms, Links: r.links, Chats: map[bot.Platform]bot.Chat{},
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: f.chats[bot.Slack]}, Now: f.now, Reads: 1e6, Log: log,
		Presence: func(e pim.EligibleAssignment) bool { return e.Role == admin.Role },
		Notices:  bot.Routing{Default: channels}}
	for platform, chat := range f.chats {
		o.Chats[platform] = mortalChat{flakyChat{chat, f.flaky}, r.m}
	}
	if len(f.all) == 1 {
		o.Owner = "the only process" // as the product with one file has it
	} else {
		o.Owner = fmt.Sprintf("replica %d, life %d", r.n, r.lives)
	}
	r.bot, err = bot.New(o)
	f.must(err)
	stop, err := r.bot.ByHand(f.ctx)
	r.stop = func() { stop(); shut() }
	f.must(err)
}

// restart ends a process and starts it anew; a dead one is started anew as well.
func (r *replica) restart() {
	r.stop()
	r.m.mu.Lock()
	r.m.dead, r.m.left = false, -1
	r.m.mu.Unlock()
	r.start()
}

func (f *fleet) stop() {
	for _, r := range f.all {
		r.stop()
	}
}

// quiet lets all that live settle what is due.
func (f *fleet) quiet() {
	for _, r := range f.all {
		if !r.m.isDead() {
			if err := r.bot.Rest(f.ctx); err != nil && !r.m.isDead() {
				f.t.Fatalf("%v\n%+v\n%s", err, documentsOf(f), f.logs.String())
			}
		}
	}
}

// in is what somebody says in their private chat with the bot.
func (f *fleet) in(who string, said bot.Said) bot.Inbound { return (*world)(nil).in(who, said) }

// walk leads a browser through a ticket; Microsoft says who it was.
func (f *fleet) walk(r *replica, ticket string, who string, slack bool) error {
	hop, err := r.links.Begin(f.ctx, ticket, "browser")
	if err != nil {
		return err
	}
	if slack {
		if hop, _, err = r.links.Take(f.ctx, bot.StepSlack, hop.State, "browser"); err != nil {
			return err
		}
		if hop, err = r.links.Vouch(f.ctx, hop, "browser", "T1", "U-"+who); err != nil {
			return err
		}
	}
	if hop, _, err = r.links.Take(f.ctx, bot.StepEntra, hop.State, "browser"); err != nil {
		return err
	}
	_, err = r.links.Complete(f.ctx, hop, pim.Identity{Tenant: tenant, Principal: people[who], SignedIn: f.now()},
		func(context.Context) error { f.ms.SetLive(people[who].ID, true); return nil })
	return err
}

// link binds a chat user as the sign-in pages do. A process that dies meanwhile leaves it
// to another try.
func (f *fleet) link(r *replica, who string) {
	id, err := bot.NewTicketID(rand.Reader)
	f.must(err)
	in := f.in(who, nil)
	if err := r.sealed.Update(f.ctx, func(tx store.Tx) error { return r.links.Offer(tx, id, bot.Ticket{User: in.User, Direct: in.At}) }); err == nil {
		_ = f.walk(r, id, who, in.User.Platform == bot.Slack) // refused, or killed, or done
	}
}

// flaky is a chat that does not answer: what was asked of it has been done, or not.
type flaky struct {
	mu         sync.Mutex
	fail, lose int
}

func (f *flaky) set(fail, lose int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail, f.lose = fail, lose
}

func (f *flaky) next() (fail, lose bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail > 0 {
		f.fail--
		return true, false
	}
	if f.lose > 0 {
		f.lose--
		return false, true
	}
	return false, false
}

type flakyChat struct {
	bot.Chat
	f *flaky
}

var errSilent = errors.New("no answer")

func (c flakyChat) Post(ctx context.Context, to bot.Conversation, key string, card bot.Card) (bot.Message, error) {
	fail, lose := c.f.next()
	if fail {
		return bot.Message{}, &bot.ChatError{Op: "post", Code: bot.ChatUnavailable, Err: errSilent}
	}
	m, err := c.Chat.Post(ctx, to, key, card)
	if lose {
		return bot.Message{}, &bot.ChatError{Op: "post", Code: bot.ChatUnavailable, Ambiguous: true, Err: errSilent}
	}
	return m, err
}

func (c flakyChat) Update(ctx context.Context, m bot.Message, card bot.Card) error {
	fail, lose := c.f.next()
	if fail {
		return &bot.ChatError{Op: "update", Code: bot.ChatUnavailable, Err: errSilent}
	}
	err := c.Chat.Update(ctx, m, card)
	if lose {
		return &bot.ChatError{Op: "update", Code: bot.ChatUnavailable, Ambiguous: true, Err: errSilent}
	}
	return err
}
