package target_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/belaybot/belay/adapters/siem/siemtest"
	"github.com/belaybot/belay/adapters/siem/target"
)

// lines are the events of files, each on its line, and held against OCSF's schema.
func lines(t *testing.T, files ...string) (events []json.RawMessage) {
	t.Helper()
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			for _, f := range siemtest.OCSF().Faults([]byte(line)) {
				t.Errorf("%s in %q", f, line)
			}
			events = append(events, json.RawMessage(line))
		}
	}
	return events
}

// A file that is rotated, by renaming or by copying and truncating, loses nothing and gets nothing twice.
func TestFileIsRotated(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	f := w.feed("one", &target.File{Format: format, Path: at("belay.jsonl")})
	w.lives(2)
	w.runs(f)
	w.must(os.Rename(at("belay.jsonl"), at("belay.jsonl.1")))
	w.lives(1)
	w.runs(f)
	text, err := os.ReadFile(at("belay.jsonl"))
	w.must(err)
	w.must(os.WriteFile(at("belay.jsonl.2"), text, 0o600))
	w.must(os.Truncate(at("belay.jsonl"), 0))
	w.lives(1)
	w.runs(f)
	if again := w.arrived(lines(t, at("belay.jsonl.1"), at("belay.jsonl.2"), at("belay.jsonl"))); again != 0 {
		t.Errorf("%d came twice", again)
	}
	if info, err := os.Stat(at("belay.jsonl")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Half a line, as a kill may leave it, spoils no other.
func TestHalfALine(t *testing.T) {
	w, name := newWorld(t), filepath.Join(t.TempDir(), "belay.jsonl")
	w.must(os.WriteFile(name, []byte(`{"activity_id":1,"categ`), 0o600))
	w.lives(1)
	w.runs(w.feed("one", &target.File{Format: format, Path: name}))
	text, err := os.ReadFile(name)
	w.must(err)
	half, rest, _ := strings.Cut(string(text), "\n")
	if half != `{"activity_id":1,"categ` {
		t.Errorf("%q", half)
	}
	w.must(os.WriteFile(name, []byte(rest), 0o600))
	w.arrived(lines(t, name))
}

// A file that cannot be written holds up its events, and what could be written of them is taken back.
func TestFileThatCannotBeWritten(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	missing := filepath.Join(dir, "logs", "belay.jsonl")
	file := &target.File{Format: format, Path: missing}
	if _, err := file.Check(t.Context()); err == nil {
		t.Error("the look at it finds nothing wrong")
	}
	f := w.feed("one", file)
	w.lives(1)
	w.runs(f)
	if s := w.stands(); !strings.Contains(s.Why, "cannot be written") || strings.Contains(s.Why, dir) {
		t.Errorf("%+v", s)
	}
	w.must(os.Mkdir(filepath.Dir(missing), 0o700))
	if c, err := file.Check(t.Context()); err != nil || !strings.Contains(c.Found, "not there yet") {
		t.Errorf("%+v, %v", c, err)
	}
	w.runs(f)
	w.arrived(lines(t, missing))
	if c, err := file.Check(t.Context()); err != nil || !strings.Contains(c.Found, "can be written") {
		t.Errorf("%+v, %v", c, err)
	}
}

// Without texts no name and no justification leaves; ids do.
func TestWithoutTexts(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	bare := format
	bare.Texts = false
	w.lives(1)
	w.runs(w.feed("one", &target.Stream{Format: bare, To: &out}))
	if text := out.String(); strings.Contains(text, "rger") || strings.Contains(text, "Zo") || !strings.Contains(text, "22222222-2222-4222-8222-222222222222") {
		t.Errorf("%.2000s", text)
	}
}
