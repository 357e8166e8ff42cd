package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/pim/pimtest"
)

// drift is how the sandbox's tenant is compared with what was accepted; where it is not, a
// test counts calls or cards.
func (s *sandbox) drift() app.Drift {
	return app.Drift{Enabled: s.compares, Every: time.Minute, Pillars: []string{"entra", "groups", "azure"}}
}

// weakens has the account for emergencies make the settings of a role weaker in the portal.
func (s *sandbox) weakens(role string) error {
	return s.tenant.PortalSetting(breakGlass, role, func(p *pimtest.Policy) { p.Justification, p.MaxDuration = false, 12*time.Hour })
}

// isWeak says that it did.
func (s *sandbox) isWeak(role string) bool {
	return slices.ContainsFunc(s.tenant.State().Roles, func(r pimtest.RoleState) bool { return r.ID == role && r.MaxDuration == "PT12H" })
}

// driftChapter is about settings that became weaker than they were accepted: two people
// have to accept them, in whichever chat.
func (s *sandbox) driftChapter(bob, frank person, link *regexp.Regexp) []step {
	if !s.compares {
		return nil
	}
	const weaker, first = "The settings of Helpdesk Administrator became weaker", "The first baseline of the tenant"
	everywhere := func(ctx context.Context, words ...string) error {
		if err := s.slackWaits(ctx, slackSecurity, words...); err != nil {
			return err
		}
		return s.teamsWaits(ctx, bob.Key, teamsSecurity, words...)
	}
	his := s.slack.DM(frank.Slack)
	return []step{
		{"Frank, of the security team, links his account", func() bool { return s.slackShows(his, "You are linked") },
			func(ctx context.Context) error {
				var err error
				for range 10 { // as people do who are told to try again
					if err = s.linksOnce(ctx, frank, his, link); err == nil {
						return s.slackWaits(ctx, his, "You are linked", frank.upn())
					}
				}
				return err
			}},
		{"he accepts the tenant as it was read first, as the baseline", func() bool { return s.slackShows(slackSecurity, first, "Accepted by Frank Fox") },
			func(ctx context.Context) error {
				if err := s.pressesIn(ctx, slackSecurity, frank, "accept", first); err != nil {
					return err
				}
				return everywhere(ctx, first, "Accepted by Frank Fox")
			}},
		{"an administrator weakens a role in the portal, and the channels hear of it", func() bool { return s.slackShows(slackSecurity, weaker) },
			func(ctx context.Context) error {
				if !s.isWeak(roleHelpdesk) {
					if err := s.weakens(roleHelpdesk); err != nil {
						return err
					}
				}
				if err := s.moveOnce(ctx, "the tenant is read", time.Minute); err != nil {
					return err
				}
				return everywhere(ctx, weaker, "4 hours → 12 hours", "Justification", "two people have to accept it")
			}},
		{"the audit log says who it was, and so does the card", nil,
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "the log is read too", 2*time.Minute); err != nil {
					return err
				}
				return everywhere(ctx, weaker, "Changed by", "Break Glass")
			}},
		{"Frank accepts it in Slack, and a second person has to confirm", func() bool { return s.slackShows(slackSecurity, weaker, "Accepted by Frank Fox") },
			func(ctx context.Context) error {
				if err := s.pressesIn(ctx, slackSecurity, frank, "accept", weaker); err != nil {
					return err
				}
				return everywhere(ctx, weaker, "Accepted by Frank Fox", "second person", "Confirm")
			}},
		{"Bob confirms it in Teams, and every copy of the card is true", func() bool { return s.slackShows(slackSecurity, weaker, "Confirmed by Bob Brown") },
			func(ctx context.Context) error {
				if err := s.tapsIn(ctx, teamsSecurity, bob, "Confirm", weaker); err != nil {
					return err
				}
				return everywhere(ctx, weaker, "Accepted by Frank Fox", "Confirmed by Bob Brown")
			}},
	}
}

// pressesIn uses a button of the newest card with the words in a Slack channel.
func (s *sandbox) pressesIn(ctx context.Context, channel string, who person, verb string, words ...string) error {
	return s.done.once(fmt.Sprint(who.Key, " presses ", verb, words), func() error {
		if err := s.slackWaits(ctx, channel, words...); err != nil {
			return err
		}
		c, _ := s.slack.State().Conversation(channel)
		for _, m := range slices.Backward(c.Messages) {
			if holds(slackText(m), words...) && strings.Contains(string(m.Blocks), `"action_id":"`+verb+`"`) {
				out, err := s.slack.Press(ctx, who.Slack, channel, m.TS, verb)
				if err == nil && out.Notice != "" {
					err = fmt.Errorf("%s pressed %q: %s", who.Name, verb, out.Notice)
				}
				return err
			}
		}
		return fmt.Errorf("no card with %q has a button %q", words, verb)
	})
}

// tapsIn is the same in a Teams channel, by what the button is called.
func (s *sandbox) tapsIn(ctx context.Context, channel string, who person, title string, words ...string) error {
	return s.done.once(fmt.Sprint(who.Key, " taps ", title, words), func() error {
		if err := s.teamsWaits(ctx, who.Key, channel, words...); err != nil {
			return err
		}
		for _, a := range slices.Backward(s.teams.State().In(channel, who.Key)) {
			card := a.CardFor(who.Key)
			if holds(teamstest.CardText(card), words...) && strings.Contains(string(card), `"title":"`+title+`"`) {
				_, err := s.teams.Press(ctx, who.Key, channel, a.ID, title, nil)
				return err
			}
		}
		return fmt.Errorf("no card with %q has a button %q", words, title)
	})
}
