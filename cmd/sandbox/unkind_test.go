package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// until lets business time pass, over and over, until a message with the words
// stands in the Slack chat. What waits for a retry waits for business time.
func (h human) until(by string, words ...string) {
	h.w.t.Helper()
	ctx := h.w.ctx()
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		err := h.w.slackWaits(short, h.dm(), words...)
		cancel()
		if err == nil {
			return
		}
		h.w.pass(by)
	}
	h.reads(words...) // says what is there instead
}

const (
	busy = "Microsoft is busy and asked Belay to wait. It tries again by itself."
	down = "Microsoft is not answering just now. Belay tries again by itself; nothing is lost."
)

// troubles are what Microsoft may do instead of answering, or after the work was
// done, and what the person reads meanwhile.
var troubles = []struct {
	name  string
	fault pimtest.Fault
	words string
	both  bool // also for what is slow to try: decisions, and answers lost after the work was done
}{
	{"429", pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"20"}}}, busy, true},
	{"429 until a date", pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"Fri, 31 Dec 2100 23:59:59 GMT"}}}, busy, false},
	{"429 for thirty years", pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"1000000000"}}, Body: "<html>"}, busy, false},
	{"500", pimtest.Fault{Status: 500}, down, true},
	{"503", pimtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"0"}}, Body: `{"error":{"code":"serviceUnavailable","message":""}}`}, down, false},
	{"504 and a page", pimtest.Fault{Status: 504, Body: "<html>gateway</html>", Header: http.Header{"Content-Type": {"text/html"}}}, down, false},
	{"a page", pimtest.Fault{Status: 200, Body: "<html>hello</html>", Header: http.Header{"Content-Type": {"text/html"}}}, down, true},
	{"half of something", pimtest.Fault{Status: 201, Body: `{"id":"`}, down, false},
	{"another thing", pimtest.Fault{Status: 201, Body: `{"value":[{"x":1}]}`}, down, false},
	{"an error that is none", pimtest.Fault{Status: 400, Body: `[1,2,3]`}, down, true},
	{"a great deal", pimtest.Fault{Status: 200, Body: `{"id":"` + strings.Repeat("x", 3<<20) + `"}`}, down, false},
	{"a redirect", pimtest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/"}}}, down, false},
	{"a closed connection", pimtest.Fault{Drop: true}, down, true},
}

// undone says that the answer means that nothing was done.
func undone(f pimtest.Fault) bool { return f.Status >= 300 && f.Status < 500 }

