package slacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// trouble is what a modal says when its app fails.
const trouble = "We had some trouble connecting. Try again?"

// open finds a view that a person has in front of them, or their Home tab, and
// its blocks. Under the lock.
func (w *Workspace) open(user, viewID string) (User, *View, []*block, error) {
	u, err := w.person(user)
	if err != nil {
		return u, nil, nil, err
	}
	v := w.view(viewID)
	if v == nil || v.User != user {
		return u, nil, nil, fmt.Errorf("slacktest: view %q for %s: %w", viewID, user, ErrNoSuch)
	}
	if stack := w.stackOf(v.RootID); v.Type == "modal" && stack[len(stack)-1] != v {
		return u, nil, nil, fmt.Errorf("slacktest: view %q lies under another one: %w", viewID, ErrNotPossible)
	}
	blocks, err := decodeBlocks(v.Blocks)
	return u, v, blocks, err
}

// Change is a person using an element of a modal or Home tab: choosing an
// option, leaving a text, pressing a button (value is then ignored). Elements
// outside of input blocks, and those in input blocks with dispatch_action, send
// block_actions; others only hold the value, and nothing is delivered.
func (w *Workspace) Change(ctx context.Context, user, viewID, blockID, actionID, value string) (Outcome, error) {
	var (
		payload *blockActions
		err     error
	)
	w.change(func() { payload, err = w.viewAction(user, viewID, Element{blockID, actionID, value}) })
	if err != nil {
		return Outcome{}, err
	}
	if payload == nil {
		var out Outcome
		w.read(func() { out.View = w.front(user) })
		return out, nil
	}
	return w.sendActions(ctx, user, viewID, *payload)
}

// viewAction enters a value and makes the payload of block_actions; nil when
// nothing is delivered for this element. Under the lock.
func (w *Workspace) viewAction(user, viewID string, el Element) (*blockActions, error) {
	u, v, blocks, err := w.open(user, viewID)
	if err != nil {
		return nil, err
	}
	b, e, err := find(blocks, el.BlockID, el.ActionID)
	if err != nil {
		return nil, err
	}
	var (
		offered = w.offered[offerKey(v.ID, b, e)]
		current = v.Values[b.BlockID][e.ActionID]
		entered Value
		act     action
	)
	if e.holds() {
		if entered, err = e.enter(el.Value, offered, current); err != nil {
			return nil, err
		}
	}
	if b.dispatches() {
		if act, err = w.act(b, e, el.Value, offered, current); err != nil {
			return nil, err
		}
	}
	if e.holds() {
		v.put(b.BlockID, e.ActionID, entered)
	}
	delete(w.kept.Notices, user)
	if !b.dispatches() {
		return nil, nil
	}
	root := ""
	if v.Type == "modal" {
		root = v.RootID
	}
	wire := w.wireView(v)
	return &blockActions{
		Type: "block_actions", User: w.wirePerson(u), APIAppID: w.opts.AppID, Token: w.verificationToken(),
		Container: container{Type: "view", ViewID: v.ID}, TriggerID: w.newTrigger(user, root),
		Team: w.wireTeam(), View: &wire, Actions: []action{act},
	}, nil
}

// Submit is a person filling in a modal (block id, action id, value; inputs
// that are not named keep what stands in them, "" clears) and pressing its
// submit button. Slack's client stops an incomplete form by itself: Outcome is
// then not Delivered and has Errors.
func (w *Workspace) Submit(ctx context.Context, user, viewID string, values map[string]map[string]string) (Outcome, error) {
	var (
		payload viewSubmission
		out     Outcome
		err     error
	)
	w.change(func() { payload, out, err = w.submission(user, viewID, values) })
	if err != nil || out.Errors != nil {
		return out, err
	}
	a, err := w.interact(ctx, pathInteractions, payload)
	if err != nil {
		return Outcome{}, err
	}
	out = Outcome{Delivered: true, Status: a.Status, Repeats: a.repeats}
	w.change(func() {
		switch v := w.view(viewID); {
		case !a.ok():
			out.Notice = w.notice(user, trouble)
		case v == nil: // closed meanwhile
		case !w.ackSubmission(v, a.Answer):
			out.Notice = w.notice(user, trouble)
		default:
			out.Errors = maps.Clone(v.Errors)
		}
		out.View = w.front(user)
	})
	return out, nil
}

