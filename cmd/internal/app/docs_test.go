package app

import (
	"os"
	"regexp"
	"testing"
)

// Every variable that the guide names is one that Load knows, or ignores.
func TestGuideNamesVariablesThatExist(t *testing.T) {
	text, err := os.ReadFile("../../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	l := loader{settings: Settings()}
	names := regexp.MustCompile(`BELAY_[A-Z][A-Z_]*`).FindAllString(string(text), -1)
	for _, name := range names {
		if _, known := l.byEnv(name); !known && !serviceLinks.MatchString(name) {
			t.Errorf("docs/install.md names %s", name)
		}
	}
	if len(names) < 5 {
		t.Errorf("it names only %d variables", len(names))
	}
}
