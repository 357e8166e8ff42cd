package drift

import (
	"encoding/json"
	"maps"
	"slices"
)

// line is an entry as a file has it: everything in one place, and nothing in it that
// changes without the tenant.
type line struct {
	What   What              `json:"what"`
	Kind   string            `json:"kind"`
	Role   string            `json:"role"`
	Name   string            `json:"roleName,omitempty"`
	Scope  string            `json:"scope,omitempty"`
	Where  string            `json:"scopeName,omitempty"`
	Holder string            `json:"holder,omitempty"`
	Type   string            `json:"holderType,omitempty"`
	Who    string            `json:"holderName,omitempty"`
	Values map[string]string `json:"values"`
}

// Text is a baseline as JSON for a version control: sorted, and the same bytes for the
// same baseline.
func Text(tenant string, base map[string]Entry) ([]byte, error) {
	file := struct {
		Tenant  string `json:"tenant"`
		Entries []line `json:"entries"`
	}{Tenant: tenant, Entries: []line{}}
	for _, key := range slices.Sorted(maps.Keys(base)) {
		e := base[key]
		if e.What == Covered {
			continue
		}
		l := line{What: e.What, Kind: string(e.Kind), Role: e.Role, Name: e.RoleName, Scope: e.Scope, Where: e.ScopeName, Holder: e.Holder.ID, Type: string(e.Type), Who: e.Holder.Name, Values: map[string]string{}}
		if e.Holder.UPN != "" {
			l.Who = e.Holder.UPN
		}
		for _, v := range e.Values {
			l.Values[string(v.Name)] = v.Text
		}
		file.Entries = append(file.Entries, l)
	}
	text, err := json.MarshalIndent(file, "", "  ")
	return append(text, '\n'), err
}
