package bot_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
)

// guard is a Microsoft that holds the law of presence: nobody's decision is heard unless
// that very decision was proven by its own person.
type guard struct {
	bot.Pillar
	world *world

	mu     sync.Mutex
	proven map[string]bool // by intent: a sign-in of its person, made for it, was completed
	broken []string
	heard  int
}

func (g *guard) Review(ctx context.Context, person string, d pim.Decision) error {
	r, err := g.world.bot.Request(ctx, g.world.requestOf(d.Approval))
	g.mu.Lock()
	g.heard++
	kind := bot.ToApprove
	if d.Result == pim.Denied {
		kind = bot.ToDeny
	}
	ok := err == nil && slices.ContainsFunc(r.Intents, func(i bot.Intent) bool {
		return i.Kind == kind && i.By.ID == person && i.State == bot.IntentSent && g.proven[i.ID] && !i.Proof.AuthTime.IsZero()
	})
	if !ok {
		g.broken = append(g.broken, fmt.Sprintf("%s %s without a proof: %+v, %v", person, kind, r.Intents, err))
	}
	g.mu.Unlock()
	return g.Pillar.Review(ctx, person, d)
}

// requestOf is the one request of this world.
func (w *world) requestOf(string) string { return w.only }

// TestLawOfPresence holds over random histories, with the settler at work between any two
// events, that no decision on a role of that rule reaches Microsoft without the proof.
func TestLawOfPresence(t *testing.T) {
	heard, proven := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newPresenceWorld(t)
		g := &guard{Pillar: w.ms, world: w, proven: map[string]bool{}}
		w.stop()
		w.pillar = g
		w.start()
		defer w.stop()
		w.link("alice")
		w.link("carol")
		id := w.pending()
		w.only = id
		for n := range rapid.IntRange(1, 14).Draw(rt, "events") {
			who := rapid.SampledFrom([]string{"bob", "carol"}).Draw(rt, "who")
			r, err := w.bot.Request(t.Context(), id)
			if err != nil {
				rt.Fatal(err)
			}
			i := bot.Intent{ID: "none"}
			if len(r.Intents) > 1 {
				i = rapid.SampledFrom(r.Intents[1:]).Draw(rt, "intent")
			}
			in := w.in(who, nil)
			var e bot.Event
			switch rapid.IntRange(0, 11).Draw(rt, "event") {
			case 0:
				w.says(who, bot.Press{Verb: bot.VerbApprove, ID: id})
			case 1:
				w.denies(who, id)
			case 2: // a record that some fault, or an older version, might have made
				e = bot.Intended{ID: fmt.Sprintf("forged-%d", n), Kind: rapid.SampledFrom([]bot.IntentKind{bot.ToApprove, bot.ToDeny}).Draw(rt, "kind"),
					By: bot.Person{Principal: people[who], User: in.User, Direct: in.At}, SignedIn: true, Ticket: "t"}
			case 3:
				e = bot.SignedIn{Principal: people[who].ID, User: in.User, Intent: i.ID, Waived: rapid.Bool().Draw(rt, "waived")}
			case 4:
				e = bot.Sending{Intent: i.ID}
			case 5:
				e = bot.NeedSignIn{Intent: i.ID, Ticket: "t", Unheard: rapid.Bool().Draw(rt, "unheard")}
			case 6:
				e = bot.Delay{Intent: i.ID, Unheard: rapid.Bool().Draw(rt, "unheard")}
			case 7:
				w.advance(time.Duration(rapid.IntRange(0, 12).Draw(rt, "minutes")) * time.Minute)
			case 8:
				w.ms.SetLive(people[who].ID, rapid.Bool().Draw(rt, "live"))
			case 9:
				w.restart()
			default:
				if i.State != bot.IntentWaiting || i.Ticket == "" {
					continue
				}
				signer := rapid.SampledFrom([]string{"bob", "carol", "dave"}).Draw(rt, "signer")
				age := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Hour, -time.Hour}).Draw(rt, "age")
				if people[signer].ID == i.By.ID && age == 0 && i.Fresh {
					g.mu.Lock()
					g.proven[i.ID] = true // before anything can come of it
					proven++
					g.mu.Unlock()
				}
				_, err := w.signs(i.Ticket, people[signer], time.Now().Add(-age))
				if err == nil && (people[signer].ID != i.By.ID || i.Fresh && age != 0) {
					rt.Fatalf("a sign-in of %s, %v old, was taken for %+v", signer, age, i)
				}
			}
			if e != nil {
				_ = w.bot.Apply(t.Context(), id, e) // refused or not
			}
			w.bot.Idle()
			g.mu.Lock()
			broken := g.broken
			g.mu.Unlock()
			if len(broken) > 0 {
				rt.Fatalf("event %d (%T): %s", n, e, broken[0])
			}
		}
		heard += g.heard
	})
	if heard == 0 || proven == 0 {
		t.Errorf("nothing was decided, so this test saw nothing: %d proofs, %d decisions", proven, heard)
	}
}
