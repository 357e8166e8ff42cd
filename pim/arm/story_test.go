package arm_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

// eventually reads until good, as often as a late status may take.
func eventually[T any](w *tenant, read func() (T, error), good func(T) bool) T {
	w.t.Helper()
	var v T
	var err error
	for range 5 {
		if v, err = read(); err != nil {
			w.t.Fatal(err)
		}
		if good(v) {
			return v
		}
	}
	w.t.Fatalf("after five reads still %+v", v)
	return v
}

// Against a tenant that is kind, and one that varies letter case, pages lists
// small, and shows changes late.
func TestTenant(t *testing.T) {
	for name, unkind := range map[string]*pimtest.Unkind{
		"kind":  pimtest.Kind(),
		"noisy": {Seed: 7, LateInstance: 2, LateStatus: 2, EnumCase: true, PageSize: 2, ExtraScopes: true},
		"other": {Seed: 8, LateInstance: 1, LateStatus: 1, EnumCase: true, PageSize: 1, ExtraScopes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("catalog", func(t *testing.T) { catalog(newTenant(t, unkind)) })
			t.Run("approval", func(t *testing.T) { approvalStory(newTenant(t, unkind)) })
			t.Run("narrowed", func(t *testing.T) { narrowStory(newTenant(t, unkind)) })
			t.Run("step-up", func(t *testing.T) { stepUpStory(newTenant(t, unkind)) })
			t.Run("elsewhere", func(t *testing.T) { elsewhereStory(newTenant(t, unkind)) })
		})
	}
}

func catalog(w *tenant) {
	ctx := w.t.Context()
	all, err := w.Client.Eligible(ctx, simAlice)
	w.must(err)
	var names []string
	for _, e := range all {
		names = append(names, e.RoleName+" in "+e.ScopeName+" "+e.Through.ID)
	}
	want := []string{"Contributor in subscription Production ", "Operator in management group Platform " + leads, "Owner in subscription Production ",
		"Storage Blob Data Reader in resource ledger (Microsoft.Storage/storageAccounts) "}
	if diff := cmp.Diff(want, names); diff != "" {
		w.t.Errorf("eligible (-want +got):\n%s", diff)
	}
	// Policies belong to one scope; who is not Reader reads them as the person.
	open := w.eligible(roleOpen)
	for scope, want := range map[string]pim.Policy{
		prod:   {MaxDuration: 8 * time.Hour, Justification: true}, // nobody edited it
		rgProd: {MaxDuration: 2 * time.Hour, Approval: true},      // names nobody: nobody can decide
		rgData: {MaxDuration: 8 * time.Hour, Justification: true},
	} {
		a := open.Assignment
		a.Scope = scope
		got, err := w.Policy(ctx, simAlice, a)
		if got.MFA = false; err != nil || !cmp.Equal(want, got) { // Azure's default settings ask for it
			w.t.Errorf("%s: %v %s", scope, err, cmp.Diff(want, got))
		}
	}
	got, err := w.Policy(ctx, simAlice, w.eligible(roleApproved).Assignment)
	w.must(err)
	var approvers []string
	for _, p := range got.Approvers {
		approvers = append(approvers, p.Name)
	}
	if strings.Join(approvers, " ") != "Alice Bob Carol" || !cmp.Equal(got.ApproverGroups, []pim.ApproverGroup{{ID: leads, Name: "Leads", Size: 2, Members: []string{simAlice, simCarol}}}) || !got.Ticket || got.DefaultApprovers {
		w.t.Errorf("%+v", got)
	}
	if got, err := w.Policy(ctx, simAlice, w.eligible(roleStepUp).Assignment); err != nil || got.AuthContext != "c1" {
		w.t.Errorf("%+v, %v", got, err)
	}
	_, err = w.Policy(ctx, simErin, w.eligible(roleStepUp).Assignment)
	if err != nil { // remembered
		w.t.Error(err)
	}
	w.pass(2 * time.Minute)
	_, err = w.Policy(ctx, simErin, w.eligible(roleStepUp).Assignment)
	w.wants("a stranger reads a policy", err, pim.CodeForbidden)
	w.must(w.GrantReader("/"))
	if _, err = w.Policy(ctx, simErin, w.eligible(roleStepUp).Assignment); err != nil {
		w.t.Errorf("as Reader Belay reads itself: %v", err)
	}

	children := func(e pim.EligibleAssignment) string {
		all, err := w.Children(ctx, simAlice, e)
		w.must(err)
		var names []string
		for _, s := range all {
			names = append(names, s.Name)
		}
		return strings.Join(names, ", ")
	}
	for role, want := range map[string]string{roleOpen: "resource group rg-data, resource group rg-Prod",
		roleGroup: "resource group rg-data, resource group rg-Prod, subscription Production", roleStepUp: ""} {
		if got := children(w.eligible(role)); got != want {
			w.t.Errorf("below %s: %s, want %s", role, got, want)
		}
	}
	open.Scope = rgData
	if got := children(open); got != "resource ledger (Microsoft.Storage/storageAccounts)" {
		w.t.Errorf("below a resource group: %s", got)
	}
}

