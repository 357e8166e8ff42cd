package teamstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// layout is what a person can do with a card.
type layout struct {
	inputs  []Input
	buttons []button
	widest  int // the most buttons in one row
}

// Input is one question of a card.
type Input struct {
	ID       string
	Kind     string // "Input.Text", …
	Label    string // of an Input.Toggle without one its title
	Value    string // what stands in it at first
	Required bool
	Error    string   // what the client says where the answer is not acceptable
	Max      int      // longest answer in runes; 0: no limit
	Choices  []Choice // of an Input.ChoiceSet; of an Input.Toggle the values of on and off
	Many     bool     // of an Input.ChoiceSet: several can be chosen, their values joined by commas
	Dataset  string   // of an Input.ChoiceSet that is searched as one types
	whole    bool     // a search sends the other inputs along
}

// button is one action of a card, with the inputs that go with it.
type button struct {
	action   map[string]any
	kind     string // "Action.Execute", …
	title    string
	untitled bool // it is a place to press, not a button
	inputs   []Input
}

// read finds the inputs and buttons of a card. The inputs that go with a button
// are those of its own card and of the cards around it, not of cards within.
func read(card map[string]any) layout {
	var l layout
	l.card(card, nil)
	return l
}

func (l *layout) card(card map[string]any, outer []Input) {
	scope := slices.Clone(outer)
	var actions []button
	var find func(v any, place string)
	find = func(v any, place string) {
		switch v := v.(type) {
		case []any:
			if place == "actions" {
				l.widest = max(l.widest, len(v))
			}
			for _, item := range v {
				find(item, place)
			}
		case map[string]any:
			kind, _ := v["type"].(string)
			switch {
			case strings.HasPrefix(kind, "Action."):
				actions = append(actions, button{
					action: v, kind: kind, title: text(v["title"]),
					untitled: place == "selectAction" || place == "inlineAction",
				})
				return
			case strings.HasPrefix(kind, "Input.") && kind != "Input.Choice":
				in := readInput(v, kind)
				scope, l.inputs = append(scope, in), append(l.inputs, in)
			}
			for _, name := range members(v) {
				find(v[name], name)
			}
		}
	}
	for _, name := range members(card) {
		find(card[name], name)
	}
	for _, b := range actions {
		if b.inputs = scope; b.action["associatedInputs"] == "none" {
			b.inputs = nil
		}
		l.buttons = append(l.buttons, b)
		if inner, ok := b.action["card"].(map[string]any); ok {
			l.card(inner, scope)
		}
	}
}

func readInput(v map[string]any, kind string) Input {
	in := Input{
		ID: text(v["id"]), Kind: kind, Label: text(v["label"]), Value: text(v["value"]),
		Error: text(v["errorMessage"]), Max: number(v["maxLength"]),
	}
	in.Required, _ = v["isRequired"].(bool)
	in.Many, _ = v["isMultiSelect"].(bool)
	choices, _ := v["choices"].([]any)
	for _, c := range choices {
		if c, ok := c.(map[string]any); ok {
			in.Choices = append(in.Choices, Choice{Title: text(c["title"]), Value: text(c["value"])})
		}
	}
	if query, ok := v["choices.data"].(map[string]any); ok {
		in.Dataset = text(query["dataset"])
		in.whole = query["associatedInputs"] == "auto"
	}
	if kind == "Input.Toggle" {
		on, off := cmp.Or(text(v["valueOn"]), "true"), cmp.Or(text(v["valueOff"]), "false")
		in.Label, in.Choices = cmp.Or(in.Label, text(v["title"])), []Choice{{Value: on}, {Value: off}}
		in.Value = cmp.Or(in.Value, off)
	}
	return in
}

