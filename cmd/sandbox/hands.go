package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
)

// What people do with their hands in the simulated chats. Each waits until it can
// be done, and fails in a sentence.

// answered are the deeds of one step that were answered. In a test that kills Belay whoever
// got an answer does not do the same again; nil: nobody goes back to a step.
type answered map[string]bool

// once does what a person does once in a step.
func (a answered) once(deed string, do func() error) error {
	if a[deed] {
		return nil
	}
	err := do()
	if a != nil && err == nil {
		a[deed] = true
	}
	return err
}

// fillIn fills in a modal, by the names of its fields, and sends it.
func (s *sandbox) fillIn(ctx context.Context, who person, v slacktest.View, values map[string]string) (slacktest.Outcome, error) {
	var blocks []struct {
		ID      string `json:"block_id"`
		Element struct {
			Name string `json:"action_id"`
		} `json:"element"`
	}
	if err := json.Unmarshal(v.Blocks, &blocks); err != nil {
		return slacktest.Outcome{}, err
	}
	filled := map[string]map[string]string{}
	for _, b := range blocks {
		if value, ok := values[b.Element.Name]; ok && b.Element.Name != "" {
			filled[b.ID] = map[string]string{b.Element.Name: value}
		}
	}
	if len(filled) != len(values) {
		return slacktest.Outcome{}, fmt.Errorf("the form asks for other things than %v: %s", values, v.Blocks)
	}
	return s.slack.Submit(ctx, who.Slack, v.ID, filled)
}

// asks types a one-liner in Slack, adds to the form what it did not say, and sends
// it.
func (s *sandbox) asks(ctx context.Context, who person, text string, values map[string]string) error {
	return s.done.once(who.Key+" asks for "+text, func() error {
		if v, open := s.stands(who, `"Why"`, reasonOf(text)); open {
			return s.sends(ctx, who, v, values)
		}
		v, err := s.opens(ctx, who, text, "Why")
		if err != nil {
			return err
		}
		return s.sends(ctx, who, v, values)
	})
}

// stands is a form that was sent and not taken, and is still there to be sent again.
func (s *sandbox) stands(who person, words ...string) (slacktest.View, bool) {
	v, open := s.slack.State().Top(who.Slack)
	return v, open && holds(string(v.Blocks), words...)
}

// opens types a one-liner in Slack and waits for a form with a label. Where Microsoft
// did not answer, people try again in a minute.
func (s *sandbox) opens(ctx context.Context, who person, text, label string) (v slacktest.View, err error) {
	for {
		before, _ := s.slack.State().Top(who.Slack)
		if _, err := s.slack.Command(ctx, who.Slack, s.slack.DM(who.Slack), "/elevate", text); err != nil {
			return v, err
		}
		err = s.slack.Wait(ctx, func(state slacktest.State) bool {
			var ok bool
			v, ok = state.Top(who.Slack)
			return ok && v.ID != before.ID && (strings.Contains(string(v.Blocks), `"`+label+`"`) || troubled(v))
		})
		if err != nil {
			return v, fmt.Errorf("no form that asks %q: %w", label, err)
		}
		if !troubled(v) || strings.Contains(string(v.Blocks), `"`+label+`"`) {
			return v, nil
		}
		if _, err := s.slack.Close(ctx, who.Slack, v.ID); err != nil {
			return v, err
		}
		if err := s.moveOn(ctx, "1m"); err != nil {
			return v, err
		}
	}
}

// troubled says that a modal is about Microsoft not answering.
func troubled(v slacktest.View) bool {
	return strings.Contains(string(v.Blocks), "did not answer") || strings.Contains(string(v.Blocks), "is not answering")
}

// sendsForm waits for a modal with a label, and sends it.
func (s *sandbox) sendsForm(ctx context.Context, who person, label string, values map[string]string) error {
	return s.done.once(who.Key+" sends "+label, func() error {
		v, err := s.slackForm(ctx, who.Slack, label)
		if err != nil {
			return err
		}
		return s.sends(ctx, who, v, values)
	})
}

// sends fills in a form and sends it. One that comes back was not taken, because Belay was
// started anew under it: people look at it and send it again.
func (s *sandbox) sends(ctx context.Context, who person, v slacktest.View, values map[string]string) error {
	for range 3 {
		out, err := s.fillIn(ctx, who, v, values)
		switch {
		case err != nil:
			return err
		case !out.Delivered || len(out.Errors) > 0 || out.Notice != "":
			return fmt.Errorf("the form was not taken: %v %s", out.Errors, out.Notice)
		}
		back := false
		err = s.slack.Wait(ctx, func(state slacktest.State) bool {
			now, open := state.Top(who.Slack)
			open = open && now.ID == v.ID
			back = open && now.Submit != ""
			if back {
				v = now
			}
			return !open || !strings.Contains(string(now.Blocks), "One moment")
		})
		if err != nil || !back {
			return err
		}
	}
	return fmt.Errorf("the form comes back: %s", v.Blocks)
}

