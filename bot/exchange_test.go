package bot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
)

// exchanger knows whose token is whose by its text, and can refuse.
type exchanger struct {
	ms *bottest.Microsoft

	mu   sync.Mutex
	seen []string
	no   error
	who  *pim.Identity // nil: the person it is asked for
}

func (x *exchanger) Exchange(_ context.Context, person, token string) (pim.Identity, func(context.Context) error, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = append(x.seen, person+" with "+token)
	if x.no != nil {
		return pim.Identity{}, nil, x.no
	}
	who := pim.Identity{Tenant: tenant, Principal: pim.Principal{ID: person, Name: "Bob Brown", UPN: "bob@contoso.example"}}
	if x.who != nil {
		who = *x.who
	}
	return who, func(context.Context) error { x.ms.SetLive(who.ID, true); return nil }, nil
}

func (x *exchanger) asked() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.seen)
}

// newSilentWorld is a world with single sign-on, in which nobody is signed in.
func newSilentWorld(t *testing.T) (*world, *exchanger) {
	t.Helper()
	w := newWorld(t)
	w.stop()
	x := &exchanger{ms: w.ms}
	w.silent = x
	for _, p := range people {
		w.ms.SetLive(p.ID, false)
	}
	w.start()
	return w, x
}

// offered is the ticket that somebody's chat client may take up.
func (w *world) offered(who string) (id, url string) {
	w.t.Helper()
	reply := w.says(who, bot.Command{Text: "link"})
	if reply.Card == nil {
		w.t.Fatalf("no link: %+v", reply)
	}
	if reply.Card.SignIn == nil {
		return "", reply.Card.Actions[0].URL
	}
	if a := reply.Card.Actions; len(a) != 2 || a[0].Verb != bot.VerbSignIn || a[0].ID != reply.Card.SignIn.Ticket || a[1].URL != reply.Card.SignIn.URL {
		w.t.Errorf("the ways to sign in are %+v", a)
	}
	return reply.Card.SignIn.Ticket, reply.Card.SignIn.URL
}

func (w *world) linkedAs(u bot.User) (l bot.Link, ok bool) {
	w.t.Helper()
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) (err error) { l, err = w.links.Of(tx, u); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatal(err)
	}
	return l, err == nil
}

func TestSilentSignInLinks(t *testing.T) {
	w, x := newSilentWorld(t)
	id, url := w.offered("bob")
	if id == "" || !strings.HasSuffix(url, "/link/"+id) {
		t.Fatalf("offered %q beside %q", id, url)
	}
	reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: id, Token: "canary-token"}))
	if reply.Card != nil || later == nil || x.asked() != 0 {
		t.Fatalf("before the acknowledgement: %+v, asked %d times", reply, x.asked())
	}
	if got := later(t.Context()); got.Card == nil || got.Card.Tone != bot.Good {
		t.Errorf("Bob is told %+v", got.Card)
	}
	if x.seen[0] != "oid-bob with canary-token" {
		t.Errorf("asked for %q", x.seen)
	}
	w.sees(w.teams, "chat-bob", "You are linked", "bob@contoso.example", "[Unlink]")
	if l, ok := w.linkedAs(w.in("bob", nil).User); !ok || l.Principal.ID != "oid-bob" {
		t.Errorf("linked: %+v", l)
	}
	// Another client of Bob's, a redelivery, or the browser afterwards: nothing more.
	for range 3 {
		reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: id, Token: "canary-token"}))
		if reply.Card != nil || later != nil {
			t.Errorf("again: %+v", reply.Card)
		}
	}
	if _, err := w.links.Begin(t.Context(), id, "browser"); err == nil || !strings.Contains(err.Error(), "used already") {
		t.Errorf("the link in a browser: %v", err)
	}
	if x.asked() != 1 {
		t.Errorf("asked %d times", x.asked())
	}
	if text := fmt.Sprintf("%v %+v %#v", bot.Exchange{Token: "canary-token"}, bot.Exchange{Token: "canary-token"}, bot.Exchange{Token: "canary-token"}); strings.Contains(text, "canary") {
		t.Errorf("prints as %s", text)
	}
}

func TestSilentSignInGoesOnWithADecision(t *testing.T) {
	w, x := newSilentWorld(t)
	w.ms.SetLive("oid-alice", true)
	w.link("alice")
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.sees(w.teams, "chat-bob", "Alice Adams", "[Approve]")
	pressed := w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	if pressed.Card == nil || pressed.Card.SignIn == nil {
		t.Fatalf("Bob's client is not asked: %+v", pressed.Card)
	}
	card := w.sees(w.teams, "chat-bob", "Sign in to finish", "[Sign in]", "[Use my browser]")
	if card.Card.SignIn != nil {
		t.Error("a card that Bob did not press asks his client")
	}
	// The card's own button leads there too.
	again := w.says("bob", bot.Press{Verb: bot.VerbSignIn, ID: pressed.Card.SignIn.Ticket})
	if again.Card == nil || again.Card.SignIn == nil || *again.Card.SignIn != *pressed.Card.SignIn {
		t.Errorf("pressed it gives %+v", again.Card)
	}
	if got := w.says("bob", bot.Exchange{ID: pressed.Card.SignIn.Ticket, Token: "t"}); got.Card != nil {
		t.Errorf("the request's own cards tell, and yet Bob reads %+v", got.Card)
	}
	w.sees(w.teams, "chat-bob", "active", "Alice Adams")
	if x.asked() != 1 {
		t.Errorf("asked %d times", x.asked())
	}
}

