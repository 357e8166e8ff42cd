// Package siemtest stands where a security system stands: receivers that take what their
// documentation says and complain of everything else, and the schema of OCSF.
package siemtest

import (
	_ "embed" // the schema
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
)

//go:embed ocsf-1.8.0.json
var ocsf []byte

// OCSF is the schema's part that Belay writes; where it comes from stands in the file.
var OCSF = sync.OnceValue(func() *Schema {
	s := &Schema{}
	if err := json.Unmarshal(ocsf, s); err != nil {
		panic(err)
	}
	return s
})

// Schema is a schema of OCSF.
type Schema struct {
	Source, Version string
	Classes         map[string]Class
	Objects         map[string]Structure
}

// Class is a class of events.
type Class struct {
	Caption      string
	Category     int
	CategoryName string `json:"category_name"`
	Structure
}

// Structure is what an event or an object consists of.
type Structure struct {
	Attributes  map[string]Attribute
	Constraints struct {
		AtLeastOne []string `json:"at_least_one"`
	}
}

// Attribute is one member of a structure.
type Attribute struct {
	Type     string
	Object   bool
	Array    bool
	Required bool
	Enum     map[string]string
}

// Faults are what is wrong with an event.
func (s *Schema) Faults(raw []byte) (bad []string) {
	var e map[string]any
	if err := json.Unmarshal(raw, &e); err != nil {
		return []string{err.Error()}
	}
	class := fmt.Sprint(e["class_uid"])
	c, ok := s.Classes[class]
	if !ok {
		return []string{"there is no class " + class}
	}
	bad = s.check(class, c.Structure, e)
	n := func(name string) int { f, _ := e[name].(float64); return int(f) }
	if n("category_uid") != c.Category || n("class_uid") > 0 && n("class_uid")/1000 != n("category_uid") {
		bad = append(bad, fmt.Sprintf("category %d of class %s", n("category_uid"), class))
	}
	if n("type_uid") != n("class_uid")*100+n("activity_id") {
		bad = append(bad, fmt.Sprintf("type_uid %d of class %s, activity %d", n("type_uid"), class, n("activity_id")))
	}
	if e["class_name"] != c.Caption || e["category_name"] != c.CategoryName {
		bad = append(bad, fmt.Sprintf("class %s is called %v in %v", class, e["class_name"], e["category_name"]))
	}
	for id, name := range map[string]string{"severity_id": "severity", "status_id": "status"} {
		if want := c.Attributes[id].Enum[strconv.Itoa(n(id))]; want != e[name] {
			bad = append(bad, fmt.Sprintf("%s %d is %q, not %v", id, n(id), want, e[name]))
		}
	}
	return bad
}

func (s *Schema) check(where string, o Structure, v map[string]any) (bad []string) {
	for name, a := range o.Attributes {
		if _, there := v[name]; a.Required && !there {
			bad = append(bad, where+" wants "+name)
		}
	}
	if any := o.Constraints.AtLeastOne; len(any) > 0 && !slices.ContainsFunc(any, func(name string) bool { return v[name] != nil }) {
		bad = append(bad, fmt.Sprintf("%s wants one of %v", where, any))
	}
	for name, value := range v {
		a, known := o.Attributes[name]
		if !known {
			bad = append(bad, where+" has no "+name)
			continue
		}
		values := []any{value}
		if a.Array {
			values, _ = value.([]any)
			if len(values) == 0 {
				bad = append(bad, where+"."+name+" is no list with something in it")
			}
		}
		for _, value := range values {
			bad = append(bad, s.one(where+"."+name, a, value)...)
		}
	}
	return bad
}

func (s *Schema) one(where string, a Attribute, value any) []string {
	switch v := value.(type) {
	case map[string]any:
		if a.Type == "object" && a.Object {
			return nil
		}
		o, known := s.Objects[a.Type]
		if !a.Object || !known {
			return []string{fmt.Sprintf("%s is an object and should be %s", where, a.Type)}
		}
		return s.check(where, o, v)
	case string:
		if a.Object || a.Type != "string_t" || v == "" {
			return []string{fmt.Sprintf("%s is %q and should be %s", where, v, a.Type)}
		}
	case float64:
		if a.Type != "integer_t" && a.Type != "long_t" || v != float64(int64(v)) {
			return []string{fmt.Sprintf("%s is a number and should be %s", where, a.Type)}
		}
		if _, in := a.Enum[strconv.Itoa(int(v))]; len(a.Enum) > 0 && !in {
			return []string{fmt.Sprintf("%s is %v, which is none of %v", where, v, a.Enum)}
		}
	default:
		return []string{fmt.Sprintf("%s is %T", where, value)}
	}
	return nil
}
