package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// step is one step of the story. done says that it has happened already, so that
// a story that was killed in the middle of a step goes on and does nothing twice.
type step struct {
	name string
	done func() bool
	do   func(ctx context.Context) error
}

// stepTime bounds one step.
const stepTime = 60 * time.Second

// tell lives the story over the same HTTP that browsers and platforms use, and
// prints each step with its duration. It fails at the first step that does not hold.
func (s *sandbox) tell(ctx context.Context, out io.Writer) error {
	begin, resumed := time.Now(), len(s.kept.Story) > 0
	for n, step := range s.story(resumed) {
		if took, told := s.kept.Story[step.name]; told {
			fmt.Fprintf(out, "%2d  %-66s before (%s)\n", n+1, step.name, took)
			continue
		}
		at := time.Now()
		sctx, cancel := context.WithTimeout(ctx, stepTime)
		var err error
		if step.done == nil || !step.done() {
			err = step.do(sctx)
		}
		cancel()
		took := time.Since(at).Round(time.Millisecond)
		if err != nil {
			fmt.Fprintf(out, "%2d  %-66s FAILED after %s\n", n+1, step.name, took)
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := s.kept.change(func() { s.kept.Story[step.name] = took.String() }); err != nil {
			return err
		}
		fmt.Fprintf(out, "%2d  %-66s %s\n", n+1, step.name, took)
	}
	fmt.Fprintf(out, "\nEvery step held. The story took %s.\n", time.Since(begin).Round(time.Millisecond))
	if resumed {
		fmt.Fprintln(out, "It had been cut off before, so a card may stand twice (docs/adr/0004); no deed was done twice.")
	}
	return nil
}

// story is the story's steps. resumed: an earlier process told a part of it.
func (s *sandbox) story(resumed bool) []step {
	alice, bob, carol := cast[0], cast[1], cast[2]
	dm := s.slack.DM(alice.Slack)
	link := regexp.MustCompile(regexp.QuoteMeta(s.urls[atBot]) + `/link/[A-Za-z0-9_-]+`)
	const role = "User Administrator"
	linked := func() bool { return s.slackShows(dm, "You are linked") }
	approved := func() bool { return s.audited("request approved") }
	all := []step{
		{"Alice types /elevate in Slack and gets a link to sign in", linked,
			func(ctx context.Context) error {
				if _, err := s.slack.Command(ctx, alice.Slack, dm, "/elevate", ""); err != nil {
					return err
				}
				_, err := s.slackLink(ctx, dm, link, linked)
				return err
			}},
		{"she proves who she is to Slack and to Entra, with MFA, once", linked,
			func(ctx context.Context) error {
				url, err := s.slackLink(ctx, dm, link, linked)
				if err != nil {
					return err
				}
				if err := s.signsInOnce(ctx, alice, url); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, "You are linked", "alice@contoso.example")
			}},
		{"she chooses " + role + " and sends the form", func() bool { return s.slackShows(dm, role+" waits for approval") },
			func(ctx context.Context) error {
				if err := s.asks(ctx, alice, "user admin 2h reset the password of a colleague", nil); err != nil {
					return err
				}
				return s.slackWaits(ctx, dm, role+" waits for approval", "Bob Brown")
			}},
		{"Bob has the card in Teams, Carol the same in Slack", nil,
			func(ctx context.Context) error {
				if err := s.teamsWaits(ctx, bob.Key, "", "Alice Adams asks for "+role); err != nil {
					return err
				}
				return s.slackWaits(ctx, s.slack.DM(carol.Slack), "Alice Adams asks for "+role)
			}},
		{"Bob clicks Approve and is asked to sign in", approved,
			func(ctx context.Context) error {
				if _, err := s.taps(ctx, bob, "Approve", "Alice Adams asks for "+role); err != nil {
					return err
				}
				_, err := s.teamsLink(ctx, bob.Key, link, approved)
				return err
			}},
		{"he signs in once, and his approval is relayed as his own", approved,
			func(ctx context.Context) error {
				url, err := s.teamsLink(ctx, bob.Key, link, approved)
				if err != nil {
					return err
				}
				if err := s.signsInOnce(ctx, bob, url); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, "", "You approved "+role+" for Alice Adams")
			}},
		{"every card turns true, and Alice is told", nil,
			func(ctx context.Context) error {
				if err := s.slackWaits(ctx, dm, role+" is active", "Approved by Bob Brown"); err != nil {
					return err
				}
				if err := s.teamsWaits(ctx, bob.Key, "", "You approved it"); err != nil {
					return err
				}
				return s.slackWaits(ctx, s.slack.DM(carol.Slack), "Approved by Bob Brown")
			}},
		{"the channels of both chats hear what became active", nil,
			func(ctx context.Context) error {
				if err := s.slackWaits(ctx, slackOps, role+" is active: Alice Adams", "Approved by Bob Brown"); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, teamsOps, role+" is active: Alice Adams")
			}},
		{"the tenant's audit log names Alice and Bob, and no application", func() bool { return s.slackShows(slackOps, role+" has ended") },
			func(ctx context.Context) error { return s.checkAudit(ctx, alice, bob) }},
		{"the clock moves on, the role ends, everyone is told", func() bool { return s.slackShows(slackOps, role+" has ended") },
			func(ctx context.Context) error {
				if err := s.moveOnce(ctx, "the role ends", 2*time.Hour+time.Minute); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, dm, role+" has ended"); err != nil {
					return err
				}
				if err := s.slackWaits(ctx, slackOps, role+" has ended: Alice Adams"); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, teamsOps, role+" has ended: Alice Adams")
			}},
		{"another channel has the hours in a card each, as a rule says", nil,
			func(ctx context.Context) error {
				hour := []string{"What happened this hour", "Alice Adams asks for " + role}
				if err := s.slackWaits(ctx, slackDigest, hour...); err != nil {
					return err
				}
				return s.teamsWaits(ctx, bob.Key, teamsDigest, hour...)
			}},
	}
	all = append(all, s.chapters(alice, bob, carol, link)...)
	if !resumed {
		// A chat has no key for a post. Killed between a post and its record, Belay
		// posts that one card again: it rather says a thing twice than not at all. So
		// this is asked only of a story that nobody killed.
		all = append(all, step{"nothing was said twice", nil, func(context.Context) error { return s.checkOnce() }})
	}
	return all
}

