package bot

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
)

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	alice = Person{Principal: pim.Principal{ID: "alice", Name: "Alice Adams"}}
	bob   = Person{Principal: pim.Principal{ID: "bob", Name: "Bob Brown"}}
	carol = Person{Principal: pim.Principal{ID: "carol", Name: "Carol Clark"}}
	dave  = Person{Principal: pim.Principal{ID: "dave", Name: "Dave Davis"}}
	role  = pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "users", Scope: "/"}, RoleName: "User Administrator", ScopeName: "Directory"}
)

func asked(signedIn bool) Asked {
	return Asked{ID: "r1", Requester: alice, Role: role, Intent: "i1", SignedIn: signedIn, Ticket: "t1",
		Ask:    Ask{Duration: time.Hour, Justification: "because"},
		Policy: pim.Policy{Approval: true, Approvers: []pim.Principal{alice.Principal, bob.Principal, carol.Principal}}}
}

func held(status pim.Status) Observed {
	return Observed{Request: &pim.Request{ID: "ms", Approval: "ms", Status: status, Assignment: role.Assignment}}
}

// apply runs events a minute apart and fails the test on a refusal.
func apply(t *testing.T, events ...Event) Request {
	t.Helper()
	var r Request
	for n, e := range events {
		var err error
		if r, err = Apply(r, noon.Add(time.Duration(n)*time.Minute), e); err != nil {
			t.Fatalf("event %d %T: %v", n, e, err)
		}
	}
	return r
}

// pass is a minute in which nothing happens.
type pass struct{}

func (pass) apply(*Request, time.Time) error { return nil }

func TestApplyStates(t *testing.T) {
	pending := []Event{asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval")}
	here := Observed{Read: true, Instance: &pim.Instance{Start: noon, End: noon.Add(time.Hour), Activated: true}}
	gone := Observed{Read: true}
	with := func(more ...Event) []Event { return append(slices.Clone(pending), more...) }
	for name, test := range map[string]struct {
		events []Event
		want   State
	}{
		"sent":                              {[]Event{asked(true)}, Submitting},
		"not signed in":                     {[]Event{asked(false)}, SignInRequired},
		"signed in":                         {[]Event{asked(false), SignedIn{Principal: "alice"}}, Submitting},
		"somebody else signed in":           {[]Event{asked(false), SignedIn{Principal: "bob"}}, SignInRequired},
		"accepted is not yet agreed":        {[]Event{asked(true), Sending{"i1"}, Accept{"i1"}}, Submitting},
		"pending":                           {pending, PendingApproval},
		"approving is an intent":            {with(Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true}), PendingApproval},
		"even an accepted one":              {with(Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true}, Sending{"i2"}, Accept{"i2"}), PendingApproval},
		"provisioned is not usable":         {with(held("Provisioned")), Scheduled},
		"seen":                              {with(held("Provisioned"), here), Active},
		"letter case does not matter":       {with(held("provisioned"), here), Active},
		"never backwards":                   {with(held("Provisioned"), here, held("PendingApproval")), Active},
		"unknown keeps the state":           {with(held("Quantum")), PendingApproval},
		"denied":                            {with(held("Denied")), Denied},
		"gone once is not over":             {with(held("Provisioned"), here, gone), Active},
		"gone twice is not over":            {with(held("Provisioned"), here, gone, gone), Active},
		"gone for long is over":             {with(held("Provisioned"), here, gone, gone, gone), Ended},
		"agreed and never seen":             {with(held("Provisioned"), Delay{Intent: "i9"}, gone), Scheduled},
		"lapsed":                            {[]Event{asked(false), pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, Lapse{"i1"}}, Canceled},
		"lapsed after a lost answer":        {[]Event{asked(true), Sending{"i1"}, NeedSignIn{Intent: "i1", Ticket: "t"}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, pass{}, Lapse{"i1"}}, Ended},
		"nothing can be found out":          {[]Event{asked(true), Sending{"i1"}, Lost{"i1"}}, Ended},
		"step-up":                           {[]Event{asked(true), Sending{"i1"}, NeedSignIn{Intent: "i1", Ticket: "t2"}}, SignInRequired},
		"taken back unheard":                {[]Event{asked(false), Intended{ID: "i2", Kind: ToCancel, By: alice}}, Canceled},
		"taken back when it may be heard":   {[]Event{asked(true), Sending{"i1"}, Intended{ID: "i2", Kind: ToCancel, By: alice, SignedIn: true}}, Submitting},
		"refused":                           {[]Event{asked(true), Sending{"i1"}, Refuse{"i1", Refusal{Code: pim.CodePolicy}}}, Failed},
		"no word, inside the window":        {with(Unobserved{}), PendingApproval},
		"another request's word is not his": {with(Observed{Request: &pim.Request{ID: "other", Status: "Denied"}}), PendingApproval},
	} {
		t.Run(name, func(t *testing.T) {
			if got := apply(t, test.events...); got.State != test.want {
				t.Errorf("state is %q, want %q\nhistory: %+v", got.State, test.want, got.History)
			}
		})
	}
}

