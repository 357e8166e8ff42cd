package bot

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/storetest"
)

// TestExtensionLaws holds, over random histories of both requests of an extension,
// that the second is never sent before the end of the first was observed, and that
// none is ended for one that does not come.
func TestExtensionLaws(t *testing.T) {
	keys, err := store.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	statuses := []pim.Status{"PendingApproval", "Provisioned", "Denied", "Canceled", "Failed", "Revoked"}
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		b := &Bot{o: Options{Now: func() time.Time { return now }, Trail: noTrail{}, Store: store.Seal(storetest.Memory(), keys)}, docs: documents{hide: keys.Pseudonym},
			project: Projection{SignIn: func(s string) string { return s }}}
		do := func(id string, events ...Event) {
			_, err := b.change(t.Context(), id, events...)
			var told *Error
			if err != nil && !errors.As(err, &told) {
				t.Fatalf("%s: %v", id, err)
			}
		}
		read := func(id string) Request {
			r, err := b.Request(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		end := noon.Add(time.Duration(rapid.IntRange(10, 300).Draw(t, "minutes")) * time.Minute)
		here := Observed{Read: true, Instance: &pim.Instance{Start: noon, End: end, Activated: true}}
		first, next := asked(true), asked(true)
		next.ID, next.Intent, next.Follows, next.FollowsUntil = "r2", "n1", "r1", end
		do("r1", first, Sending{"i1"}, Accept{"i1"}, here)
		do("r2", next)
		events := []Event{Followed{By: "r2", Who: "alice"}}
		if rapid.Bool().Draw(t, "now") {
			events = append(events, Intended{ID: "stop", Kind: ToDeactivate, By: alice, SignedIn: rapid.Bool().Draw(t, "signed in"), Ticket: "t", Then: "r2"})
		}
		do("r1", events...)
		for n := range rapid.IntRange(1, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "pause")) * time.Second)
			intent := rapid.SampledFrom([]string{"stop", "n1", fmt.Sprintf("x%d", n)}).Draw(t, "intent")
			id := rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "request")
			e := rapid.SampledFrom([]Event{
				Sending{intent}, Accept{intent}, Refuse{intent, Refusal{Code: pim.CodeForbidden}}, Refuse{intent, Refusal{Code: pim.CodeNotActive}},
				Lapse{intent}, Lost{intent}, NeedSignIn{Intent: intent, Ticket: "t"}, SignedIn{Principal: "alice"}, Kept{By: "alice"},
				Delay{Intent: intent, Until: now.Add(time.Minute), Unheard: true},
				Intended{ID: fmt.Sprintf("x%d", n), Kind: ToDeactivate, By: alice, SignedIn: true},
				Intended{ID: fmt.Sprintf("x%d", n), Kind: ToCancel, By: alice, SignedIn: true},
				Observed{Read: true}, Observed{Read: true}, here, held(rapid.SampledFrom(statuses).Draw(t, "status")),
			}).Draw(t, "event")
			if a, ok := e.(Accept); ok { // Microsoft answers only what it was sent
				if i, ok := read(id).Intent(a.Intent); !ok || i.SentAt.IsZero() {
					continue
				}
			}
			if o, ok := e.(Observed); ok && o.Request != nil {
				o.Request.ID += "-" + id
			}
			if o, ok := e.(Observed); ok && id == "r2" && read(id).waits() && (o.Request != nil || o.Instance != nil) {
				continue // it knows nothing of what it was not sent
			}
			do(id, e)
			old, next := read("r1"), read("r2")
			for _, i := range next.Intents {
				if i.Kind == ToActivate && !i.SentAt.IsZero() && (old.State != Ended || !old.handsOver()) {
					t.Fatalf("%T: the second is sent while the first is %s (%s)", e, old.State, old.End)
				}
			}
			if next.State.Final() && next.Freed.IsZero() {
				if stop, ok := old.stopping(); ok && stop.Then == "r2" && stop.SentAt.IsZero() {
					t.Fatalf("%T: the first is to be ended for one that does not come: %+v", e, stop)
				}
				if old.FollowedBy != "" && !old.State.Final() {
					t.Fatalf("%T: what does not come still follows", e)
				}
			}
			if stop, ok := old.Intent("stop"); ok && !stop.open() && stop.Outcome != Accepted && old.State == Active && next.waits() && !next.State.Final() {
				if stop.Refusal == nil || stop.Refusal.Code != pim.CodeNotActive {
					t.Fatalf("%T: the first goes on, and the second still waits: %+v", e, stop)
				}
			}
			if old.State.Final() && next.waits() && !next.State.Final() {
				t.Fatalf("%T: the first is %s (%s), and the second waits for ever", e, old.State, old.End)
			}
			if old.State == Active && old.FollowedBy == "" && !next.State.Final() && next.waits() {
				t.Fatalf("%T: nothing is followed, and the second waits for ever", e)
			}
		}
	})
}
