package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
	"github.com/belaybot/belay/store/trail"
)

// witness is Microsoft with somebody beside it who looks, at every call that writes,
// whether the trail on the disk tells of it already.
type witness struct {
	*bottest.Microsoft
	w *world

	mu     sync.Mutex
	calls  map[string]int
	faults []string
}

func (s *witness) sees(ctx context.Context, verb bot.IntentKind, person string) {
	told := 0
	err := s.w.trail.Read(ctx, 0, func(r trail.Record) error {
		if r.Kind == trail.Sent && r.Verb == string(verb) && r.Token == person {
			told++
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(verb) + " " + person
	if s.calls[key]++; err != nil || told < s.calls[key] {
		s.faults = append(s.faults, fmt.Sprintf("%s is made %d times, and the trail tells of %d (%v)", key, s.calls[key], told, err))
	}
}

func (s *witness) Activate(ctx context.Context, person string, a pim.Activation) (pim.Request, error) {
	s.sees(ctx, bot.ToActivate, person)
	return s.Microsoft.Activate(ctx, person, a)
}

func (s *witness) Deactivate(ctx context.Context, person string, d pim.Deactivation) error {
	s.sees(ctx, bot.ToDeactivate, person)
	return s.Microsoft.Deactivate(ctx, person, d)
}

func (s *witness) Cancel(ctx context.Context, person, request string) error {
	s.sees(ctx, bot.ToCancel, person)
	return s.Microsoft.Cancel(ctx, person, request)
}

func (s *witness) Review(ctx context.Context, person string, d pim.Decision) error {
	verb := bot.ToApprove
	if d.Result == pim.Denied {
		verb = bot.ToDeny
	}
	s.sees(ctx, verb, person)
	return s.Microsoft.Review(ctx, person, d)
}

// Whatever people do, whatever Microsoft refuses or does not answer, and wherever the store fails
// and Belay is killed: the trail tells of every move, call, outcome and link, of each
// once, before Microsoft hears of it, and of nothing else.
func TestTheTrailTellsWhatHappened(t *testing.T) {
	told := map[trail.Kind]int{}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { tellsAll(t, rand.New(rand.NewPCG(seed, 9)), told) }) //nolint:gosec // a test's
	}
	for _, k := range []trail.Kind{trail.Asked, trail.NeedsSignIn, trail.Sent, trail.Accepted, trail.Refused, trail.Withdrawn, trail.Decided, trail.Moved, trail.Wanted,
		trail.Resumed, trail.Delayed, trail.Press, trail.Linked, trail.Unlinked, trail.SignedIn} {
		if told[k] == 0 { // how many it are depends on how fast this machine is
			t.Errorf("the stories hold %d %s: they test nothing of it", told[k], k)
		}
	}
	t.Log(told)
}

func tellsAll(t *testing.T, random *rand.Rand, told map[trail.Kind]int) {
	w := newWorld(t)
	w.stop()
	disk := storetest.Faulty(w.disk)
	s := &witness{Microsoft: w.ms, w: w, calls: map[string]int{}}
	w.disk, w.pillar = disk, s
	w.start()
	w.link("alice")
	w.link("carol")
	w.says("alice", bot.Command{}) // the menu is read
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	var ids []string
	ask := func() {
		form := w.says("alice", bot.Command{Text: one("reports", "user admin")}).Form
		if form == nil {
			return
		}
		w.says("alice", bot.Submit{Verb: form.Verb, ID: form.ID, Values: map[string]string{"role": form.Fields[0].Value, "duration": "PT1H", "reason": "figures"}})
		ids = append(ids, form.ID)
	}
	// act does what fits, for a request that goes on; without one, one is asked for.
	act := func() {
		all := w.documents()
		for _, id := range slices.Sorted(maps.Keys(all)) {
			r := all[id]
			switch {
			case r.State == bot.PendingApproval && random.IntN(3) == 0:
				w.says("alice", bot.Press{Verb: bot.VerbCancel, ID: id})
			case r.State == bot.PendingApproval && random.IntN(2) == 0:
				w.says(one("bob", "carol"), bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}})
			case r.State == bot.PendingApproval:
				w.says(one("bob", "carol"), bot.Press{Verb: bot.VerbApprove, ID: id})
			case r.State == bot.Active:
				w.says("alice", bot.Press{Verb: bot.VerbStop, ID: id})
			default:
				continue
			}
			return
		}
		ask()
	}
	for range 40 {
		planned := 0
		if random.IntN(4) == 0 {
			planned = disk.Updates() + 1 + random.IntN(5)
			disk.At(planned-disk.Updates(), []storetest.Fault{storetest.Lose, storetest.Keep}[random.IntN(2)])
		}
		id := "none"
		if len(ids) > 0 {
			id = one(ids...)
		}
		switch who := one("alice", "bob", "carol", "dave"); random.IntN(9) {
		case 0:
			ask()
		case 1, 2:
			act()
		case 3:
			w.says(who, bot.Press{Verb: []bot.Verb{bot.VerbApprove, bot.VerbCancel, bot.VerbStop, bot.VerbKeep, bot.VerbAgain}[random.IntN(5)], ID: id})
		case 4:
			codes := []pim.Code{pim.CodeStepUp, pim.CodeSignIn, pim.CodeThrottled, pim.CodePolicy, pim.CodeForbidden}
			for _, op := range []string{"activate", "review", "cancel", "deactivate"} {
				w.ms.Fail(op, &pim.Error{Code: codes[random.IntN(len(codes))]})
			}
			act()
		case 5:
			for _, op := range []string{"activate", "review", "cancel", "deactivate"} {
				w.ms.Lose(op, 1)
			}
			act()
		case 6:
			w.advance(time.Duration(1+random.IntN(40)) * time.Minute)
		case 7:
			w.ms.SetLive(people[who].ID, random.IntN(3) > 0)
			all := w.documents()
			for _, id := range slices.Sorted(maps.Keys(all)) {
				for _, i := range all[id].Intents {
					if i.State == bot.IntentWaiting && random.IntN(3) > 0 {
						w.ms.SetLive(i.By.ID, true)
						_ = w.bot.SignedIn(t.Context(), i.By.ID, bot.Ticket{User: i.By.User, Request: id, Intent: i.ID}) // the store may fail
					}
				}
			}
		case 8:
			if random.IntN(3) == 0 {
				w.says(one("alice", "carol"), bot.Press{Verb: bot.VerbUnlink})
			}
			if planned == 0 {
				w.link("alice")
				w.link("carol")
			}
		}
		if err := w.bot.Quiet(t.Context()); err != nil {
			t.Fatal(err)
		}
		for disk.Updates() < planned {
			_ = disk.Update(t.Context(), func(store.Tx) error { return nil }) // it fails, where it is the one
		}
		if planned > 0 || random.IntN(6) == 0 {
			w.restart()
		}
		if random.IntN(5) == 0 {
			if err := w.trail.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.balances(t, s)
	}
	for range 4 {
		w.advance(13 * time.Hour)
		w.restart() // nothing rests
		if err := w.bot.Quiet(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.balances(t, s)
	w.documented(t, told)
}

// documented holds what events have against docs/audit.md, and counts the kinds.
func (w *world) documented(t *testing.T, told map[trail.Kind]int) {
	t.Helper()
	text, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			docs[strings.Trim(cells[1], " `")] = cells[3]
		}
	}
	err = w.trail.Read(t.Context(), 0, func(r trail.Record) error {
		told[r.Kind]++
		var names []string
		raw, err := json.Marshal(r.Event)
		if err != nil {
			return err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		for name := range members {
			switch name {
			case "id", "at", "kind", "outcome", "actor", "more":
			default:
				names = append(names, name)
			}
		}
		for name := range r.More {
			names = append(names, "more."+name)
		}
		for name := range r.Texts {
			names = append(names, "texts."+name)
		}
		for _, name := range names {
			if !strings.Contains(docs[string(r.Kind)], "`"+name+"`") {
				t.Errorf("docs/audit.md does not say that %s has %s", r.Kind, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) documents() (all map[string]bot.Request) {
	w.t.Helper()
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) (err error) { all, err = w.bot.Documents(tx); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// balances compares the trail with what is stored and with what Microsoft heard.
func (w *world) balances(t *testing.T, s *witness) {
	t.Helper()
	if err := w.bot.Quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	books, linked := map[string]*bot.Ledger{}, map[string]bool{}
	sent, accepted := map[string]int{}, map[string]int{}
	err := w.trail.Read(t.Context(), 0, func(r trail.Record) error {
		switch r.Kind {
		case trail.Linked:
			linked[r.Actor.User] = true
		case trail.Unlinked:
			delete(linked, r.More["user"])
		case trail.SignedIn, trail.Press, trail.TurnedAway:
		default:
			if books[r.Request] == nil {
				books[r.Request] = &bot.Ledger{}
			}
			books[r.Request].Take(r.Event)
		}
		switch key := r.Verb + " " + r.Actor.Principal; r.Kind {
		case trail.Sent:
			sent[key]++
		case trail.Accepted:
			accepted[key]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]bot.Request
	var links []bot.Link
	err = store.Seal(w.disk, w.keys).View(t.Context(), func(tx store.Tx) (err error) {
		if all, err = w.bot.Documents(tx); err == nil {
			links, err = w.links.All(tx)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, r := range all {
		if books[id] == nil {
			t.Errorf("request %s is not in the trail", id)
			continue
		}
		if err := books[id].Agrees(r); err != nil {
			t.Errorf("request %s: %v", id, err)
		}
		delete(books, id)
	}
	for id := range books {
		t.Errorf("the trail tells of a request %q that there is not", id)
	}
	for _, l := range links {
		if !linked[l.User.ID] {
			t.Errorf("the trail does not say that %s is linked", l.User.ID)
		}
		delete(linked, l.User.ID)
	}
	if len(linked) > 0 {
		t.Errorf("the trail has links %v that there are not", linked)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fault := range s.faults {
		t.Error(fault)
	}
	for key, n := range sent {
		if s.calls[key] > n { // fewer: the store kept the record, and said that it did not
			t.Errorf("%s: the trail tells of %d calls, Microsoft got %d", key, n, s.calls[key])
		}
	}
	writes := w.ms.Writes()
	for key, n := range accepted {
		verb, person, _ := strings.Cut(key, " ")
		op := map[string]string{"approve": "review", "deny": "review"}[verb]
		if op == "" {
			op = verb
		}
		done := 0
		for _, wrote := range writes {
			if wrote == person+" "+op {
				done++
			}
		}
		if n > done {
			t.Errorf("%s: accepted %d times by the trail, and Microsoft did it %d times", key, n, done)
		}
	}
	if r, err := w.trail.Verify(t.Context()); err != nil || r.Bad != nil {
		t.Errorf("the trail is not whole: %+v %v", r.Bad, err)
	}
	if t.Failed() {
		t.FailNow() // what comes after would only say the same
	}
}
