package pimtest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// armFilter is a parsed $filter of a list of PIM's: functions without or with one
// argument, and comparisons with eq. Names are kept as Microsoft writes them.
type armFilter map[string]string

var (
	filterCall = regexp.MustCompile(`^(\w+)\((?:'([^']*)')?\)$`)
	filterEq   = regexp.MustCompile(`^(\w+) eq '([^']*)'$`)
	filterAnd  = regexp.MustCompile(`(?i)\s+and\s+`)
	filterOr   = regexp.MustCompile(`(?i)\s+or\s+`)
)

// filter reads the call's $filter: terms of those given, joined by "and".
func (c *armCall) filter(terms ...string) (armFilter, *GraphError) {
	text := strings.TrimSpace(c.options.Get("$filter"))
	out := armFilter{}
	if text == "" {
		return out, nil
	}
	for _, part := range filterAnd.Split(text, -1) {
		m := filterCall.FindStringSubmatch(part)
		call := m != nil
		if !call {
			m = filterEq.FindStringSubmatch(part)
		}
		if m == nil {
			return nil, unknown(http.StatusBadRequest, "The filter '%s' cannot be read.", text)
		}
		name := m[1] + " eq"
		if call {
			name = m[1] + "()"
		}
		if !slices.Contains(terms, name) || (call && (m[1] == "assignedTo") != (m[2] != "")) {
			return nil, unknown(http.StatusBadRequest, "The filter '%s' is not known here.", part)
		}
		out[name] = m[2]
	}
	return out, nil
}

func (f armFilter) has(term string) bool { _, ok := f[term]; return ok }

// oneOf reads a filter of comparisons of one property joined by "or", such as
// those of child resources. nil: there is no filter.
func (c *armCall) oneOf(property string) ([]string, *GraphError) {
	text := strings.TrimSpace(c.options.Get("$filter"))
	if text == "" {
		return nil, nil
	}
	var values []string
	for _, part := range filterOr.Split(text, -1) {
		m := filterEq.FindStringSubmatch(part)
		if m == nil || m[1] != property {
			return nil, unknown(http.StatusBadRequest, "The filter '%s' is not known here.", part)
		}
		values = append(values, strings.ToLower(m[2]))
	}
	return values, nil
}
