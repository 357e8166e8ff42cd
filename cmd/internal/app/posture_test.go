package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaybot/belay/pim"
	"github.com/belaybot/belay/pim/posture"
	"github.com/belaybot/belay/store"
)

// Every part of a snapshot names what it takes, and Belay asks for no less.
func TestPosturePermissionsAreAskedFor(t *testing.T) {
	for part, permission := range posture.Permissions() {
		if permission != pim.Reader && !slices.Contains(pim.ApplicationPermissions(), permission) {
			t.Errorf("%s takes %s, which nobody is asked to consent to", part, permission)
		}
	}
	for _, c := range posture.Checks() {
		for _, part := range c.Needs {
			if posture.Permissions()[part] == "" {
				t.Errorf("%s needs %s, and nothing says what that takes", c.ID, part)
			}
		}
	}
}

// Settings of posture that cannot be are refused, each with its path.
func TestPostureSettings(t *testing.T) {
	_, err := Load(write(t, good+"\nposture: {azure_scopes: [\"subscriptions/x\"], digest: someday}\nsecurity: {viewers: [alice], break_glass: [\"x\"]}\n"), nil)
	got := faults(t, err)
	for _, path := range []string{"posture.azure_scopes[0]: ", "posture.digest: ", "security.viewers[0]: ", "security.break_glass[0]: "} {
		if !strings.Contains(got, path) {
			t.Errorf("%s is not among %s", path, got)
		}
	}
	cfg, err := Load(write(t, good), nil)
	if err != nil || len(cfg.postureScopes()) != 1 || !strings.HasSuffix(cfg.postureScopes()[0], "/managementGroups/"+cfg.Entra.TenantID) || !cfg.Posture.Daily {
		t.Errorf("%v %+v", err, cfg.Posture)
	}
}

