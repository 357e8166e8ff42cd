// Package belay_test holds the direction of imports: DESIGN section 2 as a test.
package belay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/belaybot/belay"

// allowed says which of our own packages a package may import. A name with a
// slash at its end stands for everything below it. What is not listed may
// import nothing of ours.
var allowed = map[string][]string{
	"pim":                         {},
	"store":                       {},
	"store/bolt":                  {"store"},
	"store/postgres":              {"store"},
	"store/trail":                 {"store"},
	"store/trail/feed":            {"store", "store/trail"},
	"store/backup":                {"store"},
	"store/keyvault":              {"store"},
	"pim/internal/wire":           {"pim"},
	"pim/graph":                   {"pim", "pim/internal/"},
	"pim/arm":                     {"pim", "pim/internal/"},
	"pim/signin":                  {"pim", "store"},
	"pim/posture":                 {"pim"},
	"pim/drift":                   {"pim", "pim/posture"},
	"bench":                       {},
	"bench/cmd":                   {"pim", "pim/pimtest", "pim/signin", "store", "store/bolt", "store/trail", "bot"},
	"bot":                         {"pim", "pim/drift", "pim/posture", "store", "store/trail"},
	"adapters/":                   {"bot", "pim"},
	"adapters/siem":               {"bot", "pim", "store/trail"},
	"adapters/siem/target":        {"adapters/siem", "store/trail", "store/trail/feed"},
	"adapters/siem/siemtest":      {},
	"manifest":                    {},
	"cmd/":                        {"pim", "pim/", "store", "store/", "bot", "bot/bottest", "adapters/", "manifest", "cmd/internal/"},
	"pim/pimtest":                 {},
	"store/keyvault/vaulttest":    {},
	"store/postgres/postgrestest": {},
	"adapters/slack/slacktest":    {},
	"adapters/teams/teamstest":    {},
	"bot/bottest":                 {"bot", "pim", "pim/drift", "pim/posture", "store", "store/trail"},
	"store/storetest":             {"store"},
	"adapters/adaptertest":        {"bot", "bot/bottest", "pim"},
}

// simulators are imported by tests, by the sandbox and by the benches only.
var simulators = []string{"pim/pimtest", "adapters/slack/slacktest", "adapters/teams/teamstest", "adapters/siem/siemtest", "store/keyvault/vaulttest", "store/postgres/postgrestest", "bot/bottest", "store/storetest", "adapters/adaptertest"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	seen := 0
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours {
			continue
		}
		seen++
		may, listed := rule(name)
		if !listed {
			t.Errorf("%s stands in no rule: say in imports_test.go what it may import", name)
		}
		for _, i := range p.Imports {
			if i == "github.com/microsoftgraph/msgraph-sdk-go" || strings.HasPrefix(i, "github.com/microsoftgraph/msgraph-sdk-go/") {
				if name != "pim/graph" {
					t.Errorf("%s imports %s: only pim/graph may", name, i)
				}
			}
			dep, ours := strings.CutPrefix(i, module+"/")
			if !ours {
				continue
			}
			if !slices.ContainsFunc(may, func(m string) bool { return fits(m, dep) }) {
				t.Errorf("%s must not import %s", name, dep)
			}
			if slices.Contains(simulators, dep) && !slices.Contains(simulators, name) && name != "cmd/sandbox" && name != "bench/cmd" {
				t.Errorf("%s imports %s, which is for tests, the sandbox and the benches only", name, dep)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d packages were seen", seen)
	}
}

// rule finds the most exact rule for a package.
func rule(name string) ([]string, bool) {
	if may, ok := allowed[name]; ok {
		return may, true
	}
	for prefix, may := range allowed {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(name, prefix) {
			return may, true
		}
	}
	return nil, false
}

func fits(rule, name string) bool {
	return rule == name || strings.HasSuffix(rule, "/") && strings.HasPrefix(name, rule)
}
