package belay_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var namedTest = regexp.MustCompile("`([a-z/]*)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// namedScript is a step of the pipeline, for what only a build can show.
var namedScript = regexp.MustCompile("`(\\.ci/[a-z-]+)`")

// Every threat in docs/threat-model.md names at least one test that attacks it, as
// `folder.TestName`, and that test is there.
func TestThreatsAreAttacked(t *testing.T) {
	text, err := os.ReadFile("docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	there := tests(t)
	rows := 0
	for n, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || strings.TrimSpace(cells[1]) == "Threat" || strings.HasPrefix(cells[1], "---") {
			continue
		}
		rows++
		named := namedTest.FindAllStringSubmatch(cells[len(cells)-2], -1)
		scripts := namedScript.FindAllStringSubmatch(cells[len(cells)-2], -1)
		for _, m := range scripts {
			isRun(t, m[1])
		}
		if len(named)+len(scripts) == 0 {
			t.Errorf("line %d names no test: %s", n+1, line)
		}
		for _, m := range named {
			if !there[m[1]+"."+m[2]] {
				t.Errorf("line %d: there is no %s in %s", n+1, m[2], m[1])
			}
		}
	}
	t.Logf("%d threats, %d tests", rows, len(there))
}

// isRun holds that a script is there and run for every change.
func isRun(t *testing.T, script string) {
	t.Helper()
	pipeline, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(script); err != nil || script != ".ci/run" && !strings.Contains(string(pipeline), script) {
		t.Errorf("%s is not run for every change", script)
	}
}

// tests are the tests and fuzz targets of the project as folder.Name; those of the
// top folder have none.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if folder == "." {
			folder = ""
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[folder+"."+fn.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
