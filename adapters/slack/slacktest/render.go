package slacktest

import (
	"encoding/json"
	"fmt"
	"html"
	"strconv"
	"strings"
)

// Render renders a message's Block Kit to HTML, well enough to judge its looks,
// and its text when it has no blocks. The HTML holds no script and no style,
// and everything from the message is escaped. Buttons are
//
//	<button type="button" class="primary" data-block-id data-action-id data-value>
//
// or, with a url, <a>. Selects and inputs have the same data attributes, boxes on
// the <span> around them.
// Blocks that cannot be decoded are shown as text.
func Render(blocks json.RawMessage, text string) string {
	return renderer{}.message(blocks, text)
}

// RenderView renders a modal or Home tab with what stands in its inputs and the
// errors under them.
func RenderView(v View) string {
	return renderer{values: v.Values, errors: v.Errors}.view(v)
}

// renderer renders blocks. values and errors are those of a view; names turns
// the id of a user or channel into what people call it, when set.
type renderer struct {
	values Values
	errors map[string]string
	names  func(id string) string
}

func (r renderer) message(blocks json.RawMessage, text string) string {
	if len(blocks) == 0 {
		return `<p class="text">` + r.mrkdwnHTML(text) + `</p>`
	}
	return r.blocks(blocks)
}

func (r renderer) view(v View) string {
	return `<div class="view" data-view-id="` + html.EscapeString(v.ID) + `">` + r.blocks(v.Blocks) + `</div>`
}

func (r renderer) blocks(raw json.RawMessage) string {
	all, err := decodeBlocks(raw)
	if err != nil {
		return `<pre class="undecodable">` + html.EscapeString(string(raw)) + `</pre>`
	}
	var out strings.Builder
	for _, b := range all {
		out.WriteString(r.block(b))
	}
	return out.String()
}

func (r renderer) block(b *block) string {
	var inner string
	switch b.Type {
	case "header":
		inner = "<h3>" + r.text(b.Text) + "</h3>"
	case "divider":
		return "<hr>"
	case "data_visualization":
		inner = b.Chart.html(b.Title)
	case "section":
		if b.Text != nil {
			inner = "<p>" + r.text(b.Text) + "</p>"
		}
		if len(b.Fields) > 0 {
			inner += `<div class="fields">`
			for i := range b.Fields {
				inner += "<div>" + r.text(&b.Fields[i]) + "</div>"
			}
			inner += "</div>"
		}
		if b.Accessory != nil {
			inner = `<div class="body">` + inner + `</div><div class="accessory">` + r.element(b, b.Accessory, "") + `</div>`
		}
	case "context":
		for i := range b.Texts {
			inner += "<span>" + r.text(&b.Texts[i]) + "</span> "
		}
	case "actions":
		for _, e := range b.Elements {
			inner += r.element(b, e, "") + " "
		}
	case "input":
		return r.input(b)
	default:
		inner = html.EscapeString(b.Type)
	}
	return fmt.Sprintf(`<div class="block %s" data-block-id="%s">%s</div>`, html.EscapeString(b.Type), html.EscapeString(b.BlockID), inner)
}

// text renders a text object. Plain text is shown as it is.
func (r renderer) text(t *text) string {
	switch {
	case t == nil:
		return ""
	case t.Type == mrkdwn:
		return r.mrkdwnHTML(t.Text)
	}
	return strings.ReplaceAll(html.EscapeString(t.Text), "\n", "<br>")
}

// input renders an input block: the control inside its label, so that no ids
// are needed and several views can stand on one page. Boxes have a label each.
func (r renderer) input(b *block) string {
	label := r.text(b.Label)
	optional := b.Optional != nil && *b.Optional
	if optional {
		label += ` <small>(optional)</small>`
	}
	attributes := ""
	if !optional {
		attributes = " required"
	}
	fault := r.errors[b.BlockID]
	if fault != "" {
		attributes += ` aria-invalid="true"`
	}
	if b.dispatches() {
		attributes += ` data-dispatch="true"`
	}
	tag, end := `<label>`, `</label>`
	if b.Element != nil && b.Element.several() {
		tag, end = `<div class="group">`, `</div>`
		attributes += ` aria-label="` + html.EscapeString(b.Label.plain()) + `"`
	}
	out := `<div class="block input" data-block-id="` + html.EscapeString(b.BlockID) + `">` + tag + `<span class="label">` + label + `</span>`
	if b.Element != nil {
		out += r.element(b, b.Element, attributes)
	}
	if b.Hint != nil {
		out += `<span class="hint">` + r.text(b.Hint) + `</span>`
	}
	if fault != "" {
		out += `<span class="error" role="alert">` + html.EscapeString(fault) + `</span>`
	}
	return out + end + `</div>`
}

