package bot_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

func TestFirstSlackLink(t *testing.T) {
	w := newLinkWorld(t)
	id := w.offer(bot.Ticket{User: alice})
	got, err := w.walk(id, alice, entraAlice)
	if err != nil {
		t.Fatal(err)
	}
	want := bot.Link{User: alice, Principal: w.people[aliceID], Tenant: entraTenant, Linked: w.now,
		Direct: bot.Conversation{Platform: bot.Slack, Tenant: "T1", ID: "UALICE", Private: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	want.Look = w.now.Add(24 * time.Hour)
	if stored, _ := w.linked(alice); !cmp.Equal(stored, want) {
		t.Errorf("stored %+v", stored)
	}
	if w.kept != 1 || len(w.resumed) != 1 {
		t.Errorf("kept %d times, resumed %d times; want once each", w.kept, len(w.resumed))
	}
	if _, err := w.walk(id, alice, entraAlice); err == nil || !strings.Contains(err.Error(), "used already") {
		t.Errorf("a used link: %v", err)
	}
}

func TestSomebodyElsesBrowser(t *testing.T) {
	w := newLinkWorld(t)
	id := w.offer(bot.Ticket{User: mallory}) // Mallory sends his own link to Alice
	_, err := w.walk(id, alice, entraAlice)
	w.refused(err, bot.CodeNotAllowed, "another Slack user")
	if _, ok := w.linked(mallory); ok {
		t.Error("Mallory is linked with Alice's account")
	}
	// Mallory's own browser got as far as Microsoft; the address of that page is
	// what he sends next. Alice's browser has no session for it.
	ctx := context.Background()
	hop, err := w.links.Begin(ctx, w.offer(bot.Ticket{User: mallory}), "mallory's browser")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.links.Vouch(ctx, hop, "alice's browser", "T1", "UMALLORY"); err == nil {
		t.Error("another browser was vouched for")
	}
	if hop, _, err = w.links.Take(ctx, bot.StepSlack, hop.State, "mallory's browser"); err != nil {
		t.Fatal(err)
	}
	if hop, err = w.links.Vouch(ctx, hop, "mallory's browser", "T1", "UMALLORY"); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, "alice's browser")
	w.refused(err, bot.CodeNotAllowed, "another browser")
	_, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, "mallory's browser")
	w.refused(err, bot.CodeInvalid, "second time") // the state is gone for everybody
}

