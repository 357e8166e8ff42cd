package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The wire types of the part of Block Kit that is simulated. They are decoded
// only from JSON that the checker has passed, so that every member of a block
// is a member here. Sources: Slack's block kit reference and @slack/types 3.2.0.

type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim *bool  `json:"verbatim,omitempty"`
}

// Option is one choice of a select, an overflow menu or a group of checkboxes.
type Option struct {
	Text        text   `json:"text"`
	Value       string `json:"value"`
	Description *text  `json:"description,omitempty"`
	URL         string `json:"url,omitempty"`
}

// Label is the option's text as a person reads it.
func (o Option) Label() string { return o.Text.Text }

type optionGroup struct {
	Label   text     `json:"label"`
	Options []Option `json:"options"`
}

type confirmation struct {
	Title   text   `json:"title"`
	Text    text   `json:"text"`
	Confirm text   `json:"confirm"`
	Deny    text   `json:"deny"`
	Style   string `json:"style,omitempty"`
}

type dispatchConfig struct {
	TriggerActionsOn []string `json:"trigger_actions_on,omitempty"`
}

type element struct {
	Type               string          `json:"type"`
	ActionID           string          `json:"action_id"`
	Text               *text           `json:"text,omitempty"`
	Value              string          `json:"value,omitempty"`
	Style              string          `json:"style,omitempty"`
	URL                string          `json:"url,omitempty"`
	AccessibilityLabel string          `json:"accessibility_label,omitempty"`
	Placeholder        *text           `json:"placeholder,omitempty"`
	Options            []Option        `json:"options,omitempty"`
	OptionGroups       []optionGroup   `json:"option_groups,omitempty"`
	InitialOption      *Option         `json:"initial_option,omitempty"`
	InitialOptions     []Option        `json:"initial_options,omitempty"`
	MaxSelectedItems   int             `json:"max_selected_items,omitempty"`
	InitialDateTime    int64           `json:"initial_date_time,omitempty"`
	MinQueryLength     *int            `json:"min_query_length,omitempty"`
	InitialValue       string          `json:"initial_value,omitempty"`
	Multiline          bool            `json:"multiline,omitempty"`
	MinLength          int             `json:"min_length,omitempty"`
	MaxLength          int             `json:"max_length,omitempty"`
	DispatchConfig     *dispatchConfig `json:"dispatch_action_config,omitempty"`
	FocusOnLoad        bool            `json:"focus_on_load,omitempty"`
	Confirm            *confirmation   `json:"confirm,omitempty"`
}

// block is any block. Elements are those of actions, Texts those of context;
// both are "elements" on the wire.
type block struct {
	Type           string     `json:"type"`
	BlockID        string     `json:"block_id"`
	Text           *text      `json:"text,omitempty"`
	Fields         []text     `json:"fields,omitempty"`
	Expand         *bool      `json:"expand,omitempty"`
	Accessory      *element   `json:"accessory,omitempty"`
	Label          *text      `json:"label,omitempty"`
	Hint           *text      `json:"hint,omitempty"`
	Optional       *bool      `json:"optional,omitempty"`
	DispatchAction *bool      `json:"dispatch_action,omitempty"`
	Element        *element   `json:"element,omitempty"`
	Title          string     `json:"title,omitempty"`
	Chart          *lineChart `json:"chart,omitempty"`
	Elements       []*element `json:"-"`
	Texts          []text     `json:"-"`
}

type plainBlock block

func (b *block) UnmarshalJSON(data []byte) error {
	var wire struct {
		*plainBlock
		Elements json.RawMessage `json:"elements"`
	}
	wire.plainBlock = (*plainBlock)(b)
	if err := json.Unmarshal(data, &wire); err != nil || wire.Elements == nil {
		return err
	}
	if b.Type == "context" {
		return json.Unmarshal(wire.Elements, &b.Texts)
	}
	return json.Unmarshal(wire.Elements, &b.Elements)
}

