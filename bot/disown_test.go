package bot_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

const notMeButton = "[This was not me]"

// carolInTeams is Carol in the other chat, where the platform vouches for her.
func (w *world) carolInTeams(said bot.Said) bot.Inbound {
	return bot.Inbound{User: bot.User{Platform: bot.Teams, Tenant: tenant, ID: "oid-carol", Name: "Carol Clark"}, Principal: "oid-carol",
		At: bot.Conversation{Platform: bot.Teams, Tenant: tenant, ID: "chat-carol", Private: true}, Said: said}
}

// does lets somebody act from a place of the test's choice.
func (w *world) does(in bot.Inbound) string {
	w.t.Helper()
	reply, later := w.bot.Handle(w.t.Context(), in)
	if later != nil {
		reply = later(w.t.Context())
	}
	if reply.Card == nil {
		return ""
	}
	return words(*reply.Card)
}

// noted keeps the audit events of a world.
type noted struct {
	mu  sync.Mutex
	all []trail.Event
}

func (n *noted) Append(_ store.Tx, e trail.Event) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, e)
	return nil
}

// of lists the events of a kind, each once: a transaction's function may run again.
func (n *noted) of(kind trail.Kind) (all []trail.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.all {
		if e.Kind == kind && !slices.ContainsFunc(all, func(o trail.Event) bool { return cmp.Equal(o, e) }) {
			all = append(all, e)
		}
	}
	return all
}

// earwitness is a pillar that looks, at the moment of a decision, at what its approver
// has been told.
type earwitness struct {
	bot.Pillar
	look func()
}

func (x earwitness) Review(ctx context.Context, who string, d pim.Decision) error {
	x.look()
	return x.Pillar.Review(ctx, who, d)
}

// told says whether a conversation shows a card with the words.
func told(c *bottest.Chat, conversation string, texts ...string) bool {
	return slices.ContainsFunc(c.In(conversation), func(m bottest.Message) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(words(m.Card), s) })
	})
}

