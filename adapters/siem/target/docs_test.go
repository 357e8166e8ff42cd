package target_test

import (
	"maps"
	"os"
	"regexp"
	"testing"

	"github.com/belaybot/belay/adapters/siem/siemtest"
)

// The columns of the documentation and of the template are those that Belay sends, which the
// receiver in siemtest demands.
func TestColumnsStandInTheDocs(t *testing.T) {
	for file, pattern := range map[string]string{
		"../../../docs/siem.md":               "(?m)^\\| `([A-Z][A-Za-z]+)` \\| ([a-z]+) \\|",
		"../../../deploy/siem/sentinel.bicep": `\{ name: '([A-Z][A-Za-z]+)', type: '([a-z]+)' \}`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]string{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			told[m[1]] = m[2]
		}
		if !maps.Equal(told, siemtest.Columns()) {
			t.Errorf("%s has %v", file, told)
		}
	}
}
