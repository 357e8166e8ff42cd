package bot_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

func documentsOf(f *fleet) (all map[string]bot.Request) {
	f.t.Helper()
	r := f.all[0]
	f.must(r.sealed.View(f.ctx, func(tx store.Tx) (err error) { all, err = r.bot.Documents(tx); return err }))
	return all
}

// agrees says what is wrong with what a request claims of Microsoft; empty: nothing. At
// any moment Belay may know less than Microsoft, and never more.
func agrees(r bot.Request, held *bottest.Held) string {
	if held == nil {
		switch {
		case r.Held.ID != "":
			return "Microsoft holds nothing of that id"
		case r.Decided != nil:
			return "nobody decided"
		}
		switch r.State {
		case bot.Submitting, bot.SignInRequired, bot.Failed, bot.Canceled:
			return ""
		case bot.Active, bot.Ended: // by its instance, or with the outcome not visible
			if r.State == bot.Active && r.Held.Schedule != "" || r.End == bot.EndNotVisible {
				return ""
			}
			if r.Held.Schedule != "" {
				return ""
			}
		}
		return "Microsoft never heard of it"
	}
	agreed := held.Status == "Provisioned" || held.Status == "Granted"
	if r.Decided != nil && (held.Stage.Result != r.Decided.Result || r.Decided.By.ID != "" && r.Decided.By.ID != held.Stage.Reviewer.ID) {
		return fmt.Sprintf("decided: %+v, and Microsoft says %+v", *r.Decided, held.Stage)
	}
	ok := true
	switch r.State {
	case bot.Scheduled, bot.Active:
		ok = agreed
	case bot.Denied:
		ok = held.Status == "Denied"
	case bot.Canceled:
		ok = held.Status == "Canceled"
	case bot.Failed:
		ok = held.Status == "Failed"
	case bot.Ended:
		ok = r.End == bot.EndNotVisible || agreed && !held.Active
	}
	if !ok {
		return "Microsoft says " + string(held.Status)
	}
	return ""
}

// holds holds every request against Microsoft, at any moment.
func (h *history) holds() {
	h.t.Helper()
	if fault := h.books.trouble(); fault != "" {
		h.t.Fatal(fault)
	}
	all := h.documents() // first: Microsoft may be ahead
	held := h.held()
	for id, r := range all {
		m := held[r.Held.ID]
		if fault := agrees(r, m); fault != "" {
			h.t.Fatalf("request %s is %s %s: %s\n%+v\n%+v", id, r.State, r.End, fault, r.Held, r.History)
		}
	}
}

func (h *history) held() map[string]*bottest.Held {
	all := map[string]*bottest.Held{}
	for _, m := range h.ms.Holds() {
		all[m.ID] = &m
	}
	return all
}

// heals ends every fault, starts every process anew and lets everybody sign in.
func (h *history) heals() {
	h.ms.Heal()
	h.flaky.set(0, 0)
	for _, r := range h.all {
		r.restart()
	}
	for _, who := range everybody {
		h.link(h.all[0], who)
	}
	for _, p := range people {
		h.ms.SetLive(p.ID, true)
	}
	h.quiet()
}

// passes lets time pass, in steps in which everything is settled.
func (h *history) passes(steps int, step time.Duration) {
	for range steps {
		h.advance(step)
		r := h.all[step.Milliseconds()%int64(len(h.all))]
		r.bot.LookAround(h.ctx)
		h.must(r.bot.Rest(h.ctx)) // the others find nothing to do
	}
}

// ends heals everything, and holds that Belay then tells the truth; and, when all windows
// and activations are over, that nothing is owed and everything is told.
func (h *history) ends() {
	h.t.Helper()
	h.heals()
	h.passes(4, 10*time.Minute) // what waited for a sign-in lapses, what failed is tried again
	for n := 0; ; n++ {
		h.holds()
		late := h.late()
		if late == "" {
			break
		}
		if n == 40 {
			h.t.Fatal(late)
		}
		h.passes(1, time.Minute)
	}
	h.cards()
	h.passes(6, 9*time.Hour)
	h.passes(3, time.Minute)
	h.holds()
	h.cards()
	h.owed()
	h.evidence()
}

