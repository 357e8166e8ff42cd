package bot

import (
	"slices"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
)

// Microsoft may close what nobody decided in several ways; before its time each of
// them means what it says.
func TestNobodyDecidedHoweverItIsTold(t *testing.T) {
	pending := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"))
	for name, test := range map[string]struct {
		e     Event
		early State
	}{
		"failed":    {held("Failed"), Failed},
		"canceled":  {held("Canceled"), Canceled},
		"timed out": {held("timedout"), Failed},
		"forgotten": {Observed{Forgotten: true}, PendingApproval},
	} {
		late, err := Apply(pending, noon.Add(Window-time.Second), test.e) // clocks differ
		if err != nil || late.State != Failed || late.Trouble == nil || late.Trouble.Code != codeUndecided {
			t.Errorf("%s after the window: %s %+v, %v", name, late.State, late.Trouble, err)
		}
		early, err := Apply(pending, noon.Add(time.Hour), test.e)
		if err != nil || early.State != test.early {
			t.Errorf("%s after an hour: %s, %v", name, early.State, err)
		}
	}
	back := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToCancel, By: alice, SignedIn: true}, Sending{"i2"}, Accept{"i2"})
	if got, err := Apply(back, noon.Add(Window), held("Canceled")); err != nil || got.State != Canceled {
		t.Errorf("taken back at the last moment: %s, %v", got.State, err)
	}
	lost := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToCancel, By: alice, SignedIn: true}, Sending{"i2"})
	if got, err := Apply(lost, noon.Add(Window), held("Canceled")); err != nil || got.State != Canceled {
		t.Errorf("taken back at the last moment, and the answer was lost: %s, %v", got.State, err)
	}
}

// Microsoft's window begins when Microsoft has the request, which Belay or Microsoft may
// have been away for.
func TestTheWindowBeginsAtMicrosoft(t *testing.T) {
	late := noon.Add(25 * time.Hour)
	r := apply(t, asked(true))
	for _, e := range []Event{Sending{"i1"}, Accept{"i1"}, held("PendingApproval")} {
		var err error
		if r, err = Apply(r, late, e); err != nil {
			t.Fatal(err)
		}
	}
	soon := late.Add(time.Hour)
	if got, err := Apply(r, soon, held("Canceled")); err != nil || got.State != Canceled {
		t.Errorf("taken back elsewhere: %s, %v", got.State, err)
	}
	if got, err := Apply(r, soon, Unobserved{}); err != nil || got.State != PendingApproval {
		t.Errorf("Microsoft does not answer: %s, %v", got.State, err)
	}
	if got, err := Apply(r, soon, Observed{Forgotten: true}); err != nil || got.State != PendingApproval {
		t.Errorf("Microsoft does not know of it: %s, %v", got.State, err)
	}
	if wants := (Projection{}).reminders(r, soon); len(wants) != 0 {
		t.Errorf("a reminder: %+v", wants)
	}
	before := late.Add(Window)
	c := (Projection{}).approverCard(r, bob.ID, soon)
	if !slices.ContainsFunc(c.Facts, func(f Fact) bool { return f.Name == "Decide before" && f.At.Equal(before) }) {
		t.Errorf("an approver reads %+v, want %v", c.Facts, before)
	}
	if got, err := Apply(r, before, held("Canceled")); err != nil || got.State != Failed || got.Trouble.Code != codeUndecided {
		t.Errorf("after the window: %s, %v", got.State, err)
	}
}

