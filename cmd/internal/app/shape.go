package app

import (
	"fmt"
	"reflect"
	"time"
)

// fits checks the type of a YAML value down to its leaves, each with a path of
// its own. The value itself is never repeated: it may be a secret in the wrong
// place.
func (l *loader) fits(path string, kind reflect.Type, v any) bool {
	ok, want := false, "text"
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		want = "a duration such as 12h"
		if text, is := v.(string); is {
			_, err := time.ParseDuration(text)
			ok = err == nil
		}
	case kind == reflect.TypeFor[Secret]() && v == nil:
		want = "not empty"
	case kind.Kind() == reflect.Int:
		want = "a whole number"
		_, ok = v.(int)
	case kind.Kind() == reflect.Bool:
		want = "true or false"
		_, ok = v.(bool)
	case kind.Kind() == reflect.Slice:
		want = "a list"
		if all, is := v.([]any); is || v == nil {
			return l.fitAll(path, kind.Elem(), all)
		}
	case kind.Kind() == reflect.Map:
		want = "a mapping of text to text"
		if all, is := v.(map[string]any); is {
			return l.fitValues(path, kind.Elem(), all)
		}
	case kind.Kind() == reflect.Struct:
		want = "a mapping"
		if all, is := v.(map[string]any); is {
			return l.fitMembers(path, kind, all)
		}
	default:
		_, ok = v.(string)
		ok = ok || v == nil
	}
	if !ok {
		l.fault(path, "must be %s", want)
	}
	return ok
}

func (l *loader) fitAll(path string, kind reflect.Type, all []any) bool {
	ok := true
	for n, v := range all {
		ok = l.fits(fmt.Sprintf("%s[%d]", path, n), kind, v) && ok
	}
	return ok
}

func (l *loader) fitValues(path string, kind reflect.Type, all map[string]any) bool {
	ok := true
	for name, v := range all {
		ok = l.fits(path+"."+name, kind, v) && ok
	}
	return ok
}

func (l *loader) fitMembers(path string, kind reflect.Type, members map[string]any) bool {
	known := map[string]reflect.Type{}
	for n := range kind.NumField() {
		known[kind.Field(n).Tag.Get("koanf")] = kind.Field(n).Type
	}
	ok := true
	for name, v := range members {
		of, is := known[name]
		if !is {
			l.fault(path+"."+name, "unknown key")
		}
		ok = is && l.fits(path+"."+name, of, v) && ok
	}
	return ok
}
