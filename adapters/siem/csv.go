package siem

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// textColumns are the texts that have a column of their own; others share one.
var textColumns = []string{"actor", "subject", "justification", "ticket", "reason"}

// Header are the names of CSV's columns.
func Header() []string {
	h := []string{"index", "loose", "id", "at", "kind", "outcome", "actor", "platform", "tenant", "user", "token", "subject", "request", "held", "verb",
		"from", "to", "role_kind", "role", "role_name", "scope", "reason", "ref", "more"}
	for _, name := range textColumns {
		h = append(h, "text_"+name)
	}
	return append(h, "text_other", "erased")
}

// Row is a line as the cells of CSV. No spreadsheet takes one for a formula.
func Row(l Line) []string {
	var kind, id, name, scope string
	if l.Role != nil {
		kind, id, name, scope = l.Role.Kind, l.Role.ID, l.Role.Name, l.Role.Scope
	}
	row := []string{strconv.FormatUint(l.Index, 10), strconv.FormatBool(l.Loose), l.ID, l.At.UTC().Format(time.RFC3339Nano), string(l.Kind), string(l.Outcome),
		l.Actor.Principal, l.Actor.Platform, l.Actor.Tenant, l.Actor.User, l.Token, l.Subject, l.Request, l.Held, l.Verb, l.From, l.To,
		kind, id, name, scope, l.Reason, l.Ref, object(l.More)}
	other := maps.Clone(l.Texts)
	for _, name := range textColumns {
		row = append(row, l.Texts[name])
		delete(other, name)
	}
	row = append(row, object(other), strings.Join(l.Erased, " "))
	for n := range row {
		row[n] = inert(row[n])
	}
	return row
}

// object is a map as JSON with sorted names; an empty one is an empty cell.
func object(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, quoted(name)+":"+quoted(m[name]))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // no string does that
	}
	return string(b)
}

// inert puts an apostrophe before what a spreadsheet would take for a formula (CSV
// injection), the full-width signs among it: some programs take them for the others.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}
