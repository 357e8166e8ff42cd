package bot_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// looks counts how often approvers' lists were read.
type looks struct {
	bot.Finder
	mu      sync.Mutex
	n       int
	changed chan struct{}
	logs    int
}

func (l *looks) Traces(ctx context.Context, since time.Time) ([]pim.Trace, error) {
	l.mu.Lock()
	l.logs++
	l.mu.Unlock()
	return l.Finder.Traces(ctx, since)
}

// read is how often the log was read.
func (l *looks) read() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs
}

func (l *looks) Pending(ctx context.Context, approver string) ([]pim.Request, error) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.n++; l.changed != nil {
			close(l.changed)
			l.changed = nil
		}
	}()
	return l.Finder.Pending(ctx, approver)
}

// looksAgain lets time go on until lists were read n times more, and what was in all
// but the last was taken in.
func (w *world) looksAgain(n int) {
	w.t.Helper()
	limit := time.After(20 * time.Second)
	for range n + 1 {
		w.looks.mu.Lock()
		if w.looks.changed == nil {
			w.looks.changed = make(chan struct{})
		}
		changed := w.looks.changed
		w.looks.mu.Unlock()
		w.advance(12 * time.Second)
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("nobody looks\n%s", w.logs.String())
		}
	}
}

// portal is what Alice asks for in the portal.
var portal = pim.Activation{Assignment: users.Assignment, Duration: 2 * time.Hour, Justification: "canary: from the portal", Ticket: pim.Ticket{Number: "CHG1"}}

// asksInThePortal asks there as Alice.
func (w *world) asksInThePortal() pim.Request {
	w.t.Helper()
	m, err := w.ms.Portal("oid-alice", portal)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// onlyLive signs everybody out but those.
func (w *world) onlyLive(who ...string) {
	for _, p := range people {
		w.ms.SetLive(p.ID, false)
	}
	for _, name := range who {
		w.ms.SetLive(people[name].ID, true)
	}
}

// askers counts the cards that ask for a decision.
func askers(chat *bottest.Chat, conversation string) (n int) {
	for _, m := range chat.In(conversation) {
		if strings.Contains(words(m.Card), "[Approve]") {
			n++
		}
	}
	return n
}

func TestARequestFromThePortalIsDecidedInChat(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.onlyLive("carol")
	w.slack.Reachable("oid-alice", bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "D-alice", Private: true})
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "Alice Adams asks for User Administrator", "canary: from the portal", "2 hours", "CHG1", "Made elsewhere", "[Approve]", "[Deny]")
	card := w.sees(w.teams, "chat-bob", "Alice Adams asks for User Administrator", "[Approve]") // who never linked is reached as well
	w.sees(w.slack, "D-alice", "waits for approval", "You asked for it elsewhere", "Bob Brown or Carol Clark", "[Cancel]")
	id := card.Card.Actions[0].ID
	if got := w.says("alice", bot.Press{Verb: bot.VerbApprove, ID: id}); got.Card != nil && strings.Contains(got.Card.Title, "On its way") {
		t.Errorf("the requester decides: %+v", got.Card)
	}
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.seesLater(2*time.Second, w.slack, "D-carol", "You approved it")
	w.sees(w.teams, "chat-bob", "is active", "Approved by Carol Clark")
	w.sees(w.slack, "D-alice", "is active", "Approved by Carol Clark")
	w.sees(w.slack, "C-ops", "is active: Alice Adams", "Approved by Carol Clark")
	if got := w.says("carol", bot.Press{Verb: bot.VerbDeny, ID: id}); got.Card == nil || !strings.Contains(got.Card.Text, "Carol Clark already approved") {
		t.Errorf("the second press shows %+v", got.Card)
	}
	w.advance(2*time.Hour + time.Minute)
	w.sees(w.slack, "D-alice", "has ended", "Its time is over")
	w.sees(w.teams, "19:ops", "has ended: Alice Adams")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-carol review"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	if n := askers(w.slack, "D-carol"); n != 0 {
		t.Errorf("%d cards still ask", n)
	}
}

func TestMadeAndDecidedInThePortal(t *testing.T) {
	for _, result := range []pim.Result{pim.Approved, pim.Denied} {
		w := newWorld(t)
		w.link("carol")
		w.onlyLive("carol")
		w.asksInThePortal()
		w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
		if err := w.ms.Decide("oid-bob", result); err != nil {
			t.Fatal(err)
		}
		want := map[pim.Result]string{pim.Approved: "Approved by Bob Brown, in Entra", pim.Denied: "Denied by Bob Brown, in Entra: in the portal"}[result]
		w.seesLater(5*time.Second, w.slack, "D-carol", want)
		w.sees(w.teams, "chat-bob", map[pim.Result]string{pim.Approved: "You approved it", pim.Denied: "You denied it"}[result])
		w.sees(w.slack, "C-ops", want)
	}
}

