package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// results are the tables of bench/RESULTS.md that this program writes, each between two
// marks. What stands outside of them is written by hand.
type results struct {
	file  string
	run   string // what holds for the whole run: commit, machine
	note  string
	flags string // those of the command that change what is measured, each with a space behind it
	dry   bool
	now   func() time.Time
	load  func() string // what else runs on the machine
	head  string        // of the part that is being measured
	goals []string      // and its goals
}

// begin is called when a part begins: its table says when that was, and what else ran then.
func (r *results) begin() {
	r.head = r.now().Format("2 January 2006, 15:04") + ", " + r.run + r.load()
	if r.note != "" {
		r.head += "; **" + r.note + "**"
	}
	r.goals = nil
}

// goal says how a figure stands to what was wanted.
func (r *results) goal(wanted string, reached bool, got string) {
	verdict := "**missed**"
	if reached {
		verdict = "reached"
	}
	r.goals = append(r.goals, fmt.Sprintf("- Goal: %s: %s, %s.", wanted, verdict, got))
}

func newResults(b *bench, note string) (*results, error) {
	commit, err := output(b.root, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return nil, err
	}
	if changed, err := output(b.root, "git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/RESULTS.md"); err != nil {
		return nil, err
	} else if changed != "" {
		commit += " and changes"
	}
	return &results{file: filepath.Join(b.root, "bench", "RESULTS.md"), run: "commit " + commit + ", " + machine(), note: note, dry: b.quick, now: time.Now, load: loaded}, nil
}

// machine is what it runs on.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores (%s) for server, load and simulated services together, %s, GOMAXPROCS %d", runtime.NumCPU(), model, runtime.Version(), runtime.GOMAXPROCS(0))
}

// loaded is the load average of the last minute, where the system tells it.
func loaded() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return ", load average " + strings.Fields(string(text))[0] + " when it began"
}

// table is a table in Markdown.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String is the table.
func (t table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// write puts a part's tables into the file, in the place of those before, and prints them.
func (r *results) write(part, words string, tables ...table) error {
	var text strings.Builder
	fmt.Fprintf(&text, "`go run ./bench/cmd %s%s`: %s.\n\n%s\n", r.flags, part, r.head, words)
	for _, t := range tables {
		fmt.Fprintf(&text, "\n%s", t)
	}
	if len(r.goals) > 0 {
		text.WriteString("\n" + strings.Join(r.goals, "\n") + "\n")
	}
	fmt.Println(text.String())
	if r.dry {
		return nil
	}
	file, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	begin, end := []byte("<!-- bench "+part+" -->\n"), []byte("<!-- /bench "+part+" -->")
	before, rest, ok := bytes.Cut(file, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for %s: %s … %s", r.file, part, begin, end)
	}
	all := bytes.Join([][]byte{before, begin, []byte(text.String()), end, after}, nil)
	return os.WriteFile(r.file, all, 0o644) //nolint:gosec // a document of the repository
}

// version is that of an installed peer.
func (b *bench) version(name string) string {
	text, err := os.ReadFile(filepath.Join(b.kept, "peers", "node_modules", name, "package.json"))
	var p struct{ Version string }
	if err != nil || json.Unmarshal(text, &p) != nil {
		return "of an unknown version"
	}
	return p.Version
}

func count(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// span is a time with three digits.
func span(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

func per(o outcome) string {
	if len(o.took) == 0 {
		return "–"
	}
	warmed := float64(len(o.took)) * 1.25 // the warm-up is worked on too
	return fmt.Sprintf("%.0f µs", float64(o.used.Microseconds())/warmed)
}

func mib(kib int) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }
