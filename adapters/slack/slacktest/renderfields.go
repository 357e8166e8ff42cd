package slacktest

import (
	"html"
	"strconv"
	"strings"
	"time"
)

// field renders the elements in which several options, or a time, stand;
// attributes are HTML.
//
//   - Checkboxes and menus of several options are boxes in a <span class="boxes">.
//     Of a menu that is searched only what is chosen has a box, and the <span> has
//     data-external; the page adds to it.
//   - A time is <input type="datetime-local"> with the instant in data-at: only
//     the page knows the reader's time zone.
func (r renderer) field(e *element, current Value, attributes string) string {
	if e.Type == "datetimepicker" {
		at := ""
		if current.Time != 0 {
			at = time.Unix(current.Time, 0).UTC().Format(time.RFC3339)
		}
		return `<input type="datetime-local" data-at="` + at + `"` + attributes + `>`
	}
	attributes = strings.ReplaceAll(attributes, " required", ` aria-required="true"`)
	if e.MaxSelectedItems > 0 {
		attributes += ` data-most="` + strconv.Itoa(e.MaxSelectedItems) + `"`
	}
	list := e.choices()
	if e.searched() {
		least := 3
		if e.MinQueryLength != nil {
			least = *e.MinQueryLength
		}
		attributes += ` data-external="true" data-min-query-length="` + strconv.Itoa(least) + `"`
		list = current.Options
	}
	out := `<span class="boxes" role="group"` + attributes + `>`
	for _, o := range list {
		checked := ""
		if pick(current.Options, o.Value) != nil {
			checked = " checked"
		}
		out += `<label class="box"><input type="checkbox" value="` + html.EscapeString(o.Value) + `"` + checked + `> <span>` + r.text(&o.Text) + `</span>`
		if o.Description != nil {
			out += ` <small>` + r.text(o.Description) + `</small>`
		}
		out += `</label>`
	}
	return out + `</span>`
}