// late is the first request that is behind Microsoft; empty: none is.
func (h *history) late() string {
	all, held, known := h.documents(), h.held(), map[string]bot.Request{}
	for _, r := range all {
		if r.Held.ID != "" {
			known[r.Held.ID] = r
		}
	}
	for _, id := range slices.Sorted(maps.Keys(held)) {
		m := held[id]
		r, ok := known[id]
		h.books.mu.Lock()
		belay := h.books.of[id].belay
		h.books.mu.Unlock()
		if made, is := all[belay]; is && !ok { // known by its instance, or the outcome could not be seen
			ok, r = made.Held.ID == "" && (made.Held.Schedule == m.Schedule || made.End == bot.EndNotVisible), made
		}
		want := map[pim.Status]bot.State{"PendingApproval": bot.PendingApproval, "Denied": bot.Denied, "Canceled": bot.Canceled, "Failed": bot.Failed, "Provisioned": bot.Ended}[m.Status]
		if m.Active {
			want = bot.Active
		}
		switch {
		case !ok && (belay != "" || m.Status == "PendingApproval"):
			return fmt.Sprintf("Belay does not know of %+v\n%+v", *m, all[belay])
		case ok && r.State == bot.Scheduled && m.Status == "Provisioned" && !m.Active: // it was over before it was seen
		case ok && r.State != want && r.End != bot.EndNotVisible:
			return fmt.Sprintf("request %s is %s, Microsoft's %s is %s, active %v: %+v\n%+v", r.ID, r.State, id, m.Status, m.Active, r.Intents, r.History)
		}
	}
	return ""
}

// cards holds what people see against Microsoft.
func (h *history) cards() {
	h.t.Helper()
	held := h.held()
	for id, r := range h.documents() {
		m := held[r.Held.ID]
		for slot, shown := range r.Shown {
			if shown.Message.ID == "" || shown.GivenUp != "" { // its platform did not answer for a day, by a clock that jumped
				continue
			}
			var card *bottest.Message
			for _, msg := range h.chats[shown.Message.Conversation.Platform].In(shown.Message.Conversation.ID) {
				if msg.ID == shown.Message.ID {
					card = &msg
				}
			}
			if card == nil {
				h.t.Fatalf("request %s: %s is not there", id, slot)
			}
			said := words(card.Card)
			if bot.Digest(card.Card) != shown.Digest {
				h.t.Fatalf("request %s: %s does not show what is on record:\n%s", id, slot, said)
			}
			can := func(verb bot.Verb) bool {
				return slices.ContainsFunc(card.Card.Actions, func(a bot.Action) bool { return a.Verb == verb })
			}
			part, _, _ := strings.Cut(string(slot), "/")
			switch {
			case part == "approver" && can(bot.VerbApprove) != (m != nil && m.Status == "PendingApproval"):
				h.t.Fatalf("request %s: Microsoft holds %+v, and an approver sees\n%s", id, m, said)
			case part == "requester" && strings.HasSuffix(card.Card.Title, "is active") != (m != nil && m.Active || m == nil && r.State == bot.Active):
				h.t.Fatalf("request %s: Microsoft holds %+v, and the requester sees\n%s", id, m, said)
			}
		}
	}
}

