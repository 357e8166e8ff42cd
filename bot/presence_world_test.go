package bot_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/bot/bottest"
	"github.com/belaybot/belay/pim"
)

// everyTime is the rule that decisions on User Administrator need a fresh sign-in.
func everyTime(o *bot.Options) {
	o.Presence = func(e pim.EligibleAssignment) bool { return e.Role == users.Role }
}

// newPresenceWorld is a world with that rule, in which everybody is signed in and the
// sign-in pages lead back to the bot.
func newPresenceWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.stop()
	w.change, w.resumes = everyTime, true
	w.start()
	w.ms.AddRole("oid-dave", users, pim.Policy{MaxDuration: 4 * time.Hour, Justification: true, Approval: true,
		Approvers: []pim.Principal{people["bob"], people["carol"]}})
	return w
}

// pending is a request of Alice's for that role, which Bob and Carol may decide.
func (w *world) pending() string {
	w.t.Helper()
	id := w.asks("alice", users, bot.Ask{Duration: time.Hour, Justification: "canary"})
	w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
	return id
}

// denies presses Deny and sends the reason.
func (w *world) denies(who, id string) bot.Reply {
	w.t.Helper()
	if reply := w.says(who, bot.Press{Verb: bot.VerbDeny, ID: id}); reply.Form == nil {
		return reply
	}
	return w.says(who, bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}})
}

// intentOf is somebody's newest decision.
func intentOf(r bot.Request, who string) (bot.Intent, bool) {
	for _, i := range slices.Backward(r.Intents) {
		if i.By.ID == people[who].ID && (i.Kind == bot.ToApprove || i.Kind == bot.ToDeny) {
			return i, true
		}
	}
	return bot.Intent{}, false
}

// waits is somebody's decision once it waits for a sign-in.
func (w *world) waits(id, who string) (i bot.Intent) {
	w.t.Helper()
	w.until(id, func(r bot.Request) bool {
		var ok bool
		i, ok = intentOf(r, who)
		return ok && i.State == bot.IntentWaiting
	})
	return i
}

// signs walks a browser through a ticket; Microsoft says who it was and when that person
// signed in. It gives what a person is told, and whether their sign-in was kept.
func (w *world) signs(ticket string, who pim.Principal, authTime time.Time) (kept bool, err error) {
	w.t.Helper()
	ctx := w.t.Context()
	hop, err := w.links.Begin(ctx, ticket, "browser")
	if err != nil {
		return false, err
	}
	if hop, _, err = w.links.Take(ctx, bot.StepEntra, hop.State, "browser"); err != nil {
		return false, err
	}
	_, err = w.links.Complete(ctx, hop, pim.Identity{Tenant: tenant, Principal: who, SignedIn: authTime},
		func(context.Context) error { kept = true; w.ms.SetLive(who.ID, true); return nil })
	return kept, err
}

// reviews is how often Microsoft heard a decision of somebody's.
func reviews(ms *bottest.Microsoft, who string) (n int) {
	for _, write := range ms.Writes() {
		if write == people[who].ID+" review" {
			n++
		}
	}
	return n
}

// nothingOf fails when anything of somebody's decision reached Microsoft.
func (w *world) nothingOf(id, who string) {
	w.t.Helper()
	if n := reviews(w.ms, who); n != 0 {
		w.t.Errorf("%s decided %d times: %q", who, n, w.ms.Writes())
	}
	r, err := w.bot.Request(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range r.Intents {
		if i.By.ID == people[who].ID && !i.SentAt.IsZero() {
			w.t.Errorf("it may have been sent: %+v", i)
		}
	}
}

// button is the one-time link behind a card's sign-in button.
func button(c bot.Card) string {
	for _, a := range c.Actions {
		if _, ticket, ok := strings.Cut(a.URL, "/link/"); ok {
			return ticket
		}
	}
	return ""
}