// slackText is a message as text, markup and escapes resolved.
func slackText(m slacktest.Message) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(slacktest.Render(m.Blocks, m.Text), " "))
}

func holds(text string, words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (s *sandbox) slackShows(conversation string, words ...string) bool {
	return slackHas(s.slack.State(), conversation, words...)
}

func slackHas(state slacktest.State, conversation string, words ...string) bool {
	c, ok := state.Conversation(conversation)
	return ok && slices.ContainsFunc(c.Messages, func(m slacktest.Message) bool { return holds(slackText(m), words...) })
}

func (s *sandbox) slackWaits(ctx context.Context, conversation string, words ...string) error {
	if err := s.slack.Wait(ctx, func(state slacktest.State) bool { return slackHas(state, conversation, words...) }); err != nil {
		return fmt.Errorf("nobody sees %q in Slack's %s: %w", words, conversation, err)
	}
	return nil
}

// slackLink waits for the newest one-time link that is shown in a conversation. Where
// the sign-in is over there may be none.
func (s *sandbox) slackLink(ctx context.Context, conversation string, link *regexp.Regexp, over func() bool) (url string, err error) {
	err = s.slack.Wait(ctx, func(state slacktest.State) bool {
		url = newestLink(state, conversation, link)
		return url != "" || over()
	})
	if err != nil {
		return "", fmt.Errorf("no sign-in link is shown: %w", err)
	}
	return url, nil
}

func newestLink(state slacktest.State, conversation string, link *regexp.Regexp) string {
	c, _ := state.Conversation(conversation)
	for _, m := range slices.Backward(c.Messages) {
		if url := link.FindString(string(m.Blocks)); url != "" {
			return url
		}
	}
	return ""
}

// slackForm waits for a modal with a label.
func (s *sandbox) slackForm(ctx context.Context, user, label string) (view slacktest.View, err error) {
	err = s.slack.Wait(ctx, func(state slacktest.State) bool {
		var ok bool
		view, ok = state.Top(user)
		return ok && strings.Contains(string(view.Blocks), `"`+label+`"`)
	})
	if err != nil {
		return view, fmt.Errorf("no form that asks %q: %w", label, err)
	}
	return view, nil
}

func (s *sandbox) teamsWaits(ctx context.Context, user, conversation string, words ...string) error {
	err := s.teams.Wait(ctx, func(state teamstest.State) bool {
		return slices.ContainsFunc(state.In(conversation, user), func(a teamstest.Activity) bool {
			return holds(teamstest.CardText(a.CardFor(user)), words...)
		})
	})
	if err != nil {
		return fmt.Errorf("%s does not see %q in Teams: %w", user, words, err)
	}
	return nil
}

func (s *sandbox) teamsCard(user string, words ...string) (teamstest.Activity, error) {
	for _, a := range s.teams.State().In("", user) {
		if holds(teamstest.CardText(a.CardFor(user)), words...) {
			return a, nil
		}
	}
	return teamstest.Activity{}, fmt.Errorf("%s does not see %q in Teams", user, words)
}

// teamsLink waits for a one-time link in a person's chat with Belay.
func (s *sandbox) teamsLink(ctx context.Context, user string, link *regexp.Regexp, over func() bool) (url string, err error) {
	err = s.teams.Wait(ctx, func(state teamstest.State) bool {
		if over() {
			return true
		}
		for _, a := range slices.Backward(state.In("", user)) {
			if url = link.FindString(string(a.CardFor(user))); url != "" {
				return true
			}
		}
		return false
	})
	if err != nil {
		return "", fmt.Errorf("no sign-in link is shown to %s: %w", user, err)
	}
	return url, nil
}

func (s *sandbox) audited(activity string) bool {
	return slices.ContainsFunc(s.tenant.Audit(), func(e pimtest.AuditEntry) bool { return strings.Contains(e.Activity, activity) })
}

// checkAudit reads the tenant's own log, as anybody may, over HTTP.
func (s *sandbox) checkAudit(ctx context.Context, alice, bob person) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.urls[atAdmin]+"/audit", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	var entries []struct {
		Actor     string `json:"actor"`
		ActorKind string `json:"actorKind"`
		Activity  string `json:"activity"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 8<<20)).Decode(&entries)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	requested, approved := 0, 0
	for _, e := range entries {
		if e.ActorKind == "application" {
			return fmt.Errorf("an application wrote: %s", e.Activity)
		}
		switch {
		case strings.HasSuffix(e.Activity, "role requested (PIM activation)") && e.Actor == alice.OID:
			requested++
		case strings.HasSuffix(e.Activity, "request approved (PIM activation)") && e.Actor == bob.OID:
			approved++
		}
	}
	if requested != 1 || approved != 1 {
		return fmt.Errorf("the log names Alice %d times for the activation and Bob %d times for the decision, not once each", requested, approved)
	}
	return nil
}

// moveOnce is moveOn for a step of the story. Where the step was cut off, what it had
// moved already is not moved again.
func (s *sandbox) moveOnce(ctx context.Context, step string, by time.Duration) error {
	var left time.Duration
	err := s.kept.change(func() {
		if s.kept.Moves == nil {
			s.kept.Moves = map[string]time.Duration{}
		}
		if _, begun := s.kept.Moves[step]; !begun {
			s.kept.Moves[step] = s.kept.Offset + by
		}
		left = s.kept.Moves[step] - s.kept.Offset
	})
	if err != nil || left <= 0 {
		return err
	}
	return s.moveOn(ctx, left.String())
}

// moveOn moves the business clock, as the page's button does.
func (s *sandbox) moveOn(ctx context.Context, by string) error {
	body, err := json.Marshal(map[string]string{"advance": by})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.urls[atAdmin]+"/clock", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the clock answers HTTP %d", resp.StatusCode)
	}
	return errors.Join(err, resp.Body.Close())
}

// checkOnce holds that nobody was told anything twice. What is told in one thread is about
// one thing.
func (s *sandbox) checkOnce() error {
	var errs []error
	type told struct{ thread, text string }
	once := func(where string, all []told) {
		seen := map[told]int{}
		for _, t := range all {
			if seen[t]++; seen[t] > max(1, s.ends(t.text)) {
				errs = append(errs, fmt.Errorf("%s shows twice: %s", where, t.text))
			}
		}
	}
	for _, c := range s.slack.State().Channels {
		var texts []told
		for _, m := range c.Messages {
			if m.EphemeralTo == "" && m.BotID != "" {
				texts = append(texts, told{m.ThreadTS, slackText(m)})
			}
		}
		once("Slack's "+c.ID, texts)
	}
	for _, c := range s.teams.State().Conversations {
		var texts []told
		for _, a := range c.Activities {
			if !a.Deleted && a.From == "" {
				texts = append(texts, told{a.Root, teamstest.CardText(a.Card)})
			}
		}
		once("Teams' "+c.Name, texts)
	}
	return errors.Join(errs...)
}

// ends counts how often the role whose end is told ended by itself, in the same words.
func (s *sandbox) ends(text string) (n int) {
	state := s.tenant.State()
	for _, r := range state.Roles {
		for _, e := range state.Audit {
			if e.Role == r.ID && strings.Contains(e.Activity, "PIM activation expired") && holds(text, r.Name+" has ended", "Its time is over.") {
				n++
			}
		}
	}
	return n
}