func TestDecisionIsToldBeforeMicrosoftHears(t *testing.T) {
	w := newWorld(t)
	w.stop()
	seen := make(chan [2]bool, 1)
	w.pillar = earwitness{w.ms, func() {
		const on = "Your approval of User Administrator for Alice Adams is on its way"
		select {
		case seen <- [2]bool{told(w.slack, "D-carol", on, notMeButton), told(w.teams, "chat-carol", on, notMeButton)}:
		default:
		}
	}}
	w.start()
	w.link("alice")
	w.link("carol")
	w.does(w.carolInTeams(bot.Installed{}))
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-carol", "[Approve]")
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	select {
	case got := <-seen:
		if got != [2]bool{true, true} {
			t.Errorf("as Microsoft hears, Carol was told in Slack: %v, in Teams: %v", got[0], got[1])
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Microsoft never hears of the decision")
	}
	w.sees(w.slack, "D-carol", "You approved User Administrator for Alice Adams", "Pressed in: Slack", notMeButton)
	w.sees(w.teams, "chat-carol", "You approved User Administrator for Alice Adams", "Pressed in: Slack", notMeButton)
	if told(w.teams, "chat-bob", notMeButton) || told(w.slack, "D-alice", notMeButton) {
		t.Error("somebody else is told")
	}
	// Nothing is told twice: one message in each chat, kept true.
	for chat, at := range map[*bottest.Chat]string{w.slack: "D-carol", w.teams: "chat-carol"} {
		n := 0
		for _, m := range chat.In(at) {
			if strings.Contains(words(m.Card), notMeButton) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s has %d messages about one decision", at, n)
		}
	}
}

// A chat that does not answer keeps no decision from Microsoft, and hears later, also
// after a restart.
func TestChatIsDownWhileADecisionIsTold(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	down := make([]error, 40)
	for n := range down {
		down[n] = &bot.ChatError{Platform: bot.Teams, Code: bot.ChatUnavailable}
	}
	w.teams.Fail(down...)
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active", "Approved by Bob Brown")
	w.restart()
	w.seesLater(time.Minute, w.teams, "chat-bob", "You approved User Administrator for Alice Adams", notMeButton)
}

// slowApprovals keeps the next decision from Microsoft for an hour.
func (w *world) slowApprovals() {
	w.ms.Fail("approval", &pim.Error{Op: "approval", Code: pim.CodeThrottled, After: time.Hour})
}

func TestNotMeBeforeMicrosoftHears(t *testing.T) {
	w := newWorld(t)
	w.stop()
	log := &noted{}
	w.change = func(o *bot.Options) { o.Trail = log }
	w.start()
	w.link("alice")
	w.link("carol")
	w.does(w.carolInTeams(bot.Installed{}))
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-carol", "[Approve]")
	w.slowApprovals()
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id}) // by somebody else, with Carol's Slack
	w.sees(w.teams, "chat-carol", "is on its way", notMeButton)
	w.sees(w.slack, "D-carol", "is on its way", notMeButton)
	w.until(id, func(r bot.Request) bool { return len(r.Intents) == 2 && r.Intents[1].Tries == 1 })

	got := w.does(w.carolInTeams(bot.Press{Verb: bot.VerbNotMe, ID: id}))
	for _, want := range []string{"Not you: the approval of User Administrator for Alice Adams", "Your sign-in was ended", "had not reached Microsoft and was taken back", "still waits for a decision", "/elevate link"} {
		if !strings.Contains(got, want) {
			t.Errorf("Carol is not told %q:\n%s", want, got)
		}
	}
	w.sees(w.teams, "chat-carol", "Not you: the approval", "taken back")
	w.sees(w.slack, "D-carol", "Not you: the approval", "taken back")
	alarm := []string{"Carol Clark says: this was not me", "taken back", "one chat account was unlinked", "In whose name: Carol Clark", "Requester: Alice Adams", "Role: User Administrator", "Pressed in: Slack", "Reported in: Microsoft Teams"}
	w.sees(w.slack, "C-ops", alarm...)
	w.sees(w.teams, "19:ops", alarm...)
	if live, err := w.ms.Live(t.Context(), "oid-carol"); live || err != nil {
		t.Errorf("Carol's sign-in: %v, %v", live, err)
	}
	if _, linked := w.linkedAs(w.in("carol", nil).User); linked {
		t.Error("Carol's Slack account is linked still")
	}
	w.advance(2 * time.Hour)
	r := w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval && !r.Wake.IsZero() })
	if i := r.Intents[len(r.Intents)-1]; i.Outcome != bot.TakenBack || !i.SentAt.IsZero() {
		t.Errorf("the decision is %+v", i)
	}
	// Whoever has her Slack cannot go on, and hears the same when they press again.
	if got := w.does(w.in("carol", bot.Press{Verb: bot.VerbApprove, ID: id})); !strings.Contains(got, "[Sign in]") {
		t.Errorf("another press in her name: %s", got)
	}
	for range 2 {
		if got := w.does(w.in("carol", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "Not you: the approval") {
			t.Errorf("the same press from the other chat: %s", got)
		}
	}
	if told(w.slack, "D-carol", notMeButton) || told(w.teams, "chat-carol", notMeButton) {
		t.Error("a used button is left")
	}
	r, err := w.bot.Request(t.Context(), id)
	if err != nil || len(r.Reports) != 1 {
		t.Errorf("%d reports, %v", len(r.Reports), err)
	}
	if diff := cmp.Diff([]string{"oid-alice activate"}, w.ms.Writes()); diff != "" {
		t.Error(diff)
	}
	if all := log.of(trail.NotMe); len(all) != 1 || all[0].Actor.Principal != "oid-carol" || all[0].Actor.Platform != "teams" || all[0].Request != id || all[0].Subject != "oid-alice" {
		t.Errorf("the trail has %+v", all)
	}
	if all := log.of(trail.Withdrawn); len(all) != 1 || all[0].Reason != "not-me" {
		t.Errorf("the trail has %+v", all)
	}
	// Bob decides in his own name.
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active", "Approved by Bob Brown")
}

