package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaybot/belay/manifest"
	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/signin"
)

var update = flag.Bool("update", false, "write the generated part of docs/permissions.md")

// row is a line of a table of docs/permissions.md.
type row struct{ permission, why, calls string }

// table reads the rows between "<!-- table: name -->" and "<!-- end -->".
func table(t *testing.T, name string) []row {
	t.Helper()
	text, err := os.ReadFile("../../docs/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- table: "+name+" -->\n")
	body, _, ended := strings.Cut(after, "<!-- end -->")
	if !found || !ended {
		t.Fatalf("docs/permissions.md has no table %q", name)
	}
	var rows []row
	for _, line := range strings.Split(strings.TrimSpace(body), "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			t.Fatalf("%s: not three columns: %s", name, line)
		}
		r := row{strings.Trim(cells[1], " `"), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		if r.permission == "" || r.why == "" || r.calls == "" {
			t.Errorf("%s: a cell is empty: %s", name, line)
		}
		rows = append(rows, r)
	}
	return rows
}

// The tables of docs/permissions.md name what the code asks for, and nothing else.
func TestPermissionsAreExplained(t *testing.T) {
	for name, want := range map[string][]string{
		"delegated":     signin.Scopes(),
		"reviews":       signin.Scopes(pim.AccessReviews)[len(signin.Scopes()):],
		"azure":         signin.AzureScopes(),
		"openid":        manifest.OpenIDScopes(),
		"application":   pim.ApplicationPermissions(),
		"slack":         manifest.SlackScopes(),
		"slack-sign-in": manifest.SlackSignInScopes(),
	} {
		var got []string
		for _, r := range table(t, name) {
			got = append(got, r.permission)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-code +docs/permissions.md):\n%s", name, diff)
		}
	}
}

// The registration that administrators make asks for what the table of operations
// says, and nothing else.
func TestRegistrationAsksForTheTable(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := belay(t, "init", dir, "--only", "entra", "--public-url", publicURL); code != exitOK {
		t.Fatal(stderr)
	}
	var registration struct {
		Required []struct {
			Access []struct{ ID, Type string } `json:"resourceAccess"`
		} `json:"requiredResourceAccess"`
	}
	if err := json.Unmarshal([]byte(contents(t, dir, "entra-app.json")), &registration); err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	for _, r := range registration.Required {
		for _, a := range r.Access {
			asked[a.Type]++
		}
	}
	want := map[string]int{"Role": len(pim.ApplicationPermissions()),
		"Scope": len(manifest.OpenIDScopes()) + len(pim.DelegatedPermissions(pim.Graph)) + len(pim.DelegatedPermissions(pim.ARM))}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	script := contents(t, dir, "entra-app.sh")
	for _, o := range pim.Operations() {
		for _, p := range slices.Concat(o.Delegated, o.Application) {
			off, named := o.Only != "" && len(o.Delegated) > 0, strings.Contains(script, "#   "+p)
			if p != pim.Reader && off == named {
				t.Errorf("the script names %s: %t; it is for what is off by default: %t", p, named, off)
			}
		}
	}
}

// docs/permissions.md lists each call of the table, in its order.
func TestEveryCallIsListed(t *testing.T) {
	const path, begin, end = "../../docs/permissions.md", "<!-- calls -->\n", "<!-- end of calls -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	have, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("docs/permissions.md has no list of calls")
	}
	var want strings.Builder
	want.WriteString("| call | for | as the person | as Belay itself |\n| --- | --- | --- | --- |\n")
	for _, o := range pim.Operations() {
		fmt.Fprintf(&want, "| `%s %s` | %s | %s | %s |\n", o.Method, o.Path, o.Why, strings.Join(o.Delegated, ", "), strings.Join(o.Application, ", "))
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), have); diff != "" {
		t.Errorf("go test ./cmd/belay -update writes it (-code +docs/permissions.md):\n%s", diff)
	}
}

// slackMethods are the methods behind the calls of slack-go that the adapter
// makes, each with the bot scopes of which it needs one. Source: "Scopes" on each
// method's page below https://docs.slack.dev/reference/methods
func slackMethods() map[string]struct {
	method string
	scopes []string
} {
	type need = struct {
		method string
		scopes []string
	}
	return map[string]need{
		"PostMessageContext":      {"chat.postMessage", []string{"chat:write"}},
		"UpdateMessageContext":    {"chat.update", []string{"chat:write"}},
		"PostEphemeralContext":    {"chat.postEphemeral", []string{"chat:write"}},
		"GetUserByEmailContext":   {"users.lookupByEmail", []string{"users:read.email"}},
		"GetUserInfoContext":      {"users.info", []string{"users:read"}},
		"OpenConversationContext": {"conversations.open", []string{"channels:manage", "groups:write", "im:write", "mpim:write"}},
		"OpenViewContext":         {"views.open", nil},
		"UpdateViewContext":       {"views.update", nil},
		"PublishViewContext":      {"views.publish", nil},
	}
}

// The bot scopes are those that the adapter's calls need: none is missing, and
// none is more than that.
func TestSlackScopesAreThoseOfTheCalls(t *testing.T) {
	rows := table(t, "slack")
	needed := map[string]bool{"commands": true} // for the slash command itself
	calls := slackCalls(t)
	for _, call := range calls {
		m, known := slackMethods()[call]
		if !known {
			t.Errorf("the Slack adapter calls %s: say here which method that is and what it needs", call)
			continue
		}
		if !slices.ContainsFunc(rows, func(r row) bool { return strings.Contains(r.calls, "`"+m.method+"`") }) {
			t.Errorf("docs/permissions.md does not name %s", m.method)
		}
		if len(m.scopes) == 0 {
			continue
		}
		i := slices.IndexFunc(m.scopes, func(s string) bool { return slices.Contains(manifest.SlackScopes(), s) })
		if i < 0 {
			t.Errorf("%s needs one of %v, and the manifest has none of them", m.method, m.scopes)
			continue
		}
		needed[m.scopes[i]] = true
	}
	for _, s := range manifest.SlackScopes() {
		if !needed[s] {
			t.Errorf("the manifest asks for %s, which no call needs", s)
		}
	}
	if len(calls) < 6 {
		t.Errorf("only %v were found in the Slack adapter", calls)
	}
}

// slackCalls are the methods of slack-go's client that the adapter calls through
// its field "api".
func slackCalls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../adapters/slack/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if method, ok := n.(*ast.SelectorExpr); ok {
				if client, ok := method.X.(*ast.SelectorExpr); ok && client.Sel.Name == "api" {
					calls = append(calls, method.Sel.Name)
				}
			}
			return true
		})
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}
