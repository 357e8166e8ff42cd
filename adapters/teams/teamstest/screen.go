package teamstest

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Screen is a card as the client shows it.
type Screen struct {
	// Lines are the words a person reads, top to bottom: titles, texts, facts as
	// "name: value", labels, choices and buttons, those of inner cards too.
	// Markdown is resolved where the client reads it, and so are dates, in UTC.
	Lines []string
	// Links are addresses that Markdown in a text made into links.
	Links   []string
	Buttons []Button
	Inputs  []Input
}

// Button is one button of a card.
type Button struct {
	Title string
	Verb  string // of an Action.Execute
	URL   string // of an Action.OpenUrl
}

// ReadCard reads a card as a person does. Something that is no card reads as
// nothing.
func ReadCard(card json.RawMessage) Screen {
	var parsed map[string]any
	if len(card) == 0 || json.Unmarshal(card, &parsed) != nil {
		return Screen{}
	}
	var s Screen
	s.Lines = s.words(parsed, "", "")
	l := read(parsed)
	s.Inputs = l.inputs
	for _, b := range l.buttons {
		if !b.untitled {
			s.Buttons = append(s.Buttons, Button{Title: b.title, Verb: text(b.action["verb"]), URL: text(b.action["url"])})
		}
	}
	return s
}

// CardText gives the lines of a card in one string.
func CardText(card json.RawMessage) string { return strings.Join(ReadCard(card).Lines, "\n") }

// words gives the lines of what stands in the member called place of an element
// of type kind.
func (s *Screen) words(v any, kind, place string) (lines []string) {
	switch v := v.(type) {
	case string:
		if slices.Contains([]string{"title", "text", "label", "inlines"}, place) {
			lines = append(lines, s.shown(v, kind, place))
		}
	case []any:
		for _, item := range v {
			lines = append(lines, s.words(item, kind, place)...)
		}
		if place == "inlines" { // the runs of one paragraph
			lines = []string{strings.Join(lines, "")}
		}
	case map[string]any:
		if place == "facts" {
			return []string{s.markdown(text(v["title"])) + ": " + s.markdown(text(v["value"]))}
		}
		if name := text(v["type"]); name != "" {
			kind = name
		}
		if strings.EqualFold(text(v["style"]), "expanded") || v["isMultiSelect"] == true {
			kind = "expanded" // its choices are texts of their own
		}
		for _, name := range members(v) {
			lines = append(lines, s.words(v[name], kind, name)...)
		}
	}
	return lines
}

// shown is a string as the client shows it in that place.
func (s *Screen) shown(v, kind, place string) string {
	switch {
	case kind == "TextBlock" && place == "text",
		kind == "Input.Toggle" && place == "title",
		kind == "expanded" && place == "title":
		return s.markdown(v)
	case place == "text", place == "inlines": // a run: no Markdown, but dates
		return dates(v)
	}
	return v
}

// dates replaces the functions DATE and TIME of Adaptive Cards, in UTC. What is
// not exactly of their form stays.
func dates(s string) string {
	call := regexp.MustCompile(`\{\{(DATE|TIME)\(([0-9T:+Z-]+)(?:, ?(COMPACT|SHORT|LONG))?\)\}\}`)
	return call.ReplaceAllStringFunc(s, func(found string) string {
		part := call.FindStringSubmatch(found)
		at, err := time.Parse(time.RFC3339, part[2])
		switch {
		case err != nil, part[1] == "TIME" && part[3] != "":
			return found
		case part[1] == "TIME":
			return at.UTC().Format("3:04 PM")
		}
		format := map[string]string{"": "1/2/2006", "COMPACT": "1/2/2006", "SHORT": "Mon, Jan 2, 2006", "LONG": "Monday, January 2, 2006"}
		return at.UTC().Format(format[part[3]])
	})
}

// markdown resolves the Markdown that the client reads: links, emphasis, code,
// character references and escapes. It notes the links.
func (s *Screen) markdown(v string) string {
	const hidden = 0xE000 // escaped characters are out of the way as private ones
	escape := regexp.MustCompile("\\\\([!-/:-@\\[-`{-~])")
	v = escape.ReplaceAllStringFunc(dates(v), func(found string) string { return string(hidden + rune(found[1])) })
	link := regexp.MustCompile(`\[([^\[\]]*)\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)\)`)
	v = link.ReplaceAllStringFunc(v, func(found string) string {
		part := link.FindStringSubmatch(found)
		s.Links = append(s.Links, part[2])
		return part[1]
	})
	automatic := regexp.MustCompile(`<([a-zA-Z][a-zA-Z0-9+.-]+:[^<>\s]*)>`)
	v = automatic.ReplaceAllStringFunc(v, func(found string) string {
		s.Links = append(s.Links, found[1:len(found)-1])
		return found[1 : len(found)-1]
	})
	for _, mark := range []string{`\*\*`, `__`, `\*`, `_`, "`"} {
		v = regexp.MustCompile(mark+`(\S|\S.*?\S)`+mark).ReplaceAllString(v, "$1")
	}
	return strings.Map(func(r rune) rune {
		if r > hidden && r < hidden+0x80 {
			return r - hidden
		}
		return r
	}, html.UnescapeString(v))
}