// What Microsoft has recorded is not undone, and the card says who can end it.
func TestNotMeAfterMicrosoftRecorded(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-alice", "is active")
	w.sees(w.teams, "chat-bob", "You approved User Administrator for Alice Adams")
	got := w.says("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})
	for _, want := range []string{"Belay cannot undo it in your name", "Alice Adams can deactivate it", "remove the active assignment", "Active until", "[Open in Entra]"} {
		if !strings.Contains(words(*got.Card), want) {
			t.Errorf("Bob is not told %q:\n%s", want, words(*got.Card))
		}
	}
	w.sees(w.slack, "C-ops", "Bob Brown says: this was not me", "cannot undo it in their name", "Active until")
	w.advance(61 * time.Minute)
	w.sees(w.teams, "chat-bob", "Not you: the approval", "What it allowed is over.")
}

// A day after the end the button still works, and says that all is over. The grant is
// long gone.
func TestNotMeOnADayAfter(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-carol", "[Deny]")
	w.says("carol", bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}})
	w.sees(w.slack, "D-carol", "You denied User Administrator for Alice Adams", notMeButton)
	w.ms.SetLive("oid-carol", false)
	w.advance(30 * time.Hour)
	w.restart()
	if got := w.does(w.in("carol", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "a denial cannot be undone") || !strings.Contains(got, "can ask again") {
		t.Errorf("Carol is told %s", got)
	}
	w.sees(w.slack, "D-carol", "Not you: the denial")
	w.sees(w.teams, "19:ops", "Carol Clark says: this was not me")
}

// Somebody else's press, signed as it may be, ends nobody's sign-in.
func TestNotMeByOthers(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.slack, "D-carol", "[Approve]")
	w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.sees(w.slack, "D-carol", "You approved")
	for _, who := range []string{"alice", "bob", "dave"} {
		if got := w.does(w.in(who, bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "no decision of yours") {
			t.Errorf("%s is told %s", who, got)
		}
	}
	stranger := w.in("carol", bot.Press{Verb: bot.VerbNotMe, ID: id})
	stranger.User.ID = "U-stranger" // a card that was forwarded to somebody who is not linked
	if got := w.does(stranger); !strings.Contains(got, "no decision of yours") {
		t.Errorf("a stranger is told %s", got)
	}
	other := w.in("carol", bot.Press{Verb: bot.VerbNotMe, ID: id})
	other.User.Tenant = "T2" // the same user id in another workspace
	if got := w.does(other); !strings.Contains(got, "no decision of yours") {
		t.Errorf("another workspace's user is told %s", got)
	}
	for _, who := range []string{"oid-alice", "oid-bob", "oid-carol", "oid-dave"} {
		if live, err := w.ms.Live(t.Context(), who); !live || err != nil {
			t.Errorf("%s lost their sign-in: %v", who, err)
		}
	}
	if r, err := w.bot.Request(t.Context(), id); err != nil || len(r.Reports) != 0 {
		t.Errorf("%+v, %v", r.Reports, err)
	}
}