// submission enters the values and makes the payload of view_submission. Under the lock.
func (w *Workspace) submission(user, viewID string, values map[string]map[string]string) (viewSubmission, Outcome, error) {
	u, v, blocks, err := w.open(user, viewID)
	if err != nil {
		return viewSubmission{}, Outcome{}, err
	}
	if v.Submit == "" {
		return viewSubmission{}, Outcome{}, fmt.Errorf("slacktest: view %q has no submit button: %w", viewID, ErrNotPossible)
	}
	entered := make(Values)
	for blockID, byAction := range values {
		for actionID, value := range byAction {
			b, e, err := find(blocks, blockID, actionID)
			if err != nil {
				return viewSubmission{}, Outcome{}, err
			}
			val, err := e.enter(value, w.offered[offerKey(v.ID, b, e)], v.Values[blockID][actionID])
			if err != nil {
				return viewSubmission{}, Outcome{}, err
			}
			if entered[blockID] == nil {
				entered[blockID] = make(map[string]Value)
			}
			entered[blockID][actionID] = val
		}
	}
	for blockID, byAction := range entered {
		for actionID, val := range byAction {
			v.put(blockID, actionID, val)
		}
	}
	delete(w.kept.Notices, user)
	v.Errors = nil
	for _, b := range blocks {
		if b.Type != "input" {
			continue
		}
		if s := b.incomplete(v.Values[b.BlockID][b.Element.ActionID]); s != "" {
			if v.Errors == nil {
				v.Errors = make(map[string]string)
			}
			v.Errors[b.BlockID] = s
		}
	}
	if v.Errors != nil {
		return viewSubmission{}, Outcome{Errors: maps.Clone(v.Errors), View: w.front(user)}, nil
	}
	return viewSubmission{
		Type: "view_submission", Team: w.wireTeam(), User: w.wirePerson(u), APIAppID: w.opts.AppID, Token: w.verificationToken(),
		TriggerID: w.newTrigger(user, v.RootID), View: w.wireView(v), ResponseURLs: []struct{}{},
	}, Outcome{}, nil
}

// ackSubmission does what the acknowledgement of a submission says. False when
// Slack would not take it; the view then stays as it is. Under the lock.
func (w *Workspace) ackSubmission(v *View, a Answer) bool {
	if len(a.Body) == 0 {
		w.closeViews(v)
		return true
	}
	var ack struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   json.RawMessage   `json:"view"`
	}
	if err := w.ackJSON(a, "view_submission", &ack); err != nil {
		return false
	}
	switch ack.Action {
	case "":
		if len(ack.Errors) > 0 || len(ack.View) > 0 {
			w.shout("the acknowledgement of view_submission has no response_action")
			return false
		}
		w.closeViews(v)
		return true
	case "clear":
		w.closeViews(w.stackOf(v.RootID)...)
		return true
	case "errors":
		return w.ackErrors(v, ack.Errors)
	case "update", "push":
		in, p := w.viewArg(string(ack.View), "modal")
		if p == nil && ack.Action == "update" {
			p = w.set(v, in)
		} else if p == nil {
			_, p = w.push(v.User, v.RootID, in)
		}
		if p != nil {
			w.shout("the view in response_action %s is refused: %s %v", ack.Action, p.code, p.messages)
		}
		return p == nil
	}
	w.shout("response_action %q is unknown", ack.Action)
	return false
}

// ackErrors shows errors under inputs; their keys must be block ids of input blocks. Under the lock.
func (w *Workspace) ackErrors(v *View, errs map[string]string) bool {
	blocks, err := decodeBlocks(v.Blocks)
	if err != nil || len(errs) == 0 {
		w.shout("response_action errors without errors (%v)", err)
		return false
	}
	for id, s := range errs {
		isInput := slices.ContainsFunc(blocks, func(b *block) bool { return b.Type == "input" && b.BlockID == id })
		if !isInput || s == "" {
			w.shout("response_action errors: %q is no input block of the view, or its error is empty", id)
			return false
		}
	}
	v.Errors = errs
	return true
}

// Close is a person closing a modal. With clear_on_close the whole stack goes.
// Each view that goes and asks for it (notify_on_close) is told to the bot with
// view_closed; the Outcome is that of the last one.
func (w *Workspace) Close(ctx context.Context, user, viewID string) (Outcome, error) {
	var (
		payloads []viewClosed
		err      error
	)
	w.change(func() {
		u, v, _, oerr := w.open(user, viewID)
		switch {
		case oerr != nil:
			err = oerr
			return
		case v.Type != "modal":
			err = fmt.Errorf("slacktest: view %q is a Home tab: %w", viewID, ErrNotPossible)
			return
		}
		gone := []*View{v}
		cleared := w.wireView(v).ClearOnClose
		if cleared {
			gone = w.stackOf(v.RootID)
		}
		for _, g := range slices.Backward(gone) {
			if wire := w.wireView(g); wire.NotifyOnClose {
				payloads = append(payloads, viewClosed{
					Type: "view_closed", Team: w.wireTeam(), User: w.wirePerson(u), APIAppID: w.opts.AppID,
					Token: w.verificationToken(), View: wire, IsCleared: cleared,
				})
			}
		}
		w.closeViews(gone...)
		delete(w.kept.Notices, user)
	})
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	for _, p := range payloads {
		a, err := w.interact(ctx, pathInteractions, p)
		if err != nil {
			return Outcome{}, err
		}
		out = Outcome{Delivered: true, Status: a.Status, Repeats: append(out.Repeats, a.repeats...)}
	}
	w.read(func() { out.View = w.front(user) })
	return out, nil
}
