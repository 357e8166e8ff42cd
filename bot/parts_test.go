package bot

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
)

// Whatever is taken for a change that leaves the people index as it is does so; and the
// most frequent one is taken for it.
func TestSameParts(t *testing.T) {
	who := rapid.SampledFrom([]string{"alice", "Alice", "bob", "carol"})
	request := rapid.Custom(func(t *rapid.T) Request {
		r := Request{ID: rapid.SampledFrom([]string{"", "one", "two"}).Draw(t, "id"), State: rapid.SampledFrom([]State{Submitting, PendingApproval, Active, Denied}).Draw(t, "state")}
		r.Requester.ID = who.Draw(t, "requester")
		for range rapid.IntRange(0, 2).Draw(t, "approvers") {
			r.Approvers = append(r.Approvers, pim.Principal{ID: who.Draw(t, "approver")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "intents") {
			i := Intent{State: rapid.SampledFrom([]IntentState{IntentReady, IntentWaiting, IntentDone}).Draw(t, "intent")}
			i.By.ID = who.Draw(t, "by")
			r.Intents = append(r.Intents, i)
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		a := request.Draw(t, "before")
		b := a.clone()
		other := request.Draw(t, "other") // differs in some of it
		for n, change := range []func(){
			func() { b.ID = other.ID }, func() { b.State = other.State }, func() { b.Requester = other.Requester },
			func() { b.Approvers = other.Approvers }, func() { b.Intents = other.Intents },
		} {
			if rapid.IntRange(0, 3).Draw(t, "changed") == n%4 {
				change()
			}
		}
		if sameParts(a, b) && !maps.Equal(parts(a), parts(b)) {
			t.Fatalf("%v and %v are not the same", parts(a), parts(b))
		}
		decided := a.clone()
		decided.Intents = append(decided.Intents, Intent{Kind: ToApprove, State: IntentReady})
		if !sameParts(a, decided) {
			t.Fatal("a decision that waits for nobody changes parts")
		}
	})
}