func (b block) MarshalJSON() ([]byte, error) {
	wire := struct {
		plainBlock
		Elements any `json:"elements,omitempty"`
	}{plainBlock: plainBlock(b)}
	switch b.Type {
	case "context":
		wire.Elements = b.Texts
	case "actions":
		wire.Elements = b.Elements
	}
	return json.Marshal(wire)
}

// interactive returns the elements of a block that a person can use.
func (b *block) interactive() []*element {
	switch {
	case b.Accessory != nil:
		return []*element{b.Accessory}
	case b.Element != nil:
		return []*element{b.Element}
	}
	return b.Elements
}

// dispatches tells whether using an element of this block sends block_actions at once.
func (b *block) dispatches() bool {
	return b.Type != "input" || b.DispatchAction != nil && *b.DispatchAction
}

// holds tells whether something stands in the element.
func (e *element) holds() bool { return e.Type != "button" && e.Type != "overflow" }

// several tells whether several options can stand in the element.
func (e *element) several() bool {
	return e.Type == "multi_static_select" || e.Type == "multi_external_select" || e.Type == "checkboxes"
}

// searched tells whether the app gives the options as a person types.
func (e *element) searched() bool {
	return e.Type == "external_select" || e.Type == "multi_external_select"
}

// initial is what stands in the element at first.
func (e *element) initial() Value {
	return Value{Type: e.Type, Text: e.InitialValue, Option: e.InitialOption, Options: e.InitialOptions, Time: e.InitialDateTime}
}

// choices returns every option of a menu that has its options with it.
func (e *element) choices() []Option {
	all := e.Options
	for _, g := range e.OptionGroups {
		all = append(all[:len(all):len(all)], g.Options...)
	}
	return all
}

// decodeBlocks decodes blocks that have been checked and kept.
func decodeBlocks(raw json.RawMessage) ([]*block, error) {
	var blocks []*block
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, fmt.Errorf("slacktest: kept blocks: %w", err)
	}
	return blocks, nil
}

// complete fills in what Slack fills in: ids that were left out, and the
// switches of text objects. Under the lock.
func (w *Workspace) complete(raw json.RawMessage) (json.RawMessage, error) {
	blocks, err := decodeBlocks(raw)
	if err != nil || blocks == nil {
		return nil, err
	}
	for _, b := range blocks {
		if b.BlockID == "" {
			b.BlockID = w.serial("", 5)
		}
		fill(b.Text, b.Label, b.Hint)
		for i := range b.Fields {
			fill(&b.Fields[i])
		}
		for i := range b.Texts {
			fill(&b.Texts[i])
		}
		if b.Type == "input" {
			no := false
			if b.Optional == nil {
				b.Optional = &no
			}
			if b.DispatchAction == nil {
				b.DispatchAction = &no
			}
		}
		for _, e := range b.interactive() {
			if e.ActionID == "" {
				e.ActionID = w.serial("", 5)
			}
			fill(e.Text, e.Placeholder)
			for i := range e.Options {
				fill(&e.Options[i].Text, e.Options[i].Description)
			}
			if e.InitialOption != nil {
				fill(&e.InitialOption.Text, e.InitialOption.Description)
			}
			for i := range e.InitialOptions {
				fill(&e.InitialOptions[i].Text, e.InitialOptions[i].Description)
			}
			for i := range e.OptionGroups {
				fill(&e.OptionGroups[i].Label)
				for j := range e.OptionGroups[i].Options {
					fill(&e.OptionGroups[i].Options[j].Text, e.OptionGroups[i].Options[j].Description)
				}
			}
		}
	}
	return marshal(blocks)
}

func fill(texts ...*text) {
	yes, no := true, false
	for _, t := range texts {
		switch {
		case t == nil:
		case t.Type == "plain_text" && t.Emoji == nil:
			t.Emoji = &yes
		case t.Type == "mrkdwn" && t.Verbatim == nil:
			t.Verbatim = &no
		}
	}
}

// marshal is json.Marshal without its HTML escapes.
func marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}
