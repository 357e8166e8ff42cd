package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaybot/belay/adapters/slack/slacktest"
	"github.com/belaybot/belay/adapters/teams/teamstest"
	"github.com/belaybot/belay/pim/pimtest"
)

// sits waits until the modal in front of the person says all the words.
func (h human) sits(words ...string) (v slacktest.View) {
	h.w.t.Helper()
	err := h.w.slack.Wait(h.w.ctx(), func(s slacktest.State) bool {
		var ok bool
		v, ok = s.Top(h.Slack)
		return ok && holds(modal(v), words...)
	})
	if err != nil {
		h.w.t.Fatalf("%s sits before no form with %q, but: %s", h.Name, words, modal(v))
	}
	return v
}

// picks chooses options of a field, by the beginning of what they are called.
func (h human) picks(v slacktest.View, field string, labels ...string) {
	h.w.t.Helper()
	block, values := slackOptions(v, field)
	var chosen []string
	for _, label := range labels {
		value := ""
		for called := range values {
			if strings.HasPrefix(called, label) {
				value = values[called]
			}
		}
		if value == "" {
			h.w.t.Fatalf("%s finds no %q in %v", h.Name, label, values)
		}
		chosen = append(chosen, value)
	}
	_, err := h.w.slack.Change(h.w.ctx(), h.Slack, v.ID, block, field, strings.Join(chosen, ","))
	h.w.must(err)
}

// slackOptions gives the block of a field in a modal, and its options by label.
func slackOptions(v slacktest.View, field string) (block string, values map[string]string) {
	type option struct {
		Text  struct{ Text string }
		Value string
	}
	var blocks []struct {
		ID      string `json:"block_id"`
		Element struct {
			Name    string `json:"action_id"`
			Options []option
		}
	}
	values = map[string]string{}
	if json.Unmarshal(v.Blocks, &blocks) != nil {
		return "", values
	}
	for _, b := range blocks {
		if b.Element.Name == field {
			block = b.ID
			for _, o := range b.Element.Options {
				values[o.Text.Text] = o.Value
			}
		}
	}
	return block, values
}

// fillsIn fills in the newest Teams card with the words and presses a button of it.
// Answers are by field; of a choice it is the beginning of what it is called, of
// several one to a line.
func (h human) fillsIn(button string, answers map[string]string, words ...string) teamstest.Answer {
	h.w.t.Helper()
	h.sees(words...)
	for _, a := range slices.Backward(h.w.teams.State().In("", h.Key)) {
		card := a.CardFor(h.Key)
		if !holds(teamstest.CardText(card), words...) || !strings.Contains(string(card), `"title":"`+button+`"`) {
			continue
		}
		values := map[string]string{}
		for _, in := range teamstest.ReadCard(card).Inputs {
			answer, ok := answers[in.ID]
			switch {
			case !ok:
			case len(in.Choices) == 0 || in.Kind == "Input.Toggle":
				values[in.ID] = answer
			default:
				var chosen []string
				for label := range strings.Lines(answer) {
					n := slices.IndexFunc(in.Choices, func(c teamstest.Choice) bool { return strings.HasPrefix(c.Title, strings.TrimSpace(label)) })
					if n < 0 {
						h.w.t.Fatalf("%s finds no %q in %+v", h.Name, label, in.Choices)
					}
					chosen = append(chosen, in.Choices[n].Value)
				}
				values[in.ID] = strings.Join(chosen, ",")
			}
		}
		if len(values) != len(answers) {
			h.w.t.Fatalf("%s fills in %v, but the form asks for other things: %s", h.Name, answers, card)
		}
		answer, err := h.w.teams.Press(h.w.ctx(), h.Key, "", a.ID, button, values)
		h.w.must(err)
		return answer
	}
	h.w.t.Fatalf("%s has no button %q on a card with %q", h.Name, button, words)
	return teamstest.Answer{}
}

// activeRoles are the activations of a person, as the tenant holds them.
func (h human) activeRoles() (all []pimtest.ActiveState) {
	for _, a := range h.w.tenant.State().Active {
		if a.Activated && a.Principal == h.OID {
			all = append(all, a)
		}
	}
	return all
}

// inputs are the fields of the newest Teams card that holds the words.
func (h human) inputs(words ...string) []teamstest.Input {
	h.w.t.Helper()
	for _, a := range slices.Backward(h.w.teams.State().In("", h.Key)) {
		if card := a.CardFor(h.Key); holds(teamstest.CardText(card), words...) {
			return teamstest.ReadCard(card).Inputs
		}
	}
	h.w.t.Fatalf("%s has no card with %q", h.Name, words)
	return nil
}

// reqState is a request as the tenant holds it.
type reqState = pimtest.RequestState

// sendsTicked ticks every box of a modal that is to be acknowledged, and sends it.
func (h human) sendsTicked(v slacktest.View) {
	h.w.t.Helper()
	values := map[string]string{}
	var blocks []struct {
		Element struct {
			Name string `json:"action_id"`
			Type string
		}
	}
	h.w.must(json.Unmarshal(v.Blocks, &blocks))
	for _, b := range blocks {
		if b.Element.Type == "checkboxes" && strings.HasPrefix(b.Element.Name, "terms-") {
			values[b.Element.Name] = "yes"
		}
	}
	if out := h.sends(v, values); !out.Delivered || len(out.Errors) > 0 || out.Notice != "" || len(values) == 0 {
		h.w.t.Fatalf("the form was not taken: %+v", out)
	}
}

// formHolds waits until a form in Teams that holds the words is filled in so.
func (h human) formHolds(want map[string]string, words ...string) {
	h.w.t.Helper()
	var seen []teamstest.Input
	err := h.w.teams.Wait(h.w.ctx(), func(s teamstest.State) bool {
		for _, a := range s.In("", h.Key) {
			card := a.CardFor(h.Key)
			if !holds(teamstest.CardText(card), words...) {
				continue
			}
			got := map[string]string{}
			seen = teamstest.ReadCard(card).Inputs
			for _, in := range seen {
				got[in.ID] = in.Value
			}
			same := true
			for field, value := range want {
				same = same && got[field] == value
			}
			if same {
				return true
			}
		}
		return false
	})
	if err != nil {
		h.w.t.Fatalf("%s has no form that holds %v, the last one holds %+v", h.Name, want, seen)
	}
}

// seconds is a time as Slack's picker gives it.
func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// finds waits until a Teams card with the words has a button of that title.
func (h human) finds(button string, words ...string) {
	h.w.t.Helper()
	err := h.w.teams.Wait(h.w.ctx(), func(s teamstest.State) bool {
		return slices.ContainsFunc(s.In("", h.Key), func(a teamstest.Activity) bool {
			card := a.CardFor(h.Key)
			return holds(teamstest.CardText(card), words...) &&
				slices.ContainsFunc(teamstest.ReadCard(card).Buttons, func(b teamstest.Button) bool { return b.Title == button })
		})
	})
	if err != nil {
		h.w.t.Fatalf("%s finds no button %q on a card with %q; the chat shows:\n%s", h.Name, button, words, strings.Join(h.teamsTexts(), "\n---\n"))
	}
}

type slackState = slacktest.State

// chosen says that an option with that value is chosen in a field of a modal.
func chosen(all slacktest.Values, field, value string) bool {
	for _, fields := range all {
		if v, ok := fields[field]; ok && v.String() == value {
			return true
		}
	}
	return false
}
