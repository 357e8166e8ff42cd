package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

// Limits of Block Kit in characters and pieces.
// Source: @slack/types 3.2.0; https://docs.slack.dev/reference/block-kit
const (
	maxHeader  = 150
	maxText    = 3000
	minText    = 20 // a text is never cut shorter to make room for others
	maxField   = 2000
	maxFields  = 10 // of one section; a fact takes two
	maxButton  = 75
	maxButtons = 25 // of a card: ours
	maxRow     = 5  // buttons in one block; Slack takes more and hides them
	maxURL     = 3000
	maxFacts   = 20  // keeps a message far below 50 blocks
	maxName    = 100 // of a fact: ours
	maxShort   = 200 // a longer value of a fact has its own section
	maxNotice  = 500 // of the text that stands in for the blocks in a notification
)

// room is how much a surface takes: blocks, and characters of all of them as JSON.
type room struct{ blocks, size, charts int }

var (
	inMessage = room{50, 13000, maxCharts} // Slack refuses at about 13,200 without saying what it counts
	inView    = room{100, 200_000, 0}      // Slack documents charts for messages
)

// glyph is a tone in front of a title.
func glyph(t bot.Tone) string {
	switch t {
	case bot.Waiting:
		return "⏳ "
	case bot.Good:
		return "✅ "
	case bot.Bad:
		return "⛔ "
	}
	return ""
}

// cardsOf are the cards of a reply that has one, top to bottom.
func cardsOf(r bot.Reply) []bot.Card { return append([]bot.Card{*r.Card}, r.More...) }

// blocks renders cards for a message. Every string of them is shown as it is, in
// plain_text; only dates, and names of facts in which Slack finds no markup, are mrkdwn.
func blocks(cards ...bot.Card) []slackgo.Block { return inMessage.fit(cards) }

// fit renders as many of the cards as there is room for, the first and the last
// before the others. Their long texts are cut shorter until they fit; of several
// cards rather one is left out than that all are mere beginnings.
func (r room) fit(cards []bot.Card) []slackgo.Block {
	cards = drawn(cleaned(cards), r.charts)
	for shown := len(cards); ; shown-- {
		least := minText
		if shown > 1 {
			least = maxShort
		}
		for most := maxText; most >= least; most /= 2 {
			b := pile(cards, shown, most)
			last := shown == 1 && most/2 < least
			if last || len(b) <= r.blocks && sizeOf(b) <= r.size {
				return b
			}
		}
	}
}

// cleaned makes the texts of cards fit to be shown, once for all tries at fitting them.
func cleaned(cards []bot.Card) []bot.Card {
	clean := func(s string, most int) string { return cut(bot.Clean(s), most+1) } // one more, so that it is still seen to be too long
	cards = slices.Clone(cards)
	for i := range cards {
		c := &cards[i]
		c.Title, c.Text, c.Note = clean(c.Title, maxHeader), clean(c.Text, maxText), clean(c.Note, maxText)
		c.Facts, c.Actions, c.Chart = slices.Clone(c.Facts), slices.Clone(c.Actions), cleanChart(c.Chart)
		for j := range c.Facts {
			c.Facts[j].Name, c.Facts[j].Value = clean(c.Facts[j].Name, maxName), clean(c.Facts[j].Value, maxText)
		}
		for j := range c.Actions {
			c.Actions[j].Label = clean(c.Actions[j].Label, maxButton)
		}
	}
	return cards
}

func sizeOf(b []slackgo.Block) int {
	raw, err := json.Marshal(b)
	if err != nil {
		return 0
	}
	return utf8.RuneCount(raw)
}

// pile renders that many of the cards with a line between them, and says where
// some were left out.
func pile(cards []bot.Card, shown, most int) []slackgo.Block {
	all := blocksUpTo(cards[0], most)
	left := len(cards) - shown
	for i, c := range cards[1:] {
		if at, last := i+1, i+2 == len(cards); at >= shown-1 && !(last && shown > 1) {
			continue
		} else if last && left > 0 {
			all = append(all, slackgo.NewContextBlock("", plain(leftOut(left))))
		}
		all = append(append(all, slackgo.NewDividerBlock()), blocksUpTo(c, most)...)
	}
	if shown == 1 && left > 0 {
		all = append(all, slackgo.NewContextBlock("", plain(leftOut(left))))
	}
	return all
}