func TestTakenBackInThePortal(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.onlyLive("carol")
	m := w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	w.ms.SetLive("oid-alice", true)
	if err := w.ms.Cancel(t.Context(), "oid-alice", m.ID); err != nil {
		t.Fatal(err)
	}
	w.ms.SetLive("oid-alice", false)
	w.seesLater(10*time.Second, w.slack, "D-carol", "Canceled: User Administrator", "took it back")
}

// The requester takes back in chat what they asked for in the portal.
func TestTakenBackInChat(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.link("alice")
	w.asksInThePortal()
	card := w.sees(w.slack, "D-alice", "You are linked")
	w.seesLater(5*time.Second, w.slack, "D-alice", "You asked for it elsewhere", "[Cancel]")
	for _, m := range w.slack.In("D-alice") {
		if len(m.Card.Actions) > 0 && m.Card.Actions[0].Verb == bot.VerbCancel {
			card = m
		}
	}
	w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: card.Card.Actions[0].ID, Copy: card.Message})
	w.seesLater(2*time.Second, w.slack, "D-carol", "Canceled: User Administrator")
	if diff := cmp.Diff([]string{"oid-alice activate", "oid-alice cancel"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	if form := w.says("alice", bot.Command{Text: "user admin"}).Form; form == nil {
		t.Error("the role cannot be asked for again")
	}
}

// What Belay asked for itself is not found a second time, whoever lists it.
func TestOwnRequestsAreNotFound(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	w.ms.Lose("activate", 1) // and not even while its answer is missing
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.looksAgain(3)
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.looksAgain(2)
	if a, b := askers(w.slack, "D-carol"), askers(w.teams, "chat-bob"); a != 1 || b != 1 {
		t.Errorf("%d and %d cards", a, b)
	}
	if r, err := w.bot.Request(t.Context(), id); err != nil || r.Elsewhere || r.State != bot.PendingApproval {
		t.Errorf("%+v %v", r, err)
	}
}

// Who asks in chat for what waits already, made in the portal, is shown that.
func TestAskedAgainInChat(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	form := w.says("alice", bot.Command{Text: "user admin"}).Form
	got := w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"role": form.Fields[0].Value, "duration": "PT2H", "reason": portal.Justification}})
	if got.Card == nil || !strings.Contains(words(*got.Card), "this is where that request stands") {
		t.Errorf("Alice sees %+v", got.Card)
	}
	if n := askers(w.slack, "D-carol"); n != 1 {
		t.Errorf("%d cards", n)
	}
}

// Two processes look at once over one store: one document, one card for each.
func TestFoundByTwo(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.onlyLive("carol")
	first := w.stop
	w.start() // a second one, beside the first
	second := w.stop
	w.stop = func() { first(); second() }
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.looksAgain(5)
	if a, b := askers(w.slack, "D-carol"), askers(w.teams, "chat-bob"); a != 1 || b != 1 {
		t.Errorf("%d and %d cards", a, b)
	}
	w.verify(1)
}

// verify walks the indices, and counts the requests that are stored.
func (w *world) verify(want int) {
	w.t.Helper()
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) error {
		for _, err := range bot.Check(tx) {
			w.t.Error(err)
		}
		n := 0
		err := store.NewBucket[bot.Request]("requests").Scan(tx, "", "", func(string, bot.Request) error { n++; return nil })
		if n != want {
			w.t.Errorf("%d requests are stored, want %d", n, want)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}

// Killed after any write between finding and carding: one document, one card.
func TestKilledBetweenFindingAndCarding(t *testing.T) {
	for n := 1; n <= 12; n++ {
		w := newWorld(t)
		w.link("carol")
		w.onlyLive("carol")
		w.sees(w.slack, "D-carol", "You are linked")
		w.stop()
		whole := w.disk
		dying := &dies{Store: whole, left: n, dead: make(chan struct{})}
		w.disk = dying
		w.start()
		w.asksInThePortal()
		w.advance(30 * time.Second)
		shown := make(chan struct{})
		go func() {
			defer close(shown)
			asks := func(m bottest.Message) bool { return strings.Contains(words(m.Card), "[Approve]") }
			_, _ = w.slack.Wait(w.t.Context(), "D-carol", asks)
			_, _ = w.teams.Wait(w.t.Context(), "chat-bob", asks)
		}()
		select {
		case <-dying.dead:
		case <-shown: // all is done in fewer writes than that
		}
		w.stop()
		w.disk = whole
		w.start()
		w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
		w.sees(w.teams, "chat-bob", "[Approve]")
		w.looksAgain(2)
		if a, b := askers(w.slack, "D-carol"), askers(w.teams, "chat-bob"); a != 1 || b != 1 {
			t.Errorf("after %d: %d and %d cards", n, a, b)
		}
		w.verify(1)
		w.stop()
	}
}

// dies takes some updates more, and then none.
type dies struct {
	store.Store
	mu   sync.Mutex
	left int
	dead chan struct{}
}

func (d *dies) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.mu.Lock()
	if d.left--; d.left == -1 {
		close(d.dead)
	}
	over := d.left < 0
	d.mu.Unlock()
	if over {
		return storetest.ErrInjected
	}
	return d.Store.Update(ctx, fn)
}