// Azure tells ids whole or by their last part, in varying letter case.
func TestIdsOfAllPillars(t *testing.T) {
	azure := pim.Assignment{Kind: pim.AzureResource, Role: "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/R", Scope: "/subscriptions/s/resourceGroups/rg"}
	r := Request{Role: pim.EligibleAssignment{Assignment: azure}, Held: Held{ID: "AAAA", Schedule: "bbbb"}}
	there := pim.Instance{Activated: true, Start: noon, End: noon.Add(time.Hour),
		Assignment: pim.Assignment{Kind: pim.AzureResource, Role: "/subscriptions/S/providers/microsoft.authorization/roledefinitions/r", Scope: "/subscriptions/s/resourcegroups/RG"},
		Schedule:   "/subscriptions/s/providers/Microsoft.Authorization/roleAssignmentSchedules/BBBB"}
	if r.instance([]pim.Instance{there}) == nil {
		t.Error("its own instance is not known")
	}
	other := there
	other.Schedule = "/subscriptions/s/providers/Microsoft.Authorization/roleAssignmentSchedules/cccc"
	if r.instance([]pim.Instance{other}) != nil {
		t.Error("the instance of another schedule is taken for its own")
	}
	r.Freed = noon.Add(10 * time.Minute)
	if r.instance([]pim.Instance{there}) != nil {
		t.Error("what it followed is taken for its own")
	}
	r.hear(pim.Request{ID: "aaaa", Status: "Provisioned"}, noon)
	if r.Held.Status != "Provisioned" {
		t.Error("its own request is not known in another letter case")
	}
}

// The audit log does not tell the scope of a directory role: the instance that began
// with the request does.
func TestAScopeThatTheLogDoesNotTell(t *testing.T) {
	role := pim.Assignment{Kind: pim.EntraRole, Role: "r"}
	r := Request{ID: "1", State: Scheduled, Made: noon, Elsewhere: true, Traced: true, Held: Held{ID: "ms"}, Role: pim.EligibleAssignment{Assignment: role}}
	at := func(scope string, begun time.Time) pim.Instance {
		there := pim.Instance{Activated: true, Start: begun, End: noon.Add(time.Hour), Assignment: role}
		there.Assignment.Scope = scope
		return there
	}
	there := r.instance([]pim.Instance{at("/", noon.Add(-time.Hour)), at("/administrativeUnits/1", noon.Add(time.Second))})
	if there == nil || there.Assignment.Scope != "/administrativeUnits/1" {
		t.Fatalf("its instance is %+v", there)
	}
	next, err := Apply(r, noon, Observed{Read: true, Instance: there})
	if err != nil || next.State != Active || next.Role.Scope != there.Assignment.Scope || next.Role.ScopeName == "" {
		t.Errorf("seen, it is %s at %+v, %v", next.State, next.Role, err)
	}
	next, err = Apply(r, noon, Observed{Request: &pim.Request{ID: "ms", Status: "Granted", Assignment: at("/", noon).Assignment, ScopeName: "Directory"}})
	if err != nil || next.Role.Scope != "/" || next.Role.ScopeName != "Directory" {
		t.Errorf("read, it is at %+v, %v", next.Role, err)
	}
	if known, _ := Apply(next, noon, Observed{Read: true, Instance: there}); known.Role.Scope != "/" {
		t.Errorf("what is known changes to %+v", known.Role)
	}
}

// A time that nanoseconds cannot count is far away, and not long ago.
func TestAFarStartIsNotDue(t *testing.T) {
	for _, far := range []int{2262, 2263, 2600, 9999} {
		if key := dueKey(time.Date(far, 12, 1, 0, 0, 0, 0, time.UTC), "id"); key <= dueKey(noon, "id") || dueTime(key).Before(noon) {
			t.Errorf("the year %d is due at %v", far, dueTime(key))
		}
	}
}

