package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// checker looks at Block Kit member by member before anything is decoded, and
// words its faults as Slack does, each with a JSON pointer. What this
// simulation does not know is a fault too, and is in unknown besides.
type checker struct {
	faults  []string
	unknown []string

	blockIDs map[string]bool
	inputs   []string // pointers of input blocks
	focused  int
	view     bool // the blocks are those of a view
	charts   int
}

func newChecker() *checker { return &checker{blockIDs: make(map[string]bool)} }

func (c *checker) fault(at, format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...)+" [json-pointer:"+at+"]")
}

// stranger is a fault of something that Slack may know and this simulation does not.
func (c *checker) stranger(at, format string, args ...any) {
	c.fault(at, format, args...)
	c.unknown = append(c.unknown, c.faults[len(c.faults)-1])
}

// decodeAny decodes one JSON value, numbers unconverted.
func decodeAny(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("data after the JSON value")
	}
	return v, nil
}

// object checks that v is an object with the required members and none but the
// required and optional ones. Both lists are words in one string.
func (c *checker) object(at string, v any, required, optional string) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "must be a valid object")
		return nil, false
	}
	need, may := strings.Fields(required), strings.Fields(optional)
	for _, k := range need {
		if _, has := m[k]; !has {
			c.fault(at, "missing required field: %s", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(need, k) && !slices.Contains(may, k) {
			c.stranger(at, "invalid additional property: %s", k)
		}
	}
	return m, true
}

// str checks a string member if it is there: its length in characters.
func (c *checker) str(at string, m map[string]any, key string, least, most int) string {
	v, has := m[key]
	if !has {
		return ""
	}
	at += "/" + key
	s, ok := v.(string)
	if !ok {
		c.fault(at, "must be a valid string")
		return ""
	}
	c.length(at, s, least, most)
	return s
}

func (c *checker) length(at, s string, least, most int) {
	n := utf8.RuneCountInString(s)
	if n < least {
		c.fault(at, "must be more than %d characters", least-1)
	}
	if n > most {
		c.fault(at, "must be less than %d characters", most+1)
	}
}

func (c *checker) oneOf(at string, m map[string]any, key string, allowed ...string) {
	v, has := m[key]
	if !has {
		return
	}
	if s, _ := v.(string); !slices.Contains(allowed, s) {
		c.fault(at+"/"+key, "must be one of: %s", strings.Join(allowed, ", "))
	}
}

func (c *checker) boolean(at string, m map[string]any, keys ...string) {
	for _, key := range keys {
		if v, has := m[key]; has {
			if _, ok := v.(bool); !ok {
				c.fault(at+"/"+key, "must be a valid boolean")
			}
		}
	}
}

// number checks an integer member if it is there; absent is -1.
func (c *checker) number(at string, m map[string]any, key string, least, most int64) int64 {
	v, has := m[key]
	if !has {
		return -1
	}
	n, ok := v.(json.Number)
	i, err := n.Int64()
	if !ok || err != nil || i < least || i > most {
		c.fault(at+"/"+key, "must be an integer between %d and %d", least, most)
		return -1
	}
	return i
}

func (c *checker) link(at string, m map[string]any, key string) {
	s := c.str(at, m, key, 1, 3000)
	if s == "" {
		return
	}
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.fault(at+"/"+key, "must be a valid URL")
	}
}

// list checks an array member if it is there: how many items it has.
func (c *checker) list(at string, m map[string]any, key string, least, most int) []any {
	v, has := m[key]
	if !has {
		return nil
	}
	at += "/" + key
	items, ok := v.([]any)
	switch {
	case !ok:
		c.fault(at, "must be a valid array")
	case len(items) < least:
		c.fault(at, "must provide at least %d items", least)
	case len(items) > most:
		c.fault(at, "no more than %d items allowed", most)
	}
	return items
}

// text checks a text object member if it is there.
func (c *checker) text(at string, m map[string]any, key string, most int, types ...string) {
	if v, has := m[key]; has {
		c.textObject(at+"/"+key, v, most, types...)
	}
}

func (c *checker) textObject(at string, v any, most int, types ...string) {
	optional := "emoji"
	if o, ok := v.(map[string]any); ok && o["type"] == "mrkdwn" {
		optional = "verbatim"
	}
	m, ok := c.object(at, v, "type text", optional)
	if !ok {
		return
	}
	c.oneOf(at, m, "type", types...)
	c.str(at, m, "text", 1, most)
	c.boolean(at, m, "emoji", "verbatim")
}

// messages are the faults as response_metadata has them.
func (c *checker) messages() []string {
	var all []string
	for _, f := range c.faults {
		all = append(all, "[ERROR] "+f)
	}
	return all
}
