package bot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/drift"
	"github.com/belaybot/belay/store/trail"
)

// ofAzure are who holds something below places of Azure, each "who place below…".
func ofAzure(all ...string) (list []pim.Holding) {
	for _, text := range all {
		f := strings.Fields(text)
		h := eligibleFor("/x/reader", f[0])
		h.Kind, h.Scope, h.RoleName, h.Below = pim.AzureResource, f[1], "Reader", f[2:]
		list = append(list, h)
	}
	return list
}

// Other places of Azure: what is below one that stays is told as ever, a new one is taken in,
// and one that is not read any more is dropped, with what is open there, and told of once.
func TestOtherPlacesOfAzure(t *testing.T) {
	const one, two, three = "/subscriptions/1", "/subscriptions/2", "/subscriptions/3"
	w := newDrifted(t)
	reads := func(places ...string) {
		t.Helper()
		w.takesAt(places, pim.EntraRole, pim.AzureResource)
		w.rests()
	}
	w.tenant.Holdings = ofAzure("alice "+one+" "+one, "bob "+two+" "+two)
	reads(one, two)
	w.inChannel("carol", w.sees(w.slack, "C-ops", "The first baseline"), "Accept")
	w.rests()
	w.tenant.Holdings = ofAzure("alice "+one+" "+one, "bob "+two+" "+two, "dave "+two+" "+two)
	reads(one, two)
	open := w.sees(w.slack, "C-ops", "Dave Davis became eligible for Reader", "[Accept]")
	// In one reading: the second place goes, a third comes, and somebody is added below the first.
	w.tenant.Holdings = ofAzure("alice "+one+" "+one, "dave "+one+" "+one, "carol "+three+" "+three)
	for range 2 {
		reads(one, three)
	}
	w.sees(w.slack, "C-ops", "Belay compares less of Azure than before", "Place: "+two)
	w.sees(w.slack, "C-ops", "Seen for the first time: 1 assignment", "Carol Clark, eligible for")
	w.sees(w.slack, "C-ops", "Dave Davis became eligible for Reader", one, "[Accept]")
	w.sees(w.slack, "C-ops", "Dave Davis became eligible for Reader", "Not compared since")
	if c := w.inChannel("carol", open, "Accept").Card; c == nil || !strings.Contains(c.Text, "posture.azure_scopes does not name any more") {
		t.Errorf("pressed all the same: %+v", c)
	}
	for title, want := range map[string]int{"Belay compares less": 1, "Seen for the first time": 1, "Dave Davis became eligible": 2, "Bob Brown": 0, "not eligible": 0} {
		if n := len(w.cards(title)); n != want {
			t.Errorf("%d cards of %q, want %d", n, title, want)
		}
	}
	left := map[string]int{}
	for _, e := range heard(t, w.trail, trail.DriftFound) {
		left[e.Reason]++
		if left[e.Verb]++; e.Verb == "places-left" && e.More["places"] != two {
			t.Errorf("%+v", e)
		}
	}
	if left["places-left"] != 1 || left["place-left"] != 1 {
		t.Errorf("the audit trail heard %v", left)
	}
	base, err := w.bot.DriftBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range base {
		if e.Scope == two {
			t.Errorf("the baseline still has %+v", e)
		}
	}
	// Named again it is new.
	w.tenant.Holdings = ofAzure("alice "+one+" "+one, "dave "+one+" "+one, "carol "+three+" "+three, "bob "+two+" "+two)
	reads(one, two, three)
	w.sees(w.slack, "C-ops", "Seen for the first time: 1 assignment", "Bob Brown, eligible for")
	if n := len(w.cards("Bob Brown")); n != 0 {
		t.Errorf("%d cards of a change", n)
	}
	if n := len(w.open()); n != 1+2 {
		t.Errorf("%d are open", n)
	}
}

