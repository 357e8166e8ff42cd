//go:build killpoints && unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/bot"
	"github.com/belaybot/belay/cmd/internal/app"
)

// aftermath is what there is of the story when it is over.
type aftermath struct {
	points int                        // that the last life has seen
	deeds  map[string]int             // the tenant's audit log
	cards  map[string]map[string]bool // on record, by whose they are → their texts
	shown  map[string]bool            // every text that the chats show
	copies int                        // messages that are not on record
}

var (
	clockTime = regexp.MustCompile(`([A-Z][a-z]{2}, )?[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4} [0-9]{1,2}:[0-9]{2} [AP]M`)
	someID    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// operated is what an operation gives, of whichever life answers it.
func operated[T any](m *mortals, path string) (all []T) {
	m.t.Helper()
	for end := time.Now().Add(patience); ; {
		m.alive()
		all = nil
		err := app.Operate(context.Background(), m.cfg, m.log, path, struct{}{}, func(line json.RawMessage) error {
			var v T
			err := json.Unmarshal(line, &v)
			all = append(all, v)
			return err
		})
		if err == nil {
			return all
		}
		if time.Now().After(end) {
			m.t.Fatal(err)
		}
	}
}

// rests waits until nothing is owed.
func (m *mortals) rests() []bot.Request {
	m.t.Helper()
	for end := time.After(4 * patience); ; {
		all := operated[bot.Request](m, "/killpoints/requests")
		owed := slices.IndexFunc(all, func(r bot.Request) bool {
			return !r.Wake.IsZero() && (r.Lease.Owner != "" || r.Wake.Before(m.clock.Now().Add(5*time.Second)))
		})
		if owed < 0 {
			return all
		}
		select {
		case <-end:
			m.t.Fatalf("request %s does not come to rest: %s, wakes %s", all[owed].ID, all[owed].State, all[owed].Wake)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ends waits until nothing is owed, holds that the store and its trail are whole, and looks
// at everything.
func (m *mortals) ends() aftermath {
	m.t.Helper()
	requests := m.rests()
	if len(requests) == 0 {
		m.t.Error("there is no request")
	}
	a := aftermath{deeds: map[string]int{}, cards: map[string]map[string]bool{}, shown: map[string]bool{}, points: operated[int](m, "/killpoints/seen")[0]}
	for _, e := range m.tenant.Audit() {
		a.deeds[strings.Join([]string{e.ActorKind, e.Actor, e.Activity, e.Target, e.Kind, e.Role, e.Scope, e.Reason}, " ")]++
	}
	texts := m.texts()
	for _, text := range texts {
		a.shown[text] = true
	}
	a.copies = len(texts)
	for _, r := range requests {
		for slot, shown := range r.Shown {
			if shown.Message.ID == "" {
				continue
			}
			a.copies--
			text, there := texts[shown.Message.ID]
			if !there {
				text = "nothing"
			}
			whose := fmt.Sprintf("%s for %q, %s", r.Requester.Name, r.Ask.Justification, someID.ReplaceAllString(string(slot), "ID"))
			if a.cards[whose] == nil {
				a.cards[whose] = map[string]bool{}
			}
			a.cards[whose][text] = true
		}
	}
	whole := operated[app.StoreReport](m, "/store/verify")[0]
	if len(whole.Faults) > 0 || whole.Trail.Bad != nil || whole.Trail.Size == 0 {
		m.t.Errorf("the store or its trail is not whole: %+v", whole)
	}
	return a
}

// texts are all messages of Belay, without times of day.
func (m *mortals) texts() map[string]string {
	all := map[string]string{}
	keep := func(id, text string) {
		all[id] = strings.Join(strings.Fields(clockTime.ReplaceAllString(text, "TIME")), " ")
	}
	for _, c := range m.slack.State().Channels {
		for _, msg := range c.Messages {
			if msg.EphemeralTo == "" && msg.BotID != "" {
				keep(msg.TS, slackText(msg))
			}
		}
	}
	for _, c := range m.teams.State().Conversations {
		for _, act := range c.Activities {
			if !act.Deleted && act.From == "" {
				keep(act.ID, teamstest.CardText(act.Card))
			}
		}
	}
	return all
}

// differs compares the end of a story with the end of one in which nobody was killed.
func (a aftermath) differs(t *testing.T, want aftermath) {
	t.Helper()
	if diff := cmp.Diff(want.deeds, a.deeds); diff != "" {
		t.Errorf("the tenant's audit log is another (-want +got):\n%s", diff)
	}
	for whose, texts := range want.cards {
		// Who was shown the outcome is not told of it again, and a warning comes if there is
		// time for it (as in bot's TestKilledAtEveryPoint).
		if _, slot, _ := strings.Cut(whose, `", `); strings.HasPrefix(slot, "told/") || slot == "ending" {
			continue
		}
		for text := range texts {
			// What was posted right before a death is not posted again where it is over.
			if !a.cards[whose][text] && !a.shown[text] {
				t.Errorf("%s: not shown: %s", whose, text)
			}
		}
	}
	for whose, texts := range a.cards {
		for text := range texts {
			if !want.shown[text] {
				t.Errorf("%s: shown, and not true: %s", whose, text)
			}
		}
	}
}

// The whole product is killed before and after updates of its store and calls to the outside,
// while several people live the story. Who was answered does nothing again: each deed is once
// at Microsoft, every card on record is true, and the trail is whole. (faults 1 to 5)
func TestTheStoryIsKilledInTheMiddle(t *testing.T) {
	unharmed, want := lived(t, forever, forever)
	unharmed.end()
	if !killing(t, os.Args[0]) {
		t.Error("what TestAProductCannotKillItself looks for is not here either")
	}
	deaths, began := 0, time.Now()
	where := map[string]int{}
	var ready []time.Duration
	for run := range *killRuns {
		m, got := lived(t, 1 + run**killStride / *killRuns, *killStride)
		m.end()
		got.differs(t, want)
		if t.Failed() {
			t.Fatalf("killed %q", m.deaths)
		}
		t.Logf("run %d of %d: %d deaths, %d messages that are not on record, %d without a death", run+1, *killRuns, len(m.deaths), got.copies, want.copies)
		deaths += len(m.deaths)
		ready = append(ready, m.ready...)
		for _, death := range m.deaths {
			where[death]++
		}
	}
	slices.Sort(ready)
	t.Logf("%d points without a death; %d deaths in %s; ready after a start: median %s, longest %s",
		want.points, deaths, time.Since(began).Round(time.Second), ready[len(ready)/2].Round(time.Millisecond), ready[len(ready)-1].Round(time.Millisecond))
	for _, death := range slices.Sorted(maps.Keys(where)) {
		t.Logf("%4d %s", where[death], death)
	}
	if deaths == 0 {
		t.Error("nothing was killed")
	}
}
