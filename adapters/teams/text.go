package teams

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/belaybot/belay/bot"
)

// The longest texts that are shown, in runes.
const (
	maxName   = 128
	maxTitle  = 200
	maxBody   = 3000
	maxFact   = 100
	maxValue  = 1500
	maxNote   = 1000
	maxLabel  = 60
	maxChoice = 150
	maxInput  = 4000
	maxToast  = 250
	maxQuery  = 200
	maxFound  = 15 // options that Teams shows for a search
)

// plain is text as it may be shown, at most max runes.
func plain(s string, max int) string {
	s = bot.Clean(cut(s, 4*max)) // whatever is beyond that is not shown anyway
	return strings.TrimSpace(cut(s, max))
}

// cut shortens s to max runes, the last of which then is an ellipsis, and leaves
// no half of a joined picture at the end.
func cut(s string, max int) string {
	if len(s) <= max || utf8.RuneCountInString(s) <= max {
		return s
	}
	n := 0
	for i := range s {
		if n == max-1 {
			return strings.TrimRight(s[:i], " \n\u200d") + "…"
		}
		n++
	}
	return s
}

// line is plain text in one line for a place that takes no text runs, and whose
// renderers may replace {{DATE()}}: there the braces are moved apart.
func line(s string, max int) string {
	s = strings.ReplaceAll(plain(s, max), "\n", " ")
	for strings.Contains(s, "{{") {
		s = strings.ReplaceAll(s, "{{", "{ {")
	}
	return cut(s, max)
}

// unmarked is line for a place in which the client reads Markdown, such as a choice
// of several: what would become a link is pulled apart.
func unmarked(s string, max int) string {
	return cut(apart.Replace(line(s, max)), max)
}

var apart = strings.NewReplacer("](", "] (", "<", "< ")

// shorter is s at two thirds of its length.
func shorter(s string) string { return cut(s, max(1, utf8.RuneCountInString(s)*2/3)) }

// marshal writes JSON as it is sent: without the escapes for HTML, which cost
// five bytes a bracket.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
