package graph_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/pimtest"
)

func at(role string) pim.Assignment {
	return pim.Assignment{Kind: pim.EntraRole, Role: role, Scope: "/"}
}

func (w *tenant) wants(what string, err error, code pim.Code) *pim.Error {
	w.t.Helper()
	if pim.CodeOf(err) != code {
		w.t.Fatalf("%s: %v, want %s", what, err, code)
	}
	if err == nil {
		return nil
	}
	return refused(w.t, err)
}

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
// small, and shows changes late. Nothing here is tried again, so that throttling
// and lost answers have a test of their own.
func TestTenant(t *testing.T) {
	for name, unkind := range map[string]*pimtest.Unkind{
		"kind":  pimtest.Kind(),
		"noisy": {Seed: 7, LateInstance: 2, LateStatus: 2, EnumCase: true, PageSize: 2, ExtraScopes: true, NoGroupNames: true, AuditDelay: 2},
		"other": {Seed: 8, LateInstance: 1, LateStatus: 1, EnumCase: true, PageSize: 1, ExtraScopes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("catalog", func(t *testing.T) { catalog(newTenant(t, unkind)) })
			t.Run("approval", func(t *testing.T) { approvalStory(newTenant(t, unkind)) })
			t.Run("refusals", func(t *testing.T) { refusals(newTenant(t, unkind)) })
			t.Run("cancel", func(t *testing.T) { cancelStory(newTenant(t, unkind)) })
			t.Run("a group", func(t *testing.T) { groupStory(newTenant(t, unkind)) })
			t.Run("a group's owner", func(t *testing.T) { ownerStory(newTenant(t, unkind)) })
			t.Run("elsewhere", func(t *testing.T) { portalStory(newTenant(t, unkind)) })
		})
	}
}

func catalog(w *tenant) {
	ctx := w.t.Context()
	eligible, err := w.Client.Eligible(ctx, simAlice)
	w.must(err)
	var names []string
	for _, e := range eligible {
		names = append(names, e.RoleName+" in "+e.ScopeName)
	}
	want := []string{"Billing Administrator in Directory", "Conditional Access Administrator in Directory", "Exchange Administrator in Directory",
		"Reports Reader in Directory", "Reports Reader in Administrative unit " + unit, "Security Administrator in Directory"}
	if diff := cmp.Diff(want, names); diff != "" {
		w.t.Errorf("eligible (-want +got):\n%s", diff)
	}
	person := map[string]pim.Principal{
		simAlice: {ID: simAlice, Name: "Alice", UPN: "alice@contoso.com", Mail: "alice@contoso.com"},
		simBob:   {ID: simBob, Name: "Bob", UPN: "bob@contoso.com", Mail: "bob@contoso.com"},
		simCarol: {ID: simCarol, Name: "Carol", UPN: "carol@contoso.com"},
		simErin:  {ID: simErin, Name: "Erin", UPN: "erin@contoso.com"},
	}
	for role, want := range map[string]pim.Policy{
		roleOpen: {MaxDuration: 8 * time.Hour},
		roleApproved: {MaxDuration: 4 * time.Hour, Justification: true, Approval: true,
			Approvers: []pim.Principal{person[simAlice], person[simBob], person[simCarol]}, ApproverGroups: []pim.ApproverGroup{{ID: leadsGroup, Name: "Leads", Size: 2, Members: []string{simAlice, simCarol}}}},
		roleStrict:  {MaxDuration: 2 * time.Hour, Justification: true, Ticket: true, MFA: true},
		roleStepUp:  {MaxDuration: 8 * time.Hour, AuthContext: "c1"},
		roleDefault: {MaxDuration: 8 * time.Hour, Approval: true, DefaultApprovers: true, Approvers: []pim.Principal{person[simBob], person[simErin]}},
	} {
		got, err := w.Policy(ctx, alice, at(role))
		w.must(err)
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Errorf("policy of %s (-want +got):\n%s", role, diff)
		}
	}
	bob, err := w.Principal(ctx, simBob)
	if err != nil || bob != person[simBob] {
		w.t.Errorf("%+v, %v", bob, err)
	}
	_, err = w.Principal(ctx, tenantID)
	w.wants("a stranger", err, pim.CodeNotFound)
	standing, err := w.Active(ctx, simErin, pim.Assignment{})
	if err != nil || len(standing) != 1 || standing[0].Activated || standing[0].Assignment.Role != rolePRA {
		w.t.Errorf("%+v, %v", standing, err)
	}
}

