package teamstest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// Press presses a button of the card that the user sees in a message; the button
// is named by its title, verb or id. What the person filled in goes by input id;
// an input that is not named keeps what stands in it.
//
// Action.Execute is an invoke, whose answer is applied as the client applies it
// and given back; Action.Submit is a message; Action.OpenUrl gives its URL.
func (t *Teams) Press(ctx context.Context, user, conversation, activity, name string, inputs map[string]string) (Answer, error) {
	return t.press(ctx, user, conversation, activity, name, inputs, false)
}

// Submit presses a button as a client does that is too old for Action.Execute:
// it falls back to the Action.Submit that the button names.
func (t *Teams) Submit(ctx context.Context, user, conversation, activity, name string, inputs map[string]string) (Answer, error) {
	return t.press(ctx, user, conversation, activity, name, inputs, true)
}

func (t *Teams) press(ctx context.Context, user, conversation, activity, name string, inputs map[string]string, old bool) (Answer, error) {
	p, c, root, l, err := t.card(user, conversation, activity)
	if err != nil {
		return Answer{}, err
	}
	b, err := l.button(name)
	if err != nil {
		return Answer{}, err
	}
	if fallback, ok := b.action["fallback"].(map[string]any); old && ok && b.kind == "Action.Execute" {
		b.action, b.kind = fallback, text(fallback["type"])
	}
	switch b.kind {
	case "Action.Execute", "Action.Submit":
	case "Action.OpenUrl":
		return Answer{URL: text(b.action["url"])}, nil
	default:
		return Answer{}, &Refused{fmt.Sprintf("pressing an %s tells the bot nothing", b.kind)}
	}
	values, err := fill(b.inputs, inputs)
	if err != nil {
		return Answer{}, err
	}
	data, err := b.data(values)
	if err != nil {
		t.report("%v", err)
		return Answer{}, &Refused{err.Error()}
	}
	if b.kind == "Action.Submit" {
		a := t.activity("message", p, c, root, t.options.Now())
		a.ReplyToID, a.Value, a.Entities = activity, data, nil
		if err := t.change(func(w *world) error { a.ID = w.nextID(t.options.Now().UnixMilli()); return nil }); err != nil {
			return Answer{}, err
		}
		return Answer{}, t.deliver(ctx, user, a, func([]byte) error { return nil })
	}
	if old {
		return Answer{}, &Refused{fmt.Sprintf("the button %q has no Action.Submit to fall back to", name)}
	}
	action := map[string]any{"type": b.kind, "data": data}
	for _, member := range []string{"id", "verb", "title"} {
		if value := text(b.action[member]); value != "" {
			action[member] = value
		}
	}
	a := t.activity("invoke", p, c, root, t.options.Now())
	a.Name, a.ReplyToID = "adaptiveCard/action", activity
	a.Value = map[string]any{"action": action, "trigger": "manual"}
	a.ChannelData.Source = &source{Name: "message"}
	var answer Answer
	err = t.deliver(ctx, user, a, func(body []byte) (err error) {
		answer, err = t.apply(user, c.ID, activity, body)
		return err
	})
	if err != nil || answer.SignIn == nil || t.options.SignOn == nil {
		return answer, err
	}
	again, ok, err := t.signOn(ctx, p, a, answer.SignIn)
	if ok || err != nil {
		return again, err
	}
	return answer, t.toast(user, ToastSignIn, answer.Text)
}

// Search asks the bot for choices while a person types into an input of a card.
// The input is named by its id or its dataset; others holds what stands in the
// other inputs, which goes along when the card says so. Teams shows fifteen.
func (t *Teams) Search(ctx context.Context, user, conversation, activity, name, query string, others map[string]string) ([]Choice, error) {
	p, c, root, l, err := t.card(user, conversation, activity)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(l.inputs, func(in Input) bool { return in.Dataset != "" && (in.ID == name || in.Dataset == name) })
	if at < 0 {
		return nil, &Refused{fmt.Sprintf("the card has no input %q that is searched", name)}
	}
	value := map[string]any{
		"queryText": query, "dataset": l.inputs[at].Dataset,
		"queryOptions": map[string]int{"skip": 0, "top": maxChoices},
	}
	if l.inputs[at].whole {
		value["data"] = others
	}
	a := t.activity("invoke", p, c, root, t.options.Now())
	a.Name, a.ReplyToID, a.Value = "application/search", activity, value
	var choices []Choice
	err = t.deliver(ctx, user, a, func(body []byte) (err error) {
		choices, err = readChoices(body)
		if err != nil {
			return t.wrong(http.StatusOK, err)
		}
		return nil
	})
	return choices, err
}

// card finds the card that a user sees in a message.
func (t *Teams) card(user, conversation, activity string) (p Person, c Conversation, root string, l layout, err error) {
	if p, c, _, err = t.place(user, conversation); err != nil {
		return p, c, "", l, err
	}
	a := c.activity(activity)
	if a == nil || a.Deleted || a.Only != "" && a.Only != user {
		return p, c, "", l, &Refused{fmt.Sprintf("%s sees no message %q there", user, activity)}
	}
	if !c.BotInstalled {
		return p, c, "", l, &Refused{fmt.Sprintf("%s is not installed there", t.options.BotName)}
	}
	l, err = parseCard(a.CardFor(user))
	return p, c, a.Root, l, err
}
