package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/pim/pimtest"
)

// chapters are what comes after the story's beginning: the other two pillars, what
// is done outside Belay, and the ends that a role can have. Each asks for another
// reason, by which a story that was cut off knows what happened before.
func (s *sandbox) chapters(alice, bob, carol person, link *regexp.Regexp) []step {
	dm := s.slack.DM(alice.Slack)
	const role = "User Administrator"
	notMe := s.notMeChapter(alice, bob, carol, dm, link)
	return slices.Concat(
		s.groupChapter(alice, dm),
		s.azureChapter(alice, bob, dm),
		s.presenceChapter(cast[5], bob, link),
		s.ticketChapter(alice, dm, link),
		s.portalChapters(alice, bob, carol, dm),
		s.earlyChapter(alice, dm),
		s.manyChapters(alice, dm),
		[]step{
			{"nobody decides within 24 hours, and every card says so", func() bool { return s.slackShows(dm, role+" was not activated") },
				func(ctx context.Context) error {
					if err := s.asksOnce(ctx, alice, dm, "user admin 1h look at a licence", nil); err != nil {
						return err
					}
					if err := s.slackWaits(ctx, dm, "look at a licence"); err != nil {
						return err
					}
					if err := s.teamsWaits(ctx, bob.Key, "", "Alice Adams asks for "+role, "look at a licence"); err != nil {
						return err
					}
					if err := s.moveOnce(ctx, "nobody decides", 24*time.Hour+11*time.Minute); err != nil {
						return err
					}
					if err := s.slackWaits(ctx, dm, role+" was not activated", "Nobody decided within 24 hours"); err != nil {
						return err
					}
					return s.teamsWaits(ctx, bob.Key, "", role+" was not activated", "Nobody decided")
				}},
		},
		notMe[:1], // Carol links her account
		s.postureChapter(carol, cast[3]),
		s.reviewChapter(bob), // where no role is active that its days would end
		notMe[1:],
		s.alertChapter(alice, bob, dm),
		s.driftChapter(bob, cast[5], link),
		[]step{
			{"all this was written by people, and nothing by an application", nil,
				func(context.Context) error { return s.onlyPeople() }},
		})
}

// asksOnce asks for a role unless the story did so before it was cut off. The reason
// is the end of text.
func (s *sandbox) asksOnce(ctx context.Context, who person, dm, text string, values map[string]string) error {
	if s.slackShows(dm, reasonOf(text)) {
		return nil
	}
	return s.asks(ctx, who, text, values)
}

// reasonOf is what follows the duration in a one-liner.
func reasonOf(text string) string {
	_, reason, _ := strings.Cut(regexp.MustCompile(` [0-9]+[hm] `).ReplaceAllString(text, "\x00"), "\x00")
	return reason
}

func (s *sandbox) groupChapter(alice person, dm string) []step {
	return []step{
		{"Alice joins First-Line Support, and hears of its second step", func() bool { return s.slackShows(dm, "First-Line Support is active", "Helpdesk Administrator") },
			func(ctx context.Context) error {
				if err := s.asksOnce(ctx, alice, dm, "first-line support 1h cover the hotline", nil); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, "Member of First-Line Support is active", "Helpdesk Administrator")
			}},
		{"the role that the group is eligible for is hers to activate", func() bool { return s.slackShows(dm, "Helpdesk Administrator is active") },
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "the role of the group", 2*time.Minute); err != nil { // what she may activate is read anew
					return err
				}
				if err := s.asksOnce(ctx, alice, dm, "helpdesk administrator 30m reset a password", nil); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, "Helpdesk Administrator is active")
			}},
	}
}

