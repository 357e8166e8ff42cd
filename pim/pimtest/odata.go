package pimtest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape says what an entity looks like to a query: its properties, which of them
// may be filtered, what may be expanded, and which options its list takes.
type shape struct {
	typ     string   // such as "unifiedRoleDefinition"
	props   []string // selectable
	hidden  []string // selectable, but not answered by default
	filters []string
	expands []string
	largest int      // page, where it is not largestPage
	options []string // besides $select, $expand and $filter: "$top", "$count", "$orderby"
}

// query is a parsed query of the small, honest part of OData the tenant knows.
type query struct {
	filter  []condition
	selects []string
	expands map[string]string // to the options in parentheses
	top     int
	skip    int
	count   bool
	orderby string
}

// condition is "property operator literal".
type condition struct {
	prop, op, value string
	kind            byte // 's' string, 'b' boolean, 'n' null, 't' time, 'i' number
}

func (s shape) parse(raw string) (query, *GraphError) {
	q := query{expands: map[string]string{}}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, badRequest("The query cannot be read.")
	}
	for name, v := range values {
		if len(v) != 1 {
			return q, badRequest("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
		var e *GraphError
		switch {
		case name == "$skiptoken":
			q.skip, e = readSkip(v[0])
		case name == "$select":
			q.selects, e = s.parseSelect(v[0])
		case name == "$expand" && len(s.expands) > 0:
			e = s.parseExpand(v[0], q.expands)
		case name == "$filter" && len(s.filters) > 0:
			q.filter, e = s.parseFilter(v[0])
		case !slices.Contains(s.options, name):
			return q, unknown(400, "The query option '%s' is not known for %s.", name, s.typ)
		case name == "$top":
			if q.top, err = strconv.Atoi(v[0]); err != nil || q.top < 1 || q.top > 999 {
				return q, badRequest("Invalid page size specified: '%s'. Must be between 1 and 999 inclusive.", v[0])
			}
		case name == "$count":
			if q.count, err = strconv.ParseBool(v[0]); err != nil {
				return q, badRequest("Invalid value for $count: '%s'.", v[0])
			}
		case name == "$orderby":
			if !slices.Contains([]string{"activityDateTime", "activityDateTime asc", "activityDateTime desc"}, v[0]) {
				return q, unknown(400, "The order '%s' is not known.", v[0])
			}
			q.orderby = v[0]
		}
		if e != nil {
			return q, e
		}
	}
	return q, nil
}

func (s shape) parseSelect(list string) ([]string, *GraphError) {
	var out []string
	for _, p := range strings.Split(list, ",") {
		p = strings.TrimSpace(p)
		if !slices.Contains(s.props, p) && !slices.Contains(s.hidden, p) {
			return nil, unknown(400, "Could not find a property named '%s' on type 'microsoft.graph.%s'.", p, s.typ)
		}
		out = append(out, p)
	}
	return out, nil
}

// parseExpand reads "a,b($expand=c)".
func (s shape) parseExpand(list string, into map[string]string) *GraphError {
	depth, start := 0, 0
	for i, c := range list + "," {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			name, options, nested := strings.Cut(strings.TrimSpace(list[start:i]), "(")
			if nested && !strings.HasSuffix(options, ")") {
				return badRequest("The expand '%s' is not well-formed.", list)
			}
			if !slices.Contains(s.expands, name) {
				return unknown(400, "Could not find a property named '%s' to expand on type 'microsoft.graph.%s'.", name, s.typ)
			}
			into[name] = strings.TrimSuffix(options, ")")
			start = i + 1
		}
	}
	if depth != 0 {
		return badRequest("The expand '%s' is not well-formed.", list)
	}
	return nil
}

var number = regexp.MustCompile(`^\d+$`)

var filterToken = regexp.MustCompile(`^\s*('(?:[^']|'')*'|[^\s']+)`)

// targetID stands for a condition on any of an audit entry's targets, and anyTarget is how
// Graph has it written.
const targetID = "targetResources/id"

var anyTarget = regexp.MustCompile(`targetResources/any\(t:\s?t/id (eq '[^']*')\)`)