// owed holds that everything that was acknowledged has had its effect, or that its person
// was told that it has none.
func (h *history) owed() {
	h.t.Helper()
	all := h.documents()
	for _, id := range h.sent {
		if _, ok := all[id]; !ok {
			h.t.Fatalf("request %s was acknowledged and is lost", id)
		}
	}
	h.books.mu.Lock()
	defer h.books.mu.Unlock()
	intents := map[string]int{}
	for id, r := range all {
		if !r.State.Final() || !r.Wake.IsZero() || h.now().Before(r.Lease.Until) {
			h.t.Fatalf("request %s is still %s, wakes at %v, now %v, is leased by %q\n%+v\n%+v", id, r.State, r.Wake, h.now(), r.Lease.Owner, r.Intents, r.History)
		}
		reviewed := map[string]int{}
		for _, i := range r.Intents {
			intents[deed(i.Kind, i.By.ID, id)]++
			if i.State != bot.IntentDone || i.Outcome == "" {
				h.t.Fatalf("request %s: it is still owed: %+v", id, i)
			}
			if told := r.Shown[bot.Slot("answer/"+i.ID)]; i.Outcome == bot.Refused && i.Kind != bot.ToActivate && i.Then == "" && told.Message.ID == "" && told.GivenUp == "" {
				h.t.Fatalf("request %s: nobody was told of %+v", id, i)
			}
			accepted := i.Outcome == bot.Accepted
			switch i.Kind {
			case bot.ToActivate:
				if did := h.books.done[deed(i.Kind, i.By.ID, id)]; did > 1 || did == 1 && !accepted && r.End != bot.EndNotVisible || did == 0 && accepted && i.SignIns == 0 {
					h.t.Fatalf("request %s: Microsoft took it %d times, and %+v", id, did, i)
				}
			case bot.ToDeactivate:
				if did := h.books.done[deed(i.Kind, i.By.ID, i.ID)]; did > 1 || did == 1 && i.SentAt.IsZero() {
					h.t.Fatalf("request %s: Microsoft took it %d times, and %+v", id, did, i)
				}
			case bot.ToApprove, bot.ToDeny:
				if accepted {
					reviewed[deed(i.Kind, i.By.ID, h.books.name(r.Held.ID))]++
				}
			}
		}
		for d, n := range reviewed {
			// Whose answer was lost, and who then decided the same in the portal, cannot be told
			// from one who decided here.
			if h.books.done[d] != n && (h.books.done[d] > 0 || h.books.elsewhere[d] != n) {
				h.t.Fatalf("request %s: to %s was accepted %d times by Belay's word, and %d times by Microsoft's", id, d, n, h.books.done[d])
			}
		}
	}
	for d := range h.acked {
		if intents[d] == 0 {
			h.t.Fatalf("to %s was acknowledged and is lost", d)
		}
	}
}

// evidence holds the audit trail, and the store, against what Microsoft wrote down.
func (h *history) evidence() {
	h.t.Helper()
	r := h.all[0]
	f := h.fleet
	for range 2 {
		f.must(r.trail.Settle(f.ctx))
	}
	report, err := r.trail.Verify(f.ctx)
	f.must(err)
	if report.Bad != nil {
		h.t.Fatalf("the trail is not whole: %+v", report.Bad)
	}
	sent, accepted := map[string]int{}, map[string]int{}
	op := map[string]string{"approve": "review", "deny": "review", "activate": "activate", "cancel": "cancel", "deactivate": "deactivate"}
	f.must(r.trail.Read(f.ctx, 0, func(r trail.Record) error {
		key := op[r.Verb] + " " + r.Actor.Principal
		switch r.Kind {
		case trail.Sent:
			sent[key]++
		case trail.Accepted:
			accepted[key]++
		}
		return nil
	}))
	f.books.mu.Lock()
	defer f.books.mu.Unlock()
	for key, n := range f.books.calls {
		if n > sent[key] {
			h.t.Fatalf("%s: Microsoft got %d calls, the trail tells of %d", key, n, sent[key])
		}
	}
	for key, n := range accepted {
		if who, ok := strings.CutPrefix(key, "review "); ok && n > f.books.effect[key]+f.books.effect["elsewhere "+who] {
			h.t.Fatalf("%s: accepted %d times by the trail, and Microsoft did it %d times", key, n, f.books.effect[key])
		}
	}
	f.must(r.sealed.View(f.ctx, func(tx store.Tx) error {
		for _, bad := range append(bot.Check(tx), r.links.Check(tx)...) {
			h.t.Error(bad)
		}
		return nil
	}))
}