func TestApplyRefusesPeople(t *testing.T) {
	pending := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"))
	underWay := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true}, Sending{"i2"})
	denied := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("Denied"))
	for name, test := range map[string]struct {
		r    Request
		e    Event
		want string
	}{
		"own request":          {pending, Intended{ID: "x", Kind: ToApprove, By: alice, SignedIn: true}, sayOwnRequest},
		"no approver":          {pending, Intended{ID: "x", Kind: ToDeny, By: dave, SignedIn: true}, sayNotApprover},
		"somebody else's":      {pending, Intended{ID: "x", Kind: ToCancel, By: bob, SignedIn: true}, sayNotYours},
		"twice":                {underWay, Intended{ID: "x", Kind: ToDeny, By: bob, SignedIn: true}, "on its way"},
		"second approver":      {underWay, Intended{ID: "x", Kind: ToDeny, By: carol, SignedIn: true}, "Bob Brown was first"},
		"after the decision":   {denied, Intended{ID: "x", Kind: ToApprove, By: bob, SignedIn: true}, "not waiting"},
		"the form a 2nd time":  {pending, asked(true), sayAlreadySent},
		"nothing to stop":      {pending, Intended{ID: "x", Kind: ToDeactivate, By: alice, SignedIn: true}, "nothing to deactivate"},
		"cancel what is ended": {denied, Intended{ID: "x", Kind: ToCancel, By: alice, SignedIn: true}, "nothing to cancel"},
	} {
		t.Run(name, func(t *testing.T) {
			after, err := Apply(test.r, noon.Add(time.Hour), test.e)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, test.want) {
				t.Errorf("got %v, want a refusal with %q", err, test.want)
			}
			if diff := cmp.Diff(test.r, after); diff != "" {
				t.Errorf("a refused act changed the request:\n%s", diff)
			}
		})
	}
}