func TestManyClientsSignInOnce(t *testing.T) {
	w, x := newSilentWorld(t)
	id, _ := w.offered("bob")
	var wg sync.WaitGroup
	var mu sync.Mutex
	laters := 0
	for range 16 {
		wg.Go(func() {
			reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: id, Token: "t"}))
			if reply.Card != nil {
				t.Errorf("a client is told %+v", reply.Card)
			}
			if later != nil {
				mu.Lock()
				laters++
				mu.Unlock()
				later(t.Context())
			}
		})
	}
	wg.Wait()
	if laters != 1 || x.asked() != 1 {
		t.Errorf("%d of 16 clients signed in, Microsoft was asked %d times", laters, x.asked())
	}
}

// Two processes over one store take a ticket up once.
func TestTwoProcessesSignInOnce(t *testing.T) {
	w, x := newSilentWorld(t)
	id, _ := w.offered("bob")
	other := bot.NewLinks(bot.LinkOptions{Store: store.Seal(w.disk, w.keys), Pseudonym: w.keys.Pseudonym, PublicURL: "https://belay.example"})
	if _, first, err := other.TakeUp(t.Context(), id, w.in("bob", nil).User); !first || err != nil {
		t.Fatalf("the other process: %t, %v", first, err)
	}
	if reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: id, Token: "t"})); reply.Card != nil || later != nil || x.asked() != 0 {
		t.Errorf("taken up twice: %+v", reply.Card)
	}
}

func TestExchangeOfWhatIsNotTheirs(t *testing.T) {
	w, x := newSilentWorld(t)
	id, _ := w.offered("bob")
	slack, _ := w.offered("alice")
	if slack != "" {
		t.Error("a Slack user is offered a silent sign-in")
	}
	stepUp := "a-ticket-with-a-challenge"
	err := store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error {
		return w.links.Offer(tx, stepUp, bot.Ticket{User: w.in("bob", nil).User, Kind: pim.EntraRole})
	})
	if err != nil {
		t.Fatal(err)
	}
	dave := w.in("dave", bot.Exchange{ID: id, Token: "t"})
	otherTenant := w.in("bob", bot.Exchange{ID: id, Token: "t"})
	otherTenant.User.Tenant = "another"
	for _, ticket := range []string{id, "guessed", ""} { // nor is his client asked by pressing
		if got := w.says("dave", bot.Press{Verb: bot.VerbSignIn, ID: ticket}); got.Card == nil || got.Card.SignIn != nil || got.Card.Tone != bot.Bad {
			t.Errorf("Dave presses %q: %+v", ticket, got.Card)
		}
	}
	if got := w.says("bob", bot.Press{Verb: bot.VerbSignIn, ID: stepUp}); got.Card == nil || got.Card.SignIn != nil || len(got.Card.Actions) != 1 {
		t.Errorf("a challenge is pressed: %+v", got.Card)
	}
	for name, in := range map[string]bot.Inbound{
		"somebody else's ticket":  dave,
		"another tenant":          otherTenant,
		"a ticket that never was": w.in("bob", bot.Exchange{ID: "guessed", Token: "t"}),
		"no ticket":               w.in("bob", bot.Exchange{Token: "t"}),
		"a challenge":             w.in("bob", bot.Exchange{ID: stepUp, Token: "t"}),
		"Slack":                   w.in("alice", bot.Exchange{ID: id, Token: "t"}),
	} {
		reply, later := w.bot.Handle(t.Context(), in)
		if reply.Card == nil || reply.Card.Tone != bot.Bad || later != nil {
			t.Errorf("%s: %+v", name, reply.Card)
		}
	}
	if x.asked() != 0 {
		t.Errorf("Microsoft was asked %d times", x.asked())
	}
	late := "a-ticket-of-an-hour-ago"
	err = store.Seal(w.disk, w.keys).Update(t.Context(), func(tx store.Tx) error {
		return w.links.Offer(tx, late, bot.Ticket{User: w.in("bob", nil).User, Made: time.Now().Add(-time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: late, Token: "t"})); reply.Card != nil || later != nil || x.asked() != 0 {
		t.Errorf("too late: %+v", reply.Card) // there is nothing to fall back to: silence
	}
	// None of it used Bob's ticket up.
	if got := w.says("bob", bot.Exchange{ID: id, Token: "t"}); got.Card == nil || got.Card.Tone != bot.Good {
		t.Errorf("Bob's own: %+v", got.Card)
	}
	w.silent = nil
	w.restart()
	if reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: id, Token: "t"})); reply.Card == nil || later != nil {
		t.Error("without single sign-on in the configuration an exchange is taken")
	}
}