// button finds the one button of that title, verb or id.
func (l layout) button(name string) (button, error) {
	var found []button
	var titles []string
	for _, b := range l.buttons {
		if b.title != "" {
			titles = append(titles, fmt.Sprintf("%q", b.title))
		}
		if name != "" && slices.Contains([]string{b.title, text(b.action["verb"]), text(b.action["id"])}, name) {
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 0:
		return button{}, &Refused{fmt.Sprintf("the card has no button %q, only %s", name, strings.Join(titles, ", "))}
	case len(found) > 1:
		return button{}, &Refused{fmt.Sprintf("the card has more than one button %q", name)}
	case found[0].action["isEnabled"] == false:
		return button{}, &Refused{fmt.Sprintf("the button %q is disabled", name)}
	}
	return found[0], nil
}

// fill gives the values that go with a press: what stands in the inputs, over it
// what the person filled in. Like the client it refuses what an input does not
// let in, and leaves out inputs in which nothing stands.
func fill(inputs []Input, given map[string]string) (map[string]string, error) {
	values := map[string]string{}
	rest := maps.Clone(given)
	for _, in := range inputs {
		value, ok := given[in.ID]
		if !ok {
			value = in.Value
		}
		delete(rest, in.ID)
		switch {
		case value == "" && in.Required, in.Kind == "Input.Toggle" && in.Required && value != in.Choices[0].Value:
			return nil, &Refused{fmt.Sprintf("%q must be filled in", in.ID)}
		case value == "":
			continue
		case in.Max > 0 && utf8.RuneCountInString(value) > in.Max:
			return nil, &Refused{fmt.Sprintf("%q takes %d characters at the most", in.ID, in.Max)}
		case !in.takes(value):
			return nil, &Refused{fmt.Sprintf("%q does not take %q", in.ID, value)}
		}
		values[in.ID] = in.inOrder(value)
	}
	for name := range rest {
		return nil, &Refused{fmt.Sprintf("the card has no input %q that goes with this button", name)}
	}
	return values, nil
}

// takes tells whether the client lets a value stand in an input.
func (in Input) takes(value string) bool {
	form := map[string]string{"Input.Date": "2006-01-02", "Input.Time": "15:04"}[in.Kind]
	switch {
	case form != "":
		at, err := time.Parse(form, value)
		return err == nil && at.Format(form) == value
	case in.Kind != "Input.ChoiceSet" && in.Kind != "Input.Toggle", in.Dataset != "":
		return true
	}
	chosen := []string{value}
	if in.Many {
		chosen = strings.Split(value, ",")
	}
	for i, one := range chosen {
		if slices.Contains(chosen[:i], one) || !slices.ContainsFunc(in.Choices, func(c Choice) bool { return c.Value == one }) {
			return false
		}
	}
	return true
}

// inOrder is a value as the client sends it: of several choices in their own order,
// whatever the order in which they were chosen.
func (in Input) inOrder(value string) string {
	if !in.Many {
		return value
	}
	var all []string
	for _, c := range in.Choices {
		if slices.Contains(strings.Split(value, ","), c.Value) {
			all = append(all, c.Value)
		}
	}
	return strings.Join(all, ",")
}

// data merges an action's own data with the values of the inputs.
func (b button) data(values map[string]string) (map[string]any, error) {
	merged := map[string]any{}
	switch own := b.action["data"].(type) {
	case nil:
	case map[string]any:
		maps.Copy(merged, own)
	default:
		return nil, fmt.Errorf("the data of button %q is no object, which is not simulated", b.title)
	}
	if _, ok := merged["msteams"]; ok {
		return nil, fmt.Errorf("data.msteams of button %q is not simulated", b.title)
	}
	for name, value := range values {
		merged[name] = value
	}
	return merged, nil
}

// parseCard reads a card that was checked before.
func parseCard(raw json.RawMessage) (layout, error) {
	var card map[string]any
	if err := json.Unmarshal(raw, &card); err != nil {
		return layout{}, &Refused{"the message has no card"}
	}
	return read(card), nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int {
	switch v := v.(type) {
	case float64:
		return int(v)
	case json.Number:
		n, err := v.Int64()
		if err == nil {
			return int(n)
		}
	}
	return 0
}
