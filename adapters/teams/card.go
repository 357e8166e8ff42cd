package teams

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/belaybot/belay/bot"
)

const (
	cardMaxBytes = 25 << 10 // Teams' limit was 28 KB for years, and is 80 KB by newer pages
	maxActions   = 6        // buttons that Teams shows in one row
)

// tones are the glyph and the colour of a title. The glyph is there for whoever
// does not see the colour.
var tones = map[bot.Tone]struct{ glyph, color string }{
	bot.Waiting: {"⏳ ", "Warning"},
	bot.Good:    {"✅ ", "Good"},
	bot.Bad:     {"⛔ ", "Attention"},
}

// renderCard renders one card or, as one, several: as many as there is room for, the
// first and the last before the others. Too long a card is shortened, its longest
// text first, until Teams takes it; of several rather one is left out than that all
// are mere beginnings.
func renderCard(how shown, cards ...bot.Card) card {
	for kept := len(cards); ; kept-- {
		some := make([]bot.Card, kept)
		copy(some, cards)
		if kept > 1 {
			some[kept-1] = cards[len(cards)-1]
		}
		least := leastText
		if kept > 1 {
			least = leastOfSeveral
		}
		rendered, fits := fit(func() card { return layCards(how, some, len(cards)-kept) }, cleaned(some), least)
		if fits || kept == 1 {
			return rendered
		}
	}
}

// cleaned makes the texts of cards fit to be shown, in place, and gives them.
func cleaned(cards []bot.Card) (texts []*string) {
	for i := range cards {
		c := &cards[i]
		c.Title, c.Text, c.Note = plain(c.Title, maxTitle), plain(c.Text, maxBody), plain(c.Note, maxNote)
		c.Facts = slices.Clone(c.Facts)
		texts = append(texts, &c.Title, &c.Text, &c.Note)
		if c.Chart != nil {
			c.Chart = cleanChart(*c.Chart)
			texts = append(texts, &c.Chart.Title, &c.Chart.Text)
		}
		for j := range c.Facts {
			f := &c.Facts[j]
			f.Name, f.Value = plain(f.Name, maxFact), plain(f.Value, maxValue)
			texts = append(texts, &f.Name, &f.Value)
		}
	}
	return texts
}

// Bytes below which a text is left alone when room is made.
const (
	leastText      = 16
	leastOfSeveral = 300
)

// fit renders until the result is small enough, and tells whether it is.
func fit(render func() card, texts []*string, least int) (card, bool) {
	for {
		rendered := render()
		raw, err := marshal(rendered)
		if err != nil || len(raw) <= cardMaxBytes {
			return rendered, true
		}
		longest := 0
		for _, text := range texts {
			longest = max(longest, len(*text))
		}
		if longest <= least {
			return rendered, false // the connector will say that it is too big
		}
		for _, text := range texts {
			if len(*text) > longest*2/3 { // all that are about as long, or many of them would take a try each
				*text = shorter(*text)
			}
		}
	}
}

// layCards lays cards out one below the other. The buttons of one card stand below
// it, as Teams has them; where there are several cards, or more buttons than Teams
// shows in a row, they stand in rows of their own.
func layCards(how shown, cards []bot.Card, left int) card {
	out := newCard()
	out.Body = layCard(cards[0])
	first := layActions(cards[0].Actions, how)
	all := slices.Clone(first)
	if len(cards) == 1 && left == 0 && len(first) <= maxActions {
		out.Actions = first
	} else {
		out.Body = append(out.Body, rows(first)...)
	}
	for i, c := range cards[1:] {
		if i == len(cards)-2 && left > 0 {
			out.Body = append(out.Body, small(leftOut(left)))
		}
		buttons := layActions(c.Actions, how)
		all = append(all, buttons...)
		out.Body = append(out.Body, below(append(layCard(c), rows(buttons)...)))
	}
	if len(cards) == 1 && left > 0 {
		out.Body = append(out.Body, small(leftOut(left)))
	}
	tellApart(all)
	return out
}

func layCard(c bot.Card) []any {
	items := []any{}
	if c.Title != "" {
		items = append(items, title(c.Title, c.Tone))
	}
	if c.Text != "" {
		items = append(items, paragraph(c.Text, "", textRun{}))
	}
	for _, f := range c.Facts {
		if f.At.IsZero() {
			items = append(items, row(f.Name, paragraph(f.Value, "", textRun{})))
		} else {
			items = append(items, row(f.Name, moment(f.At)))
		}
	}
	items = append(items, layChart(c.Chart)...)
	if c.Note != "" {
		items = append(items, small(c.Note))
	}
	return items
}

func layActions(actions []bot.Action, how shown) (laid []*action) {
	for _, a := range actions {
		if button := layAction(a, how); button != nil {
			laid = append(laid, button)
		}
	}
	return laid
}

// rows are buttons as elements of a body.
func rows(buttons []*action) (all []any) {
	for row := range slices.Chunk(buttons, maxActions) {
		all = append(all, actionSet{Type: "ActionSet", Actions: row})
	}
	return all
}

// tellApart gives an id to each button of which there is more than one under the
// same name.
func tellApart(buttons []*action) {
	count := map[string]int{}
	for _, b := range buttons {
		count[b.Title]++
	}
	for i, b := range buttons {
		if count[b.Title] > 1 {
			b.ID = fmt.Sprintf("button-%d", i+1)
		}
	}
}

func title(text string, tone bot.Tone) richText {
	look := tones[tone]
	return paragraph(look.glyph+text, "", textRun{Size: "Medium", Weight: "Bolder", Color: look.color})
}

// small is small print.
func small(text string) richText {
	return paragraph(text, "Small", textRun{Size: "Small", Subtle: true})
}

func layAction(a bot.Action, how shown) *action {
	label := or(line(a.Label, maxLabel), "…")
	style := map[bot.Style]string{bot.Primary: "positive", bot.Danger: "destructive"}[a.Style]
	if a.URL == "" {
		return execute(label, data{ID: a.ID, Verb: a.Verb, Shown: how}, style, "")
	}
	if u, err := url.Parse(a.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil // nothing that a browser should open
	}
	return &action{Type: "Action.OpenUrl", Title: label, URL: a.URL, Style: style}
}

// renderReply renders what a reply holds, for a reader in that time zone, and gives
// its title.
func renderReply(r bot.Reply, how shown, zone string) (card, string) {
	if r.Form != nil {
		return renderForm(*r.Form, how, zone), r.Form.Title
	}
	return renderCard(how, append([]bot.Card{*r.Card}, r.More...)...), r.Card.Title
}
