package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/belaybot/belay/pim/posture"
)

// The tables of docs/posture.md are the code's: go test -update writes them.
func TestPostureIsDocumented(t *testing.T) {
	const file = "../../docs/posture.md"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	findings, parts := "| Finding | Severity | Cannot be clear without |\n|---|---|---|\n", "| Part | Permission |\n|---|---|\n"
	listed := map[posture.Part]bool{}
	for _, c := range posture.Checks() {
		var needs []string
		for _, p := range c.Needs {
			needs = append(needs, string(p))
			listed[p] = true
		}
		findings += fmt.Sprintf("| `%s` | %s | %s |\n", c.ID, c.Severity, strings.Join(needs, ", "))
	}
	for _, p := range posture.Parts() {
		parts += fmt.Sprintf("| `%s`: %s | %s |\n", p, posture.PartName(p), posture.Permissions()[p])
		delete(listed, p)
	}
	if len(listed) > 0 {
		t.Errorf("parts that are not listed: %v", listed)
	}
	text := string(raw)
	for name, want := range map[string]string{"findings": findings, "parts": parts} {
		before, rest, found := strings.Cut(text, "<!-- "+name+" -->\n")
		_, after, ended := strings.Cut(rest, "<!-- end of "+name+" -->")
		if !found || !ended {
			t.Fatalf("docs/posture.md has no table %s", name)
		}
		text = before + "<!-- " + name + " -->\n" + want + "<!-- end of " + name + " -->" + after
	}
	if text == string(raw) {
		return
	}
	if !*update {
		t.Fatal("docs/posture.md is not what the code says: go test ./cmd/belay -run Posture -update")
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
