package bot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

// world is a bot with everything outside it in memory, and people who use it.
type world struct {
	t     *testing.T
	ms    *bottest.Microsoft
	slack *bottest.Chat
	teams *bottest.Chat
	disk  store.Store
	keys  *store.Keyset
	logs  *safeBuffer
	trail *trail.Trail
	bot   *bot.Bot
	links *bot.Links
	stop  func()

	pillar  bot.Pillar         // nil: ms
	change  func(*bot.Options) // nil: as they are
	quiet   bot.QuietHours
	silent  bot.Exchanger // nil: browsers only
	resumes bool          // a sign-in through the links lets go on what waited
	hears   bot.Trail     // hears what is told to the audit trail; nil: trail
	only    string        // the request of a world with one
	looks   looks

	mu     sync.Mutex
	offset time.Duration
}

type safeBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return s.b.Write(p)
}

// wait returns when the log holds a text, and fails the test when it never does.
func (s *safeBuffer) wait(t *testing.T, text string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		if strings.Contains(s.b.String(), text) {
			s.mu.Unlock()
			return
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the operator is not told %q:\n%s", text, s.String())
		}
	}
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const tenant = "tenant"

var (
	people = map[string]pim.Principal{
		"alice": {ID: "oid-alice", Name: "Alice Adams", UPN: "alice@contoso.example", Mail: "alice@contoso.example"},
		"bob":   {ID: "oid-bob", Name: "Bob Brown", UPN: "bob@contoso.example"},
		"carol": {ID: "oid-carol", Name: "Carol Clark", UPN: "carol@contoso.example", Mail: "carol@contoso.example"},
		"dave":  {ID: "oid-dave", Name: "Dave Davis", UPN: "dave@contoso.example"},
	}
	reports = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-reports", Scope: "/"}, RoleName: "Reports Reader", ScopeName: "Directory"}
	users   = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-users", Scope: "/"}, RoleName: "User Administrator", ScopeName: "Directory"}
)

func newWorld(t *testing.T) *world {
	t.Helper()
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, disk: storetest.Memory(), keys: keys, slack: bottest.NewChat(bot.Slack), teams: bottest.NewChat(bot.Teams), logs: &safeBuffer{}}
	w.ms = bottest.NewMicrosoft(w.now)
	w.looks.Finder = w.ms
	for _, p := range people {
		w.ms.AddPerson(p, true)
	}
	w.ms.AddRole("oid-alice", reports, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true})
	w.ms.AddRole("oid-alice", users, pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true,
		Approvers: []pim.Principal{people["bob"], people["carol"]}})
	w.teams.Reachable("oid-bob", bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-bob", Private: true})
	w.slack.Reachable("oid-carol", bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-carol", Private: true})
	for user := range people {
		w.slack.SetProfile("U-"+user, bot.Profile{Name: user, Email: people[user].UPN, Full: true})
	}
	w.slack.SetProfile("U-erin", bot.Profile{Name: "erin", Email: "erin@elsewhere.example"})
	w.start()
	t.Cleanup(func() {
		w.stop()
		if strings.Contains(w.logs.String(), "must be pure") {
			t.Errorf("a transaction is not pure:\n%s", w.logs.String())
		}
		if strings.Contains(w.logs.String(), "canary") {
			t.Errorf("a justification reached the log:\n%s", w.logs.String())
		}
	})
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.offset)
}

// advance moves business time.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

