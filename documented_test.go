package belay_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedExamples holds the list of Microsoft's documented examples against the
// test data: what a test is to use is there, what is there is listed, and whatever is
// left out has a reason. Each package's own tests use what they have.
func TestDocumentedExamples(t *testing.T) {
	text, err := os.ReadFile("pim/pimtest/testdata/documented.txt")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, dir := range []string{"pim/graph/testdata/examples", "pim/arm/testdata/examples", "pim/pimtest/testdata/examples", "pim/pimtest/testdata/arm"} {
		files, err := filepath.Glob(dir + "/*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		side := "client "
		if strings.HasPrefix(dir, "pim/pimtest") {
			side = "simulator "
		}
		for _, f := range files {
			there[side+strings.TrimSuffix(filepath.Base(f), ".json")] = true
		}
	}
	listed := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 || (words[1] != "test" || words[2] != "test") && len(words) < 6 {
			t.Errorf("without a reason: %s", line)
			continue
		}
		listed++
		for n, side := range []string{"client ", "simulator "} {
			used := words[n+1] == "test" || n == 0 && words[n+1] == "fuzz"
			if !used && words[n+1] != "-" {
				t.Errorf("neither test, fuzz nor -: %s", line)
			}
			if there[side+words[0]] != used {
				t.Errorf("%s%s: in the test data %v, by the list %v", side, words[0], there[side+words[0]], used)
			}
			delete(there, side+words[0])
		}
	}
	for name := range there {
		t.Errorf("%s is not listed", name)
	}
	if listed != 118 {
		t.Errorf("%d examples are listed, there are 118", listed)
	}
}
