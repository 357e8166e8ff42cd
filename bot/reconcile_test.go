package bot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

// twoLogs are one story in both: Alice asks, Bob approves in the chat, it becomes active
// and she ends it.
func twoLogs(at time.Time) (events []trail.Event, traces []pim.Trace) {
	const alice, bob, held = "oid-alice", "oid-bob", "Held-1"
	role := &trail.Role{Kind: "entra-role", ID: "role-1", Name: "User Administrator", Scope: "/"}
	event := func(n int, k trail.Kind, verb, actor, from, to string) {
		e := trail.Event{At: at.Add(time.Duration(n) * time.Minute), Kind: k, Verb: verb, Actor: trail.Actor{Principal: actor, Platform: "slack"}, Subject: alice,
			Request: "belay-1", Held: held, From: from, To: to, Role: role, Outcome: trail.OK}
		if k == trail.Accepted {
			e.Token = actor
		}
		events = append(events, e)
	}
	trace := func(n int, what pim.TraceKind, by string) {
		traces = append(traces, pim.Trace{ID: "line", At: at.Add(time.Duration(n) * time.Minute), What: what, Request: strings.ToLower(held), Principal: alice,
			By: pim.Principal{ID: strings.ToUpper(by)}, Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-1"}, RoleName: "User Administrator"})
	}
	event(0, trail.Asked, "activate", alice, "", "")
	event(0, trail.Accepted, "activate", alice, "", "")
	trace(0, pim.TraceAsked, alice)
	trace(0, pim.TraceAsked, "") // sent to the approvers
	event(5, trail.Accepted, "approve", bob, "", "")
	event(5, trail.Decided, "approve", bob, "", "")
	trace(5, pim.TraceApproved, bob)
	event(6, trail.Moved, "", "", "pending approval", "active")
	trace(6, pim.TraceActivated, bob)
	event(20, trail.Accepted, "deactivate", alice, "", "")
	event(21, trail.Moved, "", "", "active", "ended")
	trace(20, pim.TraceEnded, alice)
	return events, traces
}

func reconcile(at time.Time, events []trail.Event, traces []pim.Trace) bot.Reconciled {
	r := bot.NewReconciler(at.Add(-time.Hour), at.Add(time.Hour), traces)
	for _, e := range events {
		r.Take(e)
	}
	return r.Result()
}

// Two logs of one story agree; whatever is taken out, put in or changed on one side is
// named, and nothing else.
func TestReconcile(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	without := func(i int) func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
		return func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			return append(append([]trail.Event{}, e[:i]...), e[i+1:]...), l
		}
	}
	for name, test := range map[string]struct {
		change func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace)
		want   []string // side, what, actor, words of the hint
	}{
		"the same": {nil, nil},
		"Entra lacks the approval": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			return e, append(append([]pim.Trace{}, l[:2]...), l[3:]...)
		}, []string{"entra approved oid-bob does not have it"}},
		"Entra lacks everything": {func(e []trail.Event, _ []pim.Trace) ([]trail.Event, []pim.Trace) { return e, nil },
			[]string{"entra asked oid-alice does not have it", "entra approved oid-bob does not have it", "entra activated  does not have it", "entra ended oid-alice does not have it"}},
		"Entra names another approver": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			l[2].By.ID = "oid-mallory"
			return e, l
		}, []string{"belay approved oid-mallory somebody else did this: oid-bob", "entra approved oid-bob somebody else did this: oid-mallory"}},
		"Belay lacks the call": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			e[2].Kind, e[3].Kind = trail.Sent, trail.Sent
			return e, l
		}, []string{"belay approved OID-BOB not this step"}},
		"Belay lacks everything": {func(_ []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) { return nil, l },
			[]string{"belay asked OID-ALICE no such request", "belay approved OID-BOB no such request", "belay activated OID-BOB no such request", "belay ended OID-ALICE no such request"}},
		"approved elsewhere": {without(2), []string{" approved OID-BOB Made elsewhere"}},
		"ended elsewhere":    {without(5), []string{" ended OID-ALICE Made elsewhere"}},
		"asked elsewhere": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			e[0].Kind, e[1].Kind = trail.Found, trail.Sent
			return e, l
		}, []string{" asked OID-ALICE Made elsewhere"}},
		"the trail tells of a decision elsewhere that was none": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			e[2].Kind = trail.Sent
			return e, append(append([]pim.Trace{}, l[:2]...), l[3:]...)
		}, []string{"entra approved oid-bob does not have it"}},
		"an end that has a request id of its own": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			l[4].Request = "held-of-the-end"
			return e, l
		}, nil},
		"Azure resources are counted and not compared": {func(e []trail.Event, _ []pim.Trace) ([]trail.Event, []pim.Trace) {
			for n := range e {
				role := *e[n].Role
				role.Kind = "azure-resource"
				e[n].Role = &role
			}
			return e, nil
		}, nil},
		"nothing is said of what is too new or too old": {func(e []trail.Event, l []pim.Trace) ([]trail.Event, []pim.Trace) {
			for n := range e {
				e[n].At = e[n].At.Add([]time.Duration{-2 * time.Hour, time.Hour}[n%2])
			}
			return e, nil
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			events, traces := twoLogs(at)
			if test.change != nil {
				events, traces = test.change(events, traces)
			}
			got := reconcile(at, events, traces)
			if len(got.Differences) != len(test.want) {
				t.Fatalf("%d differences, want %d: %+v", len(got.Differences), len(test.want), got.Differences)
			}
			for n, d := range got.Differences {
				words := strings.SplitN(test.want[n], " ", 4)
				if string(d.Lacks) != words[0] || string(d.What) != words[1] || d.Actor != words[2] || !strings.Contains(d.Hint, words[3]) {
					t.Errorf("%q %s by %q: %s\nwant %s", d.Lacks, d.What, d.Actor, d.Hint, test.want[n])
				}
			}
			if azure := strings.HasPrefix(name, "Azure"); azure != (got.Azure == 3) {
				t.Errorf("%d acts on Azure resources", got.Azure)
			}
			if name == "the same" && got.Compared != 4 {
				t.Errorf("%d acts were compared, want 4", got.Compared)
			}
		})
	}
}