func (s *sandbox) azureChapter(alice, bob person, dm string) []step {
	return []step{
		{"she asks for Contributor, on one resource group only", func() bool { return s.slackShows(dm, "roll out the shop") },
			func(ctx context.Context) error {
				err := s.done.once("Alice asks for Contributor", func() error { return s.asksForShop(ctx, alice) })
				if err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, "Contributor (resource group rg-shop) waits for approval", "Bob Brown")
			}},
		{"Bob approves it in Teams, and it is active there and nowhere else", func() bool { return s.slackShows(dm, "Contributor (resource group rg-shop) is active") },
			func(ctx context.Context) error {
				if _, err := s.taps(ctx, bob, "Approve", "Alice Adams asks for Contributor (resource group rg-shop)"); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, dm, "Contributor (resource group rg-shop) is active", "Approved by Bob Brown"); err != nil {
					return err
				}
				for _, a := range s.tenant.State().Active {
					if a.Kind == "azure" && a.Principal == alice.OID && !strings.EqualFold(a.Scope, azureShop) {
						return fmt.Errorf("Azure has it active on %s", a.Scope)
					}
				}
				return nil
			}},
	}
}

func (s *sandbox) ticketChapter(alice person, dm string, link *regexp.Regexp) []step {
	active := func() bool { return s.slackShows(dm, "Groups Administrator is active") }
	return []step{{"Groups Administrator wants a ticket and a stronger sign-in", active,
		func(ctx context.Context) error {
			if err := s.asksOnce(ctx, alice, dm, "groups administrator 1h merge two teams", map[string]string{"ticket": "CHG-4711", "system": "ServiceNow"}); err != nil {
				return err
			}
			err := s.slack.Wait(ctx, func(slacktest.State) bool {
				return s.slackShows(dm, "Sign in to ask for Groups Administrator") || active()
			})
			if err != nil {
				return fmt.Errorf("nobody is asked to sign in for Groups Administrator: %w", err)
			}
			if err := s.signsInUntil(ctx, alice, dm, link, active); err != nil {
				return err
			}
			return s.slackWaits(ctx, dm, "Groups Administrator is active", "CHG-4711 (ServiceNow)")
		}}}
}

func (s *sandbox) portalChapters(alice, bob, carol person, dm string) []step {
	const reader, role = "Global Reader", "User Administrator"
	dave := cast[3]
	approvedBy := func(who person) bool {
		return slices.ContainsFunc(s.tenant.Audit(), func(e pimtest.AuditEntry) bool {
			return strings.Contains(e.Activity, "request approved") && e.Actor == who.OID
		})
	}
	return []step{
		{"Dave asks for " + reader + " in the portal, and Alice gets the card", func() bool { return s.slackShows(dm, "Dave Davis asks for "+reader) },
			func(ctx context.Context) error {
				if !slices.ContainsFunc(s.tenant.State().Requests, func(r pimtest.RequestState) bool { return r.Principal == dave.OID }) {
					if _, err := s.inPortal(deed{As: dave.Key, Do: "activate", Role: roleReader, Scope: "/", Reason: "prepare the audit", Duration: "1h"}); err != nil {
						return err
					}
				}
				if err := s.moveOnce(ctx, "found elsewhere", 15*time.Second); err != nil { // Belay looks every ten seconds or so
					return err
				}
				return s.slackWaits(ctx, dm, "Dave Davis asks for "+reader, "prepare the audit", "Made elsewhere")
			}},
		{"she approves it in Slack, with her own sign-in", func() bool { return approvedBy(alice) },
			func(ctx context.Context) error {
				if err := s.presses(ctx, alice, "approve", "Dave Davis asks for "+reader); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, dm, "You approved "+reader+" for Dave Davis"); err != nil {
					return err
				}
				return s.slackWaits(ctx, slackOps, reader+" is active: Dave Davis", "Approved by Alice Adams")
			}},
		{"Carol approves in the portal what Alice asked for in chat", func() bool { return approvedBy(carol) },
			func(ctx context.Context) error {
				if err := s.asksOnce(ctx, alice, dm, "user admin 1h unlock a colleague", nil); err != nil {
					return err
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "Alice Adams asks for "+role, "unlock a colleague"); err != nil {
					return err
				}
				for _, r := range s.tenant.State().Requests {
					if r.Principal == alice.OID && r.Status == "PendingApproval" {
						_, err := s.inPortal(deed{As: carol.Key, Do: "approve", Request: r.ID, Reason: "known to me"})
						return err
					}
				}
				return errors.New("nothing of Alice's waits in the tenant")
			}},
		{"every card of it closes, and says who was first and where", nil,
			func(ctx context.Context) error {
				var err error
				for range 4 {
					if err := s.moveOnce(ctx, "decided elsewhere", 25*time.Second); err != nil { // Microsoft is read again
						return err
					}
					wait, cancel := context.WithTimeout(ctx, stepTime/5)
					if err = s.slackWaits(wait, dm, role+" is active", "unlock a colleague", "Approved by Carol Clark, in Entra"); err == nil {
						err = s.teamsWaits(wait, bob.Key, "", "unlock a colleague", "Approved by Carol Clark, in Entra")
					}
					cancel()
					if err == nil {
						break
					}
				}
				return err
			}},
	}
}

