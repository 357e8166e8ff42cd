package slack

import (
	"strings"
	"unicode/utf16"

	"github.com/belaybot/belay/bot"
	slackgo "github.com/slack-go/slack"
)

const ellipsis = "…"

// line is text on one line.
func line(s string) string { return strings.Join(strings.Fields(bot.Clean(s)), " ") }

// width is how long Slack may find s: UTF-16 units, the larger of the counts
// that its documents could mean by "characters".
func width(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// cut shortens s to a width of most, between runes, and shows that it did.
func cut(s string, most int) string {
	if width(s) <= most {
		return s
	}
	n := 1 // the ellipsis
	for i, r := range s {
		if n += max(utf16.RuneLen(r), 1); n > most {
			return strings.TrimRight(s[:i], " \n\u200d") + ellipsis
		}
	}
	return s
}

// plain is a text object in which Slack sees no markup, no links, no mentions
// and no emoji names. text must not be empty.
func plain(text string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, text, false, false)
}

// marked is a text object with markup of ours. Whatever else is in it went
// through escape.
func marked(text string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.MarkdownType, text, false, true)
}

// escape takes the three characters that begin Slack's links, mentions and
// entities out of force.
//
// Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
func escape(s string) string { return escaped.Replace(s) }

// escaped is made once: building it takes longer than most texts.
var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
