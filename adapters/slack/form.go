package slack

import (
	"encoding/json"
	"fmt"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// Limits of modals in characters and pieces.
// Source: @slack/types 3.2.0; https://docs.slack.dev/surfaces/modals
const (
	maxTitle   = 24 // also of the buttons below a modal
	maxLabel   = 2000
	maxOption  = 75
	maxOptions = 100
	maxInput   = 3000
)

// memo is what a modal carries in its private_metadata: what its next delivery
// has to tell us. It holds no authority and no secret.
type memo struct {
	ID       string `json:"id,omitempty"`  // of the form
	Revision int    `json:"rev,omitempty"` // how often the modal was rendered
	Channel  string `json:"at,omitempty"`  // where it was opened from
	Home     bool   `json:"home,omitempty"`
}

func (m memo) String() string {
	b, err := json.Marshal(m)
	if err != nil { // strings and a number
		return ""
	}
	return string(b)
}

// standing is what stands in the inputs of a modal: field name, then the
// block it is in and its value.
type standing map[string]struct{ block, value string }

func (s standing) values() map[string]string {
	v := make(map[string]string, len(s))
	for name, in := range s {
		v[name] = in.value
	}
	return v
}

// formView renders f as a modal. Slack keeps what a person typed for as long as
// an input's block id stays, and reads initial values only for a new one. So an
// input keeps its block id while it should show what stands in it (nothing that
// is typed in the meantime is lost), and gets a new one when f wants another
// value.
func formView(f bot.Form, m memo, now standing) slackgo.ModalViewRequest {
	m.ID = f.ID
	view := modal(line(f.Title), m)
	view.CallbackID = string(f.Verb)
	view.Submit = plain(cut(or(line(f.Submit), "Send"), maxTitle))
	view.Close = plain("Cancel")
	all := paragraph(f.Text, maxText)
	for _, field := range f.Fields {
		id := fmt.Sprintf("%s%s%d", field.Name, mark, m.Revision)
		if was, ok := now[field.Name]; ok && was.value == field.Value {
			id = was.block
		}
		all = append(all, input(field, id))
		if wrong := bot.Clean(field.Error); wrong != "" {
			all = append(all, slackgo.NewContextBlock("", plain(cut("⚠ "+wrong, maxText))))
		}
	}
	if note := bot.Clean(f.Note); note != "" {
		all = append(all, slackgo.NewContextBlock("", plain(cut(note, maxText))))
	}
	view.Blocks = slackgo.Blocks{BlockSet: all}
	return view
}

// cardView renders cards as a modal without a form.
func cardView(m memo, cards ...bot.Card) slackgo.ModalViewRequest {
	view := modal("Belay", m)
	view.Close = plain("Close")
	view.Blocks = slackgo.Blocks{BlockSet: inView.fit(cards)}
	return view
}

func modal(title string, m memo) slackgo.ModalViewRequest {
	return slackgo.ModalViewRequest{
		Type: slackgo.VTModal, Title: plain(cut(or(title, "Belay"), maxTitle)), PrivateMetadata: m.String(),
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// input renders one field. Its action id is the field's name.
func input(f bot.Field, id string) *slackgo.InputBlock {
	var hint *slackgo.TextBlockObject
	if s := bot.Clean(f.Hint); s != "" {
		hint = plain(cut(s, maxLabel))
	}
	b := slackgo.NewInputBlock(id, plain(cut(or(line(f.Label), f.Name), maxLabel)), hint, element(f))
	b.Optional = !f.Required
	b.DispatchAction = f.Live && (f.Kind == bot.Choice || f.Kind == bot.Many)
	return b
}

func element(f bot.Field) slackgo.BlockElement {
	switch f.Kind {
	case bot.Choice:
		return menu(f)
	case bot.Many:
		return menuOfMany(f)
	case bot.Moment:
		return picker(f)
	case bot.Tick:
		return box(f)
	}
	e := slackgo.NewPlainTextInputBlockElement(nil, f.Name)
	e.Multiline = f.Kind == bot.Paragraph
	e.MaxLength = maxInput
	if f.Max > 0 {
		e.MaxLength = min(f.Max, maxInput)
	}
	e.InitialValue = cut(bot.Clean(f.Value), e.MaxLength)
	return e
}

// menu renders a choice: with its options, or, when there are more than Slack
// takes, searched as the person types, from the first letter on.
func menu(f bot.Field) *slackgo.SelectBlockElement {
	e := slackgo.NewOptionsSelectBlockElement(slackgo.OptTypeStatic, plain("Choose"), f.Name)
	if f.Search || len(f.Options) > maxOptions {
		none := 0
		e.Type, e.MinQueryLength = slackgo.OptTypeExternal, &none
		if f.Value != "" {
			e.InitialOption = option(bot.Option{Value: f.Value, Label: or(f.Chosen, labelOf(f, f.Value))})
		}
		return e
	}
	for _, o := range f.Options {
		rendered := option(o)
		e.Options = append(e.Options, rendered)
		if o.Value == f.Value && f.Value != "" {
			e.InitialOption = rendered
		}
	}
	return e
}

func labelOf(f bot.Field, value string) string {
	for _, o := range f.Options {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}

func option(o bot.Option) *slackgo.OptionBlockObject {
	var hint *slackgo.TextBlockObject
	if s := line(o.Hint); s != "" {
		hint = plain(cut(s, maxOption))
	}
	return slackgo.NewOptionBlockObject(o.Value, plain(cut(or(line(o.Label), o.Value), maxOption)), hint)
}