// What is owed in the person's name on other requests is taken back with it.
func TestNotMeTakesBackEverywhere(t *testing.T) {
	w := newWorld(t)
	readers := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-groups", Scope: "/"}, RoleName: "Groups Administrator", ScopeName: "Directory"}
	w.ms.AddRole("oid-alice", readers, pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true, Approvers: []pim.Principal{people["bob"]}})
	w.ms.AddRole("oid-bob", reports, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true})
	messages := pim.EligibleAssignment{Assignment: pim.Assignment{Kind: pim.EntraRole, Role: "role-messages", Scope: "/"}, RoleName: "Message Center Reader", ScopeName: "Directory"}
	w.ms.AddRole("oid-bob", messages, pim.Policy{MaxDuration: 8 * time.Hour, Justification: true})
	w.link("alice")
	one := w.ask("alice", "user admin", "PT1H", "reset a password")
	two := w.ask("alice", "groups administrator", "PT1H", "merge two teams")
	w.sees(w.teams, "chat-bob", "User Administrator", "[Approve]")
	w.sees(w.teams, "chat-bob", "Groups Administrator", "[Approve]")
	own := w.ask("bob", "reports", "PT1H", "figures")
	w.sees(w.teams, "chat-bob", "Reports Reader is active")
	w.ms.SetLive("oid-bob", false)
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: one})
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: two})
	w.sees(w.teams, "chat-bob", "Your approval of Groups Administrator for Alice Adams waits for your sign-in", notMeButton)
	unsent := w.asks("bob", messages, bot.Ask{Duration: time.Hour, Justification: "in his name"})
	w.sees(w.teams, "chat-bob", "Sign in to ask for Message Center Reader")
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: one})); !strings.Contains(got, "taken back") {
		t.Errorf("Bob is told %s", got)
	}
	w.sees(w.slack, "C-ops", "Bob Brown says: this was not me", "Also taken back: the approval of Groups Administrator for Alice Adams and their own request for Message Center Reader")
	w.sees(w.teams, "chat-bob", "Not you: the approval of Groups Administrator")
	// A fresh sign-in, Bob's own, sends none of it.
	w.ms.SetLive("oid-bob", true)
	if err := w.bot.SignedIn(t.Context(), "oid-bob", bot.Ticket{User: w.in("bob", nil).User}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{one, two} {
		r := w.until(id, func(r bot.Request) bool { return len(r.Intents) == 2 && r.Intents[1].State == bot.IntentDone })
		if r.State != bot.PendingApproval || r.Intents[1].Outcome != bot.TakenBack {
			t.Errorf("%s: %s, %+v", id, r.State, r.Intents[1])
		}
	}
	if r, err := w.bot.Request(t.Context(), unsent); err != nil || r.State != bot.Canceled {
		t.Errorf("the request in Bob's name is %s: %v", r.State, err)
	}
	if r, err := w.bot.Request(t.Context(), own); err != nil || r.State != bot.Active {
		t.Errorf("Bob's own role, which is active, is %s: %v", r.State, err)
	}
	if n := len(slices.DeleteFunc(w.ms.Writes(), func(s string) bool { return s != "oid-bob review" })); n != 0 {
		t.Errorf("%d decisions were sent", n)
	}
}

// A decision whose answer was lost is never sent again.
func TestNotMeWhileTheAnswerIsLost(t *testing.T) {
	for name, took := range map[string]bool{"Microsoft took it": true, "Microsoft did not": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.link("alice")
			id := w.ask("alice", "user admin", "PT1H", "reset a password")
			w.sees(w.teams, "chat-bob", "[Approve]")
			if took {
				w.ms.Lose("review", 1)
			} else {
				w.ms.Fail("review", &pim.Error{Op: "review", Code: pim.CodeUnavailable, Ambiguous: true, After: time.Hour})
			}
			w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
			w.until(id, func(r bot.Request) bool {
				return len(r.Intents) == 2 && r.Intents[1].State == bot.IntentSent && r.Intents[1].Tries == 1 || r.State == bot.Active
			})
			w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id}))
			w.ms.SetLive("oid-bob", true) // he signs in anew
			if took {
				w.seesLater(10*time.Second, w.slack, "D-alice", "is active")
				w.sees(w.teams, "chat-bob", "Not you: the approval", "Belay cannot undo it in your name")
			} else {
				w.advance(61 * time.Minute)
				w.sees(w.teams, "chat-bob", "Not you: the approval", "had not reached Microsoft and was taken back")
			}
			want := []string{"oid-alice activate"}
			if took {
				want = append(want, "oid-bob review")
			}
			if diff := cmp.Diff(want, w.ms.Writes()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Microsoft names Bob for a decision that Belay did not send.
func TestDecisionInEntraIsTold(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	if err := w.ms.Decide("oid-bob", pim.Approved); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	w.sees(w.teams, "chat-bob", "You approved User Administrator for Alice Adams, in Entra", "not made through Belay", notMeButton)
	for range 2 {
		if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "not through Belay") || !strings.Contains(got, "can deactivate it") {
			t.Errorf("Bob is told %s", got)
		}
	}
	w.sees(w.teams, "chat-bob", "Not you: the decision on User Administrator for Alice Adams")
	w.sees(w.slack, "C-ops", "Bob Brown says: this was not me", "made in Entra")
	if r, err := w.bot.Request(t.Context(), id); err != nil || len(r.Reports) != 1 {
		t.Errorf("%+v, %v", r.Reports, err)
	}
}

