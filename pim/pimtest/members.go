package pimtest

import (
	"encoding/json"
	"reflect"
	"strings"
)

// strangeMember finds a member of a JSON value that its Go type does not name in
// exactly this spelling. encoding/json alone would take any letter case, and a
// misspelt name would pass here and fail at Microsoft.
func strangeMember(raw json.RawMessage, typ reflect.Type) string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	var members map[string]json.RawMessage
	if typ.Kind() != reflect.Struct || json.Unmarshal(raw, &members) != nil {
		return "" // no object: the decoder has checked it
	}
	known := map[string]reflect.Type{}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		known[name] = typ.Field(i).Type
	}
	for name, value := range members {
		t, ok := known[name]
		if !ok {
			return name
		}
		if strange := strangeMember(value, t); strange != "" {
			return name + "." + strange
		}
	}
	return ""
}
