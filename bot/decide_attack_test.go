package bot_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// [40] The policy has changed since the card came: Microsoft's word, read with the
// presser's own sign-in, is what counts.
func TestAnApproverNoMore(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.ms.AddRole("oid-alice", users, pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: []pim.Principal{people["carol"]}})
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.teams, "chat-bob", "Nothing was changed")
	w.sees(w.teams, "chat-bob", "No effect: your approval of User Administrator")
	if r, err := w.bot.Request(t.Context(), id); err != nil || r.State != bot.PendingApproval {
		t.Errorf("%s, %v", r.State, err)
	}
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// [41] A card in a place where others read is no card of theirs, and is not kept true.
func TestAForwardedCard(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "canary: only for approvers")
	card := w.sees(w.teams, "chat-bob", "[Approve]")
	for _, at := range []bot.Conversation{{Platform: bot.Teams, Tenant: tenant, ID: "chat-dave", Private: true}, {Platform: bot.Teams, Tenant: tenant, ID: "19:everybody"}} {
		copied, err := w.teams.Post(t.Context(), at, "forwarded", bot.Card{Title: "forwarded", Actions: card.Card.Actions})
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []bot.Verb{bot.VerbApprove, bot.VerbDeny, bot.VerbShow, bot.VerbNotMe} {
			in := w.in("dave", bot.Press{Verb: verb, ID: id, Copy: copied})
			if at.ID != "chat-dave" {
				in.At = at
			}
			if got := w.does(in); got == "" || strings.Contains(got, "canary") || strings.Contains(got, "On its way") {
				t.Errorf("%s in %s: %s", verb, at.ID, got)
			}
		}
		if r, err := w.bot.Request(t.Context(), id); err != nil || len(r.Intents) != 1 {
			t.Errorf("%+v, %v", r.Intents, err)
		}
		if told(w.teams, at.ID, "canary") {
			t.Errorf("%s shows what is not theirs", at.ID)
		}
	}
}

// cut is where Belay is killed: the sign-in is dropped, and nothing after it is done.
type cut struct {
	bot.Grants
	times int
}

func (c *cut) Forget(ctx context.Context, person string) error {
	if err := c.Grants.Forget(ctx, person); err != nil {
		return err
	}
	if c.times--; c.times >= 0 {
		return errors.New("killed here")
	}
	return nil
}

// Cut off in the middle, [This was not me] has ended the sign-in already, and can be
// pressed again.
func TestNotMeIsCutOff(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.change = func(o *bot.Options) { o.Grants = &cut{Grants: w.ms, times: 1} }
	w.start()
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.slowApprovals()
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.until(id, func(r bot.Request) bool { return len(r.Intents) == 2 && r.Intents[1].Tries == 1 })
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "Nothing was done") {
		t.Errorf("Bob is told %s", got)
	}
	w.advance(61 * time.Minute)
	w.sees(w.teams, "chat-bob", "waits for your sign-in", notMeButton)
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "taken back") {
		t.Errorf("Bob is told %s", got)
	}
	w.sees(w.slack, "C-ops", "Bob Brown says: this was not me")
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
}

// stuck is a store that takes no write while it is down.
type stuck struct {
	store.Store
	down atomic.Bool
}

func (s *stuck) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.down.Load() {
		return store.ErrBusy
	}
	return s.Store.Update(ctx, fn)
}

// breaks is a Grants after whose Forget a store is down.
type breaks struct {
	bot.Grants
	store *stuck
	once  sync.Once
}

func (b *breaks) Forget(ctx context.Context, person string) error {
	err := b.Grants.Forget(ctx, person)
	b.once.Do(func() { b.store.down.Store(true) })
	return err
}

// What could not be recorded is not said to be.
func TestNotMeThatIsNotRecorded(t *testing.T) {
	w := newWorld(t)
	w.stop()
	disk := &stuck{Store: w.disk}
	w.disk, w.change = disk, func(o *bot.Options) { o.Grants = &breaks{Grants: w.ms, store: disk} }
	w.start()
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
	w.sees(w.teams, "chat-bob", "You approved User Administrator for Alice Adams")
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "Your sign-in was ended") || !strings.Contains(got, "press the button again") {
		t.Errorf("Bob is told %s", got)
	}
	disk.down.Store(false)
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "Not you: the approval") {
		t.Errorf("Bob is told %s", got)
	}
}