func (s *sandbox) earlyChapter(alice person, dm string) []step {
	const role = "User Administrator"
	return []step{{"she ends it too early, so it is done by itself after five minutes", func() bool { return s.slackShows(dm, role+" has ended", "unlock a colleague") },
		func(ctx context.Context) error {
			if !s.slackShows(dm, "unlock a colleague", "Deactivated at") {
				if err := s.presses(ctx, alice, "stop", role+" is active", "unlock a colleague"); err != nil {
					return err
				}
			}
			if err := s.slackWaits(ctx, dm, "unlock a colleague", "Deactivated at"); err != nil {
				return err
			}
			if err := s.moveOnce(ctx, "ended too early", 6*time.Minute); err != nil {
				return err
			}
			return s.slackWaits(ctx, dm, role+" has ended", "unlock a colleague", "You deactivated it")
		}}}
}

func (s *sandbox) manyChapters(alice person, dm string) []step {
	const messages, reports = "Message Center Reader", "Reports Reader"
	return []step{
		{"two roles in one go: one form, a card each, one summary", func() bool { return s.slackShows(dm, reports+" is active", "quarterly review") },
			func(ctx context.Context) error {
				if !s.slackShows(dm, "quarterly review") {
					err := s.done.once("Alice asks for two", func() error { return s.asksForTwo(ctx, alice, reports) })
					if err != nil {
						return err
					}
				}
				if err := s.slackWaits(ctx, dm, messages+" is active", "quarterly review"); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, reports+" is active", "quarterly review")
			}},
		{"the channel hears of one of them only, as a rule says", nil, func(ctx context.Context) error {
			if s.slackShows(slackOps, messages) || s.slackShows(slackDigest, messages) {
				return fmt.Errorf("a channel hears of %s", messages)
			}
			return s.slackWaits(ctx, slackOps, reports+" is active: Alice Adams")
		}},
		{"ten minutes before the end she is warned, and extends one of them", func() bool { return s.extended(dm, reports) },
			func(ctx context.Context) error {
				if !s.slackShows(dm, reports+" ends soon") && !s.extended(dm, reports) {
					if err := s.moveOnce(ctx, "ends soon", 21*time.Minute); err != nil {
						return err
					}
				}
				sent := s.slackShows(dm, reports+" will be asked for again") || s.slackShows(dm, reports+" has ended", "to be asked for again")
				if !sent { // nor was it before the story was cut off
					err := s.done.once("Alice extends", func() error { // the press only opens the form
						if _, open := s.stands(alice, reports, "For how long"); !open {
							if err := s.uses(ctx, alice, "extend", reports+" ends soon"); err != nil {
								return err
							}
						}
						return s.sendsForm(ctx, alice, "For how long", nil)
					})
					if err != nil {
						return err
					}
				}
				if err := s.moveOnce(ctx, "ended and asked again", 10*time.Second); err != nil { // its end is looked for
					return err
				}
				return s.slack.Wait(ctx, func(slacktest.State) bool { return s.extended(dm, reports) })
			}},
	}
}

// extended says that the role was ended early and is active once more.
func (s *sandbox) extended(dm, role string) bool {
	return s.slackShows(dm, role+" has ended", "to be asked for again", "quarterly review") && s.slackShows(dm, role+" is active", "quarterly review")
}

// onlyPeople holds that no application wrote anything.
func (s *sandbox) onlyPeople() error {
	for _, e := range s.tenant.Audit() {
		if e.ActorKind == pimtest.ByApplication {
			return fmt.Errorf("an application wrote: %s", e.Activity)
		}
	}
	return nil
}
