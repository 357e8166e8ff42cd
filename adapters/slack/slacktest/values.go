package slacktest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is what stands in one input. On the wire an empty one is null, or an
// empty list where several options can be chosen.
type Value struct {
	Type    string
	Text    string   // plain_text_input
	Option  *Option  // selects of one
	Options []Option // selects of several, checkboxes
	Time    int64    // datetimepicker: seconds since 1970; 0: none
}

type wireText struct {
	Type  string  `json:"type"`
	Value *string `json:"value"`
}

type wireChoice struct {
	Type   string  `json:"type"`
	Option *Option `json:"selected_option"`
}

type wireChoices struct {
	Type    string   `json:"type"`
	Options []Option `json:"selected_options"`
}

type wireMoment struct {
	Type string `json:"type"`
	Time *int64 `json:"selected_date_time"`
}

// MarshalJSON writes the form of view.state.values.
func (v Value) MarshalJSON() ([]byte, error) {
	switch e := (&element{Type: v.Type}); {
	case e.several():
		return json.Marshal(wireChoices{v.Type, append([]Option{}, v.Options...)})
	case v.Type == "datetimepicker":
		m := wireMoment{Type: v.Type}
		if v.Time != 0 {
			m.Time = &v.Time
		}
		return json.Marshal(m)
	case v.Type != "plain_text_input":
		return json.Marshal(wireChoice{v.Type, v.Option})
	}
	t := wireText{Type: v.Type}
	if v.Text != "" {
		t.Value = &v.Text
	}
	return json.Marshal(t)
}

// UnmarshalJSON reads the form of view.state.values.
func (v *Value) UnmarshalJSON(b []byte) error {
	var wire struct {
		Type    string   `json:"type"`
		Value   string   `json:"value"`
		Option  *Option  `json:"selected_option"`
		Options []Option `json:"selected_options"`
		Time    int64    `json:"selected_date_time"`
	}
	err := json.Unmarshal(b, &wire)
	*v = Value{Type: wire.Type, Text: wire.Value, Option: wire.Option, Options: wire.Options, Time: wire.Time}
	return err
}

// String is the text, the value of the chosen option, those of several joined by
// commas, or the seconds of a time. It is what Change and Submit take.
func (v Value) String() string {
	switch {
	case v.Option != nil:
		return v.Option.Value
	case v.Options != nil:
		var all []string
		for _, o := range v.Options {
			all = append(all, o.Value)
		}
		return strings.Join(all, ",")
	case v.Time != 0:
		return strconv.FormatInt(v.Time, 10)
	}
	return v.Text
}

// settleValues makes Values fit Blocks: what stood in an input with the same
// block_id, action_id and type stays, a new input begins with its initial value.
func (v *View) settleValues() error {
	blocks, err := decodeBlocks(v.Blocks)
	if err != nil {
		return err
	}
	old := v.Values
	v.Values = make(Values)
	for _, b := range blocks {
		for _, e := range b.interactive() {
			if !e.holds() {
				continue
			}
			val, ok := old[b.BlockID][e.ActionID]
			if !ok || val.Type != e.Type || !e.searched() && !e.offers(val) {
				val = e.initial()
			}
			v.put(b.BlockID, e.ActionID, val)
		}
	}
	return nil
}

func (v *View) put(block, action string, val Value) {
	if v.Values[block] == nil {
		v.Values[block] = make(map[string]Value)
	}
	v.Values[block][action] = val
}

// offers tells whether everything that is chosen in val is among the options.
func (e *element) offers(val Value) bool {
	chosen := val.Options
	if val.Option != nil {
		chosen = append(chosen[:len(chosen):len(chosen)], *val.Option)
	}
	for _, o := range chosen {
		if pick(e.choices(), o.Value) == nil {
			return false
		}
	}
	return true
}

// pick is the option with that value; nil when there is none.
func pick(list []Option, value string) *Option {
	for _, o := range list {
		if o.Value == value {
			return &o
		}
	}
	return nil
}

// find returns an element of blocks; an empty block id means the only element with that action id.
func find(blocks []*block, blockID, actionID string) (*block, *element, error) {
	var (
		inBlock *block
		found   *element
	)
	for _, b := range blocks {
		for _, e := range b.interactive() {
			if e.ActionID != actionID || blockID != "" && b.BlockID != blockID {
				continue
			}
			if found != nil {
				return nil, nil, fmt.Errorf("slacktest: action %q stands in several blocks, name one of them: %w", actionID, ErrNotPossible)
			}
			inBlock, found = b, e
		}
	}
	if found == nil {
		return nil, nil, fmt.Errorf("slacktest: block %q action %q: %w", blockID, actionID, ErrNoSuch)
	}
	return inBlock, found, nil
}

// enter makes the value that a person gives an element, and refuses what the
// client would not let them give: an option that is not in the list, or too many.
// Several options are joined by commas, a time is its seconds; the empty string
// clears. offered are the options of an external select.
func (e *element) enter(value string, offered []Option, current Value) (Value, error) {
	val := Value{Type: e.Type}
	if e.Type == "plain_text_input" {
		val.Text = value
		return val, nil
	}
	if value == "" {
		return val, nil
	}
	if e.Type == "datetimepicker" {
		var err error
		if val.Time, err = strconv.ParseInt(value, 10, 64); err != nil || val.Time <= 0 {
			return val, fmt.Errorf("slacktest: %q is no time in seconds: %w", value, ErrNotPossible)
		}
		return val, nil
	}
	list := e.choices()
	if e.searched() {
		list = append(offered[:len(offered):len(offered)], current.Options...)
		if current.Option != nil {
			list = append(list, *current.Option)
		}
	}
	if !e.several() {
		if val.Option = pick(list, value); val.Option == nil {
			return val, fmt.Errorf("slacktest: %q is not among the options of %q: %w", value, e.ActionID, ErrNotPossible)
		}
		return val, nil
	}
	for _, one := range strings.Split(value, ",") {
		o := pick(list, one)
		if o == nil || pick(val.Options, one) != nil {
			return val, fmt.Errorf("slacktest: %q cannot be chosen in %q: %w", one, e.ActionID, ErrNotPossible)
		}
		val.Options = append(val.Options, *o)
	}
	if e.MaxSelectedItems > 0 && len(val.Options) > e.MaxSelectedItems {
		return val, fmt.Errorf("slacktest: %q takes %d options at the most: %w", e.ActionID, e.MaxSelectedItems, ErrNotPossible)
	}
	return val, nil
}

// incomplete is what the client itself says about an input before it submits; empty: nothing.
func (b *block) incomplete(val Value) string {
	e := b.Element
	n := utf8.RuneCountInString(val.Text)
	most := e.MaxLength
	if most == 0 {
		most = 3000
	}
	switch {
	case val.String() == "":
		if b.Optional == nil || !*b.Optional {
			return "Please complete this required field."
		}
	case e.Type == "plain_text_input" && n > most:
		return fmt.Sprintf("Too long: %d characters at the most.", most)
	case e.Type == "plain_text_input" && n < e.MinLength:
		return fmt.Sprintf("Too short: at least %d characters.", e.MinLength)
	}
	return ""
}
