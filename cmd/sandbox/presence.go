package main

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/belaybot/belay/pim/pimtest"
)

// presenceChapter is a decision on a most privileged role: the approver's live sign-in is
// not enough for it.
func (s *sandbox) presenceChapter(frank, bob person, link *regexp.Regexp) []step {
	const role = "Global Administrator"
	dm := s.slack.DM(frank.Slack)
	waiting := func() bool {
		return slices.ContainsFunc(s.tenant.State().Requests, func(r pimtest.RequestState) bool { return r.Principal == frank.OID && r.Status == "PendingApproval" })
	}
	active := func() bool { return s.slackShows(dm, role+" is active", "Approved by Bob Brown") }
	return []step{
		{"Frank asks for " + role + ", which Bob decides in person", func() bool { return s.slackShows(dm, "close a breach") },
			func(ctx context.Context) error {
				if !s.slackShows(dm, "You are linked") {
					if _, err := s.slack.Command(ctx, frank.Slack, dm, "/elevate", "link"); err != nil {
						return err
					}
					url, err := s.slackLink(ctx, dm, link)
					if err != nil {
						return err
					}
					if err := s.signsIn(ctx, frank, url); err != nil {
						return err
					}
				}
				if err := s.asksOnce(ctx, frank, dm, "global administrator 1h close a breach", nil); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, "", "Frank Fox asks for "+role, "Deciding this asks you to sign in again.")
			}},
		{"Bob clicks Approve and, signed in or not, has to sign in again", active,
			func(ctx context.Context) error {
				if _, err := s.taps(ctx, bob, "Approve", "Frank Fox asks for "+role); err != nil {
					return err
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "Sign in to finish", role, "Nothing was sent yet"); err != nil {
					return err
				}
				if !waiting() {
					return errors.New("Microsoft was told before Bob signed in")
				}
				return nil
			}},
		{"he signs in again, and now his approval is relayed", active,
			func(ctx context.Context) error {
				url, err := s.teamsLink(ctx, bob.Key, link)
				if err != nil {
					return err
				}
				if err := s.signsIn(ctx, bob, url); err != nil {
					return err
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "You approved "+role+" for Frank Fox"); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, role+" is active", "Approved by Bob Brown")
			}},
	}
}
