package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/belaybot/belay/cmd/internal/app"
	"github.com/belaybot/belay/store"
	"github.com/belaybot/belay/store/trail"
	"github.com/belaybot/belay/store/trail/feed"
)

// picky is a target that refuses every tenth event.
type picky struct{}

func (picky) Send(_ context.Context, events []trail.Record) (int, error) {
	for n, e := range events {
		if e.Index%10 == 3 {
			return n, &feed.RefusedError{Of: 1, Why: "HTTP 400" + evil}
		}
	}
	return len(events), nil
}

// The operator sees where a target stands and what it refused, has it sent again or gives it up; on a store that nobody
// serves from, and nothing that is printed drives a terminal.
func TestSIEMCommands(t *testing.T) {
	d := newData(t)
	siem := func(want int, args ...string) string {
		t.Helper()
		var o, e bytes.Buffer
		if got := run(t.Context(), append(append([]string{"siem"}, args...), "--config", d.file), nil, &o, &e); got != want {
			t.Fatalf("siem %s exits %d, want %d: %s%s", strings.Join(args, " "), got, want, o.String(), e.String())
		}
		if strings.ContainsAny(o.String()+e.String(), "\x1b\u202e\u009b\r") {
			t.Errorf("siem %s drives the terminal: %q", strings.Join(args, " "), o.String())
		}
		return o.String() + e.String()
	}
	if out := siem(exitOK, "list"); !strings.Contains(out, "no target is configured") {
		t.Errorf("says %s", out)
	}
	if out := siem(exitRefused, "retry", "splunk"); !strings.Contains(out, "no target is configured") {
		t.Errorf("says %s", out)
	}
	text, err := os.ReadFile(d.file)
	if err == nil {
		err = os.WriteFile(d.file, append(text, "\nsiem:\n  file: {path: \"-\"}\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := siem(exitOK, "list"); !strings.Contains(out, "not begun") {
		t.Errorf("says %s", out)
	}
	d.open(func(s store.Store, keys *store.Keyset) error {
		tr, err := trail.New(trail.Options{Store: s, Signer: keys.Signer("audit checkpoints")})
		if err != nil {
			return err
		}
		f, err := feed.New(feed.Options{Name: "file", Target: picky{}, Store: s, Trail: tr, Owner: "the only process"})
		for again := true; again && err == nil; {
			again, err = f.Step(t.Context())
		}
		return err
	})
	listed := func() (l app.SIEMLine) {
		t.Helper()
		if err := json.Unmarshal([]byte(siem(exitOK, "list", "--json")), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := listed()
	if l.Target != "file" || len(l.Parked) != 4 || !l.Begun || l.Taken.Before(time.Now().Add(-time.Hour)) {
		t.Fatalf("%+v", l)
	}
	out := siem(exitOK, "list")
	for _, want := range []string{"Refused by file:", l.Parked[0].ID, "request.decided", "HTTP 400"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	if out := siem(exitRefused, "retry", "splunk"); !strings.Contains(out, `"splunk" is no target that is configured; there is file`) {
		t.Errorf("says %s", out)
	}
	if out := siem(exitRefused, "retry", "file", "--event", alice); !strings.Contains(out, "no event with this id is parked") {
		t.Errorf("says %s", out)
	}
	if out := siem(exitOK, "retry", "file", "--event", l.Parked[0].ID); !strings.Contains(out, "1 events are sent again") {
		t.Errorf("says %s", out)
	}
	if l := listed(); !l.Parked[0].Again || l.Parked[1].Again {
		t.Errorf("%+v", l)
	}
	if out := siem(exitRefused, "discard", "file"); !strings.Contains(out, "--yes") || len(listed().Parked) != 4 {
		t.Errorf("says %s", out)
	}
	if out := siem(exitOK, "discard", "file", "--yes"); !strings.Contains(out, "4 events were given up") || len(listed().Parked) != 0 {
		t.Errorf("says %s", out)
	}
	if out, _ := d.audit(exitOK, "export", "--kind", "operator.command"); strings.Count(out, `"verb":"siem `) != 2 || !strings.Contains(out, `"target":"file"`) {
		t.Errorf("the trail has %s", out)
	}
}
