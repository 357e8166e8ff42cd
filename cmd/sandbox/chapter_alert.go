package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
)

// alertChapter is what is unusual: a role that an administrator assigns outside of PIM,
// and one that is activated at night.
func (s *sandbox) alertChapter(alice, bob person, dm string) []step {
	const reports, night = "Reports Reader", "look at figures at night"
	outside := "Exchange Administrator was assigned to Alice Adams outside of PIM"
	late := "Alice Adams activated " + reports + " outside business hours"
	everywhere := func(ctx context.Context, words ...string) error {
		if err := s.slackWaits(ctx, slackSecurity, words...); err != nil {
			return err
		}
		return s.teamsWaits(ctx, bob.Key, teamsSecurity, words...)
	}
	return []step{
		{"an administrator assigns a role outside of PIM, and it is an alert", func() bool { return s.slackShows(slackSecurity, outside) },
			func(ctx context.Context) error {
				if !s.isActive(alice.OID, roleExchange) {
					if err := s.surprise("assign-outside-pim", false); err != nil {
						return err
					}
				}
				var err error
				for n := range 8 { // the log is read every ten minutes at the latest, unless Microsoft asks to wait
					if err := s.moveOnce(ctx, fmt.Sprintf("the log is read %d", n), 11*time.Minute); err != nil {
						return err
					}
					wait, cancel := context.WithTimeout(ctx, stepTime/9)
					err = everywhere(wait, outside, "By", "Grace Green", "Ask the person", "Acknowledge")
					cancel()
					if err == nil {
						break
					}
				}
				return err
			}},
		{"Bob asks Alice in one click, and she says that it was not her", func() bool { return s.slackShows(slackSecurity, outside, "this was not me", "Asked by") },
			func(ctx context.Context) error {
				if err := s.tapsAlert(ctx, bob, "Ask the person", outside); err != nil {
					return err
				}
				if err := s.presses(ctx, alice, "was-not-me", "Was this you?", outside); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, dm, "You said that it was not you", "Next: change your password"); err != nil {
					return err
				}
				return everywhere(ctx, "Alice Adams says: this was not me", outside, "Next:")
			}},
		{"he acknowledges it, and both channels say who takes care of it", nil,
			func(ctx context.Context) error {
				if !s.slackShows(slackSecurity, outside, "Acknowledged by Bob Brown") {
					if err := s.tapsAlert(ctx, bob, "Acknowledge", outside, "Asked by Bob Brown"); err != nil {
						return err
					}
				}
				return everywhere(ctx, outside, "Asked by Bob Brown", "Alice Adams says: this was not me", "Acknowledged by Bob Brown")
			}},
		{"Alice activates a role at night, and all is in the audit trail", nil,
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "it is night", s.untilNight()); err != nil {
					return err
				}
				if err := s.asksOnce(ctx, alice, dm, "reports reader 30m "+night, nil); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, dm, reports+" is active", night); err != nil {
					return err
				}
				if err := everywhere(ctx, late, "Working hours there are", "(Etc/UTC)"); err != nil {
					return err
				}
				return s.inTrail(ctx, []string{"alert.raised", "outside-pim"}, []string{"alert.handled", "ask-them"}, []string{"alert.handled", "was-not-me"},
					[]string{"alert.handled", "acknowledge"}, []string{"alert.raised", "outside-hours"})
			}},
	}
}

// tapsAlert uses a button of an alert in the Teams channel. In the place of the alert it
// would be told who had pressed it before.
func (s *sandbox) tapsAlert(ctx context.Context, who person, title string, words ...string) error {
	return s.done.once(who.Key+" taps "+title, func() error {
		if err := s.teamsWaits(ctx, who.Key, teamsSecurity, words...); err != nil {
			return err
		}
		for _, a := range slices.Backward(s.teams.State().In(teamsSecurity, who.Key)) {
			card := a.CardFor(who.Key)
			if holds(teamstest.CardText(card), words...) && strings.Contains(string(card), `"title":"`+title+`"`) {
				_, err := s.teams.Press(ctx, who.Key, teamsSecurity, a.ID, title, nil)
				return err
			}
		}
		return fmt.Errorf("%s has no button %q on an alert with %q", who.Name, title, words)
	})
}

// untilNight is how long it is until the middle of the hours in which nobody works.
func (s *sandbox) untilNight() time.Duration {
	const day = 24 * time.Hour
	middle := s.kept.Began.Add(-time.Hour + workday + (day-workday)/2)
	for ; !middle.After(s.clock.Now()); middle = middle.Add(day) {
	}
	return middle.Sub(s.clock.Now())
}

// inTrail holds that Belay's audit trail has an event with each of the sets of words.
func (s *sandbox) inTrail(ctx context.Context, events ...[]string) error {
	var lines []string
	served, err := app.Ask(ctx, s.config(), "/audit/export", app.AuditExport{}, func(line json.RawMessage) error {
		lines = append(lines, string(line))
		return nil
	})
	if err == nil && !served {
		err = errors.New("Belay does not serve")
	}
	if err != nil {
		return err
	}
	for _, words := range events {
		if !slices.ContainsFunc(lines, func(line string) bool { return holds(line, words...) }) {
			return fmt.Errorf("the audit trail has no event with %q", words)
		}
	}
	return nil
}