// No activation is lost, and none is made twice, whatever Microsoft answers.
func TestActivateInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.linksSlack()
	round := 0
	ask := func(name string) string {
		round++
		why := fmt.Sprintf("round %d: %s", round, name)
		alice.asks("reports 8h " + why)
		return why
	}
	over := func(why string) {
		t.Helper()
		alice.until("61m", "Reports Reader is active", why)
		w.pass("8h1m")
		alice.reads("Reports Reader has ended", why)
		if got := w.audits(requested, alice.person); got != round {
			t.Fatalf("%s: the audit log has %d requests, want %d", why, got, round)
		}
	}
	for _, c := range troubles {
		again := 1
		if c.both {
			again = 2 // long enough to be read
		}
		w.fails(again, isActivate, c.fault)
		why := ask(c.name)
		if c.both {
			alice.reads("Asking Microsoft for Reports Reader", c.words, why)
		}
		over(why)
	}
	for _, c := range troubles {
		if !c.both || undone(c.fault) {
			continue
		}
		posts := w.counts(isActivate)
		c.fault.AfterWrite = true
		w.fails(1, isActivate, c.fault)
		over(ask(c.name + ", after the work was done"))
		if got := posts.Load(); got != 1 {
			t.Errorf("%s after the work was done: %d calls, want 1", c.name, got)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": round}})
}

// A decision is relayed once, whatever Microsoft answers.
func TestDecideInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	round := 0
	asked := func(name string) (why string) {
		t.Helper()
		round++
		why = fmt.Sprintf("round %d: %s", round, name)
		alice.asks("user admin 4h " + why)
		alice.reads(userAdmin+" waits for approval", why)
		return why
	}
	decides := func(why, by string) {
		t.Helper()
		bob.taps("Approve", "Alice Adams asks for "+userAdmin, why)
		alice.until(by, userAdmin+" is active", "Approved by Bob Brown.", why)
		bob.sees("You approved it.", why)
		w.pass("4h1m")
		alice.reads(userAdmin+" has ended", why)
		if got := w.audits(approved, bob.person); got != round {
			t.Fatalf("%s: the audit log has %d approvals, want %d", why, got, round)
		}
	}
	decided := func(name, by string) {
		t.Helper()
		decides(asked(name), by)
	}
	for _, c := range troubles {
		if !c.both {
			continue
		}
		w.fails(1, isDecision, c.fault)
		decided(c.name, "61m")
		if undone(c.fault) {
			continue
		}
		patches := w.counts(isDecision)
		c.fault.AfterWrite = true
		w.fails(1, isDecision, c.fault)
		decided(c.name+", after the work was done", "61m")
		if got := patches.Load(); got != 1 {
			t.Errorf("%s after the work was done: %d calls, want 1", c.name, got)
		}
	}
	for what, read := range map[string]func(*http.Request) bool{"the approval": isApprovalRead, "what is active": isActiveRead} {
		why := asked("reading " + what)
		var met []*atomic.Int32
		for _, c := range troubles[3:6] {
			met = append(met, w.befallen(1, read, c.fault))
		}
		decides(why, "2m")
		for n, met := range met {
			if met.Load() != 1 {
				t.Errorf("reading %s: fault %d befell nothing", what, n+1)
			}
		}
	}
	for _, c := range troubles[3:6] { // where the instances do not tell, the request does
		why := asked("reading the request: " + c.name)
		instances, request := w.befallen(1, isActiveRead, c.fault), w.befallen(1, isRequestRead, c.fault)
		decides(why, "2m")
		if instances.Load() != 1 || request.Load() != 1 {
			t.Errorf("%s: a fault befell nothing", why)
		}
	}
	for _, s := range bob.teamsTexts() {
		if strings.Contains(s, "Nothing was changed") || strings.Contains(s, "decided first") {
			t.Errorf("Bob, who decided, reads: %s", s)
		}
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": round}, approved: {"bob": round}})
}

// The answer to Bob's decision is lost, and the next reading is not up to date
// yet: Microsoft's refusal of the second is not somebody else's decision.
func TestDecidedAndReadLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	alice.asks("user admin 4h figures")
	alice.reads(userAdmin + " waits for approval")
	before := fmt.Sprintf(`{"value":[{"id":%q,"assignedToMe":true,"reviewResult":"NotReviewed","status":"InProgress"}]}`, w.tenant.State().Requests[0].ID)
	w.fails(2, isApprovalRead, pimtest.Fault{Status: 200, Body: before})
	w.fails(1, isDecision, pimtest.Fault{Drop: true, AfterWrite: true})
	patches := w.counts(isDecision)
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.sees("You approved " + userAdmin + " for Alice Adams")
	alice.reads(userAdmin+" is active", "Approved by Bob Brown.")
	if got := patches.Load(); got != 1 {
		t.Errorf("%d more calls, want 1", got)
	}
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

// What only reads fails with a sentence, and works the next time. A list that cannot
// be read hides no other.
func TestMenuInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.logs.allow("an act could not be done") // the operator hears of it
	alice := w.who("alice")
	alice.linksSlack()
	opens := func(text string) (said string) {
		t.Helper()
		alice.types(text)
		var view slacktest.View
		w.must(w.slack.Wait(w.ctx(), func(s slacktest.State) (ok bool) {
			view, ok = s.Top(alice.Slack)
			return ok && !strings.Contains(modal(view), "One moment")
		}))
		if _, err := w.slack.Close(w.ctx(), alice.Slack, view.ID); err != nil {
			t.Error(err)
		}
		return modal(view)
	}
	for n, c := range troubles {
		if c.name == "another thing" {
			continue // a list of things that are not known: there is no role among them
		}
		w.pass("6m") // the menu is kept for five minutes
		lists := []*atomic.Int32{w.befallen(1, isRoleMenu, c.fault), w.befallen(1, isGroupMenu, c.fault), w.befallen(1, isAzureMenu, c.fault)}
		if got := opens("reports 30m figures"); !holds(got, "Microsoft is not answering just now. Nothing was sent; please try again in a minute.") {
			t.Errorf("%s: Alice reads %s", c.name, got)
		}
		for list, met := range lists {
			if met.Load() != 1 {
				t.Errorf("%s: list %d was not asked for", c.name, list)
			}
		}
		if got := opens("reports 30m figures"); !holds(got, "Reports Reader needs no approval.", "For how long") || strings.Contains(got, "missing here") {
			t.Errorf("%s, and again: Alice reads %s", c.name, got)
		}

		one := []struct {
			list         func(*http.Request) bool
			kind         string
			there, asked string // another list's role
		}{
			{isRoleMenu, "Entra roles", "Member of First-Line Support needs no approval.", "first-line 30m figures"},
			{isGroupMenu, "Groups", "Reports Reader needs no approval.", "reports 30m figures"},
			{isAzureMenu, "Azure resource roles", "Reports Reader needs no approval.", "reports 30m figures"},
		}[n%3]
		missing := one.kind + " are missing here: Microsoft did not answer. Open the form anew in a minute to see them."
		w.pass("6m")
		w.fails(1, one.list, c.fault)
		if got := opens(one.asked); !holds(got, missing, one.there, "For how long") || strings.Count(got, "missing here") != 1 {
			t.Errorf("%s, in one list: Alice reads %s\nwant %q", c.name, got, missing)
		}
		w.pass("1m")
		if got := opens(one.asked); !holds(got, one.there, "For how long") || strings.Contains(got, "missing here") {
			t.Errorf("%s, in one list, and a minute later: Alice reads %s", c.name, got)
		}
	}
	// The rules of what was typed cannot be read; the next time they can.
	w.pass("6m")
	w.fails(1, isRead("/roleManagementPolicyAssignments"), pimtest.Fault{Status: 500})
	if got := opens("reports 30m figures"); !holds(got, "Microsoft is not answering just now. Nothing was sent; please try again in a minute.") {
		t.Errorf("without the rules Alice reads %s", got)
	}
	if got := opens("reports 30m figures"); !holds(got, "Reports Reader needs no approval.", "For how long") {
		t.Errorf("and again: Alice reads %s", got)
	}
	// No role's rules can be read: the list is there, and those of the chosen one are
	// read again.
	w.pass("6m")
	rules := w.befallen(6, isRead("/roleManagementPolicyAssignments"), pimtest.Fault{Status: 500})
	alice.types("")
	form := alice.sits("Role", reports)
	if got := rules.Load(); got != 6 || strings.Contains(modal(form), "up to") {
		t.Errorf("the rules of %d roles could not be read, want all 6: %s", got, modal(form))
	}
	alice.picks(form, "role", reports)
	form = alice.sits("Reports Reader needs no approval.", "Why")
	if out := alice.sends(form, map[string]string{"reason": "figures"}); len(out.Errors) > 0 || out.Notice != "" {
		t.Fatalf("the form was not taken: %+v", out)
	}
	alice.reads("Reports Reader is active")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
}

