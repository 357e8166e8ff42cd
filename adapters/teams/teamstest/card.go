package teamstest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed adaptive-card-1.5.0.json
var cardSchema []byte

const (
	cardType    = "application/vnd.microsoft.card.adaptive"
	cardVersion = "1.5"
	maxCard     = 25 << 10 // bytes of UTF-8: what Belay allows itself, well below Teams' limit
	maxActions  = 6        // that Teams shows in one row
)

// cardChecker refuses cards that Teams would not show, or would show otherwise
// than meant.
type cardChecker struct{ schema *jsonschema.Schema }

func newCardChecker() (*cardChecker, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(cardSchema))
	if err != nil {
		return nil, fmt.Errorf("teamstest: the schema of cards: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("adaptive-card.json", document); err != nil {
		return nil, fmt.Errorf("teamstest: the schema of cards: %w", err)
	}
	schema, err := c.Compile("adaptive-card.json")
	if err != nil {
		return nil, fmt.Errorf("teamstest: the schema of cards: %w", err)
	}
	return &cardChecker{schema}, nil
}

// check says what is wrong with a card, and gives it back without white space
// when nothing is.
func (c *cardChecker) check(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > maxCard {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(raw), maxCard)
	}
	var tidy bytes.Buffer
	if err := json.Compact(&tidy, raw); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	card, ok := parsed.(map[string]any)
	switch {
	case !ok || card["type"] != "AdaptiveCard":
		return nil, errors.New(`its type is not "AdaptiveCard"`)
	case card["version"] != cardVersion:
		return nil, fmt.Errorf("its version is %v, not %q", card["version"], cardVersion)
	case card["refresh"] != nil || card["authentication"] != nil:
		return nil, errors.New("refresh and authentication are not simulated")
	}
	if err := c.extensions(card); err != nil {
		return nil, err
	}
	if err := c.schema.Validate(card); err != nil {
		return nil, err
	}
	return tidy.Bytes(), checkLayout(read(card))
}

// extensions checks what Teams adds to Adaptive Cards 1.5 and takes it out, since
// the schema does not know it: msteams, choices.data, the style "filtered" and charts of lines.
func (c *cardChecker) extensions(card map[string]any) error {
	if ext, ok := card["msteams"]; ok {
		if err := checkExtension(ext); err != nil {
			return err
		}
		delete(card, "msteams")
	}
	return walk(card, func(element map[string]any) error {
		if _, ok := element["msteams"]; ok {
			return fmt.Errorf("msteams in an element of type %v is not simulated", element["type"])
		}
		if query, ok := element["choices.data"]; ok {
			if err := checkQuery(element, query); err != nil {
				return err
			}
			delete(element, "choices.data")
		}
		if element["type"] == "Chart.Line" {
			if err := checkChart(element); err != nil {
				return err
			}
			clear(element)
			element["type"], element["text"] = "TextBlock", "a chart"
		}
		if style, ok := element["style"].(string); ok && element["type"] == "Input.ChoiceSet" && strings.EqualFold(style, "filtered") {
			delete(element, "style")
		}
		return nil
	})
}

func checkExtension(ext any) error {
	m, ok := ext.(map[string]any)
	if !ok {
		return errors.New("msteams is not an object")
	}
	for name, value := range m {
		if name != "width" || value != "Full" {
			return fmt.Errorf(`msteams may hold "width": "Full" only; %s is not simulated`, name)
		}
	}
	return nil
}

func checkQuery(element map[string]any, query any) error {
	q, ok := query.(map[string]any)
	if !ok || element["type"] != "Input.ChoiceSet" || q["type"] != "Data.Query" {
		return errors.New("choices.data must be a Data.Query of an Input.ChoiceSet")
	}
	if element["isMultiSelect"] == true {
		return errors.New("a search for several choices is not documented for bots, and not simulated")
	}
	if dataset, ok := q["dataset"].(string); !ok || dataset == "" {
		return errors.New("choices.data has no dataset")
	}
	for name, value := range q {
		switch name {
		case "type", "dataset":
		case "associatedInputs":
			if value != "auto" && value != "none" {
				return fmt.Errorf("choices.data.associatedInputs is %v", value)
			}
		default:
			return fmt.Errorf("choices.data.%s is not simulated", name)
		}
	}
	return nil
}

// checkLayout holds what no schema says.
func checkLayout(l layout) error {
	seen := map[string]bool{}
	for _, in := range l.inputs {
		if in.ID == "" || seen[in.ID] {
			return fmt.Errorf("the input id %q is empty or stands there twice", in.ID)
		}
		seen[in.ID] = true
		if in.Value != "" && !in.takes(in.Value) {
			return fmt.Errorf("the input %q cannot hold the value %q that stands in it", in.ID, in.Value)
		}
	}
	for _, b := range l.buttons {
		if b.title == "" && !b.untitled {
			return fmt.Errorf("a button of type %s has no title", b.kind)
		}
	}
	if l.widest > maxActions {
		return fmt.Errorf("%d buttons stand in one row; Teams shows %d", l.widest, maxActions)
	}
	return nil
}

// notElements are members whose content is data, not part of the card.
var notElements = []string{"data", "choices.data", "msteams", "requires", "fallback"}

// walk visits every object of a card that has a type, outermost first.
func walk(v any, visit func(map[string]any) error) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := walk(item, visit); err != nil {
				return err
			}
		}
	case map[string]any:
		if _, ok := v["type"].(string); ok {
			if err := visit(v); err != nil {
				return err
			}
		}
		for _, name := range members(v) {
			if err := walk(v[name], visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// reading is the order in which a person reads the members of an element.
var reading = []string{"title", "text", "label", "inlines", "columns", "rows", "cells", "items", "facts", "body", "choices", "card", "actions"}

// members are the names of an element's members that may hold elements, in the
// order of reading.
func members(element map[string]any) []string {
	var names []string
	for name := range element {
		if !slices.Contains(notElements, name) {
			names = append(names, name)
		}
	}
	place := func(name string) int {
		if i := slices.Index(reading, name); i >= 0 {
			return i
		}
		return len(reading)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}
