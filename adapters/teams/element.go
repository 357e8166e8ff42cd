package teams

import (
	"fmt"
	"strings"
	"time"
)

// The parts of Adaptive Cards 1.5 that Belay uses. Texts of people are only ever
// shown in a textRun: a TextBlock and a Fact read Markdown and {{DATE()}} into
// theirs.

type card struct {
	Type    string     `json:"type"`
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Body    []any      `json:"body"`
	Actions []*action  `json:"actions,omitempty"`
	Teams   teamsWidth `json:"msteams"`
}

// teamsWidth lets a card use the width of the conversation.
type teamsWidth struct {
	Width string `json:"width"`
}

func newCard() card {
	return card{
		Type: "AdaptiveCard", Schema: "http://adaptivecards.io/schemas/adaptive-card.json",
		Version: "1.5", Body: []any{}, Teams: teamsWidth{"Full"},
	}
}

// richText is a paragraph of literal text.
type richText struct {
	Type    string    `json:"type"`
	Spacing string    `json:"spacing,omitempty"`
	Inlines []textRun `json:"inlines"`
}

type textRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Color  string `json:"color,omitempty"`
	Subtle bool   `json:"isSubtle,omitempty"`
}

// paragraph is text in the manner of like. Microsoft's own renderer replaces
// {{DATE()}} even in a TextRun, one run at a time: so no run ever holds both
// braces.
func paragraph(text, spacing string, like textRun) richText {
	p := richText{Type: "RichTextBlock", Spacing: spacing}
	if text == "" {
		text = "–"
	}
	like.Type = "TextRun"
	for text != "" {
		end := len(text)
		if i := strings.Index(text, "{{"); i >= 0 {
			end = i + 1
		}
		like.Text, text = text[:end], text[end:]
		p.Inlines = append(p.Inlines, like)
	}
	return p
}

// textBlock is used for times only; it never holds a text of anybody's.
type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
	Wrap bool   `json:"wrap"`
}

// moment is a date and time in the reader's own time zone.
func moment(at time.Time) textBlock {
	t := at.UTC().Format("2006-01-02T15:04:05Z")
	return textBlock{Type: "TextBlock", Text: fmt.Sprintf("{{DATE(%s, SHORT)}} {{TIME(%s)}}", t, t), Wrap: true}
}

// actionSet is a row of buttons in a body.
type actionSet struct {
	Type    string    `json:"type"`
	Actions []*action `json:"actions"`
}

type container struct {
	Type      string `json:"type"`
	Spacing   string `json:"spacing"`
	Separator bool   `json:"separator"`
	Items     []any  `json:"items"`
}

// below is a further card, under a line.
func below(items []any) container {
	return container{Type: "Container", Spacing: "Large", Separator: true, Items: items}
}

type columnSet struct {
	Type    string   `json:"type"`
	Spacing string   `json:"spacing,omitempty"`
	Columns []column `json:"columns"`
}

type column struct {
	Type  string `json:"type"`
	Width string `json:"width"`
	Items []any  `json:"items"`
}

// row is a name and what it stands for.
func row(name string, value any) columnSet {
	return columnSet{Type: "ColumnSet", Spacing: "Small", Columns: []column{
		{Type: "Column", Width: "110px", Items: []any{paragraph(name, "", textRun{Subtle: true})}},
		{Type: "Column", Width: "stretch", Items: []any{value}},
	}}
}

// action is a button: Action.Execute with an Action.Submit for clients that do
// not know it, or Action.OpenUrl.
type action struct {
	Type     string  `json:"type"`
	ID       string  `json:"id,omitempty"`
	Title    string  `json:"title"`
	Verb     string  `json:"verb,omitempty"`
	Data     *data   `json:"data,omitempty"`
	URL      string  `json:"url,omitempty"`
	Style    string  `json:"style,omitempty"`
	Inputs   string  `json:"associatedInputs,omitempty"`
	Fallback *action `json:"fallback,omitempty"`
}

func execute(title string, d data, style, inputs string) *action {
	submit := &action{Type: "Action.Submit", Title: title, Data: &d, Style: style, Inputs: inputs}
	return &action{
		Type: "Action.Execute", Title: title, Verb: string(d.Verb), Data: &d, Style: style, Inputs: inputs, Fallback: submit,
	}
}

type inputText struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Label     string `json:"label"`
	Value     string `json:"value,omitempty"`
	Multiline bool   `json:"isMultiline,omitempty"`
	MaxLength int    `json:"maxLength,omitempty"`
	Required  bool   `json:"isRequired,omitempty"`
	Error     string `json:"errorMessage,omitempty"`
}

type inputChoice struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	Label       string   `json:"label"`
	Style       string   `json:"style"`
	Many        bool     `json:"isMultiSelect,omitempty"`
	Choices     []choice `json:"choices"`
	Query       *query   `json:"choices.data,omitempty"`
	Value       string   `json:"value,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"`
	Required    bool     `json:"isRequired,omitempty"`
	Error       string   `json:"errorMessage,omitempty"`
}

type choice struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

// query asks the bot for choices as the person types.
type query struct {
	Type    string `json:"type"`
	Dataset string `json:"dataset"`
}

// inputMoment is an Input.Date or an Input.Time: Adaptive Cards have no input for
// both, and none that knows of time zones.
type inputMoment struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	Label    string `json:"label"`
	Value    string `json:"value,omitempty"`
	Required bool   `json:"isRequired,omitempty"`
	Error    string `json:"errorMessage,omitempty"`
}

type inputToggle struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	Label    string `json:"label"`
	Title    string `json:"title"`
	Value    string `json:"value"`
	On       string `json:"valueOn"`
	Off      string `json:"valueOff"`
	Required bool   `json:"isRequired,omitempty"`
	Error    string `json:"errorMessage,omitempty"`
}