func approvalStory(w *tenant) {
	ctx := w.t.Context()
	owner := w.eligible(roleApproved)
	wish := asks(owner, "")
	w.must(w.Check(ctx, simAlice, wish))
	made, err := w.Activate(ctx, simAlice, wish)
	w.must(err)
	if made.Status.Phase() != pim.PhasePending || made.Principal != simAlice || made.Approval == "" || made.Duration != wish.Duration || made.Assignment != owner.Assignment ||
		made.Who.Name != "Alice" || made.RoleName != "Owner" || made.ScopeName != "subscription Production" || made.Ticket != wish.Ticket {
		w.t.Fatalf("made %+v", made)
	}
	again, err := w.Activate(ctx, simAlice, wish) // the same name and the same words: the same request
	if err != nil || again.ID != made.ID {
		w.t.Errorf("again %+v, %v", again, err)
	}
	w.pass(time.Second)
	_, err = w.Activate(ctx, simAlice, wish) // by now it would start at another time
	w.wants("the same name a second later", err, pim.CodeExists)
	_, err = w.Activate(ctx, simAlice, asks(owner, ""))
	w.wants("a second request", err, pim.CodePending)
	mine, err := w.Mine(ctx, simAlice)
	if err != nil || len(mine) != 1 || mine[0].ID != made.ID || mine[0].Justification != "INC-42" {
		w.t.Fatalf("%+v, %v", mine, err)
	}
	for person, n := range map[string]int{simBob: 1, simCarol: 1, simAlice: 0, simErin: 0} {
		waits, err := w.Pending(ctx, person)
		if err != nil || len(waits) != n || n == 1 && (waits[0].ID != made.ID || waits[0].Who.ID != simAlice) {
			w.t.Errorf("%s: %+v, %v", person, waits, err)
		}
	}
	approval, err := w.Approval(ctx, simBob, made.Approval)
	w.must(err)
	if len(approval.Stages) != 1 || !approval.Stages[0].AssignedToMe || approval.Stages[0].Result != pim.NotReviewed || !strings.EqualFold(approval.Stages[0].Status, "InProgress") {
		w.t.Fatalf("approval %+v", approval)
	}
	_, err = w.Approval(ctx, simAlice, made.Approval)
	w.wants("the requester reads", err, pim.CodeNotApprover)
	decision := pim.Decision{Approval: made.Approval, Stage: approval.Stages[0].ID, Result: pim.Approved, Justification: "go ahead"}
	w.wants("the requester decides", w.Review(ctx, simAlice, decision), pim.CodeNotApprover)
	w.wants("a stranger decides", w.Review(ctx, simErin, decision), pim.CodeNotApprover)
	w.must(w.Review(ctx, simBob, decision))
	decision.Result = pim.Denied
	w.wants("too late", w.Review(ctx, simCarol, decision), pim.CodeDecided)
	after, err := w.Approval(ctx, simCarol, made.Approval)
	w.must(err)
	if s := after.Stages[0]; s.Result != pim.Approved || s.Reviewer.ID != simBob || s.Reviewer.Name != "Bob" || s.Justification != "go ahead" || s.Reviewed.IsZero() {
		w.t.Errorf("stage %+v", s)
	}
	eventually(w, func() (pim.Request, error) { return w.Request(ctx, simAlice, made.ID) }, func(r pim.Request) bool { return r.Status == "Provisioned" })
	active := func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, owner.Assignment) }
	held := eventually(w, active, func(l []pim.Instance) bool { return len(l) == 1 })[0]
	if !held.Activated || held.Assignment != owner.Assignment || held.End.IsZero() || held.Schedule == "" {
		w.t.Errorf("held %+v", held)
	}
	_, err = w.Activate(ctx, simAlice, asks(owner, ""))
	w.wants("while active", err, pim.CodeExists)
	end := pim.Deactivation{Assignment: owner.Assignment, ID: uuid.NewString(), Justification: "done", Schedule: owner.Schedule}
	w.wants("at once", w.Deactivate(ctx, simAlice, end), pim.CodeTooShort)
	w.pass(6 * time.Minute)
	w.must(w.Deactivate(ctx, simAlice, end))
	end.ID = uuid.NewString()
	w.wants("again", w.Deactivate(ctx, simAlice, end), pim.CodeNotActive)
	if left, err := active(); err != nil || len(left) != 0 {
		w.t.Errorf("left %+v, %v", left, err)
	}
	for _, entry := range w.Audit() {
		if entry.ActorKind == pimtest.ByApplication {
			w.t.Errorf("Belay itself did %+v", entry)
		}
	}
}

