package siem_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/siem"
	"github.com/belaybot/belay/store/trail"
)

// The table of kinds in docs/audit.md has every kind once, says of what class it is in
// OCSF, and names no member that an event cannot have. What members each kind has is held
// against events that happen, in bot.
func TestKindsStandInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	event := full(trail.Asked).Event
	event.Texts = nil
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `([a-z.-]+)` \\|(.*)\\|(.*)\\|(.*)\\|$")
	var told []trail.Kind
	for line := range strings.Lines(string(text)) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		k := trail.Kind(m[1])
		told = append(told, k)
		if class := (siem.Source{}).OCSF(full(k)).ClassName; !strings.Contains(m[4], class) {
			t.Errorf("%s is %s in OCSF, and the docs say%s", k, class, m[4])
		}
		if strings.TrimSpace(m[2]) == "" {
			t.Errorf("%s: the docs do not say what it means", k)
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[3], -1) {
			top, of, _ := strings.Cut(name[1], ".")
			if _, ok := members[top]; !ok && top != "texts" || (top == "more" || top == "texts") != (of != "") {
				t.Errorf("%s: an event has no member %s", k, name[1])
			}
		}
	}
	slices.Sort(told)
	if all := siem.Kinds(); !slices.Equal(told, all) {
		t.Errorf("the docs tell of %v, and there are %v", told, all)
	}
}
