package belay_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// adminAction is an action of PIM that makes, changes or ends an assignment in
// an administrator's name, as Graph spells it or as its SDK names the constant.
var adminAction = regexp.MustCompile(`(?i)admin_?(assign|remove|update|extend|renew)`)

// policyRule is no action: it is the id of the rule of a policy that says for how long
// administrators may assign, which Belay reads.
const policyRule = `"Expiration_Admin_Assignment"`

// Belay asks and decides as the person who does; it administers nothing. Nothing
// of ours but the simulators can even name an administrator's action.
func TestNoAdminActionCanBeNamed(t *testing.T) {
	for text, found := range map[string]bool{
		`"adminAssign"`: true, "models.ADMINASSIGN_UNIFIEDROLESCHEDULEREQUESTACTIONS": true, "ADMIN_REMOVE": true, "adminupdate": true,
		"AdminExtend": true, "adminRenew": true, "selfActivate": false, "administrator": false,
	} {
		if adminAction.MatchString(text) != found {
			t.Errorf("%s is found: %v", text, !found)
		}
	}
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(simulators, filepath.ToSlash(path)) || path != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			if m := adminAction.FindString(strings.ReplaceAll(line, policyRule, "")); m != "" {
				t.Errorf("%s:%d names %s", path, n+1, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("only %d files were seen", seen)
	}
}