func approvalStory(w *tenant) {
	ctx := w.t.Context()
	wish := pim.Activation{Assignment: at(roleApproved), Justification: "INC-42", Duration: 90 * time.Minute}
	made, err := w.Activate(ctx, simAlice, wish)
	w.must(err)
	if made.Status.Phase() != pim.PhasePending || made.Principal != simAlice || made.Approval == "" || made.Duration != wish.Duration || made.Assignment != wish.Assignment {
		w.t.Fatalf("made %+v", made)
	}
	_, err = w.Activate(ctx, simAlice, wish)
	w.wants("a second request", err, pim.CodePending)
	mine, err := w.Mine(ctx, simAlice)
	if err != nil || len(mine) != 1 || mine[0].ID != made.ID || mine[0].Justification != "INC-42" {
		w.t.Fatalf("%+v, %v", mine, err)
	}
	approval, err := w.Approval(ctx, simBob, made.Approval)
	w.must(err)
	if len(approval.Stages) != 1 || !approval.Stages[0].AssignedToMe || approval.Stages[0].Result != pim.NotReviewed || !strings.EqualFold(approval.Stages[0].Status, "InProgress") {
		w.t.Fatalf("approval %+v", approval)
	}
	decision := pim.Decision{Approval: made.Approval, Stage: approval.Stages[0].ID, Result: pim.Approved, Justification: "go ahead"}
	w.wants("the requester decides", w.Review(ctx, simAlice, decision), pim.CodeNotApprover)
	w.wants("a stranger decides", w.Review(ctx, simErin, decision), pim.CodeNotApprover)
	w.wants("nothing to decide", w.Review(ctx, simBob, pim.Decision{Approval: tenantID, Stage: tenantID, Result: pim.Denied, Justification: "x"}), pim.CodeNotFound)
	w.must(w.Review(ctx, simBob, decision))
	decision.Result = pim.Denied
	w.wants("too late", w.Review(ctx, simCarol, decision), pim.CodeDecided)

	after, err := w.Approval(ctx, simCarol, made.Approval)
	w.must(err)
	if s := after.Stages[0]; s.Result != pim.Approved || s.Reviewer.ID != simBob || s.Justification != "go ahead" || !s.Reviewed.Equal(noon) {
		w.t.Errorf("stage %+v", s)
	}
	eventually(w, func() (pim.Request, error) { return w.Request(ctx, simAlice, made.ID) }, func(r pim.Request) bool { return r.Status == "Provisioned" })
	held := eventually(w, func() ([]pim.Instance, error) { return w.Active(ctx, simAlice, pim.Assignment{}) }, func(l []pim.Instance) bool { return len(l) == 1 })[0]
	if !held.Activated || held.Assignment != at(roleApproved) || !held.End.Equal(noon.Add(90*time.Minute)) || held.Schedule == "" {
		w.t.Errorf("held %+v", held)
	}
	_, err = w.Activate(ctx, simAlice, wish)
	w.wants("while active", err, pim.CodeExists)
	w.wants("at once", w.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: at(roleApproved), Justification: ""}), pim.CodeTooShort)
	w.pass(6 * time.Minute)
	w.must(w.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: at(roleApproved), Justification: "done"}))
	w.wants("again", w.Deactivate(ctx, simAlice, pim.Deactivation{Assignment: at(roleApproved), Justification: ""}), pim.CodeNotActive)
	if left, err := w.Active(ctx, simAlice, pim.Assignment{}); err != nil || len(left) != 0 {
		w.t.Errorf("left %+v, %v", left, err)
	}
	for _, entry := range w.Audit() {
		if entry.ActorKind == pimtest.ByApplication {
			w.t.Errorf("Belay itself did %+v", entry)
		}
	}
}

