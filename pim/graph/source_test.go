package graph

import (
	"context"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/pim"
)

// sources are this package's own files, without the tests.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text[f] = string(b)
	}
	if len(text) < 5 {
		t.Fatalf("only %d files found", len(text))
	}
	return text
}

// What an administrator can do to others cannot be written here: two actions are
// named, once for each pillar, and nothing takes an action from outside.
func TestOnlySelfActionsCanBeExpressed(t *testing.T) {
	found := map[string]int{}
	for file, text := range sources(t) {
		for _, name := range regexp.MustCompile(`(?i)\w+SCHEDULEREQUESTACTIONS|admin(assign|update|remove|extend|renew)`).FindAllString(text, -1) {
			found[name]++
		}
		if strings.Contains(text, `AddAdditional`) || strings.Contains(text, `"action"`) && file != "answer.go" {
			t.Errorf("%s writes an action past the kit's type", file)
		}
	}
	want := map[string]int{
		"SELFACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS": 1, "SELFDEACTIVATE_UNIFIEDROLESCHEDULEREQUESTACTIONS": 1,
		"SELFACTIVATE_SCHEDULEREQUESTACTIONS": 1, "SELFDEACTIVATE_SCHEDULEREQUESTACTIONS": 1,
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("actions named (-want +got):\n%s", diff)
	}
}

// The kit is large. These packages are what the build can afford, and of our own
// only the vocabulary and what all calls share are known here.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"rolemanagement": true, "identitygovernance": true, "policies": true, "auditlogs": true, "models": true, "models/odataerrors": true,
	}
	for file, text := range sources(t) {
		f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if p, ok := strings.CutPrefix(path, "github.com/microsoftgraph/msgraph-sdk-go/"); (ok || strings.HasPrefix(path, "github.com/microsoftgraph/")) && !allowed[p] {
				t.Errorf("%s imports %s", file, path)
			}
			if strings.HasPrefix(path, "github.com/belaybot/") && path != "github.com/belaybot/belay/pim" && path != "github.com/belaybot/belay/pim/internal/wire" {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}

// nobody has no token.
type nobody struct{}

func (nobody) Person(context.Context, string) (string, error) {
	return "", &pim.Error{Code: pim.CodeSignIn}
}
func (nobody) App(context.Context) (string, error) {
	return "", &pim.Error{Code: pim.CodeInvalidClientConfig}
}
