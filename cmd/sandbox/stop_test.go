package main

import (
	"testing"

	"github.com/belaybot/belay/pim/pimtest"
)

// Belay is told to stop while Microsoft has a decision and does not answer: whether it was
// done or not, the next start makes it so, once, and the cards say it. (fault 62)
func TestStoppedDuringADecision(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]bool{"Microsoft had done it": true, "Microsoft had not done it": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			alice, bob := w.who("alice"), w.who("bob")
			alice.linksSlack()
			bob.linksTeams()
			alice.asks("user admin 4h figures")
			alice.reads(userAdmin + " waits for approval")
			met := w.befallen(1, isDecision, pimtest.Fault{Hang: true, AfterWrite: done})
			bob.taps("Approve", "Alice Adams asks for "+userAdmin)
			for ctx := w.ctx(); met.Load() == 0; {
				if ctx.Err() != nil {
					t.Fatal("the decision is never sent")
				}
			}
			w.end()

			w = runWorld(t, w.dir, manners{})
			alice, bob = w.who("alice"), w.who("bob")
			alice.reads(userAdmin+" is active", "Approved by Bob Brown.")
			bob.sees("You approved " + userAdmin + " for Alice Adams")
			w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
		})
	}
}