func narrowStory(w *tenant) {
	ctx := w.t.Context()
	open := w.eligible(roleOpen)
	w.SetARMQuirks(pimtest.ARMQuirks{NoGroupWrite: true})
	_, err := w.Activate(ctx, simAlice, asks(open, rgData))
	if e := w.wants("narrowed where that is not allowed", err, pim.CodeForbidden); e.Service != "AuthorizationFailed" {
		w.t.Errorf("%+v", e)
	}
	if mine, err := w.Mine(ctx, simAlice); err != nil || len(mine) != 0 {
		w.t.Errorf("something wider was asked for: %+v, %v", mine, err)
	}
	w.SetARMQuirks(pimtest.ARMQuirks{})
	wish := asks(open, rgData)
	wish.Start = w.now().Add(2 * time.Hour)
	made, err := w.Activate(ctx, simAlice, wish)
	w.must(err)
	if made.Status.Phase() != pim.PhaseGranted || !made.Start.Equal(wish.Start) || made.Assignment.Scope != rgData {
		w.t.Fatalf("made %+v", made)
	}
	w.must(w.Cancel(ctx, simAlice, made.ID))
	eventually(w, func() (pim.Request, error) { return w.Request(ctx, simAlice, made.ID) }, func(r pim.Request) bool { return r.Status.Phase() == pim.PhaseCanceled })
	w.wants("canceled twice", w.Cancel(ctx, simAlice, made.ID), pim.CodeCannotCancel)
	_, err = w.Activate(ctx, simAlice, asks(open, rgData))
	w.must(err)
	eventually(w, func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, wish.Assignment) }, func(l []pim.Instance) bool {
		return len(l) == 1 && l[0].Assignment == wish.Assignment
	})
	_, err = w.Request(ctx, simAlice, prod+"/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/"+tenantID)
	w.wants("no such request", err, pim.CodeNotFound)
	strange := asks(open, "/subscriptions/"+tenantID)
	if _, err = w.Activate(ctx, simAlice, strange); err == nil {
		w.t.Error("activated in another subscription")
	}
	w.must(w.SetLicensed(false))
	_, err = w.Activate(ctx, simAlice, asks(open, ""))
	w.wants("no licence", err, pim.CodeLicense)
}

func stepUpStory(w *tenant) {
	ctx := w.t.Context()
	e := w.eligible(roleStepUp)
	for _, header := range []bool{false, true} {
		w.SetARMQuirks(pimtest.ARMQuirks{StepUpHeader: header})
		w.signIn(simAlice, "")
		wish := asks(e, "")
		w.wants("a check", w.Check(ctx, simAlice, wish), pim.CodeStepUp)
		_, err := w.Activate(ctx, simAlice, wish)
		challenge := w.wants("an authentication context", err, pim.CodeStepUp)
		w.signIn(simAlice, challenge.Claims)
		made, err := w.Activate(ctx, simAlice, wish)
		w.must(err)
		if made.Status.Phase() != pim.PhaseInForce && made.Status.Phase() != pim.PhaseGranted {
			w.t.Errorf("made %+v", made)
		}
		eventually(w, func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, e.Assignment) }, func(l []pim.Instance) bool { return len(l) == 1 })
		w.pass(2 * time.Hour)
	}
}

