package app

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Render writes a configuration as a commented YAML file: every key with what it
// is for; keys that stand at their default are commented out. Secrets are
// written as they are, so the file is to be kept like one.
func Render(c Config) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Belay's configuration. Every key can also be given in the environment, as the\n" +
		"# BELAY_… name behind it; every secret also as a file, with _file added to its key.\n")
	if err := render(&b, reflect.ValueOf(c), "", ""); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

func render(b *strings.Builder, v reflect.Value, prefix, indent string) error {
	t := v.Type()
	for i := range t.NumField() {
		f, value := t.Field(i), v.Field(i)
		key := f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			fmt.Fprintf(b, "\n%s%s:\n", indent, key)
			if err := render(b, value, prefix+key+".", indent+"  "); err != nil {
				return err
			}
			continue
		}
		text, err := yamlText(value)
		if structured(f.Type) && value.IsZero() {
			text = f.Tag.Get("example")
		}
		if err != nil {
			return fmt.Errorf("%s%s: %w", prefix, key, err)
		}
		env := " [" + envName(prefix+key) + "]"
		if structured(f.Type) {
			env = ""
		}
		fmt.Fprintf(b, "%s# %s%s\n", indent, f.Tag.Get("doc"), env)
		mark, standard := "", f.Tag.Get("default")
		if list, ok := value.Interface().([]string); ok && standard != "" {
			if standard, err = asJSON(strings.Split(standard, ",")); err != nil {
				return fmt.Errorf("%s%s: %w", prefix, key, err)
			}
			if len(list) > 0 && text == standard {
				mark = "# "
			}
		}
		unset := value.IsZero() && value.Kind() != reflect.Bool
		if plain := fmt.Sprint(value.Interface()); unset || plain == f.Tag.Get("default") || durationText(value) == f.Tag.Get("default") {
			mark = "# "
			if standard != "" && unset {
				text = standard
			}
		}
		fmt.Fprintf(b, "%s%s%s: %s\n", indent, mark, key, text)
	}
	return nil
}

// yamlText writes a value as JSON, which YAML reads as its own.
func yamlText(v reflect.Value) (string, error) {
	var plain any
	if structured(v.Type()) {
		rules := make([]map[string]any, v.Len())
		for n := range rules {
			rules[n] = map[string]any{}
			for i := range v.Type().Elem().NumField() {
				rules[n][v.Type().Elem().Field(i).Tag.Get("koanf")] = v.Index(n).Field(i).Interface()
			}
		}
		return asJSON(rules)
	}
	switch x := v.Interface().(type) {
	case Secret:
		plain = string(x)
	case time.Duration:
		return durationText(v), nil
	case int:
		return fmt.Sprint(x), nil
	case []string:
		if x == nil {
			return "[]", nil
		}
		plain = x
	case map[string]string:
		if x == nil {
			return "{}", nil
		}
		plain = x
	default:
		plain = x
	}
	return asJSON(plain)
}

func asJSON(plain any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

func durationText(v reflect.Value) string {
	d, ok := v.Interface().(time.Duration)
	if !ok {
		return "\x00"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
