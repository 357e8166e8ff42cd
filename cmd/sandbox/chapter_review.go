package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// The access review of the sandbox: Bob says who keeps User Administrator. It begins two days
// after the sandbox was made.
const (
	reviewSeries = "5e71e500-0000-4000-8000-000000000001"
	reviewRound  = "5e71e500-0000-4000-8000-000000000002"
	reviewName   = "Who administers users"

	reviewAlice = "5e71e500-0000-4000-8000-00000000000a"
	reviewCarol = "5e71e500-0000-4000-8000-00000000000c"
	reviewFrank = "5e71e500-0000-4000-8000-00000000000f"
)

func seedReview(t *pimtest.Tenant, oid func(string) string, now time.Time) error {
	const day = 24 * time.Hour
	return errors.Join(
		t.AddReview(pimtest.Review{ID: reviewSeries, Name: reviewName, Role: roleUsers, Months: 3}),
		t.AddRound(pimtest.Round{ID: reviewRound, Review: reviewSeries, Reviewers: []string{oid("bob")}, Start: now.Add(2 * day), End: now.Add(16 * day), Items: []pimtest.ReviewItem{
			{ID: reviewAlice, Principal: oid("alice"), Recommend: "Approve", LastSignIn: now.Add(day)},
			{ID: reviewCarol, Principal: oid("carol"), Recommend: "Deny", LastSignIn: now.Add(-95 * day)},
			{ID: reviewFrank, Principal: oid("frank"), Recommend: "NoInfoAvailable"},
		}}))
}

// reviewChapter is an access review that is decided in chat: one person with a reason, another
// as Microsoft recommends, and one who is forgotten until the reminder.
func (s *sandbox) reviewChapter(bob person) []step {
	const title = "Access review: " + reviewName
	round := func() pimtest.Round { return s.tenant.Rounds()[0] }
	decided := func(item, decision string) bool {
		return slices.ContainsFunc(round().Items, func(i pimtest.ReviewItem) bool { return i.ID == item && i.Decision == decision })
	}
	told := func(words ...string) bool { return s.teamsShows(bob.Key, words...) }
	return []step{
		{"an access review begins, and Bob, who reviews, is told", func() bool { return told(title) },
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "the review begins", round().Start.Sub(s.clock.Now())+time.Minute); err != nil {
					return err
				}
				var err error
				for n := range 5 { // Belay looks every quarter of an hour; a look that was under way as the clock moved saw nothing yet
					if err := s.moveOnce(ctx, fmt.Sprintf("the review is found %d", n), 16*time.Minute); err != nil {
						return err
					}
					wait, cancel := context.WithTimeout(ctx, stepTime/6)
					err = s.teamsWaits(wait, bob.Key, "", title, "Open")
					cancel()
					if err == nil {
						break
					}
				}
				return err
			}},
		{"he opens it in Teams, and keeps Alice, with the reason it wants", func() bool { return told("Recorded in Entra", "Keep: Alice Adams") },
			func(ctx context.Context) error {
				if !decided(reviewAlice, "Approve") {
					if err := s.reviews(ctx, bob, "Keep Alice Adams", "Keep access", "Keep", map[string]string{"reason": "she runs the service desk"}); err != nil {
						return err
					}
				}
				return s.teamsWaits(ctx, bob.Key, "", "Recorded in Entra", "Keep: Alice Adams")
			}},
		{"Carol is to go, as Microsoft recommends", func() bool { return told("Recorded in Entra", "Remove: Carol Clark") },
			func(ctx context.Context) error {
				if !decided(reviewCarol, "Deny") {
					if err := s.reviews(ctx, bob, "Accept recommendations (1)", "Remove: Carol Clark", "Decide", nil); err != nil {
						return err
					}
				}
				return s.teamsWaits(ctx, bob.Key, "", "Recorded in Entra", "Remove: Carol Clark")
			}},
		{"Entra's record names Bob for both, and nobody else", nil,
			func(context.Context) error {
				for _, i := range round().Items {
					if want := i.ID != reviewFrank; want != (i.By == bob.OID) || !want && i.Decision != "" {
						return fmt.Errorf("Entra has %+v", i)
					}
				}
				return nil
			}},
		{"three days before its end he is reminded: somebody is left", nil,
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "the review is about to end", round().End.Add(-3*24*time.Hour).Sub(s.clock.Now())+time.Minute); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, "", "Reminder: "+reviewName, "1 of 3")
			}},
	}
}

// reviews opens the review, uses a button of it, and sends the form that comes. Where
// Microsoft did not answer, people open it again.
func (s *sandbox) reviews(ctx context.Context, who person, button, form, send string, values map[string]string) error {
	const title = "Access review: " + reviewName
	for !s.teamsShows(who.Key, title, button) {
		if _, err := s.usesInTeams(ctx, who, "Open", title); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, stepTime/12)
		err := s.teamsWaits(wait, who.Key, "", title, button)
		cancel()
		if ctx.Err() != nil {
			return err
		}
	}
	if _, err := s.usesInTeams(ctx, who, button, title, button); err != nil {
		return err
	}
	if err := s.teamsWaits(ctx, who.Key, "", form, send); err != nil {
		return err
	}
	for _, a := range slices.Backward(s.teams.State().In("", who.Key)) {
		if holds(teamstest.CardText(a.CardFor(who.Key)), form, send) {
			_, err := s.teams.Press(ctx, who.Key, "", a.ID, send, values)
			return err
		}
	}
	return fmt.Errorf("%s has no form %q", who.Name, form)
}

func (s *sandbox) teamsShows(user string, words ...string) bool {
	return slices.ContainsFunc(s.teams.State().In("", user), func(a teamstest.Activity) bool {
		return holds(teamstest.CardText(a.CardFor(user)), words...)
	})
}