// Whatever the exchanger says, only the person of the ticket is linked.
func TestExchangedForSomebodyElse(t *testing.T) {
	for name, who := range map[string]pim.Identity{
		"another person": {Tenant: tenant, Principal: people["dave"]},
		"another tenant": {Tenant: "another", Principal: people["bob"]},
		"nobody":         {Tenant: tenant},
	} {
		t.Run(name, func(t *testing.T) {
			w, x := newSilentWorld(t)
			x.who = &who
			id, url := w.offered("bob")
			got := w.says("bob", bot.Exchange{ID: id, Token: "t"})
			if got.Card == nil || len(got.Card.Actions) != 1 || got.Card.Actions[0].URL != url || got.Card.SignIn != nil {
				t.Errorf("Bob is told %+v", got.Card)
			}
			for _, p := range []string{"bob", "dave"} {
				if l, ok := w.linkedAs(w.in(p, nil).User); ok {
					t.Errorf("linked: %+v", l)
				}
				if live, err := w.ms.Live(t.Context(), people[p].ID); live || err != nil {
					t.Errorf("%s is signed in: %v", p, err)
				}
			}
		})
	}
}

func TestWhatTeamsCannotDoIsDoneInTheBrowser(t *testing.T) {
	for _, c := range []struct {
		no    *pim.Error
		words string
	}{
		{&pim.Error{Code: pim.CodeStepUp, Claims: `{"access_token":{"capolids":{"essential":true,"values":["x"]}}}`}, "more proof"},
		{&pim.Error{Code: pim.CodeStepUp}, "more proof"},
		{&pim.Error{Code: pim.CodeSignIn}, "policy"},
		{&pim.Error{Code: pim.CodeForbidden}, "has not agreed"},
		{&pim.Error{Code: pim.CodeInvalid}, "could not be verified"},
		{&pim.Error{Code: pim.CodeUnavailable}, "not answering"},
		{&pim.Error{Code: pim.CodeInvalidClientConfig}, "refuses Belay itself"},
	} {
		t.Run(string(c.no.Code)+c.no.Claims, func(t *testing.T) {
			w, x := newSilentWorld(t)
			x.no = c.no
			id, url := w.offered("bob")
			got := w.says("bob", bot.Exchange{ID: id, Token: "canary"})
			if got.Card == nil || !strings.Contains(got.Card.Text, c.words) || len(got.Card.Actions) != 1 || got.Card.Actions[0].URL != url {
				t.Fatalf("Bob is told %+v", got.Card)
			}
			// The browser's sign-in asks for what was missing, and completes.
			hop, err := w.links.Begin(t.Context(), id, "browser")
			if err != nil || hop.Claims != c.no.Claims {
				t.Fatalf("the browser's claims are %q, %v", hop.Claims, err)
			}
			if hop, _, err = w.links.Take(t.Context(), bot.StepEntra, hop.State, "browser"); err != nil {
				t.Fatal(err)
			}
			if _, err = w.links.Complete(t.Context(), hop, pim.Identity{Tenant: tenant, Principal: people["bob"]}, func(context.Context) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if x.asked() != 1 {
				t.Errorf("asked %d times", x.asked())
			}
		})
	}
}

// Whoever forges a press without the person's token gets a question for an answer, and
// nothing is asked of the person's own clients: without a live sign-in it approves nothing.
func TestForgedPressSignsNobodyIn(t *testing.T) {
	w, x := newSilentWorld(t)
	w.ms.SetLive("oid-alice", true)
	w.link("alice")
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.sees(w.teams, "chat-bob", "Alice Adams", "[Approve]")
	for _, said := range []bot.Said{bot.Command{Text: "link"}, bot.Press{Verb: bot.VerbApprove, ID: id}, bot.Press{Verb: bot.VerbApprove, ID: id}, bot.Press{Verb: bot.VerbLink}} {
		w.says("bob", said)
	}
	w.sees(w.teams, "chat-bob", "Sign in to finish")
	for _, m := range w.teams.In("chat-bob") {
		if m.Card.SignIn != nil {
			t.Errorf("Bob's client is asked by %+v", m.Card)
		}
	}
	if live, err := w.ms.Live(t.Context(), "oid-bob"); live || err != nil || x.asked() != 0 {
		t.Errorf("Bob is signed in: %t, %v", live, err)
	}
	for _, write := range w.ms.Writes() {
		if strings.Contains(write, "oid-bob") {
			t.Errorf("relayed: %s", write)
		}
	}
}