// What is asked in the portal is found and decided here, and Belay itself sees it
// end where it is Reader.
func elsewhereStory(w *tenant) {
	ctx := w.t.Context()
	id, err := w.PortalActivate(simAlice, pimtest.Wanted{Kind: "azure", Role: w.eligible(roleApproved).Role, Scope: prod, Justification: "from the portal", Ticket: "CHG1", Duration: time.Hour})
	w.must(err)
	waits, err := w.Pending(ctx, simCarol)
	w.must(err)
	if len(waits) != 1 || !strings.HasSuffix(waits[0].ID, id) || waits[0].Justification != "from the portal" {
		w.t.Fatalf("%+v", waits)
	}
	approval, err := w.Approval(ctx, simCarol, waits[0].Approval)
	w.must(err)
	w.must(w.Review(ctx, simCarol, pim.Decision{Approval: waits[0].Approval, Stage: approval.Stages[0].ID, Result: pim.Denied, Justification: "not now"}))
	if waits, err := w.Pending(ctx, simBob); err != nil || len(waits) != 0 {
		w.t.Errorf("%+v, %v", waits, err)
	}
	eventually(w, func() (pim.Request, error) { return w.Request(ctx, simAlice, waits[0].ID) }, func(r pim.Request) bool { return r.Status.Phase() == pim.PhaseDenied })
	open := w.eligible(roleOpen)
	_, err = w.Activate(ctx, simAlice, asks(open, ""))
	w.must(err)
	eventually(w, func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, open.Assignment) }, func(l []pim.Instance) bool { return len(l) == 1 })
	w.must(w.signin.Forget(ctx, simAlice))
	_, err = w.Active(ctx, simAlice, open.Assignment)
	w.wants("nobody may read", err, pim.CodeForbidden)
	w.must(w.GrantReader(platform))
	if l, err := w.Active(ctx, simAlice, open.Assignment); err != nil || len(l) != 1 {
		w.t.Errorf("%+v, %v", l, err)
	}
	w.pass(2 * time.Hour)
	w.signIn(simAlice, "")
	eventually(w, func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, open.Assignment) }, func(l []pim.Instance) bool { return len(l) == 0 })
}

// Every form in which Azure may take a decision is found, and both decisions are
// taken in it.
func TestTenantTakesDecisionsInOneForm(t *testing.T) {
	for _, form := range []pimtest.Decision{pimtest.DecideWrapped, pimtest.DecideByPut, pimtest.DecideByPatch, pimtest.DecideByFlatPatch, pimtest.DecideByBatch} {
		t.Run(string(form), func(t *testing.T) {
			w := newTenant(t, pimtest.Kind())
			w.SetARMQuirks(pimtest.ARMQuirks{Decision: form})
			owner := w.eligible(roleApproved)
			for _, result := range []pim.Result{pim.Denied, pim.Approved} {
				made, err := w.Activate(t.Context(), simAlice, asks(owner, ""))
				w.must(err)
				approval, err := w.Approval(t.Context(), simBob, made.Approval)
				w.must(err)
				d := pim.Decision{Approval: made.Approval, Stage: approval.Stages[0].ID, Result: result, Justification: "x"}
				w.must(w.Review(t.Context(), simBob, d))
				w.wants("decided", w.Review(t.Context(), simCarol, d), pim.CodeDecided)
				w.pass(time.Minute)
			}
		})
	}
}

// All of Azure's statuses are known, whatever their letter case.
func TestTenantStatuses(t *testing.T) {
	w := newTenant(t, &pimtest.Unkind{Seed: 3, EnumCase: true})
	made, err := w.Activate(t.Context(), simAlice, asks(w.eligible(roleApproved), ""))
	w.must(err)
	for _, status := range append(pimtest.AzureStatuses(), "SomethingNew") {
		w.must(w.SetStatus(made.ID[strings.LastIndexByte(made.ID, '/')+1:], status))
		got, err := w.Request(t.Context(), simAlice, made.ID)
		if err != nil || (got.Status.Phase() == pim.PhaseUnknown) != (status == "SomethingNew") || !strings.EqualFold(string(got.Status), status) {
			t.Errorf("%s: %+v, %v", status, got.Status, err)
		}
	}
}

// A write whose answer is lost is ambiguous, and a read tells what became of it.
func TestTenantLosesAnswers(t *testing.T) {
	for name, fault := range map[string]pimtest.Fault{
		"dropped":   {Drop: true, AfterWrite: true},
		"a gateway": {Status: 504, Body: "<html>", AfterWrite: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTenant(t, pimtest.Kind())
			ctx := context.Background()
			open := w.eligible(roleOpen)
			w.FailNext(func(r *http.Request) bool { return r.Method == http.MethodPut }, fault)
			_, err := w.Activate(ctx, simAlice, asks(open, ""))
			if e := w.wants("lost", err, pim.CodeUnavailable); !e.Ambiguous {
				t.Errorf("%+v", e)
			}
			mine, err := w.Mine(ctx, simAlice)
			if err != nil || len(mine) != 1 || mine[0].Status != "Provisioned" {
				t.Errorf("%+v, %v", mine, err)
			}
		})
	}
}
