package slacktest

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// inlineMarks are what Slack's mrkdwn marks within a line, longest first. The
// text between two marks neither begins nor ends with a space.
func inlineMarks() []struct{ mark, open, close string } {
	return []struct{ mark, open, close string }{
		{"*", "<strong>", "</strong>"},
		{"_", "<em>", "</em>"},
		{"~", "<s>", "</s>"},
	}
}

// mrkdwnHTML renders Slack's mrkdwn: code, quotes, bold, italic, strike, links,
// mentions, dates and the three entities. Everything else is text.
func (r renderer) mrkdwnHTML(s string) string {
	var out strings.Builder
	for i, part := range strings.Split(s, "```") {
		if i%2 == 1 {
			out.WriteString("<pre>" + html.EscapeString(entities(strings.Trim(part, "\n"))) + "</pre>")
			continue
		}
		out.WriteString(r.lines(part))
	}
	return out.String()
}

func (r renderer) lines(s string) string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		quoted, isQuote := strings.CutPrefix(line, "&gt;")
		if !isQuote {
			quoted, isQuote = strings.CutPrefix(line, ">")
		}
		if isQuote {
			out = append(out, "<blockquote>"+r.inline(strings.TrimPrefix(quoted, " "))+"</blockquote>")
			continue
		}
		out = append(out, r.inline(line))
	}
	return strings.ReplaceAll(strings.Join(out, "<br>"), "</blockquote><br>", "</blockquote>")
}

// inline renders one line.
func (r renderer) inline(s string) string {
	var out strings.Builder
	for s != "" {
		switch {
		case s[0] == '`':
			if end := strings.IndexByte(s[1:], '`'); end > 0 {
				out.WriteString("<code>" + html.EscapeString(entities(s[1:1+end])) + "</code>")
				s = s[end+2:]
				continue
			}
		case s[0] == '<':
			if end := strings.IndexByte(s, '>'); end > 1 {
				out.WriteString(r.angle(s[1:end]))
				s = s[end+1:]
				continue
			}
		}
		if rest, ok := r.marked(&out, s); ok {
			s = rest
			continue
		}
		n := 1
		for n < len(s) && !strings.ContainsRune("`<*_~", rune(s[n])) {
			n++
		}
		if s[0] != '*' && s[0] != '_' && s[0] != '~' && n < len(s) && wordByte(s[n-1]) && s[n] == '_' {
			for n < len(s) && (wordByte(s[n]) || s[n] == '_') { // snake_case is no italic
				n++
			}
		}
		out.WriteString(html.EscapeString(entities(s[:n])))
		s = s[n:]
	}
	return out.String()
}

// marked renders a run between two marks at the beginning of s.
func (r renderer) marked(out *strings.Builder, s string) (string, bool) {
	for _, m := range inlineMarks() {
		inner, ok := strings.CutPrefix(s, m.mark)
		if !ok {
			continue
		}
		end := strings.Index(inner, m.mark)
		if end <= 0 || inner[0] == ' ' || inner[end-1] == ' ' {
			continue
		}
		rest := inner[end+1:]
		if rest != "" && wordByte(rest[0]) {
			continue
		}
		out.WriteString(m.open + r.inline(inner[:end]) + m.close)
		return rest, true
	}
	return s, false
}

func wordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// entities undoes the only three entities that Slack knows.
func entities(s string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// angle renders what stands between < and >: a link, a mention, a date.
func (r renderer) angle(s string) string {
	target, label, hasLabel := strings.Cut(s, "|")
	target, label = entities(target), entities(label)
	switch {
	case strings.HasPrefix(target, "@"):
		return mention("@" + r.name(target[1:], label))
	case strings.HasPrefix(target, "#"):
		return mention("#" + r.name(target[1:], label))
	case strings.HasPrefix(target, "!date^"):
		return date(target, label)
	case strings.HasPrefix(target, "!subteam^"):
		return mention("@" + r.name(strings.TrimPrefix(target, "!subteam^"), label))
	case target == "!here" || target == "!channel" || target == "!everyone":
		return mention("@" + target[1:])
	}
	if !hasLabel || label == "" {
		label = strings.TrimPrefix(target, "mailto:")
	}
	return anchor(target, html.EscapeString(label), "")
}

func mention(s string) string {
	return `<span class="mention">` + html.EscapeString(s) + `</span>`
}

// anchor makes a link to http, https or mailto; anything else stays text.
// inner and attributes are HTML.
func anchor(target, inner, attributes string) string {
	lower := strings.ToLower(target)
	for _, scheme := range []string{"http://", "https://", "mailto:"} {
		if strings.HasPrefix(lower, scheme) {
			return `<a href="` + html.EscapeString(target) + `" target="_blank" rel="noopener noreferrer"` + attributes + `>` + inner + `</a>`
		}
	}
	return inner
}

// name is what a mention shows.
func (r renderer) name(id, label string) string {
	if r.names != nil {
		if n := r.names(id); n != "" {
			return n
		}
	}
	if label != "" {
		return label
	}
	return id
}

// date renders <!date^seconds^format^link|fallback>, in UTC; Slack uses the
// reader's time zone, for which datetime has the instant. A format that is not
// known shows the fallback.
func date(target, fallback string) string {
	parts := strings.SplitN(target, "^", 4)
	if len(parts) < 3 {
		return html.EscapeString(fallback)
	}
	sec, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return html.EscapeString(fallback)
	}
	at := time.Unix(sec, 0).UTC()
	known := true
	shown := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(parts[2], func(token string) string {
		s, ok := dateToken(token, at)
		known = known && ok
		return s
	})
	if !known {
		shown = fallback
	}
	inner := `<time datetime="` + at.Format(time.RFC3339) + `">` + html.EscapeString(shown) + `</time>`
	if len(parts) == 4 {
		return anchor(parts[3], inner, "")
	}
	return inner
}

// dateToken formats one token of Slack's date format.
func dateToken(token string, at time.Time) (string, bool) {
	switch token {
	case "{date_num}":
		return at.Format("2006-01-02"), true
	case "{date_slash}":
		return at.Format("01/02/2006"), true
	case "{date}", "{date_pretty}":
		return at.Format("January ") + ordinal(at.Day()) + at.Format(", 2006"), true
	case "{date_short}", "{date_short_pretty}":
		return at.Format("Jan 2, 2006"), true
	case "{date_long}", "{date_long_pretty}":
		return at.Format("Monday, January ") + ordinal(at.Day()) + at.Format(", 2006"), true
	case "{time}":
		return at.Format("3:04 PM"), true
	case "{time_secs}":
		return at.Format("3:04:05 PM"), true
	}
	return token, false
}

func ordinal(day int) string {
	suffix := "th"
	if day/10 != 1 {
		switch day % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(day) + suffix
}