// A sign-in that cannot be finished is no sign-in, and the link still works.
func TestSignInInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice := w.who("alice")
	alice.types("link")
	url := alice.slackURL()
	for _, c := range []struct {
		name   string
		fault  pimtest.Fault
		status int
		words  string
	}{
		{"500", pimtest.Fault{Status: 500}, 503, "not answering just now"},
		{"503 and a page", pimtest.Fault{Status: 503, Body: "<html>"}, 503, "not answering just now"},
		{"429", pimtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"9"}}}, 503, "not answering just now"},
		{"a closed connection", pimtest.Fault{Drop: true}, 503, "not answering just now"},
		{"a page", pimtest.Fault{Status: 200, Body: "<html>"}, 503, "not answering just now"},
		{"a used code", pimtest.Fault{Status: 400, Body: `{"error":"invalid_grant","error_description":"AADSTS54005: x","error_codes":[54005]}`}, 400, "used already or took too long"},
	} {
		w.fails(1, isCode, c.fault)
		alice.stopped(url, c.status, c.words, "the link in the chat again")
	}
	alice.unlinked()
	alice.signsIn(url)
	alice.reads("You are linked", alice.upn())
}

// Microsoft wants a new sign-in in the middle: the request waits for it.
func TestSessionRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	bob.linksTeams()
	refused := pimtest.Fault{Status: 401, Header: http.Header{"Www-Authenticate": {`Bearer realm="", error="invalid_token"`}},
		Body: `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge"}}`}
	w.fails(1, isActivate, refused)
	alice.asks("user admin 30m figures")
	alice.reads("Sign in to ask for " + userAdmin)
	alice.signsIn(alice.slackURL())
	w.fails(1, isDecision, refused)
	bob.taps("Approve", "Alice Adams asks for "+userAdmin)
	bob.sees("Sign in to finish", "Microsoft wants a fresh sign-in before it takes your answer")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}})
	bob.signsIn(bob.teamsURL())
	alice.reads(userAdmin+" is active", "Approved by Bob Brown")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

