package belay_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// faults is how many cases docs/faults.md lists.
const faults = 70

var (
	numbered     = regexp.MustCompile(`^\| ([0-9]+) \|`)
	goTest       = regexp.MustCompile("`(go test [^`]*)`")
	reproduction = regexp.MustCompile(`^go test (?:-tags [a-z]+ )?\./([a-z/]+) -run '?\^?((?:Test|Fuzz)[A-Za-z0-9_]+)\$?'?(?: -[a-z.-]+ [0-9]+[hm]?)*$`)
)

// Every case of docs/faults.md stands there once, with what reproduces it or the reason why
// nothing does, and what is named is there.
func TestFaultsAreReproduced(t *testing.T) {
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	body, missing, found := strings.Cut(string(text), "\n## Not reached\n")
	if !found {
		t.Fatal("it does not say what is not reached")
	}
	there, excused, rows := tests(t), map[string]bool{}, map[string]int{}
	for line := range strings.Lines(missing) {
		if m := numbered.FindStringSubmatch(line); m != nil {
			excused[m[1]] = true
		}
	}
	for line := range strings.Lines(body) {
		commands, scripts := goTest.FindAllStringSubmatch(line, -1), namedScript.FindAllStringSubmatch(line, -1)
		for _, c := range commands {
			m := reproduction.FindStringSubmatch(c[1])
			if m == nil || !there[m[1]+"."+m[2]] {
				t.Errorf("there is no such test: %s", c[1])
			}
		}
		for _, s := range scripts {
			isRun(t, s[1])
		}
		if m := numbered.FindStringSubmatch(line); m != nil {
			rows[m[1]]++
			if len(commands)+len(scripts) == 0 && !excused[m[1]] {
				t.Errorf("fault %s: nothing reproduces it, and it is not said why", m[1])
			}
		}
	}
	for n := 1; n <= faults; n++ {
		number := strconv.Itoa(n)
		if rows[number] != 1 {
			t.Errorf("fault %d stands there %d times", n, rows[number])
		}
		delete(rows, number)
	}
	if len(rows) > 0 {
		t.Errorf("numbers that no fault has: %v", rows)
	}
}