func TestNobodyWithinTheWindow(t *testing.T) {
	r := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"))
	late := r.opened().Add(Window + windowSlack + time.Minute)
	var err error
	for _, after := range []time.Duration{0, time.Minute, windowSlack - time.Second} { // one lost answer says nothing
		if r, err = Apply(r, late.Add(after), Unobserved{}); err != nil || r.State != PendingApproval {
			t.Fatalf("%s after the first: got %q %v", after, r.State, err)
		}
	}
	heard, err := Apply(r, late.Add(windowSlack), held("Failed"))
	if err != nil || heard.State != Failed || heard.Trouble.Code != codeUndecided {
		t.Errorf("Microsoft answers at last: got %q %+v %v", heard.State, heard.Trouble, err)
	}
	again, err := Apply(r, late.Add(windowSlack), held("PendingApproval"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err = Apply(again, late.Add(windowSlack+time.Minute), Unobserved{}); err != nil || again.State != PendingApproval {
		t.Errorf("an answer in between: got %q %v", again.State, err)
	}
	r, err = Apply(r, late.Add(windowSlack), Unobserved{})
	if err != nil || r.State != Ended || r.End != EndNotVisible {
		t.Errorf("got %q %q %v", r.State, r.End, err)
	}
	r = apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"))
	r, err = Apply(r, noon.Add(Window+time.Minute), held("Failed"))
	if err != nil || r.State != Failed || r.Trouble.Code != codeUndecided {
		t.Errorf("got %q %+v %v", r.State, r.Trouble, err)
	}
}

// TestLaws holds the laws of DESIGN section 1 over random histories.
func TestLaws(t *testing.T) {
	people := []Person{alice, bob, carol, dave}
	statuses := []pim.Status{"PendingApproval", "Granted", "Provisioned", "Denied", "Canceled", "Failed", "Revoked", "Nonsense", "pendingapproval"}
	rapid.Check(t, func(t *rapid.T) {
		var r Request
		var book Ledger
		now, observed := noon, false
		for n := range rapid.IntRange(1, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3600*6).Draw(t, "pause")) * time.Second)
			who := rapid.SampledFrom(people).Draw(t, "who")
			intent := fmt.Sprintf("i%d", rapid.IntRange(1, n+1).Draw(t, "intent"))
			signed := rapid.Bool().Draw(t, "signed in")
			var e Event
			switch rapid.IntRange(0, 25).Draw(t, "event") {
			case 0:
				first := asked(signed)
				if rapid.Bool().Draw(t, "follows") {
					first.Follows, first.FollowsUntil = "r0", now.Add(time.Hour)
				}
				if rapid.Bool().Draw(t, "later") {
					first.Ask.Start = now.Add(10 * time.Hour)
				}
				e = first
			case 1:
				kind := rapid.SampledFrom([]IntentKind{ToApprove, ToDeny, ToCancel, ToDeactivate}).Draw(t, "kind")
				e = Intended{ID: fmt.Sprintf("i%d", n+2), Kind: kind, By: who, SignedIn: signed, Ticket: "t", Fresh: rapid.Bool().Draw(t, "fresh")}
			case 2:
				e = Sending{intent}
			case 3:
				e = Accept{intent}
			case 4:
				e = Refuse{intent, Refusal{Code: pim.CodeForbidden}}
			case 5:
				e = NeedSignIn{Intent: intent, Ticket: "t", Challenge: true, Unheard: signed, Fresh: rapid.Bool().Draw(t, "fresh")}
			case 6:
				e = SignedIn{Principal: who.ID, Intent: intent, AuthTime: rapid.SampledFrom([]time.Time{{}, now}).Draw(t, "auth time"), Waived: rapid.IntRange(0, 9).Draw(t, "waived") == 0}
			case 7:
				e = Lapse{intent}
			case 8:
				e = Delay{Intent: intent, Until: now.Add(time.Minute), Unheard: signed}
			case 9:
				e = held(rapid.SampledFrom(statuses).Draw(t, "status"))
			case 10:
				e = Observed{Read: true, Instance: rapid.SampledFrom([]*pim.Instance{nil, {Start: now, End: now.Add(time.Hour)}}).Draw(t, "instance")}
			case 11:
				e = Unobserved{ObserveAt: now.Add(time.Minute)}
			case 12:
				e = Followed{By: "r2", Who: who.ID}
			case 13:
				e = Intended{ID: fmt.Sprintf("i%d", n+2), Kind: ToDeactivate, By: who, SignedIn: signed, Ticket: "t", Then: "r2"}
			case 14:
				e = Unfollowed{By: "r2"}
			case 15:
				e = Free{}
			case 16:
				e = Unfollow{Why: Refusal{Code: codeKept}}
			case 17:
				e = Kept{By: who.ID}
			case 18:
				e = Observed{Forgotten: true}
				if r.ID == "" {
					e = Already{ID: "r1", Requester: alice, Role: role}
				}
			case 19:
				e = Found{ID: "r1", Approval: signed, By: rapid.SampledFrom([]pim.Principal{{}, alice.Principal, bob.Principal, carol.Principal}).Draw(t, "list"),
					Request: pim.Request{ID: "ms", Principal: alice.ID, Assignment: role.Assignment, Created: now,
						Status: rapid.SampledFrom([]pim.Status{"PendingApproval", "Provisioned"}).Draw(t, "found")}}
			case 20:
				list := rapid.SampledFrom([]Person{bob, carol}).Draw(t, "list")
				e = Observed{Listed: list.Principal, Request: &pim.Request{ID: "ms", Status: "PendingApproval", Assignment: role.Assignment}}
			case 21:
				e = Observed{Gone: true, Stage: rapid.SampledFrom([]*pim.Stage{nil, {AssignedToMe: true, Status: "InProgress", Result: pim.NotReviewed}}).Draw(t, "stage"), Read: signed}
			case 22:
				e = Traced{pim.Trace{At: now.Add(-time.Minute), Request: rapid.SampledFrom([]string{"ms", "other", ""}).Draw(t, "traced"), By: who.Principal,
					What: rapid.SampledFrom([]pim.TraceKind{pim.TraceAsked, pim.TraceApproved, pim.TraceDenied, pim.TraceActivated, pim.TraceCanceled, pim.TraceExpired, pim.TraceEnded, "new"}).Draw(t, "line")}}
			case 24:
				e = Disowned{By: who.ID}
				if signed {
					e = Disowned{By: who.ID, Report: &Report{By: who}}
				}
			case 25:
				id := rapid.IntRange(0, max(0, len(r.Intents)-1)).Draw(t, "retracted")
				if e = (Retract{}); id < len(r.Intents) {
					e = Retract{Intent: r.Intents[id].ID}
				}
			case 23:
				e = rapid.SampledFrom([]Event{Met{Requester: alice, RoleName: "User Administrator", Approvers: []pim.Principal{alice.Principal, bob.Principal}},
					Reached{Principal: who.ID, At: Conversation{Platform: Slack, ID: "D"}}, meetAgain{}}).Draw(t, "met")
			}
			if r.ID == "" {
				switch e.(type) {
				case Asked, Already, Found:
				default:
					continue // nothing was asked yet
				}
			}
			before := r
			snapshot := fmt.Sprintf("%+v", before)
			next, err := Apply(r, now, e)
			if snapshot != fmt.Sprintf("%+v", before) {
				t.Fatalf("%T changed the request it was given", e)
			}
			if err != nil {
				var told *Error
				if !errors.As(err, &told) || told.Message == "" {
					t.Fatalf("%T: %v has no sentence for the person", e, err)
				}
				continue
			}
			r = next
			for _, event := range audited(before, r, now) {
				book.Take(event)
			}
			if err := book.Agrees(r); err != nil {
				t.Fatalf("%T: the audit trail and the request differ: %v", e, err)
			}
			word := false
			switch e.(type) {
			case Observed, Found, Traced:
				word, observed = true, true
			}
			if len(r.History) < len(before.History) || !slices.Equal(before.History, r.History[:len(before.History)]) {
				t.Fatalf("%T: history did not only grow", e)
			}
			if before.State != r.State && !canMove(before.State, r.State) {
				t.Fatalf("%T moved %q to %q", e, before.State, r.State)
			}
			switch r.State {
			case PendingApproval, Scheduled, Active, Denied:
				if !observed {
					t.Fatalf("%T: %q without Microsoft's word", e, r.State)
				}
			}
			if before.State != r.State && (r.State == PendingApproval || r.State == Scheduled || r.State == Active || r.State == Denied) {
				if !word {
					t.Fatalf("%T moved authority to %q", e, r.State)
				}
			}
			for _, i := range r.Intents {
				if i.Kind.review() && i.By.ID == r.Requester.ID {
					t.Fatalf("the requester reviews their own request: %+v", i)
				}
				if i.Kind.review() && i.By.ID == dave.ID {
					t.Fatalf("somebody reviews whom the policy does not name: %+v", i)
				}
			}
			for _, i := range r.Intents {
				was, _ := before.Intent(i.ID)
				in, signedIn := e.(SignedIn)
				mine := signedIn && in.Intent == i.ID && in.Principal == i.By.ID
				if i.Proof != was.Proof && i.Proof != (Proof{}) && !(mine && !in.AuthTime.IsZero() && was.Fresh && now.Before(was.Deadline)) {
					t.Fatalf("%T: a proof out of nothing: %+v", e, i)
				}
				if was.Fresh && was.State == IntentWaiting && (i.State == IntentReady || i.State == IntentSent) && !i.Proof.present(now) && !(signedIn && in.Waived) {
					t.Fatalf("%T: it goes on without a proof: %+v", e, i)
				}
				if !i.Kind.review() && (i.Fresh || i.Proof != (Proof{})) {
					t.Fatalf("%T: what is no decision asks for presence: %+v", e, i)
				}
			}
			for _, i := range r.Intents {
				if i.Kind == ToActivate && !i.SentAt.IsZero() && r.waits() {
					t.Fatalf("%T: sent before what it follows was over: %+v", e, i)
				}
				if was, ok := before.Intent(i.ID); ok && was.Disowned && i.SentAt.After(was.SentAt) {
					t.Fatalf("%T: what its person disowns is sent: %+v", e, i)
				}
				if was, ok := before.Intent(i.ID); ok && was.SentAt.IsZero() && !i.SentAt.IsZero() && now.Before(was.NotBefore) {
					t.Fatalf("%T: sent before its time: %+v", e, i)
				}
			}
			if stop, ok := r.stopping(); ok && stop.Then != "" && r.FollowedBy != stop.Then && stop.SentAt.IsZero() && r.FollowedBy != "" {
				t.Fatalf("%T: a deactivation for %s is owed, but %s follows", e, stop.Then, r.FollowedBy)
			}
			if before.State.Final() && r.State != before.State {
				t.Fatalf("%T: %q is final", e, before.State)
			}
			for _, i := range r.Intents {
				if r.State.Final() && i.open() {
					t.Fatalf("%T: %q still owes a call: %+v", e, r.State, i)
				}
			}
			for _, w := range (Projection{Notices: Routing{Default: []Conversation{{ID: "C"}}}, SignIn: func(s string) string { return s }, WarnBefore: 10 * time.Minute}).Wanted(r, now) {
				if w.Card.Title == "" {
					t.Fatalf("%q: a card without a title in slot %s", r.State, w.Slot)
				}
			}
		}
	})
}

func TestDiagramStandsInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), Diagram()) {
		t.Errorf("docs/states.md does not hold the diagram of the transition table; it should hold:\n%s", Diagram())
	}
}
