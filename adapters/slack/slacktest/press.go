package slacktest

import (
	"context"
	"fmt"
	"slices"
)

// Element names an interactive element and what a person does with it.
type Element struct {
	BlockID  string // may be empty when the action id stands in one block only
	ActionID string
	Value    string // the option's value for a menu, the text for an input, see Value.String; a button needs none
}

// Press is a person pressing the button with that action id in a message that
// they see, an ephemeral one included.
func (w *Workspace) Press(ctx context.Context, user, channel, ts, actionID string) (Outcome, error) {
	return w.Use(ctx, user, channel, ts, Element{ActionID: actionID})
}

// Use is a person using any element of a message: a button, a select, an overflow menu.
func (w *Workspace) Use(ctx context.Context, user, channel, ts string, el Element) (Outcome, error) {
	var (
		payload blockActions
		err     error
	)
	w.change(func() { payload, err = w.messageAction(user, channel, ts, el) })
	if err != nil {
		return Outcome{}, err
	}
	return w.sendActions(ctx, user, "", payload)
}

// sendActions delivers block_actions. Slack ignores the body of the
// acknowledgement; a failure is a word to the person and nothing more.
func (w *Workspace) sendActions(ctx context.Context, user, viewID string, payload blockActions) (Outcome, error) {
	a, err := w.interact(ctx, pathInteractions, payload)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Delivered: true, Status: a.Status, Repeats: a.repeats}
	w.change(func() {
		if !a.ok() {
			out.Notice = w.notice(user, "The app did not take this action (%s). Try again.", a.failure())
		}
		out.View = w.front(user)
		if v := w.view(viewID); v != nil {
			c := v.copy()
			out.View = &c
		}
	})
	return out, nil
}

// visible finds a message that a person sees, and its blocks. Under the lock.
func (w *Workspace) visible(user, channel, ts string) (User, Channel, *Message, []*block, error) {
	u, c, err := w.place(user, channel)
	if err != nil {
		return u, c, nil, nil, err
	}
	m := w.message(c.ID, ts)
	if m == nil || m.EphemeralTo != "" && m.EphemeralTo != user {
		return u, c, nil, nil, fmt.Errorf("slacktest: message %s in %s for %s: %w", ts, c.ID, user, ErrNoSuch)
	}
	blocks, err := decodeBlocks(m.Blocks)
	return u, c, m, blocks, err
}

// messageAction makes the payload of using an element of a message. Under the lock.
func (w *Workspace) messageAction(user, channel, ts string, el Element) (blockActions, error) {
	u, c, m, blocks, err := w.visible(user, channel, ts)
	if err != nil {
		return blockActions{}, err
	}
	b, e, err := find(blocks, el.BlockID, el.ActionID)
	if err != nil {
		return blockActions{}, err
	}
	act, err := w.act(b, e, el.Value, w.offered[offerKey(m.TS, b, e)], Value{})
	if err != nil {
		return blockActions{}, err
	}
	delete(w.kept.Notices, user)
	ephemeral := m.EphemeralTo != ""
	p := blockActions{
		Type: "block_actions", User: w.wirePerson(u), APIAppID: w.opts.AppID, Token: w.verificationToken(),
		Container: container{Type: "message", MessageTS: m.TS, ChannelID: c.ID, IsEphemeral: &ephemeral, ThreadTS: m.ThreadTS},
		TriggerID: w.newTrigger(user, ""), Team: w.wireTeam(),
		Channel:     &wirePlace{ID: c.ID, Name: c.shownName()},
		State:       &stateValues{Values: Values{}},
		ResponseURL: w.responseURL("/actions/", &response{User: user, Channel: c.ID, TS: m.TS}),
		Actions:     []action{act},
	}
	if !ephemeral { // Slack leaves the message out when only one person sees it
		wire := w.wireMessage(m)
		p.Message = &wire
	}
	return p, nil
}