func TestIdentityRule(t *testing.T) {
	otherTenant := entraAlice
	otherTenant.Tenant = "22222222-0000-4000-8000-000000000002"
	upper := entraAlice
	upper.ID = strings.ToUpper(upper.ID)
	for _, c := range []struct {
		name   string
		ticket bot.Ticket
		who    pim.Identity
		before func(*linkWorld)
		code   bot.Code // empty: allowed
		words  string
	}{
		{name: "Teams, the same object id", ticket: bot.Ticket{User: teamsA, Expect: aliceID}, who: entraAlice},
		{name: "Teams, written in capitals", ticket: bot.Ticket{User: teamsA}, who: upper},
		{name: "Teams, somebody else", ticket: bot.Ticket{User: teamsA}, who: entraMallory, code: bot.CodeNotAllowed, words: "Mallory"},
		{name: "Teams, another tenant", ticket: bot.Ticket{User: teamsA}, who: otherTenant, code: bot.CodeNotAllowed, words: "not the account"},
		{name: "an unknown platform", ticket: bot.Ticket{User: bot.User{Platform: "irc", ID: "x"}}, who: entraAlice, code: bot.CodeNotAllowed},
		{name: "Slack, the profile's address is not the directory's", ticket: bot.Ticket{User: alice}, who: entraMallory,
			code: bot.CodeNotAllowed, words: "e-mail address"},
		{name: "Slack, mail instead of UPN", ticket: bot.Ticket{User: alice}, who: entraMallory,
			before: func(w *linkWorld) {
				w.people[malloryID] = pim.Principal{ID: malloryID, UPN: "x@y.example", Mail: "ALICE@contoso.example"}
			}},
		{name: "Slack, an address that only Unicode folds", ticket: bot.Ticket{User: alice}, who: entraAlice, code: bot.CodeNotAllowed, words: "e-mail address",
			before: func(w *linkWorld) {
				w.people[aliceID] = pim.Principal{ID: aliceID, UPN: "mike@contoso.example"}
				w.profiles["UALICE"] = bot.Profile{Email: "mi\u212ae@contoso.example", Full: true} // Kelvin sign
			}},
		{name: "Slack, nobody has an address", ticket: bot.Ticket{User: alice}, who: entraAlice, code: bot.CodeNotAllowed, words: "e-mail address",
			before: func(w *linkWorld) {
				w.people[aliceID] = pim.Principal{ID: aliceID}
				w.profiles["UALICE"] = bot.Profile{Full: true}
			}},
		{name: "Slack, a guest", ticket: bot.Ticket{User: alice}, who: entraAlice, code: bot.CodeNotAllowed, words: "Guests",
			before: func(w *linkWorld) { w.profiles["UALICE"] = bot.Profile{Email: "alice@contoso.example"} }},
		{name: "Slack, mapped by an administrator", ticket: bot.Ticket{User: mallory}, who: entraMallory,
			before: func(w *linkWorld) { w.mapped["UMALLORY"] = strings.ToUpper(malloryID) }},
		{name: "Slack, mapped to somebody else although the address is right", ticket: bot.Ticket{User: alice}, who: entraAlice,
			before: func(w *linkWorld) { w.mapped["UALICE"] = malloryID }, code: bot.CodeNotAllowed, words: "mapped"},
		{name: "Slack, a mapped guest", ticket: bot.Ticket{User: alice}, who: entraAlice, code: bot.CodeNotAllowed, words: "Guests",
			before: func(w *linkWorld) { w.mapped["UALICE"] = aliceID; w.profiles["UALICE"] = bot.Profile{} }},
		{name: "Slack, the platforms do not answer", ticket: bot.Ticket{User: alice}, who: entraAlice, code: bot.CodeBusy, words: "in a minute",
			before: func(w *linkWorld) { w.broken = errors.New("down") }},
		{name: "Slack, step-up of a user who was unlinked", ticket: bot.Ticket{User: alice, Expect: aliceID}, who: entraAlice,
			code: bot.CodeNotAllowed, words: "unlinked meanwhile"},
		{name: "Slack, the account is another user's", ticket: bot.Ticket{User: mallory}, who: entraAlice, code: bot.CodeNotAllowed, words: "another user of the same workspace",
			before: func(w *linkWorld) {
				w.mapped["UMALLORY"] = aliceID
				w.mustWalk(bot.Ticket{User: alice}, entraAlice)
			}},
		{name: "Slack, another account than the one linked", ticket: bot.Ticket{User: alice}, who: entraMallory, code: bot.CodeNotAllowed, words: "/elevate unlink",
			before: func(w *linkWorld) {
				w.mustWalk(bot.Ticket{User: alice}, entraAlice)
				w.mapped["UALICE"] = malloryID
			}},
		{name: "Slack, step-up as somebody else", ticket: bot.Ticket{User: alice, Expect: aliceID}, who: entraMallory, code: bot.CodeNotAllowed, words: "Mallory",
			before: func(w *linkWorld) { w.mustWalk(bot.Ticket{User: alice}, entraAlice) }},
		{name: "Slack, step-up", ticket: bot.Ticket{User: alice, Expect: aliceID}, who: entraAlice,
			before: func(w *linkWorld) { w.mustWalk(bot.Ticket{User: alice}, entraAlice) }},
		{name: "Slack, although linked in Teams", ticket: bot.Ticket{User: alice}, who: entraAlice,
			before: func(w *linkWorld) { w.mustWalk(bot.Ticket{User: teamsA}, entraAlice) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newLinkWorld(t)
			if c.before != nil {
				c.before(w)
			}
			before, _ := w.linked(c.ticket.User)
			w.kept, w.resumed = 0, nil
			_, err := w.walk(w.offer(c.ticket), c.ticket.User, c.who)
			if c.code != "" {
				w.refused(err, c.code, c.words)
				if after, _ := w.linked(c.ticket.User); !cmp.Equal(before, after) {
					t.Errorf("a refused sign-in changed the link: %+v", after)
				}
				return
			}
			if err != nil || w.kept != 1 || len(w.resumed) != 1 {
				t.Errorf("error %v, kept %d, resumed %d; want none, once, once", err, w.kept, len(w.resumed))
			}
		})
	}
}

func TestStepUpNeedsNoSlackHop(t *testing.T) {
	w := newLinkWorld(t)
	w.mustWalk(bot.Ticket{User: alice}, entraAlice)
	const claims = `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`
	hop, err := w.links.Begin(context.Background(), w.offer(bot.Ticket{User: alice, Expect: aliceID, Claims: claims, Kind: pim.AzureResource}), "browser")
	if err != nil {
		t.Fatal(err)
	}
	a := hop.Authorization("https://belay.example/signin/entra/callback")
	if hop.Step != bot.StepEntra || a.Claims != claims || a.Kind != pim.AzureResource || a.Hint != "alice@contoso.example" || a.Choose {
		t.Errorf("step %s, authorization claims %s of %s, hint %s, choose %t", hop.Step, a.Claims, a.Kind, a.Hint, a.Choose)
	}
	if len(a.Verifier) != 43 || a.State == "" || a.Nonce == "" || a.State == a.Nonce {
		t.Error("verifier, state and nonce are not three fresh secrets")
	}
}