func opened(t *testing.T, more string) *App {
	t.Helper()
	cfg, err := Load(write(t, good+more), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	a, err := openStore(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func dayAt(at time.Time) posture.Report { return posture.Report{Taken: at, Tenant: "t"} }

// The trend is bounded: the oldest days go.
func TestKeptDaysAreBounded(t *testing.T) {
	a := opened(t, "")
	first := time.Date(2025, 1, 1, 6, 0, 0, 0, time.UTC)
	for i := range keptDays + 3 {
		if err := a.keepDay(t.Context(), dayAt(first.AddDate(0, 0, i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	days, err := a.trend(t.Context())
	if err != nil || len(days) != keptDays || days[0].Day != "2025-01-04" {
		t.Errorf("%d days from %s, %v", len(days), days[0].Day, err)
	}
}

// One replica reads the tenant for a day: not one that finds the day kept, and not one
// that finds another at it, until that one has taken too long.
func TestOneReplicaReadsTheTenant(t *testing.T) {
	a := opened(t, "")
	now := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	turnOf := func(owner string) {
		err := a.sealed.Update(t.Context(), func(tx store.Tx) error {
			return postureTurns.Put(tx, "turn", turn{Day: "2026-11-26", Owner: owner, Until: now.Add(postureTurn)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	turnOf("another")
	if did, err := a.daily(t.Context()); did || err != nil {
		t.Errorf("while another reads: %v %v", did, err)
	}
	now = now.Add(postureTurn)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if did, err := a.daily(stopped); did || err == nil {
		t.Errorf("a reading that was stopped is kept: %v %v", did, err)
	}
	if err := a.keepDay(t.Context(), dayAt(now), nil); err != nil {
		t.Fatal(err)
	}
	if did, err := a.daily(t.Context()); did || err != nil {
		t.Errorf("with the day kept: %v %v", did, err)
	}
}

// toldWeeks are the weeks whose report is told, by the bulletins that are kept.
func toldWeeks(t *testing.T, a *App) (n int) {
	t.Helper()
	err := a.sealed.View(t.Context(), func(tx store.Tx) error {
		n = 0
		return tx.Scan("bulletins", nil, nil, func([]byte, []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The week's report is told on its day; where nothing could be read that day, by the next
// reading; and once a week, whoever reads, whatever day is set, and after a restart.
func TestTheWeeksReportIsToldOnceAWeek(t *testing.T) {
	a := opened(t, "\nposture: {digest: thursday}\n")
	thursday := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		day    int // after that Thursday
		digest string
		told   int // in all
		why    string
	}{
		{-2, "thursday", 0, "a Belay that is new has missed nothing"},
		{0, "thursday", 1, "it is the day"},
		{0, "thursday", 1, "another replica reads too"},
		{1, "thursday", 1, "the day after"},
		{6, "thursday", 1, "the last day of the week"},
		{9, "thursday", 2, "nothing was read on the day, nor on the next"},
		{10, "thursday", 2, "it was made up for"},
		{14, "thursday", 3, "the day again"},
		{15, "friday", 3, "another day is set, within the week"},
		{18, "none", 3, "none is wanted"},
		{21, "friday", 3, "before the new day"},
		{22, "friday", 4, "the new day, more than a week later"},
		{29, "friday", 5, "a week after"},
		{60, "friday", 6, "weeks without a reading are made up for once"},
	} {
		a.cfg.Posture.Digest = step.digest
		if err := a.keepDay(t.Context(), dayAt(thursday.AddDate(0, 0, step.day)), nil); err != nil {
			t.Fatal(err)
		}
		if told := toldWeeks(t, a); told != step.told {
			t.Fatalf("day %d, %s: %d told, want %d", step.day, step.why, told, step.told)
		}
	}
}

// A reading that the tenant did not answer is no day, and tells nobody; the next good one does.
func TestAReadingThatFailedIsNotKept(t *testing.T) {
	a := opened(t, "\nposture: {digest: thursday}\n")
	s := posture.Snapshot{Taken: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)}
	for _, step := range []struct {
		days       int // later
		failed     bool
		kept, told int
	}{{0, false, 1, 0}, {2, true, 1, 0}, {1, true, 1, 0}, {1, false, 2, 1}} {
		s.Taken, s.Unseen = s.Taken.AddDate(0, 0, step.days), nil
		if step.failed {
			s.Unseen = []posture.Unseen{{Part: posture.RolesActive, Why: "no answer"}, {Part: posture.RolesEligible, Why: "throttled"}}
		}
		if kept, err := a.keepReading(t.Context(), s); kept == step.failed || (err != nil) != step.failed {
			t.Errorf("%s: %v %v", s.Taken.Format(time.DateOnly), kept, err)
		}
		days, err := a.trend(t.Context())
		if err != nil || len(days) != step.kept || toldWeeks(t, a) != step.told {
			t.Errorf("%s: %d days, %d told, want %d and %d, %v", s.Taken.Format(time.DateOnly), len(days), toldWeeks(t, a), step.kept, step.told, err)
		}
	}
}

type members map[string][]string // of groups

func (m members) Members(_ context.Context, group string) ([]string, error) {
	switch in, ok := m[group]; {
	case group == "broken":
		return nil, errors.New("cannot be read")
	case !ok: // a person, or nothing any more
		return nil, &pim.Error{Op: "group members", Code: pim.CodeNotFound}
	default:
		return in, nil
	}
}

// Viewers are named, or are in a group that is; without any nobody is, and where a group
// cannot be read nobody is either.
func TestViewers(t *testing.T) {
	v := &postureView{groups: members{"group": {"in"}}}
	for _, tc := range []struct {
		viewers []string
		person  string
		may     bool
		fails   bool
	}{
		{nil, "alice", false, false}, {[]string{"ALICE"}, "alice", true, false}, {[]string{"group"}, "in", true, false},
		{[]string{"group"}, "out", false, false}, {[]string{"broken"}, "alice", false, true},
		{[]string{"bob", "group"}, "in", true, false}, {[]string{"bob"}, "in", false, false}, // a person is no group
	} {
		v.cfg.Security.Viewers = tc.viewers
		if may, err := v.Viewer(t.Context(), tc.person); may != tc.may || (err != nil) != tc.fails {
			t.Errorf("%v %s: %v %v", tc.viewers, tc.person, may, err)
		}
	}
}

// The tenant is read once for all who ask, and again after an hour; who gives up waiting
// does not spoil it for the others.
func TestTheTenantIsReadOnceForAll(t *testing.T) {
	var mu sync.Mutex
	reads, now := 0, time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	gate := make(chan struct{})
	v := &postureView{now: func() time.Time { return now }, trend: func(context.Context) ([]posture.Day, error) { return nil, nil },
		read: func(ctx context.Context) (posture.Snapshot, error) {
			mu.Lock()
			reads++
			mu.Unlock()
			<-gate
			return posture.Snapshot{Taken: now, Tenant: fmt.Sprint(reads)}, ctx.Err()
		}}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Report(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if r, _, err := v.Report(t.Context()); err != nil || r.Tenant != "1" {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
	close(gate)
	all.Wait()
	now = now.Add(postureAge)
	if answers, err := v.Checklist(t.Context()); err != nil || len(answers) != 10 || reads != 2 {
		t.Errorf("%d answers, %d reads, %v", len(answers), reads, err)
	}
}