// act makes the entry of actions for using an element. Under the lock.
func (w *Workspace) act(b *block, e *element, value string, offered []Option, current Value) (action, error) {
	act := action{Type: e.Type, ActionID: e.ActionID, BlockID: b.BlockID, ActionTS: w.actionTS()}
	switch e.Type {
	case "button":
		act.Text, act.Style, act.URL = e.Text, e.Style, e.URL
		if e.Value != "" {
			act.Value = &e.Value
		}
		return act, nil
	case "plain_text_input":
		act.Value = &value
		return act, nil
	}
	val, err := e.enter(value, offered, current)
	if err != nil {
		return act, err
	}
	act.Placeholder = e.Placeholder
	switch {
	case e.several():
		chosen := append([]Option{}, val.Options...)
		act.SelectedOptions, act.InitialOptions = &chosen, e.InitialOptions
		return act, nil
	case e.Type == "datetimepicker" && val.Time != 0:
		act.SelectedDateTime, act.InitialDateTime = &val.Time, e.InitialDateTime
		return act, nil
	case val.Option != nil:
		act.SelectedOption, act.InitialOption = val.Option, e.InitialOption
		return act, nil
	}
	return act, fmt.Errorf("slacktest: nothing was chosen in %q: %w", e.ActionID, ErrNotPossible)
}

func offerKey(where string, b *block, e *element) string {
	return where + "\x00" + b.BlockID + "\x00" + e.ActionID
}

// Suggest is a person typing into an external select of a modal or Home tab.
// The options are those of the bot's acknowledgement; when it fails, the person
// has a notice and no options. A query shorter than min_query_length (3 unless
// set) is not sent: ErrNotPossible.
func (w *Workspace) Suggest(ctx context.Context, user, viewID, blockID, actionID, query string) ([]Option, error) {
	var (
		payload blockSuggestion
		key     string
		err     error
	)
	w.read(func() { payload, key, err = w.suggestion(user, viewID, blockID, actionID, query) })
	if err != nil {
		return nil, err
	}
	a, err := w.interact(ctx, pathOptions, payload)
	if err != nil {
		return nil, err
	}
	var options []Option
	w.change(func() {
		if !a.ok() {
			w.notice(user, "The options could not be loaded (%s).", a.failure())
			return
		}
		list, ok := w.ackOptions(a.Answer)
		if !ok {
			w.notice(user, "The options could not be loaded (%s).", "invalid_response")
			return
		}
		options = list
		w.offered[key] = list
	})
	return slices.Clone(options), nil
}

// suggestion makes the payload of block_suggestion. Under the lock.
func (w *Workspace) suggestion(user, viewID, blockID, actionID, query string) (blockSuggestion, string, error) {
	u, v, blocks, err := w.open(user, viewID)
	if err != nil {
		return blockSuggestion{}, "", err
	}
	b, e, err := find(blocks, blockID, actionID)
	if err != nil {
		return blockSuggestion{}, "", err
	}
	least := 3
	if e.MinQueryLength != nil {
		least = *e.MinQueryLength
	}
	if !e.searched() || len([]rune(query)) < least {
		return blockSuggestion{}, "", fmt.Errorf("slacktest: a search for %q in %s %q: %w", query, e.Type, actionID, ErrNotPossible)
	}
	wire := w.wireView(v)
	return blockSuggestion{
		Type: "block_suggestion", User: w.wirePerson(u), Container: container{Type: "view", ViewID: v.ID},
		APIAppID: w.opts.AppID, Token: w.verificationToken(), ActionID: e.ActionID, BlockID: b.BlockID, Value: query,
		Team: w.wireTeam(), View: &wire,
	}, offerKey(v.ID, b, e), nil
}

// ackOptions checks and decodes the options in an acknowledgement. Under the lock.
func (w *Workspace) ackOptions(a Answer) ([]Option, bool) {
	var found struct {
		Options      []Option      `json:"options"`
		OptionGroups []optionGroup `json:"option_groups"`
	}
	v, err := decodeAny(a.Body)
	if err != nil {
		w.shout("the options are not JSON: %v", err)
		return nil, false
	}
	c := newChecker()
	if m, ok := c.object("", v, "", "options option_groups"); ok {
		_, hasOptions := m["options"]
		_, hasGroups := m["option_groups"]
		if hasOptions == hasGroups {
			c.fault("", "must define either `options` or `option_groups`")
		}
		c.options("", m, 0)
	}
	if len(c.faults) > 0 {
		w.shout("Slack would not show these options: %v", c.faults)
		return nil, false
	}
	if err := w.ackJSON(a, "block_suggestion", &found); err != nil {
		return nil, false
	}
	e := element{Options: found.Options, OptionGroups: found.OptionGroups}
	all := slices.Clone(e.choices())
	for i := range all {
		fill(&all[i].Text, all[i].Description)
	}
	return all, true
}