// The presses of whoever acts in Bob's name do not use up his alarm.
func TestNotMeIsNotLimitedByForgedPresses(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.change = func(o *bot.Options) { o.Limits = bot.Limits{PerMinute: 5, Burst: 5, TenantPerMinute: 6000} }
	w.start()
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	for range 10 {
		w.says("bob", bot.Press{Verb: bot.VerbShow, ID: id})
	}
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbShow, ID: id})); !strings.Contains(got, "Nothing was done") {
		t.Fatalf("the limit is not met: %s", got)
	}
	if got := w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id})); !strings.Contains(got, "Not you") {
		t.Errorf("Bob is told %s", got)
	}
}

// After a report a chat client does not vouch for its person any more; a browser does.
func TestNotMeWantsABrowser(t *testing.T) {
	w, x := newSilentWorld(t)
	w.ms.SetLive("oid-alice", true)
	w.ms.SetLive("oid-bob", true)
	w.link("alice")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.slowApprovals()
	w.says("bob", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.does(w.in("bob", bot.Press{Verb: bot.VerbNotMe, ID: id}))
	ticket, _ := w.offered("bob")
	reply, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: ticket, Token: "canary-token"}))
	if later != nil {
		reply = later(t.Context())
	}
	if reply.Card == nil || !strings.Contains(words(*reply.Card), "sign in with your browser") {
		t.Errorf("Teams signs Bob in by itself: %+v", reply.Card)
	}
	if live, err := w.ms.Live(t.Context(), "oid-bob"); live || err != nil || x.asked() != 1 {
		t.Errorf("Bob's sign-in: %v, %v; asked %d times", live, err, x.asked())
	}
	w.signsInWithABrowser(t, "bob", ticket)
	if live, err := w.ms.Live(t.Context(), "oid-bob"); !live || err != nil {
		t.Errorf("Bob's sign-in with a browser: %v, %v", live, err)
	}
	w.ms.SetLive("oid-bob", false)
	ticket, _ = w.offered("bob")
	if _, later := w.bot.Handle(t.Context(), w.in("bob", bot.Exchange{ID: ticket, Token: "canary-token"})); later == nil || later(t.Context()).Card.Tone != bot.Good {
		t.Error("from then on Teams does not vouch for him again")
	}
}

// signsInWithABrowser walks a ticket of Teams through Microsoft's page.
func (w *world) signsInWithABrowser(t *testing.T, who, ticket string) {
	t.Helper()
	hop, err := w.links.Begin(t.Context(), ticket, "browser")
	if err != nil {
		t.Fatal(err)
	}
	if hop, _, err = w.links.Take(t.Context(), bot.StepEntra, hop.State, "browser"); err != nil {
		t.Fatal(err)
	}
	p := people[who]
	if _, err = w.links.Complete(t.Context(), hop, pim.Identity{Tenant: tenant, Principal: p}, func(context.Context) error { w.ms.SetLive(p.ID, true); return nil }); err != nil {
		t.Fatal(err)
	}
}
