package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

// recorded counts what a transaction that was kept recorded.
type recorded struct{}

var notes = store.NewBucket[trail.Event]("test-events")

// Append implements bot.Trail.
func (recorded) Append(tx store.Tx, e trail.Event) error { return notes.Put(tx, e.Verb, e) }

// An erasure takes what a person wrote out of finished requests, as a requester and as an
// approver, over many pages, and leaves what still runs and what others wrote elsewhere.
func TestErase(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.change = func(o *bot.Options) { o.Trail = recorded{} }
	w.start()
	w.stop()
	sealed, docs := store.Seal(w.disk, w.keys), store.NewBucket[bot.Request]("requests")
	request := func(n int, state bot.State, by, approver string) bot.Request {
		asks, decides := bot.Person{Principal: people[by]}, bot.Person{Principal: people[approver]}
		return bot.Request{ID: fmt.Sprintf("r-%04d", n), State: state, Requester: asks, Made: time.Unix(1, 0), Role: users,
			Ask:     bot.Ask{Duration: time.Hour, Justification: "words of " + by, Ticket: pim.Ticket{Number: "ticket of " + by, System: "system of " + by}},
			Intents: []bot.Intent{{ID: "1", By: asks, Reason: "words of " + by, State: bot.IntentDone}, {ID: "2", By: decides, Reason: "decision of " + approver, State: bot.IntentDone}},
			Decided: &bot.Decided{Result: pim.Approved, By: people[approver], Reason: "decision of " + approver}}
	}
	const many = 450
	if err := sealed.Update(t.Context(), func(tx store.Tx) error {
		for n := range many {
			by, approver, state := "alice", "bob", bot.Ended
			switch {
			case n%9 == 1:
				by, approver = "carol", "dave" // nothing of hers
			case n%9 == 2:
				by, approver = "dave", "alice" // as an approver
			case n == 300:
				state = bot.Active
			}
			if err := docs.Put(tx, fmt.Sprintf("r-%04d", n), request(n, state, by, approver)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	texts := func() (all map[string]int) {
		all = map[string]int{}
		if err := sealed.View(t.Context(), func(tx store.Tx) error {
			clear(all)
			return docs.Scan(tx, "", "", func(_ string, r bot.Request) error {
				seen := []string{r.Ask.Justification, r.Ask.Ticket.Number, r.Ask.Ticket.System, r.Decided.Reason, r.Intents[0].Reason, r.Intents[1].Reason}
				for _, s := range seen {
					all[s]++
				}
				if r.Decided.By.ID == "" || r.Ask.Duration != time.Hour || len(r.Intents) != 2 {
					t.Errorf("more than texts was erased: %+v", r)
				}
				return nil
			})
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := texts()
	done, err := w.bot.Erase(t.Context(), bot.Whose{Person: strings.ToUpper(people["alice"].ID)}, &trail.Event{Kind: trail.Operator, Verb: "first"})
	if err != nil || done.Requests != 399 || done.Open != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	after := texts()
	for text, n := range map[string]int{"words of alice": 2, "ticket of alice": 1, "decision of alice": 0, "decision of bob": 2, "words of carol": before["words of carol"],
		"decision of dave": before["decision of dave"], "words of dave": before["words of dave"], "system of dave": before["system of dave"]} {
		if after[text] != n || before[text] == 0 {
			t.Errorf("%q is there %d times after %d, want %d", text, after[text], before[text], n)
		}
	}
	if done, err := w.bot.Erase(t.Context(), bot.Whose{Person: people["alice"].ID}, &trail.Event{Verb: "again"}); err != nil || done != (bot.Erased{Open: 1}) {
		t.Errorf("again: %+v, %v", done, err)
	}
	if done, err := w.bot.Erase(t.Context(), bot.Whose{Request: "r-0001"}, &trail.Event{Verb: "one request"}); err != nil || done.Requests != 1 {
		t.Errorf("one request: %+v, %v", done, err)
	}
	if left := texts(); left["words of carol"] != before["words of carol"]-2 {
		t.Errorf("one request was erased, and of %d texts %d are left", before["words of carol"], left["words of carol"])
	}
	// What changed something is on record once; what changed nothing is not.
	if err := sealed.View(t.Context(), func(tx store.Tx) error {
		var all []string
		err := notes.Scan(tx, "", "", func(key string, _ trail.Event) error { all = append(all, key); return nil })
		if got := strings.Join(all, ", "); got != "first, one request" {
			t.Errorf("recorded: %s", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
