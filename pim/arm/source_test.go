package arm

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What an administrator can do to others cannot be written here: two request types
// are named, once each, and nothing takes one from outside.
func TestOnlySelfActionsCanBeExpressed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	found := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`RequestType\w+|armauthorization\.RequestType\(|"requestType"`).FindAllString(string(text), -1) {
			found[name]++
		}
	}
	if len(found) != 2 || found["RequestTypeSelfActivate"] != 1 || found["RequestTypeSelfDeactivate"] != 1 {
		t.Errorf("request types named: %v", found)
	}
}

func TestScopeNames(t *testing.T) {
	for scope, want := range map[string]string{
		"/subscriptions/1": "subscription X",
		"/providers/Microsoft.Subscription/subscriptions/1":                          "subscription X",
		"/subscriptions/1/resourcegroups/rg":                                         "resource group X",
		"/providers/Microsoft.Subscription/subscriptions/1/resourceGroups/rg":        "resource group X",
		"/providers/Microsoft.Management/managementGroups/mg":                        "management group X",
		"/subscriptions/1/resourceGroups/rg/providers/A.B/servers/s":                 "resource X (A.B/servers)",
		"/subscriptions/1/resourceGroups/rg/providers/A.B/servers/s/databases/d":     "resource X (A.B/servers/databases)",
		"/subscriptions/1/resourceGroups/rg/providers/A.B/s/s/providers/C.D/locks/l": "resource X (C.D/locks)",
		"/": "X", "": "X", "/providers/x": "X", "/subscriptions/1/providers": "X",
	} {
		if got := scopeName(scope, "X"); got != want {
			t.Errorf("%s is %q, want %q", scope, got, want)
		}
	}
	if got := scopeName("/subscriptions/1/resourceGroups/rg-prod", ""); got != "resource group rg-prod" {
		t.Error(got)
	}
}
