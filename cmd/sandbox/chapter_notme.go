package main

import (
	"context"
	"regexp"
	"strings"
)

// notMeChapter is about a decision that its approver did not make: somebody presses
// with Carol's Slack, while her sign-in lives.
func (s *sandbox) notMeChapter(alice, bob, carol person, dm string, link *regexp.Regexp) []step {
	const role, why = "User Administrator", "export every mailbox"
	hers := s.slack.DM(carol.Slack)
	return []step{
		{"Carol links her account, as approvers do", func() bool { return s.slackShows(hers, "You are linked") },
			func(ctx context.Context) error {
				var err error
				for range 10 { // as people do who are told to try again
					if err = s.linksOnce(ctx, carol, hers, link); err == nil {
						return s.slackWaits(ctx, hers, "You are linked", carol.upn())
					}
				}
				return err
			}},
		{"somebody approves with her Slack, and she is told at once", func() bool { return s.slackShows(dm, role+" is active", why) },
			func(ctx context.Context) error {
				if err := s.asksOnce(ctx, alice, dm, "user admin 1h "+why, nil); err != nil {
					return err
				}
				if !s.isActive(alice.OID, roleUsers) && !s.slackShows(hers, role, "Pressed in") {
					if err := s.presses(ctx, carol, "approve", "Alice Adams asks for "+role, why); err != nil {
						return err
					}
				}
				if err := s.slackWaits(ctx, hers, "You approved "+role+" for Alice Adams", "Pressed in", "This was not me"); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, role+" is active", why)
			}},
		{"she presses This was not me, and reads what is left to do", func() bool { return s.slackShows(slackSecurity, "this was not me") },
			func(ctx context.Context) error {
				if !s.slackShows(hers, "Not you: the approval of "+role) {
					if err := s.presses(ctx, carol, "not-me", "You approved "+role+" for Alice Adams", "Pressed in"); err != nil {
						return err
					}
				}
				return s.slackWaits(ctx, hers, "Not you: the approval of "+role, "Your sign-in was ended", "Alice Adams can deactivate it")
			}},
		{"the security channels of both chats are alerted", nil,
			func(ctx context.Context) error {
				alarm := []string{"Carol Clark says: this was not me", "Alice Adams", role, "one chat account was unlinked"}
				if err := s.slackWaits(ctx, slackSecurity, alarm...); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, teamsSecurity, alarm...)
			}},
	}
}

// linksOnce tries to link somebody's Slack account.
func (s *sandbox) linksOnce(ctx context.Context, who person, dm string, link *regexp.Regexp) error {
	if _, err := s.slack.Command(ctx, who.Slack, dm, "/elevate", "link"); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, stepTime/12)
	defer cancel()
	url, err := s.slackLink(wait, dm, link, func() bool { return false })
	if err != nil {
		return err
	}
	return s.signsInOnce(ctx, who, url)
}

// isActive says that the tenant has a role active for somebody.
func (s *sandbox) isActive(who, role string) bool {
	for _, a := range s.tenant.State().Active {
		if strings.EqualFold(a.Principal, who) && strings.EqualFold(a.Role, role) {
			return true
		}
	}
	return false
}