// start makes a bot over the same disk: what a restart does.
func (w *world) start() {
	w.t.Helper()
	sealed := trail.Recording(store.Seal(w.disk, w.keys))
	var err error
	if w.trail, err = trail.New(trail.Options{Store: sealed, Signer: w.keys.Signer("audit checkpoints"), Owner: "this", Now: w.now}); err != nil {
		w.t.Fatal(err)
	}
	told := bot.Trail(w.trail)
	if w.hears != nil {
		told = w.hears
	}
	w.links = bot.NewLinks(bot.LinkOptions{Trail: told, Store: sealed, Pseudonym: w.keys.Pseudonym, PublicURL: "https://belay.example",
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: w.slack}, Directory: w.ms,
		Taken: func(tx store.Tx, holder, tried bot.Link) error { return w.bot.LinkTried(tx, holder, tried) },
		SignedIn: func(ctx context.Context, principal string, t bot.Ticket) error {
			if w.silent == nil && !w.resumes {
				return nil // see link
			}
			return w.bot.SignedIn(ctx, principal, t)
		}})
	pillar := bot.Pillar(w.ms)
	if w.pillar != nil {
		pillar = w.pillar
	}
	channels := []bot.Conversation{{Platform: bot.Slack, Tenant: "T1", ID: "C-ops"}, {Platform: bot.Teams, Tenant: tenant, ID: "19:ops"}}
	o := bot.Options{Trail: told, Store: sealed, Pseudonym: w.keys.Pseudonym, Pillars: map[pim.Kind]bot.Pillar{pim.EntraRole: pillar},
		Finders:   map[pim.Kind]bot.Finder{pim.EntraRole: &w.looks},
		Directory: w.ms, Grants: w.ms, Links: w.links, Chats: map[bot.Platform]bot.Chat{bot.Slack: w.slack, bot.Teams: w.teams},
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: w.slack}, Now: w.now, Reads: 1000, Quiet: w.quiet,
		Notices: bot.Routing{Default: channels},
		Log:     slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	o.SingleSignOn = w.silent
	if w.change != nil {
		w.change(&o)
	}
	b, err := bot.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	w.bot = b
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// in is what somebody says in their private chat with the bot.
func (w *world) in(who string, said bot.Said) bot.Inbound {
	p := people[who]
	if who == "bob" || who == "dave" {
		return bot.Inbound{User: bot.User{Platform: bot.Teams, Tenant: tenant, ID: p.ID, Name: p.Name}, Principal: p.ID,
			At: bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-" + who, Private: true}, Said: said}
	}
	return bot.Inbound{User: bot.User{Platform: bot.Slack, Tenant: "T1", ID: "U-" + who, Name: who},
		At: bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-" + who, Private: true}, Said: said}
}

// says lets somebody act and gives what they finally see.
func (w *world) says(who string, said bot.Said) bot.Reply {
	w.t.Helper()
	reply, later := w.bot.Handle(w.t.Context(), w.in(who, said))
	if later != nil {
		reply = later(w.t.Context())
	}
	return reply
}

// link binds a Slack user as the sign-in pages do.
func (w *world) link(who string) {
	w.t.Helper()
	w.linkAs(w.in(who, nil), people[who])
}

func (w *world) linkAs(in bot.Inbound, p pim.Principal) {
	w.t.Helper()
	ctx := w.t.Context()
	id, err := bot.NewTicketID(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed := store.Seal(w.disk, w.keys)
	if err := sealed.Update(ctx, func(tx store.Tx) error { return w.links.Offer(tx, id, bot.Ticket{User: in.User, Direct: in.At}) }); err != nil {
		w.t.Fatal(err)
	}
	hop, err := w.links.Begin(ctx, id, "browser")
	if err != nil {
		w.t.Fatal(err)
	}
	hop, _, err = w.links.Take(ctx, bot.StepSlack, hop.State, "browser")
	if err != nil {
		w.t.Fatal(err)
	}
	hop, err = w.links.Vouch(ctx, hop, "browser", "T1", in.User.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	hop, ticket, err := w.links.Take(ctx, bot.StepEntra, hop.State, "browser")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err = w.links.Complete(ctx, hop, pim.Identity{Tenant: tenant, Principal: p}, func(context.Context) error { w.ms.SetLive(p.ID, true); return nil }); err != nil {
		w.t.Fatal(err)
	}
	if err := w.bot.SignedIn(ctx, p.ID, ticket); err != nil {
		w.t.Fatal(err)
	}
}

// ask sends the form for a role and gives the request's id.
func (w *world) ask(who, role, duration, reason string) string {
	w.t.Helper()
	reply := w.says(who, bot.Command{Text: role})
	if reply.Form == nil {
		w.t.Fatalf("no form: %+v", reply.Card)
	}
	values := map[string]string{"role": reply.Form.Fields[0].Value, "duration": duration, "reason": reason}
	sent := w.says(who, bot.Submit{Verb: reply.Form.Verb, ID: reply.Form.ID, Values: values})
	if sent.Card == nil {
		w.t.Fatalf("the form was not taken: %+v", sent.Form)
	}
	return reply.Form.ID
}

// sees waits for a card in a conversation that holds all the texts.
func (w *world) sees(chat *bottest.Chat, conversation string, texts ...string) bottest.Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	m, err := chat.Wait(ctx, conversation, func(m bottest.Message) bool {
		all := words(m.Card)
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return false
			}
		}
		return true
	})
	if err != nil {
		w.t.Fatalf("nobody sees %q: %v\nlog:\n%s", texts, err, w.logs.String())
	}
	return m
}

// seesLater is sees while business time goes on by d at a look: for what waits out
// a pause.
func (w *world) seesLater(d time.Duration, chat *bottest.Chat, conversation string, texts ...string) {
	w.t.Helper()
	for range 150 {
		ctx, cancel := context.WithTimeout(w.t.Context(), 100*time.Millisecond)
		_, err := chat.Wait(ctx, conversation, func(m bottest.Message) bool {
			return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(words(m.Card), text) })
		})
		cancel()
		if err == nil {
			return
		}
		w.advance(d)
	}
	w.sees(chat, conversation, texts...)
}

// words is a card as one text.
func words(c bot.Card) string {
	all := []string{c.Title, c.Text, c.Note}
	for _, f := range c.Facts {
		all = append(all, f.Name+": "+f.Value)
	}
	for _, a := range c.Actions {
		all = append(all, "["+a.Label+"]")
	}
	return strings.Join(all, "\n")
}

// asks records a request with everything a form can say.
func (w *world) asks(who string, role pim.EligibleAssignment, ask bot.Ask) string {
	w.t.Helper()
	in, p := w.in(who, nil), people[who]
	policy, err := w.ms.Policy(w.t.Context(), p.ID, role.Assignment)
	if err != nil {
		w.t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7()).String()
	err = w.bot.Apply(w.t.Context(), id, bot.Asked{ID: id, Requester: bot.Person{Principal: p, User: in.User, Direct: in.At},
		Role: role, Ask: ask, Policy: policy, Intent: id + "/i", SignedIn: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// until waits for a request to be as it should.
func (w *world) until(id string, ok func(bot.Request) bool) bot.Request {
	w.t.Helper()
	return w.untilLater(0, id, ok)
}

// untilLater is until while business time goes on by d at a look.
func (w *world) untilLater(d time.Duration, id string, ok func(bot.Request) bool) bot.Request {
	w.t.Helper()
	deadline, look := time.Now().Add(20*time.Second), time.Now()
	for {
		r, err := w.bot.Request(w.t.Context(), id)
		if err == nil && ok(r) {
			return r
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the request stays %s, wakes at %v: %v\n%+v", r.State, r.Wake, err, r.Intents)
		}
		if time.Since(look) > 100*time.Millisecond {
			w.advance(d)
			look = time.Now()
		}
		runtime.Gosched()
	}
}