// blocksUpTo renders c with no text longer than most.
func blocksUpTo(c bot.Card, most int) []slackgo.Block {
	var all []slackgo.Block
	if title := line(c.Title); title != "" {
		all = append(all, slackgo.NewHeaderBlock(plain(cut(glyph(c.Tone)+title, maxHeader))))
	}
	all = append(all, paragraph(c.Text, most)...)
	all = append(all, facts(c.Facts, most)...)
	all = append(all, chart(c.Chart, most)...)
	if note := bot.Clean(c.Note); note != "" {
		all = append(all, slackgo.NewContextBlock("", plain(cut(note, most))))
	}
	for row := range slices.Chunk(buttons(c, most), maxRow) {
		all = append(all, slackgo.NewActionBlock("", row...))
	}
	return all
}

// paragraph is one section, or none for an empty text.
func paragraph(text string, most int) []slackgo.Block {
	text = bot.Clean(text)
	if text == "" {
		return nil
	}
	return []slackgo.Block{slackgo.NewSectionBlock(plain(cut(text, most)), nil, nil)}
}

// facts renders short facts as a table of two columns, and a long one below its
// name in full width.
func facts(list []bot.Fact, most int) []slackgo.Block {
	var (
		all   []slackgo.Block
		table []*slackgo.TextBlockObject
	)
	flush := func() {
		if len(table) > 0 {
			all = append(all, slackgo.NewSectionBlock(nil, table, nil))
		}
		table = nil
	}
	for i, f := range list {
		if i == maxFacts {
			flush()
			return append(all, slackgo.NewContextBlock("", plain(fmt.Sprintf("… and %d more", len(list)-i))))
		}
		name, value := factName(f.Name, min(most, maxName)), factValue(f)
		if value.Type == slackgo.PlainTextType && (width(value.Text) > maxShort || strings.Contains(value.Text, "\n")) {
			flush()
			value.Text = cut(value.Text, most)
			all = append(all, slackgo.NewSectionBlock(name, nil, nil), slackgo.NewSectionBlock(value, nil, nil))
			continue
		}
		if table = append(table, name, value); len(table) == maxFields {
			flush()
		}
	}
	flush()
	return all
}

func factName(s string, most int) *slackgo.TextBlockObject {
	s = cut(line(s), most)
	switch {
	case s == "":
		return plain("–")
	case strings.ContainsAny(s, "*_~`:<>&"): // Slack would read markup in it: a person's or a role's name
		return plain(s)
	}
	return marked("*" + s + "*")
}

func factValue(f bot.Fact) *slackgo.TextBlockObject {
	if !f.At.IsZero() {
		return marked(date(f.At))
	}
	if s := bot.Clean(f.Value); s != "" {
		return plain(s)
	}
	return plain("–")
}

// date is a time that Slack shows in the reader's own time zone.
//
// Source: https://docs.slack.dev/messaging/formatting-message-text#date-formatting
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2 Jan 2006, 15:04 UTC"))
}

// mark ends the verb in a button's action id. Action ids have to differ within a
// block: a verb's second button has a number behind the mark, and a button that
// only opens a page has no verb.
const mark = "#"

// buttons renders c's actions, with labels up to most. One that Slack would
// refuse the whole card for is left out.
func buttons(c bot.Card, most int) []slackgo.BlockElement {
	var all []slackgo.BlockElement
	used := make(map[bot.Verb]bool)
	for i, act := range c.Actions {
		label := line(act.Label)
		if label == "" || len(act.URL) > maxURL || len(all) == maxButtons {
			continue
		}
		b := slackgo.NewButtonBlockElement(string(act.Verb), act.ID, plain(cut(label, min(most, maxButton))))
		if used[act.Verb] {
			b.ActionID += fmt.Sprint(mark, i)
		}
		used[act.Verb] = true
		switch act.Style {
		case bot.Primary:
			b.Style = slackgo.StylePrimary
		case bot.Danger:
			b.Style = slackgo.StyleDanger
		}
		if act.URL != "" {
			b.ActionID, b.Value, b.URL = fmt.Sprint(mark, i), "", act.URL
		} else if title := line(c.Title); title != "" {
			b.AccessibilityLabel = cut(label+": "+title, min(most, maxButton))
		}
		all = append(all, b)
	}
	return all
}

// verbOf is the verb in a button's action id, empty for one that opens a page.
func verbOf(actionID string) bot.Verb {
	verb, _, _ := strings.Cut(actionID, mark)
	return bot.Verb(verb)
}

// notice is what stands in for the blocks where they cannot be shown: in
// notifications and for screen readers.
func notice(c bot.Card) string {
	title, text := line(c.Title), line(c.Text)
	switch {
	case title == "":
		title = text
	case text != "":
		title += ": " + text
	}
	if title == "" {
		title = "Belay"
	}
	return escape(cut(title, maxNotice))
}