// presses uses a button, by its verb, of the newest Slack card that holds the words.
func (s *sandbox) presses(ctx context.Context, who person, verb string, words ...string) error {
	return s.done.once(who.Key+" presses "+verb, func() error { return s.uses(ctx, who, verb, words...) })
}

func (s *sandbox) uses(ctx context.Context, who person, verb string, words ...string) error {
	dm, ts := s.slack.DM(who.Slack), ""
	err := s.slack.Wait(ctx, func(state slacktest.State) bool {
		c, _ := state.Conversation(dm)
		for _, m := range slices.Backward(c.Messages) {
			if holds(slackText(m), words...) && strings.Contains(string(m.Blocks), `"action_id":"`+verb+`"`) {
				ts = m.TS
				return true
			}
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("%s has no button %q on a card with %q: %w", who.Name, verb, words, err)
	}
	out, err := s.slack.Press(ctx, who.Slack, dm, ts, verb)
	if err == nil && out.Notice != "" {
		err = fmt.Errorf("%s pressed %q: %s", who.Name, verb, out.Notice)
	}
	return err
}

// taps uses a button, by its title, of the newest Teams card that holds the words.
func (s *sandbox) taps(ctx context.Context, who person, title string, words ...string) (answer teamstest.Answer, err error) {
	err = s.done.once(who.Key+" taps "+title, func() error {
		answer, err = s.usesInTeams(ctx, who, title, words...)
		return err
	})
	return answer, err
}

func (s *sandbox) usesInTeams(ctx context.Context, who person, title string, words ...string) (teamstest.Answer, error) {
	if err := s.teamsWaits(ctx, who.Key, "", words...); err != nil {
		return teamstest.Answer{}, err
	}
	for _, a := range slices.Backward(s.teams.State().In("", who.Key)) {
		if text := teamstest.CardText(a.CardFor(who.Key)); holds(text, words...) && strings.Contains(string(a.CardFor(who.Key)), `"title":"`+title+`"`) {
			return s.teams.Press(ctx, who.Key, "", a.ID, title, nil)
		}
	}
	return teamstest.Answer{}, fmt.Errorf("%s has no button %q on a card with %q", who.Name, title, words)
}

// chooses picks an option, by a part of its label, of a field that a form listens to.
func (s *sandbox) chooses(ctx context.Context, who person, v slacktest.View, field, label string) error {
	var blocks []struct {
		ID      string `json:"block_id"`
		Element struct {
			Name    string `json:"action_id"`
			Options []struct {
				Text struct {
					Text string `json:"text"`
				} `json:"text"`
				Value string `json:"value"`
			} `json:"options"`
		} `json:"element"`
	}
	if err := json.Unmarshal(v.Blocks, &blocks); err != nil {
		return err
	}
	for _, b := range blocks {
		for _, o := range b.Element.Options {
			if b.Element.Name == field && strings.Contains(o.Text.Text, label) {
				_, err := s.slack.Change(ctx, who.Slack, v.ID, b.ID, field, o.Value)
				return err
			}
		}
	}
	return fmt.Errorf("the form has no %q to choose for %s: %s", label, field, v.Blocks)
}

// asksForShop fills in a form that asks again for the rules of the place that is chosen.
func (s *sandbox) asksForShop(ctx context.Context, alice person) error {
	const rules = "Contributor (resource group rg-shop) needs approval"
	if _, open := s.stands(alice, rules); open {
		return s.sendsForm(ctx, alice, "Where", nil)
	}
	v, err := s.opens(ctx, alice, "contributor 1h roll out the shop", "Where")
	if err != nil {
		return err
	}
	if err := s.chooses(ctx, alice, v, "where", "rg-shop"); err != nil {
		return err
	}
	err = s.slack.Wait(ctx, func(state slacktest.State) bool {
		var ok bool
		v, ok = state.Top(alice.Slack)
		return ok && strings.Contains(string(v.Blocks), rules)
	})
	if err != nil {
		return fmt.Errorf("the form does not show the rules of the resource group: %w", err)
	}
	return s.sendsForm(ctx, alice, "Where", nil)
}

// asksForTwo fills in a form in which another role is chosen besides.
func (s *sandbox) asksForTwo(ctx context.Context, alice person, also string) error {
	if _, open := s.stands(alice, also+" needs no approval"); open {
		return s.sendsForm(ctx, alice, "And also", nil)
	}
	v, err := s.opens(ctx, alice, "message center reader 30m quarterly review", "And also")
	if err != nil {
		return err
	}
	if err := s.chooses(ctx, alice, v, "also", also); err != nil {
		return err
	}
	err = s.slack.Wait(ctx, func(state slacktest.State) bool {
		now, ok := state.Top(alice.Slack)
		return ok && now.Hash != v.Hash && strings.Contains(string(now.Blocks), also+" needs no approval")
	})
	if err != nil {
		return fmt.Errorf("the form does not show the rules of both roles: %w", err)
	}
	return s.sendsForm(ctx, alice, "And also", nil)
}
