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
	const role, asks = "Global Administrator", "Frank Fox asks for Global Administrator"
	request := func(status ...string) bool {
		return slices.ContainsFunc(s.tenant.State().Requests, func(r pimtest.RequestState) bool {
			return r.Principal == frank.OID && (len(status) == 0 || slices.Contains(status, r.Status))
		})
	}
	decided := func() bool { return request() && !request("PendingApproval") }
	return []step{
		{"Frank asks for " + role + ", which Bob decides in person", decided,
			func(ctx context.Context) error {
				if !request() {
					if _, err := s.inPortal(deed{As: frank.Key, Do: "activate", Role: roleGlobal, Scope: "/", Reason: "close a breach", Duration: "1h"}); err != nil {
						return err
					}
				}
				if err := s.moveOn(ctx, "15s"); err != nil { // Belay looks every ten seconds or so
					return err
				}
				return s.teamsWaits(ctx, bob.Key, "", asks, "Deciding this asks you to sign in again.")
			}},
		{"Bob clicks Approve and, signed in or not, has to sign in again", decided,
			func(ctx context.Context) error {
				if _, err := s.taps(ctx, bob, "Approve", asks); err != nil {
					return err
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "Sign in to finish", role, "Nothing was sent yet"); err != nil {
					return err
				}
				if decided() {
					return errors.New("Microsoft was told before Bob signed in")
				}
				return nil
			}},
		{"he signs in again, and now his approval is relayed", func() bool { return s.slackShows(slackOps, role+" is active: Frank Fox") },
			func(ctx context.Context) error {
				if !decided() {
					url, err := s.teamsLink(ctx, bob.Key, link, decided)
					if err != nil {
						return err
					}
					if err := s.signsInOnce(ctx, bob, url); err != nil {
						return err
					}
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "You approved "+role+" for Frank Fox"); err != nil {
					return err
				}
				return s.slackWaits(ctx, slackOps, role+" is active: Frank Fox", "Approved by Bob Brown")
			}},
	}
}