func refusals(w *tenant) {
	ctx := w.t.Context()
	ask := func(role, why string, d time.Duration, ticket string) error {
		_, err := w.Activate(ctx, simAlice, pim.Activation{Assignment: at(role), Justification: why, Duration: d, Ticket: pim.Ticket{Number: ticket}})
		return err
	}
	rules := func(what string, err error, want ...pim.Rule) {
		w.t.Helper()
		if e := w.wants(what, err, pim.CodePolicy); !cmp.Equal(e.Rules, want) {
			w.t.Errorf("%s: rules %v, want %v", what, e.Rules, want)
		}
	}
	rules("not eligible", ask(roleGA, "x", time.Hour, ""), pim.RuleEligibility)
	rules("no reason", ask(roleApproved, "", time.Hour, ""), pim.RuleJustification)
	rules("too long", ask(roleApproved, "x", 5*time.Hour, ""), pim.RuleExpiration)
	w.wants("too short", ask(roleOpen, "", time.Minute, ""), pim.CodeTooShort)
	// A password alone: MFA and what else is missing, then MFA alone, then none.
	if e := w.wants("everything is missing", ask(roleStrict, "", 3*time.Hour, ""), pim.CodePolicy); len(e.Rules) != 4 {
		w.t.Errorf("rules %v", e.Rules)
	}
	e := w.wants("no MFA", ask(roleStrict, "x", time.Hour, "CHG1"), pim.CodeStepUp)
	w.signIn(simAlice, e.Claims)
	w.must(ask(roleStrict, "x", time.Hour, "CHG1"))

	e = w.wants("an authentication context", ask(roleStepUp, "", time.Hour, ""), pim.CodeStepUp)
	w.signIn(simAlice, e.Claims)
	w.must(ask(roleStepUp, "", time.Hour, ""))

	w.must(w.SetLicensed(false))
	w.wants("no licence", ask(roleOpen, "", time.Hour, ""), pim.CodeLicense)
	w.must(w.SetLicensed(true))
	_, err := w.Request(ctx, simAlice, tenantID)
	w.wants("no such request", err, pim.CodeNotFound)
	for _, code := range []string{"SubjectNotFound", "InvalidScope", "RoleNotFound", "ResourceIsLocked", "InvalidPolicy", "UnknownError"} {
		w.FailNext(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/cancel") }, pimtest.Refusal(code))
		err := w.Cancel(ctx, simBob, tenantID)
		if pim.CodeOf(err) == "" || refused(w.t, err).Service != code && code != "UnknownError" {
			w.t.Errorf("%s: %v", code, err)
		}
	}
}

func cancelStory(w *tenant) {
	ctx := w.t.Context()
	start := noon.Add(2 * time.Hour)
	made, err := w.Activate(ctx, simAlice, pim.Activation{Assignment: at(roleOpen), Start: start, Duration: time.Hour})
	w.must(err)
	if made.Status.Phase() != pim.PhaseGranted || !made.Start.Equal(start) {
		w.t.Fatalf("made %+v", made)
	}
	w.must(w.Cancel(ctx, simAlice, made.ID))
	got, err := w.Request(ctx, simAlice, made.ID)
	if err != nil || got.Status.Phase() != pim.PhaseCanceled {
		w.t.Errorf("%+v, %v", got, err)
	}
	w.wants("canceled twice", w.Cancel(ctx, simAlice, made.ID), pim.CodeCannotCancel)
	for range 3 { // more requests than a page holds
		w.pass(time.Minute)
		made, err = w.Activate(ctx, simAlice, pim.Activation{Assignment: at(roleApproved), Justification: "x", Duration: time.Hour})
		w.must(err)
		w.must(w.Cancel(ctx, simAlice, made.ID))
	}
	mine, err := w.Mine(ctx, simAlice)
	w.must(err)
	if len(mine) != 4 || mine[0].ID != made.ID || !mine[0].Created.After(mine[3].Created) {
		w.t.Errorf("mine %+v", mine)
	}
}

// A token that is too old is a matter of signing in again, for a person. Belay's
// own never is, unless its registration is at fault.
func TestTenantRefusesOldTokens(t *testing.T) {
	w := newTenant(t, pimtest.Kind())
	_, err := w.Mine(t.Context(), simAlice)
	_, ownErr := w.Active(t.Context(), simAlice, pim.Assignment{})
	w.must(err, ownErr)
	w.mu.Lock()
	w.clock = w.clock.Add(24 * time.Hour)
	w.mu.Unlock()
	_, err = w.Mine(t.Context(), simAlice)
	w.wants("an old token", err, pim.CodeSignIn)
	_, err = w.Active(t.Context(), simAlice, pim.Assignment{})
	w.wants("an old token of Belay", err, pim.CodeInvalidClientConfig)
}

// A write whose answer is lost is ambiguous, and a read tells what became of it.
func TestTenantLosesAnswers(t *testing.T) {
	post := func(r *http.Request) bool { return r.Method == http.MethodPost || r.Method == http.MethodPatch }
	for name, fault := range map[string]pimtest.Fault{
		"dropped":   {Drop: true, AfterWrite: true},
		"a gateway": {Status: 504, Body: "<html>", AfterWrite: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTenant(t, pimtest.Kind())
			ctx := t.Context()
			if _, err := w.Person(ctx, simAlice); err != nil { // the fault is for Graph, not for the sign-in
				t.Fatal(err)
			}
			w.FailNext(post, fault)
			_, err := w.Activate(ctx, simAlice, pim.Activation{Assignment: at(roleOpen), Duration: time.Hour})
			if e := w.wants("lost", err, pim.CodeUnavailable); !e.Ambiguous {
				t.Errorf("%+v", e)
			}
			mine, err := w.Mine(ctx, simAlice)
			if err != nil || len(mine) != 1 || mine[0].Status != "Provisioned" {
				t.Errorf("%+v, %v", mine, err)
			}
		})
	}
	w := newTenant(t, &pimtest.Unkind{Throttle: 1})
	_, err := w.Mine(t.Context(), simAlice)
	if e := w.wants("throttled", err, pim.CodeThrottled); e.After != time.Second || e.RequestID == "" {
		t.Errorf("%+v", e)
	}
}
