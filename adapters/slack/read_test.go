package slack

import (
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/adaptertest"
	"github.com/belaybot/belay/adapters/slack/slacktest"
	"golang.org/x/net/html"
)

// readMessage reads a message from what the simulated client renders.
func readMessage(t *testing.T, m slacktest.Message) adaptertest.Shown {
	t.Helper()
	s := read(t, slacktest.Render(m.Blocks, m.Text))
	// The notification shows the text without blocks: it has to be inert too.
	s.Alive = append(s.Alive, read(t, slacktest.Render(nil, m.Text)).Alive...)
	return s
}

func readView(t *testing.T, v slacktest.View) adaptertest.Shown {
	t.Helper()
	s := read(t, slacktest.RenderView(v))
	s.Text = v.Title + "\n" + s.Text
	return s
}

// read reads rendered Block Kit as a person does.
func read(t *testing.T, rendered string) adaptertest.Shown {
	t.Helper()
	root, err := html.Parse(strings.NewReader(rendered))
	if err != nil {
		t.Fatal(err)
	}
	var s adaptertest.Shown
	var text strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			text.WriteString(n.Data)
		case is(n, "button", ""), is(n, "a", "button"):
			s.Actions = append(s.Actions, adaptertest.Action{Label: flat(n), URL: attr(n, "href")})
			return
		case is(n, "a", ""), is(n, "span", "mention"):
			s.Alive = append(s.Alive, flat(n))
		case is(n, "select", ""), is(n, "input", ""), is(n, "textarea", ""), is(n, "span", "boxes"):
			s.Fields = append(s.Fields, readField(n))
			return
		case is(n, "br", ""):
			text.WriteString("\n")
		case is(n, "span", "error"):
			s.Fields[len(s.Fields)-1].Error = flat(n)
		case is(n, "div", "context") && len(s.Fields) > 0:
			if wrong, ok := strings.CutPrefix(strings.TrimSpace(flat(n)), "⚠ "); ok {
				s.Fields[len(s.Fields)-1].Error = wrong
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
		if n.Type == html.ElementNode && slices.Contains([]string{"div", "p", "h3", "span", "label"}, n.Data) {
			text.WriteString("\n")
		}
	}
	walk(root)
	s.Text = text.String()
	return s
}

func readField(n *html.Node) adaptertest.Field {
	f := adaptertest.Field{Name: attr(n, "data-action-id"), Value: attr(n, "value")}
	if attr(n, "data-external") != "" {
		f.Value = attr(n, "data-value")
	}
	if n.Data == "textarea" {
		f.Value = flat(n)
	}
	if at := attr(n, "data-at"); at != "" {
		f.Value = at
	}
	var chosen []string
	for o := range n.Descendants() {
		label, _, _ := strings.Cut(flat(o), " · ")
		if is(o, "label", "box") {
			label, o = strings.TrimSpace(flat(o)), o.FirstChild
		} else if !is(o, "option", "") {
			continue
		}
		if attr(o, "value") == "" {
			continue
		}
		f.Options = append(f.Options, label)
		if slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" || a.Key == "checked" }) {
			chosen = append(chosen, attr(o, "value"))
		}
	}
	if chosen != nil {
		f.Value = strings.Join(chosen, ",")
	}
	return f
}

// is tells whether n is such an element; an empty class is any.
func is(n *html.Node, tag, class string) bool {
	return n.Type == html.ElementNode && n.Data == tag && (class == "" || slices.Contains(strings.Fields(attr(n, "class")), class))
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func flat(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// button is the button with that label in what was rendered.
func button(t *testing.T, rendered, label string) slacktest.Element {
	t.Helper()
	return find(t, rendered, label, func(n *html.Node) bool {
		return (is(n, "button", "") || is(n, "a", "button")) && flat(n) == label
	})
}

// inputOf is the input of a field.
func inputOf(t *testing.T, v slacktest.View, name string) slacktest.Element {
	t.Helper()
	return find(t, slacktest.RenderView(v), name, func(n *html.Node) bool { return !is(n, "button", "") && attr(n, "data-action-id") == name })
}

func find(t *testing.T, rendered, what string, ok func(*html.Node) bool) slacktest.Element {
	t.Helper()
	root, err := html.Parse(strings.NewReader(rendered))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if ok(n) {
			return slacktest.Element{BlockID: attr(n, "data-block-id"), ActionID: attr(n, "data-action-id")}
		}
	}
	t.Fatalf("%q is not there:\n%s", what, rendered)
	return slacktest.Element{}
}