func TestTicketEnds(t *testing.T) {
	w := newLinkWorld(t)
	ctx := context.Background()
	id := w.offer(bot.Ticket{User: alice})
	for range 3 { // looking at a link uses nothing up
		if got, err := w.links.Open(ctx, id); err != nil || got.User != alice {
			t.Fatalf("Open: %+v, %v", got, err)
		}
	}
	hop, err := w.links.Begin(ctx, id, "browser")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(bot.TicketTime)
	_, err = w.links.Open(ctx, id)
	w.refused(err, bot.CodeInvalid, "expired")
	_, err = w.links.Begin(ctx, id, "browser")
	w.refused(err, bot.CodeInvalid, "expired")
	_, _, err = w.links.Take(ctx, bot.StepSlack, hop.State, "browser")
	w.refused(err, bot.CodeInvalid, "expired")
	_, err = w.links.Open(ctx, "no-such-link")
	w.refused(err, bot.CodeNotFound, "not known")

	if err := w.links.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = w.links.Open(ctx, id)
	w.refused(err, bot.CodeInvalid, "expired") // still known to have been one
	w.now = w.now.Add(24 * time.Hour)
	if err := w.links.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = w.links.Open(ctx, id)
	w.refused(err, bot.CodeNotFound, "not known")
}

func TestStateIsTakenOnce(t *testing.T) {
	w := newLinkWorld(t)
	ctx := context.Background()
	hop, err := w.links.Begin(ctx, w.offer(bot.Ticket{User: teamsA}), "browser")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	results := make([]error, 16)
	for i := range results {
		wg.Go(func() { _, _, results[i] = w.links.Take(ctx, bot.StepEntra, hop.State, "browser") })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of %d callbacks took the state, want exactly one", won, len(results))
	}
}

func TestStateOfAnotherStep(t *testing.T) {
	w := newLinkWorld(t)
	ctx := context.Background()
	hop, err := w.links.Begin(ctx, w.offer(bot.Ticket{User: alice}), "browser")
	if err != nil {
		t.Fatal(err)
	}
	// Slack's state at Microsoft's callback would skip the proof.
	_, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, "browser")
	w.refused(err, bot.CodeInvalid, "out of order")
	// A hop that was not vouched for links nobody.
	hop, err = w.links.Begin(ctx, w.offer(bot.Ticket{User: alice}), "browser")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.links.Complete(ctx, hop, entraAlice, w.keep)
	w.refused(err, bot.CodeNotAllowed, "out of order")
}

func TestKeepFails(t *testing.T) {
	w := newLinkWorld(t)
	ctx := context.Background()
	hop, err := w.links.Begin(ctx, w.offer(bot.Ticket{User: teamsA}), "browser")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.links.Complete(ctx, hop, entraAlice, func(context.Context) error { return errors.New("disk full") })
	w.refused(err, bot.CodeInternal, "could not record")
}

func TestUnlink(t *testing.T) {
	w := newLinkWorld(t)
	w.mustWalk(bot.Ticket{User: alice}, entraAlice)
	w.mustWalk(bot.Ticket{User: teamsA}, entraAlice)
	at := func() (n int) {
		t.Helper()
		err := w.store.View(context.Background(), func(tx store.Tx) error {
			all, err := w.links.At(tx, strings.ToUpper(aliceID))
			n = len(all)
			return errors.Join(append(w.links.Check(tx), err)...)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := at(); got != 2 {
		t.Fatalf("Alice is linked %d times, want 2", got)
	}
	w.update(func(tx store.Tx) error { return w.links.Told(tx, alice) })
	if l, _ := w.linked(alice); !l.Told {
		t.Error("it is not recorded that Alice was told")
	}
	w.update(func(tx store.Tx) error {
		l, err := w.links.Unlink(tx, alice, trail.Actor{}, "test")
		if err == nil && l.Principal.ID != aliceID {
			t.Errorf("unlinked %+v", l)
		}
		return err
	})
	if got := at(); got != 1 {
		t.Errorf("after unlinking Slack Alice is linked %d times, want 1", got)
	}
	err := w.store.Update(context.Background(), func(tx store.Tx) error { _, err := w.links.Unlink(tx, alice, trail.Actor{}, "test"); return err })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unlinking twice: %v, want store.ErrNotFound", err)
	}
	// Freed, the account may be linked by another user.
	w.mapped["UMALLORY"] = aliceID
	w.mustWalk(bot.Ticket{User: mallory}, entraAlice)
}

func TestKeysHoldNobody(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	w := newLinkWorld(t)
	raw := storetest.Memory()
	w.store = store.Seal(raw, keys)
	w.links = bot.NewLinks(bot.LinkOptions{Store: w.store, Pseudonym: keys.Pseudonym, PublicURL: "https://belay.example",
		Profiles: map[bot.Platform]bot.Profiles{bot.Slack: w}, Directory: w})
	id := w.offer(bot.Ticket{User: alice})
	if _, err := w.walk(id, alice, entraAlice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.links.Begin(context.Background(), w.offer(bot.Ticket{User: teamsA}), "s"); err != nil {
		t.Fatal(err)
	}
	records := 0
	err = raw.View(context.Background(), func(tx store.Tx) error {
		for _, bucket := range []string{"links", "links-by-principal", "tickets", "hops"} {
			err := tx.Scan(bucket, nil, nil, func(key, value []byte) error {
				records++
				for _, secret := range []string{id, aliceID, "UALICE", "alice"} {
					if strings.Contains(string(key), secret) || strings.Contains(string(value), secret) {
						t.Errorf("bucket %s tells %q", bucket, secret)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || records < 5 {
		t.Fatalf("%d records, %v", records, err)
	}
}
