package bot_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/store/trail"
)

// heard is what a trail holds of some kinds.
func heard(t *testing.T, from *trail.Trail, kinds ...trail.Kind) (all []trail.Event) {
	t.Helper()
	err := from.Read(t.Context(), 0, func(r trail.Record) error {
		if slices.Contains(kinds, r.Kind) {
			all = append(all, r.Event)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRefusedSignInsAreOnRecord(t *testing.T) {
	slack := bot.Ticket{User: alice}
	stepUp := bot.Ticket{User: alice, Expect: aliceID, Request: "r1"}
	other := entraAlice
	other.Tenant = "22222222-0000-4000-8000-000000000002"
	for why, attack := range map[string]func(w *linkWorld) error{
		"other-slack-user": func(w *linkWorld) error { _, err := w.walk(w.offer(slack), mallory, entraMallory); return err },
		"other-address":    func(w *linkWorld) error { _, err := w.walk(w.offer(slack), alice, entraMallory); return err },
		"other-account":    func(w *linkWorld) error { _, err := w.walk(w.offer(stepUp), alice, entraMallory); return err },
		"other-tenant": func(w *linkWorld) error {
			_, err := w.walk(w.offer(bot.Ticket{User: teamsA}), teamsA, other)
			return err
		},
		"guest": func(w *linkWorld) error {
			w.profiles["UALICE"] = bot.Profile{Email: "alice@contoso.example"}
			_, err := w.walk(w.offer(slack), alice, entraAlice)
			return err
		},
		"mapped-elsewhere": func(w *linkWorld) error {
			w.mapped["UALICE"] = malloryID
			_, err := w.walk(w.offer(slack), alice, entraAlice)
			return err
		},
		"linked-already": func(w *linkWorld) error {
			w.mustWalk(slack, entraAlice)
			w.mapped["UALICE"] = malloryID
			_, err := w.walk(w.offer(slack), alice, entraMallory)
			return err
		},
		"unlinked-since": func(w *linkWorld) error { _, err := w.walk(w.offer(stepUp), alice, entraAlice); return err },
		"unknown-state": func(w *linkWorld) error {
			_, _, err := w.links.Take(w.t.Context(), bot.StepEntra, "forged", "a browser")
			return err
		},
		"other-browser": func(w *linkWorld) error {
			hop, err := w.links.Begin(w.t.Context(), w.offer(slack), "a browser")
			if err != nil {
				return err
			}
			_, _, err = w.links.Take(w.t.Context(), bot.StepSlack, hop.State, "another browser")
			return err
		},
		"entra-refused": func(w *linkWorld) error {
			hop, err := w.links.Begin(w.t.Context(), w.offer(stepUp), "a browser")
			if err != nil {
				return err
			}
			err = bot.SignInRefused(bot.StepEntra, "unauthorized_client", "AADSTS50105")
			w.links.TurnedAway(w.t.Context(), hop, err)
			w.links.TurnedAway(w.t.Context(), hop, bot.SignInRefused(bot.StepEntra, "access_denied", "")) // they changed their mind
			w.links.TurnedAway(w.t.Context(), hop, bot.SignInFailed(&pim.Error{Code: pim.CodeUnavailable}))
			return err
		},
	} {
		t.Run(why, func(t *testing.T) {
			w := newLinkWorld(t)
			err := attack(w)
			var told *bot.Error
			if !errors.As(err, &told) {
				t.Fatalf("it is answered %v", err)
			}
			all := heard(t, w.trail, trail.TurnedAway)
			if len(all) != 1 || all[0].Reason != why || all[0].Outcome != trail.No || !all[0].At.Equal(w.now) {
				t.Fatalf("the trail holds %+v", all)
			}
			e := all[0]
			if owner := e.More["user"]; why != "unknown-state" && owner != "UALICE" && owner != aliceID {
				t.Errorf("it does not say whose sign-in it was to be: %+v", e)
			}
			switch why {
			case "other-slack-user":
				if e.Actor.User != "UMALLORY" || e.Actor.Platform != "slack" {
					t.Errorf("who came is %+v", e.Actor)
				}
			case "other-account", "other-address":
				if e.Actor.Principal != malloryID || e.Actor.Platform != "web" || e.Texts["actor"] == "" {
					t.Errorf("who came is %+v", e)
				}
			}
			if why == "other-account" && (e.Subject != aliceID || e.Request != "r1") {
				t.Errorf("what it was for is not said: %+v", e)
			}
		})
	}
}

func TestRefusedExchangesAreOnRecord(t *testing.T) {
	w, x := newSilentWorld(t)
	id, _ := w.offered("bob")
	w.says("dave", bot.Exchange{ID: id, Token: "dave's"})
	x.no = &pim.Error{Code: pim.CodeInvalid}
	w.says("bob", bot.Exchange{ID: id, Token: "forged"})
	id, _ = w.offered("bob")
	x.no, x.who = nil, &pim.Identity{Tenant: tenant, Principal: people["dave"]}
	w.says("bob", bot.Exchange{ID: id, Token: "another's"})
	var got []string
	for _, e := range heard(t, w.trail, trail.TurnedAway) {
		got = append(got, e.Actor.Platform+" "+e.Actor.User+" "+e.Actor.Principal+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"teams oid-dave oid-dave not-theirs", "teams oid-bob oid-bob not-verified", "teams oid-bob oid-dave other-account"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedPressesAreOnRecord(t *testing.T) {
	w := newWorld(t)
	w.link("alice")
	w.link("carol")
	id := w.ask("alice", "user admin", "PT1H", "reset a password")
	w.sees(w.teams, "chat-bob", "[Approve]")
	w.says("dave", bot.Press{Verb: bot.VerbApprove, ID: id}) // a card that was forwarded to him
	w.says("dave", bot.Press{Verb: bot.VerbDeny, ID: id})
	w.says("dave", bot.Submit{Verb: bot.VerbReason, ID: id, Values: map[string]string{"reason": "no"}})
	w.says("dave", bot.Press{Verb: bot.VerbShow, ID: id})
	w.says("alice", bot.Press{Verb: bot.VerbApprove, ID: id})
	w.says("carol", bot.Press{Verb: bot.VerbCancel, ID: id})
	w.says("carol", bot.Press{Verb: bot.VerbAgain, ID: id})
	w.says("carol", bot.Press{Verb: bot.VerbStop, ID: id})
	guest := w.in("alice", bot.Press{Verb: bot.VerbApprove, ID: id})
	guest.User.ID = "U-erin"
	if _, later := w.bot.Handle(t.Context(), guest); later != nil {
		later(t.Context())
	}
	w.bot.Stranger(t.Context(), bot.User{Platform: bot.Slack, Tenant: "T9", ID: "U-zoe", Name: "Zoe"}, "another-organisation")
	var got []string
	for _, e := range heard(t, w.trail, trail.Press, trail.TurnedAway) {
		got = append(got, fmt.Sprintf("%s %s %s: %s", e.Kind, e.Actor.User, e.Verb, e.Reason))
		if e.Outcome != trail.No || e.Kind == trail.Press && (e.Request != id || e.Role == nil || e.Subject != "oid-alice") {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{
		"press.refused oid-dave approve: not-approver",
		"press.refused oid-dave deny: not-approver",
		"press.refused oid-dave deny: not-approver",
		"press.refused oid-dave show: not-theirs",
		"press.refused U-alice approve: own-request",
		"press.refused U-carol cancel: not-theirs",
		"press.refused U-carol again: not-theirs",
		"press.refused U-carol deactivate: not-theirs",
		"person.turned-away U-erin : guest",
		"person.turned-away U-zoe : another-organisation",
	}, got); diff != "" {
		t.Error(diff)
	}
	w.documented(t, map[trail.Kind]int{})
}

// Whoever is refused without end adds little to the trail, and nothing is left out of
// the count; and nobody's refusals hide another's.
func TestRefusalsAreBounded(t *testing.T) {
	w := newLinkWorld(t)
	const a, day = 17280, 24 * time.Hour // one every five seconds
	for range a {
		w.links.Refused(t.Context(), alice, trail.Event{At: w.now, Kind: trail.TurnedAway, Outcome: trail.No, Reason: "other-account", Texts: trail.Texts{"actor": "Mallory"}})
		w.now = w.now.Add(day / a)
	}
	all := heard(t, w.trail, trail.TurnedAway)
	sum, counts := 0, 0
	for _, e := range all {
		n, err := strconv.Atoi(e.More["count"])
		if err != nil {
			n = 1
		} else {
			counts++
			if e.Texts != nil || e.Reason != "other-account" {
				t.Errorf("a count is %+v", e)
			}
		}
		sum += n
	}
	if len(all) > 200 || counts < 24 {
		t.Errorf("a day of refusals makes %d events, %d of them counts", len(all), counts)
	}
	w.links.CountRefusals(t.Context(), true)
	all = heard(t, w.trail, trail.TurnedAway)
	n, err := strconv.Atoi(all[len(all)-1].More["count"])
	if err != nil || sum+n != a {
		t.Errorf("%d and at the end %d were counted, of %d: %v", sum, n, a, err)
	}
	// Another one is heard of at once.
	if _, err := w.walk(w.offer(bot.Ticket{User: teamsA}), teamsA, entraMallory); err == nil {
		t.Fatal("it was let in")
	}
	if all = heard(t, w.trail, trail.TurnedAway); all[len(all)-1].More["user"] != aliceID {
		t.Errorf("the last is %+v", all[len(all)-1])
	}
	// So many identities that they share: still bounded, and all are counted.
	before := len(all)
	for n := range 6000 {
		w.links.Refused(t.Context(), bot.User{Platform: bot.Slack, Tenant: "T1", ID: fmt.Sprint("U", n)}, trail.Event{At: w.now, Kind: trail.Press, Outcome: trail.No, Reason: "not-approver"})
	}
	w.links.CountRefusals(t.Context(), true)
	all = heard(t, w.trail, trail.Press)
	if all[len(all)-1].More["count"] == "" && all[0].More["count"] == "" {
		t.Error("nothing was counted")
	}
	sum = 0
	for _, e := range all {
		n, err := strconv.Atoi(e.More["count"])
		if err != nil {
			n = 1
		}
		sum += n
	}
	if len(all) > 4200 || sum != 6000 || before == 0 {
		t.Errorf("%d events tell of %d refusals", len(all), sum)
	}
}