// What is left open of many by a place that goes is counted on their card, which closes with
// the last one.
func TestManyChangesOfAPlaceThatGoes(t *testing.T) {
	const one, two = "/subscriptions/1", "/subscriptions/2"
	w := newDrifted(t)
	w.takesAt([]string{one, two}, pim.EntraRole, pim.AzureResource)
	w.rests()
	w.inChannel("carol", w.sees(w.slack, "C-ops", "The first baseline"), "Accept")
	w.rests()
	for range 11 {
		w.tenant.Holdings = append(w.tenant.Holdings, ofAzure("dave "+two+"/"+string(rune('a'+len(w.tenant.Holdings)))+" "+two)...)
	}
	w.takesAt([]string{one, two}, pim.EntraRole, pim.AzureResource)
	w.rests()
	w.sees(w.slack, "C-ops", "11 changes in the tenant at once", "[Accept]")
	w.tenant.Holdings = w.tenant.Holdings[:1]
	w.takesAt([]string{one}, pim.EntraRole, pim.AzureResource)
	w.rests()
	var many []bottest.Message
	if many = w.cards("11 changes in the tenant at once"); len(many) != 1 || strings.Contains(words(many[0].Card), "[Accept]") {
		t.Errorf("%+v", many)
	}
	if open := w.open(); len(open) != 0 {
		t.Errorf("%d are open: %v", len(open), open)
	}
}

// Wherever Belay dies: the place that goes is told of once and nothing of it stays, the one that
// stays is compared, and the new one is no change.
func TestPlacesAtEveryKillPoint(t *testing.T) {
	const one, two, three = "/subscriptions/1", "/subscriptions/2", "/subscriptions/3"
	for n := 1; ; n++ {
		l := live(t, -1, -1)
		l.stop()
		mortal := l.world.change
		l.world.change = func(o *bot.Options) {
			mortal(o)
			o.Drift = &bot.Drifting{}
		}
		l.start()
		w := &drifted{world: l.world}
		take := func(places ...string) {
			w.advance(5 * time.Minute)
			for {
				s := w.tenant
				s.Taken, s.Holdings = w.now().UTC(), slices.Clone(s.Holdings)
				err := l.bot.TakeDrift(t.Context(), drift.Take(s, drift.Look{Pillars: []pim.Kind{pim.AzureResource}, Scopes: places}), viewers)
				if !l.revive() {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
			}
		}
		w.tenant.Holdings = ofAzure("alice " + one + " " + one)
		for n := range 201 { // more than one transaction takes
			w.tenant.Holdings = append(w.tenant.Holdings, ofAzure(fmt.Sprintf("bob %s/%d %s", two, n, two))...)
		}
		take(one, two)
		w.tenant.Holdings = append(w.tenant.Holdings, ofAzure("dave "+two+" "+two)...)
		take(one, two)
		l.m.mu.Lock()
		l.m.left = n
		l.m.mu.Unlock()
		w.tenant.Holdings = ofAzure("alice "+one+" "+one, "dave "+one+" "+one, "carol "+three+" "+three)
		take(one, three)
		has := func(title, text string) (n int) {
			for _, m := range l.slack.In("C-ops") {
				if strings.Contains(m.Card.Title, title) && strings.Contains(words(m.Card), text) {
					n++
				}
			}
			return n
		}
		for _, c := range []struct{ title, text string }{{"Belay compares less", two}, {"Seen for the first time: 1 assignment", "Carol Clark"}, {"Dave Davis became", "Not compared since"}, {"Dave Davis became", "[Accept]"}} {
			l.brings(c.title+" with "+c.text, func() bool { return has(c.title, c.text) > 0 })
		}
		told := 0
		for _, e := range heard(t, l.trail, trail.DriftFound) {
			if e.Verb == "places-left" {
				told++
			}
		}
		base, err := l.bot.DriftBaseline(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		covers, entries := 0, 0
		for _, e := range base {
			if entries++; e.What == drift.Covered {
				entries, covers = entries-1, covers+1
			}
		}
		// The baseline, what Carol has, and Dave's new assignment.
		if open := w.open(); told != 1 || covers != 2*3 || entries != 2 || len(open) != 3 {
			t.Errorf("died at point %d%s: told %d times, %d entries and %d covers, %d open", n, l.m.where, told, entries, covers, len(open))
		}
		died := l.m.died
		l.stop()
		if died == 0 || t.Failed() {
			if n < 10 {
				t.Errorf("there are only %d points", n)
			}
			return
		}
	}
}
