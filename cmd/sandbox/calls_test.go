package main

import (
	"strings"
	"testing"
)

// looking is what Belay reads to find requests that were made elsewhere, and access reviews,
// whether anything happens or not.
func looking(call string) bool {
	const azure = "GET /providers/Microsoft.Authorization/roleAssignmentScheduleRequests" // asApprover(), anywhere in the tenant
	return strings.Contains(call, "on='approver'") || strings.Contains(call, "/auditLogs/") || strings.Contains(call, "/accessReviews/") || call == azure
}

// TestCallsOfOneActivation counts what an activation with approval costs at
// Microsoft, from the first form to the end being seen. The figures are part of what
// Belay promises; what polling costs is held in bot.
func TestCallsOfOneActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	bob.linksTeams()
	carol.linksSlack()
	one := func(round string, most int) {
		t.Helper()
		w.calls.take()
		alice.asks("user admin 1h reset the password of a colleague")
		alice.reads("User Administrator waits for approval")
		bob.taps("Approve", "Alice Adams asks for User Administrator")
		bob.sees("You approved User Administrator for Alice Adams")
		alice.reads("User Administrator is active", "Deactivate")
		w.pass("1h1m")
		w.hears("User Administrator has ended: Alice Adams")
		calls := w.calls.take()
		for call := range calls {
			if looking(call) {
				delete(calls, call)
			}
		}
		t.Logf("%s: %d calls\n%s", round, sum(calls), told(calls))
		if n := sum(calls); n > most {
			t.Errorf("%s: %d calls to Microsoft, more than %d", round, n, most)
		}
	}
	one("nothing is remembered", 16)
	carol.types("user admin 1h lend a hand") // so that the role's rules and approvers are known
	carol.form("Why")
	one("a colleague looked at the role a moment before", 10)
}
