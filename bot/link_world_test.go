package bot_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

const (
	entraTenant = "11111111-0000-4000-8000-000000000001"
	aliceID     = "aaaaaaaa-0000-4000-8000-00000000000a"
	malloryID   = "bbbbbbbb-0000-4000-8000-00000000000b"
)

var (
	alice   = bot.User{Platform: bot.Slack, Tenant: "T1", ID: "UALICE", Name: "alice"}
	mallory = bot.User{Platform: bot.Slack, Tenant: "T1", ID: "UMALLORY", Name: "mallory"}
	teamsA  = bot.User{Platform: bot.Teams, Tenant: entraTenant, ID: aliceID, Name: "Alice"}
)

// who are what Microsoft's id token would say.
var (
	entraAlice   = pim.Identity{Tenant: entraTenant, Principal: pim.Principal{ID: aliceID, Name: "Alice Adams", UPN: "alice@contoso.example"}}
	entraMallory = pim.Identity{Tenant: entraTenant, Principal: pim.Principal{ID: malloryID, Name: "Mallory", UPN: "mallory@contoso.example", Mail: "alice@contoso.example"}}
)

// linkWorld is Links over a store, a Slack that knows profiles, a directory, and
// a clock that stands still.
type linkWorld struct {
	t        *testing.T
	store    store.Store
	links    *bot.Links
	trail    *trail.Trail
	now      time.Time
	profiles map[string]bot.Profile
	people   map[string]pim.Principal
	mapped   map[string]string
	broken   error // what Slack and the directory answer
	resumed  []bot.Ticket
	kept     int
}

func (w *linkWorld) Profile(_ context.Context, u bot.User) (bot.Profile, error) {
	if w.broken != nil {
		return bot.Profile{}, w.broken
	}
	return w.profiles[u.ID], nil
}

func (w *linkWorld) Principal(_ context.Context, id string) (pim.Principal, error) {
	return w.people[id], w.broken
}

func newLinkWorld(t *testing.T) *linkWorld {
	t.Helper()
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	w := &linkWorld{t: t, store: trail.Recording(store.Seal(storetest.Memory(), keys)), now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		profiles: map[string]bot.Profile{
			"UALICE":   {Name: "alice", Email: "Alice@Contoso.example", Full: true},
			"UMALLORY": {Name: "mallory", Email: "mallory@elsewhere.example", Full: true},
		},
		people: map[string]pim.Principal{
			aliceID:   {ID: aliceID, Name: "Alice Adams", UPN: "alice@contoso.example"},
			malloryID: {ID: malloryID, Name: "Mallory", UPN: "mallory@contoso.example", Mail: "mallory@contoso.example"},
		},
		mapped: map[string]string{},
	}
	if w.trail, err = trail.New(trail.Options{Store: w.store, Signer: keys.Signer("audit checkpoints"), Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	w.links = bot.NewLinks(bot.LinkOptions{
		Trail: w.trail,
		Store: w.store, Pseudonym: keys.Pseudonym, Now: func() time.Time { return w.now }, PublicURL: "https://belay.example/",
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: w}, Directory: w, Mapped: w.mapped,
		SignedIn: func(_ context.Context, _ string, t bot.Ticket) error { w.resumed = append(w.resumed, t); return nil },
	})
	return w
}

func (w *linkWorld) keep(context.Context) error { w.kept++; return nil }

func (w *linkWorld) update(fn func(store.Tx) error) {
	w.t.Helper()
	if err := w.store.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *linkWorld) offer(t bot.Ticket) (id string) {
	w.t.Helper()
	id, err := bot.NewTicketID(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(func(tx store.Tx) error { return w.links.Offer(tx, id, t) })
	return id
}

// walk goes all the way in one browser: Slack says slackUser, Microsoft says who.
func (w *linkWorld) walk(id string, slackUser bot.User, who pim.Identity) (bot.Link, error) {
	ctx, session := context.Background(), "browser of "+slackUser.ID
	hop, err := w.links.Begin(ctx, id, session)
	if err != nil {
		return bot.Link{}, err
	}
	if hop.Step == bot.StepSlack {
		if hop, _, err = w.links.Take(ctx, bot.StepSlack, hop.State, session); err != nil {
			return bot.Link{}, err
		}
		if hop, err = w.links.Vouch(ctx, hop, session, slackUser.Tenant, slackUser.ID); err != nil {
			return bot.Link{}, err
		}
	}
	if hop, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, session); err != nil {
		return bot.Link{}, err
	}
	return w.links.Complete(ctx, hop, who, w.keep)
}

func (w *linkWorld) linked(u bot.User) (l bot.Link, ok bool) {
	w.t.Helper()
	err := w.store.View(context.Background(), func(tx store.Tx) (err error) { l, err = w.links.Of(tx, u); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatal(err)
	}
	return l, err == nil
}

// refused checks that err has the code and a sentence with the words, and that
// nobody was linked, kept or resumed by it.
func (w *linkWorld) refused(err error, code bot.Code, words string) {
	w.t.Helper()
	var e *bot.Error
	if !errors.As(err, &e) {
		w.t.Fatalf("got %v, want a *bot.Error", err)
	}
	if e.Code != code || !strings.Contains(e.Message, words) {
		w.t.Errorf("got %s: %q, want %s with %q", e.Code, e.Message, code, words)
	}
	if w.kept != 0 || len(w.resumed) != 0 {
		w.t.Errorf("a refused sign-in was kept %d times and resumed %d times", w.kept, len(w.resumed))
	}
}

func (w *linkWorld) mustWalk(t bot.Ticket, who pim.Identity) {
	w.t.Helper()
	if _, err := w.walk(w.offer(t), t.User, who); err != nil {
		w.t.Fatal(err)
	}
}