func TestTooEarly(t *testing.T) {
	r := Request{State: Active, Held: Held{From: noon, Until: noon.Add(time.Hour)}}
	stop := Intent{Kind: ToDeactivate}
	for name, test := range map[string]struct {
		i    Intent
		code pim.Code
		now  time.Time
		want time.Time // zero: it is a no
	}{
		"too short":          {stop, pim.CodeTooShort, noon.Add(time.Minute), noon.Add(5*time.Minute + 5*time.Second)},
		"too short, later":   {stop, pim.CodeTooShort, noon.Add(6 * time.Minute), noon.Add(6*time.Minute + 15*time.Second)},
		"not known yet":      {stop, pim.CodeNotActive, noon.Add(6 * time.Minute), noon.Add(6*time.Minute + 15*time.Second)},
		"not known any more": {stop, pim.CodeNotActive, noon.Add(30 * time.Minute), time.Time{}},
		"again and again":    {Intent{Kind: ToDeactivate, Tries: maxEarly}, pim.CodeTooShort, noon.Add(6 * time.Minute), time.Time{}},
		"another no":         {stop, pim.CodeForbidden, noon.Add(time.Minute), time.Time{}},
		"another call":       {Intent{Kind: ToActivate}, pim.CodeTooShort, noon.Add(time.Minute), time.Time{}},
	} {
		if until, early := r.tooEarly(test.i, test.code, test.now); early == test.want.IsZero() || !until.Equal(test.want) {
			t.Errorf("%s: %v, %t", name, until, early)
		}
	}
}

// Of several reminders that are due only the latest is posted, and none to whose
// answer is on its way.
func TestWhichReminder(t *testing.T) {
	p := Projection{SignIn: func(s string) string { return s }}
	at := Conversation{Platform: Slack, ID: "D-bob"}
	r := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Routed{Reach: []Reach{{Principal: "bob", At: []Conversation{at}}}})
	if got := p.reminders(r, noon.Add(13*time.Hour)); len(got) != 0 {
		t.Errorf("reminded of a card that is not there: %+v", got)
	}
	r, err := Apply(r, noon, Showed{Slot: "approver/bob/slack", Shown: Shown{Message: Message{Conversation: at, ID: "m1"}}})
	if err != nil {
		t.Fatal(err)
	}
	for hours, want := range map[int]Slot{5: "", 6: "remind/1/bob/slack", 13: "remind/2/bob/slack", 23: "remind/3/bob/slack", 24: ""} { // then nobody can decide any more
		var got Slot
		if all := p.reminders(r, r.opened().Add(time.Duration(hours)*time.Hour)); len(all) > 0 {
			got = all[0].Slot
			if len(all) > 1 || all[0].At.Thread != "m1" || !all[0].Once {
				t.Errorf("after %d hours: %+v", hours, all)
			}
		}
		if got != want {
			t.Errorf("after %d hours: %q, want %q", hours, got, want)
		}
	}
	r, err = Apply(r, noon.Add(7*time.Hour), Intended{ID: "i2", Kind: ToApprove, By: bob, SignedIn: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.reminders(r, noon.Add(13*time.Hour)); len(got) != 0 {
		t.Errorf("reminded although the answer is on its way: %+v", got)
	}
}

// Microsoft tells of a decision before its lost answer was looked for: it is Belay's.
func TestALostDecisionIsSeen(t *testing.T) {
	sent := apply(t, asked(true), Sending{"i1"}, Accept{"i1"}, held("PendingApproval"), Intended{ID: "i2", Kind: ToDeny, By: bob, Reason: "no", SignedIn: true}, Sending{"i2"})
	for name, test := range map[string]struct {
		by      pim.Principal
		outcome Outcome
	}{
		"theirs":          {bob.Principal, Accepted},
		"somebody else's": {carol.Principal, Dropped},
	} {
		stage := &pim.Stage{Result: pim.Denied, Reviewer: test.by, Justification: "no"}
		m := held("Denied").Request
		got, err := Apply(sent, noon.Add(time.Hour), Observed{Request: m, Stage: stage})
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := test.outcome != Accepted
		if i := got.Intents[1]; got.State != Denied || i.Outcome != test.outcome || got.Decided.Elsewhere != elsewhere || got.Decided.By.ID != test.by.ID {
			t.Errorf("%s: the request is %s, the call %s, decided: %+v", name, got.State, i.Outcome, got.Decided)
		}
	}
}
