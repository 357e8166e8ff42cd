package bot_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
)

var operator = trail.Actor{Platform: "operator", User: "root@belay"}

// revokes ends a person's links as belay links revoke does.
func (w *world) revokes(who string) {
	w.t.Helper()
	command := trail.Event{Kind: trail.Operator, Actor: operator, Verb: "links revoke"}
	if _, err := w.bot.RevokeLinks(w.t.Context(), people[who], operator, &command); err != nil {
		w.t.Fatal(err)
	}
}

// held keeps Microsoft busy, so that what is intended stays owed.
func (w *world) busy(op string) {
	w.ms.Fail(op, &pim.Error{Op: op, Code: pim.CodeThrottled, After: time.Hour})
}

func (w *world) isLinked(who string) bool {
	w.t.Helper()
	ok := false
	err := store.Seal(w.disk, w.keys).View(w.t.Context(), func(tx store.Tx) error {
		_, err := w.links.Of(tx, w.in(who, nil).User)
		ok = err == nil
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

func done(kind bot.IntentKind, o bot.Outcome) func(bot.Request) bool {
	return func(r bot.Request) bool {
		return slices.ContainsFunc(r.Intents, func(i bot.Intent) bool { return i.Kind == kind && i.Outcome == o })
	}
}

// A decision that was pressed and is not sent yet is not sent any more, whoever ends the
// link, and everybody's cards say how it stands.
func TestUnlinkedWhileADecisionIsOwed(t *testing.T) {
	for name, end := range map[string]func(*world){
		"by the person":    func(w *world) { w.says("carol", bot.Command{Text: "unlink"}) },
		"by their button":  func(w *world) { w.says("carol", bot.Press{Verb: bot.VerbUnlink}) },
		"by an operator":   func(w *world) { w.revokes("carol") },
		"by being a guest": func(w *world) { w.says("carol", bot.Left{Why: bot.EndedAsGuest}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.link("alice")
			w.link("carol")
			id := w.ask("alice", "User Administrator", "1h", "canary")
			w.sees(w.slack, "D-carol", "Alice Adams asks for User Administrator", "[Approve]")
			w.busy("approval")
			w.says("carol", bot.Press{Verb: bot.VerbApprove, ID: id})
			w.until(id, func(r bot.Request) bool {
				return slices.ContainsFunc(r.Intents, func(i bot.Intent) bool { return i.Tries > 0 })
			})
			end(w)
			w.until(id, done(bot.ToApprove, bot.Unlinked))
			w.sees(w.slack, "D-carol", "Your answer was not sent")
			w.sees(w.slack, "D-carol", "Alice Adams asks for User Administrator", "[Approve]") // it still waits
			if w.isLinked("carol") {
				t.Error("Carol is linked")
			}
			w.advance(2 * time.Hour)
			w.link("carol") // and a new sign-in does not send it
			r := w.until(id, func(r bot.Request) bool { return r.State == bot.PendingApproval })
			if got := w.ms.Writes(); slices.Contains(got, "oid-carol review") || r.Decided != nil {
				t.Errorf("the decision was sent after all: %v", got)
			}
		})
	}
}

// A request that Microsoft has not heard of is not asked for; one that it may have heard of is
// looked for.
func TestRevokedWhileARequestIsOwed(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.busy("activate")
	id := w.ask("alice", "Reports Reader", "1h", "canary")
	w.until(id, func(r bot.Request) bool { return r.Intents[0].Tries > 0 })
	w.revokes("alice")
	if r := w.until(id, func(r bot.Request) bool { return r.State.Final() }); r.State != bot.Canceled {
		t.Errorf("it is %s", r.State)
	}
	w.sees(w.slack, "D-alice", "Canceled: Reports Reader", "nothing was asked of Microsoft")
	w.sees(w.slack, "D-alice", "You are not linked any more", "The people who run Belay ended it", "Alice Adams", "[Link again]")
	if got := w.ms.Writes(); len(got) > 0 {
		t.Errorf("Microsoft heard %v", got)
	}

	w.link("alice")
	w.ms.Lose("activate", 1)
	id = w.ask("alice", "Reports Reader", "1h", "canary")
	w.until(id, func(r bot.Request) bool { return !r.Intents[0].SentAt.IsZero() })
	w.revokes("alice")
	if r := w.until(id, func(r bot.Request) bool { return true }); r.Intents[0].Outcome == bot.Unlinked {
		t.Error("what Microsoft may hold was forgotten")
	}
}

// An operator's command is recorded with the account that gave it, with everything it did.
func TestRevocationIsRecorded(t *testing.T) {
	w, heard := newWorld(t), &heardTrail{}
	w.hears = heard
	w.restart()
	w.link("carol")
	w.revokes("carol")
	var said []string
	for _, e := range heard.all() {
		if e.Actor.Platform == "operator" {
			said = append(said, string(e.Kind)+" "+e.Verb+" "+e.Subject+" "+e.Actor.User)
		}
	}
	if got := strings.Join(said, "; "); got != "person.unlinked  oid-carol root@belay; operator.command links revoke oid-carol root@belay" {
		t.Errorf("the trail has %s", got)
	}
}

// heardTrail keeps the events of transactions that may have run more than once.
type heardTrail struct {
	mu     sync.Mutex
	events []trail.Event
}

// Append implements bot.Trail.
func (h *heardTrail) Append(_ store.Tx, e trail.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.At = time.Time{}
	if slices.ContainsFunc(h.events, func(o trail.Event) bool { return reflect.DeepEqual(o, e) }) {
		return nil
	}
	h.events = append(h.events, e)
	return nil
}

func (h *heardTrail) all() []trail.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// [Unlink] of another account ends a link of the presser's own Microsoft account only, whatever
// the press carries.
func TestUnlinkOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	ofAlice := w.keys.Pseudonym("chat user", "slack", "T1", "U-alice")
	for _, id := range []string{ofAlice, strings.ToUpper(ofAlice), "made up", strings.Repeat("x", 5000), "\x00", "../" + ofAlice} {
		reply := w.says("carol", bot.Press{Verb: bot.VerbUnlink, ID: id})
		if reply.Card == nil || !strings.Contains(reply.Card.Text, "is not linked with your Microsoft account any more") {
			t.Errorf("%.40q is answered %+v", id, reply.Card)
		}
	}
	if live, _ := w.ms.Live(t.Context(), "oid-alice"); !live || !w.isLinked("alice") || !w.isLinked("carol") {
		t.Error("somebody was unlinked")
	}
	if w.says("alice", bot.Press{Verb: bot.VerbUnlink, ID: ofAlice}); w.isLinked("alice") {
		t.Error("her own link cannot be ended")
	}
}