// element renders an interactive element; attributes are HTML.
func (r renderer) element(b *block, e *element, attributes string) string {
	data := fmt.Sprintf(` data-block-id="%s" data-action-id="%s"`, html.EscapeString(b.BlockID), html.EscapeString(e.ActionID))
	if b.Type != "input" {
		label := e.AccessibilityLabel
		if label == "" && e.Type != "button" {
			label = e.Placeholder.plain()
		}
		if label != "" {
			attributes += ` aria-label="` + html.EscapeString(label) + `"`
		}
	}
	current := r.values[b.BlockID][e.ActionID]
	if r.values == nil {
		current = e.initial()
	}
	placeholder := ""
	if e.Placeholder != nil {
		placeholder = ` placeholder="` + html.EscapeString(e.Placeholder.Text) + `"`
	}
	switch e.Type {
	case "button":
		data += ` class="` + html.EscapeString(strings.TrimSpace("button "+e.Style)) + `" data-value="` + html.EscapeString(e.Value) + `"` + attributes
		if e.URL != "" {
			return anchor(e.URL, r.text(e.Text), data)
		}
		return `<button type="button"` + data + `>` + r.text(e.Text) + `</button>`
	case "static_select":
		return `<select` + data + attributes + `>` + r.menu(e, current) + `</select>`
	case "multi_static_select", "multi_external_select", "checkboxes", "datetimepicker":
		return r.field(e, current, placeholder+data+attributes)
	case "overflow":
		return `<select class="overflow" data-overflow="true"` + data + ` aria-label="More"><option value="">⋯</option>` + options(e.Options, "") + `</select>`
	case "external_select":
		least, shown := 3, ""
		if e.MinQueryLength != nil {
			least = *e.MinQueryLength
		}
		if current.Option != nil {
			shown = current.Option.Label()
		}
		return `<input type="text" role="combobox" aria-expanded="false" autocomplete="off" data-external="true" data-min-query-length="` + strconv.Itoa(least) +
			`" data-value="` + html.EscapeString(current.String()) + `" value="` + html.EscapeString(shown) + `"` + placeholder + data + attributes + `>`
	case "plain_text_input":
		if e.MaxLength > 0 {
			attributes += ` maxlength="` + strconv.Itoa(e.MaxLength) + `"`
		}
		if e.Multiline {
			return `<textarea rows="4"` + placeholder + data + attributes + ">\n" + html.EscapeString(current.Text) + `</textarea>`
		}
		return `<input type="text" value="` + html.EscapeString(current.Text) + `"` + placeholder + data + attributes + `>`
	}
	return html.EscapeString(e.Type)
}

func (r renderer) menu(e *element, current Value) string {
	first := e.Placeholder.plain()
	if first == "" {
		first = "Choose…"
	}
	out := `<option value="">` + html.EscapeString(first) + `</option>` + options(e.Options, current.String())
	for _, g := range e.OptionGroups {
		out += `<optgroup label="` + html.EscapeString(g.Label.Text) + `">` + options(g.Options, current.String()) + `</optgroup>`
	}
	return out
}

func options(list []Option, chosen string) string {
	var out strings.Builder
	for _, o := range list {
		selected := ""
		if o.Value == chosen {
			selected = " selected"
		}
		label := o.Label()
		if o.Description != nil {
			label += " · " + o.Description.Text
		}
		fmt.Fprintf(&out, `<option value="%s"%s>%s</option>`, html.EscapeString(o.Value), selected, html.EscapeString(label))
	}
	return out.String()
}