// An approver who links, or installs the app, later gets the card of what waits.
func TestWhoComesLaterGetsTheCard(t *testing.T) {
	w := newWorld(t)
	w.ms.AddRole("oid-alice", users, pim.Policy{MaxDuration: 4 * time.Hour, Approval: true, Approvers: []pim.Principal{people["bob"], people["carol"], people["dave"]}})
	w.link("alice")
	w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-alice", "Not reachable in chat: Dave Davis")
	w.says("dave", bot.Installed{})
	w.sees(w.teams, "chat-dave", "Alice Adams asks for User Administrator", "[Approve]")
	w.link("carol") // reached already: one card
	w.looksAgain(2)
	if a, d := askers(w.slack, "D-carol"), askers(w.teams, "chat-dave"); a != 1 || d != 1 {
		t.Errorf("%d and %d cards", a, d)
	}
}

// An approver whom the policy does not name any more is refused plainly.
func TestRemovedBetweenCardAndClick(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.onlyLive("carol")
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	w.ms.AddRole("oid-nobody", users, pim.Policy{MaxDuration: 4 * time.Hour, Approval: true, Approvers: []pim.Principal{people["carol"]}})
	w.ms.SetLive("oid-bob", true)
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID, Copy: card.Message})
	w.sees(w.teams, "chat-bob", "Nothing was changed", "ask one of the current approvers")
}

// Two approvers at once: the second is told who was first.
func TestTheSecondApproverIsTold(t *testing.T) {
	w := newWorld(t)
	w.link("carol")
	w.ms.SetLive("oid-alice", false)
	w.asksInThePortal()
	w.seesLater(5*time.Second, w.slack, "D-carol", "[Approve]")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	var all sync.WaitGroup
	for _, who := range []string{"bob", "carol"} {
		all.Go(func() {
			w.bot.Handle(t.Context(), w.in(who, bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID}))
		})
	}
	all.Wait()
	w.seesLater(2*time.Second, w.slack, "C-ops", "is active: Alice Adams", "Approved by")
	for _, who := range []string{"bob", "carol"} {
		got := w.says(who, bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID})
		if got.Card == nil || !strings.Contains(got.Card.Text, "already approved") {
			t.Errorf("%s sees %+v", who, got.Card)
		}
	}
}

// Whoever signs in for the first time gets the card of what waits for them already.
func TestWhoLinksLaterGetsTheCard(t *testing.T) {
	w := newWorld(t)
	w.ms.AddRole("oid-bob", users, pim.Policy{MaxDuration: 4 * time.Hour, Approval: true, Approvers: []pim.Principal{people["alice"], people["carol"]}})
	w.link("carol")
	w.onlyLive("carol")
	if _, err := w.ms.Portal("oid-bob", portal); err != nil {
		t.Fatal(err)
	}
	w.seesLater(5*time.Second, w.slack, "D-carol", "Bob Brown asks for User Administrator", "[Approve]")
	w.sees(w.teams, "chat-bob", "You asked for it elsewhere", "Not reachable in chat: Alice Adams")
	w.link("alice")
	card := w.sees(w.slack, "D-alice", "Bob Brown asks for User Administrator", "[Approve]")
	w.says("alice", bot.Press{Verb: bot.VerbApprove, ID: card.Card.Actions[0].ID})
	w.seesLater(2*time.Second, w.teams, "chat-bob", "is active", "Approved by Alice Adams")
}

// Belay knows, and tells an approver, which roles nobody's list shows.
func TestUncovered(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.says("alice", bot.Command{}) // the role's policy is known from here
	uncovered := func(want int) {
		t.Helper()
		limit := time.After(20 * time.Second)
		for len(w.bot.Uncovered()) != want {
			w.advance(16 * time.Second)
			select {
			case <-limit:
				t.Fatalf("uncovered: %+v", w.bot.Uncovered())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	uncovered(1)
	if got := w.says("bob", bot.Command{Text: "approvals"}); got.Card == nil || !strings.Contains(got.Card.Note, "nobody who may decide on User Administrator is signed in") {
		t.Errorf("Bob sees %+v", got.Card)
	}
	w.link("carol")
	uncovered(0)
	if got := w.says("bob", bot.Command{Text: "approvals"}); got.Card == nil || got.Card.Note != "" {
		t.Errorf("Bob sees %+v", got.Card)
	}
}