// parseFilter reads conditions joined by "and".
func (s shape) parseFilter(text string) ([]condition, *GraphError) {
	text = anyTarget.ReplaceAllString(text, targetID+" $1")
	var words []string
	for rest := strings.TrimSpace(text); rest != ""; {
		m := filterToken.FindStringSubmatch(rest)
		if m == nil {
			return nil, badRequest("There is an unterminated string literal in '%s'.", text)
		}
		words, rest = append(words, m[1]), strings.TrimSpace(rest[len(m[0]):])
	}
	var out []condition
	for i := 0; i < len(words); i += 4 {
		if len(words) < i+3 || (len(words) > i+3 && (words[i+3] != "and" || len(words) == i+4)) {
			return nil, unknown(400, "The filter '%s' is not conditions joined by 'and'.", text)
		}
		c := condition{prop: words[i], op: words[i+1], value: words[i+2]}
		if !slices.Contains(s.filters, c.prop) {
			return nil, unknown(400, "The property '%s' cannot be filtered on type 'microsoft.graph.%s'.", c.prop, s.typ)
		}
		switch _, err := time.Parse(time.RFC3339Nano, c.value); {
		case strings.HasPrefix(c.value, "'"):
			c.kind, c.value = 's', strings.ReplaceAll(c.value[1:len(c.value)-1], "''", "'")
		case c.value == "true" || c.value == "false":
			c.kind = 'b'
		case c.value == "null":
			c.kind = 'n'
		case err == nil:
			c.kind = 't'
		case number.MatchString(c.value):
			c.kind = 'i'
		default:
			return nil, badRequest("Invalid filter clause: '%s' is no literal.", c.value)
		}
		if c.op != "eq" && !(c.kind == 't' && slices.Contains([]string{"ge", "gt", "le", "lt"}, c.op)) {
			return nil, unknown(400, "The operator '%s' is not known here.", c.op)
		}
		out = append(out, c)
	}
	return out, nil
}

// value is what the filter demands the property to equal, if it does.
func (q query) value(prop string) (string, bool) {
	for _, c := range q.filter {
		if c.prop == prop && c.op == "eq" {
			return c.value, true
		}
	}
	return "", false
}

func (q query) matches(o obj) bool {
	return !slices.ContainsFunc(q.filter, func(c condition) bool { return !c.holds(o[c.prop]) })
}

// holds compares as the directory does: strings without regard to letter case.
func (c condition) holds(v any) bool {
	switch c.kind {
	case 'n':
		return v == nil
	case 'b', 'i':
		return fmt.Sprint(v) == c.value
	case 't':
		text, _ := v.(string)
		have, err1 := time.Parse(time.RFC3339Nano, text)
		want, err2 := time.Parse(time.RFC3339Nano, c.value)
		if err1 != nil || err2 != nil {
			return false
		}
		cmp := have.Compare(want)
		return map[string]bool{"eq": cmp == 0, "ge": cmp >= 0, "gt": cmp > 0, "le": cmp <= 0, "lt": cmp < 0}[c.op]
	}
	if all, ok := v.([]string); ok {
		return slices.ContainsFunc(all, func(text string) bool { return strings.EqualFold(text, c.value) })
	}
	text, ok := v.(string)
	return ok && strings.EqualFold(text, c.value)
}

// project keeps the selected properties, and the annotations and expansions.
func (q query) project(o obj, s shape) obj {
	keep := q.selects
	if keep == nil {
		keep = s.props
	}
	out := obj{}
	for name, v := range o {
		_, expanded := q.expands[name]
		if slices.Contains(keep, name) || expanded || strings.Contains(name, "@") {
			out[name] = v
		}
	}
	return out
}

// skip tokens are opaque to clients.
func writeSkip(n int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("skip:" + strconv.Itoa(n)))
}

func readSkip(s string) (int, *GraphError) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	n, ok := strings.CutPrefix(string(b), "skip:")
	skip, err2 := strconv.Atoi(n)
	if err != nil || !ok || err2 != nil || skip < 1 {
		return 0, badRequest("Skip token is not valid.")
	}
	return skip, nil
}
