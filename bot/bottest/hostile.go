package bottest

import (
	"slices"
	"strings"

	"github.com/belaybot/belay/bot"
)

// Attack is a text that somebody controls and that wants to be more than text.
type Attack struct{ Name, Text string }

// Attacks are texts for every place that a name, a role, a reason or a ticket can
// get to: none may do anything but be read.
var Attacks = []Attack{
	{"a mention of a channel", "<!channel> <!here> <!subteam^S1> @everyone @here"},
	{"a mention of a person", "<@U0CAROL> <at>Bob Brown</at>"},
	{"a link of Slack's", "<https://evil.example/a|Approve here>"},
	{"a link in Markdown", "[Approve here](https://evil.example/b) [x](javascript:alert(1)) ![x](https://evil.example/c.png)"},
	{"a bare address", "https://evil.example/d www.evil.example mailto:a@evil.example"},
	{"emphasis", "*bold* _italic_ ~struck~ `code` ```block``` :skull: **strong**"},
	{"lines of Markdown", "# title\n> quote\n- one\n1. two\n---\n| a | b |"},
	{"a template", "{{DATE(2026-01-01T00:00:00Z)}} {{TIME(2026-01-01T00:00:00Z)}} ${name} {{{x}}} {{.Card}}"},
	{"HTML", `<script>alert(1)</script><img src=x onerror=alert(1)> <b>b</b> "quoted" 'q' </style>`},
	{"entities", "&lt;!channel&gt; &amp;lt; &#60;b&#62;"},
	{"JSON", `"},{"type":"mrkdwn","text":"<!channel>"} \" \u003c!channel\u003e`},
	{"another direction", "\u202egnp.exe\u202c \u2066a\u2069 \u202a\u202b\u202d\u2067\u2068 \u200e\u200f\u061c"},
	{"a language from right to left", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 abc"},
	{"nothing to see", "a\u200bd\u200cm\u200di\u2060n\ufeff \u00ad\u034f\u115f\u3164\u2800\U000e0041\U000e0042"},
	{"controls", "a\x00b\x1b[31mc\x07d\x7f\u0085e\u009f"},
	{"another line", "one\r\ntwo\rthree\u2028four\u2029five"},
	{"letters that look alike", "Us\u0435r Adm\u0456nistrat\u043er"},
	{"a heap of marks", "a" + strings.Repeat("\u0336\u0489", 200)},
	{"joined pictures", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f4\u200d\u2620\ufe0f \U0001f469\U0001f3fd\u200d\U0001f680"},
	{"not UTF-8", "a\xff\xfe\xed\xa0\x80b"},
	{"ten thousand runes", Long},
	{"one long word", strings.Repeat("x", 10000)},
	{"a formula", "=HYPERLINK(\"https://evil.example\",\"x\") +1 -1 @SUM(A1)"},
}

// With is the specimen with text in the place of every text in it that people read.
func (s Specimen) With(text string) Specimen {
	if s.Card != nil {
		c := cardWith(*s.Card, text)
		s.Card = &c
	}
	s.More = slices.Clone(s.More)
	for i := range s.More {
		s.More[i] = cardWith(s.More[i], text)
	}
	if s.Form != nil {
		f := formWith(*s.Form, text)
		s.Form = &f
	}
	return s
}

func cardWith(c bot.Card, text string) bot.Card {
	c.Title, c.Text, c.Note = text, text, text
	c.Facts, c.Actions = slices.Clone(c.Facts), slices.Clone(c.Actions)
	for i := range c.Facts {
		c.Facts[i].Name, c.Facts[i].Value = text, text
	}
	for i := range c.Actions {
		c.Actions[i].Label = text
	}
	if c.Chart != nil {
		chart := *c.Chart
		chart.Title, chart.Text, chart.Series = text, text, slices.Repeat([]string{text}, len(chart.Series))
		c.Chart = &chart
	}
	return c
}

func formWith(f bot.Form, text string) bot.Form {
	f.Title, f.Submit, f.Text, f.Note = text, text, text, text
	f.Fields = slices.Clone(f.Fields)
	for i := range f.Fields {
		field := &f.Fields[i]
		field.Label, field.Hint, field.Error = text, text, text
		if field.Kind == bot.Text || field.Kind == bot.Paragraph {
			field.Value = text
		}
		if field.Chosen != "" {
			field.Chosen = text
		}
		field.Options = slices.Clone(field.Options)
		for j := range field.Options {
			field.Options[j].Label, field.Options[j].Hint = text, text
		}
	}
	if f.Back != nil {
		back := *f.Back
		back.Label = text
		f.Back = &back
	}
	return f
}

// Hidden are the characters of a text that nobody sees, or that change the order of
// others: none may be shown. The joiner of pictures is left to the reader.
func Hidden(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\n', r >= 0x7f && r <= 0xa0, r >= 0x200b && r <= 0x200f && r != 0x200d, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f,
			r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x2800, r == 0x3164, r == 0xfeff, r == 0xffa0, r >= 0xe0000 && r <= 0xe007f:
			return r
		}
		return -1
	}, s)
}
