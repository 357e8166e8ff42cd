package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/belaybot/belay/cmd/internal/app"
)

const operations = "../../docs/operations.md"

var (
	named       = regexp.MustCompile("`(belay [^`]*)`")
	substituted = regexp.MustCompile(`\$\([^)]*\)`)
	pathKey     = regexp.MustCompile("`((?:entra|slack|teams|store|keys|endpoints|notices|security|approval|telemetry|siem|audit)\\.[a-z_.]+)`")
	ofCluster   = regexp.MustCompile(`\b(?:kubectl|helm) (?:[a-z]+|--)[^|&` + "`" + `\n]*`)
	mdLink      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the command lines of a page's indented blocks, continued lines joined.
func blocks(text string) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if strings.HasPrefix(line, "    ") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// ofBelay are the arguments of a command line that runs belay, on a machine or in a container.
func ofBelay(line string) ([]string, bool) {
	line = strings.ReplaceAll(substituted.ReplaceAllString(line, "X"), "CLIENT_ID", "00000000-0000-0000-0000-000000000002")
	for _, end := range []string{" # ", " > ", " < ", " | ", " && "} {
		line, _, _ = strings.Cut(line, end)
	}
	words := strings.Fields(line)
	for n, w := range words {
		if w == "belay" && n == 0 || w == "./belay" && n == 0 || w == "/usr/local/bin/belay" {
			return words[n+1:], true
		}
	}
	return nil, false
}

// Each command of belay that docs/operations.md and the chart's notes tell somebody to type is
// one that the binary takes; what is mentioned is at least a command with such flags.
func TestOperationsNameCommandsThatExist(t *testing.T) {
	typed, mentioned := 0, 0
	for _, path := range []string{operations, "../../deploy/helm/belay/templates/NOTES.txt"} {
		text := page(t, path)
		for _, line := range blocks(text) {
			args, ok := ofBelay(line)
			if !ok {
				continue
			}
			typed++
			if err := parses(t, args); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			args, ok := ofBelay(m[1])
			if !ok || args[0] == "…" {
				continue
			}
			mentioned++
			if err := known(t, args); err != "" {
				t.Errorf("%s: %s", m[1], err)
			}
		}
	}
	if typed < 15 || mentioned < 20 {
		t.Errorf("only %d commands and %d mentions were seen", typed, mentioned)
	}
	// The check finds what it is for.
	for _, wrong := range []string{"doctor", "doctor --config x --quick", "keys turn --config x", "links revoke --config x"} {
		if parses(t, strings.Fields(wrong)) == nil {
			t.Errorf("belay %s is taken", wrong)
		}
	}
	for _, wrong := range []string{"keys turn", "doctor --quick", "store"} {
		if known(t, strings.Fields(wrong)) == "" {
			t.Errorf("belay %s is known", wrong)
		}
	}
}

// Each kubectl and helm that works on a namespace names it: a line that is copied in an emergency must
// not miss because of the reader's own default.
func TestOperationsNameTheNamespace(t *testing.T) {
	text := strings.ReplaceAll(page(t, operations), "\\\n", " ")
	seen := 0
	for _, said := range ofCluster.FindAllString(text, -1) {
		if said == "kubectl create namespace belay" {
			continue
		}
		seen++
		if !strings.Contains(said, "--namespace belay") {
			t.Errorf("which namespace: %s", said)
		}
	}
	if seen < 15 {
		t.Errorf("only %d were seen", seen)
	}
}

// What a restore onto a new disk needs for good is in the values, not on the command line.
func TestARestoreKeepsItsDisk(t *testing.T) {
	text := page(t, operations)
	if strings.Contains(text, "--set store.bolt.suffix") || !strings.Contains(text, `bolt: {suffix: "-2"}`) {
		t.Error("the next upgrade would serve the old disk")
	}
	if !strings.Contains(text, "wait --for=condition=complete --timeout=60s job/belay-restore && \\\n      helm upgrade belay") {
		t.Error("Belay is started whether or not the restore succeeded")
	}
}

// What is told to be made of a private key is for its owner alone.
func TestACertificateFileIsMadePrivate(t *testing.T) {
	for _, path := range []string{operations, "../../docs/install.md"} {
		seen := 0
		for line := range strings.Lines(page(t, path)) {
			if strings.Contains(line, "key.pem >") {
				seen++
				if !strings.Contains(line, "(umask 077; cat cert.pem key.pem > belay.pem) && rm key.pem") {
					t.Errorf("%s: others may read what this makes: %s", path, line)
				}
			}
		}
		if seen != 1 {
			t.Errorf("%s tells it %d times", path, seen)
		}
	}
}

func commandLine(t *testing.T) *kong.Kong {
	t.Helper()
	var said bytes.Buffer
	k, err := kong.New(&commands{}, kong.Name("belay"), kong.Writers(&said, &said), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func parses(t *testing.T, args []string) error {
	t.Helper()
	_, err := commandLine(t).Parse(args)
	return err
}

// known says what of a mention does not exist: its command, or one of its flags.
func known(t *testing.T, args []string) string {
	t.Helper()
	node := commandLine(t).Model.Node
	for len(args) > 0 && len(node.Children) > 0 {
		var next *kong.Node
		for _, c := range node.Children {
			if c.Type == kong.CommandNode && c.Name == args[0] {
				next = c
			}
		}
		if next == nil {
			return "no command " + args[0]
		}
		node, args = next, args[1:]
	}
	if len(node.Children) > 0 {
		return "not a whole command"
	}
	for _, a := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !strings.HasPrefix(a, "--") || name == "" {
			continue
		}
		found := false
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				found = found || f.Name == name
			}
		}
		if !found {
			return "no flag " + a
		}
	}
	return ""
}

// The settings that docs/operations.md names are Belay's, and what it links to is there.
func TestOperationsNameWhatIsThere(t *testing.T) {
	text := page(t, operations)
	settings := map[string]bool{}
	for _, s := range app.Settings() {
		settings[s.Path] = true
	}
	keys := 0
	for _, m := range pathKey.FindAllStringSubmatch(text, -1) {
		if checks := page(t, "../../docs/doctor.md"); strings.Contains(checks, "| `"+m[1]+"` |") {
			continue // a check of doctor's
		}
		if strings.HasPrefix(m[1], "store.bolt.") || strings.HasPrefix(m[1], "restore.") {
			continue // a value of the chart
		}
		keys++
		if !settings[m[1]] && !settings[strings.TrimSuffix(m[1], "_file")] {
			t.Errorf("there is no setting %s", m[1])
		}
	}
	links := 0
	for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], "http") {
			continue
		}
		links++
		file, anchor, _ := strings.Cut(m[1], "#")
		at := operations
		if file != "" {
			at = filepath.Join("../../docs", file)
		}
		target := page(t, at)
		if anchor != "" && !headed(target, anchor) {
			t.Errorf("%s has no heading %s", at, anchor)
		}
	}
	if keys < 8 || links < 20 {
		t.Errorf("only %d settings and %d links were seen", keys, links)
	}
}

// headed tells whether a page has a heading with that anchor, as GitHub makes them.
func headed(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		if slug == anchor {
			return true
		}
	}
	return false
}