// Microsoft takes calls and never answers: an activation and a decision, both of
// which it has done.
func TestMicrosoftHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob, carol := w.who("alice"), w.who("bob"), w.who("carol")
	alice.linksSlack()
	carol.linksSlack()
	bob.linksTeams()
	carol.asks("user admin 4h figures")
	carol.reads(userAdmin + " waits for approval")
	hang := pimtest.Fault{Hang: true, AfterWrite: true}
	w.fails(1, isActivate, hang)
	w.fails(1, isDecision, hang)
	bob.taps("Approve", "Carol Clark asks for "+userAdmin)
	alice.asks("reports 8h figures")
	alice.reads("Reports Reader is active")
	carol.reads(userAdmin+" is active", "Approved by Bob Brown.")
	bob.sees("You approved " + userAdmin + " for Carol Clark")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1, "carol": 1}, approved: {"bob": 1}})
}

func last[T any](most int, of []T) []T { return of[max(0, len(of)-most):] }

// The story ends well when everything around Belay is as unkind as it may be.
func TestUnkindStory(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			u := pimtest.DefaultUnkind()
			u.Seed, u.PageSize = seed, 25 // with three a page, some page of the audit log is throttled in each reading of it
			w := runWorld(t, t.TempDir(), manners{tenant: u, slack: slacktest.Unkind{ThrottleEvery: 5 + int(seed), RepeatEvery: 2}, teams: teamstest.DefaultUnkind()})
			w.logs.allow("users.info: ratelimited", "group members: throttled") // Carol is told to try again, and does
			var told bytes.Buffer
			if err := w.tell(t.Context(), &told); err != nil {
				t.Errorf("%v\n%s", err, told.String())
				c, _ := w.slack.State().Conversation(slackSecurity)
				for _, m := range last(6, c.Messages) {
					t.Errorf("the channel of security reads %q", slackText(m))
				}
				for _, key := range []string{"alice", "bob", "carol"} {
					who := w.who(key)
					t.Errorf("%s reads in Slack %q\nand in Teams %q", who.Name, last(6, who.slackTexts()), last(6, who.teamsTexts()))
				}
			}
		})
	}
}

// Approved in the portal after hours, for less time than it waited, and the
// active instance is seen late: it is active, and nothing has ended.
func TestApprovedLate(t *testing.T) {
	t.Parallel()
	w := runWorld(t, t.TempDir(), manners{tenant: &pimtest.Unkind{Seed: 1, LateInstance: 3, LateStatus: 2}})
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	alice.asks("user admin 30m figures")
	alice.reads(userAdmin + " waits for approval")
	w.pass("3h")
	w.must(w.tenant.PortalDecide(bob.OID, w.tenant.State().Requests[0].ID, true, "fine"))
	alice.until("2m", userAdmin+" is active", "Approved by") // its status and its instance come late
	w.pass("31m")
	alice.reads(userAdmin+" has ended", "Its time is over.")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}

// Belay was not there while the role was approved, used, and ended.
func TestMissedItAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := runWorld(t, dir, manners{})
	alice, bob := w.who("alice"), w.who("bob")
	alice.linksSlack()
	alice.asks("user admin 30m figures")
	bob.sees("Alice Adams asks for " + userAdmin)
	alice.reads(userAdmin + " waits for approval")
	w.end()
	w.must(w.tenant.PortalDecide(bob.OID, w.tenant.State().Requests[0].ID, true, "fine"))
	w.must(w.clock.advance(26 * time.Hour))
	w.must(w.tenant.Tick())

	w = runWorld(t, dir, manners{})
	alice, bob = w.who("alice"), w.who("bob")
	alice.until("45m", userAdmin+": outcome not known")
	bob.sees(userAdmin + ": outcome not known: Alice Adams")
	alice.types("status")
	alice.reads("You have no open request")
	w.auditHas(map[string]map[string]int{requested: {"alice": 1}, approved: {"bob": 1}})
}
